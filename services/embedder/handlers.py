"""The use cases of the embedder: vectors for segments, and a check of an encoder on this machine."""

from collections.abc import Mapping, Sequence
from uuid import UUID

import numpy as np

from services.embedder.batching import embed_clips
from services.embedder.blobs import AudioGone
from services.embedder.checking import examine
from services.embedder.outcome import Outcome
from services.embedder.ports import Embedder
from services.embedder.reading import Clip, NoClip, clips, portions
from shared import ids
from shared.encoders.protocol import Encoder, EncoderSpec
from shared.errors import EarmarkError
from shared.events import EncoderCheckRequested, RecordingEmbedded, SegmentsCreated, SegmentsEmbedded
from shared.ledger.consumer import Commit, Delivered, Work
from shared.storage import collections, embeddings, encoders, recordings, segments
from shared.storage.recordings import AudioSource
from shared.units import samples

BATCHES_IN_MEMORY = 4  # clips of so many batches are read before they are sorted by length


def embed(work: Work, embedder: Embedder) -> None:
    """Read every recording of a message once, embed its segments with each encoder, commit vectors and counts."""
    created = {d: d.event for d in work.delivered if isinstance(d.event, SegmentsCreated)}
    wanted = [segment_id for event in created.values() for segment_id in event.segment_ids]
    with work.database.begin() as tx:
        spans = segments.spans(tx, wanted)
        bucket = embedder.settings.s3.derived_bucket
        sources = recordings.audio_sources(tx, [s.recording_id for s in spans], bucket)
        names = {event.collection: collections.get(tx, event.collection).encoders for event in created.values()}
    outcomes: dict[str, Outcome] = {name: Outcome() for chosen in names.values() for name in chosen}
    batch_audio_s = embedder.settings.embedder.batch_audio_s
    unread: dict[UUID, EarmarkError] = {}
    for portion in portions(clips(spans, sources, embedder), samples(BATCHES_IN_MEMORY * batch_audio_s)):
        unread |= {one.span.recording_id: one.error for one in portion if isinstance(one, NoClip)}
        readable = [one for one in portion if isinstance(one, Clip)]
        for name, outcome in outcomes.items():
            _embed(readable, names, embedder.encoder(name), outcome, batch_audio_s)
    embedder.blobs.shrink()
    with work.commit() as commit:
        gone = [recording_id for recording_id, error in unread.items() if isinstance(error, AudioGone)]
        forgotten = recordings.forget(commit.tx, gone)  # under no key any more: put back, it is registered anew
        for delivered, event in created.items():
            error = unread.get(event.recording_id)
            if error is not None and event.recording_id not in forgotten:
                _come_back(commit, delivered, error, sources[event.recording_id], event.collection)
        read = {d: e for d, e in created.items() if e.recording_id not in unread}
        for name, outcome in sorted(outcomes.items()):  # one order everywhere: two workers' locks never cross
            mine = {d: e for d, e in read.items() if name in names[e.collection]}
            _write(commit, embedder.spec(name), outcome, mine)


def _come_back(commit: Commit, delivered: Delivered, error: EarmarkError, source: AudioSource, collection: str) -> None:
    """Try a recording again later, without its batch mates; if its bytes moved, have their object looked at again."""
    commit.defer(delivered, error)
    if isinstance(error, AudioGone) and (seen := source.look_again(collection)):
        own_id = ids.event_id(delivered.claim.event_id, seen.type, f"{seen.key}:{delivered.claim.fence}")
        commit.publish(seen, cause=delivered, event_id=own_id)


def _embed(
    portion: Sequence[Clip],
    names: Mapping[str, Sequence[str]],
    encoder: Encoder,
    outcome: Outcome,
    batch_audio_s: float,
) -> None:
    mine = [one for one in portion if encoder.spec.name in names[one.span.collection]]
    results = embed_clips(encoder, [one.samples for one in mine], batch_audio_s)
    for one, result in zip(mine, results, strict=True):
        if isinstance(result, str):
            outcome.refuse(one.span.segment_id, result)
        else:
            outcome.add(one.span.segment_id, result, len(one.samples))


def _write(commit: Commit, spec: EncoderSpec, outcome: Outcome, created: Mapping[Delivered, SegmentsCreated]) -> None:
    name = spec.name
    space = encoders.by_space(commit.tx, spec.space)  # not by name: another revision may have been announced since
    vectors = outcome.vectors()
    rows = np.stack(list(vectors.values())) if vectors else np.empty((0, space.dimension), np.float32)
    embedded = embeddings.write(commit.tx, space, list(vectors), rows)
    without_voice = embeddings.write_unembeddable(commit.tx, name, outcome.reasons())
    touched = {event.recording_id: delivered for delivered, event in created.items()}
    # A recording without segments is counted too: with nothing to add, it is complete.
    embedded = dict.fromkeys(touched, 0) | embedded
    for progress in embeddings.count_progress(commit.tx, name, embedded, without_voice):
        if progress.complete:
            _announce_recording(commit, name, progress, touched[progress.recording_id], created)
    recordings.mark_ready(commit.tx, list(touched))
    for delivered, event in created.items():
        done = tuple(segment_id for segment_id in event.segment_ids if segment_id in vectors)
        if done:
            embedded_event = SegmentsEmbedded(
                recording_id=event.recording_id, collection=event.collection, encoder=name, segment_ids=done
            )
            commit.publish(embedded_event, cause=delivered)


def _announce_recording(
    commit: Commit,
    name: str,
    progress: embeddings.Progress,
    delivered: Delivered,
    created: Mapping[Delivered, SegmentsCreated],
) -> None:
    """Announce a complete recording; the id made of recording and encoder makes it exactly once."""
    event = RecordingEmbedded(
        recording_id=progress.recording_id,
        collection=created[delivered].collection,
        encoder=name,
        n_embedded=progress.n_embedded,
        n_without_voice=progress.n_without_voice,
    )
    commit.publish(event, cause=delivered, event_id=ids.event_id(progress.recording_id, event.type, name))


def check(work: Work, embedder: Embedder) -> None:
    """Run the conformance checks of an encoder here, and write down what they found."""
    asked = [d.event for d in work.delivered if isinstance(d.event, EncoderCheckRequested)]
    results = {event.check_id: examine(embedder.encoder(event.encoder)) for event in asked}
    with work.commit() as commit:
        for check_id, result in results.items():
            encoders.write_check(commit.tx, check_id, result)
