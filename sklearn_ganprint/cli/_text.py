"""Texts that may hold anything, such as names of files and sources, made fit for their place."""

import re
from collections.abc import Iterable
from itertools import count

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
    found: dict[str, str] = {}
    taken: set[str] = set()
    for name in dict.fromkeys(map(str, names)):
        plain = re.sub(r"[^A-Za-z0-9_-]+", "-", name)
        numbered = (f"{plain}-{number}" for number in count(2))
        slug = plain
        while slug.lower() in taken:
            slug = next(numbered)
        taken.add(slug.lower())
        found[name] = slug
    return found
