"""Kill the lab's playbooks with -9 at random moments, and see the next run put everything right.

    make interrupted ARGS='--engine citus --rounds 20 --seed 7'
    make interrupted ARGS='--pods --rounds 20'          # on the cluster that LAB_TEST_KUBECONFIG and LAB_TEST_CONTEXT name

A round makes a lab, scales it out and in, changes its secrets, stops it and removes it, each killed once on the way: one run of site.yml, two of
scale.yml, one of rotate.yml, one of stop.yml, one of teardown.yml. A row that was acknowledged has to be there; what is left at the end has to be nothing.
"""

from __future__ import annotations

import argparse
import random
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))

from support.interrupted import Interrupted, left_of_pods, left_on_host
from support.labs import ENGINES, Workshop, citus_servers
from support.pods import PodWorkshop, missing


def main() -> None:
    """Run it; an exception where something is lost, left, or does not come together."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--engine", choices=ENGINES, default="citus" if citus_servers() else "postgres_fdw")
    parser.add_argument("--rounds", type=int, default=10, help="each kills six runs")
    parser.add_argument("--seed", type=int, default=random.randrange(10**6))
    parser.add_argument("--pods", action="store_true", help="in a cluster, not on this machine")
    options = parser.parse_args()
    if options.pods and missing():
        sys.exit(missing())
    left = left_of_pods if options.pods else left_on_host
    chance = random.Random(options.seed)
    kills = 0
    with (PodWorkshop if options.pods else Workshop).open("hc-int-") as workshop:
        lab = workshop.lab("interrupted", options.engine)
        for number in range(1, options.rounds + 1):
            print(f"round {number} of {options.rounds}, {options.engine}, seed {options.seed}", flush=True)
            kills += Interrupted(lab, chance, lambda line: print(f"  {line}", flush=True), left).round()
    print(
        f"{kills} of {6 * options.rounds} runs were killed, the others had ended by then;"
        " each lab came together, nothing was lost, nothing was left"
    )


if __name__ == "__main__":
    main()
