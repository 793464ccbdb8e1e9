"""Photos against generated images, of generators that the classifier has not seen."""

import json
from pathlib import Path

import numpy as np
import pytest
from cli_helpers import read_case
from PIL import Image
from sklearn import config_context
from sklearn.ensemble import StackingClassifier
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import RocCurveDisplay, roc_auc_score
from sklearn.model_selection import LeaveOneGroupOut
from sklearn.pipeline import make_pipeline

from sklearn_ganprint import (
    DetectionClassifier,
    OpenSetClassifier,
    SubclassDiscriminantAnalysis,
    make_detection_pipeline,
)
from sklearn_ganprint.datasets import load_samples
from sklearn_ganprint.perturbations import GaussianNoise

GENERATORS = [f"generator {n}" for n in range(6)]


@pytest.fixture
def features():
    """Rows of two kinds of photos and of generators, which differ, and share one direction."""
    rng = np.random.default_rng(0)
    sources = np.repeat(["camera", "phone", *GENERATORS], 30)
    y = np.where(np.isin(sources, ["camera", "phone"]), "photo", "generated")
    own = dict(zip(np.unique(sources), 4 * rng.normal(size=(8, 3)), strict=True))
    X = rng.normal(size=(len(y), 4))
    X[:, :3] += [own[source] for source in sources]
    X[:, 3] += 4 * (y == "generated")
    return X, y, sources


def detector(**params):
    return DetectionClassifier([("parts", SubclassDiscriminantAnalysis())], **params)


def test_generators_are_left_out_whole_and_photos_one_by_one(features):
    X, y, sources = features
    clf = detector(cv=LeaveOneGroupOut()).fit(X, y, sources=sources)
    units = np.where(y == "photo", np.arange(len(y)).astype(str), sources)
    fold_of, codes = (np.unique(each, return_inverse=True)[1] for each in (units, sources))
    expected = SubclassDiscriminantAnalysis().fold_scores(X, y, fold_of, subclasses=codes)[:, 0]
    expected, found = expected @ [1, -1], clf.out_of_fold_scores_ @ [1, -1]
    slope, level = np.polyfit(expected, found, 1)
    assert slope > 0
    np.testing.assert_allclose(found, slope * expected + level, atol=1e-6 * np.ptp(found))


def test_sources_are_parts_of_their_class_beside_the_processing(features):
    X, y, sources = features
    noise = {"perturbations": [GaussianNoise(0.1, image_shape=(1, 4))]}
    parts = detector().fit(X, y, sources=sources).estimators_[0].subclass_codes_
    assert np.bincount(parts).tolist() == [6, 2]
    parts = detector(**noise).fit(X, y, sources=sources).estimators_[0].subclass_codes_
    assert np.bincount(parts).tolist() == [12, 4]
    parts = detector(**noise).fit(X, y).estimators_[0].subclass_codes_
    assert np.bincount(parts).tolist() == [2, 2]


def test_of_photos_no_more_than_stated_are_called_generated(features):
    X, y, sources = features
    clf = detector().fit(X[::2], y[::2], sources=sources[::2])
    strange = np.full((1, 4), -1e3)
    for rate in (0.1, 0.3):
        sets = clf.predict_set(X[1::2], rate)
        only_generated = sets[:, 0] & ~sets[:, 1]
        assert only_generated[y[1::2] == "photo"].mean() <= rate
        assert only_generated[y[1::2] == "generated"].mean() > 0.7
        assert not clf.predict_set(strange, rate).any()


@pytest.mark.parametrize(
    ("photo", "generated"), [(0, 1), (False, True), ("real", "fake"), ("Photo", "x")]
)
def test_which_class_is_that_of_photos(features, photo, generated):
    X, y, sources = features
    splitter = LeaveOneGroupOut()
    expected = detector(cv=splitter).fit(X, y, sources=sources)
    clf = detector(cv=splitter).fit(X, np.where(y == "photo", photo, generated), sources=sources)
    column = clf.classes_.tolist().index(photo)
    np.testing.assert_allclose(
        clf.out_of_fold_scores_[:, column], expected.out_of_fold_scores_[:, 1]
    )


def test_labels_that_name_no_photos_are_refused(features):
    X, y, sources = features
    with pytest.raises(ValueError, match=r"expected one of two labels to be 'photo'.*'a', 'b'"):
        detector().fit(X, np.where(y == "photo", "a", "b"), sources=sources)
    with pytest.raises(ValueError, match="Pass the names of generators as sources"):
        detector().fit(X, sources)


