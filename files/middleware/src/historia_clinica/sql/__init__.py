"""The statements of the package, one .sql file each."""

from __future__ import annotations

import re
from functools import cache
from importlib.resources import files

OPTIONAL = "-- optional"
_PARAMETER = re.compile(r"%\((\w+)\)s")


@cache
def statement(name: str) -> bytes:
    """Return the text of `<name>.sql`, as psycopg takes it; raises FileNotFoundError, a mistake of this package."""
    return files(__name__).joinpath(f"{name}.sql").read_bytes()


@cache
def search(name: str, given: frozenset[str], required: frozenset[str] = frozenset()) -> bytes:
    """Return `<name>.sql` without the optional conditions whose parameters were not given.

    Each condition has a line, which ends in `-- optional`. Left out, and not compared with NULL, a condition that nobody asked
    for costs nothing, and each combination has a plan of its own.

    Raises LookupError, a mistake of this package too, where a parameter is given that no line has, or one is missing of a line
    or of those that are required: nobody is shown more than was asked for because a name is misspelt.
    """
    lines = []
    for line in statement(name).decode().splitlines():
        names = set(_PARAMETER.findall(line))
        if names & given or not line.endswith(OPTIONAL):
            lines.append(line)
    used = set(_PARAMETER.findall("\n".join(lines)))
    if wrong := (given ^ used) | (required - given):
        raise LookupError(f"{name}.sql does not go with {sorted(given)}: {sorted(wrong)}")
    return "\n".join(lines).encode()
