"""The use cases of the embedder: vectors for segments, backfills page by page, a check of an encoder."""

from collections.abc import Mapping
from dataclasses import asdict
from functools import partial
from uuid import UUID

from services.embedder import asking, renditions, writing
from services.embedder.asking import Asked
from services.embedder.blobs import AudioGone, RenditionMissing
from services.embedder.catalogue import resolve
from services.embedder.checking import check_of
from services.embedder.making import Made, make
from services.embedder.outcome import Outcome
from services.embedder.ports import Embedder
from shared import ids
from shared.errors import EarmarkError, PermanentError
from shared.events import BackfillRequested, EncoderCheckRequested, EncoderRequested, SegmentsRemoved
from shared.ledger.consumer import Commit, Delivered, Work
from shared.storage import backfills, definitions, encoders, frames, orphans, recordings, segments
from shared.storage.frames import frames_key
from shared.storage.recordings import AudioSource
from shared.units import SAMPLE_RATE_HZ


def embed(work: Work, embedder: Embedder) -> None:
    """Read every recording of a message once, embed what is asked for of it, commit vectors and counts."""
    with work.database.begin() as tx:
        asked = asking.of(tx, work.delivered, embedder.spec)
        spans = segments.spans(tx, [s for a in asked.values() for s in a.segment_ids])
        rate_of, bucket = lambda name: embedder.spec(name).sample_rate_hz, embedder.settings.s3.derived_bucket
        sources = renditions.sources(tx, asked.values(), rate_of, bucket)
        lacking = renditions.lacking(tx, asked.values(), spans, rate_of, sources)
    embedder.frames.clear()
    heard = [span for span in spans if span.recording_id not in lacking.to_make]
    made = make(heard, sources, asked.values(), lacking.unheard, embedder)
    unread = made.unread | lacking.to_make
    with work.commit() as commit:
        # First of all: who removes an encoder waits for nothing that is locked here, and is waited for.
        there = _of_those_there(commit, made, embedder)
        lost = {recording_id for recording_id, error in unread.items() if isinstance(error, AudioGone)}
        # Under no key any more: put back, it is registered anew.
        forgotten = recordings.forget(commit.tx, sorted(lost | lacking.gone))
        back = _to_come_back(asked, unread, forgotten)
        back |= _of_broken(asked, there.broken, unread)
        for delivered, a in asked.items():
            if error := back.get(delivered):
                _come_back(commit, delivered, error, sources[SAMPLE_RATE_HZ][a.recording_id], a.collection)
            elif a.recording_id in lost - forgotten:  # this backfill does without; the next one need not
                _look_again(commit, delivered, a.recording_id)
        read = {d: a for d, a in asked.items() if a.recording_id not in unread}
        standing = segments.hold(commit.tx, [s for a in read.values() for s in a.segment_ids])
        for name, outcome in sorted(there.outcomes.items()):  # one order everywhere: two workers' locks never cross
            if name in there.broken:
                continue
            mine = {d: a for d, a in read.items() if name in a.encoders}
            writing.write(commit, embedder.spec(name), outcome, mine, standing)
        _hold_frames(commit, there.outcomes, standing, embedder)
        writing.count(commit, {d: a for d, a in asked.items() if d not in back}, made.outcomes, lost)


def _of_those_there(commit: Commit, made: Made, embedder: Embedder) -> Made:
    """Without encoders that were removed meanwhile: no collection names them, so nobody asks for their share any more.

    The others stay until the end of the transaction.
    """
    spaces = {name: embedder.spec(name).space for name in made.outcomes}
    held = encoders.hold(commit.tx, spaces.values())
    return Made(
        {name: outcome for name, outcome in made.outcomes.items() if spaces[name] in held},
        made.unread,
        {name: error for name, error in made.broken.items() if spaces[name] in held},
    )


