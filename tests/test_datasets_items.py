"""Images in place of files: PIL images, and datasets, which obey the rules of files."""

import io
import pickle
import subprocess
import sys

import numpy as np
import pytest
from PIL import Image

from sklearn_ganprint import FileBatchEstimator, make_attribution_pipeline
from sklearn_ganprint.datasets import (
    ImageReader,
    ImageReadError,
    content_keys,
    inspect_images,
    list_images,
    load_image_folder,
)


def pair(image, label):
    return image, label


class Dataset:
    """What datasets of torch have: a length and items by number, made when asked for."""

    def __init__(self, images, labels, make=pair):
        self.images, self.labels, self.make, self.asked = images, labels, make, []

    def __len__(self):
        return len(self.images)

    def __getitem__(self, index):
        if not 0 <= index < len(self):
            raise IndexError(index)
        self.asked.append(index)
        return self.make(Image.fromarray(self.images[index]), self.labels[index])


class Feature:
    """A kind of column of a Hugging Face dataset."""

    def __init__(self, names=None, decode=True):
        self.names, self.decode = names, decode


Photo = type("Image", (Feature,), {})
Label = type("ClassLabel", (Feature,), {})


class Columns:
    """What datasets of Hugging Face have: columns, of which images are decoded unless told not."""

    def __init__(self, columns, features):
        self.columns, self.features = columns, features

    def __len__(self):
        return len(next(iter(self.columns.values())))

    def __getitem__(self, key):
        if isinstance(key, str):
            return self.columns[key]
        row = {name: values[key] for name, values in self.columns.items()}
        if any(isinstance(kind, Photo) and kind.decode for kind in self.features.values()):
            raise AssertionError("decoded by the library")
        return row

    def select_columns(self, names):
        return Columns(
            {name: self.columns[name] for name in names},
            {name: self.features[name] for name in names},
        )

    def cast_column(self, name, feature):
        return Columns(self.columns, {**self.features, name: feature})

    def rename_column(self, old, new):
        return Columns(
            {new if name == old else name: values for name, values in self.columns.items()},
            {new if name == old else name: feature for name, feature in self.features.items()},
        )


def _encoded(image, format="png", **params):
    stream = io.BytesIO()
    Image.fromarray(image).save(stream, format, **params)
    return stream.getvalue()


_LEVELS = np.arange(64 * 48).reshape(48, 64)


@pytest.mark.parametrize("channels", ["rgb", "luminance"])
@pytest.mark.parametrize("mode", ["1", "L", "LA", "P", "RGB", "RGBA", "CMYK", "I;16"])
def test_modes_are_read_as_those_of_files(tmp_path, mode, channels):
    colours = np.random.default_rng(0).integers(0, 256, (48, 64, 3), dtype=np.uint8)
    image = Image.fromarray(colours).convert("L" if mode == "I;16" else mode)
    if mode == "I;16":
        image = Image.fromarray((_LEVELS * 20).astype(np.uint16))
    path = tmp_path / ("1.tif" if mode == "CMYK" else "1.png")
    image.save(path)
    reader = ImageReader(crop=(30, 40), anchor="center", channels=channels)
    np.testing.assert_array_equal(reader.read([image])[0], reader.read_one(path))


def test_what_a_pil_image_is_not_read_of_is_named():
    floats = Image.fromarray(np.zeros((8, 8), np.float32))
    images = [Image.new("RGB", (8, 8)), floats, Image.new("HSV", (8, 8)), Image.new("L", (4, 4))]
    read, kept, failures = ImageReader(crop=8).try_read(images)
    assert kept.tolist() == [0] and read.shape == (1, 8, 8, 3)
    assert [failure.filename for failure in failures] == ["image 1", "image 2", "image 3"]
    words = ["floating-point", "mode HSV", "smaller than crop"]
    assert all(word in str(failure) for word, failure in zip(words, failures, strict=True))


