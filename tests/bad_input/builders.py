"""Files that are wrong, or only odd, in one way each, made on the spot."""

import io
import os
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Final

import numpy as np
import soundfile

from tests.bad_input.boxes import with_audio_elsewhere
from tests.support import audio
from tests.support.audio import chunk, fmt, pcm16, riff, tone, write
from tests.support.ogg import opus

Builder = Callable[[Path], None]
SOUND: Final = pcm16(tone(1.0, 16_000))
SECRET: Final = "secret"  # a file beside the one that is tried
OPUS_20_MS: Final = 31 << 3  # RFC 6716: CELT, full band, mono; the frames follow as the last two bits say


def just(content: bytes) -> Builder:
    """These bytes."""

    def build(path: Path) -> None:
        path.write_bytes(content)

    return build


def repeated(content: bytes, times: int) -> Builder:
    """These bytes, again and again."""

    def build(path: Path) -> None:
        path.write_bytes(content * times)

    return build


def made(make: Callable[[Path], bytes]) -> Builder:
    """What a function makes that wants a folder for its work."""

    def build(path: Path) -> None:
        path.write_bytes(make(path.parent))

    return build


def zipped(path: Path) -> None:
    """A zip whose member would escape from a careless unpacker."""
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("../../escaped.wav", riff(fmt(), chunk(b"data", SOUND)))


def wav(form: bytes = fmt(), sound: bytes = SOUND) -> Builder:
    """A second of sound under some fmt chunk."""
    return just(riff(form, chunk(b"data", sound)))


def encoded(kind: str, seconds: float = 2.0, rate_hz: int = 48_000, channels: int = 1) -> Builder:
    """A tone in one of `tests.support.audio.KINDS`."""

    def build(path: Path) -> None:
        write(path, np.repeat(tone(seconds, rate_hz)[:, None], channels, axis=1), rate_hz, kind)

    return build


def coded(subtype: str, rate_hz: int = 16_000) -> Builder:
    """A tone in one of WAV's codings."""

    def build(path: Path) -> None:
        soundfile.write(path, tone(2.0, rate_hz), rate_hz, format="WAV", subtype=subtype)

    return build


def with_sample(value: float) -> Builder:
    """A WAV of floats, one of which is this one."""

    def build(path: Path) -> None:
        samples = tone(1.0, 44_100)
        samples[30_000] = value
        soundfile.write(path, samples, 44_100, format="WAV", subtype="FLOAT")

    return build


def cut(kind: str, share: float) -> Builder:
    """So much of an upload, and no more."""

    def build(path: Path) -> None:
        noise = np.random.default_rng(9).uniform(-0.2, 0.2, 2 * 48_000).astype(np.float32)
        write(path, noise, 48_000, kind)
        os.truncate(path, int(share * path.stat().st_size))

    return build


