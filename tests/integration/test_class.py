"""A class: the labs of a list, made with the commands of its guide, from the first week to the last."""

from __future__ import annotations

import grp
import json
import os
import pwd
import re
import shutil
import subprocess
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest

from ansible_collections.aula.historia_clinica.plugins.module_utils.ownership import Ownership
from ansible_collections.aula.historia_clinica.plugins.modules import account_removal
from grading import archive, labs, stage
from grading.exercise import exercises
from support import accounts, isolation
from support.labs import ROOT, Workshop, processes_of

LIST = "Nombre;Correo;Grupo\nAna;ana@uni.edu;A\nBeto;beto@uni.edu;A\nCarla;carla@uni.edu;B\n"
#: What the guide has to be typed, but for `make psql`, which looks for labs in a person's own place.
GUIDE = re.findall(
    r"^make (\w+) ROSTER=roster\.csv$", (ROOT / "docs/en/class.md").read_text(encoding="utf-8"), re.MULTILINE
)


class Classroom:
    """A class of three in a place of its own.

    Attributes:
        place: where its labs are.
        roster: its list.
    """

    def __init__(self, workshop: Workshop) -> None:
        self.place = workshop.place / "class"
        self.roster = workshop.place / "mi curso.csv"
        self.roster.write_bytes(LIST.encode("cp1252"))
        self.arguments = [
            f"-e runtime_directory={workshop.place}/runtime",
            f"-e 'lab_directory={self.place}/{{{{ inventory_hostname }}}}'",
            "-e 'lab_database_port={{ 32000 + 100 * student_number | default(9) }}'",
            "-e 'lab_api_port={{ 32050 + student_number | default(9) }}'",
            "-e clinical_schema_patients=100 -e lab_target=host",
        ]

    def make(
        self, word: str, *more: str, lab: str = "", here: bool = False, **variables: str
    ) -> subprocess.CompletedProcess[str]:
        """Type a command of the guide.

        Args:
            word: the command.
            more: words for ARGS.
            lab: of one student.
            here: the labs are those of whoever types it, which commands without Ansible look for.
            variables: what else is typed.
        """
        named = [f"ROSTER={self.roster}", *([f"LAB={lab}"] if lab else [])]
        named += [f"{name}={value}" for name, value in variables.items()]
        env = {name: value for name, value in os.environ.items() if name != "MAKEFLAGS"} | {"ANSIBLE_NOCOLOR": "1"}
        command = ["make", "--no-print-directory", word, *named, f"ARGS={' '.join([*self.arguments, *more])}"]
        if here and os.geteuid() == 0:
            Path("/var/lib/historia-clinica").mkdir(mode=0o755, exist_ok=True)
            bind = 'mount --bind "$0" /var/lib/historia-clinica && exec "$@"'
            command = ["unshare", "--mount", "sh", "-c", bind, str(self.roster.parent), *command]
        elif here:
            state = self.roster.parent / "state"
            state.mkdir(exist_ok=True)
            if not (state / "historia-clinica").is_symlink():
                (state / "historia-clinica").symlink_to(self.roster.parent)
            env["XDG_STATE_HOME"] = str(state)
        return subprocess.run(
            command,
            cwd=ROOT,
            env=env,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            check=False,
        )

    def record(self, lab: str) -> dict[str, object]:
        """What a lab remembers."""
        loaded: dict[str, object] = json.loads((self.place / lab / "lab.json").read_text(encoding="utf-8"))
        return loaded

    def ask(self, lab: str, statement: str) -> list[tuple[object, ...]]:
        """What a lab's database answers to its administrator."""
        with psycopg.connect(
            host="127.0.0.1",
            port=self.record(lab)["database_port"],  # type: ignore[arg-type]  # JSON
            user="admin",
            dbname="historia_clinica",
            passfile=str(self.place / lab / "credentials/admin.pgpass"),
            autocommit=True,
        ) as connection:
            found = connection.execute(statement)
            return found.fetchall() if found.description else []


def table(page: str) -> dict[str, dict[str, str]]:
    """The rows of the table that `make class` ends with, by lab."""
    heading, *rows = page[page.index("  student ") :].splitlines()
    rows = rows[: rows.index("")]
    found = [dict(zip(heading.split(), row.split(), strict=True)) for row in rows]
    return {row["lab"]: row for row in found}


@pytest.fixture
def classroom(workshop: Workshop) -> Iterator[Classroom]:
    """A class whose labs are removed in the end."""
    classroom = Classroom(workshop)
    with accounts.removed_again("hc-test-ana"):
        try:
            yield classroom
        finally:
            classroom.roster.write_text(LIST, encoding="utf-8")
            classroom.make("teardown")


