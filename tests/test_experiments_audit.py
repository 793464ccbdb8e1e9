"""Controls of labelled images, held against images whose classes differ in one thing only."""

import io
import json
from itertools import combinations

import numpy as np
import pytest
from numpy.testing import assert_array_equal
from PIL import Image
from scipy.stats import binomtest
from sklearn.pipeline import make_pipeline

from sklearn_ganprint import CorrelationTransformer, SubclassDiscriminantAnalysis
from sklearn_ganprint.datasets import ImageReader, load_image_folder, load_samples
from sklearn_ganprint.experiments import (
    audit_attribution,
    audit_files,
    evaluate_attribution,
    find_shared_names,
)

N = 24
Y = np.repeat(["a", "b"], N)


def smooth(rng, rows, columns, side=64):
    """A picture of so many random grey areas down and across."""
    small = rng.uniform(40, 210, size=(rows, columns)).astype(np.float32)
    return np.asarray(Image.fromarray(small).resize((side, side), Image.Resampling.BICUBIC))


def as_images(pictures):
    return np.stack(pictures).round().clip(0, 255).astype(np.uint8)[..., np.newaxis]


@pytest.fixture
def traces():
    """Content of one kind, with noise that differs from pixel to pixel across, or down."""
    rng = np.random.default_rng(0)
    return as_images(
        [
            smooth(rng, 4, 4) + np.diff(rng.normal(0, 2, (65, 65)), axis=axis)[:64, :64]
            for axis in (0, 1)
            for _ in range(N)
        ]
    )


@pytest.fixture
def contents():
    """Streaks down, or across, with noise of one kind."""
    rng = np.random.default_rng(0)
    return as_images(
        [
            smooth(rng, *areas) + rng.normal(0, 2, (64, 64))
            for areas in ((2, 8), (8, 2))
            for _ in range(N)
        ]
    )


def write(images, folder, names, save):
    """Write images to a folder a class; return what they are as files."""
    for label, image, name in zip(Y, images, names, strict=True):
        (folder / label).mkdir(exist_ok=True)
        save(Image.fromarray(image[..., 0]), str(folder / label / str(name)))
    return load_image_folder(folder, load_content=False)


def plain_png(image, path):
    image.save(path + ".png")


def audit_of(bunch, crop=None, **params):
    # Grey images have a tenth of the features.
    reader = ImageReader(crop, channels="luminance")
    y = bunch.target_names[bunch.target]
    return audit_attribution(bunch.filenames, y, reader=reader, **params)


def test_traces_pass_all_controls(traces):
    result = audit_attribution(traces, Y)
    assert result["attribution"].accuracy > 0.9
    assert not result["shrunk"].above_chance
    assert not result["permuted labels"].above_chance
    assert not result["compression shown"].above_chance
    assert result.duplicates == () and result.groups is None
    assert "shrunk" not in result.verdict


def test_content_is_told_by_shrunk_images(contents):
    result = audit_attribution(contents, Y)
    assert result["shrunk"].accuracy > 0.9
    assert result.verdict.startswith("Images shrunk to a quarter")
    assert f"beside {result['attribution'].accuracy:.2f}" in result.verdict


def test_attribution_is_that_of_both_halves(traces):
    pipeline = make_pipeline(CorrelationTransformer(), SubclassDiscriminantAnalysis())
    half = evaluate_attribution(pipeline, traces, Y, random_state=3)
    other = pipeline.fit(traces[half.test_index], Y[half.test_index])
    n_right = np.sum(half.y_test == half.y_pred)
    n_right += np.sum(other.predict(traces[half.train_index]) == Y[half.train_index])
    control = audit_attribution(traces, Y, random_state=3)["attribution"]
    assert control.accuracy == n_right / (2 * N)
    interval = binomtest(int(n_right), 2 * N).proportion_ci(method="wilson")
    assert control.interval == (interval.low, interval.high)
    assert (control.chance, control.n_images) == (0.5, 2 * N)


