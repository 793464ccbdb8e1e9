"""TIFF files: the first page alone, and what its values mean."""

import math
import os
import struct
import zlib
from collections.abc import Sequence
from io import BufferedReader, RawIOBase
from typing import Any, BinaryIO

from sklearn_ganprint.datasets._decoding._structure import (
    Directory,
    Prepared,
    Tag,
    UnusableImageError,
    read_directory,
)

_WIDTH, _HEIGHT, _BITS, _COMPRESSION, _PHOTOMETRIC = 256, 257, 258, 259, 262
_STRIP_OFFSETS, _SAMPLES, _ROWS, _STRIP_BYTES, _PLANES, _COLOURS = 273, 277, 278, 279, 284, 320
_TILE_WIDTH, _TILE_HEIGHT, _TILE_OFFSETS, _TILE_BYTES = 322, 323, 324, 325
_SAMPLE_FORMAT, _REFERENCE = 339, 532
# Fill order, options of CCITT, predictor, kind of extra samples, JPEG tables, YCbCr.
_OTHERS = {266, 292, 293, 317, 338, 347, 529, 530, 531}
_KEPT = frozenset(
    {_WIDTH, _HEIGHT, _BITS, _COMPRESSION, _PHOTOMETRIC, _STRIP_OFFSETS, _SAMPLES, _ROWS}
    | {_STRIP_BYTES, _PLANES, _COLOURS, _TILE_WIDTH, _TILE_HEIGHT, _TILE_OFFSETS, _TILE_BYTES}
    | {_SAMPLE_FORMAT, _REFERENCE, *_OTHERS}
)
_DEFLATE = (8, 32946)
_BLOCK, _LONGEST_HEADER = 1 << 20, 16
_GREY_BITS = (1, 2, 4, 8, 12, 16, 32)
# Colour spaces that are read, and bits of their samples.
_SPACES: dict[int, tuple[str, tuple[int, ...]]] = {
    0: ("grey", _GREY_BITS),
    1: ("grey", _GREY_BITS),
    2: ("RGB", (8, 16)),
    3: ("palette", (1, 2, 4, 8)),
    5: ("CMYK", (8, 16)),
    6: ("YCbCr", (8,)),
    8: ("LAB", (8,)),
}


def prepare_tiff(stream: BinaryIO, whole: bool) -> Prepared:
    """Replace the directory of a TIFF file by one that describes the first page's pixels alone."""
    try:
        page = read_directory(stream, _KEPT)
    except EOFError as error:
        raise UnusableImageError(f"is truncated: {error}") from error
    white, inverted = _white(page)
    parts = _parts(page, stream.seek(0, os.SEEK_END))
    _require_pixels(page, [length for _, length in parts])
    end = max(_LONGEST_HEADER, *map(sum, parts))
    packed = page.first(_COMPRESSION) != 1
    if whole and page.first(_COMPRESSION) in _DEFLATE:
        _require_checksums(stream, page, parts)
    tags = dict(page.tags)
    if inverted:
        tags[_PHOTOMETRIC] = Tag(3, 1, struct.pack(page.order + "H", 1))
    _scale_colours(page, tags)
    return Prepared(
        BufferedReader(_Spliced(stream, end, *_head_and_tail(page.order, tags, end))),
        white=white,
        inverted=inverted,
        # libtiff gets the file as a whole, and unpacks a strip or tile at a time.
        held_bytes=end if packed else 0,
        scratch_bytes=_strip_bytes(page) if packed else 0,
    )


def _strip_bytes(page: Directory) -> int:
    """Return the bytes of an unpacked strip for each pixel of the image; tiles are small."""
    height = max(page.first(_HEIGHT), 1)
    share = min(page.first(_ROWS, height) / height, 1) if _STRIP_OFFSETS in page.tags else 0
    return math.ceil(page.first(_SAMPLES) * page.first(_BITS) / 8 * share)


