"""Images in tar files: read in place, and labelled as the WebDataset convention has it."""

import gzip
import io
import os
import shutil
import tarfile

import numpy as np
import pytest
from PIL import Image

from sklearn_ganprint.datasets import ImageReader, ImageReadError, load_image_folder


def _png(pixels):
    stream = io.BytesIO()
    Image.fromarray(pixels).save(stream, "png")
    return stream.getvalue()


@pytest.fixture
def shard(tmp_path):
    """Write bytes under their names into a tar file; return its path."""

    def make(contents, name="shards/0.tar"):
        path = tmp_path / name
        path.parent.mkdir(exist_ok=True)
        with tarfile.open(path, "w") as archive:
            for member, content in contents.items():
                info = tarfile.TarInfo(member)
                info.size = len(content)
                archive.addfile(info, io.BytesIO(content))
        return path

    return make


@pytest.fixture
def samples(make_images):
    """Images and the members that hold them, each with a label file beside it."""
    images, labels = make_images(n_per_class=2, shape=(8, 8, 3))
    members = {}
    for index, (image, label) in enumerate(zip(images, labels, strict=True)):
        members[f"{index}.png"] = _png(image)
        members[f"{index}.json"] = b"{}"
        members[f"{index}.model.txt"] = f"{label}\n".encode()
    return images, labels, members


@pytest.mark.parametrize("n_jobs", [None, 2])
def test_members_are_read_without_unpacking(shard, samples, n_jobs):
    images, labels, members = samples
    path = shard(members)
    bunch = load_image_folder(path.parent, layout="webdataset", n_jobs=n_jobs)
    np.testing.assert_array_equal(bunch.data, images)
    assert bunch.target_names[bunch.target].tolist() == labels.tolist()
    assert bunch.filenames.tolist() == [f"{path}{os.sep}{i}.png" for i in range(6)]
    assert bunch.formats.tolist() == ["PNG"] * 6 and bunch.failures == []
    assert os.listdir(path.parent) == ["0.tar"]


def test_what_systems_leave_in_tar_files_is_no_image(shard, samples):
    _, _, members = samples
    left = {f"__MACOSX/{name}": content for name, content in members.items()}
    left |= {f"._{name}": content for name, content in members.items()}
    path = shard(members | left)
    with pytest.warns(UserWarning, match="__MACOSX: left out"):
        bunch = load_image_folder(path.parent, layout="webdataset")
    assert len(bunch.data) == 6 and bunch.failures == []


def test_several_shards_or_one(shard, samples):
    _, _, members = samples
    first = shard({f"./a/{name}": content for name, content in members.items()})
    shard({f"/b.c/{name}": content for name, content in members.items()}, "shards/1.tar")
    both = load_image_folder(first.parent, layout="webdataset")
    one = load_image_folder(first, layout="webdataset", groups="name")
    assert len(both.data) == 12 and len(both.duplicates) == 6
    assert one.groups.tolist() == list("012345")
    np.testing.assert_array_equal(both.data[both.target == 0][:2], one.data[one.target == 0])


def test_what_cannot_be_used_is_named(shard, samples):
    _, _, members = samples
    members |= {"6.png": members["0.png"], "7.png": b"no image", "7.cls": b"3", "8.png": b""}
    path = shard(members)
    (path.parent / "notes.txt").write_text("notes")
    (path.parent / "1.tar").write_text("no tar file")
    (path.parent / "2.tar.gz").write_bytes(gzip.compress(path.read_bytes()))
    bunch = load_image_folder(path.parent, layout="webdataset")
    reasons = {os.path.basename(f.filename): f.reason for f in bunch.failures}
    assert len(bunch.data) == 6
    assert "cannot be read as a tar file" in reasons["1.tar"] and "label '3'" in reasons["0.tar"]
    assert "decompressed" in reasons["2.tar.gz"] and "no .tar or .zip" in reasons["notes.txt"]
    assert "not an image" in reasons["7.png"]
    assert all("no label; expected tar or zip" in reasons[name] for name in ("6.png", "8.png"))


@pytest.mark.parametrize(
    ("members", "found"),
    [({"1.png": b"x"}, "0.tar.1.png$"), ({"1.txt": b"x"}, "0.tar$"), ({}, "0.tar$")],
)
def test_wrong_shards(shard, members, found):
    path = shard(members)
    with pytest.raises(ValueError, match=f"expected tar or zip .* KEY.* found {found}"):
        load_image_folder(path.parent, layout="webdataset")


def test_an_error_says_what_is_wrong_with_the_only_tar_file(tmp_path):
    path = tmp_path / "0.tar"
    path.write_text("no tar file")
    with pytest.raises(ValueError, match="found 0.tar; .*cannot be read"):
        load_image_folder(path, layout="webdataset")


def test_reading_a_member_that_is_not_there(shard, samples):
    path = shard(samples[2])
    with pytest.raises(ImageReadError, match=r"0.tar.9.png: cannot be opened: .*in the tar file"):
        ImageReader().read_one(path / "9.png")


@pytest.mark.parametrize("extra", [{}, {"more.txt": b"x" * 30_000}])
def test_a_tar_file_that_was_written_anew(shard, samples, extra):
    images, _, members = samples
    path = shard(members)
    np.testing.assert_array_equal(ImageReader().read_one(path / "0.png"), images[0])
    status = os.stat(path)
    shard(extra | dict(reversed(members.items())))  # the same names at other places
    os.utime(path, ns=(status.st_atime_ns, status.st_mtime_ns + (0 if extra else 10**9)))
    assert (os.path.getsize(path) != status.st_size) == bool(extra)
    np.testing.assert_array_equal(ImageReader().read_one(path / "0.png"), images[0])


def test_a_folder_may_be_called_like_a_tar_file(shard, samples, tmp_path):
    images, _, members = samples
    (tmp_path / "a.tar").mkdir()
    path = shutil.copy(shard(members), tmp_path / "a.tar/b.tar")
    Image.fromarray(images[1]).save(tmp_path / "a.tar/plain.png")
    reader = ImageReader()
    np.testing.assert_array_equal(reader.read_one(path / "0.png"), images[0])
    np.testing.assert_array_equal(reader.read_one(tmp_path / "a.tar/plain.png"), images[1])


@pytest.mark.parametrize("damage", ["header", "cut"])
def test_damage_of_a_tar_file_that_is_read_as_a_folder_is_named(shard, samples, damage):
    images, labels, members = samples
    names = [f"{label}/{index}.png" for index, label in enumerate(labels)]
    pngs = (members[f"{index}.png"] for index in range(len(images)))
    path = shard(dict(zip(names, pngs, strict=True)))
    whole, header = path.read_bytes(), b"c/5.png\0"
    changed = whole.replace(header, b"c/5.pn!\0")
    path.write_bytes(changed if damage == "header" else whole[: whole.index(header)])
    bunch = load_image_folder(path)
    assert len(bunch.data) == 5
    assert [f.filename for f in bunch.failures] == [str(path)]
