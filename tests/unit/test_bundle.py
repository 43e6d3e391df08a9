"""A bundle: what is in it, and what whoever has the wrong one is told."""

from __future__ import annotations

import hashlib
import os
import re
import shutil
import zipfile
from collections.abc import Callable
from pathlib import Path

import bundle
import pytest
from bundle import MACHINES, WHEELS, BundleError, Manifest, NoWheelError

ROOT = Path(__file__).parents[2]
HERE = bundle.own_platform()
ELSEWHERE = next(name for name in MACHINES if name != HERE)
WHEEL = "one-1-py3-none-any.whl"


def wheel(folder: Path, name: str) -> Path:
    """Write a wheel of its own name."""
    folder.mkdir(exist_ok=True)
    package, version, tag = name.removesuffix(".whl").split("-", 2)
    with zipfile.ZipFile(folder / name, "w") as file:
        file.writestr(
            f"{package}-{version}.dist-info/METADATA", f"Metadata-Version: 2.1\nName: {package}\nVersion: {version}\n"
        )
        file.writestr(
            f"{package}-{version}.dist-info/WHEEL", f"Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: {tag}\n"
        )
        file.writestr(f"{package}-{version}.dist-info/RECORD", "")
    return folder / name


def lock(*wheels: Path, marker: str = "") -> str:
    """What a lock says of a package that has these wheels."""
    package, version, *_ = wheels[0].name.split("-")
    hashes = " \\\n    ".join(f"--hash=sha256:{bundle.sha256(wheel)}" for wheel in wheels)
    return f"{package}=={version}{marker} \\\n    {hashes}\n"


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    """A checkout that wants one package."""
    root = tmp_path / "checkout"
    (root / "requirements").mkdir(parents=True)
    (root / "galaxy.yml").write_text("name: x\nversion: 1.2.3\n", encoding="utf-8")
    for name in bundle.LOCKS:
        (root / f"requirements/{name}.txt").write_text("", encoding="utf-8")
    (root / "requirements/control.txt").write_text(lock(wheel(tmp_path / "index", WHEEL)), encoding="utf-8")
    (root / bundle.SHELL_ENVIRONMENT).parent.mkdir(parents=True)
    shutil.copy(ROOT / bundle.SHELL_ENVIRONMENT, root / bundle.SHELL_ENVIRONMENT)
    return root


def packed(root: Path, **said: object) -> Path:
    """A bundle for this machine, but for what is said of it."""
    folder = root.parent / "index"
    wheels = {wheel.name: bundle.sha256(wheel) for wheel in folder.iterdir()}
    ours = {
        "version": "1.2.3",
        "locks": bundle.locks_digest(root),
        "platform": HERE,
        "pythons": [bundle.own_python()],
        "wheels": wheels,
    }
    file = root.parent / "stick.zip"
    bundle.pack(folder, file, Manifest(**{**ours, **said}))  # type: ignore[arg-type] # a case may say what is no manifest
    return file


def below(folder: Path) -> dict[str, bytes]:
    """The files in a folder, with what is in them."""
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


# --- BUNDLE=file --------------------------------------------------------------------------------------------------


def test_the_wheels_come_where_uv_looks_and_only_once(checkout: Path) -> None:
    """A second time there is nothing to do, unless one was damaged meanwhile; those of an older bundle go."""
    file = packed(checkout)
    (checkout / WHEELS).mkdir(parents=True)
    (checkout / WHEELS / "older.whl").touch()
    assert bundle.unpack(checkout, file)
    assert [path.name for path in (checkout / WHEELS).iterdir()] == [WHEEL]
    assert not bundle.unpack(checkout, file)
    whole = (checkout / WHEELS / WHEEL).read_bytes()
    (checkout / WHEELS / WHEEL).write_bytes(whole[:-1])
    assert bundle.unpack(checkout, file)
    assert (checkout / WHEELS / WHEEL).read_bytes() == whole


def lose(root: Path) -> Path:
    """The file is not where it was said to be."""
    packed(root).unlink()
    return root.parent / "stick.zip"


def lose_with_another(root: Path) -> Path:
    """Nor is it where it was said to be, and there is one that was made here."""
    (root / "build").mkdir()
    shutil.move(packed(root), root / "build/historia-clinica-1.2.3-x.zip")
    return root.parent / "stick.zip"


def cut_off(root: Path) -> Path:
    """The copy was interrupted, and its checksum was not copied."""
    file = packed(root)
    file.write_bytes(file.read_bytes()[:-30])
    bundle.checksum_of(file).unlink()
    return file


