"""Readiness, status, dead letters; and the process as the launcher starts it."""

import os
import signal
import subprocess
import sys
from pathlib import Path
from uuid import uuid4

import httpx
import pytest
import sqlalchemy as sa
from pydantic import SecretStr

from services.console.api import health
from services.console.api.health import NEEDED_SERVICES
from shared.events import ClusteringRequested
from shared.ledger.outbox import announce, publish
from shared.settings import Settings
from shared.storage import orphans, renditions
from shared.storage.renditions import Failure
from tests.integration.console.conftest import Served, serving
from tests.integration.console.seeding import NAME, Meetings
from tests.support.ports import free_port
from tests.support.stack import until


@pytest.fixture(autouse=True)
def _as_it_is_now(monkeypatch) -> None:
    monkeypatch.setattr(health, "READY_KEPT_S", 0.0)


def beat(served: Served, *services: str, age_s: float = 0.0) -> None:
    with served.console.database.begin() as tx:
        for service in services:
            tx.execute(
                sa.text(
                    "INSERT INTO heartbeat VALUES (:service, 'here', clock_timestamp() - make_interval(secs => :age_s))"
                ),
                {"service": service, "age_s": age_s},
            )


def test_an_empty_stack_is_not_ready_and_says_why(served: Served) -> None:
    with served.as_(None) as anyone:
        answer = anyone.get("/v1/health/ready")
    assert answer.status_code == 503
    assert answer.json()["missing"] == [*NEEDED_SERVICES, "encoders", "segmenters"]


def test_a_whole_stack_is_ready_until_one_falls_silent(served: Served, meetings: Meetings) -> None:
    beat(served, *NEEDED_SERVICES[1:])
    beat(served, NEEDED_SERVICES[0], age_s=16)
    assert served.http.get("/v1/health/ready").json()["missing"] == [NEEDED_SERVICES[0]]
    with served.console.database.begin() as tx:
        tx.execute(sa.text("UPDATE heartbeat SET seen_at = clock_timestamp()"))
    answer = served.http.get("/v1/health/ready")
    assert (answer.status_code, answer.json()) == (200, {"status": "ready", "missing": []})


def test_the_status_has_the_services_that_it_should_have_and_names_those_that_are_away(
    served: Served, meetings: Meetings
) -> None:
    beat(served, *NEEDED_SERVICES[2:])
    beat(served, NEEDED_SERVICES[0], age_s=120)
    status = served.http.get("/v1/status").json()
    silent, unknown, *others = (status["services"][name] for name in NEEDED_SERVICES)
    assert (silent["state"], silent["seen_s_ago"]) == ("not_seen", pytest.approx(120, abs=2))
    assert unknown == {"state": "not_seen", "instances": 0, "seen_s_ago": None}
    assert {one["state"] for one in others} == {"seen"}
    assert status["missing"] == list(NEEDED_SERVICES[:2])
    assert served.http.get(f"/v1/collections/{NAME}/work").json()["missing"] == list(NEEDED_SERVICES[:2])


def due(served: Served, age_s: float, state: str = "pending") -> None:
    """Work of the clusterer that nobody takes, or takes in vain."""
    with served.console.database.begin() as tx:
        publish(tx, [announce(ClusteringRequested(request_id=uuid4(), collection="meetings", encoder="tiny"))])
        tx.execute(
            sa.text("""
                UPDATE delivery SET not_before = now() - make_interval(secs => :age_s), state = :state,
                       lease_until = CASE WHEN :state <> 'pending' THEN now() + interval '20 s' END
            """),
            {"age_s": age_s, "state": state},
        )


def missing(served: Served) -> list[str]:
    found: list[str] = served.http.get("/v1/health/ready").json()["missing"]
    return found


@pytest.mark.parametrize("state", ["pending", "queued"])
def test_a_stack_in_which_work_waits_and_nobody_makes_progress_is_not_ready(
    served: Served, meetings: Meetings, state: str
) -> None:
    beat(served, *NEEDED_SERVICES)
    due(served, age_s=30, state=state)
    assert missing(served) == []
    due(served, age_s=600, state=state)
    assert missing(served) == ["progress of clusterer"]


