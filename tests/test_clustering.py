import warnings

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image
from sklearn.base import clone
from sklearn.cluster import KMeans
from sklearn.exceptions import ConvergenceWarning
from sklearn.metrics import adjusted_rand_score
from sklearn.pipeline import make_pipeline

from sklearn_ganprint import (
    FileBatchClustering,
    FingerprintClustering,
    ResidualTransformer,
    load_model,
    save_model,
)
from sklearn_ganprint.clustering import cluster_parts, part_spectra, part_textures

# Steps of the clustering, held to slow references.
from sklearn_ganprint.clustering._merging import (
    ClusterSums,
    agree,
    by_size,
    cluster_points,
    inverse_root,
    merge_clusters,
    neighbor_whitening,
    principal_axes,
    reassign,
    separability,
    separations,
    whitened_axes,
    within_scatter,
)
from sklearn_ganprint.features import TextureTransformer
from sklearn_ganprint.files import UnreadableImageWarning

pytestmark = pytest.mark.core


def traces(n_per_source=24, n_sources=3, shape=(64, 64, 3), seed=0):
    """Noise that each source filters in its own way, and of which images differ in strength."""
    rng = np.random.default_rng(seed)
    y = np.repeat(np.arange(n_sources), n_per_source)
    X = rng.normal(size=(len(y), *shape))
    X[y == 1] += 0.6 * np.roll(X[y == 1], 1, axis=1)
    X[y == 2] += 0.6 * np.roll(X[y == 2], 2, axis=2)
    X *= rng.uniform(1, 3, size=(len(y), 1, 1, *shape[2:]))
    order = rng.permutation(len(y))
    return X[order].astype(np.float32), y[order]


def slow_separability(a, b, n_folds=5, shrinkage=0.1):
    """d' of members projected on axes found without their fold, less two standard errors."""
    folds = [np.arange(len(each)) % n_folds for each in (a, b)]
    projected = [np.empty(len(a)), np.empty(len(b))]
    for fold in range(n_folds):
        train = a[folds[0] != fold], b[folds[1] != fold]
        means = [each.mean(axis=0) for each in train]
        scatter = sum((each - m).T @ (each - m) for each, m in zip(train, means, strict=True))
        covariance = scatter / (len(train[0]) + len(train[1]) - 2)
        share = shrinkage * np.trace(covariance) / len(covariance) + 1e-9
        covariance = covariance + share * np.eye(len(covariance))
        axis = np.linalg.solve(covariance, means[1] - means[0])
        axis /= np.sqrt(axis @ covariance @ axis)
        for out, rows, own in zip(projected, (a, b), folds, strict=True):
            out[own == fold] = (rows[own == fold] - (means[0] + means[1]) / 2) @ axis
    n = len(a) + len(b)
    variance = (len(a) * projected[0].var() + len(b) * projected[1].var()) / n
    found = (projected[1].mean() - projected[0].mean()) / np.sqrt(variance)
    return found - 2 * np.sqrt(1 / len(a) + 1 / len(b) + found**2 / (2 * n))


