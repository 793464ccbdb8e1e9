"""Attribution of photos to cameras, on simulated sensors."""

import json

import numpy as np
import pytest
from PIL import Image
from sklearn.base import clone

from sklearn_ganprint import (
    FileBatchClassifier,
    OpenSetClassifier,
    PRNUClassifier,
    ResidualTransformer,
    load_model,
    make_attribution_pipeline,
    save_model,
)
from sklearn_ganprint.correlation import correlation_index, peak_to_correlation_energy

# Flat fields, and a stronger pattern than the sources that have names.
from sklearn_ganprint.datasets._simulator._sources import Camera
from sklearn_ganprint.files import UnreadableImageWarning
from sklearn_ganprint.fingerprints import maximum_likelihood_fingerprint, wiener_dft, zero_mean


@pytest.fixture
def make_photos():
    """Flat fields, or scenes of changing brightness, by cameras with a strong pattern."""

    def make(n_each=4, size=(96, 80), flat=False, seed=0):
        rows, columns = np.indices(size) / max(size)
        photos = []
        for index in (0, 1):
            camera = Camera(index, prnu=0.03, shot=1e-3, read=1e-6, quality=95)
            for number in range(n_each):
                wave = np.sin(number + seed + 3 * rows) * np.cos(5 * columns)
                tilt = (0 if flat else 60) * wave
                scene = np.repeat((140 + 5 * number + tilt)[..., np.newaxis], 3, axis=2)
                photos.append(camera.photograph(scene, (seed, number)))
        return np.stack(photos), np.repeat(["left", "right"], n_each)

    return make


@pytest.fixture
def make_signals(make_photos):
    """Residuals of photos, with the intensity, and their cameras."""

    def make(**params):
        photos, y = make_photos(**params)
        residual = ResidualTransformer("gaussian", flatten=False, intensity=True)
        return residual.fit_transform(photos), y

    return make


def test_flat_fields_tell_which_camera_took_a_photo(make_photos):
    flats, y = make_photos(flat=True)
    photos, truth = make_photos(n_each=6, seed=1)
    pipeline = make_attribution_pipeline("prnu").fit(flats, y)
    assert pipeline.score(photos, truth) == 1
    energy = pipeline[-1].class_scores(pipeline[:-1].transform(photos))
    own = truth[:, np.newaxis] == pipeline.classes_
    assert energy[own].min() > 60
    assert np.abs(energy[~own]).max() < 20


@pytest.mark.parametrize("wiener", [False, True])
@pytest.mark.parametrize("phases", [True, False, "bayer"])
def test_fingerprints_and_scores_as_defined(make_signals, phases, wiener):
    X, y = make_signals()
    clf = PRNUClassifier(zero_mean=phases, wiener=wiener).fit(X, y)
    signals = X[..., :1] * X[..., 1:]
    for code, label in enumerate(clf.classes_):
        own = X[y == label]
        expected = maximum_likelihood_fingerprint(own[..., :1], own[..., 1:])
        if phases:
            expected = zero_mean(expected, bayer=phases == "bayer")
        expected = wiener_dft(expected) if wiener else expected
        actual = clf.fingerprints_[code].reshape(expected.shape)
        np.testing.assert_allclose(actual, expected, atol=1e-9)
        energy = peak_to_correlation_energy(signals, expected[np.newaxis])[:, 0]
        np.testing.assert_allclose(clf.class_scores(X)[:, code], energy, rtol=1e-3, atol=1e-3)
    clf.set_params(metric="correlation")
    images = clf.fingerprints_.reshape(2, *clf.fingerprint_shape_)
    np.testing.assert_allclose(clf.class_scores(X), correlation_index(signals, images), atol=1e-6)


@pytest.mark.parametrize("channels", [1, 3])
def test_without_intensity_fingerprints_are_means(channels):
    X = np.random.default_rng(0).normal(size=(6, 12, 10, channels))
    y = [0, 0, 0, 1, 1, 1]
    clf = PRNUClassifier().fit(X, y)
    means = zero_mean(np.stack([X[:3].mean(axis=0), X[3:].mean(axis=0)]))
    np.testing.assert_allclose(clf.fingerprints_, means.reshape(2, -1))
    rows = PRNUClassifier(image_shape=(12, 10, channels)).fit(X.reshape(6, -1), y)
    np.testing.assert_array_equal(rows.fingerprints_, clf.fingerprints_)


