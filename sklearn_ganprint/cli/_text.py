"""Texts that may hold anything, such as names of files and sources, made fit for their place."""

import re
from collections.abc import Iterable, Iterator
from itertools import count
from pathlib import Path

from sklearn_ganprint._text import printable

#: Letters of a part of a file's name, at the most: file systems take some 255 bytes in all, and
#: beginnings, numbers and extensions are added.
_LONGEST = 80


def one_line(text: object) -> str:
    """Write a message so that it is one line: line ends become spaces, the rest is printable."""
    return printable(" ".join(str(text).splitlines()))


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
    numbers: dict[str, Iterator[int]] = {}
    for key, name in dict(pairs).items():
        slug = plain = re.sub(r"[^A-Za-z0-9_-]+", "-", name)[:_LONGEST]
        number = numbers.setdefault(plain.lower(), count(2))
        while slug.lower() in taken:
            slug = f"{plain}-{next(number)}"
        taken.add(slug.lower())
        found[key] = slug
    return found
