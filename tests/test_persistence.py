import json
import pickle
import zipfile

import numpy as np
import pytest
from sklearn.exceptions import NotFittedError
from sklearn.pipeline import make_pipeline

import sklearn_ganprint
from sklearn_ganprint import (
    FileBatchClassifier,
    FingerprintClassifier,
    ResidualTransformer,
    load_model,
    save_model,
)
from sklearn_ganprint.datasets import ImageReader
from sklearn_ganprint.denoisers import DENOISERS
from sklearn_ganprint.persistence import FORMAT_VERSION, ModelFileError, read_metadata


def fitted(make_images, denoiser="gaussian"):
    X, y = make_images(shape=(16, 16, 3))
    pipeline = make_pipeline(ResidualTransformer(denoiser), FingerprintClassifier())
    return FileBatchClassifier(pipeline, reader=ImageReader(16)).fit(X, y), X


def rewrite(path, change):
    """Rewrite the metadata of a model file."""
    with zipfile.ZipFile(path) as archive:
        members = {name: archive.read(name) for name in archive.namelist()}
    metadata = json.loads(members["ganprint.json"])
    change(metadata)
    members["ganprint.json"] = json.dumps(metadata)
    with zipfile.ZipFile(path, "w") as archive:
        for name, content in members.items():
            archive.writestr(name, content)


@pytest.mark.parametrize("denoiser", [make() for make in DENOISERS.values()])
def test_a_loaded_model_gives_the_same_scores(make_images, tmp_path, denoiser):
    clf, X = fitted(make_images, denoiser)
    save_model(clf, tmp_path / "model.skops")
    loaded = load_model(tmp_path / "model.skops")
    np.testing.assert_array_equal(loaded.decision_function(X), clf.decision_function(X))
    np.testing.assert_array_equal(loaded.predict(X), clf.predict(X))
    assert loaded.reader_.crop == 16


@pytest.mark.parametrize("bare", [True, False])
def test_pipelines_and_bare_classifiers_are_saved_too(make_images, tmp_path, bare):
    clf, X = fitted(make_images)
    estimator = clf.estimator_[-1] if bare else clf.estimator_
    save_model(estimator, tmp_path / "model.skops")
    loaded = load_model(tmp_path / "model.skops")
    expected = clf.estimator_[-1].fingerprints_
    actual = loaded.fingerprints_ if bare else loaded[-1].fingerprints_
    np.testing.assert_array_equal(actual, expected)


def test_the_file_says_what_it_holds(make_images, tmp_path):
    save_model(fitted(make_images)[0], tmp_path / "model.skops")
    metadata = read_metadata(tmp_path / "model.skops")
    assert metadata["package_version"] == sklearn_ganprint.__version__
    assert metadata["classes"] == ["a", "b", "c"]
    assert metadata["class_count"] == [8, 8, 8]
    assert metadata["reader"]["crop"] == 16
    assert metadata["reader"]["anchor"] == "top-left"


def test_callbacks_are_not_saved_and_stay_with_the_program(make_images, tmp_path):
    clf, X = fitted(make_images)
    clf.set_params(progress=print, on_error=print)
    save_model(clf, tmp_path / "model.skops")
    loaded = load_model(tmp_path / "model.skops")
    assert (loaded.progress, loaded.on_error) == (None, "warn")
    assert (clf.progress, clf.on_error) == (print, print)


def test_what_could_not_be_loaded_is_not_saved(make_images, tmp_path):
    clf, _ = fitted(make_images, lambda images: np.roll(images, 1, axis=1))
    with pytest.raises(ModelFileError, match="Not saved: the model holds .*lambda"):
        save_model(clf, tmp_path / "model.skops")
    assert list(tmp_path.iterdir()) == []


def test_an_interrupted_save_leaves_the_old_model_and_nothing_else(make_images, tmp_path):
    clf, X = fitted(make_images)
    save_model(clf, tmp_path / "model.skops")
    content = (tmp_path / "model.skops").read_bytes()

    class Interrupting(FingerprintClassifier):
        def __getstate__(self):
            raise KeyboardInterrupt

    clf.estimator_ = Interrupting().fit(np.eye(4), [0, 0, 1, 1])
    with pytest.raises(KeyboardInterrupt):
        save_model(clf, tmp_path / "model.skops")
    assert [path.name for path in tmp_path.iterdir()] == ["model.skops"]
    assert (tmp_path / "model.skops").read_bytes() == content


