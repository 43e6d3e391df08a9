"""Change a lab by hand, one thing after the other, and see what the project says and does about it.

    make changed ARGS='--engine citus'

Makes a lab on this machine; for each change of support/changes.py: makes it, asks verify which promise is broken, compares what
--check announces with what the run does, and sees the lab right again, or the run saying what it leaves and why. Removes the lab.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
from pathlib import Path

sys.path[:0] = [str(Path(__file__).parent)]

from support.changes import CHANGES  # noqa: E402
from support.hands import changed_and_put_right  # noqa: E402
from support.labs import ENGINES, Workshop, citus_servers  # noqa: E402


def main() -> None:
    """Run it; exit 1 where one is not named, not announced, or not put right."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--engine", choices=ENGINES, default="citus" if citus_servers() else "postgres_fdw")
    parser.add_argument("--only", default="", help="a part of the change's name")
    options = parser.parse_args()
    place = Path(tempfile.mkdtemp(prefix="hc-hand-", dir="/tmp"))  # short, for the paths of sockets
    place.chmod(0o755)
    workshop = Workshop(place)
    failed = []
    try:
        for change in CHANGES:
            if options.engine not in change.engines or options.only not in change.name:
                continue
            if not workshop.labs:
                lab = workshop.lab("changed", options.engine)
                assert lab.play("site.yml").rc == 0
            started = time.monotonic()
            try:
                changed_and_put_right(lab, [change], place / "report.json")
                verdict = "told and left" if change.tells else "put right"
            except AssertionError as error:
                verdict = f"FAILED {error}"
                failed.append(change.name)
            print(f"{change.name}: {verdict} ({time.monotonic() - started:.0f} s)", flush=True)
            if change.tells or change.name in failed:
                reset = lab.play("reset.yml")
                assert reset.rc == 0, reset.stdout
    finally:
        workshop.clean()
    if failed:
        sys.exit(f"failed: {', '.join(failed)}")


if __name__ == "__main__":
    main()
