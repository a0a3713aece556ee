"""What nobody foresaw: a fault of ours is answered, counted, logged and audited like everything else."""

from collections.abc import Iterator

import httpx
import pytest
import sqlalchemy as sa
from structlog.contextvars import merge_contextvars
from structlog.testing import capture_logs

from shared.storage.database import Transactions
from tests.integration.console.conftest import Served
from tests.integration.console.seeding import Meetings
from tests.support.scraping import parsed

ROUTE = "/v1/rejections"


@pytest.fixture
def broken(served: Served, meetings: Meetings) -> Iterator[httpx.Client]:
    """A console under which a table has gone."""
    rename(served.console.database, "speaker", "speaker_away")
    yield served.http
    rename(served.console.database, "speaker_away", "speaker")


def rename(database: Transactions, table: str, to: str) -> None:
    with database.begin() as tx:
        tx.execute(sa.text(f"ALTER TABLE {table} RENAME TO {to}"))


def n_crashes(client: httpx.Client) -> float:
    return parsed(client.get("/v1/metrics").text)["earmark_http_requests_total"].get(("POST", ROUTE, "500"), 0)


def test_a_fault_of_ours_is_answered_counted_logged_and_audited(broken: httpx.Client, meetings: Meetings) -> None:
    before = n_crashes(broken)
    with capture_logs(processors=[merge_contextvars]) as written:
        answer = broken.post(ROUTE, json={"segment_id": str(meetings.segment_ids["m1"]), "speaker": "Ada"})
    assert (answer.status_code, answer.json()["error"]["code"]) == (500, "internal")
    assert answer.headers["x-content-type-options"] == "nosniff"
    call_id = answer.headers["x-correlation-id"]
    (crash,) = [line for line in written if line["event"] == "request_crashed"]
    assert (crash["correlation_id"], crash["route"]) == (call_id, ROUTE)
    assert n_crashes(broken) == before + 1
    entry = broken.get("/v1/audit").json()["items"][0]
    assert (entry["route"], entry["status"], entry["correlation_id"]) == (ROUTE, 500, call_id)
