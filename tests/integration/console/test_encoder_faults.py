"""Encoders whose model cannot be had, and work that does not come to an end: where a person sees why."""

import sqlalchemy as sa

from shared.checkpoints import MissingModel
from shared.encoders.choices import UnknownPooling
from shared.errors import PermanentError
from shared.events import ClusteringRequested, SegmentsRemoved
from shared.ids import new_id
from shared.ledger.outbox import announce, publish
from shared.storage import encoders, model_families
from shared.storage.model_families import KnownFamily
from tests.integration.console.conftest import Served
from tests.integration.console.seeding import NAME, Meetings

TROUBLE = {"encoder": "tiny", "state": "no_weights", "code": "missing_model", "reason": "Nowhere."}


def note(served: Served, error: PermanentError | None) -> None:
    """As a worker does that tries to have the model of `tiny`."""
    with served.console.database.begin() as tx:
        encoders.note(tx, encoders.by_name(tx, "tiny").space, error)


def test_an_encoder_without_weights_is_not_ready(served: Served, meetings: Meetings) -> None:
    note(served, MissingModel("Nowhere."))
    shown = served.http.get("/v1/encoders/tiny").json()
    assert {name: shown[name] for name in ("state", "code", "reason")} == {
        name: TROUBLE[name] for name in ("state", "code", "reason")
    }
    note(served, UnknownPooling("Whatever."))
    assert served.http.get("/v1/encoders/tiny").json()["state"] == "broken"
    note(served, None)
    shown = served.http.get("/v1/encoders/tiny").json()
    assert (shown["state"], shown["code"]) == ("ready", None)


def test_its_collections_and_the_status_say_so(served: Served, meetings: Meetings) -> None:
    assert served.http.get(f"/v1/collections/{NAME}").json()["troubles"] == []
    assert served.http.get("/v1/status").json()["troubles"] == []
    note(served, MissingModel("Nowhere."))
    assert served.http.get(f"/v1/collections/{NAME}").json()["troubles"] == [TROUBLE]
    assert served.http.get("/v1/status").json()["troubles"] == [{**TROUBLE, "collections": [NAME]}]


def test_work_is_counted_by_collection_with_the_reasons_of_what_failed(served: Served, meetings: Meetings) -> None:
    url = f"/v1/collections/{NAME}/work"
    found = served.http.get(url).json()
    assert found.pop("missing")  # of the services, nothing but a console runs here
    assert found == {"backlog": dict.fromkeys(("pending", "queued", "leased", "dead"), 0), "faults": [], "pauses": []}
    events = [ClusteringRequested(request_id=new_id(), collection=name, encoder="tiny") for name in (NAME, NAME, "x")]
    gone = SegmentsRemoved(collection=NAME, recording_id=meetings.monday, segment_ids=())
    with served.console.database.begin() as tx:
        publish(tx, [announce(event) for event in (*events, gone)])
        tx.execute(
            sa.text("""UPDATE delivery SET state = 'dead', error_code = 'missing_model', last_error = 'Nowhere.'
                       WHERE subscription = 'clusterer.recluster'""")
        )
    found = served.http.get(url).json()
    assert found["backlog"] == {"pending": 2, "queued": 0, "leased": 0, "dead": 2}
    assert found["faults"] == [
        {
            "subscription": "clusterer.recluster",
            "state": "dead",
            "code": "missing_model",
            "reason": "Nowhere.",
            "deliveries": 2,
        }
    ]
    assert served.http.get("/v1/collections/nowhere/work").status_code == 404


def test_a_model_that_workers_gave_up_to_read_is_failed_and_read_again_when_asked_for(served: Served) -> None:
    body = {"name": "words", "family": "roberta", "model": "m"}
    with served.console.database.begin() as tx:
        model_families.announce(tx, KnownFamily("roberta", "text", "transformers", True, {}))
    assert served.http.post("/v1/encoders", json=body).is_success
    with served.console.database.begin() as tx:
        tx.execute(sa.text("UPDATE delivery SET state = 'dead', error_code = 'KeyError', last_error = 'KeyError: x'"))
    shown = served.http.get("/v1/encoders/words").json()
    assert (shown["state"], shown["code"], shown["reason"]) == ("failed", "KeyError", "KeyError: x")
    [again] = served.http.post("/v1/encoders", json=body).json()["items"]
    assert again["state"] == "requested"
    with served.console.database.begin() as tx:
        assert tx.execute(sa.text("SELECT state, attempt FROM delivery")).all() == [("pending", 0)]
