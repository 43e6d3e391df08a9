"""Change a lab by hand, one thing after the other, and see what the project says and does about it.

    make changed ARGS='--engine citus'

Makes a lab on this machine; for each change of support/changes.py: makes it, asks verify which promise is broken, compares what
--check announces with what the run does, and sees the lab right again, or the run saying what it leaves and why. Removes the lab.
"""

from __future__ import annotations

import argparse
import sys
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))

from support.changes import CHANGES
from support.hands import changed_and_put_right
from support.labs import ENGINES, Workshop, citus_servers


def main() -> None:
    """Run it; exit 1 where one is not named, not announced, or not put right."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--engine", choices=ENGINES, default="citus" if citus_servers() else "postgres_fdw")
    parser.add_argument("--only", default="", help="a part of the change's name")
    options = parser.parse_args()
    chosen = [each for each in CHANGES if options.engine in each.engines and options.only in each.name]
    if not chosen:
        sys.exit(f"no change of {options.engine} has {options.only!r} in its name")
    failed = []
    with Workshop.open("hc-hand-") as workshop:
        lab = workshop.lab("changed", options.engine)
        made = lab.play("site.yml")
        if made.rc:
            sys.exit(made.stdout)
        for change in chosen:
            started = time.monotonic()
            try:
                changed_and_put_right(lab, [change], workshop.place / "report.json")
                verdict = "told and left" if change.tells else "put right"
            except AssertionError as error:
                verdict = f"FAILED {error}"
                failed.append(change.name)
            print(f"{change.name}: {verdict} ({time.monotonic() - started:.0f} s)", flush=True)
            if change.tells or change.name in failed:
                reset = lab.play("reset.yml")
                if reset.rc:
                    sys.exit(reset.stdout)
    if failed:
        sys.exit(f"failed: {', '.join(failed)}")


if __name__ == "__main__":
    main()
