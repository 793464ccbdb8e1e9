"""Errors and warnings as single lines."""

import re
import sys
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f]")


class CommandError(Exception):
    """Wrong use of the command line; the message says what to do."""


def one_line(text: object) -> str:
    r"""Write a text, or the name of a file, so that it is one line on any terminal.

    Line ends become spaces. Other control characters, which in a file's name could steer the
    terminal, and bytes that are not UTF-8 become ``\xNN``.
    """
    from sklearn_ganprint.datasets._decode import printable

    text = " ".join(printable(str(text)).splitlines())
    return _CONTROL.sub(lambda match: f"\\x{ord(match[0]):02x}", text)


@contextmanager
def plain_warnings() -> Iterator[None]:
    """Show a warning as one line, without the place in the code that it comes from."""

    def show(message: Warning | str, *args: Any, **kwargs: Any) -> None:
        from sklearn_ganprint.cli._console import MESSAGES

        MESSAGES.warn(str(message))

    with warnings.catch_warnings():
        warnings.showwarning = show
        yield


def complain(text: str) -> None:
    """Write one line to stderr."""
    print(one_line(text), file=sys.stderr)
