"""What people change by hand in a running lab: how, which check names it, and what the next run does about it.

The table of docs/en/drift.md and docs/es/drift.md is this one (`make docs`).
"""

from __future__ import annotations

import contextlib
import shutil
from collections.abc import Callable
from dataclasses import dataclass

import psycopg

from support.labs import ENGINES, Lab
from support.pods import PodLab


@dataclass(frozen=True)
class Change:
    """A change of a running lab.

    Attributes:
        name: what somebody did, as a row of the table in English.
        nombre: the same in Spanish.
        how: does it.
        check: the id of the check that fails in `make verify`.
        found: what it says of it (a part of that).
        tells: what site.yml says, where it does not repair it; empty where it does.
        refused: whether it stops there: going on would hide what is lost.
        alone: whether nothing else can be asked of the lab meanwhile, so that other changes would not be named.
        engines: those with which it can be done.
    """

    name: str
    nombre: str
    how: Callable[[Lab], None]
    check: str
    found: str
    tells: str = ""
    refused: bool = False
    alone: bool = False
    engines: tuple[str, ...] = ENGINES


def sql(*statements: str, node: str = "citus-coordinator") -> Callable[[Lab], None]:
    """A change that is made with SQL, as administrator."""

    def how(lab: Lab) -> None:
        with lab.connect(node=node) as connection:
            for statement in statements:
                connection.execute(statement.encode())

    return how


def until(statement: str) -> Callable[[Lab], None]:
    """A change that is made with SQL once the server lets it be made."""

    def how(lab: Lab) -> None:
        with lab.connect() as connection:
            lab.wait_until(lambda: bool(connection.execute(statement.encode())))

    return how


def both(*hows: Callable[[Lab], None]) -> Callable[[Lab], None]:
    """Changes that belong together."""

    def how(lab: Lab) -> None:
        for each in hows:
            each(lab)

    return how


def failing(*statements: str) -> Callable[[Lab], None]:
    """Something done with SQL whose last statement fails and leaves something behind."""

    def how(lab: Lab) -> None:
        with contextlib.suppress(psycopg.Error):
            sql(*statements)(lab)

    return how


def half_way(statement: str) -> Callable[[Lab], None]:
    """A change of the tables whose commit succeeds on the first worker and fails on the second, as if that one died in it."""
    die = (
        "CREATE FUNCTION lab.die() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RAISE EXCEPTION 'died in its commit'; END $$",
        "CREATE CONSTRAINT TRIGGER die AFTER INSERT ON lab.statements DEFERRABLE INITIALLY DEFERRED"
        " FOR EACH ROW EXECUTE FUNCTION lab.die()",
    )

    def how(lab: Lab) -> None:
        sql(*die, node="citus-worker-2")(lab)
        try:
            sql(statement)(lab)
        except psycopg.errors.RaiseException as error:
            if "died in its commit" not in str(error):
                raise
        else:
            raise AssertionError(f"{statement} was committed")
        finally:
            sql("DROP TRIGGER die ON lab.statements", "DROP FUNCTION lab.die()", node="citus-worker-2")(lab)

    return how


def in_copy(table: str, statement: str, node: str) -> Callable[[Lab], None]:
    """A change of a worker's copy of a reference table, past all that keeps people from it; ``{}`` is what it is called there."""

    def how(lab: Lab) -> None:
        with lab.connect(node=node) as connection:
            connection.execute("SET session_replication_role = replica")
            copy = table
            if lab.engine == "citus":
                connection.execute("SET citus.enable_manual_changes_to_shards = on")
                [(copy,)] = connection.execute(
                    "SELECT shard_name(logicalrelid, shardid) FROM pg_dist_shard WHERE logicalrelid = %s::regclass",
                    [table],
                ).fetchall()
            assert connection.execute(statement.format(copy).encode()).rowcount == 1

    return how


