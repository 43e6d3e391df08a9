"""A bar for whoever watches a command that takes a while."""

from __future__ import annotations

import sys
from time import perf_counter


class Progress:
    """A bar on stderr, only where that is a terminal."""

    WIDTH = 30

    def __init__(self) -> None:
        self._start = perf_counter()
        self._visible = sys.stderr.isatty()

    def show(self, share: float, rows: int) -> None:
        """Draw how much of the work is done, from 0 to 1, and how many rows that were."""
        if self._visible:
            full = int(self.WIDTH * share)
            rate = rows / (perf_counter() - self._start)
            drawn = "#" * full + "-" * (self.WIDTH - full)
            sys.stderr.write(f"\r[{drawn}] {int(100 * share):3} %  {rows:,} rows  {rate:,.0f} rows/s ")
            sys.stderr.flush()

    def end(self) -> None:
        """Leave the bar as it is and go to the next line."""
        if self._visible:
            sys.stderr.write("\n")