@pytest.mark.parametrize("name", ["sources", "groups"])
def test_missing_sources_and_groups_are_refused(features, name):
    X, y, sources = features
    numbers = np.where(sources == "phone", np.nan, np.unique(sources, return_inverse=True)[1])
    with pytest.raises(ValueError, match=f"{name} contains NaN"):
        detector().fit(X, y, **{name: numbers})
    names = np.where(sources == "phone", None, sources)
    with pytest.raises(ValueError, match=f"Input {name} contains NaN or None"):
        detector().fit(X, y, **{name: names})


def test_a_source_of_photos_and_of_generated_images_is_refused(features):
    X, y, sources = features
    with pytest.raises(ValueError, match=r"got \['phone'\] for both photos and generated images"):
        detector().fit(X, y, sources=np.where(sources == GENERATORS[0], "phone", sources))


def test_one_photo_is_too_few(features):
    X, y, sources = features
    rows = np.append(np.flatnonzero(y == "photo")[:1], np.flatnonzero(y != "photo"))
    with pytest.raises(ValueError, match="^DetectionClassifier needs .*'photo': 1}. Add images"):
        detector().fit(X[rows], y[rows], sources=sources[rows])


@pytest.mark.parametrize("rate", [0, 1, 5, np.nan])
def test_rates_that_are_none_are_refused(features, rate):
    X, y, _ = features
    with pytest.raises(ValueError, match=r"false_alarm_rate: expected a number in \(0, 1\)"):
        detector().fit(X, y).predict_set(X, rate)


def test_one_generator_alone_is_left_out_image_by_image(features):
    X, y, sources = features
    known = np.isin(sources, ["camera", "phone", GENERATORS[0]])
    clf = detector().fit(X[known], y[known], sources=sources[known])
    assert clf.score(X[known], y[known]) > 0.9


def test_scikit_learn_takes_it(pyplot, features):
    X, y, sources = features
    new = sources == GENERATORS[-1]
    known = ~new & (np.arange(len(y)) % 2 == 0)
    tested = new | ((y == "photo") & ~known)
    with config_context(enable_metadata_routing=True):
        clf = make_pipeline(detector()).fit(X[known], y[known], sources=sources[known])
    members = [("first", clf), ("other", LogisticRegression().fit(X[known], y[known]))]
    stack = StackingClassifier(members, cv="prefit").fit(X[~known & ~new], y[~known & ~new])
    for model in (clf, stack):
        scores = model.predict_proba(X[tested])[:, 0]
        assert roc_auc_score(y[tested] == "generated", scores) > 0.9
    shown = RocCurveDisplay.from_estimator(clf, X[tested], y[tested], pos_label="generated")
    assert shown.roc_auc > 0.9


@pytest.fixture(scope="module")
def small_samples():
    samples = load_samples()
    names = samples.target_names[samples.target]
    # Eight of photos and of two generators: with two copies of each, a rate of 5 % can be kept.
    chosen = np.concatenate([np.flatnonzero(names == name)[:8] for name in np.unique(names)[-3:]])
    assert "real" in names[chosen]
    return samples.data[chosen, :64, :64], names[chosen]


def small_pipeline():
    features = "detection__correlations__features__correlations"
    return make_detection_pipeline().set_params(
        detection__n_copies=2,
        **{f"{features}__max_lag": 2, f"{features}__colour_lag": 1, f"{features}__window": 3},
    )


def test_images_of_any_size_are_told_in_memory(small_samples):
    X, sources = small_samples
    y = np.where(sources == "real", "photo", "generated")
    clf = OpenSetClassifier(small_pipeline(), false_alarm_rate=0.05, unknown_label="none")
    clf.fit(X, y, sources=sources)
    detection = clf.estimator_["detection"]
    np.testing.assert_array_equal(detection.out_of_fold_codes_[::3], y == "photo")
    assert not len(detection.estimators_[0]["lda"].background_means_)
    sizes = [*X[:8, :48, :50], *X[8:16]]
    assert np.isin(clf.predict(sizes), ["photo", "generated", "none"]).all()


@pytest.fixture
def folder(tmp_path, small_samples):
    X, sources = small_samples
    for number, (image, source) in enumerate(zip(X, sources, strict=True)):
        (tmp_path / "in" / source).mkdir(parents=True, exist_ok=True)
        Image.fromarray(image).save(tmp_path / "in" / source / f"{number}.png")
    return tmp_path / "in"


