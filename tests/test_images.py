import warnings

import numpy as np
import pytest
from PIL import Image
from sklearn.base import BaseEstimator, clone

from sklearn_ganprint import (
    FileBatchClassifier,
    FingerprintClassifier,
    FingerprintClustering,
    FingerprintDetector,
    FingerprintLocalizer,
    FusionClassifier,
    LocalVarianceNormalizer,
    OpenSetClassifier,
    PRNUClassifier,
    ResidualTransformer,
)

# Every estimator takes images as this mixin does, and none shows what it makes of them.
from sklearn_ganprint._images import ImageInputMixin, ImageTransformer
from sklearn_ganprint.datasets import load_samples
from sklearn_ganprint.denoisers import DENOISERS
from sklearn_ganprint.features import (
    AutocorrelationTransformer,
    PartialCorrelationTransformer,
    SpectralLineTransformer,
    SpectrumTransformer,
    TiledTransformer,
)


class Probe(ImageInputMixin, BaseEstimator):
    def __init__(self, image_shape=None):
        self.image_shape = image_shape

    def fit(self, X):
        self.images_ = self._validate_images(X, reset=True)
        return self

    def take(self, X):
        return self._validate_images(X, reset=False)


class Extremes(ImageTransformer):
    """Two features of images of any size."""

    _parameter_constraints = {}
    _takes_any_size = True

    def _transform_images(self, images):
        return np.stack([images.min(axis=(1, 2, 3)), images.max(axis=(1, 2, 3))], axis=1)

    def _output_shape(self, image_shape):
        return 1, 1, 2


def object_array(values):
    array = np.empty(len(values), dtype=object)
    array[:] = values
    return array


def ramp(*shape):
    return np.arange(np.prod(shape), dtype=np.float32).reshape(shape)


@pytest.mark.parametrize(
    ("X", "image_shape", "expected"),
    [
        (ramp(2, 4, 5), None, (2, 4, 5, 1)),
        (ramp(2, 4, 5, 3), None, (2, 4, 5, 3)),
        (ramp(2, 4, 5, 1), (4, 5), (2, 4, 5, 1)),
        (ramp(2, 20), (4, 5), (2, 4, 5, 1)),
        (ramp(2, 60), (4, 5, 3), (2, 4, 5, 3)),
        (list(ramp(2, 4, 5, 3)), None, (2, 4, 5, 3)),
        (ramp(2, 4, 5, 3).tolist(), None, (2, 4, 5, 3)),
    ],
)
def test_accepted_shapes_keep_their_pixels_in_order(X, image_shape, expected):
    images = Probe(image_shape).fit(X).images_
    assert images.shape == expected
    np.testing.assert_array_equal(images.ravel(), np.asarray(X).ravel())


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16, np.float32, np.float64])
def test_images_are_not_copied(dtype):
    X = ramp(2, 4, 5, 3).astype(dtype)
    assert np.shares_memory(Probe().fit(X).images_, X)


def test_rows_without_a_shape_are_lines_and_say_so():
    with pytest.warns(UserWarning, match="rows without image_shape"):
        images = Probe().fit(ramp(3, 7)).images_
    assert images.shape == (3, 1, 7, 1)


def test_height_and_width_are_not_exchanged_in_silence():
    probe = Probe().fit(ramp(2, 8, 16))
    with pytest.raises(ValueError, match=r"\(16, 8, 1\).*expecting images of shape \(8, 16, 1\)"):
        probe.take(ramp(2, 16, 8))


@pytest.mark.parametrize(
    ("X", "image_shape", "words"),
    [
        (ramp(2, 4, 5, 2), None, "1 or 3 channels in the last axis, got 2"),
        (ramp(2, 4, 5, 4), None, "1 or 3 channels in the last axis, got 4"),
        (ramp(2, 1, 4, 5, 3), None, r"array of shape \(2, 1, 4, 5, 3\)"),
        (ramp(2, 0, 5), None, "at least one pixel"),
        (ramp(2, 21), (4, 5), "do not hold images of image_shape"),
        (ramp(2, 20), (4, 5, 2), "C in {1, 3}"),
        (ramp(2, 20), (20,), "C in {1, 3}"),
        (ramp(2, 4, 5), (5, 4), r"expecting images of shape \(5, 4, 1\)"),
        ([ramp(4, 5), ramp(4, 6)], None, r"image 1 has shape \(4, 6\)"),
        (ramp(7), (7, 1), "Expected 2D array, got 1D array"),
    ],
)
def test_what_is_no_batch_of_images(X, image_shape, words):
    with pytest.raises(ValueError, match=words):
        Probe(image_shape).fit(X)


@pytest.mark.parametrize("make", [list, object_array])
def test_images_that_are_no_arrays_are_refused_by_what_they_are(make):
    images = [Image.new("P", (5, 4))] * 2 if make is list else list(ramp(2, 4, 5))
    with pytest.raises(TypeError, match=r"X: expected images as an array .* got a \w+ of \w+\."):
        Probe().fit(make(images))


def test_one_colour_image_without_a_batch_axis_is_suspected():
    with pytest.warns(UserWarning, match=r"pass X\[np.newaxis\]"):
        Probe().fit(ramp(9, 9, 3))


