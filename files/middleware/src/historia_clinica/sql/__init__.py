"""The statements of the package, one .sql file each."""

from __future__ import annotations

import re
from functools import cache
from importlib.resources import files


@cache
def statement(name: str) -> bytes:
    """Return the text of `<name>.sql`, as psycopg takes it.

    Raises:
        FileNotFoundError: there is no such file, a mistake of this package.
    """
    return files(__name__).joinpath(f"{name}.sql").read_bytes()


@cache
def search(name: str, given: frozenset[str]) -> bytes:
    """Return `<name>.sql` without the lines that name a parameter which was not given.

    A search has a line for each condition. Left out, and not compared with NULL, a condition that
    nobody asked for costs nothing, and each combination has a plan of its own.

    Raises:
        FileNotFoundError: there is no such file, a mistake of this package.
    """
    lines = statement(name).decode().splitlines()
    return "\n".join(line for line in lines if given.issuperset(re.findall(r"%\((\w+)\)s", line))).encode()
