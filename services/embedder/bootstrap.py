"""The only place that builds the tools of the embedder, in the worker process, at its first task."""

from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict
from functools import cache

from services.embedder.blobs import BlobCache
from services.embedder.ports import Embedder
from shared.encoders import registry
from shared.encoders.protocol import Encoder, EncoderOptions
from shared.ledger.scratch import scratch_folder
from shared.settings import Settings
from shared.storage import encoders
from shared.storage.database import Database
from shared.storage.objects import ObjectStore

FETCH_THREADS = 8


@cache
def embedder() -> Embedder:
    """The tools of this process. A model is loaded when its first segment comes."""
    settings = Settings()
    folder = scratch_folder("embedder")
    options = EncoderOptions(device=settings.embedder.device, cpu_threads=settings.embedder.cpu_threads)

    @cache
    def built(name: str) -> Encoder:
        return registry.build(name, options)

    return Embedder(
        settings=settings,
        blobs=BlobCache(ObjectStore(settings.s3), folder, settings.embedder.blob_cache_bytes),
        spec=cache(registry.spec),
        encoder=built,
        fetching=ThreadPoolExecutor(FETCH_THREADS, thread_name_prefix="fetch"),
    )


def announce(database: Database) -> None:
    """Write down which encoders these workers offer, and make the partitions of their vectors."""
    with database.begin() as tx:
        for name, spec in registry.specs().items():
            encoders.announce_encoder(tx, name, spec.space, spec.dimension, asdict(spec))
