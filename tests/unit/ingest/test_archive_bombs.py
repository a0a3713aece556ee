"""Archives that would unpack to more than anybody has room for are refused, at little cost."""

import bz2
import gzip
import lzma
import struct
import tarfile
import tracemalloc
import zlib
from collections import Counter
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest

from services.ingest.archives.bounds import Bounds
from services.ingest.archives.kinds import Kind
from services.ingest.archives.sniffing import sniff
from services.ingest.archives.sources import peeked
from services.ingest.archives.walking import START, Walk
from shared.errors import RejectedInput
from shared.settings import IngestSettings
from shared.units import MIB
from tests.bad_input.scale import FULL
from tests.support.archives import (
    END,
    header,
    nested,
    zip_of,
)
from tests.support.corpora import tar_of
from tests.unit.ingest.archive_walks import SOUND, Walked

LARGE = 100 << 20


def test_a_member_larger_than_a_file_may_be_is_not_even_read() -> None:
    walked = Walked(tar_of({"a.wav": SOUND, "b.wav": SOUND[:50]}), max_file_bytes=100)

    assert (walked.refused, list(walked.taken)) == ({"a.wav": "too_large"}, ["b.wav"])


def test_archives_six_deep_are_refused_where_they_are_too_deep() -> None:
    assert Walked(nested(4, {"a.wav": SOUND})).taken == {"nested/nested/nested/a.wav": SOUND}
    walked = Walked(nested(6, {"a.wav": SOUND}))

    assert (walked.refused, walked.taken) == ({"nested/nested/nested/nested.tar": "archive_too_deep"}, {})


@pytest.mark.parametrize("compress", [gzip.compress, bz2.compress, lzma.compress], ids=["gzip", "bzip2", "xz"])
def test_a_bomb_is_refused_when_it_has_unpacked_far_more_than_its_size(compress) -> None:
    walked = Walked(compress(header("a.wav", LARGE) + bytes(LARGE) + END))

    assert (walked.code, walked.taken, walked.left_over) == ("archive_expansion", {}, [])


def test_a_bomb_of_a_zip_is_refused() -> None:
    walked = Walked(zip_of({"a.wav": bytes(LARGE)}))

    assert (walked.code, walked.taken, walked.left_over) == ("archive_expansion", {}, [])


