"""What is measured, for Prometheus: the one list of names, and the one place that makes and serves them.

Labels are words of the code (subscriptions, states, routes, codes), never collections, keys, speakers or texts: each of
their values is a series for ever.
"""

import os
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Final, Literal, get_args

from shared.settings import MetricsSettings
from shared.telemetry import logger

if TYPE_CHECKING:
    from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram

log = logger("metrics")

CounterName = Literal[
    "earmark_claims_total",
    "earmark_empty_messages_total",
    "earmark_deliveries_total",
    "earmark_fences_lost_total",
    "earmark_handed_on_total",
    "earmark_relay_messages_total",
    "earmark_relay_deliveries_total",
    "earmark_relay_taken_back_total",
    "earmark_objects_seen_total",
    "earmark_objects_rejected_total",
    "earmark_decoded_audio_seconds_total",
    "earmark_embedded_audio_seconds_total",
    "earmark_http_requests_total",
]
HistogramName = Literal[
    "earmark_handler_seconds",
    "earmark_message_deliveries",
    "earmark_message_segments",
    "earmark_message_audio_seconds",
    "earmark_model_batch_inputs",
    "earmark_model_batch_audio_seconds",
    "earmark_model_seconds",
    "earmark_decode_seconds",
    "earmark_sweep_seconds",
    "earmark_http_request_seconds",
]
GaugeName = Literal["earmark_redis_queue_messages"]
ReadingName = Literal[
    "earmark_backlog_deliveries",
    "earmark_backlog_oldest_seconds",
    "earmark_drained_per_minute",
    "earmark_paused",
    "earmark_stalled",
    "earmark_recordings",
    "earmark_instances",
    "earmark_heartbeat_age_seconds",
]
MetricName = CounterName | HistogramName | GaugeName | ReadingName


@dataclass(frozen=True, slots=True)
class Spec:
    """What a metric says, by which labels, and for a histogram in which steps."""

    says: str
    labels: tuple[str, ...] = ()
    steps: tuple[float, ...] = ()


_SECONDS: Final = (0.01, 0.05, 0.1, 0.5, 1.0, 5.0, 15.0, 60.0, 300.0, 900.0)
_BY_SUBSCRIPTION: Final = ("subscription",)
_COUNTS: Final = (1.0, 2.0, 4.0, 8.0, 16.0, 32.0, 64.0, 128.0, 256.0)
_SEGMENTS: Final = (1.0, 16.0, 64.0, 256.0, 512.0, 1024.0)
_AUDIO: Final = (1.0, 10.0, 60.0, 120.0, 240.0, 600.0, 3600.0)

SPECS: Final[Mapping[MetricName, Spec]] = {
    "earmark_claims_total": Spec("Deliveries claimed, by the attempt (5: and more)", ("subscription", "attempt")),
    "earmark_empty_messages_total": Spec("Messages of which nothing was left to claim", _BY_SUBSCRIPTION),
    "earmark_deliveries_total": Spec("Claimed deliveries: done, released or dead", ("subscription", "outcome")),
    "earmark_fences_lost_total": Spec("Work that another worker had taken over", _BY_SUBSCRIPTION),
    "earmark_handed_on_total": Spec("Deliveries that the reconciler handed on", ("reason",)),
    "earmark_relay_messages_total": Spec("Messages pushed to Redis", _BY_SUBSCRIPTION),
    "earmark_relay_deliveries_total": Spec("Deliveries in those messages", _BY_SUBSCRIPTION),
    "earmark_relay_taken_back_total": Spec("Deliveries made pending again since Redis had lost or refused them"),
    "earmark_objects_seen_total": Spec("Objects that were new or had new bytes", ("by",)),
    "earmark_objects_rejected_total": Spec("Objects that are no recording", ("code",)),
    "earmark_decoded_audio_seconds_total": Spec("Audio decoded, in seconds"),
    "earmark_embedded_audio_seconds_total": Spec("Audio given to models, in seconds; once for each pass"),
    "earmark_http_requests_total": Spec("Requests to the console", ("method", "route", "status")),
    "earmark_handler_seconds": Spec("Of the work on one message", _BY_SUBSCRIPTION, _SECONDS),
    "earmark_message_deliveries": Spec("Claimed of one message", _BY_SUBSCRIPTION, _COUNTS),
    "earmark_message_segments": Spec("In one message", _BY_SUBSCRIPTION, _SEGMENTS),
    "earmark_message_audio_seconds": Spec("Of audio in one message", _BY_SUBSCRIPTION, _AUDIO),
    "earmark_model_batch_inputs": Spec("Clips or texts in one batch of a model", (), _COUNTS),
    "earmark_model_batch_audio_seconds": Spec("Of audio in one batch of a model", (), _AUDIO),
    "earmark_model_seconds": Spec("That one batch took, all encoders that want it together", (), _SECONDS),
    "earmark_decode_seconds": Spec("That decoding one file took, its waits included", (), _SECONDS),
    "earmark_sweep_seconds": Spec("That one sweep of the audio bucket took", (), _SECONDS),
    "earmark_http_request_seconds": Spec("Until the end of the answer", ("route",), _SECONDS),
    "earmark_backlog_deliveries": Spec("Open deliveries", ("subscription", "state")),
    "earmark_backlog_oldest_seconds": Spec("Age of the oldest that waits; not in paused collections", _BY_SUBSCRIPTION),
    "earmark_drained_per_minute": Spec("Deliveries done in the last minute", _BY_SUBSCRIPTION),
    "earmark_paused": Spec("1 while the subscription is paused", _BY_SUBSCRIPTION),
    "earmark_stalled": Spec("1 while work waits for the service and nobody makes progress", ("service",)),
    "earmark_recordings": Spec("Recordings, and rejected objects", ("state",)),
    "earmark_instances": Spec("Processes that were seen in the last 15 s", ("service",)),
    "earmark_heartbeat_age_seconds": Spec("Since the service was last seen", ("service",)),
    "earmark_redis_queue_messages": Spec("Messages that nobody has fetched yet", ("queue",)),
}

