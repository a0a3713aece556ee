"""Archives that break off, lie or are damaged: what is sound in them is kept."""

import bz2
import gc
import io
import random
import tarfile
import zipfile

import pytest

from services.ingest.archives import tars
from services.ingest.archives.sources import Stream
from tests.support.archives import (
    END,
    claiming,
    encrypted,
    header,
    lying,
    zip64,
    zip_of,
)
from tests.support.corpora import tar_of
from tests.unit.ingest.archive_walks import SOUND, Memory, Walked

TIB = 1 << 40


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
