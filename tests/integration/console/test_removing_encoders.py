"""Encoders that people added can go again, unless something hangs on them."""

from uuid import uuid4

import numpy as np
import pytest
import sqlalchemy as sa

from shared.events import EmbeddingRequested
from shared.ledger.outbox import announce, publish
from shared.storage import clusters, collections, definitions, embeddings, encoders, frames, model_families
from shared.storage.clusters import NewCluster
from shared.storage.frames import FrameBlob
from shared.storage.model_families import KnownFamily
from tests.integration.console.conftest import Served
from tests.integration.console.seeding import NAME, Meetings

SPEC = {"layer": "encoder", "pooling": "mean", "modality": "audio", "revision": "r"}


@pytest.fixture
def added(served: Served, meetings: Meetings) -> Served:
    """`words` was added and read."""
    with served.console.database.begin() as tx:
        model_families.announce(tx, KnownFamily("roberta", "text", "transformers", True, {}))
    assert served.http.post("/v1/encoders", json={"name": "words", "family": "roberta", "model": "m"}).is_success
    with served.console.database.begin() as tx:
        encoders.announce_encoder(tx, "words", "words_1", 4, SPEC)
        definitions.settle(tx, "words", "m@0", SPEC)
    return served


def removed(served: Served, name: str = "words") -> tuple[int, str, str]:
    answer = served.http.delete(f"/v1/encoders/{name}")
    error = answer.json()["error"] if answer.content else {"code": "", "message": ""}
    return answer.status_code, error["code"], error["message"]


def test_one_that_nothing_hangs_on_is_gone_with_its_partition(added: Served) -> None:
    partitions = sa.text("SELECT count(*) FROM pg_inherits WHERE inhparent = 'embedding'::regclass")
    with added.console.database.begin() as tx:
        before = tx.execute(partitions).scalar_one()
    assert removed(added)[0] == 204
    assert removed(added)[:2] == (404, "unknown_encoder")
    with added.console.database.begin() as tx:
        assert tx.execute(partitions).scalar_one() == before - 1
    again = added.http.post("/v1/encoders", json={"name": "words", "family": "roberta", "model": "other"})
    assert [one["state"] for one in again.json()["items"]] == ["requested"]


def test_one_that_could_not_be_read_goes_too(served: Served) -> None:
    with served.console.database.begin() as tx:
        model_families.announce(tx, KnownFamily("roberta", "text", "transformers", True, {}))
    served.http.post("/v1/encoders", json={"name": "words", "family": "roberta", "model": "m"})
    assert removed(served)[0] == 204
    assert served.http.get("/v1/encoders").json() == []


def test_what_comes_with_a_package_stays(added: Served) -> None:
    assert removed(added, "tiny")[:2] == (409, "encoder_packaged")
    assert removed(added, "magic")[:2] == (404, "unknown_encoder")


def test_one_that_a_collection_names_stays_until_that_does_without(added: Served) -> None:
    with added.console.database.begin() as tx:
        collections.add_encoder(tx, NAME, "words")
    status, code, message = removed(added)
    assert (status, code, f"of {NAME}" in message) == (409, "encoder_in_use", True)
    remedy = added.http.delete("/v1/encoders/words").json()["error"]["remedy"]
    assert "collections drop-encoder" in remedy
    assert added.http.delete(f"/v1/collections/{NAME}/encoders/words").is_success
    assert removed(added)[0] == 204


def test_one_that_has_made_vectors_stays(added: Served, meetings: Meetings) -> None:
    with added.console.database.begin() as tx:
        space = encoders.by_name(tx, "words")
        embeddings.write(tx, space, [meetings.segment_ids["m1"]], np.eye(1, 4, dtype=np.float32))
    status, code, message = removed(added)
    assert (status, code, NAME in message) == (409, "encoder_in_use", True)


def test_a_purge_takes_what_it_has_made_of_one_collection_so_that_it_can_be_removed(
    added: Served, meetings: Meetings
) -> None:
    mine = [meetings.segment_ids[name] for name in ("m1", "t1", "m2")]
    with added.console.database.begin() as tx:
        space = encoders.by_name(tx, "words")
        embeddings.write(tx, space, mine[:2], np.eye(2, 4, dtype=np.float32))
        embeddings.write_unembeddable(tx, space, {mine[2]: "no_voice"})
        frames.write(tx, space, [FrameBlob(mine[0], "0" * 64, 7, 4, "float16", 100)])
        clusters.write_generation(tx, NAME, "words", [NewCluster(uuid4(), tuple(mine[:2]), (1.0, 1.0), 2, 1, mine[0])])
        others = sa.text("SELECT (SELECT count(*) FROM embedding), (SELECT count(*) FROM cluster)")
        before = tuple(tx.execute(others).one())
    path = f"/v1/collections/{NAME}/encoders/words"
    assert added.http.delete(path).json()["purged"] == 0
    assert removed(added)[1] == "encoder_in_use"
    answer = added.http.delete(path, params={"purge": "true"})
    assert answer.json() == {"encoders": ["tiny"], "ready": 0, "purged": 2}
    with added.console.database.begin() as tx:
        assert tuple(tx.execute(others).one()) == (before[0] - 2, before[1] - 1)
        for table in ("frame_blob", "unembeddable"):
            assert tx.execute(sa.text(f"SELECT count(*) FROM {table}")).scalar_one() == 0
    assert removed(added)[0] == 204


def test_what_makes_the_names_is_not_purged(added: Served) -> None:
    answer = added.http.delete(f"/v1/collections/{NAME}/encoders/tiny", params={"purge": "true"})
    assert (answer.status_code, answer.json()["error"]["code"]) == (409, "encoder_names")
    answer = added.http.delete(f"/v1/collections/{NAME}/encoders/magic", params={"purge": "true"})
    assert (answer.status_code, answer.json()["error"]["code"]) == (404, "unknown_encoder")


def test_work_that_is_under_way_keeps_it_and_work_that_was_given_up_does_not(added: Served) -> None:
    event = EmbeddingRequested(
        recording_id=uuid4(), collection=NAME, encoder="words", segment_ids=(uuid4(),), duration_s=1.0
    )
    with added.console.database.begin() as tx:
        publish(tx, [announce(event)])
    status, code, message = removed(added)
    assert (status, code, "under way" in message) == (409, "encoder_in_use", True)
    with added.console.database.begin() as tx:
        tx.execute(sa.text("UPDATE delivery SET state = 'dead'"))
    assert removed(added)[0] == 204
    assert added.http.get("/v1/dead").json()["items"] == []


def test_reasons_why_segments_had_no_vector_go_with_it(added: Served, meetings: Meetings) -> None:
    """Else another encoder of that name would leave them out."""
    with added.console.database.begin() as tx:
        space = encoders.by_name(tx, "words")
        embeddings.write_unembeddable(tx, space, {meetings.segment_ids["m1"]: "no_text"}, overwrite=False)
    assert removed(added)[0] == 204
    with added.console.database.begin() as tx:
        assert tx.execute(sa.text("SELECT count(*) FROM unembeddable WHERE encoder = 'words'")).scalar_one() == 0


def test_removing_needs_the_scope_ingest(added: Served) -> None:
    with added.as_(added.token("read")) as reader:
        assert reader.delete("/v1/encoders/words").status_code == 403
