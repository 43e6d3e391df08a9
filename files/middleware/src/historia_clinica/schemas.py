"""What the API takes and gives, field by field: OpenAPI and the checks of a request come from here.

Answers are written by the database as JSON, so that their models only describe them. Identifiers are texts, as JavaScript
would round large numbers; moments have a zone.
"""

from __future__ import annotations

import re
from datetime import UTC, date, datetime, timedelta, timezone
from typing import Annotated, Any, Literal, Self

from pydantic import (
    AfterValidator,
    AwareDatetime,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    SkipValidation,
    StringConstraints,
    WithJsonSchema,
    create_model,
    model_validator,
)

from historia_clinica import documents, municipalities, names, texts
from historia_clinica.config import whole
from historia_clinica.permissions import Rol

LARGEST_ID = 2_147_483_647
LARGEST_PAGE = 200
DEFAULT_PAGE = 50
COLOMBIA = timezone(timedelta(hours=-5))  # without summer time
CLOCKS_DIFFER = timedelta(minutes=5)  # of who writes and of this machine

# Pattern -> what the value has to be, for whoever sent another one. Python, Rust (pydantic) and ECMAScript (OpenAPI) read
# these patterns alike.
CEDULA = f"^{documents.KEY}$"
NUMERO = "^[1-9][0-9]{0,9}$"
TEXTO = r"^[^\x00]*[^\s\x00][^\x00]*$"
CIE10 = "^[A-Z][0-9][0-9A-Z][0-9X]$"
CODE_AS_WRITTEN = re.compile(r"[A-Za-z][0-9][0-9A-Za-z](?:\.?[0-9Xx])?")
CIE11 = r"^[0-9A-Z]{4,6}(?:\.[0-9A-Z]{1,2})?(?:[/&][0-9A-Z]{4,6}(?:\.[0-9A-Z]{1,2})?)*$"
CUPS = "^[0-9A-Z]{6}$"
DOS_CIFRAS = "^[0-9]{2}$"
PAIS = "^[0-9]{3}$"
MUNICIPIO = "^[0-9]{5}$"
PROFESION = "^[0-9A-Z]{1,10}$"
SERVICIO = "^[0-9]{3,4}$"
TELEFONO = r"^\+?[0-9 ]{7,20}$"
CORREO = r"^[^@\s\x00]+@[^@\s\x00]+$"
CLAVE_IDEMPOTENTE = r"^[\x21-\x7e]{1,100}$"
MOTIVO = r"^[^\x00-\x1f\x7f-\x9f]{1,200}$"
INSTANTE = r"[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}\.[0-9]{6}Z"
UUID = "[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}"
CUALQUIER_UUID = "^[0-9A-Fa-f]{8}-[0-9A-Fa-f]{4}-[0-9A-Fa-f]{4}-[0-9A-Fa-f]{4}-[0-9A-Fa-f]{12}$"
CURSOR = f"^{INSTANTE},{documents.KEY},{UUID}$"
CURSOR_DE_ACCESO = f"^{INSTANTE},{UUID}$"
REFRESCO = rf"^{UUID}\.[0-9A-Za-z_-]{{43}}$"
EXPECTED: dict[str, str] = {
    NUMERO: f"tiene que ser el número de un médico, de 1 a {LARGEST_ID}, como texto.",
    TEXTO: "tiene que decir algo y no puede llevar el carácter NUL.",
    CIE10: "tiene que ser un código de la CIE-10, como J069 (o J06.9) e I10X (o I10).",
    CIE11: "tiene que ser un código de la CIE-11, como CA0Z o 1A00.",
    CUPS: "tiene que ser un código de la CUPS, de seis caracteres, como 890201.",
    DOS_CIFRAS: "tiene que ser un código de dos cifras, como 38.",
    MUNICIPIO: "tiene que ser el código de un municipio en la DIVIPOLA, de cinco cifras, como 52001.",
    PROFESION: "tiene que ser un código de profesión del RETHUS, de cifras o mayúsculas.",
    SERVICIO: "tiene que ser el código de un servicio del REPS, de tres o cuatro cifras, como 328.",
    PAIS: "tiene que ser el código numérico de un país (ISO 3166-1), como 170.",
    TELEFONO: "tiene que tener de 7 a 20 dígitos o espacios, con un + delante o sin él.",
    CORREO: "tiene que ser una dirección de correo, como nombre@example.com.",
    CURSOR: "tiene que ser el valor de «siguiente» de una página anterior.",
    CURSOR_DE_ACCESO: "tiene que ser el valor de «siguiente» de una página anterior.",
    CUALQUIER_UUID: "tiene que ser un UUID, como 6f9619ff-8b86-4d01-b42d-00cf4fc964ff.",
    MOTIVO: "tiene que tener de 1 a 200 caracteres, y ninguno de control.",
    REFRESCO: "tiene que ser el valor de «refresco» de una sesión.",
}
ENDS_EARLIER = "es anterior a fecha_consulta."  # of fecha_fin


