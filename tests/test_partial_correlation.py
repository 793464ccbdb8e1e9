"""Prediction of pixels from their surroundings, against least squares over all pixels."""

import re

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from references import pixel_prediction
from sklearn.pipeline import make_pipeline

from sklearn_ganprint import PooledDiscriminantAnalysis, load_model, save_model
from sklearn_ganprint.features import PartialCorrelationTransformer, TiledTransformer

LETTERS = {"l": 0, "r": 0, "g": 1, "b": 2}


def coloured(n=1, shape=(20, 16, 3), seed=0):
    """Noise whose pixels and channels depend on each other."""
    white = np.random.default_rng(seed).normal(size=(n, *shape))
    return white + 0.5 * np.roll(white, (1, 2, 1)[: len(shape)], axis=(1, 2, 3)[: len(shape)])


def by_name(residual, *args, **params):
    """Features of one residual, by name."""
    transformer = PartialCorrelationTransformer(*args, **params)
    features = transformer.fit_transform(residual[np.newaxis])[0]
    names = transformer.get_feature_names_out().tolist()
    assert len(names) == len(set(names)) == len(features)
    return dict(zip(names, features, strict=True))


def parsed(name):
    """Take the channel that is predicted, and the pixel that a weight belongs to, from a name."""
    target, other, down, right = re.fullmatch(r"(\w)(\w)\[(-?\d+),(-?\d+)\]", name).groups()
    return LETTERS[target], (LETTERS[other], int(down), int(right))


def check_against_least_squares(found, residual, size, ridge, step=1):
    planes = np.moveaxis(residual, -1, 0)
    solved = [
        pixel_prediction(planes, channel, size, ridge, step) for channel in range(len(planes))
    ]
    for name, value in found.items():
        if name.startswith("log_error"):
            expected = np.log(solved[LETTERS[name[-2]]][1]) / 2
        else:
            channel, place = parsed(name)
            expected = solved[channel][0][place]
        assert value == pytest.approx(expected, abs=1e-9), name


@pytest.mark.parametrize("ridge", [1e-3, 0.1, 2])
@pytest.mark.parametrize("size", [1, 3, 5])
@pytest.mark.parametrize("shape", [(20, 16, 3), (9, 12, 1), (1, 9, 1)], ids=str)
def test_weights_and_errors_are_those_of_least_squares_over_pixels(shape, size, ridge):
    residual = coloured(shape=shape)[0]
    found = by_name(residual, size, ridge=ridge)
    area, channels = size**2, shape[2]
    n_weights = channels * (channels * area - 1) if channels > 1 else (area - 1) // 2
    assert len(found) == n_weights + channels
    check_against_least_squares(found, residual, size, ridge)


def test_scales_predict_means_of_blocks():
    residual = coloured(shape=(24, 16, 3))[0]
    found = by_name(residual, 3, scales=(1, 2, 4))
    assert len(found) == 3 * 81
    for scale in (1, 2, 4):
        prefix = "" if scale == 1 else f"scale{scale}_"
        own = {
            name.removeprefix(prefix): value
            for name, value in found.items()
            if name.startswith(prefix) and ("_" in prefix or not name.startswith("scale"))
        }
        assert len(own) == 81
        blocks = [np.roll(residual, (-i, -j), axis=(0, 1)) for i, j in np.ndindex(scale, scale)]
        check_against_least_squares(own, np.mean(blocks, axis=0), 3, 0.1, step=scale)


def test_channels_by_themselves_are_as_images_of_one_channel():
    residual = coloured()[0]
    alone = by_name(residual, cross_channel=False)
    singles = {}
    for channel, letter in enumerate("rgb"):
        for name, value in by_name(residual[..., channel]).items():
            own = name.replace("ll[", f"{letter}{letter}[").replace("[l]", f"[{letter}]")
            singles[own] = value
    assert len(singles) == 3 * 13
    assert alone == pytest.approx(singles)


