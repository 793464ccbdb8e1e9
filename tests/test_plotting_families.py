"""Pictures of families of sources."""

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from scipy.cluster.hierarchy import leaves_list

from sklearn_ganprint import FileBatchEstimator, FingerprintClassifier, OpenSetClassifier
from sklearn_ganprint.open_set import SourceFamilies
from sklearn_ganprint.plotting import SourceFamiliesDisplay

NAMES = ["apple", "$zebra$", "D90", "x", "y"]


def found(n_sources=5, noise=1.0):
    """Families of the first and the last source, and of those between."""
    codes = np.repeat(np.arange(n_sources), 30)
    family = np.isin(np.arange(n_sources), (0, n_sources - 1))
    means = 4.0 * (family[:, np.newaxis] == family)
    scores = means[codes] + noise * np.random.default_rng(0).normal(size=(len(codes), n_sources))
    return SourceFamilies(scores, codes, range(n_sources))


def words_of(texts):
    return [text.get_text() for text in texts]


def test_rows_are_in_the_order_of_the_dendrogram(ax):
    families = found()
    display = SourceFamiliesDisplay.from_families(families, NAMES, name="all $", ax=ax)
    order = leaves_list(families.linkage_)
    expected = families.confusion_[order][:, order]
    assert_array_equal(display.im_.get_array().filled(np.nan), expected)
    names = [NAMES[i] for i in order]
    assert words_of(ax.get_xticklabels()) == words_of(ax.get_yticklabels()) == names
    assert (ax.get_title(), display.ax_, display.figure_) == ("all $", ax, ax.figure)
    assert display.im_.get_clim() == (0, display.scale_)
    assert display.scale_ == max(0.5, np.nanmax(expected))
    row, column = 0, 1
    assert display.text_[row, column].get_text() == f"{expected[row, column]:.2f}"
    display.figure_.draw_without_rendering()


def test_families_of_several_are_framed(ax):
    display = SourceFamiliesDisplay.from_families(found(), NAMES, ax=ax)
    framed = []
    for frame in display.frames_:
        first, length = round(frame.get_x() + 0.5), round(frame.get_width())
        framed.append(set(display.names[first : first + length]))
    assert sorted(map(sorted, framed)) == [["$zebra$", "D90", "x"], ["apple", "y"]]
    alone = SourceFamilies(np.eye(3), [0, 1, 2], "abc")
    assert SourceFamiliesDisplay.from_families(alone, "abc", ax=ax).frames_ == []


def test_the_dendrogram_has_its_leaves_beside_the_rows(ax):
    families = found()
    display = SourceFamiliesDisplay.from_families(families, NAMES, ax=ax)
    beside = display.dendrogram_ax_
    joined = [path.vertices for lines in beside.collections for path in lines.get_paths()]
    heights = sorted(vertices[1:3, 0].max() for vertices in joined)
    assert_allclose(heights, np.sort(families.linkage_[:, 2]))
    ends = [(x, y) for vertices in joined for x, y in vertices[[0, 3]] if x == 0]
    rows = sorted(y for _, y in ends)
    to_matrix = beside.transData + ax.transData.inverted()
    assert_allclose([to_matrix.transform((0.7, y))[1] for y in rows], range(5), atol=1e-6)
    assert_allclose(display.limit_.get_xdata(), 0.9)


@pytest.mark.parametrize("n_sources", [2, 30])
def test_any_number_of_sources(pyplot, n_sources):
    names = [f"progan_bedroom_seed_{index:03d}" for index in range(n_sources)]
    display = SourceFamiliesDisplay.from_families(found(n_sources), names)
    display.figure_.draw_without_rendering()
    assert (display.text_ is None) == (n_sources == 30)
    matrix, beside = (axes.get_window_extent() for axes in (display.ax_, display.dendrogram_ax_))
    bar = display.im_.colorbar.ax.get_window_extent()
    assert matrix.x1 < beside.x0 < beside.x1 < bar.x0 < bar.x1 <= display.figure_.bbox.x1


def test_the_scale_is_beside_the_dendrogram_in_given_axes(ax):
    display = SourceFamiliesDisplay.from_families(found(), NAMES, ax=ax)
    display.figure_.draw_without_rendering()
    bar = display.im_.colorbar.ax.get_window_extent()
    assert display.dendrogram_ax_.get_window_extent().x1 < bar.x0
    other = SourceFamiliesDisplay.from_families(found(), NAMES, ax=ax, colorbar=False, values=False)
    assert other.im_.colorbar is None and other.text_ is None


def test_of_classifiers_and_of_those_over_files(make_residuals, ax):
    X, y = make_residuals(20, n_features=16, noise=2.0)
    clf = OpenSetClassifier(FingerprintClassifier(), false_alarm_rate=0.1).fit(X, y)
    display = SourceFamiliesDisplay.from_estimator(clf, ax=ax, values_format=".1f")
    assert sorted(display.names) == ["a", "b", "c"]
    assert_array_equal(display.linkage, clf.families_.linkage_)
    over_files = FileBatchEstimator(clf)
    over_files.estimator_ = clf
    again = SourceFamiliesDisplay.from_estimator(over_files, ax=ax)
    assert_array_equal(again.matrix, display.matrix)
    del clf.calibration_class_scores_
    with pytest.raises(AttributeError, match="Fit it anew"):
        SourceFamiliesDisplay.from_estimator(clf)
    with pytest.raises(AttributeError, match="families_"):
        SourceFamiliesDisplay.from_estimator(FingerprintClassifier())


def test_wrong_number_of_labels():
    with pytest.raises(ValueError, match="expected 5, one for each source, got 2"):
        SourceFamiliesDisplay.from_families(found(), "ab")
