import joblib
import numpy as np
import pytest
from references import gaussian_residual, wavelet_residual
from sklearn.base import clone

from sklearn_ganprint import ResidualTransformer
from sklearn_ganprint.denoisers import GaussianDenoiser, MedianDenoiser, WaveletDenoiser

LUMINANCE = np.array([0.299, 0.587, 0.114])


@pytest.mark.parametrize("shape", [(17, 24), (17, 24, 3), (1, 9, 3), (7, 5, 1)], ids=str)
@pytest.mark.parametrize("channels", ["luminance", "rgb", "ycbcr", "opponent"])
def test_residuals_equal_the_slow_reference(make_images, channels, shape):
    images = make_images(n_per_class=2, shape=shape)[0]
    planes = images.reshape(len(images), *shape[:2], -1).astype(float)
    if channels == "opponent" and planes.shape[3] == 3:
        red, green, blue = np.moveaxis(planes, -1, 0)
        planes = np.stack([planes @ LUMINANCE, red - green, blue - green], axis=-1)
    expected = np.zeros_like(planes)
    for n, c in np.ndindex(len(planes), planes.shape[3]):
        expected[n, ..., c] = wavelet_residual(planes[n, ..., c])
    if channels == "luminance" and planes.shape[3] == 3:
        expected = (expected @ LUMINANCE)[..., np.newaxis]
    if channels == "ycbcr" and planes.shape[3] == 3:
        y, (red, _, blue) = expected @ LUMINANCE, np.moveaxis(expected, -1, 0)
        expected = np.stack([y, (blue - y) / 1.772, (red - y) / 1.402], axis=-1)
    transformer = ResidualTransformer(channels=channels, flatten=False)
    actual = transformer.fit_transform(images)
    assert actual.dtype == np.float32
    assert transformer.residual_shape_ == expected.shape[1:]
    np.testing.assert_allclose(actual, expected, atol=1e-4)


def test_rows_are_the_flattened_images(make_images):
    images = make_images()[0]
    rows = ResidualTransformer(channels="rgb").fit_transform(images)
    whole = ResidualTransformer(channels="rgb", flatten=False).fit_transform(images)
    assert rows.flags.c_contiguous
    np.testing.assert_array_equal(rows, whole.reshape(len(rows), -1))


def test_rows_in_give_the_same_as_images_in(make_images):
    images = make_images(shape=(16, 24, 3))[0]
    expected = ResidualTransformer().fit_transform(images)
    rows = images.reshape(len(images), -1)
    actual = ResidualTransformer(image_shape=(16, 24, 3)).fit_transform(rows)
    np.testing.assert_array_equal(actual, expected)


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16, np.float32, np.float64])
def test_float64_stays_and_all_else_is_float32(make_images, dtype):
    images = make_images()[0].astype(dtype)
    residuals = ResidualTransformer("gaussian").fit_transform(images)
    assert residuals.dtype == (np.float64 if dtype == np.float64 else np.float32)


@pytest.mark.parametrize(("white", "dtype"), [(1.0, float), (65535.0, np.uint16)])
def test_residuals_are_in_8_bit_grey_levels_whatever_white_is(make_images, white, dtype):
    images = make_images()[0]
    scaled = (images * (white / 255)).astype(dtype)
    expected = ResidualTransformer().fit_transform(images)
    actual = ResidualTransformer(data_range=white).fit_transform(scaled)
    np.testing.assert_allclose(actual, expected, atol=1e-3)


@pytest.mark.parametrize("dtype", [float, np.float32, np.uint8])
def test_values_of_at_most_one_under_white_255_are_suspected(dtype):
    images = (np.arange(64).reshape(1, 8, 8) % 2).astype(dtype)
    with pytest.warns(UserWarning, match="set data_range=1.0"):
        ResidualTransformer("gaussian").fit(images)


def test_16_bit_images_under_white_255_are_suspected():
    with pytest.warns(UserWarning, match="set data_range=65535"):
        ResidualTransformer("gaussian").fit(np.full((1, 8, 8), 4000, dtype=np.uint16))


@pytest.mark.parametrize("n_jobs", [2, -1])
def test_threads_change_nothing(make_images, n_jobs):
    images = make_images(n_per_class=40, shape=(128, 128))[0]
    expected = ResidualTransformer().fit_transform(images)
    actual = ResidualTransformer(n_jobs=n_jobs).fit_transform(images)
    # BLAS may round differently from call to call.
    np.testing.assert_allclose(actual, expected, atol=1e-5)


@pytest.mark.parametrize("backend", ["threading", "loky"])
def test_any_joblib_backend(make_images, backend):
    images = make_images()[0]
    expected = ResidualTransformer("gaussian").fit_transform(images)
    with joblib.parallel_config(backend=backend, n_jobs=2):
        actual = ResidualTransformer("gaussian").fit_transform(images)
    np.testing.assert_array_equal(actual, expected)


