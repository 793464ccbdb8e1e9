"""Correlations of several residuals of images, against the transformers of residuals."""

import re

import numpy as np
import pytest
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from sklearn_ganprint import (
    FileBatchEstimator,
    FusionClassifier,
    OpenSetClassifier,
    PooledDiscriminantAnalysis,
    ResidualTransformer,
    load_model,
    save_model,
)
from sklearn_ganprint.datasets import load_samples
from sklearn_ganprint.denoisers import GaussianDenoiser, WaveletDenoiser
from sklearn_ganprint.features import (
    AutocorrelationTransformer,
    CorrelationTransformer,
    PartialCorrelationTransformer,
)

DEFAULT = {"wavelet": 8, WaveletDenoiser(sigma=2.0): 3, GaussianDenoiser(0.7): 3}
LOWEST = float(np.finfo(np.float32).min)
#: What leaves little to compute where the features themselves do not matter.
FEW = {"denoisers": ("gaussian", "wavelet"), "max_lag": (1, 2), "colour_lag": 1, "window": 3}


def by_name(transformer, images):
    """Rows of features by name."""
    rows = transformer.fit_transform(images)
    names = transformer.get_feature_names_out().tolist()
    assert len(set(names)) == len(names) == rows.shape[1]
    return dict(zip(names, rows.T, strict=True))


def fast(side):
    """The longest side, from 64 pixels on, without a prime factor above 11."""
    while side >= 64 and 2310**10 % side:
        side -= 1
    return side


def one_after_the_other(images, lags, colour_lag=3, window=5):
    """The same features of one residual after the other, by name."""
    found = {}
    height, width = map(fast, images.shape[1:3])
    for position, (denoiser, lag) in enumerate(lags.items()):
        residuals = {
            channels: ResidualTransformer(denoiser, channels=channels, flatten=False).fit_transform(
                images
            )[:, :height, :width]
            for channels in ("rgb", "ycbcr")
        }
        channels = residuals["rgb"]
        own = by_name(AutocorrelationTransformer(lag), channels)
        partial = by_name(PartialCorrelationTransformer(window), channels)
        if channels.shape[-1] == 3:
            features = by_name(AutocorrelationTransformer(colour_lag), residuals["ycbcr"])
            own |= {in_colours(name): values for name, values in features.items()}
        own |= {name if "_" in name else f"weight_{name}": v for name, v in partial.items()}
        found |= {f"residual{position}_{name}": values for name, values in own.items()}
    return found


def in_colours(name):
    """Name what three channels have as luminance and colour differences have it."""
    colour = {"r": "y", "g": "cb", "b": "cr"}
    if name.startswith("log_norm"):
        return f"log_norm[{colour[name[-2]]}]"
    first, second, lags = re.fullmatch(r"(\w)(\w)(\[.*)", name).groups()
    return colour[first] + colour[second] + lags


def check(found, expected, tolerance):
    assert list(found) == list(expected)
    for name, values in expected.items():
        np.testing.assert_allclose(found[name], values, atol=tolerance, err_msg=name)


@pytest.mark.parametrize("n_channels", [1, 3])
@pytest.mark.parametrize("shape", [(64, 64), (205, 177), (64, 269), (17, 61)], ids=str)
def test_features_are_those_of_the_transformers_of_residuals(make_images, shape, n_channels):
    images, _ = make_images(n_per_class=1, shape=(*shape, n_channels))
    expected = one_after_the_other(images.astype(float), DEFAULT)
    assert len(expected) == {1: 234, 3: 3087}[n_channels]
    check(by_name(CorrelationTransformer(), images.astype(float)), expected, 1e-9)
    # Rounding in single precision, which colour differences of little power suffer most from.
    check(by_name(CorrelationTransformer(), images), expected, 2e-3)


def test_photographs_and_generated_images_need_no_more_than_single_precision():
    images = load_samples().data[::40]
    found, exact = (by_name(CorrelationTransformer(), images.astype(t)) for t in (np.uint8, float))
    check(found, exact, 5e-4)
    check(exact, one_after_the_other(images.astype(float), DEFAULT), 1e-9)


def test_a_large_image_has_the_same_features(make_images):
    images, _ = make_images(n_per_class=1, labels=("a",), shape=(1024, 1024, 3))
    found = by_name(CorrelationTransformer(**FEW), images)
    check(found, one_after_the_other(images, {"gaussian": 1, "wavelet": 2}, 1, 3), 1e-4)


@pytest.mark.parametrize(
    ("dtype", "scale"), [(np.uint16, 257), (np.float32, 1 / 255), (np.float64, 1.0)], ids=str
)
def test_white_may_be_any_value(make_images, dtype, scale):
    images, _ = make_images(n_per_class=1)
    transformer = CorrelationTransformer(**FEW, data_range=255 * scale)
    scaled = (images.astype(float) * scale).round(9).astype(dtype)
    expected = by_name(CorrelationTransformer(**FEW), images)
    rows = transformer.fit_transform(scaled)
    assert rows.dtype == (np.float64 if dtype == np.float64 else np.float32)
    check(by_name(transformer, scaled), expected, 1e-3)


