"""``ganprint reproduce``: the paper's figures and tables from one's own images."""

import argparse
import os
import shutil
from collections import Counter
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from sklearn.utils import Bunch

from sklearn_ganprint import experiments, plotting
from sklearn_ganprint.cli import _arguments, _images, _pages
from sklearn_ganprint.cli._console import MESSAGES, Column, Row, Table, columns, print_results
from sklearn_ganprint.cli._demo import ACCURACY, notes_of_accuracy
from sklearn_ganprint.cli._pages import number, percent
from sklearn_ganprint.datasets import ImageReader
from sklearn_ganprint.denoisers import check_denoiser

REQUIRES = ("rich", "jinja2", "matplotlib")
DESCRIPTION = (
    "Repeat the experiments of 'Do GANs leave artificial fingerprints?' on a folder of images, and "
    "write figures, tables and one page. An interrupted run goes on where it was when the same "
    "command is given again."
)

#: Folder in OUT with what an interrupted run has computed.
_PARTS = "parts"

#: Numbers of images whose fingerprints the paper shows.
_PAPER_NUMBERS = (2, 8, 32, 128, 512)

_LIMIT = Column("energy_limit", "fingerprint energy", 4)
_COLUMNS = columns("source", "architecture", *ACCURACY, _LIMIT)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the command's arguments."""
    source = (
        "a folder per source, or per architecture with a folder per source in it; or a CSV file "
        "with the columns path, label and perhaps group and architecture"
    )
    _arguments.add(parser, "source", help=source)
    out = "folder for the page, figures and tables"
    _arguments.add(parser, "--out", required=True, metavar="OUT", help=out)
    _arguments.add(parser, "--layout", default="auto")
    parser.add_argument(
        "--architectures",
        metavar="CSV",
        help="a CSV file with the columns source and architecture: sources of one architecture "
        "are siblings; camera and real are not recompressed in the JPEG experiment",
    )
    groups = "keep files of one name, such as versions of one scene, on one side of the split"
    _arguments.add(parser, "--groups", what=groups)
    smallest = "default: 512, or 51.2 %% of the smallest source"
    n_fit = f"images of each source to estimate each fingerprint from ({smallest})"
    _arguments.add_number(parser, "--n-fit", n_fit)
    n_test = "images of each source to test it on (default: all others)"
    _arguments.add_number(parser, "--n-test", n_test)
    _arguments.add(parser, "--crop", "--anchor")
    _arguments.add(parser, "--channels", default="rgb", what="rgb")
    _arguments.add(parser, "--denoiser")
    jpeg = "JPEG quality of the recompression experiment"
    _arguments.add_number(parser, "--jpeg", jpeg, _arguments.quality, 95)
    robustness = "test images of each source in the robustness study, 0 for none"
    _arguments.add_number(parser, "--n-robustness", robustness, _arguments.natural, 100)
    parser.add_argument(
        "--study",
        action="store_true",
        help="measure accuracy against number and size of images too, and compare simulated "
        "generators that differ in weights and architecture (some minutes)",
    )
    parser.add_argument(
        "--controls",
        action="store_true",
        help="measure what else tells the sources apart too, as `ganprint audit` does, on at most "
        "100 images of each",
    )
    _arguments.add(parser, "--seed", what="draws which images are fitted on")
    _arguments.add(parser, "--jobs", "--batch-size", "--format")
    _arguments.add(parser, "--force", help="replace the files of an earlier run in OUT")


def run(args: argparse.Namespace) -> int:
    """Run all experiments, write OUT, print a table."""
    _check_out(args.out, args.force)
    bunch = _images.find_images(args, groups=args.groups, architectures=args.architectures)
    crop = args.crop or _images.auto_crop(bunch)
    result = _reproduce(bunch, crop, args)
    MESSAGES.warn(*result.warnings)
    _write_figures(result, args.out)
    result.save(args.out)
    index = _pages.write_page(args.out, _page(result, bunch, crop, args))
    shutil.rmtree(os.path.join(args.out, _PARTS))
    document, notes = {**result.to_dict(), "report": index}, notes_of_accuracy(result.attribution)
    print_results(args.format, document, Table(_COLUMNS, result.rows()), notes=notes)
    _pages.say_where(index, "report")
    return _images.exit_status(len(bunch.failures) + len(result.failures), len(bunch.filenames))


def _check_out(out: str, force: bool) -> None:
    """Refuse a folder that holds something else than an interrupted run; try to write there."""
    interrupted = os.path.isdir(os.path.join(out, _PARTS))
    finished = os.path.lexists(os.path.join(out, _pages.PAGE))
    if finished or not interrupted:
        _pages.check_folder(out, force=force, files="the files of the earlier run")
    elif not force:
        MESSAGES.say(f"going on with the run that was interrupted in {out}; --force starts again")
    _pages.probe_folder(out)
    if force:
        shutil.rmtree(os.path.join(out, _PARTS), ignore_errors=True)


