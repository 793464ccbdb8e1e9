"""What `ganprint localize` is asked, and the answer in words."""

from collections.abc import Sequence
from typing import Any, NamedTuple

from sklearn_ganprint.cli._models import Model, calibration_in_words, smallest_known_p_value
from sklearn_ganprint.cli._scoring import Row


class Question(NamedTuple):
    """What is asked of the images."""

    model: Model
    claimed: Any  # a source, or None
    rate: float

    @property
    def size(self) -> tuple[int, int]:
        """Height and width of the images that the rate was set on."""
        height, width = self.model.classifier.image_shape_[:2]
        return height, width


def notes(rows: Sequence[Row], question: Question) -> list[str]:
    """Say what was found, and at which rate of false alarms."""
    judged = [row for row in rows if row["error"] is None]
    n_found = sum(row["false_region"] == "yes" for row in judged)
    height, width = question.size
    # Of few images no lower rate can be kept.
    rate = max(question.rate, smallest_known_p_value(question.model))
    found = [
        f"images with a false region: {n_found} of {len(judged)}",
        f"of clean images of {height} x {width} pixels at most {100 * rate:.3g} % get one; "
        f"regions by {calibration_in_words(question.model)}",
    ]
    n_larger = sum(row["image_size"][0] * row["image_size"][1] > height * width for row in judged)
    if n_larger:
        found.append(
            f"larger than that: {n_larger}; there it is so of parts of {height} x {width}, and "
            f"clean images get a false region more often"
        )
    n_mostly = sum(row["share"] > 0.5 for row in judged)
    if n_mostly:
        found.append(
            f"marked for more than half: {n_mostly}; such an image is more likely from elsewhere "
            f"as a whole, or was edited or saved anew as a whole"
        )
    n_grey = sum(row["grey"] and row["flat"] < 1 for row in judged)
    if n_grey and question.model.residual.channels != "luminance":
        found.append(
            f"grey: {n_grey}; of these a model of images in colour says nothing that is worth much"
        )
    if question.claimed is None:
        found.append(
            "no source was claimed, so the most likely one of each whole image was taken; if much "
            "of an image is from elsewhere, that may be the wrong one, and the rest be marked"
        )
    return found
