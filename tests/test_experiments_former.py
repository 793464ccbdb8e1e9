"""Functions that are public no more still work under their former names, with a warning."""

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal

from sklearn_ganprint import experiments


@pytest.fixture
def former():
    def find(name):
        with pytest.warns(FutureWarning, match=f"{name} is public no more"):
            return getattr(experiments, name)

    return find


@pytest.mark.parametrize(("rate", "expected"), [(0.005, 0.0), (0.05, 0.25), (0.5, 0.75)])
def test_detection_rate_counts_what_is_below_the_quantile(former, rate, expected):
    # The quantiles of 0, 1, ..., 100 are 0.5, 5 and 50.
    assert former("detection_rate")(np.arange(101), [4.0, 5.0, 49.0, 60.0], rate) == expected


def test_wilson_interval_has_a_level(former):
    ends = former("wilson_interval")(8, 10, 0.9)
    assert_allclose(ends, (0.54079, 0.93144), atol=5e-6)


def test_one_vs_rest_auc_is_nan_where_undefined(former):
    areas = former("one_vs_rest_auc")([[1, 2, 3]], ["a"], ["a", "b", "c"])
    assert_array_equal(areas, [np.nan] * 3)


def test_d_prime_of_sides_of_other_lengths(former):
    d_prime = former("d_prime")
    assert np.isnan(d_prime([1], [0, 1]))
    assert d_prime([1, 2, 3], [0, 1]) == pytest.approx(1.5 / np.sqrt((1 + 0.5) / 2))


@pytest.mark.parametrize(
    ("name", "arguments", "message"),
    [
        ("block_means", (np.ones((4, 2)), list("aabc")), r"\(4, 4\), got \(4, 2\)"),
        ("convergence_from_sums", (np.ones((2, 4, 4)), [1, 1, 1], 1.0), r"\(2, 4, 4\) and \(3,\)"),
        ("convergence_from_sums", (np.ones((2, 4, 4)), [4, 0], 1.0), r"\[4, 0\]"),
        *(("detection_rate", ([1.0], [1.0], rate), r"\(0, 1\)") for rate in (0, 1, -0.1)),
        ("one_vs_rest_auc", ([[1, 2, 3]], ["a"], ["a", "b"]), r"\(1, 2\), got \(1, 3\)"),
        *(
            ("wilson_interval", arguments, "got")
            for arguments in ((1, 0), (-1, 5), (6, 5), (1, 5, 0), (1, 5, 1))
        ),
    ],
)
def test_wrong_use(former, name, arguments, message):
    with pytest.raises(ValueError, match=message):
        former(name)(*arguments)
