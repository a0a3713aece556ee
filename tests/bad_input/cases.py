"""Every kind of bad or odd audio that must not surprise Earmark, and what has to become of it."""

from dataclasses import dataclass, field
from typing import Final

import numpy as np

from services.ingest.decode.limits import DecodeLimits
from tests.bad_input import builders as b
from tests.bad_input.boxes import alias, url
from tests.bad_input.builders import SOUND, Builder, just, wav
from tests.bad_input.formats import REFUSED_BY_LOOKS
from tests.bad_input.trying import LONGEST_S, RECORDING
from tests.support import audio
from tests.support.audio import chunk, fmt, riff, tone
from tests.support.bad_files import ODD, REFUSED
from tests.support.ogg import opus, page

MOST_MIB: Final = 150.0
"""That a child may hold, 40 of it before it sees a file; the largest, behind 50 MB of ID3, takes 90."""

_FLAT_MIB: Final = 100.0
"""Hours of audio hold no more than seconds do."""

_WHOLE_DAYS: Final = DecodeLimits(max_file_bytes=8 * 2**30, max_decoded_s=49 * 3600.0)


@dataclass(frozen=True, slots=True)
class Case:
    """One file, and RECORDING or the code of its refusal."""

    name: str
    expected: str
    build: Builder
    duration_s: float | None = None  # of a recording, where it says something
    note: str = ""  # that its facts carry
    limits: DecodeLimits = field(default_factory=DecodeLimits)
    slow: bool = False  # minutes: for the long form alone
    most_cpu_s: float = LONGEST_S
    most_mib: float = MOST_MIB


_LISTED: Final = tuple(
    [Case(f"{case.name}", case.code, b.made(case.make)) for case in REFUSED]
    + [Case(f"{case.name}", RECORDING, b.made(case.make), case.duration_s) for case in ODD]
)  # what the whole stack is given, in tests/e2e

_FTYP: Final = b"\x00\x00\x00\x18ftypM4A " + bytes(12)

_HEADERS: Final = (
    Case("wav: RIFF size 0", RECORDING, just(riff(fmt(), chunk(b"data", SOUND), length=0)), 1.0),
    Case("wav: RIFF size 4", RECORDING, just(riff(fmt(), chunk(b"data", SOUND), length=4)), 1.0),
    Case("wav: RIFF size 2^32 - 1", RECORDING, just(riff(fmt(), chunk(b"data", SOUND), length=0xFFFF_FFFF)), 1.0),
    Case("wav: data size 0, audio behind it", RECORDING, just(riff(fmt(), chunk(b"data", SOUND, 0))), 1.0),
    Case("wav: data size 2^32 - 1", RECORDING, just(riff(fmt(), chunk(b"data", SOUND, 0xFFFF_FFFF))), 1.0),
    Case("wav: data size too small", RECORDING, just(riff(fmt(), chunk(b"data", SOUND, 8_000))), 0.25,
         "bytes_after_data"),
    Case("wav: data longer than the file", "truncated", just(riff(fmt(), chunk(b"data", SOUND, 2 * len(SOUND))))),
    Case("wav: an empty data chunk, then another", "zero_length",
         just(riff(fmt(), chunk(b"data", b""), chunk(b"LIST", b"INFO")))),
    Case("wav: no fmt chunk", "corrupt", just(riff(chunk(b"data", SOUND)))),
    Case("wav: two fmt chunks", "corrupt", just(riff(fmt(), fmt(), chunk(b"data", SOUND)))),
    Case("wav: fmt behind data", "corrupt", just(riff(chunk(b"data", SOUND), fmt()))),
    Case("wav: fmt of 8 bytes", "corrupt", just(riff(fmt()[:16], chunk(b"data", SOUND)))),
    Case("wav: 20,000 chunks", "corrupt", just(riff(*[chunk(b"junk", b"")] * 20_000, fmt(), chunk(b"data", SOUND)))),
    Case("wav: 0 channels", "corrupt", wav(fmt(channels=0))),
    Case("wav: 65,535 channels", "corrupt", wav(fmt(channels=65_535, align=65_534))),
    Case("wav: 65,535 channels of 8 bits", "too_many_channels", wav(fmt(channels=65_535, align=65_535, bits=8))),
    Case("wav: rate 0", "bad_sample_rate", wav(fmt(rate_hz=0))),
    Case("wav: rate 1", "bad_sample_rate", wav(fmt(rate_hz=1))),
    Case("wav: rate 2^31", "bad_sample_rate", wav(fmt(rate_hz=2**31))),
    Case("wav: block align 0", "corrupt", wav(fmt(align=0))),
    Case("wav: block align and bits 0", "corrupt", wav(fmt(align=0, bits=0))),
    Case("wav: block align of two channels", "corrupt", wav(fmt(align=4))),
    Case("wav: 64-bit lengths", RECORDING, b.rf64_promising(len(SOUND)), 1.0),
    Case("wav: 64-bit lengths, BW64", RECORDING, b.rf64_promising(len(SOUND), b"BW64"), 1.0),
    Case("wav: 64-bit length twice the truth", "truncated", b.rf64_promising(2 * len(SOUND))),
    Case("wav: 64-bit length 2^62", "truncated", b.rf64_promising(2**62)),
    Case("wav: 64-bit length 2^64 - 2", "truncated", b.rf64_promising(2**64 - 2)),
    Case("flac: three bytes", "corrupt", just(b"fLaC" + bytes(3))),
    Case("flac: length not stated", RECORDING, b.without_total, 1.0),
    Case("ogg: three bytes", "truncated", just(b"OggS" + bytes(3))),
    Case("ogg: 100,000 empty pages", "corrupt", b.repeated(page([], 0, 0), 100_000)),
    Case("ogg: 4,000,000 empty pages", "corrupt", b.repeated(page([], 0, 0), 4_000_000), slow=True),
    Case("opus: 0 channels", "zero_length", b.opus_of_channels(0)),
    Case("opus: 255 channels", "too_many_channels", b.opus_of_channels(255)),
    Case("m4a: a type and nothing more", "truncated", just(_FTYP)),
    Case("m4a: a box of 2^64 - 1 bytes", "truncated", just(_FTYP + b"\x00\x00\x00\x01moov" + b"\xff" * 8)),
    Case("m4a: boxes of no length", "corrupt", just(_FTYP + b"\x00\x00\x00\x02moov" + bytes(8))),
)  # fmt: skip  # a table reads better one case a line

