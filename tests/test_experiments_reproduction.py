"""All of the paper's experiments on one set of images."""

import csv
import itertools
import json
import os
import shutil
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from sklearn.pipeline import make_pipeline

from sklearn_ganprint import FingerprintClassifier, ResidualTransformer
from sklearn_ganprint.denoisers import FunctionDenoiser
from sklearn_ganprint.experiments import (
    BatchOptions,
    ReproductionSettings,
    audit_attribution,
    measure_convergence,
    reproduce_paper,
)
from sklearn_ganprint.perturbations import JPEGCompression

SETTINGS = ReproductionSettings(denoiser="gaussian", n_robustness=3)
FAMILIES = {"a": "Pro-GAN", "b": "Pro-GAN", "c": "camera"}


@pytest.fixture
def data(make_images):
    return make_images(n_per_class=16, strength=2.0)


def residuals_of(images, perturbation=None):
    images = images if perturbation is None else perturbation.fit_transform(images)
    return ResidualTransformer("gaussian", channels="rgb").fit_transform(images)


def sides_of(result):
    """Positions of the images to fit on and to test on, those of each source apart."""
    attribution = result.attribution
    sides = (attribution.train_index, attribution.test_index)
    y = np.repeat(attribution.classes, 16)
    return [[side[y[side] == label] for label in attribution.classes] for side in sides]


@pytest.fixture
def sides(data):
    return sides_of(reproduce_paper(*data, replace(SETTINGS, n_robustness=0)))


def test_half_of_the_images_of_each_source_are_tested(sides):
    for fit, test, first in zip(*sides, (0, 16, 32), strict=True):
        assert len(fit) == len(test) == 8
        assert_array_equal(np.sort([*fit, *test]), np.arange(first, first + 16))


@pytest.mark.parametrize(
    "options",
    [BatchOptions(), BatchOptions(batch_size=3), BatchOptions(batch_size=3, n_jobs=2)],
    ids=str,
)
def test_equals_the_plain_way(data, options):
    X, y = data
    result = reproduce_paper(X, y, SETTINGS, architectures=FAMILIES, options=options)
    fit, test = map(np.concatenate, sides_of(result))
    pipeline = make_pipeline(
        ResidualTransformer("gaussian", channels="rgb"), FingerprintClassifier()
    ).fit(X[fit], y[fit])
    assert_array_equal(result.attribution.y_pred, pipeline.predict(X[test]))
    assert_array_equal(result.attribution.test_index, test)
    scores = pipeline[-1].correlate(residuals_of(X[test]))
    assert_allclose(result.correlation.scores, scores, atol=1e-5)
    residuals = residuals_of(X[sides_of(result)[0][1]]).reshape(-1, 32, 32, 3)
    own, found = measure_convergence(residuals, name="b"), result.convergence[1]
    assert_array_equal(found.n_images, [1, 2, 4, 8])
    assert_allclose(found.fingerprints, own.fingerprints, rtol=1e-5, atol=1e-4)
    assert found.mean_residual_energy == pytest.approx(own.mean_residual_energy, rel=1e-6)
    assert_allclose(found.energies, own.energies, rtol=1e-4)
    assert_allclose(found.unbiased_limit, own.unbiased_limit, rtol=1e-3)


@pytest.mark.parametrize(
    ("size", "fitted", "tested"),
    [
        (2, [1, 1, 2, 2, 2], [2, 2, 2, 2]),
        (3, [1, 1, 1, 1, 2, 2], [3, 3, 2]),
        (64, [1, 1, 2, 4], [8]),
    ],
)
def test_batches_end_where_fingerprints_are_taken(data, size, fitted, tested):
    told = []
    settings, options = replace(SETTINGS, n_robustness=0), BatchOptions(batch_size=size)
    reproduce_paper(*data, settings, options=options, progress=lambda done, _: told.append(done))
    steps = np.diff(told, prepend=0).tolist()
    # Of the fingerprints of three sources, and of all test images with them.
    n_fitted = 3 * len(fitted)
    assert steps[: n_fitted + 3 * len(tested)] == 3 * fitted + 3 * tested


def test_jpeg_experiment_in_both_readings(data, sides):
    X, y = data
    result = reproduce_paper(X, y, SETTINGS, architectures=FAMILIES)
    assert result.recompressed == ("a", "b")
    fit, test = map(np.concatenate, sides)
    compressed = X.copy()
    generated = np.isin(y, ["a", "b"])
    compressed[generated] = JPEGCompression(95).fit_transform(X[generated])
    variants = list(result.recompression.variants.values())
    for images, variant in zip((X, compressed), variants, strict=True):
        model = FingerprintClassifier().fit(residuals_of(images[fit]), y[fit])
        right = model.predict(residuals_of(compressed[test])) == y[test]
        assert variant.n_right == right.sum()


