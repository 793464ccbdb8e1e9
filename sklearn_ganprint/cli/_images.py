"""The images that a command is given, and what is to be said of them."""

import argparse
import math
import os
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import chain
from typing import Any, TypeVar

import numpy as np
from sklearn.utils import Bunch

from sklearn_ganprint import datasets
from sklearn_ganprint._output import Url, as_names
from sklearn_ganprint.cli._arguments import AUTO_SHARE, AUTO_SIDE
from sklearn_ganprint.cli._console import MESSAGES, Column, CommandError, Row, one_line
from sklearn_ganprint.datasets import ImageHistory, ImageReader, ImageReadError
from sklearn_ganprint.ensemble import PHOTO_NAMES
from sklearn_ganprint.experiments import audit_files
from sklearn_ganprint.files import MIN_SIDE, FileBatchEstimator, FileHistory
from sklearn_ganprint.residuals import lack_residual, residual_share, share_in_words

Answer = TypeVar("Answer")

#: Columns of what `file_properties` gives.
PROPERTIES = (
    Column("formats", "format"),
    Column("sizes", "size"),
    Column("jpeg_quality", "JPEG quality", 0),
)


def attempt(function: Callable[[str], Answer], path: str) -> Answer | ImageReadError:
    """Return ``function(path)``, or an ImageReadError that says what went wrong with the file.

    One file must not end a command, whatever goes wrong with it.
    """
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


def collect_failures(failures: list[ImageReadError]) -> Callable[[ImageReadError], None]:
    """Make a callable for `on_error`, which names a file that fails and adds it to a list."""

    def fail(error: ImageReadError) -> None:
        MESSAGES.say(error)
        failures.append(error)

    return fail


def fit_files(
    estimator: Any,
    bunch: Bunch,
    crop: tuple[int, int],
    args: argparse.Namespace,
    failures: list[ImageReadError],
    title: str,
    checkpoint: str | None = None,
    **fit_params: Any,
) -> FileBatchEstimator:
    """Fit an estimator on files as the arguments say; `failures` gets those that cannot be read."""
    if checkpoint is not None and os.path.exists(checkpoint):
        MESSAGES.say(f"going on with what {checkpoint} holds")
    with MESSAGES.progress(title) as progress:
        return FileBatchEstimator(
            estimator,
            reader=_reader(crop, args, any_size=takes_any_size(estimator)),
            batch_size=args.batch_size,
            n_jobs=args.jobs,
            on_error=collect_failures(failures),
            progress=progress,
            checkpoint=checkpoint,
        ).fit(bunch.filenames, **fit_params)


def takes_any_size(estimator: Any) -> bool:
    """Whether images smaller than the crop can be fitted on whole."""
    return FileBatchEstimator(estimator).takes_any_size


def _reader(
    crop: tuple[int, int] | None, args: argparse.Namespace, *, any_size: bool
) -> ImageReader:
    return ImageReader(crop, anchor=args.anchor, min_side=MIN_SIDE if any_size else None)


def no_residual(pipeline: Any, image: np.ndarray) -> str | None:
    """Say why an image has no answer, if it has no residual."""
    params = pipeline.get_params().items()
    ranges = [value for name, value in params if name.rpartition("__")[2] == "data_range"]
    images, white = image[np.newaxis], [*ranges, 255.0][0]
    if not lack_residual(images, white).any():
        return None
    return share_in_words(float(residual_share(images, white)[0]))


def digest(path: str) -> Row:
    """Return the SHA-256 of a file and its size, or nothing of what cannot be read."""
    ((size, found),) = datasets.content_keys([path], read_all=True)
    known = size >= 0 and found != path
    return {"sha256": found if known else None, "bytes": size if known else None}


def failure_rows(failures: Sequence[ImageReadError]) -> list[dict[str, str]]:
    """Give the files that could not be used, and why, for a JSON document."""
    return [{"file": e.filename, "reason": one_line(e.reason)} for e in failures]


