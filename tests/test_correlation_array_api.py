"""Scores and features of arrays that are not numpy's, held to those of numpy."""

import array_api_strict as xp
import numpy as np
import pytest
import sklearn
from sklearn import config_context
from sklearn.utils.fixes import parse_version

from sklearn_ganprint.correlation import correlation_index, cosine_index, negative_distance
from sklearn_ganprint.features import PartialCorrelationTransformer

SCORES = [correlation_index, cosine_index, negative_distance]


@pytest.fixture(autouse=True)
def dispatch(monkeypatch):
    if parse_version(sklearn.__version__) < parse_version("1.7"):
        pytest.importorskip("array_api_compat")  # later releases bring it along
    # scikit-learn asks for it, since its own functions may call scipy's.
    monkeypatch.setenv("SCIPY_ARRAY_API", "1")
    with config_context(array_api_dispatch=True):
        yield


@pytest.fixture
def images():
    """Residuals as images, of which one is constant and one of zeros, and fingerprints."""
    rng = np.random.default_rng(0)
    residuals = rng.normal(
        scale=[[[[1e-3]]], [[[1]]], [[[1e3]]], [[[1]]], [[[1]]]], size=(5, 8, 6, 3)
    )
    residuals[3], residuals[4] = 77.7, 0
    return residuals, residuals[:4] + rng.normal(size=(4, 8, 6, 3))


@pytest.mark.parametrize(("dtype", "tolerance"), [("float32", 1e-5), ("float64", 1e-12)])
@pytest.mark.parametrize("score", SCORES)
def test_scores_equal_those_of_numpy(images, score, dtype, tolerance):
    device = xp.Device("device1")
    residuals, fingerprints = (values.astype(dtype) for values in images)
    scores = score(*(xp.asarray(values, device=device) for values in (residuals, fingerprints)))
    assert (scores.dtype, scores.device) == (getattr(xp, dtype), device)
    expected = score(residuals, fingerprints)
    assert isinstance(expected, np.ndarray)
    scores = np.asarray(xp.asarray(scores, device=xp.Device("CPU_DEVICE")))
    np.testing.assert_allclose(scores, expected, rtol=tolerance, atol=tolerance)


@pytest.mark.parametrize("scale", [1e-200, 1e200])
def test_extreme_scales_do_not_overflow(images, scale):
    residuals, fingerprints = (xp.asarray(values) for values in images)
    scores = correlation_index(residuals * scale, fingerprints)
    expected = correlation_index(residuals, fingerprints)
    np.testing.assert_allclose(np.asarray(scores), np.asarray(expected), atol=1e-12)


@pytest.mark.parametrize("score", SCORES)
def test_other_dtypes_count_as_float64(score):
    whole = np.arange(24).reshape(4, 6) % 7
    scores = score(xp.asarray(whole), xp.asarray(whole[:2], dtype=xp.float32))
    assert scores.dtype == xp.float64
    np.testing.assert_allclose(np.asarray(scores), score(whole, whole[:2]), atol=1e-12)


@pytest.mark.parametrize("score", SCORES)
def test_different_sizes_are_refused(score):
    with pytest.raises(ValueError, match="one trailing shape"):
        score(xp.ones((2, 4, 4)), xp.ones((2, 16)))


@pytest.mark.parametrize(("dtype", "tolerance"), [("float32", 1e-5), ("float64", 1e-12)])
@pytest.mark.parametrize(
    "params", [{}, {"size": 1, "scales": (2, 3)}, {"size": 3, "cross_channel": False}], ids=str
)
def test_partial_correlations_equal_those_of_numpy(images, params, dtype, tolerance):
    device, residuals = xp.Device("device1"), images[0].astype(dtype)
    there = xp.asarray(residuals, device=device)
    transformer = PartialCorrelationTransformer(**params).fit(there)
    expected = PartialCorrelationTransformer(**params).fit(residuals)
    features = transformer.transform(there)
    assert (features.dtype, features.device) == (getattr(xp, dtype), device)
    assert vars(transformer) == vars(expected)
    features = np.asarray(xp.asarray(features, device=xp.Device("CPU_DEVICE")))
    np.testing.assert_allclose(features, expected.transform(residuals), atol=tolerance)


def test_partial_correlations_of_rows_of_whole_numbers():
    rows = np.arange(2 * 8 * 9).reshape(2, -1) % 7 - 3
    transformer = PartialCorrelationTransformer(3, image_shape=(8, 9)).fit(xp.asarray(rows))
    features = transformer.transform(xp.asarray(rows))
    np.testing.assert_allclose(np.asarray(features), transformer.transform(rows), atol=1e-12)


@pytest.mark.parametrize(
    ("value", "shape", "words"),
    [
        (np.nan, (8, 6), "contains NaN"),
        (1.0, (8, 7), "expecting images of shape"),
        (1.0, (4, 6), "expecting images of shape"),
    ],
)
def test_images_without_partial_correlations_are_refused(value, shape, words):
    transformer = PartialCorrelationTransformer().fit(xp.ones((1, 8, 6, 3)))
    with pytest.raises(ValueError, match=words):
        transformer.transform(xp.full((2, *shape, 3), value))


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_tensors_of_torch_are_taken(images, dtype):
    torch = pytest.importorskip("torch")
    residuals, fingerprints = (values.astype(dtype) for values in images)
    transform = PartialCorrelationTransformer().transform
    for compute in (lambda x, y: transform(x), *SCORES):
        scores = compute(torch.asarray(residuals), torch.asarray(fingerprints))
        assert scores.dtype == getattr(torch, dtype)
        expected = compute(residuals, fingerprints)
        np.testing.assert_allclose(scores.numpy(), expected, rtol=1e-5, atol=1e-5)
