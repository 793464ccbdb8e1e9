"""``ganprint demo``: the bundled images from pixels to a page with pictures."""

import argparse
from typing import Any

import numpy as np
from sklearn.pipeline import make_pipeline
from sklearn.utils import Bunch

from sklearn_ganprint.classification import FingerprintClassifier
from sklearn_ganprint.cli import _arguments, _pages
from sklearn_ganprint.cli._console import MESSAGES, Column, Table, columns, print_results
from sklearn_ganprint.datasets import load_samples
from sklearn_ganprint.denoisers import WaveletDenoiser
from sklearn_ganprint.experiments import AttributionResult, evaluate_attribution
from sklearn_ganprint.residuals import ResidualTransformer

REQUIRES = ("rich", "jinja2", "matplotlib")
DESCRIPTION = (
    "Estimate fingerprints from half of the bundled images, attribute the other half, and write a "
    "page with pictures."
)

#: Columns of how well sources are told apart, which `reproduce` has too.
ACCURACY = (
    Column("n_fit", "images fitted"),
    Column("n_test", "images tested"),
    Column("recall", "attributed right", 3),
    Column("auc", "one-vs-rest AUC", 3),
)
_COLUMNS = columns(Column("name", "source"), *ACCURACY)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the command's arguments."""
    out = "folder for the page and the pictures (default: %(default)s)"
    _arguments.add(parser, "--out", default="ganprint-demo", help=out)
    _arguments.add(parser, "--channels", default="rgb", what="rgb")
    _arguments.add(parser, "--seed", what="which images are held out")
    _arguments.add(parser, "--jobs", "--format")
    _arguments.add(parser, "--force", what="the demo's")


def run(args: argparse.Namespace) -> int:
    """Evaluate on the bundled images, print the table, write the page."""
    _pages.check_folder(args.out, force=args.force, files="the demo's files")
    MESSAGES.say("reading the bundled images")
    samples = load_samples()
    MESSAGES.say(f"{len(samples.data)} images: fitting on one half, attributing the other")
    pipeline = make_pipeline(
        ResidualTransformer(channels=args.channels, n_jobs=args.jobs), FingerprintClassifier()
    )
    sources = samples.target_names[samples.target]
    result = evaluate_attribution(pipeline, samples.data, sources, random_state=args.seed)
    MESSAGES.say("drawing")
    page = _page(result, samples, args)
    index = _pages.write_page(args.out, page, draw_demo(result))
    _print(result, index, args)
    _pages.say_where(index)
    return 0


def _print(result: AttributionResult, index: str, args: argparse.Namespace) -> None:
    document = result.to_dict()
    counts = {key: document[key] for key in ("n_fit", "n_test")}
    overall = {"name": "all", **counts, "recall": document["accuracy"]}
    print_results(
        args.format,
        {**document, "channels": args.channels, "seed": args.seed, "report": index},
        Table(_COLUMNS, [*document["classes"], overall]),
        notes=notes_of_accuracy(result),
    )


def notes_of_accuracy(result: AttributionResult) -> list[str]:
    """Write the accuracy in all, and that of guessing."""
    low, high = result.accuracy_interval
    return [
        f"accuracy {result.accuracy:.3f} (95 % confidence interval {low:.3f} to {high:.3f})",
        f"always naming the largest source: {result.chance:.3f}",
    ]


def draw_demo(result: AttributionResult) -> list[tuple[str, bytes]]:
    """Draw the fingerprint of each source, the ROC curves and the confusion matrix, as files."""
    figures = {
        name: _pages.class_fingerprint(result, label)
        for label, name in zip(result.classes, _figures(result).values(), strict=True)
    }
    figures |= {"roc.png": _pages.roc_curves(result), "confusion.png": _pages.confusion(result)}
    return [(name, _pages.png(figure)) for name, figure in figures.items()]


def _figures(result: AttributionResult) -> dict[str, str]:
    slugs = _pages.slugs(result.classes)
    return {label: f"fingerprint-{slug}.png" for label, slug in slugs.items()}


def _page(result: AttributionResult, samples: Bunch, args: argparse.Namespace) -> str:
    """Fill the template with the figures of one run."""
    return _pages.render_page(
        "demo",
        args,
        **result.to_dict(),
        fingerprints=_figures(result),
        worst=_greatest_confusion(result),
        n_right=int((result.y_pred == result.y_test).sum()),
        n_photos=_shared_photos(samples),
        size=samples.data.shape[1:3],
        formats=", ".join(np.unique(samples.formats)),
        denoiser=WaveletDenoiser().get_params(),
    )


def _greatest_confusion(result: AttributionResult) -> dict[str, Any] | None:
    """Return the two sources with the greatest share of images of one given to the other."""
    shares = result.confusion / result.n_test[:, np.newaxis]
    np.fill_diagonal(shares, 0)
    if not shares.any():
        return None
    made_by, given_to = np.unravel_index(shares.argmax(), shares.shape)
    return {
        "made_by": str(result.classes[made_by]),
        "given_to": str(result.classes[given_to]),
        "share": float(shares.max()),
    }


def _shared_photos(samples: Bunch) -> int | None:
    """Count the photos behind the images; None unless every source has images of all of them."""
    if samples.groups is None:
        return None
    pairs = set(zip(samples.groups.tolist(), samples.target.tolist(), strict=True))
    n_photos = len(np.unique(samples.groups))
    return n_photos if len(pairs) == n_photos * len(samples.target_names) else None