@pytest.mark.parametrize("value", [np.nan, np.inf])
@pytest.mark.parametrize("shape", [(2, 4, 5), (2, 4, 5, 3)])
def test_values_that_are_not_finite_are_refused(shape, value):
    X = ramp(*shape)
    X[1, 2, 3] = value
    with pytest.raises(ValueError, match=r"contains (NaN|infinity)"):
        Probe().fit(X)


def test_the_number_of_features_counts_all_values_of_an_image():
    assert Probe().fit(ramp(2, 4, 5, 3)).n_features_in_ == 60


RESIDUAL_TAKERS = {
    "fingerprint": FingerprintClassifier(),
    "prnu": PRNUClassifier(),
    "clustering": FingerprintClustering(2),
    "localizer": FingerprintLocalizer(window_size=8),
    "normalizer": LocalVarianceNormalizer(),
    "autocorrelation": AutocorrelationTransformer(1),
    "partial": PartialCorrelationTransformer(3),
    "spectrum": SpectrumTransformer(4),
    "lines": SpectralLineTransformer(4),
    "tiles": TiledTransformer(AutocorrelationTransformer(1), 16),
    "fusion": FusionClassifier([("first", FingerprintClassifier())]),
    "open-set": OpenSetClassifier(FingerprintClassifier(), false_alarm_rate=0.2),
    "detector": FingerprintDetector(source="a", false_alarm_rate=0.2, cv=2),
    "files": FileBatchClassifier(FingerprintClassifier(), batch_size=5),
}
LOOKS = {
    "8-bit": lambda X: X,
    "16-bit": lambda X: X.astype(np.uint16) * 257,
    "floats": lambda X: X.astype(float),
    "from 0 to 1": lambda X: X / 255,
    "not rounded": lambda X: X.astype(np.float32) * np.float32(0.9) + np.float32(0.05),
}


def warnings_of_images(estimator, X, y):
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        clone(estimator).fit(X, y)
    return [each for each in caught if "looks like images" in str(each.message)]


@pytest.mark.parametrize("name", RESIDUAL_TAKERS)
def test_images_in_place_of_residuals_are_warned_of(make_images, name):
    X, y = make_images(labels=("a", "b"))
    found = warnings_of_images(RESIDUAL_TAKERS[name], X, y)
    assert found and "Put a ResidualTransformer before it" in str(found[0].message)
    if name not in ("detector", "open-set"):  # which fit several times
        assert len(found) == 1


@pytest.mark.parametrize("as_rows", [True, False])
@pytest.mark.parametrize("look", LOOKS)
def test_images_of_all_kinds_and_their_rows_are_recognised(make_images, look, as_rows):
    X, y = make_images(labels=("a", "b"))
    X = LOOKS[look](X)
    X = X.reshape(len(X), -1) if as_rows else X
    assert len(warnings_of_images(FingerprintClassifier(), X, y)) == 1


@pytest.mark.parametrize("intensity", [True, False])
@pytest.mark.parametrize("channels", ["luminance", "rgb", "opponent"])
@pytest.mark.parametrize("denoiser", sorted(DENOISERS))
def test_residuals_are_not_taken_for_images(make_images, denoiser, channels, intensity):
    X, y = make_images(labels=("a", "b"), n_per_class=4)
    residual = ResidualTransformer(denoiser, channels=channels, intensity=intensity)
    assert not warnings_of_images(FingerprintClassifier(), residual.fit_transform(X), y)


@pytest.mark.parametrize("name", ["autocorrelation", "spectrum", "lines", "tiles", "normalizer"])
def test_features_are_not_taken_for_images(name):
    samples = load_samples()
    X, y = samples.data[::16], samples.target[::16]
    residual = ResidualTransformer("gaussian", channels="rgb", flatten=False)
    features = clone(RESIDUAL_TAKERS[name]).fit_transform(residual.fit_transform(X))
    assert not warnings_of_images(FingerprintClassifier(), features, y)


def test_values_that_are_all_alike_are_not_taken_for_images():
    X, y = np.full((8, 16, 16), 7.0), np.repeat(["a", "b"], 4)
    assert not warnings_of_images(FingerprintClassifier(), X, y)


@pytest.mark.parametrize("colours", [(), (3,)])
def test_images_of_several_sizes_give_rows_in_their_order(colours):
    sizes = [(9, 7), (4, 5), (7, 9), (4, 5), (9, 7)]
    images = [position + ramp(*size, *colours) for position, size in enumerate(sizes)]
    rows = Extremes().fit(ramp(2, 5, 5, *colours)).transform(images)
    np.testing.assert_array_equal(rows, [(image.min(), image.max()) for image in images])


def test_any_size_is_not_any_number_of_channels_or_row_length():
    fitted = Extremes().fit(ramp(2, 5, 5, 3))
    with pytest.raises(ValueError, match=r"shape \(6, 7, 1\).*expecting.*\(6, 7, 3\)"):
        fitted.transform(ramp(2, 6, 7))
    with pytest.raises(ValueError, match="74 features.*expecting 75"):
        fitted.transform(ramp(2, 74))


def test_several_sizes_are_refused_by_what_takes_one_size():
    with pytest.raises(ValueError, match="image 1 has shape"):
        Extremes().fit([ramp(5, 5), ramp(6, 5)])
    with pytest.raises(ValueError, match="image 1 has shape"):
        ResidualTransformer().transform([ramp(5, 5), ramp(6, 5)])