_CODINGS: Final = (
    *(Case(f"wav: {coding}", RECORDING, b.coded(coding))
      for coding in ("PCM_U8", "PCM_24", "PCM_32", "FLOAT", "DOUBLE", "ALAW", "ULAW", "IMA_ADPCM", "MS_ADPCM",
                     "GSM610", "G721_32")),
    *(Case(f"{kind}: {rate_hz:,} Hz", RECORDING, b.encoded(kind, rate_hz=rate_hz), 2.0)
      for kind in ("wav", "flac") for rate_hz in (8_000, 11_025, 96_000, 192_000)),
    Case("wav: 5.1", RECORDING, b.surround, 1.0),
    Case("wav: stereo that cancels itself", RECORDING, b.cancelling, 1.0, "phase_cancelling_downmix"),
    Case("m4a: index behind the audio", RECORDING, b.m4a(index_first=False)),
    Case("m4a: index before the audio", RECORDING, b.m4a(index_first=True)),
    Case("vorbis: chained", RECORDING, b.chained("vorbis", 48_000, 48_000), None, "chained"),
    Case("opus: chained", RECORDING, b.chained("opus", 48_000, 48_000), None, "chained"),
    Case("vorbis: chained at two rates", "corrupt", b.chained("vorbis", 16_000, 44_100)),
    *(Case(f"{case}: {n:,} bytes of ID3", RECORDING, b.behind_tag(n, b.encoded(case)))
      for case, n in (("mp3", 3_000_000), ("flac", 3_000_000), ("mp3", 50_000_000))),
)  # fmt: skip

