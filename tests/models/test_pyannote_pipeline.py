"""A diarization pipeline of pyannote.audio, laid out like community-1, untrained, through its own loader."""

from itertools import pairwise

import numpy as np
import pytest
import torch

from services.ingest.segmenters import pyannote
from services.ingest.segmenters.protocol import NO_HINTS, Hints
from shared.checkpoints import MissingModel
from tests.support import checkpoints

# The untrained embeddings are so alike that fewer voices are found than were asked for, and the network is given
# stretches too short for a deviation: pyannote warns of both.
pytestmark = [
    pytest.mark.filterwarnings("ignore:std\\(\\). degrees of freedom:UserWarning"),
    pytest.mark.filterwarnings("ignore:\\s*The detected number of speakers:UserWarning"),
]


@pytest.fixture(scope="module")
def pipeline_folder(models):
    return checkpoints.pyannote_pipeline(models / "pipeline")


@pytest.fixture(scope="module")
def overlapping(pipeline_folder):
    return pyannote.plugin_of(str(pipeline_folder), device="cpu").build()


@pytest.fixture(scope="module")
def exclusive(pipeline_folder):
    return pyannote.plugin_of(str(pipeline_folder), exclusive=True, device="cpu").build()


@pytest.fixture(scope="module")
def speech(bridge, recording):
    return recording(bridge.read(16_000, 16_000 * 7))


@pytest.fixture(scope="module")
def library_pipeline(pipeline_folder):
    from pyannote.audio import Pipeline

    return Pipeline.from_pretrained(pipeline_folder)


def of_library(pipeline, audio, **counts):
    waveform = torch.from_numpy(audio.read(0, audio.n_samples))[None]
    return pipeline({"waveform": waveform, "sample_rate": 16_000, "uri": "x"}, **counts)


def as_rows(spans):
    return [(span.start_sample, span.end_sample, span.speaker_label) for span in spans]


def in_samples(annotation, n_samples):
    turns = [(turn.start, turn.end, label) for turn, _, label in annotation.itertracks(yield_label=True)]
    return sorted((round(16_000 * start), min(round(16_000 * end), n_samples), label) for start, end, label in turns)


def test_turns_are_the_librarys(overlapping, library_pipeline, speech):
    found = of_library(library_pipeline, speech).speaker_diarization
    assert sorted(as_rows(overlapping.segments(speech))) == in_samples(found, speech.n_samples) != []


def test_the_number_of_speakers_is_passed_on(overlapping, library_pipeline, speech):
    spans = overlapping.segments(speech, Hints(2, 2))
    found = of_library(library_pipeline, speech, num_speakers=2).speaker_diarization
    assert sorted(as_rows(spans)) == in_samples(found, speech.n_samples)
    assert {span.speaker_label for span in spans} == {"SPEAKER_00", "SPEAKER_01"}


def test_exclusive_turns_are_disjoint_and_the_librarys(exclusive, library_pipeline, speech):
    spans = exclusive.segments(speech, Hints(2, 2))
    found = of_library(library_pipeline, speech, num_speakers=2).exclusive_speaker_diarization
    assert as_rows(spans) == in_samples(found, speech.n_samples)
    assert all(left.end_sample <= right.start_sample for left, right in pairwise(spans))


def test_segments_are_sorted_and_within_the_recording(overlapping, speech):
    spans = overlapping.segments(speech, Hints(3, 4))
    assert spans == sorted(spans, key=lambda span: (span.start_sample, span.end_sample))
    assert all(0 <= span.start_sample < span.end_sample <= speech.n_samples for span in spans)


def test_the_same_recording_has_the_same_turns(overlapping, speech):
    assert overlapping.segments(speech, Hints(2, 3)) == overlapping.segments(speech, Hints(2, 3))


@pytest.mark.parametrize("n_samples", [1, 300, 1_000, 16_000])
def test_recordings_shorter_than_a_chunk_are_no_trouble(overlapping, recording, rng, n_samples):
    audio = recording(0.1 * rng.standard_normal(n_samples))
    assert all(span.end_sample <= n_samples for span in overlapping.segments(audio, NO_HINTS))


def test_digital_silence_has_no_segments(overlapping, recording):
    assert overlapping.segments(recording(np.zeros(16_000))) == []


def test_a_pipeline_that_names_what_is_not_there_says_how_to_get_it(pipeline_folder, tmp_path):
    folder = tmp_path / "pipeline"
    folder.mkdir()
    config = (pipeline_folder / "config.yaml").read_text()
    (folder / "config.yaml").write_text(config.replace("$model/segmentation", "pyannote/segmentation-3.0"))
    with pytest.raises(MissingModel) as caught:
        pyannote.plugin_of(str(folder), device="cpu").build()
    assert caught.value.code == "missing_model"
    assert "HF_TOKEN" in caught.value.sentence()
