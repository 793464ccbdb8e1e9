"""Decoding single files: every kind of pixel, and every kind of file that is none."""

import gc
import os
import pickle
import struct
import warnings
import zlib

import numpy as np
import PIL
import pytest
from PIL import Image

from sklearn_ganprint.datasets import ImageReader, ImageReadError, inspect_images

pytestmark = pytest.mark.core

LIMIT = 10_000_000


def _noise(height=11, width=17, channels=3, seed=0):
    shape = (height, width, channels) if channels > 1 else (height, width)
    return np.random.default_rng(seed).integers(0, 256, shape, dtype=np.uint8)


def _rgb(path):
    return ImageReader(max_pixels=LIMIT).read_one(path)


def _inspect(path):
    """Return what the header says, as a dict; raise if it cannot be used."""
    found = inspect_images([path], reader=ImageReader(max_pixels=LIMIT))
    for failure in found.failures:
        raise failure
    keys = {"formats": "format", "modes": "mode", "widths": "width", "heights": "height"}
    return {keys.get(key, key): found[key][0] for key in (*keys, "jpeg_quality")}


def _luminance(path):
    return ImageReader(channels="luminance", max_pixels=LIMIT).read_one(path)


def _png(path, bits, colour_type, rows):
    """Write a PNG that Pillow cannot write itself (16-bit colour, absurd sizes)."""
    height, width, data = rows

    def chunk(kind, body):
        return (
            struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))
        )

    header = struct.pack(">IIBBBBB", width, height, bits, colour_type, 0, 0, 0)
    content = chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(data)) + chunk(b"IEND", b"")
    path.write_bytes(b"\x89PNG\r\n\x1a\n" + content)
    return path


@pytest.mark.parametrize("suffix", ["png", "bmp", "tif", "ppm", "webp"])
def test_lossless_colour_is_returned_exactly(tmp_path, suffix):
    pixels = _noise()
    Image.fromarray(pixels).save(tmp_path / f"a.{suffix}", lossless=True)
    read = _rgb(tmp_path / f"a.{suffix}")
    assert read.dtype == np.uint8 and read.flags.writeable and read.flags.c_contiguous
    np.testing.assert_array_equal(read, pixels)


def test_luminance_is_the_unrounded_weighted_sum(tmp_path):
    pixels = _noise(50, 60)
    Image.fromarray(pixels).save(tmp_path / "a.png")
    expected = pixels.astype(np.float64) @ [0.299, 0.587, 0.114]
    read = _luminance(tmp_path / "a.png")
    assert read.dtype == np.float32 and read.shape == (50, 60, 1)
    np.testing.assert_allclose(read[..., 0], expected, rtol=0, atol=1e-4)
    assert np.abs(read - np.round(read)).mean() > 0.2


@pytest.mark.parametrize("mode", ["L", "LA"])
def test_grey_is_its_own_luminance_and_is_replicated_for_rgb(tmp_path, mode):
    grey = _noise(channels=1)
    image = Image.fromarray(grey)
    if mode == "LA":
        image.putalpha(Image.fromarray(_noise(channels=1, seed=1)))
    image.save(tmp_path / "a.png")
    assert _inspect(tmp_path / "a.png")["mode"] == mode
    read = _luminance(tmp_path / "a.png")
    assert read.dtype == np.float32
    np.testing.assert_array_equal(read[..., 0], grey)
    np.testing.assert_array_equal(_rgb(tmp_path / "a.png"), np.stack([grey] * 3, axis=2))


@pytest.mark.parametrize("suffix", ["png", "tif", "webp"])
def test_alpha_is_dropped_and_not_blended(tmp_path, suffix):
    pixels = _noise(channels=4)
    pixels[:4, :, 3] = 0
    Image.fromarray(pixels).save(tmp_path / f"a.{suffix}", lossless=True, exact=True)
    np.testing.assert_array_equal(_rgb(tmp_path / f"a.{suffix}"), pixels[..., :3])


@pytest.mark.parametrize("transparency", [None, 1, bytes([0, 30, 200])])
def test_palette_colours_survive_transparency_without_a_warning(tmp_path, transparency):
    image = Image.fromarray(_noise()).quantize(6)
    options = {} if transparency is None else {"transparency": transparency}
    image.save(tmp_path / "a.png", **options)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        read = _rgb(tmp_path / "a.png")
    np.testing.assert_array_equal(read, np.asarray(image.convert("RGB")))


def test_rgb_with_a_transparent_colour_keeps_that_colour(tmp_path):
    pixels = _noise()
    Image.fromarray(pixels).save(tmp_path / "a.png", transparency=tuple(pixels[0, 0].tolist()))
    np.testing.assert_array_equal(_rgb(tmp_path / "a.png"), pixels)


