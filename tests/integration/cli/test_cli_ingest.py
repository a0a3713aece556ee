"""`earmark ingest` against a real HTTP server."""

from pathlib import Path

import pytest

from services.launcher.cli import sources
from tests.integration.cli.api_script import Script
from tests.integration.cli.conftest import Earmark


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Five files, two of them with names that are not ASCII, and a hidden one."""
    root = tmp_path / "aufnahmen"
    (root / "größe").mkdir(parents=True)
    (root / ".cache").mkdir()
    files = {
        "größe/übung 1.wav": b"one",
        "größe/日本語#2.flac": b"two",
        "plain.mp3": b"x" * 600_000,
        "notes.bin": b"not audio",
        "empty.wav": b"",
        ".DS_Store": b"hidden",
        ".cache/copy.wav": b"hidden",
    }
    for name, content in files.items():
        (root / name).write_bytes(content)
    return root


def test_every_regular_file_goes_up_under_its_relative_path(api: Script, earmark: Earmark, folder: Path) -> None:
    assert earmark("ingest", folder, "-c", "talk", "--json").status == 0
    assert api.objects == {
        "talk/größe/übung 1.wav": b"one",
        "talk/größe/日本語#2.flac": b"two",
        "talk/plain.mp3": b"x" * 600_000,
        "talk/notes.bin": b"not audio",
        "talk/empty.wav": b"",
    }
    assert sorted(api.announced) == sorted(api.objects)


def test_what_replaces_another_file_is_said(earmark: Earmark, folder: Path) -> None:
    assert "replaced" not in earmark("ingest", folder, "-c", "talk").err
    (folder / "plain.mp3").write_bytes(b"other bytes")
    said = earmark("ingest", folder, "-c", "talk").err
    assert "1 file replaced another of that name (talk/plain.mp3)." in said


def test_waiting_reports_what_became_of_each_file(api: Script, earmark: Earmark, folder: Path) -> None:
    api.rejected["notes.bin"] = ("not_audio", "There is no audio in it.")
    result = earmark("ingest", folder, "-c", "talk", "--wait", "--timeout", 30, "--json")
    assert result.status == 3
    assert set(result.document) == {"files", "seconds"}
    files = {row["object_key"]: row for row in result.document["files"]}
    assert files["talk/notes.bin"] == {
        "object_key": "talk/notes.bin",
        "recording_id": None,
        "status": "rejected",
        "reason": "not_audio: There is no audio in it.",
        "segments": None,
    }
    assert files["talk/größe/übung 1.wav"] == {
        "object_key": "talk/größe/übung 1.wav",
        "recording_id": "recording of talk/größe/übung 1.wav",
        "status": "ready",
        "reason": None,
        "segments": 4,
    }
    assert len(files) == 5


def test_all_ready_is_status_0(earmark: Earmark, folder: Path) -> None:
    assert earmark("ingest", folder, "-c", "talk", "--wait", "--timeout", 30).status == 0


def test_files_still_pending_at_the_timeout_are_told_and_status_is_1(
    api: Script, earmark: Earmark, folder: Path
) -> None:
    api.stuck["plain.mp3"] = None
    result = earmark("ingest", folder, "-c", "talk", "--wait", "--timeout", 1, "--json")
    assert result.status == 1
    statuses = {row["object_key"]: row["status"] for row in result.document["files"]}
    assert statuses["talk/plain.mp3"] == "pending"
    assert statuses["talk/empty.wav"] == "ready"


def test_only_files_that_are_not_through_are_asked_for_again(api: Script, earmark: Earmark, folder: Path) -> None:
    api.stuck["plain.mp3"] = None
    earmark("ingest", folder, "-c", "talk", "--wait", "--timeout", 2)
    assert api.looks["talk/empty.wav"] == api.looks_until_ready
    assert api.looks["talk/plain.mp3"] > api.looks_until_ready


def test_what_is_known_of_an_older_file_under_the_key_does_not_count(
    api: Script, earmark: Earmark, folder: Path
) -> None:
    api.looks_until_ready, api.looks_until_seen = 1, 3
    assert earmark("ingest", folder / "plain.mp3", "-c", "talk", "--wait", "--timeout", 30).status == 0
    assert api.looks["talk/plain.mp3"] == 3


def test_hidden_files_are_skipped_and_said_so(earmark: Earmark, folder: Path) -> None:
    result = earmark("ingest", folder, "-c", "talk", "--json")
    assert ".DS_Store" in result.err
    assert ".cache" in result.err
    assert not any("copy.wav" in row["object_key"] for row in result.document["files"])


def test_sidecars_are_left_where_they_are_and_said_so_in_a_line(api: Script, earmark: Earmark, folder: Path) -> None:
    for name in ("plain.rttm", "notes.TXT", "größe/übung 1.json"):
        (folder / name).write_text("{}")
    result = earmark("ingest", folder, "-c", "talk", "--wait", "--timeout", 30, "--json")
    assert result.status == 0
    assert len(result.document["files"]) == 5
    assert "Skipped 3 files as no audio by name (.json, .rttm, .txt)" in result.err


def test_patterns_choose(api: Script, earmark: Earmark, folder: Path) -> None:
    earmark("ingest", folder, "-c", "talk", "--include", "*.WAV", "--include", "*.bin", "--exclude", "größe/*")
    assert sorted(api.objects) == ["talk/empty.wav", "talk/notes.bin"]


def test_a_named_file_goes_up_under_its_name(api: Script, earmark: Earmark, folder: Path) -> None:
    earmark("ingest", folder / "größe" / "übung 1.wav", "-c", "talk")
    assert list(api.objects) == ["talk/übung 1.wav"]


def test_bodies_are_announced_with_their_length(api: Script, earmark: Earmark, folder: Path) -> None:
    earmark("ingest", folder, "-c", "talk")
    assert sorted(int(headers["Content-Length"]) for headers in api.put_headers) == [0, 3, 3, 9, 600_000]
    assert not any("Transfer-Encoding" in headers for headers in api.put_headers)


def test_the_token_never_goes_to_the_store(api: Script, earmark: Earmark, folder: Path) -> None:
    earmark("ingest", folder, "-c", "talk")
    assert not any("Authorization" in headers for headers in api.put_headers)


def test_the_settings_go_along(api: Script, earmark: Earmark, folder: Path) -> None:
    earmark("ingest", folder, "-c", "talk", "--segmenter", "whole", "--encoder", "a", "--encoder", "b")
    (body,) = api.bodies["collections/talk/uploads"]
    assert (body["segmenter"], body["encoders"]) == ("whole", ["a", "b"])


@pytest.mark.parametrize("stumbles", [[500, 503], [0], [429]])
def test_an_upload_is_tried_again_when_the_store_stumbles(
    api: Script, earmark: Earmark, folder: Path, stumbles: list[int]
) -> None:
    api.put_answers["plain.mp3"] = stumbles
    assert earmark("ingest", folder, "-c", "talk").status == 0
    assert api.objects["talk/plain.mp3"] == b"x" * 600_000


def test_a_url_that_ran_out_is_renewed(api: Script, earmark: Earmark, folder: Path) -> None:
    api.put_answers["plain.mp3"] = [403]
    assert earmark("ingest", folder, "-c", "talk").status == 0
    assert api.bodies["collections/talk/uploads"][1]["paths"] == ["plain.mp3"]
    assert "talk/plain.mp3" in api.objects


def test_a_refused_upload_fails_and_the_others_go_on(api: Script, earmark: Earmark, folder: Path) -> None:
    api.put_answers["plain.mp3"] = [400]
    result = earmark("ingest", folder, "-c", "talk", "--wait", "--timeout", 30, "--json")
    assert result.status == 1
    files = {row["object_key"]: row for row in result.document["files"]}
    assert (files["talk/plain.mp3"]["status"], len(files)) == ("failed", 5)
    assert "HTTP 400" in files["talk/plain.mp3"]["reason"]
    assert "talk/plain.mp3" not in api.announced


def test_a_file_that_is_too_large_is_told_before_anything_goes_up(
    api: Script, earmark: Earmark, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sources, "MAX_PUT_BYTES", 600_000)
    (folder / "huge.tar").write_bytes(b"x" * 600_001)
    alone = earmark("ingest", folder / "huge.tar", "-c", "talk", "--wait")
    assert (alone.status, api.put_headers) == (3, [])
    assert alone.err.startswith("huge.tar cannot go up (upload_too_large): It has more than 5 GiB")
    among = earmark("ingest", folder, "-c", "talk", "--wait", "--json")
    rejected = [row for row in among.document["files"] if row["status"] == "rejected"]
    assert (among.status, len(api.objects), len(rejected)) == (3, 5, 1)
    assert rejected[0]["reason"].startswith("upload_too_large: ")


def test_a_restart_of_the_api_is_waited_out(api: Script, earmark: Earmark, folder: Path) -> None:
    api.outage_left = 2
    assert earmark("ingest", folder, "-c", "talk", "--wait", "--timeout", 30).status == 0


def test_more_files_than_one_request_takes_go_in_batches(api: Script, earmark: Earmark, tmp_path: Path) -> None:
    for n in range(1003):
        (tmp_path / f"{n}.wav").write_bytes(b"")
    api.looks_until_ready = 1
    assert earmark("ingest", tmp_path, "-c", "many", "--wait").status == 0
    assert [len(body["paths"]) for body in api.bodies["collections/many/uploads"]] == [1000, 3]
    assert len(api.objects) == 1003


def test_two_files_for_one_key_are_wrong_usage(api: Script, earmark: Earmark, tmp_path: Path) -> None:
    for name in ("a", "b"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "same.wav").write_bytes(b"")
    assert earmark("ingest", tmp_path / "a", tmp_path / "b", "-c", "talk").status == 2
    assert not api.objects


def test_an_empty_folder_fails(earmark: Earmark, tmp_path: Path) -> None:
    result = earmark("ingest", tmp_path, "-c", "talk", "--json")
    assert (result.status, result.document["error"]["code"]) == (1, "nothing_to_upload")
