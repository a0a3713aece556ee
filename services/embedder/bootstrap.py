"""The only place that builds the tools of the embedder, in the worker process, at its first task."""

from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict
from functools import cache

from services.embedder import catalogue
from services.embedder.blobs import BlobCache
from services.embedder.catalogue import Catalogue
from services.embedder.frames import FrameStore
from services.embedder.models import ModelCache
from services.embedder.ports import Embedder
from shared.encoders import family_registry, registry
from shared.encoders.protocol import EncoderOptions
from shared.ledger.consumer import process_database
from shared.ledger.scratch import scratch_folder
from shared.settings import Settings
from shared.storage import encoders, model_families
from shared.storage.database import Database
from shared.storage.model_families import KnownFamily
from shared.storage.objects import ObjectStore

FETCH_THREADS = 8


def embedder() -> Embedder:
    """The tools of this process, for one task. A model is loaded when its first segment comes."""
    tools, known = _tools()
    known.forget_removed()
    return tools


@cache
def _tools() -> tuple[Embedder, Catalogue]:
    settings = Settings()
    folder = scratch_folder("embedder")
    own = settings.embedder
    options = EncoderOptions(device=own.device, cpu_threads=own.cpu_threads, dtype=own.dtype)
    known = Catalogue(process_database(), options, ModelCache(own.model_memory_bytes))
    objects = ObjectStore(settings.s3)
    tools = Embedder(
        settings=settings,
        objects=objects,
        blobs=BlobCache(objects, folder, own.blob_cache_bytes),
        frames=FrameStore(objects, settings.s3.derived_bucket, folder),
        spec=known.spec,
        encoder=known.encoder,
        fetching=ThreadPoolExecutor(FETCH_THREADS, thread_name_prefix="fetch"),
    )
    return tools, known


def announce(database: Database) -> None:
    """Write down which encoders and families of models these workers offer, and make partitions for vectors."""
    with database.begin() as tx:
        for name, spec in registry.specs().items():
            encoders.announce_encoder(tx, name, spec.space, spec.dimension, asdict(spec))
            encoders.note(tx, spec.space, catalogue.absent(registry.weights(name)))
        catalogue.note_absent(tx)
        for name, (family, installed) in family_registry.families().items():
            known = KnownFamily(name, family.modality, ",".join(family.extras), installed, family.models)
            model_families.announce(tx, known)
