"""Rows of fingerprints."""

import numpy as np
import pytest
from matplotlib.figure import Figure
from numpy.testing import assert_allclose, assert_array_equal

from sklearn_ganprint.plotting import FingerprintDisplay, FingerprintSeriesDisplay

RNG = np.random.default_rng(0)
N_IMAGES = [2, 8, 32]
FINGERPRINTS = [RNG.normal(scale=n**-0.5, size=(12, 16, 3)) for n in N_IMAGES]
WEIGHTS = [0.299, 0.587, 0.114]


@pytest.fixture
def axes():
    return Figure().subplots(1, 3)


def draw(axes, **params):
    return FingerprintDisplay.from_series(FINGERPRINTS, N_IMAGES, "$camera", axes=axes, **params)


def test_shows_each_on_a_scale_of_its_own(axes):
    displays = draw(axes, percentile=100)
    for display, ax, fingerprint, n in zip(displays, axes, FINGERPRINTS, N_IMAGES, strict=True):
        assert_allclose(display.im_.get_array(), fingerprint @ WEIGHTS)
        scale = np.abs(fingerprint @ WEIGHTS).max()
        assert_allclose(display.im_.get_clim(), (-scale, scale))
        assert ax.get_title() == f"N = {n}"
        assert ax.get_xlabel() == f"±{scale:.2g} grey levels"
        assert display.colorbar_ is None
        assert display.ax_ is ax
        assert display.figure_ is ax.figure


def test_common_scale_is_the_percentile_of_all_values(axes):
    displays = draw(axes, scale="common", percentile=99)
    pooled = np.abs([fingerprint @ WEIGHTS for fingerprint in FINGERPRINTS])
    assert_allclose([display.scale_ for display in displays], [np.percentile(pooled, 99)] * 3)
    (bar,) = {display.colorbar_ for display in displays}
    assert bar.ax.get_ylabel() == "grey levels"
    assert [ax.get_xlabel() for ax in axes] == ["", "", ""]


@pytest.mark.parametrize(
    "params", [{"scale": 0.5, "colorbar": False}, {"scale": 0.5, "channels": "rgb"}]
)
def test_without_colour_bar_the_scale_is_written(axes, params):
    displays = draw(axes, **params)
    assert [display.scale_ for display in displays] == [0.5] * 3
    assert displays[0].colorbar_ is None
    assert axes[2].get_xlabel() == "±0.5 grey levels"


def test_name_stands_before_the_row_as_it_is(axes):
    draw(axes)
    assert [ax.get_ylabel() for ax in axes] == ["$camera", "", ""]
    axes[0].figure.draw_without_rendering()


@pytest.mark.parametrize("n", [1, 3])
def test_makes_a_figure_with_a_row(pyplot, n):
    displays = FingerprintDisplay.from_series(FINGERPRINTS[:n], N_IMAGES[:n])
    assert len({display.ax_ for display in displays}) == n
    assert pyplot.get_fignums() == [displays[0].figure_.number]


def test_the_former_class_warns_and_draws_the_same(axes):
    with pytest.warns(FutureWarning, match="from_series") as warned:
        display = FingerprintSeriesDisplay.from_fingerprints(
            FINGERPRINTS, N_IMAGES, "gan", axes=axes, scale="common"
        )
    with pytest.warns(FutureWarning, match="from_series") as of_class:
        FingerprintSeriesDisplay(FINGERPRINTS, N_IMAGES)
    assert [found.filename for found in (*warned, *of_class)] == [__file__, __file__]
    others = draw(Figure().subplots(1, 3), scale="common")
    assert_array_equal(display.axes_, axes)
    assert display.figure_ is axes[0].figure
    assert display.scales_ == [other.scale_ for other in others]
    for shown, other in zip(display.displays_, others, strict=True):
        assert_array_equal(shown.im_.get_array(), other.im_.get_array())
    assert display.colorbar_.ax.get_ylabel() == "grey levels"
    assert display.plot(axes, name="a $ and a $") is display
    assert [ax.get_ylabel() for ax in axes] == ["a $ and a $", "", ""]


@pytest.mark.parametrize(
    ("fingerprints", "n_images", "params", "words"),
    [
        ([], [], {}, "at least one fingerprint"),
        (FINGERPRINTS, [2, 8], {}, "3 fingerprints and 2 n_images"),
        ([np.eye(4), np.ones(4)], [2, 8], {}, r"fingerprints\[1\]: .*\(4,\)"),
        (FINGERPRINTS, N_IMAGES, {"scale": "own"}, "scale: .*'own'"),
        (FINGERPRINTS, N_IMAGES, {"scale": -1}, "scale: .*-1"),
        (FINGERPRINTS, N_IMAGES, {"scale": "common", "percentile": 0}, "percentile: .* 0"),
        (FINGERPRINTS, N_IMAGES, {"channels": "red"}, "channels: .*'red'"),
        (FINGERPRINTS, N_IMAGES, {"axes": Figure().subplots(1, 2)}, "axes: expected 3.*got 2"),
    ],
)
def test_wrong_input_leaves_no_figure(pyplot, fingerprints, n_images, params, words):
    with pytest.raises(ValueError, match=words):
        FingerprintDisplay.from_series(fingerprints, n_images, **params)
    assert pyplot.get_fignums() == []
