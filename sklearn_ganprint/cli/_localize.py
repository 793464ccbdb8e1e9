"""``ganprint localize``: which parts of images do not come from the source that they should."""

import argparse
import math
from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
from scipy import ndimage
from sklearn.pipeline import Pipeline

from sklearn_ganprint._batches import map_in_order
from sklearn_ganprint._output import printable
from sklearn_ganprint.cli import _arguments, _console, _images, _models, _pages
from sklearn_ganprint.cli._console import MESSAGES, Column, CommandError, Row, Table, columns
from sklearn_ganprint.cli._models import Model
from sklearn_ganprint.datasets import ImageReader, ImageReadError, estimate_history
from sklearn_ganprint.localization import FingerprintLocalizer, localize_images
from sklearn_ganprint.plotting import LocalizationDisplay
from sklearn_ganprint.residuals import is_grey

REQUIRES = ("rich", "skops", "jinja2", "matplotlib")
DESCRIPTION = (
    "Map how much more likely another source of the model is than the claimed one, part by part of "
    "each image, and mark the regions that are not from the claimed source. The model is from "
    "`ganprint fit --task localize`. Flat and saturated areas say nothing."
)

_ANSWER = columns("file", "claimed", "false_region", _console.P_VALUE, Column("score", "score", 2))
_BOX = Column("box", "largest region")
_FLAT = Column("flat", "flat", 3)
_COLUMNS = (
    *_ANSWER,
    *columns("n_regions", "pixels", "share", "left", "top", "width", "height"),
    _FLAT,
)
#: In a table one box takes one column.
_DIFFERS = Column("history_differs", "history differs")
_TABLE = columns(*_ANSWER, "pixels", _BOX, _FLAT, _DIFFERS)
_LAST = columns(_DIFFERS, "pixel_jpeg_quality")
_KEYS = (
    *(column.key for column in _COLUMNS),
    *("regions", "map", "mask", "error", "reason"),
    *(column.key for column in _LAST),
)

#: Files in OUT, by what they are.
_FILES = {"map": "maps/{}.png", "image": "images/{}.jpg", "mask": "masks/{}.png"}

#: Maps on the page, those with regions first; all are in the folder.
_SHOWN_MAPS = 300

#: Longer side of a map that is drawn, and of the copy of the image beside it, in pixels.
_MAP_SIDE, _COPY_SIDE = 1200, 640

#: Colours end at so many times the threshold, so that all pictures of a model share a scale.
_SCALE = 2.0


class Question(NamedTuple):
    """What is asked of the images."""

    model: Model
    claimed: Any  # a source, or None
    rate: float

    @property
    def size(self) -> tuple[int, int]:
        """Height and width of the images that the rate was set on."""
        height, width = self.model.classifier.image_shape_[:2]
        return height, width


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the command's arguments."""
    _arguments.add(parser, "model", "paths")
    parser.add_argument(
        "--claimed",
        metavar="SOURCE",
        help="the source that the images are said to be from, one of the model's (default: the "
        "most likely source of each whole image)",
    )
    _arguments.add(
        parser,
        "--false-alarm",
        help="share of clean images, of the size fitted on, that may get a false region, in (0, 1) "
        f"(default: {_arguments.LOCALIZATION_RATE:g})",
    )
    _arguments.add_out(parser, "a map of each image")
    parser.add_argument(
        "--masks",
        action="store_true",
        help="also write the regions of each image into the folder, white on black, as PNG",
    )
    _arguments.add(parser, "--format", "--jobs")


def run(args: argparse.Namespace) -> int:
    """Localize in each image, write and print what was found."""
    if args.masks and args.out is None:
        raise CommandError("--masks: expected --out DIR, the folder that they go to")
    question = _question(args)
    _pages.begin_out(args)
    failures: list[ImageReadError] = []
    files = list(_images.find_files(args, failures))
    MESSAGES.warn(_models.warning_of_few(question.model, question.rate))
    rows = _rows(files, failures, question, args)
    index = None
    if args.out is not None:
        table = Table(columns(*_COLUMNS, "map", "mask", "error", "reason", *_LAST), rows)
        page = _page(rows, question, failures, args)
        index = _pages.write_page(args.out, page, [("results.csv", _console.csv_file(table))])
    _print(rows, question, index, args)
    _pages.say_where(index, "maps and explanations")
    return _images.exit_status(len(failures), len(_console.judged(rows)))


def _question(args: argparse.Namespace) -> Question:
    """Load the model, find the claimed source in it, and set the rate."""
    model = _models.open_model(args.model, (_arguments.LOCALIZE,))
    rate = args.false_alarm or _arguments.LOCALIZATION_RATE
    model.classifier.set_false_alarm_rate(rate)
    if args.claimed is None:
        return Question(model, None, rate)
    return Question(model, _models.find_source(model, args.claimed, "--claimed", args.model), rate)