def damaged(kind: str) -> Builder:
    """A stream with checksums, and bytes in its second half that do not fit them."""

    def build(path: Path) -> None:
        noise = np.random.default_rng(9).uniform(-0.2, 0.2, 5 * 48_000).astype(np.float32)
        content = bytearray(write(path, noise, 48_000, kind).read_bytes())
        for place in range(len(content) // 2, len(content) // 2 + 20_000, 50):
            content[place] ^= 0xFF
        path.write_bytes(content)

    return build


def chained(kind: str, *rates_hz: int) -> Builder:
    """One Ogg stream after the other, a second each."""

    def build(path: Path) -> None:
        links = (write(path, tone(1.0, rate_hz), rate_hz, kind).read_bytes() for rate_hz in rates_hz)
        path.write_bytes(b"".join(list(links)))

    return build


def behind_tag(n_bytes: int, content: Builder) -> Builder:
    """A file behind an ID3 tag of so many bytes."""

    def build(path: Path) -> None:
        content(path)
        path.write_bytes(audio.id3(n_bytes) + path.read_bytes())

    return build


def constant_flac(path: Path) -> None:
    """Ten minutes that are one number, and so next to nothing as FLAC."""
    write(path, np.full(600 * 16_000, 0.25, dtype=np.float32), 16_000, "flac")


def opus_bomb(path: Path) -> None:
    """Ten minutes of noise that decoders make of two bytes for each 20 ms."""
    rng = np.random.default_rng(3)
    packet = bytes([OPUS_20_MS | 3, 6])  # six frames of one size follow
    path.write_bytes(opus((packet + rng.bytes(12) for _ in range(5_000)), samples_each=5_760))


def opus_of_channels(channels: int) -> Builder:
    """An Opus header that claims so many channels."""
    return just(opus([bytes([OPUS_20_MS, 1, 2])] * 50, samples_each=960, channels=channels))


def sparse_wav(hours: float, rate_hz: int) -> Builder:
    """Hours of 16-bit silence behind a second of sound, as a file that is a hole on disk."""

    def build(path: Path) -> None:
        form = fmt(rate_hz=rate_hz, byte_rate=2 * rate_hz)
        n_bytes = round(hours * 3600) * rate_hz * 2
        head = riff(form, chunk(b"data", b"", n_bytes))
        path.write_bytes(head + pcm16(tone(1.0, rate_hz)))
        os.truncate(path, len(head) + n_bytes)

    return build


def sparse(n_bytes: int) -> Builder:
    """A file of so many zeros, with a WAV header."""

    def build(path: Path) -> None:
        path.write_bytes(riff(fmt(), chunk(b"data", SOUND)))
        os.truncate(path, n_bytes)

    return build


def surround(path: Path) -> None:
    """5.1, all of it in the centre."""
    samples = np.zeros((44_100, 6), dtype=np.float32)
    samples[:, 2] = tone(1.0, 44_100, amplitude=0.6)
    write(path, samples, 44_100, "wav")


def cancelling(path: Path) -> None:
    """Stereo whose channels are each other's opposite."""
    left = tone(1.0, 44_100)
    write(path, np.stack([0.9 * left, -left], axis=1), 44_100, "wav")


def silence(kind: str, seconds: float) -> Builder:
    """Digital silence."""

    def build(path: Path) -> None:
        write(path, np.zeros(round(seconds * 16_000), dtype=np.float32), 16_000, kind)

    return build


def m4a(*, index_first: bool) -> Builder:
    """AAC with its index at one end."""

    def build(path: Path) -> None:
        audio.write_m4a(path, tone(2.0, 44_100), 44_100, index_first=index_first)

    return build


def naming_another_file(text: str) -> Builder:
    """A text that sends its reader to a recording beside it: `{secret}` is its path."""

    def build(path: Path) -> None:
        path.write_text(text.format(secret=_secret(path)))

    return build


def m4a_elsewhere(entry: Callable[[str], bytes], address: str = "{secret}") -> Builder:
    """An M4A whose index says that its samples lie in another file, in the words of some kind of reference."""

    def build(path: Path) -> None:
        reference = entry(address.format(secret=_secret(path)))
        write(path, tone(1.0, 48_000), 48_000, "m4a")
        path.write_bytes(with_audio_elsewhere(path.read_bytes(), reference))

    return build


def _secret(path: Path) -> Path:
    return write(path.parent / SECRET, tone(1.0, 44_100), 44_100, "wav")


def without_total(path: Path) -> None:
    """FLAC that does not state its length."""
    content = bytearray(write(path, tone(1.0, 16_000), 16_000, "flac").read_bytes())
    content[21] &= 0xF0
    content[22:26] = bytes(4)
    path.write_bytes(content)


def rf64(path: Path, promised: int, magic: bytes = b"RF64") -> None:
    """A WAV of 64-bit lengths, a second of sound and a promise."""
    ds64 = chunk(b"ds64", bytes(8) + promised.to_bytes(8, "little") + bytes(12))
    path.write_bytes(riff(ds64, fmt(), chunk(b"data", SOUND, 0xFFFF_FFFF), length=0xFFFF_FFFF, magic=magic))


def rf64_promising(promised: int, magic: bytes = b"RF64") -> Builder:
    """The same as a builder."""
    return lambda path: rf64(path, promised, magic)


def soundfile_of(kind: str) -> Builder:
    """A tone in a container that Earmark does not read."""

    def build(path: Path) -> None:
        file = io.BytesIO()
        soundfile.write(file, tone(1.0, 16_000), 16_000, format=kind, subtype="PCM_16")
        path.write_bytes(file.getvalue())

    return build
