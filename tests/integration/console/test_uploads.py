"""Presigned uploads: the object store takes what was promised, and nothing else."""

import hashlib

import httpx
import pytest

from shared.storage.objects import ObjectStore
from tests.integration.console.conftest import Served
from tests.integration.console.seeding import Meetings

SOUND = b"RIFF" * 100
PATH = "/v1/collections/meetings/uploads"


def begin(served: Served, path: str, **more: object) -> dict:
    (upload,) = served.http.post(PATH, json={"paths": [path], **more}).json()["uploads"]
    return upload


def send(form: dict, content: bytes, **changed: str) -> httpx.Response:
    return httpx.post(form["url"], data=form["fields"] | changed, files={"file": ("x", content, "audio/wav")})


def keys(served: Served) -> list[str]:
    return [entry.key for entry in served.console.store.listing("audio", "meetings/up/")]


def test_the_form_puts_a_file_under_its_key(served: Served, meetings: Meetings) -> None:
    upload = begin(served, "up/a.wav")
    assert send(upload["post"], SOUND).is_success
    assert served.console.store.stat("audio", upload["object_key"]).size_bytes == len(SOUND)


def test_what_lies_under_a_key_is_told_by_its_etag(served: Served, meetings: Meetings) -> None:
    key = "meetings/b/tuesday.wav"
    assert begin(served, "b/tuesday.wav")["etag"] == f"etag-{key}"
    assert begin(served, "b/wednesday.wav")["etag"] is None


def test_another_key_is_refused(served: Served, meetings: Meetings) -> None:
    form = begin(served, "up/a.wav")["post"]
    assert send(form, SOUND, key="meetings/up/b.wav").status_code == 403
    assert send(form, SOUND, **{"x-amz-meta-more": "1"}).status_code == 403
    url = begin(served, "up/a.wav")["url"].replace("a.wav", "b.wav")
    assert httpx.put(url, content=SOUND).status_code == 403
    assert keys(served) == []


@pytest.mark.parametrize("content", [b"", SOUND])
def test_a_file_of_another_size_is_refused(served: Served, meetings: Meetings, content: bytes) -> None:
    settings = served.console.settings
    store = ObjectStore(settings.s3)
    form = store.presigned_post("audio", "meetings/up/a.wav", 60, range(1, len(SOUND)))
    answer = send({"url": form.url, "fields": form.fields}, content)
    assert answer.status_code == 400
    assert b"EntityToo" in answer.content
    assert keys(served) == []


def test_a_file_with_another_checksum_is_refused(served: Served, meetings: Meetings) -> None:
    promised = {"up/a.wav": hashlib.sha256(SOUND).hexdigest()}
    upload = begin(served, "up/a.wav", sha256=promised)
    assert send(upload["post"], SOUND[:-1] + b"x").status_code == 400
    assert keys(served) == []
    assert send(upload["post"], SOUND).is_success
    assert keys(served) == ["meetings/up/a.wav"]


def test_a_checksum_is_64_hexadecimal_digits(served: Served, meetings: Meetings) -> None:
    answer = served.http.post(PATH, json={"paths": ["a"], "sha256": {"a": "AAAA"}})
    assert answer.status_code == 422


def test_a_checksum_of_a_file_that_is_not_announced_is_refused(served: Served, meetings: Meetings) -> None:
    body = {"paths": ["up/a.wav"], "sha256": {"up/A.wav": hashlib.sha256(SOUND).hexdigest()}}
    answer = served.http.post(PATH, json=body)
    assert answer.status_code == 422
    assert "up/A.wav" in answer.json()["error"]["message"]
