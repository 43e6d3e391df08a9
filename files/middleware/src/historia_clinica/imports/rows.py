"""A patient and a consultation of a row, by the rules of the API: what it would refuse is refused here, with its words."""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Iterable
from datetime import date, datetime

from pydantic import ValidationError

from historia_clinica import diagnoses, documents, schemas
from historia_clinica.imports.mapping import DOCTOR, KEY, REGISTRATION, Origin, Plan, plain
from historia_clinica.imports.records import Consultation, Doctor, Record, identifier
from historia_clinica.messages import said

MOMENT, END = "fecha_consulta", "fecha_fin"
#: What files say for what is a letter or two here; a file's own words (`valores`) come first.
WORDS = {
    "sexo": {"femenino": "F", "mujer": "F", "masculino": "M", "hombre": "M", "indeterminado": "I", "intersexual": "I"},
    "zona_residencia": {"urbana": "01", "urbano": "01", "rural": "02"},
    KEY: {plain(kind.name): code for code, kind in documents.TYPES.items()},
}
_DAY = re.compile(r"([0-9]{1,2})[/.-]([0-9]{1,2})[/.-]([0-9]{4})")
_TIME = re.compile(r"([0-9]{1,2}):([0-9]{2})(:[0-9]{2}(?:\.[0-9]{1,6})?)?\s*(?:([ap])\.?\s?m\.?)?", re.IGNORECASE)

Wrong = list[tuple[str, str]]


class RefusedError(Exception):
    """What a row says cannot be; each field that is wrong, and why, in the language of the API."""

    def __init__(self, wrong: Wrong) -> None:
        super().__init__("; ".join(f"{field}: {why}" for field, why in wrong))


class Rows:
    """Reads rows by a plan, beside the doctors that there are, and the diagnoses if no others may come in (tables that every node has, small ones)."""

    def __init__(self, plan: Plan, doctors: Iterable[Doctor], codes: Collection[str] | None = None) -> None:
        self._plan = plan
        self._codes = codes
        self._by_id = {doctor.id: doctor for doctor in doctors}
        self._by_registration = {plain(doctor.registration): doctor for doctor in self._by_id.values()}
        self._width = 1 + max(
            (place for each in (*plan.patient, *plan.consultation) for place in each.places), default=0
        )

    def record(self, line: int, fields: list[str]) -> Record:
        """Return what a row says; raises RefusedError."""
        if len(fields) < self._width:
            raise RefusedError([("fila", f"tiene {len(fields)} campos, y hacen falta {self._width}.")])
        wrong: Wrong = []
        cedula, patient = self._patient(fields, wrong)
        consultation = self._consultation(fields, cedula, patient, wrong)
        if not wrong and patient is None and consultation is None:
            wrong.append(("fila", "no dice nada más que un documento."))
        if wrong:
            raise RefusedError(wrong)
        return Record(line, fields, cedula, patient, consultation)

    def _patient(self, fields: list[str], wrong: Wrong) -> tuple[str, schemas.PacienteNuevo | None]:
        given = _given(self._plan.patient, fields)
        try:
            if given.keys() <= {KEY}:
                return schemas.Donde.model_validate(given).cedula, None
            patient = schemas.PacienteNuevo.model_validate(given)
        except ValidationError as error:
            wrong += said(error, "fila")
            return "", None
        born, today = date.fromisoformat(patient.fecha_nacimiento), datetime.now(schemas.COLOMBIA).date()
        if why := documents.unfit(patient.cedula, born, today):
            wrong.append(("fecha_nacimiento", why))
        return patient.cedula, patient

    def _consultation(
        self, fields: list[str], cedula: str, patient: schemas.PacienteNuevo | None, wrong: Wrong
    ) -> Consultation | None:
        given = _given(self._plan.consultation, fields)
        if not given:
            return None
        registration = given.pop(REGISTRATION, None)
        doctor = (
            self._by_registration.get(plain(registration)) if registration else self._by_id.get(given.get(DOCTOR, ""))
        )
        if doctor:
            given[DOCTOR] = doctor.id
        elif registration:
            wrong.append((REGISTRATION, f"no hay médico con el registro {registration}."))
            given[DOCTOR] = "1"  # so that the other fields are looked at, too
        try:
            data = schemas.ConsultaDatos.model_validate(given)
        except ValidationError as error:
            wrong += said(error, "fila")
            return None
        if data.fecha_consulta is None:
            wrong.append((MOMENT, "es obligatorio."))
        elif patient and data.fecha_consulta.astimezone(schemas.COLOMBIA).date() < date.fromisoformat(
            patient.fecha_nacimiento
        ):
            wrong.append((MOMENT, f"es anterior al nacimiento del paciente ({patient.fecha_nacimiento})."))
        if data.fecha_consulta and data.fecha_fin and data.fecha_fin < data.fecha_consulta:
            wrong.append((END, schemas.ENDS_EARLIER))
        if self._codes is not None:
            unknown = [(field, code) for field, code in diagnoses.used(data).items() if code not in self._codes]
            wrong += [(field, diagnoses.UNKNOWN.format(code)) for field, code in unknown]
        if doctor is None and not registration:
            wrong.append((DOCTOR, f"no hay médico con el número {data.medico_id}."))
        elif doctor and not doctor.active:
            wrong.append((DOCTOR, f"el médico {doctor.id} está retirado."))
        if wrong or data.fecha_consulta is None:
            return None
        return Consultation(identifier(cedula, data), data)


