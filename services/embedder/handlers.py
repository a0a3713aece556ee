"""The use cases of the embedder: vectors for segments, backfills page by page, a check of an encoder."""

from collections.abc import Mapping, Sequence
from uuid import UUID

from services.embedder import asking, writing
from services.embedder.asking import Asked
from services.embedder.batching import embed_clips
from services.embedder.blobs import AudioGone
from services.embedder.checking import examine
from services.embedder.outcome import Outcome
from services.embedder.ports import Embedder
from services.embedder.reading import Clip, NoClip, clips, portions
from shared import ids
from shared.errors import EarmarkError
from shared.events import BackfillRequested, EncoderCheckRequested
from shared.ledger.consumer import Commit, Delivered, Work
from shared.storage import backfills, encoders, recordings, segments
from shared.storage.recordings import AudioSource
from shared.storage.segments import SegmentSpan
from shared.units import samples

BATCHES_IN_MEMORY = 4  # clips of so many batches are read before they are sorted by length


def embed(work: Work, embedder: Embedder) -> None:
    """Read every recording of a message once, embed what is asked for of it, commit vectors and counts."""
    with work.database.begin() as tx:
        asked = asking.of(tx, work.delivered, embedder.spec)
        spans = segments.spans(tx, [s for a in asked.values() for s in a.segment_ids])
        bucket = embedder.settings.s3.derived_bucket
        sources = recordings.audio_sources(tx, [a.recording_id for a in asked.values()], bucket)
    outcomes, unread = _vectors(spans, sources, asked, embedder)
    with work.commit() as commit:
        lost = [recording_id for recording_id, error in unread.items() if isinstance(error, AudioGone)]
        forgotten = recordings.forget(commit.tx, lost)  # under no key any more: put back, it is registered anew
        back = _to_come_back(asked, unread, forgotten)
        for delivered, error in back.items():
            _come_back(commit, delivered, error, sources[asked[delivered].recording_id], asked[delivered].collection)
        read = {d: a for d, a in asked.items() if a.recording_id not in unread}
        standing = segments.hold(commit.tx, [s for a in read.values() for s in a.segment_ids])
        for name, outcome in sorted(outcomes.items()):  # one order everywhere: two workers' locks never cross
            mine = {d: a for d, a in read.items() if name in a.encoders}
            writing.write(commit, embedder.spec(name), outcome, mine, standing)
        writing.count(commit, [a for d, a in asked.items() if d not in back], outcomes, lost)


def _vectors(
    spans: Sequence[SegmentSpan],
    sources: Mapping[UUID, AudioSource],
    asked: Mapping[Delivered, Asked],
    embedder: Embedder,
) -> tuple[dict[str, Outcome], dict[UUID, EarmarkError]]:
    """What each encoder made of its segments; and the recordings that cannot be read now, with the reason."""
    wanted: dict[str, set[UUID]] = {}
    for a in asked.values():
        for name in a.encoders:
            wanted.setdefault(name, set()).update(a.segment_ids)
    outcomes = {name: Outcome() for name in wanted}
    unread: dict[UUID, EarmarkError] = {}
    batch_audio_s = embedder.settings.embedder.batch_audio_s
    for portion in portions(clips(spans, sources, embedder), samples(BATCHES_IN_MEMORY * batch_audio_s)):
        unread |= {one.span.recording_id: one.error for one in portion if isinstance(one, NoClip)}
        readable = [one for one in portion if isinstance(one, Clip)]
        for name, outcome in outcomes.items():
            mine = [one for one in readable if one.span.segment_id in wanted[name]]
            if mine:
                _embed(mine, embedder, name, outcome)
    embedder.blobs.shrink()
    return outcomes, unread


def _embed(mine: Sequence[Clip], embedder: Embedder, name: str, outcome: Outcome) -> None:
    batch_audio_s = embedder.settings.embedder.batch_audio_s
    results = embed_clips(embedder.encoder(name), [one.samples for one in mine], batch_audio_s)
    for one, result in zip(mine, results, strict=True):
        if isinstance(result, str):
            outcome.refuse(one.span.segment_id, result)
        else:
            outcome.add(one.span.segment_id, result, len(one.samples))


def _to_come_back(
    asked: Mapping[Delivered, Asked], unread: Mapping[UUID, EarmarkError], forgotten: set[UUID]
) -> dict[Delivered, EarmarkError]:
    """What is tried again later. A backfill does without a recording whose audio is gone: else it would never end."""
    return {
        d: unread[a.recording_id]
        for d, a in asked.items()
        if a.recording_id in unread
        and a.recording_id not in forgotten
        and not (a.backfill_id is not None and isinstance(unread[a.recording_id], AudioGone))
    }


def _come_back(commit: Commit, delivered: Delivered, error: EarmarkError, source: AudioSource, collection: str) -> None:
    """Try a recording again later, without its batch mates; if its bytes moved, have their object looked at again."""
    commit.defer(delivered, error)
    if isinstance(error, AudioGone) and (seen := source.look_again(collection)):
        own_id = ids.event_id(delivered.claim.event_id, seen.type, f"{seen.key}:{delivered.claim.fence}")
        commit.publish(seen, cause=delivered, event_id=own_id)


def enlist(work: Work, embedder: Embedder) -> None:
    """Announce what a backfill wants of the next page of recordings, and that there is another page."""
    most = embedder.settings.ledger.segments_per_event
    for delivered in work.delivered:
        event = delivered.event
        assert isinstance(event, BackfillRequested)
        with work.commit([delivered]) as commit:
            page = backfills.enlist(commit.tx, event, most)
            for enlisted in page.enlisted:
                commit.publish(enlisted, cause=delivered)
            if page.after is not None:
                commit.publish(event.model_copy(update={"after": page.after}), cause=delivered)
            more = backfills.Count(n_wanted=page.n_segments, all_enlisted=page.after is None)
            backfills.count(commit.tx, event.backfill_id, more)


def check(work: Work, embedder: Embedder) -> None:
    """Run the conformance checks of an encoder here, and write down what they found."""
    asked = [d.event for d in work.delivered if isinstance(d.event, EncoderCheckRequested)]
    results = {event.check_id: examine(embedder.encoder(event.encoder)) for event in asked}
    with work.commit() as commit:
        for check_id, result in results.items():
            encoders.write_check(commit.tx, check_id, result)
