"""Run a segmenter over one recording and name the segments it finds."""

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from services.ingest.ports import Ingest
from services.ingest.segmenters.protocol import NO_HINTS, AudioReader
from services.ingest.segmenters.speakers import parse_speakers
from services.ingest.unread import UnreadAudio
from shared import ids
from shared.errors import TransientError
from shared.events import RecordingRegistered
from shared.storage.collections import Collection
from shared.storage.objects import ObjectGone
from shared.storage.recordings import AudioSource
from shared.storage.segments import Cut, NewSegment


class AudioGone(TransientError):
    """The recording's bytes do not lie where they lay: it is cut from another key that holds them, or forgotten."""

    code = "audio_gone"


def cut(event: RecordingRegistered, source: AudioSource, collection: Collection, ingest: Ingest) -> Cut:
    """The segments of one recording. Raises AudioGone, and what the segmenter or the object store raise."""
    segmenter = ingest.segmenter(event.segmenter)
    hints = parse_speakers(collection.speakers) if collection.speakers else NO_HINTS
    revision = f"{segmenter.spec.name}@{segmenter.spec.revision}"
    with _audio(source, ingest, needed=segmenter.spec.needs_audio) as audio:
        found = segmenter.segments(audio, hints)
    return Cut(
        recording_id=event.recording_id,
        collection=event.collection,
        segmenter=revision,
        segments=tuple(
            NewSegment(
                ids.segment_id(event.recording_id, revision, span.start_sample, span.end_sample),
                span.start_sample,
                span.end_sample,
                span.text,
                span.speaker_label,
                tuple((word.start_sample, word.end_sample, word.text) for word in span.words),
            )
            for span in found
        ),
        encoders=collection.encoders,
    )


@contextmanager
def _audio(source: AudioSource, ingest: Ingest, *, needed: bool) -> Iterator[AudioReader]:
    if not needed:
        yield UnreadAudio(source.n_samples, source.peak)
        return
    if source.key is None:
        raise AudioGone
    from services.ingest.audio import AudioFile  # loads a codec library: not before there is something to read

    with tempfile.TemporaryDirectory(dir=ingest.scratch) as folder:
        path = Path(folder) / "audio"
        try:
            ingest.objects.fetch(source.bucket, source.key, path)
        except ObjectGone as error:
            raise AudioGone from error
        with AudioFile(path, source.peak) as audio:
            yield audio
