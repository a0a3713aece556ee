"""The demo's conversations by a plain S3 client, one label through the command, and the name is everywhere."""

import json
from collections import Counter, defaultdict
from dataclasses import dataclass
from itertools import takewhile
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import pytest
import soundfile

from tests.support import audio
from tests.support.clients import boto3_put
from tests.support.events import CloudEvent, listening, short
from tests.support.stack import FullStack, until

pytestmark = pytest.mark.slow
COLLECTION, SPEAKER, FILES = "spine", "Marta", ("bridge.flac", "choir.flac", "orchard.flac")
OF_AN_UPLOAD = ("object.seen", "recording.registered", "segments.created", "segments.embedded", "recording.embedded")
SEGMENT_FIELDS = {
    *("segment_id", "recording_id", "object_key", "start_s", "end_s", "source", "text", "speaker_label"),
    *("cluster_id", "speaker", "assigned_by", "confidence", "suggestion", "suggestion_probability", "words"),
    "modality",
}


@dataclass(frozen=True)
class Story:
    """What was done once for all tests of this module, and what the stream told meanwhile."""

    stack: FullStack
    events: list[CloudEvent]
    clustered: dict[str, Any]
    labelled: str  # the segment
    label: dict[str, Any]
    newcomer: str  # the key of the later upload

    def export(self) -> list[dict[str, Any]]:
        with self.stack.api() as api:
            lines = api.get(f"/v1/collections/{COLLECTION}/export/segments").raise_for_status().text.splitlines()
        return [json.loads(line) for line in lines]


@pytest.fixture(scope="module")
def story(full_stack: FullStack, demo_audio: Path, tmp_path_factory: pytest.TempPathFactory) -> Story:
    with listening(full_stack) as stream:
        for name in FILES:
            boto3_put(full_stack.state, demo_audio / name, f"{COLLECTION}/{name}")
        done = full_stack.settled(COLLECTION, len(FILES))
        assert {item["status"] for item in done.values()} == {"ready"}
        clustered = command(full_stack, "cluster", "-c", COLLECTION, "--wait")
        marta = first_segment(full_stack, "bridge.flac")  # she speaks first in it
        label = command(full_stack, "label", "--segment", marta["segment_id"], SPEAKER, "--wait")
        newcomer = f"{COLLECTION}/later/by telephone.mp3"
        telephone = tmp_path_factory.mktemp("newcomer") / "a.mp3"
        boto3_put(full_stack.state, again(demo_audio / "bridge.flac", marta, telephone), newcomer)
        full_stack.settled(COLLECTION, len(FILES) + 1)
        full_stack.idle()
        last = full_stack.sql("SELECT event_id FROM event ORDER BY xid DESC, seq DESC LIMIT 1")[0][0]
        events = [*takewhile(lambda event: event["id"] != str(last), stream)]
    return Story(full_stack, events, clustered, marta["segment_id"], label, newcomer)


def command(stack: FullStack, *words: str) -> Any:
    return json.loads(stack.earmark(*words, "--json").stdout)


def first_segment(stack: FullStack, name: str) -> dict[str, Any]:
    rows = [row for row in command(stack, "segments", "-c", COLLECTION) if row["object_key"].endswith(name)]
    return min(rows, key=lambda row: row["start_s"])


def again(source: Path, segment: dict[str, Any], target: Path) -> Path:
    """The same voice in another file: one turn, quieter, in stereo MP3 at another rate and after a pause."""
    samples, rate_hz = soundfile.read(source, dtype="float32")
    turn = samples[round(segment["start_s"] * rate_hz) : round(segment["end_s"] * rate_hz)]
    quiet = np.concatenate([np.zeros(rate_hz, np.float32), 0.5 * turn])
    return audio.write(target, np.stack([quiet, quiet], axis=1), rate_hz, "mp3")


def test_every_recording_is_cut_at_its_turns(story: Story) -> None:
    turns = Counter(row["object_key"].rpartition("/")[2] for row in story.export())
    assert turns["bridge.flac"] >= 8
    assert turns["choir.flac"] >= 8
    assert turns["orchard.flac"] >= 7


def test_the_four_voices_are_four_clusters(story: Story) -> None:
    assert story.clustered["clusters"] == 4
    assert story.clustered["segments"] > 20


def test_one_name_spreads_to_all_three_files_and_to_no_other_voice(story: Story) -> None:
    assert (story.label["segments"], story.label["propagated"] >= 9) == (1, True)
    rows = [row for row in story.export() if row["object_key"] != story.newcomer]
    assert {row["object_key"].rpartition("/")[2] for row in rows if row["speaker"] == SPEAKER} == set(FILES)
    by_cluster = defaultdict(set)
    for row in rows:
        by_cluster[row["cluster_id"]].add(row["speaker"])
    assert sorted(map(len, by_cluster.values())) == [1] * len(by_cluster)  # no cluster is named by half
    assert sum(SPEAKER in names for names in by_cluster.values()) == 1


def test_it_stays_known_who_said_so(story: Story) -> None:
    by_how = {row["segment_id"]: row["assigned_by"] for row in story.export() if row["speaker"] == SPEAKER}
    assert by_how.pop(story.labelled) == "human"
    assert set(by_how.values()) <= {"cluster", "identification"}


def test_a_later_upload_of_the_voice_joins_its_cluster_and_has_its_name(story: Story) -> None:
    (labelled,) = (row for row in story.export() if row["segment_id"] == story.labelled)
    rows = [row for row in story.export() if row["object_key"] == story.newcomer]
    assert rows
    assert {(row["speaker"], row["assigned_by"], row["cluster_id"]) for row in rows} == {
        (SPEAKER, "cluster", labelled["cluster_id"])
    }
    assert all(0.5 < row["confidence"] <= 1 for row in rows)


