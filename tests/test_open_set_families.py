"""Families of sources that are confused with each other."""

import numpy as np
import pytest
from sklearn.discriminant_analysis import LinearDiscriminantAnalysis
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline

from sklearn_ganprint import (
    FileBatchEstimator,
    FingerprintClassifier,
    FusionClassifier,
    OpenSetClassifier,
    ResidualTransformer,
    load_model,
    save_model,
)
from sklearn_ganprint.files import UnreadableImageWarning
from sklearn_ganprint.open_set import SourceFamilies
from sklearn_ganprint.perturbations import JPEGCompression


def draw(n_classes=6, n=30, seed=0):
    """Scores of sources that are alike in twos, the more so the later, with ties and gaps."""
    rng = np.random.default_rng(seed)
    codes = rng.permutation(np.repeat(np.arange(n_classes), n))
    means = np.arange(n_classes) // 2 * 3 + np.arange(n_classes) % 2 / (1 + np.arange(n_classes))
    values = means[codes] + rng.normal(size=len(codes))
    scores = (-np.abs(values[:, np.newaxis] - means)).round(1)
    scores[:3, 0] = np.where(codes[:3] == 0, scores[:3, 0], -np.inf)
    return scores, codes


def confused(scores, codes, a, b):
    """Share in which two sources are confused, image by image."""
    shares = []
    for own, other in ((a, b), (b, a)):
        rows = [row for row, code in zip(scores, codes, strict=True) if code == own]
        points = [1 if row[other] > row[own] else 0.5 * (row[other] == row[own]) for row in rows]
        shares.append(sum(points) / len(rows))
    return sum(shares) / 2


def agglomerate(shares, limit):
    """Join the two families that are confused most until no share is above the limit."""
    families, heights = [[i] for i in range(len(shares))], []
    while len(families) > 1:
        pairs = [(f, g) for i, f in enumerate(families) for g in families[:i]]
        means = [np.mean([shares[i][j] for i in f for j in g]) for f, g in pairs]
        best = int(np.argmax(means))
        if means[best] <= limit:
            break
        heights.append(means[best])
        families = [family for family in families if family not in pairs[best]]
        families.append(sorted(sum(pairs[best], [])))
    return sorted(families), heights


@pytest.mark.parametrize("limit", [0.0, 0.03, 0.1, 0.3, 0.6])
@pytest.mark.parametrize("n_classes", [2, 6, 11])
def test_families_equal_the_definition(n_classes, limit):
    scores, codes = draw(n_classes)
    labels = [f"s{i}" for i in range(n_classes)]
    found = SourceFamilies(scores, codes, labels, max_confusion=limit)
    shares = np.full((n_classes, n_classes), np.nan)
    for a, b in np.argwhere(~np.eye(n_classes, dtype=bool)):
        shares[a, b] = confused(scores, codes, a, b)
    np.testing.assert_allclose(found.confusion_, shares, atol=1e-12)
    families, heights = agglomerate(shares, limit)
    assert found.members_ == families
    np.testing.assert_allclose(1 - found.linkage_[: len(heights), 2], heights, atol=1e-12)
    assert found.names == [" or ".join(labels[i] for i in own) for own in families]
    for code, own in enumerate(families):
        assert found.codes_[own].tolist() == [code] * len(own)
        pairs = [shares[i, j] for i in own for j in own if i < j]
        np.testing.assert_allclose(found.shares_[code], np.mean(pairs) if pairs else np.nan)


def test_the_share_at_the_limit_keeps_families_apart():
    scores, codes = np.eye(2)[[0] * 40 + [1] * 40], np.repeat([0, 1], 40)
    scores[:8] = [0, 1]  # 8 of 80 are confused
    assert SourceFamilies(scores, codes, "ab", max_confusion=0.1).names == ["a", "b"]
    assert SourceFamilies(scores, codes, "ab", max_confusion=0.099).names == ["a or b"]
    scores[8] = [0, 1]
    assert SourceFamilies(scores, codes, "ab").names == ["a or b"]


@pytest.mark.parametrize("n_classes", [2, 30])
def test_sources_that_cannot_be_told_apart_are_one_family(n_classes):
    codes = np.repeat(np.arange(n_classes), 80)
    noise = np.random.default_rng(0).normal(size=(len(codes), n_classes))
    for scores in (noise, np.zeros_like(noise)):
        found = SourceFamilies(scores, codes, range(n_classes))
        assert found.codes_.tolist() == [0] * n_classes
        assert found.shares_ == pytest.approx(0.5, abs=0.1)


