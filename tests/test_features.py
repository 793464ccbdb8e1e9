import re

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from references import lag_correlation, line_strength, local_division, window_power
from sklearn.decomposition import PCA

from sklearn_ganprint import ResidualTransformer
from sklearn_ganprint.features import (
    AutocorrelationTransformer,
    PartialCorrelationTransformer,
    SpectralLineTransformer,
    SpectrumTransformer,
    TiledTransformer,
)

FEATURES = [
    AutocorrelationTransformer(3),
    PartialCorrelationTransformer(),
    PartialCorrelationTransformer(3, scales=(2, 1), cross_channel=False, ridge=1e-3),
    SpectrumTransformer(8),
    SpectrumTransformer(8, profile="radial"),
    SpectrumTransformer(8, profile="azimuthal", normalize=False),
    SpectralLineTransformer(),
    SpectralLineTransformer(2, window=None, magnitude=False),
    TiledTransformer(AutocorrelationTransformer(3), tile_size=8),
]


@pytest.fixture
def noise():
    """Coloured noise of three channels that depend on each other."""

    def make(n=2, shape=(20, 16, 3), seed=0, dtype=np.float64):
        white = np.random.default_rng(seed).normal(size=(n, *shape))
        return (white + 0.5 * np.roll(white, (1, 2, 1), axis=(1, 2, 3))).astype(dtype)

    return make


@pytest.mark.parametrize("shape", [(9, 12, 3), (12, 9, 1), (4, 15, 3), (1, 9, 1)], ids=str)
def test_correlations_equal_the_slow_reference_and_names_say_which(noise, shape):
    residuals = noise(shape=shape)
    transformer = AutocorrelationTransformer(3, log_norm=False)
    actual = transformer.fit_transform(residuals)
    for column, name in enumerate(transformer.get_feature_names_out()):
        a, b, down, right = re.fullmatch(r"(\w)(\w)\[(-?\d+),(-?\d+)\]", name).groups()
        first, second = ("rgb".find(letter) % 3 if shape[2] == 3 else 0 for letter in (a, b))
        for n, residual in enumerate(residuals):
            expected = lag_correlation(
                residual[..., first], residual[..., second], int(down), int(right)
            )
            assert actual[n, column] == pytest.approx(expected, abs=1e-12)


def test_each_lag_is_there_once(noise):
    transformer = AutocorrelationTransformer().fit(noise(shape=(32, 32, 3)))
    names = transformer.get_feature_names_out().tolist()
    assert len(names) == len(set(names)) == 3 * 144 + 3 * 289 + 3
    # Of an autocorrelation one of d and -d, between channels both.
    assert ("rr[1,-2]" in names, "rr[-1,2]" in names) == (True, False)
    assert {"rg[1,-2]", "rg[-1,2]", "rg[0,0]"} < set(names)
    assert "rr[0,0]" not in names


@pytest.mark.parametrize(("cross_channel", "count"), [(True, 3 * 4 + 3 * 9), (False, 3 * 4)])
def test_channels_are_correlated_on_request(noise, cross_channel, count):
    transformer = AutocorrelationTransformer(1, cross_channel=cross_channel, log_norm=False)
    assert transformer.fit_transform(noise()).shape == (2, count)


@given(factor=st.floats(1e-2, 1e3), rows=st.integers(0, 19), columns=st.integers(0, 15))
def test_correlations_know_neither_strength_nor_place(factor, rows, columns):
    residuals = np.random.default_rng(0).normal(size=(1, 20, 16, 3))
    moved = factor * np.roll(residuals, (rows, columns), axis=(1, 2))
    expected = AutocorrelationTransformer(3).fit_transform(residuals)
    expected[:, -3:] += np.log(factor)
    np.testing.assert_allclose(AutocorrelationTransformer(3).fit_transform(moved), expected)


def test_log_norms_are_those_of_grey_levels(noise):
    residuals = noise()
    expected = np.log(np.sqrt((residuals**2).mean(axis=(1, 2))))
    actual = AutocorrelationTransformer().fit_transform(residuals)[:, -3:]
    np.testing.assert_allclose(actual, expected)


@pytest.mark.parametrize("shape", [(24, 17, 3), (8, 8, 1)], ids=str)
def test_spectra_equal_the_slow_reference_and_names_say_which(noise, shape):
    residuals = noise(shape=shape)
    transformer = SpectrumTransformer(8, normalize=False)
    actual = transformer.fit_transform(residuals)
    names = transformer.get_feature_names_out()
    assert len(names) == len(set(names)) == 34 * shape[2]
    for column, name in enumerate(names):
        letter, down, right = re.fullmatch(r"(\w)\[(-?\d+),(-?\d+)\]", name).groups()
        channel = residuals[..., max(0, "rgb".find(letter))]
        for n in range(2):
            expected = window_power(channel[n], 8, int(down), int(right))
            assert actual[n, column] == pytest.approx(np.log(expected), abs=1e-9)