def test_images_are_not_changed_and_may_be_read_only(make_images, tmp_path):
    images = make_images()[0].astype(np.float32)
    np.save(tmp_path / "images.npy", images)
    mapped = np.load(tmp_path / "images.npy", mmap_mode="r")
    residuals = ResidualTransformer().fit_transform(mapped)
    np.testing.assert_array_equal(residuals, ResidualTransformer().fit_transform(images))
    np.testing.assert_array_equal(mapped, images)


def test_without_fit_the_same_comes_out(make_images):
    images = make_images()[0]
    expected = ResidualTransformer().fit_transform(images)
    np.testing.assert_array_equal(ResidualTransformer().transform(images), expected)


@pytest.mark.parametrize(
    "denoiser", ["gaussian", GaussianDenoiser(), lambda x: x - gaussian_stack(x)]
)
def test_name_object_and_function_do_the_same(make_images, denoiser):
    images = make_images(n_per_class=1, shape=(12, 12))[0]
    expected = gaussian_stack(images.astype(float)).reshape(len(images), -1)
    actual = ResidualTransformer(denoiser).fit_transform(images)
    np.testing.assert_allclose(actual, expected, atol=1e-4)


def gaussian_stack(images):
    return np.array([gaussian_residual(image) for image in images])


def test_parameters_of_the_denoiser_are_reached_through_the_transformer():
    transformer = clone(ResidualTransformer(WaveletDenoiser()))
    transformer.set_params(denoiser__sigma=2.5, denoiser__wavelet="sym4")
    assert transformer.denoiser.sigma == 2.5
    assert transformer.get_params()["denoiser__wavelet"] == "sym4"


def test_a_data_frame_comes_out_on_request(make_images):
    images = make_images(n_per_class=1, shape=(8, 8))[0]
    frame = ResidualTransformer("gaussian").set_output(transform="pandas").fit_transform(images)
    assert list(frame.columns[:2]) == ["residualtransformer0", "residualtransformer1"]
    np.testing.assert_array_equal(
        frame.to_numpy(), ResidualTransformer("gaussian").fit_transform(images)
    )


@pytest.mark.parametrize("params", [{"channels": "hsv"}, {"data_range": -1.0}, {"flatten": "no"}])
def test_parameters_are_checked_without_a_fit_too(params):
    with pytest.raises(ValueError, match=f"The '{next(iter(params))}' parameter"):
        ResidualTransformer(**params).transform(np.ones((1, 8, 8)))


@pytest.mark.parametrize(
    ("shape", "words"),
    [
        ((2, 16, 8), "expecting images of shape"),
        ((2, 8, 16, 3), "expecting images of shape"),
        ((2, 8, 17), "expecting images of shape"),
        ((2, 127), "X has 127 features"),
    ],
)
def test_other_images_than_in_fit_are_refused(shape, words):
    noise = np.random.default_rng(0).normal(100, 9, size=(2, 8, 16))
    transformer = ResidualTransformer("gaussian").fit(noise)
    with pytest.raises(ValueError, match=words):
        transformer.transform(np.full(shape, 9.0))


@pytest.mark.parametrize("channels", ["luminance", "rgb", "ycbcr", "opponent"])
@pytest.mark.parametrize("denoiser", ["wavelet", "gaussian"])
@pytest.mark.parametrize("shape", [(24, 17, 3), (24, 17)], ids=str)
def test_class_sums_are_sums_of_residuals(make_images, shape, denoiser, channels):
    images, labels = make_images(n_per_class=7, shape=shape)
    codes = np.unique(labels, return_inverse=True)[1]
    weights = np.random.default_rng(0).uniform(0, 2, len(codes))
    transformer = ResidualTransformer(denoiser, channels=channels)
    residuals = weights[:, np.newaxis] * transformer.transform(images.astype(float))
    expected = [residuals[codes == code].sum(axis=0) for code in range(3)]
    actual = transformer.class_sums(images, codes, weights)
    np.testing.assert_allclose(actual, expected, rtol=1e-4, atol=1e-3)
    as_images = transformer.set_params(flatten=False).class_sums(images, codes, weights)
    np.testing.assert_array_equal(as_images.reshape(3, -1), actual)


