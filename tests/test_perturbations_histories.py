"""Random histories: what is drawn, from what, and what the operations make of an image."""

import io
import subprocess
import sys

import numpy as np
import pytest
from PIL import Image
from scipy.stats import binomtest, kstest
from sklearn.base import clone

from sklearn_ganprint.perturbations import (
    GaussianBlur,
    JPEGCompression,
    RandomHistory,
    Resize,
    check_perturbation,
)

PRESETS = ["web", "social", "messenger", "challenge"]
NEVER = {
    **dict.fromkeys(
        "crop rotate resize blur sharpen contrast brightness noise jpeg webp".split()  # noqa: SIM905
    ),
    "grey": 0.0,
}


def only(**params):
    """One round of these operations alone."""
    return RandomHistory(**{**NEVER, "rounds": (1,), **params})


def noise_images(n=400, shape=(8, 8, 3), seed=0):
    return np.random.default_rng(seed).integers(0, 256, (n, *shape), dtype=np.uint8)


def names(histories):
    return [[operation.name for operation in history] for history in histories]


def drawn(history, name, parameter, n=400):
    """The values of one parameter, of many images."""
    histories = history.histories(noise_images(n))
    return np.array(
        [op.parameters[parameter] for one in histories for op in one if op.name == name]
    )


def test_another_state_or_draw_gives_other_histories():
    images = noise_images(20, (32, 32, 3))
    perturbed = [
        history.transform(images)
        for history in (RandomHistory(), RandomHistory(random_state=1), RandomHistory(draw=1))
    ]
    for one, other in ((0, 1), (0, 2), (1, 2)):
        same = [np.array_equal(a, b) for a, b in zip(perturbed[one], perturbed[other], strict=True)]
        assert np.mean(same) < 0.3
    np.testing.assert_array_equal(RandomHistory().transform(images), perturbed[0])


def test_without_a_state_each_call_draws_anew():
    images = noise_images(20)
    history = RandomHistory(random_state=None)
    assert history.histories(images) != history.histories(images)


def test_the_dtype_of_an_image_does_not_matter_to_its_history():
    images = noise_images(20)
    expected = RandomHistory().histories(images)
    for dtype in (np.uint16, np.float32, np.float64):
        assert RandomHistory().histories(images.astype(dtype)) == expected


def test_another_process_draws_the_same():
    script = (
        "import numpy as np; from sklearn_ganprint.perturbations import RandomHistory; "
        "X = np.random.default_rng(0).integers(0, 256, (6, 32, 32, 3), dtype=np.uint8); "
        "print(RandomHistory().transform(X).astype(np.int64).sum(axis=(1, 2, 3)).tolist())"
    )
    run = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    sums = RandomHistory().transform(noise_images(6, (32, 32, 3))).astype(np.int64).sum((1, 2, 3))
    assert run.stdout.strip() == str(sums.tolist())


@pytest.mark.parametrize("preset", ["web", "messenger"])
def test_operations_come_with_their_probabilities_in_their_order(preset):
    history = RandomHistory.preset(preset, rounds=(1,), blur=(0.4, 0.5, 1), grey=0.2)
    histories = names(history.histories(noise_images(600)))
    for name in NEVER:
        value = getattr(history, name)
        probability = value if name == "grey" else 0.0 if value is None else value[0]
        count = sum(name in one for one in histories)
        if probability in (0, 1):
            assert count == probability * 600
        else:
            assert binomtest(count, 600, probability).pvalue > 1e-3
    order = ["crop", "rotate", "resize", "blur", "sharpen", "contrast", "brightness", "grey"]
    order += ["noise", "jpeg", "webp"]
    assert all(one == sorted(one, key=order.index) for one in histories)


@pytest.mark.parametrize(
    ("name", "low", "high", "parameter"),
    [
        ("blur", 0.3, 1.2, "strength"),
        ("sharpen", 0.2, 1.5, "strength"),
        ("contrast", 0.8, 1.25, "strength"),
        ("brightness", 0.5, 1.5, "strength"),
        ("noise", 0.5, 4.0, "strength"),
        ("rotate", -3.0, 3.0, "strength"),
        ("resize", 0.5, 2.0, "scale"),
        ("crop", 0.5, 0.9, "share"),
    ],
)
def test_strengths_are_uniform_within_their_limits(name, low, high, parameter):
    values = drawn(only(**{name: (1, low, high)}), name, parameter)
    if name == "resize":
        values, low, high = np.log(values), np.log(low), np.log(high)
    assert kstest((values - low) / (high - low), "uniform").pvalue > 1e-3
    assert low <= values.min() < values.max() <= high


