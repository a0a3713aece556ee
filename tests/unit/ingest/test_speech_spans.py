import ast
from dataclasses import replace
from importlib.util import find_spec
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.ingest.segmenters.protocol import Span
from services.ingest.segmenters.speech import FRAME_SAMPLES, SpeechRules, spans_from_probabilities

_RULES = SpeechRules()
_ENDLESS = replace(_RULES, max_speech_s=1e6)


@st.composite
def curves(draw) -> tuple[np.ndarray, int]:
    """A curve of plateaus, as speech makes them, and a length in samples that fits it."""
    plateaus = draw(st.lists(st.tuples(st.integers(1, 60), st.floats(0, 1)), min_size=1, max_size=12))
    curve = np.concatenate([np.full(length, level, dtype=np.float32) for length, level in plateaus])
    return curve, len(curve) * FRAME_SAMPLES - draw(st.integers(0, FRAME_SAMPLES - 1))


rules = st.builds(
    lambda threshold, gap, **others: SpeechRules(threshold=threshold, exit_threshold=threshold - gap, **others),
    threshold=st.floats(0.2, 0.9),
    gap=st.floats(0, 0.15),
    min_speech_s=st.floats(0.05, 0.5),
    min_silence_s=st.floats(0, 0.6),
    pad_s=st.floats(0, 0.3),
    max_speech_s=st.floats(1.2, 40),
)


@given(curves(), rules)
def test_spans_are_sorted_disjoint_within_the_recording_and_of_allowed_length(curve, rules):
    probabilities, n_samples = curve
    spans = spans_from_probabilities(probabilities, n_samples, rules)
    assert all(one.end_sample <= other.start_sample for one, other in pairwise(spans))
    assert all(0 <= span.start_sample < span.end_sample <= n_samples for span in spans)
    lengths = [span.end_sample - span.start_sample for span in spans]
    assert all(round(16_000 * rules.min_speech_s) <= length <= round(16_000 * rules.max_speech_s) for length in lengths)


@given(curves(), rules)
def test_cutting_long_spans_loses_no_speech(curve, rules):
    probabilities, n_samples = curve
    cut = spans_from_probabilities(probabilities, n_samples, rules)
    whole = spans_from_probabilities(probabilities, n_samples, replace(rules, max_speech_s=1e6))
    assert sum(s.end_sample - s.start_sample for s in cut) == sum(s.end_sample - s.start_sample for s in whole)


@given(curves(), st.integers(20, 90), st.integers(10, 400), st.integers(0, 600), st.integers(0, 300))
def test_without_a_longest_span_the_spans_are_those_of_the_package(
    silero_spans, curve, percent, min_speech_ms, min_silence_ms, pad_ms
):
    probabilities, n_samples = curve
    threshold, exit_threshold = percent / 100, percent / 100 - 0.15
    ours = SpeechRules(threshold, exit_threshold, min_speech_ms / 1000, min_silence_ms / 1000, pad_ms / 1000, 1e6)
    theirs = silero_spans(
        probabilities.tolist(),
        audio_length_samples=n_samples,
        threshold=threshold,
        neg_threshold=exit_threshold,
        min_speech_duration_ms=min_speech_ms,
        min_silence_duration_ms=min_silence_ms,
        speech_pad_ms=pad_ms,
    )
    assert spans_from_probabilities(probabilities, n_samples, ours) == [Span(s["start"], s["end"]) for s in theirs]


def test_the_default_rules_are_those_of_the_package(silero_spans):
    probabilities = np.repeat(np.linspace(0, 1, 41), 3)[np.random.default_rng(1).permutation(123)]
    theirs = silero_spans(probabilities.tolist(), audio_length_samples=123 * FRAME_SAMPLES)
    ours = spans_from_probabilities(probabilities, 123 * FRAME_SAMPLES, _ENDLESS)
    assert ours == [Span(s["start"], s["end"]) for s in theirs] != []


def test_neighbours_share_a_pause_that_is_too_short_for_both():
    probabilities = np.full(100, 0.9, dtype=np.float32)
    probabilities[40:45] = 0.1
    one, other = spans_from_probabilities(probabilities, 100 * FRAME_SAMPLES, replace(_RULES, pad_s=0.3))
    assert one.end_sample == other.start_sample == 42 * FRAME_SAMPLES + FRAME_SAMPLES // 2


@pytest.fixture(scope="session")
def silero_spans():
    """silero-vad's own function, taken out of its module, whose import would want torch."""
    module = Path(find_spec("silero_vad").origin).parent / "utils_vad.py"
    tree = ast.parse(module.read_text())
    tree.body = [
        node
        for node in tree.body
        if isinstance(node, ast.FunctionDef) and node.name == "get_speech_timestamps_from_probs"
    ]
    names = {"List": list}
    exec(compile(tree, str(module), "exec"), names)
    return names["get_speech_timestamps_from_probs"]


def test_a_long_speech_is_cut_at_its_quietest_point():
    probabilities = np.full(1500, 0.9, dtype=np.float32)
    probabilities[700:705] = 0.6
    spans = spans_from_probabilities(probabilities, 1500 * FRAME_SAMPLES, _RULES)
    assert len(spans) == 2
    assert spans[0].end_sample == spans[1].start_sample == 702 * FRAME_SAMPLES


def test_even_speech_makes_as_few_pieces_as_can_be():
    n_samples = 2000 * FRAME_SAMPLES  # 64 s
    spans = spans_from_probabilities(np.ones(2000, dtype=np.float32), n_samples, _RULES)
    assert len(spans) == 3
    assert (spans[0].start_sample, spans[-1].end_sample) == (0, n_samples)


def test_a_pause_between_the_thresholds_does_not_end_speech():
    probabilities = np.full(100, 0.9, dtype=np.float32)
    probabilities[40:60] = 0.4
    assert len(spans_from_probabilities(probabilities, 100 * FRAME_SAMPLES, _RULES)) == 1


def test_no_frames_make_no_spans():
    assert spans_from_probabilities(np.zeros(0, dtype=np.float32), 0, _RULES) == []


@pytest.mark.parametrize(
    "wrong",
    [{"exit_threshold": 0.6}, {"min_speech_s": 0.0}, {"max_speech_s": 0.5}],
    ids=lambda wrong: next(iter(wrong)),
)
def test_rules_that_contradict_each_other_are_refused(wrong):
    with pytest.raises(ValueError, match=r"speech|span"):
        SpeechRules(**wrong)


@pytest.mark.parametrize(("start", "end"), [(-1, 5), (5, 5), (6, 5)])
def test_a_span_begins_before_it_ends(start, end):
    with pytest.raises(ValueError, match="span"):
        Span(start, end)
