"""A release out of its tars: whole or not at all, whatever the tars are and whenever it is killed."""

import gzip
import io
import json
import os
import signal
import subprocess
import sys
import tarfile
import time
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path

import pytest

from shared.corpora import checking, extraction
from shared.corpora.extraction import STATE, Busy, NoTars
from shared.corpora.placing import CannotWrite
from shared.corpora.tars import Limits
from tests.support.corpora import contributor_tar, sap_metadata, tar_of, wav

NAME = "SpeechAccessibility_2025-11-02"
IDS = ("0a-ada", "0b-bob", "0c-cyd")


def release(folder: Path, inner: dict[str, bytes], split: str = "Train", outer: str = f"{NAME}_000") -> Path:
    """Outer tars of contributors' tars, and the duplicates of JSON alone."""
    (folder / split).mkdir(parents=True, exist_ok=True)
    members = {f"{outer}/{contributor}.tar": content for contributor, content in inner.items()}
    (folder / split / f"{outer}.tar").write_bytes(tar_of(members))
    duplicates = {f"{i}/{i}.json": json.dumps(sap_metadata(i, ["stale.wav"])).encode() for i in inner}
    (folder / split / f"{NAME}_{split}_Only_Json.tar").write_bytes(tar_of(duplicates))
    return folder


@pytest.fixture
def source(tmp_path: Path) -> Path:
    folder = release(tmp_path / "release", {i: contributor_tar(i) for i in IDS})
    return release(folder, {"0d-dan": contributor_tar("0d-dan", 3)}, "Dev")


@pytest.fixture
def target(tmp_path: Path) -> Path:
    return tmp_path / "out"


def files(target: Path) -> dict[str, bytes]:
    """All that is to be seen."""
    found = (p for p in target.rglob("*") if p.is_file() and STATE not in p.parts)
    return {p.relative_to(target).as_posix(): p.read_bytes() for p in found}


def codes(report: extraction.Report) -> list[tuple[str, str]]:
    return [(problem.code, problem.path) for problem in report.problems]


def test_a_release_becomes_a_folder_for_each_contributor(source: Path, target: Path) -> None:
    report = extraction.extract(source, target)
    assert (report.extracted, report.already, report.files, report.problems) == (4, 0, 3 * 3 + 4, [])
    assert sorted(p.name for p in target.iterdir() if not p.name.startswith(".")) == ["Dev", "Train"]
    assert files(target)["Train/0a-ada/0a-ada_1_1_16kHz.wav"] == wav(301)
    assert len(report.skipped) == 2  # the tars of JSON alone, whose metadata are never seen:
    assert checking.check(target).sound


def test_again_there_is_nothing_to_do(source: Path, target: Path) -> None:
    extraction.extract(source, target)
    before = {p: p.stat().st_mtime_ns for p in target.rglob("*.wav")}
    report = extraction.extract(source, target)
    assert (report.extracted, report.already, report.files) == (0, 4, 0)
    assert before == {p: p.stat().st_mtime_ns for p in target.rglob("*.wav")}


def test_only_what_was_taken_away_is_extracted_again(source: Path, target: Path) -> None:
    extraction.extract(source, target)
    before = files(target)
    (target / "Train/0b-bob/0b-bob_0_0_16kHz.wav").unlink()
    report = extraction.extract(source, target)
    assert (report.extracted, report.already, report.files) == (1, 3, 1)
    assert files(target) == before


def test_the_progress_ends_at_the_size_of_the_tars(source: Path, target: Path) -> None:
    heard: list[tuple[int, int]] = []
    extraction.extract(source, target, lambda done, of: heard.append((done, of)))
    assert heard == sorted(heard)
    assert heard[-1][0] == heard[-1][1] == sum(p.stat().st_size for p in source.rglob("*.tar") if "Json" not in p.name)