def _document(value: Any) -> Any:
    return documents.key(value) if isinstance(value, str) else value


def _diagnosis(value: Any) -> Any:
    # One spelling, RIPS': four characters without a dot, X where a code has only three.
    return (
        value.strip().upper().replace(".", "", 1).ljust(4, "X")
        if isinstance(value, str) and CODE_AS_WRITTEN.fullmatch(value.strip())
        else value
    )


def _composed(value: Any) -> Any:
    return texts.composed(value) if isinstance(value, str) else value


def _readable(text: str) -> str:
    if not texts.says_something(text):
        raise ValueError(EXPECTED[TEXTO])
    return text


def _number(text: str) -> str:
    if int(text) > LARGEST_ID:
        raise ValueError(EXPECTED[NUMERO])
    return text


def _municipality(code: str) -> str:
    if code not in municipalities.by_code():
        raise ValueError(EXPECTED[MUNICIPIO])
    return code


def _day(text: str) -> str:
    try:
        day = date.fromisoformat(text)
    except ValueError:
        raise ValueError("tiene que ser una fecha que exista, como 1985-03-21.") from None
    if not date(1890, 1, 1) <= day <= datetime.now(COLOMBIA).date():
        raise ValueError("tiene que estar entre 1890-01-01 y hoy.")
    return text


def _moment(value: Any) -> Any:
    if not isinstance(value, str) or "T" not in value.upper()[:11]:  # a number would be seconds since 1970
        raise ValueError("tiene que ser un momento con su zona, como 2026-03-21T10:30:00-05:00.")
    return value


def _year(moment: datetime) -> datetime:
    # First as it was written: its zone could lead out of what a datetime can hold.
    if not (1890 <= moment.year < 2200 and 1890 <= moment.astimezone(COLOMBIA).year < 2200):
        raise ValueError("tiene que estar entre los años 1890 y 2199.")
    return moment


def _past(moment: datetime) -> datetime:
    if moment > datetime.now(UTC) + CLOCKS_DIFFER:
        raise ValueError("no puede estar en el futuro.")
    return moment


def _page_size(value: Any) -> int:
    number = value if isinstance(value, int) else whole(value, 1, LARGEST_PAGE)
    if number is None:
        raise ValueError(f"tiene que ser un número entero de 1 a {LARGEST_PAGE}.")
    return number


def _yes_or_no(value: Any) -> bool:
    if value not in ("true", "false"):
        raise ValueError("tiene que ser true o false.")
    return bool(value == "true")


