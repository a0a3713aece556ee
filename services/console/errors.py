"""One shape for every failure: `{"error": {"code", "message", "remedy"}}`, with the status that fits the error."""

from collections.abc import Mapping
from http import HTTPStatus
from math import ceil
from typing import Any, Final

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from pydantic import BaseModel, Field
from starlette.exceptions import HTTPException
from starlette.responses import JSONResponse
from starlette.routing import Match

from shared.errors import Conflict, EarmarkError, NotFound, PermanentError, TransientError

RETRY_AFTER_S: Final = 2
_MOST_PROBLEMS: Final = 5


class Unauthenticated(PermanentError):
    """Send `Authorization: Bearer TOKEN`; on one machine it lies in the data directory, in `run/token`."""

    code = "token_missing"


class Forbidden(PermanentError):
    """Use a token that has the scope, or ask an administrator for one."""

    code = "scope_missing"


class TryLater(TransientError):
    """More was asked for than is taken in at once; ask again after the seconds that `Retry-After` names.

    Answered with 429. Subclasses say what there was too much of.
    """

    code = "try_later"

    def __init__(self, detail: str = "", *, retry_after_s: float) -> None:
        super().__init__(detail)
        self.retry_after_s = retry_after_s


class Overloaded(TryLater):
    """More work waits than may; send it again after the seconds that `Retry-After` names. Nothing of it was done."""

    code = "overloaded"


# What a body names is part of the request: not the address, but the content is wrong.
_CONTENTS: Final = frozenset({"unknown_encoder", "unknown_segmenter"})
_STATUS_BY_CLASS: Final = (
    (Unauthenticated, HTTPStatus.UNAUTHORIZED),
    (Forbidden, HTTPStatus.FORBIDDEN),
    (NotFound, HTTPStatus.NOT_FOUND),
    (Conflict, HTTPStatus.CONFLICT),
    (TryLater, HTTPStatus.TOO_MANY_REQUESTS),
    (TransientError, HTTPStatus.SERVICE_UNAVAILABLE),
)
_LISTED_BY: Final = {
    "segment": "earmark segments -c NAME",
    "cluster_id": "earmark clusters -c NAME",
    "recording": "earmark recordings -c NAME",
    "label": "earmark labels log -c NAME",
}
_ID_EXAMPLE: Final = "7d74b913-9a5f-58eb-8a82-556a483ed566"
_SHOWN_CHARACTERS: Final = 60
_CODES: Final = {404: "not_found", 405: "method_not_allowed", 415: "unsupported_media_type"}


class Problem(BaseModel):
    """What went wrong: a stable code, a sentence, and what helps."""

    code: str = Field(examples=["unknown_collection"])
    message: str = Field(examples=["No collection 'meetings'."])
    remedy: str = Field(examples=["`earmark collections list` names those that there are."])


class Failure(BaseModel):
    """The body of every answer that is not a success."""

    error: Problem


def status_of(error: EarmarkError, method: str = "") -> HTTPStatus:
    """422 for whatever has no status of its own."""
    if error.code == "body_too_large":
        return HTTPStatus.REQUEST_ENTITY_TOO_LARGE
    if error.code in _CONTENTS and method not in {"GET", "DELETE"}:
        return HTTPStatus.UNPROCESSABLE_ENTITY
    return next((s for cls, s in _STATUS_BY_CLASS if isinstance(error, cls)), HTTPStatus.UNPROCESSABLE_ENTITY)


def answer(error: EarmarkError, method: str = "") -> JSONResponse:
    """An error of ours as a response to a request of that method."""
    headers = {}
    if isinstance(error, TransientError):
        headers["Retry-After"] = str(ceil(error.retry_after_s if isinstance(error, TryLater) else RETRY_AFTER_S))
    if isinstance(error, Unauthenticated):
        headers["WWW-Authenticate"] = "Bearer"
    return _failure(status_of(error, method), error.code, str(error), error.remedy(), headers)


def crashed() -> JSONResponse:
    """What nobody foresaw, as a response. Not a handler of the app: those of `Exception` run outside all middleware."""
    remedy = "This is a fault of Earmark's; the console's log tells more."
    return _failure(HTTPStatus.INTERNAL_SERVER_ERROR, "internal", "Something went wrong here.", remedy)


def install(app: FastAPI) -> None:
    """Let every failure that has a name leave in this shape."""

    @app.exception_handler(EarmarkError)
    def ours(request: Request, error: EarmarkError) -> JSONResponse:
        return answer(error, request.method)

    @app.exception_handler(RequestValidationError)
    def invalid(_: Request, error: RequestValidationError) -> JSONResponse:
        problems = [_sentence(found) for found in error.errors()]
        message = "; ".join(problems[:_MOST_PROBLEMS]) + ("; and more" if len(problems) > _MOST_PROBLEMS else "")
        return _failure(HTTPStatus.UNPROCESSABLE_ENTITY, "invalid_request", message, "See /v1/openapi.json.")

    @app.exception_handler(HTTPException)
    def frameworks(request: Request, error: HTTPException) -> JSONResponse:
        status = HTTPStatus(error.status_code)
        code = _CODES.get(error.status_code, "invalid_request")
        headers = dict(error.headers or {})
        if status == HTTPStatus.METHOD_NOT_ALLOWED:
            headers["Allow"] = ", ".join(_methods_at(request))
        return _failure(status, code, str(error.detail), "See /v1/openapi.json.", headers)


def _methods_at(request: Request) -> list[str]:
    """All methods of an address: the framework names those of the first route alone."""
    routes = request.app.routes
    return [
        method
        for method in ("DELETE", "GET", "PATCH", "POST", "PUT")
        if any(route.matches({**request.scope, "method": method})[0] is Match.FULL for route in routes)
    ]


def _sentence(found: Mapping[str, Any]) -> str:
    """What pydantic found, in words for people; a malformed id is what they meet most."""
    place = _place(found["loc"])
    if found["type"] not in {"uuid_parsing", "uuid_type"}:
        return f"{place}: {_rule(found)}"
    kind = next((kind for kind in _LISTED_BY if kind in place), "")
    listed = f"; list them with `{_LISTED_BY[kind]}`" if kind else ""
    return f"{place}: {str(found['input'])[:_SHOWN_CHARACTERS]!r} is not an id; ids look like {_ID_EXAMPLE}{listed}"


def _rule(found: Mapping[str, Any]) -> str:
    """What was expected, without the validator's own terms where those are no help."""
    match found["type"]:
        case "string_pattern_mismatch":
            return f"{found['input'][:_SHOWN_CHARACTERS]!r} is not of the form {found['ctx']['pattern']}"
        case "model_attributes_type":
            return "that is no JSON object; send one, and Content-Type: application/json with it"
        case _:
            return str(found["msg"]).removeprefix("Value error, ")


def _place(location: tuple[str | int, ...]) -> str:
    """`body.paths.3`, as the client wrote it."""
    return ".".join(str(part) for part in location)


def _failure(
    status: HTTPStatus, code: str, message: str, remedy: str, headers: dict[str, str] | None = None
) -> JSONResponse:
    body = Failure(error=Problem(code=code, message=message, remedy=remedy))
    return JSONResponse(body.model_dump(), status_code=status, headers=headers)