def test_a_contributors_own_tar_and_compressed_ones_are_read(tmp_path: Path, target: Path) -> None:
    folder = tmp_path / "release" / "Dev"
    folder.mkdir(parents=True)
    (folder / "0a-ada.tar").write_bytes(contributor_tar("0a-ada"))
    outer = tar_of({"README": b"hi", "0b.tar": contributor_tar("0b")})
    (folder / f"{NAME}_000.tar.gz").write_bytes(gzip.compress(outer))
    report = extraction.extract(folder, target)  # the split is the folder's own name
    assert (report.extracted, report.problems) == (2, [])
    assert checking.check(target).splits["Dev"].contributors == 2


def test_a_tar_outside_of_the_splits_is_told(source: Path, target: Path) -> None:
    (source / "loose.tar").write_bytes(contributor_tar("0e"))
    assert codes(extraction.extract(source, target)) == [("no_split", "loose.tar")]


def test_a_folder_without_tars_is_refused(tmp_path: Path, target: Path) -> None:
    with pytest.raises(NoTars):
        extraction.extract(tmp_path, target)


def link(name: str, kind: bytes, to: str = "") -> tarfile.TarInfo:
    member = tarfile.TarInfo(name)
    member.type, member.linkname = kind, to
    return member


HOSTILE: dict[str, dict[str, bytes | tarfile.TarInfo]] = {
    "absolute": {"/tmp/evil.wav": b"x"},
    "upwards": {"0x/../../evil.wav": b"x"},
    "backslash": {"0x\\..\\evil.wav": b"x"},
    "symlink": {"l": link("0x/l.wav", tarfile.SYMTYPE, "/etc/passwd")},
    "hard link": {"l": link("0x/l.wav", tarfile.LNKTYPE, "/etc/passwd")},
    "device": {"d": link("0x/d.wav", tarfile.CHRTYPE)},
    "pipe": {"p": link("0x/p.wav", tarfile.FIFOTYPE)},
    "file as folder": {"0x/a": b"x", "0x/a/b": b"y"},
    "folder as file": {"0x/a/b": b"x", "0x/a": b"y"},
    "long name": {"0x/" + "n" * 300: b"x"},
}


@pytest.mark.parametrize("kind", HOSTILE)
def test_a_hostile_tar_leaves_nothing_and_costs_no_other(source: Path, target: Path, tmp_path: Path, kind: str) -> None:
    packed = tar_of({"0x/0x.json": b"{}", **HOSTILE[kind]})
    release(source, {"0x": packed}, outer=f"{NAME}_001")
    report = extraction.extract(source, target)
    assert codes(report) == [("unsafe_tar", f"Train/{NAME}_001.tar/{NAME}_001/0x.tar")]
    assert report.extracted == 4
    assert checking.check(target).sound
    assert not list(tmp_path.rglob("evil*"))


def test_a_member_of_the_same_name_twice_is_refused(source: Path, target: Path) -> None:
    twice = tar_of({"0x/0x.json": b"{}", "0x/./0x.json": b"[]"})
    release(source, {"0x": twice}, outer=f"{NAME}_001")
    assert [code for code, _ in codes(extraction.extract(source, target))] == ["unsafe_tar"]


@pytest.mark.parametrize("limits", [Limits(n_members=3, total_bytes=1 << 30), Limits(n_members=9, total_bytes=20_000)])
def test_more_than_a_contributor_may_have_is_refused(source: Path, target: Path, limits: Limits) -> None:
    report = extraction.extract(source, target, inner=limits)
    assert codes(report) == [("tar_too_large", f"Dev/{NAME}_000.tar/{NAME}_000/0d-dan.tar")]
    assert report.extracted == 3


@pytest.mark.parametrize("kept", [0.2, 0.5, 0.9])
def test_a_tar_that_breaks_off_costs_itself(source: Path, target: Path, kept: float) -> None:
    whole = contributor_tar("0x", 4)
    release(source, {"0x": whole[: round(len(whole) * kept)]}, outer=f"{NAME}_001")
    report = extraction.extract(source, target)
    assert [code for code, _ in codes(report)] == ["broken_tar"]
    assert checking.check(target).sound


