"""Fits that are interrupted, and go on from a folder."""

import io
import os
import pickle
import zipfile

import joblib
import numpy as np
import pytest
from PIL import Image
from sklearn.base import clone
from sklearn.naive_bayes import GaussianNB
from sklearn.pipeline import make_pipeline

from sklearn_ganprint import (
    FileBatchEstimator,
    FingerprintClassifier,
    FusionClassifier,
    OpenSetClassifier,
    ResidualTransformer,
    make_attribution_pipeline,
    make_localization_pipeline,
)
from sklearn_ganprint.datasets import list_images
from sklearn_ganprint.experiments._parts import Checkpoints
from sklearn_ganprint.features import AutocorrelationTransformer
from sklearn_ganprint.files._checkpoint import Checkpoint

#: How many times a channel of a batch was denoised.
DENOISED = []


def denoise(images):
    DENOISED.append(len(images))
    return (images + np.roll(images, 1, axis=-1)) / 2


def stop_at(calls):
    """Make a callable for `progress` that ends the fit once it was called so many times."""
    left = iter(range(calls - 1))

    def progress(n_done, n_files):
        if next(left, None) is None:
            raise InterruptedError

    return progress


mean = make_pipeline(ResidualTransformer(denoise, flatten=False), FingerprintClassifier())
lags = make_pipeline(AutocorrelationTransformer(1), GaussianNB())
fused = FusionClassifier([("mean", FingerprintClassifier()), ("lags", lags)], cv=2)
# As the kind "robust", which fits two classifiers on copies, with fewer features.
traces = make_pipeline(ResidualTransformer(denoise, flatten=False), lags)
copies = FusionClassifier([("mean", mean), ("lags", traces)], cv=2, perturbations=["jpeg 85"])
MODELS = {
    "prnu": make_attribution_pipeline("prnu", denoiser=denoise),
    "copies": make_pipeline(copies),
    "localization": make_localization_pipeline(denoiser=denoise),
    "sums": mean,
    "open-set": OpenSetClassifier(mean, false_alarm_rate=0.2),
    "fusion": make_pipeline(ResidualTransformer(denoise, flatten=False), fused),
}


def answers(files, paths):
    """Return scores of files, or what both maps of a localizer have left."""
    if hasattr(files, "class_scores"):
        return files.class_scores(paths)
    last = files.estimator_[-1]
    return np.concatenate([last.coef_, last.covariances_, last.calibration_peaks_], axis=None)


# Each map is of 20 batches, and a group of 16.
@pytest.mark.parametrize(
    ("name", "calls"),
    [
        *[("sums", 18), ("open-set", 30), ("fusion", 17), ("fusion", 30)],
        *[("prnu", 18), ("copies", 30), ("localization", 30)],
    ],
)
def test_an_interrupted_fit_goes_on_and_ends_alike(tmp_path, image_folder, name, calls):
    _, paths, y = image_folder(n_per_class=20, labels=("a", "b"))
    files = FileBatchEstimator(MODELS[name], batch_size=2)
    DENOISED.clear()
    n_fit = files.fit(paths, y) and len(DENOISED)
    expected = answers(files, paths)
    files.set_params(checkpoint=tmp_path / "kept", progress=stop_at(calls))
    with pytest.raises(InterruptedError):
        files.fit(paths, y)
    DENOISED.clear()
    files.set_params(progress=None).fit(paths, y)
    assert 0 < len(DENOISED) < n_fit
    np.testing.assert_array_equal(answers(files, paths), expected)
    DENOISED.clear()
    again = files.fit(paths, y)  # there is nothing left to do but to learn shapes
    assert len(DENOISED) <= 6  # channels, by the residuals of two classifiers
    np.testing.assert_array_equal(answers(again, paths), expected)
    assert files.fitted_files_ is not None and len(files.fitted_files_) == len(paths)


