"""The quality of JPEG files from their quantisation tables."""

import numpy as np
import pytest
from PIL import Image

from sklearn_ganprint.datasets import inspect_images

# No file that is opened has tables of other sizes.
from sklearn_ganprint.datasets._decoding._jpeg import estimate_jpeg_quality


@pytest.mark.parametrize("mode", ["RGB", "L", "CMYK"])
@pytest.mark.parametrize("progressive", [False, True])
def test_jpeg_quality_round_trip(tmp_path, mode, progressive):
    path = tmp_path / "a.jpg"
    for quality in range(1, 101):
        Image.new(mode, (16, 16)).save(path, quality=quality, progressive=progressive)
        assert inspect_images([path]).jpeg_quality == quality


def test_foreign_table_gets_the_nearest_quality(tmp_path):
    path = tmp_path / "a.jpg"
    Image.new("RGB", (16, 16)).save(path, quality=80)
    with Image.open(path) as image:
        table = np.array(image.quantization[0])
    table[[3, 40, 60]] += 1
    Image.new("RGB", (16, 16)).save(path, qtables=[table.tolist(), [1] * 64])
    assert inspect_images([path]).jpeg_quality == 80


@pytest.mark.parametrize("tables", [{}, {0: [1, 2, 3]}])
def test_malformed_tables_are_named(tables):
    with pytest.raises(ValueError, match="quantization_tables: expected"):
        estimate_jpeg_quality(tables)
