"""What `make lab` downloads on `host`, as one file: `make bundle` packs it, BUNDLE=file brings it to a checkout that has no network.

It runs before there is a .venv: `open` needs nothing but Python. Nobody has to trust a bundle: whoever made it, pip and uv take of it only what
has the hash that requirements/*.txt say. The hashes in its manifest are there to find a bad copy before anything is changed.
"""

from __future__ import annotations

import argparse
import errno
import hashlib
import json
import platform
import re
import shutil
import subprocess
import sys
import tempfile
import zipfile
import zlib
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]
#: What .venv and the runtime are made of.
LOCKS = ("bootstrap", "control", "runtime")
SHELL_ENVIRONMENT = "roles/runtime/files/environment.sh"
#: Where a bundle's wheels lie in a checkout: uv looks there first (UV_FIND_LINKS in the Makefile).
WHEELS = Path(".cache/wheels")
MANIFEST = "manifest.json"
WHEEL = re.compile(r"[\w.+!-]+\.whl", re.ASCII)
#: The Pythons that a bundle for others has wheels of: nobody knows which one each student has.
PYTHONS = ("3.11", "3.12", "3.13", "3.14")


@dataclass(frozen=True)
class Machine:
    """A kind of machine that a bundle can be for.

    Attributes:
        tags: what its wheels are tagged with, in the order in which they are preferred: the one first that most machines of the kind can use.
        system: `sys.platform` on it.
        processor: `platform.machine()` on it.
    """

    tags: tuple[str, ...]
    system: str
    processor: str


def _linux(processor: str) -> Machine:
    """From the oldest C library that wheels are made for to that of RHEL 9; Debian 12 and Ubuntu 22.04 have newer ones."""
    old = ("manylinux1", "manylinux2010") if processor == "x86_64" else ()
    versions = (f"manylinux_2_{minor}" for minor in range(5, 35))
    return Machine(tuple(f"{tag}_{processor}" for tag in (*old, "manylinux2014", *versions)), "linux", processor)


MACHINES = {
    "linux-x86_64": _linux("x86_64"),
    "linux-aarch64": _linux("aarch64"),
    "macos-arm64": Machine(("macosx_13_0_arm64",), "darwin", "arm64"),
    "macos-x86_64": Machine(("macosx_13_0_x86_64",), "darwin", "x86_64"),
}


class BundleError(Exception):
    """There is no bundle, or this one does not serve here; the message says why and what to type."""


class NoWheelError(BundleError):
    """A package has no wheel for a machine and a Python; the message says which."""


@dataclass(frozen=True)
class Manifest:
    """What a bundle is.

    Attributes:
        version: the project's.
        locks: one hash of the files that say what is in it.
        platform: a key of `MACHINES`.
        pythons: versions such as 3.12.
        wheels: file to SHA-256.
    """

    version: str
    locks: str
    platform: str
    pythons: list[str]
    wheels: dict[str, str]

    @classmethod
    def parse(cls, text: bytes) -> Manifest:
        """Read one.

        Raises:
            ValueError: it is none.
        """
        try:
            found = cls(**json.loads(text))
            strings = [found.version, found.locks, found.platform, *found.pythons, *found.wheels.values()]
        except (TypeError, AttributeError) as error:
            raise ValueError(str(error)) from error
        if not all(isinstance(text, str) for text in strings) or not all(map(WHEEL.fullmatch, found.wheels)):
            raise ValueError(f"no {MANIFEST}")
        return found

    def text(self) -> str:
        """As it stands in the bundle."""
        return json.dumps(asdict(self), indent=1, sort_keys=True) + "\n"


# --- This checkout, this machine ----------------------------------------------------------------------------------


def version(root: Path) -> str:
    """The project's version."""
    found = re.search(r"^version: (\S+)$", (root / "galaxy.yml").read_text(encoding="utf-8"), re.MULTILINE)
    return found[1] if found else "unknown"


