"""Texts as people write them: one form of each letter, something that can be read, and a key to sort and to search by.

The key has no accents and no capitals, and ñ comes after n: `Núñez` is `nun~ez`. The tables have the same key (roles/clinical_schema,
`pacientes.orden`, `medicos.clave_registro`), so that names sort and are found alike on every server, whatever its collations are.
"""

from __future__ import annotations

import re
import unicodedata

#: What is neither seen nor a letter: accents after their letter (NFD), and what has no width.
_UNSEEN = re.compile("[\u0300-\u036f\u00ad\u200b-\u200f\u2060\ufeff]")
#: After every key that begins with a prefix, in order of code points.
_LAST = "\U0010ffff"


def composed(text: str) -> str:
    """Return the text with each letter and its accent as one sign (NFC), however it was typed."""
    return unicodedata.normalize("NFC", text)


def says_something(text: str) -> bool:
    """Whether there is anything to be read in a text: a letter, a digit, a sign; blanks and what has no width are none."""
    return any(unicodedata.category(sign)[0] in "LNPS" for sign in text)


def key(text: str) -> str:
    """Return the key of a text: `Núñez` is `nun~ez`, in whichever form it was typed."""
    letters = unicodedata.normalize("NFKD", text).lower().replace("n\u0303", "n~")
    return _UNSEEN.sub("", letters)


def beginning(text: str) -> tuple[str, str, str]:
    """Return the first and the last key, and the pattern (of PostgreSQL) of those, that begin as somebody typed it.

    A typed n stands for ñ too, for those whose keyboard has none; the range leads an index to where they are.
    """
    wanted = key(text)
    fixed = re.match("[^n]*n?", wanted)
    first = fixed[0] if fixed else ""
    return first, first + _LAST, f"^{_typed(wanted)}"


def within(text: str) -> str:
    """Return the pattern (of PostgreSQL) of the keys of which a word begins as somebody typed it."""
    return f"(?:^|[^0-9a-z~]){_typed(key(text))}"


def _typed(wanted: str) -> str:
    return "".join(
        "n~?" if sign == "n" and wanted[place + 1 : place + 2] != "~" else re.escape(sign)
        for place, sign in enumerate(wanted)
    )
