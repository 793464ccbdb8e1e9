"""Which images are fitted on and which are tested on."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.testing import assert_array_equal

from sklearn_ganprint.experiments._selection import select_images


@pytest.mark.parametrize(("smallest", "n_fit"), [(1200, 512), (1000, 512), (80, 40), (2, 1)])
def test_takes_the_papers_number_or_its_share(smallest, n_fit):
    y = np.repeat(["a", "b"], [smallest, smallest + 7])
    selection = select_images(y)
    assert selection.n_fit == n_fit
    assert [len(each) for each in selection.fit] == [n_fit, n_fit]
    assert [len(each) for each in selection.test] == [smallest - n_fit, smallest + 7 - n_fit]


@given(
    counts=st.lists(st.integers(4, 30), min_size=2, max_size=4),
    n_fit=st.integers(1, 3),
    seed=st.integers(0, 99),
)
def test_sides_are_disjoint_and_of_their_source(counts, n_fit, seed):
    y = np.random.default_rng(seed).permutation(np.repeat(np.arange(len(counts)), counts))
    selection = select_images(y, n_fit=n_fit, random_state=seed)
    for label, fit, test in zip(selection.classes, selection.fit, selection.test, strict=True):
        assert_array_equal(np.sort(np.concatenate([fit, test])), np.flatnonzero(y == label))
        assert len(fit) == n_fit


@pytest.mark.parametrize("seed", range(5))
def test_no_group_is_on_both_sides(seed):
    scenes = np.tile(np.arange(20), 3)
    y = np.repeat(["a", "b", "c"], 20)
    selection = select_images(y, groups=[f"scene {each}" for each in scenes], random_state=seed)
    fit, test = (set(scenes[np.concatenate(side)]) for side in (selection.fit, selection.test))
    assert len(fit) == selection.n_fit == 10
    assert not fit & test


def test_seed_draws_the_split():
    y = np.repeat(["a", "b"], 40)
    first, again, other = (select_images(y, random_state=seed) for seed in (0, 0, 1))
    assert_array_equal(first.fit, again.fit)
    assert not np.array_equal(first.fit, other.fit)


def test_n_test_is_a_limit():
    selection = select_images(np.repeat(["a", "b"], [20, 30]), n_fit=5, n_test=7)
    assert [len(each) for each in selection.test] == [7, 7]


@pytest.mark.parametrize(
    ("params", "message"),
    [
        ({"n_fit": 12}, r"13 images a source.*fewer of \{'b': 12\}"),
        ({"n_fit": 10, "n_test": 5}, r"15 images a source.*'b': 12"),
        ({"n_fit": 0}, "n_fit: expected a number of at least 1"),
        ({"n_test": 0}, "n_test: expected a number of at least 1"),
        ({"groups": np.zeros(32)}, "6 images to fit on and 1 others to test on: 0 .* the most"),
    ],
)
def test_too_few_images_are_named(params, message):
    with pytest.raises(ValueError, match=message):
        select_images(np.repeat(["a", "b"], [20, 12]), **params)


@pytest.mark.parametrize("seed", range(6))
def test_a_large_group_makes_fingerprints_of_fewer_images(seed):
    groups = np.tile([0] * 12 + [1, 2, 2, 3, 4, 4, 4, 4], 2)
    y = np.repeat(["a", "b"], 20)
    selection = select_images(y, groups=groups, random_state=seed)
    fit, test = (set(groups[np.concatenate(side)]) for side in (selection.fit, selection.test))
    assert not fit & test
    # Half of 20 are there if the group of 12 is fitted on, and otherwise at most the other 8.
    assert selection.n_fit == (10 if 0 in fit else 8)
    with pytest.raises(ValueError, match="No split of whole groups"):
        select_images(y, n_fit=13, n_test=7, groups=groups + (groups == 1), random_state=seed)
