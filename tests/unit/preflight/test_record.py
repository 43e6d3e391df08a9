"""What a lab remembers, where it is, and what contradicts it."""

from __future__ import annotations

import shutil
from dataclasses import dataclass, fields, replace
from typing import Any

import pytest

from ansible_collections.aula.historia_clinica.plugins.module_utils.machine import registered
from ansible_collections.aula.historia_clinica.plugins.module_utils.paths import Record, record_path
from ansible_collections.aula.historia_clinica.plugins.module_utils.preflight.choices import PURPOSES
from ansible_collections.aula.historia_clinica.plugins.module_utils.preflight.observation import Listener
from ansible_collections.aula.historia_clinica.plugins.module_utils.registry import register, unregister
from support.preflight import ROOT, STOCK, Bench, listening, port_of, reasons


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


def test_citus_that_came_later_is_named(bench: Bench) -> None:
    """A lab keeps its engine, says so, and does not offer to give its data up for the other."""
    bench.record(engine="postgres_fdw")
    with_citus = bench.postgres("with", has=(*STOCK, "citus"))
    bench.choose(engine=None, postgres_bin=with_citus)
    assert bench.decide().lab["engine"] == "postgres_fdw"
    assert "its PostgreSQL has Citus, which a new lab would take" in reasons(bench)["engine"]
    assert "reset" not in reasons(bench)["engine"]


@pytest.mark.parametrize("chosen", ["1", "4"])
def test_the_record_says_how_many_workers_a_lab_has(bench: Bench, chosen: str) -> None:
    """Another number changes nothing and names what does, so that a class's next run does not undo what a student has scaled."""
    bench.record(workers=2)
    bench.choose(workers=chosen)
    decision = bench.decide()
    assert (decision.problems, decision.lab["workers"]) == ([], 2)
    (warning,) = decision.warnings
    assert f"lab_workers is {chosen}" in warning
    assert f"make scale WORKERS={chosen}" in warning
    bench.choose(workers="2")
    assert bench.decide().warnings == []


@dataclass(frozen=True)
class Scaled:
    """Another number of workers for a lab of 2 that runs.

    Attributes:
        workers: what is typed for WORKERS.
        problems: the ids of what is wrong with it.
        remedy: a command of the first of them.
    """

    workers: object
    problems: tuple[str, ...] = ()
    remedy: str = ""


@pytest.mark.parametrize(
    "case",
    [
        Scaled("1"),
        Scaled("2"),
        Scaled("7"),
        Scaled(None, ("workers-invalid",), "make scale WORKERS=3"),
        Scaled("0", ("workers-invalid",), "make scale WORKERS=2"),
        Scaled("65", ("workers-invalid",), "make scale WORKERS=2"),
        Scaled("many", ("workers-invalid",), "make scale WORKERS=2"),
        Scaled("9", ("ports-overlap",), "make scale WORKERS=8"),
    ],
    ids=lambda case: str(case.workers),
)
def test_a_lab_that_runs_gets_another_number_of_workers(bench: Bench, case: Scaled) -> None:
    """It is as its record says in all else, and what cannot be is refused before anything is changed."""
    first = bench.params["database_port"]
    bench.record(workers=2, api_port=first + 9)
    bench.choose(api_port=None)
    bench.during(listening(first))
    bench.seen = {"listeners": {first: Listener(first, own=True)}}
    bench.choose(purpose="scale", workers=case.workers, engine="citus")
    decision = bench.decide()
    assert [problem.id for problem in decision.problems] == list(case.problems)
    assert decision.lab["engine"] == "postgres_fdw"
    assert decision.lab["recorded_workers"] == 2
    if case.problems:
        assert case.remedy in decision.problems[0].remedy
    else:
        assert decision.lab["workers"] == int(str(case.workers))


def test_a_lab_whose_last_port_is_near_the_end_grows_to_it(bench: Bench) -> None:
    """The number that would do is in the remedy."""
    bench.record(database_port=65530)
    bench.choose(database_port=None, purpose="scale", workers=9)
    bench.seen = {"listeners": {65530: Listener(65530, own=True)}}
    problem = bench.only("port-invalid")
    assert "need ports up to 65539" in problem.found
    assert problem.remedy == "make scale WORKERS=5"


