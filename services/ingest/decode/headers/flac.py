"""FLAC's STREAMINFO block (RFC 9639, section 8.2)."""

from typing import BinaryIO, Final

from services.ingest.decode.errors import Corrupt
from services.ingest.decode.headers.promise import Promise

_STREAMINFO_BYTES: Final = 34


def promise(handle: BinaryIO, start: int, size: int) -> Promise:  # noqa: ARG001  # one signature for all containers
    """Rate, channels and duration; a total of 0 samples means that the writer did not know it."""
    handle.seek(start)
    head = handle.read(8 + _STREAMINFO_BYTES)
    if len(head) < 8 + _STREAMINFO_BYTES or head[4] & 0x7F != 0:
        raise Corrupt("The FLAC file does not begin with a STREAMINFO block.")
    packed = int.from_bytes(head[18:26], "big")  # 20 bits rate, 3 channels - 1, 5 bits per sample - 1, 36 total samples
    sample_rate_hz = packed >> 44
    bits, n_frames = (packed >> 36 & 0b11111) + 1, packed & (2**36 - 1)
    stated = start == 0 and n_frames > 0
    return Promise(
        sample_rate_hz=sample_rate_hz,
        channels=(packed >> 41 & 0b111) + 1,
        duration_s=n_frames / sample_rate_hz if n_frames and sample_rate_hz else None,
        n_frames=n_frames or None,
        decoder="miniaudio"
        if stated and bits == 16 and sample_rate_hz
        else "soundfile",  # it reads 16 bits of any more
    )
