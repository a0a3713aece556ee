"""What the use cases of the embedder work with; bootstrap builds one of these a process."""

from collections.abc import Callable
from concurrent.futures import Executor
from dataclasses import dataclass

from services.embedder.blobs import BlobCache
from services.embedder.frames import FrameStore
from shared.encoders.protocol import Encoder, EncoderSpec
from shared.settings import Settings
from shared.storage.objects import ObjectStore


@dataclass(frozen=True, slots=True)
class Embedder:
    """The tools of one embedder process."""

    settings: Settings
    objects: ObjectStore
    blobs: BlobCache
    frames: FrameStore
    spec: Callable[[str], EncoderSpec]  # without loading a model
    encoder: Callable[[str], Encoder]
    fetching: Executor
