"""Pictures of energy against the number of residuals."""

import pickle
from dataclasses import dataclass

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal

from sklearn_ganprint.plotting import EnergyCurveDisplay

N_IMAGES = np.array([2, 8, 32, 128])
ENERGIES = 0.04 + 5 / N_IMAGES


@dataclass
class Fit:
    """What a display needs to know of a fit."""

    form: str = "inverse"
    limit: float = 0.04
    n_images: tuple = tuple(N_IMAGES)
    energies: tuple = tuple(ENERGIES)

    def predict(self, n):
        return self.limit + 5 * (1 / n if self.form == "inverse" else 2.0**-n)


def legend_of(ax):
    return [text.get_text() for text in ax.get_legend().get_texts()]


def test_shows_measured_energies_in_order(ax):
    display = EnergyCurveDisplay.from_energies(N_IMAGES[::-1], ENERGIES[::-1], name="$a$", ax=ax)
    assert_array_equal(display.line_.get_xydata(), np.transpose([N_IMAGES, ENERGIES]))
    assert ax.get_title() == "$a$"
    assert display.limit_line_ is None
    assert display.curve_lines_ == display.estimate_lines_ == display.below_lines_ == {}
    display.figure_.draw_without_rendering()


def test_fits_are_curves_and_a_line_at_the_limit(ax):
    fits = Fit(), Fit("printed", 0.07)
    display = EnergyCurveDisplay.from_fit(fits[0], compared_with=fits[1], ax=ax)
    for line, fit, style in zip(display.curve_lines_.values(), fits, ("-", "--"), strict=True):
        n = line.get_xdata()
        assert_allclose(n[[0, -1]], [2, 128])
        assert_array_equal(line.get_ydata(), fit.predict(n))
        assert line.get_linestyle() == style
    assert_array_equal(display.limit_line_.get_ydata(), [0.04, 0.04])
    names = ["measured", "fit E∞ + E0/N", "fit E∞ + E0 2^-N", "limit 0.04"]
    assert legend_of(ax) == names


def test_fit_of_another_form_goes_by_its_name(ax):
    display = EnergyCurveDisplay.from_fit(Fit("own"), ax=ax)
    assert list(display.curve_lines_) == ["fit own"]


def test_numbers_of_residuals_double(ax):
    EnergyCurveDisplay.from_energies([2, 4, 5, 8], [4, 2, 1.8, 1], ax=ax)
    assert ax.get_xscale() == "log"
    assert_array_equal(ax.get_xticks(), [2, 4, 8])  # the label of 5 would touch that of 4
    assert [text.get_text() for text in ax.get_xticklabels()] == ["2", "4", "8"]


@pytest.mark.parametrize(
    ("params", "scale"),
    [
        ({}, "log"),
        ({"limit": -0.1}, "linear"),
        ({"curves": {"fit": lambda n: 1 / n - 0.1}}, "linear"),
        ({"estimates": {"other": -0.1}}, "log"),
        ({"limit": 0.1, "yscale": "linear"}, "linear"),
    ],
)
def test_energies_are_logarithmic_where_that_hides_nothing(ax, params, scale):
    EnergyCurveDisplay.from_energies(N_IMAGES, ENERGIES, ax=ax, **params)
    assert ax.get_yscale() == scale


def test_estimates_are_markers_and_arrows_where_not_above_0(ax):
    estimates = {"unbiased": [-0.5, np.nan, 0.03, 0.04], "split half": 0.05}
    display = EnergyCurveDisplay.from_energies(N_IMAGES, ENERGIES, estimates=estimates, ax=ax)
    unbiased, split_half = display.estimate_lines_.values()
    assert_array_equal(unbiased.get_ydata(), estimates["unbiased"])
    assert_array_equal(split_half.get_xydata(), [[128, 0.05]])
    assert list(display.below_lines_) == ["unbiased"]
    assert_array_equal(display.below_lines_["unbiased"].get_xdata(), [2])
    assert legend_of(ax) == ["measured", "unbiased", "split half"]


def test_no_arrows_on_a_linear_axis(ax):
    display = EnergyCurveDisplay.from_energies(
        N_IMAGES, ENERGIES, estimates={"other": -1.0}, yscale="linear", ax=ax
    )
    assert display.below_lines_ == {}


def test_one_number_of_residuals_has_a_piece_of_curve(ax):
    display = EnergyCurveDisplay.from_energies([8], [0.5], curves={"f": np.reciprocal}, ax=ax)
    assert_allclose(display.curve_lines_["f"].get_xdata()[[0, -1]], [4, 16])


def test_makes_its_own_axes_and_can_be_pickled(pyplot):
    display = EnergyCurveDisplay.from_fit(Fit())
    assert pyplot.get_fignums() == [display.figure_.number]
    bare = EnergyCurveDisplay(N_IMAGES, ENERGIES, curves={"fit": Fit().predict})
    again = pickle.loads(pickle.dumps(bare)).plot()
    assert_array_equal(again.line_.get_ydata(), ENERGIES)


@pytest.mark.parametrize(
    ("n_images", "energies", "params", "words"),
    [
        (N_IMAGES, ENERGIES[:3], {}, r"n_images, energies: .*\(4,\) and \(3,\)"),
        ([], [], {}, "at least one"),
        ([0, 2], [1, 2], {}, "n_images: .*above 0, got 0"),
        ([np.nan, 2], [1, 2], {}, "finite numbers along the x axis"),
        (N_IMAGES, ENERGIES, {"yscale": "sqrt"}, "yscale: .*'sqrt'"),
        (N_IMAGES, ENERGIES, {"estimates": {"own": [1, 2]}}, r"estimates\['own'\].*\(2,\)"),
    ],
)
def test_wrong_input_leaves_no_figure(pyplot, n_images, energies, params, words):
    with pytest.raises(ValueError, match=words):
        EnergyCurveDisplay.from_energies(n_images, energies, **params)
    assert pyplot.get_fignums() == []
