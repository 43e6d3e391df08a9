"""Change a lab by hand, one thing after the other, and see what the project says and does about it.

    make changed ARGS='--engine citus --pairs 50'

Makes a lab on this machine; for each change of support/changes.py: makes it, has verify say which check fails, compares what
--check announces with what the run does, and sees the lab right again, or the run saying what it leaves and why. Then the same with
two at once, of those that can be seen and repaired together. Removes the lab.
"""

from __future__ import annotations

import argparse
import itertools
import random
import sys
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))

from support.changes import CHANGES
from support.hands import changed_and_put_right
from support.labs import ENGINES, Workshop, citus_servers


def main() -> None:
    """Run it; exit 1 where one is not named, not announced, or not repaired."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--engine", choices=ENGINES, default="citus" if citus_servers() else "postgres_fdw")
    parser.add_argument("--only", default="", help="a part of the change's name")
    parser.add_argument("--pairs", type=int, default=20, help="how many pairs")
    parser.add_argument("--seed", type=int, default=int(time.time()), help="of the pairs: the same seed, the same ones")
    options = parser.parse_args()
    chosen = [each for each in CHANGES if options.engine in each.engines and options.only in each.name]
    if not chosen:
        sys.exit(f"no change of {options.engine} has {options.only!r} in its name")
    together = [each for each in chosen if not each.tells and not each.alone]
    pairs = list(itertools.combinations(together, 2))
    pairs = random.Random(options.seed).sample(pairs, min(options.pairs, len(pairs)))
    print(f"{len(chosen)} changes, {len(pairs)} pairs, seed {options.seed}", flush=True)
    failed = []
    with Workshop.open("hc-hand-") as workshop:
        lab = workshop.lab("changed", options.engine)
        made = lab.play("site.yml")
        if made.rc:
            sys.exit(made.stdout)
        for changes in [*((change,) for change in chosen), *pairs]:
            name = " + ".join(change.name for change in changes)
            tells = any(change.tells for change in changes)
            started = time.monotonic()
            try:
                changed_and_put_right(lab, changes, workshop.place / "report.json")
                verdict = "told and left" if tells else "repaired"
            except AssertionError as error:
                verdict = f"FAILED {error}"
                failed.append(name)
            print(f"{name}: {verdict} ({time.monotonic() - started:.0f} s)", flush=True)
            if tells or name in failed:
                reset = lab.play("reset.yml")
                if reset.rc:
                    sys.exit(reset.stdout)
    if failed:
        sys.exit(f"failed: {', '.join(failed)}")


if __name__ == "__main__":
    main()
