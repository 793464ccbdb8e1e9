"""Every known layout on a tree of its own, and on a tree that is not laid out so."""

import os
import re
import shutil

import numpy as np
import pytest
from PIL import Image

from sklearn_ganprint.datasets import LAYOUTS, ImageReader, confounds, load_image_folder

# Layout: file, label, architecture, split, whether real.
TREES = {
    "nested": [
        ("cycle/horse/1.png", "cycle/horse", "cycle", None, None),
        ("cycle/zebra/1.png", "cycle/zebra", "cycle", None, None),
        ("pro/horse/deep/er/1.png", "pro/horse", "pro", None, None),
    ],
    "forensynths": [
        ("biggan/0_real/1.png", "real", None, None, True),
        ("biggan/1_fake/1.png", "biggan", None, None, False),
        ("progan/car/0_real/1.png", "real", None, None, True),
        ("progan/car/1_fake/1.png", "progan", None, None, False),
        ("progan/cat/1_fake/1.png", "progan", None, None, False),
    ],
    "gangen": [
        ("AttGAN/0_real/1.png", "real", None, None, True),
        ("AttGAN/1_fake/1.png", "AttGAN", None, None, False),
    ],
    "genimage": [
        ("ADM/imagenet_ai_0508_adm/train/ai/1.png", "ADM", None, "train", False),
        ("ADM/imagenet_ai_0508_adm/val/nature/1.png", "real", None, "val", True),
        ("glide/train/ai/1.png", "glide", None, "train", False),
    ],
    "140k-faces": [
        ("real_vs_fake/real-vs-fake/test/fake/1.png", "fake", None, "test", False),
        ("real_vs_fake/real-vs-fake/train/real/1.png", "real", None, "train", True),
        ("real_vs_fake/real-vs-fake/valid/real/1.png", "real", None, "val", True),
    ],
    "open-world-gan": [
        ("eval/attgan_celeba/1.png", "attgan_celeba", "attgan", "test", False),
        ("train/progan_lsun_bedroom/1.png", "progan_lsun_bedroom", "progan", "train", False),
        ("train/real_celeba/1.png", "real", "real", "train", True),
        ("train/real_lsun/1.png", "real", "real", "train", True),
    ],
    "frank": [
        ("A_original/1.png", "real", None, None, True),
        ("B_ProGAN/1.png", "ProGAN", None, None, False),
        ("C_MMD_GAN/1.png", "MMD_GAN", None, None, False),
    ],
    "dresden": [
        ("Nikon_D70_0_19929.png", "Nikon_D70_0", "Nikon_D70", None, True),
        ("natural/Nikon_D70_1_2.png", "Nikon_D70_1", "Nikon_D70", None, True),
        ("Olympus_mju_1050SW_0_2.png", "Olympus_mju_1050SW_0", "Olympus_mju_1050SW", None, True),
    ],
    "vision": [
        ("D01_LG_D290/images/flat/1.png", "D01_LG_D290", "LG_D290", None, True),
        ("D01_LG_D290/images/nat/1.png", "D01_LG_D290", "LG_D290", None, True),
        ("D02_LG_D290/images/nat/1.png", "D02_LG_D290", "LG_D290", None, True),
    ],
    "artifact": [
        ("coco/val/1.png", "real", None, None, True),
        ("lama/1.png", "lama", None, None, False),
        ("lama/photos/1.png", "real", None, None, True),
    ],
    "raise": [
        ("r000.TIF", "Nikon D90", "Nikon D90", None, True),
        ("more/r001.TIF", "Nikon D40", "Nikon D40", None, True),
        ("r002.TIF", "Nikon D90", "Nikon D90", None, True),
    ],
}
TABLES = {
    "artifact": {
        "coco/metadata.csv": "filename,image_path,target,category\n1.png,val/1.png,0,cat\n",
        "lama/metadata.csv": "filename,image_path,target,category\n"
        "1.png,1.png,6,cat\n1.png,photos/1.png,0,cat\n",
    },
    "raise": {
        "RAISE_1k.csv": "File,TIFF,Device,Lens\nr000,http://a.b/c,Nikon D90,x\n"
        "r001,,Nikon D40,\nr002,,Nikon D90,\nr003,,Nikon D7000,\n"
    },
}


