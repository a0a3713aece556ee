"""The use cases of ingest: register objects as recordings, cut recordings into segments, render at other rates."""

from collections.abc import Mapping, Sequence
from itertools import groupby
from uuid import UUID

from services.ingest import refusing, rendering, unpacking
from services.ingest.cutting import AudioGone, cut
from services.ingest.ports import Ingest
from services.ingest.registering import Registered, register_objects
from shared import ids, metrics
from shared.errors import EarmarkError
from shared.events import ObjectSeen, RecordingRegistered, RecordingRejected, RenditionRequested, SegmentsCreated
from shared.ledger import dropped
from shared.ledger.consumer import Commit, Delivered, Work
from shared.storage import captions, collections, orphans, recordings, renditions, segments
from shared.storage.recordings import AudioSource
from shared.units import seconds


def register(work: Work, ingest: Ingest) -> None:
    """Decode each object of a batch, but for archives, which are unpacked; a bad file harms only itself."""
    seen = {d: d.event for d in work.delivered if isinstance(d.event, ObjectSeen)}
    results = register_objects(seen, ingest)
    archived = results.archived
    with work.commit() as commit:
        results = refusing.without_erased(commit, results)
        for delivered, error in results.deferred:
            commit.defer(delivered, error)
        outcomes = [r.outcome for r in results.registered] + [r.outcome for r in results.rejected]
        outcomes += [one.outcome for one in archived]
        standing = set(recordings.settle(commit.tx, outcomes))
        # What was overwritten meanwhile is left to its newer event: announced now, it could be under no key.
        held = [r for r in results.registered if r.outcome in standing]
        due = _due(commit, held)
        _hold(commit, [r.recording.derived_key for r in held], ingest)
        names = {collection.name: collection for collection in collections.listing(commit.tx)}
        for registered in held:
            if registered.recording.recording_id in due:
                due.discard(registered.recording.recording_id)
                _announce(commit, registered, names[registered.recording.collection].segmenter)
        unpacking.found(commit, [one for one in archived if one.outcome in standing])
        _caption(commit, {r.recording.recording_id: r.delivered for r in held})  # a further key has captions of its own
        for rejected in (r for r in results.rejected if r.outcome in standing):
            event = seen[rejected.delivered]
            commit.publish(
                RecordingRejected(
                    object_id=event.object_id,
                    collection=event.collection,
                    key=event.key,
                    code=rejected.outcome.code or "rejected",
                    reason=rejected.outcome.reason or "",
                ),
                cause=rejected.delivered,
            )
    for rejected in results.rejected:
        metrics.count("earmark_objects_rejected_total", code=rejected.outcome.code or "rejected")


def _due(commit: Commit, held: Sequence[Registered]) -> set[UUID]:
    """Recordings to be announced: the new ones, and those that are not cut because somebody has dropped that work."""
    new = recordings.register(commit.tx, [r.recording for r in held])
    standing = {r.recording.recording_id for r in held} - new
    return new | dropped.uncut(commit.tx, list(standing))


def _announce(commit: Commit, registered: Registered, segmenter: str) -> None:
    recording = registered.recording
    event = RecordingRegistered(
        recording_id=recording.recording_id,
        object_id=registered.outcome.object_id,
        collection=recording.collection,
        segmenter=segmenter,
        duration_s=seconds(recording.n_samples),
    )
    # Of the object's event, not of the recording: one that was forgotten can be registered again.
    own_id = ids.event_id(registered.delivered.claim.event_id, event.type, "")
    commit.publish(event, cause=registered.delivered, event_id=own_id)


