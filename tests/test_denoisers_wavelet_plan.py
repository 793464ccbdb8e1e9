import pickle
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from references import noise_part, relative_rms, wavelet_residual
from scipy import sparse

from sklearn_ganprint.denoisers import (
    DENOISERS,
    GaussianDenoiser,
    WaveletDenoiser,
    _wavelet_plan,
)

# Matrices of the plan, held to one filter at a time.
from sklearn_ganprint.denoisers._banded import BandedMatrix, identity_columns
from sklearn_ganprint.denoisers._filters import residuals_by_each


def noisy_images(*shape, seed=0):
    rng = np.random.default_rng(seed)
    return np.linspace(20, 230, shape[-1]) + rng.normal(scale=8, size=shape)


# Taller than a strip of the shrinkage, wider than one, and neither.
@pytest.mark.parametrize("shape", [(700, 300), (90, 1300), (130, 131)], ids=str)
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_large_images_equal_the_slow_reference(shape, dtype):
    image = noisy_images(*shape)
    expected = wavelet_residual(image, level=2)
    actual = WaveletDenoiser(level=2).residual(image.astype(dtype))
    assert relative_rms(actual, expected) < (1e-5 if dtype == np.float32 else 1e-12)


@pytest.mark.parametrize("n_images", [1, 3, 4, 5, 33])
@pytest.mark.parametrize(("dtype", "bound"), [(np.float32, 5e-6), (np.float64, 1e-14)])
def test_every_batch_equals_single_images_to_rounding(n_images, dtype, bound):
    images = noisy_images(n_images, 64, 64).astype(dtype)
    one_by_one = np.stack([WaveletDenoiser().residual(image) for image in images])
    assert relative_rms(WaveletDenoiser().residual(images), one_by_one.astype(float)) < bound


@pytest.mark.parametrize("shape", [(9, 64, 64), (2, 700, 90), (1, 5, 1300)], ids=str)
@pytest.mark.parametrize(("dtype", "bound"), [(np.uint8, 1e-5), (np.float64, 1e-13)])
def test_residuals_by_each_are_those_of_each_alone(shape, dtype, bound):
    images = noisy_images(*shape).clip(0, 255).astype(dtype)
    denoisers = [
        WaveletDenoiser(),
        GaussianDenoiser(0.7),
        WaveletDenoiser(sigma=2.0),
        WaveletDenoiser("haar", sigma=2.0),
        WaveletDenoiser(sigma=40.0),
        WaveletDenoiser("haar", sigma=2.0),
    ]
    for _ in range(2):  # the second time in the buffers of the first
        found = residuals_by_each(denoisers, images)
        for denoiser, residuals in zip(denoisers, found, strict=True):
            assert relative_rms(residuals, denoiser.residual(images.astype(float))) < bound
    np.testing.assert_array_equal(found[0], denoisers[0].residual(images))


def test_one_image_is_not_touched_by_those_before_it():
    denoiser = WaveletDenoiser()
    images = noisy_images(1, 64, 64)
    expected = denoiser.residual(images)
    denoiser.residual(1e6 * noisy_images(16, 64, 64, seed=1))
    np.testing.assert_allclose(denoiser.residual(images), expected, atol=1e-10)


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16, np.float32, np.float64])
@pytest.mark.parametrize(("n", "m"), [(1, 1), (5, 3), (1, 40), (2, 7), (17, 3)])
@pytest.mark.parametrize("name", sorted(DENOISERS))
def test_weighted_residuals_are_sums_of_residuals(name, n, m, dtype):
    denoiser = DENOISERS[name]()
    images = noisy_images(n, m, 20, 33).astype(dtype)
    weights = np.random.default_rng(1).uniform(0.1, 1, m)
    expected = np.einsum("nmhw,m->nhw", denoiser.residual(images.astype(float)), weights)
    actual = denoiser.weighted_residual(images, weights)
    assert actual.dtype == (np.float64 if dtype == np.float64 else np.float32)
    assert relative_rms(actual, expected) < 1e-5


def test_threads_that_share_a_denoiser_do_not_share_buffers():
    denoiser = WaveletDenoiser()
    stacks = [noisy_images(8, 96, 96, seed=seed) for seed in range(12)]
    expected = [denoiser.residual(stack) for stack in stacks]
    with ThreadPoolExecutor(4) as pool:
        found = list(pool.map(denoiser.residual, stacks))
    np.testing.assert_allclose(found, expected, atol=1e-10)


def test_buffers_are_not_pickled():
    denoiser = WaveletDenoiser()
    denoiser.residual(noisy_images(1, 256, 256))
    assert len(pickle.dumps(denoiser)) < 1000


@pytest.mark.parametrize("shape", [(1, 1), (5, 40), (100, 50), (47, 130)], ids=str)
@pytest.mark.parametrize("bandwidth", [0, 3, 200])
def test_banded_products_equal_dense_products(shape, bandwidth):
    rng = np.random.default_rng(0)
    dense = rng.normal(size=shape)
    rows, columns = np.indices(shape)
    dense[np.abs(rows * shape[1] / shape[0] - columns) > bandwidth] = 0
    banded = BandedMatrix(sparse.csr_array(dense), np.float64)
    X, Y = rng.normal(size=(shape[1], 7)), rng.normal(size=(7, shape[1]))
    by_rows, by_columns = np.empty((shape[0], 7)), np.full((7, shape[0] + 2), 5.0)
    banded.multiply_rows(X, by_rows)
    banded.multiply_columns(Y, by_columns[:, : shape[0]])
    np.testing.assert_allclose(by_rows, dense @ X, atol=1e-12)
    np.testing.assert_allclose(by_columns[:, :-2], Y @ dense.T, atol=1e-12)
    np.testing.assert_array_equal(by_columns[:, -2:], 5.0)


@pytest.mark.parametrize("n", [1, 63, 64, 65, 200])
def test_identity_columns_make_up_the_identity(n):
    np.testing.assert_array_equal(np.hstack(list(identity_columns(n))), np.eye(n))


def test_rows_of_a_stack_are_multiplied_one_by_one():
    rng = np.random.default_rng(0)
    dense = np.triu(np.tril(rng.normal(size=(30, 30)), 2), -2)
    X, out = rng.normal(size=(2, 3, 30, 7)), np.empty((2, 3, 30, 7))
    BandedMatrix(sparse.csr_array(dense), np.float64).multiply_rows(X, out)
    np.testing.assert_allclose(out, dense @ X, atol=1e-12)


@given(
    n=st.integers(1, 4),
    n_rows=st.integers(1, 30),
    n_columns=st.integers(1, 12),
    step=st.sampled_from([1, 2]),
    strip_rows=st.integers(1, 9),
)
def test_strips_of_any_size_equal_the_slow_reference(n, n_rows, n_columns, step, strip_rows):
    bands = np.random.default_rng(0).normal(scale=30, size=(n, n_rows, n_columns * step))
    expected = np.empty_like(bands)
    for image, start in np.ndindex(n, step):
        expected[image, :, start::step] = noise_part(bands[image, :, start::step], sigma=5.0)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(_wavelet_plan, "STRIP_VALUES", 1)
        patch.setattr(_wavelet_plan, "STRIP_ROWS", strip_rows)
        scaled = bands / 45
        _wavelet_plan.Shrinkage(np.float64).shrink(scaled, step)
    np.testing.assert_allclose(45 * scaled, expected, atol=1e-11)