def test_two_runs_do_not_mix_in_one_folder(tmp_path, image_folder):
    _, paths, y = image_folder()
    expected = FileBatchEstimator(mean, batch_size=2).fit(paths, y).class_scores(paths)
    first = FileBatchEstimator(mean, batch_size=2, checkpoint=tmp_path / "kept")
    second = clone(first)

    def run_between(n_done, n_files):
        if n_done == 2:
            second.fit(paths, y)

    with pytest.raises(ValueError, match=r"Another run writes into .*kept"):
        first.set_params(progress=run_between).fit(paths, y)
    np.testing.assert_array_equal(second.class_scores(paths), expected)
    np.testing.assert_array_equal(clone(second).fit(paths, y).class_scores(paths), expected)


def test_files_that_failed_are_named_again(tmp_path, image_folder):
    _, paths, y = image_folder()
    open(paths[3], "w").close()
    files = FileBatchEstimator(mean, batch_size=2, checkpoint=tmp_path / "kept")
    for _ in range(2):
        with pytest.warns(UserWarning, match="the file is empty"):
            files.fit(paths, y)
        assert [name for name, _ in files.failures_] == [paths[3]]
        assert files.estimator_[-1].class_count_.sum() == len(paths) - 1


def test_a_function_that_no_later_run_is_told_by_is_refused_by_name(tmp_path, image_folder):
    _, paths, y = image_folder(n_per_class=2)
    pipeline = make_pipeline(ResidualTransformer(lambda images: images), FingerprintClassifier())
    files = FileBatchEstimator(pipeline)
    for fit in (True, False):
        files.set_params(checkpoint=tmp_path / "kept" if fit else None)
        with pytest.raises(ValueError, match=r"(?s)^(estimator__res.*denoiser|model): .*lambda"):
            files.fit(paths, y).set_params(checkpoint=tmp_path / "kept").predict(paths)


@pytest.mark.parametrize(
    "change", ["batch_size", "files", "y", "estimator__fingerprint", "estimator"]
)
def test_another_fit_is_refused_by_what_has_changed(tmp_path, image_folder, change):
    _, paths, y = image_folder(n_per_class=2)
    files = FileBatchEstimator(mean, batch_size=4, checkpoint=tmp_path / "kept").fit(paths, y)
    files.set_params(n_jobs=1).fit(paths, y)
    if change == "batch_size":
        files.set_params(batch_size=2)
    elif change == "files":
        os.utime(paths[0], (0, 0))
    elif change == "y":
        y = y[::-1]
    elif change == "estimator":
        files.set_params(estimator=MODELS["open-set"])
    else:
        files.set_params(estimator__fingerprintclassifier__metric="cosine")
    with pytest.raises(ValueError, match=rf"other settings \({change}\w*\)"):
        files.fit(paths, y)


class Harmful:
    def __reduce__(self):
        return os.system, ("true",)


class Writing:
    def __init__(self, made):
        self.made = made

    def __reduce__(self):
        return self.made, ("made", {})


@pytest.mark.parametrize(
    "harm", [Harmful(), joblib.delayed, Writing(Checkpoint), Writing(Checkpoints)]
)
def test_what_others_put_into_the_folder_is_not_run(tmp_path, image_folder, harm, monkeypatch):
    monkeypatch.chdir(tmp_path)
    _, paths, y = image_folder(n_per_class=2)
    files = FileBatchEstimator(mean, checkpoint=tmp_path / "kept").fit(paths, y)
    (kept,) = (tmp_path / "kept").rglob("results*")
    kept.write_bytes(pickle.dumps(harm))
    with pytest.raises(pickle.UnpicklingError, match=r"system|delayed|Checkpoint"):
        files.fit(paths, y)
    assert not os.path.exists("made")


class Merging(GaussianNB):
    """Of a module that is not ours."""

    def merge(self, other):
        return self


