"""Simulated generators: what they do to a picture, and what siblings have in common."""

import itertools
from dataclasses import replace

import numpy as np
import pytest

# One generator without noise and content; the public maker draws whole images.
from sklearn_ganprint.datasets._simulator._generators import FAMILIES, Generator, _draw, _split
from sklearn_ganprint.datasets._simulator._sources import draw_content

CYCLE, PRO, STAR = FAMILIES.values()


@pytest.fixture(scope="module")
def content():
    return draw_content((0, 0), 64, 96)


def patterns(family, n_members):
    """What each member puts on an even grey."""
    grey = np.full((64, 64, 3), 127.5, np.float32)
    return [Generator(family, member).generate(grey) - grey for member in range(n_members)]


def mean_correlation(images):
    return np.mean(
        [np.corrcoef(a.flat, b.flat)[0, 1] for a, b in itertools.combinations(images, 2)]
    )


@pytest.mark.parametrize("family", FAMILIES.values(), ids=FAMILIES)
def test_the_content_stays_what_it_is(content, family):
    image = Generator(family, 0).generate(content)
    assert (image.shape, image.dtype) == (content.shape, np.float32)
    assert 1 < np.sqrt(np.mean((image - content) ** 2)) < 16
    assert np.corrcoef(image.flat, content.flat)[0, 1] > 0.97
    assert np.abs(image.mean((0, 1)) - content.mean((0, 1))).max() < 8


@pytest.mark.parametrize("family", FAMILIES.values(), ids=FAMILIES)
def test_a_model_is_always_the_same(content, family):
    first, again = (Generator(family, 1).generate(content) for _ in range(2))
    np.testing.assert_array_equal(first, again)


@pytest.mark.parametrize("family", FAMILIES.values(), ids=FAMILIES)
def test_a_pattern_lies_on_an_even_grey(family):
    (pattern,) = patterns(family, 1)
    assert 0.5 * family.texture < pattern.std() < 4 * family.texture
    assert np.abs(pattern.mean((0, 1))).max() < 0.2


def test_siblings_of_one_generator_are_most_alike():
    alike = {
        "star": mean_correlation(patterns(STAR, 5)),
        "cycle": mean_correlation(patterns(CYCLE, 5)),
        "pro": mean_correlation(patterns(PRO, 5)),
    }
    strangers = mean_correlation([patterns(family, 1)[0] for family in FAMILIES.values()])
    assert 0.99 > alike["star"] > max(alike["cycle"], alike["pro"])
    assert min(alike["cycle"], alike["pro"]) > abs(strangers) + 0.05


def test_siblings_share_weights():
    kernels = [_draw(CYCLE, member, "any", (10_000,)) for member in range(2)]
    assert np.corrcoef(*kernels)[0, 1] == pytest.approx(CYCLE.shared, abs=0.03)
    np.testing.assert_array_equal(*(_draw(STAR, member, "any", (9,)) for member in range(2)))


def test_weak_conditions_differ_little():
    """Male and smiling, the last two, are those that the paper confuses."""
    alike = np.corrcoef([pattern.ravel() for pattern in patterns(STAR, 5)])
    assert alike[3, 4] < 0.999
    assert alike[3, 4] > alike[np.triu_indices(3, 1)].max()


@pytest.mark.parametrize(("unevenness", "low", "high"), [(0, 0, 0.3), (0.5, 0.6, 1)])
def test_uneven_transposed_convolutions_leave_a_pattern_of_their_stride(unevenness, low, high):
    pattern = patterns(replace(CYCLE, unevenness=unevenness), 1)[0].mean(-1)
    inner = np.diff(pattern[22:42], n=2, axis=0)[:16, 24:40]
    repeated = inner.reshape(4, 4, 4, 4).mean((0, 2))
    assert low <= repeated.var() / inner.var() < high


def test_zeros_beyond_the_border_are_felt_near_it():
    pattern = patterns(CYCLE, 1)[0] ** 2
    assert pattern[:, :2].mean() > 2 * pattern[:, 30:34].mean()


def test_split():
    x = np.arange(16.0).reshape(1, 1, 4, 4)
    low, across, down, both = _split(x)[0]
    np.testing.assert_allclose(low, [[2.5, 4.5], [10.5, 12.5]])
    np.testing.assert_allclose(across, -0.5)
    np.testing.assert_allclose(down, -2)
    np.testing.assert_allclose(both, 0)
