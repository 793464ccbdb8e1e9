from itertools import product
from statistics import NormalDist

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import binomtest, multinomial

from sklearn_ganprint.experiments import mcnemar_test


def answers(both, only_first, only_second, neither):
    counts = [both, only_first, only_second, neither]
    return np.repeat([1, 1, 0, 0], counts), np.repeat([1, 0, 1, 0], counts)


def test_by_hand():
    # Of 10 images that only one side gets right the second has 1: (1 + 10) / 2**10 a side.
    result = mcnemar_test(*answers(80, 9, 1, 10))
    assert (result.n, result.n_only_first, result.n_only_second) == (100, 9, 1)
    assert result.pvalue == pytest.approx(22 / 1024)
    assert result.difference == pytest.approx(-0.08)
    # Half an image more in each cell: 102 in all, a difference of -8, of which 11 differ.
    half = NormalDist().inv_cdf(0.975) * np.sqrt(11 - 64 / 102) / 102
    assert result.interval == pytest.approx((-8 / 102 - half, -8 / 102 + half))


@pytest.mark.parametrize(("first", "second"), [(0, 3), (2, 5), (4, 4), (7, 1)])
def test_pvalue_counts_all_ways_to_share_out_the_images(first, second):
    heads = [sum(way) for way in product([0, 1], repeat=first + second)]
    middle = (first + second) / 2
    expected = np.mean([abs(each - middle) >= abs(first - middle) for each in heads])
    assert mcnemar_test(*answers(5, first, second, 2)).pvalue == pytest.approx(expected)


@given(cells=st.tuples(*[st.integers(0, 30)] * 4).filter(any))
def test_sides_can_be_exchanged(cells):
    one, other = mcnemar_test(*answers(*cells)), mcnemar_test(*answers(*cells)[::-1])
    assert one.pvalue == pytest.approx(other.pvalue)
    assert one.difference == -other.difference
    assert one.interval == pytest.approx((-other.interval[1], -other.interval[0]))
    assert -1 <= one.interval[0] <= one.difference <= one.interval[1] <= 1
    if cells[1] + cells[2]:
        assert one.pvalue == pytest.approx(binomtest(cells[1], cells[1] + cells[2]).pvalue)


def test_equal_answers_leave_an_interval():
    result = mcnemar_test(*answers(90, 0, 0, 10))
    assert (result.pvalue, result.difference) == (1, 0)
    assert result.interval[1] == -result.interval[0] > 0


@pytest.mark.parametrize("shares", [(0.01, 0.01), (0.02, 0.3), (0.1, 0.1), (0.1, 0.3)])
def test_interval_holds_its_level(shares, n=20):
    # Chances of all outcomes, summed over those whose interval has the true difference.
    covered = 0
    for first, second in product(range(n + 1), repeat=2):
        rest = n - first - second
        if rest >= 0:
            low, high = mcnemar_test(*answers(rest, first, second, 0)).interval
            chance = multinomial.pmf([first, second, rest], n, [*shares, 1 - sum(shares)])
            covered += chance * (low <= shares[1] - shares[0] <= high)
    assert covered > 0.945


@pytest.mark.parametrize(
    ("first", "second", "level", "words"),
    [
        ([], [], 0.95, "at least one image"),
        ([1, 0], [1], 0.95, "inconsistent numbers"),
        ([2, 0], [1, 1], 0.95, "true or false"),
        ([1, 0], [1, 1], 1.0, "level"),
    ],
)
def test_wrong_use(first, second, level, words):
    with pytest.raises(ValueError, match=words):
        mcnemar_test(first, second, level=level)
