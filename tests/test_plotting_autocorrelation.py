"""Pictures of autocorrelations."""

import numpy as np
import pytest
from numpy.testing import assert_array_equal

from sklearn_ganprint.plotting import AutocorrelationDisplay

RNG = np.random.default_rng(0)


def autocorrelation(height=20, width=31):
    values = RNG.uniform(-0.1, 0.1, size=(height, width))
    values[height // 2, width // 2] = 1
    return values


def lags_of_pixel(im, row, column):
    """Where the middle of a pixel lies on the axes: (vertical, horizontal)."""
    left, right, bottom, top = im.get_extent()
    height, width = im.get_array().shape
    return (
        top + (row + 0.5) * (bottom - top) / height,
        left + (column + 0.5) * (right - left) / width,
    )


@pytest.mark.parametrize(("height", "width"), [(20, 31), (31, 20), (1, 8)])
def test_lag_0_is_at_0(ax, height, width):
    values = autocorrelation(height, width)
    display = AutocorrelationDisplay.from_autocorrelation(values, "$name", ax=ax)
    assert_array_equal(display.im_.get_array(), values)
    assert lags_of_pixel(display.im_, height // 2, width // 2) == (0, 0)
    assert lags_of_pixel(display.im_, 0, 0) == (-(height // 2), -(width // 2))
    assert ax.get_title() == "$name"
    assert display.ax_ is ax
    assert display.figure_ is ax.figure


def test_scale_leaves_lag_0_out(ax):
    values = autocorrelation()
    display = AutocorrelationDisplay.from_autocorrelation(values, ax=ax, percentile=90)
    beyond = [abs(value) for (i, j), value in np.ndenumerate(values) if (i, j) != (10, 15)]
    assert display.scale_ == np.percentile(beyond, 90) < 0.1
    assert display.im_.get_clim() == (-display.scale_, display.scale_)


@pytest.mark.parametrize(("max_lag", "shape"), [(3, (7, 7)), (12, (20, 25)), (99, (20, 31))])
def test_crop_keeps_lag_0_at_0(ax, max_lag, shape):
    values = autocorrelation()
    display = AutocorrelationDisplay.from_autocorrelation(values, ax=ax, max_lag=max_lag)
    shown = display.im_.get_array()
    assert shown.shape == shape
    (peak,) = np.argwhere(np.equal(shown, 1))
    assert lags_of_pixel(display.im_, *peak) == (0, 0)


def test_crop_has_a_scale_of_its_own(ax):
    values = autocorrelation()
    values[0, 0] = 0.8
    whole = AutocorrelationDisplay.from_autocorrelation(values, ax=ax, percentile=100)
    assert whole.scale_ == 0.8
    assert whole.plot(ax, max_lag=5, percentile=100).scale_ < 0.1


@pytest.mark.parametrize(
    ("period", "down", "right"),
    [
        (4, [-8, -4, 4, 8], [-8, -4, 4, 8]),
        ((9, 5.5), [-9, 9], [-5.5, 5.5]),
        ((None, 8), [], [-8, 8]),
    ],
)
def test_marks_at_multiples_of_the_period(ax, period, down, right):
    display = AutocorrelationDisplay.from_autocorrelation(
        autocorrelation(40, 40), ax=ax, max_lag=10, period=period
    )
    marks = {tuple(mark) for mark in display.marks_.get_offsets()}
    assert marks == {(0, lag) for lag in down} | {(lag, 0) for lag in right}


@pytest.mark.parametrize("period", [None, (None, None)])
def test_without_a_period_there_are_no_marks(ax, period):
    display = AutocorrelationDisplay.from_autocorrelation(np.eye(5), ax=ax, period=period)
    assert display.marks_ is None


@pytest.mark.parametrize(("colorbar", "n_axes"), [(True, 2), (False, 1)])
def test_colour_bar_can_be_left_out(ax, colorbar, n_axes):
    display = AutocorrelationDisplay.from_autocorrelation(np.eye(5), ax=ax, colorbar=colorbar)
    assert len(display.figure_.axes) == n_axes


def test_peak_alone_has_a_scale(ax):
    display = AutocorrelationDisplay.from_autocorrelation([[1.0]], ax=ax)
    assert display.im_.get_clim() == (-1, 1)


def test_makes_its_own_axes(pyplot):
    display = AutocorrelationDisplay.from_autocorrelation(np.eye(5))
    assert pyplot.get_fignums() == [display.figure_.number]


@pytest.mark.parametrize(
    ("values", "params", "words"),
    [
        (np.ones((4, 4, 3)), {}, r"got \(4, 4, 3\).*one by one"),
        (np.ones((0, 4)), {}, r"got \(0, 4\)"),
        (np.eye(4), {"max_lag": 0}, "max_lag: .* 0"),
        (np.eye(4), {"period": 0}, "period: .* 0"),
        (np.eye(4), {"period": (1, 2, 3)}, r"period: .*\(1, 2, 3\)"),
        (np.eye(4), {"percentile": 101}, "percentile: .* 101"),
    ],
)
def test_wrong_input_leaves_no_figure(pyplot, values, params, words):
    with pytest.raises(ValueError, match=words):
        AutocorrelationDisplay.from_autocorrelation(values, **params)
    assert pyplot.get_fignums() == []
