import shutil
import warnings
from pathlib import Path

import joblib
import numpy as np
import pytest
from estimators import attribution_pipeline
from PIL import Image
from sklearn import config_context
from sklearn.base import ClassifierMixin, ClusterMixin, clone, is_classifier, is_clusterer
from sklearn.cluster import KMeans
from sklearn.compose import ColumnTransformer
from sklearn.decomposition import PCA
from sklearn.discriminant_analysis import LinearDiscriminantAnalysis
from sklearn.exceptions import NotFittedError
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer, StandardScaler
from sklearn.utils import get_tags

from sklearn_ganprint import (
    FileBatchClassifier,
    FileBatchClustering,
    FileBatchEstimator,
    FingerprintClassifier,
    FingerprintClustering,
    FingerprintDetector,
    ResidualTransformer,
    TiledClassifier,
    make_attribution_pipeline,
    make_localization_pipeline,
)
from sklearn_ganprint.classification import PooledDiscriminantAnalysis
from sklearn_ganprint.datasets import ImageReader, ImageReadError
from sklearn_ganprint.features import AutocorrelationTransformer
from sklearn_ganprint.files import UnreadableImageWarning

pytestmark = pytest.mark.core


def paper_pipeline():
    return make_pipeline(ResidualTransformer("gaussian"), FingerprintClassifier())


def robust_pipeline():
    return attribution_pipeline("robust")


def feature_pipeline():
    return make_pipeline(
        ResidualTransformer("gaussian"),
        PCA(n_components=5, random_state=0),
        StandardScaler(),
        LinearDiscriminantAnalysis(),
    )


def read_all(paths):
    return np.stack([np.asarray(Image.open(path)) for path in paths])


def break_file(path):
    Path(path).write_bytes(Path(path).read_bytes()[:60])


@pytest.mark.parametrize("n_jobs", [None, 2])
@pytest.mark.parametrize("batch_size", [1, 5, 64])
def test_fit_on_files_equals_fit_on_arrays(image_folder, batch_size, n_jobs):
    _, paths, y = image_folder()
    expected = paper_pipeline().fit(read_all(paths), y)
    clf = FileBatchClassifier(paper_pipeline(), batch_size=batch_size, n_jobs=n_jobs).fit(paths, y)
    np.testing.assert_allclose(
        clf.estimator_[-1].fingerprints_, expected[-1].fingerprints_, atol=1e-6
    )
    np.testing.assert_array_equal(clf.estimator_[-1].class_count_, expected[-1].class_count_)
    np.testing.assert_array_equal(clf.predict(paths), expected.predict(read_all(paths)))
    np.testing.assert_allclose(
        clf.decision_function(paths), expected.decision_function(read_all(paths)), atol=1e-6
    )


def discriminant_pipeline(tile_size):
    """Few features of images of 32 pixels, or of their quarters too."""
    pipeline = make_attribution_pipeline("autocorrelation", tile_size=tile_size)
    feature = "features__max_lag" if tile_size is None else "features__transformer__max_lag"
    return pipeline.set_params(**{feature: 2})


@pytest.mark.parametrize("n_jobs", [None, 2])
@pytest.mark.parametrize("tile_size", [None, 16])
def test_discriminant_analysis_adds_up_the_scatter_of_batches(image_folder, tile_size, n_jobs):
    _, paths, y = image_folder()
    break_file(paths[7])
    broken = np.arange(len(paths)) == 7
    pipeline = discriminant_pipeline(tile_size)
    expected = clone(pipeline).fit(read_all(np.array(paths)[~broken]), y[~broken])
    clf = FileBatchClassifier(pipeline, batch_size=5, n_jobs=n_jobs, on_error=lambda error: None)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        clf.fit(paths, y)
    images = read_all(np.array(paths)[~broken])
    for fitted in (clf.estimator_, clone(clf).fit(paths[:7] + paths[8:], y[~broken]).estimator_):
        scores = fitted.decision_function(images)
        assert scores.dtype == np.float32
        np.testing.assert_allclose(scores, expected.decision_function(images), rtol=2e-3, atol=2e-3)
        assert fitted.n_features_in_ == expected.n_features_in_
        assert fitted[-1].n_features_in_ == expected[-1].n_features_in_