_SHARED: Final = "PROMETHEUS_MULTIPROC_DIR"  # prometheus_client's


@dataclass(frozen=True, slots=True)
class Sample:
    """A value that is read, from Postgres, when it is asked for."""

    name: ReadingName
    value: float
    labels: tuple[str, ...] = ()


def count(name: CounterName, amount: float = 1, **labels: str) -> None:
    """Add to a counter."""
    made = _made().counters[name]
    (made.labels(**labels) if labels else made).inc(amount)


def observe(name: HistogramName, value: float, **labels: str) -> None:
    """Note one value of a histogram."""
    made = _made().histograms[name]
    (made.labels(**labels) if labels else made).observe(value)


def put(name: GaugeName, value: float, **labels: str) -> None:
    """Set a gauge. Only where a service is one process: one that has died would go on being counted."""
    made = _made().gauges[name]
    (made.labels(**labels) if labels else made).set(value)


def share(folder: Path) -> None:
    """From now on count in files of this folder, which the processes forked from here share. Before the first count."""
    os.environ[_SHARED] = str(folder)
    from prometheus_client import values

    # It looks as it is imported, and somebody may have been first: where Flower is installed, it comes with Celery.
    values.ValueClass = values.get_value_class()
    _made()


def serve(settings: MetricsSettings) -> None:
    """Answer `GET /metrics` in a thread, for this process or for all that share its folder.

    Without a port nobody answers; nor on one that is taken, which is no reason not to work.
    """
    if settings.port is None:
        return
    from prometheus_client import start_http_server

    try:
        start_http_server(settings.port, settings.host, registry=_registry())
    except OSError as error:
        log.warning("metrics_not_served", port=settings.port, error=str(error))


def exposition(samples: Iterable[Sample] = ()) -> bytes:
    """All that was counted here, and these samples, in Prometheus' text format."""
    from prometheus_client import CollectorRegistry, Gauge, generate_latest

    read = CollectorRegistry()
    gauges: dict[ReadingName, Gauge] = {}
    for one in samples:
        spec = SPECS[one.name]
        gauge = gauges.get(one.name) or gauges.setdefault(
            one.name, Gauge(one.name, spec.says, spec.labels, registry=read)
        )
        (gauge.labels(*one.labels) if one.labels else gauge).set(one.value)
    return generate_latest(_registry()) + generate_latest(read)


def names() -> set[str]:
    """All of them."""
    return {name for kind in (CounterName, HistogramName, GaugeName, ReadingName) for name in get_args(kind)}


@dataclass(frozen=True, slots=True)
class _Made:
    registry: "CollectorRegistry"
    counters: "Mapping[CounterName, Counter]"
    histograms: "Mapping[HistogramName, Histogram]"
    gauges: "Mapping[GaugeName, Gauge]"


@cache
def _made() -> _Made:
    """At the first count, or as they are shared: where the values lie is decided as they are made."""
    from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, disable_created_metrics

    disable_created_metrics()  # when each series began doubles their number
    registry = CollectorRegistry()
    of: Mapping[MetricName, Spec] = SPECS
    counters: tuple[CounterName, ...] = get_args(CounterName)
    histograms: tuple[HistogramName, ...] = get_args(HistogramName)
    gauges: tuple[GaugeName, ...] = get_args(GaugeName)
    return _Made(
        registry,
        {n: Counter(n, of[n].says, of[n].labels, registry=registry) for n in counters},
        {n: Histogram(n, of[n].says, of[n].labels, buckets=of[n].steps, registry=registry) for n in histograms},
        {n: Gauge(n, of[n].says, of[n].labels, registry=registry) for n in gauges},
    )


def _registry() -> "CollectorRegistry":
    """That of this process, or one that adds up the files of all."""
    from prometheus_client import CollectorRegistry

    if _SHARED not in os.environ:
        return _made().registry
    from shared.metric_files import Together

    whole = CollectorRegistry()
    whole.register(Together(Path(os.environ[_SHARED])))
    return whole
