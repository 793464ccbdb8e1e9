"""The command ``ganprint``; nothing imports it."""

from sklearn_ganprint._public import publish
from sklearn_ganprint.cli import _interrupt  # noqa: F401  (first: from here on Ctrl-C is answered)
from sklearn_ganprint.cli._main import main

__all__ = ["main"]

publish(globals())
