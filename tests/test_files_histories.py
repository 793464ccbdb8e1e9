"""What a fit on files covers, and what of a file it does not."""

import hashlib
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from sklearn.pipeline import make_pipeline

from sklearn_ganprint import (
    AugmentedClassifier,
    FileBatchEstimator,
    FingerprintClassifier,
    OpenSetClassifier,
    ResidualTransformer,
    load_model,
    make_attribution_pipeline,
    save_model,
)
from sklearn_ganprint.datasets import ImageHistory, ImageReader, make_generator_images
from sklearn_ganprint.files import FileHistory, coverage_in_words, uncovered
from sklearn_ganprint.perturbations import GaussianBlur, JPEGCompression, RandomHistory, Resize

NOTHING = {"jpeg": None, "webp": None, "scale": None, "longest_side": None}
ONCE = ImageHistory(30, (0, 0))


def pipeline():
    return make_pipeline(ResidualTransformer("gaussian"), FingerprintClassifier())


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    """Of each of three sources four files: PNG, JPEG 80 and 90, and PNG that was JPEG 60."""
    folder = tmp_path_factory.mktemp("files")
    bunch = make_generator_images(4, image_size=(72, 80), sources=["C1", "G1", "S1"])
    paths, y = [], bunch.target_names[bunch.target]
    for position, (image, source) in enumerate(zip(bunch.data, y, strict=True)):
        path = folder / f"{position}.{'jpg' if source == 'G1' else 'png'}"
        picture = Image.fromarray(image)
        if source == "S1":
            picture.save(folder / "once.jpg", quality=60)
            picture = Image.open(folder / "once.jpg")
        picture.save(path, quality=80 + 10 * (position % 2)) if source == "G1" else picture.save(
            path
        )
        paths.append(str(path))
    return paths, y


@pytest.mark.parametrize("options", [{}, {"batch_size": 5}, {"n_jobs": 2, "batch_size": 3}])
@pytest.mark.parametrize(
    "wrap", [pipeline, lambda: OpenSetClassifier(pipeline(), false_alarm_rate=0.2)]
)
def test_a_fit_sums_up_its_files(files, wrap, options):
    paths, y = files
    summary = FileBatchEstimator(wrap(), **options).fit(paths, y).history_summary_
    assert summary == {
        "formats": {"PNG": [4, 0, 4], "JPEG": [0, 4, 0]},
        **{"short_side": [72, 72], "long_side": [80, 80]},
        **{"jpeg_quality": [80, 90], "pixel_quality": [60, 90]},
        **{"looked_at": [4, 4, 4], "once_jpeg": [0, 4, 4], "untouched": 4},
        **{"grey": None, "copies": NOTHING},
    }


def test_pixels_of_some_files_of_each_class_are_looked_at(files):
    paths, y = files
    clf = FileBatchEstimator(pipeline()).fit(paths * 20, np.tile(y, 20))
    assert clf.history_summary_["looked_at"] == [50, 50, 50]
    assert clf.history_summary_["formats"] == {"PNG": [80, 0, 80], "JPEG": [0, 80, 0]}


def test_crops_of_files_have_the_size_of_the_whole_file_and_small_ones_show_nothing(files):
    paths, y = files
    clf = FileBatchEstimator(pipeline(), reader=ImageReader(crop=48)).fit(paths, y)
    summary = clf.history_summary_
    assert (summary["long_side"], summary["pixel_quality"]) == ([80, 80], None)
    assert (summary["once_jpeg"], summary["jpeg_quality"]) == ([0, 4, 0], [80, 90])


def test_grey_images_lie_outside_of_a_fit_on_colours(files, tmp_path):
    paths, y = files
    colours = make_pipeline(
        ResidualTransformer("gaussian", channels="rgb"), FingerprintClassifier()
    )
    clf = FileBatchEstimator(colours).fit(paths, y)
    Image.open(paths[0]).convert("L").save(tmp_path / "grey.png")
    found = {}
    clf.set_params(on_history=found.__setitem__).predict([paths[0], tmp_path / "grey.png"])
    told = [(str(each), uncovered(each, clf.history_summary_)) for each in found.values()]
    assert told[0] == ("PNG, 80 x 72 pixels", [])
    remark = "grey; all images of the fit have colours"
    assert told[1] == ("PNG, 80 x 72 pixels, grey", [remark])
    clf.fit([*paths, *[tmp_path / "grey.png"] * 3], [*y, *np.unique(y)])
    assert uncovered(list(found.values())[1], clf.history_summary_) == []
    assert coverage_in_words(clf.history_summary_).endswith(", 3 grey")


