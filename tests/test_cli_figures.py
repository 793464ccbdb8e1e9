"""Figures as bytes of files."""

import io
import re
from dataclasses import replace

import numpy as np
import pytest
from matplotlib import rcParams
from matplotlib.colors import to_rgb
from PIL import Image

from sklearn_ganprint import FingerprintClassifier

# What several commands draw on their pages.
from sklearn_ganprint.cli._pages import (
    comparison,
    confusion,
    families,
    new_figure,
    png,
    roc_curves,
    spread,
    svg,
    thumbnail,
)
from sklearn_ganprint.comparison import compare_models
from sklearn_ganprint.experiments import evaluate_attribution
from sklearn_ganprint.open_set import SourceFamilies


@pytest.fixture
def result(make_residuals):
    return evaluate_attribution(FingerprintClassifier(), *make_residuals())


@pytest.mark.parametrize("draw", [roc_curves, confusion])
def test_equal_figures_are_equal_files(result, draw):
    figure = draw(result)
    first = png(figure), svg(figure)
    assert (png(figure), svg(figure)) == first
    other = draw(result)
    assert (svg(other), png(other)) == first[::-1]


@pytest.mark.parametrize("draw", [roc_curves, confusion])
def test_names_are_no_formulas(make_residuals, draw):
    X, y = make_residuals(labels=(r"$\bad$", "b"))
    figure = draw(evaluate_attribution(FingerprintClassifier(), X, y))
    assert rb"<!-- $\bad$" in svg(figure)


def test_files_tell_neither_date_nor_version(result):
    figure = confusion(result)
    assert Image.open(io.BytesIO(png(figure))).info.keys() == {"dpi"}
    text = svg(figure).decode("utf-8")
    assert text.rstrip().endswith("</svg>")
    assert not re.search(r"<dc:date|<dc:creator|\bv\d+\.\d+", text)


@pytest.mark.parametrize("n", [2, 3, 9, 30])
@pytest.mark.parametrize("draw", ["comparison", "families"])
def test_matrices_are_not_cut_at_the_border(draw, n):
    names = [f"cluster-{number}" for number in range(1, n + 1)]
    if draw == "families":
        shares = np.full((n, n), 0.001)
        figure = families(SourceFamilies.from_confusion(shares, names), names)
    else:
        rng = np.random.default_rng(0)
        found = compare_models({name: rng.normal(size=(64, 64)) for name in names})
        figure = comparison(found, 0.01)
    pixels = np.asarray(Image.open(io.BytesIO(png(figure))).convert("L"))
    for border in (pixels[0], pixels[-1], pixels[:, 0], pixels[:, -1]):
        assert (border == 255).all()


def test_the_salt_stays_here():
    before = rcParams["svg.hashsalt"]
    svg(new_figure(1, 1))
    assert rcParams["svg.hashsalt"] == before


def test_roc_curves_shows_every_source(result):
    ax = roc_curves(result).axes[0]
    labels = [text.get_text() for text in ax.get_legend().get_texts()]
    areas = [re.fullmatch(r"(\w) \(AUC = (.*)\)", label).groups() for label in labels[:-1]]
    assert areas == [(name, f"{auc:.2f}") for name, auc in zip("abc", result.auc, strict=True)]
    assert labels[-1].startswith("Chance")


def test_confusion_shows_shares_of_each_source(result):
    ax = confusion(result).axes[0]
    shares = result.confusion / result.confusion.sum(axis=1, keepdims=True)
    np.testing.assert_allclose(ax.images[0].get_array(), shares)
    assert [tick.get_text() for tick in ax.get_yticklabels()] == ["a", "b", "c"]


def brightness(colour):
    """Relative luminance, as WCAG 2 defines it."""
    linear = [x / 12.92 if x <= 0.04045 else ((x + 0.055) / 1.055) ** 2.4 for x in to_rgb(colour)]
    return np.dot([0.2126, 0.7152, 0.0722], linear)


def test_shares_can_be_read_where_none_is_great(result):
    wrong = np.roll(["a", "b", "c", "b", "c"], 1)
    ax = confusion(replace(result, y_pred=np.resize(wrong, len(result.y_test)))).axes[0]
    (image,) = ax.images
    cells = image.cmap(image.norm(image.get_array())).reshape(-1, 4)
    for cell, text in zip(cells, ax.texts, strict=True):
        dark, bright = sorted([brightness(cell[:3]), brightness(text.get_color())])
        assert (bright + 0.05) / (dark + 0.05) > 3


@pytest.mark.parametrize(
    ("n", "expected"), [(2, [0, 1]), (3, [0, 1, 2]), (6, [0, 2, 4]), (100, [0, 33, 66])]
)
def test_spread(n, expected):
    assert spread(list(map(str, range(n))), 3) == list(map(str, expected))


@pytest.mark.parametrize(
    ("size", "expected"), [((500, 100), (220, 44)), ((30, 20), (30, 20)), ((4000, 1), (220, 1))]
)
def test_thumbnails_show_the_whole_image(tmp_path, size, expected):
    Image.new("L", size).save(tmp_path / "x.png")
    assert Image.open(io.BytesIO(thumbnail(str(tmp_path / "x.png")))).size == expected
