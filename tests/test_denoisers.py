from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
import pywt
from hypothesis import given
from hypothesis import strategies as st
from references import (
    gaussian_residual,
    median_residual,
    relative_rms,
    wavelet_residual,
    wiener_residual,
)
from scipy.ndimage import gaussian_filter
from scipy.signal import wiener as scipy_wiener
from sklearn.base import clone

from sklearn_ganprint.denoisers import (
    DENOISERS,
    FunctionDenoiser,
    GaussianDenoiser,
    MedianDenoiser,
    WaveletDenoiser,
    WienerDenoiser,
    check_denoiser,
)

SHAPES = [(1, 9), (9, 1), (1, 1), (7, 5), (16, 16), (31, 33)]
REFERENCES = [
    (WaveletDenoiser(), wavelet_residual),
    (WaveletDenoiser("haar", level=2, sigma=2.0), lambda x: wavelet_residual(x, "haar", 2, 2.0)),
    (GaussianDenoiser(), gaussian_residual),
    (GaussianDenoiser(2.3, truncate=3.0), lambda x: gaussian_residual(x, 2.3, 3.0)),
    (MedianDenoiser(), median_residual),
    (MedianDenoiser(5), lambda x: median_residual(x, 5)),
    (WienerDenoiser(), wiener_residual),
    (WienerDenoiser(5, sigma=4.0), lambda x: wiener_residual(x, 5, 4.0)),
]
every_denoiser = pytest.mark.parametrize("denoiser", [make() for make in DENOISERS.values()])


def noisy_images(*shape, seed=0):
    rng = np.random.default_rng(seed)
    ramp = np.linspace(20, 230, shape[-1])
    return ramp + rng.normal(scale=8, size=shape)


@pytest.mark.parametrize("shape", SHAPES, ids=str)
@pytest.mark.parametrize(
    ("denoiser", "reference"), REFERENCES, ids=lambda value: getattr(value, "__name__", repr(value))
)
def test_residual_equals_the_slow_reference(denoiser, reference, shape):
    images = noisy_images(2, *shape)
    expected = np.array([reference(image) for image in images])
    np.testing.assert_allclose(denoiser.residual(images), expected, atol=1e-10)


@pytest.mark.parametrize("wavelet", pywt.wavelist(kind="discrete"))
def test_every_wavelet_equals_the_slow_reference(wavelet):
    image = noisy_images(1, 19, 26)
    expected = wavelet_residual(image[0], wavelet, level=2)
    actual = WaveletDenoiser(wavelet, level=2).residual(image)[0]
    np.testing.assert_allclose(actual, expected, atol=1e-9)


@pytest.mark.parametrize("mode", sorted(set(pywt.Modes.modes) - {"reflect", "antireflect"}))
@pytest.mark.parametrize("shape", [(1, 9), (7, 5), (24, 17)], ids=str)
@pytest.mark.parametrize("wavelet", ["db4", "bior4.4"])
def test_every_mode_equals_the_slow_reference(wavelet, mode, shape):
    image = noisy_images(1, *shape)
    expected = wavelet_residual(image[0], wavelet, level=3, mode=mode)
    actual = WaveletDenoiser(wavelet, level=3, mode=mode).residual(image)[0]
    np.testing.assert_allclose(actual, expected, atol=1e-8)


@pytest.mark.parametrize("shape", [(256, 256), (255, 257)], ids=str)
def test_float32_is_as_exact_as_claimed_at_full_size(shape):
    image = noisy_images(1, *shape)
    expected = wavelet_residual(image[0])
    actual = WaveletDenoiser().residual(image.astype(np.float32))
    assert actual.dtype == np.float32
    assert relative_rms(actual[0], expected) < 1e-5


def test_wiener_agrees_with_scipy_inside_the_image():
    image = noisy_images(32, 32)
    # scipy continues images with zeros, which also enters its estimate of the noise
    expected = image - scipy_wiener(image, 5, noise=16.0)
    actual = WienerDenoiser(5, sigma=4.0).residual(image)
    np.testing.assert_allclose(actual[2:-2, 2:-2], expected[2:-2, 2:-2], atol=1e-9)


@every_denoiser
def test_residual_and_denoised_image_add_up(denoiser):
    images = noisy_images(3, 20, 21)
    total = denoiser.residual(images) + denoiser.denoise(images)
    np.testing.assert_allclose(total, images, atol=1e-10)


@every_denoiser
@given(n_images=st.integers(1, 4), height=st.integers(1, 12), width=st.integers(1, 12))
def test_a_batch_is_the_same_as_a_loop_to_rounding(denoiser, n_images, height, width):
    images = noisy_images(n_images, height, width)
    one_by_one = np.stack([denoiser.residual(image) for image in images])
    np.testing.assert_allclose(denoiser.residual(images), one_by_one, rtol=1e-12, atol=1e-12)


@every_denoiser
def test_a_constant_image_has_no_residual(denoiser):
    residual = denoiser.residual(np.full((1, 40, 40), 77.0))
    np.testing.assert_allclose(residual, 0, atol=1e-10)


@every_denoiser
@pytest.mark.parametrize(
    ("dtype", "expected"),
    [(np.uint8, np.float32), (np.uint16, np.float32), (np.float32, np.float32), (float, float)],
)
def test_dtypes(denoiser, dtype, expected):
    images = noisy_images(2, 16, 16).astype(dtype)
    images.flags.writeable = False
    assert denoiser.residual(images).dtype == expected
    assert denoiser.denoise(images).dtype == expected


@every_denoiser
def test_clone_and_nested_parameters(denoiser):
    copied = clone(denoiser)
    assert copied is not denoiser
    assert copied.get_params() == denoiser.get_params()


