"""RIFF, RF64 and BW64 chunks (Microsoft's WAVE registry, EBU Tech 3306): sizes that lie, formats that contradict."""

import struct
from dataclasses import dataclass
from typing import BinaryIO, Final

from services.ingest.decode.errors import Corrupt
from services.ingest.decode.headers.promise import Promise

_MAX_CHUNKS: Final = 10_000
_PCM, _FLOAT, _EXTENSIBLE = 0x0001, 0x0003, 0xFFFE
_TOLERANCE_S: Final = 0.01  # some writers count the header as audio
_UNKNOWN_LENGTHS: Final = (
    range(0xFFFF_FF00, 0x1_0000_0000),  # "-1": ffmpeg and others that write to a pipe
    range(0x7FFF_0000, 0x8000_0001),  # the largest positive number, or near: sox, arecord
)


@dataclass(frozen=True, slots=True)
class _Format:
    tag: int
    channels: int
    sample_rate_hz: int
    bytes_per_s: int
    block_align: int
    bits: int


@dataclass(frozen=True, slots=True)
class _Layout:
    format: _Format
    data_start: int
    data_length: int  # as written


def promise(handle: BinaryIO, start: int, size: int) -> Promise:
    """What the fmt and data chunks claim, checked against each other and against the size of the file.

    Lengths of 0 and of about 2^31 or 2^32, left by writers that could not seek back, claim nothing: what is there
    counts. Raises Corrupt for a doubled, late or contradictory fmt chunk.
    """
    layout = _walk(handle, start, size)
    if layout is None:
        return Promise()  # no data chunk: the decoders have the last word
    form, there = layout.format, size - layout.data_start
    unknown = _is_unknown(handle, layout, there)
    length = there if unknown else layout.data_length
    bytes_per_s = form.bytes_per_s or form.sample_rate_hz * form.block_align
    missing = f"The data chunk promises {length:,} bytes; {there:,} are there."
    counted = form.tag in (_PCM, _FLOAT) and form.sample_rate_hz > 0
    return Promise(
        sample_rate_hz=form.sample_rate_hz,
        channels=form.channels,
        duration_s=min(length, there) // form.block_align / form.sample_rate_hz if counted else None,
        missing=missing if length - there > _TOLERANCE_S * bytes_per_s else "",
        complete=True,
        decoder="av" if unknown and layout.data_length == 0 else "soundfile",  # libsndfile takes the 0 at its word
        notes=("bytes_after_data",) if not unknown and _has_strays(handle, layout, size) else (),
    )


def _walk(handle: BinaryIO, start: int, size: int) -> _Layout | None:
    position, form, wide_length = start + 12, None, None
    for _ in range(_MAX_CHUNKS):
        handle.seek(position)
        head = handle.read(8)
        if len(head) < 8 or position >= size:
            return None
        name, length = struct.unpack("<4sI", head)
        if name == b"fmt ":
            if form is not None:
                raise Corrupt("The file has two fmt chunks.")
            form = _checked(handle.read(min(length, 40)))
        elif name == b"ds64":
            wide_length = int.from_bytes(handle.read(16)[8:], "little")
        elif name == b"data":
            if form is None:
                raise Corrupt("The data chunk comes before any fmt chunk.")
            wide = length == 0xFFFF_FFFF and wide_length
            return _Layout(form, position + 8, wide_length if wide and wide_length else length)
        position += 8 + length + (length & 1)  # chunks are padded to even lengths
    raise Corrupt(f"More than {_MAX_CHUNKS:,} chunks stand before the data.")


def _checked(chunk: bytes) -> _Format:
    if len(chunk) < 16:
        raise Corrupt(f"The fmt chunk has {len(chunk)} bytes, fewer than 16.")
    form = _Format(*struct.unpack("<HHIIHH", chunk[:16]))
    if form.tag == _EXTENSIBLE and len(chunk) >= 26:
        sub_tag = int.from_bytes(chunk[24:26], "little")
        form = _Format(sub_tag, form.channels, form.sample_rate_hz, form.bytes_per_s, form.block_align, form.bits)
    if form.channels == 0:
        raise Corrupt("The header says 0 channels.")
    if form.block_align == 0:
        raise Corrupt("The header says 0 bytes per frame.")
    if form.tag in (_PCM, _FLOAT) and form.block_align != form.channels * -(-form.bits // 8):
        raise Corrupt(
            f"The header says {form.block_align} bytes per frame for {form.channels} channels of {form.bits} bits."
        )
    return form


def _is_unknown(handle: BinaryIO, layout: _Layout, there: int) -> bool:
    if layout.data_length == 0:
        return there > 0 and not _is_chunk(handle, layout.data_start, there)
    return any(layout.data_length in lengths for lengths in _UNKNOWN_LENGTHS) and layout.data_length > there


def _is_chunk(handle: BinaryIO, position: int, there: int) -> bool:
    """Whether a chunk stands there that fits into the bytes left: then the data chunk before it is truly empty."""
    handle.seek(position)
    head = handle.read(8)
    return len(head) == 8 and _is_name(head[:4]) and int.from_bytes(head[4:], "little") + 8 <= there


def _has_strays(handle: BinaryIO, layout: _Layout, size: int) -> bool:
    """Whether bytes that are no chunk follow the data: audio that a header written too early leaves out, perhaps."""
    end = layout.data_start + layout.data_length + (layout.data_length & 1)
    handle.seek(end)
    return size - end >= 8 and not _is_name(handle.read(4))


def _is_name(name: bytes) -> bool:
    return len(name) == 4 and all(0x20 <= byte < 0x7F for byte in name)
