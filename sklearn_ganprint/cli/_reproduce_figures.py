"""The figures of ``ganprint reproduce``, each as PNG and SVG."""

import os
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

from sklearn_ganprint.cli._figures import confusion, new_figure, png, roc_curves, svg
from sklearn_ganprint.cli._pages import write_file
from sklearn_ganprint.cli._text import slugs
from sklearn_ganprint.experiments import ConvergenceResult, ReproductionResult, RobustnessResult
from sklearn_ganprint.plotting import (
    AutocorrelationDisplay,
    CorrelationHistogramDisplay,
    CorrelationMatrixDisplay,
    EnergyCurveDisplay,
    FingerprintSeriesDisplay,
    RobustnessCurveDisplay,
)

#: Numbers of images whose fingerprints the paper shows, and lags of the autocorrelation shown.
_PAPER_NUMBERS, _MAX_LAG = (2, 8, 32, 128, 512), 32


def write_figures(
    result: ReproductionResult, folder: str, progress: Callable[[int, int], Any]
) -> None:
    """Draw every figure and write it in both formats."""
    todo = list(figures(result))
    for done, (name, draw) in enumerate(todo, start=1):
        figure = draw()
        write_file(os.path.join(folder, f"{name}.png"), png(figure))
        write_file(os.path.join(folder, f"{name}.svg"), svg(figure))
        progress(done, len(todo))


def figures(result: ReproductionResult) -> Iterator[tuple[str, Callable[[], Any]]]:
    """Give the name of each figure, and what draws it."""
    names = slugs(result.attribution.classes)
    for each in result.convergence:
        part = names[str(each.name)]
        yield f"fingerprints-{part}", lambda each=each: _fingerprints(each)
        yield f"energy-{part}", lambda each=each: _energy(each)
        yield f"autocorrelation-{part}", lambda each=each: _autocorrelation(each)
    for first, second in result.shown_pairs():
        yield (
            histogram_name(result, first, second),
            lambda first=first, second=second: _histogram(result, first, second),
        )
    yield "correlations", lambda: _matrix(result)
    yield "roc", lambda: roc_curves(result.attribution)
    yield "roc-zoomed", lambda: roc_curves(result.attribution, zoom=2)
    yield "confusion", lambda: confusion(result.attribution, blank_below=0.01)
    if result.robustness is not None:
        for index, family in enumerate(result.robustness.families()):
            yield robustness_name(index), lambda family=family: _robustness(result, family)


def histogram_name(result: ReproductionResult, first: Any, second: Any) -> str:
    """Name the histogram of two sources."""
    names = slugs(result.attribution.classes)
    return f"histogram-{names[str(first)]}-{names[str(second)]}"


def robustness_name(index: int) -> str:
    """Name the curve of a family of perturbations."""
    return f"robustness-{index + 1:02d}"


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


def _autocorrelation(result: ConvergenceResult) -> Any:
    figure = new_figure(5.0, 4.4)
    AutocorrelationDisplay.from_autocorrelation(
        result.autocorrelation,
        name=result.name,
        max_lag=min(_MAX_LAG, *(side // 2 - 1 for side in result.autocorrelation.shape)),
        ax=figure.subplots(),
    )
    return figure


def _histogram(result: ReproductionResult, first: Any, second: Any) -> Any:
    figure = new_figure(5.6, 4.2)
    pair = result.correlation.pair(first, second)
    CorrelationHistogramDisplay.from_correlations(
        pair.same,
        pair.cross,
        auc=pair.auc,
        d_prime=pair.d_prime,
        name=f"images of {first}",
        ax=figure.subplots(),
    )
    return figure


def _matrix(result: ReproductionResult) -> Any:
    correlation = result.correlation
    side = 5.0 + 0.28 * len(correlation.classes)
    figure = new_figure(side + 1, side)
    CorrelationMatrixDisplay.from_matrix(
        correlation.matrix,
        correlation.classes,
        architectures=correlation.architectures,
        ax=figure.subplots(),
    )
    return figure


def _robustness(result: ReproductionResult, family: str) -> Any:
    robustness: RobustnessResult = result.robustness
    strengths, accuracies, low, high = robustness.curve(family)
    figure = new_figure(4.8, 3.8)
    RobustnessCurveDisplay.from_curves(
        {family: (strengths, accuracies)},
        intervals={family: (low, high)},
        clean=robustness.clean_accuracy,
        chance=result.attribution.chance,
        xlabel=family,
        ax=figure.subplots(),
    )
    return figure
