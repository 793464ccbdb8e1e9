import numpy as np
import pytest
import references
from hypothesis import given
from hypothesis import strategies as st

from sklearn_ganprint.fingerprints import (
    autocorrelation,
    autocorrelation_period,
    class_sums,
    doubling_counts,
    energy,
    estimate_fingerprint,
    fit_energy,
    nested_fingerprints,
    split_half_energy,
    unbiased_energy,
)


def residuals(n=6, shape=(5, 4), seed=0):
    return np.random.default_rng(seed).normal(size=(n, *shape))


def test_fingerprint_is_the_mean_residual():
    R = residuals()
    np.testing.assert_allclose(estimate_fingerprint(R), sum(R) / len(R), atol=1e-15)


def test_weights_count_like_copies():
    R = residuals(3)
    copies = np.repeat(R, [1, 0, 3], axis=0)
    actual = estimate_fingerprint(R, sample_weight=[1, 0, 3])
    np.testing.assert_allclose(actual, estimate_fingerprint(copies), atol=1e-15)


@given(seed=st.integers(0, 99))
def test_order_does_not_matter(seed):
    R = residuals(9)
    shuffled = np.random.default_rng(seed).permutation(R)
    np.testing.assert_allclose(estimate_fingerprint(shuffled), estimate_fingerprint(R), atol=1e-14)


def test_many_float32_residuals_are_summed_exactly():
    # In float32 the sum of 20,000 values near 1000 would be wrong in the fourth digit.
    R = (1000 + residuals(20_000, (8,))).astype(np.float32)
    expected = R.astype(float).mean(axis=0)
    np.testing.assert_allclose(estimate_fingerprint(R), expected, rtol=1e-12)


def test_energy_is_the_mean_square():
    R = residuals()
    np.testing.assert_allclose(energy(R), [np.mean(r**2) for r in R], rtol=1e-14)


def test_noise_of_n_residuals_leaves_one_nth_of_its_energy():
    R = residuals(400, (64, 64))
    assert energy(estimate_fingerprint(R)[np.newaxis])[0] == pytest.approx(1 / 400, rel=0.1)


@pytest.mark.parametrize(("n", "n_features"), [(0, 3), (1, 1), (7, 5), (700, 600), (3, 300_000)])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_class_sums_of_any_size(n, n_features, dtype):
    rng = np.random.default_rng(n)
    R, codes, weights = rng.normal(size=(n, n_features)), rng.integers(0, 4, n), rng.uniform(size=n)
    R = R.astype(dtype)
    expected = np.zeros((6, n_features))
    for row, code, weight in zip(R, codes, weights, strict=True):
        expected[code] += weight * row.astype(float)
    np.testing.assert_allclose(class_sums(R, codes, weights, 6), expected, atol=1e-12)


def test_an_infinite_residual_spoils_the_sum_of_its_own_class_only():
    R = np.array([[np.inf, 1.0], [2.0, 3.0]], dtype=np.float32)
    sums = class_sums(R, np.array([0, 1]), np.ones(2), 2)
    np.testing.assert_array_equal(sums, R)


def test_class_sums():
    R, codes = residuals(6, (7,)), np.array([0, 2, 2, 0, 2, 0])
    weights = np.arange(6.0)
    expected = [sum(weights[i] * R[i] for i in range(6) if codes[i] == k) for k in (0, 1, 2)]
    expected[1] = np.zeros(7)
    np.testing.assert_allclose(class_sums(R, codes, weights, 3), expected, atol=1e-14)


@pytest.mark.parametrize(
    ("n", "weights", "words"),
    [(0, None, "total weight above 0"), (2, [0, 0], "total weight above 0"), (2, [1], "2 sample")],
)
def test_nothing_to_average_is_refused(n, weights, words):
    with pytest.raises(ValueError, match=words):
        estimate_fingerprint(residuals(n), weights)


