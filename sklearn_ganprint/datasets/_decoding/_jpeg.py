"""JPEG files: the segments that concern pixels, whether each scan is whole, and the quality."""

import re
from collections.abc import Iterator, Mapping, Sequence
from io import BytesIO
from typing import Any, BinaryIO, NamedTuple

import numpy as np
from PIL import Image
from PIL.ImageFile import ImageFile

from sklearn_ganprint.datasets._decoding import _structure
from sklearn_ganprint.datasets._decoding._structure import Description, Prepared, UnusableImageError

_SOI, _EOI, _SOS, _DRI = 0xD8, 0xD9, 0xDA, 0xDD
_APP0, _APP1, _APP2, _APP14, _COM = 0xE0, 0xE1, 0xE2, 0xEE, 0xFE
_TABLES_AND_FRAMES = {*range(0xC0, 0xD0), 0xDB, _SOS, _DRI}
_FRAMES = {*range(0xC0, 0xD0)} - {0xC4, 0xC8, 0xCC}
_FRAMES_DECODED_IN_STEPS = {0xC0, 0xC1, 0xC2}  # the arithmetic decoder cannot pause
_NEXT_MARKER = re.compile(rb"\xff[^\x00\xff]")
_NEXT_BUT_RESTART = re.compile(rb"\xff[^\x00\xd0-\xd7\xff]")
_RESTARTS = re.compile(rb"\xff([\xd0-\xd7])")
_N_IMAGES = 0xB001  # tag of the multi-picture format
_XMP = b"http://ns.adobe.com/xap/1.0/\0"

# Names of how colours are sampled, by how much wider and higher their samples are.
_SUBSAMPLING = {(1, 1): "4:4:4", (1, 2): "4:4:0", (2, 1): "4:2:2", (2, 2): "4:2:0", (4, 1): "4:1:1"}

# One bits that stand for no symbol in any code: what a decoder may look ahead, and what it gets
# no complete block out of.
_NO_SYMBOL = b"\xff\x00"
_LOOK_AHEAD = 8
_END = b"\xff\xd9"
# Bytes at the end of a scan that may be left over: encoders fill up, broken data leave more.
_SURPLUS = 32
# All scans of a file, and the pixels that they go over: ten of a file of the largest size.
_MAX_SCANS, _MAX_SCANNED = 100, 3 << 30


