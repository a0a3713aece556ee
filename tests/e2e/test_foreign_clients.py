"""Whatever puts bytes into the bucket is enough: other people's S3 clients, overwritten keys, puts nobody told of."""

import hashlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.support import audio
from tests.support.clients import CLIENTS, boto3_client, boto3_multipart, boto3_put
from tests.support.stack import AUDIO, FullStack, until

pytestmark = pytest.mark.slow
MakeClip = Callable[[str, float], Path]


@pytest.fixture
def clip(tmp_path: Path) -> MakeClip:
    def clip(name: str, hz: float) -> Path:
        """A second of sound that differs with `hz`; as plain 16 kHz WAV, so that the original serves as it is."""
        return audio.write(tmp_path / name, audio.tone(1.0, 16_000, hz=hz), 16_000, "wav")

    return clip


def sha256(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


def stored(stack: FullStack, collection: str) -> dict[str, tuple[str, str]]:
    """The state and the bytes of what lies under each key."""
    rows = stack.sql(
        """SELECT o.key, r.state, r.sha256 FROM stored_object o JOIN recording r USING (recording_id)
           WHERE o.collection = %s""",
        collection,
    )
    return {key: (state, digest) for key, state, digest in rows}


def becomes(stack: FullStack, key: str, source: Path, timeout_s: float = 30) -> None:
    """Wait until the key shows these bytes, ready."""
    collection = key.partition("/")[0]
    until(lambda: stored(stack, collection).get(key) == ("ready", sha256(source)), timeout_s)


@pytest.mark.parametrize("client", CLIENTS)
def test_a_put_of_any_client_is_registered(full_stack: FullStack, clip: MakeClip, client: str) -> None:
    source = clip("Grüße an #1.wav", 300 + 10 * list(CLIENTS).index(client))
    key = f"by-{client}/some folder/{source.name}"
    CLIENTS[client](full_stack.state, source, key)
    becomes(full_stack, key, source)


def test_an_upload_in_parts_is_registered_as_a_whole(full_stack: FullStack, tmp_path: Path) -> None:
    full_stack.collection("by-parts", segmenter="whole", encoders=["spectral"])
    noise = np.random.default_rng(5).uniform(-0.3, 0.3, 6 * 60 * 16_000).astype(np.float32)
    source = audio.write(tmp_path / "long.wav", noise, 16_000, "wav")
    assert source.stat().st_size > 8 << 20
    boto3_multipart(full_stack.state, source, "by-parts/long.wav")
    assert "-" in boto3_client(full_stack.state).head_object(Bucket=AUDIO, Key="by-parts/long.wav")["ETag"]
    becomes(full_stack, "by-parts/long.wav", source)


def test_an_upload_in_parts_that_never_completes_is_nothing(full_stack: FullStack, clip: MakeClip) -> None:
    client = boto3_client(full_stack.state)
    begun = client.create_multipart_upload(Bucket=AUDIO, Key="by-halves/begun.wav")
    part = {"Bucket": AUDIO, "Key": begun["Key"], "UploadId": begun["UploadId"], "PartNumber": 1}
    client.upload_part(**part, Body=clip("a.wav", 350).read_bytes())
    source = clip("whole.wav", 355)
    boto3_put(full_stack.state, source, "by-halves/whole.wav")
    becomes(full_stack, "by-halves/whole.wav", source)
    with full_stack.without("watch"):  # it sweeps when it starts again
        pass
    boto3_put(full_stack.state, source, "by-halves/copy.wav")
    becomes(full_stack, "by-halves/copy.wav", source)
    assert set(stored(full_stack, "by-halves")) == {"by-halves/whole.wav", "by-halves/copy.wav"}
    assert full_stack.sql("SELECT count(*) FROM stored_object WHERE key LIKE '%%.uploads%%'") == [(0,)]


def objects(stack: FullStack, collection: str) -> dict[str, dict[str, Any]]:
    """What the API says of each key."""
    with stack.api() as api:
        answer = api.get(f"/v1/collections/{collection}/objects").raise_for_status()
    return {item["object_key"]: item for item in answer.json()["items"]}


def exported(stack: FullStack, collection: str) -> dict[str, Any]:
    """What each export shows of a collection."""
    with stack.api() as api:
        path = f"/v1/collections/{collection}/export"
        segments = api.get(f"{path}/segments").raise_for_status().text
        embeddings = api.get(f"{path}/embeddings").raise_for_status().content
    return {"segments": segments, "embeddings": embeddings}


def test_an_overwritten_key_is_its_new_recording_and_the_old_one_is_shown_no_more(
    full_stack: FullStack, clip: MakeClip
) -> None:
    full_stack.collection("overwritten", segmenter="whole", encoders=["spectral"])
    first, second = clip("1.wav", 400), audio.write(clip("2.wav", 0), audio.tone(2.0, 16_000), 16_000, "wav")
    boto3_put(full_stack.state, first, "overwritten/a.wav")
    becomes(full_stack, "overwritten/a.wav", first)
    old = full_stack.sql("SELECT segment_id::text FROM segment WHERE collection = 'overwritten'")[0][0]
    assert old in exported(full_stack, "overwritten")["segments"]

    boto3_put(full_stack.state, second, "overwritten/a.wav")
    becomes(full_stack, "overwritten/a.wav", second)
    shown = full_stack.settled("overwritten", 1)["overwritten/a.wav"]
    after = exported(full_stack, "overwritten")
    assert old not in after["segments"]
    assert after["segments"].count('"end_s": 2.0') == after["segments"].count("\n") == 1
    assert shown["recording_id"] in after["segments"]
    assert old.encode() not in after["embeddings"]

    boto3_put(full_stack.state, first, "overwritten/a.wav")  # and back again
    becomes(full_stack, "overwritten/a.wav", first)
    assert old in exported(full_stack, "overwritten")["segments"]


def test_keys_overwritten_and_deleted_while_in_work_end_as_what_lies_there(
    full_stack: FullStack, clip: MakeClip
) -> None:
    sources = [clip(f"{n}.wav", 500 + n) for n in range(24)]
    for n, source in enumerate(sources):  # each of six keys four times
        boto3_put(full_stack.state, source, f"restless/{n % 6}.wav")
    boto3_client(full_stack.state).delete_object(Bucket=AUDIO, Key="restless/5.wav")
    for n in range(5):
        becomes(full_stack, f"restless/{n}.wav", sources[18 + n])
    full_stack.idle()
    # Of the last key some version was registered before it was deleted, or none.
    shown, lines = objects(full_stack, "restless"), exported(full_stack, "restless")["segments"].splitlines()
    segments = [line for line in lines if "restless/5.wav" in line]
    match shown.get("restless/5.wav"):
        case None:
            assert segments == []
        case {"status": "ready", "recording_id": recording_id}:
            assert stored(full_stack, "restless")["restless/5.wav"] in {("ready", sha256(one)) for one in sources[5::6]}
            assert all(recording_id in line for line in segments)
        case gone:
            assert (gone["status"], gone["code"], segments) == ("rejected", "object_gone", [])


def test_a_key_that_is_deleted_before_anybody_reads_it_is_gone_and_shows_nothing(
    full_stack: FullStack, clip: MakeClip
) -> None:
    with full_stack.without("ingest"):
        boto3_put(full_stack.state, clip("a.wav", 700), "vanished/a.wav")
        until(lambda: full_stack.sql("SELECT FROM stored_object WHERE key = 'vanished/a.wav'"))
        boto3_client(full_stack.state).delete_object(Bucket=AUDIO, Key="vanished/a.wav")
    gone = full_stack.settled("vanished", 1)["vanished/a.wav"]
    assert (gone["status"], gone["code"]) == ("rejected", "object_gone")
    assert exported(full_stack, "vanished")["segments"] == ""
    assert full_stack.sql("SELECT FROM recording WHERE collection = 'vanished'") == []
    full_stack.idle()


def test_what_was_put_while_the_watcher_was_down_is_found_by_the_sweep(full_stack: FullStack, clip: MakeClip) -> None:
    source = clip("a.wav", 600)
    with full_stack.without("watch"):
        boto3_put(full_stack.state, source, "unannounced/a.wav")
    becomes(full_stack, "unannounced/a.wav", source)
