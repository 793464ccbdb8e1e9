"""``ganprint demo``: the bundled images from pixels to a page with pictures."""

import argparse
from typing import Any

import numpy as np
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.utils import Bunch

from sklearn_ganprint.classification import FingerprintClassifier
from sklearn_ganprint.cli import _arguments, _pages
from sklearn_ganprint.cli._console import (
    MESSAGES,
    Column,
    Row,
    Table,
    columns,
    print_results,
)
from sklearn_ganprint.datasets import load_samples
from sklearn_ganprint.denoisers import WaveletDenoiser
from sklearn_ganprint.experiments import AttributionResult, evaluate_attribution
from sklearn_ganprint.perturbations import check_perturbation
from sklearn_ganprint.pipelines import make_attribution_pipeline
from sklearn_ganprint.residuals import ResidualTransformer

REQUIRES = ("rich", "jinja2", "matplotlib")
DESCRIPTION = (
    "Estimate fingerprints from half of the bundled images, attribute the other half, and write a "
    "page with pictures. The default kind of model is fitted beside the paper's method, and both "
    "are tested on images as they are, compressed and resized."
)

#: Columns of how well sources are told apart, which `reproduce` has too.
ACCURACY = (
    Column("n_fit", "images fitted"),
    Column("n_test", "images tested"),
    Column("recall", "attributed right", 3),
    Column("auc", "one-vs-rest AUC", 3),
)
_COLUMNS = columns(Column("name", "source"), *ACCURACY)

#: What held-out images go through. None of it changes their size, which fingerprints are tied to.
_HISTORIES = ("jpeg 75", "resize 0.75 and back")
#: The default kind in a part of its time: fewer copies and folds, and no simulated sources,
#: which answer a question that is not asked here.
_LIGHTER = {"fusion__n_copies": 1, "fusion__cv": 2, "fusion__background": None}
_METHODS = {"fingerprint": "the paper's method", "robust": "default kind"}
_SHARES = columns(
    Column("history", "held-out images"),
    Column("n_test", "images tested"),
    *(Column(key, f"{words} right", 3) for key, words in _METHODS.items()),
)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the command's arguments."""
    out = "folder for the page and the pictures (default: %(default)s)"
    _arguments.add(parser, "--out", default="ganprint-demo", help=out)
    _arguments.add(parser, "--channels", default="rgb", what="rgb")
    _arguments.add(parser, "--seed", what="which images are held out")
    parser.add_argument(
        "--fast", action="store_true", help="the paper's method alone, without the default kind"
    )
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
    models = {"fingerprint": result.estimator}
    if not args.fast:
        MESSAGES.say("fitting the default kind, on processed copies too")
        robust = make_attribution_pipeline().set_params(**_LIGHTER, fusion__n_jobs=args.jobs)
        kept = result.train_index
        models["robust"] = robust.fit(samples.data[kept], sources[kept])
    histories = _score_histories(models, samples.data[result.test_index], result.y_test)
    MESSAGES.say("drawing")
    page = _page(result, histories, samples, args)
    index = _pages.write_page(args.out, page, draw_demo(result, histories))
    _print(result, histories, index, args)
    _pages.say_where(index)
    return 0


def _score_histories(
    models: dict[str, Pipeline], images: np.ndarray, sources: np.ndarray
) -> list[Row]:
    """Give the share of images that each model attributes right, as they are and processed."""
    processed = {"as they are": images}
    processed |= {text: check_perturbation(text).fit_transform(images) for text in _HISTORIES}
    return [
        {
            "history": history,
            "n_test": len(images),
            **{key: models[key].score(X, sources) if key in models else None for key in _METHODS},
        }
        for history, X in processed.items()
    ]


def _print(
    result: AttributionResult, histories: list[Row], index: str, args: argparse.Namespace
) -> None:
    document = result.to_dict()
    counts = {key: document[key] for key in ("n_fit", "n_test")}
    overall = {"name": "all", **counts, "recall": document["accuracy"]}
    table = Table(_COLUMNS, [*document["classes"], overall])
    settings = {"channels": args.channels, "seed": args.seed}
    print_results(
        args.format,
        {**document, "histories": histories, **settings, "report": index},
        table,
        shown=[Table(_SHARES, histories).filled(), table],
        notes=notes_of_accuracy(result),
    )


def notes_of_accuracy(result: AttributionResult) -> list[str]:
    """Write the accuracy in all, and that of guessing."""
    low, high = result.accuracy_interval
    return [
        f"accuracy {result.accuracy:.3f} (95 % confidence interval {low:.3f} to {high:.3f})",
        f"always naming the largest source: {result.chance:.3f}",
    ]


def draw_demo(result: AttributionResult, histories: list[Row]) -> list[tuple[str, bytes]]:
    """Draw fingerprints, ROC curves, the confusion matrix and shares by history, as files."""
    figures = {
        name: _pages.class_fingerprint(result, label)
        for label, name in zip(result.classes, _figures(result).values(), strict=True)
    }
    figures |= {"roc.png": _pages.roc_curves(result), "confusion.png": _pages.confusion(result)}
    figures["histories.png"] = _bars(histories, result.chance)
    return [(name, _pages.png(figure)) for name, figure in figures.items()]


def _bars(histories: list[Row], chance: float) -> Any:
    """Draw how many images each method attributes right, as they are and processed."""
    ax = _pages.new_axes(7.2, 3.6)
    measured = {key: words for key, words in _METHODS.items() if histories[0][key] is not None}
    height = 0.8 / len(measured)
    rows = np.arange(len(histories))
    for number, (key, words) in enumerate(measured.items()):
        shares = [row[key] for row in histories]
        bars = ax.barh(rows + number * height, shares, 0.9 * height, label=words)
        ax.bar_label(bars, fmt="{:.0%}", padding=3)
    ax.axvline(chance, color="gray", linestyle="--", label="guessing")
    ax.set_yticks(rows + 0.4 - height / 2, [row["history"] for row in histories])
    ax.invert_yaxis()
    ax.set(xlim=(0, 1.08), xlabel="share of held-out images attributed to their source")
    ax.figure.legend(loc="outside upper center", ncols=3, frameon=False)
    return ax.figure


def _figures(result: AttributionResult) -> dict[str, str]:
    slugs = _pages.slugs(result.classes)
    return {label: f"fingerprint-{slug}.png" for label, slug in slugs.items()}


def _page(
    result: AttributionResult, histories: list[Row], samples: Bunch, args: argparse.Namespace
) -> str:
    """Fill the template with the figures of one run."""
    return _pages.render_page(
        "demo",
        args,
        **result.to_dict(),
        histories=histories,
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
