"""AVIF and JPEG 2000 files: whether the size they state is the coded one, and their bit depth."""

from collections.abc import Iterator
from typing import BinaryIO, NamedTuple

from sklearn_ganprint.datasets._decoding import _structure
from sklearn_ganprint.datasets._decoding._structure import Prepared, UnusableImageError

_Size = tuple[int, int]
_Place = tuple[int, int]

_MAX_HEADER = 1 << 24
_SIZ = b"\xff\x4f\xff\x51"


class _Box(NamedTuple):
    kind: bytes
    start: int
    stop: int


def _boxes(stream: BinaryIO, start: int, stop: int) -> Iterator[_Box]:
    """Yield the boxes between two positions; one that does not fit ends the sequence."""
    for _ in _structure.parts():
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
    head = _structure.take(stream, 42, "its header")
    right, bottom, left, top = (int.from_bytes(head[i : i + 4]) for i in (8, 12, 16, 20))
    n_components = int.from_bytes(head[40:42])
    depth, *others = set(_structure.take(stream, 3 * n_components, "its header")[::3]) or {7}
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
            _structure.refuse_zeroed(data, "AVIF data")
    return Prepared(scratch_bytes=12)


class _Fields:
    """Whole numbers that are read one after the other; an IndexError where the data end."""

    def __init__(self, data: bytes) -> None:
        self._data, self._position, self._end = data, 0, 8 * len(data)  # in bits

    def take(self, n_bytes: int) -> int:
        """Return the next number, of so many whole bytes."""
        return self.bits(8 * n_bytes)

    def bits(self, n_bits: int) -> int:
        """Return the next number, of so many bits, the highest first."""
        start, stop = self._position, self._position + n_bits
        if stop > self._end:
            raise IndexError
        self._position, last = stop, -(-stop // 8)
        number = int.from_bytes(self._data[start // 8 : last]) >> (8 * last - stop)
        return number & ((1 << n_bits) - 1)


def _read_place(stream: BinaryIO, place: _Place, end: int) -> bytes:
    offset, size = place
    size = size or end - offset
    if offset + size > end:
        raise UnusableImageError("is truncated: parts of the image lie outside the AVIF file")
    stream.seek(offset)
    return stream.read(size)


def _inner(stream: BinaryIO, box: _Box | None, n_before: int = 0) -> list[_Box]:
    """Return the boxes in a box, behind some bytes of its own; none where there is no box."""
    return [] if box is None else list(_boxes(stream, box.start + n_before, box.stop))


def _content(stream: BinaryIO, box: _Box | None, n_bytes: int | None = None) -> bytes:
    if box is None:
        return b""
    stream.seek(box.start)
    return stream.read(box.stop - box.start if n_bytes is None else n_bytes)


def _coded_items(stream: BinaryIO, meta: _Box) -> list[tuple[_Size | None, list[_Place]]]:
    """Return announced size and places of the data of each AV1 image except thumbnails."""
    found = {box.kind: box for box in _inner(stream, meta, 4)}
    inner = _inner(stream, found.get(b"iprp"))
    properties = _inner(stream, next((box for box in inner if box.kind == b"ipco"), None))
    sizes: dict[int, _Size] = {}
    for number, box in enumerate(properties, start=1):
        if box.kind == b"ispe":
            fields = _Fields(_content(stream, box)[4:])
            sizes[number] = fields.take(4), fields.take(4)
    owned = _owned([_content(stream, box) for box in inner if box.kind == b"ipma"])
    idat = found.get(b"idat")
    places = _places(_content(stream, found.get(b"iloc")), idat.start if idat else 0)
    thumbnails = _thumbnails(stream, found.get(b"iref"))
    return [
        (next((sizes[key] for key in owned.get(item, ()) if key in sizes), None), places[item])
        for item in _av1_items(stream, found.get(b"iinf"))
        if item in places and item not in thumbnails
    ]


def _av1_items(stream: BinaryIO, iinf: _Box | None) -> list[int]:
    found = []
    for box in _inner(stream, iinf, 6 if _content(stream, iinf, 1) == b"\0" else 8):
        fields = _Fields(_content(stream, box, 12))
        version = fields.take(4) >> 24
        item = fields.take(4 if version > 2 else 2)
        fields.take(2)
        if version >= 2 and fields.take(4) == int.from_bytes(b"av01"):
            found.append(item)
    return found


def _thumbnails(stream: BinaryIO, iref: _Box | None) -> set[int]:
    width = 2 if _content(stream, iref, 1) == b"\0" else 4
    return {
        int.from_bytes(_content(stream, box, width))
        for box in _inner(stream, iref, 4)
        if box.kind == b"thmb"
    }


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
    found: dict[int, list[_Place]] = {}
    if not data:
        return found
    fields = _Fields(data)
    version = fields.take(4) >> 24
    offset, length, base, index = (fields.bits(4) for _ in range(4))
    width = 4 if version == 2 else 2
    for _ in range(fields.take(width)):
        item = fields.take(width)
        method = fields.take(2) & 15 if version else 0
        fields.take(2)
        start = fields.take(base) + (idat if method == 1 else 0)
        found[item] = []
        for _ in range(fields.take(2)):
            fields.take(index if version else 0)
            found[item].append((start + fields.take(offset), fields.take(length)))
    return found


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
            return _sequence_size(_Fields(data[position : position + min(size, 256)]))
        position += size
    return None


def _sequence_size(fields: _Fields) -> _Size:
    """Read up to the size in a sequence header (section 5.5 of the AV1 specification)."""
    fields.bits(4)
    if fields.bits(1):  # a still image with the short header
        fields.bits(5)
    else:
        _skip_operating_points(fields)
    widths = fields.bits(4) + 1, fields.bits(4) + 1
    return fields.bits(widths[0]) + 1, fields.bits(widths[1]) + 1


def _skip_operating_points(fields: _Fields) -> None:
    delay_bits = 0
    if fields.bits(1):  # timing
        fields.bits(64)
        if fields.bits(1):
            zeros = 0
            while not fields.bits(1):
                zeros += 1
            fields.bits(zeros)
        if fields.bits(1):
            delay_bits = fields.bits(5) + 1
            fields.bits(42)
    initial_delay = fields.bits(1)
    for _ in range(fields.bits(5) + 1):
        fields.bits(12)
        if fields.bits(5) > 7:
            fields.bits(1)
        if delay_bits and fields.bits(1):
            fields.bits(2 * delay_bits + 1)
        if initial_delay and fields.bits(1):
            fields.bits(4)