def test_a_class_from_the_first_week_to_the_last(classroom: Classroom) -> None:
    """One student's failure stops nobody else; a later run takes nothing away; who leaves keeps the lab."""
    assert GUIDE == ["class", "handout", "status", "teardown"]
    broken = '-e \'lab_workers={{ "many" if inventory_hostname == "beto" else 1 }}\''
    first = classroom.make("class", broken, "-e clinical_schema_seed=42")  # as labs were that had one sample for all
    assert first.returncode != 0
    rows = table(first.stdout)
    assert {lab: (row["state"], row["database"], row["API"]) for lab, row in rows.items()} == {
        "ana": ("up", "32100", "32051"),
        "beto": ("failed", "-", "-"),
        "carla": ("up", "32300", "32053"),
    }
    assert re.search(r"^beto: FAILED .*workers-invalid", first.stdout, re.MULTILINE)
    assert "2 of 3 labs are up, 1 failed" in first.stdout
    assert not (classroom.place / "beto").exists()
    if str(classroom.record("ana")["user"]).startswith("hc-"):
        assert [classroom.record(lab)["user"] for lab in ("ana", "carla")] == ["hc-ana", "hc-carla"]
        # The group is the lab's own.
        assert all((classroom.place / lab).stat().st_mode & 0o007 == 0 for lab in ("ana", "carla"))

    # Weeks later: a lab has rows of its student's and a worker more, and Carla is on the list no more.
    classroom.ask("carla", "CREATE TABLE mia AS SELECT 7 AS numero")
    grown = classroom.make("scale", "-e scale_workers=2", lab="ana")
    assert grown.returncode == 0, grown.stdout + grown.stderr
    classroom.roster.write_text(LIST.replace("Carla;carla@uni.edu;B\n", ""), encoding="utf-8")
    again = classroom.make("class")
    assert again.returncode == 0, again.stdout + again.stderr
    assert "Carla (make teardown LAB=carla" in " ".join(again.stderr.split())
    rows = table(again.stdout)
    assert {lab: (row["state"], row["workers"]) for lab, row in rows.items()} == {
        "ana": ("up", "2"),
        "beto": ("up", "2"),
    }
    assert rows["ana"]["changed"] == "0"
    assert re.search(r"^LEFT +ana$\nThe lab keeps the sample of seed 42,", again.stdout, re.MULTILINE), again.stdout
    assert classroom.ask("ana", "SELECT DISTINCT semilla FROM lab.sample_chunks") == [(42,)]
    no_number_is_a_neighbours(classroom)
    no_query_takes_the_machine(classroom)
    assert classroom.ask("ana", "SELECT count(*) FROM lab.nodes WHERE responds") == [(3,)]
    assert classroom.ask("carla", "SELECT numero FROM mia") == [(7,)]

    handout_opens_only_its_own_lab(classroom)
    if os.geteuid() == 0:  # else the labs are one account's
        nobody_reaches_a_neighbour(classroom)

    status = classroom.make("status")
    assert status.returncode == 0
    assert sorted(re.findall(r"^The lab (\w+).*workers$", status.stdout, re.MULTILINE)) == ["ana", "beto"]
    a_class_is_closed(classroom)
    assert not list(classroom.place.iterdir())
    assert processes_of(classroom.place) == []
    assert not [user.pw_name for user in pwd.getpwall() if re.fullmatch("hc-(ana|beto|carla)", user.pw_name)]


def a_class_is_closed(classroom: Classroom) -> None:
    """With the lab of who left the list; what was graded is in the archive."""
    place = classroom.roster.parent
    planned = classroom.make("class-close", "--check", here=True)
    assert "se califican por última vez: ana, beto, carla" in planned.stdout, planned.stderr
    assert classroom.roster.exists()
    done = classroom.make("class-close", here=True, YES="yes")
    assert done.returncode == 0, done.stdout + done.stderr
    [path] = (place / "closed").glob("mi curso-*.zip")
    files = archive.read(path).files
    [marks] = [json.loads(text) for name, text in files.items() if name.endswith("/final/mi curso.json")]
    print(marks)
    assert {
        "records/ana.jsonl",
        "records/beto.jsonl",
        "list/mi curso.csv",
        "list/mi curso.numbers.json",
    } <= files.keys()
    left = [each.name for each in place.iterdir() if each.name.startswith("mi curso")]
    assert (left, [*(place / "grading").iterdir()], (place / "grades").exists()) == ([], [], False)