@pytest.mark.parametrize(
    ("n", "expected"), [(1, [1]), (2, [1, 2]), (8, [1, 2, 4, 8]), (9, [1, 2, 4, 8, 9])]
)
def test_doubling_counts(n, expected):
    np.testing.assert_array_equal(doubling_counts(n), expected)


def test_doubling_counts_refuses_none():
    with pytest.raises(ValueError, match="at least 1, got 0"):
        doubling_counts(0)


@pytest.mark.parametrize("counts", [[1, 2, 9], [4], [9, 1, 4, 4]])
def test_nested_fingerprints_are_means_of_the_first(counts):
    R = residuals(9).astype(np.float32)
    actual = nested_fingerprints(R, counts)
    assert actual.dtype == np.float64
    expected = [estimate_fingerprint(R[:n]) for n in counts]
    np.testing.assert_allclose(actual, expected, atol=1e-14)


@pytest.mark.parametrize("counts", [[], [0, 1], [7], [1.5], [[1, 2]], 3])
def test_nested_fingerprints_refuses_counts(counts):
    with pytest.raises(ValueError, match="from 1 to the number of residuals, 6"):
        nested_fingerprints(residuals(6), counts)


def test_unbiased_energy_is_the_mean_over_pairs_of_images():
    R = residuals(7) * np.arange(1, 8)[:, None, None] + 0.3
    pairs = [np.mean(R[i] * R[j]) for i in range(7) for j in range(7) if i != j]
    whole = energy(estimate_fingerprint(R)[np.newaxis])[0]
    assert unbiased_energy(whole, energy(R).mean(), 7) == pytest.approx(np.mean(pairs))


def test_unbiased_energy_of_curves():
    n = np.array([2, 4, 512])
    np.testing.assert_allclose(unbiased_energy(0.03 + 5 / n, 5.03, n), [0.03] * 3)
    with pytest.raises(ValueError, match="at least 2 residuals, got 1"):
        unbiased_energy([5.03, 2.53], 5.03, [1, 2])


def test_split_half_energy_sees_only_what_is_shared():
    shared, noise = residuals(1, (32, 32))[0], residuals(2, (32, 32), seed=1)
    actual = split_half_energy(shared + noise[0], shared + noise[1])
    assert actual == pytest.approx(np.mean((shared + noise[0]) * (shared + noise[1])))
    assert actual == pytest.approx(1, abs=0.2)
    with pytest.raises(ValueError, match=r"one shape, got \(32, 32\) and \(32,\)"):
        split_half_energy(shared, shared[0])


def planted_energies(limit, noise, n_images, n_values, rng):
    """Energies of fingerprints from nested residuals F + W, drawn from their distribution."""
    pattern = rng.choice([-1, 1], n_values) * np.sqrt(limit)
    steps = np.diff(n_images, prepend=0)
    sums = rng.normal(size=(len(steps), n_values)) * np.sqrt(noise * steps)[:, None]
    means = sums.cumsum(axis=0) / n_images[:, None]
    return energy(pattern + means)


@pytest.mark.parametrize(("limit", "noise"), [(0.0377, 5.0), (0.0088, 1.0), (0.1, 10.0)])
def test_only_the_inverse_form_finds_a_planted_limit(limit, noise):
    # Residuals have a hundred times the energy of the fingerprint, as those of real generators.
    rng, n_images = np.random.default_rng(0), doubling_counts(512)
    for _ in range(30):
        energies = planted_energies(limit, noise, n_images, 64 * 64 * 3, rng)
        assert fit_energy(n_images, energies).limit == pytest.approx(limit, rel=0.05)
        assert fit_energy(n_images, energies).initial == pytest.approx(noise, rel=0.05)
        assert unbiased_energy(energies[-1], noise + limit, 512) == pytest.approx(limit, rel=0.05)
        for relative in (True, False):
            printed = fit_energy(n_images, energies, form="printed", relative=relative)
            assert printed.limit > (1.25 if relative else 5) * limit


