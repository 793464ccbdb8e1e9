"""Pages for a browser: their templates, and how they and their pictures are written to a folder."""

import argparse
import math
import os
import shlex
import tempfile
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import sklearn_ganprint
from sklearn_ganprint._output import printable, remove_abandoned, write_file
from sklearn_ganprint.cli._console import CommandError

#: The page that a command ends with.
PAGE = "index.html"


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


def check_file(option: str, path: str, *, force: bool) -> None:
    """Refuse the name of a file that cannot be written, before hours of work."""
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
    values |= {"command": command, "command_line": shlex.join(["ganprint", *args.words])}
    template = environment().get_template(f"{command}.html.jinja")
    page: str = template.render(version=sklearn_ganprint.__version__, **values)
    return page


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
    made.filters.update(percent=percent, number=number)
    return made


def place_in_words(anchor: str) -> str:
    """Write where a crop is cut from an image."""
    return "at the top left" if anchor == "top-left" else "from the middle"


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


def write_page(folder: str, page: str, tables: Sequence[tuple[str, bytes]] = ()) -> str:
    """Write the page of a command, after its tables, and return its path.

    The page comes last: where there is one, all that it shows is there too.
    """
    return write_files(folder, [*tables, (PAGE, page.encode("utf-8"))])
