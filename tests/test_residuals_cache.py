import os
import pickle
import signal
import threading
from concurrent.futures import ThreadPoolExecutor
from contextlib import nullcontext

import numpy as np
import pytest
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import make_pipeline

from sklearn_ganprint import (
    CorrelationTransformer,
    FileBatchClassifier,
    FingerprintClassifier,
    ResidualTransformer,
)
from sklearn_ganprint.denoisers import GaussianDenoiser, MedianDenoiser, WaveletDenoiser
from sklearn_ganprint.residuals import set_cache_size

# No public name tells how many bytes are in use, or holds the lock while a process forks.
from sklearn_ganprint.residuals._cache import CACHE, cache_unused, shared_residuals

SHAPE = (24, 32)
#: Bytes of an image in uint8 and of its residual in float32.
ONE = 24 * 32 * (1 + 4)


@pytest.fixture(autouse=True)
def empty_cache():
    set_cache_size(0)
    set_cache_size(512 << 20)
    yield
    set_cache_size(0)
    set_cache_size(512 << 20)


@pytest.fixture
def images(make_images):
    return make_images(n_per_class=8, shape=SHAPE)[0]


@pytest.fixture
def computed(monkeypatch):
    """Sizes of the batches that the Gaussian denoiser computes."""
    sizes, residual = [], GaussianDenoiser.residual

    def count(denoiser, images):
        sizes.append(len(images))
        return residual(denoiser, images)

    monkeypatch.setattr(GaussianDenoiser, "residual", count)
    return sizes


def without_cache(transformer, images):
    size = CACHE.size
    set_cache_size(0)
    residuals = transformer.fit_transform(images)
    set_cache_size(size)
    return residuals


def search(images, sigmas=(0.5, 1.0, 2.0)):
    pipeline = make_pipeline(ResidualTransformer(), FingerprintClassifier())
    denoisers = [GaussianDenoiser(sigma) for sigma in sigmas]
    grid = {"residualtransformer__denoiser": denoisers}
    return GridSearchCV(pipeline, grid, cv=4).fit(images, np.repeat(["a", "b", "c"], 8))


def test_a_search_computes_each_candidate_once_and_the_first_twice(images, computed):
    search(images)
    assert sum(computed) == (3 + 1) * len(images)


def test_a_search_finds_the_same_without(images):
    kept = search(images)
    set_cache_size(0)
    computed = search(images)
    for name in ("mean_test_score", "std_test_score"):
        np.testing.assert_array_equal(kept.cv_results_[name], computed.cv_results_[name])


def test_what_comes_once_is_not_kept(images):
    ResidualTransformer().fit_transform(images)
    assert CACHE.used == 0
    ResidualTransformer().fit_transform(images)
    assert CACHE.used == len(images) * ONE


@pytest.mark.parametrize(
    "other",
    [
        {"denoiser": GaussianDenoiser(2.0)},
        {"denoiser": MedianDenoiser()},
        {"channels": "rgb"},
        {"channels": "opponent"},
        {"data_range": 200.0},
        {"intensity": True},
        {"flatten": False},
    ],
    ids=str,
)
def test_all_that_residuals_depend_on_tells_them_apart(make_images, other):
    images = make_images(n_per_class=2, shape=(*SHAPE, 3))[0]
    for _ in range(3):
        ResidualTransformer("gaussian").fit_transform(images)
    transformer = ResidualTransformer("gaussian").set_params(**other)
    expected = without_cache(transformer, images)
    for _ in range(3):
        np.testing.assert_array_equal(transformer.fit_transform(images), expected)


@pytest.mark.parametrize("change", [{"dtype": np.float64}, {"shape": (32, 24)}], ids=str)
def test_the_same_values_as_other_images_are_others(images, change):
    for _ in range(3):
        ResidualTransformer("gaussian").fit_transform(images)
    others = images.astype(change.get("dtype", np.uint8))
    others = others.reshape(-1, *change.get("shape", SHAPE))
    expected = without_cache(ResidualTransformer("gaussian"), others)
    actual = ResidualTransformer("gaussian").fit_transform(others)
    assert actual.dtype == expected.dtype
    np.testing.assert_array_equal(actual, expected)


