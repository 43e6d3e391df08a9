"""The pages at the end of `preflight` and of `site.yml`."""

from __future__ import annotations

from pathlib import Path

import pytest

from ansible_collections.aula.historia_clinica.plugins.module_utils.pages.summary import (
    DIRECT,
    curl,
    preflight_page,
    summary_page,
)
from ansible_collections.aula.historia_clinica.plugins.module_utils.pages.text import WIDTH
from support.observations import LAB

ROOT = Path(__file__).parents[3]


def test_the_summary_says_where_why_how_and_how_to_stop() -> None:
    """What a person needs after the first run, and no password."""
    page = summary_page(LAB)
    for text in (
        "Target: host: this machine has no Minikube.",
        "The Minikube lab needs Minikube",
        "Engine: citus: the servers have the extension",
        "127.0.0.1:15434",
        "curl http://127.0.0.1:8080/status",
        "make psql\n",
        "make status\n",
        "make verify\n",
        "/var/lib/historia-clinica/labs/lab/credentials",
        "make stop",
        "make teardown",
    ):
        assert text in page
    assert max(map(len, page.splitlines())) <= WIDTH


def test_summary_says_how_to_log_in_or_that_nobody_has_to() -> None:
    """With the rules the command that gives a token; where they are lifted, that they are, and how to have them."""
    assert "make token" in summary_page(LAB)
    page = summary_page(LAB, access="open")
    assert "ACCESS IS OPEN" in page
    assert "middleware_access=rules" in page
    assert "make token" not in page


@pytest.mark.parametrize(
    ("environment", "proxied"),
    [
        ({}, False),
        ({"http_proxy": "http://proxy:3128"}, True),
        ({"ALL_PROXY": "socks5://proxy"}, True),
        ({"HTTP_PROXY": "http://proxy:3128"}, False),  # curl does not read it
        ({"https_proxy": "http://proxy:3128"}, False),
        ({"http_proxy": "http://proxy:3128", "no_proxy": "intranet,127.0.0.1"}, False),
        ({"http_proxy": "http://proxy:3128", "NO_PROXY": "*"}, False),
        ({"http_proxy": "http://proxy:3128", "no_proxy": "localhost"}, True),
        ({"http_proxy": "http://proxy:3128", "no_proxy": f"intranet,{DIRECT}"}, True),  # only in the run
    ],
)
def test_the_summarys_curl_goes_past_a_proxy(environment: dict[str, str], proxied: bool) -> None:
    """As typed in the shell of the person whose environment it is, it asks this machine and not the proxy."""
    assert curl(environment) == ("curl --noproxy 127.0.0.1" if proxied else "curl")
    assert f"  {curl(environment)} http://127.0.0.1:8080/status\n" in summary_page(LAB, environment=environment)
    assert DIRECT in (ROOT / "roles/runtime/files/environment.sh").read_text(encoding="utf-8")


def test_the_summary_of_another_lab_names_it_in_the_commands() -> None:
    """A student's commands mean the student's lab; psql looks at this machine's labs and needs no inventory."""
    invocation = {"checkout": "/home/ana/historia-clinica", "inventory": ["inventories/class room"], "host": "ana"}
    page = summary_page({**LAB, "name": "ana", "invocation": invocation})
    assert "make status INVENTORY='inventories/class room' LAB=ana" in page
    assert "make psql LAB=ana\n" in page


def test_the_summary_of_an_installed_collection_names_its_playbooks() -> None:
    """It has no Makefile."""
    page = summary_page({**LAB, "invocation": {"inventory": ["/home/ana/hosts.yml"]}})
    assert "make" not in page
    assert "ansible-playbook aula.historia_clinica.status -i /home/ana/hosts.yml\n" in page
    assert "/var/lib/historia-clinica/labs/lab/bin/psql -c 'SELECT * FROM lab.tables'" in page


def test_the_summary_of_a_lab_on_another_machine_says_which_and_how_to_reach_it() -> None:
    """Its ports are open there only; with the tunnel the page's commands work here."""
    invocation = {"inventory": ["vms"], "host": "vm1", "machine": "vm1", "ssh": ["ssh", "-p", "2222", "ana@10.0.0.7"]}
    page = summary_page({**LAB, "invocation": invocation})
    assert page.startswith("The lab on vm1 is ready.")
    assert "  ssh -N -L 8080:127.0.0.1:8080 -L 15432:127.0.0.1:15432 -p 2222 ana@10.0.0.7\n" in page
    assert "  ssh -t -p 2222 ana@10.0.0.7 /var/lib/historia-clinica/labs/lab/bin/psql\n" in page
    assert "Credentials on vm1: " in page
    assert "ssh" not in summary_page({**LAB, "invocation": {**invocation, "ssh": []}})


@pytest.mark.parametrize(("exists", "doing"), [(False, "makes it"), (True, "brings it up to date")])
def test_the_preflight_page_says_what_the_lab_will_be(exists: bool, doing: str) -> None:
    """And how to go on."""
    page = preflight_page({**LAB, "exists": exists})
    for text in ("No problems found for the lab.", "Engine: citus:", "127.0.0.1:15434", f"make lab {doing}"):
        assert text in page
