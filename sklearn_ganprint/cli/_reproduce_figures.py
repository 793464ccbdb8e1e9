"""The figures of ``ganprint reproduce``."""

from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

import numpy as np

from sklearn_ganprint import experiments, plotting
from sklearn_ganprint.cli import _pages

#: Numbers of images whose fingerprints the paper shows.
_PAPER_NUMBERS = (2, 8, 32, 128, 512)


def drawings(result: experiments.ReproductionResult) -> Iterator[tuple[str, Callable[[], Any]]]:
    """Yield the name of each figure, and what draws it."""
    names = _pages.slugs(result.attribution.classes)
    for source in result.convergence:
        name = str(source.name)
        yield f"fingerprints-{names[name]}", partial(_fingerprints, source)
        yield f"energy-{names[name]}", partial(_energy, source)
        draw = partial(_pages.autocorrelation, source.autocorrelation, name)
        yield f"autocorrelation-{names[name]}", draw
    for index, pair in enumerate(shown_pairs(result.correlation), start=1):
        yield f"histogram-{index}", partial(_histogram, result.correlation, *pair)
    yield "correlations", partial(_matrix, result.correlation)
    yield "roc", partial(_pages.roc_curves, result.attribution)
    yield "roc-zoomed", partial(_pages.roc_curves, result.attribution, zoom=2)
    yield "confusion", partial(_pages.confusion, result.attribution, blank_below=0.01)
    if result.sizes is not None:
        yield "sizes", partial(_sizes, result.sizes, result.attribution.chance)
    if result.robustness is not None:
        for index, family in enumerate(result.robustness.families, start=1):
            chance = result.attribution.chance
            yield f"robustness-{index}", partial(_robustness, result.robustness, family, chance)


def shown_pairs(result: experiments.CorrelationResult) -> list[tuple[int, int]]:
    """Choose two sources, of two architectures if there are, and compare them both ways."""
    architectures = result.architectures or tuple(range(len(result.classes)))
    others = [code for code, name in enumerate(architectures) if name != architectures[0]]
    other = others[0] if others else 1
    return [(0, other), (other, 0)]


def shown_numbers(result: experiments.ConvergenceResult) -> list[int]:
    """Choose at most five numbers of images whose fingerprints are shown, as the paper does."""
    known = result.n_images.tolist()
    chosen = [n for n in _PAPER_NUMBERS if n in known]
    return chosen if known[-1] in chosen else [*chosen[-4:], known[-1]]


def _fingerprints(result: experiments.ConvergenceResult) -> Any:
    numbers = shown_numbers(result)
    known = result.n_images.tolist()
    shown = [result.fingerprints[known.index(n)] for n in numbers]
    figure = _pages.new_figure(2.6 * len(numbers) + 0.4, 3.1)
    axes = figure.subplots(1, len(numbers), squeeze=False)[0]
    plotting.FingerprintDisplay.from_series(shown, numbers, name=result.name, axes=axes)
    return figure


def _energy(result: experiments.ConvergenceResult) -> Any:
    display = plotting.EnergyCurveDisplay.from_fit(
        result.fit,
        compared_with=result.printed_fit,
        estimates={"unbiased": result.unbiased_limit, "split-half": result.split_half_limit},
        name=result.name,
        ax=_pages.new_axes(5.6, 4.4),
    )
    return display.figure_


def _histogram(result: experiments.CorrelationResult, own: int, other: int) -> Any:
    name, cross_name = result.classes[[own, other]]
    display = plotting.CorrelationHistogramDisplay.from_correlations(
        *result.pair(name, cross_name),
        auc=result.auc[own, other],
        d_prime=result.d_prime[own, other],
        name=f"Images of {name}",
        ax=_pages.new_axes(5.6, 4.2),
        same_label="own fingerprint",
        cross_label=f"that of {cross_name}",
    )
    return display.figure_


def _matrix(result: experiments.CorrelationResult) -> Any:
    """Draw eq. 8, siblings side by side."""
    families = result.architectures
    order = list(range(len(result.classes)))
    if families is not None:
        order.sort(key=lambda code: families.index(families[code]))
    side = 4.4 + 0.28 * len(order)
    display = plotting.CorrelationMatrixDisplay.from_matrix(
        result.mean[np.ix_(order, order)],
        [result.classes[code] for code in order],
        architectures=None if families is None else [families[code] for code in order],
        ax=_pages.new_axes(side + 1.4, side),
        # On a linear scale the diagonal leaves nothing of the blocks.
        scale="sqrt",
    )
    return display.figure_


def _robustness(result: experiments.RobustnessResult, family: str, chance: float) -> Any:
    strengths, accuracies, intervals = result.curve(family)
    display = plotting.RobustnessCurveDisplay.from_curves(
        {family: (strengths, accuracies)},
        intervals={family: (intervals[:, 0], intervals[:, 1])},
        clean=result.clean.accuracy,
        chance=chance,
        xlabel=family,
        ax=_pages.new_axes(4.8, 3.8),
        log2=family == "images to fit",
    )
    return display.figure_


def _sizes(result: experiments.RobustnessResult, chance: float) -> Any:
    """Draw accuracy against the side of images, a curve for each of some numbers of images."""
    numbers = result.families[::-2][::-1]
    curves = {f"{number} to fit": result.curve(number)[:2] for number in numbers}
    display = plotting.RobustnessCurveDisplay.from_curves(
        curves, chance=chance, xlabel="side of the images in pixels", ax=_pages.new_axes(5.6, 4.4)
    )
    return display.figure_