@pytest.mark.parametrize(
    "save",
    [
        lambda image, path: image.save(path + ".jpg", quality=90 - 30 * ("/b/" in path)),
        lambda image, path: image.convert("RGB").save(
            path + ".jpg", quality=85, subsampling=2 * ("/b/" in path)
        ),
        lambda image, path: image.save(path + ".jpg", **camera_in("/b/" in path)),
        lambda image, path: image.save(path + (".png" if "/b/" in path else ".bmp")),
        lambda image, path: image.crop((0, 0, 64, 64 - 4 * ("/b/" in path))).save(path + ".png"),
    ],
    ids=["quality", "subsampling", "metadata", "format", "size"],
)
def test_any_property_of_files_is_told(save, tmp_path, traces):
    bunch = write(traces, tmp_path, range(2 * N), save)
    result = audit_of(bunch, crop=60)
    assert result["file properties"].accuracy == 1
    assert "File properties alone reach 1.00" in result.findings[0]
    (sentence,) = audit_files(bunch, reader=ImageReader(60))
    assert sentence.startswith("file properties alone tell 1.00")


def camera_in(there):
    exif = Image.Exif()
    exif[0x0110] = "camera"
    return {"exif": exif} if there else {}


def test_compression_is_told_from_pixels_though_files_are_alike(tmp_path, traces):
    def save(image, path):
        if "/b/" in path:
            image.save(stream := io.BytesIO(), "JPEG", quality=60)
            image = Image.open(stream)
        image.save(path + ".png")

    result = audit_of(write(traces, tmp_path, range(2 * N), save))
    assert result["compression shown"].accuracy == 1
    assert not result["file properties"].above_chance
    assert any("compression that pixels show" in finding for finding in result.findings)


def test_copies_are_found_and_kept_together(traces):
    traces = traces.copy()
    traces[N : N + 6] = traces[:6]
    stream = io.BytesIO()
    Image.fromarray(traces[10, ..., 0]).save(stream, "JPEG", quality=50)
    traces[20] = np.asarray(Image.open(stream))[..., np.newaxis]
    result = audit_attribution(traces, Y)
    found = {(x.first, x.second): (x.same_pixels, x.same_class) for x in result.duplicates}
    assert found == {**{(i, N + i): (True, False) for i in range(6)}, (10, 20): (False, True)}
    assert "12 of 48 images have all pixels of one of another class" in " ".join(result.findings)
    assert_array_equal(result.groups[:6], result.groups[N : N + 6])
    assert result.groups[10] == result.groups[20]
    assert len(np.unique(result.groups)) == 2 * N - 7
    assert result["kept together"].accuracy > result["attribution"].accuracy


def test_equal_histories_take_compression_away():
    rng = np.random.default_rng(0)
    images = as_images([smooth(rng, 8, 8, 96) + rng.normal(0, 2, (96, 96)) for _ in Y])
    for image in images[N:, ..., 0]:
        Image.fromarray(image).save(stream := io.BytesIO(), "JPEG", quality=70)
        image[:] = np.asarray(Image.open(stream))
    result = audit_attribution(images, Y)
    assert result["attribution"].accuracy == result["compression shown"].accuracy == 1
    assert not result["equal histories"].above_chance
    left = f"{result['equal histories'].accuracy:.2f} is left with equal histories"
    assert result.verdict.startswith("The compression")
    assert result.verdict.endswith(left)


def test_copies_of_flat_images_are_found(traces):
    traces = traces.copy()
    traces = traces[:, :63, :61]  # areas of several sizes
    traces[[3, N]] = 0
    traces[5] = 1
    (duplicate,) = audit_attribution(traces, Y).duplicates
    assert duplicate[:3] == (3, N, True)


def test_likeness_is_the_correlation_of_coarse_differences(contents):
    grey = contents[..., 0].astype(float).reshape(2 * N, 16, 4, 16, 4).mean(axis=(2, 4))
    likeness = np.corrcoef(np.diff(grey, axis=2).reshape(2 * N, -1))
    pairs = [(i, j) for i, j in combinations(range(2 * N), 2) if likeness[i, j] >= 0.85]
    contents[7] = np.maximum(contents[3], 60)
    found = audit_attribution(contents, Y).duplicates
    assert {(duplicate.first, duplicate.second) for duplicate in found} == {*pairs, (3, 7)}


