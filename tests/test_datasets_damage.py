"""Damage that can be recognised is refused; what concerns no pixel that is read refuses nothing."""

import io
import os
import struct
import tarfile
import warnings
import zlib

import numpy as np
import pytest
from image_bytes import PNG_SIGNATURE, png, png_chunk, png_chunks, tiff
from PIL import Image, PngImagePlugin

from sklearn_ganprint.datasets import ImageReader, ImageReadError, load_image_folder

# No reader asks for a part that reaches outside.
from sklearn_ganprint.datasets._decoding import decode_image


@pytest.fixture
def noise():
    rng = np.random.default_rng(0)
    return rng.integers(0, 256, (96, 96, 3), dtype=np.uint8)


@pytest.fixture
def save(noise):
    """Return the noise, saved in a format, as bytes."""

    def make(kind, **options):
        stream = io.BytesIO()
        Image.fromarray(noise).save(stream, kind, **options)
        return stream.getvalue()

    return make


@pytest.fixture
def read(tmp_path):
    def make(data, **parameters):
        (tmp_path / "image").write_bytes(data)
        return ImageReader(**parameters).read_one(tmp_path / "image")

    return make


def _oriented(save, kind, where, orientation):
    """Save an image with an orientation in Exif data or in XMP data."""
    xmp = f'<x:xmpmeta><rdf tiff:Orientation="{orientation}"/></x:xmpmeta>'.encode()
    exif = Image.Exif()
    exif[0x0112] = orientation
    if where == "exif":
        return save(kind, exif=exif.tobytes(), lossless=True)
    if kind == "TIFF":
        return save(kind, tiffinfo={700: xmp})
    if kind == "PNG":
        info = PngImagePlugin.PngInfo()
        info.add_itxt("XML:com.adobe.xmp", xmp.decode())
        return save(kind, pnginfo=info)
    return save(kind, xmp=xmp, lossless=True)


@pytest.mark.parametrize("where", ["exif", "xmp"])
@pytest.mark.parametrize("kind", ["TIFF", "JPEG", "PNG", "WEBP", "AVIF"])
@pytest.mark.parametrize("orientation", [1, 2, 3, 4, 5, 6, 7, 8])
def test_orientation_moves_no_pixel(tmp_path, save, read, noise, kind, where, orientation):
    noise = noise[:64]
    stored = io.BytesIO()
    data = _oriented(
        lambda kind, **options: _save(noise, kind, **options), kind, where, orientation
    )
    stored = np.asarray(Image.open(io.BytesIO(_save(noise, kind, lossless=True))))
    np.testing.assert_array_equal(read(data), stored)
    np.testing.assert_array_equal(read(data, crop=64, anchor="center"), stored[:, 16:80])
    (tmp_path / "a").mkdir(), (tmp_path / "b").mkdir()
    (tmp_path / "a/1").write_bytes(data)
    (tmp_path / "b/1").write_bytes(data + b"\0")
    bunch = load_image_folder(tmp_path, reader=ImageReader(crop=(64, 96)))
    assert (bunch.widths[0], bunch.heights[0]) == (96, 64)


def _save(pixels, kind, **options):
    stream = io.BytesIO()
    Image.fromarray(pixels).save(stream, kind, **options)
    return stream.getvalue()


def test_no_crop_reaches_outside_the_image(tmp_path):
    Image.new("RGB", (20, 10)).save(tmp_path / "a.png")
    for box in [(0, 0, 21, 10), (-1, 0, 5, 5), (0, 5, 20, 11), (5, 5, 5, 6)]:
        with pytest.raises(ImageReadError, match="has no part"):
            decode_image(
                tmp_path / "a.png", channels="rgb", max_pixels=999, window=lambda *_, b=box: b
            )