def test_families_do_not_depend_on_order_and_names():
    scores, codes = draw()
    order = np.random.default_rng(1).permutation(6)
    before = SourceFamilies(scores, codes, range(6))
    after = SourceFamilies(scores[:, order], order.argsort()[codes], order)
    assert {frozenset(order[own].tolist()) for own in after.members_} == {
        frozenset(own) for own in before.members_
    }
    assert 1 < len(before.names) < 6


def test_a_source_without_images_counts_none_as_confused():
    scores, codes = np.eye(3)[[0, 0, 1, 1]], np.array([0, 0, 1, 1])
    scores[0] = [0, 0, 1]
    found = SourceFamilies(scores, codes, "abc")
    assert found.confusion_[0].tolist()[1:] == [0.125, 0.25]
    assert found.confusion_[1, 2] == 0


def test_families_of_sets():
    codes = np.repeat([0, 1, 2], 20)
    scores = np.array([[1, 0, 0], [0, 1, 1], [0, 1, 1]])[codes]
    found = SourceFamilies(scores, codes, "abc")
    sets = [[1, 0, 0], [0, 1, 0], [0, 1, 1], [1, 1, 0], [1, 1, 1], [0, 0, 0]]
    assert found.of_sets(sets).tolist() == [0, 1, 1, -1, -1, -1]
    with pytest.raises(ValueError, match=r"expected the shape \(n, n_classes\) = \(n, 3\)"):
        found.of_sets([[True, False]])


GOOD = {"scores": np.eye(3), "codes": [0, 1, 2], "labels": "abc"}


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"scores": np.ones((3, 1)), "labels": "a"}, "with two classes or more"),
        ({"scores": [0.0, 1.0, 2.0]}, r"got the shape \(3,\)"),
        ({"scores": np.full((3, 3), np.nan)}, "some NaN"),
        ({"codes": [0, 1]}, "Expected 3 codes and 3 labels"),
        ({"labels": "ab"}, "2 labels"),
        ({"codes": [0, 1, 3]}, r"whole numbers from 0 to 2, got \[0, 1, 3\]"),
        ({"codes": [0.0, 1.0, 2.0]}, "whole numbers"),
        ({"max_confusion": 1}, r"max_confusion must be in \[0, 1\), got 1"),
        ({"max_confusion": -0.1}, "got -0.1"),
        ({"max_confusion": "some"}, "got 'some'"),
    ],
)
def test_wrong_use(wrong, message):
    with pytest.raises(ValueError, match=message):
        SourceFamilies(**GOOD | wrong)


@pytest.fixture
def relatives():
    """Residuals of a, and of b and c, which are nearly alike; and of one more source."""
    rng = np.random.default_rng(0)
    patterns = rng.normal(size=(4, 64))
    patterns[2] = patterns[1] + 0.15 * patterns[2]
    y = np.repeat(["a", "b", "c", "d"], 80)
    X = np.repeat(patterns, 80, axis=0) + rng.normal(scale=1.5, size=(320, 64))
    return X[y != "d"], y[y != "d"], X[y == "d"]


@pytest.mark.parametrize("estimator", [FingerprintClassifier(), LogisticRegression()])
def test_the_family_of_an_image_is_that_of_its_set(relatives, estimator):
    X, y, foreign = relatives
    clf = OpenSetClassifier(estimator, false_alarm_rate=0.05).fit(X[::2], y[::2])
    families = clf.families_
    assert families.names == ["a", "b or c"]
    expected = SourceFamilies(clf.calibration_class_scores_, clf.calibration_codes_, "abc")
    np.testing.assert_array_equal(families.linkage_, expected.linkage_)
    images = np.concatenate([X[1::2], foreign])
    for coverage in (0.8, 0.95):
        sets, found = clf.predict_set(images, coverage), clf.predict_family(images, coverage)
        for members, name in zip(sets, found, strict=True):
            own = {"a" if i == 0 else "b or c" for i in np.flatnonzero(members)}
            assert name == ("unknown" if not own else own.pop() if len(own) == 1 else "")
        np.testing.assert_array_equal(found == "unknown", clf.predict(images) == "unknown")
    right = np.where(y[1::2] == "a", "a", "b or c")
    sets, found = clf.predict_set(X[1::2]), clf.predict_family(X[1::2])
    alone = (sets.sum(axis=1) == 1) & sets[np.arange(120), np.searchsorted([*"abc"], y[1::2])]
    assert np.mean(found == right) > alone.mean() + 0.05
    wrong = (found != right) & (found != "") & (found != "unknown")
    assert wrong.mean() <= 0.05