def test_groups_are_kept_on_one_side(contents):
    groups = np.tile(np.arange(N), 2)
    contents[N:] = contents[:N, ::-1]  # versions, more alike than others
    result = audit_attribution(contents, Y, groups=groups)
    assert not any(duplicate.across for duplicate in result.duplicates)
    assert result.shared_names is None


@pytest.mark.parametrize(
    ("pattern", "part", "example"),
    [
        ("{scene:03d}", "name", "000"),
        ("scene{scene}__{label}-{other}", "prefix", "scene0"),
        ("scene-{scene}_{label}", "prefix", "scene-0"),
        ("{label}{scene}", None, None),
        ("n0123_{label}{scene}", None, None),
    ],
)
def test_names_that_classes_share(pattern, part, example):
    files = [
        f"x/{label}/" + pattern.format(label=label, scene=scene, other=7 * scene) + ".png"
        for label in "ab"
        for scene in range(N)
    ]
    shared = find_shared_names(files, Y)
    if part is None:
        assert shared is None
        return
    assert (shared.part, shared.example, shared.n_images) == (part, example, 2 * N)
    scenes = np.tile(np.arange(N), 2)
    assert_array_equal(
        shared.groups[:, None] == shared.groups[None], scenes[:, None] == scenes[None]
    )


@pytest.mark.parametrize("folders", [("star gan", "réal"), ("old_gan", "new-gan"), ("a+b", "a.b")])
def test_names_that_end_with_the_name_of_their_folder(folders):
    files = [f"x/{name}/scene {n}_{name}.png" for name in folders for n in range(N)]
    shared = find_shared_names(files, Y)
    assert (shared.part, shared.example, shared.n_images) == ("prefix", "scene 0", 2 * N)
    assert_array_equal(shared.groups[:N], shared.groups[N:])


def test_what_one_class_has_alone_is_no_group():
    files = [f"{label}/{scene}_{label}.png" for label in "ab" for scene in range(N)]
    other = [f"c/n0238_{number}.png" for number in range(N)]
    shared = find_shared_names(files + other, [*Y, *"c" * N])
    assert shared.n_images == 2 * N
    assert_array_equal(np.bincount(shared.groups), [2] * N + [1] * N)


def test_few_shared_names_are_none():
    files = [f"{label}/{n}{label * (n > 1)}.png" for label in "ab" for n in range(N)]
    assert find_shared_names(files, Y) is None
    assert find_shared_names(files[:10] + files[N : N + 10], Y[14:34]).n_images == 4


@pytest.mark.parametrize("versions", [True, False])
def test_shared_names_are_told_and_whether_their_images_are_alike(versions, tmp_path, contents):
    if versions:
        contents[N:] = np.clip(contents[:N] * 0.8 + 20, 0, 255)
    bunch = write(contents, tmp_path, [*range(N), *range(N)], plain_png)
    result = audit_of(bunch)
    assert result.shared_names.alike == versions
    (finding,) = (finding for finding in result.findings if "share a name" in finding)
    assert "48 of 48 images" in finding and "--groups name" in finding
    changed = f"is {result['kept together'].accuracy:.2f} in place of" in finding
    assert changed == (result["kept together"].accuracy != result["attribution"].accuracy)
    by_name = audit_of(bunch, groups=load_image_folder(tmp_path, groups="name").groups)
    assert not any("share a name" in finding for finding in by_name.findings)
    quick = audit_files(bunch)
    assert [sentence.split(" images ")[0] for sentence in quick] == (
        ["48 of 48", "48 of 48"] if versions else ["48 of 48"]
    )
    assert audit_files(load_image_folder(tmp_path, groups="name", load_content=False)) == []