def segment(work: Work, ingest: Ingest) -> None:
    """Cut each recording of a batch with its collection's segmenter, and announce the segments in portions."""
    registered = {d: d.event for d in work.delivered if isinstance(d.event, RecordingRegistered)}
    with work.database.begin() as tx:
        uncut = segments.waiting(tx, [e.recording_id for e in registered.values()])
        bucket = ingest.settings.s3.derived_bucket
        sources = recordings.audio_sources(tx, list(uncut), bucket)
        known = {c.name: c for c in collections.listing(tx)}
    cuts: dict[Delivered, segments.Cut] = {}
    gone: dict[Delivered, AudioSource] = {}
    failed: dict[Delivered, EarmarkError] = {}
    for delivered, event in registered.items():
        source = sources.get(event.recording_id)
        if source is None:
            continue
        try:
            cuts[delivered] = cut(event, source, known[event.collection], ingest)
        except AudioGone:
            gone[delivered] = source
        except EarmarkError as error:  # this one comes back, or is given up, alone
            failed[delivered] = error
    with work.commit() as commit:
        for delivered, why in failed.items():
            commit.defer(delivered, why)
        forgotten = recordings.forget(commit.tx, [source.recording_id for source in gone.values()])
        for delivered, source in gone.items():
            if source.recording_id not in forgotten:
                _look_again(commit, delivered, source.recording_id)
        fresh = segments.write_cuts(commit.tx, list(cuts.values()))
        for delivered, one in cuts.items():
            if one.recording_id in fresh:
                _announce_segments(commit, delivered, one, ingest.settings.ledger.segments_per_event)
        _caption(commit, {one.recording_id: d for d, one in cuts.items() if one.recording_id in fresh})


def render(work: Work, ingest: Ingest) -> None:
    """Make each recording's audio at each rate that is asked for and not there; who waits for it comes back.

    What cannot be made is done with, too: who waits for it does without.
    """
    wanted = {d: d.event for d in work.delivered if isinstance(d.event, RenditionRequested)}
    found = rendering.render_all(wanted, work.database, ingest)
    with work.commit() as commit:
        for delivered, why in found.deferred.items():
            commit.defer(delivered, why)
        for delivered, source in found.gone.items():
            _look_again(commit, delivered, source.recording_id)
        rendering.take_back(commit.tx, wanted, found)
        written = renditions.write(commit.tx, found.made)
        orphans.condemn(commit.tx, {one.key for one in found.made if one.recording_id not in written})
        renditions.fail(commit.tx, found.failed)
        _hold(commit, [one.key for one in found.made if one.recording_id in written], ingest)


def _hold(commit: Commit, keys: Sequence[str], ingest: Ingest) -> None:
    """What is referred to from now on must not be swept away as nobody's. Raises BlobSwept."""
    orphans.hold(commit.tx, keys, lambda key: ingest.objects.exists(ingest.settings.s3.derived_bucket, key))


def _look_again(commit: Commit, delivered: Delivered, recording_id: UUID) -> None:
    """Have the object that should hold the recording looked at as if it were new, and come back to this one later."""
    commit.defer(delivered, AudioGone())
    if event := recordings.look_again(commit.tx, recording_id):
        own_id = ids.event_id(delivered.claim.event_id, event.type, f"{event.key}:{delivered.claim.asking}")
        commit.publish(event, cause=delivered, event_id=own_id)


def _announce_segments(commit: Commit, delivered: Delivered, one: segments.Cut, most: int) -> None:
    # A recording without speech is announced too, with no segments: it becomes ready on the same way as all others.
    portions = [one.segments[at : at + most] for at in range(0, len(one.segments), most)] or [()]
    for portion in portions:
        event = SegmentsCreated(
            recording_id=one.recording_id,
            collection=one.collection,
            segmenter=one.segmenter,
            segment_ids=tuple(s.segment_id for s in portion),
            duration_s=seconds(sum(s.end_sample - s.start_sample for s in portion)),
        )
        commit.publish(event, cause=delivered)


def _caption(commit: Commit, delivered: Mapping[UUID, Delivered]) -> None:
    """Give recordings that are cut the captions that wait for them; an object has few, so one event holds them all."""
    settled = captions.settle(commit.tx, delivered)
    for removed in settled.removed:
        commit.publish(removed, cause=delivered[removed.recording_id])
    for recording_id, group in groupby(settled.new, key=lambda span: span.recording_id):
        new = list(group)
        event = SegmentsCreated(
            recording_id=recording_id,
            collection=new[0].collection,
            segmenter=captions.SEGMENTER,
            segment_ids=tuple(span.segment_id for span in new),
            duration_s=0.0,
        )
        commit.publish(event, cause=delivered[recording_id])
