"""Whisper by both libraries: tiny.en with its real weights on real speech, and an untrained one that hears anything."""

import re
from itertools import pairwise

import numpy as np
import pytest

from services.ingest.segmenters import whisper
from services.ingest.segmenters.whisper import UNKNOWN
from shared.checkpoints import MissingModel
from tests.support import checkpoints

# openai-whisper leaves the file of its vocabulary to the garbage collector.
pytestmark = pytest.mark.filterwarnings("ignore:.*\\.tiktoken:pytest.PytestUnraisableExceptionWarning")

SAID = (  # by the demo's voices, which speak what a script says
    "Good morning, Angus. Did anyone look at the old bridge after the storm last night?",
    "I walked over there at six. The river is high, but all of the stones are still standing.",
    "That is a relief. The school bus crosses it twice a day, and there is no other road.",
)


@pytest.fixture(scope="module")
def tiny_en(models):
    path = checkpoints.whisper_tiny_en(models / "tiny.en.pt")
    return whisper.plugin_of(str(path), device="cpu").build()


def test_weights_that_cannot_be_fetched_name_the_setting(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    monkeypatch.setenv("https_proxy", "http://127.0.0.1:1")  # where nobody listens
    with pytest.raises(MissingModel, match=r"^What EARMARK_INGEST__WHISPER_MODEL names .* could not be fetched: "):
        whisper.plugin_of("base.en", device="cpu").build()


@pytest.fixture(scope="module")
def faster_tiny_en():
    return whisper.plugin_of(str(checkpoints.ct2_tiny_en()), device="cpu").build()


@pytest.fixture(scope="module")
def untrained(models):
    return whisper.plugin_of(str(checkpoints.whisper_untrained(models / "untrained.pt")), device="cpu").build()


@pytest.fixture(scope="module", params=["tiny_en", "faster_tiny_en"])
def segmenter(request):
    return request.getfixturevalue(request.param)


@pytest.fixture(scope="module")
def three_turns(bridge, recording):
    return recording(bridge.read(0, round(17.1 * 16_000)))


@pytest.fixture(scope="module")
def spans(segmenter, three_turns):
    return segmenter.segments(three_turns)


def words_of(text):
    return re.findall(r"[a-z]+", text.lower())


def test_each_utterance_is_a_segment_with_what_was_said(spans):
    assert len(spans) == len(SAID)
    for span, said in zip(spans, SAID, strict=True):
        expected = words_of(said)
        heard = [word for word in words_of(span.text) if word in expected]
        assert len(heard) >= 0.9 * len(expected), span.text
        assert span.speaker_label == UNKNOWN


def test_words_are_those_of_the_text_and_lie_in_their_segment(spans):
    for span in spans:
        assert "".join(word.text for word in span.words).strip() == span.text
        times = [time for word in span.words for time in (word.start_sample, word.end_sample)]
        assert times == sorted(times)
        assert (times[0], times[-1]) == (span.start_sample, span.end_sample)


def test_nothing_is_heard_in_the_pauses(segmenter, bridge, recording):
    speech = bridge.read(16_000, 16_000 * 5)
    silence = np.zeros(16_000 * 20, np.float32)
    spans = segmenter.segments(recording(np.concatenate([silence, speech, silence])))
    assert spans != []
    assert all(span.start_sample >= 16_000 * 19.5 and span.end_sample <= 16_000 * 24.5 for span in spans)


def test_the_same_recording_has_the_same_words(segmenter, three_turns, spans):
    assert segmenter.segments(three_turns) == spans


def test_noise_and_silence_have_no_segments(segmenter, recording, rng):
    assert segmenter.segments(recording(np.zeros(16_000 * 3))) == []
    assert segmenter.segments(recording(0.01 * rng.standard_normal(16_000 * 3))) == []


def test_whatever_a_model_hears_the_segments_are_sound(untrained, three_turns):
    spans = untrained.segments(three_turns)
    assert untrained.segments(three_turns) == spans  # drawn by chance, but always the same
    assert all(span.end_sample <= three_turns.n_samples for span in spans)
    assert all(left.end_sample <= right.start_sample for left, right in pairwise(spans))


def test_the_revision_tells_engines_and_weights_apart(tiny_en, faster_tiny_en, untrained):
    assert len({segmenter.spec.revision for segmenter in (tiny_en, faster_tiny_en, untrained)}) == 3
