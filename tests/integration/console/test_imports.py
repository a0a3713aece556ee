"""Annotation files become names of segments: as one entry of the log, or not at all."""

import io
import json
import os
import subprocess
import sys
import zipfile
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest

from shared.events import LabelRecorded
from shared.ledger import stream
from shared.storage import reversals
from shared.storage.statements import name_segment
from tests.integration.console.conftest import OWNER_TOKEN, Served
from tests.integration.console.seeding import Meetings

BASE = "/v1/collections/meetings"
MONDAY = """\
;; the segments of monday lie at 0 to 1 s, 1 to 3.5 s and 5 to 10 s
SPEAKER ü 1 0.000 1.000 <NA> <NA> Ada_Lovelace <NA> <NA>
SPEAKER ü 1 1.000 1.500 <NA> <NA> Ben <NA> <NA>
SPEAKER ü 1 2.500 1.000 <NA> <NA> Cleo <NA> <NA>
SPEAKER ü 1 4.000 0.500 <NA> <NA> Ben <NA> <NA>
"""


def imported(served: Served, content: bytes | str, *, status: int = 202, **query: Any) -> Any:
    answer = served.http.post(f"{BASE}/imports", content=content, params=query)
    assert answer.status_code == status, answer.text
    return answer.json()


def names(served: Served, meetings: Meetings) -> dict[str, tuple[str, str]]:
    rows = {row["segment_id"]: row for row in served.http.get(f"{BASE}/segments").json()["items"]}
    named = {name: rows[str(segment_id)] for name, segment_id in meetings.segment_ids.items()}
    return {name: (row["speaker"], row["assigned_by"]) for name, row in named.items() if row["speaker"]}


def log(served: Served) -> list[Any]:
    return list(served.http.get(f"{BASE}/labels").json()["items"])


def events(served: Served) -> list[Any]:
    with served.console.database.begin() as tx:
        return [(e.type, e.data) for e in stream.read(tx, stream.beginning())[0]]


