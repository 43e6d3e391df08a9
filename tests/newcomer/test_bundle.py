"""A classroom without a network: whoever has a clone and a bundle gets a lab, on a machine that has never seen one."""

from __future__ import annotations

import re
import shutil
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from support.labs import ROOT
from support.newcomer import WRONG, Done, Newcomer, index_answers
from support.virgin import NoRootError

READY = r"The lab is ready\..*failed=0"
ONE_IS_UP = "1 of 1 labs are up"


@pytest.fixture(scope="module")
def somebody() -> Iterator[Newcomer]:
    """A newcomer on whose machine the loopback is all the network there is."""
    if not index_answers():
        pytest.skip("no package index is reachable, and a bundle is made of what comes from one")
    try:
        with Newcomer.arrive(ROOT, network=False) as somebody:
            yield somebody
    except NoRootError as reason:
        pytest.skip(f"there is no root that has never seen the lab: {reason}")


@pytest.fixture(scope="module")
def bundle(somebody: Newcomer) -> str:
    """A bundle for the newcomer's Python, made here and carried there; its path there."""
    tell = "import sys, platform; print(platform.machine(), *sys.version_info[:2])"
    asked = somebody.run(f". roles/runtime/files/environment.sh; python3 -c '{tell}'")
    processor, *version = asked.output.split()
    started = time.monotonic()
    made = subprocess.run(
        ["make", "--no-print-directory", "bundle", f"PLATFORM=linux-{processor}-{'.'.join(version)}"],
        cwd=ROOT,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
    )
    assert made.returncode == 0, made.stdout
    print(f"\n{time.monotonic() - started:.0f} s: {made.stdout.splitlines()[-1]}")
    file = re.findall(r"^(build/\S+\.zip): ", made.stdout, re.MULTILINE)[0]
    shutil.copyfile(ROOT / file, somebody.home / "stick.zip")
    return str(Path("~", "stick.zip"))


def follow(somebody: Newcomer, command: str, expected: str) -> Done:
    """Run a command, which has to succeed and to print what is expected of it."""
    done = somebody.run(command, timeout=600)
    print(f"{command}: {done.seconds:.0f} s")
    assert done.rc == 0, done.output[-6000:]
    assert re.search(expected, done.output, re.DOTALL), done.output[-6000:]
    assert not WRONG.search(done.output), done.output[-6000:]
    return done


def test_without_one_it_is_said_what_to_type(somebody: Newcomer) -> None:
    """There is no network, and the message names the way out of that."""
    refused = somebody.run("make lab")
    assert refused.rc == 2
    assert "without a network: make lab BUNDLE=file" in refused.output
    somebody.run("rm -rf .venv")


def test_a_bad_copy_changes_nothing(somebody: Newcomer, bundle: str) -> None:
    """One clear message, and no file more than before."""
    somebody.run(f"head -c 1000000 {bundle} > ~/half.zip")
    before = somebody.run("ls -A . ~").output
    refused = somebody.run("make lab BUNDLE=~/half.zip")
    assert refused.rc == 2
    assert re.search(r"^BUNDLE=\S.*/half\.zip: it is damaged", refused.output, re.MULTILINE), refused.output
    assert somebody.run("ls -A . ~").output == before


def test_labs_are_made_without_a_network(somebody: Newcomer, bundle: str) -> None:
    """With the bundle once; then nothing is asked for any more, even where the caches of pip and uv are gone. A class is made the same way."""
    follow(somebody, f"make lab BUNDLE={bundle}", READY)
    follow(somebody, "make lab", r"changed=0 .*failed=0")
    follow(somebody, "make teardown", "failed=0")
    follow(somebody, "rm -rf .venv ~/.cache; make class ARGS='--limit ana-soto'", ONE_IS_UP)
    follow(somebody, f"make class BUNDLE={bundle} ARGS='--limit ana-soto'", ONE_IS_UP)
    follow(somebody, "make teardown INVENTORY=inventories/classroom ARGS='--limit ana-soto'", "failed=0")
    assert not somebody.state.exists()