@pytest.mark.parametrize(
    ("mode", "suffix"), [("CMYK", "jpg"), ("CMYK", "tif"), ("YCbCr", "tif"), ("LAB", "tif")]
)
def test_other_colour_spaces_go_through_pillow(tmp_path, mode, suffix):
    image = Image.fromarray(_noise(channels=4 if mode == "CMYK" else 3))
    image = Image.frombytes(mode, image.size, image.tobytes())
    image.save(tmp_path / f"a.{suffix}")
    if mode == "YCbCr" and PIL.__version__.startswith("11."):
        pytest.skip("Pillow 11 does not read the YCbCr files that it writes.")
    with Image.open(tmp_path / f"a.{suffix}") as stored:
        expected = np.asarray(stored.convert("RGB"))
    assert _inspect(tmp_path / f"a.{suffix}")["mode"] == mode
    np.testing.assert_array_equal(_rgb(tmp_path / f"a.{suffix}"), expected)


def test_one_bit_becomes_black_and_white(tmp_path):
    bits = _noise(channels=1) > 127
    Image.fromarray(bits).save(tmp_path / "a.png")
    assert _inspect(tmp_path / "a.png")["mode"] == "1"
    np.testing.assert_array_equal(_luminance(tmp_path / "a.png")[..., 0], bits * 255.0)
    assert _rgb(tmp_path / "a.png").dtype == np.uint8


@pytest.mark.parametrize("suffix", ["png", "tif", "pgm"])
@pytest.mark.parametrize("channels", ["rgb", "luminance"])
def test_16_bit_grey_comes_in_8_bit_units(tmp_path, suffix, channels):
    values = np.random.default_rng(0).integers(0, 65536, (9, 13)).astype(np.uint16)
    values[0, :2] = 0, 65535
    Image.fromarray(values).save(tmp_path / f"a.{suffix}")
    read = ImageReader(channels=channels, max_pixels=LIMIT).read_one(tmp_path / f"a.{suffix}")
    assert read.dtype == np.float32 and read.shape == (9, 13, 3 if channels == "rgb" else 1)
    assert read.min() == 0 and read.max() == 255
    np.testing.assert_allclose(read, np.broadcast_to(values[..., None] / 257, read.shape), 1e-6)


def test_big_endian_16_bit_tiff(tmp_path):
    values = np.array([[257, 514], [65535, 0]], dtype=">u2")
    image = Image.frombytes("I;16B", (2, 2), values.tobytes())
    image.save(tmp_path / "a.tif")
    assert _inspect(tmp_path / "a.tif")["mode"] == "I;16B"
    np.testing.assert_allclose(_luminance(tmp_path / "a.tif")[..., 0], [[1, 2], [255, 0]])


def test_16_bit_colour_png_gives_the_high_byte(tmp_path):
    values = np.random.default_rng(0).integers(0, 65536, (3, 5, 3)).astype(">u2")
    data = b"".join(b"\0" + row.tobytes() for row in values)
    path = _png(tmp_path / "a.png", 16, 2, (3, 5, data))
    np.testing.assert_array_equal(_rgb(path), values >> 8)


@pytest.mark.parametrize(
    ("values", "words"),
    [
        (np.array([[0.25, 0.5]], dtype=np.float32), "floating-point"),
        (np.array([[0, 70000]], dtype=np.int32), "from 0 to 70000"),
        (np.array([[-1, 5]], dtype=np.int32), "from -1 to 5"),
    ],
)
def test_values_of_unknown_range_are_refused(tmp_path, values, words):
    Image.fromarray(values).save(tmp_path / "a.tif")
    with pytest.raises(ImageReadError, match=words):
        _rgb(tmp_path / "a.tif")


def test_32_bit_values_within_16_bits_are_accepted(tmp_path):
    Image.fromarray(np.array([[0, 65535]], dtype=np.int32)).save(tmp_path / "a.tif")
    np.testing.assert_array_equal(_luminance(tmp_path / "a.tif")[..., 0], [[0, 255]])


@pytest.mark.parametrize("suffix", ["png", "webp", "tif", "gif"])
def test_first_frame_is_read(tmp_path, suffix):
    frames = [Image.fromarray(_noise(seed=seed)) for seed in range(3)]
    if suffix == "gif":
        frames = [frame.quantize(200) for frame in frames]
    path = tmp_path / f"a.{suffix}"
    frames[0].save(path, save_all=True, append_images=frames[1:], lossless=True)
    with Image.open(path) as image:
        assert image.n_frames == 3
    np.testing.assert_array_equal(_rgb(path), np.asarray(frames[0].convert("RGB")))


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("suffix", ["jpg", "png", "tif", "webp"])
def test_exif_orientation_is_not_applied(tmp_path, suffix, orientation):
    pixels = np.zeros((8, 24, 3), dtype=np.uint8)
    pixels[:, 8:] = 90
    pixels[4:, 16:] = 250
    exif = Image.Exif()
    exif[0x0112] = orientation
    path = tmp_path / f"a.{suffix}"
    Image.fromarray(pixels).save(path, exif=exif, lossless=True, quality=95)
    info = _inspect(path)
    assert (info["width"], info["height"]) == (24, 8)
    np.testing.assert_allclose(_rgb(path), pixels, atol=3)