def test_a_contradiction_has_both_values_and_the_way_out(bench: Bench) -> None:
    """All contradictions at once, each with what was chosen, what was recorded, and reset."""
    bench.record(target="host", engine="citus", workers=5, database_port=20001, api_port=20099)
    bench.runtime()
    bench.choose(target="minikube", engine="postgres_fdw", workers=5)
    problems = {problem.id: problem for problem in bench.problems()}
    assert set(problems) == {"record-target", "record-engine", "record-ports"}
    assert bench.ids().count("record-ports") == 2
    engine = problems["record-engine"]
    assert "lab_engine is postgres_fdw" in engine.found
    assert "made with citus" in engine.found
    assert "make reset ARGS='-e lab_engine=postgres_fdw'" in engine.remedy


@dataclass(frozen=True)
class Renewed:
    """What a lab was, what is chosen while it is made anew, and what it will be.

    Attributes:
        was: fields of its record.
        chosen: choices.
        is_: fields of the fact.
    """

    was: dict[str, Any]
    chosen: dict[str, Any]
    is_: dict[str, Any]


@pytest.mark.parametrize(
    "case",
    [
        # What is left open stays as it was, its place too.
        Renewed({"workers": 5, "api_port": 20099}, {}, {"workers": 5, "api_port": 20099, "engine": "postgres_fdw"}),
        Renewed({"directory": "far"}, {}, {"directory": "far"}),
        Renewed({"engine": "citus", "postgres_bin": "with"}, {}, {"engine": "citus", "postgres_bin": "with"}),
        # What is chosen contradicts nothing; other servers decide the engine, unless that is chosen too.
        Renewed({"workers": 5}, {"workers": 1}, {"workers": 1}),
        Renewed({"engine": "citus", "postgres_bin": "with"}, {"engine": "postgres_fdw"}, {"engine": "postgres_fdw"}),
        Renewed({"postgres_bin": "stock"}, {"postgres_bin": "with"}, {"engine": "citus", "postgres_bin": "with"}),
        Renewed({"postgres_bin": "with"}, {"postgres_bin": "with"}, {"engine": "postgres_fdw"}),
        Renewed({"postgres_bin": "with"}, {"engine": "citus"}, {"engine": "citus"}),
        # Data of another version are no obstacle: they go.
        Renewed({"postgres_version": "17.2"}, {}, {"engine": "postgres_fdw"}),
    ],
    ids=str,
)
def test_a_lab_that_is_made_anew_is_as_it_was_but_for_what_is_chosen(bench: Bench, case: Renewed) -> None:
    """Asked before its removal, and again when its record is gone."""
    folders = {"with": bench.postgres("with", has=(*STOCK, "citus")), "stock": bench.postgres("stock")}
    folders |= {name: str(bench.folder / name) for name in ("lab", "far")}

    def real(values: dict[str, Any]) -> dict[str, Any]:
        return {name: folders.get(str(value), value) for name, value in values.items()}

    ports = {"database_port": bench.params["database_port"], "api_port": bench.params["api_port"]}
    record = bench.record(**{"postgres_bin": folders["stock"], **ports, **real(case.was)})
    register(bench.folder / "runtime", "lab", record.directory)
    bench.choose(purpose="renew", directory=None, database_port=None, api_port=None, postgres_bin=None)
    bench.choose(**real(case.chosen))
    before = bench.decide()
    assert before.problems == []
    assert {name: before.lab[name] for name in case.is_} == real(case.is_)
    shutil.rmtree(record.directory)
    unregister(bench.folder / "runtime", "lab", record.directory)
    kept = {each.name: before.lab[each.name] for each in fields(Record) if each.name in before.lab}
    bench.choose(purpose="build", remembered=kept)
    after = bench.decide()
    assert after.problems == []
    same = [name for name in kept if name != "postgres_version"]
    assert {name: after.lab[name] for name in same} == {name: kept[name] for name in same}
    assert after.lab["exists"] is False


def test_what_keeps_a_lab_from_being_made_anew_is_told_before_it_is_removed(bench: Bench) -> None:
    """Else the data would be gone, and no lab there; what an accident left of it is no obstacle."""
    bench.record()
    bench.choose(purpose="renew", engine="citus")
    assert bench.ids() == ["engine-not-installed"]
    bench.choose(engine=None)
    record_path(bench.directory).write_text("{", encoding="utf-8")
    assert bench.ids() == []