def test_intensity_is_where_the_parameter_says(make_signals):
    X, y = make_signals()
    stated = PRNUClassifier(intensity=True).fit(X, y)
    np.testing.assert_array_equal(stated.fingerprints_, PRNUClassifier().fit(X, y).fingerprints_)
    assert stated.fingerprint_shape_ == (96, 80, 1)
    plain = PRNUClassifier(intensity=False, zero_mean=False).fit(X, y)
    means = np.stack([X[y == label].astype(float).mean(axis=0) for label in plain.classes_])
    np.testing.assert_allclose(plain.fingerprints_, means.reshape(2, -1), atol=1e-9)
    assert plain.class_scores(X).shape == plain.leave_one_out_scores(X, y).shape == (len(X), 2)


@pytest.mark.parametrize("channels", [1, 3])
def test_residuals_without_the_stated_intensity_are_refused(channels):
    X = np.random.default_rng(0).normal(size=(4, 12, 10, channels))
    with pytest.raises(ValueError, match=f"intensity=True.*2 or 4 channels.*got {channels}"):
        PRNUClassifier(intensity=True).fit(X, [0, 0, 1, 1])


def test_a_classifier_saved_before_the_parameter_finds_the_intensity(make_signals):
    X, y = make_signals()
    fitted = PRNUClassifier().fit(X, y)
    state = fitted.__getstate__()
    del state["intensity"]
    old = PRNUClassifier.__new__(PRNUClassifier)
    old.__setstate__(state)
    assert clone(old).intensity == "auto"
    np.testing.assert_array_equal(old.class_scores(X), fitted.class_scores(X))
    np.testing.assert_array_equal(old.partial_fit(X, y).predict(X), fitted.predict(X))


def test_fits_on_parts_are_the_fit_on_all(make_signals):
    X, y = make_signals()
    weights = np.linspace(0.5, 2, len(X))
    whole = PRNUClassifier().fit(X, y, sample_weight=weights)
    parts = PRNUClassifier()
    for rows in (slice(0, 3), slice(3, 8)):
        parts.partial_fit(X[rows], y[rows], ["left", "right"], sample_weight=weights[rows])
    merged = PRNUClassifier().partial_fit(X[:4], y[:4], ["left"], sample_weight=weights[:4])
    merged.merge(PRNUClassifier().partial_fit(X[4:], y[4:], ["right"], sample_weight=weights[4:]))
    for other in (parts, merged):
        np.testing.assert_allclose(other.fingerprints_, whole.fingerprints_, atol=1e-12)
        np.testing.assert_allclose(other.class_count_, whole.class_count_)
        np.testing.assert_array_equal(other.predict(X), whole.predict(X))


def test_merging_leaves_the_other_as_it_is_and_wants_one_shape(make_signals):
    X, y = make_signals()
    first, second = PRNUClassifier().fit(X[::2], y[::2]), PRNUClassifier().fit(X[1::2], y[1::2])
    before = second.product_sum_.copy()
    first.merge(second)
    np.testing.assert_array_equal(second.product_sum_, before)
    with pytest.raises(ValueError, match="different sizes: .*\\(96, 80, 2\\).*\\(80, 80, 2\\)"):
        first.merge(PRNUClassifier().fit(X[:, :80], y))


def test_leave_one_out_scores_are_those_of_fits_without_the_photo(make_signals):
    X, y = make_signals(n_each=3)
    weights = np.linspace(1, 2, len(X))
    clf = PRNUClassifier().fit(X, y, sample_weight=weights)
    actual = clf.leave_one_out_scores(X, y, weights)
    for row, label in enumerate(y):
        kept = np.arange(len(X)) != row
        without = PRNUClassifier().fit(X[kept], y[kept], sample_weight=weights[kept])
        expected = without.class_scores(X[[row]])[0]
        np.testing.assert_allclose(actual[row], expected, rtol=1e-4, atol=1e-4, err_msg=label)


