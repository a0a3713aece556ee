"""What the API tells of archives and their members."""

from uuid import UUID

import pytest

from shared import ids
from shared.ids import new_id
from shared.storage import archives, collections
from shared.storage.archives import Member, NewArchive, Unpacked
from tests.integration.console.conftest import Served

PATH = "/v1/collections/talks/archives"


@pytest.fixture
def half_way(served: Served) -> UUID:
    """An archive with two members taken and one refused."""
    key, own_id = "talks/day.tar", new_id()
    archive = NewArchive(own_id, ids.object_id("audio", key), "talks", "audio", key, "etag", "tar", 4000)
    members = [
        Member("a.wav", 10, key="talks/day/a.wav", etag="1"),
        Member("../b.wav", 20, code="member_traversal", reason="It leads out."),
        Member("c.wav", 30, key="talks/day/c.wav", etag="2"),
    ]
    with served.console.database.begin() as tx:
        collections.create(tx, "talks", "whole", ("spectral",))
        archives.find(tx, archive)
        now = Unpacked((2000,), 2000, n_members=4, n_taken=2, n_skipped=1, n_refused=1, n_bytes=40)
        assert archives.advance(tx, own_id, Unpacked(), now, members)
    return own_id


def test_an_archive_is_listed_with_its_progress(served: Served, half_way: UUID) -> None:
    (row,) = served.http.get(PATH).json()["items"]

    assert row["archive_id"] == str(half_way)
    assert {name: row[name] for name in ("object_key", "state", "size_bytes", "read_bytes", "members")} == {
        "object_key": "talks/day.tar", "state": "unpacking", "size_bytes": 4000, "read_bytes": 2000, "members": 4
    }  # fmt: skip
    assert (row["taken"], row["skipped"], row["refused"]) == (2, 1, 1)
    assert served.http.get("/v1/status").json()["unpacking"] == 1


def test_of_one_key_the_archive_that_was_seen_last_is_listed(served: Served, half_way: UUID) -> None:
    key, later = "talks/day.tar", new_id()
    archive = NewArchive(later, ids.object_id("audio", key), "talks", "audio", key, "other", "tar", 1)
    with served.console.database.begin() as tx:
        archives.find(tx, archive)

    assert [row["archive_id"] for row in served.http.get(PATH, params={"object_key": key}).json()["items"]] == [
        str(later)
    ]
    with served.console.database.begin() as tx:
        assert archives.opened(tx, half_way) is None  # nobody goes on with it
    assert served.http.get(PATH, params={"object_key": "talks/other.tar"}).json()["items"] == []


def test_members_come_page_by_page_in_the_order_of_the_archive(served: Served, half_way: UUID) -> None:
    first = served.http.get(f"{PATH}/{half_way}/members", params={"limit": 2}).json()
    second = served.http.get(f"{PATH}/{half_way}/members", params={"limit": 2, "after": first["next"]}).json()

    assert [row["path"] for row in (*first["items"], *second["items"])] == ["a.wav", "../b.wav", "c.wav"]
    assert second["next"] is None


def test_refused_members_can_be_listed_alone(served: Served, half_way: UUID) -> None:
    (row,) = served.http.get(f"{PATH}/{half_way}/members", params={"refused": "true"}).json()["items"]

    assert (row["path"], row["object_key"], row["code"]) == ("../b.wav", None, "member_traversal")


def test_an_archive_of_another_collection_is_unknown(served: Served, half_way: UUID) -> None:
    with served.console.database.begin() as tx:
        collections.create(tx, "others", "whole", ("spectral",))
    answer = served.http.get(f"/v1/collections/others/archives/{half_way}/members")

    assert (answer.status_code, answer.json()["error"]["code"]) == (404, "unknown_archive")


def test_an_archive_needs_a_token_that_may_read_or_ingest(served: Served, half_way: UUID) -> None:
    statuses = {}
    for token in (None, served.token("label"), served.token("ingest")):
        with served.as_(token) as http:
            statuses[token] = http.get(f"{PATH}/{half_way}/members").status_code

    assert list(statuses.values()) == [401, 403, 200]
