"""Images of a fit are recognised in files."""

import hashlib
import os
import shutil
import tarfile
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from sklearn.base import clone
from sklearn.pipeline import make_pipeline

from sklearn_ganprint import (
    AugmentedClassifier,
    FileBatchEstimator,
    FingerprintClassifier,
    FingerprintClustering,
    FusionClassifier,
    OpenSetClassifier,
    ResidualTransformer,
    SubclassDiscriminantAnalysis,
    load_model,
    save_model,
)
from sklearn_ganprint.datasets import ImageReader, load_samples
from sklearn_ganprint.features import AutocorrelationTransformer
from sklearn_ganprint.files import FittedImage, UnreadableImageWarning
from sklearn_ganprint.persistence import ModelFileError


def pipeline():
    return make_pipeline(ResidualTransformer("gaussian"), FingerprintClassifier())


@pytest.fixture(scope="module")
def samples():
    """Of three sources 16 files each, of which every other one is fitted on."""
    bunch = load_samples(load_content=False)
    names = bunch.target_names[bunch.target]
    chosen = [
        position
        for source in ("cyclegan_vintagify", "real", "srgan_x4")
        for position in np.flatnonzero(names == source)[:16]
    ]
    return bunch.filenames[chosen], names[chosen]


@pytest.fixture(scope="module")
def clf(samples):
    paths, y = samples
    return FileBatchEstimator(pipeline()).fit(paths[::2], y[::2])


def saved(image, path, **how):
    image.save(path, **how)
    return path


def slow_sketch(path):
    """Cosine sums over 128 x 128 pixels, one frequency at a time."""
    picture = Image.open(path).convert("RGB").resize((128, 128), Image.Resampling.NEAREST)
    levels = np.asarray(picture, dtype=float) @ (0.299, 0.587, 0.114)
    places = (np.arange(128) + 0.5) * np.pi / 128
    found, detail = [], 0.0
    for down in range(9):
        for across in range(9 - down):
            if down + across == 0:
                continue
            wave = np.outer(np.cos(down * places), np.cos(across * places))
            wave /= np.sqrt((wave**2).sum())
            amplitude = (wave * levels).sum() / 128
            detail += amplitude**2 if down + across >= 3 else 0
            found.append(np.hypot(down, across) * amplitude)
    if detail < 25:
        return np.zeros(44)
    return np.array(found) * 127 / np.abs(found).max()


def test_sketches_and_digests_equal_slow_ones(clf, samples):
    paths = samples[0][::2]
    assert clf.fitted_files_["name"].tolist() == [os.path.basename(path).encode() for path in paths]
    assert clf.classes_[clf.fitted_files_["source"]].tolist() == samples[1][::2].tolist()
    for row, path in zip(clf.fitted_files_, paths, strict=True):
        assert row["sha256"].tobytes() == hashlib.sha256(Path(path).read_bytes()).digest()
        np.testing.assert_allclose(row["sketch"], slow_sketch(path), atol=0.51)
    assert clf.fitted_files_.nbytes < 100 * len(paths)


def slow_find(fitted, digest, sketched):
    """Compare a file with the images of a fit one at a time."""
    rows = fitted["sketch"].astype(float)
    lengths = np.sqrt((rows**2).sum(axis=1))
    best = (0.9, None)
    for position, row in enumerate(fitted):
        if row["sha256"].tobytes() == digest:
            return position, "same file"
        if not lengths[position] or not np.any(sketched):
            continue
        own = [n for n in np.flatnonzero(fitted["source"] == row["source"]) if lengths[n]]
        n_own = (fitted["source"] == row["source"]).sum()
        common = sum(rows[n] / lengths[n] for n in own) / (n_own + 4)
        a = rows[position] / lengths[position] - common
        b = sketched / np.sqrt((sketched**2).sum()) - common
        alike = (a * b).sum() / np.sqrt((a**2).sum() * (b**2).sum())
        best = max(best, (alike, position), key=lambda pair: pair[0])
    return best[1], "same content"


