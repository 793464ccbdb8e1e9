"""Denoisers by name."""

from collections.abc import Callable
from typing import Any

from sklearn_ganprint.denoisers._base import BaseDenoiser, FunctionDenoiser
from sklearn_ganprint.denoisers._gaussian import GaussianDenoiser
from sklearn_ganprint.denoisers._median import MedianDenoiser
from sklearn_ganprint.denoisers._wavelet import WaveletDenoiser
from sklearn_ganprint.denoisers._wiener import WienerDenoiser

DENOISERS: dict[str, Callable[[], BaseDenoiser]] = {
    "wavelet": WaveletDenoiser,
    "gaussian": GaussianDenoiser,
    "median": MedianDenoiser,
    "wiener": WienerDenoiser,
}


def settable_denoiser(denoiser: Any) -> BaseDenoiser:
    """Make a denoiser whose parameters can be set, from its name; a function has none."""
    if callable(denoiser):
        raise ValueError(
            f"denoiser: a function has no parameters to set, and got {denoiser!r}. Pass an object "
            f"such as WaveletDenoiser(sigma=3.0), or the name of one: {sorted(DENOISERS)}."
        )
    return check_denoiser(denoiser)


def check_denoiser(denoiser: Any) -> BaseDenoiser:
    """Make a denoiser from its name, a denoiser object, or a function.

    Parameters
    ----------
    denoiser : str, BaseDenoiser or callable
        A name in ``DENOISERS`` (with that denoiser's default parameters), a denoiser, which is
        returned as it is, or a function on float images ``(n, H, W)``.

    Returns
    -------
    BaseDenoiser
        The denoiser.

    Raises
    ------
    ValueError
        If the name is unknown.
    TypeError
        If `denoiser` is none of these.

    Examples
    --------
    >>> from sklearn_ganprint.denoisers import check_denoiser
    >>> check_denoiser("gaussian")
    GaussianDenoiser()
    """
    if isinstance(denoiser, BaseDenoiser):
        return denoiser
    if isinstance(denoiser, str):
        if denoiser not in DENOISERS:
            raise ValueError(f"denoiser must be one of {sorted(DENOISERS)}, got {denoiser!r}.")
        return DENOISERS[denoiser]()
    if isinstance(denoiser, type) or not callable(denoiser):
        raise TypeError(
            f"denoiser must be one of {sorted(DENOISERS)}, a denoiser object such as "
            f"WaveletDenoiser(), or a function on images; got {denoiser!r}."
        )
    return FunctionDenoiser(denoiser)