def test_a_class_whose_files_all_fail_is_left_out_of_discriminant_analysis(image_folder):
    _, paths, y = image_folder()
    lost = y == np.unique(y)[1]
    for path in np.array(paths)[lost]:
        break_file(path)
    clf = FileBatchClassifier(discriminant_pipeline(16), batch_size=5, on_error=lambda error: None)
    kept = clone(clf).fit(np.array(paths)[~lost], y[~lost])
    with pytest.warns(UnreadableImageWarning, match=r"The classes \['b'\] are left out"):
        clf.fit(paths, y)
    assert clf.classes_.tolist() == np.unique(y[~lost]).tolist()
    scores = clf.decision_function(np.array(paths)[~lost])
    np.testing.assert_allclose(scores, kept.decision_function(np.array(paths)[~lost]), rtol=1e-4)


class RollsRows:
    """Fits on other rows than it is given."""

    def fit(self, X, y):
        return super().fit(np.roll(X, 1, axis=-1), y)


class RollsDiscriminant(RollsRows, PooledDiscriminantAnalysis):
    pass


class RollsFingerprint(RollsRows, FingerprintClassifier):
    pass


class RollsTiles(RollsRows, TiledClassifier):
    pass


def less_mean(rows):
    return rows - rows.mean(axis=1, keepdims=True)


def residual_features(*steps):
    residual = ResidualTransformer("gaussian", channels="rgb", flatten=False)
    return make_pipeline(residual, AutocorrelationTransformer(2), *steps)


@pytest.mark.parametrize(
    "pipeline",
    [
        residual_features(StandardScaler(), RollsDiscriminant()),
        residual_features(
            StandardScaler().set_output(transform="pandas"), PooledDiscriminantAnalysis()
        ),
        discriminant_pipeline(16).set_params(
            classifier=TiledClassifier(
                make_pipeline(FunctionTransformer(less_mean), PooledDiscriminantAnalysis(0.5))
            )
        ),
        discriminant_pipeline(16).set_params(
            classifier=RollsTiles(PooledDiscriminantAnalysis(0.5))
        ),
        make_pipeline(ResidualTransformer("gaussian"), RollsFingerprint()),
    ],
    ids=["subclass", "pandas", "leading step of tiles", "subclass for tiles", "fingerprints"],
)
@pytest.mark.filterwarnings("ignore:The last steps of this pipeline:UserWarning")
def test_pipelines_of_others_are_fitted_as_in_memory(image_folder, pipeline):
    _, paths, y = image_folder()
    expected = clone(pipeline).fit(read_all(paths), y)
    fitted = FileBatchEstimator(pipeline, batch_size=5).fit(paths, y).estimator_
    scores = fitted.decision_function(read_all(paths))
    np.testing.assert_allclose(
        scores, expected.decision_function(read_all(paths)), rtol=2e-3, atol=2e-3
    )


@pytest.mark.filterwarnings("ignore:The last steps of this pipeline:UserWarning")
def test_a_pipeline_that_must_see_everything_is_fitted_on_collected_rows(image_folder):
    _, paths, y = image_folder()
    expected = feature_pipeline().fit(read_all(paths), y)
    clf = FileBatchClassifier(feature_pipeline(), batch_size=5).fit(paths, y)
    np.testing.assert_allclose(
        clf.predict_proba(paths), expected.predict_proba(read_all(paths)), atol=1e-4
    )
    # The fitted pipeline stands on its own, on images in memory.
    np.testing.assert_array_equal(clf.estimator_.predict(read_all(paths)), clf.predict(paths))


def test_collecting_whole_residuals_says_how_much_memory_it_takes(image_folder):
    _, paths, y = image_folder(shape=(128, 96, 3))
    n_mebibytes = len(paths) * 128 * 96 * 4 / 2**20
    expected = f"{len(paths)} images of 12288 values take {n_mebibytes:.0f} MiB"
    with pytest.warns(UserWarning, match=expected):
        FileBatchClassifier(feature_pipeline()).fit(paths, y)