def test_segments_are_exported_with_the_fields_of_the_contract(story: Story, tmp_path: Path) -> None:
    story.stack.earmark("export", "segments", "-c", COLLECTION, "--out", str(tmp_path / "s.jsonl"))
    rows = [json.loads(line) for line in (tmp_path / "s.jsonl").read_text().splitlines()]
    assert rows == story.export()
    assert all(set(row) == SEGMENT_FIELDS for row in rows)
    assert all(0 <= row["start_s"] < row["end_s"] < 60 for row in rows)


def test_embeddings_are_exported_as_unit_rows_with_their_segments(story: Story, tmp_path: Path) -> None:
    story.stack.earmark("export", "embeddings", "-c", COLLECTION, "--encoder", "ge2e", "--out", str(tmp_path / "e"))
    rows = np.load(tmp_path / "e" / "embeddings.npy", allow_pickle=False)
    index = [json.loads(line) for line in (tmp_path / "e" / "index.jsonl").read_text().splitlines()]
    encoder = json.loads((tmp_path / "e" / "encoder.json").read_text())
    assert (rows.dtype, rows.shape) == (np.float32, (len(index), 256))
    assert np.allclose(np.linalg.norm(rows, axis=1), 1, atol=1e-5)
    assert all(set(row) >= {"segment_id", "object_key", "start_s", "end_s"} for row in index)
    assert {row["segment_id"] for row in index} == {row["segment_id"] for row in story.export()}
    assert (encoder["name"], encoder["dimension"]) == ("ge2e", 256)


def test_rttm_files_hold_the_turns_of_the_named(story: Story, tmp_path: Path) -> None:
    story.stack.earmark("export", "rttm", "-c", COLLECTION, "--by", "speaker", "--out", str(tmp_path / "r"))
    turns = {path.name: path.read_text().splitlines() for path in (tmp_path / "r").iterdir()}
    assert {"bridge.rttm", "choir.rttm", "orchard.rttm"} <= set(turns)
    for name, lines in turns.items():
        for line in lines:
            kind, stem, channel, start, duration, *rest = line.split()
            assert (kind, stem, channel) == ("SPEAKER", name.removesuffix(".rttm").replace(" ", "_"), "1")
            assert float(start) >= 0
            assert float(duration) > 0
            assert rest[2] == SPEAKER


def test_each_upload_is_one_chain_of_events(story: Story) -> None:
    chains: dict[str, list[str]] = defaultdict(list)
    for event in story.events:
        chains[event["correlationid"]].append(short(event))
    uploads = [e for e in story.events if short(e) == "object.seen" and e["data"]["collection"] == COLLECTION]
    assert len(uploads) == len(FILES) + 1
    for upload in uploads:
        chain = chains[upload["correlationid"]]
        assert upload["id"] == upload["correlationid"]
        assert [name for name in chain if name in OF_AN_UPLOAD and chain.count(name) == 1] == sorted(
            OF_AN_UPLOAD, key=chain.index
        )
        assert chain.index("object.seen") < chain.index("recording.registered") < chain.index("segments.created")
        assert chain.index("segments.created") < chain.index("recording.embedded")


def test_the_arrivals_are_assigned_and_the_label_is_propagated_in_their_chains(story: Story) -> None:
    uploads = {e["id"] for e in story.events if short(e) == "object.seen"}
    assigned = [e for e in story.events if short(e) == "segments.assigned" and e["data"]["collection"] == COLLECTION]
    assert assigned
    assert {e["correlationid"] for e in assigned} <= uploads
    (recorded,) = (e for e in story.events if short(e) == "label.recorded" and e["subject"] == story.label["label_id"])
    (spread,) = (e for e in story.events if short(e) == "labels.propagated" and e["subject"] == recorded["subject"])
    assert spread["correlationid"] == recorded["correlationid"]
    assert spread["causationid"] == recorded["id"]
    assert story.events.index(recorded) < story.events.index(spread)


def test_a_recording_is_embedded_exactly_once(story: Story) -> None:
    recordings = {row["recording_id"] for row in story.export()}
    announced = Counter(e["subject"] for e in story.events if short(e) == "recording.embedded")
    assert {own_id: announced[own_id] for own_id in recordings} == dict.fromkeys(recordings, 1)


@pytest.mark.parametrize("share", [0.0, 0.4, 0.9])
def test_the_stream_resumes_without_loss_and_without_repeats(story: Story, share: float) -> None:
    at = int(share * len(story.events))
    with listening(story.stack, last_event_id=story.events[at]["id"]) as stream:
        later = [event for _, event in zip(story.events[at + 1 :], stream, strict=False)]
    assert later == story.events[at + 1 :]


def test_flower_shows_the_tasks_by_name(story: Story) -> None:
    wanted = {"ingest.register", "ingest.segment", "embedder.embed", "clusterer.assign", "clusterer.propagate"}
    query = {
        "draw": 1, "start": 0, "length": 10_000, "search[value]": "", "columns[0][data]": "name",
        "order[0][column]": 0, "order[0][dir]": "asc",
    }  # fmt: skip  # as the page asks for its table

    def shown() -> bool:
        rows = httpx.get(f"{story.stack.state.flower_url}/tasks/datatable", params=query).json()["data"]
        return {row["name"] for row in rows if row["state"] == "SUCCESS"} >= wanted

    assert until(shown, timeout_s=10)