Cedula = Annotated[str, BeforeValidator(_document), StringConstraints(pattern=CEDULA)]
Numero = Annotated[str, StringConstraints(pattern=NUMERO), AfterValidator(_number)]
Codigo = Annotated[str, BeforeValidator(_diagnosis), StringConstraints(pattern=CIE10)]
Nombre = Annotated[
    str, StringConstraints(pattern=TEXTO, max_length=200), BeforeValidator(_composed), AfterValidator(_readable)
]
Texto = Annotated[
    str, StringConstraints(pattern=TEXTO, max_length=4000), BeforeValidator(_composed), AfterValidator(_readable)
]
Dia = Annotated[
    str,
    StringConstraints(pattern="^[0-9]{4}-[0-9]{2}-[0-9]{2}$"),
    AfterValidator(_day),
    WithJsonSchema({"type": "string", "format": "date"}),
]
Momento = Annotated[AwareDatetime, BeforeValidator(_moment), AfterValidator(_year)]
Pasado = Annotated[Momento, AfterValidator(_past)]
Limite = Annotated[
    int,
    BeforeValidator(_page_size),
    WithJsonSchema({"type": "integer", "minimum": 1, "maximum": LARGEST_PAGE, "default": DEFAULT_PAGE}),
]
SiNo = Annotated[bool, BeforeValidator(_yes_or_no), WithJsonSchema({"type": "boolean"})]
Sexo = Literal["F", "M", "I"]
TipoDiagnostico = Literal["01", "02", "03"]
Modalidad = Literal["01", "02", "03", "04", "05", "06", "07", "08", "09"]
Entorno = Literal["01", "02", "03", "04", "05"]
DosCifras = Annotated[str, StringConstraints(pattern=DOS_CIFRAS)]
Zona = Literal["01", "02"]
Pais = Annotated[str, StringConstraints(pattern=PAIS)]
CodigoMunicipio = Annotated[str, StringConstraints(pattern=MUNICIPIO), AfterValidator(_municipality)]
Etnia = Literal["1", "2", "3", "4", "5", "6", "99"]
Discapacidad = Literal["01", "02", "03", "04", "05", "06", "07", "08"]
TipoUsuario = Literal["01", "02", "03", "04", "05", "06", "07", "08", "09", "10", "11", "12", "13", "14"]
Tipo = Literal["CC", "TI", "RC", "CE", "PA", "PE", "PT", "CD", "SC", "DE", "SI", "CN", "MS", "AS"]  # of documents.TYPES
Uuid = Annotated[
    str, StringConstraints(pattern=CUALQUIER_UUID, to_lower=True), WithJsonSchema({"type": "string", "format": "uuid"})
]
Leccion = Literal["paciente", "historia", "ciudades", "diagnostico", "colocada", "referencia", "original"]


class Entrada(BaseModel):
    """What a caller sends: a field that is not known is a mistake, not something to overlook."""

    model_config = ConfigDict(extra="forbid")


def changes(model: type[BaseModel]) -> type[BaseModel]:
    """Return the model of a change: some of the fields of `model`, each as it is there."""
    fields: dict[str, Any] = {
        name: (Annotated[field.annotation, *field.metadata] if field.metadata else field.annotation, None)
        for name, field in model.model_fields.items()
    }
    return create_model(f"{model.__name__}Cambios", __base__=Entrada, **fields)


def answer(name: str, about: str, **fields: Any) -> type[BaseModel]:
    """Return the model of what is answered, whose fields are always there."""
    required: dict[str, Any] = {field: (kind, ...) for field, kind in fields.items()}
    return create_model(name, __doc__=about, **required)


def page(model: type[BaseModel]) -> type[BaseModel]:
    """Return the model of a page: some objects of `model`, and what leads to the next ones."""
    name = f"{model.__name__}s"
    return answer(name, f"A page of {name.lower()}.", **{name.lower(): many(model), "siguiente": str | None})


def many(model: type[BaseModel]) -> Any:
    """Return the type of a list of objects of `model`."""
    return list[model]  # type: ignore[valid-type]  # a model that is made at run time is no type for mypy


class Direccion(BaseModel):
    """The parts of addresses; each address has some of them."""

    cedula: Cedula | None = None
    documento_id: Cedula | None = None
    medico_id: Numero | None = None
    codigo_municipio: Annotated[str, StringConstraints(pattern=MUNICIPIO)] | None = None
    codigo: Codigo | None = None
    consulta_id: Uuid | None = None


def _doctor(schema: dict[str, Any]) -> None:
    """Say in OpenAPI that a doctor's name comes whole or in its parts."""
    schema["required"].remove("nombre")
    schema["anyOf"] = [{"required": ["nombre"]}, {"required": ["primer_nombre", "primer_apellido"]}]