def test_class_sums_need_no_such_warning(image_folder):
    _, paths, y = image_folder()
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        clf = FileBatchClassifier(paper_pipeline()).fit(paths, y)
    assert clf.score(paths, y) > 0.9


@pytest.mark.parametrize("make", [paper_pipeline, lambda: discriminant_pipeline(16)])
@pytest.mark.parametrize("backend", ["threading", "loky", "dask"])
def test_any_joblib_backend_gives_the_same(image_folder, backend, make):
    _, paths, y = image_folder(n_per_class=4)
    expected = FileBatchClassifier(make(), batch_size=3).fit(paths, y)
    clf = FileBatchClassifier(make(), batch_size=3)
    if backend == "dask":
        from dask.distributed import Client

        with Client(processes=False, n_workers=1, threads_per_worker=2, dashboard_address=":0"):
            with joblib.parallel_config(backend="dask"):
                scores = clf.fit(paths, y).decision_function(paths)
    else:
        with joblib.parallel_config(backend=backend, n_jobs=2):
            scores = clf.fit(paths, y).decision_function(paths)
    np.testing.assert_array_equal(scores, expected.decision_function(paths))


@pytest.mark.parametrize("container", [list, tuple, np.array, lambda paths: [*map(Path, paths)]])
def test_paths_come_in_any_sequence(image_folder, container):
    _, paths, y = image_folder()
    clf = FileBatchClassifier(paper_pipeline()).fit(container(paths), y)
    np.testing.assert_array_equal(
        clf.predict(container(paths)),
        FileBatchClassifier(paper_pipeline()).fit(paths, y).predict(paths),
    )


def test_memory_mapped_images_are_taken_in_place_of_files(make_images, tmp_path):
    X, y = make_images()
    np.save(tmp_path / "images.npy", X)
    mapped = np.load(tmp_path / "images.npy", mmap_mode="r")
    clf = FileBatchClassifier(paper_pipeline(), batch_size=5).fit(mapped, y)
    np.testing.assert_array_equal(clf.predict(mapped), paper_pipeline().fit(X, y).predict(X))


def test_images_in_memory_are_taken_after_a_fit_on_files(image_folder):
    _, paths, y = image_folder()
    clf = FileBatchEstimator(paper_pipeline(), batch_size=5).fit(paths, y)
    images = read_all(paths)
    np.testing.assert_array_equal(clf.predict(images), clf.predict(paths))
    with pytest.raises(ValueError, match="expecting images of shape"):
        clf.predict(images[:, :16])


@pytest.mark.parametrize("container", ["pandas", "polars"])
@pytest.mark.parametrize("last", [KMeans(3, random_state=0), StandardScaler()])
def test_answers_are_arrays_with_set_config(image_folder, last, container):
    pytest.importorskip(container)
    _, paths, _ = image_folder()
    over_files = FileBatchEstimator(features(last), batch_size=5)
    expected = over_files.fit_transform(paths)
    with config_context(transform_output=container):
        np.testing.assert_allclose(over_files.fit_transform(paths), expected, rtol=1e-5, atol=1e-5)


def test_a_detector_has_one_answer_for_each_file_that_cannot_be_read(image_folder):
    _, paths, y = image_folder()
    detector = make_pipeline(ResidualTransformer("gaussian"), FingerprintDetector(source="a"))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of few images
        fitted = FileBatchEstimator(detector).fit(paths, y)
    for method in ("decision_function", "p_values", "score_samples"):
        with pytest.warns(UnreadableImageWarning):
            assert np.isnan(getattr(fitted, method)(["missing.png"])).tolist() == [True]