def test_parts_can_be_left_out(make_images):
    images, _ = make_images(n_per_class=1)
    whole = by_name(CorrelationTransformer(**FEW), images)
    for parameter, off, pattern in [
        ("colour_lag", None, r"_(y|cb|cr)+\[|\[(y|cb|cr)\]"),
        ("window", 0, "weight|log_error"),
        ("window", None, "weight|log_error"),
        ("log_norm", False, "log_norm"),
    ]:
        rest = {name: v for name, v in whole.items() if not re.search(pattern, name)}
        assert 0 < len(rest) < len(whole)
        check(by_name(CorrelationTransformer(**{**FEW, parameter: off}), images), rest, 1e-6)


def test_one_lag_serves_all_residuals(make_images):
    images, _ = make_images(n_per_class=1)
    denoisers = ["median", lambda planes: planes / 2]
    one, each = (CorrelationTransformer(denoisers, max_lag=lag) for lag in (2, [2, 2]))
    check(by_name(one, images), by_name(each, images), 0)


def test_images_of_another_size_are_taken_after_the_fit(make_images):
    fitted, _ = make_images(n_per_class=2)
    others, _ = make_images(n_per_class=1, shape=(20, 27, 3))
    transformer = CorrelationTransformer(**FEW).fit(fitted)
    expected = CorrelationTransformer(**FEW).fit(others).transform(others)
    np.testing.assert_array_equal(transformer.transform(others), expected)
    assert transformer.image_shape_ == (32, 32, 3)
    assert not transformer.lacks_residual(others).any()
    with pytest.raises(ValueError, match=r"shape \(20, 27, 1\).*is expecting"):
        transformer.transform(others[..., 0])
    with pytest.raises(ValueError, match="NaN"):
        transformer.transform(np.full((1, 20, 20, 3), np.nan))
    with pytest.raises(ValueError, match="3072 features"):
        transformer.transform(others.reshape(len(others), -1))


def test_rows_with_a_shape_are_images(make_images):
    images, _ = make_images(n_per_class=1)
    rows = images.reshape(len(images), -1)
    shaped = CorrelationTransformer(**FEW, image_shape=(32, 32, 3)).fit(rows)
    expected = CorrelationTransformer(**FEW).fit_transform(images)
    np.testing.assert_array_equal(shaped.transform(rows), expected)


@pytest.mark.parametrize("n_jobs", [2, -1])
def test_threads_change_nothing(make_images, n_jobs):
    images, _ = make_images(n_per_class=4, shape=(160, 160, 3))
    transformer = CorrelationTransformer(**FEW)
    expected = transformer.fit_transform(images)
    transformer.set_params(n_jobs=n_jobs)
    np.testing.assert_array_equal(transformer.fit_transform(images), expected)


def test_a_batch_is_as_its_images(make_images):
    images, _ = make_images(n_per_class=14)  # more than go together
    transformer = CorrelationTransformer(**FEW)
    singly = [transformer.transform(images[n : n + 1]) for n in range(len(images))]
    np.testing.assert_allclose(transformer.transform(images), np.concatenate(singly), atol=1e-4)


@pytest.mark.parametrize("value", [0, 100, 255])
@pytest.mark.parametrize("n_channels", [1, 3])
def test_images_without_residual_have_constant_features(make_images, value, n_channels):
    shape = (32, 32, n_channels)
    images = np.concatenate([make_images(n_per_class=1, shape=shape)[0], np.full((2, *shape), 0)])
    images[3:] = value
    transformer = CorrelationTransformer(**FEW)
    with pytest.warns(UserWarning, match="2 of 5 images have no residual.*positions: 3, 4"):
        transformer.fit(images)
    np.testing.assert_array_equal(transformer.lacks_residual(images), [0, 0, 0, 1, 1])
    for name, values in zip(
        transformer.get_feature_names_out(), transformer.transform(images)[3:].T, strict=True
    ):
        np.testing.assert_allclose(values, np.log(1e-3) if "log" in name else 0, err_msg=name)


def test_a_class_of_images_without_residual_is_refused(make_images):
    images, y = make_images(n_per_class=2)
    images[y == "b"] = 255
    with pytest.raises(ValueError, match=r"No image of \['b'\] has a residual"):
        CorrelationTransformer(**FEW).fit(images, y)


