"""Hostile and damaged archives: each has a stable code, costs what it concerns, and fills neither memory nor disk."""

import bz2
import gc
import gzip
import io
import lzma
import random
import struct
import tarfile
import zipfile
import zlib

import pytest

from services.ingest.archives import errors, tars
from services.ingest.archives.sniffing import sniff
from services.ingest.archives.sources import Stream
from shared.errors import RejectedInput
from tests.support.archives import (
    claiming,
    encrypted,
    lying,
    nested,
    raw_name,
    sparse,
    special,
    zip64,
    zip_link,
    zip_of,
)
from tests.support.corpora import tar_of
from tests.unit.ingest.archive_walks import Memory, Walked

SOUND = b"as good as a sound" * 100
END = bytes(1024)
TIB = 1 << 40


def header(name: str, size_bytes: int = 0) -> bytes:
    member = tarfile.TarInfo(name)
    member.size = size_bytes
    return member.tobuf(tarfile.GNU_FORMAT)


@pytest.mark.parametrize(
    ("name", "code"),
    [
        ("../escaped.wav", "member_traversal"),
        ("a/../../escaped.wav", "member_traversal"),
        ("a\\..\\..\\escaped.wav", "member_traversal"),
        ("..", "member_traversal"),
        ("/etc/escaped.wav", "member_absolute"),
        ("//host/escaped.wav", "member_absolute"),
        ("C:\\escaped.wav", "member_absolute"),
        ("C:/escaped.wav", "member_absolute"),
        (".", "member_name"),
    ],
)
@pytest.mark.parametrize("packed", [tar_of, zip_of], ids=["tar", "zip"])
def test_a_name_that_leads_elsewhere_costs_its_member(packed, name: str, code: str) -> None:
    walked = Walked(packed({name: SOUND, "b.wav": SOUND}))

    assert list(walked.refused.values()) == [code]
    assert (walked.taken, walked.code) == ({"b.wav": SOUND}, None)


@pytest.mark.parametrize(
    ("member", "code"),
    [
        (special("a.wav", tarfile.SYMTYPE, "/etc/passwd"), "member_link"),
        (special("a.wav", tarfile.LNKTYPE, "b.wav"), "member_link"),
        (special("a.wav", tarfile.CHRTYPE), "member_special"),
        (special("a.wav", tarfile.BLKTYPE), "member_special"),
        (special("a.wav", tarfile.FIFOTYPE), "member_special"),
    ],
    ids=["symlink", "hardlink", "character device", "block device", "FIFO"],
)
def test_what_is_no_file_costs_its_member(member: tarfile.TarInfo, code: str) -> None:
    walked = Walked(tar_of({"a.wav": member, "b.wav": SOUND}))

    assert (walked.refused, walked.taken) == ({"a.wav": code}, {"b.wav": SOUND})


def test_a_chain_of_links_leads_nowhere() -> None:
    links = {f"{n}.wav": special(f"{n}.wav", tarfile.SYMTYPE, f"{n + 1}.wav") for n in range(50)}
    links["50.wav"] = special("50.wav", tarfile.SYMTYPE, "0.wav")

    assert set(Walked(tar_of({**links, "dir/../../a.wav": SOUND})).refused.values()) == {
        "member_link",
        "member_traversal",
    }


def test_a_link_in_a_zip_costs_its_member() -> None:
    assert Walked(zip_link("a.wav", "/etc/passwd")).refused == {"a.wav": "member_link"}


def test_a_sparse_file_of_8_tib_costs_its_member() -> None:
    walked = Walked(sparse("a.wav", 8 * TIB) + tar_of({"b.wav": SOUND}))

    assert (walked.refused, walked.taken) == ({"a.wav": "member_sparse"}, {"b.wav": SOUND})


@pytest.mark.parametrize("name", [b"caf\xe9.wav", b"\xff\xfe/a.wav"])
def test_a_name_that_is_not_utf8_costs_its_member(name: bytes) -> None:
    walked = Walked(raw_name(name)[:1024] + tar_of({"b.wav": SOUND}))

    assert (list(walked.refused.values()), walked.taken) == (["member_name"], {"b.wav": SOUND})
    assert all(path.encode() for path in walked.refused)


def test_an_empty_member_costs_itself() -> None:
    assert Walked(tar_of({"a.wav": b"", "b.wav": SOUND})).refused == {"a.wav": "empty_file"}


def test_a_member_larger_than_a_file_may_be_is_not_even_read() -> None:
    walked = Walked(tar_of({"a.wav": SOUND, "b.wav": SOUND[:50]}), max_file_bytes=100)

    assert (walked.refused, list(walked.taken)) == ({"a.wav": "too_large"}, ["b.wav"])


def test_archives_six_deep_are_refused_where_they_are_too_deep() -> None:
    assert Walked(nested(4, {"a.wav": SOUND})).taken == {"nested/nested/nested/a.wav": SOUND}
    walked = Walked(nested(6, {"a.wav": SOUND}))

    assert (walked.refused, walked.taken) == ({"nested/nested/nested/nested.tar": "archive_too_deep"}, {})


# --- Bombs -----------------------------------------------------------------------------------------------------------

LARGE = 100 << 20


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


