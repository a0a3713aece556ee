"""A short valid file of every format that Earmark reads, and of some that it refuses by their looks."""

import io
import tempfile
from collections.abc import Callable
from fractions import Fraction
from pathlib import Path
from typing import Final

import av
import numpy as np
import soundfile
from jaxtyping import Float32

from tests.support.audio import chunk, fmt, id3, pcm16, riff, tone

_SOUND: Final = tone(0.3, 48_000)
_PLANAR: Final = {"libopus": "fltp", "aac": "fltp", "alac": "s16p", "flac": "s16"}


def _soundfile(kind: str, subtype: str, rate_hz: int = 48_000, channels: int = 1) -> bytes:
    file = io.BytesIO()
    samples = np.repeat(tone(0.3, rate_hz)[:, None], channels, axis=1)
    with soundfile.SoundFile(file, "w", rate_hz, channels, subtype, format=kind) as writer:
        for start in range(0, len(samples), 8192):  # libsndfile crashes on one long Vorbis array
            writer.write(samples[start : start + 8192])
    return file.getvalue()


def _av(muxer: str, codec: str, **options: str) -> bytes:
    with tempfile.NamedTemporaryFile() as file:  # to put an index first, FFmpeg reads what it has written
        _mux(file.name, muxer, codec, options)
        return Path(file.name).read_bytes()


def _mux(path: str, muxer: str, codec: str, options: dict[str, str]) -> None:
    with av.open(path, "w", format=muxer, options=options) as output:
        stream = output.add_stream(codec, rate=48_000, layout="mono")
        for start in range(0, len(_SOUND), 960):
            frame = _frame(_SOUND[start : start + 960], _PLANAR[codec])
            frame.sample_rate, frame.pts, frame.time_base = 48_000, start, Fraction(1, 48_000)
            output.mux(stream.encode(frame))
        output.mux(stream.encode(None))


def _frame(samples: Float32[np.ndarray, " n"], sample_format: str) -> av.AudioFrame:
    kept = samples if sample_format == "fltp" else np.rint(samples * 32767).astype(np.int16)
    return av.AudioFrame.from_ndarray(kept[None], format=sample_format, layout="mono")


def _rf64() -> bytes:
    sound = pcm16(tone(0.3, 16_000))
    ds64 = chunk(b"ds64", bytes(8) + len(sound).to_bytes(8, "little") + bytes(12))
    return riff(ds64, fmt(), chunk(b"data", sound, 0xFFFF_FFFF), length=0xFFFF_FFFF, magic=b"RF64")


READ: Final[dict[str, Callable[[], bytes]]] = {
    "wav": lambda: _soundfile("WAV", "PCM_16"),
    "wav 16 kHz": lambda: _soundfile("WAV", "PCM_16", 16_000),
    "wav 24 bits stereo": lambda: _soundfile("WAV", "PCM_24", 44_100, 2),
    "wav float": lambda: _soundfile("WAV", "FLOAT"),
    "wav mu-law": lambda: _soundfile("WAV", "ULAW", 8_000),
    "wav IMA ADPCM": lambda: _soundfile("WAV", "IMA_ADPCM"),
    "wav MS ADPCM": lambda: _soundfile("WAV", "MS_ADPCM"),
    "wav GSM": lambda: _soundfile("WAV", "GSM610", 8_000),
    "wav RF64": _rf64,
    "flac": lambda: _soundfile("FLAC", "PCM_16"),
    "flac 24 bits stereo": lambda: _soundfile("FLAC", "PCM_24", 44_100, 2),
    "mp3": lambda: _soundfile("MP3", "MPEG_LAYER_III"),
    "mp3 with a tag": lambda: id3(300) + _soundfile("MP3", "MPEG_LAYER_III", 44_100, 2),
    "ogg vorbis": lambda: _soundfile("OGG", "VORBIS"),
    "ogg opus": lambda: _av("ogg", "libopus"),
    "ogg flac": lambda: _av("ogg", "flac"),
    "m4a aac": lambda: _av("ipod", "aac"),
    "m4a aac, index first": lambda: _av("ipod", "aac", movflags="faststart"),
    "m4a alac": lambda: _av("ipod", "alac"),
    "mp4 in fragments": lambda: _av("mp4", "aac", movflags="empty_moov+frag_every_frame"),
}
REFUSED_BY_LOOKS: Final[dict[str, Callable[[], bytes]]] = {
    "aiff": lambda: _soundfile("AIFF", "PCM_16"),
    "au": lambda: _soundfile("AU", "PCM_16"),
    "webm": lambda: _av("webm", "libopus"),
    "matroska": lambda: _av("matroska", "aac"),
    "caf": lambda: _soundfile("CAF", "PCM_16"),
    "wave64": lambda: _soundfile("W64", "PCM_16"),
    "aac without a container": lambda: _av("adts", "aac"),
}
FORMATS: Final = {**READ, **REFUSED_BY_LOOKS}