def no_number_is_a_neighbours(classroom: Classroom) -> None:
    """What is right in one lab, of whatever an exercise has counted there, is wrong in another."""
    found: dict[str, list[object]] = {}
    for lab in ("ana", "beto"):
        record = labs.find(classroom.roster.parent, lab)
        for each in exercises([ROOT / "exercises"]):
            if (
                record.engine not in each.about.needs.engine
                or "lab.answer(" not in (each.folder / "check.py").read_text()
            ):
                continue
            stage.make(each, record)
            stage.run([next(path for path, _fails in stage.answers(each, "solution", record.engine))], record)
            for question, answer in classroom.ask(lab, "SELECT pregunta, valor FROM respuestas"):
                found.setdefault(f"{each.id}: {question}", []).append(answer)
            stage.remove(each, record)
        classroom.ask(lab, "DROP TABLE respuestas")
    print(found)
    assert len(found) >= 5
    assert [question for question, answers in found.items() if len(set(answers)) < 2] == []


def no_query_takes_the_machine(classroom: Classroom) -> None:
    """What wants more memory than a process of a class has is an error, to the administrator too; temporary files are bounded."""
    with pytest.raises(psycopg.errors.OutOfMemory):
        classroom.ask("ana", "SELECT length(string_agg(repeat('x', 1000000), '')) FROM generate_series(1, 600)")
    assert classroom.ask("ana", "SHOW temp_file_limit") == [("2GB",)]


def handout_opens_only_its_own_lab(classroom: Classroom) -> None:
    """What is in the folder is enough, and is all that is in it; a second run gives out nothing new."""
    given = classroom.make("handout", "-e handout_server=aula.uni.edu.co")
    assert given.returncode == 0, given.stdout + given.stderr
    place = classroom.roster.with_name("mi curso.handouts")
    files = ["LEAME.md", "api.json", "pg_service.conf", "pgpass"]
    assert sorted(path.name for path in place.iterdir()) == ["ana", "ana.zip", "beto", "beto.zip"]
    assert sorted(path.name for path in (place / "ana").iterdir()) == files
    assert {path.stat().st_mode & 0o077 for path in [place, *place.rglob("*")]} == {0}
    page = (place / "beto/LEAME.md").read_text(encoding="utf-8")
    assert "ssh -N -L 32200:127.0.0.1:32200 -L 32052:127.0.0.1:32052 CUENTA@aula.uni.edu.co" in page
    texts = [path.read_text(encoding="utf-8") for path in (place / "ana").iterdir()]
    secret = (place / "beto/pgpass").read_text(encoding="utf-8").rpartition(":")[2].strip()
    assert len(secret) == 32
    assert not any(secret in text for text in [*texts, given.stdout, given.stderr])
    asked = subprocess.run(
        [psql_program(classroom), "service=lab", "-Atc", "SELECT count(*) FROM pacientes"],
        cwd=place / "ana",
        env={"PGSERVICEFILE": "pg_service.conf", "PATH": os.defpath},
        capture_output=True,
        text=True,
        check=False,
    )
    assert asked.stdout == "100\n", asked.stderr
    assert logged_in(32051, place / "ana/api.json") == 201
    assert logged_in(32052, place / "ana/api.json") == 401
    before = {path: path.read_bytes() for path in place.rglob("*") if path.is_file()}
    again = classroom.make("handout", "-e handout_server=aula.uni.edu.co")
    assert re.findall(r"changed=(\d+)", again.stdout) == ["0", "0"], again.stdout
    assert {path: path.read_bytes() for path in place.rglob("*") if path.is_file()} == before


def nobody_reaches_a_neighbour(classroom: Classroom) -> None:
    """Each way from Ana's lab to Beto's, as Ana's processes and as the administrator of her database: none is open."""
    ana, beto = owned(classroom, "ana", 32100, 32051), owned(classroom, "beto", 32200, 32052)
    other = isolation.seen("hc-beto", classroom.place / "beto", (32200, 32201, 32202), 32052)
    assert len(other.processes) > 5
    assert len(other.places) > 50
    registry = classroom.roster.parent / "registry"

    def tried_by(own: isolation.Own) -> tuple[int, list[str]]:
        count, found = Ownership.of(own.user, own.user).act(
            lambda: isolation.open_ways(isolation.ways(own, other, registry))
        )
        return count, found

    count, found = tried_by(ana)
    print(f"isolation on a host: {count} ways tried, {len(found)} open")
    assert found == []
    # To Beto himself ways of each kind are open: whatever tries them can tell.
    kinds = [
        *("list /", "read /", "write /", "connect to", "shared memory"),
        *("read /proc", "list the files", "enter", "signal"),
        *("log in to port", "in his own database", "log in to the API", "GET pacientes with"),
    ]
    _count, found = tried_by(beto)
    assert [kind for kind in kinds if not any(way.startswith(kind) for way in found)] == []
    assert [
        way for way in found if "a secret in" in way or "without" in way or "no password" in way or str(registry) in way
    ] == []


