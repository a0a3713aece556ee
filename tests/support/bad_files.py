"""Files as people upload them by mistake, each with what must become of it."""

import io
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np
import soundfile

from tests.support import audio
from tests.support.audio import chunk, fmt, riff, tone, voice

THREE_HOURS_S: Final = 3 * 3600


@dataclass(frozen=True)
class Refused:
    """A file that is no recording, and the code that says why."""

    name: str
    code: str
    make: Callable[[Path], bytes]


@dataclass(frozen=True)
class Odd:
    """A file that is a recording all the same; segments by (vad, whole), None for any number."""

    name: str
    duration_s: float
    segments: tuple[int | None, int | None]
    make: Callable[[Path], bytes]


def _sound(seed: int, duration_s: float = 2.0) -> np.ndarray:
    return voice(duration_s, np.random.default_rng(seed))


def _file(kind: str, samples: np.ndarray, rate_hz: int = 16_000) -> Callable[[Path], bytes]:
    return lambda folder: audio.write(folder / "made", samples, rate_hz, kind).read_bytes()


def _half(kind: str) -> Callable[[Path], bytes]:
    def half(folder: Path) -> bytes:
        noise = np.random.default_rng(9).uniform(-0.2, 0.2, 2 * 48_000).astype(np.float32)
        whole = audio.write(folder / "whole", noise, 48_000, kind).read_bytes()
        return whole[: len(whole) // 2]

    return half


def _float_wav(value: float) -> Callable[[Path], bytes]:
    def floats(_: Path) -> bytes:
        samples = tone(1.0, 16_000)
        samples[8_000] = value
        file = io.BytesIO()
        soundfile.write(file, samples, 16_000, format="WAV", subtype="FLOAT")
        return file.getvalue()

    return floats


def _flac_header(n_samples: int) -> bytes:
    """Of 16 kHz mono in 16 bits, with no frame behind it."""
    facts = 16_000 << 44 | 15 << 36 | n_samples
    return b"fLaC\x80\x00\x00\x22\x10\x00\x10\x00" + bytes(6) + facts.to_bytes(8, "big") + bytes(16)


def _just(content: bytes) -> Callable[[Path], bytes]:
    return lambda _: content


REFUSED: Final = (
    Refused("picture.png", "not_audio", _just(b"\x89PNG\r\n\x1a\n" + bytes(500))),
    Refused("notes.txt", "not_audio", _just(b"Not a sound.\n" * 40)),
    Refused("script.wav", "not_audio", _just(b"#!/bin/sh\ncat /etc/passwd\n")),
    Refused("concat.wav", "not_audio", _just(b"ffconcat version 1.0\nfile /etc/hostname\n")),
    Refused("playlist.wav", "not_audio", _just(b"#EXTM3U\n#EXTINF:1,\nhttp://127.0.0.1/a.wav\n")),
    Refused("noise.mp3", "not_audio", _just(np.random.default_rng(1).bytes(20_000))),
    Refused("sound.aiff", "unsupported_container", _just(b"FORM\x00\x00\x00\x00AIFFCOMM")),
    Refused("film.mp4", "no_audio_stream", lambda folder: audio.write_video(folder / "film").read_bytes()),
    Refused("empty.wav", "empty_file", _just(b"")),
    Refused("header only.wav", "zero_length", _just(riff(fmt(), chunk(b"data", b"")))),
    Refused("header without data.wav", "corrupt", _just(riff(fmt()))),
    Refused("header only.flac", "zero_length", _just(_flac_header(160_000))),
    Refused("tag only.mp3", "not_audio", _just(audio.id3(1000))),
    Refused("no packets.ogg", "zero_length", _file("vorbis", np.zeros(0, np.float32))),
    Refused("one sample at 96 kHz.wav", "zero_length", _file("wav", tone(1 / 96_000, 96_000), 96_000)),
    Refused("longer than the file.wav", "truncated", _just(riff(fmt(), chunk(b"data", bytes(1000), 64_000)))),
    *(Refused(f"half.{kind}", "truncated", _half(kind)) for kind in audio.KINDS),
    Refused("nan.wav", "non_finite_samples", _float_wav(np.nan)),
    Refused("infinite.wav", "non_finite_samples", _float_wav(np.inf)),
    Refused("huge.wav", "samples_out_of_range", _float_wav(1e30)),
    Refused("crowd.wav", "too_many_channels", _just(riff(fmt(channels=255, align=510), chunk(b"data", bytes(5100))))),
    Refused("no rate.wav", "bad_sample_rate", _just(riff(fmt(rate_hz=0), chunk(b"data", bytes(1000))))),
    Refused("telegraph.wav", "unsupported_codec", _just(riff(fmt(tag=0x7777), chunk(b"data", bytes(1000))))),
)  # fmt: skip  # a table reads better one case a line

ODD: Final = (
    Odd("silence.wav", 5.0, (0, 0), _file("wav", np.zeros(5 * 16_000, np.float32))),
    Odd("silence at 44.1 kHz.flac", 5.0, (0, 0), _file("flac", np.zeros((5 * 44_100, 2), np.float32), 44_100)),
    Odd("20 ms.wav", 0.02, (0, 1), _file("wav", tone(0.02, 16_000))),
    Odd("one sample.wav", 1 / 16_000, (0, 1), _file("wav", tone(1 / 16_000, 16_000) + 0.1)),
    Odd("8 kHz.wav", 3.0, (None, 1), _file("wav", _sound(2, 3.0)[::2], 8_000)),
    Odd("96 kHz.flac", 2.0, (None, 1), _file("flac", np.repeat(_sound(3), 6), 96_000)),
    Odd("5.1.wav", 2.0, (None, 1), _file("wav", np.repeat(_sound(4)[:, None], 6, axis=1))),
    Odd("cancelling.wav", 2.0, (None, 1), _file("wav", np.stack([_sound(5), -_sound(5)], axis=1))),
    Odd("sound.named-as.txt", 2.0, (None, 1), _file("flac", _sound(6))),
)


def three_hours(path: Path, demo_audio: Path) -> Path:
    """Conversation at both ends, digital silence in between; 16 kHz mono FLAC."""
    talk = np.concatenate([soundfile.read(source, dtype="float32")[0] for source in sorted(demo_audio.glob("*.flac"))])
    minute = np.zeros(60 * 16_000, np.float32)
    left = THREE_HOURS_S * 16_000 - 2 * len(talk)
    with soundfile.SoundFile(path, "w", 16_000, 1, "PCM_16", format="FLAC") as file:
        file.write(talk)
        while left > 0:
            file.write(minute[:left])
            left -= len(minute)
        file.write(talk)
    return path
