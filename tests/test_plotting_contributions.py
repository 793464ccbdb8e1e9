"""Bars of what spoke for a source, and what against it."""

import numpy as np
import pytest

from sklearn_ganprint.ensemble import Contributions
from sklearn_ganprint.plotting import ContributionsDisplay


def bars_of(display):
    names = [label.get_text() for label in display.ax_.get_yticklabels()]
    return dict(zip(names, (bar.get_width() for bar in display.bars_), strict=True))


def test_the_greatest_for_and_against_are_drawn_in_order_and_add_up(ax):
    names = ["a", "b", "c__$x$", "d", "e", "f"]
    values = [0.5, -4.0, 3.0, 0.0, -0.25, 2.0]
    display = ContributionsDisplay(names, values, name="$a$ against b").plot(ax, n_bars=2)
    bars = bars_of(display)
    assert list(bars.items())[:4] == [("c $x$", 3.0), ("f", 2.0), ("e", -0.25), ("b", -4.0)]
    assert bars["all others"] == pytest.approx(0.5)
    assert sum(bars.values()) == pytest.approx(sum(values))
    assert ax.get_title() == "$a$ against b"
    display.figure_.draw_without_rendering()


def test_without_others_there_is_no_bar_of_them(ax):
    display = ContributionsDisplay(["a", "b", "c"], [0.0, 1.0, 2.0]).plot(ax)
    assert bars_of(display) == {"c": 2.0, "b": 1.0}


def test_one_image_is_drawn_by_groups(pyplot):
    lags = Contributions(
        "lda", np.array(["rr[0,1]", "rr[1,0]"]), np.array([[9.0, 9], [1, 2]]), np.array([9.0, 0.5])
    )
    pixels = Contributions("print", None, np.full((2, 2, 2, 1), -0.5), np.zeros(2))
    display = ContributionsDisplay.from_contributions([lags, pixels], 1, name="b")
    assert bars_of(display) == {"lda rr": 3.0, "intercept": 0.5, "print": -2.0}
    assert display.figure_ is pyplot.gcf()