def test_the_limit_has_no_bias_where_images_differ_in_noise():
    rng, n_images = np.random.default_rng(0), doubling_counts(128)
    limits = {True: [], False: []}
    for _ in range(200):
        noise = 5 * rng.lognormal(0, 0.4, 128)
        energies = 0.05 + noise.cumsum()[n_images - 1] / n_images**2
        for relative, found in limits.items():
            found.append(fit_energy(n_images, energies, relative=relative).limit)
    assert np.mean(limits[True]) == pytest.approx(0.05, rel=0.1)
    assert 3 * np.std(limits[True]) < np.std(limits[False])


@pytest.mark.parametrize("form", ["inverse", "printed"])
@pytest.mark.parametrize("relative", [True, False])
@given(limit=st.floats(0.01, 10), initial=st.floats(0.01, 100))
def test_a_curve_of_the_form_is_found_again(form, relative, limit, initial):
    n_images = np.array([1, 2, 3, 5, 8])
    decay = {"inverse": 1 / n_images, "printed": 0.5**n_images}[form]
    fit = fit_energy(n_images, limit + initial * decay, form=form, relative=relative)
    assert (fit.limit, fit.initial) == pytest.approx((limit, initial), rel=1e-6)
    np.testing.assert_allclose(fit.predict(n_images), limit + initial * decay, rtol=1e-9)
    assert fit.relative_rms < 1e-9


def test_the_fit_is_the_weighted_least_squares():
    n_images, energies = np.array([1, 2, 4, 8]), np.array([8.0, 5.0, 2.0, 1.5])
    fit = fit_energy(n_images, energies)
    design = np.column_stack([np.ones(4), 1 / n_images])
    W = np.diag(n_images / energies**2)
    expected = np.linalg.solve(design.T @ W @ design, design.T @ W @ energies)
    np.testing.assert_allclose((fit.limit, fit.initial), expected)
    errors = (fit.predict(n_images) - energies) / energies
    assert fit.relative_rms == pytest.approx(np.sqrt(np.mean(errors**2)))


def test_the_printed_form_is_flat_where_all_numbers_are_large():
    fit = fit_energy([2000, 4000], [3.0, 1.0], form="printed", relative=False)
    assert (fit.limit, fit.initial) == (pytest.approx(2), 0)


@pytest.mark.parametrize(
    ("n_images", "energies", "form", "words"),
    [
        ([1, 2], [1.0], "inverse", r"shapes \(2,\) and \(1,\)"),
        ([0, 2], [1.0, 1.0], "inverse", "numbers from 1"),
        ([2, 2], [1.0, 1.0], "inverse", "two different ones"),
        ([1, 2], [1.0, 0.0], "inverse", "blank images"),
        ([1, 2], [1.0, np.nan], "inverse", "finite values"),
        ([1, 2], [2.0, 1.0], "exponential", r"\('inverse', 'printed'\), got 'exponential'"),
    ],
)
def test_no_fit_without_a_curve(n_images, energies, form, words):
    with pytest.raises(ValueError, match=words):
        fit_energy(n_images, energies, form=form)