def check_evaluation(rows, model, folder, ganprint):
    """Hold what ``evaluate`` counts against the answers of ``predict``."""
    counts = {}
    for row in rows:
        source = Path(row["file"]).parent.name
        right = "photo" if source == "real" else "generated"
        for name in (source, right):
            counts.setdefault(name, []).append(row["source"] == right)
    status, out, _ = ganprint("evaluate", model, folder, "--format", "json")
    found = json.loads(out)
    assert (status, found["unknown_label"]) == (0, "cannot tell")
    lines = [line for line in found["histories"] if line["by"] == "right answer"]
    for line in [*found["sources"], *lines]:
        own = counts.pop(line["name"])
        assert (line["images"], line["right"]) == (len(own), pytest.approx(np.mean(own)))
    assert not counts
    mistaken = ganprint("evaluate", model, folder, "--photos", "srgan_x4", "--format", "json")[1]
    (line,) = (line for line in json.loads(mistaken)["sources"] if line["name"] == "srgan_x4")
    (before,) = (line for line in found["sources"] if line["name"] == "srgan_x4")
    assert line["wrong"] == before["right"]
    assert found["confusion"]["real"].get("generated", 0) == sum(
        row["source"] == "generated" for row in rows if Path(row["file"]).parent.name == "real"
    )


def test_ganprint_fits_and_predicts(folder, tmp_path, ganprint):
    model = tmp_path / "model.skops"
    fit = ["fit", folder, "--task", "detect", "--model", model, "--copies", 2, "--format", "json"]
    status, out, _ = ganprint(*fit)
    assert (status, json.loads(out)["task"], json.loads(out)["photos"]) == (0, "detect", ["real"])
    words = [folder, "--format", "json", "--out", tmp_path / "case"]
    status, out, _ = ganprint("predict", model, *words)
    rows = json.loads(out)["results"]
    answers = {"photo": ["photo"], "generated": ["generated"]}
    assert status == 0
    assert {row["source"] for row in rows} <= {*answers, "cannot tell"}
    for row in rows:
        assert answers.get(row["source"], row["set"]) == row["set"]
        assert (row["source"] == "cannot tell") == (len(row["set"]) != 1) == bool(row["reason"])
    said = {"photo": "Judged to be a photo.", "generated": "Judged to be generated."}
    for image in read_case(tmp_path / "case")["images"]:
        unsure = f"It cannot be told whether this is a photo or generated: {image['reason']}."
        assert image["answer"] == said.get(image["source"], unsure)
        assert " as if it is not (log10 LR " in image["evidence"]
    check_evaluation(rows, model, folder, ganprint)
    _, out, err = ganprint("predict", model, folder / "real")
    assert "at most 5 % get a wrong answer" in out
    assert "no image can be unlike both photos and generated images at a false-alarm" in err
    assert "none can be unlike both photos and generated images at a false-alarm" in out
    _, _, err = ganprint("predict", model, folder / "real", "--coverage", 0.999)
    assert "so that no image is called photo or generated: it takes 999" in err
    _, out, err = ganprint("evaluate", model, folder, "--coverage", 0.999, "--format", "json")
    assert "so that no image is called photo or generated: it takes 999" in err
    found = json.loads(out)
    assert (found["all"]["known"]["right"], found["all"]["known"]["unsure"]) == (0, 1)
    assert {answer for own in found["confusion"].values() for answer in own} == {"cannot tell"}


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--task", "detect", "--photos", "nobody"], "--photos nobody: expected some of the"),
        (["--photos", "real"], "--photos: leave this out, or choose --task detect"),
        (
            ["--task", "detect", "--photos", "real", "realesrgan_anime_x4", "srgan_x4"],
            "all sources, real, realesrgan_anime_x4, srgan_x4, are photos; add a folder for each",
        ),
        (["--task", "detect", "--fast"], "--fast: leave this out with --task detect"),
    ],
)
def test_ganprint_says_what_is_wrong(folder, tmp_path, ganprint, arguments, message):
    status, _, err = ganprint("fit", folder, "--model", tmp_path / "m.skops", *arguments)
    assert status == 2 and message in err


def test_folders_of_photos_have_to_be_named(folder, tmp_path, ganprint):
    (folder / "real").rename(folder / "mine")
    fit = ["fit", folder, "--task", "detect", "--model", tmp_path / "m.skops", "--copies", 1]
    status, _, err = ganprint(*fit)
    assert status == 2 and "none of the sources" in err and "with --photos" in err