class MedicoDatos(Entrada):
    """What is written about a doctor. His name comes whole or in its parts."""

    model_config = ConfigDict(json_schema_extra=_doctor)

    nombre: Nombre
    primer_nombre: Nombre | None = None
    segundo_nombre: Nombre | None = None
    primer_apellido: Nombre | None = None
    segundo_apellido: Nombre | None = None
    documento: Cedula | None = None
    especialidad: Nombre
    registro: Nombre
    ciudad: Nombre
    codigo_profesion: Annotated[str, StringConstraints(pattern=PROFESION)] | None = None
    codigo_servicio: Annotated[str, StringConstraints(pattern=SERVICIO)] | None = None
    activo: Annotated[bool, Field(strict=True)] = True

    @model_validator(mode="before")
    @classmethod
    def _complete(cls, given: Any) -> Any:
        return names.doctor_filled(given) if isinstance(given, dict) else given


class MedicosFiltro(Entrada):
    """Which doctors."""

    especialidad: Nombre | None = None
    ciudad: Nombre | None = None
    activo: SiNo | None = None
    despues: Numero | None = None
    limite: Limite = DEFAULT_PAGE


class MunicipiosFiltro(Entrada):
    """Which municipalities."""

    nombre: Nombre | None = None
    departamento: Nombre | None = None
    despues: Annotated[str, StringConstraints(pattern=MUNICIPIO)] | None = None
    limite: Limite = DEFAULT_PAGE


class DiagnosticosFiltro(Entrada):
    """Which diagnoses; those with the mark are the ones that the lab does not know."""

    descripcion: Nombre | None = None
    marcado: SiNo | None = None
    despues: Nombre | None = None
    limite: Limite = DEFAULT_PAGE


#: What is not missing where the other is there.
INSTEAD = {whole: first for whole, first, _second in names.PARTS} | {"ciudad": "codigo_municipio"}


def _instead(schema: dict[str, Any]) -> None:
    """Say in OpenAPI what may come in place of what: the parts of a name, the code of a city."""
    schema["required"] = [field for field in schema["required"] if field not in INSTEAD]
    schema["allOf"] = [{"anyOf": [{"required": [field]}, {"required": [other]}]} for field, other in INSTEAD.items()]


class PacienteDatos(Entrada):
    """What is written about a patient; the `cedula` is in the address and never changes. A name comes whole or in its parts, a city by its name or its code."""

    model_config = ConfigDict(json_schema_extra=_instead)

    nombre: Nombre
    primer_nombre: Nombre | None = None
    segundo_nombre: Nombre | None = None
    apellido: Nombre
    primer_apellido: Nombre | None = None
    segundo_apellido: Nombre | None = None
    fecha_nacimiento: Dia
    sexo: Sexo
    ciudad: Nombre
    codigo_municipio: CodigoMunicipio | None = None
    zona_residencia: Zona | None = None
    pais_residencia: Pais = documents.COLOMBIA
    nacionalidad: Pais | None = None
    etnia: Etnia = "99"
    discapacidad: Discapacidad = "08"
    tipo_usuario: TipoUsuario = "12"
    telefono: Annotated[str, StringConstraints(pattern=TELEFONO)] | None = None
    correo: Annotated[str, StringConstraints(pattern=CORREO, max_length=200)] | None = None

    @model_validator(mode="before")
    @classmethod
    def _complete(cls, given: Any) -> Any:
        return municipalities.filled(names.filled(given)) if isinstance(given, dict) else given


class PacienteNuevo(PacienteDatos):
    """A patient to register."""

    cedula: Cedula

    @model_validator(mode="after")
    def _nationality(self) -> Self:
        if self.nacionalidad is None:
            self.nacionalidad = documents.nationality(self.cedula)
            self.model_fields_set.discard("nacionalidad")  # nobody said it
        return self


class PacientesFiltro(Entrada):
    """Which patients."""

    ciudad: Nombre | None = None
    apellido: Nombre | None = None
    despues: Cedula | None = None
    limite: Limite = DEFAULT_PAGE


