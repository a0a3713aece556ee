"""What the console tells Prometheus, and whom; and how a caller's correlation id comes back."""

from uuid import uuid4

import sqlalchemy as sa
from structlog.contextvars import merge_contextvars
from structlog.testing import capture_logs

from shared.events import ClusteringRequested
from shared.ledger.outbox import announce, publish
from tests.integration.console.conftest import Served
from tests.integration.console.seeding import NAME, Meetings
from tests.support.scraping import Series, parsed


def scrape(served: Served) -> Series:
    return parsed(served.http.get("/v1/metrics").raise_for_status().text)


def waiting(served: Served, state: str, age_s: float) -> None:
    with served.console.database.begin() as tx:
        publish(tx, [announce(ClusteringRequested(request_id=uuid4(), collection=NAME, encoder="tiny"))])
        tx.execute(
            sa.text("UPDATE delivery SET state = :state, created_at = now() - make_interval(secs => :age_s)"),
            {"state": state, "age_s": age_s},
        )


def test_metrics_are_for_readers(served: Served) -> None:
    with served.as_(None) as nobody, served.as_(served.token("ingest")) as uploader:
        assert nobody.get("/v1/metrics").status_code == 401
        assert uploader.get("/v1/metrics").status_code == 403
    with served.as_(served.token("read")) as reader:
        answer = reader.get("/v1/metrics")
    assert answer.status_code == 200
    assert answer.headers["content-type"].startswith("text/plain; version=0.0.4")


def test_a_token_for_one_collection_does_not_see_metrics_of_all(served: Served, meetings: Meetings) -> None:
    with served.as_(served.token("read", collections=[NAME])) as confined:
        assert confined.get("/v1/metrics").status_code == 403


def test_the_backlog_is_told_by_subscription_and_state(served: Served, meetings: Meetings) -> None:
    waiting(served, "pending", age_s=100)
    found = scrape(served)
    assert found["earmark_backlog_deliveries"]["pending", "clusterer.recluster"] == 1
    assert found["earmark_backlog_deliveries"]["dead", "clusterer.recluster"] == 0
    assert 100 <= found["earmark_backlog_oldest_seconds"]["clusterer.recluster",] < 200
    assert found["earmark_paused"]["clusterer.recluster",] == 0
    assert found["earmark_recordings"]["rejected",] == 1


def test_a_pause_and_a_stall_are_told(served: Served, meetings: Meetings) -> None:
    waiting(served, "queued", age_s=0)
    with served.console.database.begin() as tx:
        tx.execute(sa.text("UPDATE delivery SET not_before = now() - interval '1 hour'"))
    assert scrape(served)["earmark_stalled"]["clusterer",] == 1
    served.http.post("/v1/pauses", json={"stage": "clusterer"}).raise_for_status()
    found = scrape(served)
    assert found["earmark_stalled"]["clusterer",] == 0
    assert found["earmark_paused"]["clusterer.recluster",] == 1


def test_requests_are_counted_by_template_never_by_address(served: Served, meetings: Meetings) -> None:
    before = scrape(served)["earmark_http_requests_total"]
    template = "/v1/segments/{segment_id}"
    served.http.get(f"/v1/segments/{meetings.segment_ids['m1']}").raise_for_status()
    served.http.get(f"/v1/segments/{uuid4()}")
    served.http.get("/v1/nowhere/at/all")
    served.http.request("BREW", "/v1/status")
    text = served.http.get("/v1/metrics").text
    after = parsed(text)["earmark_http_requests_total"]
    grown = {labels: n - before.get(labels, 0) for labels, n in after.items()}
    assert grown["GET", template, "200"] == 1
    assert grown["GET", template, "404"] == 1
    assert grown["GET", "other", "404"] == 1
    assert "BREW" not in text
    assert "nowhere" not in text


def test_no_collection_key_or_speaker_is_a_label(served: Served, meetings: Meetings) -> None:
    body = {"segment_id": str(meetings.segment_ids["m1"]), "speaker": "Ada Lovelace"}
    served.http.post("/v1/labels", json=body).raise_for_status()
    text = served.http.get("/v1/metrics").text
    assert [word for word in (NAME, "Lovelace", "tuesday", "tiny") if word in text] == []


def test_a_request_is_known_by_the_id_that_its_caller_gave_it(served: Served, meetings: Meetings) -> None:
    own_id = str(uuid4())
    body = {"segment_id": str(meetings.segment_ids["m1"]), "speaker": "Ada"}
    answer = served.http.post("/v1/labels", json=body, headers={"X-Correlation-Id": own_id})
    assert answer.headers["x-correlation-id"] == own_id
    with served.console.database.begin() as tx:
        found = tx.execute(sa.text("SELECT DISTINCT correlation_id::text FROM event")).scalars().all()
    assert found == [own_id]


def test_what_is_no_id_is_not_taken_for_one(served: Served) -> None:
    for foreign in ("a b", "x" * 10_000, "'; DROP TABLE event; --"):
        answer = served.http.get("/v1/health/live", headers={"X-Correlation-Id": foreign})
        assert len(answer.headers["x-correlation-id"]) == 36


def test_a_request_is_logged_with_its_ids_and_no_name(served: Served, meetings: Meetings) -> None:
    segment = f"/v1/segments/{meetings.segment_ids['m1']}"
    with capture_logs(processors=[merge_contextvars]) as written:
        answer = served.http.get(segment)
        for place in ("/v1/speakers/Ottilie", "/v1/segments/Ottilie", "/Ottilie", "/v1/status?token=Ottilie"):
            served.http.get(place)
    lines = [line for line in written if line["event"] == "request"]
    assert (lines[0]["path"], lines[0]["correlation_id"]) == (segment, answer.headers["x-correlation-id"])
    assert len(lines) == 5
    assert "Ottilie" not in str(written)


def test_a_paused_collection_makes_no_backlog_old(served: Served, meetings: Meetings) -> None:
    waiting(served, "pending", age_s=7200)
    assert scrape(served)["earmark_backlog_oldest_seconds"]["clusterer.recluster",] >= 7200
    served.http.post("/v1/pauses", json={"collection": NAME}).raise_for_status()
    found = scrape(served)
    assert found["earmark_backlog_oldest_seconds"]["clusterer.recluster",] == 0
    assert found["earmark_backlog_deliveries"]["pending", "clusterer.recluster"] == 1