def test_the_owner_of_a_lab_is_told(bench: Bench) -> None:
    """Another user than the one that made the lab is sent to that user, or to root."""
    bench.record(user="luis")
    assert "sudo -u luis make lab" in bench.problems()[0].remedy
    bench.record(user="hc-lab")
    assert "as root, e.g. sudo make lab" in bench.problems()[0].remedy


HERE, FAR, GONE = "lab", "far", "gone"


@dataclass(frozen=True)
class Whereabouts:
    """What the host knows of the lab, what is there, what a person asks for, and what comes of it.

    Attributes:
        known: the folder that the host's list names; empty where it names none.
        labs: the folders that hold a lab of this name.
        chosen: the folder that the person names; None where the person names none.
        purpose: what the command is for.
        found: the folder that is worked on.
        ids: the problems.
    """

    known: str
    labs: tuple[str, ...]
    chosen: str | None
    purpose: str
    found: str
    ids: tuple[str, ...] = ()


@pytest.mark.parametrize(
    "case",
    [
        # A lab elsewhere is found by its name alone.
        Whereabouts(FAR, (FAR,), None, "use", FAR),
        Whereabouts(FAR, (FAR,), None, "remove", FAR),
        Whereabouts(FAR, (FAR,), None, "build", FAR),
        Whereabouts(FAR, (FAR,), FAR, "build", FAR),
        # Its name is taken: nobody makes a second one, but one that is there all the same can be used and removed.
        Whereabouts(FAR, (FAR,), HERE, "build", HERE, ("name-taken",)),
        Whereabouts(FAR, (FAR, HERE), HERE, "build", HERE, ("name-taken",)),
        Whereabouts(FAR, (FAR, HERE), HERE, "use", HERE),
        Whereabouts(FAR, (FAR, HERE), HERE, "remove", HERE),
        Whereabouts(FAR, (FAR,), HERE, "use", HERE, ("lab-missing",)),
        # Its disk is not mounted, or somebody removed it by hand: nobody makes a second one, and it can be forgotten.
        Whereabouts(GONE, (), None, "build", GONE, ("directory-gone",)),
        Whereabouts(GONE, (), None, "use", GONE, ("directory-gone",)),
        Whereabouts(GONE, (), None, "remove", GONE),
        Whereabouts(GONE, (), HERE, "build", HERE, ("name-taken",)),
        # It was moved, and the person says where to.
        Whereabouts(GONE, (HERE,), HERE, "build", HERE),
        Whereabouts(GONE, (HERE,), HERE, "use", HERE),
        Whereabouts("", (), HERE, "build", HERE),
    ],
    ids=str,
)
def test_a_lab_is_found_by_its_name(bench: Bench, case: Whereabouts) -> None:
    """The host's list of labs says where it is, and a name that is taken is refused."""
    for folder in case.labs:
        bench.record(directory=str(bench.folder / folder))
    if case.known:
        register(bench.folder / "runtime", "lab", bench.folder / case.known)
    directory = None if case.chosen is None else str(bench.folder / case.chosen)
    bench.choose(directory=directory, purpose=case.purpose)
    decision = bench.decide()
    assert [problem.id for problem in decision.problems] == list(case.ids)
    assert decision.lab["directory"] == str(bench.folder / case.found)


def test_a_registered_directory_that_holds_another_lab_is_told(bench: Bench) -> None:
    """Nothing of it is touched under the wrong name."""
    bench.record(name="beto", directory=str(bench.folder / FAR))
    register(bench.folder / "runtime", "lab", bench.folder / FAR)
    for purpose in PURPOSES:
        bench.choose(directory=None, purpose=purpose, workers=2)
        assert bench.ids() == ["record-name"]


def test_a_lab_whose_default_directory_was_removed_is_made_anew_there(bench: Bench) -> None:
    """No other place comes into question, and so no second lab."""
    bench.identity = replace(bench.identity, env={"XDG_STATE_HOME": str(bench.folder / "state")})
    default = bench.folder / "state/historia-clinica/labs/lab"
    register(bench.folder / "runtime", "lab", default)
    bench.choose(directory=None)
    decision = bench.decide()
    assert (decision.problems, decision.lab["directory"]) == ([], str(default))


