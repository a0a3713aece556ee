"""Exports of vectors: of a subset, with what a corpus says of each, and with the frames that were kept."""

import hashlib
import io
import json
import tempfile
import zipfile
from functools import partial
from pathlib import Path
from typing import Any
from uuid import UUID

import numpy as np
import pytest

from services.console.api import export
from shared.events import SegmentsEmbedded
from shared.ledger.outbox import announce, publish
from shared.storage import attributes, embeddings, encoders, frames
from shared.storage.frames import FrameBlob, frames_key
from tests.integration.console.conftest import Served
from tests.integration.console.seeding import DIMENSION, Meetings

BASE = "/v1/collections/meetings"
MONDAY = "meetings/a monday/ü.wav"


def archive(served: Served, **query: str) -> tuple[np.ndarray, list[dict[str, Any]]]:
    """The vectors and their index."""
    answer = served.http.get(f"{BASE}/export/embeddings", params=query)
    assert answer.status_code == 200, answer.text
    found = zipfile.ZipFile(io.BytesIO(answer.content))
    index = [json.loads(line) for line in found.read("index.jsonl").splitlines()]
    return np.load(io.BytesIO(found.read("embeddings.npy"))), index


def facts(served: Served, **query: str) -> dict[str, Any]:
    """What encoder.json says."""
    answer = served.http.get(f"{BASE}/export/embeddings", params=query)
    said: dict[str, Any] = json.loads(zipfile.ZipFile(io.BytesIO(answer.content)).read("encoder.json"))
    return said


def say(served: Served, **data: str) -> None:
    with served.console.database.begin() as tx:
        attributes.put(tx, "meetings", {MONDAY: data})


def keep_frames(served: Served, meetings: Meetings, name: str, kept: np.ndarray) -> bytes:
    file = io.BytesIO()
    np.save(file, kept)
    digest = hashlib.sha256(file.getvalue()).hexdigest()
    with tempfile.TemporaryDirectory() as folder, served.console.database.begin() as tx:
        path = Path(folder) / "frames.npy"
        path.write_bytes(file.getvalue())
        tiny = encoders.by_name(tx, "tiny")
        bucket = served.console.settings.s3.derived_bucket
        served.console.store.put_file(bucket, frames_key(tiny.space, digest), path, "application/octet-stream")
        size = len(file.getvalue())
        blob = FrameBlob(meetings.segment_ids[name], digest, *kept.shape, str(kept.dtype), size)
        frames.write(tx, tiny, [blob])
    return file.getvalue()


@pytest.fixture
def pilot(served: Served, meetings: Meetings) -> str:
    """A subset of monday alone."""
    say(served, day="monday")
    answer = served.http.post(f"{BASE}/subsets", json={"name": "pilot", "where": ["day=monday"], "partial": True})
    assert (answer.status_code, answer.json()["n_recordings"]) == (201, 1)
    return "pilot"


def test_only_what_is_of_the_subset_is_exported(served: Served, meetings: Meetings, pilot: str) -> None:
    monday = [str(meetings.segment_ids[name]) for name in ("m1", "m2", "m3")]
    vectors, index = archive(served, subset=pilot)
    assert ([row["segment_id"] for row in index], vectors.shape) == (monday, (3, DIMENSION))
    lines = served.http.get(f"{BASE}/export/segments", params={"subset": pilot}).text.splitlines()
    assert [json.loads(line)["segment_id"] for line in lines] == monday


@pytest.mark.parametrize("kind", ["embeddings", "segments"])
def test_an_unknown_subset_is_404(served: Served, meetings: Meetings, kind: str) -> None:
    answer = served.http.get(f"{BASE}/export/{kind}", params={"subset": "nobody"})
    assert (answer.status_code, answer.json()["error"]["code"]) == (404, "unknown_subset")


def test_a_vector_says_what_its_corpus_says(served: Served, meetings: Meetings) -> None:
    say(served, contributor_id="P1")
    _, index = archive(served)
    assert {row["object_key"]: row.get("attributes") for row in index} == {
        MONDAY: {"contributor_id": "P1"},
        "meetings/b/tuesday.wav": None,
    }


def test_frames_that_were_kept_are_named_in_the_index_and_can_be_fetched(served: Served, meetings: Meetings) -> None:
    kept = np.random.default_rng(3).normal(size=(7, 4)).astype(np.float16)
    content = keep_frames(served, meetings, "m1", kept)
    _, index = archive(served)
    named = [row.get("frames") for row in index]
    digest = hashlib.sha256(content).hexdigest()
    assert named == [{"sha256": digest, "shape": [7, 4], "dtype": "float16"}, None, None, None, None]
    answer = served.http.get(f"/v1/segments/{index[0]['segment_id']}/frames", params={"encoder": "tiny"})
    assert (answer.content, int(answer.headers["content-length"])) == (content, len(content))
    answer = served.http.get(f"/v1/segments/{index[1]['segment_id']}/frames", params={"encoder": "tiny"})
    assert (answer.status_code, answer.json()["error"]["code"]) == (404, "no_frames")


def test_a_full_disk_of_the_console_has_a_code(
    served: Served, meetings: Meetings, monkeypatch: pytest.MonkeyPatch
) -> None:
    full = partial(Path("/dev/full").open, "w+b", buffering=0)
    monkeypatch.setattr(export.tempfile, "TemporaryFile", full)
    answer = served.http.get(f"{BASE}/export/embeddings")
    assert (answer.status_code, answer.json()["error"]["code"]) == (503, "disk_full")
    monkeypatch.undo()
    assert archive(served)[0].shape == (5, DIMENSION)


def test_segments_without_a_vector_are_counted_and_those_that_can_have_one(
    served: Served, meetings: Meetings, pilot: str
) -> None:
    with served.console.database.begin() as tx:
        words = encoders.announce_encoder(tx, "words", "words@1", DIMENSION, {"revision": "1"})
        embeddings.write(tx, words, [meetings.segment_ids["m1"]], np.eye(1, DIMENSION, dtype=np.float32))
        embeddings.write_unembeddable(tx, words, {meetings.segment_ids["m2"]: "no_voice"})
    counts = ("collection", "subset", "segments", "without_vector", "to_backfill")
    assert [facts(served)[name] for name in counts] == ["meetings", None, 5, 0, 0]
    assert [facts(served, encoder="words")[name] for name in counts] == ["meetings", None, 5, 4, 3]
    assert [facts(served, encoder="words", subset=pilot)[name] for name in counts] == ["meetings", pilot, 3, 2, 1]


def test_an_export_says_in_which_numbers_its_vectors_were_computed(
    served: Served, meetings: Meetings, pilot: str
) -> None:
    def embedded(recording_id: UUID, dtype: str, encoder: str = "tiny") -> None:
        event = SegmentsEmbedded(
            recording_id=recording_id,
            collection="meetings",
            encoder=encoder,
            segment_ids=(),
            made_with=f"device=cpu dtype={dtype} batch=2",
        )
        with served.console.database.begin() as tx:
            publish(tx, [announce(event)])

    assert facts(served)["dtype"] is None
    embedded(meetings.monday, "bfloat16")
    embedded(meetings.monday, "float16", "other")
    assert facts(served)["dtype"] == "bfloat16"
    embedded(meetings.tuesday, "float32")
    assert (facts(served)["dtype"], facts(served, subset=pilot)["dtype"]) == ("mixed", "bfloat16")
