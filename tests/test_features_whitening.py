"""Features whitened by how they scatter within simulated sources."""

from itertools import pairwise

import numpy as np
import pytest
from scipy.ndimage import gaussian_filter
from sklearn.base import clone
from sklearn.preprocessing import StandardScaler

from sklearn_ganprint.datasets import SamplePhotos
from sklearn_ganprint.features import (
    CorrelationTransformer,
    SpectrumTransformer,
    TextureTransformer,
)
from sklearn_ganprint.features import WithinSourceWhitening as Whitening
from sklearn_ganprint.perturbations import RandomHistory, SimulatedSource

TEXTURE = TextureTransformer(n_scales=1)


@pytest.fixture(scope="module")
def photos():
    return SamplePhotos(7).load()[:, :64, :64]


def features_of_sources(transformer, photos, n_sources, white=255):
    """Compute features (n_sources, n_photos, n_features), source by source."""
    rows = []
    for number in range(n_sources):
        made = SimulatedSource(number).fit_transform(photos)
        made = RandomHistory(random_state=number).fit_transform(made)
        rows.append(clone(transformer).fit_transform((made * (white / 255)).astype(np.float32)))
    return np.array(rows, dtype=np.float64)


def whitened(rows, images, n_components):
    """Whiten features of images by the scatter of those of sources, as the formula has it."""
    mean, scale = rows.mean(axis=(0, 1)), rows.std(axis=(0, 1))
    scale[scale == 0] = 1

    def squashed(values):
        return 2 * np.tanh((values - mean) / scale / 2)

    z = squashed(rows)
    center = z.reshape(-1, z.shape[-1]).mean(axis=0)
    total = np.cov(z.reshape(-1, z.shape[-1]).T)
    components = np.linalg.eigh(total)[1][:, ::-1][:, :n_components]
    within = np.mean([np.cov((own @ components).T) for own in z], axis=0)
    within = 0.9 * within + 0.1 * np.trace(within) / n_components * np.eye(n_components)
    values, vectors = np.linalg.eigh(within)
    root = vectors @ np.diag(values**-0.5) @ vectors.T
    return (squashed(images) - center) @ components @ root @ components.T


@pytest.mark.parametrize("white", [255, 1])
def test_rows_follow_the_formula(photos, white):
    images = photos if white == 255 else (photos / 255).astype(np.float32)
    texture = TextureTransformer(n_scales=1, data_range=white)
    rows = features_of_sources(texture, photos[:5], 4, white)
    expected = whitened(rows, texture.fit_transform(images).astype(float), 6)
    whitening = Whitening(texture, photos[:5], n_sources=4, n_components=6, data_range=white)
    found = whitening.fit(images).transform(images)
    assert found.dtype == np.float32
    np.testing.assert_allclose(found, expected, atol=2e-3 * np.abs(expected).max())
    names = texture.get_feature_names_out()
    np.testing.assert_array_equal(whitening.get_feature_names_out(), names)


def test_what_scatters_within_sources_counts_little(photos):
    whitening = Whitening(TEXTURE, photos, n_sources=10, n_components=20).fit(photos)
    rows = features_of_sources(TEXTURE, photos, 10)
    mapped = (2 * np.tanh((rows - whitening.mean_) / whitening.scale_ / 2)) - whitening.center_
    along = mapped @ whitening.components_.T @ whitening.whitening_
    within = np.mean([np.cov(own.T) for own in along], axis=0)
    values = np.linalg.eigvalsh(within)
    assert values.max() < 1.2  # 1 but for the share of the identity
    raw = np.mean([np.cov((own @ whitening.components_.T).T) for own in mapped], axis=0)
    assert np.linalg.eigvalsh(raw).max() > 10 * values.max()


def test_nothing_is_learned_of_the_images(photos):
    first, second = (
        Whitening(TEXTURE, photos[:3], n_sources=2).fit(images)
        for images in (photos[:1], 255 - photos[2:6])
    )
    for name in ("mean_", "scale_", "center_", "components_", "whitening_"):
        np.testing.assert_array_equal(getattr(first, name), getattr(second, name))
    np.testing.assert_array_equal(
        Whitening(TEXTURE, photos[:3], n_sources=2).transform(photos), first.transform(photos)
    )


