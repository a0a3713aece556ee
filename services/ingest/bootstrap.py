"""The only place that builds the tools of ingest, in the worker process, at its first task."""

from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict
from functools import cache

from services.ingest.decode.limits import DecodeLimits
from services.ingest.decode.sandbox import Decoder
from services.ingest.ports import Ingest
from services.ingest.segmenters import registry
from shared.ledger.scratch import scratch_folder
from shared.settings import Settings
from shared.storage import encoders
from shared.storage.database import Database
from shared.storage.objects import ObjectStore


@cache
def ingest() -> Ingest:
    """The tools of this process."""
    settings = Settings()
    scratch = scratch_folder("ingest")
    return Ingest(
        settings=settings,
        objects=ObjectStore(settings.s3),
        decoder=Decoder(DecodeLimits.from_settings(settings.ingest)),
        segmenter=cache(registry.build),
        fetching=ThreadPoolExecutor(settings.ingest.fetch_threads, thread_name_prefix="fetch"),
        scratch=scratch,
    )


def announce(database: Database) -> None:
    """Write down which segmenters these workers offer."""
    with database.begin() as tx:
        for name, spec in registry.specs().items():
            encoders.announce_segmenter(tx, name, asdict(spec))
