"""Images that are flat, smooth or saturated: they have no residual, and no answer."""

import csv
import io
import json
from pathlib import Path

import numpy as np
import pytest
from estimators import attribution_pipeline
from PIL import Image, ImageDraw
from sklearn.base import clone
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline

from sklearn_ganprint import (
    AugmentedClassifier,
    FileBatchClassifier,
    FingerprintClassifier,
    FingerprintClustering,
    FingerprintDetector,
    OpenSetClassifier,
    PRNUClassifier,
    ResidualTransformer,
    make_attribution_pipeline,
    make_localization_pipeline,
)
from sklearn_ganprint.files import UnreadableImageWarning
from sklearn_ganprint.localization import localize_images
from sklearn_ganprint.pipelines import KINDS
from sklearn_ganprint.residuals import MIN_SHARE, residual_share

LOWEST = float(np.finfo(np.float32).min)
SIDE = 32


def constant(*colour):
    return np.full((SIDE, SIDE, 3), colour, np.uint8)


def text(side=96):
    image = Image.new("RGB", (side, side), "white")
    for top in range(3, side, 13):
        ImageDraw.Draw(image).text((3, top), "The quick brown fox jumps over", fill="black")
    return np.asarray(image)


def slope(down=0.0, right=8.0):
    rows, columns = np.indices((SIDE, SIDE))
    return np.repeat((down * rows + right * columns)[..., None].round(), 3, 2).astype(np.uint8)


def framed(image):
    black = constant(0, 0, 0)
    black[10:16, 10:16] = image[:6, :6]
    return black


BLANKS = {
    "white": constant(255, 255, 255),
    "black": constant(0, 0, 0),
    "red": constant(255, 0, 0),
    "teal": constant(10, 120, 130),
    "slope": slope(),
    "tilt": slope(2.3, 1.7),
}


@pytest.fixture
def blanks(make_images):
    return np.stack([*BLANKS.values(), framed(make_images()[0][0])])


@pytest.mark.parametrize(("scale", "dtype"), [(1, np.uint8), (1, float), (257, np.uint16)])
@pytest.mark.parametrize("denoiser", ["wavelet", "gaussian"])
def test_blank_images_have_residuals_of_zeros(make_images, blanks, denoiser, scale, dtype):
    images = np.concatenate([make_images(n_per_class=1)[0], blanks]).astype(dtype) * dtype(scale)
    residual = ResidualTransformer(denoiser, data_range=255 * scale, intensity=True)
    blank = np.arange(len(images)) >= 3
    np.testing.assert_array_equal(residual.lacks_residual(images), blank)
    np.testing.assert_array_equal(residual.transform(images).any(axis=1), ~blank)
    grey = residual.transform(images[..., 0])
    np.testing.assert_array_equal(grey.any(axis=1), ~blank)
    unit = ResidualTransformer(denoiser, data_range=1.0).transform(images / (255.0 * scale))
    np.testing.assert_array_equal(unit.any(axis=1), ~blank)


