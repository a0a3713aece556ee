"""Opus, AAC and whatever libsndfile does not read, through FFmpeg.

FFmpeg is given an open file and the demuxer's name, and no protocol to open anything else by: a playlist, a concat
script or an external reference in an MP4 leads nowhere.
"""

from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass
from typing import BinaryIO, Final

import av
import numpy as np
from av.audio.stream import AudioStream
from jaxtyping import Float32

from services.ingest.decode.errors import Corrupt, FormatChanges, NoAudioStream, UnsupportedCodec
from services.ingest.decode.pcm import BLOCK_SAMPLES
from services.ingest.sniff import Container

_DEMUXERS: Final[dict[Container, str]] = {
    Container.WAV: "wav",
    Container.FLAC: "flac",
    Container.MP3: "mp3",
    Container.OGG: "ogg",
    Container.MP4: "mp4",
}
_CODECS: Final = frozenset({"aac", "alac", "flac", "mp2float", "mp2", "mp3", "mp3float", "opus", "vorbis"})
_CODEC_FAMILIES: Final = ("adpcm_", "pcm_")
_NAMES: Final = {"mp3float": "mp3", "mp2float": "mp2"}
_SAMPLE_TYPES: Final = {  # by FFmpeg's name, less the p for planar: numpy's name, and full scale
    "u8": ("uint8", 2.0**7),
    "s16": ("int16", 2.0**15),
    "s32": ("int32", 2.0**31),
    "s64": ("int64", 2.0**63),
    "flt": ("float32", 1.0),
    "dbl": ("float64", 1.0),
}


class AvPcm:
    """A PcmSource over FFmpeg's libraries."""

    def __init__(self, handle: BinaryIO, container: Container) -> None:
        handle.seek(0)
        demuxer = _DEMUXERS[container]
        try:
            self._container = av.open(
                handle,
                mode="r",
                format=demuxer,
                metadata_errors="replace",
                options={"protocol_whitelist": "none", "format_whitelist": demuxer, "codec_whitelist": _whitelist()},
            )
        except av.error.MemoryError:
            raise
        except (av.error.FFmpegError, ValueError) as error:
            raise Corrupt(f"The {demuxer} header cannot be read.") from error
        try:
            self._stream = _audio_stream(self._container.streams.audio)
        except BaseException:
            self._container.close()
            raise
        context = self._stream.codec_context
        self.codec: str = _NAMES.get(context.name, context.name)
        self.sample_rate_hz: int = context.sample_rate
        self.channels: int = context.channels
        self.n_damaged = 0

    def blocks(self) -> Iterator[Float32[np.ndarray, "frames channels"]]:
        """All samples in order; packets that do not decode are counted and left out. Raises FormatChanges."""
        block, n_frames = None, 0
        for frame in self.frames():
            if (frame.sample_rate, frame.layout.nb_channels) != (self.sample_rate_hz, self.channels):
                raise FormatChanges(
                    f"From {self.sample_rate_hz} Hz and {self.channels} channels "
                    f"to {frame.sample_rate} Hz and {frame.layout.nb_channels}."
                )
            if block is not None and n_frames + frame.samples > len(block):
                yield block[:n_frames]
                block = None
            if block is None:
                most = max(frame.samples, BLOCK_SAMPLES // self.channels)
                block, n_frames = np.empty((most, self.channels), np.float32), 0
            _copy(frame, block[n_frames : n_frames + frame.samples])
            n_frames += frame.samples
        if block is not None:
            yield block[:n_frames]

    def frames(self) -> Iterator[av.AudioFrame]:
        """Decoded frames. The first one settles rate and channels: HE-AAC's header states half of either."""
        packets = self._container.demux(self._stream)
        first = True
        while True:
            try:
                packet = next(packets)
                frames = packet.decode()
            except StopIteration:
                return
            except av.error.MemoryError:
                raise
            except av.error.FFmpegError:
                self.n_damaged += 1
                if self.n_damaged > 1000:
                    raise Corrupt("More than 1,000 packets cannot be decoded.") from None
                continue
            for frame in frames:
                if first:
                    self.sample_rate_hz, self.channels = frame.sample_rate, frame.layout.nb_channels
                    first = False
                yield frame

    def close(self) -> None:
        """Let go of the file."""
        self._container.close()


@dataclass(frozen=True, slots=True)
class FlacExtent:
    """How far a damaged FLAC file can be decoded."""

    end_s: float
    hole_s: float | None  # where frames are missing before others that are there


def flac_extent(handle: BinaryIO) -> FlacExtent:
    """Decode what can be decoded of a FLAC file, following the sample numbers that its frames carry."""
    n_frames, hole_s = 0, None
    with closing(AvPcm(handle, Container.FLAC)) as pcm:
        for frame in pcm.frames():
            if frame.pts is not None and frame.pts > n_frames and hole_s is None:
                hole_s = n_frames / frame.sample_rate
            n_frames = (n_frames if frame.pts is None else frame.pts) + frame.samples
        return FlacExtent(n_frames / pcm.sample_rate_hz, hole_s)


def _audio_stream(streams: tuple[AudioStream, ...]) -> AudioStream:
    if not streams:
        raise NoAudioStream
    stream = streams[0]
    name = stream.codec_context.name if stream.codec_context else "unknown"  # type: ignore[truthy-bool]  # None it can be
    if name not in _CODECS and not name.startswith(_CODEC_FAMILIES):
        raise UnsupportedCodec(f"The audio is coded as {name}.")
    stream.codec_context.thread_count = 1  # the child may start no threads
    return stream


def _whitelist() -> str:
    families = (name for name in av.codecs_available if name.startswith(_CODEC_FAMILIES))
    return ",".join((*_CODECS, *families))


def _copy(frame: av.AudioFrame, into: Float32[np.ndarray, "frames channels"]) -> None:
    """The samples of a frame, full scale being 1. `to_ndarray` allocates, which counts in codecs of short frames."""
    kind = frame.format.name.removesuffix("p")
    sample_type, full_scale = _SAMPLE_TYPES[kind]
    n_each = frame.samples if frame.format.is_planar else into.size
    held = frame.planes[: into.shape[1] if frame.format.is_planar else 1]  # of 7.1 PyAV lists one that is not there
    planes = [np.frombuffer(plane, sample_type, n_each) for plane in held]  # type: ignore[call-overload]  # a buffer
    if frame.format.is_planar:
        for channel, plane in zip(into.T, planes, strict=True):
            channel[:] = plane
    else:
        into[:] = planes[0].reshape(into.shape)
    if kind == "u8":
        into -= np.float32(full_scale)
    if full_scale != 1.0:
        into /= np.float32(full_scale)
