"""Write what an encoder made of the segments of a message, in the transaction that ends the work, and announce it."""

from collections.abc import Iterable, Mapping
from uuid import UUID

import numpy as np

from services.embedder.asking import Asked
from services.embedder.outcome import Outcome
from shared import ids
from shared.encoders.clips import UNREADABLE
from shared.encoders.protocol import EncoderSpec
from shared.events import RecordingEmbedded, SegmentsEmbedded
from shared.ledger.consumer import Commit, Delivered
from shared.storage import backfills, embeddings, encoders, frames, progress, recordings
from shared.storage.backfills import Count
from shared.storage.encoders import StoredEncoder


def write(
    commit: Commit, spec: EncoderSpec, outcome: Outcome, asked: Mapping[Delivered, Asked], standing: set[UUID]
) -> None:
    """Vectors, reasons why there are none, and how far each recording is; `standing` segments are held."""
    space = encoders.by_space(commit.tx, spec.space)  # not by name: another revision may have been announced since
    new: set[UUID] = set()
    for overwrite in (False, True):
        own = {s for a in asked.values() if a.overwrite is overwrite for s in a.segment_ids}
        new |= _write(commit, space, outcome, own & standing, overwrite=overwrite)
    frames.write(commit.tx, space, [blob for s, blob in outcome.frames().items() if s in standing])
    touched = {a.recording_id: delivered for delivered, a in asked.items()}
    # A recording without segments is counted too: with nothing to add, it is complete.
    for counted in progress.recount(commit.tx, space, list(touched)):
        if counted.complete:
            delivered = touched[counted.recording_id]
            _announce_recording(commit, space.name, counted, delivered, asked[delivered])
    recordings.mark_ready(commit.tx, list(touched))
    for delivered, a in asked.items():
        _announce_segments(commit, space.name, delivered, a, new, outcome.made_with)
        new -= set(a.segment_ids)


def _write(commit: Commit, space: StoredEncoder, outcome: Outcome, own: set[UUID], *, overwrite: bool) -> set[UUID]:
    vectors = {s: vector for s, vector in outcome.vectors().items() if s in own}
    reasons = {s: why for s, why in outcome.reasons().items() if s in own}
    rows = np.stack(list(vectors.values())) if vectors else np.empty((0, space.dimension), np.float32)
    if unread := [s for s, why in reasons.items() if why in UNREADABLE]:  # a vector that they have stays
        lacking = embeddings.missing(commit.tx, space, unread)
        reasons = {s: why for s, why in reasons.items() if why not in UNREADABLE or s in lacking}
    embeddings.write_unembeddable(commit.tx, space, reasons, overwrite=overwrite)
    return embeddings.write(commit.tx, space, list(vectors), rows, overwrite=overwrite)


def _announce_segments(
    commit: Commit, encoder: str, delivered: Delivered, asked: Asked, new: set[UUID], made_with: str
) -> None:
    done = tuple(segment_id for segment_id in asked.segment_ids if segment_id in new)
    if done:
        event = SegmentsEmbedded(
            recording_id=asked.recording_id,
            collection=asked.collection,
            encoder=encoder,
            segment_ids=done,
            made_with=made_with,
        )
        commit.publish(event, cause=delivered)


def _announce_recording(
    commit: Commit, encoder: str, counted: progress.Progress, delivered: Delivered, asked: Asked
) -> None:
    """Announce a complete recording; the id made of recording and encoder makes it exactly once."""
    event = RecordingEmbedded(
        recording_id=counted.recording_id,
        collection=asked.collection,
        encoder=encoder,
        n_embedded=counted.n_embedded,
        n_without_voice=counted.n_without_voice,
    )
    commit.publish(event, cause=delivered, event_id=ids.event_id(counted.recording_id, event.type, encoder))


def count(
    commit: Commit, asked: Mapping[Delivered, Asked], outcomes: Mapping[str, Outcome], unreadable: Iterable[UUID]
) -> None:
    """Tell the backfills what is done for them, once: under the fence of the deliveries that asked."""
    lost = set(unreadable)
    counts: dict[UUID, Count] = {}
    causes: dict[UUID, Delivered] = {}
    for delivered, a in asked.items():
        if a.backfill_id is not None:
            causes[a.backfill_id] = delivered
            all_reasons = outcomes[a.encoders[0]].reasons()
            reasons = [all_reasons[segment_id] for segment_id in a.segment_ids if segment_id in all_reasons]
            n_unreadable = len(a.segment_ids) if a.recording_id in lost else sum(why in UNREADABLE for why in reasons)
            n_without_voice = sum(why not in UNREADABLE for why in reasons)
            more = Count(n_done=a.n_counted, n_without_voice=n_without_voice, n_unreadable=n_unreadable)
            counts[a.backfill_id] = counts.get(a.backfill_id, Count()) + more
    for backfill_id, more in sorted(counts.items()):
        add_up(commit, backfill_id, more, causes[backfill_id])


def add_up(commit: Commit, backfill_id: UUID, more: Count, cause: Delivered) -> None:
    """Add to a backfill's counts, and announce that it is done, if it is: exactly once, by the event's id."""
    if finished := backfills.count(commit.tx, backfill_id, more):
        commit.publish(finished, cause, ids.event_id(backfill_id, finished.type, ""))