@pytest.mark.parametrize(
    ("params", "name", "parameter", "possible"),
    [
        ({"jpeg": (1, 70, 75)}, "jpeg", "quality", range(70, 76)),
        ({"webp": (1.0, 50.0, 54.0)}, "webp", "quality", range(50, 55)),
        ({"resize": (1, 1, 1), "longest_side": (5, 9)}, "resize", "longest_side", range(5, 10)),
        (
            {"resize": (1, 0.5, 2), "resample": ["box", "nearest"]},
            "resize",
            "resample",
            ["box", "nearest"],
        ),
    ],
)
def test_whole_numbers_and_filters_are_equally_frequent(params, name, parameter, possible):
    values = drawn(only(**params), name, parameter)
    found, counts = np.unique(values, return_counts=True)
    assert found.tolist() == sorted(possible)
    for count in counts:
        assert binomtest(count, 400, 1 / len(possible)).pvalue > 1e-4


@pytest.mark.parametrize("share", [0.0, 0.3, 1.0])
def test_jpeg_keeps_its_colours_with_a_probability(share):
    values = drawn(only(jpeg=(1, 80, 90), full_colour=share), "jpeg", "subsampling")
    assert set(values) <= {"4:2:0", "4:4:4"}
    assert binomtest(int((values == "4:4:4").sum()), 400, share).pvalue > 1e-3


def test_rounds_are_drawn_and_repeat_everything():
    history = only(jpeg=(1, 50, 90), rounds=(0, 1, 1, 3))
    lengths = [len(one) for one in history.histories(noise_images(400))]
    for length, probability in ((0, 0.25), (1, 0.5), (3, 0.25)):
        assert binomtest(lengths.count(length), 400, probability).pvalue > 1e-3
    assert set(lengths) == {0, 1, 3}


def test_a_round_may_be_one_operation_in_proportion_to_the_probabilities():
    history = only(jpeg=(0.6, 50, 90), blur=(0.2, 1, 2), one_per_round=True, rounds=(1, 2))
    histories = names(history.histories(noise_images(400)))
    assert {len(one) for one in histories} == {1, 2}
    single = sum(histories, [])
    assert set(single) == {"jpeg", "blur"}
    assert binomtest(single.count("jpeg"), len(single), 0.75).pvalue > 1e-3


def test_what_is_told_is_what_is_done():
    images = noise_images(10, (40, 40, 3))
    history = only(jpeg=(1, 30, 90), blur=(0.5, 0.5, 1))
    for image, operations in zip(images, history.histories(images), strict=True):
        expected = image[np.newaxis]
        for name, parameters in operations:
            if name == "blur":
                expected = GaussianBlur(parameters["strength"]).transform(expected)
            else:
                expected = JPEGCompression(**parameters).transform(expected)
        np.testing.assert_array_equal(history.transform(image[np.newaxis]), expected)


def test_a_history_without_operations_is_the_image():
    images = noise_images(5)
    perturbed = only().transform(images)
    np.testing.assert_array_equal(perturbed, images)
    assert not np.shares_memory(perturbed, images)
    assert only().histories(images) == [[]] * 5


def test_a_smaller_image_stays_at_the_top_left_and_is_mirrored():
    images = noise_images(2, (40, 60, 3))
    perturbed = only(resize=(1, 0.75, 0.75), resample=["box"]).transform(images)
    smaller = Resize(0.75, resample="box").transform(images)
    np.testing.assert_array_equal(perturbed[:, :30, :45], smaller)
    np.testing.assert_array_equal(perturbed[:, 30:, :45], smaller[:, :19:-1])
    np.testing.assert_array_equal(perturbed[:, :, 45:], perturbed[:, :, 44:29:-1])


def test_an_enlarged_image_is_cut_at_the_bottom_and_the_right():
    images = noise_images(2, (40, 60))
    perturbed = only(resize=(1, 1.5, 1.5), resample=["bicubic"]).transform(images)
    np.testing.assert_array_equal(perturbed, Resize(1.5).transform(images)[:, :40, :60])


def test_images_are_reduced_to_a_longest_side_and_never_enlarged():
    images = noise_images(2, (40, 60, 3))
    history = only(resize=(1, 1, 1), longest_side=(30, 30), resample=["lanczos"])
    smaller = Resize(0.5, resample="lanczos").transform(images)
    np.testing.assert_array_equal(history.transform(images)[:, :20, :30], smaller)
    history.set_params(longest_side=(61, 99))
    np.testing.assert_array_equal(history.transform(images), images)


