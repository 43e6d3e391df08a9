"""Change our Python in small ways and see the tests fail: a change that no test notices is a line that no test looks at.

    make mutation ARGS='--each 40 --seed 7'
    make mutation ARGS='--only report --each 0'      # one module, every change

cosmic-ray makes the changes, in a clone: for each module of MODULES a random sample (`--each`, 0 for all), so that the time is bounded,
and runs the tests that are that module's, among processes of their own: a program that was changed may end whatever it can reach
(one ended all that ran on the machine). Prints what part was noticed, and writes the others, as diffs, to
.cache/mutation/survivors.diff. Exits 1 below 80 %.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import shutil
import sqlite3
import subprocess
import sys
import tempfile
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1] / "tests"))

from support.labs import isolated
from support.newcomer import clone

ROOT = Path(__file__).parents[1]

UTILS, SERVICE = "plugins/module_utils", "files/middleware/src/historia_clinica"
#: Each module with its own tests, and the folder in which they are run.
MODULES: dict[str, tuple[str, str]] = {
    **{
        f"{UTILS}/{name}.py": (f"tests/unit/test_{name}.py", ".")
        for name in (
            "paths",
            "registry",
            "servers",
            "supervision",
            "namespace_rows",
            "workloads",
        )
    },
    **{
        f"{UTILS}/minikube/{name}.py": (f"tests/unit/minikube/test_{name}.py", ".")
        for name in ("client", "drivers", "failures", "images", "kubeconfig", "lock", "profiles", "run", "settings")
    },
    **{
        f"{UTILS}/pages/{name}.py": (f"tests/unit/pages/test_{name}.py", ".")
        for name in ("diagnosis", "failure", "history", "status", "summary", "text", "verification")
    },
    f"{UTILS}/pages/autostart.py": ("tests/unit/test_autostart.py", "."),
    **{
        f"{UTILS}/verification/{name}.py": ("tests/unit/verification", ".")
        for name in ("api", "checks", "logins", "nodes", "observations", "results", "tables", "waits")
    },
    **{
        f"{UTILS}/{name}.py": ("tests/unit/preflight", ".")
        for name in (
            "cluster_state",
            *(
                f"machine/{subject}"
                for subject in ("directory", "identity", "memory", "pods", "ports", "programs", "registered", "system")
            ),
            *(
                f"preflight/{subject}"
                for subject in ("capacity", "choices", "decision", "directory", "plan", "pods", "ports")
            ),
            *(f"preflight/{subject}" for subject in ("programs", "reasons", "record", "values")),
        )
    },
    f"{UTILS}/ownership.py": ("tests/unit/test_text_files.py tests/unit/test_credentials.py", "."),
    **{
        f"{SERVICE}/{name}.py": (f"tests/{tests}.py", "files/middleware")
        for name, tests in {
            "config": "test_config",
            "idempotency": "test_api",
            "load/sample": "test_sample",
            "passwords": "test_permissions",
            "permissions": "test_permissions",
            "pool": "test_outage",
            "server": "test_clients",
            "sessions": "test_permissions",
            "sql/__init__": "test_sql",
            "store": "test_api",
            "tokens": "test_permissions",
            "transactions": "test_transactions",
        }.items()
    },
}
#: What changes nothing: `A | B` stands in annotations, which nobody evaluates; a name and its equal are one object.
NO_CHANGES = (
    "core/ReplaceBinaryOperator_BitOr_%",
    "core/ReplaceComparisonOperator_Eq_Is",
    "core/ReplaceComparisonOperator_NotEq_IsNot",
)
WANTED = 0.80
#: Processes that see each other and nobody else, and end with the first of them: a shell, which buries those that are orphaned. Root
#: needs no user namespace for that.
APART = [
    *("unshare", *([] if os.geteuid() == 0 else ["--map-current-user"])),
    *("--pid", "--fork", "--kill-child", "--mount-proc"),
    *("sh", "-c", '"$@"; exit $?', "sh"),
]
TOOL = [*APART, *isolated("requirements/mutation.txt"), "cosmic-ray"]


@dataclass
class Verdict:
    """What became of the changes of a module.

    Attributes:
        module: its path.
        killed: how many the tests noticed.
        survivors: the diffs of those that they did not.
    """

    module: str
    killed: int = 0
    survivors: list[str] = field(default_factory=list)


def sample(session: Path, each: int, seed: int) -> None:
    """Keep so many of a session's changes, chosen by the seed."""
    with closing(sqlite3.connect(session)) as database, database:
        for operator in NO_CHANGES:
            database.execute("DELETE FROM mutation_specs WHERE operator_name LIKE ?", [operator])
        found = database.execute(
            "SELECT job_id FROM mutation_specs ORDER BY start_pos_row, start_pos_col, operator_name, occurrence, operator_args"
        )
        jobs = [job for (job,) in found]
        kept = jobs if not each or each >= len(jobs) else random.Random(seed).sample(jobs, each)
        marks = ",".join("?" * len(kept))
        database.execute(f"DELETE FROM mutation_specs WHERE job_id NOT IN ({marks})", kept)
        database.execute(f"DELETE FROM work_items WHERE job_id NOT IN ({marks})", kept)