def test_oriented_tiff_is_cropped_in_the_stored_grid(tmp_path):
    pixels = _noise(8, 24)
    exif = Image.Exif()
    exif[0x0112] = 6
    Image.fromarray(pixels).save(tmp_path / "a.tif", exif=exif)
    reader = ImageReader(crop=(6, 14), anchor="center", max_pixels=LIMIT)
    np.testing.assert_array_equal(reader.read_one(tmp_path / "a.tif"), pixels[1:7, 5:19])


def test_a_crop_larger_than_the_image_names_the_file(tmp_path):
    Image.fromarray(_noise()).save(tmp_path / "a.png")
    with pytest.raises(ImageReadError, match=r"a\.png: .*\(11, 17\).*crop=\(12, 12\)"):
        ImageReader(crop=12, max_pixels=LIMIT).read_one(tmp_path / "a.png")


@pytest.mark.parametrize("read", [_rgb, _inspect])
@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"", "empty"),
        (b"this is a text file\n" * 20, "not an image"),
        (b"\x89PNG\r\n\x1a\n", "not an image"),
        (b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 10 10\n%%EndComments\n", "not an image"),
    ],
)
def test_files_that_are_no_image(tmp_path, read, content, words):
    (tmp_path / "a.png").write_bytes(content)
    with pytest.raises(ImageReadError, match=words) as caught:
        read(tmp_path / "a.png")
    assert caught.value.filename == str(tmp_path / "a.png")
    assert str(caught.value) == f"{tmp_path / 'a.png'}: {caught.value.reason}"


@pytest.mark.parametrize("suffix", ["png", "jpg", "gif", "bmp", "tif", "webp", "jp2", "ppm"])
@pytest.mark.parametrize("part", [0.02, 0.1, 0.3, 0.5, 0.8, 0.95, 0.99])
def test_truncated_files_are_refused(tmp_path, suffix, part):
    path, cut = tmp_path / f"a.{suffix}", tmp_path / f"cut.{suffix}"
    Image.fromarray(_noise(64, 64)).save(path)
    content = path.read_bytes()
    cut.write_bytes(content[: int(len(content) * part)])
    with pytest.raises(ImageReadError, match="truncated|not an image"):
        _rgb(cut)


@pytest.mark.parametrize("suffix", ["png", "jpg", "gif", "bmp", "tif", "webp", "jp2", "ppm"])
def test_loss_of_a_few_last_bytes_never_changes_pixels(tmp_path, suffix):
    path, cut = tmp_path / f"a.{suffix}", tmp_path / f"cut.{suffix}"
    Image.fromarray(_noise(64, 64)).save(path)
    content, whole = path.read_bytes(), _rgb(path)
    for lost in range(1, 30):
        cut.write_bytes(content[:-lost])
        try:
            read = _rgb(cut)
        except ImageReadError as error:
            assert "truncated" in error.reason
        else:
            np.testing.assert_array_equal(read, whole)


def test_damage_inside_a_png_is_refused(tmp_path):
    path = tmp_path / "a.png"
    Image.fromarray(_noise(64, 64)).save(path)
    content = bytearray(path.read_bytes())
    content[200:260] = bytes(60)
    path.write_bytes(content)
    assert _inspect(path)["width"] == 64
    with pytest.raises(ImageReadError, match="damaged"):
        _rgb(path)


@pytest.mark.parametrize("size", [20_000, 2_000_000_000])
@pytest.mark.parametrize("read", ["decode", "inspect"])
def test_bomb_header_is_refused_before_decoding(tmp_path, size, read):
    path = _png(tmp_path / "bomb.png", 8, 2, (size, size, b"\0"))
    with warnings.catch_warnings(), pytest.raises(ImageReadError, match="more .*pixels"):
        warnings.simplefilter("ignore")
        _rgb(path) if read == "decode" else _inspect(path)


def test_max_pixels_is_inclusive_and_named(tmp_path):
    path = tmp_path / "a.png"
    Image.fromarray(_noise(11, 17)).save(path)
    assert ImageReader(max_pixels=187).read_one(path).shape == (11, 17, 3)
    with pytest.raises(ImageReadError, match=r"17 x 11 = 187 pixels, more than max_pixels=186"):
        ImageReader(max_pixels=186).read_one(path)


