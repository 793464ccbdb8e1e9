"""Perturbations by a short text, as the command line and tables of results have them."""

from collections.abc import Callable
from typing import Any

from sklearn_ganprint.perturbations._base import BasePerturbation
from sklearn_ganprint.perturbations._blur import GaussianBlur
from sklearn_ganprint.perturbations._crop import Crop
from sklearn_ganprint.perturbations._jpeg import JPEGCompression
from sklearn_ganprint.perturbations._noise import GaussianNoise
from sklearn_ganprint.perturbations._resize import Resize

#: What each word makes of the number behind it.
_WORDS: dict[str, Callable[[str], BasePerturbation]] = {
    "blur": lambda number: GaussianBlur(float(number)),
    "crop": lambda number: Crop(int(number)),
    "jpeg": lambda number: JPEGCompression(int(number)),
    "noise": lambda number: GaussianNoise(float(number), random_state=0),
    "resize": lambda number: Resize(float(number)),
    "trim": lambda number: Crop(trim=int(number)),
}


def check_perturbation(perturbation: Any) -> BasePerturbation:
    """Make a perturbation from a short text, or take a perturbation object.

    Parameters
    ----------
    perturbation : str or BasePerturbation
        "jpeg QUALITY", "resize SCALE", "resize SCALE and back", "blur SIGMA", "noise SIGMA" (with
        ``random_state=0``), "crop SIZE" or "trim PIXELS"; or a perturbation, which is returned as
        it is.

    Returns
    -------
    BasePerturbation
        The perturbation. ``str`` of it gives a text that is read as the same again, as long as no
        other parameter has been set.

    Raises
    ------
    ValueError
        If the text has another form, or the number is out of range.
    TypeError
        If `perturbation` is neither text nor a perturbation.

    Examples
    --------
    >>> from sklearn_ganprint.perturbations import check_perturbation
    >>> [check_perturbation(text) for text in ("jpeg 85", "resize 0.75 and back")]
    [JPEGCompression(quality=85), Resize(restore=True, scale=0.75)]
    """
    if isinstance(perturbation, BasePerturbation):
        return perturbation
    if not isinstance(perturbation, str):
        raise TypeError(
            f"Expected a perturbation object such as JPEGCompression(85), or a text such as "
            f"'jpeg 85'; got {perturbation!r}."
        )
    parsed = _parse(perturbation)
    parsed._validate_params()
    return parsed


def _parse(text: str) -> BasePerturbation:
    try:
        match text.lower().split():
            case [word, number] if word in _WORDS:
                return _WORDS[word](number)
            case ["resize", number, "and", "back"]:
                return Resize(float(number), restore=True)
    except ValueError:
        pass  # what stands for a number is none
    raise ValueError(
        f"Expected one of {', '.join(sorted(_WORDS))} and a number, such as 'jpeg 85', or "
        f"'resize 0.75 and back'; got {text!r}."
    )