def test_many_members_of_a_zip_that_are_harmless_each_are_a_bomb_together() -> None:
    assert Walked(zip_of({f"{n}.wav": bytes(LARGE // 10) for n in range(10)})).code == "archive_expansion"


def test_what_bombs_hide_in_each_other_is_measured_by_the_outermost_one() -> None:
    inner = gzip.compress(header("a.wav", LARGE) + bytes(LARGE) + END)

    assert Walked(gzip.compress(tar_of({"inner.tar.gz": inner}))).code == "archive_expansion"


def test_more_bytes_than_an_archive_may_hold() -> None:
    walked = Walked(tar_of({"a.wav": SOUND, "b.wav": SOUND}), archive_bytes=len(SOUND))

    assert (walked.code, list(walked.taken)) == ("archive_too_large", ["a.wav"])


class Rows:
    """The same bytes again and again, then others, as a source that never holds them all."""

    random = True

    def __init__(self, row: bytes, n: int, end: bytes) -> None:
        self.size_bytes = n * len(row) + len(end)
        self._row, self._n, self._end, self._at = row, n, end, 0

    def read(self, n_bytes: int, /) -> bytes:
        first = min(self._at // len(self._row), self._n)
        last = min(-(-(self._at + n_bytes) // len(self._row)), self._n)
        offset = self._at - first * len(self._row)
        found = (self._row * (last - first) + self._end)[offset : offset + n_bytes]
        self._at += len(found)
        return found

    def seek(self, offset: int, whence: int = 0, /) -> int:
        assert whence == 0
        self._at = offset
        return offset

    def tell(self) -> int:
        return self._at

    def peek(self, n_bytes: int) -> bytes:
        return peeked(self, n_bytes)


def empty_members(n: int) -> Rows:
    """A tar of so many."""
    return Rows(header("a.wav"), n, END)


def gzipped(row: bytes, n: int) -> bytes:
    """So many of the same."""
    compressor = zlib.compressobj(1, wbits=zlib.MAX_WBITS | 16)
    return b"".join([compressor.compress(row) for _ in range(n)] + [compressor.flush()])


def walked_through(source: Rows, n_members: int) -> tuple[Counter[str], str | None]:
    """Of an archive in which no more than so many may lie: refusals counted by code, and what refused it as a whole."""
    refused: Counter[str] = Counter()
    bounds = Bounds.of(IngestSettings(archive_members=n_members), source.size_bytes)
    try:
        with TemporaryDirectory() as folder:
            for step in Walk(bounds, Path(folder)).through(source, source.size_bytes, Kind.TAR, START):
                refused.update([step.refusal.code] if step.refusal else [])
    except RejectedInput as error:
        return refused, error.code
    return refused, None


@pytest.mark.parametrize(("too_many", "code"), [(0, None), (1, "archive_too_many_members")])
def test_a_million_empty_members_are_refused_one_by_one_and_one_more_refuses_the_archive(
    too_many: int, code: str | None
) -> None:
    n = IngestSettings().archive_members if FULL else 20_000  # a million takes 22 s

    assert walked_through(empty_members(n + too_many), n) == (Counter(empty_file=n), code)


def test_of_empty_members_none_is_kept_in_memory() -> None:
    tracemalloc.start()
    walked_through(empty_members(20_000), 20_000)
    _, peak_bytes = tracemalloc.get_traced_memory()
    tracemalloc.stop()

    assert peak_bytes < 2 * MIB  # Python's reader would keep 9


def test_more_members_than_an_archive_may_hold_are_not_read() -> None:
    packed = gzipped(header("a.wav"), 100_000)
    walked = Walked(packed, archive_members=1000)

    assert (walked.code, len(walked.steps)) == ("archive_too_many_members", 1000)
    assert walked.source.n_read < len(packed) // 2


def test_members_of_inner_archives_count() -> None:
    inner = tar_of({f"{n}.wav": SOUND for n in range(5)})

    assert Walked(tar_of({"a.tar": inner, "b.tar": inner}), archive_members=11).code == "archive_too_many_members"


def test_a_zip_with_an_endless_list_of_members_is_refused_before_it_is_read() -> None:
    packed = zip_of({"a.wav": SOUND})
    n_bytes = 17 << 20
    at = packed.rindex(b"PK\x05\x06")
    end = bytearray(packed[at:])
    struct.pack_into("<LL", end, 12, n_bytes, 0)

    assert Walked(packed[:at] + bytes(n_bytes) + bytes(end)).code == "archive_too_many_members"


def test_an_xz_that_wants_gigabytes_of_memory_is_not_even_begun() -> None:
    compressor = lzma.LZMACompressor(lzma.FORMAT_XZ, filters=[{"id": lzma.FILTER_LZMA2, "preset": 0}])
    packed = bytearray(compressor.compress(tar_of({"a.wav": SOUND})) + compressor.flush())
    # The block header: size, flags, filter id, length of its properties, dictionary size (.xz format, 3.1 and 5.3.1).
    assert packed[14:16] == b"\x21\x01"
    packed[16] = 39  # 3 GiB
    length = (packed[12] + 1) * 4
    struct.pack_into("<I", packed, 12 + length - 4, zlib.crc32(packed[12 : 12 + length - 4]))

    assert sniff(bytes(packed)) is None


@pytest.mark.parametrize("kind", [tarfile.XHDTYPE, tarfile.GNUTYPE_LONGNAME, tarfile.XGLTYPE])
def test_a_header_of_gigabytes_is_refused_before_it_is_read(kind: bytes) -> None:
    member = tarfile.TarInfo("a")
    member.type, member.size = kind, 3 << 30

    walked = Walked(member.tobuf(tarfile.GNU_FORMAT) + bytes(100_000))

    assert walked.code == "archive_broken"
    assert walked.source.largest_read <= 1 << 16


def test_headers_without_end_are_refused() -> None:
    member = tarfile.TarInfo("a")
    member.type, member.size = tarfile.GNUTYPE_LONGNAME, 512
    long_names = (member.tobuf(tarfile.GNU_FORMAT) + b"a" * 512) * 5000

    walked = Walked(long_names + tar_of({"b.wav": SOUND}))

    assert walked.code == "archive_broken"
    assert walked.source.n_read < 100_000