@pytest.mark.parametrize("dtype", [np.uint8, np.float32, np.float64])
def test_grey_images_in_colour_have_no_colour_differences(make_images, dtype):
    grey, _ = make_images(n_per_class=1, shape=(64, 64, 1))
    found = by_name(CorrelationTransformer(), np.repeat(grey, 3, axis=-1).astype(dtype))
    assert np.isfinite(list(found.values())).all()
    for name, values in found.items():
        if re.search(r"_(cb|cr|y)(cb|cr)\[", name):
            np.testing.assert_array_equal(values, 0, err_msg=name)
        elif re.search(r"log_norm\[c", name):
            np.testing.assert_allclose(values, np.log(1e-3), rtol=1e-6)


@pytest.mark.parametrize("members", [False, True])
def test_pipelines_call_images_without_residual_unknown(make_images, members):
    images, y = make_images(n_per_class=10)
    pipeline = make_pipeline(
        CorrelationTransformer(**FEW), StandardScaler(), PooledDiscriminantAnalysis()
    )
    if members:
        pipeline = FusionClassifier([("correlations", pipeline)], cv=3)
    model = OpenSetClassifier(pipeline, false_alarm_rate=0.2, cv=3).fit(images, y)
    blank = np.full((1, 32, 32, 3), 200, np.uint8)
    assert model.predict(blank).tolist() == ["unknown"]
    np.testing.assert_array_equal(model.typicality_scores(blank), LOWEST)
    assert (model.typicality_scores(images[:2]) > LOWEST).all()


@pytest.mark.parametrize(
    ("params", "shape", "words"),
    [
        ({}, (16, 40, 3), "16 x 40 pixels are too small for max_lag=.8, 3, 3.,.* take 17 x 17"),
        ({}, (40, 16), "40 x 16 pixels are too small"),
        ({"max_lag": 0, "colour_lag": 0}, (4, 9, 3), "which take 5 x 5"),
        ({"max_lag": 1, "colour_lag": 6}, (9, 9, 3), "which take 13 x 13"),
        ({"max_lag": (1, 2)}, (32, 32), r"one for each of the 3 denoisers, got \(1, 2\)"),
        ({"max_lag": (1, 2, -1)}, (32, 32), "integers from 0"),
        ({"max_lag": (1, 2, 1.5)}, (32, 32), "integers from 0"),
        ({"max_lag": -1}, (32, 32), "'max_lag' parameter"),
        ({"max_lag": ()}, (32, 32), "one for each of the 3 denoisers"),
        ({"denoisers": ()}, (32, 32), "denoisers must be one or more"),
        ({"denoisers": "wavelet"}, (32, 32), "'denoisers' parameter"),
        ({"denoisers": ["mean"], "max_lag": 1}, (32, 32), "denoiser must be one of"),
        (
            {"denoisers": ["wavelet", WaveletDenoiser(sigma=-2.0)], "max_lag": 1},
            (32, 32),
            "'sigma' parameter of WaveletDenoiser",
        ),
        ({"window": 4}, (32, 32), "window must be odd"),
        ({"window": -1}, (32, 32), "'window' parameter"),
        ({"colour_lag": -1}, (32, 32), "'colour_lag' parameter"),
        ({"ridge": 0}, (32, 32), "'ridge' parameter"),
        ({"data_range": 0}, (32, 32), "'data_range' parameter"),
    ],
    ids=str,
)
def test_what_cannot_be_is_refused(params, shape, words):
    images = np.random.default_rng(0).integers(0, 256, (2, *shape), dtype=np.uint8)
    with pytest.raises(ValueError, match=words):
        CorrelationTransformer(**params).fit_transform(images)


def test_grey_images_need_no_room_for_colours():
    images = np.random.default_rng(0).integers(0, 256, (2, 5, 5), dtype=np.uint8)
    transformer = CorrelationTransformer(max_lag=2, colour_lag=9)
    assert transformer.fit_transform(images).shape == (2, 3 * (12 + 1 + 12 + 1))


def test_values_that_do_not_fit_are_warned_of(make_images):
    images, _ = make_images(n_per_class=1)
    with pytest.warns(UserWarning, match=r"set data_range=1\.0"):
        CorrelationTransformer(**FEW).fit(images / 255)


def test_features_of_files_are_those_of_images(image_folder, make_images):
    _, files, _ = image_folder(n_per_class=3)
    model = FileBatchEstimator(CorrelationTransformer(**FEW), batch_size=5).fit(files)
    expected = CorrelationTransformer(**FEW).fit_transform(make_images(n_per_class=3)[0])
    np.testing.assert_allclose(model.transform(files), expected, atol=1e-4)


def test_a_saved_model_answers_alike(make_images, tmp_path):
    images, y = make_images(n_per_class=4)
    model = make_pipeline(
        CorrelationTransformer(("wavelet", GaussianDenoiser(0.7)), max_lag=(2, 1), window=3),
        StandardScaler(),
        PooledDiscriminantAnalysis(),
    )
    save_model(model.fit(images, y), tmp_path / "model")
    restored = load_model(tmp_path / "model")
    np.testing.assert_array_equal(
        restored.decision_function(images), model.decision_function(images)
    )
