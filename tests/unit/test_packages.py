"""How packages come where a school's TLS stands between: `make env` and the runtime trust what a person has named, both pip and uv."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import pytest

from support.labs import ROOT
from support.modules import RunModule
from support.tls import Authority, index

ENVIRONMENT = (ROOT / "roles/runtime/files/environment.sh").read_text(encoding="utf-8")
BOOTSTRAP = (ROOT / "requirements/bootstrap.txt").read_text(encoding="utf-8")
#: One small package of the lab's, as the lock file has it.
LOCK = re.search(
    r"^packaging==.*\n(?:    .*\n)+", (ROOT / "requirements/runtime.txt").read_text(encoding="utf-8"), re.MULTILINE
)
#: The ways to say what is trusted, each enough: the next one is a line.
WAYS = {
    "PIP_CERT": {"PIP_CERT": "{root}"},
    "REQUESTS_CA_BUNDLE": {"REQUESTS_CA_BUNDLE": "{root}"},
    "CURL_CA_BUNDLE": {"CURL_CA_BUNDLE": "{root}"},
    "SSL_CERT_FILE": {"SSL_CERT_FILE": "{root}"},
    "pip.conf": {"PIP_CONFIG_FILE": "{file}", "PIP_INDEX_URL": ""},
    "PIP_TRUSTED_HOST": {"PIP_TRUSTED_HOST": "{host}"},
    "a folder": {"PIP_CERT": "{folder}"},
}
#: Where the system keeps the roots that it trusts.
STORE = Path("/etc/ssl/certs/ca-certificates.crt")


@dataclass(frozen=True)
class School:
    """Its root, its index, and a pip.conf that names both.

    Attributes:
        authority: who signs.
        folder: what the index serves.
        address: where it is.
    """

    authority: Authority
    folder: Path
    address: str

    @property
    def pip_conf(self) -> Path:
        """A file as a school hands it out."""
        file = self.authority.root.with_name("pip.conf")
        file.write_text(f"[global]\ncert = {self.authority.root}\nindex-url = {self.address}\n", encoding="utf-8")
        return file

    @property
    def roots(self) -> Path:
        """A folder of roots as OpenSSL reads it: each under the hash of its name."""
        folder = self.authority.root.with_name("roots")
        folder.mkdir(exist_ok=True)
        shutil.copy(self.authority.root, folder)
        subprocess.run(["openssl", "rehash", str(folder)], check=True)
        return folder


@pytest.fixture(scope="module")
def school(tmp_path_factory: pytest.TempPathFactory) -> Iterator[School]:
    """An index with uv and one package, behind TLS."""
    assert LOCK
    place = tmp_path_factory.mktemp("school")
    wanted = place / "wanted.txt"
    wanted.write_text(BOOTSTRAP + LOCK[0], encoding="utf-8")
    pip = [sys.executable, "-m", "pip"]
    kept = subprocess.run([*pip, "cache", "dir"], capture_output=True, text=True, check=False).stdout.strip()
    links = ["--find-links", f"{kept}/historia-clinica"] if kept else []
    bring = [*pip, "download", "--quiet", "--no-deps", *links, "--dest", str(place / "wheels"), "-r", str(wanted)]
    done = subprocess.run(bring, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        pytest.skip(f"the packages that the index would have cannot be had: {done.stderr.strip().splitlines()[-1]}")
    for wheel in (place / "wheels").iterdir():
        folder = place / "index/simple" / wheel.name.split("-")[0]
        folder.mkdir(parents=True)
        wheel.rename(folder / wheel.name)
    authority = Authority.found(place)
    with index(place / "index", authority.sign("localhost")) as address:
        yield School(authority, place / "index", address)


def somebody(place: Path, address: str, says: Mapping[str, str]) -> dict[str, str]:
    """The environment of a person without a cache, who is told of the index and of nothing else."""
    return {
        "PATH": os.environ["PATH"],
        "HOME": str(place),
        "LANG": "C.UTF-8",
        "PIP_RETRIES": "0",
        "PIP_CONFIG_FILE": os.devnull,
        "PIP_INDEX_URL": address,
        **says,
    }


def make_env(place: Path, environment: Mapping[str, str], *before: str) -> subprocess.CompletedProcess[str]:
    """Run the script of `make env` in a checkout that needs one package."""
    assert LOCK
    for name in ("requirements/environment", "requirements/bootstrap.txt", "roles/runtime/files/environment.sh"):
        (place / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(ROOT / name, place / name)
    (place / "requirements/control.txt").write_text(LOCK[0], encoding="utf-8")
    return subprocess.run(
        [*before, str(place / "requirements/environment"), sys.executable],
        env=dict(environment),
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
    )


@pytest.mark.parametrize(
    "invocation",
    [pytest.param(invocation, marks=[] if invocation == "PIP_CERT" else pytest.mark.long) for invocation in WAYS],
)
def test_what_pip_trusts_uv_trusts(school: School, tmp_path: Path, run_module: RunModule, invocation: str) -> None:
    """`make env` brings uv with pip and the rest with uv; the runtime, whose cache is empty, is made with uv."""
    root, host = str(school.authority.root), school.address.split("/")[2]
    places = {"root": root, "host": host, "file": school.pip_conf, "folder": school.roots}
    says = {name: value.format_map(places) for name, value in WAYS[invocation].items()}
    environment = {name: value for name, value in somebody(tmp_path, school.address, says).items() if value}
    done = make_env(tmp_path / "checkout", environment)
    assert done.returncode == 0, done.stdout + done.stderr
    assert list((tmp_path / "checkout/.venv").glob("lib/python3*/site-packages/packaging/__init__.py"))
    assert LOCK
    shutil.rmtree(tmp_path / ".cache")
    with pytest.MonkeyPatch.context() as patch:
        for name in os.environ:
            patch.delenv(name)
        for name, value in environment.items():
            patch.setenv(name, value)
        made = run_module(
            "runtime_environment",
            directory=str(tmp_path / "runtime"),
            lock=LOCK[0],
            bootstrap=BOOTSTRAP,
            shell_environment=ENVIRONMENT,
        )
    assert made["changed"], made
    assert list((tmp_path / "runtime").glob("lib/python3*/site-packages/packaging/__init__.py"))


@pytest.mark.long
@pytest.mark.skipif(os.geteuid() != 0 or not STORE.is_file(), reason="only root lends the system another store")
def test_what_the_system_trusts_pip_and_uv_trust(school: School, tmp_path: Path) -> None:
    """The root is in the system's store, and nothing is named."""
    lend = f'mount --bind "{school.authority.root}" {STORE} && exec "$@"'
    environment = somebody(tmp_path, school.address, {})
    done = make_env(tmp_path / "checkout", environment, "unshare", "--mount", "sh", "-c", lend, "sh")
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.parametrize(
    ("host", "days"),
    [
        pytest.param("localhost", 1, id="a root that nobody named"),
        pytest.param("localhost", 0, id="one that has run out", marks=pytest.mark.long),
        pytest.param("elsewhere", 1, id="another host's", marks=pytest.mark.long),
    ],
)
def test_a_certificate_that_is_not_trusted_is_named(
    school: School, tmp_path: Path, run_module: RunModule, host: str, days: int
) -> None:
    """By `make env` and by the runtime: the message speaks of the certificate, and gives the command that helps."""
    named = {} if (host, days) == ("localhost", 1) else {"PIP_CERT": str(school.authority.root)}
    (tmp_path / "school").mkdir()
    certificate = school.authority.sign(host, days)
    certificate = certificate.rename(tmp_path / "school" / certificate.name)
    with index(school.folder, certificate) as address, pytest.MonkeyPatch.context() as patch:
        environment = somebody(tmp_path, address, named)
        done = make_env(tmp_path / "checkout", environment)
        for name in [name for name in os.environ if name.startswith(("PIP_", "UV_", "SSL_", "REQUESTS_", "CURL_"))]:
            patch.delenv(name)
        for name, value in environment.items():
            patch.setenv(name, value)
        assert LOCK
        failed = run_module(
            "runtime_environment",
            directory=str(tmp_path / "runtime"),
            lock=LOCK[0],
            bootstrap=BOOTSTRAP,
            shell_environment=ENVIRONMENT,
        )
    assert done.returncode == 1
    for said in (done.stderr, failed["msg"]):
        assert "the certificate of the package index is not trusted here" in said
        assert "export PIP_CERT=/path/to/root.pem" in said
        assert "reachable" not in said
