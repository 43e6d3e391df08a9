"""What results say: the cause failed, what could not be queried is skipped."""

from __future__ import annotations

from ansible_collections.aula.historia_clinica.plugins.module_utils.verification.observations import FAIL, SKIPPED
from ansible_collections.aula.historia_clinica.plugins.module_utils.verification.results import verification_report
from support.observations import CHECKS, Found, database_down, results, worker_down, workers_down


def test_without_a_database_the_rest_is_skipped() -> None:
    """One clear failure, not twenty: what could not be queried is skipped."""
    found = Found()
    database_down(found)
    report = found.report()
    assert set(results(report, FAIL)) == {"database-answers"}
    assert set(results(report, SKIPPED)) == {check.id for check in CHECKS if check.needs and check.id != "api-status"}
    assert results(report, SKIPPED)["colocated"] == "not checked: the database does not answer"


def test_with_the_workers_down_the_cause_stands_first_and_alone() -> None:
    """What asks them is not checked and has no remedy: there is one cause, with the mildest cure."""
    found = Found()
    workers_down(found)
    report = found.report()
    assert set(results(report, FAIL)) == {"nodes-answer"}
    assert set(results(report, SKIPPED)) == {check.id for check in CHECKS if check.needs_workers} - {
        "usuario-distributed",
        "citus-tables",
    }
    assert set(results(report, SKIPPED).values()) == {"not checked: nodes citus-worker-1, citus-worker-2 do not answer"}
    order = [check["result"] for check in report["checks"]]
    assert order.index(FAIL) < order.index(SKIPPED)
    (remedy,) = (check["remedy"] for check in report["checks"] if check["remedy"])
    assert remedy.startswith("make start starts what is down")


def test_with_one_worker_down_it_is_named() -> None:
    """What fails because of it says so."""
    found = Found()
    worker_down(found)
    found.answers["constraints"].pop()
    assert results(found.report(), SKIPPED) == {"constraints": "not checked: node citus-worker-2 does not answer"}


def test_what_is_changed_in_the_cluster_stands_before_what_it_took_along() -> None:
    """A StatefulSet that was scaled down is why its nodes do not answer."""
    found = Found()
    workers_down(found)
    database = {"query_result": [{"name": name, "answer": {"rows": rows}} for name, rows in found.answers.items()]}
    cluster_report = {"error": "", "changed": ["StatefulSet citus-worker has 0 replicas, 2 were made"]}
    report = verification_report(
        found.lab, database, found.logins, {"results": list(found.api.values())}, cluster_report=cluster_report
    )
    assert [check["id"] for check in report["checks"] if check["result"] == FAIL][:2] == [
        "objects-as-applied",
        "nodes-answer",
    ]


def test_a_failed_statement_breaks_only_what_needs_it() -> None:
    """An error of one query is what its checks found; the others are evaluated."""
    found = Found()
    del found.answers["users"]
    found.errors["users"] = 'relation "usuario" does not exist'
    assert results(found.report(), FAIL) == {"original-users": 'relation "usuario" does not exist'}


def test_what_there_was_no_time_for_is_skipped() -> None:
    """One query that hangs fails; those behind it are skipped."""
    found = Found()
    del found.answers["nodes"], found.answers["users"]
    found.errors["nodes"] = "canceling statement due to statement timeout"
    found.skipped["users"] = "an earlier question took too long"
    report = found.report()
    assert results(report, FAIL) == dict.fromkeys(("nodes-answer", "nodes-registered"), found.errors["nodes"])
    assert results(report, SKIPPED) == {"original-users": "an earlier question took too long"}


def test_an_answer_of_another_form_is_a_failure() -> None:
    """A program that answers nonsense is reported, not a crash."""
    found = Found()
    found.api["/usuarios"]["json"] = {"users": []}
    assert results(found.report(), FAIL) == {"api-users": "an answer in another form: KeyError('usuarios')"}


def test_a_lab_of_another_name_is_named_in_the_remedies() -> None:
    """What a person copies works for that lab."""
    found = Found()
    found.lab["invocation"] = {**found.lab["invocation"], "host": "ana"}
    worker_down(found)
    remedy = next(check["remedy"] for check in found.report()["checks"] if check["id"] == "nodes-answer")
    assert "make start LAB=ana" in remedy