def test_a_crop_moves_the_grid():
    images = noise_images(8, (24, 24, 3))
    history = only(crop=(1, 0.875, 0.875), jpeg=(1, 50, 50), full_colour=1)
    offsets = set()
    for image, one, (crop, _) in zip(
        images, history.transform(images), history.histories(images), strict=True
    ):
        # 21 of 24 pixels are kept, from one of the first four on.
        top, left = (int(4 * crop.parameters[name]) for name in ("top", "left"))
        part = image[np.newaxis, top : top + 21, left : left + 21]
        cut = JPEGCompression(50, subsampling="4:4:4").transform(part)[0]
        np.testing.assert_array_equal(one[:21, :21], cut)
        offsets |= {top, left}
    assert offsets == {0, 1, 2, 3}


@pytest.mark.parametrize("angle", [-20.0, -3.0, 0.5, 3.0, 20.0])
@pytest.mark.parametrize("shape", [(40, 60, 3), (50, 20)], ids=str)
def test_rotation_leaves_no_empty_corner(angle, shape):
    images = np.full((1, *shape), 200, np.uint8)
    assert (only(rotate=(1, angle, angle)).transform(images) == 200).all()


def test_rotation_turns_about_the_centre():
    tilted = np.zeros((1, 61, 61))
    tilted[0] = np.arange(61)[:, np.newaxis]
    rotated = only(rotate=(1, 10, 10)).transform(tilted)[0]
    assert rotated[25, 25] == pytest.approx(30, abs=1)  # of the 50 rows that are full
    down, across = np.gradient(rotated[10:40, 10:40])
    # On average, since Pillow's bicubic filter does not keep a slope.
    assert down.mean() == pytest.approx(np.cos(np.deg2rad(10)), abs=0.01)
    assert abs(across.mean()) == pytest.approx(np.sin(np.deg2rad(10)), abs=0.01)


@pytest.mark.parametrize("shape", [(19, 22, 3), (19, 22)], ids=str)
def test_webp_equals_a_file_written_and_read(make_images, shape):
    images = make_images(n_per_class=1, shape=shape)[0]
    perturbed = only(webp=(1, 80, 80)).transform(images)
    for image, actual in zip(images, perturbed, strict=True):
        stream = io.BytesIO()
        Image.fromarray(image).convert("RGB").save(stream, "WEBP", quality=80)
        mode = "L" if image.ndim == 2 else "RGB"
        np.testing.assert_array_equal(actual, np.asarray(Image.open(stream).convert(mode)))


def test_the_operations_on_values_are_what_they_say(make_images):
    images = make_images(n_per_class=1, shape=(16, 16, 3))[0].astype(float)
    mean = images.mean(axis=(1, 2, 3), keepdims=True)
    blurred = GaussianBlur(1.0).transform(images)
    grey = images @ (0.299, 0.587, 0.114)
    expected = {
        "contrast": mean + 0.5 * (images - mean),
        "brightness": 0.5 * images,
        "sharpen": images + 0.5 * (images - blurred),
    }
    for name, values in expected.items():
        np.testing.assert_allclose(only(**{name: (1, 0.5, 0.5)}).transform(images), values)
    actual = only(grey=1.0).transform(images)
    np.testing.assert_allclose(actual, np.repeat(grey[..., np.newaxis], 3, axis=3))


def test_noise_has_its_sigma_in_grey_levels_of_white():
    images = np.random.default_rng(0).uniform(0, 1, (4, 64, 64, 3))
    noise = only(noise=(1, 3, 3), data_range=1.0).transform(images) - images
    assert noise.std() * 255 == pytest.approx(3, rel=0.02)
    assert abs(np.corrcoef(noise[0].ravel(), noise[1].ravel())[0, 1]) < 0.05


def test_grey_images_lose_no_colours():
    assert only(grey=1.0).histories(noise_images(3, (8, 8))) == [[], [], []]


def test_integers_are_rounded_and_clipped_between_operations():
    images = noise_images(2, (16, 16, 3))
    bright = only(brightness=(1, 2, 2), blur=(1, 1, 1)).set_params(rounds=(2,))
    expected = images
    for _ in range(2):
        blurred = GaussianBlur(1.0).transform(expected)
        expected = (2.0 * blurred).clip(0, 255).astype(np.uint8)
    np.testing.assert_array_equal(bright.transform(images), expected)