@pytest.fixture
def write(tmp_path, make_images):
    """Write small image files of different content under one root, which is returned."""
    images = iter(make_images(n_per_class=20, shape=(8, 8))[0])
    root = tmp_path / "root"

    def _write(names, texts=()):
        for name in [*names, *texts]:
            (root / name).parent.mkdir(parents=True, exist_ok=True)
        for name in names:
            Image.fromarray(next(images)).save(root / name)
        for name, text in dict(texts).items():
            (root / name).write_text(text)
        return root

    return _write


@pytest.fixture
def tree(write):
    """Make the tree of a layout."""
    return lambda name: write([row[0] for row in TREES[name]], TABLES.get(name, {}))


def _relative(paths, root):
    return [os.path.relpath(path, root).replace(os.sep, "/") for path in paths]


def _labels(bunch):
    return bunch.target_names[bunch.target].tolist()


def _known(values):
    return None if None in values else list(values)


def _list(array):
    return None if array is None else array.tolist()


@pytest.mark.parametrize("layout", TREES)
def test_what_a_layout_says_of_each_file(tree, layout):
    root = tree(layout)
    bunch = load_image_folder(root, layout=layout)
    rows = sorted(TREES[layout], key=lambda row: (row[1], row[0]))
    names, labels, _, splits, is_real = zip(*rows, strict=True)
    assert _relative(bunch.filenames, root) == list(names)
    assert _labels(bunch) == list(labels) == sorted(labels)
    assert _list(bunch.architectures) == _known({row[1]: row[2] for row in rows}.values())
    assert (_list(bunch.splits), _list(bunch.is_real)) == (_known(splits), _known(is_real))
    assert bunch.failures == [] and bunch.duplicates == [] and confounds(bunch) == []
    np.testing.assert_array_equal(bunch.data, ImageReader().read(bunch.filenames))


@pytest.mark.parametrize("layout", TREES)
@pytest.mark.parametrize("names", [["cats/1.jpg", "dogs/2.jpg"], ["1.jpg"], []])
def test_a_wrong_tree_is_an_error_that_says_what_was_expected_and_found(write, layout, names):
    root = write(names)
    root.mkdir(exist_ok=True)
    expected = re.escape(LAYOUTS[layout].picture)
    found = names[0].replace("/", os.sep) if names else "nothing$"
    with pytest.raises(ValueError, match=f"root: expected {expected}, found {found}"):
        load_image_folder(root, layout=layout)


def test_of_much_that_was_found_an_error_names_some_of_every_folder(write):
    root = write([f"gan/{kind}/{i}.png" for kind in ("fake", "real") for i in range(3)])
    with pytest.raises(ValueError, match="found gan.fake.0.*real.0.*fake.1.png and 3 more$"):
        load_image_folder(root, layout="forensynths")


@pytest.mark.parametrize("layout", [name for name in TREES if name not in ("nested", "vision")])
def test_a_file_without_a_place_is_named_and_the_rest_is_used(tree, write, layout):
    root = tree(layout)
    write(["elsewhere/1.TIF"])
    bunch = load_image_folder(root, layout=layout, load_content=False)
    assert len(bunch.filenames) == len(TREES[layout])
    assert _relative([f.filename for f in bunch.failures], root) == ["elsewhere/1.TIF"]
    assert LAYOUTS[layout].picture in bunch.failures[0].reason


@pytest.mark.parametrize("layout", LAYOUTS)
def test_missing_containers_and_files_for_folders(tmp_path, layout):
    (tmp_path / "file").write_text("x")
    with pytest.raises(FileNotFoundError, match="nowhere: expected .*, found nothing"):
        load_image_folder(tmp_path / "nowhere", layout=layout)
    with pytest.raises(ValueError, match=re.escape(f"{tmp_path / 'file'}: expected")):
        load_image_folder(tmp_path / "file", layout=layout)


def test_unknown_layouts_are_refused_with_a_list_of_the_known(tmp_path):
    with pytest.raises(ValueError, match="layout: expected one of folders, .*; got 'imagenet'"):
        load_image_folder(tmp_path, layout="imagenet")


def test_the_command_line_knows_the_same_layouts(ganprint):
    assert f"{{{','.join(LAYOUTS)}}}" in ganprint("fit", "--help")[1]


# --- copies -------------------------------------------------------------------------------


