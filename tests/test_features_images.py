"""Texture and block statistics of images of any size, against slow references, and joined."""

import re
from collections import Counter
from itertools import product

import numpy as np
import pytest
from scipy import fft, ndimage
from sklearn.pipeline import FeatureUnion, make_pipeline
from sklearn.preprocessing import StandardScaler

from sklearn_ganprint import (
    BlockTransformer,
    CorrelationTransformer,
    FileBatchEstimator,
    FusionClassifier,
    OpenSetClassifier,
    PooledDiscriminantAnalysis,
    ResidualTransformer,
    TextureTransformer,
    load_model,
    save_model,
)
from sklearn_ganprint.datasets import load_samples

LOWEST = float(np.finfo(np.float32).min)
BOTH = pytest.mark.parametrize("transformer", [TextureTransformer(), BlockTransformer()])
CLOCKWISE = [(-1, -1), (-1, 0), (-1, 1), (0, 1), (1, 1), (1, 0), (1, -1), (0, -1)]
YCBCR = [
    [0.299, 0.587, 0.114],
    [-0.299 / 1.772, -0.587 / 1.772, 0.5],
    [0.5, -0.587 / 1.402, -0.114 / 1.402],
]


def by_name(transformer, images):
    """Rows of features by name."""
    rows = transformer.fit_transform(images)
    names = transformer.get_feature_names_out().tolist()
    assert len(set(names)) == len(names) == rows.shape[1]
    return dict(zip(names, rows.T, strict=True))


def limited(value, greatest):
    return max(-greatest, min(greatest, round(float(value))))  # halves to even numbers


def counted(prefix, found, n_values, greatest):
    """Shares of tuples by name, of all that there may be."""
    found = Counter(found)
    return {
        f"{prefix}[{','.join(map(str, values))}]": found[values] / found.total()
        for values in product(range(-greatest, greatest + 1), repeat=n_values)
    }


def patterns(name, plane):
    """Shares of local binary patterns by name."""
    codes = Counter(
        sum(
            2**bit
            for bit, (down, right) in enumerate(CLOCKWISE)
            if plane[row + down, column + right] > plane[row, column]
        )
        for row in range(1, plane.shape[0] - 1)
        for column in range(1, plane.shape[1] - 1)
    )
    return {f"{name}[{code}]": codes[code] / codes.total() for code in range(256)}


def in_lines(plane, n_values):
    """Yield all that follows each other in the rows of a plane."""
    for line in plane:
        yield from zip(*(line[start:] for start in range(n_values)), strict=False)


