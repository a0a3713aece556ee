"""Sound archives of every kind: what is in them, in which places, from any member on."""

import bz2
import gzip
import io
import lzma
import tarfile
import zipfile

import pytest

from services.ingest.archives.kinds import Kind
from services.ingest.archives.names import folder_of
from services.ingest.archives.sniffing import HEAD_BYTES, sniff
from tests.support.archives import zip_of
from tests.support.audio import chunk, fmt, pcm16, riff, tone
from tests.support.corpora import contributor_tar, tar_of
from tests.unit.ingest.archive_walks import SOUND, Walked

MODES = {"w": Kind.TAR, "w:gz": Kind.TAR_GZ, "w:bz2": Kind.TAR_BZ2, "w:xz": Kind.TAR_XZ}


def everything(mode: str) -> bytes:
    """Tars and zips within a tar, compressed or not."""
    return tar_of(
        {
            "Train/A.tar": contributor_tar("A"),
            "Train/B.tar.xz": tar_of({"B/b.wav": SOUND, "B/c.wav": SOUND}, "w:xz"),
            "Train/C.zip": zip_of({"c.wav": SOUND, "D.tar": tar_of({"d.wav": SOUND, "e.wav": SOUND})}),
            "Train/without an ending": zip_of({"f.wav": SOUND}),
            "g.wav": SOUND,
        },
        mode,
    )


@pytest.mark.parametrize("mode", MODES)
def test_every_member_comes_under_the_path_of_the_archives_that_it_is_in(mode: str) -> None:
    assert sorted(Walked(everything(mode)).taken) == [
        "Train/A/A/A_0_0_16kHz.wav",
        "Train/A/A/A_1_1_16kHz.wav",
        "Train/B/B/b.wav",
        "Train/B/B/c.wav",
        "Train/C/D/d.wav",
        "Train/C/D/e.wav",
        "Train/C/c.wav",
        "Train/without an ending.unpacked/f.wav",
        "g.wav",
    ]


@pytest.mark.parametrize("mode", MODES)
def test_a_walk_goes_on_behind_any_member(mode: str) -> None:
    packed = everything(mode)
    steps = Walked(packed).steps
    assert len(steps) > 5
    for number, step in enumerate(steps, 1):
        on = Walked(packed, step.position)
        assert [one.path for one in on.steps] == [one.path for one in steps[number:]]
        assert [one.position for one in on.steps] == [one.position for one in steps[number:]]


def test_what_is_not_wanted_of_a_tar_is_not_read() -> None:
    walked = Walked(tar_of({"notes.txt": bytes(50_000_000), "a.wav": SOUND}))

    assert list(walked.taken) == ["a.wav"]
    assert walked.source.n_read < 100_000


def test_what_an_ingest_of_a_folder_leaves_out_is_left_out() -> None:
    names = ["a.json", "b/c.TXT", ".hidden/d.wav", "b/._e.wav", "__MACOSX/f.wav", "g.rttm"]
    walked = Walked(zip_of(dict.fromkeys(names, SOUND)))

    assert (walked.taken, walked.refused) == ({}, {})
    assert [step.path for step in walked.steps] == names


@pytest.mark.parametrize("form", [tarfile.GNU_FORMAT, tarfile.PAX_FORMAT])
def test_long_and_strange_names_come_through(form: int) -> None:
    names = ["d" * 90 + "/" + "n" * 200 + ".wav", "Grüße 日本語 🎙.wav", "new\nline.wav", "\u202egpj.wav"]
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w", format=form) as tar:
        for name in names:
            member = tarfile.TarInfo(name)
            member.size = len(SOUND)
            tar.addfile(member, io.BytesIO(SOUND))

    assert list(Walked(packed.getvalue()).taken) == names


def test_old_zips_name_members_in_code_page_437_or_in_utf8_without_saying_so() -> None:
    packed = zip_of({"Gr__e.wav": SOUND, "Gru\u00dfe.wav": SOUND})
    of_dos = packed.replace(b"Gr__e.wav", "Grüße.wav".encode("cp437"))

    assert sorted(Walked(of_dos).taken) == ["Gruße.wav", "Grüße.wav"]
    assert list(Walked(zip_of({"a-.wav": SOUND}).replace(b"a-.wav", "é.wav".encode())).taken) == ["é.wav"]
    assert list(Walked(zip_of({"a/b.wav": SOUND}).replace(b"a/b.wav", b"a\\b.wav")).taken) == ["a/b.wav"]


@pytest.mark.parametrize(
    ("name", "folder"),
    [
        ("sap/Train_000.tar", "sap/Train_000"),
        ("c/day.TAR.GZ", "c/day"),
        ("c/day.tgz", "c/day"),
        ("c/day.v2.zip", "c/day.v2"),
        ("c/day", "c/day.unpacked"),
        ("c/.zip", "c/.zip.unpacked"),
        ("c/day.wav", "c/day.wav.unpacked"),
    ],
)
def test_members_lie_beside_their_archive_under_its_name(name: str, folder: str) -> None:
    assert folder_of(name) == folder


@pytest.mark.parametrize("mode", MODES)
def test_an_archive_is_known_by_its_content(mode: str) -> None:
    assert sniff(tar_of({"a.wav": SOUND}, mode)[:HEAD_BYTES]) is MODES[mode]


def test_a_zip_is_known_by_its_content() -> None:
    assert [sniff(zip_of(files)[:HEAD_BYTES]) for files in ({"a": SOUND}, {})] == [Kind.ZIP, Kind.ZIP]


@pytest.mark.parametrize(
    "head",
    [
        pytest.param(b"", id="nothing"),
        pytest.param(bytes(512), id="zeros"),
        pytest.param(b"BZh9 is how a text may begin", id="text"),
        pytest.param(riff(fmt(), chunk(b"data", pcm16(tone(0.5, 16_000)))), id="wav"),
        pytest.param(b"fLaC" + bytes(508), id="flac"),
        pytest.param(b"ID3" + bytes(509), id="mp3"),
        pytest.param(b"\x1f\x8b\x08" + bytes(100), id="broken gz"),
        pytest.param(gzip.compress(SOUND), id="gz of one file"),
        pytest.param(lzma.compress(SOUND), id="xz of one file"),
        pytest.param(bz2.compress(SOUND), id="bz2 of one file"),
    ],
)
def test_what_is_no_archive_is_none(head: bytes) -> None:
    assert sniff(head[:HEAD_BYTES]) is None


def test_members_of_a_stored_zip_are_read_whole(tmp_path) -> None:
    content = bytes(range(256)) * 20_000

    assert Walked(zip_of({"a.wav": content}, zipfile.ZIP_STORED)).taken == {"a.wav": content}
