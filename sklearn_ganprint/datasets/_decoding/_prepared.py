"""What a file's own structure says, before Pillow is asked to decode it."""

import re
from dataclasses import dataclass, field
from typing import BinaryIO

from sklearn_ganprint.datasets._decoding._tags import ORIENTATION, read_tag

# Chunks, segments, boxes or pages of one file. Whole photos have a few thousand; each costs
# about a microsecond, so that a file of nothing else is left after a fraction of a second.
MAX_PARTS = 200_000

_XMP_ORIENTATION = re.compile(rb'tiff:Orientation(?:="|>)([1-8])')
# Longest run of zero bytes, and share of the data, that entropy coding leaves in an intact file.
_ZERO_RUN, _ZERO_SHARE = 256, 16


class UnusableImageError(Exception):
    """A reason why an image cannot be used, before the name of its file is added."""


@dataclass
class Prepared:
    """A file reduced to what concerns the pixels of its first image.

    `stream` is what Pillow decodes; None stands for the file as it is. `white` is the decoded
    value that stands for white where that is not the largest of its type; `inverted` says that
    it is black. `scans` are the pieces of a JPEG file that are decoded one by one. `n_colours` is
    the size of a palette.
    """

    stream: BinaryIO | None = None
    n_frames: int = 1
    orientation: int = 1
    format: str | None = None
    white: int | None = None
    inverted: bool = False
    decoded_size: tuple[int, int] | None = None
    n_colours: int | None = None
    scratch_bytes: int = 0  # for each pixel, beside the decoded image
    held_bytes: int = 0  # of the file, for as long as it is decoded
    scans: list[bytes] = field(default_factory=list)


def take(stream: BinaryIO, size: int, what: str) -> bytes:
    """Read exactly so many bytes."""
    data = stream.read(size)
    if len(data) != size:
        raise UnusableImageError(f"is truncated: the file ends within {what}")
    return data


def count_parts(n_parts: int) -> None:
    """Raise for a file that consists of too many parts to be read in good time."""
    if n_parts > MAX_PARTS:
        raise UnusableImageError(
            f"consists of more than {MAX_PARTS} chunks, segments or boxes; save it anew"
        )


def stated_orientation(exif: bytes, xmp: bytes) -> int:
    """Return the orientation that Exif data or, without one, XMP data state; 1 for none."""
    found = read_tag(exif.removeprefix(b"Exif\0\0"), ORIENTATION)
    if not found and (match := _XMP_ORIENTATION.search(xmp)):
        found = (int(match[1]),)
    return found[0] if found and found[0] in range(1, 9) else 1


def refuse_zeroed(data: bytes, what: str) -> None:
    """Raise if entropy-coded data hold a run of zero bytes, as lost disk sectors leave it."""
    if b"\0" * max(_ZERO_RUN, len(data) // _ZERO_SHARE) in data:
        raise UnusableImageError(f"is damaged: a part of its {what} is overwritten with zeros")
