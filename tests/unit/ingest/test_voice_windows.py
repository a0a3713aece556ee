import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.ingest.segmenters.protocol import Span
from services.ingest.segmenters.voices.embedding import embedded
from services.ingest.segmenters.voices.windows import HOP_SAMPLES, WINDOW_SAMPLES, windows_in
from tests.support.voices import InMemory, MadeUpEncoder, spoken

regions = st.lists(st.tuples(st.integers(1, 40_000), st.integers(1, 400_000)), min_size=1, max_size=6).map(
    lambda pairs: [
        Span(int(start), int(start) + length)
        for start, length in zip(
            np.cumsum([gap + before for (gap, _), before in zip(pairs, [0, *(n for _, n in pairs)], strict=False)]),
            (length for _, length in pairs),
            strict=True,
        )
    ]
)


@given(regions)
def test_windows_cover_each_region_and_nothing_else(spans):
    windows = windows_in(spans)
    parts = list(windows.of_each_region())
    assert len(parts) == len(spans)
    for span, part in zip(spans, parts, strict=True):
        starts, ends = windows.start_sample[part], windows.end_sample[part]
        assert (starts[0], ends[-1]) == (span.start_sample, span.end_sample)
        assert (starts[1:] <= ends[:-1]).all()
        assert (np.diff(starts) <= HOP_SAMPLES).all()
        assert (ends - starts == min(WINDOW_SAMPLES, span.end_sample - span.start_sample)).all()


def test_windows_share_what_overlaps():
    windows = windows_in([Span(0, WINDOW_SAMPLES + 3 * HOP_SAMPLES), Span(80_000, 90_000)])
    shared = windows.shared()
    assert shared.diagonal() == pytest.approx(np.ones(len(windows)))
    assert shared[0, 1] == pytest.approx(2 / 3, abs=1e-3)
    assert not shared[:-1, -1].any()
    assert (shared == shared.T).all()


def test_no_region_has_no_windows():
    assert len(windows_in([])) == 0
    assert list(windows_in([]).of_each_region()) == []


def test_vectors_do_not_depend_on_how_they_were_read(monkeypatch):
    audio = spoken((0, 3.0), (1, 4.0), (None, 1.0), (2, 2.0))
    windows = windows_in([Span(0, 112_000), Span(128_000, 160_000)])
    together = embedded(MadeUpEncoder().embed, audio, windows)
    monkeypatch.setattr("services.ingest.segmenters.voices.embedding._BATCH_WINDOWS", 3)
    assert embedded(MadeUpEncoder().embed, audio, windows) == pytest.approx(together)
    one_by_one = [audio.read(s, e) for s, e in zip(windows.start_sample, windows.end_sample, strict=True)]
    assert MadeUpEncoder().embed(one_by_one) == pytest.approx(together)


def test_silence_has_a_row_of_zeros_and_costs_its_neighbours_nothing():
    audio = spoken((0, 1.6), (None, 3.2), (1, 1.6))
    regions = [Span(0, 25_600), Span(30_000, 60_000), Span(76_800, 102_400)]
    vectors = embedded(MadeUpEncoder().embed, audio, windows_in(regions))
    assert vectors.any(axis=1).tolist() == [True, False, False, True]


def test_silence_alone_can_be_told_from_an_error():
    vectors = embedded(MadeUpEncoder().embed, InMemory(np.zeros(50_000, np.float32)), windows_in([Span(0, 50_000)]))
    assert vectors.shape == (4, 0)


def test_no_more_than_a_batch_is_read_at_once():
    class Watched(InMemory):
        def read(self, start_sample, end_sample):
            longest.append(end_sample - start_sample)
            return super().read(start_sample, end_sample)

    longest: list[int] = []
    audio = Watched(spoken((0, 300.0)).samples)
    embedded(MadeUpEncoder().embed, audio, windows_in([Span(0, audio.n_samples)]))
    assert sum(longest) < 1.1 * audio.n_samples
    assert max(longest) < 60 * 16_000
