"""Pictures of fingerprints."""

import numpy as np
import pytest
from matplotlib.figure import Figure
from numpy.testing import assert_allclose, assert_array_equal
from PIL import Image
from sklearn.exceptions import NotFittedError
from sklearn.pipeline import make_pipeline

from sklearn_ganprint import FileBatchClassifier, FingerprintClassifier, ResidualTransformer
from sklearn_ganprint.plotting import FingerprintDisplay

RNG = np.random.default_rng(0)
IMAGES = RNG.integers(0, 256, (8, 12, 16, 3), dtype=np.uint8)
SOURCES = np.repeat(["camera", "gan"], 4)


def fitted_pipeline(channels):
    pipeline = make_pipeline(
        ResidualTransformer("gaussian", channels=channels), FingerprintClassifier()
    )
    return pipeline.fit(IMAGES, SOURCES)


def test_shows_the_fingerprint_with_symmetric_colours(ax):
    fingerprint = RNG.normal(size=(20, 30))
    fingerprint[0, 0] = 100  # must not make the rest pale
    display = FingerprintDisplay.from_fingerprint(fingerprint, "camera", ax=ax)
    assert_array_equal(display.im_.get_array(), fingerprint)
    scale = np.percentile(np.abs(fingerprint), 99.5)
    assert display.im_.get_clim() == (-scale, scale)
    assert display.scale_ == scale < 10
    assert display.ax_ is ax
    assert display.figure_ is ax.figure
    assert ax.get_title() == "camera"


@pytest.mark.parametrize(("colorbar", "labels"), [(True, ["grey levels"]), (False, [])])
def test_colour_bar_tells_the_unit(ax, colorbar, labels):
    display = FingerprintDisplay.from_fingerprint(np.eye(4), ax=ax, colorbar=colorbar)
    assert [each.get_ylabel() for each in display.figure_.axes[1:]] == labels


def test_percentile_sets_where_colours_end(ax):
    fingerprint = np.arange(-50, 50).reshape(10, 10)
    display = FingerprintDisplay.from_fingerprint(fingerprint, ax=ax, percentile=100)
    assert display.im_.get_clim() == (-50, 50)


def test_colour_is_shown_as_luminance(ax):
    fingerprint = RNG.normal(size=(5, 6, 3))
    display = FingerprintDisplay.from_fingerprint(fingerprint, ax=ax)
    weighted = (fingerprint * [0.299, 0.587, 0.114]).sum(axis=2)
    assert_allclose(display.im_.get_array(), weighted)


def test_rgb_is_amplified_around_grey_without_colour_bar(ax):
    fingerprint = RNG.normal(size=(40, 50, 3))
    display = FingerprintDisplay.from_fingerprint(fingerprint, ax=ax, channels="rgb")
    shown = np.asarray(display.im_.get_array())
    assert_allclose(shown, np.clip(fingerprint / (2 * display.scale_) + 0.5, 0, 1))
    assert {shown.min(), shown.max()} == {0, 1}  # clipped, but for the percentile
    assert display.figure_.axes == [ax]
    assert f"{display.scale_:.2g} grey levels" in ax.get_xlabel()


def test_zero_fingerprint_has_a_scale(ax):
    display = FingerprintDisplay.from_fingerprint(np.zeros((4, 4)), ax=ax)
    assert display.im_.get_clim() == (-1, 1)


def test_drawn_again_in_another_way(ax):
    display = FingerprintDisplay.from_fingerprint(np.eye(4), "gan", ax=ax)
    other = Figure().subplots()
    assert display.plot(other, name="$other_", cmap="gray") is display
    assert display.ax_ is other
    assert other.get_title() == "$other_"
    assert display.im_.get_cmap().name == "gray"
    display.figure_.draw_without_rendering()  # the dollar sign of a folder's name begins no formula


def test_makes_its_own_axes(pyplot):
    display = FingerprintDisplay.from_fingerprint(np.eye(4))
    assert display.figure_.number in pyplot.get_fignums()
    assert display.ax_.get_title() == ""