def _white(page: Directory) -> tuple[int | None, bool]:
    """Return the value that is white (None: the largest of its type), and if 0 is white."""
    photometric = page.get(_PHOTOMETRIC)
    if not photometric:
        raise UnusableImageError("does not say whether 0 is black or white (no tag 262)")
    space, bits = photometric[0], page.first(_BITS)
    formats = set(page.get(_SAMPLE_FORMAT) or (1,))
    if page.first(_COMPRESSION) == 6:
        return None, False  # JPEG of the old kind, whatever the other tags say
    if 3 in formats:
        raise UnusableImageError(
            "holds floating-point values, whose white level is unknown; "
            "convert it to 8 or 16 bits first"
        )
    if formats - {1, 4} and bits != 32:
        raise UnusableImageError(
            f"holds {bits}-bit signed integers, whose white level is unknown; "
            "convert it to unsigned integers of 8 or 16 bits first"
        )
    name, read = _SPACES.get(space, (space, ()))
    if bits not in read or (bits == 32 and space != 1):
        expected = ", ".join(map(str, read)) or "grey, RGB, palette, CMYK"
        raise UnusableImageError(
            f"holds {bits}-bit samples of the kind {name}, read are "
            f"{expected}; convert it to 8 or 16 bits first"
        )
    if bits == 12 and page.order == ">":
        raise UnusableImageError("holds 12-bit samples in a big-endian TIFF file; convert to 16")
    grey = space in (0, 1)
    return (2**bits - 1 if grey and bits in (12, 16) else None), space == 0 and bits in (12, 16)


def _parts(page: Directory, size: int) -> list[tuple[int, int]]:
    """Return place and length of each strip or tile; raise unless all are in the file."""
    tiled = _STRIP_OFFSETS not in page.tags
    offsets = page.get(_TILE_OFFSETS if tiled else _STRIP_OFFSETS) or ()
    counts = page.get(_TILE_BYTES if tiled else _STRIP_BYTES) or [size - at for at in offsets]
    parts = list(zip(offsets, counts, strict=False))
    if any(sum(part) > size for part in parts):
        raise UnusableImageError("is truncated: parts of the image lie outside the TIFF file")
    return parts


