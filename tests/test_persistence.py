import hashlib
import io
import json
import os
import pickle
import zipfile

import numpy as np
import pytest
import sklearn
import skops.io as sio
from sklearn.exceptions import NotFittedError
from sklearn.pipeline import make_pipeline

import sklearn_ganprint
from sklearn_ganprint import (
    FileBatchClassifier,
    FingerprintClassifier,
    OpenSetClassifier,
    ResidualTransformer,
    load_model,
    save_model,
)
from sklearn_ganprint.datasets import ImageReader
from sklearn_ganprint.denoisers import DENOISERS
from sklearn_ganprint.persistence import FORMAT_VERSION, ModelFileError, read_metadata

pytestmark = pytest.mark.core


def fitted(make_images, denoiser="gaussian"):
    X, y = make_images(shape=(16, 16, 3))
    pipeline = make_pipeline(ResidualTransformer(denoiser), FingerprintClassifier())
    return FileBatchClassifier(pipeline, reader=ImageReader(16)).fit(X, y), X


def digest(members, header):
    """Compute the sha256 of names, sizes and contents of all members, and of the header."""
    sha = hashlib.sha256()
    for name, content in sorted(members.items()):
        content = content.encode() if isinstance(content, str) else content
        sha.update(f"{name}\0{len(content)}\0".encode() + content)
    rest = {key: value for key, value in header.items() if key != "sha256"}
    sha.update(json.dumps(rest, sort_keys=True).encode())
    return sha.hexdigest()


def rewrite(path, change, *, seal=True):
    """Change the members of a model file, and give it the digest that belongs to them."""
    with zipfile.ZipFile(path) as archive:
        members = {name: archive.read(name) for name in archive.namelist()}
    header = json.loads(members.pop("ganprint.json"))
    change(header, members)
    with zipfile.ZipFile(path, "w") as archive:
        for name, content in members.items():
            archive.writestr(name, content)
        if seal:
            header["sha256"] = digest(members, header)
        archive.writestr("ganprint.json", json.dumps(header))


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


def test_findings_about_the_images_of_a_fit_are_kept_in_the_header(make_images, tmp_path):
    model, _ = fitted(make_images)
    save_model(model, tmp_path / "told", findings=["a is JPEG", "b is not"])
    save_model(model, tmp_path / "untold")
    assert read_metadata(tmp_path / "told")["findings"] == ["a is JPEG", "b is not"]
    assert "findings" not in read_metadata(tmp_path / "untold")


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
    with pytest.raises(ModelFileError, match="model.skops: not a model file"):
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
    newer = {"format_version": FORMAT_VERSION + 1, "package_version": "9.0"}
    rewrite(path, lambda header, _: header.update(newer), seal=False)
    with pytest.raises(ModelFileError, match="written by sklearn_ganprint 9.0.*Upgrade"):
        load_model(path)


def test_a_newer_package_is_reported(make_images, tmp_path):
    path = tmp_path / "model.skops"
    clf, X = fitted(make_images)
    save_model(clf, path)
    rewrite(path, lambda header, _: header.update(package_version="9.0"))
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


def swap(name, content):
    """Give a member another content."""
    return lambda header, members: members.update({name: content})


def arrays_of(members):
    return [name for name in members if name.endswith(".npy")]


def turned_around(members):
    names = arrays_of(members)
    return names, names[::-1]


def lying_array(header, members):
    """Announce an array of a terabyte."""
    stream = io.BytesIO()
    announced = {"descr": "<f8", "fortran_order": False, "shape": (1 << 37,)}
    np.lib.format.write_array_header_1_0(stream, announced)
    members[arrays_of(members)[0]] = stream.getvalue()


DEEP = "[" * 100_000 + "]" * 100_000


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda header, _: header.pop("format_version"), "format_version: expected a whole number"),
        (lambda header, _: header.update(format_version="2"), "expected a whole number, got '2'"),
        (lambda header, _: header.update(format_version=True), "expected a whole number, got True"),
        (lambda header, _: header.pop("package_version"), "package_version: expected a version"),
        (lambda header, _: header.update(package_version="x"), "expected a version, got 'x'"),
        (lambda header, _: header.update(sklearn_version=[1]), "sklearn_version: expected"),
        (lambda header, _: header.update(format="other"), "it names no model"),
        (swap("schema.json", DEEP), "the model is damaged: maximum recursion depth"),
        (swap("schema.json", "null"), "the model is damaged"),
        (swap("schema.json", bytes((32 << 20) + 1)), "schema.json is longer than 32 MiB"),
        (lambda _, members: members.pop("schema.json"), "no item named 'schema.json'"),
        (lambda _, members: members.pop(arrays_of(members)[0]), "no item named"),
    ],
)
def test_what_no_model_is_made_of_is_refused_though_its_digest_agrees(
    make_images, tmp_path, change, message
):
    path = tmp_path / "model.skops"
    save_model(fitted(make_images)[0], path)
    rewrite(path, change)
    with pytest.raises(ModelFileError, match=message) as caught:
        load_model(path)
    assert str(path) in str(caught.value)