class ConsultaDatos(Entrada):
    """What is written about a consultation; without `fecha_consulta` it is now."""

    medico_id: Numero
    fecha_consulta: Pasado | None = None
    fecha_fin: Pasado | None = None
    motivo: Texto
    codigo_cie10: Codigo
    diagnostico: Texto
    tipo_diagnostico: TipoDiagnostico = "01"
    diagnostico_relacionado_1: Codigo | None = None
    diagnostico_relacionado_2: Codigo | None = None
    diagnostico_relacionado_3: Codigo | None = None
    codigo_cie11: Annotated[str, StringConstraints(pattern=CIE11, max_length=100)] | None = None
    tratamiento: Texto | None = None
    codigo_cups: Annotated[str, StringConstraints(pattern=CUPS)] = "890201"
    modalidad: Modalidad = "01"
    entorno: Entorno = "05"
    finalidad: DosCifras = "15"
    causa: DosCifras = "38"


class ConsultaImportada(ConsultaDatos):
    """A consultation that another system has; its moment is part of what tells it from others."""

    fecha_consulta: Pasado


class FilaImportada(Entrada):
    """A patient of another system, and consultations of his."""

    paciente: PacienteNuevo
    consultas: Annotated[list[ConsultaImportada], Field(max_length=100)] = []


class ImportacionDatos(Entrada):
    """What another system brings. Each row is looked at by itself: one that cannot be does not hold up the others."""

    filas: Annotated[list[SkipValidation[FilaImportada]], Field(min_length=1, max_length=500)]


class Pagina(Entrada):
    """Which page of a patient's consultations."""

    despues: Annotated[str, StringConstraints(pattern=CURSOR)] | None = None
    limite: Limite = DEFAULT_PAGE


class ConsultasFiltro(Pagina):
    """Which consultations."""

    desde: Momento | None = None
    hasta: Momento | None = None
    medico_id: Numero | None = None
    codigo_cie10: Codigo | None = None
    ciudad: Nombre | None = None


class Motivo(Entrada):
    """Why a history is read."""

    motivo: Nombre | None = None


class PaginaConMotivo(Pagina, Motivo):
    """Which page of a patient's consultations, and why it is read."""


class AccesosFiltro(Entrada):
    """Which page of who read a history, or changed it."""

    despues: Annotated[str, StringConstraints(pattern=CURSOR_DE_ACCESO)] | None = None
    limite: Limite = DEFAULT_PAGE

    def given(self) -> dict[str, Any]:
        """Return what was given, by the names that statements use."""
        given = self.model_dump(exclude_none=True)
        if after := given.pop("despues", None):
            given["despues_momento"], given["despues_id"] = after.split(",")
        return given


class PaginasFiltro(AccesosFiltro):
    """Which of the pages that somebody was shown."""

    documento_id: Cedula | None = None
    cedula: Cedula | None = None


class UsuarioDatos(Entrada):
    """What is written about a user; a doctor's user says which doctor he is."""

    nombre: Nombre
    edad: Annotated[int, Field(strict=True, ge=0, le=130)]
    rol: Rol
    medico_id: Numero | None = None
    activo: Annotated[bool, Field(strict=True)] = True


class UsuarioNuevo(UsuarioDatos):
    """A user to register."""

    documento_id: Cedula


class UsuariosFiltro(Entrada):
    """Which users."""

    rol: Rol | None = None
    activo: SiNo | None = None
    despues: Cedula | None = None
    limite: Limite = DEFAULT_PAGE


class Credenciales(Entrada):
    """Who logs in."""

    documento_id: Cedula
    clave: Annotated[str, StringConstraints(min_length=1, max_length=200)]


class Renovacion(Entrada):
    """What a session is renewed with."""

    refresco: Annotated[str, StringConstraints(pattern=REFRESCO)]


class Clave(Entrada):
    """A new password; whoever changes his own says the one that he has."""

    clave: Annotated[str, StringConstraints(min_length=12, max_length=200)]
    clave_actual: Annotated[str, StringConstraints(max_length=200)] | None = None


class Donde(Entrada):
    """Whose rows."""

    cedula: Cedula


class Cual(Entrada):
    """Which query of the lesson to explain; without one they are only listed."""

    consulta: Leccion | None = None


MedicoCambios, PacienteCambios = changes(MedicoDatos), changes(PacienteDatos)
ConsultaCambios, UsuarioCambios = changes(ConsultaDatos), changes(UsuarioDatos)

# What is answered.

