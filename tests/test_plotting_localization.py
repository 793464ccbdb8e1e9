"""Pictures of where the trace of the claimed source is missing."""

import pickle

import numpy as np
import pytest
from numpy.testing import assert_array_equal
from sklearn.pipeline import make_pipeline

from sklearn_ganprint import FingerprintLocalizer, ResidualTransformer
from sklearn_ganprint.localization import localize_images
from sklearn_ganprint.plotting import LocalizationDisplay

VALUES = np.full((20, 30), -3.0)
VALUES[4:10, 5:15] = 6
VALUES[15:, 20:] = np.nan
IMAGE = np.add.outer(np.arange(20), np.arange(30))[..., np.newaxis].repeat(3, axis=2)


def draw(ax, **params):
    return LocalizationDisplay.from_map(VALUES, ax=ax, **params)


def test_shows_the_map_over_the_image_with_symmetric_colours(ax):
    display = draw(ax, image=IMAGE.astype(np.uint8), claimed="a $", name="b $")
    assert_array_equal(display.im_.get_array().filled(np.nan), VALUES)
    assert display.im_.get_clim() == (-6, 6)
    assert display.im_.get_alpha() == 0.5
    assert display.image_.get_array().min() == 0.25
    assert display.image_.get_array().max() == 1
    assert display.colorbar_.ax.get_ylabel() == "evidence against a $"
    assert (ax.get_title(), display.ax_, display.figure_) == ("b $", ax, ax.figure)
    display.figure_.draw_without_rendering()
    pickle.dumps(display.figure_)


def test_without_an_image_the_map_is_opaque(ax):
    display = draw(ax, colorbar=False)
    assert display.image_ is None
    assert display.colorbar_ is None
    assert display.im_.get_alpha() == 1


def test_what_is_missing_is_hatched_and_regions_are_outlined(ax):
    display = draw(ax, mask=VALUES > 0)
    (outline,) = display.outline_.get_paths()
    box = outline.get_extents()
    assert (box.x0, box.y0, box.x1, box.y1) == (4.5, 3.5, 14.5, 9.5)
    missing = display.missing_.get_paths()[0].get_extents()
    assert (missing.x0, missing.y0) == (19.5, 14.5)
    assert display.missing_.hatches == ["xxx"]
    plain = LocalizationDisplay.from_map(np.ones((4, 4)), mask=np.zeros((4, 4)), ax=ax)
    assert (plain.missing_, plain.outline_) == (None, None)


@pytest.mark.parametrize("shape", [(1, 7), (6, 1)])
def test_a_line_has_regions_too(ax, shape):
    display = LocalizationDisplay.from_map(np.ones(shape), mask=np.ones(shape), ax=ax)
    assert display.outline_ is not None
    display.figure_.draw_without_rendering()


def test_draws_what_a_pipeline_finds(ax, make_images):
    X, y = make_images(n_per_class=10)
    residual = ResidualTransformer("gaussian", channels="rgb", flatten=False)
    pipeline = make_pipeline(residual, FingerprintLocalizer()).fit(X, y)
    display = LocalizationDisplay.from_estimator(pipeline, X[0, :24], "b", ax=ax, name="one")
    expected = localize_images(pipeline, X[:1, :24], "b")
    assert_array_equal(display.values, expected.maps[0])
    assert_array_equal(display.mask, expected.masks[0])
    assert display.claimed == "b"


@pytest.mark.parametrize(
    ("params", "message"),
    [
        ({"percentile": 0}, "percentile"),
        ({"scale": -1}, "scale: expected None"),
        ({"alpha": 2}, "alpha: expected a number"),
        ({"image": IMAGE[:-1]}, r"image: expected the size of the map, \(20, 30\)"),
        ({"mask": np.ones((3, 3))}, "mask: expected the size of the map"),
        ({"image": np.ones((2, 20, 30, 3))}, "image: expected one image"),
    ],
)
def test_what_does_not_fit_is_refused(ax, params, message):
    with pytest.raises(ValueError, match=message):
        draw(ax, **params)
    with pytest.raises(ValueError, match="values: expected shape"):
        LocalizationDisplay.from_map(np.ones(3), ax=ax)


def test_makes_a_figure_of_its_own(pyplot):
    display = LocalizationDisplay.from_map(VALUES)
    assert pyplot.fignum_exists(display.figure_.number)
