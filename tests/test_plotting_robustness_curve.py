"""Pictures of accuracy against what it depends on."""

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal

from sklearn_ganprint.plotting import RobustnessCurveDisplay

CURVES = {"first $": ([95, 85, 75], [0.7, 0.6, 0.5]), "second": ([95, 85, 75], [0.6, np.nan, 0.2])}
INTERVALS = {"first $": ([0.65, 0.55, 0.45], [0.75, 0.65, 0.56])}


def draw(ax, curves=CURVES, **params):
    return RobustnessCurveDisplay.from_curves(curves, ax=ax, **params)


def legend_of(ax):
    return [text.get_text() for text in ax.get_legend().get_texts()]


def test_shows_curves_in_order_of_strength(ax):
    display = draw(ax, xlabel="quality $", name="all $")
    assert_array_equal(display.lines_["first $"].get_xydata(), [[75, 0.5], [85, 0.6], [95, 0.7]])
    assert_array_equal(display.lines_["second"].get_ydata(), [0.2, np.nan, 0.6])
    assert (ax.get_title(), ax.get_xlabel(), ax.get_ylim()) == ("all $", "quality $", (0, 1.02))
    assert legend_of(ax) == ["first $", "second"]
    assert display.intervals_ == {}
    assert display.clean_line_ is display.chance_line_ is None
    display.figure_.draw_without_rendering()


def test_curves_differ_without_colour(ax):
    curves = {f"family {index}": ([1, 2], [0.9, 0.1 * index]) for index in range(9)}
    lines = list(draw(ax, curves).lines_.values())
    assert len({(line.get_linestyle(), line.get_marker()) for line in lines[:8]}) == 8
    assert len({(line.get_color(), line.get_marker()) for line in lines}) == 9


def test_bars_span_the_intervals(ax):
    display = draw(ax, intervals=INTERVALS)
    bars = [path.vertices.tolist() for path in display.intervals_["first $"].get_paths()]
    assert bars == [[[75, 0.45], [75, 0.56]], [[85, 0.55], [85, 0.65]], [[95, 0.65], [95, 0.75]]]
    assert list(display.intervals_) == ["first $"]


def test_band_spans_the_intervals(ax):
    display = draw(ax, intervals=INTERVALS, interval="band")
    (path,) = display.intervals_["first $"].get_paths()
    for corner in ([75, 0.45], [75, 0.56], [95, 0.65], [95, 0.75]):
        assert corner in path.vertices.tolist()


def test_levels_of_clean_images_and_of_chance(ax):
    display = draw(ax, clean=0.816, chance=1 / 12)
    assert_array_equal(display.clean_line_.get_ydata(), [0.816] * 2)
    assert_allclose(display.chance_line_.get_ydata(), [1 / 12] * 2)
    assert legend_of(ax)[2:] == ["clean 0.816", "largest class 0.083"]


def test_numbers_of_images_double(ax):
    draw(ax, {"a": ([5, 10, 20], [0.5, 0.6, 0.7]), "b": ([40], [0.8])}, log2=True)
    assert ax.get_xscale() == "log"
    assert [text.get_text() for text in ax.get_xticklabels()] == ["5", "10", "20", "40"]


@pytest.mark.parametrize(("n", "outside"), [(5, False), (6, True)])
def test_long_legend_is_beside_the_curves(pyplot, n, outside):
    display = draw(None, {str(index): ([1, 2], [0.5, 0.4]) for index in range(n)})
    display.figure_.draw_without_rendering()
    legend = display.ax_.get_legend().get_window_extent()
    assert (legend.x0 > display.ax_.get_window_extent().x1) == outside
    assert legend.x1 <= display.figure_.bbox.x1


def test_one_point(ax):
    display = draw(ax, {"a": ([95], [0.5])}, intervals={"a": ([0.4], [0.6])})
    assert_array_equal(display.lines_["a"].get_xydata(), [[95, 0.5]])


def test_drawn_again_elsewhere(ax, pyplot):
    display = draw(ax)
    assert display.plot(name="again") is display
    assert pyplot.get_fignums() == [display.figure_.number]
    assert display.ax_.get_title() == "again"


@pytest.mark.parametrize(
    ("curves", "params", "words"),
    [
        ({}, {}, "at least one curve"),
        ({"a": ([1, 2], [0.5])}, {}, r"curves\['a'\]: .*\(2,\) and \(1,\)"),
        (CURVES, {"intervals": {"third": ([1], [2])}}, "intervals of \\['third'\\]"),
        (CURVES, {"intervals": {"second": ([0.1], [0.2])}}, r"intervals\['second'\].*\(1,\)"),
        (CURVES, {"interval": "box"}, "interval: .*'box'"),
        ({"a": ([0, 1], [1, 1])}, {"log2": True}, "curves: .*above 0, got 0"),
    ],
)
def test_wrong_input_leaves_no_figure(pyplot, curves, params, words):
    with pytest.raises(ValueError, match=words):
        RobustnessCurveDisplay.from_curves(curves, **params)
    assert pyplot.get_fignums() == []
