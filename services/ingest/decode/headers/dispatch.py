"""Which header reader belongs to which container."""

from collections.abc import Callable
from typing import BinaryIO, Final

from services.ingest.decode.headers import flac, mp3, mp4, ogg, wav
from services.ingest.decode.headers.promise import Promise
from services.ingest.sniff import Container

_READERS: Final[dict[Container, Callable[[BinaryIO, int, int], Promise]]] = {
    Container.WAV: wav.promise,
    Container.FLAC: flac.promise,
    Container.MP3: mp3.promise,
    Container.OGG: ogg.promise,
    Container.MP4: mp4.promise,
}


def read_promise(container: Container, handle: BinaryIO, start: int, size: int) -> Promise:
    """What the header promises of the audio from byte `start` to `size`. Raises Corrupt where it contradicts itself."""
    return _READERS[container](handle, start, size)
