"""What pixels show of compression, against a slow reference and on images of known histories."""

import io

import numpy as np
import pytest
from PIL import Image
from references import jpeg_evidence

from sklearn_ganprint.datasets import ImageHistory, estimate_history, make_generator_images
from sklearn_ganprint.perturbations import GaussianBlur, GaussianNoise, JPEGCompression, Resize


@pytest.fixture(scope="module")
def images():
    return make_generator_images(2, sources=["G1", "C2"]).data


def compress(image, form="JPEG", **params):
    stream = io.BytesIO()
    Image.fromarray(image).save(stream, form, **params)
    with Image.open(stream) as opened:
        return np.asarray(opened)


@pytest.mark.parametrize("quality", [30, 50, 75, 85, 90, 95])
@pytest.mark.parametrize("subsampling", ["4:2:0", "4:4:4"])
@pytest.mark.parametrize("cut", [(0, 0), (8, 16), (3, 6)])
def test_quality_and_grid_of_compressed_images(images, quality, subsampling, cut):
    expected = ImageHistory(quality, (-cut[0] % 8, -cut[1] % 8))
    for image in images:
        compressed = compress(image, quality=quality, subsampling=subsampling)
        assert estimate_history(compressed[cut[0] :, cut[1] :]) == expected


@pytest.mark.parametrize(("quality", "cut"), [(60, (5, 0)), (85, (0, 0)), (90, (2, 7))])
def test_the_answer_is_the_likeliest_of_all_grids_and_qualities(images, quality, cut):
    compressed = compress(images[0], quality=quality)[cut[0] :, cut[1] :][:72, :66]
    candidates = [40, 58, 60, 62, 75, 84, 85, 86, 90, 95]
    grids = [(row, column) for row in range(8) for column in range(8)]
    found = {grid: jpeg_evidence(compressed, candidates, *grid) for grid in grids}
    evidence = {
        ImageHistory(candidate, grid): values[position]
        for grid, values in found.items()
        for position, candidate in enumerate(candidates)
    }
    assert estimate_history(compressed) == max(evidence, key=evidence.get)
    assert max(evidence.values()) > 40


def test_images_that_were_never_compressed_show_nothing():
    bunch = make_generator_images(6, image_size=96, random_state=1)
    for image, source in zip(bunch.data, bunch.target_names[bunch.target], strict=True):
        camera = source in ("N1", "N2")  # which compress their photos
        expected = ImageHistory(95, (0, 0)) if camera else ImageHistory()
        assert estimate_history(image) == expected
    sharp = np.random.default_rng(0).integers(0, 256, (96, 96, 3), dtype=np.uint8)
    assert estimate_history(sharp) == estimate_history(np.full_like(sharp, 77)) == ImageHistory()


@pytest.mark.parametrize(
    "later", [GaussianBlur(1), GaussianNoise(4), Resize(0.8), Resize(1.25)], ids=str
)
def test_what_comes_after_compression_hides_it_and_makes_no_other(images, later):
    for image in later.fit_transform(JPEGCompression(75).fit_transform(images)):
        assert estimate_history(image) == ImageHistory()


def test_webp_is_not_taken_for_jpeg(images):
    for image in images:
        assert estimate_history(compress(image, "WEBP", quality=60)) == ImageHistory()


def test_the_later_of_two_compressions_is_found_if_it_is_the_coarser(images):
    for image in images:
        first = compress(image, quality=90)[3:, 5:]
        assert estimate_history(compress(first, quality=70)) == ImageHistory(70, (0, 0))


def test_clipped_parts_do_not_hide_compression(images):
    bright = np.rint(images[0] * 1.6 - 60.0).clip(0, 255).astype(np.uint8)
    compressed = compress(bright, quality=60)
    assert 0.05 < np.isin(compressed, (0, 255)).any(axis=2).mean() < 0.95
    assert estimate_history(compressed) == ImageHistory(60, (0, 0))
    assert estimate_history(bright) == ImageHistory()


def test_grey_images_and_other_numbers(images):
    grey = compress(images[0][..., 1], quality=80)
    expected = ImageHistory(80, (0, 0))
    assert estimate_history(grey) == estimate_history(grey[..., np.newaxis]) == expected
    assert estimate_history(grey.repeat(3).reshape(*grey.shape, 3)) == expected
    floats = grey.astype(np.float32)
    floats.flags.writeable = False
    assert estimate_history(floats) == estimate_history(grey.tolist()) == expected


def test_a_large_image_is_judged_by_its_middle():
    image = make_generator_images(1, image_size=(400, 600), sources=["G1"]).data[0]
    noise = np.random.default_rng(0).integers(0, 256, image.shape, dtype=np.uint8)
    compressed = compress(image, quality=75)
    noise[64:336, 168:432] = compressed[64:336, 168:432]
    assert estimate_history(noise[4:, 2:]) == ImageHistory(75, (4, 6))


def test_small_images_and_other_shapes():
    assert estimate_history(np.zeros((63, 400))) == ImageHistory()
    with pytest.raises(ValueError, match=r"expected shape .* got \(2, 64, 64, 3\)"):
        estimate_history(np.zeros((2, 64, 64, 3)))