def test_other_photos_sources_and_components_are_learned_anew(photos):
    base = Whitening(TEXTURE, photos[:3], n_sources=2).fit(photos[:1])
    for change in (
        {"photos": photos[3:6]},
        {"n_sources": 3},
        {"n_components": 2},
        {"transformer": TextureTransformer(3.0, n_scales=1)},
    ):
        other = clone(base).set_params(**change).fit(photos[:1])
        assert other.components_.shape != base.components_.shape or (
            np.abs(other.mean_ - base.mean_).max() > 1e-4
        )


def test_images_of_one_channel_are_held_against_the_luminance(photos):
    weights = np.array([0.299, 0.587, 0.114])
    grey = np.rint(photos[:4] @ weights)
    colours = Whitening(TEXTURE, photos[:4], n_sources=2).fit(grey)
    luminance = Whitening(TEXTURE, grey, n_sources=2).fit(grey)
    np.testing.assert_array_equal(colours.transform(grey), luminance.transform(grey))


def test_photos_that_tell_nothing_leave_finite_rows(photos):
    flat = np.full((2, 64, 64, 3), 255, np.uint8)
    whitening = Whitening(TEXTURE, flat, n_sources=2, n_components=3).fit(photos)
    assert not features_of_sources(TEXTURE, flat, 2).std(axis=(0, 1)).all()
    assert np.isfinite(whitening.transform(photos)).all()


@pytest.mark.parametrize("n_components", [27, 200])
def test_directions_that_photos_do_not_span_are_left_out(photos, n_components):
    # 28 rows span 27 directions about their mean; the order of photos must not matter.
    first, second = (
        Whitening(TEXTURE, own, n_sources=4, n_components=n_components).fit_transform(photos)
        for own in (photos[:7], photos[6::-1])
    )
    assert np.abs(first).max() > 0.1
    np.testing.assert_allclose(first, second, atol=1e-3)


def test_functions_that_look_alike_are_not_taken_for_each_other(photos):
    def rows(sigma):
        def denoise(images):  # it cannot be pickled, and its address is used again
            return gaussian_filter(images, (0, sigma, sigma))

        correlations = CorrelationTransformer((denoise,), max_lag=1, window=3)
        return Whitening(correlations, photos[:2], n_sources=2).fit(photos).mean_

    found = [rows(sigma) for sigma in (0.5, 0.8, 1.2, 2.0)]
    for one, other in pairwise(found):
        assert np.abs(one - other).max() > 1e-3


def test_fits_do_not_share_what_one_of_them_changes(photos):
    one, other = (Whitening(TEXTURE, photos[:3], n_sources=2).fit(photos) for _ in range(2))
    with pytest.raises(ValueError, match="read-only"):
        one.mean_ += 1
    assert one.mean_ is other.mean_


def test_images_that_are_too_small_are_refused_before_anything_is_learned(photos):
    with pytest.raises(ValueError, match="too small"):
        Whitening(TextureTransformer(), photos, n_sources=10**6).fit(photos[:, :6, :6])


def test_images_of_several_sizes(photos):
    whitening = Whitening(TEXTURE, photos[:3], n_sources=2).fit(photos)
    sizes = [photos[0], photos[1, :40], photos[2, 8:, :48]]
    found = whitening.transform(sizes)
    for row, image in zip(found, sizes, strict=True):
        np.testing.assert_allclose(row, whitening.transform(image[np.newaxis])[0], atol=1e-4)


@pytest.mark.parametrize(
    ("params", "message"),
    [
        ({"transformer": StandardScaler()}, "transformer: expected one that learns nothing"),
        ({"photos": np.ones((1, 64, 64, 3))}, r"photos: expected 2 or more.*\(1, 64"),
        ({"photos": np.ones((3, 64, 64))}, "photos: expected 2 or more with 3 channels"),
        ({"photos": np.full((3, 64, 64, 3), np.nan)}, "NaN"),
        ({"photos": np.ones((3, 64, 64, 3))}, "photos: expected 8-bit grey levels.* from 1 to 1"),
        ({"photos": np.full((3, 64, 64, 3), 300)}, "photos: expected 8-bit grey levels"),
        ({"photos": "photos"}, "'photos' parameter"),
        ({"n_sources": 1}, "'n_sources' parameter"),
        ({"n_components": 0}, "'n_components' parameter"),
        ({"transformer": SpectrumTransformer(64)}, "transformer: expected .* features of an image"),
    ],
)
def test_what_is_refused(photos, params, message):
    whitening = Whitening(TEXTURE, photos[:3], n_sources=2).set_params(**params)
    with pytest.raises(ValueError, match=message):
        whitening.fit(photos[:, :48, :48]).transform(photos[:, :48, :48])
