"""AVIF and JPEG 2000 files: whether the size they state is the coded one, and their bit depth."""

from collections.abc import Iterator
from itertools import count
from typing import BinaryIO, NamedTuple

from sklearn_ganprint.datasets._decoding._structure import (
    Prepared,
    UnusableImageError,
    count_parts,
    refuse_zeroed,
    take,
)

_MAX_HEADER = 1 << 24
_SIZ = b"\xff\x4f\xff\x51"


class _Box(NamedTuple):
    kind: bytes
    start: int
    stop: int


def _boxes(stream: BinaryIO, start: int, stop: int) -> Iterator[_Box]:
    """Yield the boxes between two positions; one that does not fit ends the sequence."""
    for number in count():
        count_parts(number)
        stream.seek(start)
        head = stream.read(16)
        if start + 8 > stop or len(head) < 8:
            return
        size, inner = int.from_bytes(head[:4]), 8
        if size == 1:
            size, inner = int.from_bytes(head[8:16]), 16
        end = start + size if size else stop
        if end < start + inner or end > stop:
            end = stop
        yield _Box(head[4:8], start + inner, end)
        start = end


def prepare_jpeg2000(stream: BinaryIO, whole: bool) -> Prepared:
    """Read the coded size and bit depth of a JPEG 2000 file."""
    end = stream.seek(0, 2)
    stream.seek(0)
    start = 0
    if stream.read(4) != _SIZ:
        places = [box.start for box in _boxes(stream, 0, end) if box.kind == b"jp2c"]
        if not places:
            raise UnusableImageError("is truncated: the JPEG 2000 file has no codestream")
        start = places[0]
    stream.seek(start)
    head = take(stream, 42, "its header")
    right, bottom, left, top = (int.from_bytes(head[i : i + 4]) for i in (8, 12, 16, 20))
    n_components = int.from_bytes(head[40:42])
    depths = {depth for depth in take(stream, 3 * n_components, "its header")[::3]}
    (depth, *others) = depths or {7}
    bits = (depth & 0x7F) + 1
    if others or (bits != 8 and n_components > 1) or bits > 16:
        raise UnusableImageError(
            f"holds {n_components} components of {bits} bits; read are JPEG 2000 files of 8 bits, "
            "and grey ones of up to 16; convert it to 8 bits, or to TIFF, first"
        )
    if whole:
        stream.seek(start)
        # Packets hold no such bytes, and the decoder makes do with some that are missing.
        if b"\xff\xd9" not in stream.read():
            raise UnusableImageError("is truncated: the JPEG 2000 codestream has no end")
    # Pillow moves what has fewer bits to the upper end of 8 or 16 bits, and leaves 0 behind it.
    width = 8 if bits <= 8 else 16
    return Prepared(
        white=None if bits == width else ((1 << bits) - 1) << (width - bits),
        decoded_size=(right - left, bottom - top),
        scratch_bytes=6 * n_components,
    )


def prepare_avif(stream: BinaryIO, whole: bool) -> Prepared:
    """Compare the sizes that an AVIF file announces with those that its images are coded in.

    Where they differ, the decoder would stretch the image.
    """
    end = stream.seek(0, 2)
    meta = next((box for box in _boxes(stream, 0, end) if box.kind == b"meta"), None)
    if meta is None or meta.stop - meta.start > _MAX_HEADER:
        return Prepared(scratch_bytes=12)  # an image sequence alone, or nothing
    try:
        items = _coded_items(stream, meta)
    except (IndexError, ValueError) as error:
        raise UnusableImageError("is damaged: the AVIF file's header ends too early") from error
    for announced, places in items:
        data = b"".join(_read_place(stream, place, end) for place in places)
        coded = _coded_size(data)
        if announced and coded and announced != coded:
            raise UnusableImageError(
                f"is damaged: announces {announced[0]} x {announced[1]} pixels, but "
                f"{coded[0]} x {coded[1]} are coded"
            )
        if whole:
            refuse_zeroed(data, "AVIF data")
    return Prepared(scratch_bytes=12)


_Size = tuple[int, int]
_Place = tuple[int, int]


class _Fields:
    """Whole numbers read one after the other."""

    def __init__(self, data: bytes, position: int = 0) -> None:
        self.data, self.position = data, position

    def take(self, size: int) -> int:
        """Return the next number, of so many bytes."""
        if self.position + size > len(self.data):
            raise IndexError
        self.position += size
        return int.from_bytes(self.data[self.position - size : self.position])


def _read_place(stream: BinaryIO, place: _Place, end: int) -> bytes:
    offset, size = place
    size = size or end - offset
    if offset + size > end:
        raise UnusableImageError("is truncated: parts of the image lie outside the AVIF file")
    stream.seek(offset)
    return stream.read(size)


