"""Images that show the same."""

import io
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.testing import assert_array_equal
from PIL import Image

from sklearn_ganprint.datasets import load_samples
from sklearn_ganprint.experiments import difference_hash, near_duplicates


def slow_hash(image):
    grey = image.astype(float) @ ((0.299, 0.587, 0.114) if image.shape[2] == 3 else (1.0,))
    rows = np.append(np.arange(8) * len(grey) // 8, len(grey))
    columns = np.append(np.arange(9) * grey.shape[1] // 9, grey.shape[1])
    areas = [
        [grey[top:bottom, left:right].mean() for left, right in pairwise(columns)]
        for top, bottom in pairwise(rows)
    ]
    bits = [areas[i][j] > areas[i][j + 1] for i in range(8) for j in range(8)]
    return np.packbits(bits).view(np.uint64)[0]


@pytest.mark.parametrize("shape", [(16, 18, 3), (9, 9, 1), (31, 20, 3)])
def test_hash_equals_the_slow_one(shape):
    images = np.random.default_rng(0).integers(0, 256, (5, *shape), dtype=np.uint8)
    assert_array_equal(difference_hash(images), [slow_hash(image) for image in images])


def test_copies_are_found_and_nothing_else():
    images = load_samples().data[::7]
    copies = []
    for image in images:
        stream = io.BytesIO()
        Image.fromarray(image).save(stream, "JPEG", quality=70)
        copies.append(np.asarray(Image.open(stream)))
    pairs = near_duplicates(difference_hash(images), difference_hash(np.stack(copies)))
    own = pairs[pairs[:, 0] == pairs[:, 1]]
    assert len(own) == len(images)
    # Of two GANs' versions of one photo some are as alike as copies; most pairs are not.
    assert len(pairs) - len(own) < 0.02 * len(images) ** 2


@given(
    first=st.lists(st.integers(0, 2**64 - 1), max_size=20),
    second=st.lists(st.integers(0, 2**64 - 1), max_size=20),
    max_bits=st.integers(0, 64),
)
def test_pairs_are_those_of_few_differing_bits(first, second, max_bits):
    expected = [
        [i, j]
        for i, a in enumerate(first)
        for j, b in enumerate(second)
        if (a ^ b).bit_count() <= max_bits
    ]
    assert near_duplicates(first, second, max_bits=max_bits).tolist() == expected


def test_many_hashes_go_in_blocks():
    hashes = np.arange(3000, dtype=np.uint64) << np.uint64(20)
    pairs = near_duplicates(hashes, hashes, max_bits=0)
    assert_array_equal(pairs, np.column_stack([np.arange(3000)] * 2))


def test_images_too_small_to_hash():
    with pytest.raises(ValueError, match="9 pixels.* got 8 x 40"):
        difference_hash(np.zeros((1, 8, 40, 3)))