def file_rows(
    files: Sequence[str],
    failures: Sequence[ImageReadError],
    keys: Sequence[str],
    row: Callable[[int], Row],
) -> list[Row]:
    """Make one row a file, of ``row(position)``, and one for each folder that could not be listed.

    All rows have all `keys`, as None where there is no answer.
    """
    errors = {failure.filename: one_line(failure.reason) for failure in failures}
    rows = []
    for position, file in enumerate(files):
        found = {} if file in errors else row(position)
        rows.append({**dict.fromkeys(keys), **found, "file": file, "error": errors.pop(file, None)})
    rest = ({"file": name, "error": reason} for name, reason in errors.items())
    return rows + [{**dict.fromkeys(keys), **failed} for failed in rest]


def history_cells(history: FileHistory) -> Row:
    """Give what a file has been through, in words and in its parts."""
    pixels = history.pixels or ImageHistory()
    return {
        "history": str(history),
        "format": history.format,
        "width": history.width,
        "height": history.height,
        "jpeg_quality": history.jpeg_quality,
        "pixel_jpeg_quality": pixels.jpeg_quality,
        "jpeg_grid": pixels.grid,
    }


def exit_status(n_failed: int, n_used: int) -> int:
    """Sum up on stderr what could not be used, and give the exit status of the command."""
    if not n_failed:
        return 0
    rest = "all others were" if n_used else "there were no others"
    MESSAGES.say(f"{n_failed} could not be used; {rest}")
    return 1


def find_files(args: argparse.Namespace, failures: list[ImageReadError]) -> Iterator[str]:
    """Give the files and those in folders, each once; raise where there is none.

    A folder is listed when the files before it are taken. Folders that fail to open are named, and
    added to `failures`. Files in ``--out`` and ``--resume`` are left out, which an earlier run, or
    this one, has written.
    """
    options = ((option, getattr(args, option, None)) for option in ("out", "resume"))
    written = {f"--{option} {folder}": folder for option, folder in options if folder is not None}
    inside = tuple(os.path.join(os.path.realpath(folder), "") for folder in written.values())
    found = _each_once(args.paths, failures)
    if inside:
        found = ((file, there) for file, there in found if not _lies_in(file, inside))
    first = []
    for file, there in found:
        first.append(file)
        if there:
            return chain(first, (file for file, _ in found))
    outside = f" outside of {' and '.join(written)}" if written else ""
    raise CommandError(
        f"no image found{outside}: expected files that exist, or folders that hold some, got "
        f"{', '.join(args.paths)}"
    )


def _lies_in(file: str, folders: tuple[str, ...]) -> bool:
    return not isinstance(file, Url) and os.path.realpath(file).startswith(folders)


def _each_once(paths: Sequence[str], failures: list[ImageReadError]) -> Iterator[tuple[str, bool]]:
    """Yield names of files, and whether there is anything under them.

    Files of a folder are listed together, so that folders are remembered, and not all files.
    """
    names = dict.fromkeys(as_names(paths))
    known: set[str] = set()  # names that were yielded, and folders of which all other files were
    failed: set[str] = set()
    collect = collect_failures(failures)

    def fail(error: ImageReadError) -> None:
        if error.filename not in failed:
            failed.add(error.filename)
            collect(error)

    for name in names:
        folders: set[str] = set()
        try:
            for file in datasets.walk_images(name, fail):
                # With its separator, since an archive may come up as a file and as a folder.
                key = file if file in names else os.path.join(os.path.dirname(file), "")
                if key not in known:
                    yield file, True
                (known if file in names else folders).add(key)
        except FileNotFoundError:  # named when it is read
            yield name, False
        known |= folders


