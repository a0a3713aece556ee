"""Reads request bodies before anything else does: small enough, JSON in the strict sense, text that Postgres can hold.

What passes here can be wrong for its endpoint, but it cannot crash one. Nothing that is open to everybody takes a body,
so whoever sends one shows a valid token first: strangers' bodies are neither read nor parsed.
"""

import asyncio
import json
import math
from collections.abc import Awaitable, Callable
from contextlib import AsyncExitStack
from typing import Any, Final
from urllib.parse import unquote_to_bytes

from anyio import to_thread
from starlette.requests import Request
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from services.console.calls import call_in
from services.console.errors import answer
from services.console.limits import Limits
from services.console.room import Room
from shared.errors import EarmarkError, InvalidRequest, PermanentError, TransientError
from shared.ledger.outbox import correlated

_LARGEST_INT: Final = 2**53
"""Beyond it a JSON number is not the same number in every language (RFC 8259, section 6)."""

_SMALL_BYTES: Final = 1 << 16
"""Parsed at once, where larger bodies go to a thread; and in a room of their own, so as not to wait for those."""

_SMALL_BYTES_EACH: Final = 32 * _SMALL_BYTES
_READ_WITHIN_S: Final = 120.0
"""10 MiB in that time is 700 kbit/s; a body that trickles in holds room that others wait for."""


class BodyTooLarge(PermanentError):
    """Send it in several smaller requests; audio goes to the bucket, not through the API."""

    code = "body_too_large"


class BodyTooSlow(TransientError):
    """Send it in several smaller requests, or over a faster line."""

    code = "body_too_slow"


def parse(raw: bytes) -> Any:
    """The value; raises InvalidRequest for what is not JSON, or only almost."""
    try:
        value = json.loads(
            raw.decode(),
            object_pairs_hook=_object,
            parse_int=_integer,
            parse_float=_float,
            parse_constant=_constant,
        )
    except RecursionError:
        raise InvalidRequest("The JSON is nested too deeply.") from None
    except UnicodeDecodeError:
        raise InvalidRequest("The body is not UTF-8.") from None
    except json.JSONDecodeError as error:
        raise InvalidRequest(f"The body is not JSON: {error.msg} at character {error.pos}.") from None
    _check_text(value)
    return value


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        raise InvalidRequest("An object names one field twice.")
    return found


def _integer(text: str) -> int:
    if len(text) > len(str(_LARGEST_INT)) + 1 or abs(int(text)) > _LARGEST_INT:
        raise InvalidRequest("A number is larger than 2^53.")
    return int(text)


def _float(text: str) -> float:
    if not math.isfinite(float(text)):
        raise InvalidRequest("A number is too large.")
    return float(text)


def _constant(text: str) -> float:
    raise InvalidRequest(f"{text} is not JSON.")


def _check_text(value: Any) -> None:
    """Without recursion: the parser has let through what is nested less deeply than Python's own limit."""
    pending = [value]
    while pending:
        match pending.pop():
            case dict() as found:
                pending.extend(found.keys())
                pending.extend(found.values())
            case list() as found:
                pending.extend(found)
            case str() as text if not _storable(text):
                raise InvalidRequest("A text holds a NUL or half a surrogate pair.")


def _storable(text: str) -> bool:
    try:
        return b"\x00" not in text.encode()
    except UnicodeEncodeError:
        return False


class StrictBody:
    """ASGI middleware: nothing behind it sees a body or an address that breaks these rules.

    `admit` names whose token came with a request, or raises; it is asked before a byte of the body is read.
    """

    def __init__(
        self, app: ASGIApp, max_body_bytes: int, admit: Callable[[Request], Awaitable[str]], limits: Limits
    ) -> None:
        self._app = app
        self._max_body_bytes = max_body_bytes
        self._admit = admit
        self._limits = limits
        self._small = Room(_SMALL_BYTES_EACH)
        self._large = Room(max_body_bytes)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Read the whole body, then pass it on or answer at once; its room is given back when the answer has left."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        async with AsyncExitStack() as held:
            try:
                _check_address(scope)
                body = await self._taken_in(scope, receive, held) if _has_body(scope) else b""
            except EarmarkError as error:
                await answer(error)(scope, receive, send)
                return
            with correlated(call_in(scope).call_id):
                await self._app(scope, _replay(body, receive), send)

    async def _taken_in(self, scope: Scope, receive: Receive, held: AsyncExitStack) -> bytes:
        actor, call = await self._admit(Request(scope)), call_in(scope)
        try:
            async with asyncio.timeout(_READ_WITHIN_S):
                call.body = await self._read(scope, receive, held, actor)
        except TimeoutError:
            raise BodyTooSlow(f"The body was not here after {_READ_WITHIN_S:g} s.") from None
        if call.body and _says_json(scope):
            inline = len(call.body) <= _SMALL_BYTES
            value = parse(call.body) if inline else await to_thread.run_sync(parse, call.body)
            call.fields = value if isinstance(value, dict) else {}
        return call.body

    async def _read(self, scope: Scope, receive: Receive, held: AsyncExitStack, actor: str) -> bytes:
        """What does not say how long it is counts as small until it is not."""
        announced = int(_header(scope, b"content-length") or 0)  # the server has checked that it is a number
        if announced > self._max_body_bytes:
            raise BodyTooLarge(f"The body has {announced} bytes; {self._max_body_bytes} are accepted.")
        room_bytes = await self._make_room(held, actor, announced or _SMALL_BYTES)
        blocks, n_bytes, more = [], 0, True
        while more:
            message = await receive()
            if message["type"] == "http.disconnect":  # half an import is none, though each of its lines be sound
                raise InvalidRequest("The body broke off.")
            block = message.get("body", b"")
            n_bytes += len(block)
            if n_bytes > self._max_body_bytes:
                raise BodyTooLarge(f"The body has more than {self._max_body_bytes} bytes.")
            if n_bytes > room_bytes:
                room_bytes = await self._make_room(held, actor, self._max_body_bytes)
            self._limits.weigh(actor, len(block))
            blocks.append(block)
            more = message.get("more_body", False)
        return b"".join(blocks)

    async def _make_room(self, held: AsyncExitStack, actor: str, n_bytes: int) -> int:
        room = self._small if n_bytes <= _SMALL_BYTES else self._large
        await held.enter_async_context(room.held(actor, n_bytes))
        return n_bytes


def _check_address(scope: Scope) -> None:
    try:
        address = unquote_to_bytes(scope.get("raw_path") or b"") + b"?" + unquote_to_bytes(scope["query_string"])
        text = address.decode()
    except UnicodeDecodeError:
        raise InvalidRequest("The address is not UTF-8.") from None
    if "\x00" in text:
        raise InvalidRequest("The address holds a NUL.")


def _has_body(scope: Scope) -> bool:
    """HTTP/1.1 has none where neither is said (RFC 9112, section 6.3)."""
    return _header(scope, b"content-length").strip(b"0") != b"" or _header(scope, b"transfer-encoding") != b""


def _says_json(scope: Scope) -> bool:
    kind = _header(scope, b"content-type").split(b";")[0].strip().lower()
    return kind == b"application/json" or kind.endswith(b"+json")


def _header(scope: Scope, wanted: bytes) -> bytes:
    return next((value for name, value in scope["headers"] if name == wanted), b"")


def _replay(body: bytes, receive: Receive) -> Receive:
    """Hand the body on as one message; after it, the client's disconnect is heard as always."""
    given = False

    async def replayed() -> Message:
        nonlocal given
        if given:
            return await receive()
        given = True
        return {"type": "http.request", "body": body, "more_body": False}

    return replayed
