import json

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.testing import assert_allclose, assert_array_equal

from sklearn_ganprint.experiments import measure_convergence
from sklearn_ganprint.fingerprints import (
    autocorrelation,
    energy,
    fit_energy,
    nested_fingerprints,
    split_half_energy,
    unbiased_energy,
)


def make_residuals(n=40, shape=(48, 48, 3), limit=0.5, noise=3.0, period=4, seed=0):
    """Residuals of a pattern of this energy and period, in noise."""
    pattern = np.zeros(shape)
    pattern[::period, ::period] = period * np.sqrt(limit)
    return pattern + noise * np.random.default_rng(seed).normal(size=(n, *shape))


@pytest.mark.parametrize("shape", [(48, 48), (48, 48, 3)])
def test_parts_are_what_the_functions_give(shape):
    R = make_residuals(shape=shape)
    result = measure_convergence(R, name="generator")
    F = nested_fingerprints(R, [1, 2, 4, 8, 16, 32, 40])
    assert_array_equal(result.n_images, [1, 2, 4, 8, 16, 32, 40])
    assert_allclose(result.fingerprints, F, atol=1e-12)
    assert_allclose(result.energies, energy(F))
    assert result.fit.limit == pytest.approx(fit_energy(result.n_images, energy(F)).limit)
    assert result.printed_fit.form == "printed"
    mean_energy = energy(R).mean()
    assert result.mean_residual_energy == pytest.approx(mean_energy)
    expected = unbiased_energy(energy(F[-1:])[0], mean_energy, 40)
    assert result.unbiased_limit == pytest.approx(expected)
    assert_allclose(result.autocorrelation, autocorrelation(F[-1]), atol=1e-12)


def test_a_planted_fingerprint_is_found():
    result = measure_convergence(make_residuals(n=128))
    limits = [result.fit.limit, result.unbiased_limit, result.split_half_limit]
    assert_allclose(limits, 0.5, rtol=0.1)
    assert result.printed_fit.limit > 0.55
    assert result.period == (4, 4)


def test_halves_are_sets_of_images_as_equal_as_can_be():
    R = make_residuals(n=40)
    expected = split_half_energy(R[:16].mean(axis=0), R[16:].mean(axis=0))
    assert measure_convergence(R).split_half_limit == pytest.approx(expected)
    assert measure_convergence(R, n_images=[16]).split_half_limit == pytest.approx(expected)


@pytest.mark.parametrize("n_images", [[8, 2], [2, 8, 40], np.array([8, 2, 2])])
def test_numbers_of_images_are_sorted_and_end_with_all(n_images):
    assert_array_equal(
        measure_convergence(make_residuals(), n_images=n_images).n_images, [2, 8, 40]
    )


@given(cuts=st.sets(st.integers(1, 11), min_size=1))
def test_any_numbers_of_images_equal_the_plain_way(cuts):
    R = make_residuals(n=12, shape=(16, 16))
    ends = [*sorted(cuts), 12]
    result = measure_convergence(R, n_images=sorted(cuts))
    assert_array_equal(result.n_images, ends)
    means = np.array([R[:end].mean(axis=0) for end in ends])
    assert_allclose(result.fingerprints, means, atol=1e-12)
    assert result.fit.limit == pytest.approx(fit_energy(ends, energy(means)).limit)
    half = min(ends[:-1], key=lambda end: abs(12 - 2 * end))
    expected = split_half_energy(R[:half].mean(axis=0), R[half:].mean(axis=0))
    assert result.split_half_limit == pytest.approx(expected)


def test_noise_has_no_fingerprint():
    result = measure_convergence(make_residuals(n=128, limit=0))
    noise = result.energies[-1]
    assert abs(result.fit.limit) < noise / 4
    assert abs(result.unbiased_limit) < noise / 4
    assert abs(result.split_half_limit) < noise / 4
    assert result.period == (None, None)


def test_images_that_are_all_the_same():
    R = np.repeat(make_residuals(n=1), 8, axis=0)
    result = measure_convergence(R)
    limits = [result.fit.limit, result.unbiased_limit, result.split_half_limit]
    assert_allclose(limits, energy(R)[0])


def test_a_blank_first_image_does_no_harm():
    R = make_residuals(n=16)
    R[0] = 0
    result = measure_convergence(R)
    assert_array_equal(result.fit.n_images, [2, 4, 8, 16])
    assert result.energies[0] == 0


def test_rows_and_json():
    result = measure_convergence(make_residuals(n=8), name="generator")
    rows = result.rows()
    assert [row["n_images"] for row in rows] == [1, 2, 4, 8]
    assert rows[-1]["name"] == "generator"
    assert rows[-1]["energy"] == result.energies[-1]
    assert rows[-1]["fit"] == result.fit.predict(8)
    assert rows[-1]["printed_fit"] == result.printed_fit.predict(8)
    document = result.to_dict()
    assert json.loads(json.dumps(document, allow_nan=False)) == document
    assert document["fit"]["limit"] == result.fit.limit
    assert document["period"] == list(result.period)


@pytest.mark.parametrize(
    ("residuals", "n_images", "words"),
    [
        (np.ones((1, 4, 4)), None, r"'g': expected at least two numbers .* \[1\]"),
        (np.ones((0, 4, 4)), None, "at least 1"),
        (np.zeros((8, 4, 4)), None, "'g': .* are 0"),
        (np.ones((8, 16)), None, r"'g': .* got shapes \(4, 16\)"),
        (np.append(np.ones((7, 4, 4)), np.full((1, 4, 4), np.nan), axis=0), None, "NaN"),
        (np.ones((8, 4, 4)), [9], r"number of residuals, 8; got \[9\]"),
        (np.ones((8, 4, 4)), [0, 2], r"from 1"),
        (np.ones((8, 4, 4)), [1.5], r"whole numbers"),
    ],
)
def test_wrong_use(residuals, n_images, words):
    with pytest.raises(ValueError, match=words):
        measure_convergence(residuals, n_images=n_images, name="g")
