"""The page of ``ganprint reproduce``, and its figures as PNG and SVG."""

import argparse
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from sklearn.utils import Bunch

from sklearn_ganprint import experiments, plotting
from sklearn_ganprint.cli import _pages
from sklearn_ganprint.cli._images import sizes_of
from sklearn_ganprint.cli._pages import number, percent
from sklearn_ganprint.denoisers import check_denoiser

#: Numbers of images whose fingerprints the paper shows.
_PAPER_NUMBERS = (2, 8, 32, 128, 512)


def write_figures(
    result: experiments.ReproductionResult,
    folder: str,
    parts: str,
    progress: Callable[[int, int], Any],
) -> None:
    """Draw every figure and write it in both formats, unless `parts` marks it as written."""
    todo = list(_drawings(result))
    for done, (name, draw) in enumerate(todo, start=1):
        drawn, files = Path(parts, f"{name}.drawn"), [f"{name}.png", f"{name}.svg"]
        if not (drawn.exists() and all(Path(folder, file).exists() for file in files)):
            figure = draw()
            contents = zip(files, (_pages.png(figure), _pages.svg(figure)), strict=True)
            _pages.write_files(folder, contents)
            drawn.touch()
        progress(done, len(todo))


def _drawings(result: experiments.ReproductionResult) -> Iterator[tuple[str, Callable[[], Any]]]:
    """Yield the name of each figure, and what draws it."""
    names = _pages.slugs(result.attribution.classes)
    for source in result.convergence:
        name = str(source.name)
        yield f"fingerprints-{names[name]}", partial(_fingerprints, source)
        yield f"energy-{names[name]}", partial(_energy, source)
        draw = partial(_pages.autocorrelation, source.autocorrelation, name)
        yield f"autocorrelation-{names[name]}", draw
    for index, pair in enumerate(_shown_pairs(result.correlation), start=1):
        yield f"histogram-{index}", partial(_histogram, result.correlation, *pair)
    yield "correlations", partial(_matrix, result.correlation)
    yield "roc", partial(_pages.roc_curves, result.attribution)
    yield "roc-zoomed", partial(_pages.roc_curves, result.attribution, zoom=2)
    yield "confusion", partial(_pages.confusion, result.attribution, blank_below=0.01)
    if result.robustness is not None:
        for index, family in enumerate(result.robustness.families, start=1):
            chance = result.attribution.chance
            yield f"robustness-{index}", partial(_robustness, result.robustness, family, chance)


def _shown_pairs(result: experiments.CorrelationResult) -> list[tuple[int, int]]:
    """Choose two sources, of two architectures if there are, and compare them both ways."""
    architectures = result.architectures or tuple(range(len(result.classes)))
    others = [code for code, name in enumerate(architectures) if name != architectures[0]]
    other = others[0] if others else 1
    return [(0, other), (other, 0)]


def _shown_numbers(result: experiments.ConvergenceResult) -> list[int]:
    """Choose at most five numbers of images whose fingerprints are shown, as the paper does."""
    known = result.n_images.tolist()
    chosen = [n for n in _PAPER_NUMBERS if n in known]
    return chosen if known[-1] in chosen else [*chosen[-4:], known[-1]]


def _fingerprints(result: experiments.ConvergenceResult) -> Any:
    numbers = _shown_numbers(result)
    known = result.n_images.tolist()
    shown = [result.fingerprints[known.index(n)] for n in numbers]
    figure = _pages.new_figure(2.6 * len(numbers) + 0.4, 3.1)
    axes = figure.subplots(1, len(numbers), squeeze=False)[0]
    plotting.FingerprintDisplay.from_series(shown, numbers, name=result.name, axes=axes)
    return figure