def find_images(args: argparse.Namespace, *, any_size: bool = False, **params: Any) -> Bunch:
    """List labelled files, and say which of them cannot be used and what may mislead.

    Those smaller than the crop can be used if they may have `any_size`. `params` are further ones
    of `load_image_folder`. What may mislead is in ``bunch.warnings``.
    """
    bunch = datasets.load_image_folder(
        args.source,
        layout=args.layout,
        reader=_reader(args.crop, args, any_size=any_size),
        load_content=False,
        n_jobs=args.jobs,
        **params,
    )
    bunch.warnings = [
        f"{difference}; what tells these apart may be that, not the source"
        for difference in datasets.confounds(bunch)
    ]
    bunch.warnings += [
        f"{copy} is a copy of {original}; both are used" for copy, original in bunch.duplicates
    ]
    MESSAGES.warn(*bunch.warnings)
    MESSAGES.say(*bunch.failures)
    return bunch


def named_photos(given: list[str] | None, sources: list[str]) -> list[str]:
    """Tell which sources are photos: those that are named, or have a usual name."""
    found = [source for source in sources if source in (given or PHOTO_NAMES)]
    if lost := set(given or ()).difference(found):
        listed = ", ".join(sources)
        raise CommandError(f"--photos {min(lost)}: expected some of the sources {listed}")
    return found


def find_photos(given: list[str] | None, sources: list[str]) -> list[str]:
    """Tell which sources are photos; some must be, and some must not."""
    found, listed = named_photos(given, sources), ", ".join(sources)
    if not found:
        raise CommandError(
            f"--task detect: none of the sources {listed} is called {', '.join(PHOTO_NAMES)}; name "
            f"those that are photos with --photos"
        )
    if len(found) == len(sources):
        raise CommandError(
            f"--task detect: all sources, {listed}, are photos; add a folder for each generator"
        )
    return found


def inspect_images(
    files: Sequence[str],
    args: argparse.Namespace,
    failures: list[ImageReadError],
    *,
    quiet: bool = False,
) -> Bunch:
    """Read the headers of files; those that cannot be used become failures, and are named."""
    reader = ImageReader(crop=args.crop, anchor=args.anchor, n_jobs=args.jobs)
    bunch = datasets.inspect_images(files, reader=reader)
    if not quiet:
        MESSAGES.say(*bunch.failures)
    failures += bunch.failures
    if not len(bunch.filenames):
        first = bunch.failures[0]
        raise CommandError(f"none of the {len(files)} files can be used; the first: {first}")
    return bunch


def auto_crop(
    bunch: Bunch, *, whole_from: float = math.inf, any_size: bool = False
) -> tuple[int, int]:
    """Find the largest square, up to a limit, that nearly all of the files can give.

    Where a share of the files of `whole_from` or more has one size, that size is taken. If images
    may have `any_size`, those that are too small in any case do not count.
    """
    n_files = len(bunch.heights)
    ((height, width), n_whole), *_ = sizes_of(bunch).most_common()
    if n_whole >= whole_from * n_files:
        MESSAGES.say(
            f"--crop auto: {height} x {width} pixels, the size of {n_whole} of {n_files} files"
        )
        return height, width
    sides = np.minimum(bunch.widths, bunch.heights)
    large = sides >= MIN_SIDE
    # Few files of less are left out; where most are so small, they are what there is.
    side = _given_by(AUTO_SHARE, sides[large] if any_size and large.mean() > 0.5 else sides)
    n_fitting = int((sides >= side).sum())
    n_whole = int((large & (sides < side)).sum()) if any_size else 0
    are = "is" if n_whole == 1 else "are"
    whole = f"; {n_whole} {are} smaller, and used whole" if n_whole else ""
    MESSAGES.say(
        f"--crop auto: {side} x {side} pixels, which {n_fitting} of {n_files} files can give{whole}"
    )
    MESSAGES.warn(_warning_of_shrinking(bunch.filenames, sides, side, any_size=any_size))
    return side, side