def _of_broken(
    asked: Mapping[Delivered, Asked], broken: Mapping[str, EarmarkError], unread: Mapping[UUID, EarmarkError]
) -> dict[Delivered, EarmarkError]:
    """What has its other vectors by now, and waits for an encoder that cannot be built."""
    return {
        d: broken[name]
        for d, a in asked.items()
        for name in a.encoders
        if name in broken and a.recording_id not in unread
    }


def _hold_frames(commit: Commit, outcomes: Mapping[str, Outcome], standing: set[UUID], embedder: Embedder) -> None:
    """Frames of segments that stand are kept; those of segments that were removed meanwhile are nobody's."""
    kept: set[str] = set()
    nobodys: set[str] = set()
    for name, outcome in outcomes.items():
        for segment_id, blob in outcome.frames().items():
            key = frames_key(embedder.spec(name).space, blob.sha256)
            (kept if segment_id in standing else nobodys).add(key)
    orphans.condemn(commit.tx, nobodys - kept)
    orphans.hold(commit.tx, kept, lambda key: embedder.objects.exists(embedder.settings.s3.derived_bucket, key))


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
    """Try a recording again later, without its batch mates; if its bytes moved, have their object looked at again.

    What has not been made of it at the rate that is wanted is asked for.
    """
    commit.defer(delivered, error)
    if isinstance(error, RenditionMissing):
        for request in renditions.requests(error, source, collection):
            # What had been made is asked for at once; else once, and now and then in case nobody works at it any more.
            again = delivered.claim.fence if error.lost else delivered.claim.asking
            own_id = ids.event_id(delivered.claim.event_id, request.type, f"{request.sample_rate_hz}:{again}")
            commit.publish(request, cause=delivered, event_id=own_id)
    elif isinstance(error, AudioGone):
        _look_again(commit, delivered, source.recording_id)


def _look_again(commit: Commit, delivered: Delivered, recording_id: UUID) -> None:
    """Have the object of a recording whose audio is gone looked at: it makes the audio anew, or is gone itself."""
    if seen := recordings.look_again(commit.tx, recording_id):
        own_id = ids.event_id(delivered.claim.event_id, seen.type, f"{seen.key}:{delivered.claim.asking}")
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
            writing.add_up(commit, event.backfill_id, more, delivered)


def define(work: Work) -> None:
    """Make a space of each checkpoint that somebody asked for, or say why it cannot be made."""
    for delivered in work.delivered:
        event = delivered.event
        assert isinstance(event, EncoderRequested)
        with work.database.begin() as tx:
            found = definitions.find(tx, event.encoder)
        if found is None:  # removed since
            with work.commit([delivered]):
                continue
        definition = found.definition
        try:
            model, spec = resolve(definition)
        except PermanentError as error:
            with work.commit([delivered]) as commit:
                if definitions.hold(commit.tx, definition):
                    definitions.fail(commit.tx, event.encoder, error.code, str(error))
            continue
        with work.commit([delivered]) as commit:
            if definitions.hold(commit.tx, definition):
                encoders.announce_encoder(commit.tx, spec.name, spec.space, spec.dimension, asdict(spec))
                definitions.settle(commit.tx, spec.name, model, asdict(spec))


def discard(work: Work) -> None:
    """Have the frames of segments that are gone deleted at once, unless another segment has the same."""
    gone = [s for d in work.delivered if isinstance(d.event, SegmentsRemoved) for s in d.event.segment_ids]
    with work.commit() as commit:
        orphans.condemn(commit.tx, frames.discard(commit.tx, gone))


def check(work: Work, embedder: Embedder) -> None:
    """Run the conformance checks of an encoder here, and write down what they found."""
    asked = [d.event for d in work.delivered if isinstance(d.event, EncoderCheckRequested)]
    results = {event.check_id: check_of(event.encoder, partial(embedder.encoder, event.encoder)) for event in asked}
    with work.commit() as commit:
        for check_id, result in results.items():
            encoders.write_check(commit.tx, check_id, result)