def test_shared_names_that_change_nothing_are_told_so(tmp_path, traces):
    result = audit_of(write(traces, tmp_path, [*range(N), *range(N)], plain_png))
    assert result["kept together"].accuracy == result["attribution"].accuracy == 1
    (finding,) = (finding for finding in result.findings if "share a name" in finding)
    assert "; kept together, attribution is 1.00, too. If" in finding


def test_a_quick_audit_takes_images_of_any_size(tmp_path, contents):
    rng = np.random.default_rng(0)
    for number, label in enumerate(Y):
        side = 64 + 8 * (number % 9)
        image = Image.fromarray(as_images([smooth(rng, 8, 8, side)])[0, ..., 0])
        (tmp_path / label).mkdir(exist_ok=True)
        image.save(tmp_path / label / f"{label}{number}.png")
    image.save(tmp_path / "a" / "version.png", compress_level=1)
    (tmp_path / "a" / "broken.png").write_bytes((tmp_path / "a" / "a3.png").read_bytes()[:-99])
    bunch = load_image_folder(tmp_path, load_content=False)
    reader = ImageReader(100, min_side=64)
    (sentence,) = audit_files(bunch, reader=reader)
    assert sentence.startswith("2 of 49 images")


def test_bad_files_are_left_out_and_told(tmp_path, traces):
    bunch = write(traces, tmp_path, range(2 * N), plain_png)
    broken = bunch.filenames[4]
    with open(broken, "r+b") as file:
        file.truncate(200)
    seen = []
    result = audit_of(bunch, on_error=seen.append, batch_size=7)
    assert [name for name, _ in result.failures] == [broken] == [e.filename for e in seen]
    assert len(result.names) == 2 * N - 1 and broken not in result.names
    assert result.counts == {"a": N - 1, "b": N}
    assert all(row["images"] == 2 * N - 1 for row in result.rows())


def test_files_without_a_residual_are_left_out_as_in_a_fit(tmp_path, traces):
    traces[[2, 5]] = 0
    result = audit_of(write(traces, tmp_path, range(2 * N), plain_png))
    assert [reason.split(":")[0] for _, reason in result.failures] == ["no residual"] * 2
    assert result.counts == {"a": N - 2, "b": N}


@pytest.mark.parametrize("shape", [(64, 1), (1, 1)])
def test_a_quick_audit_takes_images_of_one_column(tmp_path, traces, shape):
    bunch = write(traces[:, : shape[0], : shape[1]], tmp_path, range(2 * N), plain_png)
    assert audit_files(bunch) == []


def test_batches_and_workers_change_nothing(tmp_path, traces):
    bunch = write(traces, tmp_path, range(2 * N), plain_png)
    steps = []
    one = audit_of(bunch)
    many = audit_of(bunch, batch_size=5, n_jobs=2, progress=lambda *done: steps.append(done))
    assert one.to_dict() == many.to_dict()
    assert steps[-1] == (2 * N, 2 * N)


def test_results_are_plain_values(tmp_path, traces):
    traces[1] = traces[0]
    bunch = write(traces, tmp_path, range(2 * N), plain_png)
    result = audit_of(bunch)
    result.save(tmp_path / "audit.json")
    document = json.loads((tmp_path / "audit.json").read_text())
    assert document["verdict"] == document["findings"][0] == result.verdict
    assert document["classes"] == {"a": N, "b": N}
    assert document["duplicates"][0]["first"] == bunch.filenames[0]
    assert [row["control"] for row in document["controls"]] == [
        "attribution",
        "kept together",
        "file properties",
        "equal histories",
        "compression shown",
        "shrunk",
        "denoised",
        "permuted labels",
    ]


def test_findings_begin_with_the_gravest(contents, traces):
    # Half of the images are duplicates, which weighs less than content that tells all.
    contents[1:12:2], contents[N + 1 : N + 12 : 2] = contents[:12:2], contents[N : N + 12 : 2]
    result = audit_attribution(contents, Y)
    assert result.findings[0].startswith("Images shrunk")
    assert "duplicate" in result.findings[1]
    (finding,) = audit_attribution(traces, np.tile(["a", "b"], N)).findings
    assert finding.endswith("there is nothing to believe yet")