def test_bad_files_are_left_out_and_named(image_folder):
    _, paths, y = image_folder()
    good = np.delete(np.arange(len(paths)), [0, 11])
    expected = FileBatchClassifier(paper_pipeline()).fit(np.array(paths)[good], y[good])
    break_file(paths[0])
    Path(paths[11]).write_text("no image at all")
    with pytest.warns(UnreadableImageWarning, match=r"2 of 24 files could not be used(.|\n)*011"):
        clf = FileBatchClassifier(paper_pipeline(), batch_size=5).fit(paths, y)
    assert [name for name, _ in clf.failures_] == [paths[0], paths[11]]
    np.testing.assert_allclose(
        clf.estimator_[-1].fingerprints_, expected.estimator_[-1].fingerprints_, atol=1e-6
    )


@pytest.mark.filterwarnings(
    "ignore:.*could not be used:sklearn_ganprint.files.UnreadableImageWarning"
)
def test_bad_files_get_no_answer_and_the_others_theirs(image_folder):
    _, paths, y = image_folder()
    clf = FileBatchClassifier(paper_pipeline(), batch_size=5).fit(paths, y)
    labels, scores = clf.predict(paths), clf.decision_function(paths)
    break_file(paths[6])
    assert clf.predict(paths)[6] is None
    assert np.isnan(clf.decision_function(paths)[6]).all()
    others = np.delete(np.arange(len(paths)), 6)
    np.testing.assert_array_equal(clf.predict(paths)[others], labels[others])
    np.testing.assert_allclose(clf.decision_function(paths)[others], scores[others], atol=1e-7)


def test_bad_files_raise_or_are_handed_over_on_request(image_folder):
    _, paths, y = image_folder()
    break_file(paths[3])
    with pytest.raises(ImageReadError, match="003.png"):
        FileBatchClassifier(paper_pipeline(), on_error="raise").fit(paths, y)
    seen = []
    FileBatchClassifier(paper_pipeline(), on_error=seen.append).fit(paths, y)
    assert [error.filename for error in seen] == [paths[3]]


@pytest.mark.filterwarnings("ignore::sklearn_ganprint.localization.LocalizationWarning")
@pytest.mark.parametrize("make", [paper_pipeline, robust_pipeline, make_localization_pipeline])
def test_a_class_without_a_usable_file_is_left_out_and_named(image_folder, make):
    _, paths, y = image_folder()
    for path in np.array(paths)[y == "b"]:
        break_file(path)
    with (
        pytest.warns(UnreadableImageWarning, match=r"The classes \['b'\] are left out"),
        pytest.warns(UnreadableImageWarning, match="8 of 24 files could not be used"),
    ):
        clf = FileBatchClassifier(make()).fit(paths, y)
    assert clf.classes_.tolist() == ["a", "c"]


@pytest.mark.filterwarnings(
    "ignore:.*could not be used:sklearn_ganprint.files.UnreadableImageWarning"
)
@pytest.mark.parametrize(("labels", "words"), [("bc", "At least 2 classes"), ("abc", "None of")])
@pytest.mark.parametrize(
    "make",
    [
        paper_pipeline,
        robust_pipeline,
        lambda: make_attribution_pipeline("autocorrelation"),
        make_localization_pipeline,
    ],
)
def test_too_few_usable_classes(image_folder, labels, words, make):
    _, paths, y = image_folder()
    for path in np.array(paths)[np.isin(y, list(labels))]:
        break_file(path)
    with pytest.raises(ValueError, match=rf"{words}(.|\n)*\.png: "):
        FileBatchClassifier(make()).fit(paths, y)


def test_an_image_of_another_size_is_a_named_failure_not_a_wrong_answer(image_folder):
    _, paths, y = image_folder()
    clf = FileBatchClassifier(paper_pipeline()).fit(paths, y)
    Image.new("RGB", (40, 32)).save(paths[2])
    with pytest.warns(UnreadableImageWarning, match=r"002.png"):
        assert clf.predict(paths)[2] is None


def test_larger_images_are_cropped_as_the_reader_says(image_folder, tmp_path):
    _, paths, y = image_folder(shape=(40, 48, 3))
    reader = ImageReader(32)
    clf = FileBatchClassifier(paper_pipeline(), reader=reader).fit(paths, y)
    cropped = read_all(paths)[:, :32, :32]
    np.testing.assert_array_equal(
        clf.predict(paths), paper_pipeline().fit(cropped, y).predict(cropped)
    )
    assert clf.image_size_ == (32, 32)


