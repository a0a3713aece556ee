"""Archives that would unpack to more than anybody has room for are refused, at little cost."""

import bz2
import gzip
import lzma
import struct
import tarfile
import zlib

import pytest

from services.ingest.archives.sniffing import sniff
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


def test_a_million_empty_members_are_not_read_to_their_end() -> None:
    packed = gzip.compress(header("a.wav") * 1_000_001, 1)
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