@pytest.mark.parametrize("kind", [b"IHDR", b"PLTE", b"IDAT"])
def test_png_with_a_wrong_checksum(noise, read, kind):
    stream = io.BytesIO()
    Image.fromarray(noise).quantize(50).save(stream, "PNG")
    chunks = png_chunks(stream.getvalue())
    data = PNG_SIGNATURE + b"".join(
        png_chunk(each, body, checksum=7 if each == kind else None) for each, body in chunks
    )
    with pytest.raises(ImageReadError, match=rf"checksum of its {kind.decode()} chunk is wrong"):
        read(data)


def test_png_with_a_zeroed_half_that_still_unpacks(noise, read):
    rows = b"".join(b"\0" + row.tobytes() for row in noise)
    data = bytearray(png([*_png_head(96, 96), (b"IDAT", zlib.compress(rows, 0)), (b"IEND", b"")]))
    data[len(data) // 2 : -100] = bytes(len(data) - len(data) // 2 - 100)
    with pytest.raises(ImageReadError, match="checksum"):
        read(bytes(data))


def _png_head(width, height, bits=8, colour_type=2):
    header = struct.pack(">IIBBBBB", width, height, bits, colour_type, 0, 0, 0)
    return [(b"IHDR", header)]


@pytest.mark.parametrize("palette", [None, b"\0" * 3, b"\0" * 27])
def test_png_with_colours_that_its_palette_lacks(read, palette):
    chunks = _png_head(3, 1, colour_type=3) + ([(b"PLTE", palette)] if palette else [])
    data = png([*chunks, (b"IDAT", zlib.compress(b"\0\1\2\xff")), (b"IEND", b"")])
    with pytest.raises(ImageReadError, match="palette"):
        read(data)


ANCILLARY = {
    "compressed text": (b"zTXt", b"workflow\0\0" + zlib.compress(b"x" * 3_000_000)),
    "international text": (b"iTXt", b"w\0\1\0\0\0" + zlib.compress(b"y" * 3_000_000)),
    "compressed profile": (b"iCCP", b"p\0\0" + zlib.compress(bytes(3_000_000))),
    "profile of unknown packing": (b"iCCP", b"p\0\7junk"),
    "short pHYs": (b"pHYs", b"\0\0"),
    "short gAMA": (b"gAMA", b""),
    "short cHRM": (b"cHRM", b"\0" * 31),
    "short sRGB": (b"sRGB", b""),
    "short tRNS": (b"tRNS", b"\0"),
    "short acTL": (b"acTL", b"\0"),
    "wrong fcTL": (b"fcTL", b"\xff" * 26),
    "broken Exif": (b"eXIf", b"MM\0*\xff\xff\xff\xff"),
    "unknown": (b"quUx", b"\0" * 100),
}


@pytest.mark.parametrize("behind", [False, True])
@pytest.mark.parametrize("checksum", [None, 3])
@pytest.mark.parametrize("name", ANCILLARY)
def test_png_with_other_chunks(save, read, noise, name, checksum, behind):
    chunks = [png_chunk(kind, body) for kind, body in png_chunks(save("PNG"))]
    chunks.insert(-1 if behind else 1, png_chunk(*ANCILLARY[name], checksum=checksum))
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        np.testing.assert_array_equal(read(PNG_SIGNATURE + b"".join(chunks)), noise)


@pytest.mark.parametrize("kind", ["PNG", "JPEG", "TIFF", "WEBP", "GIF", "BMP", "PPM", "JPEG2000"])
def test_bytes_behind_the_end(save, read, kind):
    data = save(kind)
    np.testing.assert_array_equal(read(data + bytes(range(256)) * 20), read(data))


def test_both_routes_agree_on_a_tiff_file_with_a_broken_later_page(tmp_path, noise):
    for label in "ab":
        (tmp_path / label).mkdir()
        frames = [Image.fromarray(noise + (label == "b")) for _ in range(3)]
        path = tmp_path / label / "1.tif"
        frames[0].save(path, save_all=True, append_images=frames[1:])
        data = bytearray(path.read_bytes())
        (first,) = struct.unpack("<L", data[4:8])
        place = first + 2 + 12 * struct.unpack("<H", data[first : first + 2])[0]
        data[place : place + 4] = struct.pack("<L", len(data) - 3)
        path.write_bytes(data)
    bunch = load_image_folder(tmp_path)
    assert bunch.failures == [] and len(bunch.data) == 2
    np.testing.assert_array_equal(bunch.data[0], ImageReader().read_one(bunch.filenames[0]))


def _segments(data):
    """Split a JPEG file before its first scan into (start, stop) of each segment."""
    position, found = 2, []
    while data[position + 1] != 0xDA:
        size = 2 + int.from_bytes(data[position + 2 : position + 4])
        found.append((position, position + size))
        position += size
    return found


@pytest.mark.parametrize("progressive", [False, True])
@pytest.mark.parametrize(
    "segment",
    [
        b"\xff\xe1\x00\x20Exif\0\0MM\0*\xff\xff\xff\xff" + bytes(16),
        b"\xff\xe2\x00\x14ICC_PROFILE\0\x09\x02ab",
        b"\xff\xe2\x00\x10MPF\0II*\0\x08\0\0\0" + b"\xff" * 2,
        b"\xff\xed\x00\x20Photoshop 3.0\x008BIM" + bytes(13),
        b"\xff\xfe\x00\x06text" + b"\xff" * 3000,
        b"\xff\xef\x00\x02",
    ],
)
def test_jpeg_with_other_segments(save, read, segment, progressive):
    data = save("JPEG", progressive=progressive)
    np.testing.assert_array_equal(read(data[:2] + segment + data[2:]), read(data))


JPEGS = {
    "baseline": {"quality": 90},
    "full colour": {"quality": 95, "subsampling": 0},
    "optimized": {"quality": 85, "optimize": True},
    "restarts": {"quality": 90, "restart_marker_rows": 1},
    "progressive": {"quality": 90, "progressive": True},
}


@pytest.mark.parametrize("name", JPEGS)
@pytest.mark.parametrize("part", [0.3, 0.5, 0.7, 0.9])
def test_jpeg_that_was_cut_and_given_an_end(save, read, name, part):
    data = save("JPEG", **JPEGS[name])
    assert read(data).shape == (96, 96, 3)
    with pytest.raises(ImageReadError, match="missing|restart"):
        read(data[: int(len(data) * part)] + b"\xff\xd9")


@pytest.mark.parametrize("name", ["baseline", "full colour", "optimized", "restarts"])
@pytest.mark.parametrize("start", [1500, 2500, 4000])
def test_jpeg_with_2000_bytes_missing(save, read, name, start):
    data = save("JPEG", **JPEGS[name])
    with pytest.raises(ImageReadError, match="missing|left over|restart|truncated"):
        read(data[:start] + data[start + 2000 :])


@pytest.mark.parametrize("name", ["baseline", "full colour", "optimized"])
def test_jpeg_with_a_zeroed_half(save, read, name):
    data = save("JPEG", **JPEGS[name])
    half = len(data) // 2
    with pytest.raises(ImageReadError, match="missing|left over"):
        read(data[:half] + bytes(len(data) - half - 2) + data[-2:])


@pytest.mark.parametrize("size", [(96, 64), (64, 96), (96, 200), (200, 96)])
def test_jpeg_whose_header_has_another_size(save, read, size):
    data = bytearray(save("JPEG"))
    start = next(start for start, _ in _segments(data) if data[start + 1] == 0xC0)
    data[start + 5 : start + 9] = struct.pack(">HH", *size)
    with pytest.raises(ImageReadError, match="missing|left over"):
        read(bytes(data))


@pytest.mark.parametrize("values", ["flat", "gradient", "text", "noise"])
@pytest.mark.parametrize("size", [(8, 8), (1, 1), (17, 300), (640, 480)])
@pytest.mark.parametrize("name", JPEGS)
@pytest.mark.parametrize("mode", ["L", "RGB"])
def test_intact_jpeg_files_are_read_as_pillow_does(read, values, size, name, mode):
    width, height = size
    pixels = {
        "flat": np.full((height, width), 255),
        "gradient": np.add.outer(np.arange(height), np.arange(width)) // 4 % 256,
        "text": np.where(np.add.outer(np.arange(height) // 9, np.arange(width) // 5) % 3, 255, 0),
        "noise": np.random.default_rng(1).integers(0, 256, (height, width)),
    }[values]
    stream = io.BytesIO()
    Image.fromarray(pixels.astype(np.uint8)).convert(mode).save(stream, "JPEG", **JPEGS[name])
    expected = np.asarray(Image.open(stream).convert("RGB"))
    np.testing.assert_array_equal(read(stream.getvalue()), expected)


@pytest.mark.parametrize("lossless", [False, True])
def test_webp_with_a_zeroed_half(save, read, lossless):
    data = save("WEBP", lossless=lossless, quality=90)
    half = len(data) // 2
    with pytest.raises(ImageReadError, match="overwritten with zeros"):
        read(data[:half] + bytes(len(data) - half))


@pytest.mark.parametrize("lossless", [False, True])
@pytest.mark.parametrize("part", [0.4, 0.8])
def test_webp_that_was_cut_and_its_sizes_mended(save, read, lossless, part):
    data = save("WEBP", lossless=lossless, quality=90)
    content = data[20 : int(len(data) * part) // 2 * 2]
    chunk = data[12:16] + struct.pack("<L", len(content)) + content
    with pytest.raises(ImageReadError, match="damaged or truncated"):
        read(b"RIFF" + struct.pack("<L", len(chunk) + 4) + b"WEBP" + chunk)


@pytest.mark.parametrize("size", [(96, 95), (48, 48), (192, 192)])
@pytest.mark.parametrize("mode", ["RGB", "L", "RGBA"])
def test_avif_that_announces_another_size(noise, read, size, mode):
    stream = io.BytesIO()
    Image.fromarray(noise).convert(mode).save(stream, "AVIF")
    data = stream.getvalue()
    assert read(data).shape == (96, 96, 3)
    place = data.index(b"ispe") + 8
    with pytest.raises(ImageReadError, match=r"announces .* but 96 x 96 are coded"):
        read(data[:place] + struct.pack(">LL", *size) + data[place + 8 :])


def sequence_header(width, height, *, timing, model, delay):
    """Write what section 5.5 of the AV1 specification puts into the header of a sequence."""
    fields = [(0, 3), (0, 1), (0, 1), (timing, 1)]  # profile, still picture, short header
    if timing:
        # With equal intervals comes how many ticks, 5 as 6 without its first bits: 0, 0, 1, 1, 0.
        fields += [(1, 32), (25, 32), (1, 1), (6, 5), (model, 1)]
    if timing and model:
        fields += [(9, 5), (1, 32), (9, 5), (9, 5)]
    fields += [(delay, 1), (1, 5)]  # two operating points
    for level in (5, 9):
        fields += [(1, 12), (level, 5), *([(1, 1)] if level > 7 else [])]
        if timing and model:
            fields += [(1, 1), (3, 10), (3, 10), (0, 1)]
        if delay:
            fields += [(1, 1), (7, 4)]
    fields += [(9, 4), (11, 4), (width - 1, 10), (height - 1, 12)]
    bits = "".join(f"{value:0{n_bits}b}" for value, n_bits in fields)
    bits += "0" * (-len(bits) % 8)
    content = int(bits, 2).to_bytes(len(bits) // 8)
    return bytes([0x0A, len(content)]) + content


@pytest.mark.parametrize("delay", [0, 1])
@pytest.mark.parametrize(("timing", "model"), [(0, 0), (1, 0), (1, 1)])
def test_avif_whose_images_are_coded_as_a_sequence_of_another_size(
    noise, read, timing, model, delay
):
    stream = io.BytesIO()
    frames = [Image.fromarray(noise), Image.fromarray(noise[::-1])]
    frames[0].save(stream, "AVIF", save_all=True, append_images=frames[1:])
    data = stream.getvalue()
    assert read(data).shape == (96, 96, 3)
    header = sequence_header(50, 70, timing=timing, model=model, delay=delay)
    place = data.index(b"mdat") + 4
    with pytest.raises(ImageReadError, match="announces 96 x 96 pixels, but 50 x 70 are coded"):
        read(data[:place] + header + data[place + len(header) :])
    with pytest.raises(ImageReadError, match="AV1 header ends too early"):
        read(data[:place] + b"\x0a\x02" + header[2:] + data[place + len(header) :])


RGB_TAGS = {258: ("H", [8] * 3), 262: ("H", [2]), 277: ("H", [3])}


@pytest.mark.parametrize(
    ("tags", "words"),
    [
        ({279: ("L", [100])}, "shorter than its pixels"),
        ({273: ("L", [10**6])}, "lie outside"),
        ({278: ("L", [4])}, "fewer strips"),
        ({278: ("L", [0])}, "no size"),
        ({256: ("L", [9])}, "shorter than its pixels"),
    ],
)
def test_tiff_whose_strips_do_not_hold_its_pixels(read, tags, words):
    with pytest.raises(ImageReadError, match=words):
        read(tiff(8, 8, bytes(192), RGB_TAGS | tags))


def test_tiff_whose_packed_data_have_another_checksum(read):
    packed = bytearray(zlib.compress(bytes(range(192)), 0))
    packed[50] ^= 1
    with pytest.raises(ImageReadError, match="cannot be unpacked"):
        read(tiff(8, 8, bytes(packed), RGB_TAGS | {259: ("H", [8])}))


@pytest.mark.parametrize("n_frames", [1, 3])
def test_gif_and_webp_with_a_broken_later_frame(noise, read, n_frames):
    frames = [Image.fromarray(np.roll(noise, shift, 0)) for shift in range(3)]
    for kind, options in [("GIF", {}), ("WEBP", {"lossless": True})]:
        stream = io.BytesIO()
        frames[0].save(stream, kind, save_all=True, append_images=frames[1:], **options)
        whole = read(stream.getvalue())
        data = stream.getvalue()
        broken = data[:-3000] + b"\xaa" * 3000
        np.testing.assert_array_equal(read(broken), whole)


def _tar(size_field):
    """Return a tar file of six images and labels, in which one header states another size."""
    stream = io.BytesIO()
    with tarfile.open(fileobj=stream, mode="w") as archive:
        for index in range(6):
            image = io.BytesIO()
            Image.new("L", (8, 8), index).save(image, "PNG")
            for name, content in [
                (f"{index}.png", image.getvalue()),
                (f"{index}.cls", b"ab"[index % 2 :][:1]),
            ]:
                info = tarfile.TarInfo(name)
                info.size = len(content)
                archive.addfile(info, io.BytesIO(content))
    data = bytearray(stream.getvalue())
    start = data.index(b"4.png\0")
    data[start + 124 : start + 136] = size_field
    data[start + 148 : start + 156] = b" " * 8
    data[start + 148 : start + 156] = b"%06o\0 " % sum(data[start : start + 512])
    return bytes(data)


@pytest.mark.parametrize(
    "size_field",
    [
        b"77777777777\0",
        b"00000100000\0",
        b"zzzzzzzzzzz\0",
        b"\x80" + b"\x7f" * 11,
        b"\xff" * 12,
        b"\xff" * 10 + b"\xf6\0",
    ],
)
def test_tar_with_a_wrong_size_is_named_and_the_rest_is_used(tmp_path, size_field):
    (tmp_path / "0.tar").write_bytes(_tar(size_field))
    bunch = load_image_folder(tmp_path, layout="webdataset")
    assert [os.path.basename(name) for name in bunch.filenames] == [
        *("0.png", "2.png"),
        *("1.png", "3.png"),
    ]
    assert any(failure.filename.endswith("0.tar") for failure in bunch.failures)


def _many_pages(n_pages):
    directory = struct.pack("<H", 0)
    data = tiff(8, 8, bytes(192), RGB_TAGS)
    first, end = struct.unpack("<L", data[4:8])[0], len(data)
    (n_tags,) = struct.unpack("<H", data[first : first + 2])
    place = first + 2 + 12 * n_tags
    pages = b"".join(directory + struct.pack("<L", end + 6 * (i + 1)) for i in range(n_pages - 1))
    return data[:place] + struct.pack("<L", end) + data[place + 4 :] + pages + directory + bytes(4)


@pytest.mark.parametrize(
    "make",
    [
        lambda save: _many_pages(20_000),
        lambda save: save("JPEG")[:2] + b"\xff" * 5_000_000 + save("JPEG")[2:],
        lambda save: (
            save("JPEG")[:2] + 90 * (b"\xff\xe1\xff\xff" + bytes(65533)) + save("JPEG")[2:]
        ),
        lambda save: save("PNG")[:33] + 20_000 * png_chunk(b"quUx", b"") + save("PNG")[33:],
    ],
    ids=["pages", "padding", "Exif", "chunks"],
)
def test_long_headers_are_passed_over(save, read, make):
    assert read(make(save)).shape[2] == 3


@pytest.mark.parametrize("filler", [b"#" + b"c" * 10**7 + b"\n", b" " * 10**7, b"#\n" * 10**6])
@pytest.mark.parametrize("kind", ["P1", "P4", "P5", "P6", "Pf"])
def test_pnm_header_that_does_not_end_is_named(read, kind, filler):
    with pytest.raises(ImageReadError, match="no header"):
        read(kind.encode() + b"\n" + filler + b"2 1 255 ")


def test_jpeg_with_too_many_scans(save, read):
    data = save("JPEG", progressive=True)
    last = data.rindex(b"\xff\xda")
    with pytest.raises(ImageReadError, match="more JPEG scans"):
        read(data[:last] + 100 * data[last:-2] + data[-2:])


def test_files_of_too_many_parts_are_named(save, read):
    data = save("PNG")
    with pytest.raises(ImageReadError, match="more than 200000 chunks"):
        read(data[:33] + 200_001 * png_chunk(b"quUx", b"") + data[33:])


@pytest.mark.parametrize(("crop", "fits"), [(None, False), (100, True)])
def test_memory_is_asked_for_before_it_is_taken(read, crop, fits):
    rows = b"".join(b"\0" + bytes(2 * 3000) for _ in range(3000))
    chunks = _png_head(3000, 3000, bits=16, colour_type=0)
    data = png([*chunks, (b"IDAT", zlib.compress(rows)), (b"IEND", b"")])
    if fits:
        assert read(data, crop=crop, max_pixels=9_000_000).shape == (100, 100, 3)
        return
    with pytest.raises(ImageReadError, match=r"120 MiB .* crop"):
        read(data, crop=crop, max_pixels=9_000_000)


@pytest.mark.parametrize("n_bytes", [1, 2, 40])
@pytest.mark.parametrize("suffix", ["j2k", "jp2"])
def test_jpeg2000_that_lost_its_end(tmp_path, suffix, n_bytes):
    path = tmp_path / f"cut.{suffix}"
    pixels = np.random.default_rng(0).integers(0, 256, (32, 32, 3), dtype=np.uint8)
    Image.fromarray(pixels).save(path)
    np.testing.assert_array_equal(ImageReader().read_one(path), pixels)
    path.write_bytes(path.read_bytes()[:-n_bytes])
    with pytest.raises(ImageReadError, match="truncated|damaged"):
        ImageReader().read_one(path)
