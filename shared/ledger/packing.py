"""Pack pending deliveries into messages under three limits: events, segments, seconds of audio. Pure."""

from collections.abc import Sequence
from dataclasses import dataclass
from math import ceil
from uuid import UUID

from shared.settings import LedgerSettings


@dataclass(frozen=True, slots=True)
class Pending:
    """What packing needs to know of a delivery."""

    event_id: UUID
    n_segments: int
    audio_s: float


SMALLEST_SHARE_S = 60.0  # less audio than this is not worth a message of its own: encoders want batches


@dataclass(frozen=True, slots=True)
class Limits:
    """The most that one message may hold; a single delivery may exceed it, alone."""

    events: int
    segments: float
    audio_s: float

    def scaled(self, share: float) -> "Limits":
        """These limits times `share`, never below one event."""
        return Limits(max(1, int(self.events * share)), self.segments * share, self.audio_s * share)

    def shared_out(self, pending: Sequence[Pending], parallelism: int) -> "Limits":
        """Smaller messages when the backlog is small, so that every worker gets some of it and they end together.

        Guided self-scheduling (Polychronopoulos and Kuck 1987): a message is half of a worker's fair share of what is
        left, within the limits.
        """
        share = 2 * parallelism
        events = max(1, min(self.events, ceil(len(pending) / share)))
        audio_s = sum(one.audio_s for one in pending)
        return Limits(
            events, self.segments, max(min(SMALLEST_SHARE_S, self.audio_s), min(self.audio_s, audio_s / share))
        )


def limits(settings: LedgerSettings, share: float) -> Limits:
    """The ledger's limits for a subscription's share of them."""
    whole = Limits(settings.events_per_message, settings.segments_per_message, settings.audio_s_per_message)
    return whole.scaled(share)


def pack(pending: Sequence[Pending], limit: Limits) -> list[list[UUID]]:
    """Messages in the order of arrival, each within the limits or of one delivery."""
    messages: list[list[UUID]] = []
    n_segments, audio_s = 0, 0.0
    for one in pending:
        n_segments += one.n_segments
        audio_s += one.audio_s
        full = (
            not messages or len(messages[-1]) >= limit.events or n_segments > limit.segments or audio_s > limit.audio_s
        )
        if full:
            messages.append([])
            n_segments, audio_s = one.n_segments, one.audio_s
        messages[-1].append(one.event_id)
    return messages