def test_missing_file_folder_and_pipe(tmp_path):
    os.mkfifo(tmp_path / "pipe.png")
    (tmp_path / "loop.png").symlink_to(tmp_path / "loop.png")
    expected = {
        "missing.png": "No such file",
        ".": "a folder",
        "pipe.png": "a device, pipe or socket",
        "loop.png": "symbolic links",
        "nul\0.png": "null",
    }
    for name, words in expected.items():
        with pytest.raises(ImageReadError) as caught:
            _rgb(os.path.join(tmp_path, name))
        assert words in caught.value.reason


def test_unreadable_file_says_permission(tmp_path):
    path = tmp_path / "a.png"
    Image.fromarray(_noise()).save(path)
    path.chmod(0)
    user = os.geteuid()
    if user == 0:
        os.seteuid(65534)  # the superuser may read everything
    try:
        with pytest.raises(ImageReadError, match="Permission denied"):
            _rgb(path)
    finally:
        os.seteuid(user)


@pytest.mark.parametrize(
    ("error", "words"),
    [
        (PermissionError(13, "Permission denied"), "opened: Permission denied"),
        (OSError("file is short"), "truncated: file is short"),
        (KeyError(), "truncated: KeyError"),
        (MemoryError(), "memory"),
        (Image.DecompressionBombError(), "MAX_IMAGE_PIXELS"),
    ],
)
def test_reasons_are_in_plain_words(tmp_path, monkeypatch, error, words):
    def fail(*args, **params):
        raise error

    Image.fromarray(_noise()).save(tmp_path / "a.png")
    monkeypatch.setattr(Image, "open", fail)
    with pytest.raises(ImageReadError) as caught:
        _rgb(tmp_path / "a.png")
    assert words in caught.value.reason


def test_error_survives_pickling_with_its_attributes():
    error = pickle.loads(pickle.dumps(ImageReadError("a.png", "is empty")))
    assert isinstance(error, ValueError)
    assert (error.filename, error.reason, str(error)) == ("a.png", "is empty", "a.png: is empty")


def test_a_header_is_read_without_decoding(tmp_path):
    path = _png(tmp_path / "a.png", 8, 2, (9, 9, b"no pixels at all"))
    info = _inspect(path)
    assert (info["width"], info["height"], info["mode"]) == (9, 9, "RGB")


def test_names_that_are_not_utf8(tmp_path):
    name = os.path.join(os.fsencode(tmp_path), b"caf\xe9.png")
    Image.fromarray(_noise()).save(tmp_path / "plain.png")
    os.rename(tmp_path / "plain.png", name)
    np.testing.assert_array_equal(_rgb(name), _noise())
    np.testing.assert_array_equal(_rgb(os.fsdecode(name)), _noise())
    with pytest.raises(ImageReadError) as caught:
        ImageReader(max_pixels=1).read_one(name)
    assert os.fsencode(caught.value.filename) == name
    assert "caf\\xe9.png" in str(caught.value).encode("utf-8").decode()


def test_proper_names_are_left_alone():
    assert str(ImageReadError("día/猫.png", "is empty")) == "día/猫.png: is empty"


def test_no_file_stays_open(tmp_path):
    good, bad = tmp_path / "a.tif", tmp_path / "b.png"
    Image.fromarray(_noise()).save(good)
    bad.write_bytes(b"\x89PNG\r\n\x1a\n" + bytes(50))
    with warnings.catch_warnings():
        warnings.simplefilter("error", ResourceWarning)
        before = len(os.listdir("/dev/fd"))
        for _ in range(5):
            _rgb(good)
            _inspect(good)
            with pytest.raises(ImageReadError):
                _rgb(bad)
        assert len(os.listdir("/dev/fd")) == before
        gc.collect()


def test_unknown_channels_are_named(tmp_path):
    with pytest.raises(ValueError, match="channels: expected .* got 'grey'"):
        ImageReader(channels="grey", max_pixels=LIMIT).read_one(tmp_path / "a.png")


@pytest.mark.parametrize(
    ("suffix", "kind", "quality"),
    [("jpg", "JPEG", 71.0), ("png", "PNG", None), ("tif", "TIFF", None)],
)
def test_inspection_reads_the_header(tmp_path, suffix, kind, quality):
    Image.fromarray(_noise()).save(tmp_path / f"a.{suffix}", quality=71)
    info = _inspect(tmp_path / f"a.{suffix}")
    assert [*info.values()][:4] == [kind, "RGB", 17, 11]
    assert info["jpeg_quality"] == quality or (quality is None and np.isnan(info["jpeg_quality"]))


def test_broken_exif_does_not_cost_the_image(tmp_path):
    path = tmp_path / "a.jpg"
    Image.fromarray(_noise()).save(path, exif=b"Exif\0\0MM\0*\0\0\0\x08\xff\xff")
    assert _inspect(path)["width"] == 17
    assert _rgb(path).shape == (11, 17, 3)
