"""Directories of tags, as TIFF files and Exif data hold them."""

import struct
from io import BytesIO
from typing import BinaryIO, NamedTuple

ORIENTATION = 274
# Bytes and struct letter of each type of whole numbers; others are passed on as bytes.
_INTEGERS = {1: "B", 3: "H", 4: "L", 6: "b", 7: "B", 8: "h", 9: "l", 13: "L", 16: "Q", 17: "q"}
_SIZES = {kind: struct.calcsize(f"={letter}") for kind, letter in _INTEGERS.items()}
_SIZES |= {2: 1, 5: 8, 10: 8, 11: 4, 12: 8}


class Layout(NamedTuple):
    """Byte order, and whether offsets have 8 bytes (BigTIFF) or 4."""

    order: str
    big: bool

    def unpack(self, letters: str, data: bytes) -> tuple[int, ...]:
        """Return the numbers in `data`."""
        return struct.unpack(self.order + letters, data)

    @property
    def offset(self) -> str:
        """Letter of an offset."""
        return "Q" if self.big else "L"


class Tag(NamedTuple):
    """One entry: type, number of values, and the bytes of its values."""

    kind: int
    n_values: int
    data: bytes


class Directory(NamedTuple):
    """The tags of one image, and where the next directory is (0: there is none)."""

    layout: Layout
    tags: dict[int, Tag]
    next: int

    def get(self, tag: int) -> tuple[int, ...] | None:
        """Return the whole numbers that a tag holds, None if it is not there."""
        entry = self.tags.get(tag)
        if entry is None or entry.kind not in _INTEGERS:
            return None
        return self.layout.unpack(f"{entry.n_values}{_INTEGERS[entry.kind]}", entry.data)


def read_tag(data: bytes, tag: int) -> tuple[int, ...]:
    """Return the whole numbers of a tag in the first directory of Exif data; () for none.

    Broken metadata say nothing about the pixels, so that they are no error.
    """
    try:
        stream = BytesIO(data)
        layout, first = read_header(stream)
        return read_directory(stream, layout, first, frozenset([tag])).get(tag) or ()
    except (EOFError, ValueError, OverflowError, struct.error):
        return ()


def read_header(stream: BinaryIO) -> tuple[Layout, int]:
    """Return the layout of a TIFF stream and the offset of its first directory."""
    head = stream.read(8)
    layout = Layout("<" if head[:2] == b"II" else ">", 43 in head[2:4])
    if layout.big:
        head = stream.read(8)
        return layout, layout.unpack("Q", head)[0]
    return layout, layout.unpack("L", head[4:])[0]


def read_directory(
    stream: BinaryIO,
    layout: Layout,
    offset: int,
    needed: frozenset[int],
    perhaps: frozenset[int] = frozenset(),
) -> Directory:
    """Read the tags of a directory that are needed, and others unless they are broken.

    Raises
    ------
    EOFError
        If the directory, or the values of a needed tag, lie outside the file.
    """
    width, wanted = 8 if layout.big else 4, needed | perhaps
    size = stream.seek(0, 2)
    stream.seek(offset)
    (n_tags,) = layout.unpack(
        "Q" if layout.big else "H", _exactly(stream, 8 if layout.big else 2, size)
    )
    entries = _exactly(stream, n_tags * (4 + 2 * width), size)
    following = stream.read(width)
    tags: dict[int, Tag] = {}
    for start in range(0, len(entries), 4 + 2 * width):
        entry = entries[start : start + 4 + 2 * width]
        tag, kind = layout.unpack("HH", entry[:4])
        if tag in tags or kind not in _SIZES or tag not in wanted:
            continue
        (count,) = layout.unpack(layout.offset, entry[4 : 4 + width])
        length = count * _SIZES[kind]
        data = entry[4 + width :][:length]
        if length > width:
            (place,) = layout.unpack(layout.offset, data)
            if place + length > size and tag not in needed:
                continue
            stream.seek(min(place, size))
            data = _exactly(stream, length, size)
        tags[tag] = Tag(kind, count, data)
    return Directory(
        layout, tags, layout.unpack(layout.offset, following)[0] if len(following) == width else 0
    )


def _exactly(stream: BinaryIO, length: int, size: int) -> bytes:
    """Read so many bytes; asked for more than the file has, no memory is taken for them."""
    data = b"" if length > size else stream.read(length)
    if len(data) != length:
        raise EOFError("a directory of tags, or the values of a tag, lie outside the file")
    return data
