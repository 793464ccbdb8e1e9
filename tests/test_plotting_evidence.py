"""Pictures of likelihood ratios."""

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal

from sklearn_ganprint.evidence import cllr, cllr_min, misleading_rates
from sklearn_ganprint.plotting import ECEDisplay, PAVDisplay, TippettDisplay

DISPLAYS = [TippettDisplay, PAVDisplay, ECEDisplay]
every_display = pytest.mark.parametrize("cls", DISPLAYS)


def draw(n_first=20, n_other=50, seed=0):
    rng = np.random.default_rng(seed)
    y = np.repeat([True, False], [n_first, n_other])
    return rng.normal(size=len(y)).round(1) + np.where(y, 1, -1), y


def at(line, x):
    """Height of a line of steps at a place."""
    places, heights = line.get_data()
    return heights[np.searchsorted(places, x, side="right") - 1]


def test_tippett_plot_has_the_share_above_each_value(ax):
    log10_lrs, y = draw()
    display = TippettDisplay.from_likelihood_ratios(log10_lrs, y, ax=ax)
    for line, own in ((display.first_line_, log10_lrs[y]), (display.other_line_, log10_lrs[~y])):
        for value in (-3, -0.5, 0, 0.35, 1.2, 4):
            assert at(line, value) == pytest.approx(np.mean(own > value))
        assert line.get_drawstyle() == "steps-post"
    assert at(display.other_line_, 0) == pytest.approx(misleading_rates(log10_lrs, y)[1])
    assert_array_equal(display.neutral_line_.get_xdata(), [0, 0])
    assert ax.get_xlim()[0] < log10_lrs.min() and ax.get_xlim()[1] > log10_lrs.max()


def test_pav_plot_has_points_of_pooled_likelihood_ratios(ax):
    log10_lrs, y = np.array([-2, -1, 0, 1, 2, 3.0]), np.array([0, 0, 1, 0, 1, 1])
    display = PAVDisplay.from_likelihood_ratios(log10_lrs, y, ax=ax)
    pooled = np.log10((1 / 3) / (1 / 3))  # one of three for either proposition, at 0 and 1
    assert_allclose(display.first_points_.get_xydata(), [[0, pooled]], atol=1e-9)
    assert_allclose(display.other_points_.get_xydata(), [[1, pooled]], atol=1e-9)
    bottom, top = ax.get_ylim()
    for arrows, expected in ((display.above_points_, [2, 3]), (display.below_points_, [-2, -1])):
        assert_array_equal(arrows.get_xdata(), expected)
        assert ((bottom < arrows.get_ydata()) & (arrows.get_ydata() < top)).all()
    assert display.above_points_.get_ydata().min() > 3 > -2 > display.below_points_.get_ydata()[0]


def test_cross_entropy_equals_the_definition_and_lir(ax):
    log10_lrs, y = draw()
    display = ECEDisplay.from_likelihood_ratios(log10_lrs, y, ax=ax)
    lrs, priors = 10**log10_lrs, 1 / (1 + 10**-display.log10_prior_odds)
    for prior, found in zip(priors, display.ece, strict=True):
        believed = prior * lrs / (prior * lrs + 1 - prior)
        missed, alarmed = -np.log2(believed[y]).mean(), -np.log2(1 - believed[~y]).mean()
        assert found == pytest.approx(prior * missed + (1 - prior) * alarmed)
    neutral = -priors * np.log2(priors) - (1 - priors) * np.log2(1 - priors)
    assert_allclose(display.ece_neutral, neutral)
    even = np.flatnonzero(np.isclose(display.log10_prior_odds, 0))[0]
    assert display.ece[even] == pytest.approx(cllr(log10_lrs, y))
    assert display.ece_min[even] == pytest.approx(cllr_min(log10_lrs, y))
    assert (display.ece_min <= np.minimum(display.ece, neutral) + 1e-9).all()
    lines = display.line_, display.min_line_, display.neutral_line_
    for line, curve in zip(lines, (display.ece, display.ece_min, neutral), strict=True):
        assert_allclose(line.get_xydata(), np.transpose([display.log10_prior_odds, curve]))
    lir = pytest.importorskip("lir.plotting.expected_calibration_error")
    assert_allclose(display.ece, lir.calculate_ece(lrs, y.astype(int), priors), atol=1e-6)


@every_display
def test_names_are_no_formulas(cls, ax):
    display = cls.from_likelihood_ratios(*draw(), name="$a$ <b>", ax=ax)
    assert (ax.get_title(), display.ax_, display.figure_) == ("$a$ <b>", ax, ax.figure)
    assert display.plot(ax, name="new").ax_.get_title() == "new"
    display.figure_.draw_without_rendering()


@pytest.mark.parametrize(
    ("log10_lrs", "y"),
    [
        ([1, -1], [1, 0]),
        ([0, 0, 0], [1, 0, 0]),
        ([np.inf, 1, -np.inf], [1, 0, 0]),
        ([-np.inf, np.inf, np.inf], [True, False, True]),
        ([80.0, 75, -90], ["yes", "yes", "no"]),
    ],
)
@every_display
def test_few_and_infinite_likelihood_ratios_are_drawn(cls, log10_lrs, y, pyplot):
    display = cls.from_likelihood_ratios(log10_lrs, y)
    display.figure_.draw_without_rendering()
    assert np.isfinite([*display.ax_.get_xlim(), *display.ax_.get_ylim()]).all()
    assert len(display.ax_.get_legend().get_texts()) == (3 if cls is ECEDisplay else 2)


@every_display
def test_what_is_no_likelihood_ratio_is_refused(cls):
    with pytest.raises(ValueError, match="log10_lrs: expected numbers, got NaN"):
        cls.from_likelihood_ratios([np.nan, 1], [0, 1])
    with pytest.raises(ValueError, match="y: expected two labels"):
        cls.from_likelihood_ratios([0, 1], [1, 1])
