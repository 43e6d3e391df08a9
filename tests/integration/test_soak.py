"""Nothing that was acknowledged is lost or doubled when servers are killed; `make soak` does it for longer."""

from __future__ import annotations

import random

from support.labs import Lab, engines_alike
from support.soak import Soak


@engines_alike
def test_what_was_acknowledged_survives_kills(lab: Lab) -> None:
    """Coordinator, a worker and the middleware are killed once each under a load of writes; the lab mends itself."""
    seed = random.randrange(10**6)
    print(f"\nseed {seed}: make soak ARGS='--engine {lab.engine} --rounds 1 --seed {seed}'")
    outcome = Soak(lab, seed, lab.token()).rounds(1, print)
    print(outcome.page())
    assert len(outcome.written) > 30
    assert outcome.unexpected == []
    assert outcome.exact
