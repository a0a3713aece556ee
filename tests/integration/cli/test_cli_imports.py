"""`earmark import labels` and the filters of `earmark segments` against a real HTTP server."""

import io
import zipfile
from pathlib import Path
from typing import Any

import pytest

from tests.integration.cli.api_script import Script
from tests.integration.cli.conftest import Earmark

REPORT: dict[str, Any] = {
    "label_id": "label-1",
    "dry_run": False,
    "named": 3,
    "left_alone": 1,
    "unchanged": 0,
    "mixed": 1,
    "uncovered": 2,
    "turns_without_segment": 4,
    "speakers": {"Ada": 2, "Ben": 1},
    "new_speakers": ["Ben"],
    "files": [],
    "unknown_files": [],
    "ambiguous_files": [],
    "unknown_segment_ids": [],
    "mixed_segment_ids": ["s1"],
}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for name in ("a.rttm", "deep/ü.TextGrid", "notes.txt", "a.wav", ".hidden.rttm", ".git/b.rttm"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(name)
    return tmp_path


def sent(api: Script) -> dict[str, bytes]:
    (packed,) = api.bodies["collections/talk/imports"]
    with zipfile.ZipFile(io.BytesIO(packed)) as archive:
        return {name: archive.read(name) for name in archive.namelist()}


def test_a_folder_goes_in_one_request(api: Script, earmark: Earmark, folder: Path) -> None:
    api.import_report = REPORT
    result = earmark("import", "labels", folder, "-c", "talk", "--json")
    assert (result.status, result.document) == (0, {**REPORT, "propagated": None})
    assert sent(api) == {"a.rttm": b"a.rttm", "deep/ü.TextGrid": "deep/ü.TextGrid".encode()}
    assert api.queries == [{"name": "import.zip"}]


def test_a_format_and_a_dry_run_are_passed_on(api: Script, earmark: Earmark, folder: Path) -> None:
    api.import_report = {**REPORT, "dry_run": True, "label_id": None}
    result = earmark("import", "labels", folder, "-c", "talk", "--format", "audacity", "--dry-run", "--wait")
    assert "3 segments would be named: Ada 2, Ben 1" in result.out
    assert list(sent(api)) == ["notes.txt"]
    assert api.queries == [{"name": "import.zip", "format": "audacity", "dry_run": "true"}]


def test_waiting_tells_how_many_followed(api: Script, earmark: Earmark, folder: Path) -> None:
    api.import_report = dict(REPORT)
    assert earmark("import", "labels", folder / "a.rttm", "-c", "talk", "--wait", "--json").document["propagated"] == 7


def test_a_person_reads_what_was_left(api: Script, earmark: Earmark, folder: Path) -> None:
    api.import_report = REPORT
    result = earmark("import", "labels", folder / "a.rttm", "-c", "talk")
    assert "3 segments named: Ada 2, Ben 1" in result.out
    assert "Nobody was called so before: Ben" in result.err
    for line in (
        "1 segment left alone: a person said otherwise",
        "1 segment not named: two speakers",
        "2 segments not named: nobody speaks there in the files",
        "4 turns of the files outside of all segments",
    ):
        assert line in result.err.splitlines()
    assert "unchanged" not in result.err


@pytest.mark.parametrize("what", ["unknown_files", "ambiguous_files", "unknown_segment_ids"])
def test_what_could_not_be_placed_is_status_3(api: Script, earmark: Earmark, folder: Path, what: str) -> None:
    api.import_report = {**REPORT, what: ["friday"]}
    result = earmark("import", "labels", folder / "a.rttm", "-c", "talk")
    assert result.status == 3
    assert "friday" in result.err


def test_two_files_of_one_name_both_go(api: Script, earmark: Earmark, folder: Path) -> None:
    api.import_report = REPORT
    (folder / "deep" / "a.rttm").write_text("other")
    earmark("import", "labels", folder / "a.rttm", folder / "deep" / "a.rttm", folder / "a.rttm", "-c", "talk")
    assert sorted(sent(api).values()) == [b"a.rttm", b"a.rttm", b"other"]


def test_nothing_to_import_is_said(earmark: Earmark, folder: Path) -> None:
    result = earmark("import", "labels", folder / ".git", "-c", "talk", "--format", "elan", "--json")
    assert (result.status, result.document["error"]["code"]) == (1, "nothing_to_import")


def test_an_unknown_format_is_wrong_usage(earmark: Earmark, folder: Path) -> None:
    assert earmark("import", "labels", folder, "-c", "talk", "--format", "word").status == 2


@pytest.mark.parametrize("kind", ["csv", "labelstudio", "textgrid", "elan", "audacity"])
def test_annotation_files_are_exported_into_a_folder(api: Script, earmark: Earmark, tmp_path: Path, kind: str) -> None:
    api.export_files["a"] = b"x"
    result = earmark("export", kind, "-c", "talk", "--by", "cluster", "--out", tmp_path / "out", "--json")
    assert (result.status, result.document) == (0, {"out": str(tmp_path / "out"), "files": 1})


def test_the_labelling_configuration_is_pointed_at(api: Script, earmark: Earmark, tmp_path: Path) -> None:
    api.export_files.update({"tasks.json": b"[]", "config.xml": b"<View/>"})
    assert (
        str(tmp_path / "out" / "config.xml")
        in earmark("export", "labelstudio", "-c", "talk", "--out", tmp_path / "out").out
    )