def test_pages_of_text_have_no_residual_and_half_blank_images_have(make_images):
    half = make_images(n_per_class=1)[0]
    half[:, SIDE // 2 :] = 255
    assert residual_share(text()[None])[0] < MIN_SHARE
    assert residual_share(half).min() > 0.3
    assert not ResidualTransformer().lacks_residual(half).any()


def test_weak_residuals_are_residuals(make_images):
    images = make_images(strength=1.0, n_per_class=2)[0]
    small = images // 8  # a night photo
    assert not ResidualTransformer().lacks_residual(np.concatenate([images, small])).any()


@pytest.mark.parametrize("scale", [1.0, 1 / 127.5], ids=["mean 0", "in [-1, 1]"])
def test_what_is_below_0_is_not_black(make_images, scale):
    images = (make_images(n_per_class=2)[0] - 200.0) * scale  # only light areas are above 0
    blanks = (np.stack(list(BLANKS.values())) - 127.5) * scale
    residual = ResidualTransformer(data_range=255 * scale)
    assert not residual.lacks_residual(images).any()
    assert residual.lacks_residual(blanks).all()


def test_16_bit_images_under_a_range_of_255_are_not_called_saturated(make_images):
    images = make_images(n_per_class=2)[0].astype(np.uint16) * 257
    residual = ResidualTransformer("gaussian")
    with pytest.warns(UserWarning, match="data_range=65535") as warned:
        residuals = residual.fit_transform(images)
    assert not any("no residual" in str(warning.message) for warning in warned)
    assert residuals.any(axis=1).all()
    assert residual_share(images).min() > MIN_SHARE


def test_shares_count_pixels_that_carry_a_residual():
    image = np.full((1, 20, 20), 100.0)
    image[0, 5, 5] = 101.2  # deviates by more than .75 from the mean of its neighbours
    assert residual_share(image)[0] == 1 / 400
    image[0, 5, 5] = 103.2  # so do its neighbours then, which are half as far from theirs
    assert residual_share(image)[0] == 5 / 400
    image[0, 6, 6] = 255
    assert residual_share(image)[0] < 5 / 400


def test_class_sums_leave_blank_images_out(make_images, blanks):
    X, y = make_images()
    images = np.concatenate([X, blanks])
    codes = np.append(np.unique(y, return_inverse=True)[1], np.zeros(len(blanks), int))
    residual = ResidualTransformer(channels="rgb")
    found = residual.fit(X).class_sums(images, codes, np.ones(len(images)))
    expected = residual.class_sums(X, codes[: len(X)], np.ones(len(X)))
    np.testing.assert_allclose(found, expected, atol=1e-3)


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_images_that_are_not_finite_are_refused_and_not_left_out(make_images, value):
    X, y = make_images()
    X = X.astype(float)
    X[0] = value
    with pytest.raises(ValueError, match="contains (NaN|infinity)"):
        OpenSetClassifier(make_attribution_pipeline("fingerprint")).fit(X, y)


def make_model(kind):
    if kind == "augmented":
        inner = make_attribution_pipeline("autocorrelation", tile_size=None)
        return AugmentedClassifier(inner, ["jpeg 75"])
    if kind == "logistic":
        return make_pipeline(ResidualTransformer("gaussian"), LogisticRegression())
    return attribution_pipeline(kind, tile_size=None)


@pytest.mark.parametrize("kind", [*KINDS, "augmented", "logistic"])
@pytest.mark.filterwarnings("ignore:No image can be called unknown")
def test_blank_images_are_unknown_to_every_model(make_images, blanks, kind):
    X, y = make_images()
    # At this rate no image whatever has a p-value that is low enough.
    model = OpenSetClassifier(make_model(kind), false_alarm_rate=0.001).fit(X, y)
    images = np.concatenate([blanks[:3], X[:2], blanks[3:]])
    blank = np.isin(np.arange(len(images)), [3, 4], invert=True)
    assert ((model.typicality_scores(images) == LOWEST).all(axis=1) == blank).all()
    assert (model.predict(images)[blank] == "unknown").all()
    assert (model.predict(images)[~blank] == y[:2]).all()
    n_versions = 3 if kind == "robust" else 1  # copies calibrate too
    np.testing.assert_allclose(model.known_p_values(images)[blank], 1 / (24 * n_versions + 1))
    assert np.isfinite(model.class_scores(images)).all()
    with pytest.warns(FutureWarning):
        _, typicality = model.assess(images).swapaxes(0, 1)
    np.testing.assert_array_equal(typicality, model.typicality_scores(images))
    assert set(model.estimator_.predict(blanks)) <= {"a", "b", "c"}
    np.testing.assert_array_equal(model.typicality_scores(blanks[:1]), LOWEST)


@pytest.mark.parametrize("kind", ["fingerprint", "fusion", "prnu", "augmented"])
@pytest.mark.filterwarnings("ignore:No image can be called unknown")
def test_fits_leave_blank_images_out(make_images, blanks, kind):
    X, y = make_images()
    model = OpenSetClassifier(make_model(kind))
    with pytest.warns(UserWarning, match="7 of 31 images have no residual.* 0, 1, 2, 3, 4, 5, 6"):
        found = clone(model).fit(np.concatenate([blanks, X]), np.append(["a"] * len(blanks), y))
    expected = model.fit(X, y)
    # In single precision: how sums are rounded depends on the size of a batch, blank images or not.
    scores, without = found.typicality_scores(X), expected.typicality_scores(X)
    np.testing.assert_allclose(scores, without, rtol=2e-5)
    np.testing.assert_array_equal(found.calibration_codes_, expected.calibration_codes_)
    with pytest.raises(ValueError, match=r"No image of \['d'\] has a residual"):
        clone(model).fit(np.concatenate([blanks, X]), np.append(["d"] * len(blanks), y))


@pytest.mark.parametrize("classifier", [FingerprintClassifier(), PRNUClassifier()])
def test_pipelines_warn_of_blank_images_and_mean_the_others(make_images, blanks, classifier):
    X, y = make_images()
    residual = ResidualTransformer(channels="rgb", flatten=False)
    with pytest.warns(UserWarning, match="7 of 31 images have no residual"):
        found = make_pipeline(residual, classifier).fit(
            np.concatenate([X, blanks]), np.append(y, ["a"] * len(blanks))
        )
    expected = make_pipeline(clone(residual), clone(classifier)).fit(X, y)
    np.testing.assert_array_equal(found[-1].class_count_, [8, 8, 8])
    np.testing.assert_allclose(found[-1].fingerprints_, expected[-1].fingerprints_, atol=1e-6)
    np.testing.assert_array_equal(found.predict(X), y)
    with pytest.raises(ValueError, match=r"No image of \['d'\] has a residual"):
        clone(found).fit(np.concatenate([X, blanks]), np.append(y, ["d"] * len(blanks)))


def test_residuals_of_zeros_are_unknown_without_images(make_residuals):
    X, y = make_residuals(n_per_class=40)
    X[0] = 0
    with pytest.warns(UserWarning, match="1 of 120 images have no residual"):
        model = OpenSetClassifier(FingerprintClassifier(), false_alarm_rate=0.05).fit(X, y)
    assert len(model.calibration_scores_) == 119
    assert model.predict(X[:2]).tolist() == ["unknown", "a"]


@pytest.mark.parametrize("null", ["source", "others"])
@pytest.mark.filterwarnings("ignore:The hypothesis that an image")
def test_detectors_take_no_blank_image_for_the_source(make_images, blanks, null):
    X, y = make_images()
    pipeline = make_attribution_pipeline("fingerprint")
    detector = FingerprintDetector(pipeline, source="a", null=null, false_alarm_rate=0.001)
    detector.fit(X, y)
    np.testing.assert_array_equal(detector.score_samples(blanks), LOWEST)
    np.testing.assert_array_equal(detector.predict(blanks), -1)
    expected = 1 / 9 if null == "source" else 1
    np.testing.assert_allclose(detector.p_values(blanks), expected)


def test_clusters_hold_no_blank_images(make_images, blanks):
    X, _ = make_images(n_per_class=12, labels=("a",), shape=(64, 64, 3))
    blanks = np.tile(blanks, (1, 2, 2, 1))[:4]
    images = np.concatenate([blanks, X])
    residual = ResidualTransformer(channels="rgb", flatten=False)
    clustering = make_pipeline(residual, FingerprintClustering())
    with pytest.warns(UserWarning, match="4 of 16 images have no residual"):
        labels = clustering.fit_predict(images)
    np.testing.assert_array_equal(labels < 0, np.arange(16) < 4)
    np.testing.assert_array_equal(clustering.predict(blanks), -1)
    expected = residual.transform(X)[labels[4:] == 0].mean(axis=0).ravel()
    np.testing.assert_allclose(clustering[-1].fingerprints_[0], expected, atol=1e-5)


@pytest.mark.filterwarnings("ignore:A false-alarm rate of 0.05 takes 19 clean images")
def test_maps_of_blank_images_say_nothing(make_images, blanks):
    X, y = make_images(n_per_class=4, shape=(64, 64, 3))
    model = make_localization_pipeline().fit(X, y)
    found = localize_images(model, np.tile(blanks[:5], (1, 2, 2, 1)))
    assert np.isnan(found.maps).all() and not found.masks.any()


@pytest.fixture
def blank_files(tmp_path):
    (tmp_path / "blank").mkdir()
    paths = [str(tmp_path / "blank" / f"{name}.png") for name in BLANKS]
    for path, image in zip(paths, BLANKS.values(), strict=True):
        Image.fromarray(image).save(path)
    Image.fromarray(BLANKS["white"]).save(tmp_path / "blank" / "white.jpg")
    return [*paths, str(tmp_path / "blank" / "white.jpg")]


@pytest.mark.parametrize("kind", ["fingerprint", "fusion"])
@pytest.mark.filterwarnings("ignore:No image can be called unknown")
def test_files_without_a_residual_are_left_out_by_name(image_folder, blank_files, kind):
    _, paths, y = image_folder()
    model = FileBatchClassifier(OpenSetClassifier(make_model(kind)), batch_size=5)
    with pytest.warns(UnreadableImageWarning, match="7 of 31 files .*\n.*: no residual: 100 %"):
        found = clone(model).fit([*blank_files, *paths], ["a"] * 7 + y.tolist())
    assert [name for name, _ in found.failures_] == blank_files
    # Folds are drawn over all files, also those that turn out to be of no use.
    tolerance = 0.1 if kind == "fusion" else 1e-5
    expected = model.fit(paths, y).assess(paths)
    np.testing.assert_allclose(found.assess(paths), expected, atol=tolerance)
    assert found.predict([*blank_files, paths[0]]).tolist() == ["unknown"] * 7 + ["a"]


def rows_of(out, form):
    return json.loads(out)["results"] if form == "json" else [*csv.DictReader(io.StringIO(out))]


@pytest.mark.parametrize("form", ["csv", "json"])
@pytest.mark.parametrize("command", [["predict"], ["verify", "a"]])
def test_commands_say_why_there_is_no_answer(model, blank_files, ganprint, command, form):
    path, _, files = model
    name, *source = command
    arguments = [name, path, *source, files[0], *blank_files, "--false-alarm", 0.2]
    status, out, _ = ganprint(*arguments, "--format", form)
    assert status == 0 and "NaN" not in out
    known, *rows = rows_of(out, form)
    assert not known["reason"]
    for row in rows:
        assert row["reason"].startswith("no residual: 100 % of its pixels are flat, smooth or")
        assert not (row["p_value"] or row["score"] or row["error"] or row.get("verdict"))
        assert name == "verify" or row["source"] == "unknown"
    table = ganprint(*arguments)[1]
    assert table.count("no residual: 100 %") == 7
    assert "since there is no residual: 7 of 8" in table


def test_models_without_calibration_attribute_no_blank_image(closed_model, blank_files, ganprint):
    path, _, files = closed_model
    _, out, _ = ganprint("predict", path, files[0], *blank_files, "--format", "json")
    assert [row["source"] for row in rows_of(out, "json")] == ["a", *["unknown"] * 7]


def test_localize_and_cluster_say_why(image_folder, tmp_path, blank_files, fit, ganprint):
    folder, paths, _ = image_folder(labels=("a", "b"), shape=(64, 64, 3))
    fit(folder, tmp_path / "m", "--kind", "localization")
    out = ganprint("localize", tmp_path / "m", *blank_files, "--format", "json")[1]
    for row in rows_of(out, "json"):
        assert row["reason"].startswith("no residual: 100 %")
        assert row["false_region"] is row["claimed"] is row["p_value"] is None
    for name, image in BLANKS.items():
        Image.fromarray(np.tile(image, (2, 2, 1))).save(folder / f"{name}.png")
    options = ["--csv", tmp_path / "labels.csv", "--format", "json"]
    status, out, _ = ganprint("cluster", folder, *options)
    rows = {row["file"]: row for row in rows_of(out, "json")}
    assert status == 0 and len(rows) == len(paths) + len(BLANKS)
    assert {rows[path]["reason"] for path in paths} == {None}
    for name in ("white", "black", "red", "teal"):
        row = rows[str(folder / f"{name}.png")]
        assert row["cluster"] == "nowhere" and row["reason"].startswith("no residual")
    assert "white.png" not in (tmp_path / "labels.csv").read_text()


def test_fit_names_blank_files(image_folder, tmp_path, blank_files, fit, ganprint):
    folder, _, _ = image_folder()
    (folder / "a" / "white.png").write_bytes(Path(blank_files[0]).read_bytes())
    status, out, err = fit(folder, tmp_path / "m", "--format", "json")
    assert status == 1
    assert f"{folder}/a/white.png: no residual: 100 %" in err
    assert [row["images"] for row in json.loads(out)["sources"]] == [8, 8, 8]
    assert [row["failed"] for row in json.loads(out)["sources"]] == [1, 0, 0]


def test_fit_of_blank_files_alone_names_each_once_and_the_first_again(tmp_path, fit, blank_files):
    for source, path in zip("ab", blank_files, strict=False):
        (tmp_path / "in" / source).mkdir(parents=True)
        (tmp_path / "in" / source / "1.png").write_bytes(Path(path).read_bytes())
    status, _, err = fit(tmp_path / "in", tmp_path / "m")
    *_, last = err.splitlines()
    reason = (
        f"{tmp_path}/in/a/1.png: no residual: 100 % of its pixels are flat, smooth or saturated"
    )
    assert status == 2 and last == f"error: None of the 2 files can be used; the first: {reason}"
    assert err.count("in/b/1.png") == 1
