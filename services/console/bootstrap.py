"""The only place of the console that builds things."""

from typing import Final

from fastapi import FastAPI

from services.console.app import create_app
from services.console.cursors import Cursors
from services.console.deps import Console
from services.console.limits import Limits
from services.console.remembered import Remembered
from services.console.shelf import AudioShelf
from services.console.stream import Hub
from services.console.turnstile import Turnstile
from shared.ledger.heartbeat import Heart
from shared.settings import Settings
from shared.storage.database import Database
from shared.storage.objects import ObjectStore
from shared.units import GIB

AUDIO_CACHE_BYTES: Final = 2 * GIB
EXPORTS_AT_A_TIME: Final = 2
"""Each holds a database connection for as long as its reader takes."""


def build(settings: Settings) -> Console:
    """A console that has opened nothing yet."""
    database = Database(settings.database)
    store = ObjectStore(settings.s3)
    return Console(
        settings=settings,
        database=database,
        close_database=database.close,
        store=store,
        shelf=AudioShelf(store, AUDIO_CACHE_BYTES),
        # All consoles of one stack have the same database, and so read each other's cursors.
        cursors=Cursors(settings.database.url.get_secret_value()),
        hub=Hub(
            database,
            Heart("console", settings.database, settings.heartbeat_s),
            settings.console.stream_poll_s,
        ),
        exports=Turnstile(EXPORTS_AT_A_TIME),
        limits=Limits(settings.console),
        missing=Remembered(),
    )


def build_app(settings: Settings) -> FastAPI:
    """The application of that console."""
    return create_app(build(settings))