def test_what_is_found_equals_what_a_slow_search_finds(clf, samples, tmp_path):
    paths = []
    for number, path in enumerate(samples[0]):
        with Image.open(path) as image:
            part = image.convert("RGB").crop((number % 7, number % 5, 126, 128))
        paths.append(saved(part, tmp_path / f"{number}.jpg", quality=40 + number))
    clf = FileBatchEstimator(
        pipeline(), reader=ImageReader(crop=64), on_error="raise", batch_size=7
    ).fit(samples[0][::2], samples[1][::2])
    found, known = clf.find_fitted(paths), clf.fitted_files_
    assert {image and image.match for image in found} == {None, "same content"}
    for image, path in zip(found, paths, strict=True):
        digest = hashlib.sha256(path.read_bytes()).digest()
        position, match = slow_find(known, digest, np.rint(slow_sketch(path)))
        expected = None
        if position is not None:
            name, source = known["name"][position].decode(), known["source"][position]
            expected = FittedImage(name, match, clf.classes_[source])
        assert image == expected


def edited(path, folder):
    """Copies of an image, and whether they are found."""
    with Image.open(path) as opened:
        image = opened.convert("RGB")
    shutil.copy(path, folder / "other name.bin")
    mirrored = image.transpose(Image.Transpose.FLIP_LEFT_RIGHT)
    deep = Image.fromarray(np.asarray(image.convert("L"), dtype=np.uint16) * 257)
    return {
        folder / "other name.bin": "same file",
        saved(image, folder / "pixels.png"): "same content",
        saved(image, folder / "75.jpg", quality=75): "same content",
        saved(image, folder / "30.jpg", quality=30): "same content",
        saved(image.resize((102, 102)), folder / "resized.png"): "same content",
        saved(image.resize((500, 300)), folder / "enlarged.jpg"): "same content",
        saved(image.crop((2, 2, 127, 126)), folder / "cut.png"): "same content",
        saved(deep, folder / "16.png"): "same content",
        saved(image.convert("P"), folder / "palette.gif"): "same content",
        saved(mirrored, folder / "mirrored.png"): None,
        saved(image.crop((0, 0, 64, 64)), folder / "quarter.png"): None,
    }


def test_copies_are_recognised(clf, samples, tmp_path):
    paths, y = samples
    expected = edited(paths[0], tmp_path)
    reading = FileBatchEstimator(pipeline(), reader=ImageReader(crop=48)).fit(paths[::2], y[::2])
    found = dict(zip(expected, reading.find_fitted(list(expected)), strict=True))
    assert {path: image and image.match for path, image in found.items()} == expected
    name = os.path.basename(paths[0])
    assert {image[::2] for image in found.values() if image} == {(name, "cyclegan_vintagify")}


def test_other_images_of_the_same_sources_are_not_found(clf, samples):
    assert clf.find_fitted(samples[0][1::2]) == [None] * 24
    found = clf.find_fitted(samples[0][::2])
    assert [image.match for image in found] == ["same file"] * 24


def test_versions_of_one_picture_are_the_same_content_and_not_the_same_file(tmp_path):
    bunch = load_samples()
    rng = np.random.default_rng(0)
    paths = []
    for name, pattern in zip("ab", rng.normal(scale=6, size=(2, 128, 128, 3)), strict=True):
        (tmp_path / name).mkdir()
        for number, image in enumerate(bunch.data[:6]):
            version = (image + pattern).clip(0, 255).astype(np.uint8)
            paths.append(saved(Image.fromarray(version), tmp_path / name / f"{number}.png"))
    new = paths.pop()
    clf = FileBatchEstimator(pipeline()).fit(paths, [path.parent.name for path in paths])
    assert clf.find_fitted([new]) == [FittedImage("5.png", "same content", "a")]
    assert clf.find_fitted(paths[:1]) == [FittedImage("0.png", "same file", "a")]


def test_what_shows_nothing_is_recognised_by_its_file_alone(clf, samples, tmp_path):
    noise = np.random.default_rng(0).normal(128, 8, size=(12, 128, 128, 3)).astype(np.uint8)
    paths = [saved(Image.fromarray(x), tmp_path / f"{n}.png") for n, x in enumerate(noise)]
    clf = FileBatchEstimator(pipeline()).fit(paths[:10], ["a", "b"] * 5)
    assert not clf.fitted_files_["sketch"].any()
    again = saved(Image.fromarray(noise[0]), tmp_path / "again.tiff")
    found = clf.find_fitted([paths[0], again, *paths[10:], *samples[0][:1]])
    assert found == [FittedImage("0.png", "same file", "a"), None, None, None, None]


