"""``ganprint reproduce``: the paper's figures and tables from one's own images."""

import argparse
import os
import shutil
from collections import Counter
from pathlib import Path

import numpy as np
from sklearn.utils import Bunch

from sklearn_ganprint import experiments
from sklearn_ganprint.cli import _arguments, _images, _pages, _reproduce_figures
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
    page = _page(result, bunch, crop, args)
    index = _pages.write_page(args.out, page)
    shutil.rmtree(os.path.join(args.out, _PARTS))
    _print(result, index, args)
    _pages.say_where(index, "report")
    return _images.exit_status([*bunch.failures, *result.failures], len(bunch.filenames))


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
    options = experiments.BatchOptions(
        batch_size=args.batch_size, n_jobs=args.jobs, on_error=MESSAGES.say
    )
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


def _print(result: experiments.ReproductionResult, index: str, args: argparse.Namespace) -> None:
    print_results(
        args.format,
        {**result.to_dict(), "report": index},
        Table(_COLUMNS, result.rows()),
        notes=notes_of_accuracy(result.attribution),
    )


def _write_figures(result: experiments.ReproductionResult, out: str) -> None:
    """Draw every figure and write it as PNG and SVG, unless it is marked as written."""
    todo = list(_reproduce_figures.drawings(result))
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
    pairs = _reproduce_figures.shown_pairs(result.correlation)
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
        pairs=[names[list(pair)].tolist() for pair in pairs],
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
    names = _pages.slugs(result.attribution.classes)
    shown = _first_of_each(result)
    return [
        {
            **row,
            "slug": names[row["source"]],
            "shown": row["source"] in shown,
            "shown_numbers": _reproduce_figures.shown_numbers(convergence),
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
    pairs = _reproduce_figures.shown_pairs(correlation)
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
    found = []
    for family in result.families:
        strengths, accuracies, _ = result.curve(family)
        worst = int(accuracies.argmin())
        found.append((family, accuracies[worst], strengths[worst]))
    return found
