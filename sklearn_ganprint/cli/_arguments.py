"""Arguments that several commands take."""

import argparse
import math
import warnings
from collections.abc import Callable
from typing import Any

from sklearn_ganprint._output import as_name
from sklearn_ganprint.datasets import LAYOUTS
from sklearn_ganprint.ensemble import PHOTO_NAMES
from sklearn_ganprint.pipelines import KINDS, current_kind

#: What a model can be for: to say who made an image, whether a generator made it, or which parts
#: of it come from elsewhere.
ATTRIBUTE, DETECT, LOCALIZE = "attribute", "detect", "localize"

#: The answers of ``--task detect``.
PHOTO, GENERATED, CANNOT_TELL = "photo", "generated", "cannot tell"

#: The kind that a model is of, in JSON as on the command line up to version 0.1, whose task is to
#: localize.
FORMER_KIND = "localization"

#: The share of clean images that may get a false region, unless another is asked for.
LOCALIZATION_RATE = 0.05

#: The rate at which images are called unknown, or rejected, unless another is asked for.
DEFAULT_RATE = 0.01

#: The share of the sources' own images whose set of sources is to hold the right one.
DEFAULT_COVERAGE = 0.95

#: The longest side that ``--crop auto`` takes, and the share of files that must give it.
AUTO_SIDE = 256
AUTO_SHARE = 0.95


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
copies = _whole("a number of at least 1; --fast makes no copies", lambda number: number >= 1)
stability = _whole("a number from 1 to 1000", lambda number: 1 <= number <= 1000)
natural = _whole("a number of at least 0", lambda number: number >= 0)
quality = _whole("a JPEG quality from 1 to 100", lambda number: 1 <= number <= 100)
seed = _whole("a number from 0 to 2**32 - 1", lambda number: 0 <= number < 2**32)


def rate(text: str, example: str = "a rate between 0 and 1, such as 0.01 for 1 in 100") -> float:
    """Check a rate of false alarms, or another share."""
    try:
        number = float(text)
    except ValueError:
        number = math.nan
    if not 0 < number < 1:
        raise argparse.ArgumentTypeError(f"expected {example}; got {text!r}")
    return number


def coverage(text: str) -> float:
    """Check a coverage of sets of sources."""
    return rate(text, "a coverage between 0 and 1, such as 0.95 for 19 in 20")


def size(text: str, expected: str = "N or HxW") -> tuple[int, int]:
    """Read ``N`` or ``HxW``."""
    sides = text.lower().split("x")
    if len(sides) > 2 or not all(side.isdecimal() and int(side) > 0 for side in sides):
        raise argparse.ArgumentTypeError(f"expected {expected} in pixels, got {text!r}")
    return int(sides[0]), int(sides[-1])


def crop(text: str) -> tuple[int, int] | None:
    """Read ``auto`` (None), ``N`` or ``HxW``."""
    return None if text == "auto" else size(text, "auto, N or HxW")