def test_arrays_leave_no_summary(files):
    paths, y = files
    clf = FileBatchEstimator(pipeline()).fit(paths, y)
    assert clf.fit(ImageReader().read(paths), y).history_summary_ is None


ANY = RandomHistory()


@pytest.mark.parametrize(
    ("perturbations", "expected"),
    [
        ("history web",
         {"jpeg": [*ANY.jpeg[1:]], "webp": [*ANY.webp[1:]], "scale": [*ANY.resize[1:]]}),
        (RandomHistory(webp=None, resize=None, jpeg=(0.5, 20, 30)), {"jpeg": [20, 30]}),
        (RandomHistory.preset("social"), {"jpeg": [70, 85], "longest_side": [1080, 2048]}),
        (["jpeg 85", JPEGCompression(60), "blur 1"], {"jpeg": [60, 85]}),
        ([Resize(0.8), ["resize 1.2", "jpeg 70"], "resize 0.5 and back"],
         {"jpeg": [70, 70], "scale": [0.8, 1.2]}),
    ],
)  # fmt: skip
def test_copies_are_part_of_what_is_covered(files, perturbations, expected):
    paths, y = files
    inner = make_attribution_pipeline("autocorrelation")
    augmented = AugmentedClassifier(inner, perturbations=perturbations, n_copies=1)
    clf = FileBatchEstimator(augmented, reader=ImageReader(crop=32)).fit(paths, y)
    assert clf.history_summary_["copies"] == NOTHING | expected


class Copying(FingerprintClassifier):
    """A classifier that makes no copies unless it is told to."""

    def __init__(self, perturbations=None):
        super().__init__()
        self.perturbations = perturbations


@pytest.mark.parametrize(("perturbations", "jpeg"), [(None, None), (("jpeg 85",), [85, 85])])
def test_copies_may_be_left_out(files, perturbations, jpeg):
    paths, y = files
    copying = make_pipeline(ResidualTransformer("gaussian"), Copying(perturbations))
    summary = FileBatchEstimator(copying).fit(paths, y).history_summary_
    assert summary["copies"] == NOTHING | {"jpeg": jpeg}


def test_drawn_histories_lie_within_what_is_covered():
    images = np.random.default_rng(0).integers(0, 256, (300, 8, 8, 3), dtype=np.uint8)
    for preset in ("web", "social", "messenger", "challenge"):
        history = RandomHistory.preset(preset)
        drawn = {key: [] for key in NOTHING}
        for operation in (each for chain in history.histories(images) for each in chain):
            if operation.name in ("jpeg", "webp"):
                drawn[operation.name].append(operation.parameters["quality"])
            elif operation.name == "resize":
                for key in {"scale", "longest_side"} & set(operation.parameters):
                    drawn[key].append(operation.parameters[key])
        for key, limits in history.covers()._asdict().items():
            assert (limits is None) == (not drawn[key])
            if drawn[key]:
                assert limits[0] <= min(drawn[key]) and max(drawn[key]) <= limits[1]
    assert GaussianBlur(1).covers()._asdict() == NOTHING


def test_history_of_each_file_that_is_judged(files, tmp_path):
    paths, y = files
    save_model(FileBatchEstimator(pipeline()).fit(paths, y), tmp_path / "model.skops")
    clf, found = load_model(tmp_path / "model.skops"), {}
    assert clf.on_history is None and clf.history_summary_["untouched"] == 4
    broken = tmp_path / "broken.png"
    broken.write_bytes(b"no image")
    clf.set_params(on_history=found.__setitem__, on_error=lambda error: None)
    labels = clf.predict([*paths, broken])
    assert list(found) == paths and labels[-1] is None
    assert found[paths[0]][:5] == ("PNG", 80, 72, None, ImageHistory())
    assert found[paths[5]][:5] == ("JPEG", 80, 72, 90, ImageHistory(90, (0, 0)))
    assert found[paths[0]].sha256 == hashlib.sha256(Path(paths[0]).read_bytes()).hexdigest()
    assert str(found[paths[5]]) == "JPEG 90, 80 x 72 pixels"
    assert str(found[paths[8]]) == "PNG, 80 x 72 pixels, once JPEG 60"
    for history in found.values():
        assert uncovered(history, clf.history_summary_) == []


