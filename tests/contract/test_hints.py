"""What object stores say about a bucket, as they say it, and what Earmark makes of it.

`hints/seaweedfs_*.json` were sent by SeaweedFS 4.48. `hints/minio_*.json` have the shape of MinIO's source: its webhook
encodes the keys of its records as a query does, its `listen_bucket_notification` stream does not encode them.
"""

import json
from pathlib import Path
from typing import Any

import pytest

from services.ingest import hints
from services.ingest.hints import UnreadableHint

HINTS = Path(__file__).parent / "hints"
CAFE = "meetings/2024/café opening.wav"
ODD = "meetings/1+1 is 100%.wav"

SEAWEEDFS = {
    "seaweedfs_create_small": [CAFE],
    "seaweedfs_create_chunked": ["meetings/large.wav"],
    "seaweedfs_create_multipart": ["meetings/long.wav"],
    "seaweedfs_update": ["meetings/large.wav"],
    "seaweedfs_create_upload_part": [],
    "seaweedfs_delete": [],
    "seaweedfs_delete_upload_part": [],
}
MINIO = {
    "minio_webhook_put": [CAFE],
    "minio_webhook_plus_and_percent": [ODD],
    "minio_webhook_multipart": ["meetings/long.wav"],
    "minio_webhook_copy": ["meetings/copy of long.wav"],
    "minio_webhook_delete": [],
    "minio_webhook_read": [],
    "minio_listen_put": [CAFE],
    "minio_listen_delete": [],
}
KNOWN_TO_FAIL = {"seaweedfs_create_folder", "minio_listen_plus_and_percent"}


def said(name: str) -> Any:
    return json.loads((HINTS / f"{name}.json").read_text())


def test_every_recorded_hint_is_read_by_a_test():
    assert {path.stem for path in HINTS.glob("*.json")} == SEAWEEDFS.keys() | MINIO.keys() | KNOWN_TO_FAIL


@pytest.mark.parametrize(("name", "keys"), SEAWEEDFS.items(), ids=SEAWEEDFS)
def test_seaweedfs_names_the_keys_that_may_be_new(name: str, keys: list[str]):
    assert hints.from_seaweedfs(said(name), "audio") == keys


@pytest.mark.parametrize(("name", "keys"), MINIO.items(), ids=MINIO)
def test_minio_names_the_keys_that_may_be_new(name: str, keys: list[str]):
    assert hints.from_s3(said(name), "audio") == keys


def test_a_folder_names_no_key():
    assert hints.from_seaweedfs(said("seaweedfs_create_folder"), "audio") == []


def test_the_stream_of_minio_does_not_encode_its_keys():
    assert hints.from_stream(said("minio_listen_plus_and_percent"), "audio") == [ODD]


def test_what_happens_in_another_bucket_names_no_key():
    assert hints.from_seaweedfs(said("seaweedfs_create_small"), "derived") == []
    assert hints.from_s3(said("minio_webhook_put"), "derived") == []


def test_a_bucket_whose_name_begins_alike_is_another_bucket():
    body = said("seaweedfs_create_small")
    body["key"] = body["key"].replace("/buckets/audio/", "/buckets/audio-archive/")
    assert hints.from_seaweedfs(body, "audio") == []


def test_aws_writes_its_event_names_without_a_prefix():
    body = said("minio_webhook_put")
    body["Records"][0]["eventName"] = "ObjectCreated:Put"
    assert hints.from_s3(body, "audio") == [CAFE]


def test_one_notification_may_name_several_keys():
    body = {"Records": [*said("minio_listen_put")["Records"], *said("minio_webhook_multipart")["Records"]]}
    assert hints.from_s3(body, "audio") == [CAFE, "meetings/long.wav"]


def test_a_notification_without_records_names_no_key():
    assert hints.from_s3({"Records": None}, "audio") == []
    assert hints.from_s3({"Records": []}, "audio") == []


@pytest.mark.parametrize("body", [None, 1, "text", [], {}, {"key": "/buckets/audio/a.wav"}, {"key": 1, "message": 1}])
def test_what_seaweedfs_would_not_send_is_refused(body: Any):
    with pytest.raises(UnreadableHint):
        hints.from_seaweedfs(body, "audio")


@pytest.mark.parametrize(
    "body",
    [
        None,
        1,
        "text",
        [],
        {},
        {"Records": "text"},
        {"Records": 7},
        {"Records": [None]},
        {"Records": [{"eventName": "s3:ObjectCreated:Put"}]},
        {"Records": [{"eventName": "s3:ObjectCreated:Put", "s3": {"bucket": "audio"}}]},
        {"Records": [{"eventName": "s3:ObjectCreated:Put", "s3": {"bucket": {"name": "audio"}, "object": {"key": 1}}}]},
    ],
)
def test_what_an_s3_store_would_not_send_is_refused(body: Any):
    with pytest.raises(UnreadableHint):
        hints.from_s3(body, "audio")
