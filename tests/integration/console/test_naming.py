"""Labels, clusterings, speakers: what a person says, on its way into the ledger."""

from uuid import UUID, uuid4

from shared.events import LabelRecorded
from shared.ledger import stream
from shared.storage import clusters, labels, method_comparisons
from shared.storage.clusters import Report
from shared.storage.method_comparisons import Comparison, Counts
from tests.integration.console.conftest import Served
from tests.integration.console.seeding import Meetings


def events_of(served: Served) -> list[tuple[str, dict]]:
    with served.console.database.begin() as tx:
        return [(e.type, e.data) for e in stream.read(tx, stream.beginning())[0]]


def test_a_segment_is_named_at_once(served: Served, meetings: Meetings) -> None:
    segment_id = str(meetings.segment_ids["m1"])
    answer = served.http.post("/v1/labels", json={"segment_id": segment_id, "speaker": "  Zoe\u0308 \n"})
    assert answer.status_code == 202
    label = answer.json()
    assert (label["collection"], label["speaker"], label["segments"]) == ("meetings", "Zoë", 1)
    assert served.http.get(f"/v1/segments/{segment_id}").json()["speaker"] == "Zoë"
    ((kind, data),) = events_of(served)
    assert (kind, data["label_id"], data["segment_id"]) == (LabelRecorded.type, label["label_id"], segment_id)
    state = served.http.get(f"/v1/labels/{label['label_id']}").json()
    assert state == {
        "label_id": label["label_id"],
        "collection": "meetings",
        "operation": "assign",
        "state": "recorded",
        "segments": 1,
        "propagated": 0,
        "lost": 0,
        "changed": 1,
    }


def test_a_label_tells_how_far_it_has_spread(served: Served, meetings: Meetings) -> None:
    cluster_id = served.http.get("/v1/collections/meetings/clusters").json()["items"][0]["cluster_id"]
    label = served.http.post("/v1/labels", json={"cluster_id": cluster_id, "speaker": "Ada"}).json()
    path = f"/v1/labels/{label['label_id']}"
    assert label["segments"] == 3
    assert (served.http.get(path).json()["state"], served.http.get(path).json()["segments"]) == ("recorded", 3)
    with served.console.database.begin() as tx:  # as the clusterer does
        detail = {"n_direct": 3, "n_cluster": 0, "n_identified": 2}
        labels.append(tx, "meetings", "spread", "test", cause_id=UUID(label["label_id"]), detail=detail)
    done = served.http.get(path).json()
    assert (done["state"], done["segments"], done["propagated"]) == ("propagated", 3, 2)


def test_a_label_of_nothing_is_refused(served: Served) -> None:
    somewhere = {"segment_id": str(uuid4())}
    wrong: list[tuple[dict, int, str]] = [
        ({**somewhere, "speaker": "Ada"}, 404, "segment_gone"),
        ({"cluster_id": str(uuid4()), "speaker": "Ada"}, 404, "cluster_gone"),
        ({**somewhere, "speaker": "unknown"}, 422, "reserved_speaker"),
        ({**somewhere, "speaker": "   "}, 422, "invalid_request"),
        ({**somewhere, "speaker": "x" * 201}, 422, "invalid_request"),
        ({**somewhere, "speaker": "a\nb"}, 422, "invalid_request"),
        ({**somewhere, "speaker": 7}, 422, "invalid_request"),
        ({"speaker": "Ada"}, 422, "invalid_request"),
        ({**somewhere, "cluster_id": str(uuid4()), "speaker": "Ada"}, 422, "invalid_request"),
    ]
    for body, status, code in wrong:
        answer = served.http.post("/v1/labels", json=body)
        assert (answer.status_code, answer.json()["error"]["code"]) == (status, code), body
    assert events_of(served) == []


def test_the_log_names_the_token_that_labelled(served: Served, meetings: Meetings) -> None:
    body = {"segment_id": str(meetings.segment_ids["m1"]), "speaker": "Ada"}
    served.http.post("/v1/labels", json=body)
    with served.as_(served.token("label")) as annotator:
        assert annotator.post("/v1/labels", json=body).status_code == 202
    log = served.http.get("/v1/collections/meetings/labels").json()["items"]
    assert [entry["actor"] for entry in log] == ["owner", "t label"]


def test_a_clustering_is_requested_and_done(served: Served, meetings: Meetings) -> None:
    answer = served.http.post("/v1/collections/meetings/clusterings", json={})
    assert answer.status_code == 202
    request_id = answer.json()["request_id"]
    path = f"/v1/clusterings/{request_id}"
    assert served.http.get(path).json()["state"] == "requested"
    ((_, data),) = events_of(served)
    assert (data["request_id"], data["encoder"]) == (request_id, "tiny")
    with served.console.database.begin() as tx:
        clusters.finish(tx, UUID(request_id), Report(2, 7, 3, 40), {})
    assert served.http.get(path).json() == {
        "request_id": request_id,
        "state": "done",
        "generation": 2,
        "clusters": 7,
        "noise": 3,
        "segments": 40,
        "method": "auto",
        "applied": True,
        "standing": None,
        "agreement": None,
        "without_vector": 0,
        "code": None,
        "reason": None,
    }