def locks_digest(root: Path) -> str:
    """What a checkout wants, as one hash."""
    return hashlib.sha256(b"".join((root / f"requirements/{name}.txt").read_bytes() for name in LOCKS)).hexdigest()


def own_platform() -> str:
    """The machine that this runs on, as PLATFORM names it, whether there can be a bundle for it or not."""
    return f"{'macos' if sys.platform == 'darwin' else sys.platform}-{platform.machine()}"


def own_python() -> str:
    """The version of the Python that this runs on, as PLATFORM names it."""
    return "{}.{}".format(*sys.version_info)


# --- make bundle --------------------------------------------------------------------------------------------------


def parse_platform(text: str) -> tuple[str, list[str]]:
    """Read PLATFORM: a machine, and one Python or all of them; by default both are those of this one.

    Raises:
        BundleError: there is no such machine or Python.
    """
    named = re.fullmatch(r"(.+?)(?:-(3\.\d+))?", text or f"{own_platform()}-{own_python()}")
    if not named or named[1] not in MACHINES or (text and named[2] and named[2] not in PYTHONS):
        raise BundleError(
            f"there is no bundle for {text or own_platform()}. PLATFORM is {', '.join(MACHINES)}; with the version of Python behind it where"
            f" one is enough: make bundle PLATFORM=macos-arm64-{PYTHONS[-1]} ({', '.join(PYTHONS)})"
        )
    return named[1], [named[2]] if named[2] else list(PYTHONS)


def requirements(root: Path, machine: Machine, python: str) -> str:
    """What the locks want of a machine and a Python. Of their markers pip would ask the machine that it runs on, not that one."""
    from packaging.markers import default_environment
    from packaging.requirements import Requirement

    there: dict[str, Any] = {
        **default_environment(),
        "implementation_name": "cpython",
        "platform_python_implementation": "CPython",
        "os_name": "posix",
        "platform_machine": machine.processor,
        "platform_system": machine.system.capitalize(),
        "python_full_version": f"{python}.0",
        "python_version": python,
        "sys_platform": machine.system,
    }
    wanted = {}
    for name in LOCKS:
        lock = (root / f"requirements/{name}.txt").read_text(encoding="utf-8")
        for block in re.findall(r"^\S.*\n(?:[ \t].*\n)*", lock, re.MULTILINE):
            first, _, hashes = block.partition(" \\\n")
            requirement = Requirement(first)
            if not requirement.marker or requirement.marker.evaluate(there):
                wanted[requirement.name] = f"{requirement.name}{requirement.specifier} \\\n{hashes}"
    return "".join(wanted.values())


def download(root: Path, folder: Path, name: str, python: str) -> None:
    """Bring the wheels of a machine and a Python into a folder.

    Raises:
        NoWheelError: there is none of a package.
        BundleError: they cannot be brought.
    """
    machine = MACHINES[name]
    pip = ["-m", "pip", "download", "--disable-pip-version-check", "--progress-bar", "off", "--no-deps"]
    options = ["--require-hashes", "--only-binary=:all:", "--dest", str(folder), "--python-version", python]
    tags = [word for tag in machine.tags for word in ("--platform", tag)]
    with tempfile.NamedTemporaryFile("w", encoding="utf-8", suffix=".txt") as file:
        file.write(requirements(root, machine, python))
        file.flush()
        script = f'. {SHELL_ENVIRONMENT}; package_environment "$0"; exec "$0" "$@"'
        done = _sh(root, script, sys.executable, *pip, *options, *tags, "--requirement", file.name)
    if done.returncode == 0:
        return
    # Of an index that it cannot reach pip says the same, after a warning.
    unreachable = re.search(r"Retrying|Could not fetch URL", done.stdout)
    lacking = re.search(r"No matching distribution found for (\S+)", done.stdout)
    if lacking and not unreachable:
        raise NoWheelError(f"there is no wheel of {lacking[1]} for {name} with Python {python}")
    said = "\n".join(done.stdout.strip().splitlines()[-12:])
    advice = _sh(root, f'. {SHELL_ENVIRONMENT}; package_advice "$1"', "sh", said).stdout.strip()
    raise BundleError(f"pip could not bring the wheels:\n{said}\n{advice}")


