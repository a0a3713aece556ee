"""Requests that are wrong in every way get a 4xx with a code, never a 5xx."""

import json
from concurrent.futures import ThreadPoolExecutor

import httpx
import pytest
import sqlalchemy as sa

from tests.integration.console.conftest import Served
from tests.integration.console.seeding import Meetings

JSON = {"Content-Type": "application/json"}
BODIES = [
    b"",
    b"null",
    b"[]",
    b"{",
    b'{"name": "a", "name": "b"}',
    b'{"name": NaN}',
    b'{"name": "a\\u0000b"}',
    b'{"name": "\\ud800"}',
    b'{"name": "x", "segmenter": "\\udfff"}',
    b'{"name": 9007199254740993}',
    b'{"name": "x", "surprise": 1}',
    b"[" * 100_000,
    b'{"a":' * 100_000 + b"1" + b"}" * 100_000,
    b"\xff\xfe{}",
    b'{"name": {"a": [[[[[[]]]]]]}}',
]
POSTS = [
    "/v1/collections",
    "/v1/collections/meetings/uploads",
    "/v1/collections/meetings/uploads/complete",
    "/v1/collections/meetings/objects/query",
    "/v1/collections/meetings/evaluations/trials",
    "/v1/collections/meetings/backfills",
    "/v1/labels",
    "/v1/speakers/x/rename",
    "/v1/dead/requeue",
    "/v1/tokens",
]


def code(answer: httpx.Response) -> str:
    return str(answer.json()["error"]["code"])


@pytest.mark.parametrize(("path", "body", "kind", "said"), [
    ("/v1/labels", b"{", "text/plain", "body: that is no JSON object; send one, and Content-Type: application/json"),
    ("/v1/labels", b"[]", "application/json", "body: that is no JSON object; send one"),
    ("/v1/labels", b"{", "application/json", "The body is not JSON"),
    ("/v1/tokens", b'{"name": "a/b", "scopes": ["read"]}', "application/json", "'a/b' is not of the form ^["),
])  # fmt: skip
def test_what_is_wrong_is_said_in_our_words(served: Served, path: str, body: bytes, kind: str, said: str) -> None:
    answer = served.http.post(path, content=body, headers={"Content-Type": kind})
    assert (answer.status_code, code(answer)) == (422, "invalid_request")
    assert said in answer.json()["error"]["message"]


def test_wrong_bodies_are_invalid_requests(served: Served, meetings: Meetings) -> None:
    for path in POSTS:
        for body in BODIES:
            answer = served.http.post(path, content=body, headers=JSON)
            assert (answer.status_code, code(answer)) == (422, "invalid_request"), (path, body[:40])


def test_a_body_that_does_not_say_it_is_json_is_refused(served: Served) -> None:
    body = json.dumps({"name": "x"}).encode()
    for kind in ("text/plain", "application/x-www-form-urlencoded", ""):
        assert served.http.post("/v1/collections", content=body, headers={"Content-Type": kind}).status_code == 422


