"""A lab of the release before: the next run brings its tables to the form of this one, and loses no row."""

from __future__ import annotations

import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from threading import Event
from typing import Any
from unicodedata import normalize

import psycopg
import pytest

from support.labs import ENGINES, Lab, Workshop, citus_servers

#: The columns whose text has to say something.
TEXTS = {
    "medicos": ["nombre", "especialidad", "registro", "ciudad"],
    "pacientes": ["nombre", "apellido", "ciudad"],
    "consultas": ["motivo", "diagnostico"],
    "usuario": ["nombre"],
}
#: The columns of what norms ask of a person.
PERSON = [
    *("nombre_sin_partes", "primer_nombre", "segundo_nombre", "primer_apellido", "segundo_apellido"),
    *("zona_residencia", "pais_residencia", "nacionalidad", "etnia", "discapacidad", "tipo_usuario"),
    "codigo_municipio",
]
#: The columns of what norms ask of a consultation.
VISIT = [
    *(
        "fecha_fin",
        "tipo_diagnostico",
        "diagnostico_relacionado_1",
        "diagnostico_relacionado_2",
        "diagnostico_relacionado_3",
    ),
    *("codigo_cie11", "codigo_cups", "modalidad", "entorno", "finalidad", "causa"),
]
#: The columns of what norms ask of a doctor.
DOCTOR = [
    *("tipo_documento", "numero_documento", "documento", "nombre_sin_partes"),
    *("primer_nombre", "segundo_nombre", "primer_apellido", "segundo_apellido", "codigo_profesion", "codigo_servicio"),
]
#: What makes a lab's tables what the release before made.
BEFORE = [
    "UPDATE pacientes SET sexo = 'F' WHERE sexo = 'I'",  # two sexes were all that it knew
    "SELECT lab.ddl('ALTER TABLE pacientes DROP CONSTRAINT IF EXISTS pacientes_codigo_municipio_fkey')",
    "SELECT lab.ddl('ALTER TABLE pacientes DROP COLUMN tipo_documento')",
    "SELECT lab.ddl('ALTER TABLE pacientes DROP COLUMN numero_documento')",
    "SELECT lab.ddl('ALTER TABLE pacientes DROP CONSTRAINT pacientes_documento_check')",
    "SELECT lab.ddl($$ALTER TABLE pacientes ADD CONSTRAINT pacientes_cedula_check CHECK (cedula ~ '^[0-9]{5,10}$') NOT VALID$$)",  # the sample has children
    "SELECT lab.ddl('ALTER TABLE usuario DROP CONSTRAINT usuario_documento_check')",
    "SELECT lab.ddl($$ALTER TABLE usuario ADD CONSTRAINT usuario_documento_id_check CHECK (documento_id ~ '^[0-9]{5,10}$')$$)",
    "SELECT lab.ddl('ALTER TABLE consultas DROP CONSTRAINT consultas_cie10_check')",
    r"SELECT lab.ddl($$ALTER TABLE consultas ADD CONSTRAINT consultas_codigo_cie10_check CHECK (codigo_cie10 ~ '^[A-Z][0-9][0-9A-Z](\.?[0-9A-Z]{1,4})?$')$$)",
    "SELECT lab.ddl('ALTER TABLE pacientes DROP COLUMN orden')",
    *(f"SELECT lab.ddl('ALTER TABLE pacientes DROP COLUMN {column}')" for column in PERSON),
    *(f"SELECT lab.ddl('ALTER TABLE consultas DROP COLUMN {column}')" for column in VISIT),
    *(f"SELECT lab.ddl('ALTER TABLE medicos DROP COLUMN {column}')" for column in DOCTOR),
    "SELECT lab.ddl('ALTER TABLE pacientes DROP CONSTRAINT pacientes_sexo_rips_check')",
    "SELECT lab.ddl($$ALTER TABLE pacientes ADD CONSTRAINT pacientes_sexo_check CHECK (sexo IN ('F', 'M'))$$)",
    "SELECT lab.ddl('CREATE INDEX pacientes_apellido_nombre_idx ON pacientes (apellido, nombre)')",
    "SELECT lab.ddl('ALTER TABLE medicos DROP CONSTRAINT medicos_clave_registro_key')",
    "SELECT lab.ddl('ALTER TABLE medicos DROP COLUMN clave_registro')",
    "SELECT lab.ddl('ALTER TABLE medicos ADD CONSTRAINT medicos_registro_key UNIQUE (registro)')",
    *(
        f"SELECT lab.ddl($$ALTER TABLE {table} {change}$$)"
        for table, columns in TEXTS.items()
        for column in columns
        for change in (
            f"DROP CONSTRAINT {table}_{column}_texto_check",
            f"ADD CONSTRAINT {table}_{column}_check CHECK (btrim({column}) <> '')",
        )
    ),
    "DROP TABLE municipios",
    "DROP TABLE cie10",
    "DELETE FROM lab.installed WHERE relacion IN ('public.municipios', 'public.cie10')",
    "DELETE FROM lab.installed WHERE clase IN ('column', 'constraint', 'index') AND relacion IN ('public.medicos', 'public.pacientes', 'public.usuario', 'public.consultas')",
    "INSERT INTO lab.installed SELECT * FROM lab.catalogue_now() WHERE clase IN ('column', 'constraint', 'index') AND relacion IN ('public.medicos', 'public.pacientes', 'public.usuario', 'public.consultas')",
    "DELETE FROM lab.applied WHERE nombre IN ('schema', 'municipalities', 'diagnoses', 'unknown diagnoses')",
]
#: A diagnosis as somebody wrote it then, and as it is kept now; what is no code of CIE-10 stays.
CODES = [
    ("Q99.8", "Q998"),
    ("J06.9", "J069"),
    ("J069", "J069"),
    ("I10", "I10X"),
    ("I10.X", "I10X"),
    ("J06.9XYZ", "J06.9XYZ"),
]


