"""What endpoints work with: built once by bootstrap, handed to each of them."""

from dataclasses import dataclass
from typing import Annotated

from fastapi import Depends, Request

from services.console.cursors import Cursors
from services.console.shelf import AudioShelf
from services.console.stream import Hub
from services.console.turnstile import Turnstile
from shared.settings import Settings
from shared.storage.database import Database
from shared.storage.objects import ObjectStore


@dataclass(frozen=True, slots=True)
class Console:
    """Everything of one console process."""

    settings: Settings
    database: Database
    store: ObjectStore
    shelf: AudioShelf
    cursors: Cursors
    hub: Hub
    exports: Turnstile

    def close(self) -> None:
        """End the listener, throw the cached audio away, close the connections."""
        self.hub.join()
        self.shelf.close()
        self.database.close()


def console_of(request: Request) -> Console:
    """The console that serves this request."""
    console: Console = request.app.state.console
    return console


ConsoleDep = Annotated[Console, Depends(console_of)]
