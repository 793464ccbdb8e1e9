"""Peak-to-correlation energy, in place and searched."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sklearn_ganprint.correlation import locate_peaks, peak_to_correlation_energy


def reference(residual, fingerprint, shift=(0, 0), half=5):
    """Signed energy of one pair (H, W, C), every shift by itself, in float64."""
    height, width = fingerprint.shape[:2]
    padded = np.zeros(fingerprint.shape)
    padded[: residual.shape[0], : residual.shape[1]] = residual - residual.mean((0, 1))
    centred = fingerprint - fingerprint.mean((0, 1))
    cross = np.array(
        [
            [(np.roll(padded, (row, column), (0, 1)) * centred).sum() for column in range(width)]
            for row in range(height)
        ]
    )
    noise = cross.copy()
    for row in range(-half, half + 1):
        for column in range(-half, half + 1):
            noise[(shift[0] + row) % height, (shift[1] + column) % width] = np.nan
    return np.sign(cross[shift]) * cross[shift] ** 2 / np.nanmean(noise**2)


@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("shape", [(32, 40), (33, 29)])
def test_in_place_as_defined(shape, channels):
    rng = np.random.default_rng(0)
    fingerprints = rng.normal(3, 1, size=(2, *shape, channels))
    residuals = 0.1 * fingerprints[[1]] + rng.normal(size=(3, *shape, channels))
    expected = [[reference(r, f) for f in fingerprints] for r in residuals]
    np.testing.assert_allclose(
        peak_to_correlation_energy(residuals, fingerprints), expected, rtol=1e-9
    )
    single = peak_to_correlation_energy(residuals.astype(np.float32), fingerprints)
    np.testing.assert_allclose(single, expected, rtol=1e-3, atol=1e-3)


def test_a_crop_is_found_at_its_offset_with_the_energy_as_defined():
    rng = np.random.default_rng(1)
    fingerprint = rng.normal(size=(1, 40, 36, 1))
    crop = fingerprint[:, 7:27, 13:35] + rng.normal(size=(1, 20, 22, 1))
    peaks = locate_peaks(crop, fingerprint)
    assert peaks.offset.tolist() == [[[7, 13]]]
    np.testing.assert_allclose(
        peaks.pce[0, 0], reference(crop[0], fingerprint[0], (7, 13)), rtol=1e-9
    )


def test_a_crop_is_sought_where_it_fits_only():
    rng = np.random.default_rng(2)
    fingerprint = rng.normal(size=(1, 24, 24))
    wrapped = np.roll(fingerprint, (10, 10), (1, 2))[:, :20, :20]  # lies across the border
    row, column = locate_peaks(wrapped, fingerprint).offset[0, 0]
    assert row <= 4
    assert column <= 4


@given(st.integers(0, 30), st.integers(0, 26))
def test_a_shift_of_equal_size_is_found_anywhere(row, column):
    pattern = np.random.default_rng(3).normal(size=(1, 31, 27))
    shifted = np.roll(pattern, (-row, -column), (1, 2))
    peaks = locate_peaks(shifted, pattern)
    assert peaks.offset[0, 0].tolist() == [row, column]
    in_place = peak_to_correlation_energy(pattern, pattern)
    np.testing.assert_allclose(peaks.pce, in_place)


@given(st.floats(1e-6, 1e6), st.floats(-100, 100))
def test_scale_and_mean_do_not_matter_and_the_sign_does(scale, mean):
    rng = np.random.default_rng(4)
    residuals, fingerprints = rng.normal(size=(2, 1, 32, 32))
    expected = peak_to_correlation_energy(residuals, fingerprints)
    other = peak_to_correlation_energy(scale * (residuals + mean), fingerprints)
    np.testing.assert_allclose(other, expected, rtol=1e-6, atol=1e-9)
    np.testing.assert_allclose(peak_to_correlation_energy(-residuals, fingerprints), -expected)


def test_without_anything_in_common_it_is_the_square_of_a_normal_variable():
    rng = np.random.default_rng(5)
    residuals, fingerprints = rng.normal(size=(2, 40, 48, 48))
    energy = peak_to_correlation_energy(residuals, fingerprints).ravel()
    z = np.sign(energy) * np.sqrt(np.abs(energy))
    assert abs(z.std() - 1) < 0.05
    assert abs(z.mean()) < 0.1


@pytest.mark.parametrize("shape", [(1, 1), (1, 2), (3, 1), (12, 12)])
def test_small_and_constant_images(shape):
    rng = np.random.default_rng(6)
    pattern = rng.normal(size=(1, *shape))
    constant = np.full((1, *shape), 0.1, dtype=np.float32)
    assert peak_to_correlation_energy(constant, pattern)[0, 0] == 0
    assert peak_to_correlation_energy(pattern, constant)[0, 0] == 0
    energy = peak_to_correlation_energy(pattern, pattern)[0, 0]
    assert np.isfinite(energy)
    assert (energy > 0) == (shape != (1, 1))


@pytest.mark.parametrize(
    ("residual", "fingerprint", "params", "message"),
    [
        ((1, 8, 8), (1, 9, 8), {}, "search=True finds where smaller ones lie"),
        ((1, 9, 8), (1, 8, 8), {"search": True}, "no larger than the fingerprints"),
        ((1, 8, 8, 3), (1, 8, 8), {}, "as many channels, got 3 and 1"),
        ((8, 8), (1, 8, 8), {}, "got \\(8, 8\\)"),
        ((1, 8, 8), (1, 8, 8), {"neighbourhood": 4}, "an odd number of pixels, got 4"),
    ],
)
def test_what_does_not_go_together_is_refused(residual, fingerprint, params, message):
    with pytest.raises(ValueError, match=message):
        peak_to_correlation_energy(np.ones(residual), np.ones(fingerprint), **params)


def test_arguments_stay_as_they_are():
    rng = np.random.default_rng(7)
    residuals, fingerprints = rng.normal(size=(2, 1, 16, 16)).astype(np.float32)
    copies = residuals.copy(), fingerprints.copy()
    residuals.flags.writeable = fingerprints.flags.writeable = False
    peak_to_correlation_energy(residuals, fingerprints, search=True)
    np.testing.assert_array_equal(residuals, copies[0])
    np.testing.assert_array_equal(fingerprints, copies[1])