def test_nothing_is_saved_that_is_not_fitted(tmp_path):
    with pytest.raises(NotFittedError):
        save_model(FingerprintClassifier(), tmp_path / "model.skops")


def test_a_missing_folder_is_named(make_images, tmp_path):
    with pytest.raises(FileNotFoundError, match="there is no folder .*nowhere"):
        save_model(fitted(make_images)[0], tmp_path / "nowhere" / "model.skops")


@pytest.mark.parametrize("share", [0, 0.01, 0.3, 0.7, 0.99, 0.9999])
def test_a_truncated_model_is_refused(make_images, tmp_path, share):
    path = tmp_path / "model.skops"
    save_model(fitted(make_images)[0], path)
    content = path.read_bytes()
    path.write_bytes(content[: int(share * len(content))])
    with pytest.raises(ModelFileError, match="model.skops: not a model file, or truncated"):
        load_model(path)


def test_a_damaged_model_is_refused(make_images, tmp_path):
    path = tmp_path / "model.skops"
    save_model(fitted(make_images)[0], path)
    content = bytearray(path.read_bytes())
    content[len(content) // 3] ^= 0xFF  # in the fingerprints, whose checksum shows it
    path.write_bytes(content)
    with pytest.raises(ModelFileError, match="model.skops"):
        load_model(path)


class Trap:
    """Unpickling this would run code."""

    def __reduce__(self):
        return exec, ("raise SystemExit('code of a model file was run')",)


def test_a_pickle_is_refused_and_not_run(tmp_path):
    (tmp_path / "model.skops").write_bytes(pickle.dumps(Trap()))
    with pytest.raises(ModelFileError, match="not a model file"):
        load_model(tmp_path / "model.skops")


@pytest.mark.parametrize("name", ["missing.skops", "."])
def test_what_cannot_be_opened_is_named(tmp_path, name):
    with pytest.raises(ModelFileError, match="cannot be read: (No such file|Is a directory)"):
        load_model(tmp_path / name)


def test_a_foreign_archive_is_refused(tmp_path):
    with zipfile.ZipFile(tmp_path / "model.skops", "w") as archive:
        archive.writestr("schema.json", "{}")
    with pytest.raises(ModelFileError, match="not a model file"):
        load_model(tmp_path / "model.skops")


def test_a_newer_format_is_refused(make_images, tmp_path):
    path = tmp_path / "model.skops"
    save_model(fitted(make_images)[0], path)
    rewrite(
        path, lambda data: data.update(format_version=FORMAT_VERSION + 1, package_version="9.0")
    )
    with pytest.raises(ModelFileError, match="written by sklearn_ganprint 9.0.*Upgrade"):
        load_model(path)


def test_a_newer_package_is_reported(make_images, tmp_path):
    path = tmp_path / "model.skops"
    clf, X = fitted(make_images)
    save_model(clf, path)
    rewrite(path, lambda data: data.update(package_version="9.0"))
    with pytest.warns(UserWarning, match="newer than this"):
        loaded = load_model(path)
    np.testing.assert_array_equal(loaded.predict(X), clf.predict(X))


def test_types_that_are_not_trusted_are_named_and_not_loaded(make_images, tmp_path):
    path = tmp_path / "model.skops"
    clf, _ = fitted(make_images)
    save_model(clf, path)
    with zipfile.ZipFile(path) as archive:
        schema = archive.read("schema.json").decode()
        members = {name: archive.read(name) for name in archive.namelist()}
    members["schema.json"] = schema.replace("FingerprintClassifier", "EvilClassifier")
    with zipfile.ZipFile(path, "w") as archive:
        for name, content in members.items():
            archive.writestr(name, content)
    with pytest.raises(ModelFileError, match=r"not trusted: .*EvilClassifier"):
        load_model(path)
