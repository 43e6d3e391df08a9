"""Memory and disk."""

from __future__ import annotations

from ansible_collections.aula.historia_clinica.plugins.module_utils.preflight.capacity import MIB
from ansible_collections.aula.historia_clinica.plugins.module_utils.preflight.observation import Machine
from support.preflight import Bench


def test_what_cannot_be_found_out_is_no_problem(bench: Bench) -> None:
    """Memory and disk of which nothing was seen are not short."""
    bench.seen.update(memory=Machine().memory, disk=Machine().disk)
    assert bench.problems() == []


def test_more_workers_need_more(bench: Bench) -> None:
    """The amounts grow with the workers; two need 512 MiB of memory and 1 GiB of disk."""
    bench.seen.update(memory=512 * MIB, disk=1024 * MIB)
    assert bench.ids() == []
    bench.choose(workers=3)
    assert bench.ids() == ["memory-short", "disk-short"]