@pytest.mark.parametrize("pixel", [1, 7, 500, -1])
def test_images_that_differ_in_one_pixel_have_residuals_of_their_own(make_images, pixel):
    images = make_images(n_per_class=1, shape=(64, 64))[0]
    others = images.copy()
    others.reshape(len(images), -1)[:, pixel] ^= 64
    expected = without_cache(ResidualTransformer("gaussian"), others)
    for _ in range(3):
        ResidualTransformer("gaussian").fit_transform(images)
        actual = ResidualTransformer("gaussian").fit_transform(others)
        np.testing.assert_array_equal(actual, expected)


def test_images_in_any_layout_and_order(images):
    twice = np.repeat(images, 2, axis=2)
    expected = without_cache(ResidualTransformer("gaussian"), images)
    for _ in range(3):
        ResidualTransformer("gaussian").fit_transform(images)
    order = np.random.default_rng(0).permutation(len(images))
    for layout in (images, twice[:, :, ::2], np.asfortranarray(images)):
        actual = ResidualTransformer("gaussian").fit_transform(layout[order])
        np.testing.assert_array_equal(actual, expected[order])


def test_changes_to_what_was_returned_do_not_come_back(images):
    expected = without_cache(ResidualTransformer("gaussian"), images)
    for _ in range(4):
        residuals = ResidualTransformer("gaussian").fit_transform(images)
        np.testing.assert_array_equal(residuals, expected)
        residuals[:] = 0


def test_functions_may_change_their_minds(images):
    level = [0.0]
    transformer = ResidualTransformer(lambda planes: planes * level[0])
    for level[0] in (0.0, 0.0, 0.0, 0.5):
        residuals = transformer.fit_transform(images)
    np.testing.assert_array_equal(residuals, images.reshape(len(images), -1) * np.float32(0.5))


@pytest.mark.parametrize(("n_kept", "n_computed"), [(0, 24), (10, 16), (24, 0)])
def test_memory_has_a_limit_and_what_does_not_fit_is_computed(
    make_images, computed, n_kept, n_computed
):
    # Eight images of this size are denoised together, and looked up together.
    images = make_images(n_per_class=8, shape=(256, 256))[0]
    set_cache_size(n_kept * 256 * 256 * 5 + 1)
    expected = without_cache(ResidualTransformer("gaussian"), images)
    for _ in range(3):
        del computed[:]
        residuals = ResidualTransformer("gaussian").fit_transform(images)
        np.testing.assert_array_equal(residuals, expected)
        assert CACHE.used <= CACHE.size
    assert sum(computed) == n_computed


def test_what_was_computed_alone_does_not_change_what_is_computed_together(images):
    for n in (1, 1, 1, 5, 5, len(images)):
        ResidualTransformer().fit_transform(images[:n])
    expected = without_cache(ResidualTransformer(), images)
    for _ in range(3):
        np.testing.assert_array_equal(ResidualTransformer().fit_transform(images), expected)


def test_the_denoiser_used_last_displaces_others(images, computed):
    set_cache_size(len(images) * ONE)
    for sigma in (1.0, 1.0, 2.0, 2.0):
        del computed[:]
        ResidualTransformer(GaussianDenoiser(sigma)).fit_transform(images)
    assert not computed


def test_files_take_no_memory(image_folder):
    _, paths, labels = image_folder()
    pipeline = make_pipeline(ResidualTransformer(), FingerprintClassifier())
    classifier = FileBatchClassifier(pipeline, batch_size=5).fit(paths, labels)
    for _ in range(3):
        classifier.predict(paths)
    assert CACHE.used == 0


def test_nothing_of_it_is_stored_with_a_transformer(images):
    transformer = ResidualTransformer().fit(images)
    before = pickle.dumps(transformer)
    for _ in range(3):
        transformer.transform(images)
    assert CACHE.used > 0
    assert pickle.dumps(transformer) == before


def correlations(*denoisers):
    return CorrelationTransformer(denoisers, max_lag=1, colour_lag=None, window=0)