def test_controls_of_few_images_are_told_to_say_little(traces):
    many, few = audit_attribution(traces, Y), audit_attribution(traces[::5], Y[::5])
    assert many.verdict.endswith("nor content")
    limits = [few[name].interval[1] for name in ("compression shown", "shrunk", "denoised")]
    low, _ = few["attribution"].interval
    assert few["attribution"].accuracy == 1 and max(limits) >= low
    assert few.verdict.endswith(
        f"nor content. With 10 images that is little: a control may be {max(limits):.2f} in truth, "
        f"and attribution {low:.2f}"
    )


def test_wrong_use_is_told(traces):
    with pytest.raises(ValueError, match="at least 2 classes of at least 2 images"):
        audit_attribution(traces, np.zeros(2 * N))
    with pytest.raises(ValueError, match=r"at least 4 images of each class .*; got 3 of a\."):
        audit_attribution(traces[N - 3 :], Y[N - 3 :])
    with pytest.raises(ValueError, match="inconsistent numbers of samples"):
        audit_attribution(traces, Y[1:])
    with pytest.raises(ValueError, match="at least 2 groups"):
        audit_attribution(traces, Y, groups=np.zeros(2 * N))
    with pytest.raises(ValueError, match=r"no image of \['a'\] to hold out|no image of \['b'\]"):
        audit_attribution(traces, Y, groups=Y)
    with pytest.raises(ValueError, match="None of the 1 files can be used"):
        audit_attribution(["/nowhere.png"], ["a"])
    with pytest.raises(ValueError, match="image 0 has shape"):
        audit_attribution([traces[0, 1:], *traces[1:]], Y)
    with pytest.raises(ValueError, match=r"got an array of shape \(48, 4096\)"):
        audit_attribution(traces.reshape(2 * N, -1), Y)
    with pytest.raises(ValueError, match="at least one image or file, got none"):
        audit_attribution(traces[:0], [])


@pytest.mark.parametrize(("scale", "dtype"), [(257, np.uint16), (257, np.float64), (1 / 255, None)])
def test_images_of_another_white_are_refused(contents, scale, dtype):
    # All controls would see white images, or black ones, and find nothing.
    images = (contents * np.array(scale, dtype)).astype(dtype)
    with pytest.raises(ValueError, match=r"white is 255, got values from .*; white may be "):
        audit_attribution(images, Y)


@pytest.mark.parametrize("dtype", [np.float32, np.int64, np.uint16])
def test_the_type_of_numbers_changes_nothing(contents, dtype):
    expected = audit_attribution(contents, Y).rows()
    assert audit_attribution(contents.astype(dtype), Y).rows() == expected
    assert audit_attribution(contents[..., 0].astype(dtype), Y).rows() == expected


def test_copies_in_files_of_8_and_16_bits_have_the_same_pixels(tmp_path, traces):
    paths = [tmp_path / f"{number}.png" for number in range(2 * N)]
    for path, image in zip(paths, traces[..., 0], strict=True):
        Image.fromarray(image).save(path)
    Image.fromarray(traces[0, ..., 0].astype(np.uint16) * 257).save(paths[-1])
    found = audit_attribution(paths, Y, batch_size=N).duplicates
    assert [(pair.first, pair.second, pair.same_pixels) for pair in found] == [(0, 2 * N - 1, True)]


def test_a_class_of_which_no_file_can_be_used_is_missed(tmp_path, traces):
    bunch = write(traces, tmp_path, range(2 * N), plain_png)
    files = [*bunch.filenames, "/nowhere.png"]
    with pytest.raises(ValueError, match=r"that can be used, .*; got 0 of c\."):
        audit_attribution(files, [*Y, "c"])


def test_the_samples_are_told_by_more_than_content():
    samples = load_samples()
    result = audit_attribution(
        samples.data[::2, ..., 1:2], samples.target[::2], groups=samples.groups[::2]
    )
    assert result["attribution"].interval[0] > result["shrunk"].interval[1]
