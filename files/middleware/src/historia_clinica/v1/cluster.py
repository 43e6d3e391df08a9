"""`/api/v1/cluster`: where things are, and what a query costs where."""

from __future__ import annotations

import json
from typing import Annotated, Any, Literal

from flask import Response
from pydantic import BaseModel, Field

from historia_clinica import answers, cluster
from historia_clinica.resource import Resource
from historia_clinica.schemas import Cedula, Entrada

blueprint = Resource("cluster", __name__, "/cluster", tag="Clúster")

RAZON = Field(description="Por qué hay un null al lado")


class Nodo(BaseModel):
    """A server of the database; what it did not tell is null, and `error` says why."""

    nombre: str
    rol: Literal["coordinator", "worker"]
    host: str
    puerto: int
    responde: bool
    error: str | None
    version: str | None
    fragmentos: int
    bytes: int | None


class Tabla(BaseModel):
    """A table; `sesgo` is how many times the mean the fullest shard, or node, holds."""

    nombre: str
    tipo: Literal["distribuida", "referencia", "local"]
    columna: str | None
    grupo: int | None
    fragmentos: int | None
    filas: int | None
    bytes: int | None
    sesgo_fragmentos: float | None
    sesgo_nodos: float | None
    razon: Annotated[str | None, RAZON]


class Grupo(BaseModel):
    """Tables that are spread alike: rows with the same key lie on the same node."""

    grupo: int
    tablas: list[str]


class Fragmento(BaseModel):
    """A part of a table on a node; null where the node did not count it."""

    tabla: str
    fragmento: str
    nodo: str
    filas: int | None
    bytes: int | None


class Cluster(BaseModel):
    """The database seen from inside."""

    motor: Literal["citus", "postgres_fdw"]
    nodos: list[Nodo]
    tablas: list[Tabla]
    grupos: list[Grupo]
    fragmentos: list[Fragmento]


class Donde(Entrada):
    """Whose rows."""

    cedula: Cedula


class Parte(BaseModel):
    """The shard of a table where a patient's rows are."""

    tabla: str
    fragmento: str
    nodo: str


class Lugar(BaseModel):
    """Where the rows of a patient are, or would be."""

    cedula: Cedula
    tablas: list[Parte]
    colocalizadas: bool


class Cual(Entrada):
    """Which query to explain; without one they are only listed."""

    consulta: (
        Literal["paciente", "historia", "ciudades", "diagnostico", "colocada", "referencia", "original"] | None
    ) = None


class Trabajo(BaseModel):
    """What a node did for a query: the time it worked, the longest that the coordinator waited for one task."""

    nodo: str
    tareas: int
    ms_nodo: float | None
    ms_espera: float | None
    razon: Annotated[str, RAZON]


class Explicacion(BaseModel):
    """How a query was done; where the database refused it, `razon` says why."""

    plan: list[str] | None
    nodos: list[Trabajo] | None
    ms_planear: float | None
    ms_ejecutar: float | None
    razon: Annotated[str | None, RAZON]


class ConsultaExplicada(BaseModel):
    """A query of the lesson."""

    consulta: str
    titulo: str
    leccion: str
    sql: str
    explicacion: Explicacion | None


class Explicaciones(BaseModel):
    """The queries of the lesson."""

    consultas: list[ConsultaExplicada]


@blueprint.get("")
@blueprint.operation("Muestra nodos, tablas y fragmentos, y qué tan parejo está todo", "cluster.leer", Cluster)
def overview() -> Response:
    """Show nodes, tables and shards."""
    return _answer(cluster.overview())


@blueprint.get("/where")
# Who asks is checked before what he asks.
@blueprint.operation("Dice en qué nodo están las filas de un paciente, o estarían", "cluster.leer", Lugar)
@blueprint.input(Donde, location="query", arg_name="whose")
def where(whose: Donde) -> Response:
    """Say where a patient's rows are."""
    return _answer(cluster.place(whose.cedula))


@blueprint.get("/explain")
@blueprint.operation(
    "Lista las consultas de la lección, o ejecuta una y explica cómo se hizo", "cluster.leer", Explicaciones
)
@blueprint.input(Cual, location="query", arg_name="which")
def explain(which: Cual) -> Response:
    """List the queries of the lesson, or run one of them and explain it: SQL never comes from outside."""
    if which.consulta is None:
        return _answer({"consultas": [cluster.query(name) | {"explicacion": None} for name in cluster.QUERIES]})
    explained = cluster.query(which.consulta) | {"explicacion": cluster.explained(which.consulta)}
    return _answer({"consultas": [explained]})


def _answer(body: dict[str, Any]) -> Response:
    return answers.answer(json.dumps(body, ensure_ascii=False))
