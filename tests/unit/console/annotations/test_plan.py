"""What an import would say, before it says it; and several files in one request."""

import io
import zipfile
from contextlib import suppress
from uuid import UUID

import pytest

from services.console.annotations import bundle
from services.console.annotations.naming import Recordings
from services.console.annotations.plan import Known, named_by_id, place, plan
from services.console.annotations.turns import FileTurns, TooManyAnnotations, Turn

MONDAY, TUESDAY = UUID(int=100), UUID(int=200)
KEYS = {"c/monday.wav": MONDAY, "c/tuesday.wav": TUESDAY}
KNOWN = [
    Known(UUID(int=1), MONDAY, 0, 16_000, None, said=False),
    Known(UUID(int=2), MONDAY, 16_000, 32_000, "Ada", said=True),
    Known(UUID(int=3), TUESDAY, 0, 16_000, "Ben", said=False),
]


def planned(*files: FileTurns):
    placed = place(files, Recordings("c", KEYS))
    return placed, plan(placed, named_by_id(files), KNOWN)


def test_turns_of_one_recording_may_come_from_several_files():
    _, said = planned(FileTurns("monday", (Turn(0, 1, "Ada"),)), FileTurns("c/monday.wav", (Turn(1, 2, "Ben"),)))
    assert said.words == {UUID(int=1): "Ada", UUID(int=2): "Ben"}
    assert said.speakers() == {"Ada": 1, "Ben": 1}


def test_files_that_nobody_knows_are_told_and_harm_no_other():
    placed, said = planned(FileTurns("monday", (Turn(0, 1, "Ada"),)), FileTurns("friday", (Turn(0, 1, "Ada"),)))
    assert [(file.file, file.recording_id) for file in placed] == [("monday", MONDAY), ("friday", None)]
    assert said.words == {UUID(int=1): "Ada"}


def test_the_other_name_counts_where_the_first_says_nothing():
    placed, _ = planned(FileTurns("waveform", (Turn(0, 1, "Ada"),), also="tuesday"))
    assert placed[0].recording_id == TUESDAY


def test_a_word_by_id_is_stronger_than_one_by_time_and_needs_no_file():
    by_id = FileTurns("names", (Turn(0, 0, "Cleo", segment_id=UUID(int=1)), Turn(0, 0, None, segment_id=UUID(int=3))))
    placed, said = planned(FileTurns("monday", (Turn(0, 2, "Ada"),)), by_id)
    assert [file.file for file in placed] == ["monday"]
    assert said.words == {UUID(int=1): "Cleo"}
    assert said.unchanged == (UUID(int=2),)


def test_an_export_that_comes_back_says_only_what_was_changed():
    names = {1: "Ada", 2: "Ada", 3: "Ben", 9: "Ada"}
    _, said = planned(FileTurns("x", tuple(Turn(0, 0, name, segment_id=UUID(int=n)) for n, name in names.items())))
    assert said.words == {UUID(int=1): "Ada"}
    assert (said.unchanged, said.unknown_segments) == ((UUID(int=2), UUID(int=3)), (UUID(int=9),))


def test_turns_say_nothing_that_people_have_said_but_make_a_guess_a_word():
    _, said = planned(FileTurns("monday", (Turn(1, 2, "Ada"),)), FileTurns("tuesday", (Turn(0, 1, "Ben"),)))
    assert (said.words, said.unchanged) == ({UUID(int=3): "Ben"}, (UUID(int=2),))


def test_two_names_for_one_id_are_reported():
    turns = tuple(Turn(0, 0, name, segment_id=UUID(int=1)) for name in ("Ada", "Ben"))
    assert planned(FileTurns("x", turns))[1].mixed == (UUID(int=1),)


def packed(**files: bytes) -> bytes:
    raw = io.BytesIO()
    with zipfile.ZipFile(raw, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.mkdir("folder")
        for name, content in files.items():
            archive.writestr(name, content)
    return raw.getvalue()


def test_an_archive_is_its_files():
    raw = packed(**{"a/b.rttm": b"1", "__MACOSX/a": b"2", "c.csv": b""})
    assert list(bundle.files_in(raw, "x.zip")) == [("a/b.rttm", b"1"), ("c.csv", b"")]
    assert list(bundle.files_in(b"SPEAKER", "x.rttm")) == [("x.rttm", b"SPEAKER")]


def test_an_archive_has_limits():
    with pytest.raises(TooManyAnnotations):
        list(bundle.files_in(packed(a=b"\0" * (17 << 20)), "x.zip"))
    with pytest.raises(TooManyAnnotations):
        list(bundle.files_in(packed(**{f"{n}": b"\0" * (15 << 20) for n in range(5)}), "x.zip"))


@pytest.mark.parametrize("at", range(0, 240, 7))
def test_a_damaged_archive_is_refused_or_read(at):
    raw = bytearray(packed(**{"a.rttm": b"SPEAKER" * 20, "b.rttm": b""}))
    raw[at % len(raw)] ^= 0xFF
    with suppress(bundle.BadArchive, TooManyAnnotations):
        list(bundle.files_in(bytes(raw), "x.zip"))
