"""Names of files and sources: how they are shown, compared, and which are no images."""

import unicodedata
import warnings

#: Categories of characters that are not seen, or that steer a terminal or the order of letters:
#: control and format characters, lone surrogates, separators of lines and paragraphs.
_UNSEEN = frozenset({"Cc", "Cf", "Cs", "Zl", "Zp"})

#: Format characters without which words and emoji are written wrongly.
_JOINERS = "\u200c\u200d"

#: What operating systems, file servers and archives leave among images, in lower case.
_LEFT_BY_SYSTEMS = frozenset(
    {
        "#recycle",
        "#snapshot",
        "$recycle.bin",
        "@eadir",
        "@recently-snapshot",
        "@recycle",
        "__macosx",
        "desktop.ini",
        "ehthumbs.db",
        "ehthumbs_vista.db",
        "icon\r",
        "lost+found",
        "recycler",
        "system volume information",
        "thumbs.db",
        "thumbs.db:encryptable",
    }
)


def printable(name: str) -> str:
    r"""Write a name so that it is one line, in its own order, on any terminal and page.

    Control and format characters become escapes such as ``\n``, ``\x1b`` or ``\u202e``, and
    bytes that are not UTF-8 become ``\xNN``.
    """
    if name.isprintable():
        return name
    return "".join(_escape(char) if is_unseen(char) else char for char in name)


def is_unseen(char: str) -> bool:
    """Whether a character is not seen, or steers a terminal or the order of letters."""
    return unicodedata.category(char) in _UNSEEN and char not in _JOINERS


def _escape(char: str) -> str:
    if "\udc80" <= char <= "\udcff":  # a byte, as Python decodes names of files
        return f"\\x{ord(char) - 0xDC00:02x}"
    return char.encode("unicode_escape").decode("ascii")


def as_label(name: str) -> str:
    """Write a name in composed letters: file systems store one name in several ways (NFC, NFD)."""
    return unicodedata.normalize("NFC", name)


def is_hidden(name: str) -> bool:
    """Whether a file or folder is hidden by its name, or belongs to a system and not to a user.

    The latter is said once, since it may be taken for an image or a source.
    """
    if name.lower() in _LEFT_BY_SYSTEMS:
        # The same words wherever it lies, so that Python shows them once.
        reason = "systems keep what is their own under this name"
        warnings.warn(f"{printable(name)}: left out, wherever it lies; {reason}", stacklevel=3)
        return True
    return name.startswith(".") and name not in (".", "..")
