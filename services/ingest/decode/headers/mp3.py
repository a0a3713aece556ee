"""MPEG audio frame headers (ISO 11172-3, 13818-3) and the Xing and VBRI frames that count them."""

import struct
from dataclasses import dataclass
from typing import BinaryIO, Final

from services.ingest.decode.headers.promise import Promise

_KBPS_V1_L2: Final = (0, 32, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320, 384)
_KBPS_V1_L3: Final = (0, 32, 40, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320)
_KBPS_V2: Final = (0, 8, 16, 24, 32, 40, 48, 56, 64, 80, 96, 112, 128, 144, 160)
_RATES_HZ: Final = (44_100, 48_000, 32_000)
_RATE_DIVISORS: Final = {3: 1, 2: 2, 0: 4}  # MPEG 1, 2 and 2.5
_LONGEST_FRAME_BYTES: Final = 1_729


@dataclass(frozen=True, slots=True)
class Mp3Frame:
    """One frame's header, of layer II or III."""

    sample_rate_hz: int
    channels: int
    n_samples: int
    n_bytes: int
    tag_offset: int  # where a Xing or Info tag stands, from the start of the frame


def parse_frame(head: bytes) -> Mp3Frame | None:
    """The frame whose header the first four bytes are, or None if they are none."""
    if len(head) < 4 or head[0] != 0xFF or head[1] & 0xE0 != 0xE0:
        return None
    version, layer = head[1] >> 3 & 3, head[1] >> 1 & 3  # layer: 1 is III, 2 is II
    kbps_index, rate_index = head[2] >> 4, head[2] >> 2 & 3
    if version == 1 or layer not in (1, 2) or kbps_index in (0, 15) or rate_index == 3:
        return None  # reserved values, layer I and free bit rates: rather garbage than a file in use
    first = version == 3
    kbps = ((_KBPS_V1_L3 if layer == 1 else _KBPS_V1_L2) if first else _KBPS_V2)[kbps_index]
    sample_rate_hz = _RATES_HZ[rate_index] // _RATE_DIVISORS[version]
    n_samples = 1152 if first or layer == 2 else 576
    mono = head[3] >> 6 == 3
    side_bytes = (17 if mono else 32) if first else (9 if mono else 17)
    return Mp3Frame(
        sample_rate_hz=sample_rate_hz,
        channels=1 if mono else 2,
        n_samples=n_samples,
        n_bytes=n_samples // 8 * kbps * 1000 // sample_rate_hz + (head[2] >> 1 & 1),
        tag_offset=4 + side_bytes + (0 if head[1] & 1 else 2),  # two bytes of CRC where the frame is protected
    )


def promise(handle: BinaryIO, start: int, size: int) -> Promise:  # noqa: ARG001  # one signature for all containers
    """Rate and channels of the first frame, and the duration if a Xing, Info or VBRI tag counts the frames."""
    handle.seek(start)
    head = handle.read(_LONGEST_FRAME_BYTES)
    frame = parse_frame(head)
    if frame is None:
        return Promise()
    n_frames = _counted_frames(head, frame)
    frame_s = frame.n_samples / frame.sample_rate_hz
    return Promise(
        sample_rate_hz=frame.sample_rate_hz,
        channels=frame.channels,
        duration_s=n_frames * frame_s if n_frames else None,
        tolerance_s=0.05 + 4 * frame_s,  # decoders drop the tag's own frame, the encoder's delay and its padding
    )


def _counted_frames(head: bytes, frame: Mp3Frame) -> int | None:
    tag = head[frame.tag_offset : frame.tag_offset + 12]
    if tag[:4] in (b"Xing", b"Info") and len(tag) == 12:
        flags, n_frames = struct.unpack(">II", tag[4:])
        return n_frames if flags & 1 else None
    vbri = head[36:54]  # Fraunhofer's tag stands at a fixed place
    if vbri[:4] == b"VBRI" and len(vbri) == 18:
        return int.from_bytes(vbri[14:18], "big")
    return None