def ring(down, right):
    return round(np.hypot(down, right))


def sector(down, right):
    """Of four, from the vertical frequency 0 on; none for the mean."""
    return None if down == right == 0 else round(np.arctan2(down, right) / (np.pi / 4)) % 4


@pytest.mark.parametrize(("profile", "bin_of"), [("radial", ring), ("azimuthal", sector)])
def test_profiles_are_means_over_rings_and_sectors(noise, profile, bin_of):
    residual = noise(n=1, shape=(24, 24, 1))
    bins = {}
    for down, right in np.ndindex(8, 8):  # all frequencies of the plane
        # f and -f have the same power: the one to the right stands for both.
        y, x = (down, right) if right <= 4 else (-down, 8 - right)
        key = bin_of((y + 4) % 8 - 4, x)
        bins.setdefault(key, []).append(window_power(residual[0, ..., 0], 8, down, right))
    bins.pop(None, None)
    expected = [np.log(np.mean(bins[key])) for key in sorted(bins)]
    actual = SpectrumTransformer(8, profile=profile, normalize=False).fit_transform(residual)
    np.testing.assert_allclose(actual[0], expected)


@pytest.mark.parametrize(
    ("direction", "label"), [((0, 1), "l[0deg]"), ((1, 0), "l[90deg]"), ((1, 1), "l[45deg]")]
)
def test_a_wave_shows_in_the_sector_of_its_direction(direction, label):
    rows, columns = np.indices((64, 64))
    wave = np.cos(2 * np.pi / 4 * (direction[0] * rows + direction[1] * columns))
    transformer = SpectrumTransformer(16, profile="azimuthal").fit(wave[np.newaxis])
    names = transformer.get_feature_names_out()
    assert names[transformer.transform(wave[np.newaxis])[0].argmax()] == label


def test_white_noise_has_its_variance_at_every_frequency():
    residuals = np.random.default_rng(0).normal(scale=3, size=(1, 512, 512))
    spectrum = np.exp(SpectrumTransformer(16, normalize=False).fit_transform(residuals))
    np.testing.assert_allclose(spectrum, 9, rtol=0.2)
    relative = np.exp(SpectrumTransformer(16).fit_transform(residuals))
    np.testing.assert_allclose(relative, 1, rtol=0.2)


def test_a_normalized_spectrum_knows_no_strength(noise):
    residuals = noise()
    transformer = SpectrumTransformer(8).fit(residuals)
    np.testing.assert_allclose(
        transformer.transform(7 * residuals), transformer.transform(residuals)
    )


@pytest.mark.parametrize("shape", [(26, 17, 3), (16, 24, 1)], ids=str)
@pytest.mark.parametrize("window", [3, None])
@pytest.mark.parametrize("period", [2, 4, 5])
def test_lines_equal_the_slow_reference_and_names_say_which(noise, shape, window, period):
    residuals = noise(shape=shape)
    transformer = SpectralLineTransformer(period, window=window)
    actual = transformer.fit_transform(residuals)
    names = transformer.get_feature_names_out()
    assert actual.shape == (2, len(names)) == (2, 2 * shape[2] * {2: 2, 4: 5, 5: 5}[period])
    pattern = r"(\|?)(\w)\|?\[(\d)/\d,(\d)/\d\]"
    for column, name in enumerate(names):
        magnitude, letter, *line = re.fullmatch(pattern, name).groups()
        for n in range(2):
            plane = residuals[n, ..., max(0, "rgb".find(letter))]
            plane = plane if window is None else local_division(plane, window)
            plane = np.abs(plane) if magnitude else plane
            expected = np.log(1 + line_strength(plane, period, sorted(map(int, line))))
            assert actual[n, column] == pytest.approx(expected, rel=1e-8)


@given(factor=st.floats(1e-2, 1e3), rows=st.integers(0, 19), turned=st.integers(0, 3))
def test_lines_know_neither_strength_nor_place_nor_direction(factor, rows, turned):
    residuals = np.random.default_rng(0).normal(size=(1, 24, 24, 3))
    transformer = SpectralLineTransformer(window=None)
    moved = factor * np.rot90(np.roll(residuals, rows, axis=1), turned, axes=(1, 2))
    np.testing.assert_allclose(
        transformer.fit_transform(moved), transformer.fit_transform(residuals), atol=1e-7
    )


