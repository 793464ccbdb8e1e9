"""AVIF and JPEG 2000 files: whether the size they state is the coded one, and their bit depth."""

from collections.abc import Iterator
from typing import BinaryIO, NamedTuple

from sklearn_ganprint.datasets._decoding import _structure
from sklearn_ganprint.datasets._decoding._structure import Prepared, UnusableImageError

_Size = tuple[int, int]

_MAX_HEADER = 1 << 24
_SIZ = b"\xff\x4f\xff\x51"


def _boxes(data: memoryview) -> Iterator[tuple[bytes, memoryview]]:
    """Yield kind and content of boxes; one that does not fit ends the sequence."""
    for _ in _structure.parts():
        if len(data) < 8:
            return
        size, inner = int.from_bytes(data[:4]), 8
        if size == 1:
            size, inner = int.from_bytes(data[8:16]), 16
        end = size if inner <= size <= len(data) else len(data)
        yield data[4:8].tobytes(), data[inner:end]
        data = data[end:]


def prepare_jpeg2000(stream: BinaryIO, whole: bool) -> Prepared:
    """Read the coded size and bit depth of a JPEG 2000 file."""
    data = memoryview(stream.read(-1 if whole else _MAX_HEADER))
    if data[:4] != _SIZ:
        streams = (content for kind, content in _boxes(data) if kind == b"jp2c")
        data = next(streams, memoryview(b""))
        if not data:
            raise UnusableImageError("is truncated: the JPEG 2000 file has no codestream")
    right, bottom, left, top = (int.from_bytes(data[i : i + 4]) for i in (8, 12, 16, 20))
    n_components = int.from_bytes(data[40:42])
    depths = data[42 : 42 + 3 * n_components].tobytes()
    if len(depths) < 3 * n_components or len(data) < 42:
        raise UnusableImageError("is truncated: the file ends within its header")
    depth, *others = set(depths[::3]) or {7}
    bits = (depth & 0x7F) + 1
    if others or (bits != 8 and n_components > 1) or bits > 16:
        raise UnusableImageError(
            f"holds {n_components} components of {bits} bits; read are JPEG 2000 files of 8 bits, "
            "and grey ones of up to 16; convert it to 8 bits, or to TIFF, first"
        )
    # Packets hold no such bytes, and the decoder makes do with some that are missing.
    if whole and b"\xff\xd9" not in data.tobytes():
        raise UnusableImageError("is truncated: the JPEG 2000 codestream has no end")
    # Pillow moves what has fewer bits to the upper end of 8 or 16 bits, and leaves 0 behind it.
    width = 8 if bits <= 8 else 16
    return Prepared(
        white=None if bits == width else ((1 << bits) - 1) << (width - bits),
        decoded_size=(right - left, bottom - top),
        scratch_bytes=6 * n_components,
    )


class _Place(NamedTuple):
    """Where a part of an item is: in the file, or in a box; a size of 0 goes to its end."""

    data: memoryview
    start: int
    size: int

    def read(self) -> bytes:
        """Return the part."""
        if self.start + self.size > len(self.data):
            raise UnusableImageError("is truncated: parts of the image lie outside the AVIF file")
        stop = self.start + self.size if self.size else len(self.data)
        return self.data[self.start : stop].tobytes()


def prepare_avif(stream: BinaryIO, whole: bool) -> Prepared:
    """Compare the sizes that an AVIF file announces with those that its images are coded in.

    Where they differ, the decoder would stretch the image.
    """
    data = memoryview(stream.read())
    meta = next((content for kind, content in _boxes(data) if kind == b"meta"), None)
    if meta is None or len(meta) > _MAX_HEADER:
        return Prepared(scratch_bytes=12)  # an image sequence alone, or nothing
    try:
        items = _coded_items(meta, data)
    except (IndexError, ValueError) as error:
        raise UnusableImageError("is damaged: the AVIF file's header ends too early") from error
    for announced, places in items:
        content = b"".join(place.read() for place in places)
        try:
            coded = _coded_size(content)
        except IndexError as error:
            raise UnusableImageError("is damaged: its AV1 header ends too early") from error
        if announced and coded and announced != coded:
            raise UnusableImageError(
                f"is damaged: announces {announced[0]} x {announced[1]} pixels, but "
                f"{coded[0]} x {coded[1]} are coded"
            )
        if whole:
            _structure.refuse_zeroed(content, "AVIF data")
    return Prepared(scratch_bytes=12)


class _Fields:
    """Whole numbers that are read one after the other; an IndexError where the data end."""

    def __init__(self, data: bytes | memoryview) -> None:
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


def _coded_items(meta: memoryview, file: memoryview) -> list[tuple[_Size | None, list[_Place]]]:
    """Return announced size and places of the data of each AV1 image except thumbnails."""
    nothing = memoryview(b"")
    found = dict(_boxes(meta[4:]))
    inner = list(_boxes(found.get(b"iprp", nothing)))
    properties = next((content for kind, content in inner if kind == b"ipco"), nothing)
    sizes: dict[int, _Size] = {}
    for number, (kind, content) in enumerate(_boxes(properties), start=1):
        if kind == b"ispe":
            fields = _Fields(content[4:])
            sizes[number] = fields.take(4), fields.take(4)
    owned = _owned([content for kind, content in inner if kind == b"ipma"])
    places = _places(found.get(b"iloc", nothing), file, found.get(b"idat", file))
    thumbnails = _thumbnails(found.get(b"iref", nothing))
    return [
        (next((sizes[key] for key in owned.get(item, ()) if key in sizes), None), places[item])
        for item in _av1_items(found.get(b"iinf", nothing))
        if item in places and item not in thumbnails
    ]


def _av1_items(iinf: memoryview) -> list[int]:
    found = []
    for _, content in _boxes(iinf[6 if bytes(iinf[:1]) == b"\0" else 8 :]):
        fields = _Fields(content)
        version = fields.take(4) >> 24
        item = fields.take(4 if version > 2 else 2)
        fields.take(2)
        if version >= 2 and fields.take(4) == int.from_bytes(b"av01"):
            found.append(item)
    return found


def _thumbnails(iref: memoryview) -> set[int]:
    width = 2 if bytes(iref[:1]) == b"\0" else 4
    return {
        int.from_bytes(content[:width]) for kind, content in _boxes(iref[4:]) if kind == b"thmb"
    }


def _owned(associations: list[memoryview]) -> dict[int, list[int]]:
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


def _places(iloc: memoryview, file: memoryview, idat: memoryview) -> dict[int, list[_Place]]:
    """Return where the data of each item are."""
    found: dict[int, list[_Place]] = {}
    if not iloc:
        return found
    fields = _Fields(iloc)
    version = fields.take(4) >> 24
    offset, length, base, index = (fields.bits(4) for _ in range(4))
    width = 4 if version == 2 else 2
    for _ in range(fields.take(width)):
        item = fields.take(width)
        data = idat if version and fields.take(2) & 15 == 1 else file
        fields.take(2)
        start = fields.take(base)
        found[item] = []
        for _ in range(fields.take(2)):
            fields.take(index if version else 0)
            found[item].append(_Place(data, start + fields.take(offset), fields.take(length)))
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
