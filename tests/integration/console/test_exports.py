"""Exports, read the way their users will."""

import csv
import io
import json
import zipfile

import numpy as np
import pytest

from shared.storage.statements import name_segment
from tests.integration.console.conftest import Served
from tests.integration.console.seeding import Meetings

BASE = "/v1/collections/meetings"


def archive(served: Served, path: str, **query: str) -> zipfile.ZipFile:
    answer = served.http.get(path, params=query)
    assert (answer.status_code, answer.headers["content-type"]) == (200, "application/zip"), answer.text
    assert int(answer.headers["content-length"]) == len(answer.content)
    return zipfile.ZipFile(io.BytesIO(answer.content))


def name_segments(served: Served, meetings: Meetings, **speakers: str) -> None:
    with served.console.database.begin() as tx:
        for name, speaker in speakers.items():
            name_segment(tx, meetings.segment_ids[name], speaker, "test")


def test_segments_are_lines_of_json_in_order(served: Served, meetings: Meetings) -> None:
    name_segments(served, meetings, m1="Zoë")
    answer = served.http.get(f"{BASE}/export/segments")
    assert answer.headers["content-type"] == "application/x-ndjson"
    rows = [json.loads(line) for line in answer.text.splitlines()]
    assert [row["segment_id"] for row in rows] == [str(i) for i in meetings.exported]
    listed = served.http.get(f"{BASE}/segments").json()["items"]
    assert [row | {"attributes": None} for row in rows] == listed  # lines have attributes only if there are any
    assert set(rows[0]) == {
        *("segment_id", "recording_id", "object_key", "start_s", "end_s", "source", "text", "speaker_label"),
        *("cluster_id", "speaker", "assigned_by", "confidence", "suggestion", "suggestion_probability", "words"),
        "modality",
    }
    assert (rows[0]["speaker"], rows[0]["assigned_by"]) == ("Zoë", "human")


def test_vectors_come_with_their_index(served: Served, meetings: Meetings) -> None:
    found = archive(served, f"{BASE}/export/embeddings", encoder="tiny")
    vectors = np.load(io.BytesIO(found.read("embeddings.npy")), allow_pickle=False)
    index = [json.loads(line) for line in found.read("index.jsonl").splitlines()]
    assert (vectors.shape, vectors.dtype) == ((5, 4), np.float32)
    assert [row["segment_id"] for row in index] == [str(i) for i in meetings.exported]
    assert set(index[0]) == {"segment_id", "object_key", "start_s", "end_s"}
    np.testing.assert_allclose(vectors[4], (0, 0, 0.6, 0.8))
    np.testing.assert_allclose(np.linalg.norm(vectors, axis=1), 1, atol=1e-6)
    assert json.loads(found.read("encoder.json"))["space"] == "tiny@1:last:mean"
    assert {entry.compress_type for entry in found.infolist()} == {zipfile.ZIP_STORED}


def test_a_collection_without_vectors_exports_none(served: Served, meetings: Meetings) -> None:
    served.http.post("/v1/collections", json={"name": "empty", "encoders": ["tiny"]})
    found = archive(served, "/v1/collections/empty/export/embeddings")
    assert np.load(io.BytesIO(found.read("embeddings.npy"))).shape == (0, 4)
    assert found.read("index.jsonl") == b""


def test_a_textgrid_is_as_long_as_its_recording(served: Served, meetings: Meetings) -> None:
    found = archive(served, f"{BASE}/export/textgrid")
    lengths = {name: found.read(name).decode().split("xmax = ")[1].split()[0] for name in found.namelist()}
    assert lengths == {"ü.TextGrid": "10", "tuesday.TextGrid": "5", "silence.TextGrid": "1"}


def test_an_unknown_encoder_is_refused(served: Served, meetings: Meetings) -> None:
    answer = served.http.get(f"{BASE}/export/embeddings", params={"encoder": "magic"})
    assert (answer.status_code, answer.json()["error"]["code"]) == (404, "unknown_encoder")


def test_every_recording_has_its_rttm(served: Served, meetings: Meetings) -> None:
    name_segments(served, meetings, m1="Ada Lovelace", t2="Ben")
    found = archive(served, f"{BASE}/export/rttm", by="speaker")
    assert found.namelist() == ["ü.rttm", "tuesday.rttm", "silence.rttm"]
    assert found.read("ü.rttm").decode() == "SPEAKER ü 1 0.000 1.000 <NA> <NA> Ada_Lovelace <NA> <NA>\n"
    assert found.read("tuesday.rttm").decode() == "SPEAKER tuesday 1 2.500 2.000 <NA> <NA> Ben <NA> <NA>\n"
    assert found.read("silence.rttm") == b""


