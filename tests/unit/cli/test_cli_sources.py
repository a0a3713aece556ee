"""Which files an ingest means."""

import os
from pathlib import Path

import pytest
import typer

from services.launcher.cli.sources import Choice, find_sources


def test_keys_are_relative_to_the_given_folder(tmp_path: Path) -> None:
    (tmp_path / "a" / "b").mkdir(parents=True)
    (tmp_path / "a" / "b" / "ü.wav").write_bytes(b"123")
    (source,) = find_sources([tmp_path / "a"], "c").fit
    assert (source.path, source.size_bytes) == ("b/ü.wav", 3)


def test_links_to_files_count_and_what_is_no_file_is_skipped(tmp_path: Path) -> None:
    (tmp_path / "in").mkdir()
    (tmp_path / "real.wav").write_bytes(b"1")
    (tmp_path / "in" / "link.wav").symlink_to(tmp_path / "real.wav")
    (tmp_path / "in" / "broken.wav").symlink_to(tmp_path / "nowhere")
    os.mkfifo(tmp_path / "in" / "pipe")
    found = find_sources([tmp_path / "in"], "c")
    assert [source.path for source in found.fit] == ["link.wav"]
    assert {path.name for path in found.skipped} == {"broken.wav", "pipe"}


def test_a_hidden_file_that_is_named_goes_up(tmp_path: Path) -> None:
    (tmp_path / ".hidden.wav").write_bytes(b"1")
    assert len(find_sources([tmp_path / ".hidden.wav"], "c").fit) == 1


def test_the_same_file_named_twice_goes_up_once(tmp_path: Path) -> None:
    (tmp_path / "a.wav").write_bytes(b"1")
    assert len(find_sources([tmp_path / "a.wav", tmp_path], "c").fit) == 1


def test_two_files_for_one_key_are_refused(tmp_path: Path) -> None:
    for folder in ("a", "b"):
        (tmp_path / folder).mkdir()
        (tmp_path / folder / "x.wav").write_bytes(b"1")
    with pytest.raises(typer.BadParameter, match=r"c/x\.wav"):
        find_sources([tmp_path / "a" / "x.wav", tmp_path / "b" / "x.wav"], "c")


def test_a_name_that_is_not_utf_8_is_unfit(tmp_path: Path) -> None:
    Path(os.fsdecode(os.fsencode(tmp_path) + b"/\xff.wav")).write_bytes(b"1")
    assert [unfit.code for unfit in find_sources([tmp_path], "c").unfit] == ["bad_name"]


def test_a_key_longer_than_s3_allows_is_unfit(tmp_path: Path) -> None:
    folder = tmp_path.joinpath(*["d" * 250] * 4)
    folder.mkdir(parents=True)
    (folder / "long-enough.wav").write_bytes(b"1")
    assert [unfit.code for unfit in find_sources([tmp_path], "c" * 20).unfit] == ["name_too_long"]


def test_a_file_longer_than_one_put_is_unfit(tmp_path: Path) -> None:
    for name, size_bytes in (("just.tar", 5 * 1024**3), ("over.tar", 5 * 1024**3 + 1)):
        with (tmp_path / name).open("wb") as file:
            file.truncate(size_bytes)
    found = find_sources([tmp_path], "c")
    assert [source.path for source in found.fit] == ["just.tar"]
    assert [(unfit.path, unfit.code) for unfit in found.unfit] == [("over.tar", "upload_too_large")]
    assert "as c/over.tar with an S3 client" in found.unfit[0].reason


def choose(folder: Path, **patterns: tuple[str, ...]) -> list[str]:
    return [source.path for source in find_sources([folder], "c", Choice(**patterns)).fit]


@pytest.fixture
def mixed(tmp_path: Path) -> Path:
    for name in ("a.WAV", "a.rttm", "b/c.flac", "b/c.TextGrid", "b/notes", "b/README.md", "b/d.mp3.txt"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_bytes(b"1")
    return tmp_path


def test_sidecars_of_a_folder_stay_where_they_are(mixed: Path) -> None:
    found = find_sources([mixed], "c")
    assert [source.path for source in found.fit] == ["a.WAV", "b/c.flac", "b/notes"]
    assert {path.name for path in found.sidecars} == {"a.rttm", "c.TextGrid", "README.md", "d.mp3.txt"}


def test_a_sidecar_that_is_named_goes_up(mixed: Path) -> None:
    assert [source.path for source in find_sources([mixed / "a.rttm"], "c").fit] == ["a.rttm"]


def test_patterns_are_of_the_name_or_of_the_path_whatever_the_case(mixed: Path) -> None:
    assert choose(mixed, include=("*.wav",)) == ["a.WAV"]
    assert choose(mixed, include=("B/c.*",)) == ["b/c.TextGrid", "b/c.flac"]
    assert choose(mixed, include=("*.flac", "*.rttm")) == ["a.rttm", "b/c.flac"]
    assert choose(mixed, exclude=("*.FLAC", "notes")) == ["a.WAV"]
    assert choose(mixed, include=("b/*",), exclude=("*.md", "*.txt")) == ["b/c.TextGrid", "b/c.flac", "b/notes"]