@pytest.mark.parametrize(
    "progress",
    [
        "INSERT INTO drained (subscription, collection, n) VALUES ('clusterer.assign', 'other', 1)",
        "UPDATE delivery SET state = 'leased', lease_until = now() + interval '20 s'",
        "INSERT INTO pause (kind, name, paused_by) VALUES ('collection', 'meetings', 'x')",
        "INSERT INTO pause (kind, name, paused_by) VALUES ('stage', 'clusterer.recluster', 'x')",
        "INSERT INTO pause (kind, name, paused_by) VALUES ('stage', 'clusterer', 'x')",
        "UPDATE delivery SET not_before = now() + interval '100 s', deferrals = 9",
        "UPDATE delivery SET state = 'dead'",
    ],
    ids=["others done", "in work", "collection paused", "stage paused", "service paused", "comes back later", "dead"],
)
def test_work_that_may_wait_does_not_make_a_stack_unready(served: Served, meetings: Meetings, progress: str) -> None:
    beat(served, *NEEDED_SERVICES)
    due(served, age_s=600)
    assert missing(served) == ["progress of clusterer"]
    with served.console.database.begin() as tx:
        tx.execute(sa.text(progress))
    assert missing(served) == []


def test_the_status_counts(served: Served, meetings: Meetings) -> None:
    beat(served, "embedder", age_s=3)
    give_up(served)
    with served.console.database.begin() as tx:
        orphans.condemn(tx, ["recordings/1/00/0.flac"])
        renditions.fail(tx, [Failure(meetings.monday, 44_100, "corrupt", "It is.")])
    status = served.http.get("/v1/status").json()
    assert status["services"]["embedder"]["instances"] == 1
    assert status["services"]["embedder"]["seen_s_ago"] == pytest.approx(3, abs=2)
    assert status["services"]["embedder"]["state"] == "seen"
    assert status["backlog"] == {"pending": 0, "queued": 0, "leased": 0, "dead": 1}
    assert status["recordings"] == {"registered": 0, "segmented": 3, "ready": 1, "rejected": 1}
    assert status["derived"] == {"condemned": 1, "not_rendered": 1}
    assert status["collections"] == 1


def give_up(served: Served) -> str:
    announcement = announce(ClusteringRequested(request_id=uuid4(), collection="meetings", encoder="tiny"))
    with served.console.database.begin() as tx:
        publish(tx, [announcement])
        tx.execute(sa.text("UPDATE delivery SET state = 'dead', attempt = 5, error_code = 'crash', last_error = 'x'"))
    return str(announcement.event_id)


def test_dead_letters_are_listed_requeued_and_dropped(served: Served) -> None:
    event_id = give_up(served)
    (letter,) = served.http.get("/v1/dead").json()["items"]
    assert (letter["event_id"], letter["subscription"], letter["error_code"]) == (
        event_id,
        "clusterer.recluster",
        "crash",
    )
    assert served.http.post("/v1/dead/requeue", json={"event_ids": [event_id]}).json()["requeued"] == 1
    assert served.http.get("/v1/status").json()["backlog"]["pending"] == 1
    give_up(served)
    assert served.http.post("/v1/dead/drop", json={"event_ids": [event_id]}).json()["dropped"] == 1


def test_a_database_that_is_away_is_503(settings: Settings, tmp_path: Path) -> None:
    nowhere = settings.database.model_copy(update={"url": SecretStr("postgresql://earmark@127.0.0.1:1/earmark")})
    with serving(settings.model_copy(update={"database": nowhere}), tmp_path) as served:
        answer = served.http.get("/v1/status")
        assert (answer.status_code, answer.json()["error"]["code"]) == (503, "database_unavailable")
        assert int(answer.headers["retry-after"]) > 0
        assert served.http.get("/v1/health/ready").json()["missing"] == ["database"]
        assert served.http.get("/v1/health/live").status_code == 200


def test_the_process_serves_and_ends_within_seconds_of_sigterm(settings: Settings, tmp_path: Path) -> None:
    (tmp_path / "token").write_text("secret-of-the-owner")
    port = free_port()
    environment = os.environ | {
        "EARMARK_DATABASE__URL": settings.database.url.get_secret_value(),
        "EARMARK_S3__ENDPOINT": settings.s3.endpoint,
        "EARMARK_CONSOLE__PORT": str(port),
        "EARMARK_CONSOLE__TOKEN_FILE": str(tmp_path / "token"),
    }
    url, log = f"http://127.0.0.1:{port}", tmp_path / "log"
    with log.open("w") as written:
        process = subprocess.Popen([sys.executable, "-m", "services.console.main"], env=environment, stderr=written)
    try:
        until(lambda: answers(url), timeout_s=60)
        with httpx.Client(base_url=url, follow_redirects=True) as browser:
            assert browser.get("/?token=secret-of-the-owner").status_code == 200
            with browser.stream("GET", "/v1/events") as stream:
                next(stream.iter_lines())
                process.send_signal(signal.SIGTERM)
                assert process.wait(timeout=20) == 0
    finally:
        process.kill()
        process.wait()
    assert "request" in log.read_text()
    assert "secret-of-the-owner" not in log.read_text()


def answers(url: str) -> bool:
    try:
        return httpx.get(f"{url}/v1/health/live").status_code == 200
    except httpx.TransportError:
        return False
