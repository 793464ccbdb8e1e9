"""The figures of ``ganprint reproduce``, each as PNG and SVG."""

import os
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from sklearn_ganprint.cli._console import slugs
from sklearn_ganprint.cli.pages._figures import (
    autocorrelation,
    confusion,
    new_figure,
    png,
    roc_curves,
    svg,
)
from sklearn_ganprint.cli.pages._folder import write_file
from sklearn_ganprint.experiments import (
    ConvergenceResult,
    CorrelationResult,
    ReproductionResult,
    RobustnessResult,
)
from sklearn_ganprint.plotting import (
    CorrelationHistogramDisplay,
    CorrelationMatrixDisplay,
    EnergyCurveDisplay,
    FingerprintSeriesDisplay,
    RobustnessCurveDisplay,
)

#: Numbers of images whose fingerprints the paper shows.
_PAPER_NUMBERS = (2, 8, 32, 128, 512)


def write_figures(
    result: ReproductionResult, folder: str, parts: str, progress: Callable[[int, int], Any]
) -> None:
    """Draw every figure and write it in both formats, but those that `parts` says are written."""
    todo = list(figures(result))
    for done, (name, draw) in enumerate(todo, start=1):
        drawn, files = Path(parts, f"{name}.drawn"), [f"{name}.png", f"{name}.svg"]
        if not (drawn.exists() and all(Path(folder, file).exists() for file in files)):
            figure = draw()
            for file, write in zip(files, (png, svg), strict=True):
                write_file(os.path.join(folder, file), write(figure))
            drawn.touch()
        progress(done, len(todo))


def figures(result: ReproductionResult) -> Iterator[tuple[str, Callable[[], Any]]]:
    """Give the name of each figure, and what draws it."""
    names = slugs(result.attribution.classes)
    for each in result.convergence:
        part = names[str(each.name)]
        yield f"fingerprints-{part}", partial(_fingerprints, each)
        yield f"energy-{part}", partial(_energy, each)
        yield (
            f"autocorrelation-{part}",
            partial(autocorrelation, each.autocorrelation, str(each.name)),
        )
    for index, pair in enumerate(shown_pairs(result.correlation), start=1):
        yield f"histogram-{index}", partial(_histogram, result.correlation, *pair)
    yield "correlations", partial(_matrix, result.correlation)
    yield "roc", partial(roc_curves, result.attribution)
    yield "roc-zoomed", partial(roc_curves, result.attribution, zoom=2)
    yield "confusion", partial(confusion, result.attribution, blank_below=0.01)
    if result.robustness is not None:
        for index, family in enumerate(result.robustness.families, start=1):
            chance = result.attribution.chance
            yield f"robustness-{index}", partial(_robustness, result.robustness, family, chance)


def shown_pairs(result: CorrelationResult) -> list[tuple[int, int]]:
    """Choose two sources, of two architectures if there are, and compare them both ways."""
    architectures = result.architectures or tuple(range(len(result.classes)))
    others = [code for code, each in enumerate(architectures) if each != architectures[0]]
    return [(0, (others or [1])[0]), ((others or [1])[0], 0)]


def shown_numbers(result: ConvergenceResult) -> list[int]:
    """Choose at most five numbers of images whose fingerprints are shown, as the paper does."""
    known = result.n_images.tolist()
    chosen = [n for n in _PAPER_NUMBERS if n in known]
    return chosen if known[-1] in chosen else [*chosen[-4:], known[-1]]


def _fingerprints(result: ConvergenceResult) -> Any:
    numbers = shown_numbers(result)
    known = result.n_images.tolist()
    shown = [result.fingerprints[known.index(n)] for n in numbers]
    figure = new_figure(2.6 * len(numbers) + 0.4, 3.1)
    axes = figure.subplots(1, len(numbers), squeeze=False)[0]
    FingerprintSeriesDisplay.from_fingerprints(shown, numbers, name=result.name, axes=axes)
    return figure


def _energy(result: ConvergenceResult) -> Any:
    figure = new_figure(5.6, 4.4)
    EnergyCurveDisplay.from_fit(
        result.fit,
        compared_with=result.printed_fit,
        estimates={
            "unbiased": result.unbiased_limit,
            "split-half": result.split_half_limit,
        },
        name=result.name,
        ax=figure.subplots(),
    )
    return figure


def _histogram(result: CorrelationResult, own: int, other: int) -> Any:
    figure = new_figure(5.6, 4.2)
    same, cross = result.pair(result.classes[own], result.classes[other])
    CorrelationHistogramDisplay.from_correlations(
        same,
        cross,
        auc=result.auc[own, other],
        d_prime=result.d_prime[own, other],
        name=f"Images of {result.classes[own]}",
        ax=figure.subplots(),
        same_label="own fingerprint",
        cross_label=f"that of {result.classes[other]}",
    )
    return figure


def _matrix(result: CorrelationResult) -> Any:
    """Draw eq. 8, siblings side by side."""
    families = result.architectures
    order = list(range(len(result.classes)))
    if families is not None:
        order.sort(key=lambda code: families.index(families[code]))
    side = 4.4 + 0.28 * len(order)
    figure = new_figure(side + 1.4, side)
    CorrelationMatrixDisplay.from_matrix(
        result.mean[np.ix_(order, order)],
        [result.classes[code] for code in order],
        architectures=None if families is None else [families[code] for code in order],
        ax=figure.subplots(),
        # On a linear scale the diagonal leaves nothing of the blocks.
        scale="sqrt",
    )
    return figure


def _robustness(result: RobustnessResult, family: str, chance: float) -> Any:
    strengths, accuracies, intervals = result.curve(family)
    figure = new_figure(4.8, 3.8)
    RobustnessCurveDisplay.from_curves(
        {family: (strengths, accuracies)},
        intervals={family: (intervals[:, 0], intervals[:, 1])},
        clean=result.clean.accuracy,
        chance=chance,
        xlabel=family,
        ax=figure.subplots(),
        log2=family == "images to fit",
    )
    return figure