def test_large_bodies_are_413(served: Served) -> None:
    limit = served.console.settings.console.max_body_bytes
    announced = served.http.post("/v1/collections", content=b" " * (limit + 1), headers=JSON)
    assert (announced.status_code, code(announced)) == (413, "body_too_large")

    def chunks():
        for _ in range(limit // 1_000_000 + 1):
            yield b" " * 1_000_000

    chunked = served.http.post("/v1/collections", content=chunks(), headers=JSON)
    assert (chunked.status_code, code(chunked)) == (413, "body_too_large")


def test_a_body_just_below_the_limit_is_read(served: Served, meetings: Meetings) -> None:
    listed = "1 a b\n" * 300_000
    answer = served.http.post("/v1/collections/meetings/evaluations/trials", json={"trials": listed})
    assert (answer.status_code, code(answer)) == (422, "bad_trials")


ADDRESSES = [
    "/v1/collections/%00",
    "/v1/collections/%ff",
    "/v1/collections/a%00b/segments",
    "/v1/collections/%ed%a0%80",
    "/v1/collections/meetings/objects?after=%00",
    "/v1/collections/meetings/segments?recording_id=%00",
    "/v1/collections/meetings/export/embeddings?encoder=%00",
    "/v1/events?collection=%00",
    "/v1/events?types=%00",
    "/v1/events?last_event_id=nonsense",
    "/?token=%00",
]


def test_addresses_that_no_text_column_can_hold_are_refused(served: Served, meetings: Meetings) -> None:
    for path in ADDRESSES:
        answer = served.http.get(path)
        assert (answer.status_code, code(answer)) == (422, "invalid_request"), path


def test_keys_with_any_other_text_are_only_unknown(served: Served, meetings: Meetings) -> None:
    keys = ["", "meetings/\u202e.wav", "meetings/\n", "x" * 5000, "meetings/\U0001f600", "%s %(a)s :x ' ; --"]
    items = served.http.post("/v1/collections/meetings/objects/query", json={"object_keys": keys}).json()["items"]
    assert [item["status"] for item in items] == ["pending"] * len(keys)


def test_an_unknown_address_is_404_in_our_shape(served: Served) -> None:
    for path in ("/nowhere", "/v1/nowhere", "/static/../app.py", "/static/%2e%2e/app.py", "/v1/labels/"):
        answer = served.http.get(path)
        assert (answer.status_code, code(answer)) == (404, "not_found"), path


def test_a_wrong_method_is_405_in_our_shape(served: Served) -> None:
    answer = served.http.put("/v1/collections")
    assert (answer.status_code, code(answer), answer.headers["allow"]) == (405, "method_not_allowed", "GET, POST")


def test_every_answer_has_the_safe_headers(served: Served) -> None:
    for path in ("/", "/v1/status", "/nowhere", "/static/app.js", "/v1/collections/%00"):
        headers = served.http.get(path).headers
        assert headers["x-content-type-options"] == "nosniff"
        assert "frame-ancestors 'none'" in headers["content-security-policy"]
        assert headers["referrer-policy"] == "no-referrer"


NUMBERS = [
    "GET /v1/collections/meetings/segments?limit=1000000000",
    "GET /v1/collections/meetings/segments?limit=-1",
    "GET /v1/collections/meetings/segments?limit=1e3",
    "GET /v1/collections/meetings/next?limit=1000000000",
    "GET /v1/events?newest=1000000000",
    "GET /v1/audit?limit=99999999999999999999999999",
]


def test_numbers_beyond_reason_are_refused(served: Served, meetings: Meetings) -> None:
    for operation in NUMBERS:
        answer = served.http.request(*operation.split())
        assert (answer.status_code, code(answer)) == (422, "invalid_request"), operation


def test_times_are_written_out(served: Served, meetings: Meetings) -> None:
    for time in ("0.5", "1763700000", "-1", "yesterday", "2026-13-01T00:00:00Z", "9" * 400):
        answer = served.http.get("/v1/collections/meetings/names", params={"at": time})
        assert (answer.status_code, code(answer)) == (422, "invalid_request"), time


def test_offsets_that_postgres_cannot_hold_are_turned_into_utc(served: Served, meetings: Meetings) -> None:
    body = {"name": "far", "scopes": ["read"], "expires_at": "2999-01-01T00:00:00-23:12"}
    made = served.http.post("/v1/tokens", json=body)
    assert (made.status_code, made.json()["expires_at"]) == (201, "2999-01-01T23:12:00Z")
    ended = served.http.post("/v1/tokens", json=body | {"name": "on", "expires_at": "9999-12-31T23:59:59-23:12"})
    assert (ended.status_code, code(ended)) == (422, "invalid_request")
    at = {"at": "0001-01-01T00:00:00+23:12"}
    assert served.http.get("/v1/collections/meetings/names", params=at).status_code == 422


@pytest.mark.parametrize(
    "turns",
    [
        "SPEAKER a monday/\u00fc 1 0.5 -0.2 <NA> <NA> Ada <NA> <NA>\n",
        "SPEAKER b/tuesday 1 4.0 -1.0 <NA> <NA> Ada <NA> <NA>\n",
        "SPEAKER b/tuesday 1 nan 1.0 <NA> <NA> Ada <NA> <NA>\n",
        "SPEAKER b/tuesday 1 1.0 inf <NA> <NA> Ada <NA> <NA>\n",
    ],
)
def test_turns_that_end_before_they_begin_are_refused(served: Served, meetings: Meetings, turns: str) -> None:
    answer = served.http.post("/v1/collections/meetings/imports?format=rttm", content=turns.encode())
    assert answer.status_code == 422
    with served.console.database.begin() as tx:
        assert tx.execute(sa.text("SELECT count(*) FROM label")).scalar_one() == 0


def test_turns_beyond_the_recording_name_nothing(served: Served, meetings: Meetings) -> None:
    turns = b"SPEAKER b/tuesday 1 3600.0 1e6 <NA> <NA> Ada <NA> <NA>\n"
    answer = served.http.post("/v1/collections/meetings/imports?format=rttm", content=turns)
    assert answer.status_code in {200, 422}, answer.text
    with served.console.database.begin() as tx:
        assert tx.execute(sa.text("SELECT count(*) FROM assignment")).scalar_one() == 0


@pytest.mark.parametrize("at_s", [[0.0], [1e9], [-1.0], [0.5, 0.5], [1.0], [60.0]])
def test_a_cut_outside_of_the_segment_is_refused(served: Served, meetings: Meetings, at_s: list[float]) -> None:
    segment = meetings.segment_ids["m1"]
    answer = served.http.post(f"/v1/segments/{segment}/split", json={"at_s": at_s})
    assert answer.status_code == 422, answer.text
    assert served.http.get(f"/v1/segments/{segment}").status_code == 200


def test_fifty_equal_calls_at_once_make_one_thing(served: Served, meetings: Meetings) -> None:
    def answers(path: str, body: dict) -> list[int]:
        with ThreadPoolExecutor(10) as pool:
            calls = [pool.submit(served.http.post, path, json=body) for _ in range(50)]
            return sorted(call.result().status_code for call in calls)

    made = answers("/v1/collections", {"name": "fifty", "encoders": ["tiny"], "segmenter": "vad"})
    assert set(made) <= {200, 201}
    assert [c["name"] for c in served.http.get("/v1/collections").json()["items"]].count("fifty") == 1
    assert answers("/v1/tokens", {"name": "fifty", "scopes": ["read"]}) == [201, *[409] * 49]
