"""The same endpoints as a class would write them today: FastAPI, asyncpg's pool, models for the answers, uvicorn.

It reads and writes the same rows by statements of the same kind; it has no ETag, no trace, no metrics and no retries.
"""
# mypy: disable-error-code="untyped-decorator"

from __future__ import annotations

import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import date, datetime
from pathlib import Path
from typing import Any
from uuid import UUID

import asyncpg
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


@asynccontextmanager
async def lifespan(app: FastAPI) -> AsyncIterator[None]:
    """Keep a pool as long as the service runs."""
    async with asyncpg.create_pool(min_size=CONNECTIONS, max_size=CONNECTIONS) as pool:  # libpq's variables say where
        app.state.pool = pool
        yield


app = FastAPI(lifespan=lifespan)


@app.get("/api/v1/pacientes/{cedula}", response_model=Patient)
async def patient(cedula: str, request: Request) -> Any:
    """One patient."""
    row = await request.app.state.pool.fetchrow(SQL["patient"], cedula)
    if row is None:
        raise HTTPException(404)
    return dict(row)


@app.get("/api/v1/pacientes/{cedula}/historia", response_model=History)
async def history(cedula: str, request: Request) -> Any:
    """A patient with his consultations."""
    async with request.app.state.pool.acquire() as connection:
        row = await connection.fetchrow(SQL["patient"], cedula)
        if row is None:
            raise HTTPException(404)
        consultations = await connection.fetch(SQL["consultations"], cedula)
    return {"paciente": dict(row), "consultas": [dict(each) for each in consultations]}


@app.post("/api/v1/pacientes/{cedula}/consultas", response_model=Consultation, status_code=201)
async def consult(cedula: str, new: New, request: Request) -> Any:
    """Write a consultation."""
    values = new.model_dump()
    row = await request.app.state.pool.fetchrow(SQL["insert"], cedula, *(values[name] for name in FIELDS["insert"][1:]))
    return dict(row)
