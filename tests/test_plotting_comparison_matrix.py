"""Pictures of how alike the fingerprints of two models are."""

import numpy as np
import pytest
from matplotlib.colors import to_rgb

from sklearn_ganprint.comparison import compare_models
from sklearn_ganprint.plotting import ComparisonMatrixDisplay

MATRIX = np.array([[0.02, 0.4, np.nan], [-0.1, 0.0, 0.3]])
P = np.array([[0.5, 1e-9, np.nan], [0.9, 0.5, 0.01]])


def draw(ax, **params):
    return ComparisonMatrixDisplay.from_matrix(
        MATRIX, ["x$", "y"], ["a", "$b$", "c"], ax=ax, **params
    )


def test_shows_the_correlations_and_frames_what_is_significant(ax):
    display = draw(ax, p_value=P, name="two $ models")
    np.testing.assert_array_equal(display.im_.get_array().filled(np.nan), MATRIX)
    assert display.im_.get_clim() == (-0.4, 0.4)
    assert [frame.get_xy() for frame in display.frames_] == [(0.5, -0.5), (1.5, 0.5)]
    assert [text.get_text() for text in ax.get_xticklabels()] == ["a", "$b$", "c"]
    assert [text.get_text() for text in ax.get_yticklabels()] == ["x$", "y"]
    assert ax.get_title() == "two $ models"
    display.figure_.draw_without_rendering()


def test_what_is_next_to_nothing_is_pale(ax):
    display = ComparisonMatrixDisplay.from_matrix([[0.001, -0.003]], ["x"], ["a", "b"], ax=ax)
    assert display.im_.get_clim() == (-0.05, 0.05)


def test_values_are_written_where_there_are_some(ax):
    display = draw(ax)
    assert display.text_[0, 2].get_text() == "–"
    assert display.text_[1, 0].get_text() == "-0.10"
    assert to_rgb(display.text_[0, 1].get_color()) == (1, 1, 1)
    assert draw(ax, values=False).text_ is None
    assert display.frames_ == []


def test_draws_a_comparison_in_a_figure_of_its_own(pyplot):
    rng = np.random.default_rng(0)
    sources = dict(zip("abcde", rng.normal(size=(5, 32, 32)), strict=True))
    noisy = {name: image + rng.normal(size=(32, 32)) for name, image in sources.items()}
    display = ComparisonMatrixDisplay.from_comparison(compare_models(noisy, sources))
    assert {frame.get_xy() for frame in display.frames_} >= {(i - 0.5, i - 0.5) for i in range(5)}
    assert len(display.figure_.axes) == 2
    assert len(draw(None, colorbar=False).figure_.axes) == 1


@pytest.mark.parametrize(
    ("matrix", "p", "message"),
    [
        (MATRIX[:1], None, r"matrix: expected shape \(2, 3\), .* got \(1, 3\)"),
        (MATRIX, P.T, r"p_value: expected shape \(2, 3\), .* got \(3, 2\)"),
    ],
)
def test_shapes_that_do_not_go_together_are_refused(ax, matrix, p, message):
    with pytest.raises(ValueError, match=message):
        ComparisonMatrixDisplay.from_matrix(matrix, "xy", "abc", p_value=p, ax=ax)


def test_says_what_the_values_are(ax):
    display = draw(ax)
    assert display.im_.colorbar.ax.get_ylabel() == "correlation of fingerprints"
    other = draw(display.figure_.add_subplot(), label="similarity $ of features")
    assert other.im_.colorbar.ax.get_ylabel() == "similarity $ of features"
