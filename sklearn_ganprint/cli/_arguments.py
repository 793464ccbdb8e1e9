"""Arguments that several commands take."""

import argparse
import math
import warnings
from collections.abc import Callable

from sklearn_ganprint.datasets import LAYOUTS
from sklearn_ganprint.pipelines import KINDS, current_kind

#: The kind of model that is fitted unless another is asked for.
DEFAULT_KIND = "fusion"

#: What a model can be for: to say who made an image, or which parts of it come from elsewhere.
TASKS = ATTRIBUTE, LOCALIZE = "attribute", "localize"

#: The kind that a model was of, up to version 0.1, whose task was to localize.
FORMER_KIND = "localization"

#: The share of clean images that may get a false region, unless another is asked for.
LOCALIZATION_RATE = 0.05

#: The rate at which images are called unknown, or rejected, unless another is asked for.
DEFAULT_RATE = 0.01

#: The longest side that ``--crop auto`` takes, and the share of files that must give it.
AUTO_SIDE = 256
AUTO_SHARE = 0.95


def add_format(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--format",
        choices=("table", "csv", "json", "spreadsheet"),
        default="table",
        help="how results are printed: csv and json give programs the names of files as they are; "
        "spreadsheet is CSV in which no name is taken for a formula (default: %(default)s)",
    )


def add_jobs(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--jobs",
        type=jobs,
        default=1,
        metavar="N",
        help="number of workers, -1 for one a core (default: %(default)s)",
    )


def add_batch_size(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--batch-size",
        type=positive,
        default=64,
        metavar="N",
        help="files in memory at a time, for each worker (default: %(default)s)",
    )


def add_seed(parser: argparse.ArgumentParser, what: str) -> None:
    parser.add_argument(
        "--seed", type=seed, default=0, metavar="N", help=f"{what} (default: %(default)s)"
    )


def add_layout(parser: argparse.ArgumentParser, default: str) -> None:
    parser.add_argument(
        "--layout",
        choices=tuple(LAYOUTS),
        default=default,
        help="how the folder is laid out: a folder per source (folders), ARCH/SOURCE/ (nested), "
        "either (auto), or as one of the known collections has it (default: %(default)s)",
    )


def add_crop(parser: argparse.ArgumentParser, anchor: str | None = "top-left") -> None:
    """Add what is cut of the images; without `anchor`, a model may say that."""
    parser.add_argument(
        "--crop",
        type=crop,
        metavar="auto|N|HxW",
        help="part of each image that is used, in pixels; auto (the default) is the largest square "
        f"of at most {AUTO_SIDE} pixels that {AUTO_SHARE:.0%} of the files can give".replace(
            "%", "%%"
        ),
    )
    parser.add_argument(
        "--anchor",
        choices=("top-left", "center"),
        default=anchor,
        help="where it is cut (default: top-left)",
    )


def add_task(parser: argparse.ArgumentParser) -> None:
    """Add what a model is for, and how it does that."""
    parser.add_argument(
        "--task",
        choices=TASKS,
        default=ATTRIBUTE,
        help=f"what the model is for: {ATTRIBUTE}, to tell who made an image (ganprint predict, "
        f"verify); {LOCALIZE}, to find the parts of an image that come from elsewhere (ganprint "
        f"localize) (default: %(default)s)",
    )
    kinds = "; ".join(f"{kind}, {traces}" for kind, traces in KINDS.items())
    parser.add_argument(
        "--kind",
        type=kind,
        metavar=f"{{{','.join(KINDS)}}}",
        help=f"the traces that images are attributed by: {kinds} (default: {DEFAULT_KIND})",
    )


def add_false_alarm(
    parser: argparse.ArgumentParser, what: str, default: float = DEFAULT_RATE
) -> None:
    parser.add_argument(
        "--false-alarm", type=rate, metavar="RATE", help=f"{what} (default: {default:g})"
    )


