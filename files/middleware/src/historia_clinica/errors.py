"""What can go wrong with a request; `problems.py` says how each is answered."""

from __future__ import annotations

from http import HTTPStatus


class ProblemError(Exception):
    """The request is refused: the status of the answer, and one sentence for whoever asked.

    `headers` are further headers of the answer, `members` further members of the problem object.
    """

    def __init__(
        self, status: HTTPStatus, detail: str, headers: dict[str, str] | None = None, **members: object
    ) -> None:
        super().__init__(detail)
        self.status = status
        self.detail = detail
        self.headers = headers or {}
        self.members = members


class FieldError(ProblemError):
    """A field of the request, by the name that the caller wrote, and what is the matter with it."""

    status = HTTPStatus.UNPROCESSABLE_ENTITY

    def __init__(self, field: str, sentence: str) -> None:
        super().__init__(self.status, f"{field}: {sentence}", campo=field)


class TakenError(FieldError):
    """A field that no two may have alike, and somebody has it already."""

    status = HTTPStatus.CONFLICT


class UnauthorizedError(ProblemError):
    """Whoever asks did not say who he is, or not well enough; the way in is added to the sentence."""

    def __init__(self, sentence: str) -> None:
        way_in = "Entre con POST /api/v1/sesiones y mande «Authorization: Bearer TOKEN»."
        challenge = {"WWW-Authenticate": 'Bearer realm="historia-clinica"'}
        super().__init__(HTTPStatus.UNAUTHORIZED, f"{sentence} {way_in}", challenge)


class SessionClosedError(UnauthorizedError):
    """The session of whoever asks is over, though his token has not run out yet."""


class DatabaseUnavailableError(ProblemError):
    """There is no connection to be had; its text is one plain sentence that anyone may read."""

    def __init__(self, sentence: str) -> None:
        super().__init__(HTTPStatus.SERVICE_UNAVAILABLE, sentence)


class DatabaseBusyError(DatabaseUnavailableError):
    """Every connection is in use, and has been for longer than a request should wait."""