def test_what_could_not_be_read_is_not_kept(tmp_path, image_folder):
    _, paths, y = image_folder(n_per_class=2)
    files = FileBatchEstimator(
        make_pipeline(ResidualTransformer("gaussian"), Merging()), checkpoint=tmp_path / "kept"
    )
    with pytest.raises(pickle.UnpicklingError, match=r"found .*Merging\. Fit without checkpoint"):
        files.fit(paths, y)


def test_answers_are_kept_for_files_that_have_not_changed(tmp_path, image_folder):
    _, paths, y = image_folder(n_per_class=4)
    files = FileBatchEstimator(mean, batch_size=2).fit(paths, y)
    open(paths[5], "w").close()
    told = []
    files.set_params(on_error=lambda error: told.append(error.filename))
    histories = {}
    files.set_params(on_history=histories.__setitem__)
    expected = files.class_scores(paths)
    whole = dict(histories)
    files.set_params(checkpoint=tmp_path / "kept", progress=stop_at(3))
    with pytest.raises(InterruptedError):
        files.class_scores(paths)
    DENOISED.clear()
    histories.clear()
    files.set_params(progress=None)
    np.testing.assert_array_equal(files.class_scores(paths), expected)
    assert histories == whole
    assert sum(DENOISED) == 3 * 6  # channels of the files that are left
    DENOISED.clear()
    os.utime(paths[7], (0, 0))
    shuffled = np.append(np.random.default_rng(0).permutation(len(paths)), [0, 0])
    answers = files.class_scores(np.array(paths)[shuffled])
    np.testing.assert_allclose(answers, expected[shuffled], rtol=1e-5)
    assert sum(DENOISED) == 3 * 3  # one has changed, one comes three times
    assert told == [paths[5]] * 4  # each time, read or not
    files.fit(paths[:4] + paths[8:], y[:4].tolist() + y[8:].tolist())
    with pytest.raises(ValueError, match=r"other settings \(model\)"):
        files.class_scores(paths)


@pytest.mark.parametrize("stored", ["zip", "PIL", "dataset"])
def test_images_without_files_of_their_own_are_known_to_have_changed(tmp_path, stored, make_images):
    def store(images):
        if stored == "zip":
            with zipfile.ZipFile(tmp_path / "i.zip", "w") as archive:
                for n, image in enumerate(images):
                    stream = io.BytesIO()
                    Image.fromarray(image).save(stream, "bmp")
                    archive.writestr(f"{n}.bmp", stream.getvalue())
            return [tmp_path / "i.zip" / f"{n}.bmp" for n in range(len(images))]
        images = list(map(Image.fromarray, images))
        return images if stored == "PIL" else list_images(images, layout=None).filenames

    images, y = make_images(n_per_class=3)
    files = FileBatchEstimator(mean, checkpoint=tmp_path / "kept").fit(store(images), y)
    answers = files.class_scores(store(images))
    DENOISED.clear()
    changed = files.class_scores(store(images[::-1]))
    np.testing.assert_allclose(changed, answers[::-1], rtol=1e-5)
    assert DENOISED
    with pytest.raises(ValueError, match=r"other settings \(files\)"):
        files.fit(store(images[::-1]), y)


def test_names_of_files_hold_from_other_folders(tmp_path, image_folder, monkeypatch):
    _, paths, y = image_folder(n_per_class=2)
    files = FileBatchEstimator(mean).fit(paths, y)
    expected = files.class_scores(paths[:3:2])
    files.set_params(checkpoint=tmp_path / "kept")
    for n, folder in enumerate(map(tmp_path.joinpath, "ab")):
        folder.mkdir()
        Image.open(paths[2 * n]).save(folder / "1.bmp")
        os.utime(folder / "1.bmp", (0, 0))
        monkeypatch.chdir(folder)
        answer = files.class_scores(["1.bmp"])
        np.testing.assert_allclose(answer, expected[n : n + 1], rtol=1e-5)