@pytest.mark.parametrize(
    ("purpose", "target", "made", "served", "state"),
    [
        ("remove", "host", True, True, "there"),
        ("remove", "host", False, True, "wanted"),  # what still runs is ended first
        ("remove", "host", False, False, "gone"),  # nothing runs: the directory is enough
        ("remove", "kubernetes", False, False, "wanted"),  # the namespace is removed through the runtime
        ("build", "host", False, False, "gone"),
    ],
)
def test_a_runtime_that_is_gone_is_brought_back_where_a_removal_needs_it(
    bench: Bench, purpose: str, target: str, made: bool, served: bool, state: str
) -> None:
    """Else the removal would leave what runs, and say that all is gone."""
    bench.record(target=target, kubeconfig="/k", context="aula", namespace="hc-lab")
    bench.seen.update(runtime_made=made, served=served)
    bench.choose(purpose=purpose)
    assert bench.decide().lab["runtime_state"] == state


def test_a_lab_cannot_be_used_without_the_runtime(bench: Bench) -> None:
    """It says so in a sentence of its own, and that the data are kept."""
    bench.record()
    bench.seen.update(runtime_made=False)
    bench.choose(purpose="use")
    problem = bench.only("runtime-missing")
    assert "make lab" in problem.remedy


def test_pods_whose_record_is_gone_are_not_left_without_a_word(bench: Bench) -> None:
    """The forwarder's command says where they are; who names the cluster can go on."""
    for folder in ("bin", "config/programs", "credentials"):
        (bench.directory / folder).mkdir(parents=True)
    (bench.directory / "credentials/admin.pgpass").touch()
    command = "/r/python /d/bin/forwarder.py '--kubeconfig=/home/ana maría/k' --context=aula --namespace=hc-100%% --forward=1:a:b"
    (bench.directory / "config/programs/forwarder.conf").write_text(f"[program:forwarder]\ncommand = {command}\n")
    bench.choose(purpose="remove")
    problem = bench.only("record-missing")
    assert "the namespace hc-100% of the context aula" in problem.found
    assert "/home/ana maría/k" in problem.remedy
    bench.choose(target="kubernetes", kubeconfig="/k", context="aula", namespace="hc-100")
    decision = bench.decide()
    assert (decision.problems, decision.lab["runtime_state"]) == ([], "there")


def test_who_asks_for_a_lab_that_is_not_there_learns_which_are(bench: Bench) -> None:
    """A name is soon mistyped."""
    bench.record(name="ana", directory=str(bench.folder / FAR))
    register(bench.folder / "runtime", "ana", bench.folder / FAR)
    bench.choose(purpose="use")
    (problem,) = bench.problems()
    assert f"this host has ana in {bench.folder / FAR}" in problem.found


def test_a_lab_elsewhere_keeps_its_ports_while_it_is_stopped(bench: Bench) -> None:
    """As one beside this one does."""
    bench.record(name="ana", directory=str(bench.folder / "far/ana"))
    assert bench.problems() == []
    register(bench.folder / "runtime", "ana", bench.folder / "far/ana")
    assert set(bench.ids()) == {"port-of-another-lab"}


@pytest.mark.parametrize(
    ("home", "holds", "taken", "own"),
    [(HERE, "lab", False, True), (FAR, "lab", True, False), (FAR, "beto", False, False), (GONE, "", False, True)],
)
def test_the_labs_user_shows_a_lab_of_another_runtime(
    bench: Bench, monkeypatch: pytest.MonkeyPatch, home: str, holds: str, taken: bool, own: bool
) -> None:
    """As root, each lab has a user of its own, who is not shared; who has another home is not removed with the lab."""
    bench.identity = ROOT
    if home == FAR:
        bench.record(name=holds, directory=str(bench.folder / FAR), database_port=20000, api_port=20009)
    monkeypatch.setattr(registered, "_home", lambda user: str(bench.folder / home))
    decision = bench.decide()
    assert [problem.id for problem in decision.problems] == (["name-taken"] if taken else [])
    assert decision.lab["own_user"] is own


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
    problem = bench.only("directory-foreign")
    assert "thesis.odt" in problem.found
    bench.choose(purpose="use")
    assert bench.ids() == ["directory-foreign"]