def test_the_size_most_files_have_is_the_size_when_there_is_no_crop(image_folder):
    _, paths, y = image_folder()
    Image.new("RGB", (9, 9)).save(paths[0])
    with pytest.warns(UnreadableImageWarning, match="000.png"):
        clf = FileBatchClassifier(paper_pipeline()).fit(paths, y)
    assert clf.image_size_ == (32, 32)
    assert len(clf.failures_) == 1


@pytest.mark.parametrize("n_jobs", [None, 2])
def test_progress_reaches_the_number_of_files(image_folder, n_jobs):
    _, paths, y = image_folder()
    seen = []
    clf = FileBatchClassifier(
        paper_pipeline(), batch_size=10, n_jobs=n_jobs, progress=lambda *done: seen.append(done)
    )
    clf.fit(paths, y)
    assert seen == [(10, 24), (20, 24), (24, 24)]


def test_weights_of_files_count_like_copies(image_folder):
    _, paths, y = image_folder(n_per_class=4)
    weights = np.arange(len(paths)) % 3
    weighted = FileBatchClassifier(paper_pipeline(), batch_size=3).fit(paths, y, weights)
    copies = np.repeat(np.arange(len(paths)), weights)
    copied = FileBatchClassifier(paper_pipeline()).fit(np.array(paths)[copies], y[copies])
    np.testing.assert_allclose(
        weighted.estimator_[-1].fingerprints_, copied.estimator_[-1].fingerprints_, atol=1e-6
    )


def test_a_grid_search_goes_over_files_and_reader(image_folder):
    _, paths, y = image_folder()
    clf = FileBatchClassifier(paper_pipeline(), reader=ImageReader(16))
    grid = {
        "reader__crop": [16, 24],
        "estimator__residualtransformer__denoiser": ["gaussian", "median"],
    }
    search = GridSearchCV(clf, grid, cv=2).fit(paths, y)
    assert np.isfinite(search.cv_results_["mean_test_score"]).all()
    assert search.best_estimator_.image_size_ == (search.best_params_["reader__crop"],) * 2


def test_the_wrapped_estimator_and_the_arguments_stay_untouched(image_folder):
    _, paths, y = image_folder()
    pipeline = paper_pipeline()
    clf = FileBatchClassifier(pipeline)
    clf.fit(paths, y)
    assert not hasattr(pipeline[-1], "fingerprints_")
    assert clone(clf).get_params()["estimator__residualtransformer__denoiser"] == "gaussian"


def test_correlate_is_there_if_the_last_step_has_it(image_folder):
    _, paths, y = image_folder()
    clf = FileBatchClassifier(paper_pipeline()).fit(paths, y)
    np.testing.assert_allclose(clf.correlate(paths), clf.decision_function(paths), atol=1e-7)
    assert not hasattr(clf, "predict_proba")
    assert not hasattr(FileBatchClassifier(feature_pipeline()), "correlate")


@pytest.mark.parametrize(
    ("call", "error", "words"),
    [
        (lambda clf, paths, y: clf.fit(paths[0], y), TypeError, "got one path"),
        (lambda clf, paths, y: clf.fit(iter(paths), y), TypeError, "got a list_iterator"),
        (lambda clf, paths, y: clf.fit({*paths}, y), TypeError, "got a set. Pass a list"),
        (lambda clf, paths, y: clf.fit([], []), ValueError, "at least one file path"),
        (lambda clf, paths, y: clf.fit(paths, y).predict([]), ValueError, "at least one file path"),
        (lambda clf, paths, y: clf.fit(paths, y[:-1]), ValueError, "inconsistent numbers"),
        (lambda clf, paths, y: clf.fit(paths, None), ValueError, "requires y"),
        (lambda clf, paths, y: clf.fit(paths, ["a"] * len(y)), ValueError, "1 class: 'a'"),
        (lambda clf, paths, y: clf.predict(paths), NotFittedError, "not fitted"),
        (
            lambda clf, paths, y: clf.set_params(batch_size=0).fit(paths, y),
            ValueError,
            "'batch_size' parameter",
        ),
        (
            lambda clf, paths, y: clf.set_params(on_error="ignore").fit(paths, y),
            ValueError,
            "'on_error' parameter",
        ),
    ],
)
def test_wrong_use_is_named(image_folder, call, error, words):
    _, paths, y = image_folder(n_per_class=2)
    with pytest.raises(error, match=words):
        call(FileBatchClassifier(paper_pipeline()), paths, y)