def test_a_comparison_has_no_generation(served: Served, meetings: Meetings) -> None:
    wanted = {"method": "hdbscan"}
    request_id = served.http.post("/v1/collections/meetings/clusterings", json=wanted).json()["request_id"]
    with served.console.database.begin() as tx:  # as the clusterer does
        assert clusters.asked_for(tx, UUID(request_id)) == wanted
        comparison = Comparison(Counts(7, 3), Counts(2, 0), 40, 0.25)
        method_comparisons.write(tx, UUID(request_id), comparison, {"method": "hdbscan"})
    assert served.http.get(f"/v1/clusterings/{request_id}").json() == {
        "request_id": request_id,
        "state": "done",
        "generation": None,
        "clusters": 7,
        "noise": 3,
        "segments": 40,
        "method": "hdbscan",
        "applied": False,
        "standing": {"clusters": 2, "noise": 0},
        "agreement": 0.25,
        "without_vector": 0,
        "code": None,
        "reason": None,
    }


def test_a_clustering_of_nothing_is_refused(served: Served, meetings: Meetings) -> None:
    unknown = served.http.post("/v1/collections/meetings/clusterings", json={"encoder": "magic"})
    assert (unknown.status_code, unknown.json()["error"]["code"]) == (422, "unknown_encoder")
    assert served.http.post("/v1/collections/nowhere/clusterings", json={}).status_code == 404
    assert served.http.get(f"/v1/clusterings/{uuid4()}").json()["error"]["code"] == "unknown_clustering"
    assert served.http.get(f"/v1/labels/{uuid4()}").json()["error"]["code"] == "unknown_label"


def test_who_has_no_segment_is_listed_on_request_only(served: Served, meetings: Meetings) -> None:
    body = {"segment_id": str(meetings.segment_ids["m1"]), "speaker": "Ada"}
    label = served.http.post("/v1/labels", json=body).json()
    served.http.post(f"/v1/labels/{label['label_id']}/undo", json={}).raise_for_status()
    assert served.http.get("/v1/speakers").json() == []
    assert [row["name"] for row in served.http.get("/v1/speakers", params={"all": "true"}).json()] == ["Ada"]


def test_how_far_a_collection_is_named(served: Served, meetings: Meetings) -> None:
    body = {"segment_id": str(meetings.segment_ids["m1"]), "speaker": "Ada"}
    served.http.post("/v1/labels", json=body).raise_for_status()
    assert served.http.get("/v1/collections/meetings/naming").json() == {
        "segments": 5,
        "named": 1,
        "by_hand": 1,
        "suggested": 0,
        "speakers": [{"name": "Ada", "segments": 1}],
    }
    assert served.http.get("/v1/collections/nowhere/naming").status_code == 404
    assert "/v1/collections/{collection}/naming" in served.http.get("/v1/openapi.json").json()["paths"]


def test_speakers_are_counted_and_renamed(served: Served, meetings: Meetings) -> None:
    for name, speaker in (("m1", "Ada/Byron"), ("t1", "Ada/Byron"), ("m3", "Ben")):
        body = {"segment_id": str(meetings.segment_ids[name]), "speaker": speaker}
        served.http.post("/v1/labels", json=body)
    ada, ben = served.http.get("/v1/speakers").json()
    assert (ada["name"], ada["segments"], ada["recordings"], ada["human"]) == ("Ada/Byron", 2, 2, 2)
    renamed = served.http.post("/v1/speakers/Ada%2FByron/rename", json={"to": "Ada Lovelace"})
    entry = served.http.get("/v1/collections/meetings/labels").json()["items"][-1]
    assert renamed.json() == {
        "label_id": entry["label_id"],
        "speaker_id": ada["speaker_id"],
        "name": "Ada Lovelace",
    }
    again = served.http.post("/v1/speakers/Ada Lovelace/rename", json={"to": "Ada Lovelace"}).json()
    assert (again["label_id"], again["name"]) == (None, "Ada Lovelace")
    assert served.http.get(f"/v1/segments/{meetings.segment_ids['t1']}").json()["speaker"] == "Ada Lovelace"
    assert (entry["operation"], entry["detail"]) == ("rename", {"from": "Ada/Byron", "to": "Ada Lovelace"})
    taken = served.http.post("/v1/speakers/Ada Lovelace/rename", json={"to": ben["name"]})
    assert (taken.status_code, taken.json()["error"]["code"]) == (409, "speaker_name_taken")
    assert served.http.post("/v1/speakers/Nobody/rename", json={"to": "X"}).status_code == 404
    assert served.http.post("/v1/speakers/Ben/rename", json={"to": "UNKNOWN"}).status_code == 422
