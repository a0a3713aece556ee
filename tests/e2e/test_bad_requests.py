"""Requests and commands that cannot be carried out say what is wrong, and what helps."""

import json
from pathlib import Path
from typing import Any, Final
from uuid import uuid4

import pytest

from services.ingest.decode.errors import error_of
from tests.support.bad_files import ODD, REFUSED
from tests.support.stack import FullStack

pytestmark = pytest.mark.slow
BAD_REQUESTS: Final = (
    ("GET", "/v1/collections/nobody", None, 404, "unknown_collection", "nobody"),
    ("GET", "/v1/collections/nobody/objects", None, 404, "unknown_collection", "nobody"),
    ("GET", "/v1/collections/nobody/export/segments", None, 404, "unknown_collection", "nobody"),
    ("POST", "/v1/collections/nobody/clusterings", {}, 404, "unknown_collection", "nobody"),
    ("POST", "/v1/collections/nobody/uploads/complete", {"object_keys": []}, 404, "unknown_collection", "nobody"),
    ("POST", "/v1/collections", {"name": "a", "encoders": ["magic"]}, 422, "unknown_encoder", "ge2e, pyannote"),
    ("POST", "/v1/collections", {"name": "a", "segmenter": "magic"}, 422, "unknown_segmenter", "vad, whisper"),
    ("POST", "/v1/collections/a/uploads", {"paths": ["a"], "segmenter": "x"}, 422, "unknown_segmenter", "vad, whisper"),
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
    words = (
        "ingest",
        str(tmp_path / "in"),
        "-c",
        "by-command",
        "--segmenter",
        "whole",
        "--include",
        "*",
        "--wait",
        "--json",
    )
    done = full_stack.earmark(*words, check=False)
    assert done.returncode == 3
    rows = {row["object_key"].partition("/")[2]: row for row in json.loads(done.stdout)["files"]}
    assert rows[ODD[2].name]["status"] == "ready"
    for case in REFUSED[:4]:
        assert rows[case.name]["status"] == "rejected"
        assert rows[case.name]["reason"].startswith(f"{case.code}: ")
        assert rows[case.name]["reason"].endswith(error_of(case.code, "").remedy())