def test_the_only_photo_of_a_camera_and_a_camera_without_any_score_lowest(make_signals):
    X, y = make_signals()
    clf = PRNUClassifier().partial_fit(X[3:5], y[3:5], ["left", "none", "right"])
    scores = clf.class_scores(X)
    assert np.isfinite(scores).all()
    assert (scores[:, 1] < -1e38).all()
    assert np.diag(clf.leave_one_out_scores(X[3:5], y[3:5])[:, [0, 2]]).max() < -1e38


def test_crops_are_found_where_they_were_cut(make_photos):
    flats, y = make_photos(flat=True, n_each=8, size=(128, 144))
    photos, truth = make_photos(seed=1, size=(128, 144))
    pipeline = make_attribution_pipeline("prnu").fit(flats, y)
    crops = photos[:, 21:101, 37:133]
    peaks = pipeline[-1].locate(clone(pipeline[0]).fit_transform(crops))
    own = np.searchsorted(pipeline.classes_, truth)
    np.testing.assert_array_equal(peaks.pce.argmax(axis=1), own)
    assert (peaks.offset[np.arange(len(own)), own] == [21, 37]).all()
    with pytest.raises(ValueError, match=r"Expected residuals of shape \(n, h, w, 2\), got"):
        pipeline[-1].locate(np.ones((1, 8, 8, 1)))


def test_a_search_finds_photos_that_were_shifted(make_signals):
    X, y = make_signals(flat=True)
    shifted = np.roll(X[1::2], (5, -7), (1, 2))
    for search, least, most in ((True, 60, np.inf), (False, -np.inf, 20)):
        clf = PRNUClassifier(search=search).fit(X[::2], y[::2])
        energy = clf.class_scores(shifted)[np.arange(len(shifted)), np.repeat([0, 1], 2)]
        assert least < energy.min()
        assert energy.max() < most


@pytest.mark.parametrize("shape", [(61, 47), (1, 50), (33, 1)])
@pytest.mark.parametrize("channels", [(), (3,)])
def test_odd_sizes_and_grey_photos(shape, channels):
    rng = np.random.default_rng(0)
    X = rng.integers(0, 256, (6, *shape, *channels), dtype=np.uint8)
    pipeline = make_attribution_pipeline("prnu").fit(X, [0, 1, 0, 1, 0, 1])
    assert np.isfinite(pipeline.decision_function(X)).all()


def test_files_in_batches_make_the_model_of_all_in_memory(make_photos, tmp_path):
    photos, y = make_photos()
    paths = [str(tmp_path / f"{number}.png") for number in range(len(photos))]
    for path, photo in zip(paths, photos, strict=True):
        Image.fromarray(photo).save(path)
    pipeline = make_attribution_pipeline("prnu")
    model = FileBatchClassifier(OpenSetClassifier(pipeline, false_alarm_rate=0.3), batch_size=3)
    model.fit(paths, y)
    memory = clone(pipeline).fit(photos, y)
    # BLAS rounds the denoiser's products differently in batches of other sizes: residuals by about
    # 255 eps, and fingerprints, which are residuals over an intensity of up to 255, by about eps.
    found, expected = model.estimator_.estimator_[-1].fingerprints_, memory[-1].fingerprints_
    np.testing.assert_allclose(found, expected, rtol=0, atol=np.finfo(np.float32).eps)
    expected = memory[-1].leave_one_out_scores(memory[:-1].transform(photos), y)
    np.testing.assert_allclose(model.estimator_.calibration_scores_, expected, rtol=1e-3, atol=0.01)
    save_model(model, tmp_path / "model.skops")
    loaded = load_model(tmp_path / "model.skops")
    np.testing.assert_array_equal(loaded.predict(paths), model.predict(paths))
    assert (loaded.predict(paths) == y).all()


