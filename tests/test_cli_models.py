"""What the commands say of models and their p-values."""

from sklearn_ganprint.cli._models import few_images


def test_images_are_few_below_the_smallest_p_value():
    words = {"outcome": "rejected", "images": "99 images of a"}
    assert few_images(0.01, 1 / 100, **words) is None
    assert "--false-alarm 0.01 or more" in few_images(0.009, 1 / 100, **words)
    # A source without any calibration image: no rate is great enough.
    assert few_images(0.5, 1.0, **words).endswith("none is below 1 / 1. Fit on more images")