def test_the_orientation_of_an_image_in_memory_is_not_applied(tmp_path):
    exif = Image.Exif()
    exif[0x0112] = 6
    path = tmp_path / "1.jpg"
    Image.fromarray(_LEVELS.astype(np.uint8)).save(path, exif=exif)
    with Image.open(path) as image:
        np.testing.assert_array_equal(ImageReader().read_one(image), ImageReader().read_one(path))


def test_properties_of_images_in_memory_are_not_those_of_a_file():
    bunch = inspect_images([Image.new("L", (8, 6)), {"bytes": None, "path": __file__}])
    assert bunch.formats.tolist() == ["in memory"] and bunch.widths.tolist() == [8]
    assert "not an image" in str(bunch.failures[0])


@pytest.mark.parametrize(
    "make",
    [
        pair,
        lambda image, label: [image, label, "more"],
        lambda image, label: {"image": image, "label": label, "more": 1},
        lambda image, label: (np.asarray(image), label),
        lambda image, label: (np.asarray(image).transpose(2, 0, 1), label),
        lambda image, label: ({"bytes": _encoded(np.asarray(image)), "path": None}, label),
    ],
    ids=["pairs", "lists", "dicts", "arrays", "channels first", "bytes"],
)
def test_a_dataset_is_loaded_as_a_folder(make_images, make):
    images, labels = make_images(n_per_class=2)
    bunch = load_image_folder(Dataset(images, labels, make), n_jobs=2)
    np.testing.assert_array_equal(bunch.data, images)
    assert bunch.target_names[bunch.target].tolist() == labels.tolist()
    assert bunch.filenames[3] == "image 3" and bunch.failures == []
    assert "Dataset of 6 images" in bunch.DESCR


def test_labels_that_a_dataset_knows_need_no_image(make_images):
    images, labels = make_images(n_per_class=2)
    dataset = Dataset(images, labels)
    dataset.targets, dataset.classes = np.repeat([2, 0, 1], 2), ["x", "y", "z"]
    assert list_images(dataset).labels.tolist() == list("zzxxyy") and not dataset.asked


@pytest.mark.parametrize("targets", [[2, -1, 0, 0, 1, 1], None])
def test_images_without_a_label_are_named_and_left_out(make_images, targets):
    def make(image, label):
        if label == "broken":
            raise RuntimeError("lost")
        return image, label

    images, _ = make_images(n_per_class=2)
    dataset = Dataset(images, ["z", "broken", "x", "x", "y", "y"], make)
    dataset.targets, dataset.classes = targets, ["x", "y", "z"]
    listed = list_images(dataset)
    assert listed.labels.tolist() == list("zxxyy")
    reason = "has no label" if targets else "cannot be asked for its label: RuntimeError: lost"
    assert list(map(str, listed.failures)) == [f"image 1: {reason}"]
    assert len(list_images(dataset, layout=None).filenames) == 6
    dataset.targets = [-1] * 6
    assert list_images(dataset).labels is None and not list_images(dataset).failures
    dataset.targets = [3] * 6
    with pytest.raises(ValueError, match="labels from 0 to 2, .*got 3"):
        list_images(dataset)


def test_columns_are_read_as_the_files_that_they_hold(make_images, tmp_path):
    images, _ = make_images(n_per_class=2)
    exif = Image.Exif()
    exif[0x0112] = 6
    contents = [_encoded(image, "jpeg", quality=90, exif=exif) for image in images]
    (tmp_path / "5.jpg").write_bytes(contents[5])
    cells = [{"bytes": content, "path": None} for content in contents[:5]]
    cells += [{"bytes": None, "path": str(tmp_path / "5.jpg")}]
    features = {"img": Photo(), "label": Label(["gan", "camera"]), "text": Feature()}
    columns = {"img": cells, "label": [0, 0, 0, 1, 1, 1], "text": [""] * 6}
    bunch = load_image_folder(Columns(columns, features))
    expected = [np.asarray(Image.open(io.BytesIO(content))) for content in contents]
    np.testing.assert_array_equal(bunch.data, expected)
    assert bunch.target_names[bunch.target].tolist() == ["gan"] * 3 + ["camera"] * 3
    assert bunch.jpeg_quality.tolist() == [90.0] * 6
    unlabelled = Columns({"img": cells}, {"img": Photo()})
    assert list_images(unlabelled).labels is None