@pytest.mark.parametrize(
    "change",
    [
        lambda header, _: header.update(classes=["a", "b", "d"]),
        lambda header, _: header.pop("sha256"),
        lambda header, _: header.update(note="new"),
        lambda _, members: members.update(more=b"1"),
        lambda _, members: members.pop(arrays_of(members)[0]),
        lambda _, members: members.update(
            {name: members[other] for name, other in zip(*turned_around(members), strict=True)}
        ),
    ],
)
def test_what_was_changed_is_refused(make_images, tmp_path, change):
    path = tmp_path / "model.skops"
    save_model(fitted(make_images)[0], path)
    rewrite(path, lambda *_: None, seal=False)  # writing it anew changes nothing
    load_model(path)
    rewrite(path, change, seal=False)
    with pytest.raises(ModelFileError, match="damaged"):
        read_metadata(path)
    with pytest.raises(ModelFileError, match="damaged"):
        load_model(path)


def test_a_header_nested_too_deep_is_refused(tmp_path):
    with zipfile.ZipFile(tmp_path / "model.skops", "w") as archive:
        archive.writestr("ganprint.json", DEEP)
    with pytest.raises(ModelFileError, match="ganprint.json .* recursion"):
        load_model(tmp_path / "model.skops")


def test_an_encrypted_member_is_refused(make_images, tmp_path):
    path = tmp_path / "model.skops"
    save_model(fitted(make_images)[0], path)
    content = bytearray(path.read_bytes())
    content[content.index(b"PK\x01\x02") + 8] |= 1  # in the directory at the end of the archive
    path.write_bytes(content)
    with pytest.raises(ModelFileError, match="damaged: .* is encrypted"):
        load_model(path)


def test_an_array_that_announces_a_terabyte_is_refused(make_images, tmp_path):
    path = tmp_path / "model.skops"
    save_model(fitted(make_images)[0], path)
    rewrite(path, lying_array, seal=False)
    with pytest.raises(ModelFileError, match="announces .* size"):
        load_model(path)


@pytest.mark.parametrize("kind", [zipfile.ZIP_DEFLATED, zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA])
def test_a_bomb_is_refused_before_it_is_unpacked(make_images, tmp_path, kind):
    path = tmp_path / "model.skops"
    save_model(fitted(make_images)[0], path)
    with zipfile.ZipFile(path, "a", kind) as archive, archive.open("more", "w") as member:
        for _ in range(70):
            member.write(bytes(1 << 20))
    message = "unpacks to 70 MiB, at most 64" if kind == zipfile.ZIP_DEFLATED else "more is compr"
    with pytest.raises(ModelFileError, match=message):
        read_metadata(path)


def test_two_members_of_one_name_are_refused(make_images, tmp_path):
    path = tmp_path / "model.skops"
    save_model(fitted(make_images)[0], path)
    with zipfile.ZipFile(path, "a") as archive, pytest.warns(UserWarning, match="Duplicate"):
        archive.writestr("schema.json", "{}")
    with pytest.raises(ModelFileError, match="a member is there twice"):
        load_model(path)


def test_a_pipe_is_not_waited_for(tmp_path):
    os.mkfifo(tmp_path / "model.skops")
    with pytest.raises(ModelFileError, match="pipe"):
        load_model(tmp_path / "model.skops")


@pytest.mark.parametrize(
    ("scores", "message"),
    [
        (np.zeros((23, 3)), "calibration_class_scores_ has shape .* disagrees"),
        (np.zeros(24), "calibration_class_scores_: expected an array of 2 axes"),
        (np.full((24, 3), np.nan), "calibration_class_scores_ holds NaN"),
    ],
)
def test_class_scores_may_be_missing_but_not_wrong(make_images, tmp_path, scores, message):
    images, y = make_images()
    pipeline = make_pipeline(ResidualTransformer("gaussian"), FingerprintClassifier())
    clf = OpenSetClassifier(pipeline, false_alarm_rate=0.05).fit(images, y)
    expected = clf.predict(images)
    vars(clf)["calibration_class_scores_"] = scores
    with pytest.raises(ModelFileError, match=message):
        save_model(clf, tmp_path / "model.skops")
    del clf.calibration_class_scores_  # as in models of former versions
    save_model(clf, tmp_path / "model.skops")
    loaded = load_model(tmp_path / "model.skops")
    np.testing.assert_array_equal(loaded.predict(images), expected)