# --- Damage ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("n_bytes", [2560, 3000, 3072, 4000])
def test_a_tar_that_breaks_off_keeps_what_came_before(n_bytes: int) -> None:
    walked = Walked(tar_of({"a.wav": SOUND, "b.wav": SOUND})[:n_bytes])

    assert (walked.code, walked.taken, walked.left_over) == ("archive_broken", {"a.wav": SOUND}, [])


@pytest.mark.parametrize("mode", ["w:gz", "w:bz2", "w:xz"])
def test_a_compressed_tar_that_breaks_off_is_broken(mode: str) -> None:
    packed = tar_of({f"{n}.wav": SOUND for n in range(3)}, mode)

    assert Walked(packed[: len(packed) // 2]).code == "archive_broken"


@pytest.mark.parametrize("mode", ["w", "w:gz", "w:bz2", "w:xz"])
def test_garbage_behind_a_tar_is_left_alone(mode: str) -> None:
    walked = Walked(tar_of({"a.wav": SOUND}, mode) + b"garbage" * 1000)

    assert (walked.code, walked.taken) == (None, {"a.wav": SOUND})


def test_garbage_behind_a_zip_is_left_alone_as_far_as_a_zip_may_have_a_comment() -> None:
    assert Walked(zip_of({"a.wav": SOUND}) + b"garbage" * 1000).taken == {"a.wav": SOUND}


def test_a_zip_without_its_list_is_broken() -> None:
    packed = zip_of({"a.wav": SOUND, "b.wav": SOUND})

    assert Walked(packed[: packed.index(b"PK\x01\x02")]).code == "archive_broken"


def test_a_damaged_header_within_a_tar_is_no_end() -> None:
    packed = bytearray(tar_of({"a.wav": SOUND, "b.wav": SOUND}))
    packed[2560] ^= 1

    assert (Walked(bytes(packed)).code, Walked(bytes(packed)).taken) == ("archive_broken", {"a.wav": SOUND})


@pytest.mark.parametrize("size_bytes", [-1, -512, -(1 << 40), 8 * TIB])
@pytest.mark.parametrize("kind", [tarfile.REGTYPE, b"Z"])
def test_a_size_that_cannot_be_leads_to_no_circle(size_bytes: int, kind: bytes) -> None:
    begun = tar_of({"a.wav": SOUND})[:2560]
    walked = Walked(begun + claiming("b.wav", size_bytes, kind) + SOUND, archive_members=50)

    assert (walked.code, list(walked.taken)) == ("archive_broken", ["a.wav"])


def test_what_was_told_of_a_tar_is_forgotten() -> None:
    source = Memory(header("a.wav") * 2000 + END)
    walk = tars.entries(source, 0)
    for _ in range(1000):
        next(walk)

    assert sum(type(one) is tarfile.TarInfo for one in gc.get_objects()) < 100


def test_a_stream_knows_no_way_back() -> None:
    stream = Stream(io.BytesIO(SOUND).read, lambda _: None)
    assert stream.seek(100) == 100

    with pytest.raises(io.UnsupportedOperation):
        stream.seek(99)


def test_an_inner_archive_that_is_broken_costs_itself() -> None:
    inner = tar_of({"a.wav": SOUND, "b.wav": SOUND})[:2500]
    walked = Walked(tar_of({"inner.tar": inner, "c.wav": SOUND}))

    assert walked.refused == {"inner.tar": "archive_broken"}
    assert (walked.taken, walked.code) == ({"inner/a.wav": SOUND, "c.wav": SOUND}, None)


def test_what_is_compressed_and_turns_out_to_be_no_tar_is_no_audio() -> None:
    noise = random.Random(1).randbytes(2_000_000)  # whose first block tells nothing before it is complete

    assert Walked(tar_of({"a.bz2": bz2.compress(noise)})).refused == {"a.bz2": "not_audio"}


def test_an_encrypted_zip_costs_its_members() -> None:
    assert Walked(encrypted(zip_of({"a.wav": SOUND}))).refused == {"a.wav": "member_encrypted"}


@pytest.mark.parametrize("n_bytes", [-100, 100, 1 << 30])
def test_a_zip_that_lies_of_a_size_costs_that_member(n_bytes: int) -> None:
    walked = Walked(lying(zip_of({"a.wav": SOUND}), n_bytes))

    assert (walked.refused, walked.taken, walked.left_over) == ({"a.wav": "member_damaged"}, {}, [])


def test_a_zip_member_whose_checksum_is_wrong_costs_itself() -> None:
    packed = zip_of({"a.wav": SOUND, "b.wav": SOUND}, zipfile.ZIP_STORED)
    packed = packed.replace(SOUND, SOUND.replace(b"good", b"evil"), 1)
    walked = Walked(packed)

    assert (walked.refused, walked.taken) == ({"a.wav": "member_damaged"}, {"b.wav": SOUND})


def test_a_zip_compressed_in_a_way_that_is_not_read_costs_its_members() -> None:
    assert Walked(zip_of({"a.wav": SOUND}, zipfile.ZIP_LZMA)).refused == {"a.wav": "member_compression"}


def test_a_zip64_is_read() -> None:
    assert Walked(zip64({"a.wav": SOUND})).taken == {"a.wav": SOUND}


def test_every_refusal_has_a_code_of_its_own_and_says_what_helps() -> None:
    classes = [
        one
        for one in vars(errors).values()
        if isinstance(one, type) and issubclass(one, RejectedInput) and one is not RejectedInput
    ]
    assert len({one.code for one in classes}) == len(classes)
    assert all(one.remedy() for one in classes)