def mutate(module: str, each: int, seed: int, place: Path) -> Verdict:
    """Change one module in a clone of its own, and run its tests after each change."""
    tests, folder = MODULES[module]
    checkout = place / module.replace("/", "-")
    clone(ROOT, checkout)
    command = f"{sys.executable} -m pytest -x -q -p no:cacheprovider {tests}"
    settings = {
        "module-path": module,
        "timeout": 180.0,
        "excluded-modules": [],
        "test-command": f"sh -c 'cd {folder} && {command}'",
    }
    lines = [f"{key} = {json.dumps(value)}" for key, value in settings.items()]
    config, session = checkout / "mutation.toml", checkout / "session.sqlite"
    config.write_text(
        "\n".join(["[cosmic-ray]", *lines, "[cosmic-ray.distributor]", 'name = "local"', ""]), encoding="utf-8"
    )
    for step in ("init", "baseline", "exec"):
        arguments = [str(config)] if step == "baseline" else [str(config), str(session)]
        done = subprocess.run([*TOOL, step, *arguments], cwd=checkout, capture_output=True, text=True, check=False)
        if done.returncode:
            sys.exit(f"{module}: cosmic-ray {step} failed: {done.stdout[-2000:]}{done.stderr[-2000:]}")
        if step == "init":
            sample(session, each, seed)
    verdict = Verdict(module)
    with closing(sqlite3.connect(session)) as database:
        for outcome, diff in database.execute("SELECT test_outcome, diff FROM work_results ORDER BY job_id"):
            if outcome == "SURVIVED":
                verdict.survivors.append(diff)
            elif outcome == "KILLED":
                verdict.killed += 1
    if not verdict.killed + len(verdict.survivors):
        sys.exit(f"{module}: no change was tried")
    shutil.rmtree(checkout)
    print(f"{module}: {verdict.killed} of {verdict.killed + len(verdict.survivors)} noticed", flush=True)
    return verdict


def main() -> None:
    """Change the modules, and say what part was noticed."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--each", type=int, default=30, help="changes of each module; 0: all that there are")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--only", default="", help="a part of the module's path")
    parser.add_argument("--jobs", type=int, default=2)
    options = parser.parse_args()
    chosen = [module for module in MODULES if options.only in module]
    if not chosen:
        sys.exit(f"no module has {options.only!r} in its path")
    if not shutil.which("unshare") or subprocess.run([*APART, "true"], check=False).returncode:
        sys.exit(
            "There is no namespace for processes here (Linux, util-linux' unshare), and a changed program may end any process."
        )
    with tempfile.TemporaryDirectory(prefix="hc-mut-") as place, ThreadPoolExecutor(options.jobs) as pool:
        verdicts = list(pool.map(lambda module: mutate(module, options.each, options.seed, Path(place)), chosen))
    survivors = ROOT / ".cache/mutation/survivors.diff"
    survivors.parent.mkdir(parents=True, exist_ok=True)
    survivors.write_text("\n".join(diff for verdict in verdicts for diff in verdict.survivors), encoding="utf-8")
    killed = sum(verdict.killed for verdict in verdicts)
    total = killed + sum(len(verdict.survivors) for verdict in verdicts)
    print(
        f"{killed} of {total} changes were noticed ({killed / total:.0%}), seed {options.seed}; the others: {survivors}"
    )
    if killed < WANTED * total:
        sys.exit(1)


if __name__ == "__main__":
    main()