def test_robustness_points(data, sides):
    X, y = data
    result = reproduce_paper(X, y, SETTINGS)
    points = result.robustness.points
    test = np.concatenate([own[:3] for own in sides[1]])
    fit = np.concatenate([own[:2] for own in sides[0]])
    few = FingerprintClassifier().fit(residuals_of(X[fit]), y[fit])
    right = few.predict(residuals_of(X[test])) == y[test]
    assert points["images to fit", 2].n_right == right.sum()
    assert points["images to fit", 8] == points["border pixels trimmed", 0.0]
    assert result.robustness.clean.n_test == 9
    # Images of 32 pixels are too small for parts without 8 of them on every side.
    assert [s for family, s in points if family == "border pixels trimmed"] == [0.0]
    whole = np.concatenate(sides[0])
    full = FingerprintClassifier().fit(residuals_of(X[whole]), y[whole])
    right = full.predict(residuals_of(X[test], JPEGCompression(50))) == y[test]
    assert points["JPEG quality", 50].n_right == right.sum()


def test_robustness_of_parts_of_images(make_images):
    X, y = make_images(n_per_class=16, shape=(48, 48, 3), strength=0.3)
    result = reproduce_paper(X, y, replace(SETTINGS, n_robustness=8))
    fit, test = map(np.concatenate, sides_of(result))
    residuals = residuals_of(X).reshape(X.shape)
    parts = {
        ("border pixels trimmed", 8.0): (slice(8, -8), slice(8, -8)),
        ("side of the image used", 12.0): (slice(12), slice(12)),
        ("side of the image used", 36.0): (slice(36), slice(36)),
    }
    for point, part in parts.items():
        cut = np.ascontiguousarray(residuals[:, *part])
        right = FingerprintClassifier().fit(cut[fit], y[fit]).predict(cut[test]) == y[test]
        assert result.robustness.points[point].n_right == right.sum()


def test_study_of_numbers_and_sizes(make_images):
    X, y = make_images(n_per_class=16, shape=(48, 48, 3), strength=0.3)
    result = reproduce_paper(X, y, replace(SETTINGS, n_robustness=0, study=True))
    fit, test = sides_of(result)
    residuals, tests = residuals_of(X).reshape(X.shape), np.concatenate(test)
    for number, side in itertools.product((1, 4, 8), (12, 24, 48)):
        few = np.concatenate([own[:number] for own in fit])
        cut = np.ascontiguousarray(residuals[:, :side, :side])
        right = FingerprintClassifier().fit(cut[few], y[few]).predict(cut[tests]) == y[tests]
        assert result.sizes.points[str(number), side].n_right == right.sum()
    rows = result.to_dict()["sizes"]
    assert [(row["images"], row["side"]) for row in rows[-2:]] == [(4, 48), (8, 48)]
    assert rows[-1]["accuracy"] == result.attribution.accuracy
    numbers = (result.dependence.n_fit, result.dependence.n_test, result.dependence.image_size)
    assert numbers == (8, 8, 48)


def test_controls_are_those_of_an_audit(data, tmp_path):
    X, y = data
    settings = replace(SETTINGS, n_robustness=0, controls=True)
    result = reproduce_paper(X, y, settings, folder=tmp_path)
    chosen = np.concatenate([own for side in sides_of(result) for own in side])
    assert result.controls == audit_attribution(X[chosen], y[chosen]).to_dict()
    again = reproduce_paper(X, y, settings, folder=tmp_path)
    assert again.controls == result.controls


def test_a_row_for_each_architecture(data):
    result = reproduce_paper(*data, SETTINGS, architectures=FAMILIES)
    first, camera = result.architecture_rows()
    mean, recall = result.correlation.mean, result.attribution.recall
    assert (first["architecture"], first["sources"], first["n_test"]) == ("Pro-GAN", 2, 16)
    assert first["accuracy"] == pytest.approx(recall[:2].mean())
    assert first["own"] == pytest.approx(mean.diagonal()[:2].mean())
    assert first["sibling"] == pytest.approx((mean[0, 1] + mean[1, 0]) / 2)
    assert first["other"] == pytest.approx(mean[:2, 2].mean())
    assert camera["architecture"] == "camera" and camera["sibling"] is None
    assert reproduce_paper(*data, SETTINGS).architecture_rows() == []