def _given(origins: list[Origin], fields: list[str]) -> dict[str, str]:
    """Return the fields that a row says something for, in the form that the API takes."""
    given = {}
    for origin in origins:
        text = origin.fixed or " ".join(
            word for place in origin.places if (word := _word(origin, fields[place].strip()))
        )
        if text and (value := FORMS[origin.field](text) if origin.field in FORMS else text):
            given[origin.field] = value
    return given


def _word(origin: Origin, written: str) -> str:
    """Return what the file's word means here: as the file's own list says, else as everybody's."""
    known = WORDS.get(origin.field, {})
    if not origin.meanings and not known:
        return written
    word = plain(written)
    return origin.meanings.get(word, known.get(word, written))


def _day(text: str) -> str:
    """Return `21/03/1985`, or `1985-03-21 00:00:00`, as `1985-03-21`; what is neither as it is, to be refused."""
    day = text.split()[0].split("T")[0]
    written = _DAY.fullmatch(day)
    return f"{written[3]}-{int(written[2]):02}-{int(written[1]):02}" if written else day


def _moment(text: str) -> str:
    """Return `21/03/2026 2:30 p. m.` as `2026-03-21T14:30:00-05:00`: a time without a zone is Colombia's."""
    day, _blank, rest = text.replace("T", " ", 1).partition(" ")
    time = _TIME.match(rest.strip())
    hour = int(time[1]) if time else 0
    if time and time[4]:
        hour = hour % 12 + 12 * (time[4] in "pP")
    zone = rest.strip()[time.end() :].strip() if time else rest.strip()
    clock = f"{hour:02}:{time[2]}{time[3] or ':00'}" if time else "00:00:00"
    return f"{_day(day)}T{clock}{zone or '-05:00'}"


def _end(text: str) -> str:
    """Return a moment as `_moment` does, and nothing for a day alone: the column of the hour is empty, and nobody knows when it ended."""
    return _moment(text) if ":" in text else ""


def _code(digits: int) -> Callable[[str], str]:
    """Return what gives a code back the zeros in front, which Excel takes away."""
    return lambda text: text.zfill(digits) if text.isdigit() else text


def _phone(text: str) -> str:
    """Return `(601) 234-5678` as `601 234 5678`."""
    return " ".join(re.sub(r"[().,/-]", " ", text).split())


FORMS: dict[str, Callable[[str], str]] = {
    "fecha_nacimiento": _day,
    MOMENT: _moment,
    END: _end,
    "sexo": str.upper,
    "telefono": _phone,
    **dict.fromkeys(("zona_residencia", "discapacidad", "tipo_usuario"), _code(2)),
    **dict.fromkeys(("pais_residencia", "nacionalidad"), _code(3)),
    "codigo_municipio": _code(5),
    **dict.fromkeys(("tipo_diagnostico", "modalidad", "entorno", "finalidad", "causa"), _code(2)),
}