def summary(
    formats=("PNG",), sides=(256, 256), stated=None, shown=None, copies=(), once=0, grey=(0, 0)
):
    return {
        "formats": {name: [10] for name in formats},
        **{"short_side": [sides[0]] * 2, "long_side": [sides[1]] * 2},
        **{"jpeg_quality": stated, "pixel_quality": shown},
        **{"looked_at": [10], "once_jpeg": [once], "untouched": 10 - once},
        **{"grey": grey, "copies": NOTHING | dict(copies)},
    }


WEB = {"jpeg": [50, 99], "webp": [50, 95], "scale": [0.5, 1.5]}
GREY = ("PNG", 256, 256, None, None, None, None, True)
PHOTOS = {"formats": ["JPEG"], "stated": [75, 90], "once": 10}


@pytest.mark.parametrize(
    ("history", "fit", "expected"),
    [
        (("PNG", 256, 256), {}, []),
        (("BMP", 256, 256), {}, []),
        (("JPEG", 256, 256, 40), {}, ["JPEG 40; the fit covers no JPEG"]),
        (("MPO", 256, 256, 40), {"copies": WEB}, ["JPEG 40; the fit covers 50 to 100"]),
        (("JPEG", 256, 256, 100), {"copies": WEB}, []),
        (("JPEG", 256, 256, 95), PHOTOS, ["JPEG 95; the fit covers 75 to 90"]),
        (("JPEG", 256, 256, 80), PHOTOS, []),
        (("PNG", 256, 256, None, ONCE), {"copies": WEB},
         ["the pixels show JPEG of about 30; the fit covers 50 to 100"]),
        (("PNG", 256, 256, None, ONCE), {"shown": [32, 60]}, []),
        (("PNG", 256, 256, None, ONCE), {},
         ["the pixels show JPEG of about 30; the fit covers no JPEG"]),
        (("JPEG", 256, 256, 90, ONCE), PHOTOS,
         ["the pixels show JPEG of about 30; the fit covers 75 to 90"]),
        (("JPEG", 256, 256, 31, ONCE), {}, ["JPEG 31; the fit covers no JPEG"]),
        (("PNG", 256, 256, None, ImageHistory()), PHOTOS,
         ["PNG without a trace of JPEG; all images of the fit have been JPEG"]),
        (("WEBP", 256, 256), {}, ["WebP; the fit covers no WebP"]),
        (("WEBP", 256, 256), {"copies": WEB}, []),
        (("GIF", 256, 256), {}, ["GIF; the fit covers no GIF"]),
        (GREY, {}, ["grey; all images of the fit have colours"]),
        (GREY, {"grey": [1, 2]}, []),
        (GREY, {"grey": [1, 0]},
         ["grey; all images of 1 of 2 sources of the fit have colours"]),
        (GREY, {"grey": None}, []),
        (("AVIF", 256, 256), {"formats": ["AVIF"]}, []),
        (("PNG", 48, 60), {}, ["48 x 60 pixels; the fit covers sides of 256"]),
        (("PNG", 130, 380), {"copies": WEB}, []),
        (("PNG", 110, 256), {"copies": WEB},
         ["110 x 256 pixels; the fit covers sides of 128 to 384"]),
        (("PNG", 300, 200), {"sides": (200, 300)}, []),
    ],
)  # fmt: skip
def test_remarks_on_what_is_not_covered(history, fit, expected):
    assert uncovered(FileHistory(*history), summary(**fit)) == expected


def test_coverage_in_words():
    copies = {"copies": WEB, "sides": (200, 300), "formats": ["PNG", "WEBP"]}
    assert coverage_in_words(summary(**copies)) == (
        "covers PNG, WebP, 300 x 200 pixels; copies: JPEG 50 to 99, WebP 50 to 95, "
        "resizing by 0.5 to 1.5"
    )
    assert coverage_in_words(summary(**PHOTOS, shown=[60, 60])) == (
        "covers JPEG 75 to 90, 256 x 256 pixels, pixels that were once JPEG 60 (10 of 10 looked at)"
    )