def flip(root: Path) -> Path:
    """A byte is another one that no wheel has, which only the checksum beside it notices: the hour of a file's date."""
    file = packed(root)
    whole = file.read_bytes()
    file.write_bytes(whole[:11] + b"\x08" + whole[12:])
    return file


def swap(root: Path) -> Path:
    """A wheel is another one, in a file that is as sound as a zip file can be."""
    file = packed(root, wheels={WHEEL: "0" * 64})
    bundle.checksum_of(file).unlink()
    return file


def leave_out(root: Path) -> Path:
    """A wheel is missing."""
    file = packed(root)
    with zipfile.ZipFile(file) as whole:
        manifest = whole.read(bundle.MANIFEST)
    bundle.checksum_of(file).unlink()
    return zipped(file, manifest)


def climb(root: Path) -> Path:
    """A wheel wants to be written elsewhere."""
    return zipped(packed(root), Manifest("1", "2", HERE, [], {"../../x.whl": "3"}).text().encode())


def zipped(file: Path, manifest: bytes) -> Path:
    """A zip file with nothing but a manifest."""
    bundle.checksum_of(file).unlink(missing_ok=True)
    with zipfile.ZipFile(file, "w") as other:
        other.writestr(bundle.MANIFEST, manifest)
    return file


def be_a_handout(root: Path) -> Path:
    """Another zip file."""
    file = root.parent / "ana-soto.zip"
    with zipfile.ZipFile(file, "w") as other:
        other.writestr("README.md", "# Hola")
    return file


#: What is wrong with a bundle, and what is said: the next case is a line.
REFUSED: list[tuple[str, Callable[[Path], Path], str]] = [
    ("not there", lose, r"there is no such file\. Name the one that you were given"),
    (
        "elsewhere",
        lose_with_another,
        r"there is no such file\. There is: BUNDLE=\S+/build/historia-clinica-1\.2\.3-x\.zip",
    ),
    ("cut off", cut_off, r"damaged.*sha256sum -c stick\.zip\.sha256"),
    ("a byte", flip, "damaged"),
    ("a wheel", swap, "damaged"),
    ("a wheel less", leave_out, "damaged"),
    ("a path", climb, "damaged"),
    ("no wheels", lambda root: zipped(packed(root), b"[]"), "damaged, or no bundle"),
    ("no texts", lambda root: zipped(packed(root), b'{"version": 1}'), "damaged, or no bundle"),
    ("no versions", lambda root: packed(root, pythons=[3]), "damaged, or no bundle"),
    ("another zip", be_a_handout, "damaged, or no bundle"),
    (
        "machine",
        lambda root: packed(root, platform=ELSEWHERE),
        f"it is for {ELSEWHERE}, and .* {HERE}.* make bundle PLATFORM={HERE}$",
    ),
    (
        "Python",
        lambda root: packed(root, pythons=["3.99"]),
        rf"Python 3\.99, and \S+ is 3.*PLATFORM={HERE}-{bundle.own_python()}$",
    ),
    (
        "release",
        lambda root: packed(root, locks="0", version="1.2.2"),
        r"another release of the project \(1\.2\.2\) .*\(1\.2\.3\).* git pull",
    ),
]


@pytest.mark.parametrize(("spoil", "said"), [pytest.param(*case[1:], id=case[0]) for case in REFUSED])
def test_a_bundle_that_does_not_serve_is_refused_before_anything_is_changed(
    checkout: Path, spoil: Callable[[Path], Path], said: str
) -> None:
    """What an older one has brought stays, too."""
    file = spoil(checkout)
    (checkout / WHEELS).mkdir(parents=True)
    (checkout / WHEELS / "older.whl").touch()
    before = below(checkout.parent)
    with pytest.raises(BundleError, match=said):
        bundle.unpack(checkout, file)
    assert below(checkout.parent) == before


def test_no_damaged_byte_is_taken_for_a_whole_bundle(checkout: Path) -> None:
    """Without a checksum beside it, too: it is refused, or what comes of it is what was packed."""
    file = packed(checkout)
    bundle.checksum_of(file).unlink()
    whole = file.read_bytes()
    refused = 0
    for place in range(len(whole)):
        file.write_bytes(whole[:place] + bytes([whole[place] ^ 0xFF]) + whole[place + 1 :])
        try:
            bundle.unpack(checkout, file)
        except BundleError:
            refused += 1
        else:
            assert below(checkout / WHEELS) == below(checkout.parent / "index")
            shutil.rmtree(checkout / WHEELS)
    assert refused > len(whole) * 0.8