def test_partial_correlations_are_what_the_weights_of_two_pixels_have_in_common():
    # Of two channels of one pixel, where both weights of a pair are among the features.
    residual = coloured()[0] @ [[1, 0.5, 0.2], [0, 1, 0.5], [0, 0, 1]]
    found = by_name(residual, 1, ridge=1e-9)
    red, green, blue = residual.reshape(-1, 3).T
    left = [values - blue * (values @ blue) / (blue @ blue) for values in (red, green)]
    expected = left[0] @ left[1] / np.sqrt((left[0] @ left[0]) * (left[1] @ left[1]))
    assert np.sqrt(found["rg[0,0]"] * found["gr[0,0]"]) == pytest.approx(abs(expected))


@given(factor=st.floats(1e-2, 1e3), rows=st.integers(0, 19), columns=st.integers(0, 15))
def test_weights_know_neither_strength_nor_place(factor, rows, columns):
    residual = coloured()[0]
    moved = by_name(factor * np.roll(residual, (rows, columns), axis=(0, 1)), scales=(1, 2))
    for name, value in by_name(residual, scales=(1, 2)).items():
        shift = np.log(factor) if "log_error" in name else 0
        assert moved[name] == pytest.approx(value + shift, abs=1e-9)


@pytest.mark.parametrize(
    ("change", "moved"),
    [
        (lambda residual: residual.swapaxes(0, 1), lambda down, right: (right, down)),
        (lambda residual: residual[::-1], lambda down, right: (-down, right)),
        (lambda residual: residual[:, ::-1], lambda down, right: (down, -right)),
    ],
    ids=["transposed", "upside down", "mirrored"],
)
def test_weights_move_with_the_image(change, moved):
    residual = coloured()[0]
    changed = by_name(change(residual))
    for name, value in by_name(residual).items():
        if not name.startswith("log_error"):
            _, (_, down, right) = parsed(name)
            name = "{}[{},{}]".format(name[:2], *moved(down, right))  # noqa: PLW2901
        assert changed[name] == pytest.approx(value, abs=1e-9)


def test_weights_move_with_the_channels():
    residual = coloured()[0]
    backwards = by_name(residual[..., ::-1])
    swap = str.maketrans("rb", "br")
    for name, value in by_name(residual).items():
        letters, place = name.split("[") if "_" not in name else ("", name)
        own = (
            f"{letters.translate(swap)}[{place}"
            if letters
            else f"{name[:-2]}{name[-2:].translate(swap)}"
        )
        assert backwards[own] == pytest.approx(value, abs=1e-9)


def test_each_image_has_its_own():
    residuals = coloured(n=5)
    order = [3, 0, 4, 2, 1]
    transformer = PartialCorrelationTransformer()
    np.testing.assert_allclose(
        transformer.fit_transform(residuals[order]), transformer.fit_transform(residuals)[order]
    )


def test_noise_has_no_weights_and_a_chain_has_those_of_its_neighbours():
    noise = np.random.default_rng(0).normal(scale=3, size=(512, 512))
    white = by_name(noise, ridge=1e-6)
    assert white.pop("log_error[l]") == pytest.approx(np.log(3), abs=0.01)
    assert max(map(abs, white.values())) < 0.02
    # A pixel is half the one above it and noise, so that its neighbours have 0.5 / (1 + 0.5^2).
    chain = noise.copy()
    for row in range(1, 512):
        chain[row] += chain[row - 1] / 2
    found = by_name(chain, ridge=1e-6)
    assert found.pop("log_error[l]") == pytest.approx(np.log(3 / np.sqrt(1.25)), abs=0.01)
    assert found.pop("ll[1,0]") == pytest.approx(0.4, abs=0.02)
    # Correlations reach further: 0.25 at two rows. Given those between, nothing is left of it.
    assert max(map(abs, found.values())) < 0.02


@pytest.mark.parametrize("shape", [(5, 5), (7, 300), (64, 48), (256, 256)], ids=str)
def test_images_of_any_size_have_the_same_features(shape):
    transformer = PartialCorrelationTransformer().fit(coloured(shape=(*shape, 3)))
    names = PartialCorrelationTransformer().fit(coloured()).get_feature_names_out()
    assert transformer.get_feature_names_out().tolist() == names.tolist()
    assert transformer.transform(coloured(shape=(*shape, 3))).shape == (1, 225)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("size", [1, 5])
