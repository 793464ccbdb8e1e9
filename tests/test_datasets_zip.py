"""Images in zip files, and in tar files, which are read in place as if these were folders."""

import io
import os
import shutil
import zipfile
import zlib

import numpy as np
import pytest
from PIL import Image

from sklearn_ganprint.datasets import (
    ImageReader,
    ImageReadError,
    content_keys,
    list_images,
    load_image_folder,
)


@pytest.fixture
def images(image_folder):
    """Images in a folder per source, and its files."""
    folder, paths, _ = image_folder(n_per_class=2, labels=("a", "b"))
    return folder, paths


@pytest.fixture
def zipped(tmp_path):
    """Write bytes, or files, under their names into a zip file; return its path."""

    def make(contents, name="i.zip", **how):
        with zipfile.ZipFile(tmp_path / name, "w", **how) as archive:
            for member, content in contents.items():
                archive.writestr(member, content)
        return tmp_path / name

    return make


def _png(side=32, seed=0):
    stream = io.BytesIO()
    pixels = np.random.default_rng(seed).integers(0, 256, (side, side, 3), dtype=np.uint8)
    Image.fromarray(pixels).save(stream, "png")
    return stream.getvalue()


@pytest.mark.parametrize("kind", ["zip", "tar"])
@pytest.mark.parametrize("base", [None, "sources"])
def test_an_archive_is_loaded_as_the_folder_that_it_was_made_of(images, tmp_path, kind, base):
    folder, _ = images
    (folder / "a" / ".hidden.png").touch()
    archive = shutil.make_archive(tmp_path / "i", kind, folder.parent if base else folder, base)
    bunch, expected = load_image_folder(archive, n_jobs=2), load_image_folder(folder)
    np.testing.assert_array_equal(bunch.data, expected.data)
    np.testing.assert_array_equal(bunch.target, expected.target)
    above = f"{archive}{os.sep}{base + '/' if base else ''}"
    assert bunch.filenames[0] == f"{above}a/000.png".replace("/", os.sep) and not bunch.failures
    assert content_keys(bunch.filenames) == content_keys(expected.filenames)
    assert load_image_folder(f"{above.rstrip(os.sep)}").target_names.tolist() == ["a", "b"]


def test_a_slash_behind_an_archive_changes_nothing(images, tmp_path):
    archive = shutil.make_archive(tmp_path / "i", "zip", images[0])
    for layout in ("folders", None):
        listed = list_images(f"{archive}/", layout=layout).filenames
        assert listed.tolist() == list_images(archive, layout=layout).filenames.tolist()


def test_an_archive_that_is_compressed_as_a_whole_is_refused_in_words(images, tmp_path):
    archive = shutil.make_archive(tmp_path / "i", "gztar", images[0])
    with pytest.raises(ValueError, match=r"i\.tar\.gz: expected .*; unpack it"):
        load_image_folder(archive)


def test_layouts_and_tables_are_found_in_zip_files(zipped):
    names = ["gan/0_real/1.png", "gan/1_fake/2.png", "net/0_real/3.png", "net/1_fake/4.png"]
    contents = {name: _png(seed=seed) for seed, name in enumerate(names)}
    contents["list.csv"] = b"path,label\ngan/0_real/1.png,x\nnet/1_fake/4.png,y\n"
    path = zipped(contents)
    assert list_images(path, layout="forensynths").labels.tolist() == ["gan", "net", "real", "real"]
    contents |= {"gan/0_real/1.cls": b"x", "net/1_fake/4.model.txt": b"y"}
    assert list_images(zipped(contents, "w.zip"), layout="webdataset").labels.tolist() == ["x", "y"]
    assert load_image_folder(path / "list.csv").target_names.tolist() == ["x", "y"]


@pytest.mark.parametrize("method", ["deflated", "lzma", "encrypted", "changed", "cut", "declared"])
def test_a_member_that_cannot_be_used_is_named_and_the_rest_is_read(zipped, method):
    compression = zipfile.ZIP_LZMA if method == "lzma" else zipfile.ZIP_DEFLATED
    path = zipped({"b/2.png": _png(seed=1), "a/1.png": _png()}, compression=compression)
    data = bytearray(path.read_bytes())
    at, entry = data.index(b"PK\3\4", 4), data.rindex(b"PK\1\2")
    if method == "encrypted":
        data[entry + 8] |= 1
    elif method == "changed":
        data[at + 200] ^= 255
    elif method == "cut":
        data[entry + 20 : entry + 24] = b"\1\0\0\0"
    elif method == "declared":
        data[entry + 24 : entry + 28] = b"\xff\xff\xff\x7f"
    path.write_bytes(data)
    names = list_images(path, layout=None).filenames
    images, kept, failures = ImageReader().try_read(names)
    reasons = {
        "deflated": None,
        "lzma": "packed by a rare method",
        "encrypted": "is encrypted",
        "changed": "is damaged in the zip file",
        "cut": "is damaged in the zip file",
        "declared": "more than 682 MiB",
    }
    words = [failure.reason for failure in failures if failure.filename.endswith("1.png")]
    assert len(words) == (reasons[method] is not None)
    assert all(reasons[method] in word for word in words)
    assert len(kept) == {"deflated": 2, "lzma": 0}.get(method, 1) == len(images)


def test_no_more_is_unpacked_than_declared(zipped):
    path = zipped({"a.png": bytes(1 << 20)}, compression=zipfile.ZIP_DEFLATED)
    data = bytearray(path.read_bytes())
    entry = data.rindex(b"PK\1\2")
    data[entry + 24 : entry + 28] = (1000).to_bytes(4, "little")
    data[entry + 16 : entry + 20] = zlib.crc32(bytes(1000)).to_bytes(4, "little")
    path.write_bytes(data)
    with pytest.raises(ImageReadError, match="is damaged in the zip file"):
        ImageReader().read_one(path / "a.png")


@pytest.mark.parametrize("content", [b"", b"no zip file", b"PK\5\6" + bytes(18), _png()])
def test_what_is_no_zip_file_is_an_error_that_names_it(tmp_path, content):
    (tmp_path / "i.zip").write_bytes(content)
    with pytest.raises((OSError, ValueError), match="i.zip"):
        load_image_folder(tmp_path / "i.zip")


def test_a_zip_file_that_was_written_anew_is_read_anew(zipped):
    path = zipped({"a/1.png": _png()})
    before = ImageReader().read_one(path / "a" / "1.png")
    zipped({"a/1.png": _png(seed=1), "a/2.png": _png()})
    assert (ImageReader().read_one(path / "a" / "1.png") != before).any()
    with pytest.raises(ImageReadError, match="There is no such file in the zip file"):
        ImageReader().read_one(path / "a" / "3.png")


def test_commands_take_zip_files(images, tmp_path, fit, ganprint):
    folder, _ = images
    archive = shutil.make_archive(tmp_path / "i", "zip", folder)
    status, _, err = fit(archive, tmp_path / "m.skops")
    assert status == 0, err
    answers = [
        ganprint("predict", tmp_path / "m.skops", place, "--format", "csv")
        for place in (archive, folder)
    ]
    assert answers[0][1].replace(archive, str(folder)) == answers[1][1]
