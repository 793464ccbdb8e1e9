"""Arguments that several commands take."""

import argparse


def add_format(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--format",
        choices=("table", "csv", "json"),
        default="table",
        help="how results are printed (default: %(default)s)",
    )


def add_jobs(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--jobs",
        type=jobs,
        default=1,
        metavar="N",
        help="number of workers, -1 for one a core (default: %(default)s)",
    )


def jobs(text: str) -> int:
    """Check a number of workers, as joblib takes it."""
    number = _integer(text)
    if number == 0:
        raise argparse.ArgumentTypeError("expected a number of workers, or -1 for all; got 0")
    return number


def positive(text: str) -> int:
    number = _integer(text)
    if number < 1:
        raise argparse.ArgumentTypeError(f"expected a number of at least 1, got {text}")
    return number


def seed(text: str) -> int:
    number = _integer(text)
    if not 0 <= number < 2**32:
        raise argparse.ArgumentTypeError(f"expected a number from 0 to 2**32 - 1, got {text}")
    return number


def crop(text: str) -> tuple[int, int] | None:
    """Read ``auto`` (None), ``N`` or ``HxW``."""
    if text == "auto":
        return None
    sides = text.lower().split("x")
    if len(sides) > 2 or not all(side.isdecimal() and int(side) > 0 for side in sides):
        raise argparse.ArgumentTypeError(f"expected auto, N or HxW in pixels, got {text!r}")
    return int(sides[0]), int(sides[-1])


def _integer(text: str) -> int:
    try:
        return int(text)
    except ValueError:
        raise argparse.ArgumentTypeError(f"expected a whole number, got {text!r}") from None