def test_files_give_what_images_give(data, image_folder):
    X, y = data
    _, paths, _ = image_folder(n_per_class=16, strength=2.0)
    result = reproduce_paper(X, y, SETTINGS)
    again = reproduce_paper(paths, y, SETTINGS, options=BatchOptions(batch_size=3, n_jobs=2))
    first, second = result.to_dict(), again.to_dict()
    assert_allclose(first["correlation"]["mean"], second["correlation"]["mean"], atol=1e-5)
    assert first["recompression"] == second["recompression"]
    assert first["robustness"] == second["robustness"]


def test_goes_on_where_it_was_interrupted(data, tmp_path):
    X, y = data
    told = []

    def interrupt(done, total):
        told.append((done, total))
        if done >= total // 2:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        reproduce_paper(X, y, SETTINGS, folder=tmp_path, progress=interrupt)
    kept = {path.name: path.stat().st_mtime_ns for path in tmp_path.iterdir()}
    (begun,) = [name for name in kept if name.endswith("-begun.npz")]
    kept.pop(begun)  # whose place the whole part takes
    assert len(kept) > 5 and not [name for name in kept if name.endswith(".part")]
    interrupted_at = told[-1][0]
    told.clear()
    result = reproduce_paper(X, y, SETTINGS, folder=tmp_path, progress=lambda *n: told.append(n))
    assert told[-1][0] == told[-1][1] == told[0][1]
    # Parts that are whole are told at once, and what the one that has begun lacks comes next.
    assert interrupted_at in [done for done, _ in told[: len(kept)]]
    assert all((tmp_path / name).stat().st_mtime_ns == time for name, time in kept.items())
    assert result.to_dict() == reproduce_paper(X, y, SETTINGS).to_dict()
    with pytest.raises(ValueError, match=r"other settings \(images, random_state\)"):
        other = replace(SETTINGS, random_state=1)
        reproduce_paper(X, y, other, folder=tmp_path)


def test_comes_to_an_end_however_often_it_is_interrupted(data, tmp_path):
    X, y = data
    settings = replace(SETTINGS, n_robustness=0)
    small = BatchOptions(batch_size=2)
    steps = []

    def interrupt(done, total):
        steps.append(done - sum(steps))
        if done < total and sum(step <= 2 for step in steps) == 3:  # after two batches or three
            raise KeyboardInterrupt

    result, n_runs = None, 0
    while result is None and n_runs < 100:
        n_runs += 1
        steps.clear()
        with suppress(KeyboardInterrupt):
            result = reproduce_paper(
                X, y, settings, folder=tmp_path, options=small, progress=interrupt
            )
    assert result is not None and n_runs > 15
    assert not list(tmp_path.glob("*begun*"))
    assert result.to_dict() == reproduce_paper(X, y, settings, options=small).to_dict()


def test_bad_files_are_left_out_of_everything(data, sides, image_folder):
    _, y = data
    _, paths, _ = image_folder(n_per_class=16, strength=2.0)
    broken = [paths[sides[0][0][3]], paths[sides[1][1][0]]]
    for path in broken:
        with open(path, "wb") as stream:
            stream.write(b"no image")
    told = []
    result = reproduce_paper(paths, y, SETTINGS, options=BatchOptions(on_error=told.append))
    assert sorted(name for name, _ in result.failures) == sorted(broken)
    assert sorted(error.filename for error in told) == sorted(broken)
    assert result.attribution.n_fit.tolist() == [7, 8, 8]
    text = "\n".join(result.warnings)
    assert "the mean of 7 residuals" in text and "as few as 7 test images" in text
    assert result.attribution.n_test.tolist() == [8, 7, 8]
    assert result.robustness.clean.n_test == 8


def test_saves_json_and_tables(data, tmp_path):
    result = reproduce_paper(*data, SETTINGS, architectures=FAMILIES)
    result.save(tmp_path / "out")
    document = json.loads((tmp_path / "out" / "results.json").read_text("utf-8"))
    assert document == result.to_dict()
    names = sorted(os.listdir(tmp_path / "out" / "tables"))
    assert names == sorted(f"{name}.csv" for name in result.tables())
    with open(tmp_path / "out" / "tables" / "sources.csv", encoding="utf-8") as stream:
        rows = list(csv.DictReader(stream))
    assert [row["source"] for row in rows] == ["a", "b", "c"]
    assert [float(row["recall"]) for row in rows] == result.attribution.recall.tolist()


def warnings_of(*args, **params):
    settings = ReproductionSettings(denoiser="gaussian", n_robustness=0)
    return "\n".join(reproduce_paper(*args, settings, **params).warnings)