@pytest.mark.parametrize("preset", PRESETS)
def test_presets_have_names_and_parameters_that_can_be_set(preset):
    history = RandomHistory.preset(preset)
    assert str(history) == f"history {preset}"
    assert repr(check_perturbation(f"History  {preset}")) == repr(history)
    assert RandomHistory.preset(preset, random_state=7).random_state == 7
    as_lists = {
        name: list(value) if isinstance(value, tuple) else value
        for name, value in history.get_params().items()
    }
    same = RandomHistory().set_params(**as_lists)
    images = noise_images(4, (24, 24, 3))
    np.testing.assert_array_equal(clone(same).transform(images), history.transform(images))
    assert str(same) == f"history {preset}"


def test_texts_give_new_objects():
    assert check_perturbation("history web") is not check_perturbation("history web")


def test_what_the_presets_hold():
    social = RandomHistory.preset("social")
    assert set(drawn(social, "jpeg", "quality")) <= set(range(70, 86))
    sides = drawn(social, "resize", "longest_side")
    assert 1080 <= sides.min() < sides.max() <= 2048
    challenge = names(RandomHistory.preset("challenge").histories(noise_images(400)))
    assert {len(one) for one in challenge} == {1, 2, 3}
    expected = "jpeg webp crop resize rotate contrast brightness blur grey"
    assert set(sum(challenge, [])) == set(expected.split())


@pytest.mark.parametrize(
    ("params", "words"),
    [
        ({"jpeg": 80}, "The 'jpeg' parameter"),
        ({"jpeg": (70, 85)}, r"jpeg must be \(probability, low, high\)"),
        ({"jpeg": (1.5, 70, 85)}, "probability from 0 to 1"),
        ({"jpeg": (1, 85, 70)}, "limits of jpeg must be whole numbers low <= high from 1 to 100"),
        ({"jpeg": (1, 0, 70)}, "from 1 to 100"),
        ({"jpeg": (1, 70.5, 80)}, "whole numbers"),
        ({"blur": (1, 0, 1)}, "limits of blur"),
        ({"blur": ("a", "b", "c")}, "blur must be"),
        ({"resize": (1, 0.5, np.inf)}, "limits of resize"),
        ({"rotate": (1, -50, 0)}, "limits of rotate must be numbers low <= high from -45"),
        ({"crop": (1, -3, 0)}, "limits of crop"),
        ({"longest_side": (0, 100)}, "limits of longest_side"),
        ({"grey": 2}, "'grey' parameter"),
        ({"resample": ["cubic"]}, "resample must be of"),
        ({"resample": []}, "resample must be of"),
        ({"rounds": [1.5]}, "rounds must be whole numbers"),
        ({"rounds": []}, "rounds must be whole numbers"),
        ({**NEVER, "one_per_round": True}, "needs an operation"),
        ({"draw": -1}, "'draw' parameter"),
    ],
)
def test_parameters_are_checked(params, words):
    for method in ("transform", "histories", "fit"):
        with pytest.raises(ValueError, match=words):
            getattr(RandomHistory(**params), method)(noise_images(1))


def test_unknown_presets_are_refused():
    with pytest.raises(ValueError, match=r"presets web, social.*got 'net'"):
        RandomHistory.preset("net")
    with pytest.raises(ValueError, match=r"'history web'.*got 'history net'"):
        check_perturbation("history net")


@pytest.mark.parametrize(
    ("width", "params", "words"),
    [
        (65501, {}, "65500 pixels a side"),
        (16384, {}, "16383 pixels a side.*webp=None"),
        (15000, {"resize": (1, 1, 1.5), "rounds": (1,)}, "16383 pixels a side"),
    ],
)
def test_sides_that_a_format_does_not_have_are_explained(width, params, words):
    with pytest.raises(ValueError, match=words):
        RandomHistory(**params).transform(np.zeros((1, 2, width), np.uint8))


@pytest.mark.parametrize(("side", "least"), [(64, 32), (24, 24)])
def test_of_images_that_change_size_at_least_32_pixels_are_left(side, least):
    images = noise_images(30, (side, side, 3))
    history = RandomHistory(crop=(1, 0.5, 0.9), resize=(1, 0.5, 0.9), rounds=(3,))
    sides = [min(image.shape[:2]) for image in history.transform_whole(images)]
    assert min(sides) >= least
    assert (min(sides) < side) == (side > 32)