def zipped(**files: str) -> bytes:
    raw = io.BytesIO()
    with zipfile.ZipFile(raw, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in files.items():
            archive.writestr(name, content)
    return raw.getvalue()


def test_turns_name_segments_in_one_entry(served: Served, meetings: Meetings) -> None:
    report = imported(served, MONDAY, name="ü.rttm")
    assert names(served, meetings) == {"m1": ("Ada_Lovelace", "import")}
    assert {key: report[key] for key in ("named", "mixed", "uncovered", "unchanged", "turns_without_segment")} == {
        "named": 1,
        "mixed": 1,
        "uncovered": 1,
        "unchanged": 0,
        "turns_without_segment": 1,
    }
    assert report["mixed_segment_ids"] == [str(meetings.segment_ids["m2"])]
    assert report["files"] == [{"file": "ü", "object_key": "meetings/a monday/ü.wav", "turns": 4}]
    (entry,) = log(served)
    assert (entry["label_id"], entry["operation"], entry["actor"]) == (report["label_id"], "import", "owner")
    assert entry["detail"] == {"files": ["ü"], "n_files": 1, "n_segments": 1}
    ((kind, data),) = events(served)
    assert (kind, data["label_id"], data["operation"]) == (LabelRecorded.type, report["label_id"], "import")


def test_a_dry_run_reports_the_same_and_records_nothing(served: Served, meetings: Meetings) -> None:
    dry = imported(served, MONDAY, name="ü.rttm", dry_run=True, status=200)
    assert (dry["label_id"], dry["dry_run"], log(served), events(served)) == (None, True, [], [])
    assert names(served, meetings) == {}
    real = imported(served, MONDAY, name="ü.rttm")
    assert {**real, "label_id": None, "dry_run": True} == dry


def test_an_import_that_comes_again_says_nothing(served: Served, meetings: Meetings) -> None:
    imported(served, MONDAY, name="ü.rttm")
    again = imported(served, MONDAY, name="ü.rttm", status=200)
    assert (again["label_id"], again["named"], again["unchanged"]) == (None, 0, 1)
    assert len(log(served)) == 1


def test_a_name_with_a_blank_survives_the_way_through_rttm(served: Served, meetings: Meetings) -> None:
    with served.console.database.begin() as tx:
        name_segment(tx, meetings.segment_ids["t1"], "Ada Lovelace", "test")
    report = imported(served, MONDAY, name="ü.rttm")
    assert (report["speakers"], report["new_speakers"]) == ({"Ada Lovelace": 1}, [])


def test_a_person_is_not_overruled(served: Served, meetings: Meetings) -> None:
    with served.console.database.begin() as tx:
        name_segment(tx, meetings.segment_ids["m1"], "Zoë", "test")
    report = imported(served, MONDAY, name="ü.rttm")
    assert names(served, meetings) == {"m1": ("Zoë", "human")}
    assert (report["named"], report["left_alone"], report["speakers"]) == (0, 1, {})
    assert report["label_id"] is not None


def test_several_files_are_one_entry_and_unknown_ones_are_told(served: Served, meetings: Meetings) -> None:
    grid = served.http.get(f"{BASE}/export/textgrid", params={"by": "cluster"})
    tuesday = zipfile.ZipFile(io.BytesIO(grid.content)).read("tuesday.TextGrid").decode()
    files = {"b/tuesday.TextGrid": tuesday, "ü.rttm": MONDAY, "friday.txt": "0\t1\tBen\n"}
    report = imported(served, zipped(**files))
    assert report["unknown_files"] == ["friday"]
    assert report["named"] == 3
    assert len(log(served)) == 1


def test_segments_are_named_by_their_ids(served: Served, meetings: Meetings) -> None:
    one, gone = meetings.segment_ids["m3"], uuid4()
    report = imported(served, f"segment_id,speaker\n{one},Dora\n{gone},Dora\n", format="csv")
    assert names(served, meetings) == {"m3": ("Dora", "import")}
    assert report["unknown_segment_ids"] == [str(gone)]


def test_a_csv_that_comes_back_says_what_was_filled_in(served: Served, meetings: Meetings) -> None:
    with served.console.database.begin() as tx:
        name_segment(tx, meetings.segment_ids["m1"], "Ada", "test")
    table = served.http.get(f"{BASE}/export/csv").content
    text = zipfile.ZipFile(io.BytesIO(table)).read("meetings.csv").decode()
    nothing = imported(served, text, status=200)
    assert (nothing["label_id"], nothing["named"], nothing["unchanged"]) == (None, 0, 1)
    filled = text.replace("2.5,4.5,,", "2.5,4.5,Ben,")
    assert imported(served, filled)["speakers"] == {"Ben": 1}
    assert names(served, meetings) == {"m1": ("Ada", "human"), "t2": ("Ben", "import")}


@pytest.mark.parametrize("kind", ["rttm", "labelstudio", "textgrid", "elan", "audacity"])
def test_every_export_can_be_imported(served: Served, meetings: Meetings, kind: str) -> None:
    with served.console.database.begin() as tx:
        said = {
            name: name_segment(tx, meetings.segment_ids[name], "Ada Lovelace", "test") for name in ("m1", "m3", "t2")
        }
    exported = served.http.get(f"{BASE}/export/{kind}").content
    if kind == "labelstudio":
        exported = zipfile.ZipFile(io.BytesIO(exported)).read("tasks.json")
    with served.console.database.begin() as tx:
        reversals.undo(tx, said["m1"].label_id, "test")
        name_segment(tx, meetings.segment_ids["t2"], "Ben", "test")
    report = imported(served, exported, name="tasks.json")
    assert (report["speakers"], report["unchanged"], report["left_alone"]) == ({"Ada Lovelace": 1}, 1, 1)
    assert (report["unknown_files"], report["ambiguous_files"], report["mixed"]) == ([], [], 0)


WRONG = [
    (
        {"content": MONDAY + "SPEAKER ü 1 0 -1 <NA> <NA> A <NA> <NA>\n", "name": "ü.rttm"},
        "bad_rttm",
        "ü.rttm, line 6: ",
    ),
    ({"content": zipped(**{"ü.rttm": MONDAY, "x.rttm": "SPEAKER"}), "name": "a.zip"}, "bad_rttm", "x.rttm, line 1: "),
    ({"content": "Dear Sir"}, "unknown_annotation_format", "annotations"),
    ({"content": b"PK\x03\x04 nonsense"}, "bad_archive", "archive"),
    ({"content": MONDAY.replace(" ü ", " friday ")}, "no_known_recording", "'friday'"),
    ({"content": "", "format": "rttm"}, "no_known_recording", "no turn "),
    ({"content": MONDAY, "format": "word"}, "invalid_request", "format"),
    ({"content": "0\t1\t" + "x" * 201, "name": "tuesday.txt"}, "bad_audacity", "tuesday.txt, line 1"),
    ({"content": '<!DOCTYPE x [<!ENTITY e "e">]><x>&e;</x>', "name": "ü.eaf"}, "bad_eaf", "ü.eaf, line 1"),
    ({"content": '[{"data": 1}]', "name": "a.json"}, "bad_labelstudio", "task 1"),
]


@pytest.mark.parametrize(("request_", "code", "said"), WRONG)
def test_what_is_wrong_is_said_and_nothing_is_imported(
    served: Served, meetings: Meetings, request_: dict[str, Any], code: str, said: str
) -> None:
    error = imported(served, **request_, status=422)["error"]
    assert error["code"] == code
    assert said in error["message"]
    assert error["remedy"]
    assert (log(served), events(served)) == ([], [])


def test_the_command_takes_a_collection_out_and_back(served: Served, meetings: Meetings, tmp_path: Path) -> None:
    with served.console.database.begin() as tx:
        labelled = name_segment(tx, meetings.segment_ids["t2"], "Ada Lovelace", "test")

    def earmark(*words: object) -> Any:
        command = [sys.executable, "-m", "services.launcher.cli.main", *map(str, words), "-c", "meetings", "--json"]
        own = {**os.environ, "EARMARK_URL": served.url, "EARMARK_TOKEN": OWNER_TOKEN}
        return json.loads(subprocess.run(command, env=own, capture_output=True, check=True).stdout)

    assert earmark("export", "elan", "--out", tmp_path / "eaf")["files"] == 3
    with served.console.database.begin() as tx:
        reversals.undo(tx, labelled.label_id, "test")
    report = earmark("import", "labels", tmp_path / "eaf", "--dry-run")
    assert (report["named"], report["speakers"], report["label_id"]) == (1, {"Ada Lovelace": 1}, None)
    assert earmark("import", "labels", tmp_path / "eaf")["label_id"] == log(served)[-1]["label_id"]
    assert [row["speaker"] for row in earmark("segments", "--recording", "b/tuesday.wav")] == [None, "Ada Lovelace"]
    assert len(earmark("segments", "--recording", meetings.monday, "--unnamed")) == 3


def test_imports_need_the_right_to_label(served: Served, meetings: Meetings) -> None:
    with served.as_(served.token("read")) as reader:
        assert reader.post(f"{BASE}/imports", content=MONDAY).status_code == 403
    assert served.http.post("/v1/collections/nowhere/imports", content=MONDAY).status_code == 404
