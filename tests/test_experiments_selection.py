"""Which images are fitted on and which are tested on."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.testing import assert_array_equal

from sklearn_ganprint.experiments import ReproductionSettings, reproduce_paper


def select(y, *, groups=None, **params):
    """Return positions of the images to fit on and to test on, those of each source apart."""
    options = ReproductionSettings(denoiser="gaussian", n_robustness=0, **params)
    X = np.random.default_rng(0).integers(0, 256, (len(y), 9, 9, 3), dtype=np.uint8)
    result = reproduce_paper(X, y, options, groups=groups).attribution
    fit, test = (
        [side[y[side] == label] for label in result.classes]
        for side in (result.train_index, result.test_index)
    )
    assert_array_equal(np.sort(np.concatenate(fit)), np.sort(result.train_index))
    return fit, test


@pytest.mark.parametrize(("smallest", "n_fit"), [(1200, 512), (1000, 512), (80, 40), (4, 2)])
def test_takes_the_papers_number_or_its_share(smallest, n_fit):
    fit, test = select(np.repeat(["a", "b"], [smallest, smallest + 7]))
    assert [len(own) for own in fit] == [n_fit, n_fit]
    assert [len(own) for own in test] == [smallest - n_fit, smallest + 7 - n_fit]


@settings(max_examples=20)
@given(
    counts=st.lists(st.integers(4, 30), min_size=2, max_size=4),
    n_fit=st.integers(2, 3),
    seed=st.integers(0, 99),
)
def test_sides_are_disjoint_and_of_their_source(counts, n_fit, seed):
    y = np.random.default_rng(seed).permutation(np.repeat(np.arange(len(counts)), counts))
    sides = select(y, n_fit=n_fit, random_state=seed)
    for label, fit, test in zip(np.unique(y), *sides, strict=True):
        assert_array_equal(np.sort(np.concatenate([fit, test])), np.flatnonzero(y == label))
        assert len(fit) == n_fit


@pytest.mark.parametrize("seed", range(5))
def test_no_group_is_on_both_sides(seed):
    scenes = np.tile(np.arange(20), 3)
    y = np.repeat(["a", "b", "c"], 20)
    sides = select(y, groups=[f"scene {number}" for number in scenes], random_state=seed)
    fit, test = (set(scenes[np.concatenate(side)]) for side in sides)
    assert len(fit) == len(sides[0][0]) == 10
    assert not fit & test


@pytest.mark.parametrize("seed", range(5))
def test_sources_without_common_groups_are_divided_independently(seed):
    # Two photos with eight parts each, in one source; scenes that two others share.
    y = np.repeat(["camera", "a", "b"], 16)
    groups = np.concatenate([np.repeat(["p", "q"], 8), *2 * [[f"s{n}" for n in range(16)]]])
    fit, test = select(y, groups=groups, random_state=seed)
    assert [len(own) for own in fit] == [len(own) for own in test] == [8, 8, 8]
    for own in (y == "camera", y != "camera"):
        sides = (np.concatenate(side) for side in (fit, test))
        first, second = (set(groups[side[own[side]]]) for side in sides)
        assert not first & second


def test_seed_draws_the_split():
    y = np.repeat(["a", "b"], 40)
    first, again, other = (select(y, random_state=seed)[0] for seed in (0, 0, 1))
    assert_array_equal(first, again)
    assert not np.array_equal(np.sort(first), np.sort(other))


def test_n_test_is_a_limit():
    _, test = select(np.repeat(["a", "b"], [20, 30]), n_fit=5, n_test=7)
    assert [len(own) for own in test] == [7, 7]


@pytest.mark.parametrize(
    ("params", "message"),
    [
        ({"n_fit": 12}, r"13 images a source.*fewer of \{'b': 12\}"),
        ({"n_fit": 10, "n_test": 5}, r"15 images a source.*'b': 12"),
        ({"n_fit": 0}, r"n_fit.* in the range \[1, inf\)"),
        ({"n_test": 0}, r"n_test.* in the range \[1, inf\)"),
        ({"groups": np.zeros(32)}, "6 images to fit on and 1 others to test on: 0 .* the most"),
    ],
)
def test_too_few_images_are_named(params, message):
    with pytest.raises(ValueError, match=message):
        select(np.repeat(["a", "b"], [20, 12]), **params)


@pytest.mark.parametrize("seed", range(6))
def test_a_large_group_makes_fingerprints_of_fewer_images(seed):
    groups = np.tile([0] * 12 + [1, 2, 2, 3, 4, 4, 4, 4], 2)
    y = np.repeat(["a", "b"], 20)
    sides = select(y, groups=groups, random_state=seed)
    fit, test = (set(groups[np.concatenate(side)]) for side in sides)
    assert not fit & test
    # Half of 20 are there if the group of 12 is fitted on, and otherwise at most the other 8.
    assert len(sides[0][0]) == (10 if 0 in fit else 8)
    with pytest.raises(ValueError, match="No split of whole groups"):
        select(y, n_fit=13, n_test=7, groups=groups + (groups == 1), random_state=seed)
