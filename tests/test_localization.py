"""Which parts of an image come from elsewhere."""

import pickle

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.testing import assert_allclose, assert_array_equal
from scipy import ndimage, stats
from sklearn.base import clone
from sklearn.exceptions import NotFittedError
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from sklearn_ganprint import (
    FileBatchClassifier,
    FingerprintLocalizer,
    ResidualTransformer,
    load_model,
    make_localization_pipeline,
    save_model,
)
from sklearn_ganprint.localization import (
    LocalizationWarning,
    localization_map,
    localize_images,
)
from sklearn_ganprint.localization import _evidence as evidence
from sklearn_ganprint.localization._calibration import (
    clean_evidence,
    fit_spreads,
    locate,
    peak_threshold,
)
from sklearn_ganprint.localization._likelihood import DEGREES, Spread, fit_spread, log_likelihoods
from sklearn_ganprint.localization._maps import find_regions, region_peak, smooth, to_pixels
from sklearn_ganprint.localization._model import evidence_against, weigh
from sklearn_ganprint.localization._moments import (
    IMAGES_PER_COORDINATE,
    MOST_IMAGE_COORDINATES,
    TINY,
    WITHIN_SHRINKAGE,
    Moments,
    discriminant_projection,
    image_directions,
    projections,
    total,
)

LABELS = np.array(["camera", "gan", "other"])


def traced(n, shape=(64, 64), channels=3, source="camera", seed=0):
    """Residuals whose neighbouring pixels depend on each other in the way of their source."""
    rng = np.random.default_rng([seed, LABELS.tolist().index(source)])
    residuals = rng.normal(size=(n, *(side + 1 for side in shape), channels))
    if source == "gan":
        residuals[:, 1:] += residuals[:, :-1]
    if source == "other":
        residuals[:, :, 1:] -= residuals[:, :, :-1]
    return residuals[:, 1:, 1:].astype(np.float32)


def training(n_per_class=20, channels=3, labels=LABELS):
    X = np.concatenate([traced(n_per_class, channels=channels, source=each) for each in labels])
    return X, np.repeat(labels, n_per_class)


@pytest.fixture(scope="module")
def fitted():
    return FingerprintLocalizer().fit(*training())


def spliced(shape=(64, 64), side=32, at=(16, 8), channels=3, seed=9):
    """A residual of the camera with a square of the generator, and where that is."""
    residual = traced(1, shape, channels, seed=seed)
    mask = np.zeros((1, *shape), dtype=bool)
    mask[:, at[0] : at[0] + side, at[1] : at[1] + side] = True
    residual[mask] = traced(1, shape, channels, "gan", seed)[mask]
    return residual, mask


def overlap(mask, truth):
    return 2 * (mask & truth).sum() / (mask.sum() + truth.sum())


# What windows say


def slow_features(residual, row, column, size, max_lag):
    """Correlations of one window, by sums over its pixels."""
    even = residual / np.sqrt(
        ndimage.uniform_filter(residual**2, (evidence.EVEN_SIZE,) * 2 + (1,)) + evidence.EVEN_FLOOR
    )
    height, width, channels = residual.shape
    pixels = [
        (y, x)
        for y in range(row, min(row + size, height))
        for x in range(column, min(column + size, width))
    ]

    def product(a, b, down, right):
        return sum(
            even[y, x, a] * even[y + down, x + right, b]
            for y, x in pixels
            if y + down < height and 0 <= x + right < width
        )

    norms = [np.sqrt(product(a, a, 0, 0)) for a in range(channels)]
    return [
        product(a, b, down, right) / (norms[a] * norms[b])
        for down, right in evidence.half_lags(max_lag)
        for a in range(channels)
        for b in range(channels)
        if (down, right) != (0, 0) or b > a
    ]


