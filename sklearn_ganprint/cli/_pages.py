"""Pages for a browser: their templates and pictures, and how they are written to a folder."""

import argparse
import copy
import html
import io
import math
import os
import re
import shlex
import tempfile
from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import count
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image
from sklearn.metrics import ConfusionMatrixDisplay, RocCurveDisplay

import sklearn_ganprint
from sklearn_ganprint import plotting
from sklearn_ganprint._output import printable, remove_abandoned, write_file
from sklearn_ganprint.cli._console import MESSAGES, CommandError
from sklearn_ganprint.cli._images import attempt
from sklearn_ganprint.datasets import ImageReader, ImageReadError
from sklearn_ganprint.experiments import AttributionResult

#: The page that a command ends with.
PAGE = "index.html"

#: Letters of a part of a file's name, at the most: file systems take some 255 bytes in all, and
#: beginnings, numbers and extensions are added.
_LONGEST = 80

#: What means something in Markdown, beside HTML. All readers of it know the escape of the first
#: ones, and entities in place of the others.
_MARKUP = re.compile(r"([\\`*_{}\[\]#])|[|~$]|:(?=//)|(?<=www)\.", re.IGNORECASE)

_DPI = 110
#: Inches that a picture of an image is wide, and its colour bar.
_PICTURE, _BAR = 6.0, 1.2
#: Lags of an autocorrelation that are shown.
_MAX_LAG = 32

#: Longer side of a small copy of an image, in pixels.
_THUMBNAIL = 220


def begin_out(args: argparse.Namespace) -> None:
    """Begin the folder ``--out`` of a command that makes one only if asked to.

    An earlier page is taken out of it: the page is written last, if all that it shows exists.
    """
    if args.out is not None:
        check_folder(args.out, force=args.force, files="the files of an earlier run")
        probe_folder(args.out)
        Path(args.out, PAGE).unlink(missing_ok=True)


def check_folder(out: str, *, force: bool, files: str) -> None:
    """Refuse a folder that holds something already, unless forced to.

    `files` names what would be replaced, such as "the demo's files".
    """
    if os.path.lexists(out) and not os.path.isdir(out):
        raise CommandError(f"--out {out}: expected a folder, this is a file")
    remove_abandoned(Path(out))
    if os.path.isdir(out) and os.listdir(out) and not force:
        raise CommandError(
            f"--out {out}: the folder is not empty; name another, or replace {files} in it with "
            f"--force"
        )


def check_file(option: str, path: str, *, force: bool, read: Sequence[str] = ()) -> None:
    """Refuse the name of a file that cannot be written, or is read, before hours of work."""
    for other in read:
        if os.path.isfile(path) and os.path.exists(other) and os.path.samefile(path, other):
            raise CommandError(f"{option} {path}: this file is read, and would be lost")
    if os.path.isdir(path):
        raise CommandError(f"{option} {path}: expected the name of a file, this is a folder")
    if os.path.lexists(path) and not force:
        raise CommandError(f"{option} {path}: the file exists; --force replaces it")
    if os.path.exists(path) and not os.path.isfile(path):
        raise CommandError(f"{option} {path}: expected the name of a file, this is a device")
    # A link is written through.
    folder = os.path.dirname(os.path.realpath(path) if os.path.islink(path) else path) or "."
    if not os.path.isdir(folder):
        raise CommandError(f"{option} {path}: there is no folder {folder}")
    _probe(f"{option} {path}", folder)


def probe_folder(out: str) -> None:
    """Make a folder if there is none, and try to write into it."""
    try:
        os.makedirs(out, exist_ok=True)
    except OSError as error:
        raise CommandError(f"--out {out}: cannot be written to: {error.strerror}") from error
    _probe(f"--out {out}", out)


def _probe(option: str, folder: str) -> None:
    """Try to write into a folder, and leave nothing there even if killed."""
    try:
        with tempfile.TemporaryFile(dir=folder):
            pass
    except OSError as error:
        raise CommandError(f"{option}: cannot be written to: {error.strerror}") from error


def render_page(command: str, args: argparse.Namespace, /, **values: Any) -> str:
    """Fill the template of a command, ``COMMAND.html.jinja``; every value in it must be given."""
    values |= {"args": args, "command": command, "version": sklearn_ganprint.__version__}
    command_line = shlex.join(["ganprint", *args.words])
    template = environment().get_template(f"{command}.html.jinja")
    return template.render(command_line=command_line, **values)