#: Arguments that several commands take, as `add` adds them. Where a help holds ``{what}``, the
#: command says what that is.
_ARGUMENTS: dict[str, dict[str, Any]] = {
    "model": {"metavar": "MODEL", "help": "a file from `ganprint fit`"},
    "source": {
        "type": as_name,
        "metavar": "DIR_OR_CSV",
        "help": "a folder, or a zip or tar file, with one folder of images per source, or a CSV "
        "file with the columns path and label; also a URL{what}",
    },
    "paths": {
        "type": as_name,
        "metavar": "PATH",
        "nargs": "+",
        "help": "an image, or a folder, or a zip or tar file: all files in it at any depth, hidden "
        "ones skipped; also a URL",
    },
    "--format": {
        "choices": ("table", "csv", "json", "spreadsheet"),
        "default": "table",
        "help": "how results are printed: csv and json give programs the names of files as they "
        "are; spreadsheet is CSV in which no name is taken for a formula (default: %(default)s)",
    },
    "--jobs": {
        "type": jobs,
        "default": 1,
        "metavar": "N",
        "help": "number of workers, -1 for one a core (default: %(default)s)",
    },
    "--batch-size": {
        "type": positive,
        "default": 64,
        "metavar": "N",
        "help": "files in memory at a time, for each worker (default: %(default)s)",
    },
    "--seed": {"type": seed, "default": 0, "metavar": "N", "help": "{what} (default: %(default)s)"},
    "--limit-per-source": {
        "type": positive,
        "metavar": "N",
        "help": "use N files of each source, drawn at random by --seed (default: all)",
    },
    "--resume": {
        "action": "store_true",
        "help": "keep what is done in {what}, and go on from there after an interruption",
    },
    "--layout": {
        "choices": tuple(LAYOUTS),
        "help": "how the folder is laid out: a folder per source (folders), ARCH/SOURCE/ (nested), "
        "either (auto), or as one of the known collections has it (default: %(default)s)",
    },
    "--crop": {
        "type": crop,
        "metavar": "auto|N|HxW",
        "help": "part of each image that is used, in pixels; auto (the default) is the largest "
        f"square of at most {AUTO_SIDE} pixels that {100 * AUTO_SHARE:.0f}%% of the files can give",
    },
    "--anchor": {
        "choices": ("top-left", "center"),
        "default": "top-left",
        "help": "where it is cut (default: top-left)",
    },
    "--channels": {
        "choices": ("luminance", "rgb"),
        "help": "one fingerprint of the luminance, or one of each colour, which is more accurate "
        "for generators (default: {what})",
    },
    "--denoiser": {
        "choices": ("wavelet", "gaussian", "median", "wiener"),
        "default": "wavelet",
        "help": "what takes the image's content away (default: %(default)s)",
    },
    "--false-alarm": {
        "type": rate,
        "metavar": "RATE",
        "help": f"{{what}} (default: {DEFAULT_RATE:g})",
    },
    "--coverage": {
        "type": coverage,
        "metavar": "SHARE",
        "help": "share of the sources' own images for which the sources that are named are to hold "
        f"the right one, in (0, 1) (default: {DEFAULT_COVERAGE:g})",
    },
    "--stability": {
        "type": stability,
        "metavar": "N",
        "help": "also judge N copies of each image, cropped by a few pixels, resized and "
        "compressed at random, and tell the share of them with the same answer",
    },
    "--photos": {
        "nargs": "+",
        "metavar": "NAME",
        "help": "{what}; all others are generators (default: those called "
        f"{', '.join(PHOTO_NAMES)})",
    },
    "--groups": {"choices": ("name",), "help": "{what}"},
    "--out": {"metavar": "DIR", "help": "folder for a page to look at, index.html, with {what}"},
    "--force": {
        "action": "store_true",
        "help": "write into a folder that is not empty; only {what} own files are replaced",
    },
}


def add(parser: argparse.ArgumentParser, *names: str, what: str = "", **others: Any) -> None:
    """Add arguments by name; `others` take the place of what they have here."""
    for name in names:
        argument = _ARGUMENTS[name] | others
        parser.add_argument(name, **argument | {"help": argument["help"].format(what=what)})


def add_number(
    parser: argparse.ArgumentParser,
    name: str,
    what: str,
    check: Callable[[str], int] = positive,
    default: int | None = None,
) -> None:
    """Add a whole number; `what` says what it is, and what None is."""
    if default is not None:
        what = f"{what} (default: {default})"
    parser.add_argument(name, type=check, default=default, metavar="N", help=what)


def add_out(parser: argparse.ArgumentParser, what: str) -> None:
    """Add the folder of a page, which is not made unless asked for."""
    add(parser, "--out", what=what)
    add(parser, "--force", what="the command's")


def add_answers(parser: argparse.ArgumentParser) -> None:
    """Add what decides which sources are named of an image, and how results are printed."""
    share = "share of the sources' own images that may be called unknown, in (0, 1)"
    add(parser, "--false-alarm", what=share)
    add(parser, "--coverage", "--format", "--jobs")