def wrong(**attributes):
    return lambda classifier: vars(classifier).update(attributes)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda c: c.fingerprints_.fill(np.nan), "fingerprints_ holds NaN"),
        (lambda c: c.fingerprints_[0].fill(np.inf), "fingerprints_ holds infinite values"),
        (wrong(fingerprints_=np.ones((2, 256))), "disagrees with the other"),
        (wrong(fingerprints_=np.ones((3, 255))), "disagrees with the other"),
        (wrong(fingerprints_=None), "expected an array of 2 axes, got None"),
        (wrong(fingerprints_=np.full((3, 256), "x")), "expected numbers"),
        (wrong(classes_=np.array(["b", "a", "c"])), "classes_ are not sorted"),
        (wrong(classes_=np.array(["a", "a", "c"])), "classes_ are not sorted, or not different"),
        (wrong(n_features_in_=255), "disagrees|features"),
        (wrong(metric="other"), "The 'metric' parameter of FingerprintClassifier"),
    ],
)
def test_what_no_fit_leaves_is_neither_saved_nor_loaded(make_images, tmp_path, change, message):
    clf, _ = fitted(make_images)
    path, old = tmp_path / "model.skops", tmp_path / "old.skops"
    change(clf.estimator_[-1])
    with pytest.raises(ModelFileError, match=f"Not saved: .*({message})"):
        save_model(clf, path)
    assert list(tmp_path.iterdir()) == []
    sio.dump(clf, old)  # as a version would that does not check
    header = {"format": "sklearn_ganprint model", "format_version": 1}
    header |= {"package_version": "0.1.0", "sklearn_version": sklearn.__version__}
    with zipfile.ZipFile(old, "a") as archive:
        archive.writestr("ganprint.json", json.dumps(header))
    with pytest.raises(ModelFileError, match=f"old.skops: the model is damaged: .*({message})"):
        load_model(old)


def test_another_release_of_scikit_learn_is_told_once(make_images, tmp_path):
    path = tmp_path / "model.skops"
    clf, X = fitted(make_images)
    save_model(clf, path)

    def age(header, members):
        header["sklearn_version"] = "1.2.0"
        schema = members["schema.json"].decode()
        members["schema.json"] = schema.replace(sklearn.__version__, "1.2.0")

    rewrite(path, age)
    with pytest.warns(UserWarning) as told:
        loaded = load_model(path)
    expected = f"was written with scikit-learn 1.2.0, this is {sklearn.__version__}"
    assert [expected in str(each.message) for each in told] == [True]
    assert "Install scikit-learn==1.2.0, or fit the model anew." in str(told[0].message)
    np.testing.assert_array_equal(loaded.predict(X), clf.predict(X))


def save_as_by(path, clf, **renamed):
    """Save a model as if another release had, in which something had another name."""

    def change(header, members):
        header["sklearn_version"] = "99.0"
        schema = members["schema.json"].decode()
        for name, other in renamed.items():
            assert f'"{name}"' in schema
            schema = schema.replace(f'"{name}"', f'"{other}"')
        members["schema.json"] = schema

    save_model(clf, path)
    rewrite(path, change)


def test_parameters_that_another_release_did_not_have_are_named(make_images, tmp_path):
    path = tmp_path / "model.skops"
    save_as_by(path, fitted(make_images)[0], transform_input="transform_otherwise")
    with pytest.warns(UserWarning, match=r"99\.0.*without Pipeline\.transform_input\. Install"):
        load_model(path)


@pytest.mark.parametrize(
    ("renamed", "reason"),
    [
        ({"Pipeline": "NewPipeline"}, "not trusted: sklearn.pipeline.NewPipeline"),
        ({"ObjectNode": "NewNode"}, "cannot be loaded here: .*NewNode"),
    ],
    ids=["type", "node"],
)
def test_what_only_another_release_can_load_is_told_with_it(make_images, tmp_path, renamed, reason):
    path = tmp_path / "model.skops"
    save_as_by(path, fitted(make_images)[0], **renamed)
    with pytest.raises(ModelFileError, match=reason) as told:
        load_model(path)
    assert "It was written with scikit-learn 99.0" in str(told.value)
    assert "Install scikit-learn==99.0" in str(told.value)