def test_correlations_of_images_that_come_once_are_not_kept(images):
    several = correlations("gaussian", "wavelet", GaussianDenoiser(2.0))
    several.transform(images)
    assert CACHE.used == 0
    several.transform(images)
    assert CACHE.used == 3 * len(images) * ONE


@pytest.mark.parametrize("n_jobs", [None, 2])
def test_correlations_and_residuals_of_one_kind_are_one_in_the_cache(images, computed, n_jobs):
    several = correlations("gaussian", "median").set_params(n_jobs=n_jobs)
    alone = ResidualTransformer("gaussian", channels="rgb", n_jobs=n_jobs)
    expected = alone.transform(images), several.transform(images)  # the second time
    assert sum(computed) == 2 * len(images)
    np.testing.assert_array_equal(alone.transform(images), expected[0])
    np.testing.assert_array_equal(several.transform(images), expected[1])
    assert sum(computed) == 2 * len(images)


def test_correlations_are_the_same_where_one_of_their_residuals_is_known(make_images):
    # Wavelet filters share a transform, unless one of them is left out.
    images = make_images(n_per_class=2, shape=(96, 96, 3))[0]
    several = correlations("wavelet", WaveletDenoiser(sigma=2.0))
    expected = without_cache(several, images)
    alone = ResidualTransformer(channels="rgb")
    alone.transform(images), alone.transform(images)
    assert CACHE.used == len(images) * 96 * 96 * 3 * (1 + 4)
    np.testing.assert_array_equal(several.transform(images), expected)


@pytest.mark.parametrize("suspended", [nullcontext, cache_unused])
@pytest.mark.parametrize("backwards", [False, True])
def test_what_several_take_is_computed_once_and_forgotten(images, computed, backwards, suspended):
    alone, several = ResidualTransformer("gaussian", channels="rgb"), correlations("gaussian")
    expected = without_cache(alone, images), without_cache(several, images)
    order = [several, alone] if backwards else [alone, several]
    computed.clear()
    with suspended(), shared_residuals():
        with shared_residuals():
            found = [transformer.transform(images) for transformer in order]
        alone.transform(images)
    for rows, same in zip(found[::-1] if backwards else found, expected, strict=True):
        np.testing.assert_array_equal(rows, same)
    assert sum(computed) == len(images)
    assert CACHE.used == 0
    alone.transform(images)
    assert sum(computed) == 2 * len(images)


def test_nothing_is_shared_if_nothing_is_to_be_kept(images, computed):
    set_cache_size(0)
    with shared_residuals():
        for _ in range(2):
            ResidualTransformer("gaussian").transform(images)
    assert sum(computed) == 2 * len(images)


def test_threads_share_it(images):
    sigmas = np.tile([0.5, 1.0, 1.5, 2.0], 6)
    set_cache_size(50 * ONE)
    transformers = [ResidualTransformer(GaussianDenoiser(sigma)) for sigma in sigmas]
    expected = [without_cache(transformer, images) for transformer in transformers[:4]]
    with ThreadPoolExecutor(8) as pool:
        found = pool.map(lambda transformer: transformer.fit_transform(images), transformers)
    np.testing.assert_array_equal(list(found), expected * 6)
    assert CACHE.used <= CACHE.size


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system does not fork")
def test_a_process_that_forks_meanwhile_computes_too(images):
    transformer = ResidualTransformer("gaussian")
    transformer.fit_transform(images)  # the child gets them a second time, and keeps them
    forked = threading.Event()

    def hold():
        with CACHE.lock:
            holding.set()
            forked.wait(0.3)

    holding, holder = threading.Event(), threading.Thread(target=hold)
    holder.start()
    assert holding.wait(5)
    child = os.fork()
    if not child:
        signal.alarm(20)
        transformer.fit_transform(images)
        os._exit(0)
    forked.set()
    holder.join()
    assert os.waitpid(child, 0)[1] == 0


@pytest.mark.parametrize("limit", [-1, 1.5, np.nan, np.inf, "512", None])
def test_a_limit_that_is_no_number_of_bytes_is_refused(limit):
    with pytest.raises(ValueError, match=r"n_bytes: .* got"):
        set_cache_size(limit)