def render_markdown(template: str, **values: Any) -> str:
    """Fill a template of Markdown, which shows names as they are; every value must be given."""
    made = environment().overlay(autoescape=False, finalize=_in_markdown)
    return f"{made.get_template(template).render(**values)}\n"


def _in_markdown(value: Any) -> Any:
    """Write text so that Markdown shows it as it is, on one line."""
    if type(value) is not str:
        return "–" if value is None else value
    return _MARKUP.sub(_escaped, html.escape(printable(value), quote=False))


def _escaped(found: re.Match[str]) -> str:
    return f"\\{found[0]}" if found[1] else f"&#{ord(found[0])};"


def environment() -> Any:
    """Return the jinja2 environment of templates that extend ``page.html.jinja``."""
    import jinja2

    made = jinja2.Environment(
        loader=jinja2.FileSystemLoader(Path(__file__).parent / "templates"),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        # No name breaks the encoding of the page or reverses its text.
        finalize=lambda value: printable(value) if type(value) is str else value,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    made.filters.update(percent=percent, number=number, sides=sides, cut=cut)
    made.filters.update(place=place_in_words, period=period_in_words)
    return made


def cut(text: str, length: int) -> str:
    """Cut a long name, which may be anything, to a number of letters."""
    return text if len(text) <= length else f"{text[: length - 1]}…"


def place_in_words(anchor: str) -> str:
    """Write where a crop is cut from an image."""
    return "at the top left" if anchor == "top-left" else "from the middle"


def sides(size: tuple[int, ...]) -> str:
    """Write height and width as pages do, the width first."""
    return f"{size[1]} × {size[0]}"


def period_in_words(period: tuple[int | None, int | None]) -> str:
    """Write the vertical and horizontal periods of a fingerprint."""
    words = [
        f"every {length} pixels {way}"
        for length, way in zip(period, ("down", "across"), strict=True)
        if length is not None
    ]
    return f"it repeats {' and '.join(words)}" if words else "no period stands out from the noise"


def percent(share: float, digits: int = 0) -> str:
    """Write a share in percent, on one line."""
    return f"{100 * share:.{digits}f}\N{NO-BREAK SPACE}%"


def number(value: float | None, digits: int) -> str:
    """Write a number, or a dash where there is none."""
    return f"{value:.{digits}f}" if value is not None and math.isfinite(value) else "–"


def write_files(folder: str, files: Iterable[tuple[str, bytes]]) -> str:
    """Write files in their order, each whole or not at all, and return the path of the last.

    No other files of the folder are replaced.
    """
    path = folder
    for name, content in files:
        path = os.path.join(folder, name)
        os.makedirs(os.path.dirname(path) or ".", exist_ok=True)
        write_file(Path(path), content)
    return path


def say_where(index: str | None, what: str = "pictures and explanations") -> None:
    """Name the page, if there is one."""
    if index is not None:
        MESSAGES.say(f"{what}: {index}")


def write_page(folder: str, page: str, files: Sequence[tuple[str, bytes]] = ()) -> str:
    """Write the page of a command, after the files that it links to, and return its path.

    The page comes last: where there is one, all that it shows is there too.
    """
    return write_files(folder, [*files, (PAGE, page.encode("utf-8"))])


def file_slugs(files: Iterable[str]) -> dict[str, str]:
    """Give each file a slug of its name without folder and extension."""
    return slugs(files, lambda file: Path(file).stem)


def slugs(names: Iterable[object], short: Callable[[str], str] = str) -> dict[str, str]:
    """Give each name a part of a file's name that is plain, and no other's.

    Where two names would have the same one, the later gets a number. Capitals do not tell them
    apart, as they do not on every file system.
    """
    found: dict[str, str] = {}
    taken: set[str] = set()
    numbers: dict[str, Iterator[int]] = {}
    for name in dict.fromkeys(map(str, names)):
        slug = plain = re.sub(r"[^A-Za-z0-9_-]+", "-", short(name))[:_LONGEST]
        number = numbers.setdefault(plain.lower(), count(2))
        while slug.lower() in taken:
            slug = f"{plain}-{next(number)}"
        taken.add(slug.lower())
        found[name] = slug
    return found


def new_figure(width: float, height: float, *, layout: Any = "constrained") -> Any:
    """Return a figure of a size in inches."""
    # Not by pyplot, whose figures belong to the whole process and may open windows.
    from matplotlib.figure import Figure

    return Figure(figsize=(width, height), dpi=_DPI, layout=layout)


def picture_with_bar(n_rows: int, n_columns: int) -> tuple[Any, Any, Any]:
    """Make a figure that a picture of a shape fills but for a colour bar on the right."""
    wide = _PICTURE * min(1.0, 1.5 * n_columns / n_rows)
    width, height = wide + _BAR, max(wide * n_rows / n_columns, 1.6)
    figure = new_figure(width, height, layout=None)
    picture = figure.add_axes((0, 0, wide / width, 1))
    bar = figure.add_axes(((wide + 0.15) / width, 0.08, 0.2 / width, 0.84))
    return figure, picture, bar


def new_axes(width: float, height: float, *, layout: str = "constrained") -> Any:
    """Return the axes of a figure of a size in inches; a matrix takes a compressed layout."""
    return new_figure(width, height, layout=layout).subplots()


def png(figure: Any) -> bytes:
    """Write a figure as PNG; equal figures give equal bytes."""
    # Leave out the version of matplotlib.
    return _saved(figure, format="png", metadata={"Software": None})


def svg(figure: Any) -> bytes:
    """Write a figure as SVG; equal figures give equal bytes."""
    import matplotlib as mpl

    # Without a salt the names of parts are random.
    with mpl.rc_context({"svg.hashsalt": "sklearn_ganprint"}):
        return _saved(figure, format="svg", metadata={"Creator": None, "Date": None})


def _saved(figure: Any, **how: Any) -> bytes:
    buffer = io.BytesIO()
    # A constrained layout moves the axes a little at each drawing: a copy gives the same bytes
    # whatever was written before.
    copy.deepcopy(figure).savefig(buffer, **how)
    return buffer.getvalue()


def roc_curves(result: AttributionResult, *, zoom: float = 1) -> Any:
    """Draw the ROC curve of each source against all others, or their upper left corner."""
    from matplotlib import rcParams, rcsetup

    ax = new_axes(6.4, 6.2)
    # More sources than colours: the line style tells those of one colour apart.
    styles = rcsetup.cycler(linestyle=("-", "--", ":"))
    ax.set_prop_cycle(styles * rcParams["axes.prop_cycle"])
    for column, label in enumerate(result.classes):
        RocCurveDisplay.from_predictions(
            result.y_test == label,
            result.scores[:, column],
            name=printable(str(label)),
            ax=ax,
            plot_chance_level=column == len(result.classes) - 1,
        )
    ax.set(
        xlabel="share of other sources' images accepted",
        ylabel="share of the source's own images accepted",
        title="Each source against all others",
        xlim=(-0.01 / zoom, 1.01 / zoom),
        ylim=(1 - 1.01 / zoom, 1 + 0.01 / zoom),
    )
    _take_literally(ax.legend(loc="lower right", fontsize="small").get_texts())
    return ax.figure


def confusion(result: AttributionResult, *, blank_below: float = 0) -> Any:
    """Draw the confusion matrix in shares of each source's images, small ones without number."""
    side = 4.2 + 0.4 * len(result.classes)
    display = ConfusionMatrixDisplay.from_predictions(
        result.y_test,
        result.y_pred,
        labels=result.classes,
        display_labels=[printable(str(label)) for label in result.classes],
        normalize="true",
        values_format=".0%",
        cmap="Blues",
        xticks_rotation=45,
        colorbar=False,
        im_kw={"vmin": 0, "vmax": 1},
        ax=new_axes(side, side),
    )
    display.ax_.set(xlabel="attributed to", ylabel="made by", title="Where each source's images go")
    for share, text in zip(display.confusion_matrix.flat, display.text_.flat, strict=True):
        # scikit-learn chooses ink for a scale that ends at the greatest share, not at 1.
        colour = "white" if share > 0.6 else "black"
        text.set(visible=bool(share >= blank_below), color=colour)
    for tick in display.ax_.get_xticklabels():
        tick.set(ha="right", rotation_mode="anchor")
    _take_literally([*display.ax_.get_xticklabels(), *display.ax_.get_yticklabels()])
    return display.figure_


def fingerprint(values: np.ndarray, name: str) -> Any:
    """Draw a fingerprint of shape (H, W) or (H, W, C)."""
    ax = _framed(values.shape[:2])
    return plotting.FingerprintDisplay.from_fingerprint(values, name=name, ax=ax).figure_


def class_fingerprint(result: AttributionResult, label: Any) -> Any:
    """Draw the fingerprint of one class of the estimator behind a result."""
    ax = _framed((1, 1))
    return plotting.FingerprintDisplay.from_estimator(result.estimator, label, ax=ax).figure_


def _framed(shape: tuple[int, ...]) -> Any:
    """Return the axes of a figure for a picture of a shape and its colour bar.

    The frame is fixed: else the labels of the colour bar would change the size of the picture.
    """
    height = min(max(4.0 * shape[0] / shape[1], 2.0), 8.0)
    figure = new_figure(4.6, height, layout=None)
    frame = {"left": 0.02, "right": 0.92, "bottom": 0.03, "top": 1 - 0.32 / height}
    return figure.subplots(gridspec_kw=frame)


def autocorrelation(values: np.ndarray, name: str) -> Any:
    """Draw the middle of the autocorrelation of a fingerprint, given all its lags."""
    max_lag = min(_MAX_LAG, *(max(side // 2 - 1, 1) for side in values.shape))
    display = plotting.AutocorrelationDisplay.from_autocorrelation(
        values, name=name, max_lag=max_lag, ax=new_axes(5.0, 4.4)
    )
    return display.figure_


def comparison(found: Any, level: float, *, by_features: bool = False) -> Any:
    """Draw a ModelComparison; pairs with a p-value up to `level` that are alike are framed."""
    label = "similarity of features" if by_features else "correlation of fingerprints"
    matrix = found.similarity if by_features else found.correlation
    shape, names = matrix.shape, (found.first_names, found.second_names)
    cell = 0.55 if max(shape) <= 25 else 0.25
    longest = [0.085 * max(map(len, sources)) for sources in names]
    width = max(cell * shape[1], 1.2) + longest[0] + 1.6
    height = max(cell * shape[0], 1.8) + longest[1] + 0.5
    ax = new_axes(width, height, layout="compressed")
    display = plotting.ComparisonMatrixDisplay.from_matrix(
        matrix,
        *names,
        p_value=np.where(found.alike, found.p_value, 1.0),
        label=label,
        ax=ax,
        level=level,
    )
    return display.figure_


def families(found: Any, names: Sequence[str]) -> Any:
    """Draw SourceFamilies, with room for the dendrogram."""
    longest = 0.085 * max(map(len, names))
    side = max(0.55 * len(names), 1.8)
    ax = new_axes(1.5 * side + longest + 1.6, side + longest + 0.5, layout="compressed")
    return plotting.SourceFamiliesDisplay.from_families(found, names, ax=ax).figure_


def _take_literally(texts: Sequence[Any]) -> None:
    """Keep dollar signs in the names of sources from beginning a formula."""
    for text in texts:
        text.set_parse_math(False)


def thumbnail(path: str) -> bytes:
    """Return a small JPEG copy of a whole image; small images keep their size.

    A file that cannot be used (any more) gives a grey square, and a message with the reason.
    """
    pixels = attempt(ImageReader().read_one, path)
    if isinstance(pixels, ImageReadError):
        MESSAGES.say(f"{pixels}; there is no picture of it")
        pixels = np.full((_THUMBNAIL, _THUMBNAIL, 3), 128, np.uint8)
    return small_copy(pixels)


def small_copy(pixels: np.ndarray, side: int = _THUMBNAIL, quality: int = 88) -> bytes:
    """Return an image of shape (H, W, 3) as JPEG, at most `side` pixels wide and high."""
    # Images of 16 bits come as floats in 8-bit units.
    image = Image.fromarray(np.rint(pixels).clip(0, 255).astype(np.uint8))
    image.thumbnail((side, side), Image.Resampling.LANCZOS)
    return _encoded(image, format="JPEG", quality=quality)


def mask_file(mask: np.ndarray) -> bytes:
    """Return a mask as PNG, white on black."""
    return _encoded(Image.fromarray(mask.astype(np.uint8) * 255), format="PNG")


def _encoded(image: Image.Image, **how: Any) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, **how)
    return buffer.getvalue()


def spread(files: Sequence[str], most: int) -> list[str]:
    """Return at most `most` files at equal distances, the first included."""
    if len(files) <= most:
        return list(files)
    return [files[index * len(files) // most] for index in range(most)]
