"""Kill the lab's servers again and again while it is written to, and count what is there afterwards.

    make soak ARGS='--engine citus --rounds 20 --seed 7'
    make soak ARGS='--pods --rounds 20'      # on the cluster that LAB_TEST_KUBECONFIG and LAB_TEST_CONTEXT name

Makes a lab on this machine, or in pods, lets four clients write without a pause, and kills coordinator, a worker and the middleware, each
so many times (20), in an order that the seed gives. Prints how long it took each time until all of them could write on every
worker again, and, at the end, count and checksum of what was acknowledged and of what is there. Removes the lab.
"""

from __future__ import annotations

import argparse
import random
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))

from support.labs import ENGINES, Workshop, citus_servers
from support.pods import PodWorkshop, missing
from support.soak import Soak


def main() -> None:
    """Run it; exit 1 where a write is lost or doubled, or an answer was none that is expected."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--engine", choices=ENGINES, default="citus" if citus_servers() else "postgres_fdw")
    parser.add_argument("--rounds", type=int, default=20, help="how many times each is killed")
    parser.add_argument("--seed", type=int, default=random.randrange(10**6))
    parser.add_argument("--pods", action="store_true", help="in a cluster, not on this machine")
    options = parser.parse_args()
    if options.pods and missing():
        sys.exit(missing())
    with (PodWorkshop if options.pods else Workshop).open("hc-soak-") as workshop:
        lab = workshop.lab("soak", options.engine, middleware_access="open")
        run = lab.play("site.yml")
        if run.rc:
            sys.exit(run.stdout)
        print(f"engine {options.engine}, seed {options.seed}", flush=True)
        outcome = Soak(lab, options.seed).rounds(options.rounds, lambda line: print(line, flush=True))
    print(outcome.page())
    if outcome.unexpected or not outcome.exact:
        sys.exit(f"unexpected answers: {outcome.unexpected}")


if __name__ == "__main__":
    main()
