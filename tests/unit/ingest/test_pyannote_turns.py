"""How the segmenter `pyannote` runs a diarizer; the pipeline itself is in tests/models."""

import numpy as np
import pytest

from services.ingest.segmenters import pyannote
from services.ingest.segmenters.protocol import NO_HINTS, Hints, Segmenter, SegmenterSpec, Span
from services.ingest.segmenters.pyannote import PyannoteSegmenter
from services.ingest.unread import UnreadAudio
from shared.checkpoints import UnknownModel
from shared.settings import IngestSettings

RATE = 16_000
HOUR = 3600 * RATE
SPEC = SegmenterSpec("pyannote", "test", needs_audio=True, description="")


class Diarizer:
    """Answers with given turns; remembers what it was asked."""

    def __init__(self, *turns):
        self.given = list(turns)
        self.asked = []

    def turns(self, samples, hints):
        self.asked.append((len(samples), hints))
        return self.given


class Readable(UnreadAudio):
    """Zeros, of any length."""

    def read(self, start_sample, end_sample):
        return np.zeros(max(0, min(end_sample, self.n_samples) - start_sample), np.float32)


def segments(diarizer, n_samples, hints=NO_HINTS):
    return PyannoteSegmenter(SPEC, diarizer).segments(Readable(n_samples, 0.5), hints)


def test_it_is_a_segmenter():
    assert isinstance(PyannoteSegmenter(SPEC, Diarizer()), Segmenter)


def test_turns_become_sorted_spans_with_their_labels():
    diarizer = Diarizer((1.0, 3.0, "SPEAKER_00"), (0.5, 2.0, "SPEAKER_01"))
    assert segments(diarizer, 4 * RATE) == [
        Span(8_000, 32_000, speaker_label="SPEAKER_01"),
        Span(16_000, 48_000, speaker_label="SPEAKER_00"),
    ]


def test_turns_end_with_the_recording_and_empty_ones_are_left_out():
    diarizer = Diarizer((-0.1, 0.5, "A"), (0.9, 1.7, "B"), (1.00001, 1.5, "C"), (0.2, 0.2, "D"))
    assert [(span.start_sample, span.end_sample, span.speaker_label) for span in segments(diarizer, RATE)] == [
        (0, 8_000, "A"),
        (14_400, 16_000, "B"),
    ]


def test_how_many_people_speak_is_passed_on():
    diarizer = Diarizer()
    segments(diarizer, RATE, Hints(2, 3))
    assert diarizer.asked == [(RATE, Hints(2, 3))]


def test_digital_silence_is_not_even_looked_at():
    diarizer = Diarizer((0.0, 1.0, "A"))
    assert PyannoteSegmenter(SPEC, diarizer).segments(UnreadAudio(RATE, 0.0)) == []
    assert diarizer.asked == []


def test_no_more_than_two_hours_are_in_memory_and_labels_of_other_stretches_are_others():
    diarizer = Diarizer((0.0, 1.0, "SPEAKER_00"))
    spans = segments(diarizer, 2 * HOUR + RATE)
    assert [n_samples for n_samples, _ in diarizer.asked] == [2 * HOUR, RATE]
    assert [(span.start_sample, span.speaker_label) for span in spans] == [
        (0, "1/SPEAKER_00"),
        (2 * HOUR, "2/SPEAKER_00"),
    ]


def test_the_published_pipeline_is_pinned_to_a_commit():
    revision = pyannote.plugin_of(IngestSettings().pyannote_model).spec.revision
    assert revision == "pyannote/speaker-diarization-community-1@3533c8cf8e36-overlapping-1"


def test_the_settings_decide_and_are_read_when_asked(tmp_path, monkeypatch):
    (tmp_path / "config.yaml").touch()
    monkeypatch.setenv("EARMARK_INGEST__PYANNOTE_MODEL", str(tmp_path))
    monkeypatch.setenv("EARMARK_INGEST__PYANNOTE_EXCLUSIVE", "true")
    revision = pyannote.plugin.spec.revision
    assert revision.startswith("sha256-")
    assert revision.endswith("-exclusive-1")


def test_a_pipeline_that_is_not_there_is_refused():
    with pytest.raises(UnknownModel):
        pyannote.plugin_of("pyannote/speaker-diarization-community-1")