def owned(classroom: Classroom, lab: str, port: int, api_port: int) -> isolation.Own:
    """What a student has, of the lab and of the handout."""
    passwords = {
        path.stem: path.read_text(encoding="utf-8").rpartition(":")[2].strip()
        for path in (classroom.place / lab / "credentials").glob("*.pgpass")
    }
    log_in = (classroom.roster.with_name("mi curso.handouts") / lab / "api.json").read_bytes()
    return isolation.Own(f"hc-{lab}", port, api_port, passwords, log_in, isolation.token(api_port, log_in))


def logged_in(port: int, body: Path) -> int:
    """The status of a log-in to a lab's API."""
    request = urllib.request.Request(
        f"http://127.0.0.1:{port}/api/v1/sesiones", body.read_bytes(), {"Content-Type": "application/json"}
    )
    try:
        with urllib.request.urlopen(request, timeout=20) as answer:  # noqa: S310 # http, of this machine
            return int(answer.status)
    except urllib.error.HTTPError as error:
        return error.code


def psql_program(classroom: Classroom) -> Path:
    """The runtime's psql, as a student has one."""
    return next(Path(classroom.roster.parent, "runtime").rglob("pginstall/bin/psql"))


@pytest.mark.skipif(bool(accounts.missing()), reason=accounts.missing())
def test_a_student_works_on_the_server(classroom: Classroom) -> None:
    """With the key of the handout: the lab is hers, an exercise is done, and nothing else of the server's opens."""
    classroom.roster.write_text("Nombre;Correo;Cuenta\nAna;ana@uni.edu;hc-test-ana\n", encoding="utf-8")
    for word in ("class", "handout"):
        made = classroom.make(word)
        assert made.returncode == 0, made.stdout + made.stderr
    handout = classroom.roster.with_name("mi curso.handouts") / "ana"
    ana = accounts.Account("hc-test-ana", handout, classroom.roster.parent, classroom.roster.with_name("sshd"))
    assert ana.types("aula psql -Atc 'SELECT current_user, count(*) FROM pacientes'") == (0, "admin|100\n")
    code, said = ana.types("aula exercise documentos")
    assert (code, "Cuando lo tenga: aula check documentos. Si se atasca: aula hint documentos" in said) == (0, True), (
        said
    )
    code, said = ana.types("aula check documentos")
    assert (code, "0 de 10 puntos" in said) == (2, True), said
    solution = (ROOT / "exercises/documentos/solution/view.sql").read_text(encoding="utf-8")
    assert ana.types("aula psql -qv ON_ERROR_STOP=1", solution) == (0, "")
    code, said = ana.types("aula check documentos")
    assert (code, "10 de 10 puntos" in said) == (0, True), said

    for refused in ("aula check documentos LAB=beto", "aula teardown", "aula chaos fill citus-worker-1 5"):
        assert ana.types(refused)[0] == 2, refused
    for refused in (
        "sudo -n id",
        "sudo -n SUDO_UID=0 aula status",
        f"cat {ROOT}/exercises/documentos/check.py",
        "cat /etc/historia-clinica/keys/*",
    ):
        code, said = ana.types(refused)
        assert code != 0, said
    # A shell of psql's is the student's own.
    assert ana.types("aula psql", "\\! id -un\n") == (0, "hc-test-ana\n")

    # Another hospital's file, which nobody else can read; the row with a mistake comes back beside it, as the student's own.
    assert ana.types("aula exercise otro-hospital")[0] == 0
    referral = (ROOT / "exercises/otro-hospital/referral.sh").read_text(encoding="utf-8")
    for name, text in re.findall(r'/(remitidos\.\w+)" <<"\w+"\n(.*?)^[A-Z]+$', referral, re.DOTALL | re.MULTILINE):
        assert ana.types(f"umask 077; mkdir -p datos; cat > datos/{name}", text) == (0, "")
    code, said = ana.types("aula import datos/remitidos.csv datos/remitidos.yml --check")
    assert (code, "3 patients and 2 consultations could be added" in said) == (2, True), said
    code, said = ana.types("aula import datos/remitidos.csv datos/remitidos.yml")
    assert (code, "the reason: datos/remitidos.rechazadas.csv\n" in said) == (2, True), said
    assert ana.types("cd datos; stat -c '%U %a' *.rechazadas.csv; grep -c 1999900113 *.rechazadas.csv") == (
        0,
        "hc-test-ana 600\n1\n",
    )
    code, said = ana.types("aula check otro-hospital")
    assert (code, "10 de 10 puntos" in said) == (0, True), said
    assert ana.types("aula psql -Atc \"SELECT DISTINCT documento_id FROM cambios WHERE motivo LIKE 'import%'\"") == (
        0,
        "hc-test-ana\n",
    )
    code, said = ana.types("aula import datos/remitidos.csv datos/remitidos.yml")
    assert (code, "datos/remitidos.rechazadas.csv ya está" in said) == (1, True), said
    for refused in ("/etc/shadow", f"{ROOT}/exercises/documentos/check.py"):
        assert ana.types(f"aula import {refused}") == (
            1,
            f"Su cuenta no puede leer {refused}: revise el nombre y los permisos.\n",
        )
    assert not [*Path("/tmp").glob("aula-*")]

    # While somebody is logged in, the account stays, and so do the list and what is about her lab.
    home = Path(pwd.getpwnam("hc-test-ana").pw_dir)
    with subprocess.Popen(["sleep", "600"], user="hc-test-ana") as logged_in:
        stays = classroom.make("class-close", here=True, YES="yes")
        logged_in.kill()
    assert stays.returncode != 0
    assert "hc-test-ana is currently used by process" in stays.stdout + stays.stderr
    assert "No se quitó, y sus datos siguen aquí: ana, hc-test-ana." in stays.stdout
    assert classroom.roster.exists()
    done = classroom.make("class-close", here=True, YES="yes")
    assert done.returncode == 0, done.stdout + done.stderr
    assert not home.exists()
    assert not [user for user in pwd.getpwall() if user.pw_name == "hc-test-ana"]
    assert not [*Path("/etc/historia-clinica/accounts").iterdir(), *Path("/etc/historia-clinica/keys").iterdir()]


