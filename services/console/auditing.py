"""Writes calls that change something, or were refused, into the audit log before their answer leaves; old ones go."""

from http import HTTPStatus
from time import monotonic
from typing import Final

from anyio import to_thread
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from services.console.calls import CHANGING, call_in, only_asks, route_of
from shared.errors import EarmarkError
from shared.settings import ConsoleSettings
from shared.storage import audit, keyed_calls
from shared.storage.database import Transactions
from shared.telemetry import logger

log = logger("console")

_TIDY_S: Final = 3600.0
_REFUSED: Final = frozenset({HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN})
_MOST_IDS: Final = 100
"""Of one field that are written down."""


class Audited:
    """ASGI middleware. Whoever has no valid token leaves no entry: nobody can fill the table from outside."""

    def __init__(self, app: ASGIApp, database: Transactions, settings: ConsoleSettings) -> None:
        self._app = app
        self._database = database
        self._settings = settings
        self._tidied_s = float("-inf")

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the request on, and write it down before its answer leaves."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return

        answered = False

        async def noting(message: Message) -> None:
            nonlocal answered
            if message["type"] == "http.response.start":
                answered = True
                await self._note(scope, int(message["status"]))
            await send(message)

        try:
            await self._app(scope, receive, noting)
        except Exception:
            if not answered:  # it will be, further out
                await self._note(scope, HTTPStatus.INTERNAL_SERVER_ERROR)
            raise

    async def _note(self, scope: Scope, status: int) -> None:
        changes = scope["method"] in CHANGING and not only_asks(scope)
        if call_in(scope).actor is not None and (changes or status in _REFUSED):
            await to_thread.run_sync(self._write, scope, status)

    def _write(self, scope: Scope, status: int) -> None:
        """A log that cannot be written must not hide from the client what was done."""
        call = call_in(scope)
        assert call.actor is not None
        entry = audit.Call(
            actor=call.actor,
            address=scope["client"][0] if scope.get("client") else None,
            method=scope["method"],
            route=route_of(scope),
            collection=call.collection,
            ids={field: ids[:_MOST_IDS] for field, ids in call.ids.items()},
            status=int(status),
            correlation_id=call.call_id,
        )
        try:
            with self._database.begin() as tx:
                audit.write(tx, entry)
                if monotonic() - self._tidied_s > _TIDY_S:
                    audit.expire(tx, self._settings.audit_keep_days)
                    keyed_calls.expire(tx, self._settings.idempotency_keep_s)
                    self._tidied_s = monotonic()
        except EarmarkError as error:
            log.warning("audit_entry_lost", method=entry.method, route=entry.route, actor=entry.actor, code=error.code)
