"""Histograms of correlations."""

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal

from sklearn_ganprint.plotting import CorrelationHistogramDisplay

RNG = np.random.default_rng(0)
SAME, CROSS = RNG.normal(0.06, 0.02, 90), RNG.normal(0, 0.02, 250)


def draw(ax, same=SAME, cross=CROSS, **params):
    return CorrelationHistogramDisplay.from_correlations(same, cross, ax=ax, **params)


def legend_of(ax):
    return [text.get_text() for text in ax.get_legend().get_texts()]


@pytest.mark.parametrize("density", [True, False])
def test_heights_are_those_of_common_bins(ax, density):
    display = draw(ax, bins=25, density=density)
    edges = np.linspace(min(CROSS.min(), SAME.min()), max(CROSS.max(), SAME.max()), 26)
    assert_allclose(display.edges_, edges)
    for patch, values in [(display.same_, SAME), (display.cross_, CROSS)]:
        heights = np.histogram(values, display.edges_, density=density)[0]
        assert_allclose(patch.get_data().values, heights)
        assert_array_equal(patch.get_data().edges, display.edges_)
    assert ax.get_ylabel() == ("density" if density else "number of correlations")


@pytest.mark.parametrize(("n", "n_bins"), [(3, 10), (100, 20), (9000, 50)])
def test_more_numbers_have_more_bins(ax, n, n_bins):
    display = draw(ax, np.linspace(0, 1, n), np.linspace(0, 1, n + 50))
    assert len(display.edges_) == n_bins + 1


@pytest.mark.parametrize(
    ("params", "title"),
    [
        ({}, ""),
        ({"auc": 0.99}, "AUC 0.990"),
        ({"d_prime": 3.291}, "d′ 3.29"),
        ({"auc": 0.998, "d_prime": 4.07}, "AUC 0.998, d′ 4.07"),
    ],
)
def test_legend_has_the_figures_that_are_known(ax, params, title):
    draw(ax, same_label="camera $", **params)
    assert legend_of(ax) == ["camera $ (n = 90)", "other source (n = 250)"]
    assert ax.get_legend().get_title().get_text() == title


def test_line_at_0_and_title(ax):
    display = draw(ax, name="a$b$")
    assert_array_equal(display.zero_line_.get_xdata(), [0, 0])
    assert ax.get_title() == "a$b$"
    assert display.ax_ is ax
    display.figure_.draw_without_rendering()


def test_what_is_missing_is_not_counted(ax):
    display = draw(ax, [0.1, np.nan, 0.2], [[0.0, np.inf], [np.nan, -0.1]], density=False)
    assert display.same_.get_data().values.sum() == 2
    assert display.cross_.get_data().values.sum() == 2
    assert legend_of(ax) == ["same source (n = 2)", "other source (n = 2)"]


def test_one_and_the_same_value(ax):
    display = draw(ax, [0.03], [0.03])
    assert display.edges_[0] < 0.03 < display.edges_[-1]
    assert np.isfinite(display.same_.get_data().values).all()


def test_bins_beside_the_values_have_no_height(ax):
    display = draw(ax, bins=[0.9, 1.0])
    assert_array_equal(display.cross_.get_data().values, [0])


def test_makes_its_own_axes(pyplot):
    display = CorrelationHistogramDisplay.from_correlations(SAME, CROSS)
    assert pyplot.get_fignums() == [display.figure_.number]


@pytest.mark.parametrize(
    ("same", "cross", "params", "words"),
    [
        ([], CROSS, {}, "same: .*at least one finite number"),
        (SAME, [np.nan], {}, "cross: .*at least one finite number"),
        (SAME, CROSS, {"bins": 0}, "bins"),
    ],
)
def test_wrong_input_leaves_no_figure(pyplot, same, cross, params, words):
    with pytest.raises(ValueError, match=words):
        CorrelationHistogramDisplay.from_correlations(same, cross, **params)
    assert pyplot.get_fignums() == []