def test_one_photo_beside_several_gans_is_kept(tree):
    root = tree("forensynths")
    shutil.copy(root / "biggan/0_real/1.png", root / "progan/car/0_real/2.png")
    bunch = load_image_folder(root, layout="forensynths")
    assert len(bunch.data) == 6 and bunch.failures == []
    assert [_relative(pair, root) for pair in bunch.duplicates] == [
        ["progan/car/0_real/2.png", "biggan/0_real/1.png"]
    ]


def test_one_image_that_is_real_and_generated_is_left_out(tree):
    root = tree("forensynths")
    shutil.copy(root / "biggan/0_real/1.png", root / "progan/cat/1_fake/2.png")
    bunch = load_image_folder(root, layout="forensynths")
    left_out = _relative([failure.filename for failure in bunch.failures], root)
    assert left_out == ["biggan/0_real/1.png", "progan/cat/1_fake/2.png"]


# --- single layouts -----------------------------------------------------------------------


def test_nested_names_files_and_sources_that_hold_nothing(tree, write):
    root = tree("nested")
    write(["pro/beside.png"], {"README.md": "read me"})
    (root / "pro/empty").mkdir()
    bunch = load_image_folder(root, layout="nested")
    reasons = {_relative([f.filename], root)[0]: f.reason for f in bunch.failures}
    assert list(reasons) == ["README.md", "pro/beside.png", "pro/empty"]
    assert reasons["pro/empty"] == "label 'pro/empty' has no usable image"
    assert bunch.target_names.tolist() == ["cycle/horse", "cycle/zebra", "pro/horse"]


def test_nested_refuses_an_architecture_without_sources(tree, write):
    root = tree("nested")
    write(["camera/1.png"])
    with pytest.raises(ValueError, match="expected folders ARCH/SOURCE/ .* found camera.1.png"):
        load_image_folder(root, layout="nested")


@pytest.mark.parametrize(
    ("names", "layout"),
    [
        (["a/1.png", "b/1.JPG", "b/deep/2.png"], "folders"),
        (["a/x/1.png", "b/x/1.png", "b/y/deep/2.png"], "nested"),
    ],
)
def test_auto_reads_folders_and_nested_folders(write, names, layout):
    root = write(names, {"a/notes.txt": "notes"})
    auto, named = (load_image_folder(root, layout=each) for each in ("auto", layout))
    for key in ("filenames", "target_names", "architectures", "failures"):
        assert str(auto[key]) == str(named[key])
    assert len(auto.filenames) == 3


def test_auto_reads_csv_files(write):
    root = write(["1.png", "2.png"], {"list.csv": "path,label\n1.png,a\n2.png,b\n"})
    assert _labels(load_image_folder(root / "list.csv", layout="auto")) == ["a", "b"]


def test_auto_does_not_guess(write):
    root = write(["camera/1.png", "pro/horse/1.png", "pro/zebra/1.png"])
    with pytest.raises(ValueError, match="camera/ .* pro/"):
        load_image_folder(root, layout="auto")


def test_forensynths_may_lie_in_a_folder_per_split(write):
    names = ["test/gan/1_fake/1.png", "train/gan/cat/0_real/1.png", "val/gan/0_real/1.png"]
    bunch = load_image_folder(write(names), layout="forensynths")
    assert _labels(bunch) == ["gan", "real", "real"]
    assert bunch.splits.tolist() == ["test", "train", "val"]


def test_140k_faces_may_be_given_from_inside(tree):
    inside = tree("140k-faces") / "real_vs_fake/real-vs-fake"
    (inside / "train.csv").write_text("id,label\n")
    bunch = load_image_folder(inside, layout="140k-faces")
    assert _labels(bunch) == ["fake", "real", "real"] and bunch.failures == []


def test_vision_leaves_alone_what_was_shared_and_films(tree, write):
    root = tree("vision")
    kinds = ["images/natFBH/1.png", "images/natWA/1.png", "videos/flat/1.mp4.png"]
    write([f"D01_LG_D290/{name}" for name in kinds] + ["D01_LG_D290/other/1.png"])
    bunch = load_image_folder(root, layout="vision")
    assert len(bunch.data) == 3
    left_out = _relative([failure.filename for failure in bunch.failures], root)
    assert left_out == ["D01_LG_D290/other/1.png"]


def test_artifact_may_have_one_table_for_all(write):
    table = "image_path,target\ncoco/1.png,0\ngan/1.png,3\n1.png,4\n../2.png,4\n"
    root = write(["coco/1.png", "gan/1.png", "1.png"], {"metadata.csv": table})
    bunch = load_image_folder(root, layout="artifact")
    assert _labels(bunch) == ["gan", "real"]
    assert _relative([failure.filename for failure in bunch.failures], root) == ["1.png"]


