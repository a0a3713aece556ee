"""Dead letters by their code, and who may see and change them."""

import httpx
import pytest
import sqlalchemy as sa

from services.console.api import dead
from shared.ledger.outbox import announce, publish
from shared.storage import collections
from tests.integration.console.conftest import Served
from tests.integration.ledger.deliveries import object_seen


@pytest.fixture
def letters(served: Served, monkeypatch: pytest.MonkeyPatch) -> Served:
    """Five in `c`, three of them with one code and two with another; a request takes two."""
    monkeypatch.setattr(dead, "PORTION", 2)
    with served.console.database.begin() as tx:
        collections.create(tx, "c", "vad", ("tiny",))
        publish(tx, [announce(object_seen(f"c/{n}.wav")) for n in range(5)])
        tx.execute(sa.text("UPDATE delivery SET state = 'dead', error_code = 'rare', last_error = 'x'"))
        often = "SELECT event_id FROM delivery ORDER BY event_id LIMIT 3"
        tx.execute(sa.text(f"UPDATE delivery SET error_code = 'often' WHERE event_id IN ({often})"))
    return served


def followed(http: httpx.Client, path: str, chosen: dict[str, str]) -> list[int]:
    """How many each request saw to, until there is no next."""
    counts, after = [], {}
    while after is not None:
        answer = http.post(path, json=chosen | after)
        assert answer.status_code == 200, answer.text
        *n, following = answer.json().values()
        counts += n
        after = None if following is None else {"after": following}
    return counts


@pytest.mark.parametrize(("path", "pending"), [("/v1/dead/requeue", 3), ("/v1/dead/drop", 0)])
def test_all_with_a_code_are_requeued_or_dropped(letters: Served, path: str, pending: int) -> None:
    assert followed(letters.http, path, {"code": "often"}) == [2, 1]
    backlog = letters.http.get("/v1/status").json()["backlog"]
    assert (backlog["pending"], backlog["dead"]) == (pending, 2)


def test_nothing_is_dropped_of_a_choice_with_an_unfinished_erasure(letters: Served) -> None:
    with letters.console.database.begin() as tx:
        last = "SELECT event_id FROM delivery WHERE error_code = 'often' ORDER BY event_id DESC LIMIT 1"
        tx.execute(sa.text(f"UPDATE delivery SET subscription = 'ingest.erase' WHERE event_id = ({last})"))
    refused = letters.http.post("/v1/dead/drop", json={"code": "often"})
    assert (refused.status_code, refused.json()["error"]["code"]) == (409, "unfinished_erasure")
    assert len(letters.http.get("/v1/dead").json()["items"]) == 5
    assert sum(followed(letters.http, "/v1/dead/drop", {"code": "often", "subscription": "ingest.register"})) == 2


def test_a_choice_is_made_in_one_way(letters: Served) -> None:
    post = letters.http.post
    following = post("/v1/dead/requeue", json={"code": "often"}).json()["next"]
    for body, code in (
        ({}, "invalid_request"),
        ({"code": None}, "invalid_request"),
        ({"event_ids": [], "code": "often"}, "invalid_request"),
        ({"event_ids": [], "after": following}, "invalid_request"),
        ({"after": following}, "invalid_request"),
        ({"code": "often", "after": "made up"}, "bad_cursor"),
        ({"code": "rare", "after": following}, "bad_cursor"),
    ):
        for path in ("/v1/dead/requeue", "/v1/dead/drop"):
            answer = post(path, json=body)
            assert (answer.status_code, answer.json()["error"]["code"]) == (422, code), body


@pytest.mark.parametrize("path", ["/v1/dead/requeue", "/v1/dead/drop"])
def test_a_collection_that_there_is_not_is_told(letters: Served, path: str) -> None:
    answer = letters.http.post(path, json={"code": "often", "collection": "nosuch"})
    assert (answer.status_code, answer.json()["error"]["code"]) == (404, "unknown_collection")
    assert len(letters.http.get("/v1/dead").json()["items"]) == 5


@pytest.mark.parametrize("deed", ["requeue", "drop"])
def test_a_subscription_that_there_is_not_is_told(letters: Served, deed: str) -> None:
    for name in ("embedder.embd", "ingest"):
        answer = letters.http.post(f"/v1/dead/{deed}", json={"subscription": name})
        assert (answer.status_code, answer.json()["error"]["code"]) == (404, "unknown_stage")
    assert followed(letters.http, f"/v1/dead/{deed}", {"subscription": "embedder.embed"}) == [0]


def test_letters_of_a_subscription_that_is_no_more_can_be_dropped(letters: Served) -> None:
    with letters.console.database.begin() as tx:
        tx.execute(sa.text("UPDATE delivery SET subscription = 'embedder.of_before' WHERE error_code = 'rare'"))
    assert followed(letters.http, "/v1/dead/drop", {"subscription": "embedder.of_before"}) == [2, 0]


@pytest.mark.parametrize("path", ["/v1/dead", "/v1/dead/kinds"])
def test_nothing_is_listed_of_what_there_is_not(letters: Served, path: str) -> None:
    for query, code in (({"collection": "nosuch"}, "unknown_collection"), ({"subscription": "x.y"}, "unknown_stage")):
        answer = letters.http.get(path, params=query)
        assert (answer.status_code, answer.json()["error"]["code"]) == (404, code)


def test_kinds_and_pages_show_what_fits(letters: Served) -> None:
    get = letters.http.get
    kinds = get("/v1/dead/kinds").json()
    assert [(kind["n"], kind["error_code"]) for kind in kinds["items"]] == [(3, "often"), (2, "rare")]
    assert (kinds["n_letters"], kinds["n_kinds"]) == (5, 2)
    rare = {"code": "rare", "collection": "c", "subscription": "ingest.register", "limit": 1}
    first = get("/v1/dead", params=rare).json()
    second = get("/v1/dead", params=rare | {"after": first["next"]}).json()
    assert len({letter["event_id"] for page in (first, second) for letter in page["items"]}) == 2
    assert second["next"] is None
    assert get("/v1/dead", params=rare | {"code": "often", "after": first["next"]}).status_code == 422


def test_a_token_for_some_collections_sees_theirs_and_changes_none(letters: Served) -> None:
    with letters.console.database.begin() as tx:
        collections.create(tx, "theirs", "vad", ("tiny",))
        tx.execute(sa.text("UPDATE delivery SET collection = 'theirs' WHERE error_code = 'rare'"))
    with letters.as_(letters.token("read", "label", "ingest", collections=["theirs"])) as stranger:
        assert {letter["error_code"] for letter in stranger.get("/v1/dead").json()["items"]} == {"rare"}
        kinds = stranger.get("/v1/dead/kinds").json()
        assert (kinds["n_letters"], kinds["n_kinds"]) == (2, 1)
        for path in ("/v1/dead", "/v1/dead/kinds"):
            assert stranger.get(path, params={"collection": "c"}).status_code == 404
        for path in ("/v1/dead/requeue", "/v1/dead/drop"):
            assert stranger.post(path, json={"collection": "theirs"}).status_code == 403
    assert len(letters.http.get("/v1/dead").json()["items"]) == 5
