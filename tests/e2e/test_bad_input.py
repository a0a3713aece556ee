"""Everything people put into a bucket that is no clean recording: each ends in a clear state, and harms only itself."""

import io
import json
import zipfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final
from uuid import uuid4

import numpy as np
import pytest
import soundfile
from botocore.exceptions import ClientError

from services.ingest.decode.errors import error_of
from services.ingest.looking import OUTSIDE
from tests.support import audio
from tests.support.audio import chunk, fmt, pcm16, riff, tone, voice
from tests.support.clients import boto3_client
from tests.support.processes import MemoryWatch
from tests.support.stack import AUDIO, FullStack, until

pytestmark = pytest.mark.slow
SEGMENTERS: Final = ("vad", "whole")
THREE_HOURS_S: Final = 3 * 3600
MOST_MIB: Final = 600

# --- the files --------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Refused:
    """A file that is no recording, and the code that says why."""

    name: str
    code: str
    make: Callable[[Path], bytes]


@dataclass(frozen=True)
class Odd:
    """A file that is a recording all the same; segments by (vad, whole), None for any number."""

    name: str
    duration_s: float
    segments: tuple[int | None, int | None]
    make: Callable[[Path], bytes]


def _sound(seed: int, duration_s: float = 2.0) -> np.ndarray:
    return voice(duration_s, np.random.default_rng(seed))


def _file(kind: str, samples: np.ndarray, rate_hz: int = 16_000) -> Callable[[Path], bytes]:
    return lambda folder: audio.write(folder / "made", samples, rate_hz, kind).read_bytes()