_SAMPLES: Final = (
    *(Case(f"wav: a sample of {value}", code, b.with_sample(value)) for value, code in (
        (np.nan, "non_finite_samples"), (np.inf, "non_finite_samples"), (-np.inf, "non_finite_samples"),
        (1e30, "samples_out_of_range"), (-1e4, "samples_out_of_range"))),
    Case("wav: 10 ms", RECORDING, b.encoded("wav", 0.01), 0.01),
    Case("wav: 1 sample at 96 kHz", "zero_length", b.encoded("wav", 1 / 96_000, 96_000)),
    Case("flac: ten minutes of digital silence", RECORDING, b.silence("flac", 600.0), 600.0),
    Case("flac: bomb", "expansion", b.constant_flac),
    Case("opus: bomb", "expansion", b.opus_bomb),
    Case("opus: ten minutes of silence", RECORDING,
         just(opus([bytes([b.OPUS_20_MS])] * 30_000, samples_each=960)), 600.0),
    Case("wav: 48 h", "too_long", b.sparse_wav(48, 8_000), limits=DecodeLimits(max_file_bytes=8 * 2**30)),
    Case("wav: 1 h", RECORDING, b.sparse_wav(1, 8_000), 3600.0, most_mib=_FLAT_MIB),
    Case("wav: 48 h under no limit", RECORDING, b.sparse_wav(48, 8_000), 48 * 3600.0, limits=_WHOLE_DAYS,
         slow=True, most_cpu_s=300.0, most_mib=_FLAT_MIB),
    Case("wav: 2 GiB and a byte", "too_large", b.sparse(2 * 2**30 + 1)),
    Case("wav: 2 GiB for one second", RECORDING, b.sparse(2 * 2**30), 1.0),
)  # fmt: skip

_DAMAGED: Final = (
    *(Case(f"{kind}: {share:.0%} of it", "truncated", b.cut(kind, share))
      for kind in audio.KINDS for share in (0.35, 0.7)),
    Case("flac: checksums that do not fit", "corrupt", b.damaged("flac")),
    Case("vorbis: checksums that do not fit", "corrupt", b.damaged("vorbis")),
)  # fmt: skip

_SCRIPT: Final = "ffconcat version 1.0\nfile {secret}\n"
_PLAYLIST: Final = "#EXTM3U\n#EXTINF:1,\n{secret}\n"
ABOUT_OTHERS: Final = (
    Case("concat script", "not_audio", b.naming_another_file(_SCRIPT)),
    Case("concat script behind a tag", "not_audio", b.behind_tag(100, b.naming_another_file(_SCRIPT))),
    Case("concat script of an older kind", "not_audio", b.naming_another_file("file '{secret}'\n")),
    Case("playlist", "not_audio", b.naming_another_file(_PLAYLIST)),
    Case("playlist behind a tag", "not_audio", b.behind_tag(100, b.naming_another_file(_PLAYLIST))),
    Case("playlist of an older kind", "not_audio", b.naming_another_file("[playlist]\nFile1={secret}\n")),
    Case("playlist that says WAVE", "corrupt", b.naming_another_file("RIFF    WAVE\n#EXTM3U\n{secret}\n")),
    Case("streaming manifest", "not_audio",
         b.naming_another_file("<?xml version='1.0'?><MPD><BaseURL>{secret}</BaseURL></MPD>")),
    Case("session description", "not_audio",
         b.naming_another_file("v=0\no=- 0 0 IN IP4 127.0.0.1\nm=audio 9 RTP/AVP 0\n")),
    Case("m4a that names another file", RECORDING, b.m4a_elsewhere(url, "file://{secret}")),
    Case("m4a that names a place on the network", RECORDING, b.m4a_elsewhere(url, "http://127.0.0.1:9/a")),
    Case("m4a that names another file by an alias", "zero_length", b.m4a_elsewhere(alias)),
)  # fmt: skip

_OTHERS: Final = (
    *(Case(f"{kind}: whole", "unsupported_container", b.made(lambda _, make=make: make()))
      for kind, make in REFUSED_BY_LOOKS.items()),
    Case("a tag and zeros behind it", "not_audio", just(audio.id3(100) + bytes(5_000))),
    Case("zeros", "not_audio", just(bytes(5_000))),
    Case("noise", "not_audio", just(np.random.default_rng(2).bytes(5_000))),
    Case("zip", "not_audio", b.zipped),
    Case("gzip", "not_audio", just(b"\x1f\x8b\x08" + bytes(100))),
    Case("tone without a header", "not_audio", just(tone(1.0, 16_000).tobytes())),
)  # fmt: skip

CASES: Final = (*_LISTED, *_HEADERS, *_CODINGS, *_SAMPLES, *_DAMAGED, *ABOUT_OTHERS, *_OTHERS)
