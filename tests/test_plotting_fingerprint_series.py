"""Rows of fingerprints."""

import numpy as np
import pytest
from matplotlib.figure import Figure
from numpy.testing import assert_allclose, assert_array_equal

from sklearn_ganprint.plotting import FingerprintSeriesDisplay

RNG = np.random.default_rng(0)
N_IMAGES = [2, 8, 32]
FINGERPRINTS = [RNG.normal(scale=n**-0.5, size=(12, 16, 3)) for n in N_IMAGES]
WEIGHTS = [0.299, 0.587, 0.114]


@pytest.fixture
def axes():
    return Figure().subplots(1, 3)


def draw(axes, **params):
    return FingerprintSeriesDisplay.from_fingerprints(
        FINGERPRINTS, N_IMAGES, "$camera", axes=axes, **params
    )


def test_shows_each_on_a_scale_of_its_own(axes):
    display = draw(axes, percentile=100)
    for shown, ax, fingerprint, n in zip(
        display.displays_, axes, FINGERPRINTS, N_IMAGES, strict=True
    ):
        assert_allclose(shown.im_.get_array(), fingerprint @ WEIGHTS)
        scale = np.abs(fingerprint @ WEIGHTS).max()
        assert_allclose(shown.im_.get_clim(), (-scale, scale))
        assert ax.get_title() == f"N = {n}"
        assert ax.get_xlabel() == f"±{scale:.2g} grey levels"
    assert display.colorbar_ is None
    assert_array_equal(display.axes_, axes)
    assert display.figure_ is axes[0].figure


def test_common_scale_is_the_percentile_of_all_values(axes):
    display = draw(axes, scale="common", percentile=99)
    pooled = np.abs([fingerprint @ WEIGHTS for fingerprint in FINGERPRINTS])
    assert_allclose(display.scales_, [np.percentile(pooled, 99)] * 3)
    assert display.colorbar_.ax.get_ylabel() == "grey levels"
    assert [ax.get_xlabel() for ax in axes] == ["", "", ""]


@pytest.mark.parametrize(
    "params", [{"scale": 0.5, "colorbar": False}, {"scale": 0.5, "channels": "rgb"}]
)
def test_without_colour_bar_the_scale_is_written(axes, params):
    display = draw(axes, **params)
    assert display.scales_ == [0.5] * 3
    assert display.colorbar_ is None
    assert axes[2].get_xlabel() == "±0.5 grey levels"


def test_name_stands_before_the_row_as_it_is(axes):
    display = draw(axes)
    assert axes[0].get_ylabel() == "$camera"
    display.plot(axes, name="a $ and a $")
    assert [ax.get_ylabel() for ax in axes] == ["a $ and a $", "", ""]
    display.figure_.draw_without_rendering()


@pytest.mark.parametrize("n", [1, 3])
def test_makes_a_figure_with_a_row(pyplot, n):
    display = FingerprintSeriesDisplay.from_fingerprints(FINGERPRINTS[:n], N_IMAGES[:n])
    assert display.axes_.shape == (n,)
    assert pyplot.get_fignums() == [display.figure_.number]


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
        FingerprintSeriesDisplay.from_fingerprints(fingerprints, n_images, **params)
    assert pyplot.get_fignums() == []
