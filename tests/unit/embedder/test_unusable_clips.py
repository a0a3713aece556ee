import numpy as np
import pytest

from shared.encoders.clips import why_unusable


@pytest.mark.parametrize(
    ("samples", "reason"),
    [
        ([], "no_samples"),
        ([0.1, np.nan, 0.2], "not_finite"),
        ([0.1, -np.inf], "not_finite"),
        ([0.0], "no_voice"),
        ([0.0] * 100, "no_voice"),
        ([-0.3] * 100, "no_voice"),  # a stuck converter is as silent as zeros
        ([0.3], None),
        ([0.0, 0.0, 1e-4], None),
    ],
)
def test_a_clip_is_refused_for_what_is_wrong_with_it(samples, reason):
    assert why_unusable(np.array(samples, np.float32)) == reason
