"""The command ``ganprint``; nothing imports it."""

from sklearn_ganprint._public import publish
from sklearn_ganprint.cli._main import main

__all__ = ["main"]

publish(globals())