def test_a_tar_that_ends_between_two_members_is_broken_too(source: Path, target: Path) -> None:
    whole = contributor_tar("0x", 2)
    with tarfile.open(fileobj=io.BytesIO(whole)) as tar:
        third = tar.getmembers()[2].offset
    release(source, {"0x": whole[:third]}, outer=f"{NAME}_001")
    assert [code for code, _ in codes(extraction.extract(source, target))] == ["broken_tar"]
    assert not (target / "Train" / "0x").exists()


def test_a_damaged_header_is_no_end(source: Path, target: Path) -> None:
    whole = bytearray(contributor_tar("0x", 2))
    with tarfile.open(fileobj=io.BytesIO(bytes(whole))) as tar:
        at = tar.getmembers()[1].offset
    whole[at : at + 100] = os.urandom(100)
    release(source, {"0x": bytes(whole)}, outer=f"{NAME}_001")
    assert [code for code, _ in codes(extraction.extract(source, target))] == ["broken_tar"]


def test_an_outer_tar_that_breaks_off_gives_what_it_has(source: Path, target: Path) -> None:
    outer = source / "Train" / f"{NAME}_000.tar"
    outer.write_bytes(outer.read_bytes()[: round(outer.stat().st_size * 0.5)])
    report = extraction.extract(source, target)
    assert {code for code, _ in codes(report)} == {"broken_tar"}
    assert (target / "Train" / "0a-ada").is_dir()
    assert checking.check(target).sound


def test_what_is_no_tar_is_told(source: Path, target: Path) -> None:
    (source / "Train" / "notes.tar").write_bytes(b"not a tar" * 100)
    assert codes(extraction.extract(source, target)) == [("broken_tar", "Train/notes.tar")]


def test_a_file_of_other_bytes_is_not_overwritten(source: Path, target: Path) -> None:
    mine = target / "Train/0b-bob/0b-bob_0_0_16kHz.wav"
    mine.parent.mkdir(parents=True)
    mine.write_bytes(b"mine")
    report = extraction.extract(source, target)
    assert codes(report) == [("differs", f"Train/{NAME}_000.tar/{NAME}_000/0b-bob.tar")]
    assert mine.read_bytes() == b"mine"


def test_two_cannot_extract_into_one_folder(source: Path, target: Path) -> None:
    with extraction._alone(target), pytest.raises(Busy):
        extraction.extract(source, target)


def test_a_target_that_cannot_be_written_is_one_clear_error(source: Path, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(CannotWrite, match="file"):
        extraction.extract(source, tmp_path / "file" / "out")


def kill_while_extracting(source: Path, target: Path, after_s: float) -> int:
    code = "import sys; from pathlib import Path; from shared.corpora import extraction; print('go', flush=True); "
    code += "extraction.extract(Path(sys.argv[1]), Path(sys.argv[2]))"
    child = subprocess.Popen([sys.executable, "-c", code, str(source), str(target)], stdout=subprocess.PIPE)
    assert child.stdout is not None
    child.stdout.readline()
    time.sleep(after_s)
    child.send_signal(signal.SIGKILL)
    child.stdout.close()
    return child.wait()


@pytest.mark.slow
def test_killed_again_and_again_it_ends_with_the_same_files(tmp_path: Path) -> None:
    inner: Callable[[int], bytes] = lambda n: contributor_tar(f"{n:02}", 20)  # noqa: E731
    source = release(tmp_path / "release", {f"{n:02}": inner(n) for n in range(15)})
    calm, target = tmp_path / "calm", tmp_path / "killed"
    extraction.extract(source, calm)
    n_killed = 0
    for round_ in range(12):
        n_killed += kill_while_extracting(source, target, 0.01 + 0.02 * round_) == -signal.SIGKILL
        for path, content in files(target).items():  # at any moment: what is there is whole
            assert (calm / path).read_bytes() == content
        assert not [p for p in checking.check(target).problems.first if p.code != "stray_folder"]
    assert n_killed > 3
    report = extraction.extract(source, target)
    assert report.problems == []
    assert report.extracted + report.already == 15
    assert files(target) == files(calm)
    assert not (target / STATE / "partial").exists()
    assert asdict(checking.check(target)) == asdict(checking.check(calm))
