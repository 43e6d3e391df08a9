"""The statements of the package, one .sql file each."""

from __future__ import annotations

from functools import cache
from importlib.resources import files


@cache
def statement(name: str) -> bytes:
    """Return the text of `<name>.sql`, as psycopg takes it.

    Raises:
        FileNotFoundError: there is no such file, a mistake of this package.
    """
    return files(__name__).joinpath(f"{name}.sql").read_bytes()