def test_says_what_may_mislead(data):
    X, y = data
    text = warnings_of(X, y)
    assert "the mean of 8 residuals" in text
    assert "as few as 8 test images" in text
    assert "architectures of the sources" in text
    assert "blank" not in text
    assert "architectures" not in warnings_of(X, y, architectures=FAMILIES)


def test_warns_of_near_duplicates_and_blank_images(make_images):
    rng = np.random.default_rng(0)
    X = rng.integers(0, 256, (48, 18, 18, 3), dtype=np.uint8).repeat(2, 1).repeat(2, 2)
    y = np.repeat(["a", "b"], 24)
    assert "nearly the same" not in warnings_of(X, y)
    attribution = reproduce_paper(X, y, SETTINGS).attribution
    fit, test = (
        [side[y[side] == label] for label in ("a", "b")]
        for side in (attribution.train_index, attribution.test_index)
    )
    X[test[0][:3]] = X[fit[0][:3]] // 2
    X[fit[1][5]] = 7
    text = warnings_of(X, y)
    assert "3 of 12 test images of 'a'" in text
    assert "1 images of 'b'" in text


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda X, y: (np.where((y == "a")[:, None, None, None], X[:1], X), y), "'a'.* the same"),
        (lambda X, y: (X[::8], y[::8]), "Expected 3 images a source or more, .* of {'a': 2, "),
        (lambda X, y: (X, y[:5]), "inconsistent numbers of samples"),
        (lambda X, y: (X[:16], y[:16]), "at least 2 sources"),
    ],
)
def test_refuses_what_has_no_answer(data, change, message):
    with pytest.raises(ValueError, match=message):
        reproduce_paper(*change(*data), SETTINGS)


@pytest.mark.parametrize(
    ("make", "params"),
    [
        *((ReproductionSettings, {name: -1}) for name in ("n_fit", "n_test", "n_robustness")),
        *((ReproductionSettings, {"jpeg_quality": number}) for number in (0, 101)),
        (ReproductionSettings, {"n_robustness": 2.5}),
        (ReproductionSettings, {"random_state": -1}),
        (ReproductionSettings, {"study": "no"}),
        (BatchOptions, {"batch_size": 0}),
        (BatchOptions, {"n_jobs": 0}),
    ],
)
def test_settings_out_of_range_are_refused(make, params):
    (name,) = params
    with pytest.raises(ValueError, match=f"The '{name}' parameter of {make.__name__} must be "):
        make(**params)


def test_refuses_what_are_no_images_of_one_size_with_white_at_255(data):
    X, y = data
    with pytest.raises(ValueError, match="image 0 has shape"):
        reproduce_paper([X[0, 1:], *X[1:]], y, SETTINGS)
    with pytest.raises(ValueError, match="white is 255, got values from .* to 1"):
        reproduce_paper(X / X.max(), y, SETTINGS)
    with pytest.raises(ValueError, match="expected images of shape"):
        reproduce_paper(X.reshape(len(X), -1), y, SETTINGS)


def test_grey_images_without_an_axis_of_channels(data):
    X, y = data
    settings = replace(SETTINGS, n_robustness=0)
    one, other = (reproduce_paper(grey, y, settings) for grey in (X[..., 0], X[..., :1]))
    assert_array_equal(one.attribution.scores, other.attribution.scores)


def test_two_images_to_fit_on_are_enough(data):
    X, y = (values[::5] for values in data)
    attribution = reproduce_paper(X, y, replace(SETTINGS, n_robustness=0)).attribution
    assert (attribution.n_fit.tolist(), attribution.n_test.tolist()) == ([2, 2, 2], [2, 1, 1])
    with pytest.raises(ValueError, match="at least 2 images a source to fit on"):
        reproduce_paper(*data, replace(SETTINGS, n_fit=1))


def test_says_that_it_is_the_controls_that_take_more_images(data):
    X, y = (values[::5] for values in data)
    with pytest.raises(ValueError, match="The controls cannot be measured: .* at least 4 images"):
        reproduce_paper(X, y, replace(SETTINGS, controls=True))


def test_refuses_a_source_without_usable_files(data, image_folder):
    _, y = data
    _, paths, _ = image_folder(n_per_class=16)
    for path in paths[:16]:
        with open(path, "wb") as stream:
            stream.write(b"no image")
    with pytest.raises(ValueError, match="No image of 'a' to fit on can be used: .*a.0[01].[.]png"):
        reproduce_paper(paths, y, SETTINGS)


