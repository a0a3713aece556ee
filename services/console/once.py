"""`Idempotency-Key`: a POST that is sent again with the same key takes effect once, and gets the same answer.

After the IETF draft of that name (draft-ietf-httpapi-idempotency-key-header). The key is taken in the transaction of
the effects: as long as they are not committed, neither is the key.
"""

import hashlib
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

from anyio import to_thread
from starlette.requests import Request
from starlette.responses import Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from services.console.calls import Call, call_in, call_of, only_asks, route_of
from shared.errors import Conflict, InvalidRequest, TransientError
from shared.storage import keyed_calls
from shared.storage.database import Transaction, Transactions
from shared.storage.keyed_calls import Key
from shared.telemetry import logger

log = logger("console")

HEADER: Final = "Idempotency-Key"
REPLAYED: Final = "Idempotency-Replayed"
_MOST_CHARACTERS: Final = 255
_REPEATABLE: Final = frozenset({"/v1/collections/{collection}/uploads"})
"""Done again they change nothing, and their answer is good for an hour only."""

_SECRET: Final = frozenset({"/v1/tokens"})
"""Their answer is shown once."""


class BadKey(InvalidRequest):
    """An Idempotency-Key has 1 to 255 printable ASCII characters; a random UUID is a good one."""

    code = "bad_idempotency_key"


class KeyReused(InvalidRequest):
    """Use a new Idempotency-Key for each new request; only the very same request is sent again with the same one."""

    code = "idempotency_key_reused"


class NoAnswer(Conflict):
    """The request with this key is at work, or took effect and its answer is not kept: look at what stands now."""

    code = "idempotency_answer_missing"


class Replayed(Exception):  # not an error: the way out of the dependencies with an answer
    """The request was answered before, so."""

    def __init__(self, status: int, answer: bytes) -> None:
        super().__init__()
        self.status = status
        self.answer = answer


def replayed(_: Request, found: Exception) -> Response:
    """The answer once more, marked as such."""
    assert isinstance(found, Replayed)
    return Response(found.answer, found.status, {REPLAYED: "true"}, "application/json")


def begin(request: Request, database: Transactions) -> None:
    """See whether the call has a key, and whether that was used before.

    Raises BadKey, KeyReused, NoAnswer; Replayed with the answer of the call before.
    """
    sent = request.headers.get(HEADER)
    if sent is None or request.method != "POST" or only_asks(request.scope):
        return
    call, route = call_of(request), route_of(request.scope)
    if not (0 < len(sent) <= _MOST_CHARACTERS and sent.isascii() and sent.isprintable()):
        raise BadKey(f"{sent[:40]!r} is no key.")
    assert call.actor is not None
    key = Key(call.actor, sent, _fingerprint(request, call))
    with database.begin() as tx:
        before = keyed_calls.find(tx, key)
    if before is not None and before.fingerprint != key.fingerprint:
        raise KeyReused("This Idempotency-Key came with another request.")
    if before is not None and route not in _REPEATABLE:
        if before.answer is None or before.status is None:
            raise NoAnswer
        raise Replayed(before.status, before.answer)
    call.key, call.key_taken = key, before is not None


def _fingerprint(request: Request, call: Call) -> str:
    asked = b"\x00".join((request.url.path.encode(), request.url.query.encode(), call.body))
    return hashlib.sha256(asked).hexdigest()


class OnceDatabase:
    """The database as the endpoint of a call with a key sees it: its first transaction takes the key."""

    def __init__(self, database: Transactions, call: Call) -> None:
        self._database = database
        self._call = call

    @contextmanager
    def begin(self) -> Iterator[Transaction]:
        """One transaction. Raises NoAnswer when another call with the key was faster, or is at work."""
        with self._database.begin() as tx:
            if self._call.key is not None and not self._call.key_taken and not keyed_calls.take(tx, self._call.key):
                raise NoAnswer
            yield tx
        self._call.key_taken = True


class KeepAnswers:
    """ASGI middleware: an answer is kept before it is sent, so that whoever missed it finds it."""

    def __init__(self, app: ASGIApp, database: Transactions) -> None:
        self._app = app
        self._database = database

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the request on; hold the answer back until it is kept."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        held: list[Message] = []

        async def keeping(message: Message) -> None:
            call = call_in(scope)
            if call.key is None or not call.key_taken:
                await send(message)
                return
            held.append(message)
            if not message.get("more_body", message["type"] == "http.response.start"):
                await to_thread.run_sync(self._keep, call.key, route_of(scope), held)
                for one in held:
                    await send(one)

        await self._app(scope, receive, keeping)

    def _keep(self, key: Key, route: str, messages: list[Message]) -> None:
        status = messages[0]["status"]
        if route in _SECRET | _REPEATABLE or status >= 500:
            return
        body = b"".join(message.get("body", b"") for message in messages[1:])
        try:
            with self._database.begin() as tx:
                keyed_calls.keep(tx, key, status, body)
        except TransientError as error:
            log.warning("answer_not_kept", code=error.code)