def test_strengths_of_lines_are_averaged_over_the_parts_of_an_image(noise):
    residuals = noise(shape=(50, 34, 3))
    whole = SpectralLineTransformer(window=None)
    parts = [residuals[:, i : i + 25, j : j + 17] for i in (0, 25) for j in (0, 17)]
    expected = np.mean([np.expm1(whole.fit_transform(part)) for part in parts], axis=0)
    cut = SpectralLineTransformer(window=None, segment_size=20).fit_transform(residuals)
    np.testing.assert_allclose(np.expm1(cut), expected)


@pytest.mark.parametrize("signs", ["one sign", "both signs"])
def test_a_pattern_of_the_pixel_grid_shows_at_its_lines_only(signs):
    rng = np.random.default_rng(0)
    residual = rng.normal(size=(1, 128, 128))
    blocks = rng.choice([-1, 1], (32, 32)) if signs == "both signs" else np.ones((32, 32))
    residual[0] += 2 * np.kron(blocks, [[1, 0, 0, 0]] * 4)
    transformer = SpectralLineTransformer(window=None).fit(residual)
    names = transformer.get_feature_names_out()
    found = dict(zip(names, transformer.transform(residual)[0], strict=True))
    kind = "|l|" if signs == "both signs" else "l"
    own = {f"{kind}[0/4,1/4]", f"{kind}[0/4,2/4]"}
    assert {name for name in found if name.startswith(kind) and found[name] > 3} == own
    assert signs == "one sign" or max(found[f"l[0/4,{n}/4]"] for n in (1, 2)) < 3


def test_lines_of_noise_are_as_strong_as_what_is_around_them():
    residuals = np.random.default_rng(0).normal(size=(200, 80, 80))
    strengths = np.expm1(SpectralLineTransformer(magnitude=False).fit_transform(residuals))
    np.testing.assert_allclose(strengths.mean(axis=0), 1, atol=0.25)


def test_a_texture_hides_a_line_unless_residuals_are_divided_by_local_power():
    rng = np.random.default_rng(0)
    residual = rng.normal(size=(1, 128, 128))
    residual[:, ::2] += 0.3
    residual[:, :, 64:] *= 40
    residual[:, :, 64:] = rng.permutation(residual[0, :, 64:])
    divided, plain = (
        SpectralLineTransformer(2, window=window).fit_transform(residual)[0, 0]
        for window in (9, None)
    )
    assert divided > 3 > plain


def test_an_image_without_room_around_its_lines_has_none():
    residuals = np.random.default_rng(0).normal(size=(3, 1, 7))
    features = SpectralLineTransformer().fit_transform(residuals)
    np.testing.assert_allclose(features, np.log(2))


@pytest.mark.parametrize("transformer", FEATURES, ids=str)
def test_a_flat_residual_has_finite_features(transformer):
    assert np.isfinite(transformer.fit_transform(np.zeros((2, 16, 16, 3)))).all()


@pytest.mark.parametrize("transformer", FEATURES, ids=str)
def test_float32_stays_and_is_precise(noise, transformer):
    residuals = noise(shape=(24, 16, 3))
    single = transformer.fit_transform(residuals.astype(np.float32))
    double = transformer.fit_transform(residuals)
    assert (single.dtype, double.dtype) == (np.float32, np.float64)
    np.testing.assert_allclose(single, double, atol=1e-5)


@pytest.mark.parametrize("transformer", FEATURES, ids=str)
def test_rows_give_the_same_as_images_and_a_batch_as_single_images(noise, transformer):
    residuals = noise(n=5, shape=(24, 16, 3))
    expected = transformer.fit_transform(residuals)
    transformer = type(transformer)(**transformer.get_params(deep=False))
    transformer.set_params(image_shape=(24, 16, 3))
    rows = residuals.reshape(5, -1)
    np.testing.assert_allclose(transformer.fit_transform(rows), expected, atol=1e-12)
    singly = np.vstack([transformer.transform(rows[n : n + 1]) for n in range(5)])
    np.testing.assert_allclose(singly, expected, atol=1e-12)


@pytest.mark.parametrize("n_jobs", [2, -1])
@pytest.mark.parametrize(
    "kind",
    [
        AutocorrelationTransformer,
        PartialCorrelationTransformer,
        SpectralLineTransformer,
        SpectrumTransformer,
    ],
)
def test_threads_change_nothing(noise, kind, n_jobs):
    residuals = noise(n=12, shape=(128, 128, 3), dtype=np.float32)
    expected = kind().fit_transform(residuals)
    np.testing.assert_allclose(kind(n_jobs=n_jobs).fit_transform(residuals), expected, atol=1e-5)


@pytest.mark.parametrize("transformer", FEATURES, ids=str)
def test_residuals_are_taken_as_images_without_fit(make_images, transformer):
    residuals = ResidualTransformer("gaussian", channels="rgb", flatten=False).transform(
        make_images(n_per_class=1)[0]
    )
    expected = transformer.fit_transform(residuals)
    fresh = type(transformer)(**transformer.get_params(deep=False))
    np.testing.assert_array_equal(fresh.transform(residuals), expected)
    with pytest.raises(ValueError, match="expecting images of shape"):
        transformer.transform(residuals[:, :-1])