@pytest.mark.parametrize("preset", PRESETS)
def test_whole_images_are_those_of_the_frame_without_what_fills_it(preset):
    images = noise_images(10, (96, 128, 3))
    history = RandomHistory.preset(preset, rounds=(1,))
    wholes = history.transform_whole(images)
    for whole, framed in zip(wholes, history.transform(images), strict=True):
        height, width = np.minimum(whole.shape[:2], (96, 128))
        np.testing.assert_array_equal(whole[:height, :width], framed[:height, :width])
    # Images that are sent are only reduced, and to more than these have.
    assert (len({whole.shape for whole in wholes}) > 1) == (preset in ("web", "challenge"))


@pytest.mark.parametrize("share", [0.6, 0.875, 1.0])
def test_a_crop_is_a_share_of_both_sides(share):
    images = noise_images(6, (80, 100, 3))
    history = only(crop=(1, share, share))
    wholes = history.transform_whole(images)
    sides = round(80 * share), round(100 * share)
    assert {whole.shape for whole in wholes} == {(*sides, 3)}
    for image, whole, [crop] in zip(images, wholes, history.histories(images), strict=True):
        assert crop.parameters["share"] == share
        places = np.lib.stride_tricks.sliding_window_view(image, (*sides, 3))
        assert (places[:, :, 0] == whole).all(axis=(2, 3, 4)).sum() == 1


def test_crops_lie_anywhere():
    places = {name: drawn(only(crop=(1, 0.5, 1)), "crop", name) for name in ("top", "left")}
    for values in places.values():
        assert kstest(values, "uniform").pvalue > 1e-3
    assert abs(np.corrcoef(*places.values())[0, 1]) < 0.2


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16, np.float32])
def test_images_of_several_sizes_go_through_the_same_as_alone(dtype):
    shapes = [(48, 64, 3), (40, 40), (64, 48, 3), (48, 64, 3), (40, 40, 1)]
    images = [noise_images(1, shape, seed)[0].astype(dtype) for seed, shape in enumerate(shapes)]
    history = RandomHistory().fit(noise_images(1))  # whose size binds nobody here
    for image, whole in zip(images, history.transform_whole(images), strict=True):
        [alone] = RandomHistory().transform_whole(image[np.newaxis])
        assert whole.dtype == dtype
        assert whole.shape[2] == (image.shape[2] if image.ndim == 3 else 1)
        np.testing.assert_array_equal(whole, alone)


def test_whole_images_come_with_their_histories_on_request():
    history = RandomHistory(rounds=(1, 2))
    images = noise_images(8, (48, 64, 3))
    for given in (images, [*images, noise_images(1, (40, 40, 3), 9)[0]]):
        wholes, told = history.transform_whole(given, return_histories=True)
        assert told == [history.histories(image[np.newaxis])[0] for image in given]
        assert any(told) and len(wholes) == len(given)
        for image, expected in zip(wholes, history.transform_whole(given), strict=True):
            np.testing.assert_array_equal(image, expected)


@pytest.mark.parametrize(
    ("params", "odd", "words"),
    [
        ({"jpeg": (1, 0, 70)}, np.zeros((40, 40, 3), np.uint8), "from 1 to 100"),
        ({}, np.full((40, 40, 3), np.nan), "NaN"),
        ({}, np.zeros((2, 16384, 3), np.uint8), "16383 pixels a side"),
        ({}, np.zeros((40, 40, 2), np.uint8), "1 or 3 channels"),
    ],
)
def test_images_of_several_sizes_are_validated_as_others_are(params, odd, words):
    for images in ([odd, noise_images(1, (48, 48, 3))[0]], odd[np.newaxis]):
        with pytest.raises(ValueError, match=words):
            RandomHistory(**params).transform_whole(images)


@pytest.mark.parametrize(
    ("params", "expected"),
    [
        ({"jpeg": (0.1, 50, 99)}, ((50, 99), None, None, None)),
        ({"webp": (0.1, 1, 2), "jpeg": (0.0, 1, 2)}, (None, (1, 2), None, None)),
        ({"resize": (1, 0.5, 2.0)}, (None, None, (0.5, 2.0), None)),
        ({"resize": None, "longest_side": (9, 19)}, (None, None, None, None)),
        ({"resize": (1, 1, 1), "longest_side": (9, 19)}, (None, None, None, (9, 19))),
    ],
)
def test_what_is_covered_is_what_can_be_drawn(params, expected):
    assert only(**params).covers() == expected