def _reproduce(
    bunch: Bunch, crop: tuple[int, int], args: argparse.Namespace
) -> experiments.ReproductionResult:
    settings = experiments.ReproductionSettings(
        n_fit=args.n_fit,
        n_test=args.n_test,
        denoiser=args.denoiser,
        channels=args.channels,
        jpeg_quality=args.jpeg,
        n_robustness=args.n_robustness,
        random_state=args.seed,
        study=args.study,
        controls=args.controls,
    )
    options = experiments.BatchOptions(args.batch_size, args.jobs, MESSAGES.say)
    names, architectures = short_names(bunch), None
    if bunch.architectures is not None:
        architectures = dict(zip(names.tolist(), bunch.architectures.tolist(), strict=True))
    with MESSAGES.progress("reproducing") as progress:
        return experiments.reproduce_paper(
            bunch.filenames,
            names[bunch.target],
            settings,
            architectures=architectures,
            groups=bunch.groups,
            reader=ImageReader(crop=crop, anchor=args.anchor),
            folder=os.path.join(args.out, _PARTS),
            options=options,
            progress=progress,
        )


def short_names(bunch: Bunch) -> np.ndarray:
    """Name sources without their architecture where that is enough to tell them apart."""
    names = np.array([name.rpartition("/")[2] for name in bunch.target_names.tolist()])
    return names if len(set(names.tolist())) == len(names) else bunch.target_names


def _write_figures(result: experiments.ReproductionResult, out: str) -> None:
    """Draw every figure and write it as PNG and SVG, unless it is marked as written."""
    todo = list(drawings(result))
    with MESSAGES.progress("drawing") as progress:
        for done, (name, draw) in enumerate(todo, start=1):
            mark = Path(out, _PARTS, f"{name}.drawn")
            files = [f"figures/{name}.png", f"figures/{name}.svg"]
            if not (mark.exists() and all(Path(out, file).exists() for file in files)):
                figure = draw()
                contents = _pages.png(figure), _pages.svg(figure)
                _pages.write_files(out, zip(files, contents, strict=True))
                mark.touch()
            progress(done, len(todo))


def _page(
    result: experiments.ReproductionResult,
    bunch: Bunch,
    crop: tuple[int, int],
    args: argparse.Namespace,
) -> str:
    """Fill the template with the figures of one run."""
    names = result.attribution.classes
    return _pages.render_page(
        "reproduce",
        args,
        result=result,
        attribution=result.attribution,
        bunch=bunch,
        test_numbers=_range(result.attribution.n_test),
        size=crop,
        crop_note=_crop_note(bunch, crop, args.anchor),
        denoiser=check_denoiser(args.denoiser).get_params(),
        warnings=[*bunch.warnings, *result.warnings],
        sources=_sources(result),
        architectures=result.architecture_rows(),
        sides=[] if result.sizes is None else result.sizes.curve(result.sizes.families[0])[0],
        comparison=_comparison(result),
        pairs=[names[list(pair)].tolist() for pair in shown_pairs(result.correlation)],
        lowest=[] if result.robustness is None else _lowest(result.robustness),
    )


def _range(values: np.ndarray) -> str:
    low, high = values.min(), values.max()
    return str(low) if low == high else f"{low} to {high}"


def _crop_note(bunch: Bunch, crop: tuple[int, int], anchor: str) -> str:
    sizes = _images.sizes_of(bunch)
    if set(sizes) == {crop}:
        return ""
    whole = ", ".join(f"{w} × {h} ({n})" for (h, w), n in sizes.most_common(3))
    more = f" and {len(sizes) - 3} other sizes" if len(sizes) > 3 else ""
    return f"cut {_pages.place_in_words(anchor)} from images of {whole}{more}"


