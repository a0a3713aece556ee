"""Audio made on the spot, for tests: tones, a voice-like signal, and files in every container, honest or lying."""

import struct
from fractions import Fraction
from pathlib import Path
from typing import Final

import av
import numpy as np
import soundfile
from jaxtyping import Float, Float32

KINDS: Final = ("wav", "flac", "mp3", "vorbis", "opus", "m4a")
_SOUNDFILE_FORMATS: Final = {
    "wav": ("WAV", "PCM_16"),
    "flac": ("FLAC", "PCM_16"),
    "mp3": ("MP3", "MPEG_LAYER_III"),
    "vorbis": ("OGG", "VORBIS"),
}
_AV_FORMATS: Final = {"opus": ("ogg", "libopus"), "m4a": ("ipod", "aac")}


def tone(duration_s: float, rate_hz: int, *, hz: float = 440.0, amplitude: float = 0.5) -> Float32[np.ndarray, " n"]:
    """A sine."""
    time_s = np.arange(round(duration_s * rate_hz)) / rate_hz
    return (amplitude * np.sin(2 * np.pi * hz * time_s)).astype(np.float32)


def loudest_hz(samples: Float[np.ndarray, " n"], rate_hz: int = 16_000) -> float:
    """The frequency with the most energy."""
    spectrum = np.abs(np.fft.rfft(samples * np.hanning(len(samples))))
    return float(np.argmax(spectrum)) * rate_hz / len(samples)


def voice(duration_s: float, rng: np.random.Generator) -> Float32[np.ndarray, " n"]:
    """A buzz through moving formants, syllable by syllable at 16 kHz: enough of a voice for a detector of voices."""
    n = round(duration_s * 16_000)
    time_s = np.arange(n) / 16_000
    pitch_hz = 120 + 15 * np.sin(2 * np.pi * 0.7 * time_s)
    phase = np.cumsum(pitch_hz) / 16_000
    signal = np.zeros(n)
    for harmonic in range(1, 40):
        hz = harmonic * pitch_hz
        level = np.zeros(n)
        for centre_hz, swing_hz, width_hz in ((600, 200, 120), (1400, 500, 180), (2600, 300, 250)):
            formant_hz = centre_hz + swing_hz * np.sin(2 * np.pi * 1.9 * time_s + centre_hz)
            level += np.exp(-(((hz - formant_hz) / width_hz) ** 2))
        signal += level / harmonic**0.3 * np.sin(2 * np.pi * harmonic * phase)
    syllables = 0.15 + 0.85 * np.clip(np.sin(2 * np.pi * 2.1 * time_s), 0, 1)
    signal = signal * syllables + 0.001 * rng.standard_normal(n)
    return (0.4 * signal / np.abs(signal).max()).astype(np.float32)


def write(path: Path, samples: Float32[np.ndarray, "..."], rate_hz: int, kind: str) -> Path:
    """Write samples, (frames,) or (frames, channels), in one of KINDS."""
    if kind in _SOUNDFILE_FORMATS:
        container, codec = _SOUNDFILE_FORMATS[kind]
        channels = 1 if samples.ndim == 1 else samples.shape[1]
        with soundfile.SoundFile(path, "w", rate_hz, channels, codec, format=container) as file:
            for start in range(0, len(samples), 8192):  # libsndfile crashes on one long Vorbis array
                file.write(samples[start : start + 8192])
    else:
        _write_av(path, np.atleast_2d(samples.T), rate_hz, kind)
    return path


def _write_av(
    path: Path,
    channels: Float32[np.ndarray, "channels n"],
    rate_hz: int,
    kind: str,
    options: dict[str, str] | None = None,
) -> None:
    container, codec = _AV_FORMATS[kind]
    layout = {1: "mono", 2: "stereo", 6: "5.1"}[len(channels)]
    with av.open(path, "w", format=container, options=options or {}) as output:
        stream = output.add_stream(codec, rate=rate_hz, layout=layout)
        for start in range(0, channels.shape[1], 960):
            frame = av.AudioFrame.from_ndarray(
                np.ascontiguousarray(channels[:, start : start + 960]), format="fltp", layout=layout
            )
            frame.sample_rate, frame.pts, frame.time_base = rate_hz, start, Fraction(1, rate_hz)
            output.mux(stream.encode(frame))
        output.mux(stream.encode(None))


def write_m4a(path: Path, samples: Float32[np.ndarray, "..."], rate_hz: int, *, index_first: bool) -> Path:
    """AAC with its index before or behind the audio."""
    _write_av(path, np.atleast_2d(samples.T), rate_hz, "m4a", {"movflags": "faststart"} if index_first else None)
    return path


def write_video(path: Path) -> Path:
    """An MP4 with a picture and no sound."""
    with av.open(path, "w", format="mp4") as output:
        stream = output.add_stream("mpeg4", rate=25)
        stream.width = stream.height = 64
        stream.pix_fmt = "yuv420p"
        for _ in range(5):
            frame = av.VideoFrame.from_ndarray(np.zeros((64, 64, 3), dtype=np.uint8), format="rgb24")
            output.mux(stream.encode(frame))
        output.mux(stream.encode(None))
    return path


def id3(n_bytes: int) -> bytes:
    """An ID3v2.4 tag of so many bytes behind its header, all padding."""
    return b"ID3\x04\x00\x00" + bytes(n_bytes >> shift & 0x7F for shift in (21, 14, 7, 0)) + bytes(n_bytes)


def fmt(
    tag: int = 1, channels: int = 1, rate_hz: int = 16_000, byte_rate: int = 32_000, align: int = 2, bits: int = 16
) -> bytes:
    """A WAV format chunk."""
    return chunk(b"fmt ", struct.pack("<HHIIHH", tag, channels, rate_hz, byte_rate, align, bits))


def chunk(name: bytes, content: bytes, length: int | None = None) -> bytes:
    """A RIFF chunk, of the length it says or any other."""
    return name + struct.pack("<I", len(content) if length is None else length) + content


def riff(*chunks: bytes, length: int | None = None, magic: bytes = b"RIFF") -> bytes:
    """A WAV file of these chunks."""
    return chunk(magic, b"WAVE" + b"".join(chunks), length)


def pcm16(samples: Float32[np.ndarray, " n"]) -> bytes:
    """Little-endian 16-bit samples."""
    return np.rint(samples * 32767).astype("<i2").tobytes()
