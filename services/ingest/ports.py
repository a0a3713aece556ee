"""What the use cases of ingest work with; bootstrap builds one of these a process."""

from collections.abc import Callable
from concurrent.futures import Executor
from dataclasses import dataclass
from pathlib import Path

from services.ingest.decode.sandbox import Decoder
from services.ingest.segmenters.protocol import Segmenter
from shared.settings import Settings
from shared.storage.objects import ObjectStore


@dataclass(frozen=True, slots=True)
class Ingest:
    """The tools of one ingest process."""

    settings: Settings
    objects: ObjectStore
    decoder: Decoder
    segmenter: Callable[[str], Segmenter]
    fetching: Executor
    scratch: Path  # a folder of this process for files that live as long as one message