def add_model_and_images(parser: argparse.ArgumentParser, *, source: str | None = None) -> None:
    """Add a model file, a source of it if `source` says what for, and images."""
    parser.add_argument("model", metavar="MODEL", help="a file from `ganprint fit`")
    if source is not None:
        parser.add_argument("source", metavar="SOURCE", help=source)
    add_paths(parser)


def add_paths(parser: argparse.ArgumentParser) -> None:
    """Add images that have no labels."""
    parser.add_argument(
        "paths",
        metavar="PATH",
        nargs="+",
        help="an image, or a folder: all files in it at any depth, hidden ones skipped",
    )


def add_out(parser: argparse.ArgumentParser, what: str) -> None:
    """Add the folder of a page, which is not made unless asked for."""
    parser.add_argument(
        "--out", metavar="DIR", help=f"folder for a page to look at, index.html, with {what}"
    )
    parser.add_argument(
        "--force",
        action="store_true",
        help="write into a folder that is not empty; only the command's own files are replaced",
    )


def add_residual(parser: argparse.ArgumentParser, channels: str | None = "rgb") -> None:
    """Add what residuals are; without `channels`, that depends on the kind of model."""
    default = channels or "rgb; with --kind prnu luminance"
    parser.add_argument(
        "--channels",
        choices=("luminance", "rgb"),
        default=channels,
        help="one fingerprint of the luminance, or one of each colour, which is more accurate "
        f"for generators (default: {default})",
    )
    parser.add_argument(
        "--denoiser",
        choices=("wavelet", "gaussian", "median", "wiener"),
        default="wavelet",
        help="what takes the image's content away (default: %(default)s)",
    )


def kind(text: str) -> str:
    """Check a kind of pipeline; former names are taken too, with a warning."""
    if text == FORMER_KIND:
        warnings.warn(
            f"--kind {FORMER_KIND} was renamed to --task {LOCALIZE}. The former name will be "
            f"refused from version 0.3 on.",
            FutureWarning,
            stacklevel=2,
        )
        return text
    name = current_kind(text)
    if name not in KINDS:
        raise argparse.ArgumentTypeError(f"expected one of {', '.join(KINDS)}; got {text!r}")
    return name


def _whole(what: str, valid: Callable[[int], bool]) -> Callable[[str], int]:
    """Make a check of whole numbers."""

    def check(text: str) -> int:
        try:
            number = int(text)
        except ValueError:
            raise argparse.ArgumentTypeError(f"expected a whole number, got {text!r}") from None
        if not valid(number):
            raise argparse.ArgumentTypeError(f"expected {what}; got {text}")
        return number

    return check


jobs = _whole("a number of workers, or -1 for all", lambda number: number != 0)
positive = _whole("a number of at least 1", lambda number: number >= 1)
natural = _whole("a number of at least 0", lambda number: number >= 0)
quality = _whole("a JPEG quality from 1 to 100", lambda number: 1 <= number <= 100)
seed = _whole("a number from 0 to 2**32 - 1", lambda number: 0 <= number < 2**32)


def rate(text: str) -> float:
    """Check a rate of false alarms."""
    try:
        number = float(text)
    except ValueError:
        number = math.nan
    if not 0 < number < 1:
        raise argparse.ArgumentTypeError(
            f"expected a rate between 0 and 1, such as 0.01 for 1 in 100; got {text!r}"
        )
    return number


def size(text: str, expected: str = "N or HxW") -> tuple[int, int]:
    """Read ``N`` or ``HxW``."""
    sides = text.lower().split("x")
    if len(sides) > 2 or not all(side.isdecimal() and int(side) > 0 for side in sides):
        raise argparse.ArgumentTypeError(f"expected {expected} in pixels, got {text!r}")
    return int(sides[0]), int(sides[-1])


def crop(text: str) -> tuple[int, int] | None:
    """Read ``auto`` (None), ``N`` or ``HxW``."""
    return None if text == "auto" else size(text, "auto, N or HxW")
