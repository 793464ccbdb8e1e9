"""``ganprint demo``: the bundled images from pixels to a page with pictures."""

import argparse

from sklearn.pipeline import make_pipeline

from sklearn_ganprint.classification import FingerprintClassifier
from sklearn_ganprint.cli import _arguments
from sklearn_ganprint.cli._console import MESSAGES, Column, Table, columns, print_results
from sklearn_ganprint.cli.pages import _folder, _views
from sklearn_ganprint.datasets import load_samples
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
    parser.add_argument(
        "--out",
        default="ganprint-demo",
        metavar="DIR",
        help="folder for the page and the pictures (default: %(default)s)",
    )
    parser.add_argument(
        "--channels",
        choices=("rgb", "luminance"),
        default="rgb",
        help="a fingerprint of each colour, or one of the luminance (default: %(default)s)",
    )
    _arguments.add(parser, "--seed", what="which images are held out")
    _arguments.add(parser, "--jobs", "--format")
    _arguments.add(parser, "--force", what="the demo's")


def run(args: argparse.Namespace) -> int:
    """Evaluate on the bundled images, print the table, write the page."""
    _folder.check_folder(args.out, force=args.force, files="the demo's files")
    MESSAGES.say("reading the bundled images")
    samples = load_samples()
    MESSAGES.say(f"{len(samples.data)} images: fitting on one half, attributing the other")
    pipeline = make_pipeline(
        ResidualTransformer(channels=args.channels, n_jobs=args.jobs), FingerprintClassifier()
    )
    sources = samples.target_names[samples.target]
    result = evaluate_attribution(pipeline, samples.data, sources, random_state=args.seed)
    MESSAGES.say("drawing")
    pictures = _views.draw_demo(result)
    page = _views.render_demo(result, samples, args)
    index = _folder.write_page(args.out, page, [*pictures.items()])
    _print(result, index, args)
    MESSAGES.say(f"pictures and explanations: {index}")
    return 0


def _print(result: AttributionResult, index: str, args: argparse.Namespace) -> None:
    document = result.to_dict()
    counts = {key: document[key] for key in ("n_fit", "n_test")}
    overall = {"name": "all", **counts, "recall": document["accuracy"]}
    low, high = result.accuracy_interval
    print_results(
        args.format,
        {**document, "channels": args.channels, "seed": args.seed, "report": index},
        Table(_COLUMNS, [*document["classes"], overall]),
        notes=[
            f"accuracy {result.accuracy:.3f} (95 % confidence interval {low:.3f} to {high:.3f})",
            f"always naming the largest source: {result.chance:.3f}",
        ],
    )