#: The keys of a consultation's diagnoses, which the nodes of postgres_fdw have for each part.
KEYS = "SELECT format('ALTER TABLE %s DROP CONSTRAINT %I', conrelid::regclass, conname) FROM pg_constraint WHERE confrelid = to_regclass('public.cie10') AND conparentid = 0"


def make_older(lab: Lab) -> None:
    """Bring a lab's tables to the form of the release before."""
    for node in ("citus-coordinator",) if lab.engine == "citus" else ("citus-worker-1", "citus-worker-2"):
        with lab.connect(node=node) as connection:
            for (statement,) in connection.execute(KEYS).fetchall():
                connection.execute(statement)
    if lab.engine == "postgres_fdw":
        ask(lab, "DELETE FROM lab.foreign_keys WHERE referenced = 'public.cie10'::regclass RETURNING 1")
    with lab.connect() as connection:
        for statement in BEFORE:
            connection.execute(statement)


def ask(lab: Lab, query: str, *values: Any) -> list[tuple[Any, ...]]:
    """What a query gives."""
    with lab.connect() as connection:
        return connection.execute(query, values).fetchall()


def test_a_lab_of_the_release_before_is_brought_to_this_one(lab: Lab) -> None:
    """With rows of its own: each is there, in the new form, and what cannot be said in it is left as it was."""
    counted = "SELECT count(*), count(DISTINCT cedula) FROM pacientes"
    make_older(lab)
    with lab.connect() as connection:
        connection.execute(
            "INSERT INTO pacientes (cedula, nombre, apellido, fecha_nacimiento, sexo, ciudad)"
            " SELECT cedula, 'Ana', %s, '1990-01-01', 'F', 'Cali' FROM unnest(ARRAY['0072345', '72345']) AS cedula",
            [normalize("NFD", "Núñez")],
        )
        connection.execute(
            "INSERT INTO pacientes (cedula, nombre, apellido, fecha_nacimiento, sexo, ciudad)"
            " VALUES ('72346', 'María del Pilar', 'Gómez Peña', '1990-01-01', 'F', 'Florencia'), ('72347', 'Eva', 'Rey', '1990-01-01', 'F', chr(8203))"
        )
        connection.execute(
            "INSERT INTO medicos (id, nombre, especialidad, registro, ciudad) VALUES (90001, 'Eva Rey', 'e', 'RM-90001', 'Cali'), (90002, 'Eva Rey Paz', 'e', 'RM-90002', 'Cali')"
        )
        for code, _ in CODES:
            connection.execute(
                "INSERT INTO consultas (paciente_id, medico_id, motivo, codigo_cie10, diagnostico)"
                " VALUES ('72345', 1, %s, %s, 'd')",
                [code, code],
            )
    before = ask(lab, counted)
    try:
        run = lab.play("site.yml")
        assert run.rc == 0, run.stdout + run.stderr
        assert ask(lab, counted) == before
        told = " ".join(run.stdout.split())
        assert "1 patients whose document begins with 0" in told
        assert "3 patients whose name nobody has taken apart" in told
        assert "patients whose city is not the name of one municipality alone" in told
        assert "1 consultations whose diagnosis is no code of CIE-10" in told
        assert "1 doctors whose name nobody has taken apart" in told
        doctors = ask(
            lab,
            "SELECT id, primer_nombre, segundo_nombre, primer_apellido, segundo_apellido, documento, codigo_servicio FROM medicos"
            " WHERE id IN (1, 90001, 90002) ORDER BY id",
        )
        assert doctors == [
            (1, "Carlos", "Andrés", "Restrepo", "Vélez", "90000901", "328"),  # the sample knows its own
            (90001, "Eva", None, "Rey", None, None, None),
            (90002, None, None, None, None, None, None),  # a given name and two family names, or two and one
        ]
        assert "2 diagnoses that consultations have and the lab does not know" in told
        marked = ask(lab, "SELECT codigo FROM cie10 WHERE descripcion IS NULL ORDER BY codigo")
        assert marked == [("J06.9XYZ",), ("Q998",)]  # nobody guesses what they are
        kept = dict(ask(lab, "SELECT motivo, codigo_cie10 FROM consultas WHERE paciente_id = '72345'"))
        assert kept == dict(CODES)
        types = ask(lab, "SELECT tipo_documento, numero_documento FROM pacientes WHERE cedula IN ('0072345', '72345')")
        assert sorted(types) == [
            ("CC", "0072345"),
            ("CC", "72345"),
        ]  # two numbers: nobody says that they are one person
        names = ask(lab, "SELECT cedula, apellido, orden FROM pacientes WHERE cedula IN ('0072345', '72345')")
        assert sorted(names) == [
            ("0072345", normalize("NFD", "Núñez"), "nun~ez  ana"),  # the form of its key lets nobody change it
            ("72345", "Núñez", "nun~ez  ana"),
        ]
        parts = ask(
            lab,
            "SELECT cedula, primer_nombre, segundo_nombre, primer_apellido, segundo_apellido, nombre_sin_partes, nacionalidad, codigo_municipio"
            " FROM pacientes WHERE cedula IN ('0072345', '72345', '72346', '72347')",
        )
        assert sorted(parts) == [
            ("0072345", None, None, None, None, True, None, None),
            ("72345", "Ana", None, "Núñez", None, False, "170", "76001"),
            (
                "72346",
                None,
                None,
                "Gómez",
                "Peña",
                True,
                "170",
                None,
            ),  # nobody guesses what belongs to what, or which Florencia it is
            ("72347", None, None, None, None, True, None, None),  # a city that nobody can read: as the first
        ]
        with lab.connect() as connection, pytest.raises(psycopg.errors.CheckViolation):
            connection.execute("UPDATE consultas SET codigo_cie10 = 'J06.9' WHERE paciente_id = '72345'")
        again = lab.play("site.yml")
        assert again.recap[lab.name]["changed"] == 0, again.stdout
        assert lab.play("verify.yml").rc == 0
    finally:
        with lab.connect() as connection:
            connection.execute("DELETE FROM consultas WHERE paciente_id = '72345'")
            connection.execute("SET session_replication_role = replica")  # postgres_fdw keeps rows of copies from going
            connection.execute("DELETE FROM cie10 WHERE descripcion IS NULL")
            connection.execute("DELETE FROM medicos WHERE id IN (90001, 90002)")
            connection.execute("DELETE FROM pacientes WHERE cedula IN ('0072345', '72345', '72346', '72347')")


