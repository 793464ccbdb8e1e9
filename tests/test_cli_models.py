"""What the commands say of models and their p-values."""

import pytest

# Numbers of calibration images up to a million.
from sklearn_ganprint.cli._models import few_images
from sklearn_ganprint.conformal import round_up


@pytest.mark.parametrize("n", [*range(1, 200), 999, 1199, 31415, 10**6])
def test_a_rate_rounded_up_is_one_at_which_images_can_be_rejected(n):
    smallest = 1 / (n + 1)
    assert smallest <= float(round_up(smallest)) < 1.01 * smallest


@pytest.mark.parametrize(
    ("smallest", "text"),
    [(1 / 25, "0.04"), (1 / 100, "0.01"), (1 / 81, "0.0124"), (1 / 2, "0.5"), (1 / 1001, "0.001")],
)
def test_round_rates_stay_round(smallest, text):
    assert round_up(smallest) == text


def test_images_are_few_below_the_smallest_p_value():
    words = {"outcome": "rejected", "images": "99 images of a"}
    assert few_images(0.01, 1 / 100, **words) is None
    assert "--false-alarm 0.01 or more" in few_images(0.009, 1 / 100, **words)
    # A source without any calibration image: no rate is great enough.
    assert few_images(0.5, 1.0, **words).endswith("none is below 1 / 1. Fit on more images")