def test_refuses_a_source_none_of_whose_test_files_can_be_used(data, sides, image_folder):
    _, y = data
    _, paths, _ = image_folder(n_per_class=16)
    for position in sides[1][0]:
        with open(paths[position], "wb") as stream:
            stream.write(b"")
    with pytest.raises(ValueError, match="No file of .*'a'.* can be used"):
        reproduce_paper(paths, y, SETTINGS)


def test_refuses_architectures_of_other_sources(data):
    with pytest.raises(ValueError, match=r"architectures: .*none for"):
        reproduce_paper(*data, SETTINGS, architectures={"a": "Pro-GAN"})


def test_options_are_taken_by_their_former_name(data):
    with pytest.warns(FutureWarning, match="passes was renamed options"):
        result = reproduce_paper(*data, replace(SETTINGS, n_robustness=0), passes=BatchOptions(3))
    assert result.attribution.n_test.tolist() == [8, 8, 8]


def test_a_part_that_has_begun_holds_the_arrays_of_former_versions(data, tmp_path):
    def interrupt(done, total):
        if done >= 3:
            raise KeyboardInterrupt

    small = BatchOptions(batch_size=2)
    with pytest.raises(KeyboardInterrupt):
        reproduce_paper(*data, SETTINGS, folder=tmp_path, options=small, progress=interrupt)
    with np.load(tmp_path / "fit-clean-000-begun.npz") as begun:
        arrays = dict(begun)
    assert sorted(arrays) == [
        *("count00", "count01", "count02", "done", "hashes"),
        *("residual_energies", "sum00", "sum01", "sum02"),
    ]
    assert [arrays[f"count0{end}"] for end in range(3)] == [1, 1, 2]
    assert arrays["done"] == len(arrays["hashes"]) == len(arrays["residual_energies"]) == 4


@pytest.fixture
def kept(data, tmp_path):
    """A folder that holds the parts of a whole run."""
    reproduce_paper(*data, replace(SETTINGS, n_robustness=0), folder=tmp_path)
    return tmp_path


def test_nothing_is_kept_of_what_was_interrupted_before_its_first_batch(data, tmp_path):
    def interrupt(planes):
        raise KeyboardInterrupt

    settings = replace(SETTINGS, denoiser=FunctionDenoiser(interrupt))
    with pytest.raises(KeyboardInterrupt):
        reproduce_paper(*data, settings, folder=tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["settings.json"]


def test_what_a_killed_process_has_done_is_kept_from_time_to_time(data, tmp_path, monkeypatch):
    clock = itertools.count(step=10.0)
    monkeypatch.setattr("time.monotonic", lambda: next(clock))  # time enough between any two steps
    settings, small = replace(SETTINGS, n_robustness=0), BatchOptions(batch_size=2)
    folder, killed = tmp_path / "whole", tmp_path / "killed"
    found = {}

    def keep(done, total):
        # What another process finds there if this one is killed now.
        names = [path.name for path in folder.iterdir()]
        if done == 6:  # the last two of eight are missing
            found.update(names=names)
            shutil.copytree(folder, killed)

    whole = reproduce_paper(*data, settings, folder=folder, options=small, progress=keep)
    assert sorted(found["names"]) == ["fit-clean-000-begun.npz", "settings.json"]
    with np.load(killed / "fit-clean-000-begun.npz") as begun:
        n_done = int(begun["done"])
    told = []
    again = reproduce_paper(
        *data, settings, folder=killed, options=small, progress=lambda done, _: told.append(done)
    )
    assert told[:2] == [n_done, n_done + 2] == [6, 8]
    assert again.to_dict() == whole.to_dict()
    assert not list(killed.glob("*begun*"))


def test_settings_that_were_damaged_are_refused(data, kept):
    (kept / "settings.json").write_text("{", encoding="utf-8")
    with pytest.raises(ValueError, match=r"settings\.json is not what was written"):
        reproduce_paper(*data, replace(SETTINGS, n_robustness=0), folder=kept)


def test_pickles_are_refused(data, kept):
    np.savez(kept / "fit-clean-001.npz", sums=np.array([object()]))
    with pytest.raises(ValueError, match="allow_pickle"):
        reproduce_paper(*data, replace(SETTINGS, n_robustness=0), folder=kept)


def test_refuses_files_of_which_none_can_be_tested(data, image_folder):
    _, y = data
    _, paths, _ = image_folder(n_per_class=16)
    result = reproduce_paper(paths, y, SETTINGS)
    tested = result.attribution.test_index
    for position in tested:
        Path(paths[position]).write_bytes(b"no image")
    with pytest.raises(ValueError, match="No image to test on can be used: .*[.]png"):
        reproduce_paper(paths, y, SETTINGS)