def test_scale_can_be_given(ax):
    display = FingerprintDisplay.from_fingerprint(np.eye(4), ax=ax, scale=3)
    assert display.im_.get_clim() == (-3, 3)


def test_missing_values_are_grey_and_leave_the_scale_alone(ax):
    fingerprint = np.arange(1.0, 17.0).reshape(4, 4)
    fingerprint[0, 0] = np.nan
    display = FingerprintDisplay.from_fingerprint(fingerprint, ax=ax, percentile=100)
    assert display.scale_ == 16
    assert ax.get_facecolor() == (0.75, 0.75, 0.75, 1)
    assert_array_equal(np.ma.getmaskarray(display.im_.get_array()), np.isnan(fingerprint))


@pytest.mark.parametrize(("channels", "shape"), [("luminance", (12, 16, 1)), ("rgb", (12, 16, 3))])
def test_from_pipeline(ax, channels, shape):
    pipeline = fitted_pipeline(channels)
    display = FingerprintDisplay.from_estimator(pipeline, "gan", ax=ax)
    assert display.fingerprint.shape == shape
    assert_array_equal(display.fingerprint.ravel(), pipeline[-1].fingerprints_[1])
    assert ax.get_title() == "gan"


def test_from_file_classifier(ax, tmp_path):
    paths = [tmp_path / f"{index}.png" for index in range(len(IMAGES))]
    for path, image in zip(paths, IMAGES, strict=True):
        Image.fromarray(image).save(path)
    pipeline = fitted_pipeline("luminance")
    files = FileBatchClassifier(pipeline).fit(paths, SOURCES)
    display = FingerprintDisplay.from_estimator(files, "camera", ax=ax, name="mine")
    assert_allclose(display.fingerprint.ravel(), files.estimator_[-1].fingerprints_[0])
    assert ax.get_title() == "mine"


def test_from_classifier_fitted_on_images_or_rows(ax):
    residuals = RNG.normal(size=(8, 12, 16))
    by_images = FingerprintClassifier().fit(residuals, SOURCES)
    shown = FingerprintDisplay.from_estimator(by_images, "gan", ax=ax)
    assert shown.fingerprint.shape == (12, 16, 1)
    by_rows = FingerprintClassifier().fit(residuals.reshape(8, -1), SOURCES)
    shown = FingerprintDisplay.from_estimator(by_rows, "gan", ax=ax, image_shape=(16, 12))
    assert shown.fingerprint.shape == (16, 12, 1)


ROWS = FingerprintClassifier().fit(RNG.normal(size=(8, 192)), SOURCES)


@pytest.mark.parametrize(
    ("estimator", "label", "params", "error", "words"),
    [
        (ROWS, "gan", {}, ValueError, "Pass image_shape"),
        (ROWS, "gan", {"image_shape": (5, 5)}, ValueError, "192 values.*25 values"),
        (ROWS, "gna", {"image_shape": (12, 16)}, ValueError, r"\['camera', 'gan'\].*'gna'"),
        (FingerprintClassifier(), "gan", {}, NotFittedError, "not fitted"),
        (ResidualTransformer().fit(IMAGES), "gan", {}, TypeError, "got ResidualTransformer"),
    ],
)
def test_wrong_estimators_and_labels(estimator, label, params, error, words):
    with pytest.raises(error, match=words):
        FingerprintDisplay.from_estimator(estimator, label, **params)


@pytest.mark.parametrize(
    ("fingerprint", "params", "words"),
    [
        (np.ones(4), {}, r"got \(4,\)"),
        (np.ones((4, 4, 2)), {}, r"got \(4, 4, 2\)"),
        (np.ones((4, 4)), {"channels": "red"}, "channels: .*'red'"),
        (np.ones((4, 4)), {"percentile": 0}, "percentile: .* 0"),
        (np.ones((4, 4)), {"scale": 0}, "scale: .* 0"),
    ],
)
def test_wrong_fingerprints_and_parameters(fingerprint, params, words):
    with pytest.raises(ValueError, match=words):
        FingerprintDisplay.from_fingerprint(fingerprint, **params)