def test_a_vanished_file_is_named(image_folder):
    folder, paths, y = image_folder()
    clf = FileBatchClassifier(paper_pipeline(), on_error="raise").fit(paths, y)
    shutil.rmtree(folder / "b")
    with pytest.raises(ImageReadError, match="008.png: cannot be opened: No such file"):
        clf.predict(paths)


def test_parameters_of_the_default_reader_can_be_set():
    clf = FileBatchClassifier(paper_pipeline()).set_params(reader__crop=16, batch_size=3)
    assert clf.reader.crop == 16 and clf.batch_size == 3


def test_a_data_frame_of_paths(image_folder):
    pd = pytest.importorskip("pandas")
    _, paths, y = image_folder()
    fitted = FileBatchClassifier(paper_pipeline()).fit(pd.DataFrame({"path": paths}), y)
    expected = FileBatchClassifier(paper_pipeline()).fit(paths, y).predict(paths)
    assert fitted.predict(pd.DataFrame({"path": paths})).tolist() == expected.tolist()
    assert fitted.predict(np.array(paths)[:, np.newaxis]).tolist() == expected.tolist()
    several = pd.DataFrame({"path": paths, "label": y})
    for call in (lambda: fitted.fit(several, y), lambda: fitted.predict(several)):
        with pytest.raises(TypeError, match=r"data frame .*X\['path'\]"):
            call()


def features(*more):
    residual = ResidualTransformer("gaussian", flatten=False)
    return make_pipeline(residual, AutocorrelationTransformer(2), *more)


@pytest.mark.parametrize("n_jobs", [None, 2])
@pytest.mark.parametrize(
    "transformer",
    [ResidualTransformer("gaussian", flatten=False), features(), features(StandardScaler())],
    ids=["residuals", "features", "learnt"],
)
def test_files_are_transformed_like_images(image_folder, transformer, n_jobs):
    _, paths, _ = image_folder()
    expected = clone(transformer).fit_transform(read_all(paths))
    over_files = FileBatchEstimator(transformer, batch_size=5, n_jobs=n_jobs)
    found = over_files.fit_transform(paths)
    assert (found.shape, found.dtype) == (expected.shape, expected.dtype)
    np.testing.assert_allclose(found, expected, rtol=1e-5, atol=1e-5)
    assert not hasattr(over_files, "predict") and not hasattr(over_files, "score")


def test_files_that_cannot_be_read_have_no_features(image_folder):
    _, paths, _ = image_folder()
    over_files = FileBatchEstimator(features(), batch_size=5).fit(paths)
    expected = over_files.transform(paths)
    break_file(paths[6])
    with pytest.warns(UnreadableImageWarning, match=r"1 of 24 files(.|\n)*006.png"):
        found = over_files.transform(paths)
    assert np.isnan(found[6]).all()
    np.testing.assert_array_equal(np.delete(found, 6, axis=0), np.delete(expected, 6, axis=0))


def test_a_transformer_that_learns_nothing_reads_one_file_to_fit(image_folder):
    _, paths, _ = image_folder()
    for path in paths[1:]:
        break_file(path)
    over_files = FileBatchEstimator(features()).fit(paths)
    assert over_files.failures_ == [] and over_files.image_size_ == (32, 32)


