"""Which request this is: the identifiers of W3C Trace Context, taken over or made anew.

https://www.w3.org/TR/trace-context/: `traceparent: 00-<trace>-<span>-<flags>`, hexadecimal. The trace
is one person's click through every service that it touches; a span is one service's part in it.
"""

from __future__ import annotations

import re
import secrets
from typing import NamedTuple

HEADER = "traceparent"

# Versions after 00 may add fields; ff is no version, and an identifier of zeros none.
_FORM = re.compile(
    "(?!ff)(?P<version>[0-9a-f]{2})-(?!0{32})(?P<trace>[0-9a-f]{32})-(?!0{16})[0-9a-f]{16}"
    "-(?P<flags>[0-9a-f]{2})(?P<more>-.*)?"
)


class Trace(NamedTuple):
    """A request's place.

    Attributes:
        trace: 32 hexadecimal digits that every service of the same click shares.
        span: 16 hexadecimal digits of this service's part.
        flags: two hexadecimal digits, as the caller sent them.
    """

    trace: str
    span: str
    flags: str

    @property
    def header(self) -> str:
        """The value of the header for whoever comes next, or asked."""
        return f"00-{self.trace}-{self.span}-{self.flags}"


def of(header: str | None) -> Trace:
    """Continue the caller's trace, or begin one where the header is missing or malformed."""
    new = secrets.token_hex(24)
    trace, span = new[:32], new[32:]
    found = _FORM.fullmatch(header.strip()) if header else None
    if found is None or (found["version"] == "00" and found["more"]):
        return Trace(trace, span, "00")
    return Trace(found["trace"], span, found["flags"])
