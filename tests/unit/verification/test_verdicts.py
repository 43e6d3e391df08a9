"""What a verdict says: the cause is called broken, what nobody could ask is not."""

from __future__ import annotations

from ansible_collections.aula.historia_clinica.plugins.module_utils.verification.evidence import FAIL, NOT_RUN
from ansible_collections.aula.historia_clinica.plugins.module_utils.verification.verdicts import verification_report
from support.found import PROMISES, Found, database_down, verdicts, worker_down, workers_down


def test_without_a_database_the_rest_is_not_run() -> None:
    """One clear verdict, not twenty: what nobody could ask is not called broken."""
    found = Found()
    database_down(found)
    report = found.report()
    assert set(verdicts(report, FAIL)) == {"database-answers"}
    assert set(verdicts(report, NOT_RUN)) == {
        check.id for check in PROMISES if check.needs and check.id != "api-status"
    }
    assert verdicts(report, NOT_RUN)["colocated"] == "not checked: the database does not answer"


def test_with_the_workers_down_the_cause_stands_first_and_alone() -> None:
    """What asks them is not checked and has no remedy: there is one cause, with the mildest cure."""
    found = Found()
    workers_down(found)
    report = found.report()
    assert set(verdicts(report, FAIL)) == {"nodes-answer"}
    assert set(verdicts(report, NOT_RUN)) == {check.id for check in PROMISES if check.asks_nodes} - {
        "usuario-spread",
        "citus-tables",
    }
    assert set(verdicts(report, NOT_RUN).values()) == {
        "not checked: nodes citus-worker-1, citus-worker-2 do not answer"
    }
    order = [check["verdict"] for check in report["checks"]]
    assert order.index(FAIL) < order.index(NOT_RUN)
    (remedy,) = (check["remedy"] for check in report["checks"] if check["remedy"])
    assert remedy.startswith("make start starts what is down")


def test_with_one_worker_down_it_is_named() -> None:
    """What fails because of it says so."""
    found = Found()
    worker_down(found)
    found.answers["constraints"].pop()
    assert verdicts(found.report(), NOT_RUN) == {"constraints": "not checked: node citus-worker-2 does not answer"}


def test_what_is_changed_in_the_cluster_stands_before_what_it_took_along() -> None:
    """A StatefulSet that was scaled down is why its nodes do not answer."""
    found = Found()
    workers_down(found)
    database = {"query_result": [{"name": name, "answer": {"rows": rows}} for name, rows in found.answers.items()]}
    survey = {"error": "", "changed": ["StatefulSet citus-worker has 0 replicas, 2 were made"]}
    report = verification_report(
        found.lab, database, found.logins, {"results": list(found.api.values())}, survey=survey
    )
    assert [check["id"] for check in report["checks"] if check["verdict"] == FAIL][:2] == [
        "objects-as-made",
        "nodes-answer",
    ]


def test_a_failed_statement_breaks_only_what_needs_it() -> None:
    """An error of one question is what its promises found; the others are judged."""
    found = Found()
    del found.answers["users"]
    found.errors["users"] = 'relation "usuario" does not exist'
    assert verdicts(found.report(), FAIL) == {"original-users": 'relation "usuario" does not exist'}


def test_what_there_was_no_time_for_is_not_run() -> None:
    """One question that hangs is broken; those behind it are neither kept nor broken."""
    found = Found()
    del found.answers["nodes"], found.answers["users"]
    found.errors["nodes"] = "canceling statement due to statement timeout"
    found.not_asked["users"] = "an earlier question took too long"
    report = found.report()
    assert verdicts(report, FAIL) == dict.fromkeys(("nodes-answer", "nodes-registered"), found.errors["nodes"])
    assert verdicts(report, NOT_RUN) == {"original-users": "an earlier question took too long"}


def test_an_answer_of_another_form_is_a_broken_promise() -> None:
    """A program that answers nonsense is reported, not a crash."""
    found = Found()
    found.api["/usuarios"]["json"] = {"users": []}
    assert verdicts(found.report(), FAIL) == {"api-users": "an answer in another form: KeyError('usuarios')"}


def test_a_lab_of_another_name_is_named_in_the_remedies() -> None:
    """What a person copies works for that lab."""
    found = Found()
    found.lab["way"] = {**found.lab["way"], "host": "ana"}
    worker_down(found)
    remedy = next(check["remedy"] for check in found.report()["checks"] if check["id"] == "nodes-answer")
    assert "make start LAB=ana" in remedy
