"""Folders and CSV files of labelled images, and what they give away besides pixels."""

import os
import shutil
import unicodedata

import numpy as np
import pytest
from PIL import Image
from sklearn.model_selection import GroupKFold

from sklearn_ganprint.datasets import (
    ImageReader,
    ImageReadError,
    confounds,
    list_images,
    load_image_folder,
)


@pytest.fixture
def make(tmp_path):
    """Write an image under root, with content that differs from call to call."""
    seeds = iter(range(10_000))

    def _make(name, height=8, width=8, mode="RGB", **options):
        path = tmp_path / "root" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        shape = (height, width, 3) if mode == "RGB" else (height, width)
        pixels = np.random.default_rng(next(seeds)).integers(0, 256, shape, dtype=np.uint8)
        Image.fromarray(pixels).save(path, **options)
        return path

    return _make


@pytest.fixture
def root(make, tmp_path):
    """Two labels with two images each."""
    for name in ("gan/2.png", "gan/1.png", "camera/1.png", "camera/2.png"):
        make(name)
    return tmp_path / "root"


@pytest.fixture
def table(root):
    """Write a CSV file beside the label folders; return its path."""

    def _table(text, encoding="utf-8"):
        path = root / "list.csv"
        path.write_bytes(text.encode(encoding))
        return path

    return _table


def _relative(bunch, root):
    return [os.path.relpath(name, root) for name in bunch.filenames]


def _reasons(bunch):
    return {os.path.basename(failure.filename): failure.reason for failure in bunch.failures}


@pytest.mark.parametrize("kind", [str, os.fsencode, lambda path: path])
def test_folder_per_label(root, kind):
    bunch = load_image_folder(kind(root))
    expected = ["camera/1.png", "camera/2.png", "gan/1.png", "gan/2.png"]
    assert _relative(bunch, root) == expected
    assert bunch.target.tolist() == [0, 0, 1, 1] and bunch.target.dtype == np.int64
    assert bunch.target_names.tolist() == ["camera", "gan"]
    assert bunch.groups is None and bunch.failures == [] and bunch.duplicates == []
    np.testing.assert_array_equal(bunch.data, ImageReader().read(bunch.filenames))


def test_what_the_headers_say(make, root):
    make("gan/3.jpg", quality=60)
    make("gan/4.png", mode="L")
    bunch = load_image_folder(root)
    assert bunch.formats.tolist() == ["PNG"] * 4 + ["JPEG", "PNG"]
    assert bunch.modes.tolist() == ["RGB"] * 5 + ["L"]
    assert bunch.widths.tolist() == bunch.heights.tolist() == [8] * 6
    np.testing.assert_array_equal(bunch.jpeg_quality, [np.nan] * 4 + [60, np.nan])
    assert "'gan' (4 images)" in bunch.DESCR and str(root) in bunch.DESCR


def test_subfolders_are_searched_and_hidden_names_skipped(make, root):
    make("gan/deep/er/x.png")
    for hidden in ("gan/.x.png", "gan/.thumbs/x.png", ".cache/x.png"):
        make(hidden)
    (root / ".DS_Store").write_bytes(b"x")
    bunch = load_image_folder(root)
    assert _relative(bunch, root)[2:] == ["gan/1.png", "gan/2.png", "gan/deep/er/x.png"]
    assert bunch.failures == []


