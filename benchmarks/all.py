"""Run every benchmark that this machine can run, one after the other, and keep what they find.

    make bench ARGS='host-citus api'

What each prints as JSON is kept in benchmarks/figures/NAME.json, with the day; `make docs` makes the table of docs/en/benchmarks.md of
them. Names choose some. Where one fails the others go on.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from pathlib import Path

HERE = Path(__file__).parent
FIGURES = HERE / "figures"
#: Each with its arguments.
BENCHMARKS: dict[str, list[str]] = {
    "pods": ["pods.py"],
    "host-citus": ["host.py", "--engine", "citus"],
    "host-postgres_fdw": ["host.py", "--engine", "postgres_fdw"],
    "runs": ["runs.py"],
    "queries": ["queries.py", "--patients", "200000", "--consultations", "5"],
    "load": ["load.py"],
    "imports": ["imports.py"],
    "scale": ["scale.py"],
    "classroom": ["classroom.py"],
    "api-open": ["middleware.py", "--access", "open"],
    "api-rules": ["middleware.py", "--access", "rules"],
    "overload": ["overload.py"],
}


def keep(name: str, output: str) -> None:
    """Write the lines of JSON that a benchmark printed."""
    results = [json.loads(line) for line in output.splitlines() if line.startswith("{")]
    FIGURES.mkdir(exist_ok=True)
    page = {"day": time.strftime("%Y-%m-%d"), "processors": os.cpu_count(), "results": results}
    (FIGURES / f"{name}.json").write_text(json.dumps(page, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")


def main(names: list[str]) -> int:
    """Run the benchmarks named, or all."""
    unknown = set(names) - set(BENCHMARKS)
    if unknown:
        print(
            f"There is no benchmark {', '.join(sorted(unknown))}; there are: {', '.join(BENCHMARKS)}", file=sys.stderr
        )
        return 2
    failed = []
    for name in names or BENCHMARKS:
        print(f"=== {name}", flush=True)
        script, *arguments = BENCHMARKS[name]
        done = subprocess.run(
            [sys.executable, str(HERE / script), *arguments], stdout=subprocess.PIPE, text=True, check=False
        )
        print(done.stdout, flush=True)
        # A target that was missed ends with an error, too; what was measured is kept all the same.
        if any(line.startswith("{") for line in done.stdout.splitlines()):
            keep(name, done.stdout)
        if done.returncode:
            failed.append(name)
    if failed:
        print(f"ended with an error, or short of a target: {', '.join(failed)}", file=sys.stderr)
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
