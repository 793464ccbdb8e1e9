"""The labelled images that a command is given, and what is to be said of them."""

import argparse
import math
from collections import Counter
from typing import TYPE_CHECKING, Any

from sklearn_ganprint.cli._arguments import AUTO_SHARE, AUTO_SIDE
from sklearn_ganprint.cli._console import MESSAGES

if TYPE_CHECKING:
    from sklearn.utils import Bunch


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
