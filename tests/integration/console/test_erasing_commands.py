"""`earmark recordings erase` and what belongs to it, against a console."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest

from services.launcher.cli import erasing
from services.launcher.cli.main import run
from tests.integration.console.conftest import OWNER_TOKEN, Served
from tests.integration.console.seeding import Meetings
from tests.integration.console.test_erasing import finish_erasures

Earmark = Callable[..., Any]


@pytest.fixture
def earmark(served: Served, capfdbinary: pytest.CaptureFixture[bytes]) -> Earmark:
    """The document that a command prints with --json, or its status and what it says."""

    def call(*words: object, status: int = 0) -> Any:
        assert run(["--url", served.url, "--token", OWNER_TOKEN, *map(str, words)]) == status
        said = capfdbinary.readouterr()
        return json.loads(said.out) if "--json" in words and not status else (said.out + said.err).decode()

    return call


def names(earmark: Earmark) -> set[str]:
    return {row["recording_id"] for row in earmark("recordings", "-c", "meetings", "--json")}


def test_recordings_are_erased_by_id_and_by_key(meetings: Meetings, earmark: Earmark) -> None:
    done = earmark(
        *("recordings", "erase", meetings.silence, "--key", "meetings/z/copy.wav", "-c", "meetings", "--json")
    )
    assert done["recordings"] == [str(meetings.silence), str(meetings.monday)]
    (receipt,) = done["receipts"]
    assert receipt["erased"]["recordings"] == 2
    assert names(earmark) == {str(meetings.tuesday), str(meetings.ghost)}
    assert earmark("receipts", receipt["receipt_id"], "--json") == receipt
    assert earmark("receipts", "--json") == [receipt]


def test_a_receipt_has_a_line_for_each_count_and_for_each_key(meetings: Meetings, earmark: Earmark) -> None:
    earmark("label", "--segment", meetings.segment_ids["m1"], "Marta")
    receipt = earmark("speakers", "erase", "Marta", "--json")
    assert len(receipt["audio_kept"]) > 1
    lines = [line.strip() for line in earmark("receipts", receipt["receipt_id"]).splitlines()]
    assert set(receipt["audio_kept"]) <= {line.removeprefix("audio_kept").strip() for line in lines}
    counts = {f"{n} {what}" for what, n in receipt["erased"].items() if n}
    assert counts <= {line.removeprefix("erased").strip() for line in lines}
    assert not [line for line in lines if line.removeprefix("erased").strip().startswith("0 ")]


def test_recordings_are_erased_by_attribute(served: Served, meetings: Meetings, earmark: Earmark) -> None:
    body = {"items": [{"path": "b/tuesday.wav", "attributes": {"speaker_id": "f8"}}]}
    served.http.put("/v1/collections/meetings/attributes", json=body).raise_for_status()
    done = earmark("recordings", "erase", "--where", "speaker_id=f8", "-c", "meetings", "--json")
    assert done["recordings"] == [str(meetings.tuesday)]
    assert "unknown_recording" in earmark("recordings", "erase", "--key", "meetings/b/tuesday.wav", "-c", "meetings",
                                          "--yes", status=1)  # fmt: skip


def test_all_of_a_collection_are_erased(meetings: Meetings, earmark: Earmark) -> None:
    before = names(earmark)
    done = earmark("recordings", "erase", "--all", "-c", "meetings", "--json")
    assert set(done["recordings"]) == before
    assert not names(earmark)
    assert "It has no recordings" in earmark("recordings", "erase", "--all", "-c", "meetings", "--yes", status=1)


@pytest.mark.parametrize(
    "chosen", [(), ("--where", "a=b", "--key", "k"), ("--all", "--key", "k"), ("--all", "--where", "a=b"), ("no-id",)]
)
def test_what_is_meant_must_be_said(meetings: Meetings, earmark: Earmark, chosen: tuple[str, ...]) -> None:
    earmark("recordings", "erase", *chosen, "-c", "meetings", "--yes", status=2)
    assert len(names(earmark)) == 4


def test_what_was_erased_before_a_failure_is_told_and_left_out_the_next_time(
    meetings: Meetings, earmark: Earmark, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(erasing, "_AT_ONCE", 1)
    wanted = [meetings.silence, UUID(int=1), meetings.monday]
    failed = earmark("recordings", "erase", *wanted, "-c", "meetings", "--yes", status=1)
    (receipt,) = earmark("receipts", "--json")
    assert receipt["receipt_id"] in failed
    assert "unknown_recording" in failed
    done = earmark("recordings", "erase", meetings.silence, meetings.monday, "-c", "meetings", "--json")
    assert done["recordings"] == [str(meetings.monday)]
    again = earmark("recordings", "erase", meetings.silence, meetings.monday, "-c", "meetings")
    assert "2 recordings erased before" in again


def test_an_unknown_recording_is_told_how_it_may_be_named(meetings: Meetings, earmark: Earmark) -> None:
    said = earmark("recordings", "erase", UUID(int=1), "-c", "meetings", "--yes", status=1)
    assert "Name it by its id, see `earmark recordings -c meetings`, or by --key." in said


def test_nothing_is_replayed_of_an_empty_file_and_no_folder_made_for_an_export(
    meetings: Meetings, earmark: Earmark, tmp_path: Path
) -> None:
    (tmp_path / "empty").touch()
    assert "bad_tombstones" in earmark("tombstones", "replay", tmp_path / "empty", status=1)
    assert "There is no folder" in earmark("tombstones", "export", tmp_path / "new" / "ts.jsonl", status=1)
    assert not (tmp_path / "new").exists()


def test_an_export_of_tombstones_forgets_none_that_the_file_has(
    meetings: Meetings, earmark: Earmark, tmp_path: Path
) -> None:
    earmark("recordings", "erase", meetings.monday, "-c", "meetings", "--yes")
    (stone,) = earmark("tombstones", "list", "--json")
    kept = tmp_path / "tombstones.jsonl"
    kept.write_text(json.dumps({**stone, "subject_id": str(UUID(int=1))}) + "\n")
    exported = earmark("tombstones", "export", kept, "--json")
    assert exported == {"file": str(kept), "tombstones": 2, "not_known_here": 1}
    found = {json.loads(line)["subject_id"] for line in kept.read_text().splitlines()}
    assert found == {stone["subject_id"], str(UUID(int=1))}
    kept.write_text('{"subject_id": 7}\n')
    assert "bad_file" in earmark("tombstones", "export", kept, status=1)
    assert kept.read_text() == '{"subject_id": 7}\n'


def test_nothing_is_erased_unasked(meetings: Meetings, earmark: Earmark) -> None:
    earmark("recordings", "erase", meetings.monday, "-c", "meetings", status=1)  # nobody answers
    assert len(names(earmark)) == 4


def test_tombstones_are_exported_replayed_and_lifted(
    served: Served, meetings: Meetings, earmark: Earmark, tmp_path: Path
) -> None:
    earmark("recordings", "erase", meetings.monday, "-c", "meetings", "--yes")
    (stone,) = earmark("tombstones", "list", "--json")
    assert (stone["subject_id"], stone["kind"]) == (str(meetings.monday), "recording")
    kept = tmp_path / "tombstones.jsonl"
    earmark("tombstones", "export", kept)
    assert kept.stat().st_mode & 0o777 == 0o600
    assert earmark("tombstones", "replay", kept, "--json") == {"new": 0, "receipts": []}
    finish_erasures(served)
    lifted = earmark("recordings", "unerase", meetings.monday, "-c", "meetings", "--json")
    assert lifted == [{"recording_id": str(meetings.monday), "collection": "meetings"}]
    assert earmark("tombstones", "replay", kept, "--json") == {"new": 1, "receipts": []}
    (tmp_path / "else").write_text("no JSON\n")
    assert "bad_file" in earmark("tombstones", "replay", tmp_path / "else", status=1)