def _half(kind: str) -> Callable[[Path], bytes]:
    def half(folder: Path) -> bytes:
        noise = np.random.default_rng(9).uniform(-0.2, 0.2, 2 * 48_000).astype(np.float32)
        whole = audio.write(folder / "whole", noise, 48_000, kind).read_bytes()
        return whole[: len(whole) // 2]

    return half


def _float_wav(value: float) -> Callable[[Path], bytes]:
    def floats(_: Path) -> bytes:
        samples = tone(1.0, 16_000)
        samples[8_000] = value
        file = io.BytesIO()
        soundfile.write(file, samples, 16_000, format="WAV", subtype="FLOAT")
        return file.getvalue()

    return floats


def _zip(_: Path) -> bytes:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as archive:
        archive.writestr("../../escaped.wav", riff(fmt(), chunk(b"data", pcm16(tone(1.0, 16_000)))))
    return file.getvalue()


def _just(content: bytes) -> Callable[[Path], bytes]:
    return lambda _: content


REFUSED: Final = (
    Refused("picture.png", "not_audio", _just(b"\x89PNG\r\n\x1a\n" + bytes(500))),
    Refused("notes.txt", "not_audio", _just(b"Not a sound.\n" * 40)),
    Refused("archive.zip", "not_audio", _zip),
    Refused("script.wav", "not_audio", _just(b"#!/bin/sh\ncat /etc/passwd\n")),
    Refused("concat.wav", "not_audio", _just(b"ffconcat version 1.0\nfile /etc/hostname\n")),
    Refused("playlist.wav", "not_audio", _just(b"#EXTM3U\n#EXTINF:1,\nhttp://127.0.0.1/a.wav\n")),
    Refused("noise.mp3", "not_audio", _just(np.random.default_rng(1).bytes(20_000))),
    Refused("sound.aiff", "unsupported_container", _just(b"FORM\x00\x00\x00\x00AIFFCOMM")),
    Refused("film.mp4", "no_audio_stream", lambda folder: audio.write_video(folder / "film").read_bytes()),
    Refused("empty.wav", "empty_file", _just(b"")),
    Refused("header only.wav", "zero_length", _just(riff(fmt(), chunk(b"data", b"")))),
    Refused("header without data.wav", "corrupt", _just(riff(fmt()))),
    Refused("no frames.flac", "zero_length", _file("flac", np.zeros(0, np.float32))),
    Refused("one sample at 96 kHz.wav", "zero_length", _file("wav", tone(1 / 96_000, 96_000), 96_000)),
    Refused("longer than the file.wav", "truncated", _just(riff(fmt(), chunk(b"data", bytes(1000), 64_000)))),
    *(Refused(f"half.{kind}", "truncated", _half(kind)) for kind in audio.KINDS),
    Refused("nan.wav", "non_finite_samples", _float_wav(np.nan)),
    Refused("infinite.wav", "non_finite_samples", _float_wav(np.inf)),
    Refused("huge.wav", "samples_out_of_range", _float_wav(1e30)),
    Refused("255 channels.wav", "too_many_channels", _just(riff(fmt(channels=255, align=510), chunk(b"data", bytes(5100))))),
    Refused("no rate.wav", "bad_sample_rate", _just(riff(fmt(rate_hz=0), chunk(b"data", bytes(1000))))),
    Refused("telegraph.wav", "unsupported_codec", _just(riff(fmt(tag=0x7777), chunk(b"data", bytes(1000))))),
)  # fmt: skip  # a table reads better one case a line

ODD: Final = (
    Odd("silence.wav", 5.0, (0, 0), _file("wav", np.zeros(5 * 16_000, np.float32))),
    Odd("silence at 44.1 kHz.flac", 5.0, (0, 0), _file("flac", np.zeros((5 * 44_100, 2), np.float32), 44_100)),
    Odd("20 ms.wav", 0.02, (0, 1), _file("wav", tone(0.02, 16_000))),
    Odd("one sample.wav", 1 / 16_000, (0, 1), _file("wav", tone(1 / 16_000, 16_000) + 0.1)),
    Odd("8 kHz.wav", 3.0, (None, 1), _file("wav", _sound(2, 3.0)[::2], 8_000)),
    Odd("96 kHz.flac", 2.0, (None, 1), _file("flac", np.repeat(_sound(3), 6), 96_000)),
    Odd("5.1.wav", 2.0, (None, 1), _file("wav", np.repeat(_sound(4)[:, None], 6, axis=1))),
    Odd("cancelling.wav", 2.0, (None, 1), _file("wav", np.stack([_sound(5), -_sound(5)], axis=1))),
    Odd("sound.named-as.txt", 2.0, (None, 1), _file("flac", _sound(6))),
)

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


def _three_hours(path: Path, demo_audio: Path) -> Path:
    """Conversation in the first and the last minutes, digital silence in between; 16 kHz FLAC, which serves as it is."""
    talk = np.concatenate([soundfile.read(source, dtype="float32")[0] for source in sorted(demo_audio.glob("*.flac"))])
    minute = np.zeros(60 * 16_000, np.float32)
    left = THREE_HOURS_S * 16_000 - 2 * len(talk)
    with soundfile.SoundFile(path, "w", 16_000, 1, "PCM_16", format="FLAC") as file:
        file.write(talk)
        while left > 0:
            file.write(minute[:left])
            left -= len(minute)
        file.write(talk)
    return path


# --- all of them go up at once, and are looked at when they are through -----------------------------------------------


@dataclass(frozen=True)
class Outcomes:
    """What became of every object, by key."""

    stack: FullStack
    objects: dict[str, dict[str, Any]]
    recordings: dict[str, dict[str, Any]]
    refused_puts: dict[str, int]
    peak_mib: dict[tuple[str, int], float]


@pytest.fixture(scope="module")
def outcomes(full_stack: FullStack, demo_audio: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Outcomes]:
    folder = tmp_path_factory.mktemp("bad")
    client = boto3_client(full_stack.state)

    def put(key: str, content: bytes) -> None:
        client.put_object(Bucket=AUDIO, Key=key, Body=content)

    for segmenter in SEGMENTERS:
        full_stack.collection(f"odd-{segmenter}", segmenter=segmenter)
        full_stack.collection(f"long-{segmenter}", segmenter=segmenter, encoders=["spectral"])
    with MemoryWatch(full_stack.data_dir, "ingest", "embedder") as memory:
        long_file = _three_hours(folder / "long.flac", demo_audio)
        for segmenter in SEGMENTERS:
            full_stack.put(long_file, f"long-{segmenter}/three hours.flac")
        made = {case.name: case.make(folder) for case in (*REFUSED, *ODD)}
        for segmenter in SEGMENTERS:
            for name, content in made.items():
                put(f"odd-{segmenter}/{name}", content)
        sound = riff(fmt(), chunk(b"data", pcm16(_sound(7))))
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
    yield Outcomes(full_stack, *_look(full_stack), refused_puts, memory.peak_mib)


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


def test_the_same_bytes_under_the_same_key_are_no_news(outcomes: Outcomes) -> None:
    stack, key = outcomes.stack, f"keys/{KEYS[0]}"
    n_seen = "SELECT count(*) FROM event WHERE type = 'io.earmark.object.seen.v1' AND subject = %s"
    client = boto3_client(stack.state)
    content = client.get_object(Bucket=AUDIO, Key=key)["Body"].read()
    client.put_object(Bucket=AUDIO, Key=key, Body=content)
    other = riff(fmt(), chunk(b"data", pcm16(_sound(8))))
    client.put_object(Bucket=AUDIO, Key="keys/later.wav", Body=other)
    until(lambda: stack.settled("keys", len(KEYS) + 1))
    assert stack.sql(n_seen, key) == [(1,)]


# --- bad requests -----------------------------------------------------------------------------------------------------

BAD_REQUESTS: Final = (
    ("GET", "/v1/collections/nobody", None, 404, "unknown_collection", "nobody"),
    ("GET", "/v1/collections/nobody/objects", None, 404, "unknown_collection", "nobody"),
    ("GET", "/v1/collections/nobody/export/segments", None, 404, "unknown_collection", "nobody"),
    ("POST", "/v1/collections/nobody/clusterings", {}, 404, "unknown_collection", "nobody"),
    ("POST", "/v1/collections/nobody/uploads/complete", {"object_keys": []}, 404, "unknown_collection", "nobody"),
    ("POST", "/v1/collections", {"name": "a", "encoders": ["magic"]}, 404, "unknown_encoder", "ge2e, spectral"),
    ("POST", "/v1/collections", {"name": "a", "segmenter": "magic"}, 404, "unknown_segmenter", "vad, whole"),
    ("POST", "/v1/collections/a/uploads", {"paths": ["a"], "segmenter": "x"}, 404, "unknown_segmenter", "vad, whole"),
    ("POST", "/v1/collections", {"name": "bad name"}, 422, "bad_collection_name", "bad name"),
    ("POST", "/v1/collections", {"name": "../up"}, 422, "bad_collection_name", "../up"),
    ("POST", "/v1/collections", {"name": ""}, 422, "bad_collection_name", "''"),
    ("POST", "/v1/collections/bad%20name/uploads", {"paths": ["a"]}, 422, "bad_collection_name", "bad name"),
    ("POST", "/v1/labels", {"segment_id": str(uuid4()), "speaker": "Ada"}, 404, "segment_gone", "No segment"),
    ("POST", "/v1/labels", {"cluster_id": str(uuid4()), "speaker": "Ada"}, 404, "cluster_gone", "No cluster"),
)


@pytest.mark.parametrize(("method", "path", "body", "status", "code", "said"), BAD_REQUESTS)
def test_a_bad_request_is_told_what_is_wrong_and_what_helps(
    full_stack: FullStack, method: str, path: str, body: Any, status: int, code: str, said: str
) -> None:
    with full_stack.api() as api:
        answer = api.request(method, path, json=body)
    error = answer.json()["error"]
    assert (answer.status_code, error["code"]) == (status, code)
    assert said in error["message"]
    assert error["remedy"]


@pytest.mark.parametrize(
    ("words", "code"),
    [
        (("label", "--segment", str(uuid4()), "Ada"), "segment_gone"),
        (("cluster", "-c", "nobody", "--wait"), "unknown_collection"),
        (("segments", "-c", "nobody"), "unknown_collection"),
        (("collections", "create", "a", "--encoder", "magic"), "unknown_encoder"),
        (("collections", "create", "a", "--segmenter", "magic"), "unknown_segmenter"),
        (("collections", "create", "bad name"), "bad_collection_name"),
    ],
)
def test_the_command_fails_with_status_1_and_the_same_code(
    full_stack: FullStack, words: tuple[str, ...], code: str
) -> None:
    done = full_stack.earmark(*words, "--json", check=False)
    assert (done.returncode, json.loads(done.stdout)["error"]["code"]) == (1, code)


def test_an_ingest_with_rejected_files_ends_with_status_3_and_a_reason_for_each(
    full_stack: FullStack, tmp_path: Path
) -> None:
    (tmp_path / "in").mkdir()
    for case in (*REFUSED[:4], ODD[2]):
        (tmp_path / "in" / case.name).write_bytes(case.make(tmp_path))
    words = ("ingest", str(tmp_path / "in"), "-c", "by-command", "--segmenter", "whole", "--wait", "--json")
    done = full_stack.earmark(*words, check=False)
    assert done.returncode == 3
    rows = {row["object_key"].partition("/")[2]: row for row in json.loads(done.stdout)["files"]}
    assert rows[ODD[2].name]["status"] == "ready"
    for case in REFUSED[:4]:
        assert rows[case.name]["status"] == "rejected"
        assert rows[case.name]["reason"].startswith(f"{case.code}: ")
        assert rows[case.name]["reason"].endswith(error_of(case.code, "").remedy())
