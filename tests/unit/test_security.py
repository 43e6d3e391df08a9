"""What is in the repository holds no secret, and nothing that is known to be unsafe."""

from __future__ import annotations

import json
import re
import subprocess
from pathlib import Path

import pytest

from support.labs import isolated

ROOT = Path(__file__).parents[2]
TOOLS = isolated("requirements/security.txt")
#: What a secret looks like, wherever it came from.
SECRETS = {
    "a private key": re.compile(r"-----BEGIN (?:[A-Z]+ )*PRIVATE KEY-----\s+[A-Za-z0-9+/=]{40,}"),
    "a token (JWT)": re.compile(r"\beyJ[\w-]{10,}\.eyJ[\w-]{10,}\.[\w-]{10,}"),
    "a key of a cloud": re.compile(r"\b(?:AKIA|ASIA)[0-9A-Z]{16}\b|\bgh[pousr]_\w{36}\b|\bAIza[\w-]{35}\b"),
    "a line of a password file": re.compile(r"^[^\s:#*]*\*?:[^:\s]*:[^:\s]*:\w+:[A-Za-z0-9]{32}$", re.MULTILINE),
    "a password in a URL": re.compile(r"\bpostgres(?:ql)?://\w+:[A-Za-z0-9]{12,}@"),
    "a verifier of PostgreSQL": re.compile(r"SCRAM-SHA-256\$\d+:[\w+/=]{16,}"),
}
EXAMPLES = {
    "a private key": "-----BEGIN RSA PRIVATE KEY-----\n" + "MIIE" * 16,
    "a token (JWT)": "eyJhbGciOiJIUzI1NiJ9" + ".eyJzdWIiOiIxMDcyMzE5ODc2In0" + ".c2lnbmF0dXJlLW9mLWl0",
    "a key of a cloud": "AKIA" + "ABCDEFGHIJKLMNOP",
    "a line of a password file": "*:*:*:admin:" + "a1" * 16,
    "a password in a URL": "postgresql://admin:" + "x" * 20 + "@127.0.0.1/lab",
    "a verifier of PostgreSQL": "SCRAM-SHA-256$4096:" + "A" * 24,
}


def found(text: str) -> list[str]:
    """The kinds of secrets in a text."""
    return [kind for kind, pattern in SECRETS.items() if pattern.search(text)]


@pytest.mark.parametrize("kind", SECRETS)
def test_a_secret_would_be_found(kind: str) -> None:
    """Each kind by an example, which stands here in pieces."""
    assert kind in found(f"before\n{EXAMPLES[kind]}\nafter")


def test_no_secret_is_in_the_repository() -> None:
    """In no file that git knows, and in no line that its history has added."""
    files = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, text=True, check=True).stdout
    texts = {
        name: (ROOT / name).read_bytes().decode(errors="replace")
        for name in files.split("\0")
        if (ROOT / name).is_file()
    }
    assert len(texts) > 100
    history = subprocess.run(
        ["git", "log", "-p", "--no-color", "--unified=0"], cwd=ROOT, capture_output=True, check=True
    ).stdout
    texts["history"] = "\n".join(line[1:] for line in history.decode(errors="replace").splitlines() if line[:1] == "+")
    assert {name: found(text) for name, text in texts.items() if found(text)} == {}


def test_bandit_finds_nothing_in_what_is_installed() -> None:
    """What matters in the product's Python, from medium on; the linter's rules S look at the rest."""
    bandit = [
        *TOOLS,
        "bandit",
        "--configfile",
        "pyproject.toml",
        "--quiet",
        "-ll",
        "--recursive",
        "plugins",
        "files/programs",
        "files/middleware/src",
    ]
    done = subprocess.run(bandit, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.parametrize("lock", ["files/middleware/requirements.txt", "requirements/runtime.txt"])
def test_no_locked_package_has_a_known_hole(lock: str) -> None:
    """What a lab's processes are made of, asked of the package index."""
    audit = [*TOOLS, "pip-audit", "--requirement", lock, "--disable-pip", "--require-hashes", "--format", "json"]
    done = subprocess.run(audit, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.stdout.startswith("{"), done.stderr
    packages = json.loads(done.stdout)["dependencies"]
    assert len(packages) > 10
    if all("skip_reason" in package for package in packages):
        # Not silent: `make test` ends with the names of what was skipped and why.
        pytest.skip("the package index that is reached here knows no advisories")
    assert {package["name"]: package["vulns"] for package in packages if package.get("vulns")} == {}
