"""White is 255 and black is 0, whatever the file counts up to; or the file is refused by name."""

import struct
import zlib

import numpy as np
import pytest
from image_bytes import png, tiff
from PIL import Image

from sklearn_ganprint.datasets import ImageReader, ImageReadError

WHITE_AND_BLACK = np.repeat([[255, 0]], 4, axis=0)


@pytest.fixture
def read(tmp_path):
    """Write bytes to a file, and read their luminance."""

    def make(data, name="image"):
        path = tmp_path / name
        path.write_bytes(data)
        luminance = ImageReader(channels="luminance").read_one(path)[..., 0]
        rgb = ImageReader().read_one(path)
        np.testing.assert_allclose(rgb.astype(float).mean(axis=2), luminance, atol=1e-4)
        return luminance

    return make


def _packed(values, bits, order):
    """Pack rows of values bit by bit, or as numbers of 16 bits in the byte order of the file."""
    if bits == 16:
        return struct.pack(f"{order}{values.size}H", *values.flat)
    rows = ["".join(f"{value:0{bits}b}" for value in row) for row in values]
    filled = [row.ljust(-(-len(row) // 8) * 8, "0") for row in rows]
    return b"".join(int(row, 2).to_bytes(len(row) // 8) for row in filled)


@pytest.mark.parametrize("order", ["<", ">"])
@pytest.mark.parametrize("min_is_white", [False, True])
@pytest.mark.parametrize("big", [False, True])
@pytest.mark.parametrize("bits", [1, 2, 4, 8, 12, 16])
def test_grey_tiff(read, bits, order, big, min_is_white):
    values = WHITE_AND_BLACK // 255 * (2**bits - 1)
    values = 2**bits - 1 - values if min_is_white else values
    tags = {258: ("H", [bits]), 262: ("H", [int(not min_is_white)]), 277: ("H", [1])}
    data = tiff(2, 4, _packed(values, bits, order), tags, order=order, big=big)
    if bits == 12 and order == ">":
        with pytest.raises(ImageReadError, match="12-bit samples in a big-endian"):
            read(data)
        return
    np.testing.assert_array_equal(read(data), WHITE_AND_BLACK)


@pytest.mark.parametrize("value", [0, 1, 500, 2047, 4095])
def test_12_bits_are_scaled_in_between(read, value):
    tags = {258: ("H", [12]), 262: ("H", [1]), 277: ("H", [1])}
    data = tiff(2, 1, _packed(np.array([[value, 0]]), 12, "<"), tags)
    np.testing.assert_allclose(read(data), [[value / 4095 * 255, 0]], rtol=1e-6)


@pytest.mark.parametrize(
    ("bits", "sample_format", "words"),
    [
        (10, 1, "10-bit samples"),
        (14, 1, "14-bit samples"),
        (24, 1, "24-bit samples"),
        (64, 1, "64-bit samples"),
        (8, 2, "8-bit signed"),
        (16, 2, "16-bit signed"),
        (16, 3, "floating-point"),
        (32, 3, "floating-point"),
        (64, 3, "floating-point"),
    ],
)
@pytest.mark.parametrize("order", ["<", ">"])
def test_tiff_without_a_known_white_is_refused_by_name(read, bits, sample_format, words, order):
    tags = {258: ("H", [bits]), 262: ("H", [1]), 277: ("H", [1]), 339: ("H", [sample_format])}
    with pytest.raises(ImageReadError, match=words):
        read(tiff(2, 4, bytes(64), tags, order=order))


def test_tiff_that_does_not_say_what_0_is(read):
    with pytest.raises(ImageReadError, match="0 is black or white"):
        read(tiff(2, 4, bytes(8), {258: ("H", [8]), 277: ("H", [1])}))


@pytest.mark.parametrize("high", [1, 255, 65536, 2**31 - 1])
def test_32_bits_are_taken_for_16_bit_values_or_refused(read, high):
    tags = {258: ("H", [32]), 262: ("H", [1]), 277: ("H", [1]), 339: ("H", [2])}
    with pytest.raises(ImageReadError, match=f"32-bit values from 0 to {high}"):
        read(tiff(2, 1, struct.pack("<2i", 0, high), tags))


@pytest.mark.parametrize("scale", [1, 257])
def test_tiff_palettes_of_8_or_16_bits(read, scale):
    colours = [0] * 768
    colours[1] = colours[257] = colours[513] = 255 * scale
    tags = {258: ("H", [8]), 262: ("H", [3]), 277: ("H", [1]), 320: ("H", colours)}
    data = tiff(2, 4, (WHITE_AND_BLACK // 255).astype("u1").tobytes(), tags)
    np.testing.assert_array_equal(read(data), WHITE_AND_BLACK)


@pytest.mark.parametrize(
    ("photometric", "white", "black", "bits"),
    [
        (2, (255, 255, 255), (0, 0, 0), 8),
        (2, (65535, 65535, 65535), (0, 0, 0), 16),
        (5, (0, 0, 0, 0), (0, 0, 0, 255), 8),
        (5, (0, 0, 0, 0), (0, 0, 0, 65535), 16),
        (6, (255, 128, 128), (0, 128, 128), 8),
    ],
)
def test_colour_tiff(read, photometric, white, black, bits):
    n_samples = len(white)
    data = struct.pack(f"<{2 * n_samples}{'B' if bits == 8 else 'H'}", *white, *black)
    tags = {258: ("H", [bits] * n_samples), 262: ("H", [photometric]), 277: ("H", [n_samples])}
    np.testing.assert_allclose(read(tiff(2, 1, data, tags)), [[255, 0]], atol=1e-4)


def test_lab_tiff_is_white_to_a_grey_level(tmp_path):
    tags = {258: ("H", [8] * 3), 262: ("H", [8]), 277: ("H", [3])}
    (tmp_path / "a.tif").write_bytes(tiff(2, 1, bytes([255, 0, 0, 0, 0, 0]), tags))
    # Pillow goes through a colour profile, and rounds.
    white, black = ImageReader().read_one(tmp_path / "a.tif")[0].astype(int)
    assert white.min() >= 254 and black.max() <= 1


@pytest.mark.parametrize("compression", ["tiff_lzw", "tiff_deflate", "packbits"])
@pytest.mark.parametrize("mode", ["1", "L", "I;16", "RGB", "CMYK"])
def test_compressed_tiff(tmp_path, mode, compression):
    image = Image.fromarray(WHITE_AND_BLACK.astype(np.uint8))
    if mode == "I;16":
        image = Image.fromarray((WHITE_AND_BLACK * 257).astype(np.uint16))
    image = image.convert(mode)
    image.save(tmp_path / "a.tif", compression=compression)
    read = ImageReader(channels="luminance").read_one(tmp_path / "a.tif")
    np.testing.assert_allclose(read[..., 0], WHITE_AND_BLACK, atol=1e-4)


@pytest.mark.parametrize(
    ("bits", "colour_type", "n_samples"),
    [(1, 0, 1), (2, 0, 1), (4, 0, 1), (8, 0, 1), (16, 0, 1), (8, 2, 3), (16, 2, 3)]
    + [(8, 4, 2), (16, 4, 2), (8, 6, 4), (16, 6, 4)],
)
def test_png(read, bits, colour_type, n_samples):
    alphas = n_samples in (2, 4)
    white = [2**bits - 1] * n_samples
    black = [0] * (n_samples - alphas) + [2**bits - 1] * alphas
    row = _packed(np.array([white + black]), bits, ">")
    header = struct.pack(">IIBBBBB", 2, 1, bits, colour_type, 0, 0, 0)
    data = png([(b"IHDR", header), (b"IDAT", zlib.compress(b"\0" + row)), (b"IEND", b"")])
    np.testing.assert_array_equal(read(data), [[255, 0]])


@pytest.mark.parametrize("largest", [1, 15, 100, 255, 256, 1023, 4095, 65535])
@pytest.mark.parametrize("kind", ["P2", "P3", "P5", "P6"])
def test_pgm_and_ppm_with_any_largest_value(read, kind, largest):
    values = np.array([largest, 0]).repeat(3 if kind in ("P3", "P6") else 1)
    head = f"{kind}\n# a comment\n2 1\n{largest}\n".encode()
    plain = b" ".join(b"%d" % value for value in values)
    data = plain if kind in ("P2", "P3") else values.astype("u1" if largest < 256 else ">u2")
    np.testing.assert_array_equal(read(head + bytes(data)), [[255, 0]])


@pytest.mark.parametrize("data", [b"P1\n# c\n2 1\n0 1", b"P1 2 1\n01\n", b"P4 2 1\n\x40"])
def test_bitmaps(read, data):
    np.testing.assert_array_equal(read(data), [[255, 0]])


def test_pgm_is_scaled_in_between(read):
    values = np.arange(1024, dtype=">u2")
    read_values = read(b"P5 1024 1 1023\n" + values.tobytes())
    np.testing.assert_allclose(read_values[0], values / 1023 * 255, atol=0.002)


@pytest.mark.parametrize("content", [b"P2 2 2 255\n1 2 3", b"P2 2 1 9\n1 10", b"P5 2 1 9\n\1\n"])
def test_pgm_of_too_few_or_too_large_values(read, content):
    with pytest.raises(ImageReadError, match="fewer values|above its largest"):
        read(content)


@pytest.mark.parametrize(
    "suffix", ["png", "jpg", "tif", "webp", "bmp", "gif", "jp2", "ppm", "avif"]
)
@pytest.mark.parametrize("mode", ["RGB", "L", "P", "1"])
def test_what_pillow_writes(tmp_path, suffix, mode):
    image = Image.fromarray(np.repeat(np.repeat(WHITE_AND_BLACK, 16, 0), 32, 1).astype(np.uint8))
    try:
        image.convert(mode).save(tmp_path / f"a.{suffix}", lossless=True, quality=100)
    except OSError:
        pytest.skip("not a mode of this format")
    read = ImageReader(channels="luminance").read_one(tmp_path / f"a.{suffix}")
    assert read[0, 0, 0] == pytest.approx(255, abs=1) and read[0, -1, 0] == pytest.approx(0, abs=1)