@pytest.mark.parametrize("options", [{"batch_size": 5}, {"n_jobs": 2, "batch_size": 7}])
@pytest.mark.parametrize("wrap", [clone, lambda x: OpenSetClassifier(x, false_alarm_rate=0.2)])
def test_records_do_not_depend_on_batches_or_passes(clf, samples, options, wrap):
    paths, y = samples[0][::2], samples[1][::2]
    other = FileBatchEstimator(wrap(pipeline()), **options).fit(paths, y)
    np.testing.assert_array_equal(other.fitted_files_, clf.fitted_files_)


def test_files_that_could_not_be_used_are_in_no_fit(samples, tmp_path):
    (tmp_path / "broken.png").write_bytes(b"no image")
    flat = saved(Image.new("RGB", (128, 128), "red"), tmp_path / "flat.png")
    paths = [tmp_path / "broken.png", *samples[0][:20], flat]
    with pytest.warns(UnreadableImageWarning):
        clf = FileBatchEstimator(pipeline()).fit(paths, ["x", *samples[1][:20], "x"])
    assert len(clf.fitted_files_) == 20
    with pytest.warns(UnreadableImageWarning):
        found = clf.find_fitted(paths)
    assert found[0] is None and found[-1] is None and all(found[1:-1])


def test_clusterers_know_no_sources(samples):
    steps = ResidualTransformer(flatten=False), FingerprintClustering(n_clusters=2)
    clf = FileBatchEstimator(make_pipeline(*steps)).fit(samples[0][:12])
    (found,) = clf.find_fitted(samples[0][3:4])
    assert found == FittedImage(os.path.basename(samples[0][3]), "same file", None)


def test_names_of_any_kind_are_kept_without_their_folders(samples, tmp_path):
    names = [b"caf\xe9.webp", b"two\nlines.webp", b"x" * 200 + b".webp"]
    paths = [os.fsencode(tmp_path) + b"/" + name for name in names]
    for source, path in zip(samples[0], paths, strict=False):
        shutil.copy(source, path)
    with tarfile.open(tmp_path / "0.tar", "w") as archive:
        archive.add(samples[0][3], "deep/inside.webp")
    paths.append(os.fsencode(tmp_path) + b"/0.tar/deep/inside.webp")
    clf = FileBatchEstimator(pipeline()).fit(paths, ["a", "a", "b", "b"])
    found = [os.fsencode(image.name) for image in clf.find_fitted(paths)]
    assert found == [*names[:2], b"x" * 64, b"inside.webp"]
    assert os.fsencode(tmp_path) not in clf.fitted_files_.tobytes()


def test_a_saved_model_recognises_images_too(clf, samples, tmp_path):
    save_model(clf, tmp_path / "model.skops")
    loaded = load_model(tmp_path / "model.skops")
    assert loaded.find_fitted(samples[0]) == clf.find_fitted(samples[0])


def records(**columns):
    def change(clf):
        for name, values in columns.items():
            clf.fitted_files_[name] = values

    return change


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda clf: setattr(clf, "fitted_files_", ["a.png"]), "expected records of files"),
        (lambda clf: setattr(clf, "fitted_files_", np.zeros(3)), "expected records of files"),
        (lambda clf: setattr(clf, "fitted_files_", clf.fitted_files_[:0]), "expected records"),
        (lambda clf: setattr(clf, "fitted_files_", clf.fitted_files_[["name", "sha256"]]),
         "expected records of files"),
        (lambda clf: clf.fitted_files_["source"].fill(3), "positions in classes_"),
        (lambda clf: clf.fitted_files_["source"].fill(-2), "positions in classes_"),
    ],
)  # fmt: skip
def test_other_records_are_not_saved(samples, tmp_path, change, message):
    clf = FileBatchEstimator(pipeline()).fit(*(values[::4] for values in samples))
    change(clf)
    with pytest.raises(ModelFileError, match=f"fitted_files_.*{message}"):
        save_model(clf, tmp_path / "model.skops")