@pytest.mark.parametrize(
    ("table", "words"),
    [
        ("image_path,target\n1.png,fake\n", "line 2, column 'target': expected 0 .* got 'fake'"),
        ("image_path,label\n1.png,0\n", "column 'target' is missing"),
        ("image_path,target\n1.png,\n", "line 2, column 'target': expected a value"),
    ],
)
def test_artifact_tables_are_checked(write, table, words):
    root = write(["gan/1.png"], {"gan/metadata.csv": table})
    with pytest.raises(ValueError, match=f"metadata.csv: .*{words}"):
        load_image_folder(root, layout="artifact")


def test_raise_takes_the_table_too_and_no_raw_files(tree, write):
    root = tree("raise")
    shutil.copy(root / "r000.TIF", root / "r000.NEF")
    whole = load_image_folder(root, layout="raise")
    bunch = load_image_folder(root / "RAISE_1k.csv", layout="raise")
    assert bunch.filenames.tolist() == whole.filenames.tolist()
    assert _relative(bunch.filenames, root) == ["more/r001.TIF", "r000.TIF", "r002.TIF"]


def test_raise_needs_the_columns(write):
    root = write(["1.TIF"], {"list.csv": "File,Camera\n1,Nikon\n"})
    with pytest.raises(ValueError, match="list.csv: .* column 'Device' is missing"):
        load_image_folder(root, layout="raise")


# --- architectures ------------------------------------------------------------------------

_ROWS = ["1.png,a,pro", "2.png,b,cycle", "3.png,a,pro"]


@pytest.fixture
def listed(write):
    """Three images, a CSV file of them with the rows, and one of the architectures."""

    def make(rows=_ROWS, architectures="source,architecture\nb,cycle\na,pro\nc,star\n"):
        lists = {"list.csv": "\n".join(["path,label,architecture", *rows])}
        return write(["1.png", "2.png", "3.png"], {**lists, "arch.csv": architectures})

    return make


def test_architectures_from_a_column(listed):
    bunch = load_image_folder(listed() / "list.csv")
    assert bunch.architectures.tolist() == ["pro", "cycle"]
    assert bunch.architectures[bunch.target].tolist() == ["pro", "cycle", "pro"]


@pytest.mark.parametrize("kind", ["path", "bytes", "mapping"])
def test_architectures_from_elsewhere_come_first(listed, kind):
    root = listed(["1.png,a,x", "2.png,b,x"])
    given = {
        "path": root / "arch.csv",
        "bytes": os.fsencode(root / "arch.csv"),
        "mapping": {"b": "cycle", "a": "pro"},
    }[kind]
    bunch = load_image_folder(root / "list.csv", architectures=given)
    assert bunch.architectures.tolist() == ["pro", "cycle"]


def test_a_label_has_one_architecture(listed):
    root = listed(["1.png,a,pro", "2.png,b,pro", "3.png,a,cycle"])
    with pytest.raises(ValueError, match="list.csv: .* found 'pro' and 'cycle' for 'a'"):
        load_image_folder(root / "list.csv")


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("source,architecture\na,pro\n", "found none for 'b' \\(1 of 2 labels"),
        ("source,architecture\na,x\na,y\n", "arch.csv: .* found 'x' and 'y' for 'a'"),
        ("source,kind\na,pro\n", "arch.csv: .* column 'architecture' is missing"),
    ],
)
def test_architectures_from_elsewhere_are_checked(listed, text, words):
    root = listed(architectures=text)
    with pytest.raises(ValueError, match=words):
        load_image_folder(root / "list.csv", architectures=root / "arch.csv")


def test_unknown_is_none(write):
    bunch = load_image_folder(write(["a/1.png", "b/1.png"]))
    assert bunch.architectures is None and bunch.splits is None and bunch.is_real is None


def test_one_file_with_two_cameras_is_refused(tree):
    container = tree("raise")
    table = container / "RAISE_1k.csv"
    rows = table.read_text().splitlines()
    table.write_text("\n".join([*rows, rows[1].replace("D90", "D40")]))
    with pytest.raises(ValueError, match=r"RAISE_1k.csv: row at line \d+: .*in an earlier row"):
        load_image_folder(container, layout="raise")