def _energy(result: experiments.ConvergenceResult) -> Any:
    figure = _pages.new_figure(5.6, 4.4)
    plotting.EnergyCurveDisplay.from_fit(
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


def _histogram(result: experiments.CorrelationResult, own: int, other: int) -> Any:
    figure = _pages.new_figure(5.6, 4.2)
    same, cross = result.pair(result.classes[own], result.classes[other])
    plotting.CorrelationHistogramDisplay.from_correlations(
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


def _matrix(result: experiments.CorrelationResult) -> Any:
    """Draw eq. 8, siblings side by side."""
    families = result.architectures
    order = list(range(len(result.classes)))
    if families is not None:
        order.sort(key=lambda code: families.index(families[code]))
    side = 4.4 + 0.28 * len(order)
    figure = _pages.new_figure(side + 1.4, side)
    plotting.CorrelationMatrixDisplay.from_matrix(
        result.mean[np.ix_(order, order)],
        [result.classes[code] for code in order],
        architectures=None if families is None else [families[code] for code in order],
        ax=figure.subplots(),
        # On a linear scale the diagonal leaves nothing of the blocks.
        scale="sqrt",
    )
    return figure


def _robustness(result: experiments.RobustnessResult, family: str, chance: float) -> Any:
    strengths, accuracies, intervals = result.curve(family)
    figure = _pages.new_figure(4.8, 3.8)
    plotting.RobustnessCurveDisplay.from_curves(
        {family: (strengths, accuracies)},
        intervals={family: (intervals[:, 0], intervals[:, 1])},
        clean=result.clean.accuracy,
        chance=chance,
        xlabel=family,
        ax=figure.subplots(),
        log2=family == "images to fit",
    )
    return figure


def render_reproduction(
    result: experiments.ReproductionResult,
    bunch: Bunch,
    crop: tuple[int, int],
    args: argparse.Namespace,
) -> str:
    """Fill the template with the figures of one run."""
    attribution = result.attribution
    document = attribution.to_dict()
    params = check_denoiser(args.denoiser).get_params()
    return _pages.render_page(
        "reproduce",
        args,
        **{key: document[key] for key in ("accuracy", "accuracy_interval", "chance", "n_test")},
        n_images=int(attribution.n_fit.sum() + attribution.n_test.sum()),
        n_fit=int(attribution.n_fit.max()),
        test_numbers=_range(attribution.n_test),
        grouped=bunch.groups is not None,
        size=crop,
        crop_note=_crop_note(bunch, crop, args.anchor),
        denoiser=f"{args.denoiser} ({', '.join(f'{key} {params[key]}' for key in params)})",
        channels="red, green and blue, each with a fingerprint of its own"
        if args.channels == "rgb"
        else "one fingerprint, of the luminance",
        warnings=[*bunch.warnings, *result.warnings],
        sources=_sources(result),
        comparison=_comparison(result),
        histograms=_histograms(result),
        blocks=result.correlation.blocks,
        recompressed=_listed(result.recompressed, len(attribution.classes)),
        recompression=result.recompression.rows(),
        robustness=_robustness_curves(result),
        n_robustness=None if result.robustness is None else result.robustness.clean.n_test,
        tables=[f"{name}.csv" for name in result.tables()],
    )


def _listed(names: Sequence[str], n_all: int) -> str:
    if len(names) == n_all:
        return "all sources"
    return ", ".join(names) if names else "no source, since none was made by a network,"


def _range(values: np.ndarray) -> str:
    low, high = values.min(), values.max()
    return str(low) if low == high else f"{low} to {high}"


def _crop_note(bunch: Bunch, crop: tuple[int, int], anchor: str) -> str:
    sizes = sizes_of(bunch)
    if set(sizes) == {crop}:
        return ""
    whole = ", ".join(f"{w} × {h} ({n})" for (h, w), n in sizes.most_common(3))
    more = f" and {len(sizes) - 3} other sizes" if len(sizes) > 3 else ""
    return f"cut {_pages.place_in_words(anchor)} from images of {whole}{more}"


def _sources(result: experiments.ReproductionResult) -> list[dict[str, Any]]:
    """Return each source's row of the table, and the words beside its pictures."""
    names = _pages.slugs(result.attribution.classes)
    shown = _first_of_each(result)
    return [
        {
            **row,
            "name": row["source"],
            "slug": names[row["source"]],
            "shown": row["source"] in shown,
            "shown_numbers": ", ".join(map(str, _shown_numbers(convergence))),
            "limit_text": f"{number(row['energy_limit'], 4)} by the fit, "
            f"{number(row['unbiased_limit'], 4)} unbiased",
            "period_text": _pages.period_in_words(convergence.period),
        }
        for row, convergence in zip(result.rows(), result.convergence, strict=True)
    ]


def _first_of_each(result: experiments.ReproductionResult) -> set[str]:
    """Choose the sources shown first: one of each architecture, or two where none are known."""
    classes = result.attribution.classes.astype(str).tolist()
    architectures = result.correlation.architectures
    if architectures is None:
        return set(classes[:2])
    return {classes[architectures.index(name)] for name in dict.fromkeys(architectures)}


def _comparison(result: experiments.ReproductionResult) -> list[tuple[str, str, str]]:
    """Return what the paper says and what was found: item, the paper, here."""
    correlation, attribution = result.correlation, result.attribution
    limits = np.array([convergence.fit.limit for convergence in result.convergence])
    pairs = _shown_pairs(correlation)
    blocks = {name: number(value, 4) for name, value in correlation.blocks.items()}
    accuracies = [percent(row["accuracy"], 1) for row in result.recompression.rows()]
    counts = Counter(correlation.architectures or ())
    families = ", ".join(f"{n} {name}" for name, n in counts.items())
    here = {
        "sources": f"{len(correlation.classes)}{': ' if families else ''}{families}",
        "images": f"{_range(attribution.n_fit)} and {_range(attribution.n_test)}",
        "limit": f"{number(limits.min(), 4)} to {number(limits.max(), 4)} squared grey levels",
        "auc": " and ".join(number(correlation.auc[pair], 3) for pair in pairs),
        "d_prime": " and ".join(number(correlation.d_prime[pair], 2) for pair in pairs),
        "correlation": f"own {blocks['own']}, siblings {blocks['sibling']}, "
        f"others {blocks['other']}",
        "accuracy": percent(attribution.accuracy, 1),
        "recompressed": " or ".join(accuracies[1:]) + ", in two readings",
    }
    return [(item, paper, here[key]) for key, (item, paper) in result.paper.items()]


def _histograms(result: experiments.ReproductionResult) -> list[tuple[str, str]]:
    """Return the name of each histogram and its caption."""
    names = result.correlation.classes
    return [
        (
            f"histogram-{index}",
            f"Fig. 5: correlation of the residuals of {names[own]} with its own fingerprint and "
            f"with that of {names[other]}.",
        )
        for index, (own, other) in enumerate(_shown_pairs(result.correlation), start=1)
    ]


def _robustness_curves(result: experiments.ReproductionResult) -> list[tuple[str, str, str]]:
    """Return the file, the title and the caption of each robustness curve."""
    if result.robustness is None:
        return []
    rows = []
    for index, family in enumerate(result.robustness.families, start=1):
        strengths, accuracies, _ = result.robustness.curve(family)
        worst = int(accuracies.argmin())
        text = f"lowest {percent(accuracies[worst])} at {strengths[worst]:g}"
        rows.append((f"robustness-{index}", f"Accuracy against {family}", f"{family}: {text}."))
    return rows