def _rows(
    files: list[str], failures: list[ImageReadError], question: Question, args: argparse.Namespace
) -> list[Row]:
    """Localize in each file, write its pictures, and make one row of it."""
    kinds = [] if args.out is None else ["map", "image", *["mask"] * args.masks]
    tasks = ((file, question.model.pipeline, question.claimed, kinds) for file in files)
    slugs = _pages.file_slugs(files)
    rows: list[Row] = []
    with MESSAGES.progress("localizing") as progress:
        for file, found in zip(files, map_in_order(locate_file, tasks, args.jobs), strict=True):
            if isinstance(found, ImageReadError):
                MESSAGES.say(found)
                failures.append(found)
                rows.append({})
            else:
                row, pictures = found
                names = {kind: _FILES[kind].format(slugs[file]) for kind in pictures}
                _pages.write_files(
                    args.out or "", zip(names.values(), pictures.values(), strict=True)
                )
                rows.append(row | names)
            progress(len(rows), len(files))
    return _images.file_rows(files, failures, _KEYS, rows.__getitem__)


def locate_file(
    path: str, model: Pipeline, claimed: Any, kinds: Sequence[str]
) -> tuple[Row, dict[str, bytes]] | ImageReadError:
    """Localize in one file; what is wrong with it is returned."""
    return _images.attempt(
        lambda name: locate(ImageReader().read_one(name), model, claimed, kinds), path
    )


def locate(
    image: np.ndarray, model: Pipeline, given: Any, kinds: Sequence[str]
) -> tuple[Row, dict[str, bytes]]:
    """Localize in an image of shape (H, W, 3): what was found, and pictures of some kinds.

    `given` is the source that is claimed; None claims the most likely one.
    """
    localizer = model[-1]
    found, (processed,) = localize_images(model, image[np.newaxis], given, return_processed=True)
    (values,), (mask,), (claimed,) = found
    processed = bool(processed)
    peak, flat = localizer.peak_of(values), float(np.isnan(values).mean())
    regions = _regions(mask)
    no_room = None if regions else _no_room(localizer, values, given)
    reason = _images.no_residual(model, image) or no_room
    n_pixels = sum(region["pixels"] for region in regions)
    largest = regions[0] if regions else {}
    # Of larger images than were fitted on, no chance of such a score in a clean one is known.
    n_known = math.prod(localizer.image_shape_[:2])
    row = {
        "claimed": None if reason and given is None else str(claimed),
        "false_region": "yes" if regions else None if reason else "no",
        "p_value": None if reason or mask.size > n_known else localizer.p_value_of(peak, processed),
        # A map without any region of the least size has no score.
        "score": peak if math.isfinite(peak) else None,
        "n_regions": len(regions),
        "share": n_pixels / mask.size,
        "box": "{width} x {height} at {left}, {top}".format(**largest) if regions else None,
        "flat": flat,
        "image_size": mask.shape,
        "grey": is_grey(image),
        "regions": regions,
        **largest,
        "pixels": n_pixels,
        "reason": reason,
        "history_differs": None if reason else "yes" if processed else "no",
        # One reason why it may differ, if pixels show it.
        "pixel_jpeg_quality": estimate_history(image).jpeg_quality if processed else None,
    }
    pictures = {}
    if "map" in kinds:
        threshold = localizer.threshold_of(processed)
        pictures["map"] = _drawn(values, image, mask, str(claimed), threshold)
    if "image" in kinds:
        pictures["image"] = _pages.small_copy(image, _COPY_SIDE)
    if "mask" in kinds:
        pictures["mask"] = _pages.mask_file(mask)
    return row, pictures


def _no_room(localizer: FingerprintLocalizer, values: np.ndarray, given: Any) -> str | None:
    """Say why no region can be found in a map, whatever the image is; None where one can be."""
    readable, least = ~np.isnan(values), localizer.min_region
    # Without a claim, the source of more than half of an image is the one that is tested.
    needed, rest = (2 * least, " and as many others") if given is None else (least, "")
    n_pixels = readable.sum()
    if n_pixels >= needed and localizer.peak_of(np.where(readable, np.inf, np.nan)) > 0:
        return None
    return (
        f"no room for a false region, of {least} connected pixels that are not flat{rest}: "
        f"{n_pixels} of {values.size} are not flat"
    )


def _regions(mask: np.ndarray) -> list[dict[str, int]]:
    """Give the size of each region and the box around it, in pixels."""
    labels, n_regions = ndimage.label(mask)
    counts = np.bincount(labels.ravel(), minlength=n_regions + 1)[1:]
    regions = [
        {
            "pixels": int(count),
            "left": int(columns.start),
            "top": int(rows.start),
            "width": int(columns.stop - columns.start),
            "height": int(rows.stop - rows.start),
        }
        for (rows, columns), count in zip(ndimage.find_objects(labels), counts, strict=True)
    ]
    return sorted(regions, key=lambda region: -region["pixels"])