class _Frame(NamedTuple):
    """What the frame header says; components are (identity, across, down)."""

    marker: int
    width: int
    height: int
    components: list[tuple[int, int, int]]

    @property
    def sampling(self) -> tuple[int, int]:
        """The greatest factors across and down."""
        return max(part[1] for part in self.components), max(part[2] for part in self.components)

    def n_units(self, chosen: bytes) -> int:
        """Return the number of coded units in a scan of the chosen components."""
        across, down = self.sampling
        if len(chosen) > 1:
            return -(-self.width // (8 * across)) * -(-self.height // (8 * down))
        own = next(component for component in self.components if component[0] == chosen[0])
        blocks_across = -(-self.width * own[1] // (8 * across))
        return blocks_across * -(-self.height * own[2] // (8 * down))

    def coefficient_bytes(self) -> int:
        """Return the bytes that the coefficients of a pixel take: all are kept between scans."""
        across, down = self.sampling
        sampled = sum(component[1] * component[2] for component in self.components)
        return -(-2 * sampled // (across * down))


class _Header:
    """The segments of a JPEG file, as they are read one after the other."""

    def __init__(self) -> None:
        self.kept = bytearray(b"\xff\xd8")
        self.frame: _Frame | None = None
        self.interval = 0
        self.chosen, self.first_coefficient = b"", 0
        self.spectrum: dict[int, list[int]] = {}  # of a progressive file
        self.xmp, self.n_images = b"", 1
        self.descriptions: list[Description] = []
        self.parts = _structure.parts()

    def read_until_scan(self, stream: BinaryIO) -> bool:
        """Read segments up to the next scan's data; False at the end of the image."""
        for _ in self.parts:
            marker = _next_marker(stream)
            if marker == _EOI:
                break
            if marker <= 0x01 or 0xD0 <= marker <= _SOI:
                continue  # stands alone
            length = int.from_bytes(_structure.take(stream, 2, "a JPEG segment")) - 2
            if length < 0:
                raise UnusableImageError("is damaged: a JPEG segment is shorter than its own size")
            if marker in _TABLES_AND_FRAMES:
                body = _structure.take(stream, length, "a JPEG segment")
                self._note(marker, body)
                self._keep(marker, body)
            elif marker in (_APP0, _APP1, _APP2, _APP14, _COM):
                self._application(marker, _structure.take(stream, length, "a JPEG segment"))
            else:
                stream.seek(length, 1)
            if marker == _SOS:
                return True
        return False

    def _keep(self, marker: int, body: bytes) -> None:
        self.kept += bytes((0xFF, marker)) + (len(body) + 2).to_bytes(2) + body

    def _note(self, marker: int, body: bytes) -> None:
        if marker == _DRI:
            self.interval = int.from_bytes(body[:2])
        elif marker == _SOS:
            self._note_scan(body)
        elif marker in _FRAMES:
            if body[0] != 8:
                raise UnusableImageError(f"holds {body[0]}-bit JPEG samples; read are 8 bits")
            height, width = int.from_bytes(body[1:3]), int.from_bytes(body[3:5])
            triples = zip(body[6::3], body[7::3], body[8::3], strict=True)
            components = [(name, factors >> 4, factors & 15) for name, factors, _ in triples]
            self.frame = _Frame(marker, width, height, components)
            if marker not in (0xC0, 0xC1):
                self.spectrum = {name: [-1] * 64 for name, _, _ in components}

    def _note_scan(self, body: bytes) -> None:
        """Note for each component up to which bit its coefficients are known by now."""
        n_chosen = body[0]
        self.chosen = body[1 : 1 + 2 * n_chosen : 2]
        first, last, precision = body[1 + 2 * n_chosen : 4 + 2 * n_chosen]
        self.first_coefficient = first
        for component in self.chosen if self.spectrum else b"":
            self.spectrum[component][first : last + 1] = [precision & 15] * (last + 1 - first)

    def _application(self, marker: int, body: bytes) -> None:
        if (marker == _APP0 and body[:5] == b"JFIF\0") or (marker, body[:5]) == (_APP14, b"Adobe"):
            self._keep(marker, body)  # they decide on the colour space
        elif marker == _APP1 and body.startswith(_XMP):
            self.xmp = body
            self.descriptions.append(("XMP", BytesIO(body[len(_XMP) :])))
        elif marker == _APP1 and body.startswith(b"Exif\0\0"):
            self.descriptions.append(("EXIF", BytesIO(body[6:])))
        elif marker == _COM:
            self.descriptions.append(("comment", BytesIO(body)))
        elif marker == _APP2 and body.startswith(b"MPF\0"):
            self.n_images = (_structure.read_tag(body[4:], _N_IMAGES) or (1,))[0]


def prepare_jpeg(stream: BinaryIO, whole: bool) -> Prepared:
    """Keep tables, frame and scans of a JPEG file, and check that each scan is whole."""
    stream.seek(2)
    header = _Header()
    if not header.read_until_scan(stream) or header.frame is None:
        raise UnusableImageError("is damaged: the JPEG file has no frame")
    opening = bytes(header.kept)
    pieces = _read_scans(stream, header, header.frame) if whole else []
    if header.frame.marker not in _FRAMES_DECODED_IN_STEPS:
        opening, pieces = b"".join(pieces) or opening, []
    # A few pictures of one view, as phones write them; Ultra HDR has a gain map instead.
    several = header.n_images > 1 and b' hdrgm:Version="' not in header.xmp
    progressive = header.frame.marker not in (0xC0, 0xC1)
    return Prepared(
        BytesIO(opening),
        format="MPO" if several else "JPEG",
        scratch_bytes=header.frame.coefficient_bytes() if progressive else 0,
        held_bytes=2 * sum(map(len, pieces)),
        scans=pieces,
    )


def jpeg_descriptions(stream: BinaryIO) -> Iterator[Description]:
    """Yield the metadata in front of the first scan of a JPEG file."""
    stream.seek(2)
    header = _Header()
    header.read_until_scan(stream)
    yield from header.descriptions


def _read_scans(stream: BinaryIO, header: _Header, frame: _Frame) -> list[bytes]:
    """Return the file in pieces; a piece ends with the data of one scan."""
    data = stream.read()
    inner = BytesIO(data)
    pieces, start, more = [], 0, True
    while more:
        found = _NEXT_BUT_RESTART.search(data, start)
        end = found.start() if found else len(data)
        scan = data[start:end].rstrip(b"\xff")  # markers may be filled up in front
        _require_restarts(scan, header, frame)
        if header.first_coefficient:
            _structure.refuse_zeroed(scan, "JPEG data")  # flat areas take no bits there
        pieces.append(bytes(header.kept) + scan)
        header.kept.clear()
        if found is None or len(pieces) > _MAX_SCANS:
            break
        inner.seek(end)
        more = header.read_until_scan(inner)
        start = inner.tell()
    if len(pieces) > min(_MAX_SCANS, _MAX_SCANNED // max(frame.width * frame.height, 1)):
        raise UnusableImageError(
            f"has more JPEG scans than the {_MAX_SCANS} (in large files: fewer) that are read"
        )
    if any(map(any, header.spectrum.values())):
        raise UnusableImageError("is truncated: the last scans of the JPEG file are missing")
    # Without an end marker, the decoder itself stops where data are missing.
    return pieces if more else [*pieces, _END]


def _require_restarts(data: bytes, header: _Header, frame: _Frame) -> None:
    """Raise unless the scan has the restart markers that its size calls for."""
    n_units = frame.n_units(header.chosen)
    expected = -(-n_units // header.interval) - 1 if header.interval else 0
    found = b"".join(_RESTARTS.findall(data))
    if found != (bytes(range(0xD0, 0xD8)) * (expected // 8 + 1))[:expected]:
        raise UnusableImageError(
            "is damaged: its restart markers are not those that the size calls for"
        )


def _next_marker(stream: BinaryIO) -> int:
    """Read up to the next marker, over whatever lies before it."""
    pair = stream.read(2)
    tail = b""
    while not (found := _NEXT_MARKER.search(tail + pair)):
        tail = (tail + pair)[-1:]
        pair = stream.read(1 << 16)
        if not pair:
            raise UnusableImageError("is truncated: the JPEG file ends before its image does")
    stream.seek(found.end() - len(tail + pair), 1)
    return found[0][-1]


def load_jpeg(image: ImageFile, pieces: Sequence[bytes]) -> None:
    """Decode scan by scan, and raise where the data of one end before the scan does.

    libjpeg fills up in silence what is missing before a marker. So the decoder sees no marker
    until bits that stand for no symbol have shown that it is not inside a block.
    """
    decoding = _Decoding(image)
    whole = pieces[-1] == _END
    for scan in pieces[: len(pieces) - whole]:
        decoding.feed(scan[:-_SURPLUS])
        decoding.feed_end_of_scan(scan[-_SURPLUS:], last=len(pieces) == 1 + whole)
        if whole:
            decoding.require_whole_scan()
    if whole:
        decoding.feed(_END)
    if not decoding.done:
        raise UnusableImageError("is truncated: the JPEG file ends before its image does")


class _Decoding:
    """Pillow's JPEG decoder, fed step by step."""

    def __init__(self, image: ImageFile) -> None:
        image.load_prepare()
        codec, extents, _, arguments = image.tile[0]
        self._decoder = Image._getdecoder(image.mode, codec, arguments, image.decoderconfig)
        self._decoder.setimage(image.im, extents)
        image.tile = []
        self.done, self._left = False, b""

    def feed(self, data: bytes) -> None:
        """Hand on more of the file."""
        if not self.done:
            data = self._left + data
            n_used, error = self._decoder.decode(data)
            if error < 0:
                raise OSError("broken JPEG data")
            self.done = n_used < 0
            self._left = data[max(n_used, 0) :]

    def feed_end_of_scan(self, data: bytes, last: bool) -> None:
        """Hand on the last bytes of a scan, and raise if it was over before them.

        Between scans each byte is skipped at once, while one inside a scan may have to wait.
        """
        over, position = self.done if last else len(data) == _SURPLUS, 0
        while over and not last and position < len(data):
            self.feed(data[position : position + 1])
            over, position = not self._left, position + 1
        if over:
            raise UnusableImageError("is damaged: JPEG data are left over behind the last block")
        self.feed(data[position:])

    def require_whole_scan(self) -> None:
        """Raise if the decoder is still inside a block."""
        self.feed(_LOOK_AHEAD * _NO_SYMBOL)
        waiting = bool(self._left)
        # Between scans all bytes are skipped at once; a block takes no fewer than three.
        for _ in range(3):
            self.feed(_NO_SYMBOL)
            waiting |= bool(self._left)
        if waiting and not self.done:
            raise UnusableImageError("is damaged: JPEG data are missing before the end")


# Table K.1 of ITU-T T.81, row by row: the table that the IJG library scales. Pillow
# hands tables out in this order too (not in the zigzag order of the file).
_STANDARD_LUMINANCE = np.array(
    [
        *(16, 11, 10, 16, 24, 40, 51, 61),
        *(12, 12, 14, 19, 26, 58, 60, 55),
        *(14, 13, 16, 24, 40, 57, 69, 56),
        *(14, 17, 22, 29, 51, 87, 80, 62),
        *(18, 22, 37, 56, 68, 109, 103, 77),
        *(24, 35, 55, 64, 81, 104, 113, 92),
        *(49, 64, 78, 87, 103, 121, 120, 101),
        *(72, 92, 95, 98, 112, 100, 103, 99),
    ],
    dtype=np.int64,
)


#: The luminance tables of the IJG qualities 1 to 100, one a row.
_QUALITIES = np.arange(1, 101)[:, np.newaxis]
_PERCENT = np.where(_QUALITIES < 50, 5000 // _QUALITIES, 200 - 2 * _QUALITIES)
QUALITY_TABLES = np.clip((_STANDARD_LUMINANCE * _PERCENT + 50) // 100, 1, 255)


def estimate_jpeg_quality(quantization_tables: Mapping[int, Sequence[int]]) -> float:
    """Estimate the IJG quality setting, from 1 (coarsest) to 100, that a file was saved with.

    Tables are as in the ``quantization`` attribute of an opened Pillow image; that with the lowest
    number is the luminance table. The quality whose table differs least from it, by the sum of
    absolute differences, is exact for files written by libjpeg and its kin. Cameras and image
    editors have tables of their own, for which the number is the nearest equivalent.
    """
    if not quantization_tables:
        raise ValueError("quantization_tables: expected at least one table, got none")
    table = np.asarray(quantization_tables[min(quantization_tables)], dtype=np.int64)
    if table.shape != (64,):
        raise ValueError(
            "quantization_tables: expected 64 entries in the luminance table, "
            f"got an array of shape {table.shape}"
        )
    return float(1 + np.abs(QUALITY_TABLES - table).sum(axis=1).argmin())


def chroma_subsampling(image: Any) -> str:
    """Return how a JPEG file samples its colours, such as "4:2:0"; empty for any other file."""
    layers: Any = getattr(image, "layer", ())  # (identity, across, down, table) of each component
    if len(layers) < 3:
        return ""
    luminance, colour = layers[:2]
    across, down = luminance[1] // colour[1], luminance[2] // colour[2]
    return _SUBSAMPLING.get((across, down), f"{across} x {down}")
