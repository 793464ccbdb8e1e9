"""Pages for a browser: their common style, and how they and their pictures get into a folder."""

import math
import os
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import sklearn_ganprint
from sklearn_ganprint._files import atomic
from sklearn_ganprint.cli._errors import CommandError

if TYPE_CHECKING:
    import jinja2


def check_folder(out: str, *, force: bool, files: str) -> None:
    """Refuse a folder that holds something already, unless forced to.

    `files` says what of it would be replaced, such as "the demo's files".
    """
    if os.path.lexists(out) and not os.path.isdir(out):
        raise CommandError(f"--out {out}: expected a folder, this is a file")
    if os.path.isdir(out) and os.listdir(out) and not force:
        raise CommandError(
            f"--out {out}: the folder is not empty; name another, or replace {files} in it with "
            f"--force"
        )


def render_page(command: str, /, **values: Any) -> str:
    """Fill the template of a command, ``COMMAND.html.jinja``; every value in it must be given."""
    template = environment().get_template(f"{command}.html.jinja")
    page: str = template.render(command=command, version=sklearn_ganprint.__version__, **values)
    return page


def environment() -> "jinja2.Environment":
    """Make what templates need that extend ``page.html.jinja``, with filters for figures."""
    import jinja2

    made = jinja2.Environment(
        loader=jinja2.FileSystemLoader(Path(__file__).parent),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    made.filters.update(percent=percent, number=number)
    return made


def percent(share: float, digits: int = 0) -> str:
    """Write a share in percent, on one line."""
    return f"{100 * share:.{digits}f}\N{NO-BREAK SPACE}%"


def number(value: float | None, digits: int) -> str:
    """Write a number, or a dash where there is none."""
    return f"{value:.{digits}f}" if value is not None and math.isfinite(value) else "–"


def write_files(folder: str, files: Mapping[str, bytes]) -> str:
    """Write files in their order, each at once or not at all; return the path of the last.

    Of what is in the folder already, only files of these names are replaced.
    """
    path = folder
    for name, content in files.items():
        path = os.path.join(folder, name)
        write_file(path, content)
    return path


def write_file(path: str, content: bytes) -> None:
    """Write a file at once or not at all; its folder is made where there is none."""
    target = Path(path)
    target.parent.mkdir(parents=True, exist_ok=True)
    with atomic(target) as part:
        part.write_bytes(content)