def _require_pixels(page: Directory, counts: Sequence[int]) -> None:
    """Raise unless there are as many strips or tiles, and as long ones, as the pixels take."""
    tiled = _STRIP_OFFSETS not in page.tags
    width, height = page.first(_WIDTH, 0), page.first(_HEIGHT, 0)
    part_width = page.first(_TILE_WIDTH, width) if tiled else width
    part_height = page.first(_TILE_HEIGHT if tiled else _ROWS, height)
    if min(width, height, part_width, part_height) < 1:
        raise UnusableImageError("is damaged: the TIFF file states no size, or strips without one")
    n_down = -(-height // part_height)
    n_parts = n_down * -(-width // part_width)
    separate = page.first(_PLANES) == 2
    if len(counts) < n_parts * (page.first(_SAMPLES) if separate else 1):
        raise UnusableImageError("is damaged: the TIFF file has fewer strips or tiles than needed")
    if page.first(_COMPRESSION) == 1:
        together = 1 if separate else page.first(_SAMPLES)
        row = -(-part_width * page.first(_BITS) * together // 8)
        last = part_height if tiled else height - (n_down - 1) * part_height
        for number, count in enumerate(counts):
            if count < row * (last if number % n_down == n_down - 1 else part_height):
                raise UnusableImageError("is damaged: a strip or tile is shorter than its pixels")
        _require_full_range(page)


def _require_full_range(page: Directory) -> None:
    """Raise for uncompressed YCbCr data in studio range, which Pillow takes for full range."""
    entry = page.tags.get(_REFERENCE)
    if entry is None or entry.kind != 5 or page.first(_PHOTOMETRIC, 0) != 6:
        return
    numbers = struct.unpack(f"{page.order}{2 * entry.n_values}L", entry.data)
    levels = [top / max(bottom, 1) for top, bottom in zip(numbers[::2], numbers[1::2], strict=True)]
    if levels[:2] != [0, 255]:
        raise UnusableImageError(
            f"holds luminance from {levels[:1]} to {levels[1:2]} in place of 0 to 255; "
            "convert it to RGB first"
        )


def _require_checksums(stream: BinaryIO, page: Directory, parts: Sequence[tuple[int, int]]) -> None:
    """Raise if data in the deflate format are not what was packed: libtiff does not look."""
    # Strips may overlap, and unpack to much more than their pixels.
    left = _BLOCK + 2 * page.first(_WIDTH) * page.first(_HEIGHT) * (
        1 + page.first(_SAMPLES) * page.first(_BITS) // 8
    )
    for offset, count in parts:
        stream.seek(offset)
        data, inflater = stream.read(count), zlib.decompressobj()
        try:
            while data and not inflater.eof and left > 0:
                left -= len(inflater.decompress(data, _BLOCK))
                data = inflater.unconsumed_tail
        except zlib.error as error:
            raise UnusableImageError(f"is damaged: a strip cannot be unpacked ({error})") from error
        if not inflater.eof:
            raise UnusableImageError(
                "is damaged: a packed strip or tile ends too early, or goes on behind its pixels"
            )


def _scale_colours(page: Directory, tags: dict[int, Tag]) -> None:
    """Bring a palette of 8-bit values, as some programs write it, to the 16 bits of the format."""
    colours = page.get(_COLOURS)
    if colours and 0 < max(colours) < 256:
        wide = [257 * colour for colour in colours]
        data = struct.pack(f"{page.order}{len(wide)}H", *wide)
        tags[_COLOURS] = Tag(3, len(colours), data)


def _head_and_tail(order: str, tags: dict[int, Tag], size: int) -> tuple[bytes, bytes]:
    """Return the header that leads to a directory behind the file's end, and that directory.

    It is that of BigTIFF for large files only: of those, Pillow knows one byte order.
    """
    big = size > 0xF0000000
    number, width = ("Q", 8) if big else ("L", 4)
    padding = bytes(-size % 8)
    start = size + len(padding)
    count = struct.pack(order + ("Q" if big else "H"), len(tags))
    values_at = start + len(count) + len(tags) * (4 + 2 * width) + width
    entries, values = b"", b""
    for tag, entry in sorted(tags.items()):
        kind, n_values, data = entry if big else _narrowed(order, entry)
        place = data.ljust(width, b"\0")
        if len(data) > width:
            place = struct.pack(order + number, values_at + len(values))
            values += data + bytes(-len(data) % 8)
        entries += struct.pack(order + "HH" + number, tag, kind, n_values) + place
    version = ("HHHQ", 43, 8, 0, start) if big else ("HL", 42, start)
    head = (b"II" if order == "<" else b"MM") + struct.pack(order + version[0], *version[1:])
    return head, padding + count + entries + bytes(width) + values


def _narrowed(order: str, tag: Tag) -> Tag:
    """Return a tag of 8-byte numbers, which BigTIFF alone knows, as one of 4-byte numbers."""
    if tag.kind != 16:
        return tag
    numbers = struct.unpack(f"{order}{tag.n_values}Q", tag.data)
    return Tag(4, tag.n_values, struct.pack(f"{order}{tag.n_values}L", *numbers))


class _Spliced(RawIOBase):
    """A file up to some byte, with another beginning, and more behind it; nothing is copied."""

    def __init__(self, stream: BinaryIO, end: int, head: bytes, tail: bytes) -> None:
        self._stream, self._end, self._head, self._tail = stream, end, head, tail
        self._position = 0

    def seek(self, offset: int, whence: int = os.SEEK_SET) -> int:
        """Move to a position."""
        base = (0, self._position, self._end + len(self._tail))[whence]
        self._position = max(base + offset, 0)
        return self._position

    def readable(self) -> bool:
        """Return True."""
        return True

    def seekable(self) -> bool:
        """Return True."""
        return True

    def readinto(self, buffer: Any) -> int:
        """Fill the buffer, as far as one of the parts reaches."""
        view = memoryview(buffer)
        start, stop = self._position, self._position + len(view)
        if start < len(self._head):
            data = self._head[start:stop]
        elif start < self._end:
            self._stream.seek(start)
            data = self._stream.read(min(stop, self._end) - start)
        else:
            data = self._tail[start - self._end : stop - self._end]
        view[: len(data)] = data
        self._position += len(data)
        return len(data)
