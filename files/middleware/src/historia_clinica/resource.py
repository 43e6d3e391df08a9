"""A blueprint of `/api/v1` whose operations say, at one place, what they need and what they answer."""

from __future__ import annotations

from collections.abc import Callable, Collection
from functools import wraps
from typing import Any

from apiflask import APIBlueprint
from flask import Response
from pydantic import BaseModel

from historia_clinica import access, answers, sessions

View = Callable[..., Response]

PREFIX = "/api/v1"


class Resource(APIBlueprint):
    """The operations on one kind of thing."""

    def __init__(self, name: str, import_name: str, path: str, tag: str) -> None:
        super().__init__(name, import_name, url_prefix=PREFIX + path, tag=tag)
        self.before_request(answers.check_media)

    def operation(
        self,
        summary: str,
        permission: str | None,
        answer: type[BaseModel] | None = None,
        status: int = 200,
        *,
        owner: str | None = None,
        also: Collection[int] = (),
        headers: Collection[str] = (),
    ) -> Callable[[View], View]:
        """Check who asks before the view runs, and describe the operation for OpenAPI.

        Args:
            summary: one sentence, in the language of the API.
            permission: what the person needs, a key of PERMISSIONS; None: nobody has to say who he is.
            answer: the model of the answer's body.
            status: of that answer.
            owner: the part of the address that says whose it is, where a permission reaches only
                to one's own.
            also: the other statuses that this operation answers with, beside those of every one.
            headers: the headers of the request that it reads.
        """

        def decorate(view: View) -> View:
            @wraps(view)
            def allowed(**arguments: Any) -> Response:
                person = sessions.identify() if permission else None
                if permission and person:
                    access.require(person, permission, arguments[owner] if owner else None)
                return view(**arguments)

            responses: dict[int | str, dict[str, Any]] = {each: {"description": ""} for each in also}
            described = self.doc(
                summary=summary,
                responses=responses,
                extensions={"x-permiso": permission, "x-cabeceras": list(headers)},
            )(allowed)
            if answer is None:
                return self.output({}, status)(described)
            return self.output(answer, status)(described)

        return decorate