def _given_by(share: float, sides: np.ndarray) -> int:
    """Find the longest side, up to a limit, that a share of the files can give."""
    n_smaller = math.floor((1 - share) * len(sides) + 1e-9)
    return min(AUTO_SIDE, int(np.sort(sides)[n_smaller]))


def _warning_of_shrinking(
    names: Sequence[str], sides: np.ndarray, side: int, *, any_size: bool
) -> str | None:
    """Say that some small files take more than half of the pixels from all others, if so."""
    usual = _given_by(0.5, sides)
    if 2 * side**2 >= usual**2:
        return None
    smallest, n_smaller = names[int(sides.argmin())], (sides < usual).sum()
    return (
        f"--crop auto: {side} x {side} pixels of each file in place of {usual} x {usual}, because "
        f"{n_smaller} of {len(sides)} are smaller, such as {smallest}. Leave these out, or set "
        f"--crop {usual}, with which they are {'used whole' if any_size else 'refused'}"
    )


def check_crop(bunch: Bunch, crop: tuple[int, int]) -> None:
    """Refuse a crop larger than all files, and warn of one larger than most.

    Beyond the files fingerprints are empty, but as large as the crop.
    """
    largest = int(bunch.heights.max()), int(bunch.widths.max())
    if crop[0] > largest[0] or crop[1] > largest[1]:
        height, width = np.minimum(crop, largest).tolist()
        raise CommandError(
            f"--crop {crop[0]}x{crop[1]}: no file has as many rows and columns; leave --crop out, "
            f"or choose at most {height}x{width}"
        )
    n_files = len(bunch.heights)
    n_large = int(((bunch.heights >= crop[0]) & (bunch.widths >= crop[1])).sum())
    usual = _given_by(0.5, np.minimum(bunch.heights, bunch.widths))
    if 2 * n_large < n_files and crop[0] * crop[1] > usual**2:
        MESSAGES.warn(
            f"--crop {crop[0]}x{crop[1]}: only {n_large} of {n_files} files are so large, and the "
            f"model takes space for all of it: {crop[0] * crop[1] / usual**2:.3g} times that of "
            f"--crop {usual}, which half of the files can give"
        )


def look_before_fit(bunch: Bunch, crop: tuple[int, int], args: argparse.Namespace) -> list[str]:
    """Warn of a small crop; say what an audit of seconds finds, of files unless that was said.

    Return all that was found, of files too.
    """
    if min(crop) < MIN_SIDE:
        MESSAGES.warn(
            f"a crop of {crop[0]} x {crop[1]} pixels holds little of a trace, and its answers are "
            f"worth as little; {MIN_SIDE} x {MIN_SIDE} or more are advised"
        )
    reader = ImageReader(crop, anchor=args.anchor, n_jobs=args.jobs, min_side=MIN_SIDE)
    said = datasets.confounds(bunch)
    found = audit_files(bunch, reader=reader, properties=not said)
    what = "; ".join(found) or "found nothing more"
    MESSAGES.say(
        f"quick audit: {what}. `ganprint audit` measures what else may tell the sources apart"
    )
    return [*said, *found]


def sizes_of(bunch: Bunch) -> Counter[tuple[int, int]]:
    """Count the files of each height and width."""
    return Counter(zip(bunch.heights.tolist(), bunch.widths.tolist(), strict=True))


def file_properties(bunch: Bunch, own: np.ndarray) -> dict[str, Any]:
    """Sum up some of the files: formats and sizes, most frequent first, and JPEG quality."""
    quality = bunch.jpeg_quality[own]
    quality = quality[~np.isnan(quality)]
    sizes = (f"{w} x {h}" for w, h in zip(bunch.widths[own], bunch.heights[own], strict=True))
    return {
        "formats": _most_common(bunch.formats[own].tolist()),
        "sizes": _most_common(sizes),
        "jpeg_quality": float(np.median(quality)) if len(quality) else None,
    }


def _most_common(values: Iterable[str]) -> list[str]:
    return [value for value, _ in Counter(values).most_common()]