def test_a_python_that_the_bundle_is_for_is_named_where_there_is_one(
    checkout: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It needs no other bundle."""
    program = checkout.parent / "bin/python3.99"
    program.parent.mkdir()
    program.touch(0o755)
    monkeypatch.setenv("PATH", str(program.parent))
    with pytest.raises(BundleError, match=rf"Type the same with PYTHON={program} behind it$"):
        bundle.unpack(checkout, packed(checkout, pythons=["3.98", "3.99"]))


# --- make bundle --------------------------------------------------------------------------------------------------


def test_the_same_wheels_make_the_same_bytes(checkout: Path) -> None:
    """Whenever they were downloaded, and with whatever mode; the checksum beside it is that of the file."""
    first = packed(checkout).read_bytes()
    os.utime(checkout.parent / "index" / WHEEL, (1, 1))
    (checkout.parent / "index" / WHEEL).chmod(0o600)
    file = packed(checkout)
    assert file.read_bytes() == first
    assert bundle.checksum_of(file).read_text(encoding="utf-8") == f"{hashlib.sha256(first).hexdigest()}  stick.zip\n"


def test_a_bundle_has_what_each_python_asks_for(
    checkout: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Of a package with a wheel for one Python alone the other one is left out, and said; what a lock wants elsewhere is not brought."""
    index = checkout.parent / "index"
    old, new, newest = (wheel(index, f"two-2-cp31{minor}-none-any.whl") for minor in (1, 2, 4))
    text = (
        lock(index / WHEEL)
        + lock(old, marker=" ; python_full_version < '3.12'")
        + lock(new, newest, marker=" ; python_full_version >= '3.12'")
    )
    text += lock(wheel(index, "windows-1-py3-none-any.whl"), marker=" ; sys_platform == 'win32'")
    (checkout / "requirements/runtime.txt").write_text(text, encoding="utf-8")
    (checkout.parent / "simple").mkdir()
    monkeypatch.setenv("PIP_FIND_LINKS", str(index))
    monkeypatch.setenv("PIP_INDEX_URL", (checkout.parent / "simple").as_uri())
    monkeypatch.setattr(bundle, "PYTHONS", ("3.11", "3.12", "3.13"))
    file = bundle.make(checkout, "linux-aarch64")
    assert file == checkout / "build/historia-clinica-1.2.3-linux-aarch64.zip"
    assert (
        "Without Python 3.13: there is no wheel of two==2 for linux-aarch64 with Python 3.13" in capsys.readouterr().out
    )
    with zipfile.ZipFile(file) as made:
        manifest = Manifest.parse(made.read(bundle.MANIFEST))
        assert made.namelist() == [bundle.MANIFEST, WHEEL, old.name, new.name]
    assert (manifest.platform, manifest.pythons) == ("linux-aarch64", ["3.11", "3.12"])
    assert sorted(path.name for path in file.parent.iterdir()) == [file.name, f"{file.name}.sha256"]
    with pytest.raises(NoWheelError, match="two==2 for macos-arm64"):
        bundle.make(checkout, "macos-arm64-3.13")


def test_an_index_that_is_not_reached_lacks_no_wheel(checkout: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What pip says of both is nearly the same; what helps is not."""
    monkeypatch.delenv("PIP_FIND_LINKS", raising=False)
    monkeypatch.setenv("PIP_INDEX_URL", "http://127.0.0.1:9/simple")
    monkeypatch.setenv("PIP_RETRIES", "1")
    with pytest.raises(BundleError, match=r"is a package index reachable\?") as failed:
        bundle.make(checkout, "linux-x86_64-3.12")
    assert not isinstance(failed.value, NoWheelError)
    assert [*(checkout / "build").iterdir()] == []


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ("macos-arm64", ("macos-arm64", list(bundle.PYTHONS))),
        ("linux-x86_64-3.12", ("linux-x86_64", ["3.12"])),
        pytest.param(
            "",
            (HERE, [bundle.own_python()]),
            marks=pytest.mark.skipif(HERE not in MACHINES, reason=f"no bundle is for {HERE}"),
        ),
    ],
)
def test_a_platform_is_a_machine_and_a_python(text: str, wanted: tuple[str, list[str]]) -> None:
    """Or all Pythons; said by nobody, it is this one."""
    assert bundle.parse_platform(text) == wanted


@pytest.mark.parametrize("text", ["windows", "linux/amd64", "linux-x86_64-3.10", "linux-x86_64-2", "-3.12"])
def test_a_platform_that_there_is_not_is_answered_with_those_that_there_are(text: str) -> None:
    """And with a command that works."""
    with pytest.raises(BundleError, match=f"^there is no bundle for {re.escape(text)}") as refused:
        bundle.parse_platform(text)
    assert all(name in str(refused.value) for name in MACHINES)
    [named] = re.findall(r"make bundle PLATFORM=(\S+)", str(refused.value))
    assert bundle.parse_platform(named)
