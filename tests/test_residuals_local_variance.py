import numpy as np
import pytest
from sklearn.pipeline import make_pipeline, make_union

from sklearn_ganprint import (
    FileBatchClassifier,
    FingerprintClassifier,
    LocalVarianceNormalizer,
    ResidualTransformer,
    load_model,
    save_model,
)


def slow_normalized(residual, size, offset):
    """One channel, pixel by pixel, in float64."""
    before, after = size // 2, (size - 1) // 2
    padded = np.pad(residual.astype(float), (before, after), mode="symmetric")
    normalized = np.empty(residual.shape)
    for i, j in np.ndindex(residual.shape):
        window = padded[i : i + size, j : j + size]
        normalized[i, j] = residual[i, j] / np.sqrt((window**2).mean() + offset)
    return normalized


@pytest.mark.parametrize("shape", [(17, 24, 3), (12, 12, 1), (1, 9, 3), (20, 3, 1)], ids=str)
@pytest.mark.parametrize(("size", "offset"), [(9, 0.5), (4, 2.0), (1, 0.1)])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_normalized_residuals_equal_the_slow_reference(shape, size, offset, dtype):
    residuals = np.random.default_rng(0).normal(scale=4, size=(3, *shape)).astype(dtype)
    expected = [
        [slow_normalized(residuals[n, ..., c], size, offset) for c in range(shape[2])]
        for n in range(3)
    ]
    normalizer = LocalVarianceNormalizer(size, offset, flatten=False)
    actual = normalizer.fit_transform(residuals)
    assert actual.dtype == dtype
    rtol = 1e-5 if dtype == np.float32 else 1e-10
    np.testing.assert_allclose(actual, np.moveaxis(expected, 1, -1), rtol=rtol, atol=rtol)


def test_strong_parts_leave_no_trace_in_distant_ones():
    # Running sums over a line keep a rounding error of the greatest value that they have passed.
    residuals = np.zeros((1, 8, 64, 1), np.float32)
    residuals[:, :, :4] = 1e4
    residuals[:, :, 40:] = 1e-3
    actual = LocalVarianceNormalizer(3, 1e-6, flatten=False).fit_transform(residuals)
    assert np.isfinite(actual).all()
    np.testing.assert_allclose(actual[:, :, 42:], 1 / np.sqrt(2), rtol=1e-3)
    np.testing.assert_array_equal(actual[:, :, 8:38], 0)


def test_rows_and_images_and_threads_give_the_same():
    residuals = np.random.default_rng(0).normal(size=(40, 96, 64, 3)).astype(np.float32)
    images = LocalVarianceNormalizer(flatten=False).fit_transform(residuals)
    rows = LocalVarianceNormalizer(image_shape=(96, 64, 3), n_jobs=2).fit_transform(
        residuals.reshape(40, -1)
    )
    np.testing.assert_array_equal(rows, images.reshape(40, -1))


def test_residuals_are_not_changed_and_need_no_fit():
    residuals = np.random.default_rng(0).normal(size=(2, 16, 16, 3)).astype(np.float32)
    before = residuals.copy()
    LocalVarianceNormalizer().transform(residuals)
    np.testing.assert_array_equal(residuals, before)


def test_residuals_of_another_shape_are_refused():
    normalizer = LocalVarianceNormalizer().fit(np.zeros((2, 16, 8, 3)))
    with pytest.raises(ValueError, match="expecting images of shape"):
        normalizer.transform(np.zeros((2, 8, 16, 3)))


def normalized_union():
    def kind(denoiser):
        residual = ResidualTransformer(denoiser, channels="rgb", flatten=False)
        return make_pipeline(residual, LocalVarianceNormalizer())

    return make_pipeline(make_union(kind("wavelet"), kind("gaussian")), FingerprintClassifier())


def test_several_kinds_of_residuals_are_fitted_on_files_as_on_arrays(
    image_folder, make_images, tmp_path
):
    _, paths, y = image_folder()
    told = []
    fitted = FileBatchClassifier(
        normalized_union(), batch_size=5, progress=lambda done, _: told.append(done)
    ).fit(paths, y)
    assert told == [5, 10, 15, 20, 24]  # one pass
    save_model(fitted, tmp_path / "model.skops")
    expected = normalized_union().fit(make_images()[0], y)
    actual = load_model(tmp_path / "model.skops").estimator_[-1].fingerprints_
    np.testing.assert_allclose(actual, expected[-1].fingerprints_, atol=1e-6)


def test_fingerprints_are_found_among_edges_of_other_strength():
    rng = np.random.default_rng(0)
    patterns = rng.normal(size=(2, 32, 32, 1))
    y = np.repeat([0, 1], 40)
    residuals = patterns[y] + rng.normal(scale=2, size=(80, 32, 32, 1))
    rows = rng.integers(0, 24, size=80)
    for residual, row in zip(residuals, rows, strict=True):
        residual[row : row + 8] += rng.normal(scale=60, size=(8, 32, 1))
    plain = FingerprintClassifier().fit(residuals[::2], y[::2]).score(residuals[1::2], y[1::2])
    even = LocalVarianceNormalizer().fit_transform(residuals)
    normalized = FingerprintClassifier().fit(even[::2], y[::2]).score(even[1::2], y[1::2])
    assert normalized > plain + 0.2
