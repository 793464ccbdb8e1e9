"""Texts that may hold anything, such as names of files and sources, made fit for their place."""

import re
from collections.abc import Iterable
from itertools import count
from pathlib import Path

_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f]")


def one_line(text: object) -> str:
    r"""Write a text, or the name of a file, so that it is one line on any terminal.

    Line ends become spaces. Other control characters, which in a file's name could steer the
    terminal, and bytes that are not UTF-8 become ``\xNN``.
    """
    from sklearn_ganprint.datasets._decode import printable

    text = " ".join(printable(str(text)).splitlines())
    return _CONTROL.sub(lambda match: f"\\x{ord(match[0]):02x}", text)


def slugs(names: Iterable[object]) -> dict[str, str]:
    """Give each name a part of a file's name that is plain, and no other's.

    Where two names would have the same one, the later gets a number. Capitals do not tell them
    apart, as they do not on every file system.
    """
    return _distinct((name, name) for name in map(str, names))


def file_slugs(files: Iterable[str]) -> dict[str, str]:
    """Give each file such a part too, after its own name without folder and extension."""
    return _distinct((file, Path(file).stem) for file in files)


def _distinct(pairs: Iterable[tuple[str, str]]) -> dict[str, str]:
    found: dict[str, str] = {}
    taken: set[str] = set()
    for key, name in dict(pairs).items():
        plain = re.sub(r"[^A-Za-z0-9_-]+", "-", name)
        numbered = (f"{plain}-{number}" for number in count(2))
        slug = plain
        while slug.lower() in taken:
            slug = next(numbered)
        taken.add(slug.lower())
        found[key] = slug
    return found