def test_files_of_a_dataset_are_fitted_batch_by_batch(make_images):
    images, labels = make_images(n_per_class=4)
    dataset = Dataset(images, labels)
    listed = list_images(dataset)
    pipeline = make_attribution_pipeline("fingerprint")
    in_memory = FileBatchEstimator(pipeline, batch_size=4).fit(images, labels)
    lazily = FileBatchEstimator(pipeline, batch_size=4).fit(listed.filenames, listed.labels)
    as_images = FileBatchEstimator(pipeline).fit(list(map(Image.fromarray, images)), labels)
    expected = in_memory.decision_function(images)
    for fitted, X in ((lazily, listed.filenames), (as_images, [x for x, _ in dataset])):
        np.testing.assert_allclose(fitted.decision_function(X), expected, rtol=1e-5, atol=1e-6)
    dataset.asked.clear()
    lazily.predict(listed.filenames[4:6])
    assert set(dataset.asked) == {4, 5}


def test_items_go_to_workers(make_images):
    images, labels = make_images(n_per_class=2)
    dataset = Dataset(images, labels)
    names = pickle.loads(pickle.dumps(list_images(dataset).filenames))
    np.testing.assert_array_equal(ImageReader().read(names), images)
    listed = list_images(list(zip(images, labels, strict=True)))
    assert len(pickle.dumps(listed.filenames[:1])) < 2 * images[0].nbytes  # the others stay here
    assert content_keys(names) == content_keys(list(map(Image.fromarray, images)))


@pytest.mark.parametrize(
    "value",
    [np.zeros((3, 32, 32), np.float32), np.zeros((8, 8, 2), np.uint8), "text", None, [], {"a": 1}],
)
def test_an_item_that_is_no_image_is_named(value):
    names = list_images([(value, "a")]).filenames
    with pytest.raises(ImageReadError, match="image 0: cannot be opened: expected a PIL image"):
        ImageReader().read(names)


@pytest.mark.parametrize("source", [5, iter([1]), None])
def test_what_is_no_dataset_is_refused(source):
    with pytest.raises(TypeError, match="expected a path, or a dataset"):
        list_images(source)


def test_a_dataset_without_images_is_refused():
    columns = Columns({"text": ["a"]}, {"text": Feature()})
    with pytest.raises(ValueError, match=r"Columns of 1 images: expected a column of images"):
        load_image_folder(columns)


NOTEBOOK = """
import numpy as np
from sklearn_ganprint import FileBatchEstimator, make_attribution_pipeline
from sklearn_ganprint.datasets import list_images


class Own:
    images = np.random.default_rng(0).integers(0, 256, (6, 32, 32, 3), np.uint8)

    def __len__(self):
        return 6

    def __getitem__(self, index):
        return self.images[index], "ab"[index % 2]


if __name__ == "__main__":
    listed, pipeline = list_images(Own()), make_attribution_pipeline("fingerprint")
    files = FileBatchEstimator(pipeline, batch_size=3, n_jobs=2)
    print("failed:", files.fit(listed.filenames, listed.labels).failures_)
"""


def test_a_dataset_of_a_notebook_goes_to_workers(tmp_path):
    (tmp_path / "notebook.py").write_text(NOTEBOOK)
    command = [sys.executable, tmp_path / "notebook.py"]
    run = subprocess.run(command, capture_output=True, text=True)
    assert run.stdout == "failed: []\n", run.stderr