def test_labels_that_are_numbers(relatives):
    X, y, foreign = relatives
    clf = OpenSetClassifier(FingerprintClassifier()).fit(X, np.searchsorted([*"abc"], y))
    assert set(clf.predict_family(X)) == {"0", "1 or 2", ""}
    assert "-1" in clf.predict_family(foreign)


def test_wrong_coverage_and_models_without_class_scores(relatives, tmp_path):
    X, y, _ = relatives
    clf = OpenSetClassifier(FingerprintClassifier()).fit(X, y)
    for coverage in (0, 1, "most"):
        with pytest.raises(ValueError, match="coverage must be in"):
            clf.predict_family(X, coverage)
    names = clf.predict_family(X[:9]).tolist()
    save_model(clf, tmp_path / "m")
    assert load_model(tmp_path / "m").predict_family(X[:9]).tolist() == names
    del clf.calibration_class_scores_
    with pytest.raises(AttributeError, match="Fit it anew"):
        clf.predict_family(X)


def test_copies_count_as_no_confusion(make_images):
    images, y = make_images(n_per_class=12)
    members = [
        (name, make_pipeline(ResidualTransformer("gaussian"), last))
        for name, last in (("a", FingerprintClassifier()), ("b", LinearDiscriminantAnalysis()))
    ]
    fusion = FusionClassifier(members, perturbations=[JPEGCompression(5)])
    clf = OpenSetClassifier(fusion, false_alarm_rate=0.1).fit(images, y)
    clean = fusion_versions(clf) == 0
    scores, codes = clf.calibration_class_scores_, clf.calibration_codes_
    own, copies = (SourceFamilies(scores[of], codes[of], clf.classes_) for of in (clean, ~clean))
    np.testing.assert_array_equal(clf.families_.confusion_, own.confusion_)
    assert np.nansum(copies.confusion_) > np.nansum(own.confusion_)


def fusion_versions(clf):
    return clf.estimator_.out_of_fold_versions_


def test_families_of_files(image_folder, tmp_path):
    _, paths, y = image_folder(n_per_class=20)
    pipeline = make_pipeline(ResidualTransformer("gaussian"), FingerprintClassifier())
    clf = FileBatchEstimator(OpenSetClassifier(pipeline, false_alarm_rate=0.1), batch_size=7)
    clf.fit(paths, y)
    expected = clf.estimator_.predict_family(clf.reader_.read(paths), 0.9)
    assert clf.predict_family(paths, 0.9).tolist() == expected.tolist()
    (tmp_path / "broken.png").touch()
    clf.set_params(on_error="warn")
    with pytest.warns(UnreadableImageWarning):
        found = clf.predict_family([*paths[:2], str(tmp_path / "broken.png")], 0.9)
    assert found.tolist() == [*expected[:2], None]
    assert not hasattr(FileBatchEstimator(pipeline).fit(paths, y), "predict_family")


def test_families_of_shares_that_are_known_are_those_of_the_scores():
    scores, codes = draw()
    expected = SourceFamilies(scores, codes, list("abcdef"))
    found = SourceFamilies.from_confusion(expected.confusion_, list("abcdef"))
    assert (found.names, found.members_) == (expected.names, expected.members_)
    np.testing.assert_array_equal(found.linkage_, expected.linkage_)
    np.testing.assert_array_equal(found.confusion_, expected.confusion_)


@pytest.mark.parametrize(
    ("shares", "labels", "limit", "words"),
    [
        (np.zeros((2, 3)), "ab", 0.1, r"expected 2 x 2 shares.*got the shape \(2, 3\)"),
        (np.zeros((0, 0)), "", 0.1, "expected 0 x 0"),
        ([[0, np.nan], [np.nan, 0]], "ab", 0.1, r"got \[\[0.0, nan\]"),
        ([[9, 1.5], [1.5, 9]], "ab", 0.1, r"expected shares in \[0, 1\] and a symmetric array"),
        ([[0, -0.1], [-0.1, 0]], "ab", 0.1, r"expected shares in \[0, 1\]"),
        ([[0, 0.1], [0.2, 0]], "ab", 0.1, "a symmetric array, got"),
        (np.zeros((2, 2)), "ab", 1.0, r"max_confusion must be in \[0, 1\)"),
    ],
)
def test_shares_that_are_wrong_are_told(shares, labels, limit, words):
    with pytest.raises(ValueError, match=words):
        SourceFamilies.from_confusion(shares, list(labels), max_confusion=limit)