def test_an_estimator_over_files_is_what_it_wraps():
    residual = ResidualTransformer("gaussian", channels="rgb", flatten=False)
    clustering = FileBatchEstimator(make_pipeline(residual, FingerprintClustering()))
    classifier = FileBatchEstimator(paper_pipeline())
    assert is_classifier(classifier) and not is_classifier(clustering)
    assert is_clusterer(clustering) and not is_clusterer(classifier)
    assert hasattr(clustering, "fit_predict") and not hasattr(classifier, "fit_predict")
    assert hasattr(classifier, "correlate") and not hasattr(clustering, "correlate")
    for former, mixin in (
        (FileBatchClassifier, ClassifierMixin),
        (FileBatchClustering, ClusterMixin),
    ):
        assert issubclass(former, FileBatchEstimator) and issubclass(former, mixin)
        tags = get_tags(former(paper_pipeline()))
        assert tags == get_tags(FileBatchEstimator(paper_pipeline()))


def test_images_are_read_as_often_as_the_estimator_maps_them(image_folder, monkeypatch):
    # How often files are read shows from outside, and what is done with them before does not.
    from sklearn_ganprint.files._batches import FileBatches

    _, paths, y = image_folder()
    asked, work = [], FileBatches._outcomes

    def spy(self, function, rows, *args):
        name = function.keywords["function"].__name__
        asked.append((name, len(self.steps), [len(values) for values in rows]))
        return work(self, function, rows, *args)

    monkeypatch.setattr(FileBatches, "_outcomes", spy)
    FileBatchEstimator(paper_pipeline()).fit(paths, y).predict(paths)
    assert asked == [("fit_apart", 0, [24]), ("apply_batch", 0, [])]
    asked.clear()
    FileBatchEstimator(make_attribution_pipeline("fusion")).fit(paths, y)
    # Classes, folds and background sources; then classes and folds.
    assert [(steps, lengths) for _, steps, lengths in asked] == [(1, [24] * 3), (1, [24] * 2)]


@pytest.mark.parametrize("kind", ["names", "objects", "numbers", "flags"])
def test_files_that_cannot_be_used_do_not_count_in_the_score(image_folder, kind):
    _, paths, y = image_folder()
    codes = np.unique(y, return_inverse=True)[1]
    y = {"names": y, "objects": y.astype(object), "numbers": codes, "flags": codes > 0}[kind]
    clf = FileBatchEstimator(paper_pipeline(), on_error=lambda error: None).fit(paths, y)
    weights, others = np.linspace(0.1, 1, len(y)), np.arange(len(y)) != 7
    wrong = y[::-1]  # of some files
    expected = clf.score(np.array(paths)[others], wrong[others], weights[others])
    break_file(paths[7])
    assert clf.score(paths, wrong, weights) == pytest.approx(expected)
    assert 0 < expected < 1
    with pytest.raises(ValueError, match="None of the 1 files"):
        clf.score(paths[7:8], y[7:8])


@pytest.mark.parametrize("dtype", [object, "U9"])
def test_labels_come_back_as_they_were_given(image_folder, dtype):
    _, paths, y = image_folder(n_per_class=2)
    y = y.astype(dtype)  # columns of pandas hold objects
    found = FileBatchEstimator(paper_pipeline()).fit(paths, y).predict(paths)
    assert found.dtype == y.dtype
    assert set(found) <= set(y)


def test_transformed_files_are_rows_of_a_data_frame(image_folder):
    pd = pytest.importorskip("pandas")
    _, paths, _ = image_folder(n_per_class=2)
    features = make_pipeline(ResidualTransformer(flatten=False), AutocorrelationTransformer(1))
    files = FileBatchEstimator(features).set_output(transform="pandas")
    frame = files.fit_transform(paths)
    assert list(frame.columns) == list(files.get_feature_names_out())
    column = ColumnTransformer([("of", files, "path")]).set_output(transform="pandas")
    columns = column.fit_transform(pd.DataFrame({"path": paths})).columns
    assert list(columns) == [f"of__{name}" for name in frame.columns]
    np.testing.assert_array_equal(frame, files.set_output(transform="default").transform(paths))
    assert not hasattr(FileBatchEstimator(FingerprintClassifier()), "set_output")
    images = FileBatchEstimator(ResidualTransformer(flatten=False)).set_output(transform="pandas")
    assert isinstance(images.fit_transform(paths), np.ndarray)