MEDICO: dict[str, Any] = {
    "id": Numero, "nombre": str, "especialidad": str, "registro": str, "ciudad": str, "activo": bool,
}  # fmt: skip
Medico = answer(
    "Medico", "A doctor.", **MEDICO, documento=Cedula | None, tipo_documento=Tipo | None, numero_documento=str | None,
    primer_nombre=str | None, segundo_nombre=str | None, primer_apellido=str | None, segundo_apellido=str | None, nombre_sin_partes=bool,
    codigo_profesion=str | None, codigo_servicio=str | None,
)  # fmt: skip
Municipio = answer(
    "Municipio", "A municipality; `nombre_comun` is what people call it, where that is another name.",
    codigo_municipio=str, nombre=str, codigo_departamento=str, departamento=str, nombre_comun=str | None,
)  # fmt: skip
Diagnostico = answer(
    "Diagnostico", "A diagnosis; one without a description has been used without the lab knowing it.",
    codigo=str, descripcion=str | None, sexo=Literal["F", "M"] | None,
)  # fmt: skip
MedicoDeConsulta = answer("MedicoDeConsulta", "The doctor of a consultation, in short.", **MEDICO)
Paciente = answer(
    "Paciente", "A patient.", cedula=Cedula, tipo_documento=Tipo, numero_documento=str, id=str,
    nombre=str, primer_nombre=str | None, segundo_nombre=str | None, apellido=str, primer_apellido=str | None, segundo_apellido=str | None,
    nombre_sin_partes=bool, fecha_nacimiento=date, sexo=Sexo, ciudad=str, codigo_municipio=str | None, zona_residencia=Zona | None, pais_residencia=str,
    nacionalidad=str | None, etnia=Etnia, discapacidad=Discapacidad, tipo_usuario=TipoUsuario,
    telefono=str | None, correo=str | None, creado_en=AwareDatetime,
)  # fmt: skip
CONSULTA: dict[str, Any] = {
    "paciente_id": Cedula, "id": Uuid, "medico_id": Numero, "fecha_consulta": AwareDatetime, "fecha_fin": AwareDatetime | None, "motivo": str,
    "codigo_cie10": str, "diagnostico": str, "tipo_diagnostico": TipoDiagnostico, "diagnostico_relacionado_1": str | None,
    "diagnostico_relacionado_2": str | None, "diagnostico_relacionado_3": str | None, "codigo_cie11": str | None, "tratamiento": str | None,
    "codigo_cups": str, "modalidad": Modalidad, "entorno": Entorno, "finalidad": str, "causa": str,
}  # fmt: skip
Consulta = answer("Consulta", "A consultation.", **CONSULTA)
ConsultaConMedico = answer("ConsultaConMedico", "A consultation with its doctor.", **CONSULTA, medico=MedicoDeConsulta)
Historia = answer(
    "Historia",
    "A patient with every consultation and its doctor.",
    paciente=Paciente,
    consultas=many(ConsultaConMedico),
)
Usuario = answer(
    "Usuario", "A user, without the hash of the password.", documento_id=str, nombre=str, edad=int, rol=Rol,
    medico_id=str | None, activo=bool, tiene_clave=bool,
)  # fmt: skip
Sesion = answer(
    "Sesion", "A session that was opened or renewed.", token=str, tipo=Literal["Bearer"], vence_en=AwareDatetime,
    refresco=str, documento_id=str, rol=Rol, medico_id=str | None,
)  # fmt: skip
Quien = answer(
    "Quien", "Who asks, and what he may do; nobody while the rules are lifted.", acceso=Literal["rules", "open"],
    documento_id=str | None, rol=Rol | None, medico_id=str | None, permisos=dict[str, str],
)  # fmt: skip
Acceso = answer(
    "Acceso", "Who read a patient's history, when and why.", paciente_id=str, id=str, documento_id=str, rol=Rol,
    accion=Literal["historia", "consultas", "consulta", "paciente", "cambios"], motivo=str, momento=AwareDatetime,
)  # fmt: skip
Cambio = answer(
    "Cambio", "Who changed what of a patient, when and why, and what was there.", paciente_id=str, id=str,
    documento_id=str, rol=Rol, accion=Literal["registro", "reemplazo", "cambio"], motivo=str,
    tabla=Literal["pacientes", "consultas"], fila=str, antes=dict[str, Any] | None, momento=AwareDatetime,
)  # fmt: skip
PaginaMostrada = answer(
    "Pagina", "Who was shown a page of patients or consultations, when and why, and whom it showed.",
    documento_id=str, id=str, rol=Rol, accion=Literal["pacientes", "consultas"], motivo=str,
    pacientes=list[str], consultas=list[str] | None, momento=AwareDatetime,
)  # fmt: skip
Medicos, Pacientes, Consultas = page(Medico), page(Paciente), page(Consulta)
Municipios, Diagnosticos = page(Municipio), page(Diagnostico)
Usuarios, Accesos, Cambios = page(Usuario), page(Acceso), page(Cambio)
Paginas = page(PaginaMostrada)

