"""Who may do what: the one table of permissions, and the person on whose behalf a request runs."""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum
from http import HTTPStatus
from typing import Literal, NamedTuple, get_args

from flask import g

from historia_clinica.errors import ProblemError

Rol = Literal["administrador", "medico", "admisionista", "resultados", "paciente"]
ROLES: tuple[str, ...] = get_args(Rol)


class Scope(StrEnum):
    """How much of what is there."""

    ALL = "todo"
    OWN = "lo propio"


ALL, OWN = Scope.ALL, Scope.OWN

# What is done -> who may do it, and to how much. What a role is not named for it may not do. A patient's own is what has
# his cedula, a doctor's own what has his number, anybody's own his user.
PERMISSIONS: Mapping[str, Mapping[str, Scope]] = {
    "medicos.leer": dict.fromkeys(ROLES, ALL),
    "medicos.escribir": {"administrador": ALL},
    "municipios.leer": dict.fromkeys(ROLES, ALL),
    "cie10.leer": dict.fromkeys(ROLES, ALL),
    "pacientes.buscar": {"administrador": ALL, "medico": ALL, "admisionista": ALL, "resultados": ALL},
    "pacientes.leer": {"administrador": ALL, "medico": ALL, "admisionista": ALL, "resultados": ALL, "paciente": OWN},
    "pacientes.escribir": {"administrador": ALL, "admisionista": ALL},
    "consultas.buscar": {"administrador": ALL, "medico": ALL, "resultados": ALL},
    "consultas.leer": {"administrador": ALL, "medico": ALL, "resultados": ALL, "paciente": OWN},
    "consultas.escribir": {"administrador": ALL, "medico": OWN},
    "historia.leer": {"administrador": ALL, "medico": ALL, "paciente": OWN},
    "importaciones.escribir": {"administrador": ALL},
    "accesos.leer": {"administrador": ALL, "paciente": OWN},
    "accesos.buscar": {"administrador": ALL},
    "usuarios.buscar": {"administrador": ALL},
    "usuarios.leer": {"administrador": ALL, "medico": OWN, "admisionista": OWN, "resultados": OWN, "paciente": OWN},
    "usuarios.escribir": {"administrador": ALL},
    "usuarios.clave": {"administrador": ALL, "medico": OWN, "admisionista": OWN, "resultados": OWN, "paciente": OWN},
    "sesion.propia": dict.fromkeys(ROLES, OWN),
    "cluster.leer": dict.fromkeys(ROLES, ALL),
}


class Person(NamedTuple):
    """Who asks, as the token says."""

    documento_id: str  # of the user; a patient's is his cedula
    rol: str  # one of ROLES
    medico_id: str | None  # which doctor he is, if he is one
    sesion: str


def current() -> Person | None:
    """Return who asks; None where the rules are lifted (access `open`) and nobody has to say."""
    person: Person | None = g.get("person")
    return person


def require(person: Person, permission: str, owner: str | None = None) -> None:
    """Go on only if the person has the permission, a key of PERMISSIONS; raises ProblemError (403).

    The owner is whose it is, a cedula or documento_id; None where that shows later.
    """
    scope = PERMISSIONS[permission].get(person.rol)
    if scope is None or (scope is OWN and owner is not None and owner != person.documento_id):
        raise refused(person, permission)


def require_own_doctor(medico_id: str) -> None:
    """Go on only if whoever asks may write a consultation of this doctor: raises ProblemError (403) for another's."""
    person = current()
    if person and PERMISSIONS["consultas.escribir"].get(person.rol) is OWN and medico_id != person.medico_id:
        raise refused(person, "consultas.escribir")


def refused(person: Person, permission: str) -> ProblemError:
    """Return the refusal, which says what the role may do: the rules are no secret."""
    scope = PERMISSIONS[permission].get(person.rol)
    but = f", salvo {scope}" if scope else ""
    return ProblemError(HTTPStatus.FORBIDDEN, f"El rol {person.rol} no tiene el permiso {permission}{but}.")
