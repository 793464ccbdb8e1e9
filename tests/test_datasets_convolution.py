"""The layers of simulated generators, against loops."""

import numpy as np
import pytest
from references import convolve_planes, transposed_convolve_planes

# Layers of the generators, held to loops.
from sklearn_ganprint.datasets._simulator._generators import (
    convolve,
    interleave,
    leaky_relu,
    transposed_convolve,
    upsample,
)


@pytest.fixture
def layer():
    """Two batches of planes, a kernel and biases."""

    def make(size, seed=0):
        rng = np.random.default_rng(seed)
        x = rng.normal(size=(2, 3, 4, 5))
        return x, rng.normal(size=(2, 3, size, size)), rng.normal(size=2)

    return make


@pytest.mark.parametrize("size", [1, 3, 5])
def test_convolve(layer, size):
    x, kernel, bias = layer(size)
    expected = [convolve_planes(planes, kernel, bias) for planes in x]
    np.testing.assert_allclose(convolve(x, kernel, bias), expected)


def test_upsample_repeats_and_convolves(layer):
    x, kernel, bias = layer(3)
    repeated = x.repeat(2, axis=2).repeat(2, axis=3)
    expected = [convolve_planes(planes, kernel, bias) for planes in repeated]
    np.testing.assert_allclose(upsample(x, kernel, bias), expected)


def test_transposed_convolve(layer):
    x, kernel, bias = layer(4)
    expected = [transposed_convolve_planes(planes, kernel, bias) for planes in x]
    np.testing.assert_allclose(transposed_convolve(x, kernel, bias), expected)


@pytest.mark.parametrize(("function", "size"), [(convolve, 3), (upsample, 3)])
def test_an_image_is_the_same_to_the_bit_in_any_batch(layer, function, size):
    x, kernel, bias = (part.astype(np.float32) for part in layer(size))
    batch = function(x, kernel, bias)
    assert batch.dtype == np.float32
    np.testing.assert_array_equal(batch[1:], function(x[1:], kernel, bias))


def test_interleave():
    phases = np.array([[[[[[0]]], [[[1]]]], [[[[2]]], [[[3]]]]]])
    np.testing.assert_array_equal(interleave(phases), [[[[0, 1], [2, 3]]]])


def test_leaky_relu():
    x = np.array([-10, 0, 10], np.float32)
    np.testing.assert_allclose(leaky_relu(x), [-2, 0, 10])
    np.testing.assert_array_equal(x, [-10, 0, 10])