def _sources(result: experiments.ReproductionResult) -> list[Row]:
    """Return each source's row of the table, and what is shown of it."""
    slugs, shown = _pages.slugs(result.attribution.classes), _first_of_each(result)
    return [
        {
            **row,
            "slug": slugs[row["source"]],
            "shown": row["source"] in shown,
            "shown_numbers": shown_numbers(convergence),
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
    pairs = shown_pairs(correlation)
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


def _lowest(result: experiments.RobustnessResult) -> list[tuple[str, float, float]]:
    """Return each kind of change with the lowest accuracy, and the strength that has it."""
    curves = {family: result.curve(family) for family in result.families}
    return [
        (family, accuracies.min(), strengths[accuracies.argmin()])
        for family, (strengths, accuracies, _) in curves.items()
    ]


def drawings(result: experiments.ReproductionResult) -> Iterator[tuple[str, Callable[[], Any]]]:
    """Yield the name of each figure, and what draws it."""
    slugs, chance = _pages.slugs(result.attribution.classes).values(), result.attribution.chance
    for source, slug in zip(result.convergence, slugs, strict=True):
        yield f"fingerprints-{slug}", partial(_fingerprints, source)
        yield f"energy-{slug}", partial(_energy, source)
        lags, name = source.autocorrelation, str(source.name)
        yield f"autocorrelation-{slug}", partial(_pages.autocorrelation, lags, name)
    for index, pair in enumerate(shown_pairs(result.correlation), start=1):
        yield f"histogram-{index}", partial(_histogram, result.correlation, *pair)
    yield "correlations", partial(_matrix, result.correlation)
    yield "roc", partial(_pages.roc_curves, result.attribution)
    yield "roc-zoomed", partial(_pages.roc_curves, result.attribution, zoom=2)
    yield "confusion", partial(_pages.confusion, result.attribution, blank_below=0.01)
    if result.sizes is not None:
        yield "sizes", partial(_sizes, result.sizes, chance)
    if result.robustness is not None:
        for index, family in enumerate(result.robustness.families, start=1):
            yield f"robustness-{index}", partial(_robustness, result.robustness, family, chance)


def shown_pairs(result: experiments.CorrelationResult) -> list[tuple[int, int]]:
    """Choose two sources, of two architectures if there are, and compare them both ways."""
    architectures = result.architectures or tuple(range(len(result.classes)))
    first = architectures[0]
    other = next((code for code, name in enumerate(architectures) if name != first), 1)
    return [(0, other), (other, 0)]


def shown_numbers(result: experiments.ConvergenceResult) -> list[int]:
    """Choose at most five numbers of images whose fingerprints are shown, as the paper does."""
    known = result.n_images.tolist()
    chosen = [n for n in _PAPER_NUMBERS if n in known]
    return chosen if known[-1] in chosen else [*chosen[-4:], known[-1]]


def _fingerprints(result: experiments.ConvergenceResult) -> Any:
    numbers, known = shown_numbers(result), result.n_images.tolist()
    shown = [result.fingerprints[known.index(n)] for n in numbers]
    figure = _pages.new_figure(2.6 * len(numbers) + 0.4, 3.1)
    axes = figure.subplots(1, len(numbers), squeeze=False)[0]
    plotting.FingerprintDisplay.from_series(shown, numbers, name=result.name, axes=axes)
    return figure


def _energy(result: experiments.ConvergenceResult) -> Any:
    return plotting.EnergyCurveDisplay.from_fit(
        result.fit,
        compared_with=result.printed_fit,
        estimates={"unbiased": result.unbiased_limit, "split-half": result.split_half_limit},
        name=result.name,
        ax=_pages.new_axes(5.6, 4.4),
    ).figure_


def _histogram(result: experiments.CorrelationResult, own: int, other: int) -> Any:
    name, cross_name = result.classes[[own, other]]
    return plotting.CorrelationHistogramDisplay.from_correlations(
        *result.pair(name, cross_name),
        auc=result.auc[own, other],
        d_prime=result.d_prime[own, other],
        name=f"Images of {name}",
        ax=_pages.new_axes(5.6, 4.2),
        same_label="own fingerprint",
        cross_label=f"that of {cross_name}",
    ).figure_


def _matrix(result: experiments.CorrelationResult) -> Any:
    """Draw eq. 8, siblings side by side."""
    families, order = result.architectures, list(range(len(result.classes)))
    if families is not None:
        order.sort(key=lambda code: families.index(families[code]))
    side = 4.4 + 0.28 * len(order)
    return plotting.CorrelationMatrixDisplay.from_matrix(
        result.mean[np.ix_(order, order)],
        [result.classes[code] for code in order],
        architectures=None if families is None else [families[code] for code in order],
        ax=_pages.new_axes(side + 1.4, side, layout="compressed"),
        # On a linear scale the diagonal leaves nothing of the blocks.
        scale="sqrt",
    ).figure_


def _robustness(result: experiments.RobustnessResult, family: str, chance: float) -> Any:
    strengths, accuracies, intervals = result.curve(family)
    return plotting.RobustnessCurveDisplay.from_curves(
        {family: (strengths, accuracies)},
        intervals={family: (intervals[:, 0], intervals[:, 1])},
        clean=result.clean.accuracy,
        chance=chance,
        xlabel=family,
        ax=_pages.new_axes(4.8, 3.8),
        log2=family == "images to fit",
    ).figure_


def _sizes(result: experiments.RobustnessResult, chance: float) -> Any:
    """Draw accuracy against the side of images, a curve for each of some numbers of images."""
    numbers = result.families[::-2][::-1]
    curves = {f"{number} to fit": result.curve(number)[:2] for number in numbers}
    return plotting.RobustnessCurveDisplay.from_curves(
        curves, chance=chance, xlabel="side of the images in pixels", ax=_pages.new_axes(5.6, 4.4)
    ).figure_
