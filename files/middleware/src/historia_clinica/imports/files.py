"""A CSV file as hospitals have it: Excel's in Spanish, with semicolons, `sep=;`, a byte order mark, or in Windows-1252."""

from __future__ import annotations

import codecs
import csv
import io
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

SEPARATORS = ";,\t|"
_DECLARED = "sep="  # Excel's first line, where it says what lies between the fields
_BLOCK = 1 << 20


class FileError(Exception):
    """The file cannot be read as a table; the text says where and why."""


class Row(NamedTuple):
    """A row of a file."""

    line: int  # on which it begins, from 1
    fields: list[str]  # as they are written
    read: int  # bytes of the file that have been read by then


class Table(NamedTuple):
    """What is known of a CSV file before its rows are read."""

    path: Path
    encoding: str
    separator: str
    header: list[str]  # the names of its columns
    size: int  # bytes

    def rows(self) -> Iterator[Row]:
        """Give every row that says something, without the header.

        Raises FileError where a quote is never closed, or the encoding changes in the middle.
        """
        rows = _rows(self.path, self.encoding, self.separator)
        next(rows)
        return rows


def table(path: Path) -> Table:
    """Look at the beginning of a file; raises FileError where that is no table, OSError where it cannot be read."""
    code = encoding(path)
    with path.open(encoding=code, newline="") as file:
        first = file.readline()
        declared = first[len(_DECLARED) :].strip("\r\n\"'") if first.lower().startswith(_DECLARED) else ""
        named = file.readline() if declared else first
    separator = declared or max(SEPARATORS, key=named.count)
    header = next(_rows(path, code, separator), None)
    if header is None:
        raise FileError(f"{path} is empty: its first line has to name the columns.")
    return Table(path, code, separator, [name.strip() for name in header.fields], path.stat().st_size)


def encoding(path: Path) -> str:
    """Return what a file is written in: UTF-16 says so itself, UTF-8 is nothing else by chance, all other is Excel's Windows-1252."""
    with path.open("rb") as file:
        if file.read(2) in (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE):
            return "utf-16"
        file.seek(0)
        decoder = codecs.getincrementaldecoder("utf-8")()
        try:
            while block := file.read(_BLOCK):
                decoder.decode(block)
            decoder.decode(b"", final=True)
        except UnicodeDecodeError:
            return "cp1252"
    return "utf-8-sig"


def _rows(path: Path, code: str, separator: str) -> Iterator[Row]:
    """Give every row that says something, the header first."""
    with path.open("rb") as raw, io.TextIOWrapper(raw, encoding=code, newline="") as file:
        reader = csv.reader(file, delimiter=separator)
        try:
            for fields in reader:
                line = reader.line_num - sum(field.count("\n") for field in fields)
                declares = line == 1 and len(fields) <= 2 and fields and fields[0].lower().startswith(_DECLARED)
                if any(map(str.strip, fields)) and not declares:
                    yield Row(line, fields, raw.tell())
        except csv.Error as error:
            raise FileError(
                f"{path}, line {reader.line_num}: {error}. Is a quote opened there that is never closed?"
            ) from error
        except UnicodeDecodeError as error:
            raise FileError(
                f"{path}, after line {reader.line_num}: these bytes are neither UTF-8 nor Windows-1252."
            ) from error
