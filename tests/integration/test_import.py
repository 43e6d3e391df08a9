"""Another hospital's file (`make import`): the guide's example, and what makes a difference between the engines."""

from __future__ import annotations

import re
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from support.labs import Lab

ROOT = Path(__file__).parents[2]
PEOPLE = [f"10723199{number:02}" for number in (1, 3, 4)] + ["TI-1072319902"]


def blocks(language: str) -> dict[str, str]:
    """What the guide shows, by its kind: the file (the first text), its columns, the answer (the last text)."""
    guide = (ROOT / f"docs/{language}/import.md").read_text(encoding="utf-8")
    shown = re.findall(r"^```(\w+)\n(.*?)^```", guide, re.MULTILINE | re.DOTALL)
    texts = [text for kind, text in shown if kind == "text"]
    return {"csv": texts[0], "answer": texts[-1], "yaml": next(text for kind, text in shown if kind == "yaml")}


@pytest.fixture
def hospital(lab: Lab, tmp_path: Path) -> Iterator[Path]:
    """The guide's file, in Windows-1252 as Excel writes it, and its columns beside it; what it brought is gone afterwards."""
    shown = blocks("en")
    file = tmp_path / "hospital.csv"
    file.write_bytes(shown["csv"].replace("\n", "\r\n").encode("cp1252"))
    file.with_suffix(".yml").write_text(shown["yaml"], encoding="utf-8")
    yield file
    with lab.connect() as admin:
        for table, key in (("cambios", "paciente_id"), ("consultas", "paciente_id"), ("pacientes", "cedula")):
            admin.execute(f"DELETE FROM {table} WHERE {key} = ANY(%s)".encode(), [PEOPLE])  # names of this file


def run(lab: Lab, file: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Import a file as the guide does, in its folder."""
    program: list[str | Path] = [lab.directory / "bin/import", file.name, "--mapping", "hospital.yml", *arguments]
    return subprocess.run(program, cwd=file.parent, capture_output=True, text=True, check=False, timeout=120)


def test_the_guides_file_is_taken_as_the_guide_says(lab: Lab, hospital: Path) -> None:
    """A check changes nothing; then all but the impossible day is there, mended it is too, and again nothing is new."""
    answer = re.sub(r"\d\.\d s", "… s", blocks("en")["answer"])
    check = run(lab, hospital, "--check")
    assert (check.returncode, check.stderr) == (2, "")
    assert "2 patients and 1 consultation could be added" in check.stdout
    done = run(lab, hospital)
    assert done.stderr == ""
    assert re.sub(r"\d\.\d s", "… s", done.stdout) == answer
    kept = hospital.with_name("hospital.rechazadas.csv")
    kept.write_text(kept.read_text(encoding="utf-8-sig").replace("31/02/1985", "28/02/1985"), encoding="utf-8-sig")
    assert run(lab, kept).returncode == 0
    kept.unlink()
    assert "0 patients and 0 consultations added, 2 rows said nothing new, 1 refused" in run(lab, hospital).stdout
    with lab.connect() as admin:
        found = admin.execute(
            "SELECT cedula, apellido FROM pacientes WHERE cedula = ANY(%s) ORDER BY 1", [PEOPLE]
        ).fetchall()
        assert found == [("1072319901", "Núñez Peña"), ("1072319903", "Rey Paz"), ("TI-1072319902", "Díaz Ruiz")]
        who = admin.execute(
            "SELECT count(*), count(DISTINCT documento_id) FROM cambios WHERE paciente_id = ANY(%s)", [PEOPLE]
        )
        assert who.fetchall() == [(4, 1)]


def test_rows_of_a_patient_in_many_batches_are_all_taken(lab: Lab, hospital: Path) -> None:
    """Processes that write the same patients do not fail for each other, whatever the engine says of it."""
    header, first = hospital.read_text(encoding="cp1252").splitlines()[:2]
    visits = [first.replace("2:30 p. m.", f"{hour:02}:{minute:02}") for hour in range(24) for minute in range(60)]
    hospital.write_text("\n".join([header, *visits * 3]), encoding="utf-8")
    done = run(lab, hospital, "--jobs", "4")
    assert done.returncode == 0, done.stdout + done.stderr
    assert "1 patient and 1,440 consultations added" in done.stdout


def test_both_guides_show_the_same() -> None:
    """The file and its answer are no matter of language."""
    english, spanish = blocks("en"), blocks("es")
    assert english["csv"] == spanish["csv"]
    assert english["answer"] == spanish["answer"]