def texture(image, step=2, n_scales=2):
    """Shares of one image by name; the luminance is counted in thousandths, which are whole."""
    weights = [299, 587, 114] if image.shape[-1] == 3 else [1000]
    exact = image.astype(int) @ weights
    shares, plane = {}, exact
    for scale in range(n_scales):
        if scale:
            height, width = (side // 2 for side in plane.shape)
            blocks = plane[: 2 * height, : 2 * width].reshape(height, 2, width, 2)
            plane = blocks.sum(axis=(1, 3)) / 4
        for direction, lines in (("right", plane), ("down", plane.T)):
            differences = [
                [limited((b - a) / (1000 * step), 2) for a, b in in_lines([line], 2)]
                for line in lines
            ]
            name = f"difference{scale}_{direction}"
            shares |= counted(name, in_lines(differences, 3), 3, 2)
        shares |= patterns(f"pattern{scale}", plane)
    grey = exact / 1000
    residual = grey - ndimage.gaussian_filter(grey, 0.7)
    residual /= np.sqrt(np.mean(residual**2)) + 0.1
    for direction, lines in (("right", residual), ("down", residual.T)):
        steps = [[limited(value, 1) for value in line] for line in lines]
        shares |= counted(f"residual_{direction}", in_lines(steps, 4), 4, 1)
    return shares


def spectrum(blocks):
    """Logarithms of the magnitudes of a spectrum of the mean of blocks, by frequency."""
    magnitudes = np.abs(np.fft.fft2(blocks.mean(axis=0))) * np.sqrt(len(blocks)) / 8
    found = {}
    for u, v in product(range(8), range(5)):
        # What is left out is the conjugate of another one, or the mean.
        if (u, v) != (0, 0) and not (v in (0, 4) and u > 4):
            found[u, v] = np.log(magnitudes[u, v] + 0.3)
    return found


def blocks_of(plane):
    """Cut a plane into blocks of 8 x 8 from the top left."""
    height, width = plane.shape
    tops, lefts = range(0, height - 7, 8), range(0, width - 7, 8)
    return np.array([plane[y : y + 8, x : x + 8] for y in tops for x in lefts])


def block_statistics(image):
    """Features of one image by name, in the order of planes."""
    image = image.astype(float)
    colours = image.shape[-1] == 3
    planes = np.moveaxis(image @ np.transpose(YCBCR) if colours else image, -1, 0)
    found = {}
    for name, plane in zip(["y", "cb", "cr"] if colours else ["l"], planes, strict=True):
        residual = plane - ndimage.gaussian_filter(plane, 0.7)
        residual /= np.sqrt(np.mean(residual**2) + 1e-6)
        found[f"log_kurtosis[{name}]"] = np.log(np.mean(residual**4) + 1e-6)
        found[f"log_mean_abs[{name}]"] = np.log(np.mean(np.abs(residual)) + 1e-6)
        d = np.abs([fft.dctn(block, norm="ortho") for block in blocks_of(plane - 128)])
        mean, square = d.mean(axis=0), (d**2).mean(axis=0)
        for (u, v), value in spectrum(blocks_of(residual)).items():
            found[f"residual_{name}[{u},{v}]"] = value
        for (u, v), value in spectrum(blocks_of(np.abs(residual))).items():
            found[f"abs_residual_{name}[{u},{v}]"] = value
        for u, v in product(range(8), repeat=2):
            place = f"{name}[{u},{v}]"
            found[f"dct_mean_{place}"] = np.log(mean[u, v] + 0.05)
            shape = square[u, v] / (mean[u, v] ** 2 + 1e-3)
            found[f"dct_shape_{place}"] = np.log(shape + 0.1)
            # Single precision decides near the border: the least and the greatest share.
            found[f"dct_zeros_{place}"] = [(d[:, u, v] < 0.4995 + e).mean() for e in (-1e-4, 1e-4)]
    return found


def smooth(images):
    """Images with differences of few grey levels, half of which are ties of rounding."""
    return (images // 16 + 100).astype(np.uint8)


def check_texture(transformer, images, **params):
    found = by_name(transformer, images)
    expected = [texture(image, **params) for image in images]
    assert list(found) == list(expected[0])
    for name, values in found.items():
        shares = [own[name] for own in expected]
        # Single precision decides where residuals are as good as at a border: of one at the most.
        tolerance = 4.5 / images[0, ..., 0].size if "residual" in name else 1e-6
        np.testing.assert_allclose(values**2, shares, atol=tolerance, err_msg=name)


@pytest.mark.parametrize("n_channels", [1, 3])
@pytest.mark.parametrize("shape", [(32, 32), (37, 26), (9, 11)], ids=str)
@pytest.mark.parametrize("change", [np.asarray, smooth])
def test_shares_of_texture_are_those_counted_one_by_one(make_images, shape, n_channels, change):
    images, _ = make_images(n_per_class=1, shape=(*shape, n_channels))
    check_texture(TextureTransformer(), change(images))


def test_steps_and_scales_of_texture_can_be_chosen(make_images):
    images, _ = make_images(n_per_class=1, shape=(36, 33, 3))
    check_texture(TextureTransformer(3.0, n_scales=3), images, step=3, n_scales=3)
    check_texture(TextureTransformer(0.5, n_scales=1), images, step=0.5, n_scales=1)


def check_blocks(images, tolerance):
    found = by_name(BlockTransformer(), images)
    expected = [block_statistics(image) for image in images]
    assert sorted(found) == sorted(expected[0])
    for name, values in found.items():
        wanted = np.array([own[name] for own in expected])
        if "dct_zeros" in name:
            wanted = np.clip(values, *wanted.T)
        np.testing.assert_allclose(values, wanted, atol=tolerance, err_msg=name)


@pytest.mark.parametrize(("n_channels", "n_features"), [(1, 260), (3, 780)])
@pytest.mark.parametrize("shape", [(32, 32), (37, 26), (24, 15)], ids=str)
@pytest.mark.parametrize("change", [np.asarray, smooth])
def test_block_statistics_are_those_of_the_blocks_one_by_one(
    make_images, shape, n_channels, n_features, change
):
    images = change(make_images(n_per_class=1, shape=(*shape, n_channels))[0])
    # Single precision, of which logarithms of small coefficients make twenty times as much.
    check_blocks(images, 5e-4)
    assert BlockTransformer().fit_transform(images).shape == (len(images), n_features)


def test_photographs_and_generated_images_are_described_alike():
    images = load_samples().data[::80]
    check_texture(TextureTransformer(), images)
    check_blocks(images, 5e-4)


@BOTH
@pytest.mark.parametrize(
    ("dtype", "scale"),
    [(np.uint8, 1), (np.uint16, 257), (np.float32, 1.0), (np.float32, 1 / 255), (np.float64, 1.0)],
    ids=str,
)
def test_white_may_be_any_value(make_images, transformer, dtype, scale):
    images = smooth(make_images(n_per_class=1)[0])
    expected = transformer.set_params(data_range=255.0).fit_transform(images)
    scaled = (images.astype(float) * scale).astype(dtype)
    rows = transformer.set_params(data_range=255 * scale).fit_transform(scaled)
    assert rows.dtype == (np.float64 if dtype == np.float64 else np.float32)
    np.testing.assert_allclose(rows, expected, atol=1e-3)
    if dtype in (np.uint8, float):
        np.testing.assert_array_equal(rows, expected)


def make_union(**params):
    correlations = CorrelationTransformer(("gaussian",), max_lag=1, colour_lag=None, window=3)
    parts = [("correlations", correlations), ("texture", TextureTransformer(n_scales=1))]
    return FeatureUnion([*parts, ("blocks", BlockTransformer())], **params)


@BOTH
def test_images_of_another_size_are_taken_after_the_fit(make_images, transformer):
    fitted, _ = make_images(n_per_class=2)
    others, _ = make_images(n_per_class=1, shape=(20, 27, 3))
    transformer.set_params(data_range=255.0).fit(others)
    expected = transformer.transform(others)
    mixed = transformer.fit(fitted).transform([fitted[0], *others])
    np.testing.assert_array_equal(mixed, [transformer.transform(fitted[:1])[0], *expected])
    assert not transformer.lacks_residual(others).any()
    with pytest.raises(ValueError, match=r"shape \(20, 27, 1\).*is expecting"):
        transformer.transform(others[..., 0])


@BOTH
def test_rows_with_a_shape_are_images_and_threads_change_nothing(make_images, transformer):
    images, _ = make_images(n_per_class=4, shape=(128, 160, 3))
    expected = transformer.fit_transform(images)
    rows = images.reshape(len(images), -1)
    shaped = type(transformer)(image_shape=(128, 160, 3), n_jobs=2).fit(rows)
    np.testing.assert_array_equal(shaped.transform(rows), expected)
    for number in (0, 7):
        alone = transformer.transform(images[number : number + 1])
        np.testing.assert_array_equal(alone[0], expected[number])


@BOTH
@pytest.mark.parametrize("value", [0, 100, 255])
@pytest.mark.parametrize("n_channels", [1, 3])
def test_flat_images_have_constant_features(transformer, value, n_channels):
    image = np.full((1, 24, 16, n_channels), value, np.uint8)
    found = by_name(transformer, image)
    assert transformer.lacks_residual(image).all()
    if isinstance(transformer, TextureTransformer):
        ones = {name for name, (share,) in found.items() if share}
        assert {name for name in ones if re.search(r"\[0(,0)*\]", name)} == ones
        assert {found[name][0] for name in ones} == {1} and len(ones) == 8
        return
    expected = {"log": 1e-6, "residual": 0.3, "abs": 0.3, "mean": 0.05, "shape": 0.1, "zeros": np.e}
    for name, values in found.items():
        if not name.endswith("[0,0]"):  # which is the mean of the image
            kind = name.removeprefix("dct_").split("_")[0]
            np.testing.assert_allclose(values, np.log(expected[kind]), atol=0.01, err_msg=name)


@pytest.mark.parametrize("dtype", [np.uint8, np.float32])
def test_grey_images_in_colour_have_no_colour_differences(make_images, dtype):
    grey, _ = make_images(n_per_class=1, shape=(64, 64, 1))
    colours = np.repeat(grey, 3, axis=-1).astype(dtype)
    found = by_name(BlockTransformer(), colours)
    for name, values in by_name(BlockTransformer(), grey).items():
        expected = found[name.replace("l[", "y[") if "log" not in name else name[:-2] + "y]"]
        np.testing.assert_allclose(values, expected, atol=1e-4, err_msg=name)
    for name in ("cb", "cr"):
        np.testing.assert_allclose(found[f"log_mean_abs[{name}]"], np.log(1e-6), rtol=1e-6)
    texture = TextureTransformer()
    np.testing.assert_allclose(
        texture.fit_transform(colours), texture.fit_transform(grey), atol=1e-6
    )


@BOTH
def test_images_without_residual_are_warned_of(make_images, transformer):
    images, y = make_images(n_per_class=2)
    images[3:5] = 200
    with pytest.warns(UserWarning, match="2 of 6 images have no residual.*positions: 3, 4"):
        transformer.fit(images)
    images[2:4] = 255
    with pytest.raises(ValueError, match=r"No image of \['b'\] has a residual"):
        transformer.fit(images, y)


@pytest.mark.parametrize(
    ("transformer", "shape", "words"),
    [
        (TextureTransformer(), (7, 40, 3), "7 x 40 pixels are too small for n_scales=2,.* 8 x 8"),
        (TextureTransformer(n_scales=4), (40, 31), "which take 32 x 32.*or set fewer scales"),
        (TextureTransformer(n_scales=0), (32, 32), "'n_scales' parameter"),
        (TextureTransformer(0), (32, 32), "'step' parameter"),
        (TextureTransformer(data_range=0), (32, 32), "'data_range' parameter"),
        (BlockTransformer(), (40, 7), "40 x 7 pixels are too small for blocks of 8 pixels a side"),
        (BlockTransformer(data_range=-1.0), (32, 32), "'data_range' parameter"),
    ],
    ids=str,
)
def test_what_cannot_be_is_refused(transformer, shape, words):
    images = np.random.default_rng(0).integers(0, 256, (2, *shape), dtype=np.uint8)
    with pytest.raises(ValueError, match=words):
        transformer.fit(images)


def make_model(**params):
    return make_pipeline(make_union(**params), StandardScaler(), PooledDiscriminantAnalysis())


def test_a_union_joins_the_features_of_images_of_several_sizes(make_images):
    images, _ = make_images(n_per_class=1)
    union = make_union().fit(images)
    mixed = [images[0], images[1][:24], images[2]]
    parts = [part.transform(mixed) for _, part in union.transformer_list]
    np.testing.assert_array_equal(union.transform(mixed), np.hstack(parts))
    names = union.get_feature_names_out()
    assert len(names) == len(set(names)) == union.transform(mixed).shape[1]


@pytest.mark.parametrize("kind", ["pipeline", "weighted", "fusion"])
def test_blank_images_are_unknown_to_models_of_joined_features(make_images, kind):
    images, y = make_images(n_per_class=10)
    weights = {"texture": 2.0} if kind == "weighted" else None
    inner = make_model(transformer_weights=weights)
    if kind == "fusion":
        inner = FusionClassifier([("joined", inner)], cv=3)
    blank = np.full((1, 32, 32, 3), 200, np.uint8)
    with pytest.warns(UserWarning, match="1 of 31 images have no residual"):
        model = OpenSetClassifier(inner, false_alarm_rate=0.2, cv=3).fit(
            np.concatenate([images, blank]), [*y, "a"]
        )
    assert len(model.calibration_scores_) == 30
    mixed = [images[0], blank[0, :20], blank[0], images[1, :28]]
    lowest = (model.typicality_scores(mixed) == LOWEST).all(axis=1)
    np.testing.assert_array_equal(lowest, [False, True, True, False])
    assert model.predict(mixed)[1:3].tolist() == ["unknown"] * 2


def test_blank_images_are_found_by_any_part_of_a_union(make_images):
    images, y = make_images(n_per_class=10)
    rows = make_pipeline(ResidualTransformer("gaussian"), StandardScaler())
    union = FeatureUnion([("off", "drop"), ("rows", rows), ("texture", TextureTransformer())])
    model = OpenSetClassifier(
        make_pipeline(union, PooledDiscriminantAnalysis()), false_alarm_rate=0.2, cv=3
    ).fit(images, y)
    blank = np.zeros((1, 32, 32, 3), np.uint8)
    np.testing.assert_array_equal(model.typicality_scores(blank), LOWEST)
    assert (model.typicality_scores(images[:2]) > LOWEST).all()


def test_joined_features_of_files_are_those_of_images(image_folder, make_images):
    _, files, _ = image_folder(n_per_class=3)
    model = FileBatchEstimator(make_union(), batch_size=5).fit(files)
    expected = make_union().fit_transform(make_images(n_per_class=3)[0])
    np.testing.assert_allclose(model.transform(files), expected, atol=1e-4)
    assert model.takes_any_size


def test_a_saved_model_of_joined_features_answers_alike(make_images, tmp_path):
    images, y = make_images(n_per_class=4)
    model = OpenSetClassifier(make_model(), false_alarm_rate=0.2, cv=2).fit(images, y)
    save_model(model, tmp_path / "model")
    restored = load_model(tmp_path / "model")
    mixed = [images[0], images[1][:24], np.zeros((20, 20, 3), np.uint8)]
    np.testing.assert_array_equal(restored.typicality_scores(mixed), model.typicality_scores(mixed))
    np.testing.assert_array_equal(restored.predict(images), model.predict(images))
