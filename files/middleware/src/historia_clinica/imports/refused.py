"""The rows that were not taken, in a file of the same form, to be mended and imported by itself."""

from __future__ import annotations

import csv
import os
import tempfile
from collections.abc import Sequence
from pathlib import Path
from types import TracebackType
from typing import Self

from historia_clinica.imports.files import FileError, Table
from historia_clinica.imports.records import Refused

ENDING = ".rechazadas.csv"
#: Beside the file's own columns: where the row was, and what is wrong with it. An import does not read them.
LINE, WHY = "linea_rechazada", "por_que"


class RefusedRows:
    """The file of refused rows, which gets its name when the import ends: interrupted, it leaves none.

    Raises:
        FileError: there is one already, of an earlier import.
        OSError: it cannot be written beside the imported file.
    """

    def __init__(self, source: Table) -> None:
        self.path = source.path.with_name(source.path.stem + ENDING)
        self._source = source
        self.count = 0

    def __enter__(self) -> Self:
        """Begin it under another name."""
        if self.path.exists():
            raise FileError(
                f"{self.path} is there, of an earlier import: import that one once it is mended, or remove it."
            )
        number, name = tempfile.mkstemp(dir=self.path.parent, prefix=f".{self.path.name}-")  # 0600: people's data
        self._part = Path(name)
        # Excel takes a CSV with a byte order mark for UTF-8, and any other for Windows-1252.
        self._file = os.fdopen(number, "w", encoding="utf-8-sig", newline="")
        self._writer = csv.writer(self._file, delimiter=self._source.separator)
        self._writer.writerow([*self._columns(self._source.header), LINE, WHY])
        return self

    def add(self, refused: Sequence[Refused]) -> None:
        """Add rows."""
        width = len(self._columns(self._source.header))
        for row in refused:
            self.count += 1
            fields = self._columns(row.fields)[:width]
            self._writer.writerow([*fields, *[""] * (width - len(fields)), row.line, row.why])

    def keep(self) -> None:
        """Give it its name, if it holds anything."""
        self._file.flush()
        if self.count:
            self._part.replace(self.path)

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Leave nothing that has no name yet."""
        self._file.close()
        self._part.unlink(missing_ok=True)

    def _columns(self, fields: list[str]) -> list[str]:
        """Return the fields without those that an earlier import added."""
        header = self._source.header
        mended = header[-2:] == [LINE, WHY]
        return fields[: len(header) - 2] if mended else fields