@pytest.mark.parametrize("shape", [(6, 5), (5, 8), (7, 6, 3), (4, 4, 1), (1, 9)])
def test_autocorrelation(shape):
    F = residuals(1, shape)[0] + 3
    expected = references.circular_autocorrelation(F.reshape(*shape[:2], -1))
    np.testing.assert_allclose(autocorrelation(F), expected, atol=1e-14)
    assert autocorrelation(F)[shape[0] // 2, shape[1] // 2] == 1


@given(seed=st.integers(0, 99), scale=st.sampled_from([-1e-200, 1e-3, 1e200]))
def test_autocorrelation_is_symmetric_and_knows_no_scale_or_place(seed, scale):
    F = residuals(1, (7, 5), seed)[0]
    A = autocorrelation(F)
    np.testing.assert_allclose(A, A[::-1, ::-1], atol=1e-14)
    moved = scale * np.roll(F, (2, 3), axis=(0, 1))
    np.testing.assert_allclose(autocorrelation(moved), A, atol=1e-13)


@pytest.mark.parametrize("shape", [(9, 12), (8, 7, 3)])
def test_max_lag_cuts_out_the_middle(shape):
    F = residuals(1, shape)[0]
    A, (i, j) = autocorrelation(F), (shape[0] // 2, shape[1] // 2)
    np.testing.assert_array_equal(autocorrelation(F, max_lag=2), A[i - 2 : i + 3, j - 2 : j + 3])
    with pytest.raises(ValueError, match="from 0 to [34] for an image of"):
        autocorrelation(F, max_lag=6)


def test_a_constant_correlates_only_uncentred():
    F = np.full((6, 6), 0.1)
    np.testing.assert_array_equal(autocorrelation(F), np.zeros((6, 6)))
    np.testing.assert_allclose(autocorrelation(F, centre=False), np.ones((6, 6)))


@pytest.mark.parametrize("function", [autocorrelation, autocorrelation_period])
@pytest.mark.parametrize("shape", [(4,), (2, 3, 4, 5), (0, 4)])
def test_other_shapes_have_no_autocorrelation(function, shape):
    with pytest.raises(ValueError, match="expected shape"):
        function(np.ones(shape))


@pytest.mark.parametrize("function", [autocorrelation, autocorrelation_period])
@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_what_is_not_finite_has_no_autocorrelation(function, value):
    with pytest.raises(ValueError, match="contains (NaN|infinity)"):
        function(np.full((4, 4), value))


def nails(shape, periods, strength=4.0):
    pattern = np.zeros(shape)
    pattern[:: periods[0], :: periods[1]] = strength * np.sqrt(np.prod(periods))
    return pattern


@pytest.mark.parametrize("noise", [0, 1])
@pytest.mark.parametrize("shape", [(128, 128), (125, 110, 3)])
@pytest.mark.parametrize("periods", [(2, 2), (4, 4), (8, 8), (3, 5), (4, 2)])
def test_planted_periods_are_found(periods, shape, noise):
    F = nails(shape, periods) + noise * residuals(1, shape)[0]
    assert autocorrelation_period(autocorrelation(F)) == periods


def test_stripes_have_one_period():
    F = nails((64, 96), (1, 4)) + residuals(1, (64, 96))[0]
    assert autocorrelation_period(autocorrelation(F)) == (None, 4)
    assert autocorrelation_period(autocorrelation(F.T)) == (4, None)


@pytest.mark.parametrize("high_pass", [False, True])
def test_noise_has_no_period(high_pass):
    found = []
    for F in residuals(60, (64, 64)):
        F = F - (np.roll(F, 1, axis=0) + np.roll(F, 1, axis=1)) / 2 if high_pass else F
        found.append(autocorrelation_period(autocorrelation(F)))
    assert sum(each != (None, None) for each in found) <= 1


@pytest.mark.parametrize("centre", [False, True])
def test_neither_a_border_nor_a_constant_has_a_period(centre):
    F = residuals(1, (64, 64))[0] + 2
    F[:2] += 20 * residuals(1, (64,), seed=1)[0]
    F[:, -3:] += 9
    assert autocorrelation_period(autocorrelation(F, centre=centre)) == (None, None)
    flat = np.full((32, 32), 0.1)
    assert autocorrelation_period(autocorrelation(flat, centre=centre)) == (None, None)


def test_part_of_an_autocorrelation_is_refused():
    F = nails((64, 64), (4, 4)) + residuals(1, (64, 64))[0]
    with pytest.raises(ValueError, match="without max_lag"):
        autocorrelation_period(autocorrelation(F, max_lag=9))