def edit(name: str, text: str) -> Callable[[Lab], None]:
    """A line written into one of the files of a lab, and read by the server."""

    def how(lab: Lab) -> None:
        file = lab.directory / name
        file.write_text(text + "\n" + file.read_text(encoding="utf-8"), encoding="utf-8")
        sql("SELECT pg_reload_conf()")(lab)

    return how


def remove_data(node: str) -> Callable[[Lab], None]:
    """A server's data directory, removed while it runs."""

    def how(lab: Lab) -> None:
        lab.kill(node)
        shutil.rmtree(lab.directory / "data" / node)

    return how


def kubectl(*arguments: str) -> Callable[[Lab], None]:
    """A change that is made in the namespace of a lab in pods."""

    def how(lab: Lab) -> None:
        if not isinstance(lab, PodLab):
            raise TypeError(f"{lab.name} has no pods")
        lab.kubectl(*arguments)

    return how


CITUS, FDW = ("citus",), ("postgres_fdw",)
CHANGES: tuple[Change, ...] = (
    Change(
        "a table without rows dropped",
        "se borró una tabla sin filas",
        sql("DROP TABLE accesos"),
        "as-installed",
        "table accesos: found absent",
    ),
    Change(
        "tables missing that the lab's older version did not have",
        "faltan tablas que la versión anterior del laboratorio no tenía",
        sql(
            "DROP TABLE cambios",
            "DROP TABLE accesos_paginas",
            "DROP TABLE lab.intentos",
            "DELETE FROM lab.installed WHERE relacion IN ('public.cambios', 'public.accesos_paginas', 'lab.intentos')",
            "DELETE FROM lab.applied WHERE nombre = 'schema'",
        ),
        "least-privilege",
        "table cambios is missing",
    ),
    Change(
        "a table dropped with its rows",
        "se borró una tabla con sus filas",
        sql("DROP TABLE consultas"),
        "consultas-distributed",
        "there is no table consultas",
        alone=True,
    ),
    Change(
        "a column added",
        "se agregó una columna",
        sql("ALTER TABLE pacientes ADD COLUMN alergias text"),
        "as-installed",
        "column pacientes alergias: found text, installed absent",
        tells="column pacientes alergias: found text, installed absent",
    ),
    Change(
        "an index dropped",
        "se borró un índice",
        sql("DROP INDEX consultas_fecha_consulta_idx"),
        "as-installed",
        "index consultas consultas_fecha_consulta_idx: found absent",
    ),
    Change(
        "an index left invalid",
        "se dejó un índice inválido",
        failing(
            "SET event_triggers = off",  # postgres_fdw lets nobody do it
            "DROP INDEX medicos_especialidad_idx",
            "CREATE UNIQUE INDEX CONCURRENTLY medicos_especialidad_idx ON medicos (especialidad)",
        ),
        "indexes-valid",
        "medicos_especialidad_idx on citus-coordinator",
    ),
    Change(
        "a check dropped",
        "se quitó una restricción CHECK",
        sql("ALTER TABLE pacientes DROP CONSTRAINT pacientes_sexo_rips_check"),
        "as-installed",
        "constraint pacientes pacientes_sexo_rips_check: found absent",
    ),
    Change(
        "a foreign key dropped",
        "se quitó una clave foránea",
        sql("ALTER TABLE consultas DROP CONSTRAINT consultas_medico_id_fkey"),
        "constraints",
        "foreign keys on",
        engines=CITUS,
    ),
    Change(
        "a right given",
        "se dio un permiso de más",
        sql("GRANT DELETE ON pacientes TO api"),
        "least-privilege",
        "api has DELETE on pacientes",
    ),
    Change(
        "a right on all tables given to somebody",
        "se dio a alguien un permiso sobre todas las tablas",
        sql(
            "DO $$ BEGIN IF to_regrole('visita') IS NULL THEN CREATE ROLE visita; END IF; END $$",
            "GRANT SELECT ON ALL TABLES IN SCHEMA public TO visita",
        ),
        "as-installed",
        "rights medicos visita: found SELECT, installed absent",
    ),
    Change(
        "a right taken",
        "se quitó un permiso",
        sql("REVOKE SELECT ON usuario FROM middleware"),
        "least-privilege",
        "middleware lacks SELECT on usuario",
    ),
    Change(
        "row-level security switched off",
        "se apagó la seguridad por filas",
        sql("ALTER TABLE consultas DISABLE ROW LEVEL SECURITY"),
        "least-privilege",
        "table consultas has no row-level security",
    ),
    Change(
        "a policy dropped",
        "se borró una política",
        sql("DROP POLICY lectura ON pacientes"),
        "as-installed",
        "policy pacientes lectura: found absent",
    ),
    Change(
        "a password changed",
        "se cambió una contraseña",
        sql("ALTER ROLE middleware PASSWORD 'otra'"),
        "as-installed",
        "password middleware: found another one",
    ),
    Change(
        "the login of a person dropped",
        "se borró la cuenta de una persona",
        sql(
            "SELECT lab.register_login('ana', 'read')",
            "SELECT lab.give_login('ana', 'prueba')",
            "DROP OWNED BY ana",
            "DROP ROLE ana",
        ),
        "as-installed",
        "role ana: found absent",
    ),
    Change(
        "the nodes' password of a login lost",
        "se perdió la contraseña de un rol entre los nodos",
        sql("DELETE FROM pg_dist_authinfo WHERE rolename = 'readonly'"),
        "as-installed",
        "password between the nodes readonly: found absent",
        engines=CITUS,
    ),
    Change(
        "the nodes' password of a login taken away",
        "se quitó la contraseña de un rol entre los nodos",
        sql('DROP USER MAPPING FOR readonly SERVER "citus-worker-1"'),
        "as-installed",
        "password between the nodes readonly: found absent",
        engines=FDW,
    ),
    Change(
        "the tables' owner kept from moving shards",
        "se impidió al dueño de las tablas mover fragmentos",
        sql("REVOKE CREATE ON SCHEMA public FROM clinical_owner"),
        "shards-can-move",
        "owner clinical_owner on citus-worker-1: may not create tables in public",
        engines=CITUS,
    ),
    Change(
        "records of a removed node left",
        "quedaron registros de un nodo retirado",
        sql("INSERT INTO pg_dist_cleanup VALUES (1, 1, 1, 'public.pacientes_102011', 4711, 2)"),
        "shards-can-move",
        "node that was removed: left 1 records in pg_dist_cleanup",
        engines=CITUS,
    ),
    Change(
        "a role dropped",
        "se borró un rol",
        sql("DROP OWNED BY readonly", "DROP ROLE readonly"),
        "least-privilege",
        "readonly",
    ),
    Change(
        "a user of the original deleted",
        "se borró un usuario del original",
        sql("DELETE FROM usuario WHERE documento_id = '1072319876'"),
        "original-users",
        "1072319876: missing",
    ),
    Change(
        "a municipality deleted",
        "se borró un municipio",
        sql("SET session_replication_role = replica", "DELETE FROM municipios WHERE codigo_municipio = '97889'"),
        "as-installed",
        "rows of municipios: found 1 changed or missing (97889)",
    ),
    Change(
        "the description of a diagnosis changed",
        "se cambió la descripción de un diagnóstico",
        sql("UPDATE cie10 SET descripcion = 'Otra' WHERE codigo = 'J00X'"),
        "as-installed",
        "rows of cie10: found 1 changed or missing (J00X)",
    ),
    Change(
        "on a worker: a row of a reference table changed",
        "en un worker: se cambió una fila de una tabla de referencia",
        in_copy("municipios", "UPDATE {} SET nombre = 'Otro' WHERE codigo_municipio = '52001'", "citus-worker-1"),
        "as-installed",
        "rows of municipios on citus-worker-1: found others",
    ),
    Change(
        "on a worker: a row of a reference table deleted",
        "en un worker: se borró una fila de una tabla de referencia",
        in_copy("cie10", "DELETE FROM {} WHERE codigo = 'U072'", "citus-worker-2"),  # which no consultation has
        "as-installed",
        "rows of cie10 on citus-worker-2: found others",
    ),
    Change(
        "a function of the schema lab dropped",
        "se borró una función del esquema lab",
        sql("DROP FUNCTION lab.where(text, text)"),
        "colocated",
        "lab.where",
    ),
    Change(
        "a partition detached",
        "se separó una partición",
        sql("SET event_triggers = off", "ALTER TABLE pacientes DETACH PARTITION shards.pacientes_05"),
        "as-installed",
        "partition pacientes shards.pacientes_05: found absent",
        engines=FDW,
    ),
    Change(
        "a trigger switched off",
        "se desactivó un disparador",
        sql("ALTER TABLE medicos DISABLE TRIGGER rows_are_kept"),
        "as-installed",
        "trigger medicos rows_are_kept: found",
        engines=FDW,
    ),
    Change(
        "a change of a table that ended half-way, since a worker died in its commit",
        "un cambio de una tabla que quedó a medias, porque un worker murió en su commit",
        half_way("CREATE INDEX usuario_nombre_idx ON usuario (nombre)"),
        "as-installed",
        "statement CREATE INDEX usuario_nombre_idx ON usuario (nombre): found on citus-worker-1 only",
        engines=FDW,
    ),
    Change(
        "on a worker: the API's login let in",
        "en un worker: se dejó entrar la cuenta de la API",
        sql("ALTER ROLE api LOGIN PASSWORD 'otra'", node="citus-worker-1"),
        "as-installed",
        "logins on citus-worker-1: found api, nodes",
        engines=FDW,
    ),
    Change(
        "on a worker: an index dropped",
        "en un worker: se borró un índice",
        sql("DROP INDEX consultas_codigo_cie10_idx", node="citus-worker-1"),
        "as-installed",
        "index consultas consultas_codigo_cie10_idx on citus-worker-1: found absent",
        engines=FDW,
    ),
    Change(
        "on a worker: a check dropped",
        "en un worker: se quitó una restricción CHECK",
        sql("ALTER TABLE consultas DROP CONSTRAINT consultas_motivo_texto_check", node="citus-worker-2"),
        "as-installed",
        "constraint consultas consultas_motivo_texto_check on citus-worker-2: found absent",
        engines=FDW,
    ),
    Change(
        "on a worker: a foreign key dropped",
        "en un worker: se quitó una clave foránea",
        sql("ALTER TABLE consultas_01 DROP CONSTRAINT consultas_medico_id_fkey", node="citus-worker-2"),
        "constraints",
        "citus-worker-2: 16 primary and 95 foreign keys on 16 shards",
        engines=FDW,
    ),
    Change(
        "on a worker: a right given",
        "en un worker: se dio un permiso de más",
        sql("GRANT DELETE ON usuario_00 TO api", node="citus-worker-1"),
        "as-installed",
        "rights usuario on citus-worker-1: found",
        engines=FDW,
    ),
    Change(
        "what carries changes to the nodes switched off",
        "se desactivó lo que lleva los cambios a los nodos",
        sql("ALTER EVENT TRIGGER lab_after_command DISABLE"),
        "as-installed",
        "event trigger lab_after_command: found disabled",
        engines=FDW,
    ),
    Change(
        "a subscription disabled",
        "se desactivó una suscripción",
        sql("ALTER SUBSCRIPTION lab_citus_worker_1 DISABLE", node="citus-worker-1"),
        "medicos-replicated",
        "citus-worker-1",
        engines=FDW,
    ),
    Change(
        "a subscription dropped",
        "se borró una suscripción",
        sql(
            "ALTER SUBSCRIPTION lab_citus_worker_2 DISABLE",
            "ALTER SUBSCRIPTION lab_citus_worker_2 SET (slot_name = NONE)",
            "DROP SUBSCRIPTION lab_citus_worker_2",
            node="citus-worker-2",
        ),
        "medicos-replicated",
        "citus-worker-2: it does not fetch its copies",
        engines=FDW,
    ),
    Change(
        "a replication slot dropped",
        "se borró una ranura de replicación",
        both(
            sql("ALTER SUBSCRIPTION lab_citus_worker_2 DISABLE", node="citus-worker-2"),
            until("SELECT pg_drop_replication_slot('lab_citus_worker_2')"),
        ),
        "medicos-replicated",
        "citus-worker-2: it has no replication slot",
        alone=True,
        engines=FDW,
    ),
    Change(
        "a node's address changed",
        "se cambió la dirección de un nodo",
        sql("ALTER SERVER \"citus-worker-1\" OPTIONS (SET port '1')"),
        "nodes-answer",
        "citus-worker-1",
        alone=True,
        engines=FDW,
    ),
    Change(
        "a node moved to an address where nobody is",
        "se mudó un nodo a una dirección donde no hay nadie",
        sql(
            "SELECT citus_update_node(nodeid, nodename, 1, true, 1)"
            " FROM pg_dist_node JOIN lab.node_names ON node_id = nodeid WHERE node_name = 'citus-worker-2'"
        ),
        "nodes-answer",
        "citus-worker-2",
        alone=True,
        engines=CITUS,
    ),
    Change(
        "a node registered under another name",
        "se registró un nodo con otro nombre",
        sql(
            "SELECT citus_update_node(nodeid, 'localhost', nodeport)"
            " FROM pg_dist_node JOIN lab.node_names ON node_id = nodeid WHERE node_name = 'citus-worker-2'"
        ),
        "nodes-registered",
        "citus-worker-2 at localhost:",
        engines=CITUS,
    ),
    Change(
        "the settings edited",
        "se editó la configuración",
        edit("config/pg_hba.conf", "host all all 127.0.0.1/32 trust"),
        "passwords-required",
        "let in",
    ),
    Change(
        "a worker's data removed",
        "se borraron los datos de un worker",
        remove_data("citus-worker-2"),
        "nodes-answer",
        "citus-worker-2",
        tells="The data of citus-worker-2 are gone",
        refused=True,
    ),
)

