"""The same endpoints as a class would write them today: FastAPI, asyncpg's pool, models for the answers, uvicorn.

It reads and writes the same rows by statements of the same kind; it has no ETag, no trace, no metrics and no retries. Where
HISTORIA_CLINICA_SIGNING_KEYS names the lab's keys it keeps the lab's rules, too: the token, the open session, the role, for whom
row-level security lets rows through, and a row for what is read and what is written.
"""
# mypy: disable-error-code="untyped-decorator"

from __future__ import annotations

import hashlib
import os
import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import date, datetime
from pathlib import Path
from typing import Any
from uuid import UUID

import asyncpg
import jwt
from fastapi import FastAPI, HTTPException, Request
from pydantic import BaseModel

#: As many connections as the lab's own service has.
CONNECTIONS = 8
FIELDS = {
    "patient": ["cedula"],
    "consultations": ["cedula"],
    "insert": ["cedula", "medico_id", "motivo", "codigo_cie10", "diagnostico"],
}


def numbered(name: str) -> str:
    """The statement with $1, $2, ... in the place of names."""
    text = (Path(__file__).parent / "sql" / f"{name}.sql").read_text(encoding="utf-8")
    return re.sub(r"%\((\w+)\)s", lambda found: f"${FIELDS[name].index(found[1]) + 1}", text)


SQL = {name: numbered(name) for name in FIELDS}


class Patient(BaseModel):
    """A patient."""

    cedula: str
    id: str
    nombre: str
    apellido: str
    fecha_nacimiento: date
    sexo: str
    ciudad: str
    telefono: str | None
    correo: str | None
    creado_en: datetime


class Consultation(BaseModel):
    """A consultation as it is kept."""

    paciente_id: str
    id: UUID
    medico_id: int
    fecha_consulta: datetime
    motivo: str
    codigo_cie10: str
    diagnostico: str
    tratamiento: str | None


class Attended(Consultation):
    """A consultation with its doctor."""

    medico: str
    especialidad: str
    registro: str
    ciudad: str
    activo: bool


class History(BaseModel):
    """A patient with his consultations."""

    paciente: Patient
    consultas: list[Attended]


class New(BaseModel):
    """What is sent to write a consultation."""

    medico_id: int
    motivo: str
    codigo_cie10: str
    diagnostico: str


KEYS = os.environ.get("HISTORIA_CLINICA_SIGNING_KEYS")
SECRETS = {
    hashlib.sha256(secret.encode()).hexdigest()[:16]: secret
    for secret in (Path(KEYS).read_text(encoding="ascii").split() if KEYS else [])
}
#: The row that is left, by what is done.
READ = "INSERT INTO accesos (paciente_id, documento_id, rol, accion, motivo) VALUES ($1, $2, $3, $4, 'prueba')"
CHANGED = (
    "INSERT INTO cambios (paciente_id, documento_id, rol, accion, motivo, tabla, fila)"
    " VALUES ($1, $2, $3, $4, 'prueba', 'consultas', gen_random_uuid()::text)"
)
AUDIT = {"paciente": READ, "historia": READ, "registro": CHANGED}
READERS = {"administrador", "medico", "admisionista", "resultados"}


@asynccontextmanager
async def lifespan(app: FastAPI) -> AsyncIterator[None]:
    """Keep a pool as long as the service runs."""
    settings = {"citus.propagate_set_commands": "local"}  # for whom it asks has to reach the shards
    async with asyncpg.create_pool(min_size=CONNECTIONS, max_size=CONNECTIONS, server_settings=settings) as pool:
        app.state.pool = pool  # libpq's variables say where
        yield


app = FastAPI(lifespan=lifespan)


def who(request: Request, roles: set[str]) -> dict[str, Any]:
    """The token's claims, of somebody in one of the roles."""
    scheme, _, token = request.headers.get("Authorization", "").partition(" ")
    try:
        secret = SECRETS[jwt.get_unverified_header(token)["kid"]]
        claims: dict[str, Any] = jwt.decode(token, secret, algorithms=["HS256"], issuer="historia-clinica")
    except (jwt.PyJWTError, KeyError):
        raise HTTPException(401) from None
    if scheme.lower() != "bearer" or claims["rol"] not in roles:
        raise HTTPException(403)
    return claims


@asynccontextmanager
async def acting(request: Request, roles: set[str], cedula: str, action: str) -> AsyncIterator[asyncpg.Connection]:
    """A connection; with the rules in a transaction on behalf of who asks, with a row for what he does."""
    claims = who(request, roles) if SECRETS else None
    async with request.app.state.pool.acquire() as connection:
        if claims is None:
            yield connection
            return
        async with connection.transaction():
            person = f"{claims['rol']}/{claims['sub']}/{claims['med'] or ''}"
            await connection.execute(f"SET LOCAL historia.persona = '{person}'")
            session = "SELECT id FROM lab.sesiones WHERE id = $1 AND cerrada_en IS NULL"
            if await connection.fetchval(session, UUID(claims["sid"])) is None:
                raise HTTPException(401)
            await connection.execute(AUDIT[action], cedula, claims["sub"], claims["rol"], action)
            yield connection


@app.get("/api/v1/pacientes/{cedula}", response_model=Patient)
async def patient(cedula: str, request: Request) -> Any:
    """One patient."""
    async with acting(request, READERS, cedula, "paciente") as connection:
        row = await connection.fetchrow(SQL["patient"], cedula)
    if row is None:
        raise HTTPException(404)
    return dict(row)


@app.get("/api/v1/pacientes/{cedula}/historia", response_model=History)
async def history(cedula: str, request: Request) -> Any:
    """A patient with his consultations."""
    async with acting(request, {"administrador", "medico"}, cedula, "historia") as connection:
        row = await connection.fetchrow(SQL["patient"], cedula)
        if row is None:
            raise HTTPException(404)
        consultations = await connection.fetch(SQL["consultations"], cedula)
    return {"paciente": dict(row), "consultas": [dict(each) for each in consultations]}


@app.post("/api/v1/pacientes/{cedula}/consultas", response_model=Consultation, status_code=201)
async def consult(cedula: str, new: New, request: Request) -> Any:
    """Write a consultation."""
    values = new.model_dump()
    async with acting(request, {"administrador", "medico"}, cedula, "registro") as connection:
        row = await connection.fetchrow(SQL["insert"], cedula, *(values[name] for name in FIELDS["insert"][1:]))
    return dict(row)
