"""What endpoints work with: built once by bootstrap, handed to each of them."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Annotated

from fastapi import Depends, Request

from services.console.calls import call_of
from services.console.cursors import Cursors
from services.console.limits import Limits
from services.console.once import OnceDatabase
from services.console.remembered import Remembered
from services.console.shelf import AudioShelf
from services.console.stream import Hub
from services.console.turnstile import Turnstile
from shared.settings import Settings
from shared.storage.database import Transactions
from shared.storage.objects import ObjectStore


@dataclass(frozen=True, slots=True)
class Console:
    """Everything of one console process."""

    settings: Settings
    database: Transactions
    close_database: Callable[[], None]
    store: ObjectStore
    shelf: AudioShelf
    cursors: Cursors
    hub: Hub
    exports: Turnstile
    limits: Limits
    missing: Remembered[list[str]]  # before the stack is ready

    def close(self) -> None:
        """End the listener, throw the cached audio away, close the connections."""
        self.hub.join()
        self.shelf.close()
        self.close_database()


def whole_console_of(request: Request) -> Console:
    """The console that serves this request."""
    console: Console = request.app.state.console
    return console


def console_of(request: Request) -> Console:
    """The same for an endpoint: what a request with an Idempotency-Key does through it is done once."""
    console = whole_console_of(request)
    return replace(console, database=OnceDatabase(console.database, call_of(request)))


ConsoleDep = Annotated[Console, Depends(console_of)]
