"""Hostile and damaged archives: each has a stable code, costs what it concerns, and fills neither memory nor disk."""

import tarfile

import pytest

from services.ingest.archives import errors
from shared.errors import RejectedInput
from tests.support.archives import (
    raw_name,
    sparse,
    special,
    zip_link,
    zip_of,
)
from tests.support.corpora import tar_of
from tests.unit.ingest.archive_walks import SOUND, Walked

TIB = 1 << 40


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


def test_every_refusal_has_a_code_of_its_own_and_says_what_helps() -> None:
    classes = [
        one
        for one in vars(errors).values()
        if isinstance(one, type) and issubclass(one, RejectedInput) and one is not RejectedInput
    ]
    assert len({one.code for one in classes}) == len(classes)
    assert all(one.remedy() for one in classes)
