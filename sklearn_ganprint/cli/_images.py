"""The images that a command is given, and what is to be said of them."""

import argparse
import math
from collections import Counter
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

from sklearn_ganprint.cli._arguments import AUTO_SHARE, AUTO_SIDE
from sklearn_ganprint.cli._console import MESSAGES
from sklearn_ganprint.cli._errors import CommandError

if TYPE_CHECKING:
    import numpy as np
    from sklearn.utils import Bunch

    from sklearn_ganprint.datasets import ImageReadError


def attempt(function: "Callable[[str], Any]", path: str) -> Any:
    """Return ``function(path)``, or an ImageReadError that says what went wrong with the file.

    One file must not end a command, whatever it is that goes wrong with it.
    """
    from sklearn_ganprint.datasets import ImageReadError

    try:
        return function(path)
    except ImageReadError as error:
        # A fresh one: the traceback of the other would keep the image in memory.
        return ImageReadError(error.filename, error.reason)
    except MemoryError:
        return ImageReadError(path, "takes more memory than there is")
    except ValueError as error:
        return ImageReadError(path, str(error))
    except Exception as error:
        return ImageReadError(path, f"unexpected {type(error).__name__}: {error}")


def collect_failures(failures: "list[ImageReadError]") -> "Callable[[ImageReadError], None]":
    """Make a callable for `on_error`, which names a file that fails and adds it to a list."""

    def fail(error: "ImageReadError") -> None:
        MESSAGES.say(str(error))
        failures.append(error)

    return fail


def exit_status(failures: "Sequence[Any]", n_used: int) -> int:
    """Sum up on stderr what could not be used, and give the exit status of the command."""
    if failures:
        rest = "all others were" if n_used else "there were no others"
        MESSAGES.say(f"{len(failures)} could not be used; {rest}")
    return 1 if failures else 0


def find_images(args: argparse.Namespace, **params: Any) -> "Bunch":
    """List labelled files, and say which of them cannot be used and what may mislead.

    `params` are further ones of `load_image_folder`. What may mislead is in ``bunch.warnings``.
    """
    from sklearn_ganprint.datasets import ImageReader, confounds, load_image_folder

    bunch = load_image_folder(
        args.source,
        layout=args.layout,
        reader=ImageReader(crop=args.crop, anchor=args.anchor),
        load_content=False,
        n_jobs=args.jobs,
        **params,
    )
    bunch.warnings = [
        f"{difference}; what tells these apart may be that, not the source"
        for difference in confounds(bunch)
    ]
    bunch.warnings += [
        f"{copy} is a copy of {original}; both are used" for copy, original in bunch.duplicates
    ]
    for warning in bunch.warnings:
        MESSAGES.warn(warning)
    for failure in bunch.failures:
        MESSAGES.say(str(failure))
    return bunch


def inspect_images(
    files: Sequence[str],
    args: argparse.Namespace,
    failures: "list[ImageReadError]",
    *,
    quiet: bool = False,
) -> "Bunch":
    """Read the headers of files; those that cannot be used become failures, and are named.

    Returns the Bunch of `datasets.inspect_images`.
    """
    from sklearn_ganprint import datasets

    reader = datasets.ImageReader(crop=args.crop, anchor=args.anchor, n_jobs=args.jobs)
    bunch = datasets.inspect_images(files, reader=reader)
    for failure in bunch.failures if not quiet else ():
        MESSAGES.say(str(failure))
    failures += bunch.failures
    if not len(bunch.filenames):
        first = bunch.failures[0]
        raise CommandError(f"none of the {len(files)} files can be used; the first: {first}")
    return bunch


def auto_crop(bunch: "Bunch", *, whole: bool = False) -> tuple[int, int]:
    """Find the largest square, up to a limit, that nearly all of the files can give.

    If `whole`, it is the size that most of them have: that of a sensor.
    """
    import numpy as np

    if whole:
        sizes = Counter(zip(bunch.heights.tolist(), bunch.widths.tolist(), strict=True))
        ((height, width), n_whole), *_ = sizes.most_common()
        MESSAGES.say(
            f"--crop auto: {height} x {width} pixels, the size of {n_whole} of "
            f"{len(bunch.heights)} files"
        )
        return height, width
    sides = np.sort(np.minimum(bunch.widths, bunch.heights))
    n_smaller = math.floor((1 - AUTO_SHARE) * len(sides) + 1e-9)
    side = min(AUTO_SIDE, int(sides[n_smaller]))
    n_fitting = int((sides >= side).sum())
    MESSAGES.say(
        f"--crop auto: {side} x {side} pixels, which {n_fitting} of {len(sides)} files can give"
    )
    return side, side


def file_properties(bunch: "Bunch", own: "np.ndarray") -> dict[str, Any]:
    """Sum up some of the files: formats and sizes, most frequent first, and JPEG quality."""
    import numpy as np

    quality = bunch.jpeg_quality[own]
    quality = quality[~np.isnan(quality)]
    sizes = [f"{w} x {h}" for w, h in zip(bunch.widths[own], bunch.heights[own], strict=True)]
    return {
        "formats": [name for name, _ in Counter(bunch.formats[own].tolist()).most_common()],
        "sizes": [size for size, _ in Counter(sizes).most_common()],
        "jpeg_quality": float(np.median(quality)) if len(quality) else None,
    }