def _coded_items(stream: BinaryIO, meta: _Box) -> list[tuple[_Size | None, list[_Place]]]:
    """Return announced size and places of the data of each AV1 image but thumbnails."""
    start = {box.kind: box for box in _boxes(stream, meta.start + 4, meta.stop)}

    def content(box: _Box | None) -> bytes:
        if box is None:
            return b""
        stream.seek(box.start)
        return stream.read(box.stop - box.start)

    iprp = start.get(b"iprp")
    inner = list(_boxes(stream, iprp.start, iprp.stop)) if iprp else []
    ipco = next((box for box in inner if box.kind == b"ipco"), None)
    properties = list(_boxes(stream, ipco.start, ipco.stop)) if ipco else []
    sizes: dict[int, _Size] = {}
    for number, box in enumerate(properties, start=1):
        if box.kind == b"ispe":
            fields = _Fields(content(box), 4)
            sizes[number] = fields.take(4), fields.take(4)
    owned = _owned([content(box) for box in inner if box.kind == b"ipma"])
    idat = start.get(b"idat")
    places = _places(content(start.get(b"iloc")), idat.start if idat else 0)
    thumbnails = _thumbnails(stream, start.get(b"iref"))
    return [
        (next((sizes[each] for each in owned.get(item, ()) if each in sizes), None), places[item])
        for item in _av1_items(stream, start.get(b"iinf"))
        if item in places and item not in thumbnails
    ]


def _av1_items(stream: BinaryIO, iinf: _Box | None) -> list[int]:
    if iinf is None:
        return []
    stream.seek(iinf.start)
    first = iinf.start + (6 if stream.read(1) == b"\0" else 8)
    found = []
    for box in _boxes(stream, first, iinf.stop):
        stream.seek(box.start)
        fields = _Fields(stream.read(12))
        version = fields.take(4) >> 24
        item = fields.take(4 if version > 2 else 2)
        fields.take(2)
        if version >= 2 and fields.take(4) == int.from_bytes(b"av01"):
            found.append(item)
    return found


def _thumbnails(stream: BinaryIO, iref: _Box | None) -> set[int]:
    if iref is None:
        return set()
    stream.seek(iref.start)
    width = 4 if stream.read(1) != b"\0" else 2
    found = set()
    for box in _boxes(stream, iref.start + 4, iref.stop):
        if box.kind == b"thmb":
            stream.seek(box.start)
            found.add(int.from_bytes(stream.read(width)))
    return found


def _owned(associations: list[bytes]) -> dict[int, list[int]]:
    """Return the numbers of the properties of each item."""
    found: dict[int, list[int]] = {}
    for data in associations:
        fields = _Fields(data)
        version_and_flags = fields.take(4)
        item_width = 4 if version_and_flags >> 24 else 2
        width, mask = (2, 0x7FFF) if version_and_flags & 1 else (1, 0x7F)
        for _ in range(fields.take(4)):
            item = fields.take(item_width)
            found[item] = [fields.take(width) & mask for _ in range(fields.take(1))]
    return found


def _places(data: bytes, idat: int) -> dict[int, list[_Place]]:
    """Return where in the file the data of each item are."""
    fields = _Fields(data)
    version = fields.take(4) >> 24 if data else 0
    widths = fields.take(2) if data else 0
    offset, length, base, index = ((widths >> shift) & 15 for shift in (12, 8, 4, 0))
    index = index if version else 0
    found: dict[int, list[_Place]] = {}
    for _ in range(fields.take(4 if version == 2 else 2) if data else 0):
        item = fields.take(4 if version == 2 else 2)
        method = fields.take(2) & 15 if version else 0
        fields.take(2)
        start = fields.take(base) + (idat if method == 1 else 0)
        found[item] = []
        for _ in range(fields.take(2)):
            fields.take(index)
            found[item].append((start + fields.take(offset), fields.take(length)))
    return found


class _Bits:
    """Numbers of so many bits, the highest first."""

    def __init__(self, data: bytes) -> None:
        self.value, self.left = int.from_bytes(data), 8 * len(data)

    def take(self, size: int) -> int:
        """Return the next number."""
        self.left -= size
        if self.left < 0:
            raise IndexError
        return (self.value >> self.left) & ((1 << size) - 1)


def _coded_size(data: bytes) -> _Size | None:
    """Return the size in the AV1 sequence header, None without one."""
    position = 0
    while position + 2 <= len(data):
        header = data[position]
        position += 2 if header & 4 else 1
        size, shift = 0, 0
        while header & 2:
            byte = data[position]
            position += 1
            size |= (byte & 127) << shift
            shift += 7
            if byte < 128 or shift > 35:
                break
        if not header & 2:
            size = len(data) - position
        if header >> 3 & 15 == 1:
            return _sequence_size(_Bits(data[position : position + min(size, 256)]))
        position += size
    return None


def _sequence_size(bits: _Bits) -> _Size:
    """Read up to the size in a sequence header (section 5.5 of the AV1 specification)."""
    bits.take(4)
    if bits.take(1):  # a still image with the short header
        bits.take(5)
    else:
        _skip_operating_points(bits)
    widths = bits.take(4) + 1, bits.take(4) + 1
    return bits.take(widths[0]) + 1, bits.take(widths[1]) + 1


def _skip_operating_points(bits: _Bits) -> None:
    delay_bits = 0
    if bits.take(1):  # timing
        bits.take(64)
        if bits.take(1):
            zeros = 0
            while not bits.take(1):
                zeros += 1
            bits.take(zeros)
        if bits.take(1):
            delay_bits = bits.take(5) + 1
            bits.take(42)
    initial_delay = bits.take(1)
    for _ in range(bits.take(5) + 1):
        bits.take(12)
        if bits.take(5) > 7:
            bits.take(1)
        if delay_bits and bits.take(1):
            bits.take(2 * delay_bits + 1)
        if initial_delay and bits.take(1):
            bits.take(4)
