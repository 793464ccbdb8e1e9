"""What headers tell beside the pixels: how colours are sampled, and which metadata there are."""

import io
import tarfile

import numpy as np
import pytest
from PIL import Image, ImageCms, PngImagePlugin

from sklearn_ganprint.datasets import inspect_images


@pytest.fixture
def image():
    noise = np.random.default_rng(0).integers(0, 256, (260, 300, 3), dtype=np.uint8)
    return Image.fromarray(noise)


@pytest.mark.parametrize(
    ("given", "told"), [("4:4:4", "4:4:4"), ("4:2:2", "4:2:2"), ("4:2:0", "4:2:0")]
)
def test_subsampling_is_that_of_the_file(given, told, image, tmp_path):
    image.save(tmp_path / "x.jpg", subsampling=given)
    assert inspect_images([tmp_path / "x.jpg"]).subsampling.tolist() == [told]


def test_what_is_no_jpeg_of_colours_has_no_subsampling(image, tmp_path):
    image.convert("L").save(tmp_path / "grey.jpg")
    image.save(tmp_path / "x.png")
    image.save(tmp_path / "x.webp")
    paths = [tmp_path / name for name in ("grey.jpg", "x.png", "x.webp")]
    assert inspect_images(paths).subsampling.tolist() == ["", "", ""]


def kinds():
    exif, text = Image.Exif(), PngImagePlugin.PngInfo()
    exif[0x0110] = "camera"
    text.add_text("parameters", "a harbour")
    profile = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    xmp = b"<x:xmpmeta xmlns:x='adobe:ns:meta/'/>"
    yield from ((form, {}, "") for form in ("jpg", "png", "webp", "bmp"))
    yield from ((form, {"exif": exif}, "EXIF") for form in ("jpg", "png", "webp"))
    yield from ((form, {"icc_profile": profile}, "ICC") for form in ("jpg", "png", "webp"))
    yield from ((form, {"xmp": xmp}, "XMP") for form in ("jpg", "webp"))
    yield "png", {"pnginfo": text}, "text"
    yield "png", {"pnginfo": text, "exif": exif, "icc_profile": profile}, "EXIF, ICC, text"


@pytest.mark.parametrize(("form", "options", "told"), list(kinds()))
def test_kinds_of_metadata_are_told(form, options, told, image, tmp_path):
    # Lossless WebP of noise is larger than what is searched from one end.
    lossless = {"lossless": True} if form == "webp" else {}
    image.save(path := tmp_path / f"x.{form}", **options, **lossless)
    assert inspect_images([path]).metadata.tolist() == [told]


def test_metadata_are_told_of_files_in_tar_files(image, tmp_path):
    exif = Image.Exif()
    exif[0x0110] = "camera"
    image.save(stream := io.BytesIO(), "JPEG", exif=exif)
    with tarfile.open(tmp_path / "x.tar", "w") as archive:
        for name, content in (("a.jpg", stream.getvalue()), ("b.bin", b"ICC_PROFILE" * 9)):
            member = tarfile.TarInfo(name)
            member.size = len(content)
            archive.addfile(member, io.BytesIO(content))
    assert inspect_images([tmp_path / "x.tar" / "a.jpg"]).metadata.tolist() == ["EXIF"]