PATIENTS = 100_000


@dataclass
class Writer:
    """Registers patients as the release before did, one after the other, each until it is acknowledged."""

    lab: Lab
    number: int
    stop: Event
    written: list[str] = field(default_factory=list)
    refused: int = 0
    longest: float = 0.0

    def write(self) -> None:
        """Write until it is time to stop."""
        while not self.stop.is_set():
            begun = time.monotonic()
            cedula = f"9{self.number}{len(self.written):06}"
            while not self._acknowledged(cedula):
                self.refused += 1
            self.written.append(cedula)
            self.longest = max(self.longest, time.monotonic() - begun)

    def _acknowledged(self, cedula: str) -> bool:
        try:
            with self.lab.connect("middleware") as connection:
                connection.execute(
                    "INSERT INTO pacientes (cedula, nombre, apellido, fecha_nacimiento, sexo, ciudad)"
                    " VALUES (%s, 'Ana', 'Prueba', '1990-01-01', 'F', 'Cali')",
                    [cedula],
                )
        except psycopg.errors.UniqueViolation:
            return True  # of an attempt whose answer was lost
        except psycopg.Error:
            return False
        return True


@pytest.mark.long
@pytest.mark.parametrize("engine", ENGINES)
def test_an_old_lab_is_migrated_while_it_is_written_to(workshop: Workshop, engine: str) -> None:
    """100,000 patients: what was acknowledged meanwhile is there, and so is everybody else. Prints how long it took."""
    if engine == "citus" and not citus_servers():
        pytest.skip("no PostgreSQL with Citus on this machine (LAB_TEST_POSTGRES_BIN names its bin folder)")
    size = {"clinical_schema_patients": PATIENTS, "clinical_schema_consultations": 1}
    lab = workshop.lab(f"old-{engine.replace('_', '-')}", engine, **size)
    made = lab.play("site.yml")
    assert made.rc == 0, made.stdout + made.stderr
    make_older(lab)
    stop = Event()
    writers = [Writer(lab, number, stop) for number in range(2)]
    with ThreadPoolExecutor(len(writers)) as threads:
        running = [threads.submit(writer.write) for writer in writers]
        try:
            run = lab.play("site.yml")
        finally:
            stop.set()
        for thread in running:
            thread.result()
    assert run.rc == 0, run.stdout + run.stderr
    written = [cedula for writer in writers for cedula in writer.written]
    print(
        f"{engine}: {PATIENTS} patients migrated in {run.seconds:.0f} s of make lab; {len(written)} written meanwhile,"
        f" the longest took {max(writer.longest for writer in writers):.1f} s, {sum(writer.refused for writer in writers)} tried again"
    )
    assert len(written) > 10
    assert ask(lab, "SELECT count(*) FROM pacientes") == [(PATIENTS + len(written),)]
    assert ask(lab, "SELECT count(*) FROM pacientes WHERE cedula = ANY (%s)", written) == [(len(written),)]
    assert ask(lab, "SELECT count(*) FROM pacientes WHERE orden = 'prueba  ana'") == [(len(written),)]
    assert lab.play("site.yml").recap[lab.name]["changed"] == 0