@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("shape", [(24, 32), (21, 19), (8, 40), (5, 6)])
def test_windows_are_correlations_of_the_even_residual(shape, channels):
    residual = np.random.default_rng(0).normal(size=(*shape, channels)) * [1, 2, 3][:channels]
    (strip,) = evidence.window_strips(residual, 8, 2, 0)
    rows, columns = strip.features.shape[:2]
    assert (rows, columns) == tuple(max(1, -(-side // 4) - 1) for side in shape)
    for row, column in {(0, 0), (rows - 1, columns - 1), (rows // 2, 0)}:
        expected = slow_features(residual, 4 * row, 4 * column, 8, 2)
        assert_allclose(strip.features[row, column], expected, rtol=1e-9)
        assert len(expected) == evidence.n_window_features(2, channels)


@pytest.mark.parametrize("strip_pixels", [1, 800, 3000])
def test_strips_change_nothing(monkeypatch, strip_pixels):
    residual = np.random.default_rng(0).normal(size=(61, 50, 3))
    residual[20:30, :20] = 0
    (whole,) = evidence.window_strips(residual, 16, 4, 0.02)
    monkeypatch.setattr(evidence, "STRIP_PIXELS", strip_pixels)
    strips = list(evidence.window_strips(residual, 16, 4, 0.02))
    assert len(strips) > 1
    assert_allclose(np.concatenate([each.features for each in strips]), whole.features)
    assert_array_equal(np.concatenate([each.active for each in strips]), whole.active)


def test_lags_are_one_half_of_all():
    lags = evidence.half_lags(3)
    both = {lag for down, right in lags for lag in [(down, right), (-down, -right)]}
    assert len(lags) == (7 * 7 + 1) // 2
    assert both == {(down, right) for down in range(-3, 4) for right in range(-3, 4)}


# The model


def test_coordinates_are_those_of_discriminant_analysis():
    rng = np.random.default_rng(0)
    X, y = rng.normal(size=(90, 6)), np.repeat([0, 1, 2], 30)
    X[:, 0] += y
    moments = Moments.zeros(2, 3, 6)
    for code in range(3):
        moments.add(code % 2, code, X[y == code])
    coef, intercept = discriminant_projection(moments, 0.1, np.float64)
    pooled = sum(np.cov(X[y == code].T, bias=True) for code in range(3)) / 3
    shrunk = 0.9 * pooled + 0.1 * np.trace(pooled) / 6 * np.eye(6)
    means = np.stack([X[y == code].mean(axis=0) for code in range(3)])
    expected = (X - means.mean(axis=0)) @ np.linalg.inv(shrunk) @ (means - means.mean(axis=0)).T
    assert_allclose(X @ coef.T + intercept, expected[:, :2], atol=1e-6)


def test_moments_of_folds_add_up():
    rng = np.random.default_rng(0)
    parts = []
    for fold in range(3):
        part = Moments.zeros(3, 2, 4)
        part.add(fold, fold % 2, rng.normal(size=(10, 4)))
        parts.append(part)
    both = total(parts[:2])
    for one, other in zip(total(parts).leave_out(2), both, strict=True):
        assert_allclose(one.sum(axis=0), other.sum(axis=0))
    assert_allclose(total(parts).leave_out(1).counts, total(parts).counts)


def image_moments(n_images, offset, n_folds=1):
    """Windows of images of two sources, offset in the first feature from image to image."""
    rng = np.random.default_rng(0)
    images = rng.normal(size=(n_images, 12, 5)) * [1, 3, 1, 1, 1]
    images[:, :, 0] += offset * rng.normal(size=(n_images, 1))
    images[1::2] += 5
    moments = Moments.zeros(n_folds, 2, 5)
    for number, image in enumerate(images):
        moments.add(number // 2 % n_folds, number % 2, image)
    return images, moments


def test_image_directions_are_those_in_which_images_of_a_source_differ():
    images, moments = image_moments(4 * IMAGES_PER_COORDINATE, offset=2)
    means = images.mean(axis=1)
    about_source = np.concatenate([means[code::2] - means[code::2].mean(axis=0) for code in (0, 1)])
    rows = (images - means[:, np.newaxis]).reshape(-1, 5)
    within = rows.T @ rows / len(rows)
    within += (WITHIN_SHRINKAGE * np.trace(within) / 5 + TINY) * np.eye(5)
    ratios, vectors = np.linalg.eig(np.linalg.solve(within, about_source.T @ about_source))
    expected = vectors[:, np.argsort(-ratios)[:4]].T
    expected /= np.sqrt(np.einsum("ki,ij,kj->k", expected, within, expected))[:, np.newaxis]
    directions = image_directions(moments)
    assert_allclose(np.abs(directions), np.abs(expected), rtol=1e-4, atol=1e-6)
    assert np.abs(directions[0]).argmax() == 0


@pytest.mark.parametrize(("n_images", "expected"), [(18, 0), (20, 2), (49, 4), (900, 5)])
def test_few_images_have_few_directions(n_images, expected):
    directions = image_directions(image_moments(n_images, offset=1)[1])
    assert directions.shape == (min(expected, MOST_IMAGE_COORDINATES), 5)


def test_models_of_all_folds_share_the_directions_of_images():
    images, moments = image_moments(40, offset=1, n_folds=4)
    whole, *left_out = projections(moments, 0.01, np.float32)
    assert len(left_out) == 4
    assert whole.coef.shape == (1 + 4, 5)
    assert whole.coef.dtype == whole.intercept.dtype == np.float32
    for each in left_out:
        assert_array_equal(each.coef[1:], whole.coef[1:])
        assert not np.array_equal(each.coef[0], whole.coef[0])
    centre = (images[::2].mean(axis=(0, 1)) + images[1::2].mean(axis=(0, 1))) / 2
    assert_allclose(whole.coef[1:] @ centre + whole.intercept[1:], 0, atol=1e-4)


def test_log_likelihoods_are_those_of_t_distributions():
    rng = np.random.default_rng(0)
    rows = [(code, rng.normal(size=(400, 3)) @ rng.normal(size=(3, 3))) for code in range(4)]
    spread = fit_spread(rows, 4, 3)
    X = rng.normal(size=(5, 3))
    expected = [
        stats.multivariate_t(mean, covariance * (DEGREES - 2) / DEGREES, DEGREES).logpdf(X)
        for mean, covariance in zip(*spread, strict=True)
    ]
    actual = log_likelihoods(X, spread)
    assert_allclose(np.diff(actual, axis=1), np.diff(np.transpose(expected), axis=1))


def test_a_source_of_few_windows_scatters_as_all_do():
    rng = np.random.default_rng(0)
    spread = fit_spread([(0, rng.normal(size=(5000, 1))), (1, np.full((2, 1), 3.0))], 2, 1)
    assert isinstance(spread, Spread)
    assert_allclose(spread.means[:, 0], [0, 3], atol=0.1)
    assert_allclose(spread.covariances[:, 0, 0], 1, atol=0.1)


# Maps


def test_smoothing_leaves_out_what_has_no_weight():
    values = np.arange(30.0).reshape(5, 6)
    weights = np.ones((5, 6))
    weights[2, 2:] = 0
    smoothed = smooth(values, weights, 3)
    near = [values[1:4, 1:4][weights[1:4, 1:4] > 0].mean(), values[:2, :2].mean()]
    assert_allclose([smoothed[2, 2], smoothed[0, 0]], near)
    assert (smooth(values, np.zeros((5, 6)), 3) == 0).all()


def test_pixels_lie_between_the_centres_of_windows():
    grid = np.add.outer(10 * np.arange(3.0), np.arange(4.0))
    pixels = to_pixels(grid, (16, 18), 4)
    # Window 1 has its centre 8 pixels in, between pixels 7 and 8.
    assert_allclose((pixels[7] + pixels[8]) / 2 - pixels[0], 10)
    assert_allclose(pixels[0, [0, 3, 8, 17]], [0, 0, 1.125, 3])
    assert to_pixels(np.ones((1, 1)), (3, 5), 4).tolist() == np.ones((3, 5)).tolist()


def test_a_region_ends_half_way_to_the_rest():
    values = np.zeros((20, 40))
    values[:, 10:20] = 8
    values[:, 20:25] = [6, 5, 3, 2, 1]
    values[0, 39] = 9  # too small
    values[5, 12] = np.nan
    mask = find_regions(values, high=7, low=0.5, size=30)
    assert mask[:, 10:22].sum() == 239
    assert not mask[:, 22:].any()
    assert not mask[5, 12]
    assert region_peak(values, 0.5, 30) == 8
    assert region_peak(values, 0.5, 1) == 9
    assert region_peak(values, 9.5, 1) == -np.inf


@given(st.lists(st.integers(-50, 50), min_size=1, max_size=60), st.floats(0.02, 0.9))
def test_no_more_clean_images_than_stated_reach_the_threshold(peaks, rate):
    peaks = np.array(peaks, dtype=float)
    alarms = (peaks >= peak_threshold(peaks, rate)).sum()
    assert alarms <= rate * (len(peaks) + 1)


# The localizer


def test_clean_images_are_weighed_by_how_others_scatter(fitted):
    X, y = training(4)
    model, codes, folds = (
        fitted.window_model(),
        np.unique(y, return_inverse=True)[1],
        np.arange(12) % 2,
    )
    windows = locate(X, np.zeros(12, dtype=int), fitted, [model.projection])
    found = clean_evidence(windows, codes, folds, model)
    others = np.flatnonzero(folds != folds[3])
    spreads = fit_spreads([windows[each] for each in others], codes[others], 3, 3)
    expected = evidence_against(weigh(windows[3], *spreads, 3), codes[3], 3)
    assert_allclose(found[3], expected)
    # A source that is in no other fold scatters as it does altogether.
    whole = clean_evidence(windows, codes, codes, model)[3]
    assert_allclose(
        whole, evidence_against(weigh(windows[3], model.fine, model.coarse, 3), codes[3], 3)
    )


@pytest.mark.parametrize(("shape", "at"), [((64, 64), (16, 8)), ((96, 150), (41, 77))])
def test_finds_a_square_in_images_of_any_size(fitted, shape, at):
    residual, truth = spliced(shape, at=at)
    values, mask = fitted.localization_map(residual, "camera"), fitted.predict(residual, "camera")
    assert values.shape == mask.shape == (1, *shape)
    assert mask.dtype == bool
    assert overlap(mask, truth) > 0.75
    assert values[truth].mean() > 0 > values[~truth].mean()


def test_clean_images_have_regions_as_often_as_stated(fitted):
    X = np.concatenate([traced(40, source=each, seed=5) for each in LABELS])
    masks = fitted.predict(X, np.repeat(LABELS, 40))
    assert masks.any(axis=(1, 2)).mean() <= 0.1
    peaks = fitted.calibration_peaks_
    assert (peaks >= fitted.threshold_).mean() <= 0.05
    assert len(peaks) == 60


def test_grey_images_have_maps_too():
    localizer = FingerprintLocalizer().fit(*training(channels=1))
    residual, truth = spliced(channels=1)
    assert overlap(localizer.predict(residual[..., 0], "camera"), truth) > 0.6


def test_flat_areas_are_not_a_number_and_in_no_region(fitted):
    residual, _ = spliced()
    residual[:, 24:, 40:] = 0
    values, mask = fitted.localization_map(residual, "gan"), fitted.predict(residual, "gan")
    assert np.isnan(values[0, 24:, 40:]).all()
    assert np.isfinite(values[0, :24]).all()
    assert not mask[0, 24:, 40:].any()
    assert np.isnan(fitted.localization_map(0 * residual, "gan")).all()
    assert not fitted.predict(0 * residual, "gan").any()


def test_the_source_of_the_whole_is_claimed_if_none_is(fitted):
    residual, _ = spliced()
    assert fitted.attribute(residual).tolist() == ["camera"]
    assert fitted.attribute(traced(3, source="other", seed=3)).tolist() == ["other"] * 3
    assert_array_equal(
        fitted.localization_map(residual), fitted.localization_map(residual, claimed=["camera"])
    )


def test_images_have_claims_of_their_own(fitted):
    residuals = np.concatenate([traced(1, seed=7), traced(1, source="gan", seed=7)])
    maps = fitted.localization_map(residuals, ["camera", "gan"])
    for number, claimed in enumerate(["camera", "gan"]):
        alone = fitted.localization_map(residuals[number : number + 1], claimed)[0]
        assert_array_equal(maps[number], alone)
        model, code = fitted.window_model(), LABELS.tolist().index(claimed)
        assert_allclose(localization_map(residuals[number], code, model), alone, rtol=1e-5)


@pytest.mark.parametrize("shape", [(10, 12), (7, 64), (16, 16)])
def test_images_smaller_than_a_window_have_one(fitted, shape):
    values = fitted.localization_map(traced(2, shape, source="gan"), "camera")
    assert values.shape == (2, *shape)
    assert np.isfinite(values).all()
    assert fitted.predict(traced(2, shape, source="gan"), "gan").shape == (2, *shape)


def test_precision_is_that_of_the_residuals(fitted):
    residual, _ = spliced()
    single, double = (fitted.localization_map(residual.astype(t), "gan") for t in "fd")
    assert (single.dtype, double.dtype) == (np.float32, np.float64)
    assert_allclose(single, double, atol=1e-3)


def test_rows_and_images_are_the_same():
    X, y = training(8)
    rows = X.reshape(len(X), -1)
    localizer = FingerprintLocalizer(image_shape=(64, 64, 3)).fit(rows, y)
    assert_array_equal(
        localizer.predict(rows[::5], y[::5]),
        FingerprintLocalizer().fit(X, y).predict(X[::5], y[::5]),
    )
    with pytest.raises(ValueError, match="features"):
        localizer.predict(rows[:, :-3], "gan")


@pytest.mark.parametrize("copy", [clone, lambda each: pickle.loads(pickle.dumps(each))])
def test_copies_do_the_same(fitted, copy):
    residual, _ = spliced()
    copied = copy(fitted)
    if not hasattr(copied, "coef_"):
        copied.fit(*training())
    assert_array_equal(copied.localization_map(residual), fitted.localization_map(residual))


def test_groups_are_never_on_both_sides():
    X, y = training(6)
    groups = np.tile([0, 0, 0, 1, 1, 1], 3)
    localizer = FingerprintLocalizer()
    localizer.classes_ = LABELS
    folds = localizer._folds(y, groups)
    assert len(set(folds)) == 2
    assert all(len(set(folds[groups == group])) == 1 for group in (0, 1))
    with pytest.warns(LocalizationWarning, match="takes 19 clean images, got 18"):
        localizer.fit(X, y, groups=groups)


def test_a_source_with_one_image_is_never_left_out():
    X, y = training(12)
    kept = np.flatnonzero((y != "other") | (np.arange(len(y)) == len(y) - 1))
    localizer = FingerprintLocalizer().fit(X[kept], y[kept])
    assert len(localizer.calibration_peaks_) == 25
    assert overlap(localizer.predict(spliced()[0], "camera"), spliced()[1]) > 0.6


# What is refused


def test_one_source_is_not_enough():
    X, y = training(4)
    with pytest.raises(ValueError, match=r"at least 2 sources .* got 1 class: \['camera'\]"):
        FingerprintLocalizer().fit(X[:4], y[:4])


def test_an_unknown_claim_is_refused_with_those_known(fitted):
    residual, _ = spliced()
    with pytest.raises(ValueError, match=r"unknown sources \['leica'\].*'camera', 'gan', 'other'"):
        fitted.predict(residual, "leica")
    with pytest.raises(ValueError, match="expected one source, or one for each of 1 images, got 2"):
        fitted.localization_map(residual, ["gan", "gan"])


def test_bad_residuals_and_parameters_are_refused(fitted):
    residual, _ = spliced()
    with pytest.raises(ValueError, match="1 channels, but .* fitted on images of 3"):
        fitted.predict(residual[..., 0], "gan")
    with pytest.raises(ValueError, match="NaN"):
        fitted.predict(residual * np.nan, "gan")
    with pytest.raises(ValueError, match="window_size: expected an even number"):
        FingerprintLocalizer(window_size=15).fit(*training(2))
    with pytest.raises(ValueError, match=r"All residuals of \['gan'\] are flat"):
        X, y = training(4)
        FingerprintLocalizer().fit(X * (y != "gan")[:, None, None, None], y)
    with pytest.raises(NotFittedError):
        FingerprintLocalizer().predict(residual)


# Images and files


@pytest.fixture
def files(image_folder):
    folder, paths, y = image_folder(n_per_class=9, shape=(40, 48, 3))
    return paths, y


def test_files_give_the_same_model_in_batches(files, tmp_path):
    paths, y = files
    clf = FileBatchClassifier(make_localization_pipeline(), batch_size=4).fit(paths, y)
    images = clf.reader_.try_read(paths)[0]
    pipeline = make_localization_pipeline().fit(images, y)
    assert_allclose(clf.estimator_[-1].coef_, pipeline[-1].coef_, rtol=1e-4)
    assert_allclose(clf.estimator_[-1].threshold_, pipeline[-1].threshold_, rtol=1e-4)
    save_model(clf, tmp_path / "model.skops")
    loaded = load_model(tmp_path / "model.skops")
    larger = np.tile(images[:2], (1, 2, 2, 1))
    found = localize_images(loaded, larger, claimed="a")
    assert found.maps.shape == found.masks.shape == (2, 80, 96)
    assert_array_equal(found.maps, localize_images(clf, larger, ["a", "a"]).maps)
    assert found.claimed.tolist() == ["a", "a"]
    with pytest.raises(TypeError, match="a mask for each image.*localize_images"):
        loaded.predict(paths)


def test_only_pipelines_with_a_localizer_localize(make_images):
    X, y = make_images()
    with pytest.raises(TypeError, match="ends with StandardScaler"):
        localize_images(make_pipeline(StandardScaler()).fit(X.reshape(len(X), -1)), X)
    learned = make_pipeline(StandardScaler(), FingerprintLocalizer(image_shape=(32, 32, 3))).fit(
        X.reshape(len(X), -1), y
    )
    with pytest.raises(TypeError, match=r"learn nothing .* got \['StandardScaler'\]"):
        localize_images(learned, X)


def test_without_a_claim_the_result_says_whose_trace_it_is_against(make_images):
    X, y = make_images(n_per_class=10)
    pipeline = make_pipeline(
        ResidualTransformer("gaussian", channels="rgb", flatten=False), FingerprintLocalizer()
    ).fit(X, y)
    found = localize_images(pipeline, X[:4])
    assert_array_equal(found.claimed, pipeline[-1].attribute(pipeline[:-1].transform(X[:4])))