def test_photos_that_exif_turns_stay_on_the_grid_and_turned_ones_are_refused(make_photos, tmp_path):
    photos, y = make_photos(flat=True)
    pipeline = make_attribution_pipeline("prnu")
    by_exif, by_pixels = str(tmp_path / "exif.jpg"), str(tmp_path / "turned.png")
    exif = Image.Exif()
    exif[274] = 6  # to be shown turned by a quarter
    photo = make_photos(seed=1)[0][0]
    Image.fromarray(photo).save(by_exif, exif=exif, quality=98, subsampling=0)
    Image.fromarray(np.rot90(photo)).save(by_pixels)
    files = FileBatchClassifier(pipeline).fit(*_saved(photos, y, tmp_path))
    with pytest.warns(UnreadableImageWarning, match=r"turned.png.*\(80, 96\) differs from \(96"):
        scores = files.class_scores([by_exif, by_pixels])
    assert scores[0, 0] > 60
    assert np.isnan(scores[1]).all()


def _saved(photos, y, folder):
    paths = [str(folder / f"{number}.png") for number in range(len(photos))]
    for path, photo in zip(paths, photos, strict=True):
        Image.fromarray(photo).save(path)
    return paths, y


@pytest.fixture
def camera_model(make_photos, tmp_path, ganprint):
    """A model of two cameras, of flat fields, and a function that writes photos."""

    def write(folder, photos):
        (tmp_path / folder).mkdir(parents=True)
        paths = [str(tmp_path / folder / f"{number}.png") for number in range(len(photos))]
        for path, photo in zip(paths, photos, strict=True):
            Image.fromarray(photo).save(path)
        return paths

    flats, y = make_photos(flat=True, size=(160, 128))
    for label in ("left", "right"):
        write(f"flats/{label}", flats[y == label])
    arguments = ("fit", tmp_path / "flats", "--model", tmp_path / "m", "--kind", "prnu")
    status, out, err = ganprint(*arguments)
    assert (status, "warning" in err) == (0, False)
    assert "energy of 60" in out
    return tmp_path / "m", write


def test_energies_decide_where_photos_are_unlike_flat_fields(camera_model, make_photos, ganprint):
    model, write = camera_model
    scenes, y = make_photos(seed=3, size=(160, 128))
    others = np.random.default_rng(0).integers(60, 200, (2, 160, 128, 3), dtype=np.uint8)
    paths = [*write("scenes", scenes), *write("others", others)]
    document = json.loads(ganprint("predict", model, *paths, "--format", "json")[1])
    rows = document["results"]
    assert [row["source"] for row in rows] == [*y, "unknown", "unknown"]
    assert min(row["score"] for row in rows[:-2]) >= 60 > max(row["score"] for row in rows[-2:])
    assert (document["match_energy"], document["false_alarm_rate"]) == (60, None)
    assert {row["reason"] for row in rows[:-2]} == {None}
    assert all(row["reason"].startswith("no match: an energy of ") for row in rows[-2:])
    _, out, err = ganprint("verify", model, "left", *paths, "--false-alarm", 0.5)
    assert "--false-alarm: not used" in err
    heads, _, *lines = out.splitlines()
    assert "p-value" not in heads
    rejected = [" not rejected " not in line for line in lines[:10]]
    assert rejected == [*(y != "left"), True, True]
    assert "rejected (energy below 60): 6 of 10" in out


def test_evaluate_goes_by_energies(camera_model, make_photos, ganprint, tmp_path):
    model, write = camera_model
    scenes, y = make_photos(seed=3, size=(160, 128))
    for label in ("left", "right"):
        write(f"new/{label}", scenes[y == label])
    others = np.random.default_rng(0).integers(60, 200, (2, 160, 128, 3), dtype=np.uint8)
    write("new/none", others)
    found = json.loads(ganprint("evaluate", model, tmp_path / "new", "--format", "json")[1])
    assert (found["match_energy"], found["coverage"]) == (60, None)
    assert found["all"]["known"]["right"] == found["all"]["unknown"]["unknown"] == 1
    out = ganprint("evaluate", model, tmp_path / "new")[1]
    assert out.splitlines()[-1] == "unknown: energy below 60"
    status, _, err = ganprint("evaluate", model, tmp_path / "new", "--coverage", 0.9)
    assert status == 2 and "makes no sets of sources" in err