def _drawn(
    values: np.ndarray, image: np.ndarray, mask: np.ndarray, claimed: str, threshold: float
) -> bytes:
    step = math.ceil(max(mask.shape) / _MAP_SIDE)
    figure, ax, bar = _pages.picture_with_bar(*mask.shape)
    display = LocalizationDisplay.from_map(
        values[::step, ::step],
        image=image[::step, ::step],
        mask=mask[::step, ::step],
        ax=ax,
        scale=_SCALE * threshold if 0 < threshold < math.inf else None,
        colorbar=False,
    )
    figure.colorbar(display.im_, cax=bar, extend="both")
    bar.set_ylabel(printable(f"evidence against {claimed}"), parse_math=False)
    return _pages.png(figure)


def _print(
    rows: Sequence[Row], question: Question, index: str | None, args: argparse.Namespace
) -> None:
    localizer = question.model.classifier
    document = {
        "model": args.model,
        "claimed": None if question.claimed is None else str(question.claimed),
        "false_alarm_rate": question.rate,
        "rate_holds_for": question.size,
        "calibration_images": len(localizer.calibration_peaks_),
        "threshold": localizer.threshold_,
        "report": index,
        "processed_threshold": getattr(localizer, "processed_threshold_", None),
    }
    hidden = {key for key in ("flat", "p_value") if not any(row[key] for row in rows)}
    if not any(row["history_differs"] == "yes" for row in rows):
        hidden.add("history_differs")
    _console.print_file_results(
        args.format,
        document,
        Table(_COLUMNS, rows),
        shown=[column for column in _TABLE if column.key not in hidden],
        notes=_notes(rows, question),
        appended=_LAST,
    )


def _page(
    rows: Sequence[Row],
    question: Question,
    failures: Sequence[ImageReadError],
    args: argparse.Namespace,
) -> str:
    """Fill the template with what one run has found."""
    images = _console.judged(rows)
    images.sort(key=lambda row: (row["false_region"] != "yes", -(row["score"] or 0)))
    return _pages.render_page(
        "localize",
        args,
        images=images[:_SHOWN_MAPS],
        n_more=max(0, len(images) - _SHOWN_MAPS),
        n_images=len(images),
        n_found=sum(row["false_region"] == "yes" for row in images),
        failures=failures,
        localizer=question.model.classifier,
        claimed=None if question.claimed is None else str(question.claimed),
        sources=question.model.labels,
        notes=_notes(rows, question),
        size=question.size,
    )


def _note_of_histories(rows: Sequence[Row], model: Model) -> list[str]:
    """Count the images that were processed as a whole, if there are some."""
    differ = [row for row in rows if row["history_differs"] == "yes"]
    if not differ:
        return []
    n_jpeg = sum(row["pixel_jpeg_quality"] is not None for row in differ)
    reason = f" ({n_jpeg} show JPEG compression)" * bool(n_jpeg)
    return [
        f"history differs: {len(differ)} of {len(rows)}{reason}; as a whole these are like "
        f"processed copies of the images that were fitted on, so that regions take evidence of "
        f"{model.classifier.processed_threshold_:.2f} in place of "
        f"{model.classifier.threshold_:.2f}, and fewer are found"
    ]


def _notes(rows: Sequence[Row], question: Question) -> list[str]:
    """Say what was found, and at which rate of false alarms."""
    rows = _console.judged(rows)
    n_found = sum(row["false_region"] == "yes" for row in rows)
    height, width = question.size
    # Of few images no lower rate can be kept.
    rate = max(question.rate, question.model.smallest_known_p_value)
    found = [
        f"images with a false region: {n_found} of {len(rows)}",
        f"at most {100 * rate:.3g} % of clean images of {height} x {width} pixels get one; regions "
        f"are calibrated on {question.model.calibration_in_words}",
    ]
    n_larger = sum(row["image_size"][0] * row["image_size"][1] > height * width for row in rows)
    if n_larger:
        found.append(
            f"larger than that: {n_larger}; there the rate holds for parts of {height} x {width}, "
            f"so that more of the clean images get a false region"
        )
    if n_silent := sum(row["reason"] is not None for row in rows):
        found.append(f"no verdict, for the reason given: {n_silent} of {len(rows)}")
    found += _note_of_histories(rows, question.model)
    n_mostly = sum(row["share"] > 0.5 for row in rows)
    if n_mostly:
        found.append(
            f"marked for more than half: {n_mostly}; such an image more likely comes from "
            f"elsewhere as a whole, or was edited or saved anew as a whole"
        )
    n_grey = sum(row["grey"] and row["flat"] < 1 for row in rows)
    if n_grey and question.model.residual.channels != "luminance":
        found.append(
            f"grey: {n_grey}; the answers of a model of colour images mean little for these"
        )
    if question.claimed is None:
        found.append(
            "no source was claimed, so each image is tested against the source most likely for the "
            "whole image; if much of an image is from elsewhere, that source may be the wrong one, "
            "and the rest be marked"
        )
    return found