@pytest.mark.parametrize("by", ["cluster", "diarization"])
def test_turns_by_cluster_or_diarization(served: Served, meetings: Meetings, by: str) -> None:
    lines = archive(served, f"{BASE}/export/rttm", by=by).read("tuesday.rttm").decode().splitlines()
    names = [line.split()[7] for line in lines]
    rows = served.http.get(f"{BASE}/segments", params={"recording_id": str(meetings.tuesday)}).json()["items"]
    assert names == [rows[0]["cluster_id"], "UNKNOWN" if by == "diarization" else rows[1]["cluster_id"]]


def test_a_table_has_a_row_for_every_segment(served: Served, meetings: Meetings) -> None:
    name_segments(served, meetings, m1="Ada, the “first”")
    found = archive(served, f"{BASE}/export/csv")
    rows = list(csv.DictReader(io.StringIO(found.read("meetings.csv").decode())))
    assert found.namelist() == ["meetings.csv"]
    assert [row["segment_id"] for row in rows] == [str(i) for i in meetings.exported]
    assert (rows[0]["object_key"], rows[0]["speaker"]) == ("meetings/a monday/ü.wav", "Ada, the “first”")
    assert (rows[2]["start_s"], rows[2]["end_s"], rows[2]["speaker"]) == ("5.0000625", "10", "")
    assert rows[4]["text"] == "Hello, “you”."


def test_tasks_for_label_studio_come_with_their_configuration(served: Served, meetings: Meetings) -> None:
    name_segments(served, meetings, t2="Ben")
    found = archive(served, f"{BASE}/export/labelstudio")
    _, tuesday = json.loads(found.read("tasks.json"))
    assert tuesday["data"] == {"audio": "s3://audio/meetings/b/tuesday.wav"}
    labels = [result["value"] for result in tuesday["predictions"][0]["result"] if result["type"] == "labels"]
    assert [value["labels"] for value in labels] == [["UNKNOWN"], ["Ben"]]
    assert '<Label value="Ben"/>' in found.read("config.xml").decode()


@pytest.mark.parametrize(("kind", "extension"), [("textgrid", "TextGrid"), ("elan", "eaf"), ("audacity", "txt")])
def test_every_recording_has_its_file(served: Served, meetings: Meetings, kind: str, extension: str) -> None:
    name_segments(served, meetings, t2="Ben")
    found = archive(served, f"{BASE}/export/{kind}")
    assert found.namelist() == [f"{stem}.{extension}" for stem in ("ü", "tuesday", "silence")]
    assert "Ben" in found.read(f"tuesday.{extension}").decode()
    assert "UNKNOWN" in found.read(f"tuesday.{extension}").decode()


@pytest.mark.parametrize("kind", ["csv", "labelstudio", "textgrid"])
def test_an_empty_collection_exports_no_turns(served: Served, meetings: Meetings, kind: str) -> None:
    served.http.post("/v1/collections", json={"name": "empty", "encoders": ["tiny"]})
    found = archive(served, f"/v1/collections/empty/export/{kind}")
    assert len(found.namelist()) == {"csv": 1, "labelstudio": 2, "textgrid": 0}[kind]


def test_a_kind_of_name_that_does_not_exist_is_refused(served: Served, meetings: Meetings) -> None:
    assert served.http.get(f"{BASE}/export/rttm", params={"by": "mood"}).status_code == 422


@pytest.mark.parametrize("kind", ["segments", "embeddings", "rttm", "csv", "labelstudio", "elan"])
def test_an_export_of_an_unknown_collection_is_404(served: Served, kind: str) -> None:
    answer = served.http.get(f"/v1/collections/nowhere/export/{kind}")
    assert (answer.status_code, answer.json()["error"]["code"]) == (404, "unknown_collection")


def test_exports_in_excess_are_asked_to_wait_and_places_are_given_back(served: Served, meetings: Meetings) -> None:
    with served.console.exports.passed(), served.console.exports.passed():
        answer = served.http.get(f"{BASE}/export/segments")
        assert (answer.status_code, answer.json()["error"]["code"]) == (503, "busy")
        assert int(answer.headers["retry-after"]) > 0
    for _ in range(5):
        assert served.http.get(f"{BASE}/export/segments").status_code == 200
        assert served.http.get(f"{BASE}/export/rttm").status_code == 200


def test_trials_are_scored_by_mean_vectors(served: Served, meetings: Meetings) -> None:
    text = "1 b/tuesday.wav a\u00a0monday/x.wav\n"
    assert served.http.post(f"{BASE}/evaluations/trials", json={"trials": text}).status_code == 422
    answer = served.http.post(
        f"{BASE}/evaluations/trials",
        json={"trials": "1 b/tuesday.flac tuesday.wav\n0 tuesday.wav ü.wav\n1 tuesday.wav gone.wav\n"},
    )
    rates = {"eer_percent": 0.0, "min_dcf": 0.0, "trials": 2}
    assert answer.json() == rates | {"missing": 1, "missing_files": ["gone"]}
