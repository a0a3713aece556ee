"""Run a segmenter over one recording and name the segments it finds."""

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from services.ingest.audio import AudioFile, UnreadAudio
from services.ingest.ports import Ingest
from services.ingest.segmenters.protocol import AudioReader
from shared import ids
from shared.errors import PermanentError
from shared.events import RecordingRegistered
from shared.storage.recordings import AudioSource
from shared.storage.segments import Cut, NewSegment


class AudioGone(PermanentError):
    """The recording's bytes are in no object any more; put the file into the bucket again."""

    code = "audio_gone"


def cut(event: RecordingRegistered, source: AudioSource, encoders: tuple[str, ...], ingest: Ingest) -> Cut:
    """The segments of one recording. Raises AudioGone, and what the segmenter or the object store raise."""
    segmenter = ingest.segmenter(event.segmenter)
    revision = f"{segmenter.spec.name}@{segmenter.spec.revision}"
    with _audio(source, ingest, needed=segmenter.spec.needs_audio) as audio:
        found = segmenter.segments(audio)
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
            )
            for span in found
        ),
        encoders=encoders,
    )


@contextmanager
def _audio(source: AudioSource, ingest: Ingest, *, needed: bool) -> Iterator[AudioReader]:
    if not needed:
        yield UnreadAudio(source.n_samples, source.peak)
        return
    if source.bucket is None or source.key is None:
        raise AudioGone
    with tempfile.TemporaryDirectory(dir=ingest.scratch) as folder:
        path = Path(folder) / "audio"
        ingest.objects.fetch(source.bucket, source.key, path)
        with AudioFile(path, source.peak) as audio:
            yield audio