@pytest.mark.filterwarnings("ignore:.*was written with scikit-learn:UserWarning")
def test_what_is_not_known_is_said(clf, samples):
    paths, y = samples
    images = ImageReader().read(paths[:20])
    on_arrays = FileBatchEstimator(pipeline()).fit(images, y[:20])
    assert on_arrays.fitted_files_ is None
    with pytest.raises(ValueError, match="not known which files .* fitted on arrays"):
        on_arrays.find_fitted(paths[:1])
    old = load_model(Path(__file__).parent / "models" / "format_2" / "robust.skops")
    with pytest.raises(ValueError, match="saved by an earlier version"):
        old.find_fitted(paths[:1])
    with pytest.raises(TypeError, match="expected paths of files, got images"):
        clf.find_fitted(images)


def test_histories_that_were_told_are_taken(clf, samples):
    told = {}
    asking = FileBatchEstimator(pipeline(), on_history=told.__setitem__)
    asking.fit(samples[0], samples[1])
    histories = [*told.values(), None]
    assert clf.find_fitted(histories) == [*clf.find_fitted(samples[0]), None]
    assert clf.find_fitted([]) == []


def fusion(**params):
    residual = ResidualTransformer("gaussian", flatten=False)
    steps = residual, AutocorrelationTransformer(2), SubclassDiscriminantAnalysis()
    return FusionClassifier([("fingerprint", pipeline()), ("lda", make_pipeline(*steps))], **params)


@pytest.mark.parametrize("params", [{}, {"perturbations": ["jpeg 90", "jpeg 80"]}])
@pytest.mark.parametrize("wrap", [clone, lambda x: OpenSetClassifier(make_pipeline(x))])
@pytest.mark.filterwarnings("ignore:No image can be called unknown")
def test_nearest_images_are_those_of_a_slow_search(samples, tmp_path, params, wrap):
    paths, y = samples
    (tmp_path / "broken.png").write_bytes(b"no image")
    with pytest.warns(UnreadableImageWarning):
        clf = FileBatchEstimator(wrap(fusion(**params)), batch_size=7).fit(
            [tmp_path / "broken.png", *paths[::2]], ["real", *y[::2]]
        )
    save_model(clf, tmp_path / "model.skops")
    clf = load_model(tmp_path / "model.skops").set_params(on_error=lambda error: None)
    inner = clf.estimator_ if wrap is clone else clf.estimator_.estimator_[-1]
    lda = inner.estimators_[1]
    images = lda[:-1].transform(ImageReader().read(paths))
    squashed = lda[-1].squash * np.tanh((images - lda[-1].mean_) / lda[-1].scale_ / lda[-1].squash)
    rows = (squashed - lda[-1].centre_) @ lda[-1].components_.T
    np.testing.assert_allclose(inner.fitted_coordinates_, rows[::2], atol=1e-3)
    assert inner.fitted_coordinates_.dtype == np.float32
    found = clf.nearest_fitted([*paths, tmp_path / "broken.png"], n_images=3)
    assert found.pop() == []
    names = [(os.path.basename(path), source) for path, source in zip(paths, y, strict=True)]
    for row, near in zip(rows, found, strict=True):
        distances = [np.sqrt(((row - other) ** 2).sum()) for other in rows[::2]]
        told = [image.distance for image in near]
        np.testing.assert_allclose(told, sorted(distances)[:3], atol=1e-2)
        places = [names[::2].index(image[:2]) for image in near]
        np.testing.assert_allclose(told, np.array(distances)[places], atol=1e-2)


def test_without_a_discriminant_there_are_no_nearest_images(clf, samples):
    paths, y = samples
    assert not hasattr(FileBatchEstimator(fusion()), "nearest_fitted")
    assert not hasattr(clf, "nearest_fitted")
    mean = FileBatchEstimator(FusionClassifier([("a", pipeline())])).fit(paths[::2], y[::2])
    assert mean.estimator_.fitted_coordinates_.shape == (24, 0)
    assert not hasattr(mean, "nearest_fitted")
    copied = AugmentedClassifier(fusion(), perturbations=["jpeg 90"], n_copies=1)
    assert not hasattr(FileBatchEstimator(copied).fit(paths[::2], y[::2]), "nearest_fitted")
    on_arrays = FileBatchEstimator(fusion()).fit(ImageReader().read(paths[::2]), y[::2])
    assert not hasattr(on_arrays, "nearest_fitted")
