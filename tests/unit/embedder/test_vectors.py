import numpy as np
import pytest

from shared.vectors import ZeroVector, centroid, cosine, unit, unit_rows


def test_rows_become_unit_and_keep_their_direction(rng):
    rows = rng.normal(size=(5, 8))
    units = unit_rows(rows)
    assert units.dtype == np.float32
    np.testing.assert_allclose(np.linalg.norm(units, axis=1), 1, atol=1e-6)
    np.testing.assert_allclose(units * np.linalg.norm(rows, axis=1, keepdims=True), rows, rtol=1e-5)


def test_no_rows_stay_no_rows():
    assert unit_rows(np.empty((0, 8), np.float32)).shape == (0, 8)


@pytest.mark.parametrize("bad", [0.0, np.nan, np.inf])
def test_a_row_without_direction_is_an_error_not_a_nan(bad):
    with pytest.raises(ZeroVector, match="Row 1 of 2"):
        unit_rows(np.array([[1.0, 2.0], [bad, bad]], np.float32))


def test_cosine_does_not_care_about_length():
    similarity = cosine(np.array([[2.0, 0.0]]), np.array([[5.0, 0.0], [0.0, 1.0], [-3.0, 0.0]]))
    np.testing.assert_allclose(similarity, [[1, 0, -1]], atol=1e-7)


def test_a_centroid_weighs_its_rows_alike():
    np.testing.assert_allclose(centroid(np.array([[100.0, 0.0], [0.0, 1.0]])), unit(np.array([1.0, 1.0])), atol=1e-6)


def test_rows_that_cancel_out_have_no_centroid():
    with pytest.raises(ZeroVector):
        centroid(np.array([[1.0, 0.0], [-1.0, 0.0]]))
