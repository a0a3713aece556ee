"""What Prometheus asks the console: its own requests, and what Postgres tells of everybody's work."""

from collections.abc import Iterator
from typing import Final

from fastapi import APIRouter, Response

from services.console.api.health import FRESH_S, REMEMBERED_S
from services.console.auth import Reader
from services.console.deps import ConsoleDep
from shared import metrics
from shared.ledger import load, pauses, stalls
from shared.metrics import Sample
from shared.storage import overview
from shared.storage.database import Transaction

router = APIRouter(tags=["status"])

_TYPE: Final = "text/plain; version=0.0.4; charset=utf-8"


@router.get("/v1/metrics", responses={200: {"content": {"text/plain": {}}, "description": "Prometheus' text format"}})
def everything(console: ConsoleDep, _: Reader) -> Response:
    """Metrics; docs/metrics.md lists them. Reads every open delivery: ask each 15 s, not each second."""
    with console.database.begin() as tx:
        samples = [*_work(tx), *_things(tx, console.settings.console.stalled_after_s)]
    return Response(metrics.exposition(samples), media_type=_TYPE)


def _work(tx: Transaction) -> Iterator[Sample]:
    loads = load.measure(tx)
    for one in loads.stages:
        name = (one.name,)
        for state in load.STATES:
            yield Sample("earmark_backlog_deliveries", getattr(one, state), (one.name, state))
        yield Sample("earmark_backlog_oldest_seconds", loads.oldest_s.get(one.name, 0.0), name)
        yield Sample("earmark_drained_per_minute", one.drained_per_minute, name)
        yield Sample("earmark_paused", one.paused, name)


def _things(tx: Transaction, stalled_after_s: float) -> Iterator[Sample]:
    stalled = set(stalls.stalled(tx, stalled_after_s))
    for service in pauses.SERVICES:
        yield Sample("earmark_stalled", service in stalled, (service,))
    for state, n in overview.recordings(tx).items():
        yield Sample("earmark_recordings", n, (state,))
    fresh = overview.services(tx, FRESH_S)
    for service, seen in overview.services(tx, REMEMBERED_S).items():
        instances = fresh[service].instances if service in fresh else 0
        yield Sample("earmark_instances", instances, (service,))
        yield Sample("earmark_heartbeat_age_seconds", seen.seen_s_ago, (service,))