def test_the_whole_comes_first_then_tiles_line_by_line(noise):
    residuals = noise(shape=(21, 19, 3))
    inner = AutocorrelationTransformer(2)
    transformer = TiledTransformer(inner, tile_size=(8, 10), flatten=False)
    parts = transformer.fit_transform(residuals)
    corners = [(8, 0, 0), (8, 0, 8), (8, 8, 0), (8, 8, 8), (10, 0, 0), (10, 10, 0)]
    np.testing.assert_allclose(parts[:, 0], inner.fit_transform(residuals))
    assert parts.shape[1] == transformer.n_parts_ == 1 + len(corners)
    for part, (side, i, j) in zip(np.moveaxis(parts, 1, 0)[1:], corners, strict=True):
        tile = residuals[:, i : i + side, j : j + side]
        np.testing.assert_allclose(part, inner.fit_transform(tile), atol=1e-12)


def test_rows_of_parts_are_named(noise):
    residuals = noise(shape=(16, 8, 3))
    transformer = TiledTransformer(AutocorrelationTransformer(1), tile_size=8)
    frame = transformer.set_output(transform="pandas").fit_transform(residuals)
    assert frame.shape == (2, 3 * 42)
    assert list(frame.columns[[0, 42, -1]]) == [
        "whole_rr[0,1]",
        "tile8[0,0]_rr[0,1]",
        "tile8[1,0]_log_norm[b]",
    ]


def test_images_of_less_than_two_tiles_stay_whole(noise):
    transformer = TiledTransformer(AutocorrelationTransformer(1), tile_size=16)
    assert transformer.fit_transform(noise(shape=(31, 16, 3))).shape == (2, 42)


@pytest.mark.parametrize(
    ("transformer", "words"),
    [
        (
            TiledTransformer(AutocorrelationTransformer(8), 8),
            "tile_size: .* those of 8 pixels give",
        ),
        (TiledTransformer(AutocorrelationTransformer(), 0), "tile_size: expected at least 1"),
        (TiledTransformer(PCA(), 8), "transformer: expected one that learns nothing"),
        (SpectrumTransformer(profile="round"), "profile"),
        (AutocorrelationTransformer(-1), "max_lag"),
        (SpectralLineTransformer(1), "period"),
    ],
    ids=["small tile", "no tile", "learns", "profile", "lag", "period"],
)
def test_what_cannot_be_is_refused(noise, transformer, words):
    with pytest.raises(ValueError, match=words):
        transformer.fit(noise(shape=(32, 32, 3)))


@pytest.mark.parametrize(
    ("rows", "columns", "most", "n_tiles"),
    [(4, 4, 64, 16), (8, 8, 16, 16), (31, 47, 64, 54), (1, 100, 10, 10), (100, 1, 1, 1)],
)
def test_tiles_at_even_distances_are_taken_of_many(rows, columns, most, n_tiles):
    tiled = TiledTransformer(AutocorrelationTransformer(0), 1, max_tiles=most)
    tiled.fit(np.ones((1, rows, columns, 1)))
    names = [name for name in tiled.get_feature_names_out() if name.startswith("tile1[")]
    corners = {tuple(map(int, re.findall(r"\d+", name)[1:3])) for name in names}
    assert len(corners) == tiled.n_parts_ - 1 == n_tiles <= most
    down, right = (np.unique(axis) for axis in zip(*corners, strict=True))
    assert len(down) * len(right) == n_tiles
    for chosen, length in ((down, rows), (right, columns)):
        assert chosen.min() >= 0
        assert chosen.max() < length
        gaps = np.diff([-1 - chosen[0], *chosen, 2 * length - 1 - chosen[-1]])
        assert gaps.max() - gaps.min() <= 2


def test_the_tiles_taken_are_those_that_their_names_say():
    residuals = np.random.default_rng(0).normal(size=(2, 40, 60, 1))
    tiled = TiledTransformer(AutocorrelationTransformer(1), tile_size=10, max_tiles=6)
    features = tiled.fit_transform(residuals)
    names = [name.split("_", 1)[0] for name in tiled.get_feature_names_out()]
    parts = list(dict.fromkeys(names))
    assert len(parts) == 7
    for part in parts[1:]:
        i, j = (10 * int(index) for index in part.removeprefix("tile10[").rstrip("]").split(","))
        own = features[:, [name == part for name in names]]
        cut = residuals[:, i : i + 10, j : j + 10]
        expected = AutocorrelationTransformer(1).fit_transform(cut)
        np.testing.assert_allclose(own, expected)