@pytest.mark.parametrize(
    ("denoiser", "word"),
    [
        (WaveletDenoiser("db99"), "wavelet"),
        (WaveletDenoiser(level=0), "level"),
        (WaveletDenoiser(sigma=0), "sigma"),
        (WaveletDenoiser(mode="reflect"), "mode"),
        (GaussianDenoiser(-1), "sigma"),
        (GaussianDenoiser(mode="zero"), "mode"),
        (MedianDenoiser(0), "size"),
        (WienerDenoiser(sigma=-2.0), "sigma"),
    ],
    ids=repr,
)
def test_a_wrong_parameter_is_named(denoiser, word):
    with pytest.raises(ValueError, match=f"'{word}' parameter"):
        denoiser.residual(np.zeros((1, 8, 8)))


def test_one_line_of_numbers_is_no_image():
    with pytest.raises(ValueError, match=r"\(\.\.\., H, W\), got shape \(8,\)"):
        GaussianDenoiser().residual(np.zeros(8))


@pytest.mark.parametrize("name", sorted(DENOISERS))
def test_denoiser_by_name(name):
    assert isinstance(check_denoiser(name), DENOISERS[name])


@pytest.mark.parametrize(
    ("value", "error"), [("nlm", ValueError), (3, TypeError), (WaveletDenoiser, TypeError)]
)
def test_what_is_no_denoiser(value, error):
    with pytest.raises(error, match=r"denoiser must be one of \['gaussian'"):
        check_denoiser(value)


def test_a_function_serves_as_denoiser():
    images = noisy_images(2, 8, 8)
    denoiser = check_denoiser(lambda stack: stack - 3)
    assert isinstance(denoiser, FunctionDenoiser)
    np.testing.assert_allclose(denoiser.residual(images), 3)


def test_a_function_that_works_in_place_does_not_change_the_images():
    images = noisy_images(1, 8, 8)
    before = images.copy()

    def halve(stack):
        stack /= 2
        return stack

    np.testing.assert_allclose(FunctionDenoiser(halve).residual(images), before / 2)
    np.testing.assert_array_equal(images, before)


@pytest.mark.parametrize(
    ("func", "words"),
    [(lambda stack: stack[:, :-1], "shape it was given"), (np.log, "NaN or infinite")],
)
def test_a_function_that_returns_nonsense_is_named(func, words):
    with np.errstate(all="ignore"), pytest.raises(ValueError, match=words):
        FunctionDenoiser(func).residual(np.full((1, 4, 4), -1.0))


@pytest.mark.parametrize("mode", ["reflect", "nearest", "mirror", "wrap"])
@pytest.mark.parametrize("shape", [*SHAPES, (25, 64), (2, 100)], ids=str)
@pytest.mark.parametrize("sigma", [0.05, 1.0, 6.5, 30.0, 400.0])
def test_gaussian_residual_equals_scipys_filter(sigma, shape, mode):
    images = noisy_images(2, *shape)
    expected = images - gaussian_filter(images, sigma, mode=mode, axes=(-2, -1))
    actual = GaussianDenoiser(sigma, mode=mode).residual(images)
    np.testing.assert_allclose(actual, expected, atol=1e-10)


@pytest.mark.parametrize("sigma", [0.4, 1.0, 3.7])
def test_float32_gaussian_residual_is_as_exact_as_claimed(sigma):
    image = noisy_images(255, 300).astype(np.float32)
    expected = image - gaussian_filter(image.astype(float), sigma)
    assert relative_rms(GaussianDenoiser(sigma).residual(image), expected) < 1e-5


def test_a_gaussian_filter_too_wide_for_a_matrix_is_scipys_own():
    images = noisy_images(2, 40, 30)
    denoiser = GaussianDenoiser(20_000.0, mode="wrap")
    expected = images - gaussian_filter(images, 20_000.0, mode="wrap", axes=(-2, -1))
    # To the last bit, which products with a matrix are not.
    np.testing.assert_array_equal(denoiser.residual(images), expected)


@given(sigma=st.floats(0.1, 40), truncate=st.floats(0.5, 6), factor=st.floats(-3, 3))
def test_gaussian_residual_is_linear(sigma, truncate, factor):
    denoiser = GaussianDenoiser(sigma, truncate=truncate)
    one, other = noisy_images(2, 11, 14)
    expected = denoiser.residual(one) + factor * denoiser.residual(other)
    np.testing.assert_allclose(denoiser.residual(one + factor * other), expected, atol=1e-10)


@pytest.mark.parametrize(
    "change", [lambda x: x[:, ::-1], lambda x: x[..., ::2], lambda x: x.transpose(0, 2, 1)]
)
def test_gaussian_residual_of_a_view_is_that_of_a_copy(change):
    view = change(noisy_images(3, 30, 40))
    actual = GaussianDenoiser().residual(view)
    np.testing.assert_array_equal(actual, GaussianDenoiser().residual(view.copy()))
    assert actual.flags.c_contiguous


@every_denoiser
def test_threads_with_one_denoiser_get_the_results_of_one(denoiser):
    batches = [noisy_images(3, 40, 40 + seed % 3, seed=seed) for seed in range(16)]
    expected = [denoiser.residual(images) for images in batches]
    with ThreadPoolExecutor(4) as threads:
        actual = list(threads.map(denoiser.residual, batches))
    for one, other in zip(actual, expected, strict=True):
        # BLAS may share out its work otherwise when it is busy: the last digit can differ.
        np.testing.assert_allclose(one, other, atol=1e-10)
