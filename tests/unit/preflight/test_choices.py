"""What a person chooses: each value that will do is taken, and one that will not is answered."""

from __future__ import annotations

from dataclasses import replace

import pytest

from support.preflight import CHECKOUT, Bench, port_of


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
    problem = bench.only("lab-name")
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
    problem = bench.only("port-invalid")
    assert f"lab_{choice}" in problem.found
    assert f"lab_{choice}" in problem.remedy


def test_the_workers_ports_must_exist_too(bench: Bench) -> None:
    """Worker N has the database's port plus N."""
    bench.choose(database_port=65534, workers=2)
    problem = bench.only("port-invalid")
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
    problem = bench.only("engine-unknown")
    assert problem.remedy == f"make lab ARGS='-e lab_engine={suggested}'"


@pytest.mark.parametrize("choice", ["directory", "postgres_bin", "runtime_directory"])
@pytest.mark.parametrize("value", ["a\x00b", "/a\nb", "/\ud800", 7, ["/a"]])
def test_a_path_that_is_none_is_refused(bench: Bench, choice: str, value: object) -> None:
    """Neither control characters nor what no file system can name ends in an exception."""
    bench.choose(**{choice: value})
    assert "directory-characters" in bench.ids()


def test_a_class_is_sent_to_its_inventory(bench: Bench) -> None:
    """The remedy for a lab of a class is not one command that the next run forgets."""
    bench.invocation = replace(CHECKOUT, inventory=("aula",), host="beto", settled=("lab_workers",))
    bench.choose(name="beto", workers="x")
    (problem,) = bench.problems()
    assert problem.remedy == "set lab_workers: 2 for beto in the inventory, then: make lab INVENTORY=aula LAB=beto"