def test_unusable_files_are_named_and_the_rest_is_used(make, root):
    content = make("camera/cut.png").read_bytes()
    (root / "camera/cut.png").write_bytes(content[: len(content) // 2])
    make("gan/size.png", 9, 8)
    (root / "gan/notes.txt").write_text("notes")
    (root / "camera/empty.png").touch()
    (root / "README.md").write_text("read me")
    bunch = load_image_folder(root)
    assert len(bunch.data) == 4 and all(isinstance(f, ImageReadError) for f in bunch.failures)
    assert [f.filename for f in bunch.failures] == sorted(f.filename for f in bunch.failures)
    reasons = _reasons(bunch)
    assert "beside the label folders" in reasons["README.md"] and "empty" in reasons["empty.png"]
    assert "not an image" in reasons["notes.txt"] and "set crop" in reasons["size.png"]
    assert "truncated" in reasons["cut.png"] and len(reasons) == 5


def test_reader_is_used_and_left_alone(make, root):
    make("gan/tiny.png", 5, 8)
    reader = ImageReader(6, channels="luminance")
    bunch = load_image_folder(root, reader=reader, n_jobs=2)
    assert bunch.data.shape == (4, 6, 6, 1) and reader.n_jobs is None
    assert "smaller than crop=(6, 6)" in _reasons(bunch)["tiny.png"]


def test_without_content_only_headers_count(make, root):
    content = make("gan/cut.png", 40, 40).read_bytes()
    (root / "gan/cut.png").write_bytes(content[: len(content) // 2])
    bunch = load_image_folder(root, load_content=False)
    assert "data" not in bunch and bunch.failures == []
    assert _relative(bunch, root)[-1] == "gan/cut.png" and bunch.widths[-1] == 40


def test_without_content_the_crop_is_still_checked(make, root):
    make("gan/tiny.png", 5, 8)
    bunch = load_image_folder(root, reader=ImageReader(6), load_content=False)
    assert len(bunch.filenames) == 4 and list(_reasons(bunch)) == ["tiny.png"]


def test_label_without_a_usable_file_is_named(root):
    (root / "none").mkdir()
    (root / "texts").mkdir()
    (root / "texts/a.png").write_text("text")
    bunch = load_image_folder(root)
    assert bunch.target_names.tolist() == ["camera", "gan"]
    assert _reasons(bunch)["none"] == "label 'none' has no usable image"
    assert "label 'texts'" in _reasons(bunch)["texts"] and "a.png" in _reasons(bunch)


def test_label_with_one_image_is_kept(make, root):
    make("lone/1.png")
    bunch = load_image_folder(root)
    assert np.bincount(bunch.target).tolist() == [2, 2, 1]
    assert bunch.target_names[bunch.target].tolist()[-1] == "lone"


@pytest.mark.parametrize("load_content", [True, False])
def test_one_usable_label_is_an_error_that_says_what_was_found(root, load_content):
    for name in ("1.png", "2.png"):
        (root / "gan" / name).write_text("no image")
    with pytest.raises(ValueError, match="found 'camera' \\(2 images\\)") as e:
        load_image_folder(root, load_content=load_content)
    assert str(root) in str(e.value) and "1.png" in str(e.value)


def test_images_without_label_folders(make, tmp_path):
    make("1.png")
    with pytest.raises(ValueError, match="one folder per label .* 1 files"):
        load_image_folder(tmp_path / "root")


def test_missing_container_is_named(tmp_path):
    with pytest.raises(FileNotFoundError, match="nowhere: expected a folder"):
        load_image_folder(tmp_path / "nowhere")


@pytest.mark.parametrize("load_content", [True, False])
def test_one_content_under_two_labels_is_left_out_everywhere(root, load_content):
    shutil.copy(root / "gan/1.png", root / "gan/again.png")
    shutil.copy(root / "gan/1.png", root / "camera/twin.png")
    bunch = load_image_folder(root, load_content=load_content)
    assert _relative(bunch, root) == ["camera/1.png", "camera/2.png", "gan/2.png"]
    reasons = _reasons(bunch)
    assert set(reasons) == {"1.png", "again.png", "twin.png"} and bunch.duplicates == []
    assert "camera/twin.png" in reasons["1.png"] and "'camera'" in reasons["1.png"]
    assert "camera/twin.png" in reasons["again.png"] and "gan/1.png" in reasons["twin.png"]


def test_copies_within_a_label_are_kept_and_listed(root):
    for name in ("7.png", "8.png"):
        shutil.copy(root / "gan/1.png", root / "gan" / name)
    bunch = load_image_folder(root)
    first = str(root / "gan/1.png")
    assert bunch.duplicates == [(str(root / f"gan/{n}.png"), first) for n in (7, 8)]
    assert len(bunch.data) == 6 and bunch.failures == []


def test_files_of_one_size_and_different_content_are_no_copies(root):
    for index, label in enumerate(("gan", "camera")):
        pixels = np.full((8, 8, 3), index, dtype=np.uint8)
        Image.fromarray(pixels).save(root / label / "flat.bmp")
    sizes = {os.path.getsize(root / label / "flat.bmp") for label in ("gan", "camera")}
    bunch = load_image_folder(root)
    assert len(sizes) == 1 and len(bunch.data) == 6 and bunch.failures == []


def test_links_are_followed_but_never_in_circles(make, root, tmp_path):
    make("../elsewhere/x.png")
    (root / "gan/link.png").symlink_to(tmp_path / "elsewhere/x.png")
    for name in ("1.png", "2.png"):
        make(f"../more/sub/{name}")
    (root / "linked").symlink_to(tmp_path / "more")
    more = tmp_path / "more"
    goals = {"self": more / "sub", "up": root, "disk": "/", "label": more}
    for name, goal in goals.items():
        (more / "sub" / name).symlink_to(goal)
    (more / "twice").symlink_to(more / "sub")
    bunch = load_image_folder(root)
    assert _relative(bunch, root)[-3:] == ["gan/link.png", "linked/sub/1.png", "linked/sub/2.png"]
    assert set(_reasons(bunch)) == {*goals, "twice"}
    assert all("not followed" in reason for reason in _reasons(bunch).values())


def test_dangling_links_are_failures(root):
    (root / "gan/gone.png").symlink_to(root / "nothing.png")
    (root / "gan/self.png").symlink_to(root / "gan/self.png")
    reasons = _reasons(load_image_folder(root))
    assert "No such file" in reasons["gone.png"]
    assert "Too many levels" in reasons["self.png"]


def test_names_that_are_not_utf8(make, root):
    folder = os.path.join(os.fsencode(root), b"mod\xe8le")
    os.rename(root / "gan", folder)
    os.rename(os.path.join(folder, b"1.png"), os.path.join(folder, b"\xff.png"))
    with open(os.path.join(folder, b"\xfe.png"), "wb"):
        pass
    bunch = load_image_folder(root, groups="name")
    assert os.fsencode(bunch.target_names[1]) == b"mod\xe8le"
    assert os.fsencode(bunch.filenames[-1]).endswith(b"\xff.png")
    assert "mod\\xe8le/\\xfe.png" in str(bunch.failures[0])
    bunch.DESCR.encode("utf-8")


def test_groups_by_name_work_in_a_split(root):
    bunch = load_image_folder(root, groups="name")
    assert bunch.groups.tolist() == ["1", "2", "1", "2"]
    for train, test in GroupKFold(2).split(bunch.data, bunch.target, bunch.groups):
        assert not set(bunch.groups[train]) & set(bunch.groups[test])


@pytest.mark.parametrize(
    "function", [os.path.basename, len, lambda path: (path[-5], "a"), lambda path: None]
)
def test_groups_by_a_function_of_the_path(root, function):
    bunch = load_image_folder(root, groups=function, load_content=False)
    assert bunch.groups.shape == (4,)
    assert bunch.groups.tolist() == [function(path) for path in bunch.filenames]


@pytest.mark.parametrize(
    ("groups", "words"), [("label", "groups: expected"), (3, "groups: expected"), (list, "no hash")]
)
def test_bad_groups_are_named(root, groups, words):
    with pytest.raises(TypeError, match=words):
        load_image_folder(root, groups=groups)


@pytest.mark.parametrize("load_content", [True, False])
def test_result_is_the_same_every_time(make, root, load_content):
    for index in range(70):
        make(f"gan/more/{index}.png")
    (root / "gan/x.png").touch()
    first = load_image_folder(root, load_content=load_content, groups="name")
    again = load_image_folder(root, load_content=load_content, groups="name", n_jobs=3)
    for key in first:
        assert str(first[key]) == str(again[key])
    if load_content:
        np.testing.assert_array_equal(first.data, again.data)


def test_csv_gives_paths_labels_and_groups(table, root, tmp_path):
    make_absolute = shutil.copy(root / "gan/2.png", tmp_path / "moved.png")
    path = table(
        "group,note,label,path\n"
        f's1,x,fake,gan/1.png\ns2,,real,camera/1.png\n\ns1,"a,b",fake,{make_absolute}\n'
    )
    bunch = load_image_folder(path)
    assert bunch.target_names[bunch.target].tolist() == ["fake", "real", "fake"]
    assert bunch.groups.tolist() == ["s1", "s2", "s1"]
    assert _relative(bunch, root) == ["gan/1.png", "camera/1.png", "../moved.png"]
    assert load_image_folder(path, groups="name").groups.tolist() == ["1", "1", "moved"]


@pytest.mark.parametrize("encoding", ["utf-8-sig", "utf-8"])
@pytest.mark.parametrize("newline", ["\n", "\r\n"])
def test_csv_byte_order_mark_and_line_ends(table, encoding, newline):
    rows = ["path,label", "gan/1.png, réel ", "camera/1.png,fake"]
    bunch = load_image_folder(table(newline.join(rows), encoding))
    assert bunch.target_names.tolist() == ["fake", "réel"] and bunch.groups is None


def test_csv_names_that_are_not_utf8(root):
    os.rename(root / "gan/1.png", os.path.join(os.fsencode(root), b"gan/\xe9.png"))
    (root / "list.csv").write_bytes(b"path,label\ngan/\xe9.png,a\ncamera/1.png,b\n")
    bunch = load_image_folder(root / "list.csv")
    assert os.fsencode(bunch.filenames[0]).endswith(b"\xe9.png") and bunch.failures == []


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "column 'path' is missing"),
        ("path,class\ngan/1.png,a\n", r"column 'label' is missing, found \['path', 'class'\]"),
        ("path;label\ngan/1.png;a\n", "comma-separated .* column 'path' is missing"),
        ("path,label\n", "found no rows"),
        ("path,label\ngan/1.png,a\ncamera/1.png, \n", "row at line 3, column 'label'"),
        ("path,label\ngan/1.png,a\ncamera/1.png\n", "row at line 3, column 'label'"),
        ("path,label\n,a\n", "row at line 2, column 'path'"),
        ("path,label,group\n\ngan/1.png,a,\n", "row at line 3, column 'group'"),
        ("path,label\ngan/1.png," + "x" * 200_000, "not a CSV file"),
        ("path,label\ngan/1.png,a\ngan/2.png,a\n", r"at least two labels, found 'a' \(2 images\)$"),
    ],
)
def test_bad_csv_is_named(table, text, words):
    with pytest.raises(ValueError, match=words) as caught:
        load_image_folder(table(text))
    assert "list.csv" in str(caught.value)


def test_csv_bad_files_empty_labels_and_contradictions_are_failures(table):
    rows = ["gan/1.png,a", "gan/2.png,a", "gan/2.png,b", "camera/1.png,b", "none.png,c"]
    bunch = load_image_folder(table("path,label\n" + "\n".join(rows)))
    assert bunch.target_names[bunch.target].tolist() == ["a", "b"]
    reasons = _reasons(bunch)
    assert reasons["list.csv"] == "label 'c' has no usable image"
    assert "labelled 'a'" in bunch.failures[0].reason + bunch.failures[1].reason
    assert sorted(reasons) == ["2.png", "list.csv", "none.png"] and len(bunch.failures) == 4


def test_csv_with_a_file_listed_twice(table):
    text = "path,label\ngan/1.png,a\ngan/1.png,a\ncamera/1.png,b\n"
    bunch = load_image_folder(table(text))
    assert len(bunch.data) == 3 and bunch.duplicates == [(bunch.filenames[0],) * 2]


def test_loaded_folder_shows_its_format_confound(make, tmp_path):
    for index in range(6):
        make(f"real/{index}.jpg", quality=[70, 90][index % 2])
        make(f"gan/{index}.png")
    bunch = load_image_folder(tmp_path / "root")
    assert confounds(bunch) == ["format: 'gan' is PNG (6 of 6), 'real' is JPEG (6 of 6)"]


@pytest.mark.parametrize("inside", [False, True])
def test_what_systems_leave_is_no_source_and_no_failure(make, root, inside):
    names = ["@eaDir/x.png", "__MACOSX/._1.png", "lost+found/1.png", "$RECYCLE.BIN/1.png"]
    names += [".ipynb_checkpoints/1.png", "#recycle/1.png", "System Volume Information/1.png"]
    for name in names:
        make(os.path.join("gan" * inside, name))
    for name in ("Thumbs.db", "desktop.ini", ".DS_Store", "._1.png", "ehthumbs.db"):
        (root / ("gan" * inside) / name).write_bytes(b"x")
    with pytest.warns(UserWarning, match="left out, wherever it lies") as told:
        bunch = load_image_folder(root)
    assert bunch.target_names.tolist() == ["camera", "gan"]
    assert (len(bunch.data), bunch.failures) == (4, [])
    assert {str(each.message).partition(":")[0] for each in told} >= {"@eaDir", "Thumbs.db"}


@pytest.mark.parametrize("layout", ["folders", "nested", "csv"])
def test_one_name_stored_in_two_ways_is_one_source(make, tmp_path, layout):
    composed, decomposed = (unicodedata.normalize(form, "café") for form in ("NFC", "NFD"))
    above = "arch/" if layout == "nested" else ""
    labels = [composed, decomposed, "cafz"]
    paths = [make(f"{above}{label}/{n}.png") for label in labels for n in range(2)]
    root = tmp_path / "root"
    if layout == "csv":
        rows = [f"{path},{path.parent.name}" for path in paths]
        (root / "list.csv").write_text("\n".join(["path,label", *rows]), encoding="utf-8")
    with pytest.warns(UserWarning, match="name of 2 sources.* one source"):
        bunch = load_image_folder(
            root / "list.csv" if layout == "csv" else root,
            layout="nested" if layout == "nested" else "folders",
        )
    assert bunch.target_names.tolist() == [f"{above}{name}" for name in sorted([composed, "cafz"])]
    assert np.bincount(bunch.target).tolist() == [2, 4][:: 1 if "cafz" < composed else -1]
    assert sorted(bunch.filenames) == sorted(map(str, paths))  # the names under which they open


def test_groups_and_architectures_are_found_however_they_are_spelt(make, tmp_path):
    composed, decomposed = (unicodedata.normalize(form, "é") for form in ("NFC", "NFD"))
    make(f"{decomposed}/{composed}.png")
    make(f"b/{decomposed}.png")
    families = {composed: "x", "b": "y"}
    bunch = load_image_folder(tmp_path / "root", groups="name", architectures=families)
    assert len(set(bunch.groups)) == 1
    assert bunch.architectures.tolist() == ["y", "x"]


def test_some_files_of_each_label_are_drawn_before_any_is_opened(make, root):
    for number in range(3, 13):
        make(f"gan/{number}.png")
    (root / "camera" / "3.png").write_bytes(b"no image")
    drawn = [load_image_folder(root, limit_per_source=2, random_state=seed) for seed in (0, 0, 1)]
    first, again, other = (_relative(bunch, root) for bunch in drawn)
    assert first == again == sorted(first) and first != other
    assert [np.bincount(bunch.target)[1] for bunch in drawn] == [2, 2, 2]
    # A broken file is one of those drawn, or it is not looked at.
    listed = list_images(root, limit_per_source=2).filenames
    broken = [failure.filename for failure in drawn[0].failures]
    assert set(listed) == {*drawn[0].filenames, *broken} and len(listed) == 4
    assert len(list_images(root, limit_per_source=99).filenames) == 15
    for wrong, error in ((0, ValueError), ("4", TypeError), (2.5, TypeError)):
        with pytest.raises(error, match="limit_per_source"):
            list_images(root, limit_per_source=wrong)