def _sh(root: Path, script: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    command = ["/bin/sh", "-c", script, *arguments]
    out = subprocess.PIPE
    return subprocess.run(command, cwd=root, stdout=out, stderr=subprocess.STDOUT, text=True, check=False)


def pack(folder: Path, file: Path, manifest: Manifest) -> None:
    """Write a bundle of a folder's wheels, and its checksum beside it: the same bytes whenever the wheels are the same."""
    new = file.with_name(f".{file.name}.new")
    with zipfile.ZipFile(new, "w", zipfile.ZIP_STORED) as bundle:
        for name in (MANIFEST, *sorted(manifest.wheels)):
            entry = zipfile.ZipInfo(name)  # of 1980, as every other one
            entry.create_system, entry.external_attr = 3, 0o644 << 16
            if name == MANIFEST:
                bundle.writestr(entry, manifest.text())
                continue
            entry.file_size = (folder / name).stat().st_size
            with (folder / name).open("rb") as wheel, bundle.open(entry, "w") as place:
                shutil.copyfileobj(wheel, place, 1 << 20)
    checksum = checksum_of(file)
    checksum.write_text(f"{sha256(new)}  {file.name}\n", encoding="utf-8")
    new.replace(file)


def checksum_of(file: Path) -> Path:
    """Where a bundle's checksum is, in the form of `sha256sum -c`."""
    return file.with_name(f"{file.name}.sha256")


def sha256(file: Path) -> str:
    """The hash of a file."""
    with file.open("rb") as content:
        return hashlib.file_digest(content, "sha256").hexdigest()


def make(root: Path, text: str) -> Path:
    """Make a bundle in `build/`, of the Pythons that have all wheels.

    Args:
        root: the checkout.
        text: PLATFORM.

    Returns:
        The file.

    Raises:
        NoWheelError: of no Python all wheels are there.
        BundleError: they cannot be brought.
        OSError: the file cannot be written.
    """
    name, wanted = parse_platform(text)
    build = root / "build"
    build.mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory(prefix=".bundle-", dir=build) as scratch:
        folder = Path(scratch, "wheels")
        folder.mkdir()
        pythons: list[str] = []
        for python in wanted:
            print(f"Bringing the wheels for {name}, Python {python}", flush=True)
            try:
                download(root, Path(scratch, python), name, python)
            except NoWheelError as lacking:
                if python == wanted[-1] and not pythons:
                    raise
                print(f"Without Python {python}: {lacking}", flush=True)
                continue
            pythons.append(python)
            for wheel in Path(scratch, python).iterdir():
                wheel.replace(folder / wheel.name)
        known = f"{name}-{pythons[0]}" if len(wanted) == 1 else name
        file = build / f"historia-clinica-{version(root)}-{known}.zip"
        wheels = {wheel.name: sha256(wheel) for wheel in folder.iterdir()}
        pack(folder, file, Manifest(version(root), locks_digest(root), name, pythons, wheels))
    return file


# --- BUNDLE=file --------------------------------------------------------------------------------------------------


def unpack(root: Path, file: Path) -> bool:
    """Put a bundle's wheels where uv looks for them, all or none.

    Args:
        root: the checkout.
        file: the bundle.

    Returns:
        Whether anything was changed.

    Raises:
        BundleError: it does not serve here.
        OSError: it cannot be read, or the wheels cannot be written.
    """
    if not file.is_file():
        raise BundleError(f"there is no such file. {_others(root, file)}")
    damaged = BundleError(
        f"it is damaged, or no bundle. Copy it once more from where it came from; there `sha256sum -c {checksum_of(file).name}` says whether"
        " that one is whole (macOS: shasum -a 256 -c)"
    )
    try:
        if checksum_of(file).is_file() and checksum_of(file).read_text(encoding="utf-8").split()[:1] != [sha256(file)]:
            raise damaged
        with zipfile.ZipFile(file) as bundle:
            manifest = Manifest.parse(bundle.read(MANIFEST))
            check(manifest, root)
            if _is_opened(manifest, root / WHEELS):
                return False
            _extract(bundle, manifest, root / WHEELS)
    # What zipfile says of a damaged file is any of these.
    except (zipfile.BadZipFile, zlib.error, KeyError, ValueError, EOFError, RuntimeError) as error:
        raise damaged from error
    except OSError as error:
        if error.errno == errno.EINVAL:  # a place before the beginning
            raise damaged from error
        raise
    return True


def _others(root: Path, file: Path) -> str:
    """What there is instead of a file."""
    found = [
        bundle for folder in (root, root / "build", file.parent) for bundle in folder.glob("historia-clinica-*.zip")
    ]
    if found:
        return f"There is: BUNDLE={found[0]}"
    return "Name the one that you were given, with its folder; with a network, `make lab` needs none, and `make bundle` makes one"


def check(manifest: Manifest, root: Path) -> None:
    """See whether a bundle is for this checkout, machine and Python.

    Raises:
        BundleError: it is not.
    """
    machine, python = own_platform(), own_python()
    if manifest.platform != machine:
        raise BundleError(
            f"it is for {manifest.platform}, and this machine is {machine}. Ask for another one, which is made where there is a network:"
            f" make bundle PLATFORM={machine}"
        )
    if python not in manifest.pythons:
        there = [path for path in (shutil.which(f"python{version}") for version in manifest.pythons) if path]
        raise BundleError(
            f"it is for Python {', '.join(manifest.pythons)}, and {sys.executable} is {python}. "
            + (
                f"Type the same with PYTHON={there[-1]} behind it"
                if there
                else "Ask for another one, which is made where there is a network:"
            )
            + ("" if there else f" make bundle PLATFORM={machine}-{python}")
        )
    if manifest.locks != locks_digest(root):
        raise BundleError(
            f"it was made by another release of the project ({manifest.version}) than this folder's ({version(root)}), or with other packages. Bring both"
            " to the same: git pull, and make bundle where there is a network"
        )


def _is_opened(manifest: Manifest, folder: Path) -> bool:
    """Whether a bundle's wheels are all there, and whole."""
    try:
        return all(sha256(folder / name) == digest for name, digest in manifest.wheels.items())
    except OSError:
        return False


def _extract(bundle: zipfile.ZipFile, manifest: Manifest, folder: Path) -> None:
    """Write the wheels beside their place, see that they are what was packed, and put them there.

    Raises:
        zipfile.BadZipFile: one is not.
        KeyError: one is not there.
    """
    new = folder.with_name(f"{folder.name}.new")
    shutil.rmtree(new, ignore_errors=True)  # of a run that was interrupted
    try:
        for name, digest in manifest.wheels.items():
            bundle.extract(name, new)
            if sha256(new / name) != digest:
                raise zipfile.BadZipFile(name)
        shutil.rmtree(folder, ignore_errors=True)  # there may be none; of one that stays the next line says so
        new.rename(folder)
    finally:
        shutil.rmtree(new, ignore_errors=True)  # gone, where all went well; what stays is the next run's to remove


def main(words: Sequence[str]) -> int:
    """Run a command: `make PLATFORM` or `open FILE`."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("word", choices=["make", "open"])
    parser.add_argument("text")
    arguments = parser.parse_args(words)
    file = Path(arguments.text).expanduser()
    try:
        if arguments.word == "make":
            file = make(ROOT, arguments.text)
            print(f"{file.relative_to(ROOT)}: {file.stat().st_size / 1e6:.0f} MB, SHA-256 {sha256(file)}")
        elif unpack(ROOT, file):
            print(f"{file.name} is opened: what is needed comes from it, without a network.")
    except (BundleError, OSError) as error:
        print(f"make bundle: {error}" if arguments.word == "make" else f"BUNDLE={file}: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
