"""Packed modules that one run keeps for the next, in real runs of ansible-playbook."""

from __future__ import annotations

import importlib.util
import io
import os
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest
from ansible.executor import module_common

from ansible_collections.aula.historia_clinica.plugins.callback import payloads
from support.labs import run_playbook

PLAY = """\
- hosts: all
  gather_facts: false
  tasks:
    - ansible.builtin.slurp:
        path: /etc/hosts
"""


def archive_of(sources: dict[str, str]) -> bytes:
    """A zip archive of Python sources."""
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w") as archive:
        for name, source in sources.items():
            archive.writestr(name, source)
    return content.getvalue()


def imported(archive: Path, name: str) -> str:
    """What an interpreter finds the module's value to be."""
    command = [sys.executable, "-c", f"import {name}; print({name}.valor)"]
    environment = {**os.environ, "PYTHONPATH": str(archive)}
    return subprocess.run(command, env=environment, capture_output=True, text=True, check=True).stdout.strip()


def test_a_packed_source_is_imported_as_it_was_compiled(tmp_path: Path) -> None:
    """Nothing looks at the source again: here another one lies beside what was compiled."""
    both = payloads.compiled(archive_of({"parte.py": "valor = 'kept'"}))
    with zipfile.ZipFile(io.BytesIO(both)) as archive:
        assert archive.read("parte.py") == b"valor = 'kept'"
        code = archive.read("parte.pyc")
    other = tmp_path / "other.zip"
    with zipfile.ZipFile(other, "w") as archive:
        archive.writestr("parte.py", "valor = 'source'")
        archive.writestr("parte.pyc", code)
    assert imported(other, "parte") == "kept"


def test_an_interpreter_of_another_release_compiles_the_source(tmp_path: Path) -> None:
    """The inventory host's Python need not be that of the controller."""
    both = tmp_path / "both.zip"
    with zipfile.ZipFile(both, "w") as archive:
        archive.writestr("parte.py", "valor = 'source'")
        archive.writestr("parte.pyc", b"\0\0\r\n" + payloads.byte_code("parte.py", b"valor = 'kept'")[4:])
    assert imported(both, "parte") == "source"


def test_an_edited_module_is_packed_anew(tmp_path: Path) -> None:
    """An edit, a new file and one that went each count."""
    module = tmp_path / "modulo.py"
    module.write_text("uno", encoding="utf-8")
    seen = [payloads.fingerprint(tmp_path.iterdir())]
    module.write_text("otro", encoding="utf-8")
    seen.append(payloads.fingerprint(tmp_path.iterdir()))
    os.utime(module, ns=(1, 1))
    seen.append(payloads.fingerprint(tmp_path.iterdir()))
    (tmp_path / "nuevo.py").touch()
    seen.append(payloads.fingerprint(tmp_path.iterdir()))
    assert len(set(seen)) == 4
    (tmp_path / "nuevo.py").unlink()
    assert payloads.fingerprint(tmp_path.iterdir()) == seen[2]


def test_a_modules_own_package_counts_too() -> None:
    """What lies deeper than the folder is packed as well."""
    found = {path.relative_to(payloads.PLUGINS).as_posix() for path in payloads.own_sources()}
    assert {"modules/minikube_profile.py", "module_utils/paths.py", "module_utils/minikube/client.py"} <= found


@pytest.fixture
def play(tmp_path: Path) -> list[str]:
    """The arguments of a run of one module on this machine."""
    playbook = tmp_path / "play.yml"
    playbook.write_text(PLAY, encoding="utf-8")
    return [
        "-i",
        "ana,",
        "-c",
        "local",
        "-e",
        "ansible_python_interpreter={{ ansible_playbook_python }}",
        str(playbook),
    ]


def kept_slurp() -> list[Path]:
    """What is kept of the module that the play runs."""
    return list(Path(sys.prefix, "payloads").glob("*/ansible.modules.slurp-*"))


def test_the_next_run_packs_nothing(play: list[str]) -> None:
    """What it uses is what the first one kept."""
    for path in kept_slurp():
        path.unlink()
    assert run_playbook(*play).rc == 0
    (kept,) = kept_slurp()
    written = kept.stat().st_mtime_ns
    again = run_playbook(*play, environment={"ANSIBLE_DEBUG": "1"})
    assert again.rc == 0
    assert "ANSIBALLZ: using cached module" in again.stdout
    assert "ANSIBALLZ: Creating module" not in again.stdout
    assert kept.stat().st_mtime_ns == written


def test_a_release_of_ansible_that_packs_otherwise_breaks_no_run(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What this stands on is private to Ansible: without it nothing is kept, and the run ends as it would."""
    monkeypatch.delattr(module_common, "_CachedModule")
    spec = importlib.util.spec_from_file_location("payloads_anew", payloads.__file__)
    assert spec
    assert spec.loader
    anew = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(anew)
    callback = anew.CallbackModule()
    callback._used, callback._kept = tmp_path, tmp_path / "kept"
    (tmp_path / "ansible.modules.slurp-x").write_bytes(b"packed otherwise")
    callback.v2_playbook_on_stats(None)
    assert not list(callback._kept.glob("*"))


def test_a_module_beside_a_playbook_is_not_kept(play: list[str], tmp_path: Path) -> None:
    """Another playbook may have another one of that name."""
    own = tmp_path / "library"
    own.mkdir()
    (own / "slurp.py").write_text("#!/usr/bin/python\nfrom ansible.module_utils.basic import AnsibleModule\n"
                                  "AnsibleModule(argument_spec={'path': {}}).exit_json()\n", encoding="utf-8")  # fmt: skip
    playbook = Path(play[-1])
    playbook.write_text(PLAY.replace("ansible.builtin.slurp", "slurp"), encoding="utf-8")
    before = {path: path.stat().st_mtime_ns for path in Path(sys.prefix, "payloads").glob("*/*")}
    assert run_playbook(*play).rc == 0
    assert {path: path.stat().st_mtime_ns for path in Path(sys.prefix, "payloads").glob("*/*")} == before
