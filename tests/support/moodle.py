"""Moodle's import of grades, as its documentation and its importer (grade/import/csv) have it: no test can run Moodle itself here."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable


class RefusedError(Exception):
    """Moodle takes nothing of the file."""


class Gradebook:
    """A course's grades.

    Args:
        students: what its students are known by, letter by letter.

    Attributes:
        grades: by student and item; None is no grade.
        feedback: by student and item.
    """

    def __init__(self, students: Iterable[str]) -> None:
        self.grades: dict[str, dict[str, float | None]] = {each: {} for each in students}
        self.feedback: dict[str, dict[str, str]] = {each: {} for each in self.grades}

    def take(self, text: str, separator: str = ",", decimal: str = ".", feedback: str = ": comentarios") -> None:
        """Import a file whose first column says who it is, as a teacher maps it who gives every other column to the item of its heading.

        Args:
            text: the file.
            separator: of its cells.
            decimal: the sign of the site's language.
            feedback: how headings of columns end that go to an item as its feedback.

        Raises:
            RefusedError: a row is of nobody in the course, has another number of cells than the heading, or a grade that is no number from 0 to 100.
        """
        [_who, *items], *rows = csv.reader(io.StringIO(text), delimiter=separator)
        if len(set(items)) != len(items):
            raise RefusedError("two columns have the same heading, and are mapped as one")
        student = ""
        for row in rows:
            if len(row) != len(items) + 1:
                raise RefusedError(f"{row} has not {len(items) + 1} cells")
            student = row[0] or student  # an empty one is not nobody's: the student of the row above is still there
            if student not in self.grades:
                raise RefusedError(f"no user is mapped to {student!r}")
            for item, cell in zip(items, row[1:], strict=True):
                if item.endswith(feedback):
                    self.feedback[student][item.removesuffix(feedback)] = cell
                else:
                    self.grades[student][item] = self._number(cell, decimal)

    def _number(self, cell: str, decimal: str) -> float | None:
        """A grade; an empty cell and a hyphen take away what is there."""
        if cell in ("", "-"):
            return None
        try:
            number = float(cell.replace(decimal, "."))
        except ValueError as error:
            raise RefusedError(f"{cell!r} is no number") from error
        if not 0 <= number <= 100:
            raise RefusedError(f"{cell} is none of 0 to 100")
        return number
