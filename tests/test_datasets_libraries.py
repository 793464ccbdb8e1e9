"""Datasets of Hugging Face and of torch themselves, where they are installed, in place of folders.

They are large, and not among the packages for tests. `.ci/run` has an environment for the first,
with `pip install . datasets pytest`, and the workflow one with torch; both run these tests without
the fixtures of the others.
"""

import io

import numpy as np
import pytest
from PIL import Image

from sklearn_ganprint import FileBatchEstimator, make_attribution_pipeline
from sklearn_ganprint.datasets import list_images, load_image_folder

NAMES = ["camera", "gan"]
TARGET = np.repeat([0, 1], 6)


@pytest.fixture
def images():
    """8-bit images of two sources, each with a pattern."""
    rng = np.random.default_rng(0)
    patterns = rng.normal(scale=8, size=(2, 32, 40, 3))[TARGET]
    noisy = 128 + patterns + rng.normal(scale=4, size=(12, 32, 40, 3))
    return noisy.clip(0, 255).round().astype(np.uint8)


@pytest.fixture
def files(images):
    """The images as JPEG files that ask to be turned, which they are not."""
    exif = Image.Exif()
    exif[0x0112] = 6
    streams = [io.BytesIO() for _ in images]
    for image, stream in zip(images, streams, strict=True):
        Image.fromarray(image).save(stream, "JPEG", quality=90, exif=exif)
    return [stream.getvalue() for stream in streams]


@pytest.fixture
def datasets(tmp_path, monkeypatch):
    monkeypatch.setenv("HF_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    return pytest.importorskip("datasets")


@pytest.fixture
def torch_data():
    return pytest.importorskip("torch.utils.data")


def pixels(files):
    return np.stack([np.asarray(Image.open(io.BytesIO(file))) for file in files])


@pytest.fixture
def columns(datasets, files):
    """A dataset with a column of images, of labels, and of something else."""
    features = {
        "img": datasets.Image(),
        "source": datasets.ClassLabel(names=NAMES),
        "prompt": datasets.Value("string"),
    }
    cells = [{"bytes": file, "path": None} for file in files]
    values = {"img": cells, "source": TARGET.tolist(), "prompt": [""] * len(files)}
    return datasets.Dataset.from_dict(values, features=datasets.Features(features))


def _as_it_is(columns, path, datasets):
    return columns


def _on_disk(columns, path, datasets):
    columns.save_to_disk(path / "saved")
    return datasets.load_from_disk(path / "saved")


def _in_parquet(columns, path, datasets):
    columns.to_parquet(path / "1.parquet")
    return datasets.Dataset.from_parquet(str(path / "1.parquet"), cache_dir=path / "cache")


def _chosen(columns, path, datasets):
    twice = datasets.concatenate_datasets([columns, columns])
    return twice.select([*range(12, 18), *range(6, 12)])


@pytest.mark.parametrize("change", [_as_it_is, _on_disk, _in_parquet, _chosen])
def test_columns_are_loaded_as_the_files_that_they_hold(datasets, columns, files, tmp_path, change):
    changed = change(columns, tmp_path, datasets)
    bunch = load_image_folder(changed, n_jobs=2)
    np.testing.assert_array_equal(bunch.data, pixels(files))
    assert bunch.target_names[bunch.target].tolist() == [NAMES[code] for code in TARGET]
    assert bunch.jpeg_quality.tolist() == [90.0] * 12


def test_a_folder_of_images_is_loaded_by_either_library(datasets, files, tmp_path):
    for number, (file, code) in enumerate(zip(files, TARGET, strict=True)):
        folder = tmp_path / "images" / NAMES[code]
        folder.mkdir(parents=True, exist_ok=True)
        (folder / f"{number:02}.jpg").write_bytes(file)
    builder = {"data_dir": str(tmp_path / "images"), "split": "train"}
    theirs = datasets.load_dataset("imagefolder", cache_dir=str(tmp_path / "cache"), **builder)
    bunch, own = load_image_folder(theirs), load_image_folder(tmp_path / "images")
    np.testing.assert_array_equal(bunch.data, own.data)
    assert bunch.target_names[bunch.target].tolist() == own.target_names[own.target].tolist()


def test_files_of_a_dataset_are_fitted_and_its_images_judged(columns):
    listed = list_images(columns)
    model = FileBatchEstimator(make_attribution_pipeline("fingerprint"), batch_size=5, n_jobs=2)
    model.fit(listed.filenames, listed.labels)
    expected = model.decision_function(listed.filenames)
    assert model.score(listed.filenames, listed.labels) == 1
    undecoded = columns.cast_column("img", type(columns.features["img"])(decode=False))
    np.testing.assert_array_equal(model.decision_function(undecoded["img"]), expected)
    # Decoded by the library, images are turned as they ask.
    turned = [image.transpose(Image.Transpose.ROTATE_90) for image in columns["img"]]
    np.testing.assert_allclose(model.decision_function(turned), expected)


def test_a_dataset_that_is_streamed_is_refused(columns):
    with pytest.raises(TypeError, match="a dataset with a length and items by number"):
        list_images(columns.to_iterable_dataset())


def _pairs(torch_data, images):
    class Pairs(torch_data.Dataset):
        def __len__(self):
            return len(images)

        def __getitem__(self, index):
            return Image.fromarray(images[index]), NAMES[TARGET[index]]

    return Pairs()


def _tensors(torch_data, images):
    import torch

    channels_first = torch.asarray(images.transpose(0, 3, 1, 2))
    labels = torch.asarray(TARGET)
    return torch_data.TensorDataset(channels_first, labels)


def _subset(torch_data, images):
    pairs = _pairs(torch_data, images)
    return torch_data.ConcatDataset([torch_data.Subset(pairs, range(i, i + 6)) for i in (0, 6)])


@pytest.mark.parametrize("make", [_pairs, _tensors, _subset])
def test_datasets_of_torch_are_loaded_as_folders(torch_data, images, make):
    bunch = load_image_folder(make(torch_data, images))
    np.testing.assert_array_equal(bunch.data, images)
    assert bunch.target.tolist() == TARGET.tolist()
