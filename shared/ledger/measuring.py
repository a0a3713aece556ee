"""What is counted and logged of a message's deliveries, from their claim to what became of them.

All claims of a message are of one subscription.
"""

from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from time import monotonic
from typing import Final

from shared import metrics
from shared.events import Event
from shared.ledger.claims import Claim
from shared.telemetry import bound, logger

log = logger("ledger")

_LAST_COUNTED: Final = 5  # attempts; further ones count as this, however many a setting allows


@contextmanager
def claimed(claims: Sequence[Claim]) -> Iterator[None]:
    """The first line names the chains of events that the deliveries belong to, and every line the one of a lone one.

    A message may hold hundreds; its other lines are found by its id.
    """
    subscription, began_s = claims[0].subscription, monotonic()
    for attempt, n in Counter(min(claim.attempt, _LAST_COUNTED) for claim in claims).items():
        metrics.count("earmark_claims_total", n, subscription=subscription, attempt=str(attempt))
    chains = [*dict.fromkeys(str(claim.correlation_id) for claim in claims)]
    # The one line that is there even if the work kills its worker.
    log.info(
        "claimed",
        event_ids=[str(claim.event_id) for claim in claims],
        correlation_ids=chains,
        attempt=max(claim.attempt for claim in claims),
    )
    with bound(**{"correlation_id": chains[0]} if len(chains) == 1 else {}):
        yield
    metrics.observe("earmark_handler_seconds", monotonic() - began_s, subscription=subscription)


def packed(claims: Sequence[Claim], events: Sequence[Event]) -> None:
    """How full the message was."""
    subscription = claims[0].subscription
    n_segments, audio_s = sum(e.weight_segments() for e in events), sum(e.weight_audio_s() for e in events)
    metrics.observe("earmark_message_deliveries", len(events), subscription=subscription)
    metrics.observe("earmark_message_segments", n_segments, subscription=subscription)
    metrics.observe("earmark_message_audio_seconds", audio_s, subscription=subscription)


def done(claims: Sequence[Claim]) -> None:
    """The work took effect."""
    if claims:
        _count("done", len(claims), claims[0])


def released(claims: Sequence[Claim], states: Sequence[str]) -> None:
    """Those that were still ours were handed back into these states."""
    for outcome, n in Counter("dead" if state == "dead" else "released" for state in states).items():
        _count(outcome, n, claims[0])
    if len(states) < len(claims):
        taken_over(claims)


def taken_over(claims: Sequence[Claim]) -> None:
    """The fence held."""
    metrics.count("earmark_fences_lost_total", subscription=claims[0].subscription)


def nothing_left(subscription: str) -> None:
    """The message came twice, or late."""
    metrics.count("earmark_empty_messages_total", subscription=subscription)
    log.info("nothing_to_claim")


def _count(outcome: str, n: int, claim: Claim) -> None:
    metrics.count("earmark_deliveries_total", n, subscription=claim.subscription, outcome=outcome)
