"""Pictures of mean correlations between sources."""

import pickle

import numpy as np
import pytest
from matplotlib.figure import Figure
from numpy.testing import assert_allclose, assert_array_equal

from sklearn_ganprint.plotting import CorrelationMatrixDisplay

MATRIX = np.array([[0.2, 0.04, -0.0001], [0.03, 0.1, np.nan], [-0.05, 0.0, 0.3]])
NAMES = ["apple", "$zebra$", "D90"]
ARCHITECTURES = ["Cycle-GAN", "Cycle-GAN", "camera_$"]


def draw(ax, matrix=MATRIX, names=NAMES, **params):
    return CorrelationMatrixDisplay.from_matrix(matrix, names, ax=ax, **params)


def words_of(texts):
    return [text.get_text() for text in texts]


def many(n_sources):
    """As many sources with long names, two of an architecture."""
    matrix = np.diag(np.full(n_sources, 0.1))
    names = [f"progan_bedroom_seed_{index:03d}" for index in range(n_sources)]
    return matrix, names, [f"kind {index // 2}" for index in range(n_sources)]


def test_shows_the_matrix_with_symmetric_colours(ax):
    display = draw(ax, name="all $")
    shown = display.im_.get_array()
    assert_array_equal(shown.filled(np.nan), MATRIX)
    assert display.im_.get_clim() == (-0.3, 0.3)
    assert display.scale_ == 0.3
    assert words_of(ax.get_xticklabels()) == words_of(ax.get_yticklabels()) == NAMES
    assert (ax.get_title(), display.ax_, display.figure_) == ("all $", ax, ax.figure)
    assert display.blocks_ == []
    assert display.block_axis_ is None
    display.figure_.draw_without_rendering()


def test_robust_scale_ends_off_the_diagonal(ax):
    display = draw(ax, scale="robust")
    assert display.im_.get_clim() == (-0.05, 0.05)


def test_square_root_scale_is_symmetric(ax):
    norm = draw(ax, scale="sqrt").im_.norm
    shares = np.array([-1, -0.25, 0, 0.01, 0.25, 1])
    colours = (1 + np.sign(shares) * np.sqrt(np.abs(shares))) / 2
    assert_allclose(norm(0.3 * shares), colours)
    pickle.dumps(norm)


def test_values_are_written_without_negative_zero(ax):
    written = np.vectorize(lambda text: text.get_text())(draw(ax).text_)
    assert_array_equal(
        written,
        [["0.200", "0.040", "0.000"], ["0.030", "0.100", "–"], ["-0.050", "0.000", "0.300"]],
    )
    assert draw(ax, values_format=".0%").text_[0, 0].get_text() == "20%"


def test_values_are_light_on_dark_colours(ax):
    texts = draw(ax).text_
    assert texts[2, 2].get_color() == "white"
    assert texts[0, 1].get_color() == texts[1, 2].get_color() == "black"


@pytest.mark.parametrize(
    ("n_sources", "values", "written"), [(10, None, True), (11, None, False), (11, True, True)]
)
def test_values_are_written_where_there_is_room(ax, n_sources, values, written):
    display = draw(ax, *many(n_sources)[:2], values=values)
    assert (display.text_ is not None) == written


def test_runs_of_an_architecture_are_blocks(ax):
    display = draw(ax, architectures=ARCHITECTURES)
    corners = [
        (*block.get_xy(), block.get_width(), block.get_height()) for block in display.blocks_
    ]
    assert corners == [(-0.5, -0.5, 2, 2), (1.5, 1.5, 1, 1)]
    assert_array_equal(display.block_axis_.get_xticks(), [0.5, 2])
    assert words_of(display.block_axis_.get_xticklabels()) == ["Cycle-GAN", "camera_$"]


def test_parted_architecture_is_two_blocks(ax):
    display = draw(ax, architectures=["a", "b", "a"])
    assert words_of(display.block_axis_.get_xticklabels()) == ["a", "b", "a"]


@pytest.mark.parametrize("n_sources", [1, 2])
def test_few_sources(ax, n_sources):
    display = draw(ax, MATRIX[:n_sources, :n_sources], NAMES[:n_sources], scale="robust")
    assert display.scale_ == (0.04 if n_sources == 2 else 0.2)


def test_nothing_known(ax):
    display = draw(ax, np.full((2, 2), np.nan), ["a", "b"])
    assert display.im_.get_clim() == (-1, 1)


@pytest.mark.parametrize("layout", ["own", None, "constrained"])
@pytest.mark.parametrize("n_sources", [2, 22])
def test_names_do_not_touch_each_other(pyplot, layout, n_sources):
    matrix, names, architectures = many(n_sources)
    ax = None if layout == "own" else Figure(figsize=(7, 6), layout=layout).subplots()
    display = draw(ax, matrix, names, architectures=architectures, name="title")
    display.figure_.draw_without_rendering()
    for axis in (display.ax_.yaxis, display.ax_.xaxis, display.block_axis_.xaxis):
        assert_apart(axis.get_ticklabels())
    top = max(label.get_window_extent().y1 for label in display.block_axis_.get_xticklabels())
    assert top <= display.ax_.title.get_window_extent().y0 + 1


def assert_apart(labels):
    """Neighbours are at least a width apart if level, else a height apart across the slant."""
    places = [label.get_transform().transform(label.get_position()) for label in labels]
    gaps = np.linalg.norm(np.diff(places, axis=0), axis=1)
    turn = labels[0].get_rotation()
    if np.ptp(np.transpose(places)[1]) < 1 and turn == 0:
        widths = np.array([label.get_window_extent().width for label in labels])
        assert (gaps >= (widths[1:] + widths[:-1]) / 2).all()
    else:
        height = labels[0].get_fontsize() * labels[0].figure.dpi / 72
        assert (gaps * np.sin(np.deg2rad(turn or 90)) >= height).all()


def test_long_names_are_inside_the_figure(pyplot):
    matrix, names, architectures = many(22)
    display = draw(None, matrix, names, architectures=architectures)
    assert pyplot.get_fignums() == [display.figure_.number]
    display.figure_.draw_without_rendering()
    box = display.figure_.bbox
    for label in display.ax_.get_xticklabels() + display.ax_.get_yticklabels():
        extent = label.get_window_extent()
        assert box.x0 <= extent.x0 < extent.x1 <= box.x1
        assert box.y0 <= extent.y0 < extent.y1 <= box.y1


@pytest.mark.parametrize(
    ("matrix", "names", "params", "words"),
    [
        (MATRIX[:2], NAMES, {}, r"matrix: .*\(2, 3\)"),
        (np.ones((0, 0)), [], {}, r"matrix: .*\(0, 0\)"),
        (MATRIX, NAMES[:2], {}, "names: expected 3, one for each source, got 2"),
        (MATRIX, NAMES, {"architectures": ["a"]}, "architectures: expected 3.*got 1"),
        (MATRIX, NAMES, {"scale": "log"}, "scale: .*'log'"),
    ],
)
def test_wrong_input_leaves_no_figure(pyplot, matrix, names, params, words):
    with pytest.raises(ValueError, match=words):
        CorrelationMatrixDisplay.from_matrix(matrix, names, **params)
    assert pyplot.get_fignums() == []
