"""A class on this machine beside one lab: the first run, a run that finds nothing to do, the memory of a lab at rest, and the class graded.

    .venv/bin/python benchmarks/classroom.py [--labs 30] [--engine citus] [--rounds 3]

An invented list of students, `make class` as the guide types it, all in a temporary place; the runtime and the packed modules are there
already, as after any run. One lab is made, run again and removed, then all of them. Seconds, and those of the processors that the command
and what it starts and waits for take (the servers are not among them); of the runs again the median. Graded are the exercises of one of the four classes, which every student has solved; the start of
Python is not in these seconds. The last line is the same as JSON.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import shutil
import statistics
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parents[1] / "tests"))
sys.path.insert(0, str(Path(__file__).parents[1] / "files" / "grading" / "src"))
sys.path.insert(0, str(Path(__file__).parents[1] / "collections"))

from ansible_collections.aula.historia_clinica.plugins.module_utils.registry import register
from grading import labs, stage
from grading.class_program import Session
from grading.classroom import read_classroom
from grading.exercise import exercises
from grading.lab import identity
from grading.record import Log
from support.labs import ENGINES, ROOT, Workshop, citus_servers, processes_of

#: What is asked of a class (seconds, megabytes): all labs made, all of them again, each at rest; all graded, all looked at.
TARGETS = {"first_seconds": 130, "again_seconds": 30, "rest_megabytes": 140, "grade_seconds": 120, "status_seconds": 10}
#: The exercises that are graded.
EXERCISES = [each for each in exercises([ROOT / "exercises"]) if each.about.class_ == "governance"]


class Classroom:
    """A class in a place of its own."""

    def __init__(self, place: Path, labs: int, engine: str) -> None:
        self.place, self.labs, self.engine = place, labs, engine
        self.roster = place / f"roster-{labs}.csv"
        rows = (f"Bench Lab {number},lab{number}@bench.example" for number in range(1, labs + 1))
        self.roster.write_text("\n".join(["Nombre,Correo", *rows, ""]), encoding="utf-8")
        servers = f" -e lab_postgres_bin={citus_servers()}" if engine == "citus" else ""
        self.arguments = (
            f"-e runtime_directory={place}/runtime -e 'lab_directory={place}/labs/{{{{ inventory_hostname }}}}'"
            f" -e lab_target=host -e lab_engine={engine}{servers}"
        )

    def make(self, word: str) -> dict[str, float]:
        """Type a command of the guide; its seconds, and those of the processors. Another end than a good one ends the benchmark."""
        began, used = time.monotonic(), resource.getrusage(resource.RUSAGE_CHILDREN)
        done = subprocess.run(
            [
                shutil.which("make") or "make",
                "--no-print-directory",
                word,
                f"ROSTER={self.roster}",
                f"ARGS={self.arguments}",
            ],
            cwd=ROOT,
            env={name: value for name, value in os.environ.items() if name != "MAKEFLAGS"},  # of `make bench`
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            check=False,
        )
        seconds, after = time.monotonic() - began, resource.getrusage(resource.RUSAGE_CHILDREN)
        if done.returncode:
            sys.exit(done.stdout + done.stderr)
        processors = after.ru_utime + after.ru_stime - used.ru_utime - used.ru_stime
        print(f"{self.labs} labs, make {word}: {seconds:.1f} s, {processors:.1f} s of a processor", flush=True)
        return {"seconds": round(seconds, 1), "processor_seconds": round(processors, 1)}

    def measure(self, rounds: int) -> dict[str, Any]:
        """Make all labs, run it again, look at what they take at rest, remove them."""
        try:
            first = self.make("class")
            again = [self.make("class") for _ in range(rounds)]
            rest = [resident(directory) for directory in (self.place / "labs").iterdir()]
            graded = self.grade()
        finally:
            self.make("teardown")
        return {
            "engine": self.engine,
            "labs": self.labs,
            **{f"first_{name}": value for name, value in first.items()},
            **{f"again_{name}": statistics.median(run[name] for run in again or [first]) for name in first},
            "rest_megabytes": round(max(rest)),
            **graded,
        }

    def grade(self) -> dict[str, float]:
        """Solve the exercises in every lab, look at the class, grade it; the seconds of both."""
        session = Session(
            read_classroom(ROOT / "inventories/classroom", str(self.roster), self.place), EXERCISES, "en", self.place
        )
        for student in session.classroom.students:
            lab = labs.find(self.place, student.lab)
            log = Log(self.place, lab.name, identity(lab))
            for each in EXERCISES:
                log.add("stage", each.id, facts=stage.make(each, lab))
                solution, _fails = next(stage.answers(each, "solution", lab.engine))
                stage.run([solution], lab)
        began = time.monotonic()
        session.status()
        looked = time.monotonic()
        said = session.grade()
        graded = time.monotonic()
        if not said[-1].startswith(f"{self.labs} of {self.labs} students have a mark"):
            sys.exit("\n".join(said))
        print(f"{self.labs} labs, looked at: {looked - began:.1f} s, graded: {graded - looked:.1f} s", flush=True)
        return {"status_seconds": round(looked - began, 1), "grade_seconds": round(graded - looked, 1)}


def resident(directory: Path) -> float:
    """Megabytes that the processes of a lab take, each shared page counted for its part."""
    family = {
        member.pid: member
        for process in processes_of(directory)
        if f"{directory}/" in " ".join(process.cmdline())  # and not that of bench-lab-2, whose name begins like it
        for member in (process, *process.children(recursive=True))
    }
    return float(sum(member.memory_full_info().pss for member in family.values())) / 1e6


def main() -> None:
    """Measure one lab, then a class."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--labs", type=int, default=30)
    parser.add_argument("--engine", choices=ENGINES, default="postgres_fdw")
    parser.add_argument("--rounds", type=int, default=3)
    options = parser.parse_args()
    with Workshop.open("hc-bench-") as workshop:
        # A lab more: else the last one takes the runtime along.
        register(workshop.place / "runtime", "benchmark", workshop.place)
        Classroom(workshop.place, 1, options.engine).measure(0)  # which makes the runtime, and packs the modules
        one, whole = (
            Classroom(workshop.place, labs, options.engine).measure(options.rounds) for labs in (1, options.labs)
        )
    beside = {
        run: {
            "ratio": round(whole[f"{run}_seconds"] / one[f"{run}_seconds"], 2),
            "processor_seconds_a_further_lab": round(
                (whole[f"{run}_processor_seconds"] - one[f"{run}_processor_seconds"]) / max(1, options.labs - 1), 2
            ),
        }
        for run in ("first", "again")
    }
    beside["grade"] = {"ratio": round(whole["grade_seconds"] / one["grade_seconds"], 2)}
    print(json.dumps({"targets_of_30": TARGETS, "table": [one, whole], "beside": beside}))


if __name__ == "__main__":
    main()
