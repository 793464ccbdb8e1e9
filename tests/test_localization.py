"""Which parts of an image come from elsewhere."""

import pickle

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
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

# What becomes of each window, which results show for whole images only.
from sklearn_ganprint.localization._model import (
    clean_evidence,
    evidence_against,
    fit_spreads,
    locate,
    weigh,
)
from sklearn_ganprint.perturbations import JPEGCompression

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


# The localizer


def test_clean_images_are_weighed_by_how_others_scatter(fitted):
    X, y = training(4)
    model, codes, folds = (
        fitted.window_model(),
        np.unique(y, return_inverse=True)[1],
        np.arange(12) % 2,
    )
    located = locate(X, np.zeros(12, dtype=int), fitted, None, [], [model.projection])
    windows = [own for (own,) in located]
    found = clean_evidence(windows, codes, folds, model)
    others = np.flatnonzero(folds != folds[3])
    fine, coarse = fit_spreads([windows[each] for each in others], codes[others], 3, 3)
    unseen = model._replace(fine=fine, coarse=coarse)
    expected = evidence_against(weigh(windows[3], unseen), codes[3], 0, 3)
    assert_allclose(found[3], expected)
    # A source that is in no other fold scatters as it does altogether.
    whole = clean_evidence(windows, codes, codes, model)[3]
    assert_allclose(whole, evidence_against(weigh(windows[3], model), codes[3], 0, 3))


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


@pytest.mark.parametrize("rate", [0.02, 0.1, 0.5])
def test_another_rate_is_that_of_another_fit(fitted, rate):
    refitted = FingerprintLocalizer(false_alarm_rate=rate).fit(*training())
    changed = pickle.loads(pickle.dumps(fitted)).set_false_alarm_rate(rate)
    assert changed.threshold_ == refitted.threshold_
    assert changed.get_params() == refitted.get_params()
    for values in fitted.localization_map(traced(8, seed=5), "camera"):
        peak = changed.peak_of(values)
        assert changed.mask_of(values).any() == (peak >= changed.threshold_)
        assert (changed.p_value_of(peak) <= rate) or peak < changed.threshold_
    with pytest.raises(ValueError, match=r"rate: .* got 5"):
        changed.set_false_alarm_rate(5)


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


@pytest.mark.filterwarnings("ignore:The least populated class:UserWarning")
def test_a_source_with_one_image_is_never_left_out():
    X, y = training(12)
    kept = np.flatnonzero((y != "other") | (np.arange(len(y)) == len(y) - 1))
    localizer = FingerprintLocalizer().fit(X[kept], y[kept])
    assert len(localizer.calibration_peaks_) == 25
    assert overlap(localizer.predict(spliced()[0], "camera"), spliced()[1]) > 0.6


# Processed copies


def images_of(n, seed=0):
    """Images of two sources, whose neighbouring pixels depend on each other differently."""
    rng = np.random.default_rng(seed)
    X = rng.normal(128, 12, (2 * n, 65, 64, 3))
    X[n:, 1:] += 0.8 * (X[n:, :-1] - 128)
    return X[:, 1:].clip(0, 255).round().astype(np.uint8), np.repeat(["camera", "gan"], n)


@pytest.fixture(scope="module")
def fitted_on_copies():
    return make_localization_pipeline().fit(*images_of(20))


def test_images_saved_anew_have_another_history_and_few_regions(fitted_on_copies):
    X, y = images_of(12, seed=5)
    anew = JPEGCompression(80).fit_transform(X)
    for claimed in (y, None):
        (_, masks, _), differs = localize_images(
            fitted_on_copies, anew, claimed, return_processed=True
        )
        assert differs.mean() > 0.8
        assert masks.any(axis=(1, 2)).mean() <= 0.1
        assert not localize_images(fitted_on_copies, X, claimed, return_processed=True)[1].any()


def test_processed_images_have_a_threshold_of_their_own(fitted_on_copies):
    localizer = fitted_on_copies[-1]
    peaks, other = localizer.processed_peaks_, localizer.calibration_peaks_
    assert peaks.shape == other.shape == (40,)
    localizer = pickle.loads(pickle.dumps(localizer)).set_false_alarm_rate(0.1)
    assert (peaks >= localizer.threshold_of(True)).sum() <= 4
    assert (other >= localizer.threshold_of(False)).sum() <= 4
    peak = float(np.sort(peaks)[-3])
    assert localizer.p_value_of(peak, True) == pytest.approx(4 / 41)


def test_files_and_arrays_are_fitted_on_the_same_copies(fitted_on_copies, tmp_path):
    X, y = images_of(20)
    clf = FileBatchClassifier(make_localization_pipeline(), batch_size=7).fit(X, y)
    peaks = clf.estimator_[-1].processed_peaks_
    assert_allclose(peaks, fitted_on_copies[-1].processed_peaks_, rtol=1e-4)
    save_model(clf, tmp_path / "m.skops")
    loaded = load_model(tmp_path / "m.skops")
    assert_array_equal(localize_images(loaded, X[:3]).maps, localize_images(clf, X[:3]).maps)


def test_copies_are_not_made_of_residuals():
    with pytest.raises(ValueError, match="copies are made of images"):
        FingerprintLocalizer(perturbations="history web").fit(*training(4))
    pipeline = make_localization_pipeline().set_params(localizer__perturbations="jpeg 80")
    with pytest.raises(ValueError, match="expected a random history"):
        pipeline.fit(*images_of(4))


# What is refused


def test_one_source_is_not_enough():
    X, y = training(4)
    with pytest.raises(ValueError, match="at least 2 classes .* got 1 class: 'camera'"):
        FingerprintLocalizer().fit(X[:4], y[:4])


def test_an_unknown_claim_is_refused_with_those_known(fitted):
    residual, _ = spliced()
    with pytest.raises(ValueError, match=r"unknown sources \['leica'\].*'camera', 'gan', 'other'"):
        fitted.predict(residual, "leica")
    with pytest.raises(ValueError, match="1 images, got 2"):
        fitted.localization_map(residual, ["gan", "gan"])


def test_bad_residuals_and_parameters_are_refused(fitted):
    residual, _ = spliced()
    with pytest.raises(ValueError, match="1 channels, .* 3"):
        fitted.predict(residual[..., 0], "gan")
    with pytest.raises(ValueError, match="NaN"):
        fitted.predict(residual * np.nan, "gan")
    with pytest.raises(ValueError, match="window_size: expected an even number"):
        FingerprintLocalizer(window_size=15).fit(*training(2))
    with pytest.raises(ValueError, match=r"\['gan'\] are flat"):
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
    # Products in single precision are rounded differently in batches of other sizes. The inverse of
    # a covariance shrunk by 1 % makes an error of eps, as a share, up to 100 times as large.
    coef = pipeline[-1].coef_
    share = np.finfo(np.float32).eps / pipeline[-1].shrinkage
    assert_allclose(clf.estimator_[-1].coef_, coef, rtol=0, atol=share * np.abs(coef).max())
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