# Of the cluster: what an engine or a node did not tell is null, and `razon`, or `error`, says why.

RAZON = Field(description="Por qué hay un null al lado")
Razon = Annotated[str | None, RAZON]
Nodo = answer(
    "Nodo", "A server of the database.", nombre=str, rol=Literal["coordinator", "worker"], host=str, puerto=int,
    responde=bool, error=str | None, version=str | None, fragmentos=int, bytes=int | None,
)  # fmt: skip
Tabla = answer(
    "Tabla", "A table; `sesgo` is how many times the mean the fullest shard, or node, holds.", nombre=str,
    tipo=Literal["distribuida", "referencia", "local"], columna=str | None, grupo=int | None, fragmentos=int | None,
    filas=int | None, bytes=int | None, sesgo_fragmentos=float | None, sesgo_nodos=float | None, razon=Razon,
)  # fmt: skip
Grupo = answer("Grupo", "Tables that are spread alike: rows with one key lie on one node.", grupo=int, tablas=list[str])
Fragmento = answer(
    "Fragmento", "A part of a table.", tabla=str, fragmento=str, nodo=str, filas=int | None, bytes=int | None
)
Cluster = answer(
    "Cluster", "The database seen from inside.", motor=Literal["citus", "postgres_fdw"], nodos=many(Nodo),
    tablas=many(Tabla), grupos=many(Grupo), fragmentos=many(Fragmento),
)  # fmt: skip
Parte = answer("Parte", "The shard of a table where a patient's rows are.", tabla=str, fragmento=str, nodo=str)
Lugar = answer(
    "Lugar", "Where a patient's rows are, or would be.", cedula=Cedula, tablas=many(Parte), colocalizadas=bool
)
Trabajo = answer(
    "Trabajo", "What a node did for a query: the time it worked, the longest that the coordinator waited for a task.",
    nodo=str, tareas=int, ms_nodo=float | None, ms_espera=float | None, razon=Annotated[str, RAZON],
)  # fmt: skip
Explicacion = answer(
    "Explicacion", "How a query was done.", plan=list[str] | None, nodos=many(Trabajo) | None,
    ms_planear=float | None, ms_ejecutar=float | None, razon=Razon,
)  # fmt: skip
ConsultaExplicada = answer(
    "ConsultaExplicada", "A query of the lesson.", consulta=str, titulo=str, leccion=str, sql=str,
    explicacion=Explicacion | None,
)  # fmt: skip
Explicaciones = answer("Explicaciones", "The queries of the lesson.", consultas=many(ConsultaExplicada))


class ErrorDeCampo(BaseModel):
    """One field that cannot be used."""

    campo: str
    mensaje: str


class FilaRechazada(BaseModel):
    """A row that was not taken: which, from 0, and why."""

    fila: int
    errores: list[ErrorDeCampo]


Importacion = answer(
    "Importacion", "What became of what another system brought; rows that were here already say nothing new.",
    pacientes=int, consultas=int, repetidas=int, rechazadas=list[FilaRechazada],
)  # fmt: skip


class Problema(BaseModel):
    """An error (RFC 9457); `campo` and `errores` are there when a field is to blame."""

    type: str
    title: str
    status: int
    detail: str
    campo: str | None = None
    errores: list[ErrorDeCampo] | None = None
