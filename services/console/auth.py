"""Who is asking, and what they may do: a bearer token, or the page's cookie with a second proof for every change."""

import hashlib
import hmac
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from time import monotonic
from typing import Annotated, Final, Literal, get_args

from anyio import to_thread
from fastapi import Depends, Request
from fastapi.security import HTTPAuthorizationCredentials, HTTPBearer

from services.console import confinement, once
from services.console.calls import call_of
from services.console.deps import Console, whole_console_of
from services.console.errors import Forbidden, Unauthenticated
from shared.storage import tokens

Scope = Literal["read", "label", "ingest", "admin"]
SCOPES: Final[tuple[Scope, ...]] = get_args(Scope)
OWNER: Final = "owner"
"""What whoever holds the token file is called in the label log."""

CSRF_HEADER: Final = "X-CSRF-Token"
_SAFE_METHODS: Final = frozenset({"GET", "HEAD", "OPTIONS"})
_PLACE: Final = "earmark.caller"
_bearer = HTTPBearer(auto_error=False, description="A token of POST /v1/tokens, or the one in the stack's token file.")


class TokenUnknown(Unauthenticated):
    """The token is not, or no longer, valid here; this stack's own lies in its data directory, in `run/token`."""

    code = "token_unknown"


class TokenExpired(Unauthenticated):
    """Ask an administrator for a new token."""

    code = "token_expired"


class CsrfFailed(Forbidden):
    """Open the page again and repeat the change there; scripts send a bearer token, not the page's cookie."""

    code = "csrf_failed"


@dataclass(frozen=True, slots=True)
class Caller:
    """Somebody with a valid token."""

    name: str
    scopes: frozenset[str]
    collections: frozenset[str] | None = None  # None: all of them

    def sees(self, collection: str | None) -> bool:
        """Whether something in that collection exists for them; None is what belongs to no single one."""
        return self.collections is None or collection in self.collections

    def may(self, any_of: Sequence[Scope]) -> bool:
        """An administrator may do everything."""
        return "admin" in self.scopes or not self.scopes.isdisjoint(any_of)


def caller_of(secret: str, console: Console) -> Caller:
    """Raises TokenUnknown, TokenExpired."""
    owners = _owners_token(console.settings.console.token_file)
    if owners and hmac.compare_digest(secret.encode(), owners.encode()):
        return Caller(OWNER, frozenset(SCOPES))
    with console.database.begin() as tx:
        found = tokens.by_secret(tx, secret)
    if found is None:
        raise TokenUnknown
    if found.expired:
        raise TokenExpired(f"The token {found.name!r} has expired.")
    return Caller(
        found.name, frozenset(found.scopes), None if found.collections is None else frozenset(found.collections)
    )


def _owners_token(file: str | None) -> str:
    """Read each time: `earmark up` may have written a new one."""
    if file is None:
        return ""
    try:
        return Path(file).read_text().strip()
    except OSError:
        return ""


async def admitted(request: Request) -> str:
    """The name of whoever sends a body, asked for before it is read. Raises Unauthenticated, Forbidden, TryLater."""
    bearer = await _bearer(request)
    return (await to_thread.run_sync(partial(_admitted, request, bearer, with_body=True))).name


def _admitted(request: Request, bearer: HTTPAuthorizationCredentials | None, *, with_body: bool = False) -> Caller:
    """Looked up and counted once a request: it may have been before its body was read, or for another scope."""
    known: Caller | None = request.scope.get(_PLACE)
    if known is not None:
        return known
    console = whole_console_of(request)
    caller = caller_of(_secret(request, bearer, console.settings.console.port), console)
    console.limits.admit(caller.name, monotonic(), with_body=with_body)
    call_of(request).actor = caller.name
    request.scope[_PLACE] = caller
    return caller


class Requires:
    """A FastAPI dependency: the caller, if a token with one of the scopes came along."""

    def __init__(self, *any_of: Scope) -> None:
        self._any_of = any_of

    def __call__(
        self,
        request: Request,
        bearer: Annotated[HTTPAuthorizationCredentials | None, Depends(_bearer)],
    ) -> Caller:
        """Raises Unauthenticated, Forbidden, TryLater, and what `confinement` and `once` have to say."""
        console, caller = whole_console_of(request), _admitted(request, bearer)
        confinement.note(request)
        if not caller.may(self._any_of):
            raise Forbidden(f"The token {caller.name!r} lacks the scope {' or '.join(self._any_of)!r}.")
        confinement.look(request, caller.collections, console.database)
        once.begin(request, console.database)
        return caller


def _still_valid(
    request: Request, bearer: Annotated[HTTPAuthorizationCredentials | None, Depends(_bearer)]
) -> Callable[[], bool]:
    console = whole_console_of(request)
    secret = _secret(request, bearer, console.settings.console.port)

    def look() -> bool:
        try:
            caller_of(secret, console)
        except Unauthenticated:
            return False
        return True

    return look


def _secret(request: Request, bearer: HTTPAuthorizationCredentials | None, port: int) -> str:
    if bearer is not None:
        return bearer.credentials
    cookie = request.cookies.get(session_cookie(port))
    if cookie is None or "authorization" in request.headers:
        raise Unauthenticated
    if request.method not in _SAFE_METHODS:
        _check_csrf(request, cookie, port)
    return cookie


def _check_csrf(request: Request, secret: str, port: int) -> None:
    """The header must repeat the cookie that only our own page can read, and both must belong to the session."""
    sent = request.headers.get(CSRF_HEADER, "").encode()
    cookie = request.cookies.get(csrf_cookie(port), "").encode()
    expected = csrf_token(secret).encode()
    if not (hmac.compare_digest(sent, expected) and hmac.compare_digest(cookie, expected)):
        raise CsrfFailed


def csrf_token(secret: str) -> str:
    """Derived from the session, so that a cookie planted by a neighbouring site is of no use."""
    return hmac.new(secret.encode(), b"earmark csrf", hashlib.sha256).hexdigest()


def session_cookie(port: int) -> str:
    """Cookies do not tell ports apart: two stacks on one machine need two names."""
    return f"earmark_{port}"


def csrf_cookie(port: int) -> str:
    """The one that scripts of our page can read."""
    return f"earmark_csrf_{port}"


StillValidDep = Annotated[Callable[[], bool], Depends(_still_valid)]
"""Whether the token that came along is valid at the time of asking: for answers that go on for long."""

Reader = Annotated[Caller, Depends(Requires("read"))]
Labeller = Annotated[Caller, Depends(Requires("label"))]
Admin = Annotated[Caller, Depends(Requires("admin"))]
