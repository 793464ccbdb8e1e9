"""Files of several sizes, fitted on and judged."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from sklearn.base import clone
from sklearn.pipeline import FeatureUnion, make_pipeline
from sklearn.preprocessing import StandardScaler

from sklearn_ganprint import (
    FileBatchEstimator,
    FingerprintClassifier,
    FusionClassifier,
    OpenSetClassifier,
    PooledDiscriminantAnalysis,
    ResidualTransformer,
    load_model,
    save_model,
)
from sklearn_ganprint.datasets import ImageReader
from sklearn_ganprint.features import CorrelationTransformer
from sklearn_ganprint.files import MAX_SIDE, MIN_SIDE, NoResidualError, UnreadableImageWarning
from sklearn_ganprint.perturbations import RandomHistory

CROP = (80, 72)
#: The crop and more, smaller in one side or both, and the smallest that there may be.
SIZES = [(80, 72), (90, 100), (64, 72), (80, 66), (120, 64), (64, 64), (64, 130), (80, 72)]


@pytest.fixture
def write_files(tmp_path):
    """Write noise images of the sizes for each source, with a pattern and smoothness of its own."""

    def write(sizes=SIZES, labels=("a", "b", "c"), seed=0):
        rng, paths, y = np.random.default_rng(seed), [], []
        patterns = np.random.default_rng(99).normal(scale=12, size=(len(labels), 1050, 300, 3))
        for position, size in enumerate(sizes):
            for code, label in enumerate(labels):
                noise = rng.normal(scale=10, size=(*size, 3))
                noise += code * np.roll(noise, 1, axis=1) / 3
                image = 128 + noise + patterns[code, : size[0], : size[1]]
                paths.append(str(tmp_path / f"{seed}_{position}{label}.png"))
                Image.fromarray(image.clip(0, 255).astype(np.uint8)).save(paths[-1])
                y.append(label)
        return paths, np.array(y)

    return write


#: Larger than what is judged.
TALL = MAX_SIDE + 10, 64


def fingerprint(anchor="top-left"):
    return make_pipeline(ResidualTransformer("gaussian", anchor=anchor), FingerprintClassifier())


def correlations():
    features = CorrelationTransformer(("gaussian",), max_lag=1, colour_lag=None, window=3)
    return make_pipeline(features, StandardScaler(), PooledDiscriminantAnalysis(0.1))


def fusion():
    members = [("fingerprint", fingerprint()), ("correlations", correlations())]
    return OpenSetClassifier(make_pipeline(FusionClassifier(members)), false_alarm_rate=0.1)


def over_files(estimator, anchor="top-left", **params):
    reader = ImageReader(CROP, anchor=anchor, min_side=MIN_SIDE)
    return FileBatchEstimator(estimator, reader=reader, **params)


def read(path, height, width):
    return np.asarray(Image.open(path))[np.newaxis, :height, :width]


def one_by_one(function, paths, height=MAX_SIDE, width=MAX_SIDE):
    return np.concatenate([function(read(path, height, width)) for path in paths])


def scores_of(estimator):
    """Give the method that scores classes, of which there are more than two."""
    if hasattr(estimator, "class_scores"):
        return estimator.class_scores
    return estimator.decision_function


ESTIMATORS = {"fingerprint": fingerprint, "correlations": correlations, "fusion": fusion}


@pytest.mark.parametrize("name", ESTIMATORS)
@pytest.mark.parametrize(("batch_size", "n_jobs"), [(64, None), (5, None), (5, 2)])
def test_files_get_the_answers_that_their_images_get_one_by_one(
    write_files, name, batch_size, n_jobs
):
    paths, y = write_files()
    clf = over_files(ESTIMATORS[name](), batch_size=batch_size, n_jobs=n_jobs).fit(paths, y)
    paths, y = write_files([*SIZES, (64, 200), (300, 70), TALL], seed=1)
    inner = clf.estimator_
    np.testing.assert_array_equal(clf.predict(paths), one_by_one(inner.predict, paths))
    expected = one_by_one(scores_of(inner), paths)
    np.testing.assert_allclose(scores_of(clf)(paths), expected, rtol=1e-4, atol=1e-4)
    assert (inner.classes_[expected.argmax(axis=1)] == y).mean() > 0.9


def test_fits_on_several_sizes_are_fits_on_what_their_images_give_one_by_one(write_files):
    paths, y = write_files()
    clf = over_files(fusion(), batch_size=7).fit(paths, y)
    first, second = clf.estimator_.estimator_[-1].estimators_
    rows = one_by_one(first[0].transform, paths, *CROP)
    means = [rows[y == label].mean(axis=0) for label in "abc"]
    np.testing.assert_allclose(first[-1].fingerprints_, means, atol=1e-3)
    rows = one_by_one(second[0].transform, paths, *CROP)
    expected = clone(second[1:]).fit(rows, y).decision_function(rows)
    found = second[1:].decision_function(rows)
    np.testing.assert_allclose(found, expected, rtol=1e-2, atol=1e-2)


def test_the_crop_is_the_fitted_size_whatever_the_first_image_has(write_files):
    paths, y = write_files([(64, 66), *SIZES])
    clf = over_files(fingerprint()).fit(paths, y)
    assert clf.image_size_ == CROP and clf.estimator_[0].image_shape_ == (*CROP, 3)
    paths, y = write_files([(64, 66), (66, 64)], labels=("a", "b"))
    assert over_files(fingerprint()).fit(paths, y).estimator_[0].image_shape_ == (*CROP, 3)


@pytest.mark.parametrize("make", [fingerprint, correlations])
def test_files_that_cannot_be_used_are_named_and_the_rest_is(write_files, tmp_path, make):
    paths, y = write_files()
    bad = {3: "(40, 200) is too small", 5: "truncated", 10: "no residual", 20: "no such file"}
    Image.new("RGB", (200, 40)).save(paths[3])
    Path(paths[5]).write_bytes(Path(paths[5]).read_bytes()[:200])
    Image.new("RGB", (70, 90)).save(paths[10])
    paths[20] = str(tmp_path / "missing.png")
    good = np.setdiff1d(np.arange(len(paths)), list(bad))
    errors = []
    clf = over_files(make(), batch_size=4, on_error=errors.append).fit(paths, y)
    assert {error.filename for error in errors} == {paths[n] for n in bad}
    assert "(40, 200) is too small" in next(e.reason for e in errors if e.filename == paths[3])
    assert any(isinstance(error, NoResidualError) for error in errors)
    expected = over_files(make(), batch_size=4).fit([paths[n] for n in good], y[good])
    with pytest.warns(UnreadableImageWarning, match="3 of 24 files"):
        found = scores_of(clf.set_params(on_error="warn"))(paths)
    unread = [3, 5, 20]  # a blank image is no failure when it is judged
    assert np.isnan(found[unread]).all() and np.isfinite(np.delete(found, unread, axis=0)).all()
    np.testing.assert_allclose(
        found[good], scores_of(expected)([paths[n] for n in good]), rtol=1e-3, atol=1e-3
    )


def test_blank_images_of_any_size_are_unknown(write_files, tmp_path):
    paths, y = write_files()
    clf = over_files(fusion()).fit(paths, y)
    for number, size in enumerate([(72, 80), (300, 65), (70, 70)]):
        Image.new("RGB", size, (9, 9, 9)).save(paths[number])
    assert (clf.predict(paths) == "unknown").tolist()[:3] == [True] * 3
    assert (clf.predict(paths[3:]) == y[3:]).mean() > 0.7


@pytest.mark.parametrize("anchor", ["top-left", "center"])
@pytest.mark.parametrize("crop", [(80, 72), (81, 71)])
def test_a_fingerprint_is_compared_on_its_pixel_grid_wherever_the_crop_lies(
    write_files, anchor, crop
):
    paths, y = write_files([(100, 100), (99, 99), (100, 99)], labels=("a", "b"))
    reader = ImageReader(crop, anchor=anchor)
    whole = FileBatchEstimator(fingerprint(anchor), reader=reader).fit(paths, y)
    cut = FileBatchEstimator(fingerprint(None), reader=reader).fit(paths, y)
    larger = [(81, 1400), (1501, 72), (1502, 75), (99, 100), (100, 99), (82, 91)]
    paths = [path.replace(".png", "_new.png") for path in paths]
    for path, size in zip(paths, larger, strict=True):
        rng = np.random.default_rng(sum(size))
        Image.fromarray(rng.integers(0, 256, (*size, 3), dtype=np.uint8)).save(path)
    np.testing.assert_allclose(scores_of(whole)(paths), scores_of(cut)(paths), atol=1e-5)


def test_the_part_that_is_judged_is_told(write_files):
    paths, y = write_files(labels=("a", "b"))
    clf = over_files(fingerprint()).fit(paths, y)
    assert clf.judged_part(4000, 3000) == (MAX_SIDE, MAX_SIDE)
    assert clf.judged_part(300, 70) == (300, 70)
    assert clf.judged_part(70, 3000) == (70, MAX_SIDE)
    one_size = FileBatchEstimator(fingerprint(None), reader=ImageReader(64)).fit(paths, y)
    assert one_size.judged_part(4000, 3000) == (64, 64)
    assert one_size.predict_reader_ is one_size.reader_ and not one_size.takes_any_size
    uncropped = FileBatchEstimator(fingerprint(None)).fit(paths[:2] + paths[-2:], [*"abab"])
    assert uncropped.judged_part(*CROP) == CROP


def test_small_crops_make_smaller_images_judged(write_files):
    paths, y = write_files([(40, 32)] * 3)
    clf = FileBatchEstimator(fingerprint(), reader=ImageReader((40, 32))).fit(paths, y)
    expected = one_by_one(scores_of(clf.estimator_), paths)
    np.testing.assert_allclose(scores_of(clf)(paths), expected, atol=1e-5)
    paths, _ = write_files([(40, 31), (33, 32)], labels=("a", "b"))
    with pytest.warns(UnreadableImageWarning, match=r"(?s)2 of 4 files.*\(40, 31\).*32 pixels"):
        assert np.isnan(scores_of(clf)(paths)).any(axis=1).tolist() == [True, True, False, False]


def test_a_reader_of_several_sizes_needs_an_estimator_that_takes_them(write_files):
    paths, y = write_files(labels=("a", "b"))
    with pytest.raises(ValueError, match="min_side=64, but this Pipeline takes images of one size"):
        over_files(fingerprint(None)).fit(paths, y)


@pytest.mark.parametrize(
    ("estimator", "expected"),
    [
        (fingerprint(), True),
        (fingerprint(None), False),
        (fusion(), True),
        (FusionClassifier([("a", correlations()), ("b", fingerprint(None))]), False),
        (make_pipeline("passthrough", fingerprint()), True),
        (make_pipeline(StandardScaler(), fingerprint()), False),
        (FeatureUnion([("a", correlations()[0]), ("b", ResidualTransformer())]), False),
        (FeatureUnion([("a", correlations()[0]), ("b", "drop")]), True),
    ],
)
def test_any_size_is_taken_where_all_that_images_meet_first_takes_it(estimator, expected):
    assert FileBatchEstimator(estimator).takes_any_size is expected


def test_arrays_and_lists_of_other_sizes_are_judged_as_files_are(write_files):
    paths, y = write_files()
    images = [read(path, 2000, 2000)[0] for path in paths]
    large = [n for n, image in enumerate(images) if image.shape[0] >= 80 and image.shape[1] >= 72]
    X = np.stack([images[n][:80, :72] for n in large])
    clf = FileBatchEstimator(fusion(), batch_size=4).fit(X, y[large])
    expected = one_by_one(scores_of(clf.estimator_), paths)
    np.testing.assert_allclose(scores_of(clf)(images), expected, rtol=1e-4, atol=1e-4)
    np.testing.assert_allclose(scores_of(clf)(paths), expected, rtol=1e-4, atol=1e-4)
    found = clf.estimator_.class_scores(images)
    np.testing.assert_allclose(found, expected, rtol=1e-4, atol=1e-4)
    np.testing.assert_array_equal(clf.estimator_.predict(images), clf.predict(images))
    np.testing.assert_allclose(
        scores_of(clf)(images[6][np.newaxis]), expected[6:7], rtol=1e-4, atol=1e-4
    )


def test_features_of_files_of_several_sizes_are_in_their_order(write_files):
    paths, _ = write_files()
    features = over_files(correlations()[0], batch_size=5).fit(paths)
    expected = one_by_one(features.estimator_.transform, paths)
    np.testing.assert_allclose(features.transform(paths), expected, atol=1e-4)


@pytest.mark.filterwarnings("ignore:.*Pass groups")
def test_versions_of_one_scene_are_found_among_several_sizes(tmp_path):
    rng, paths = np.random.default_rng(0), []
    for number in range(20):
        scene = 128 + 40 * rng.normal(size=(100, 110, 3))
        for label in ("a", "b"):
            height, width = rng.integers(64, 100, 2)
            image = scene[:height, :width] + rng.normal(scale=5, size=(height, width, 3))
            paths.append(str(tmp_path / f"{number}{label}.png"))
            Image.fromarray(image.clip(0, 255).astype(np.uint8)).save(paths[-1])
    members = [("fingerprint", fingerprint()), ("correlations", correlations())]
    with pytest.warns(UserWarning, match="40 of 40 images show the same"):
        over_files(FusionClassifier(members), batch_size=6).fit(paths, ["a", "b"] * 20)


def test_copies_of_images_of_several_sizes_are_those_of_each_one(write_files):
    paths, y = write_files()
    history = RandomHistory(resize=(0.5, 0.7, 1.2))
    members = [("fingerprint", fingerprint()), ("correlations", correlations())]
    model = FusionClassifier(members, perturbations=history, n_copies=2)
    clf = over_files(model, batch_size=7).fit(paths, y)
    features, scaler, _ = clf.estimator_.estimators_[1]
    copies = [history, clone(history).set_params(draw=1)]
    rows = [one_by_one(features.transform, paths, *CROP)]
    for each in copies:
        wholes = [each.transform_whole(read(path, *CROP))[0] for path in paths]
        rows.append(features.transform(wholes))
    np.testing.assert_allclose(scaler.mean_, np.concatenate(rows).mean(axis=0), atol=1e-4)
    means = clf.estimator_.estimators_[0][-1].fingerprints_
    np.testing.assert_allclose(
        means, over_files(fingerprint()).fit(paths, y).estimator_[-1].fingerprints_, atol=1e-4
    )
    assert clf.score(paths, y) > 0.9


def test_saved_models_judge_any_size_as_before_they_were_saved(write_files, tmp_path):
    paths, y = write_files()
    clf = over_files(fusion()).fit(paths, y)
    save_model(clf, tmp_path / "model.skops")
    loaded = load_model(tmp_path / "model.skops")
    assert loaded.judged_part(4000, 65) == (MAX_SIDE, 65)
    np.testing.assert_array_equal(scores_of(loaded)(paths), scores_of(clf)(paths))
