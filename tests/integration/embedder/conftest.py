import tempfile
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import pytest

from services.ingest import handlers
from services.ingest.decode.limits import DecodeLimits
from services.ingest.decode.sandbox import Decoder
from services.ingest.ports import Ingest
from shared.settings import Settings
from shared.storage.database import Database
from tests.integration.embedder import working
from tests.integration.embedder.rendering import RATE_HZ, WIDE, Failing, Heard
from tests.integration.embedder.working import SECOND, Workshop, two_encoders


@pytest.fixture
def workshop(settings: Settings, database: Database) -> Iterator[Workshop]:
    """Two encoders are offered; the collection has the first of them."""
    workshop = Workshop(settings, database, two_encoders())
    yield workshop
    workshop.fetching.shutdown()
    workshop.folder.cleanup()


@pytest.fixture
def wide(workshop: Workshop) -> Heard:
    """An encoder that wants 44.1 kHz."""
    encoder = Heard(replace(workshop.encoders[SECOND].spec, name=WIDE, sample_rate_hz=RATE_HZ))
    workshop.offer(encoder)
    return encoder


@pytest.fixture
def decoding(workshop: Workshop, settings: Settings, monkeypatch: pytest.MonkeyPatch) -> Iterator[Failing]:
    """Ingest hears its subscriptions beside the embedder."""
    with Decoder(DecodeLimits()) as decoder, ThreadPoolExecutor(1) as threads, tempfile.TemporaryDirectory() as folder:
        failing = Failing(decoder)
        tools = Ingest(settings, workshop.store, failing, lambda _: None, threads, Path(folder))
        own = {
            "ingest.render": lambda work, _: handlers.render(work, tools),
            "ingest.register": lambda work, _: handlers.register(work, tools),
        }
        monkeypatch.setattr(working, "HANDLERS", {**working.HANDLERS, **own})
        yield failing
