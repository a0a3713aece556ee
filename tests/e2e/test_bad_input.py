"""Everything people put into a bucket that is no clean recording: each ends in a clear state, and harms only itself."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np
import pytest
from botocore.exceptions import ClientError

from services.ingest.decode.errors import error_of
from services.ingest.looking import OUTSIDE
from tests.support.audio import chunk, fmt, pcm16, riff, voice
from tests.support.bad_files import ODD, REFUSED, THREE_HOURS_S, Odd, Refused, three_hours
from tests.support.clients import boto3_client
from tests.support.processes import MemoryWatch
from tests.support.stack import AUDIO, FullStack

pytestmark = pytest.mark.slow
SEGMENTERS: Final = ("vad", "whole")
MOST_MIB: Final = 600

# Keys are bytes to S3, and each must come through as it is.
KEYS: Final = (
    "with  two spaces.wav",
    "Grüße é ñ 日本語.wav",
    "e\u0301 NFD.wav",
    "\u00e9 NFD.wav",
    "🎙️ emoji 😀.wav",
    "a%2Fb%20c.wav",
    "100%.wav",
    "a+b&c=d?e#f;g:h|i*.wav",
    "quote'\"<x>.wav",
    "new\nline and\ttab.wav",
    "right-to-left \u202egpj.wav",
    ".../dots.wav",
    "deep/" * 60 + "a.wav",
    "n" * 200 + ".wav",
)
OUTSIDE_KEYS: Final = (
    "nowhere.wav",
    "bad name/a.wav",
    ".hidden/a.wav",
    "-dash/a.wav",
    "ümlaut/a.wav",
    "x" * 129 + "/a.wav",
)
ESCAPING_KEYS: Final = (
    "odd-vad/../x.wav",
    "odd-vad/a/../../../../x.wav",
    "../../x.wav",
    "odd-vad/./x.wav",
    "odd-vad/..",
)


@dataclass(frozen=True)
class Outcomes:
    """What became of every object, by key."""

    stack: FullStack
    objects: dict[str, dict[str, Any]]
    recordings: dict[str, dict[str, Any]]
    refused_puts: dict[str, int]
    peak_mib: dict[tuple[str, int], float]


@pytest.fixture(scope="module")
def outcomes(full_stack: FullStack, demo_audio: Path, tmp_path_factory: pytest.TempPathFactory) -> Outcomes:
    folder = tmp_path_factory.mktemp("bad")
    client = boto3_client(full_stack.state)

    def put(key: str, content: bytes) -> None:
        client.put_object(Bucket=AUDIO, Key=key, Body=content)

    for segmenter in SEGMENTERS:
        full_stack.collection(f"odd-{segmenter}", segmenter=segmenter)
        full_stack.collection(f"long-{segmenter}", segmenter=segmenter, encoders=["spectral"])
    with MemoryWatch(full_stack.data_dir, "ingest", "embedder") as memory:
        long_file = three_hours(folder / "long.flac", demo_audio)
        for segmenter in SEGMENTERS:
            full_stack.put(long_file, f"long-{segmenter}/three hours.flac")
        made = {case.name: case.make(folder) for case in (*REFUSED, *ODD)}
        for segmenter in SEGMENTERS:
            for name, content in made.items():
                put(f"odd-{segmenter}/{name}", content)
        sound = riff(fmt(), chunk(b"data", pcm16(voice(2.0, np.random.default_rng(7)))))
        for key in (*(f"keys/{key}" for key in KEYS), *OUTSIDE_KEYS):
            put(key, sound)
        refused_puts = {}
        for key in ESCAPING_KEYS:
            try:
                put(key, sound)
            except ClientError as error:
                refused_puts[key] = error.response["ResponseMetadata"]["HTTPStatusCode"]
        for name in SEGMENTERS:
            full_stack.settled(f"odd-{name}", len(made))
            full_stack.settled(f"long-{name}", 1)
        full_stack.settled("keys", len(KEYS))
        full_stack.idle()
    return Outcomes(full_stack, *_look(full_stack), refused_puts, memory.peak_mib)


def _look(stack: FullStack) -> tuple[dict[str, dict[str, Any]], dict[str, dict[str, Any]]]:
    collections = ("keys", *(f"{prefix}-{s}" for prefix in ("odd", "long") for s in SEGMENTERS))
    objects, recordings = {}, {}
    with stack.api() as api:
        for name in collections:
            path = f"/v1/collections/{name}"
            items = api.get(f"{path}/objects", params={"limit": 1000}).json()["items"]
            objects |= {item["object_key"]: item for item in items}
            items = api.get(f"{path}/recordings", params={"limit": 1000}).json()["items"]
            recordings |= {key: item for item in items for key in item["object_keys"]}
    return objects, recordings


@pytest.mark.parametrize("case", REFUSED, ids=lambda case: case.name)
@pytest.mark.parametrize("segmenter", SEGMENTERS)
def test_what_is_no_recording_is_rejected_with_its_code_and_what_helps(
    outcomes: Outcomes, segmenter: str, case: Refused
) -> None:
    shown = outcomes.objects[f"odd-{segmenter}/{case.name}"]
    assert (shown["status"], shown["code"], shown["recording_id"]) == ("rejected", case.code, None)
    assert shown["reason"].endswith(error_of(case.code, "").remedy())


@pytest.mark.parametrize("case", ODD, ids=lambda case: case.name)
@pytest.mark.parametrize("segmenter", SEGMENTERS)
def test_an_odd_recording_is_ready_with_its_true_duration(outcomes: Outcomes, segmenter: str, case: Odd) -> None:
    key = f"odd-{segmenter}/{case.name}"
    assert outcomes.objects[key]["status"] == "ready", outcomes.objects[key]
    assert outcomes.recordings[key]["duration_s"] == pytest.approx(case.duration_s, abs=1e-4)
    expected = case.segments[SEGMENTERS.index(segmenter)]
    assert expected is None or outcomes.objects[key]["segments"] == expected


def test_every_ready_recording_was_announced_as_embedded_once_silence_included(outcomes: Outcomes) -> None:
    ready = {item["recording_id"] for item in outcomes.objects.values() if item["status"] == "ready"}
    rows = outcomes.stack.sql(
        """SELECT subject, count(*) FROM event WHERE type = 'io.earmark.recording.embedded.v1' GROUP BY subject"""
    )
    announced = {subject: n for subject, n in rows if subject in ready}
    assert announced == dict.fromkeys(ready, 1)


@pytest.mark.parametrize("key", KEYS, ids=ascii)
def test_a_strange_key_is_kept_as_it_is(outcomes: Outcomes, key: str) -> None:
    assert outcomes.objects[f"keys/{key}"]["status"] == "ready"


def test_the_same_bytes_under_many_keys_are_one_recording(outcomes: Outcomes) -> None:
    assert len({outcomes.objects[f"keys/{key}"]["recording_id"] for key in KEYS}) == 1
    assert len([key for key in outcomes.objects if key.startswith("keys/")]) == len(KEYS)
    assert outcomes.stack.sql("SELECT count(*) FROM recording WHERE collection = 'keys'") == [(1,)]


@pytest.mark.parametrize("key", OUTSIDE_KEYS)
def test_a_key_outside_of_any_collection_is_rejected(outcomes: Outcomes, key: str) -> None:
    rows = outcomes.stack.sql("SELECT state, code, reason, collection FROM stored_object WHERE key = %s", key)
    ((state, code, reason, collection),) = rows
    assert (state, code, collection) == ("rejected", OUTSIDE, None)
    assert "<collection>/<path>" in reason


@pytest.mark.parametrize("key", ESCAPING_KEYS)
def test_a_key_that_climbs_is_refused_by_the_store_and_escapes_to_nowhere(outcomes: Outcomes, key: str) -> None:
    assert outcomes.refused_puts[key] == 400
    assert outcomes.stack.sql("SELECT count(*) FROM stored_object WHERE key LIKE '%%..%%x.wav'") == [(0,)]
    with outcomes.stack.api() as api:
        answer = api.post("/v1/collections/keys/uploads", json={"paths": ["../x.wav"]})
    assert (answer.status_code, answer.json()["error"]["code"]) == (422, "bad_object_key")


@pytest.mark.parametrize("segmenter", SEGMENTERS)
def test_three_hours_are_ready(outcomes: Outcomes, segmenter: str) -> None:
    key = f"long-{segmenter}/three hours.flac"
    assert outcomes.objects[key]["status"] == "ready", outcomes.objects[key]
    assert outcomes.recordings[key]["duration_s"] == THREE_HOURS_S
    n_segments = outcomes.objects[key]["segments"]
    assert n_segments == 1 if segmenter == "whole" else n_segments >= 40  # 23 turns, twice


def test_three_hours_take_no_more_memory_than_any_other_file(outcomes: Outcomes) -> None:
    assert {name for name, _ in outcomes.peak_mib} == {"ingest", "embedder"}
    assert max(outcomes.peak_mib.values()) < MOST_MIB, outcomes.peak_mib


def test_nothing_is_left_in_the_ledger(outcomes: Outcomes) -> None:
    outcomes.stack.idle()
    assert outcomes.stack.sql("SELECT count(*) FROM delivery") == [(0,)]
    with outcomes.stack.api() as api:
        assert api.get("/v1/status").json()["backlog"] == {"pending": 0, "queued": 0, "leased": 0, "dead": 0}


def test_the_same_bytes_put_again_make_nothing_new(outcomes: Outcomes) -> None:
    stack, key = outcomes.stack, f"keys/{KEYS[0]}"
    n_embedded = """SELECT count(*) FROM event e JOIN stored_object o ON o.recording_id::text = e.subject
                    WHERE e.type = 'io.earmark.recording.embedded.v1' AND o.key = %s"""
    client = boto3_client(stack.state)
    content = client.get_object(Bucket=AUDIO, Key=key)["Body"].read()
    client.put_object(Bucket=AUDIO, Key=key, Body=content)
    other = riff(fmt(), chunk(b"data", pcm16(voice(2.0, np.random.default_rng(8)))))
    client.put_object(Bucket=AUDIO, Key="keys/later.wav", Body=other)
    stack.settled("keys", len(KEYS) + 1)
    assert stack.sql(n_embedded, key) == [(1,)]
