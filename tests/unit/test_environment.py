"""What roles/runtime/files/environment.sh makes of a person's environment, in each shell that reads it."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest

from support.exported import EXPORTED, OF_ANSIBLE, together

ROOT = Path(__file__).parents[2]
SCRIPT = "roles/runtime/files/environment.sh"
#: Of what people export for something else, what stays: a proxy is the machine's, a language is a person's.
STAYS = {
    "http_proxy",
    "https_proxy",
    "HTTP_PROXY",
    "HTTPS_PROXY",
    "all_proxy",
    "ALL_PROXY",
    "LANG",
    "LC_TIME",
    "LC_CTYPE",
}
#: What is a person's, and stays as it is.
KEPT = {
    "PIP_INDEX_URL": "https://mirror.example/simple",
    "PIP_CERT": "/etc/school.pem",
    "PIP_NO_CACHE_DIR": "1",
    "UV_DEFAULT_INDEX": "https://mirror.example/simple",
    "UV_INDEX_SCHOOL_PASSWORD": "of-the-mirror",
    "UV_CACHE_DIR": "/srv/uv",
    "UV_HTTP_TIMEOUT": "300",
    "SSL_CERT_FILE": "/etc/school.pem",
    "ANSIBLE_NOCOLOR": "1",
    "ANSIBLE_STDOUT_CALLBACK": "default",
    "ANSIBLE_SSH_ARGS": "-J gate",
    "ANSIBLE_PRIVATE_KEY_FILE": "/home/ana/.ssh/class",
    "ANSIBLE_VAULT_PASSWORD_FILE": "/home/ana/.vault",
    "KUBECONFIG": "/home/ana/.kube/class",
    "MINIKUBE_HOME": "/srv/minikube",
    "DOCKER_HOST": "unix:///run/user/1000/docker.sock",
    "PAGER": "less -S",
    "PSQLRC": "/home/ana/psqlrc",
    "PSQL_PAGER": "pspg",
    "PG_COLOR": "always",
    "PYTHON": "/usr/bin/python3.12",
    "A_SENTENCE": "first line\nPGHOST=of the second\nthird",
}
SHELLS = [shell for shell in ("sh", "bash", "dash", "ksh", "busybox") if shutil.which(shell)]


def after(exported: dict[str, str], shell: str = "sh", sets: str = "") -> dict[str, str]:
    """The environment of a program that a shell starts once it has read the script."""
    start = ["busybox", "sh"] if shell == "busybox" else [shell]
    done = subprocess.run(
        [*start, "-euc", f'. {SCRIPT}; exec env -0 "$@"', shell],
        cwd=ROOT,
        env={"PATH": "/usr/local/bin:/usr/bin:/bin", "LAB_SETS": sets, **exported},
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stderr == ""
    found = dict(entry.split("=", 1) for entry in done.stdout.split("\0") if entry)
    return {
        name: value for name, value in found.items() if name not in ("PATH", "LAB_SETS", "PWD", "OLDPWD", "SHLVL", "_")
    }


@pytest.mark.parametrize("shell", SHELLS)
def test_what_is_for_something_else_goes_and_what_is_a_persons_stays(shell: str) -> None:
    """All of both tables at once; where a proxy is, the lab's own addresses are behind none."""
    exported = {**together(EXPORTED, OF_ANSIBLE), **KEPT, "no_proxy": "intranet"}
    left = after(exported, shell)
    stays = {name: value for name, value in exported.items() if name in STAYS}
    direct = left.pop("no_proxy")
    assert direct.startswith("intranet,localhost,127.0.0.1,::1,")
    assert (left.pop("NO_PROXY"), left.pop("K8S_AUTH_NO_PROXY")) == (direct, direct)
    assert left.pop("LC_ALL") in ("C.UTF-8", "en_US.UTF-8")
    assert left == {**KEPT, **stays}


@pytest.mark.parametrize("case", [*EXPORTED, *OF_ANSIBLE])
def test_each_case_alone(case: str) -> None:
    """Nothing of it is left but what stays."""
    exported = {**EXPORTED, **OF_ANSIBLE}[case]
    left = after({"LANG": "C.UTF-8", **exported})
    names = set(exported) & set(left) - STAYS - {"LC_ALL", "no_proxy"}
    assert names == set()


def test_what_the_lab_sets_itself_stays() -> None:
    """LAB_SETS names it; the rest of its kind goes."""
    ours = {"PGHOST": "127.0.0.1", "PYTHONPATH": ""}
    left = after({"LANG": "C.UTF-8", **ours, "PGPORT": "1", "PYTHONHOME": "/nowhere"}, sets="PGHOST PYTHONPATH")
    assert left == {"LANG": "C.UTF-8", **ours}


def test_read_twice_it_adds_nothing() -> None:
    """A command of make's starts one of the lab's."""
    once = after({"LANG": "C.UTF-8", "http_proxy": "http://proxy:3128", "NO_PROXY": "intranet"})
    assert after(once) == once


@pytest.mark.parametrize(
    ("locale", "usable"),
    [({"LANG": "C.UTF-8"}, True), ({"LC_ALL": "C.utf8", "LANG": "es_CO"}, True), ({}, False), ({"LANG": "C"}, False)],
)
def test_a_locale_of_utf_8_that_is_there_stays(locale: dict[str, str], usable: bool) -> None:
    """Messages in a person's language are a person's."""
    assert after(locale) == (locale if usable else {**locale, "LC_ALL": "C.UTF-8"})