#: What people change in the namespace of a lab in pods, all at once: none hides another.
CHANGES_OF_PODS: tuple[Change, ...] = (
    Change(
        "in pods: a StatefulSet scaled",
        "en pods: se escaló un StatefulSet",
        kubectl("scale", "statefulset", "citus-worker", "--replicas=1"),
        "objects-as-applied",
        "StatefulSet citus-worker has 1 replicas, 2 were made",
    ),
    Change(
        "in pods: a Service deleted",
        "en pods: se borró un Service",
        kubectl("delete", "service", "citus-worker-2"),
        "objects-as-applied",
        "Service citus-worker-2 is not there",
    ),
    Change(
        "in pods: a ConfigMap deleted",
        "en pods: se borró un ConfigMap",
        kubectl("delete", "configmap", "database-settings"),
        "objects-as-applied",
        "ConfigMap database-settings is not there",
    ),
    Change(
        "in pods: a Deployment deleted",
        "en pods: se borró un Deployment",
        kubectl("delete", "deployment", "middleware-citus"),
        "objects-as-applied",
        "Deployment middleware-citus is not there",
    ),
    Change(
        "in pods: a Secret deleted",
        "en pods: se borró un Secret",
        kubectl("delete", "secret", "credentials"),
        "objects-as-applied",
        "Secret credentials is not there",
    ),
    Change(
        "in pods: a network policy opened",
        "en pods: se abrió una política de red",
        kubectl("patch", "networkpolicy", "worker", "--type=merge", '--patch={"spec": {"ingress": [{}]}}'),
        "objects-as-applied",
        "NetworkPolicy worker has other rules than were written",
    ),
)