def test_residuals_without_contents_have_no_weights(size, dtype):
    found = by_name(np.zeros((20, 20, 3), dtype), size, scales=(1, 2))
    errors = [value for name, value in found.items() if "log_error" in name]
    np.testing.assert_allclose(errors, np.log(1e-3), rtol=1e-6)
    assert sum(map(abs, found.values())) == pytest.approx(-sum(errors))


@pytest.mark.parametrize(
    "residual",
    [
        np.full((16, 16, 3), 5.0),
        np.repeat(coloured(shape=(16, 16, 1))[0], 3, axis=-1),
        coloured(shape=(16, 16, 3))[0] * [1, 0, 0],
        np.indices((16, 16)).sum(axis=0) % 2 - 0.5,
        1e-9 * coloured(shape=(16, 16, 3))[0],
        1e9 * coloured(shape=(16, 16, 3))[0],
    ],
    ids=["flat", "grey", "red", "chequered", "faint", "strong"],
)
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("ridge", [0.1, 1e-4])
def test_degenerate_residuals_have_finite_features(residual, dtype, ridge):
    features = by_name(residual.astype(dtype), scales=(1, 2), ridge=ridge)
    assert np.isfinite(list(features.values())).all()
    assert max(abs(v) for name, v in features.items() if "log_error" not in name) < 10


@pytest.mark.parametrize("ridge", [0.1, 1e-3])
def test_single_precision_is_enough_where_little_is_left_of_what_can_be_predicted(ridge):
    # Means of 3 x 3 pixels: hardly any power at high frequencies.
    residual = coloured(shape=(66, 66, 3))[0]
    blocks = [np.roll(residual, (i, j), axis=(0, 1)) for i, j in np.ndindex(3, 3)]
    smooth = np.mean(blocks, axis=0)
    double, single = (by_name(smooth.astype(dtype), ridge=ridge) for dtype in "df")
    assert single == pytest.approx(double, abs=2e-5)


@pytest.mark.parametrize(
    ("params", "shape", "words"),
    [
        ({}, (4, 30, 3), r"4 x 30 pixels are too small for size=5 and scales=\[1\], .* 5 x 5"),
        ({}, (30, 4), r"30 x 4 pixels are too small"),
        ({"scales": (1, 2)}, (9, 30), r"scales=\[1, 2\], which take 10 x 10"),
        ({"size": 4}, (16, 16), "size must be odd, got 4"),
        ({"size": -1}, (16, 16), "'size' parameter"),
        ({"scales": ()}, (16, 16), "scales must be"),
        ({"scales": (1, 0)}, (16, 16), r"integers from 1, got \[1, 0\]"),
        ({"scales": (1.5,)}, (16, 16), "scales must be"),
        ({"scales": "half"}, (16, 16), "'scales' parameter"),
        ({"scales": 2}, (16, 16), "'scales' parameter"),
        ({"ridge": 0}, (16, 16), "'ridge' parameter"),
    ],
    ids=str,
)
def test_what_cannot_be_is_refused(params, shape, words):
    with pytest.raises(ValueError, match=words):
        PartialCorrelationTransformer(**params).fit(coloured(shape=shape))


def test_small_images_are_refused_without_fit_too():
    with pytest.raises(ValueError, match="too small"):
        PartialCorrelationTransformer().transform(coloured(shape=(4, 4)))


def test_tiles_have_as_many_features_as_the_whole():
    tiled = TiledTransformer(PartialCorrelationTransformer(3), tile_size=8, flatten=False)
    assert tiled.fit_transform(coloured(n=2, shape=(16, 24, 3))).shape == (2, 7, 81)


def test_a_saved_model_answers_alike(tmp_path):
    residuals, y = np.concatenate([coloured(6), np.flip(coloured(6, seed=1), 1)]), [0, 1] * 6
    model = make_pipeline(
        PartialCorrelationTransformer(scales=(1, 2)), PooledDiscriminantAnalysis()
    )
    save_model(model.fit(residuals, y), tmp_path / "model")
    restored = load_model(tmp_path / "model")
    np.testing.assert_array_equal(
        restored.decision_function(residuals), model.decision_function(residuals)
    )