@pytest.mark.skipif(os.geteuid() != 0 or not shutil.which("useradd"), reason="makes an account: needs root")
def test_an_account_that_was_there_before_stays(tmp_path: Path) -> None:
    """With its files and its own key; that of the handout, and the right to type `aula`, are taken away."""
    for folder in ("accounts", "keys"):
        (tmp_path / folder).mkdir()
    (tmp_path / "accounts/hc-test-old").write_text('{"lab": "ana"}', encoding="utf-8")
    (tmp_path / "keys/hc-test-old.pub").write_text("ssh-ed25519 given aula\n", encoding="utf-8")
    with accounts.removed_again("hc-test-old"):
        subprocess.run(["groupadd", "--force", "aula"], check=True)
        subprocess.run(["useradd", "--create-home", "--groups", "aula", "hc-test-old"], check=True)
        user = pwd.getpwnam("hc-test-old")
        keys = Path(user.pw_dir, ".ssh/authorized_keys")
        keys.parent.mkdir(mode=0o700)
        keys.write_text("ssh-ed25519 own\nssh-ed25519 given aula\n", encoding="utf-8")
        for path in (keys.parent, keys):
            os.chown(path, user.pw_uid, user.pw_gid)
        account_removal.remove("hc-test-old", str(tmp_path))
        assert keys.read_text(encoding="utf-8") == "ssh-ed25519 own\n"
        assert keys.stat().st_uid == user.pw_uid
        assert pwd.getpwnam("hc-test-old") == user
        assert grp.getgrnam("aula").gr_mem == []
        assert [path for path in tmp_path.rglob("*") if path.is_file()] == []
        account_removal.remove("hc-test-old", str(tmp_path))


def test_a_class_of_a_wrong_list_makes_nothing(classroom: Classroom) -> None:
    """Its one message stands alone."""
    classroom.roster.write_text(f"{LIST}Dora;dora;B\nEva;ana@uni.edu;B\n", encoding="utf-8")
    done = classroom.make("class")
    assert done.returncode != 0
    assert done.stdout == ""
    assert [line for line in done.stderr.splitlines() if not line.startswith("make:")] == [
        f"2 things are wrong in {classroom.roster}; nothing was changed:",
        "  line 5 has the e-mail 'dora': one such as ana@uni.edu.co is needed",
        "  line 6 has the e-mail ana@uni.edu, as line 2 has",
    ]
    assert not any(classroom.place.glob("*"))
