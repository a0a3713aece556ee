"""The one web page: a client of the API like any other, opened once with a token in its address."""

from functools import cache
from pathlib import Path
from typing import Annotated, Final

from fastapi import APIRouter, Query, Request
from fastapi.responses import HTMLResponse, RedirectResponse, Response
from jinja2 import Environment, FileSystemLoader, StrictUndefined

from services.console.auth import caller_of, csrf_cookie, csrf_token, session_cookie
from services.console.deps import Console, ConsoleDep
from services.console.errors import Unauthenticated
from shared.events import EVENT_TYPES
from shared.storage import collections

_HERE: Final = Path(__file__).parent
STATIC: Final = _HERE / "static"

router = APIRouter(include_in_schema=False)


@router.get("/")
def page(console: ConsoleDep, request: Request, token: Annotated[str | None, Query(max_length=500)] = None) -> Response:
    """The page; `?token=` becomes a cookie first, so that no address keeps it."""
    if token is not None:
        return _sign_in(console, token, secure=request.url.scheme == "https")
    port = console.settings.console.port
    secret = request.cookies.get(session_cookie(port))
    if secret is None:
        return _signed_out("You are not signed in.")
    try:
        caller = caller_of(secret, console)
    except Unauthenticated as error:
        return _signed_out(error.sentence())
    if not caller.may(["read"]):
        return _signed_out(f"The token {caller.name!r} may not read.")
    with console.database.begin() as tx:
        names = [found.name for found in collections.listing(tx) if caller.sees(found.name)]
    body = _render(
        "page.html",
        collections=names,
        event_types=sorted(EVENT_TYPES),
        csrf_cookie=csrf_cookie(port),
        administers=caller.may(["admin"]),
    )
    return HTMLResponse(body)


def _sign_in(console: Console, token: str, *, secure: bool) -> Response:
    try:
        caller_of(token, console)
    except Unauthenticated as error:
        return _signed_out(error.sentence())
    port = console.settings.console.port
    response = RedirectResponse("/", status_code=303)
    response.set_cookie(session_cookie(port), token, httponly=True, samesite="strict", secure=secure)
    # Our own script repeats this one in a header; a foreign page can make the browser send it, but not read it.
    response.set_cookie(csrf_cookie(port), csrf_token(token), samesite="strict", secure=secure)
    return response


def _signed_out(reason: str) -> Response:
    return HTMLResponse(_render("signed_out.html", reason=reason), status_code=401)


def _render(name: str, **values: object) -> str:
    return _templates().get_template(name).render(**values)


@cache
def _templates() -> Environment:
    return Environment(
        loader=FileSystemLoader(_HERE / "templates"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
