"""Idempotency-Key: sent twice, done once."""

from concurrent.futures import ThreadPoolExecutor

import httpx
import sqlalchemy as sa

from services.console.once import HEADER, REPLAYED
from shared.storage import keyed_calls
from shared.storage.keyed_calls import Key
from tests.integration.console.conftest import Served
from tests.integration.console.seeding import Meetings


def code(answer: httpx.Response) -> str:
    return str(answer.json()["error"]["code"])


def n_labels(served: Served) -> int:
    with served.console.database.begin() as tx:
        return int(tx.execute(sa.text("SELECT count(*) FROM label")).scalar_one())


def test_the_same_call_again_is_answered_the_same_and_does_nothing(served: Served, meetings: Meetings) -> None:
    body = {"segment_id": str(meetings.segment_ids["m1"]), "speaker": "Ada"}
    first = served.http.post("/v1/labels", json=body, headers={HEADER: "a"})
    again = served.http.post("/v1/labels", json=body, headers={HEADER: "a"})
    assert (again.status_code, again.json()) == (first.status_code, first.json()) == (202, first.json())
    assert (REPLAYED in first.headers, again.headers[REPLAYED]) == (False, "true")
    assert n_labels(served) == 1
    other = served.http.post("/v1/labels", json=body, headers={HEADER: "b"})
    assert other.json()["label_id"] != first.json()["label_id"]


def test_a_key_with_another_request_is_refused(served: Served, meetings: Meetings) -> None:
    body = {"segment_id": str(meetings.segment_ids["m1"]), "speaker": "Ada"}
    served.http.post("/v1/labels", json=body, headers={HEADER: "a"})
    for path, asked in (("/v1/labels", body | {"speaker": "Eve"}), ("/v1/rejections", body)):
        answer = served.http.post(path, json=asked, headers={HEADER: "a"})
        assert (answer.status_code, code(answer)) == (422, "idempotency_key_reused")


def test_keys_belong_to_their_token(served: Served, meetings: Meetings) -> None:
    body = {"segment_id": str(meetings.segment_ids["m1"]), "speaker": "Ada"}
    first = served.http.post("/v1/labels", json=body, headers={HEADER: "a"})
    with served.as_(served.token("label")) as other:
        answer = other.post("/v1/labels", json=body, headers={HEADER: "a"})
    assert answer.status_code == 202
    assert answer.json()["label_id"] != first.json()["label_id"]


def test_fifty_parallel_equal_calls_take_effect_once(served: Served, meetings: Meetings) -> None:
    def call(_: int) -> httpx.Response:
        return served.http.post(
            "/v1/labels",
            json={"segment_id": str(meetings.segment_ids["m1"]), "speaker": "Ada"},
            headers={HEADER: "fifty"},
        )

    with ThreadPoolExecutor(10) as pool:
        answers = list(pool.map(call, range(50)))
    assert n_labels(served) == 1
    assert {answer.status_code for answer in answers} <= {202, 409, 503}
    done = [answer.json()["label_id"] for answer in answers if answer.status_code == 202]
    assert len(set(done)) == 1
    assert {code(answer) for answer in answers if answer.status_code == 409} <= {"idempotency_answer_missing"}


def test_what_failed_may_be_tried_again_with_the_same_key(served: Served, meetings: Meetings) -> None:
    body = {"segment_id": "7d74b913-9a5f-58eb-8a82-556a483ed566", "speaker": "Ada"}
    for _ in range(2):
        assert served.http.post("/v1/labels", json=body, headers={HEADER: "a"}).status_code == 404
    good = body | {"segment_id": str(meetings.segment_ids["m1"])}
    assert served.http.post("/v1/labels", json=good, headers={HEADER: "a"}).status_code == 202


def test_a_secret_is_not_shown_again(served: Served) -> None:
    body = {"name": "ci", "scopes": ["read"]}
    made = served.http.post("/v1/tokens", json=body, headers={HEADER: "a"})
    again = served.http.post("/v1/tokens", json=body, headers={HEADER: "a"})
    assert (made.status_code, again.status_code, code(again)) == (201, 409, "idempotency_answer_missing")
    with served.console.database.begin() as tx:
        assert tx.execute(sa.text("SELECT answer FROM keyed_call")).scalars().all() == [None]


def test_uploads_are_begun_again_with_fresh_addresses(served: Served, meetings: Meetings) -> None:
    path = "/v1/collections/meetings/uploads"
    for _ in range(2):
        answer = served.http.post(path, json={"paths": ["a.wav"]}, headers={HEADER: "a"})
        assert answer.status_code == 200
    assert code(served.http.post(path, json={"paths": ["b.wav"]}, headers={HEADER: "a"})) == "idempotency_key_reused"


def test_a_key_is_a_short_line(served: Served) -> None:
    for key in ("", "x" * 256, "\u00fc"):
        answer = served.http.post("/v1/dead/drop", json={"event_ids": []}, headers={HEADER: key.encode()})
        assert (answer.status_code, code(answer)) == (422, "bad_idempotency_key"), key


def test_an_erasure_takes_the_names_out_of_kept_answers(served: Served, meetings: Meetings) -> None:
    body = {"segment_id": str(meetings.segment_ids["m1"]), "speaker": "Ada"}
    served.http.post("/v1/labels", json=body, headers={HEADER: "a"})
    assert served.http.delete("/v1/speakers/Ada").status_code == 200
    with served.console.database.begin() as tx:
        assert tx.execute(sa.text("SELECT answer FROM keyed_call")).scalars().all() == [None]
    assert code(served.http.post("/v1/labels", json=body, headers={HEADER: "a"})) == "idempotency_answer_missing"


def test_what_only_asks_needs_no_key(served: Served, meetings: Meetings) -> None:
    asked = {"trials": "1 monday/a.wav monday/b.wav"}
    plain, keyed = (
        served.http.post("/v1/collections/meetings/evaluations/trials", json=asked, headers=headers)
        for headers in ({}, {HEADER: "a"})
    )
    assert (keyed.status_code, keyed.json()) == (plain.status_code, plain.json())


def test_a_key_that_is_at_work_is_not_waited_for(served: Served) -> None:
    key, database = Key("owner", "a", "f"), served.console.database
    with database.begin() as first, database.begin() as second:
        second.execute(sa.text("SET LOCAL statement_timeout = '5s'"))  # waiting would never end here
        assert keyed_calls.take(first, key)
        assert not keyed_calls.take(second, key)
        assert keyed_calls.take(second, Key("owner", "b", "f"))


def test_an_answer_that_comes_after_an_erasure_is_not_kept(served: Served, meetings: Meetings) -> None:
    body = {"segment_id": str(meetings.segment_ids["m1"]), "speaker": "Ada"}
    served.http.post("/v1/labels", json=body, headers={HEADER: "a"})
    key, answers = Key("owner", "a", ""), "SELECT answer FROM keyed_call"
    with served.console.database.begin() as tx:
        keyed_calls.keep(tx, key, 202, b"Ada")
        assert tx.execute(sa.text(answers)).scalars().all() == [b"Ada"]
    receipt = served.http.delete("/v1/speakers/Ada").raise_for_status().json()["receipt_id"]
    with served.console.database.begin() as tx:
        keyed_calls.keep(tx, key, 202, b"Ada")
        assert tx.execute(sa.text(answers)).scalars().all() == [None]
        keyed_calls.keep(tx, key, 200, receipt.encode())  # as if that had been the erasure itself
        assert tx.execute(sa.text(answers)).scalars().all() == [receipt.encode()]