@pytest.mark.parametrize("channels", ["luminance", "rgb", "ycbcr", "opponent"])
@pytest.mark.parametrize("white", [255.0, 1.0])
def test_the_luminance_goes_along_behind_the_residual(make_images, channels, white):
    images = make_images()[0].astype(np.float32) * np.float32(white / 255)
    params = {"channels": channels, "data_range": white, "flatten": False}
    alone = ResidualTransformer("gaussian", **params).fit_transform(images)
    transformer = ResidualTransformer("gaussian", **params, intensity=True).fit(images)
    both = transformer.transform(images)
    assert transformer.residual_shape_ == both.shape[1:] == (32, 32, alone.shape[3] + 1)
    np.testing.assert_array_equal(both[..., :-1], alone)
    luminance = images.astype(float) @ [0.299, 0.587, 0.114] * (255 / white)
    np.testing.assert_allclose(both[..., -1], luminance, rtol=1e-5)
    codes, weights = np.arange(len(images)) % 3, np.linspace(0.5, 2, len(images))
    sums = transformer.class_sums(images, codes, weights)
    expected = [
        (weights[codes == c] @ both[codes == c].reshape((codes == c).sum(), -1)) for c in range(3)
    ]
    np.testing.assert_allclose(sums.reshape(3, -1), expected, rtol=1e-3, atol=0.02)


def test_grey_images_are_their_own_luminance(make_images):
    images = make_images(shape=(16, 20))[0]
    both = ResidualTransformer(flatten=False, intensity=True).fit_transform(images)
    np.testing.assert_array_equal(both[..., 1], images.astype(np.float32))


def test_parameters_of_a_denoiser_by_name_can_be_set():
    transformer = ResidualTransformer().set_params(denoiser__sigma=3.0, channels="rgb")
    assert transformer.denoiser.get_params() == WaveletDenoiser(sigma=3.0).get_params()
    transformer.set_params(denoiser="median", denoiser__size=5)
    assert transformer.denoiser.get_params() == MedianDenoiser(5).get_params()
    assert ResidualTransformer("gaussian").set_params(channels="rgb").denoiser == "gaussian"


@pytest.mark.parametrize(
    ("denoiser", "words"),
    [
        ("wavelet", "Invalid parameter 'size' for estimator WaveletDenoiser"),
        ("wavlet", r"denoiser must be one of \['gaussian', 'median', 'wavelet', 'wiener'\]"),
        (np.copy, r"a function has no parameters to set(.|\n)*Pass an object such as Wavelet"),
    ],
)
def test_parameters_that_a_denoiser_has_not_are_refused_in_words(denoiser, words):
    with pytest.raises(ValueError, match=words):
        ResidualTransformer(denoiser).set_params(denoiser__size=3)


def noise(n, *shape):
    return np.random.default_rng(sum(shape)).integers(0, 256, (n, *shape), dtype=np.uint8)


def slow_frame(transformer, image, anchor, shape):
    """Residual of the part of an image that a frame of another size has, in this frame."""
    cut, placed = [], []
    for length, limit in zip(image.shape, shape, strict=False):
        shared, center = min(length, limit), anchor == "center"
        cut.append(np.arange(shared) + (length - shared) // 2 * center)
        placed.append(np.arange(shared) + (limit - shared) // 2 * center)
    part = clone(transformer).set_params(anchor=None).fit_transform(image[np.ix_(*cut)][np.newaxis])
    frame = np.zeros((*shape, part.shape[-1]), np.float32)
    frame[np.ix_(*placed)] = part[0]
    return frame


@pytest.mark.parametrize("anchor", ["top-left", "center"])
@pytest.mark.parametrize("size", [(24, 20), (37, 41), (12, 41), (40, 9), (16, 17)])
def test_images_of_another_size_share_the_pixel_grid_of_those_fitted_on(anchor, size):
    transformer = ResidualTransformer("gaussian", flatten=False, intensity=True, anchor=anchor)
    transformer.fit(noise(2, 24, 20, 3))
    images = noise(3, *size, 3)
    expected = [slow_frame(transformer, image, anchor, (24, 20)) for image in images]
    np.testing.assert_allclose(transformer.transform(images), expected, atol=1e-3)


@pytest.mark.parametrize("channels", ["luminance", "ycbcr"])
@pytest.mark.parametrize("flatten", [True, False])
def test_class_sums_of_several_sizes_are_sums_of_residuals(channels, flatten):
    transformer = ResidualTransformer(channels=channels, flatten=flatten, anchor="top-left")
    transformer.fit(noise(1, 40, 33, 3))
    sizes = [(40, 33), (50, 60), (32, 64), (40, 33), (32, 64)]
    images = [noise(1, *size, 3)[0] for size in sizes]
    images[2][:] = 255
    codes, weights = np.array([0, 1, 0, 1, 1]), np.arange(1.0, 6)
    np.testing.assert_array_equal(transformer.lacks_residual(images), np.arange(5) == 2)
    rows = transformer.transform(images)
    assert not rows[2].any() and rows[3].any()
    expected = [np.tensordot(weights * (codes == code), rows, 1) for code in (0, 1)]
    sums = transformer.class_sums(images, codes, weights)
    np.testing.assert_allclose(sums, expected, atol=1e-2)


def test_images_of_another_size_are_refused_without_an_anchor():
    transformer = ResidualTransformer().fit(noise(2, 24, 20))
    with pytest.raises(ValueError, match=r"shape \(24, 21, 1\)"):
        transformer.transform(noise(2, 24, 21))