def slow_features(image, side):
    """Log power and z of coherence at each frequency, one window at a time."""
    line = 0.5 - 0.5 * np.cos(2 * np.pi * np.arange(side) / side)
    taper = np.outer(line, line)
    spectra = []
    for i in range(0, image.shape[0] - side + 1, side // 2):
        for j in range(0, image.shape[1] - side + 1, side // 2):
            window = image[i : i + side, j : j + side] * taper[..., np.newaxis]
            spectra.append(np.fft.fft2(window, axes=(0, 1)))
    spectra = np.array(spectra)
    power = (np.abs(spectra) ** 2).mean(axis=0)
    found = [np.log(power / power.mean(axis=(0, 1)))[..., c] for c in range(3)]
    for a, b in ((0, 1), (0, 2), (1, 2)):
        cross = (spectra[..., a].conj() * spectra[..., b]).mean(axis=0).real
        found.append(np.arctanh(cross / np.sqrt(power[..., a] * power[..., b])))
    return found


@pytest.fixture(scope="module")
def fitted():
    X, y = traces()
    return FingerprintClustering().fit(X), X, y


def test_sources_are_found_without_their_number(fitted):
    clustering, X, y = fitted
    assert clustering.n_clusters_ == 3
    assert adjusted_rand_score(y, clustering.labels_) > 0.95
    np.testing.assert_array_equal(clustering.predict(X), clustering.labels_)


def test_new_images_are_assigned(fitted):
    clustering, X, y = fitted
    new, truth = traces(seed=1)
    labels = clustering.predict(new)
    together = adjusted_rand_score(np.append(y, truth), np.append(clustering.labels_, labels))
    assert together > 0.9


def test_what_is_like_no_cluster_fits_nowhere(fitted):
    foreign = np.random.default_rng(3).normal(size=(8, 64, 64, 3))
    foreign -= 0.6 * np.roll(foreign, 1, axis=1)
    assert (fitted[0].predict(foreign.astype(np.float32)) == -1).all()


def test_fingerprints_are_mean_residuals(fitted):
    clustering, X, _ = fitted
    assert clustering.fingerprints_.dtype == np.float32
    for code, fingerprint in enumerate(clustering.fingerprints_):
        own = X[clustering.labels_ == code].astype(np.float64).mean(axis=0)
        np.testing.assert_allclose(fingerprint, own.ravel(), atol=1e-6)


@pytest.mark.parametrize("batch_size", [5, 64])
def test_copies_count_once_in_fingerprints(noise_files, batch_size):
    paths, images, _ = noise_files
    order = [*range(len(paths)), *[0] * 9, 3]
    clustering = over_files(batch_size=batch_size).fit([paths[number] for number in order])
    residuals = clustering.estimator_[0].transform(images).astype(np.float64)
    labels = clustering.labels_[: len(paths)]
    for code, fingerprint in enumerate(clustering.estimator_[-1].fingerprints_):
        own = residuals[labels == code].mean(axis=0)
        np.testing.assert_allclose(fingerprint, own.ravel(), atol=1e-5)


@pytest.mark.parametrize("n", [10, 20, 60])
def test_one_source_is_one_cluster(n):
    X = traces(n_per_source=n, n_sources=1, seed=n)[0]
    assert FingerprintClustering().fit(X).n_clusters_ == 1


@pytest.mark.parametrize("n_clusters", [1, 2, 5])
def test_the_number_of_clusters_can_be_set(n_clusters):
    X, y = traces()
    clustering = FingerprintClustering(n_clusters).fit(X)
    assert clustering.n_clusters_ == len(clustering.fingerprints_) == n_clusters
    assert set(clustering.labels_) - {-1} == set(range(n_clusters))


@pytest.mark.parametrize("shape", [(64, 64), (45, 37, 3), (16, 90, 1), (8, 8, 3)])
def test_sizes_and_channels(shape):
    X, y = traces(shape=shape)
    clustering = FingerprintClustering(3).fit(X)
    assert clustering.fingerprints_.shape == (3, np.prod(shape))
    rows = X.reshape(len(X), -1)
    again = FingerprintClustering(3, image_shape=shape).fit(rows)
    np.testing.assert_array_equal(again.labels_, clustering.labels_)
    np.testing.assert_array_equal(again.predict(X[:3]), clustering.labels_[:3])


@pytest.mark.parametrize("n", [1, 2, 3, 9])
def test_few_images_are_one_cluster(n):
    clustering = FingerprintClustering().fit(traces()[0][:n])
    np.testing.assert_array_equal(clustering.labels_, np.zeros(n))


@pytest.mark.parametrize("constant", [1.0, 7.0])
def test_images_that_are_all_alike(constant):
    clustering = FingerprintClustering().fit(np.full((12, 32, 32, 3), constant, np.float32))
    np.testing.assert_array_equal(clustering.labels_, np.zeros(12))


def copied(counts, shape, seed=0):
    """Different images, the first `counts[0]` times and so on, shuffled; also which each is."""
    rng = np.random.default_rng(seed)
    which = rng.permutation(np.repeat(np.arange(len(counts)), counts))
    X = rng.normal(size=(len(counts), *shape)).astype(np.float32)[which]
    # Copies from different batches differ by rounding.
    return X + np.float32(1e-6) * rng.normal(size=X.shape).astype(np.float32), which


def assert_copies_lie_together(clustering, X, which):
    for name in ("fingerprints_", "cluster_centers_", "max_distances_", "components_"):
        assert np.isfinite(getattr(clustering, name)).all()
    assert len(clustering.fingerprints_) == clustering.n_clusters_
    for image in np.unique(which):
        assert len(np.unique(clustering.labels_[which == image])) == 1
    assert clustering.labels_.max() >= 0
    np.testing.assert_array_equal(clustering.predict(X), clustering.labels_)


@settings(max_examples=25)
@given(
    counts=st.lists(st.integers(1, 9), min_size=1, max_size=6),
    shape=st.sampled_from([(32, 32, 3), (33, 16), (8, 8)]),
    n_clusters=st.sampled_from([None, None, 1, 2, 4]),
    n_blank=st.integers(0, 2),
)
def test_copies_lie_together_however_many(counts, shape, n_clusters, n_blank):
    X, which = copied(counts, shape)
    X[which < n_blank] = 0
    which = np.where(which < n_blank, -1, which)
    if n_clusters is not None and n_clusters > (which >= 0).sum():
        return
    if (which < 0).all():
        with pytest.raises(ValueError, match="all of them are 0"):
            FingerprintClustering(n_clusters).fit(X)
        return
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        warnings.filterwarnings("ignore", "n_clusters=", ConvergenceWarning)
        clustering = FingerprintClustering(n_clusters).fit(X)
    assert_copies_lie_together(clustering, X, which)


@pytest.mark.parametrize("counts", [(2, 2), (3, 3), (10, 10, 10), (5,) * 6, (30, 1)], ids=str)
def test_copied_images_are_clusters_if_their_number_is_given(counts):
    X, which = copied(counts, (32, 32, 3))
    clustering = FingerprintClustering(len(counts)).fit(X)
    assert_copies_lie_together(clustering, X, which)
    assert adjusted_rand_score(which, clustering.labels_) == 1


def test_more_clusters_than_distinct_images_are_told():
    X, which = copied((4, 4), (32, 32, 3))
    with pytest.warns(ConvergenceWarning, match="n_clusters=3 is more .* distinct images: 2 of 8"):
        clustering = FingerprintClustering(3).fit(X)
    assert clustering.n_clusters_ == 2
    assert_copies_lie_together(clustering, X, which)


def test_copies_beside_other_images_do_not_make_sources():
    X, y = traces()
    copied = np.concatenate([np.arange(len(X)), np.repeat(np.flatnonzero(y == 0)[:3], 20)])
    clustering = FingerprintClustering().fit(X[copied])
    assert clustering.n_clusters_ == 3
    assert adjusted_rand_score(y[copied], clustering.labels_) > 0.95
    assert np.bincount(clustering.labels_[clustering.labels_ >= 0]).argmax() == 0


def test_images_that_differ_in_one_pixel_give_finite_clusters():
    X, which = copied((5, 5), (64, 64))
    X[which == 1] = X[which == 0][0]
    X[which == 1, 20, 20] += 3
    assert_copies_lie_together(FingerprintClustering().fit(X), X, which)


def test_tiled_images_whose_quarters_are_alike():
    tiles = np.random.default_rng(0).normal(size=(3, 8, 8)).astype(np.float32)
    X, which = np.tile(np.repeat(tiles, 4, axis=0), (1, 8, 8)), np.repeat(np.arange(3), 4)
    assert_copies_lie_together(FingerprintClustering().fit(X), X, which)


def test_wrong_input_is_named():
    X = traces()[0][:6]
    with pytest.raises(ValueError, match="No residual can be clustered"):
        FingerprintClustering().fit(np.zeros_like(X))
    with pytest.raises(ValueError, match="n_samples=6 should be >= n_clusters=7"):
        FingerprintClustering(7).fit(X)
    with pytest.raises(ValueError, match="NaN"):
        FingerprintClustering().fit(np.where(X > 3, np.nan, X))
    with pytest.raises(ValueError, match=r"expecting images of shape \(64, 64, 3\)"):
        FingerprintClustering(2).fit(X).predict(X[:, :32])


def test_many_images_are_sampled_and_the_rest_assigned():
    X, y = traces(n_per_source=40)
    clustering = FingerprintClustering(max_samples=60, random_state=0).fit(X)
    assert adjusted_rand_score(y, clustering.labels_) > 0.9
    again = clone(clustering).fit(X)
    np.testing.assert_array_equal(again.labels_, clustering.labels_)
    np.testing.assert_array_equal(clustering.predict(X), clustering.labels_)


def test_the_order_of_images_does_not_matter(fitted):
    clustering, X, _ = fitted
    order = np.random.default_rng(0).permutation(len(X))
    again = FingerprintClustering().fit(X[order])
    assert adjusted_rand_score(clustering.labels_[order], again.labels_) > 0.95


def test_threads_give_the_same_and_nothing_is_changed(fitted):
    clustering, X, _ = fitted
    X = X.copy()
    X.flags.writeable = False
    again = FingerprintClustering(n_jobs=2).fit(X)
    np.testing.assert_array_equal(again.labels_, clustering.labels_)


def test_a_saved_clustering_assigns_the_same(fitted, tmp_path):
    clustering, X, _ = fitted
    save_model(clustering, tmp_path / "clustering.skops")
    loaded = load_model(tmp_path / "clustering.skops")
    np.testing.assert_array_equal(loaded.predict(X), clustering.labels_)
    np.testing.assert_array_equal(loaded.families_.confusion_, clustering.families_.confusion_)


@pytest.mark.parametrize("part", range(5))
def test_features_are_spectra_and_coherences(part):
    rng = np.random.default_rng(0)
    image = rng.normal(size=(150, 170, 3))
    image[..., 1] += image[..., 0]
    found = part_spectra(image[np.newaxis])[0, part].reshape(6, -1)
    # 8 rows and 9 columns of windows of 32 pixels, of which quarters have 3 rows and 4 columns.
    i, j = ((0, 0), (0, 0), (0, 80), (80, 0), (80, 80))[part]
    used = image if part == 0 else image[i : i + 64, j : j + 80]
    # rr, rg, rb, gg, gb, bb
    for values, plane in zip(found[[0, 3, 5, 1, 2, 4]], slow_features(used, 32), strict=True):
        # The first row of a plane comes first, and -f is left out of what f has too.
        np.testing.assert_allclose(values[:17], plane[0, :17], atol=1e-6)
        np.testing.assert_allclose(values[17:34], plane[1, :17], atol=1e-6)


def test_features_of_a_batch_are_those_of_each_image():
    X = traces(n_per_source=4)[0]
    for features_of in (part_spectra, part_textures):
        for image, features in zip(X, features_of(X, n_jobs=2), strict=True):
            np.testing.assert_allclose(features_of(image[np.newaxis])[0], features, rtol=1e-5)


@pytest.mark.parametrize("shape", [(150, 171, 3), (64, 64, 1)], ids=str)
def test_textures_are_those_of_the_residuals_of_parts(shape):
    image = np.random.default_rng(0).normal(scale=3, size=shape)
    height, width = shape[0] // 2, shape[1] // 2
    parts = [image, image[:height, :width], image[:height, -width:]]
    parts += [image[-height:, :width], image[-height:, -width:]]
    names = TextureTransformer().fit(image[np.newaxis]).get_feature_names_out()
    of_residual = np.char.startswith(names.astype(str), "residual")
    found = part_textures(image[np.newaxis])[0]
    assert found.shape == (5, of_residual.sum())
    for textures, part in zip(found, parts, strict=True):
        expected = TextureTransformer().fit_transform(part[np.newaxis])[0, of_residual]
        np.testing.assert_allclose(textures, expected, atol=1e-6)
    assert part_textures(image[np.newaxis, :12]).shape == (1, 1, 0)


@pytest.mark.parametrize("shape", [(150, 171, 3), (16, 40)], ids=str)
def test_textures_of_images_come_with_intensity(shape):
    image = np.random.default_rng(0).integers(0, 256, shape).astype(np.uint8)[np.newaxis]
    residuals = ResidualTransformer(channels="rgb", flatten=False, intensity=True).transform(image)
    found = part_textures(residuals)[0]
    np.testing.assert_array_equal(found[:, :162], part_textures(residuals[..., :-1])[0])
    height, width = shape[0] // 2, shape[1] // 2
    parts = [image, image[:, :height, :width], image[:, :height, -width:]]
    parts += [image[:, -height:, :width], image[:, -height:, -width:]]
    expected = [TextureTransformer().fit_transform(part)[0] for part in parts]
    np.testing.assert_allclose(found[:, 162:], expected, atol=1e-6)
    np.testing.assert_array_equal(part_spectra(residuals), part_spectra(residuals[..., :-1]))
    assert part_textures(residuals[:, :12]).shape == (1, 1, 0)


@pytest.mark.parametrize(("side", "n_colours"), [(64, 3), (48, 1), (8, 3)])
def test_intensity_tells_sources_apart_and_is_in_no_fingerprint(side, n_colours):
    residuals = traces(n_sources=1, n_per_source=40, shape=(side, side, n_colours))[0]
    y, intensity = np.arange(40) % 2, residuals[::-1, ..., :1].copy()
    intensity[y == 1] += np.roll(intensity[y == 1], 1, axis=1)
    X = np.concatenate([residuals, 128 + 8 * intensity], axis=3)
    clustering = FingerprintClustering().fit(X)
    expected = y if side > 16 else np.zeros(40)  # small ones are clustered by their values
    assert adjusted_rand_score(expected, clustering.labels_) == 1
    assert len(np.unique(FingerprintClustering().fit(residuals).labels_)) == 1
    np.testing.assert_array_equal(clustering.predict(X), clustering.labels_)
    assert clustering.fingerprint_shape_ == (side, side, n_colours)
    for code, fingerprint in enumerate(clustering.fingerprints_):
        own = residuals[clustering.labels_ == code].astype(np.float64).mean(axis=0)
        np.testing.assert_allclose(fingerprint, own.ravel(), atol=1e-6)
    again = FingerprintClustering(image_shape=X.shape[1:]).fit(X.reshape(len(X), -1))
    np.testing.assert_array_equal(again.labels_, clustering.labels_)


@pytest.mark.parametrize("row", [0, 7])
def test_zero_residuals_fit_nowhere_whatever_their_intensity(row):
    residuals = traces(n_sources=1)[0]
    X = np.concatenate([residuals, 128 + residuals[..., :1]], axis=3)
    X[row, ..., :-1] = 0
    clustering = FingerprintClustering().fit(X)
    assert np.flatnonzero(clustering.labels_ == -1).tolist() == [row]
    np.testing.assert_array_equal(clustering.predict(X), clustering.labels_)


def test_textures_tell_what_spectra_cannot():
    """Signs of residuals that follow each other in threes have no spectrum of their own."""
    rng = np.random.default_rng(0)
    X = rng.choice([-3.0, 3.0], size=(48, 64, 64, 3))
    X[::2, :, 2::3] = X[::2, :, ::3][:, :, : X[::2, :, 2::3].shape[2]] * X[::2, :, 1::3] / 3
    y = np.arange(48) % 2
    spectra, textures = part_spectra(X), part_textures(X)
    assert adjusted_rand_score(y, cluster_parts(spectra).labels(spectra[:, 0])) < 0.5
    both = np.concatenate([spectra, textures], axis=2)
    rule = cluster_parts(both, n_textures=textures.shape[2])
    assert adjusted_rand_score(y, rule.labels(both[:, 0])) == 1


@pytest.mark.parametrize("sizes", [(9, 23), (40, 6), (3, 4)])
def test_separability_against_projecting_each_member(sizes):
    rng = np.random.default_rng(0)
    points = rng.normal(size=(sum(sizes), 3)) * [1, 2, 5]
    codes = np.repeat([0, 1], sizes)
    points[codes == 1] += [4, 0, 5]
    clusters = ClusterSums.of(points, codes)
    found = separability(clusters.take([0]), clusters.take([1]))[0]
    assert found == pytest.approx(slow_separability(points[codes == 0], points[codes == 1]))


def test_separations_are_those_of_each_two_clusters():
    rng = np.random.default_rng(0)
    codes = np.repeat([0, 1, 2, 3], (12, 20, 9, 2))
    points = rng.normal(size=(len(codes), 3)) + np.array([0, 5, 9, 30])[codes, np.newaxis]
    expected = np.zeros((4, 4))
    for a, b in ((0, 1), (0, 2), (1, 2)):  # the last is too small
        expected[a, b] = expected[b, a] = slow_separability(points[codes == a], points[codes == b])
    np.testing.assert_allclose(separations(points, codes), expected)


@pytest.mark.parametrize("n_clusters", [3, 4, 5])
def test_parts_of_one_source_are_a_family(n_clusters):
    X, y = traces(n_per_source=40)
    clustering = FingerprintClustering(n_clusters).fit(X)
    families = clustering.families_
    assert len(families.codes_) == n_clusters and len(families.names) == 3
    used = clustering.labels_ >= 0
    assert adjusted_rand_score(y[used], families.codes_[clustering.labels_[used]]) == 1


def test_one_cluster_is_a_family_of_its_own():
    families = FingerprintClustering(1).fit(traces()[0]).families_
    assert (families.names, families.linkage_.shape) == (["0"], (0, 4))


def test_clusters_of_two_are_never_sure():
    points = np.array([[0.0], [0.1], [50.0], [50.1]])
    clusters = ClusterSums.of(points, np.array([0, 0, 1, 1]))
    assert separability(clusters.take([0]), clusters.take([1]))[0] == -np.inf


def test_merging_undoes_cuts_and_leaves_gaps():
    rng = np.random.default_rng(0)
    y = np.repeat([0, 1], 60)
    points = rng.normal(size=(120, 4)) + 12 * y[:, np.newaxis]
    cut = 10 * y + (points[:, 0] > np.where(y, 12, 0)) * 3 + np.arange(120) % 2
    merged = merge_clusters(points, cut, 3.0)
    assert adjusted_rand_score(y, merged) == 1
    assert len(np.unique(merge_clusters(points, cut, 3.0, n_clusters=5))) == 5


def test_reassignment_keeps_all_clusters():
    points = np.array([[0.0], [1.0], [2.0], [1.1]])
    labels = np.array([5, 5, 5, 9])
    assert set(reassign(points, labels)) == {5, 9}


def test_whitening_gives_unit_scatter_within_images():
    rng = np.random.default_rng(0)
    mixing = rng.normal(size=(6, 6))
    whole = rng.normal(size=(400, 1, 6)) @ mixing * 3
    parts = whole + rng.normal(size=(400, 4, 6)) @ mixing
    within = parts @ inverse_root(within_scatter(parts, np.eye(6)), 0.01)
    within -= within.mean(axis=1, keepdims=True)
    covariance = np.einsum("npi,npj->ij", within, within) / 1600
    values = np.linalg.eigvalsh(covariance)
    assert 0.5 < values[0] < 1.01
    assert values[-1] == pytest.approx(1, abs=0.01)


def test_neighbors_whiten_as_their_differences_say():
    points = np.random.default_rng(0).normal(size=(30, 3)) * [1, 4, 2]
    matrix = np.eye(3)
    for _ in range(2):
        white = points @ matrix
        scatter = np.zeros((3, 3))
        for i, point in enumerate(white):
            distances = np.square(white - point).sum(axis=1)
            for j in np.argsort(distances)[1:5]:  # an eighth of 30, rounded up
                scatter += np.outer(points[i] - points[j], points[i] - points[j]) / (2 * 30 * 4)
        values, vectors = np.linalg.eigh(scatter)
        matrix = vectors / np.sqrt(values + (0.25 + (160 / 30) ** 2) * values.mean())
    found = neighbor_whitening(points)
    np.testing.assert_allclose(found @ found.T, matrix @ matrix.T, rtol=1e-9)


def test_whitening_sees_what_differs_between_images_of_one_source():
    rng = np.random.default_rng(0)
    source = rng.integers(2, size=600)
    image = rng.normal(size=(600, 12))  # as all parts of an image have it
    image[:, 0] *= 3.5
    image[:, 1] += 6 * source
    assert image[:, 0].std() > image[:, 1].std()
    parts = image[:, np.newaxis] + rng.normal(size=(600, 5, 12))
    first = whitened_axes(parts).apply(image)[:, 0]
    assert abs(np.corrcoef(first, source)[0, 1]) > 0.8


@pytest.mark.parametrize("shape", [(5, 30), (30, 5)])
def test_principal_axes_are_those_of_singular_values(shape):
    rows = np.random.default_rng(0).normal(size=shape)
    rows -= rows.mean(axis=0)
    axes = principal_axes(rows, 3)
    expected = np.linalg.svd(rows)[2][:3].T
    np.testing.assert_allclose(np.abs(axes.T @ expected), np.eye(3), atol=1e-8)


def test_consensus_is_what_half_agree_on():
    one, two, three = np.array([[0, 0, 1, 1, 2, 2], [0, 0, 0, 1, 1, 1], [4, 4, 3, 3, 5, 5]])
    labels = agree([one, two, three])
    assert adjusted_rand_score(one, labels) == 1
    assert len(np.unique(agree([one, two, three], 2))) == 2


@given(st.lists(st.integers(0, 4), min_size=1, max_size=30))
def test_clusters_are_numbered_by_size(labels):
    codes = by_size(np.array(labels))
    counts = np.bincount(codes)
    assert (np.diff(counts) <= 0).all()
    assert counts.min() > 0
    assert adjusted_rand_score(labels, codes) == 1


@pytest.mark.parametrize("first", [0, 1])
@pytest.mark.parametrize("n_copies", [1, 2])
def test_of_two_clusters_of_one_size_the_one_that_begins_first_is_0(first, n_copies):
    X, y = traces(n_per_source=20, n_sources=2)
    order = np.r_[np.flatnonzero(y == first), np.flatnonzero(y != first)]
    labels = FingerprintClustering().fit(np.repeat(X[order], n_copies, axis=0)).labels_
    np.testing.assert_array_equal(labels, np.repeat([0, 1], 20 * n_copies))


def test_points_in_clear_groups_are_found():
    rng = np.random.default_rng(0)
    y = np.repeat(np.arange(5), (60, 50, 40, 30, 20))
    points = rng.normal(size=(200, 6)) + 10 * np.eye(5, 6)[y]
    np.testing.assert_array_equal(cluster_points(points, 3.0), y)


@pytest.fixture
def noise_files(tmp_path):
    """Image files of two sources, in one folder."""
    X, y = traces(n_per_source=20, n_sources=2)
    images = (128 + 8 * X).clip(0, 255).astype(np.uint8)
    paths = [tmp_path / f"{number:03d}.png" for number in range(len(images))]
    for path, image in zip(paths, images, strict=True):
        Image.fromarray(image).save(path)
    return [str(path) for path in paths], images, y


def over_files(intensity=False, **params):
    residual = ResidualTransformer("gaussian", channels="rgb", flatten=False, intensity=intensity)
    return FileBatchClustering(make_pipeline(residual, FingerprintClustering()), **params)


@pytest.mark.parametrize("intensity", [False, True])
@pytest.mark.parametrize(("batch_size", "n_jobs"), [(64, None), (7, 2)])
def test_files_are_clustered_like_arrays(noise_files, batch_size, n_jobs, intensity):
    paths, images, y = noise_files
    clustering = over_files(intensity, batch_size=batch_size, n_jobs=n_jobs).fit(paths)
    in_memory = clone(clustering.estimator).fit(images)
    np.testing.assert_array_equal(clustering.labels_, in_memory[-1].labels_)
    found = clustering.estimator_[-1].fingerprints_
    np.testing.assert_allclose(found, in_memory[-1].fingerprints_, atol=1e-4)
    np.testing.assert_array_equal(clustering.predict(paths), clustering.labels_)
    assert adjusted_rand_score(y, clustering.labels_) > 0.9


@pytest.mark.parametrize("n_distinct", [1, 2, 5])
def test_copies_of_files_lie_together(noise_files, n_distinct):
    paths = noise_files[0][:n_distinct] * 5
    residual = ResidualTransformer(channels="rgb", flatten=False)
    pipeline = make_pipeline(residual, FingerprintClustering())
    clustering = FileBatchClustering(pipeline, batch_size=3).fit(paths)
    labels = clustering.labels_.reshape(5, n_distinct)
    np.testing.assert_array_equal(labels, np.tile(labels[0], (5, 1)))
    assert labels.max() >= 0 and np.isfinite(clustering.estimator_[-1].fingerprints_).all()


def test_files_of_a_sample_are_clustered_and_the_rest_assigned(noise_files):
    paths, images, y = noise_files
    clustering = over_files(batch_size=6)
    clustering.set_params(
        estimator__fingerprintclustering__max_samples=30,
        estimator__fingerprintclustering__random_state=0,
    )
    labels = clustering.fit_predict(paths)
    expected = clone(clustering.estimator).fit(images)[-1].labels_
    np.testing.assert_array_equal(labels, expected)


def test_a_file_that_cannot_be_used_has_no_cluster(noise_files, tmp_path):
    paths, _, _ = noise_files
    bad = tmp_path / "bad.png"
    bad.write_bytes(b"no image")
    with pytest.warns(UnreadableImageWarning, match=r"bad\.png"):
        clustering = over_files().fit([*paths, bad])
    assert clustering.labels_[-1] == -1
    assert [name for name, _ in clustering.failures_] == [str(bad)]
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        whole = over_files().fit(paths)
    np.testing.assert_array_equal(clustering.labels_[:-1], whole.labels_)


@pytest.mark.parametrize("intensity", [False, True])
def test_a_saved_clustering_of_files_is_loaded(noise_files, tmp_path, intensity):
    paths, _, _ = noise_files
    clustering = over_files(intensity, progress=print).fit(paths)
    save_model(clustering, tmp_path / "clustering.skops")
    loaded = load_model(tmp_path / "clustering.skops")
    np.testing.assert_array_equal(loaded.predict(paths), clustering.labels_)


def test_another_clusterer_has_a_label_for_each_file(noise_files, tmp_path):
    paths, _, _ = noise_files
    bad = tmp_path / "bad.png"
    bad.write_bytes(b"no image")
    clustering = FileBatchClustering(
        make_pipeline(ResidualTransformer("gaussian"), KMeans(2, random_state=0))
    )
    with pytest.warns(UnreadableImageWarning):
        labels = clone(clustering).fit([*paths[:3], bad, *paths[3:]]).labels_
    assert labels[3] == -1
    np.testing.assert_array_equal(np.delete(labels, 3), clustering.fit(paths).labels_)
