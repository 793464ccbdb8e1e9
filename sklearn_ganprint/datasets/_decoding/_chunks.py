"""PNG, WebP, GIF and PPM files, reduced to what concerns the pixels of their first image."""

import re
import zlib
from collections.abc import Iterator
from io import BytesIO
from typing import BinaryIO

import numpy as np
from numpy.typing import NDArray

from sklearn_ganprint.datasets._decoding import _structure
from sklearn_ganprint.datasets._decoding._structure import (
    MAX_DESCRIPTION,
    Description,
    Prepared,
    UnusableImageError,
)

PNG_SIGNATURE = b"\x89PNG\r\n\x1a\n"
_CRITICAL = (b"IHDR", b"PLTE", b"IDAT")
_PNG_DESCRIPTIONS = {b"eXIf": "EXIF", b"tEXt": "tEXt", b"zTXt": "zTXt", b"iTXt": "iTXt"}


def prepare_png(stream: BinaryIO, whole: bool) -> Prepared:
    """Keep header, palette and data of a PNG file, whose checksums must be right."""
    stream.seek(len(PNG_SIGNATURE))
    kept = _png_parts(stream, whole)
    header, palette = b"".join(kept[b"IHDR"]), b"".join(kept[b"PLTE"])
    if len(header) < 13:
        return Prepared()  # Pillow says that it is no image
    indexed = header[9] == 3
    if len(kept[b"IHDR"]) > 1 or (indexed and (len(kept[b"PLTE"]) != 1 or len(palette) < 3)):
        raise UnusableImageError("is damaged: the PNG file has two headers, or not one palette")
    # The data as one chunk, without a checksum: it has been compared, and Pillow does not look.
    parts = [PNG_SIGNATURE, _png_chunk(b"IHDR", header)]
    parts += [_png_chunk(b"PLTE", palette)] if indexed else []
    n_bytes = sum(map(len, kept[b"IDAT"]))
    parts += [n_bytes.to_bytes(4), b"IDAT", *kept.pop(b"IDAT"), bytes(4), _PNG_END]
    content = b"".join(parts)
    return Prepared(
        BytesIO(content), n_colours=len(palette) // 3 if indexed else None, held_bytes=len(content)
    )


def _png_parts(stream: BinaryIO, whole: bool) -> dict[bytes, list[bytes]]:
    """Return what the chunks that matter hold; without `whole`, up to the image data."""
    kept: dict[bytes, list[bytes]] = {kind: [] for kind in _CRITICAL}
    for kind, size in _png_heads(stream):
        if kind == b"IDAT" and not whole:
            break
        if kind in _CRITICAL:
            kept[kind].append(_checked(stream, kind, size))
        elif not kind.isalpha():
            if kept[b"IDAT"]:
                break  # no concern of the data, if they are whole; the decoder will know
            raise UnusableImageError(f"is damaged: {kind!r} is no PNG chunk")
    return kept


def _png_heads(stream: BinaryIO) -> Iterator[tuple[bytes, int]]:
    """Yield kind and size of each chunk but the last; the stream stands where its data begin."""
    for _ in _structure.parts():
        head = stream.read(8)
        kind, size = head[4:], int.from_bytes(head[:4])
        if len(head) < 8 or kind == b"IEND":
            return
        end = stream.tell() + size + 4
        yield kind, size
        stream.seek(end)


def png_descriptions(stream: BinaryIO) -> Iterator[Description]:
    """Yield the metadata of a PNG file, up to the largest size of each; texts as chunks."""
    stream.seek(len(PNG_SIGNATURE))
    for kind, size in _png_heads(stream):
        if kind in _PNG_DESCRIPTIONS:
            data = stream.read(min(size, MAX_DESCRIPTION))
            yield _PNG_DESCRIPTIONS[kind], BytesIO(data)


def _checked(stream: BinaryIO, kind: bytes, size: int) -> bytes:
    what = f"its {kind.decode()} chunk"
    data = _structure.take(stream, size, what)
    if zlib.crc32(data, zlib.crc32(kind)) != int.from_bytes(_structure.take(stream, 4, what)):
        raise UnusableImageError(f"is damaged: the checksum of {what} is wrong")
    return data


def _png_chunk(kind: bytes, data: bytes) -> bytes:
    checksum = zlib.crc32(data, zlib.crc32(kind))
    return len(data).to_bytes(4) + kind + data + checksum.to_bytes(4)


_PNG_END = _png_chunk(b"IEND", b"")


_WEBP_IMAGES = (b"VP8 ", b"VP8L", b"ANMF")


def prepare_webp(stream: BinaryIO, whole: bool) -> Prepared:
    """Keep the first image of a WebP file, and what says how large the canvas is."""
    head = _structure.take(stream, 12, "its header")
    size = int.from_bytes(head[4:8], "little") + 8
    if stream.seek(0, 2) < size:
        raise UnusableImageError("is truncated: the WebP file is shorter than it says")
    stream.seek(12)
    kept, n_frames = [], 0
    for kind, length in _riff_chunks(stream, size):
        if kind in (b"VP8X", b"ANIM", b"ALPH", *_WEBP_IMAGES):
            n_frames += kind in _WEBP_IMAGES
            if kind not in _WEBP_IMAGES or n_frames == 1:
                kept.append(_webp_chunk(kind, _structure.take(stream, length, "a WebP chunk")))
        elif kind in (b"EXIF", b"XMP ") and length <= MAX_DESCRIPTION:
            # They must lie within the file; larger ones are passed over.
            _structure.take(stream, length, "a WebP chunk")
    content = b"WEBP" + b"".join(kept)
    return Prepared(
        BytesIO(b"RIFF" + len(content).to_bytes(4, "little") + content),
        decoded_size=_webp_size(content[4:]),
        scratch_bytes=12,
        held_bytes=3 * len(content),
    )


def webp_descriptions(stream: BinaryIO) -> Iterator[Description]:
    """Yield the metadata of a WebP file, up to the largest size of each."""
    end = stream.seek(0, 2)
    stream.seek(12)
    for kind, length in _riff_chunks(stream, end):
        if kind in (b"EXIF", b"XMP "):
            data = stream.read(min(length, MAX_DESCRIPTION))
            yield kind.decode().strip(), BytesIO(data.removeprefix(b"Exif\0\0"))


def _webp_size(content: bytes) -> tuple[int, int] | None:
    """Return the size that the first chunk states: the decoder takes memory for it at once."""
    numbers = [int.from_bytes(content[i : i + 3], "little") for i in (12, 15, 14, 16)]
    match content[:4]:
        case b"VP8X":
            return numbers[0] + 1, numbers[1] + 1
        case b"VP8 ":
            return numbers[2] & 0x3FFF, numbers[3] & 0x3FFF
        case b"VP8L":
            bits = int.from_bytes(content[9:13], "little")
            return (bits & 0x3FFF) + 1, (bits >> 14 & 0x3FFF) + 1
    return None


def _riff_chunks(stream: BinaryIO, end: int) -> Iterator[tuple[bytes, int]]:
    for _ in _structure.parts():
        start = stream.tell()
        if start + 8 > end:
            return
        head = _structure.take(stream, 8, "a WebP chunk")
        length = int.from_bytes(head[4:], "little")
        if start + 8 + length > end and head[:4] in (b"VP8X", b"ALPH", *_WEBP_IMAGES):
            raise UnusableImageError("is damaged: a chunk of the WebP file does not fit into it")
        yield head[:4], length
        stream.seek(start + 8 + length + length % 2)


def _webp_chunk(kind: bytes, data: bytes) -> bytes:
    if kind == b"VP8X":
        data = bytes((data[0] & ~0x2C,)) + data[1:]  # no profile, no Exif, no XMP data
    elif kind != b"ANIM":
        _structure.refuse_zeroed(data, "WebP data")
    return kind + len(data).to_bytes(4, "little") + data + b"\0" * (len(data) % 2)


def prepare_gif(stream: BinaryIO, whole: bool) -> Prepared:
    """Keep the first image of a GIF file, and how it is to be drawn."""
    data = stream.read()
    position = 13 + _gif_palette_size(data[10])
    kept, n_frames = [data[:position]], 0
    for _ in _structure.parts():
        start = position
        kind = data[start : start + 1]
        if kind not in (b"!", b","):
            break
        position += 2 if kind == b"!" else 11 + _gif_palette_size(data[start + 9])
        try:
            position = _end_of_blocks(data, position)
        except IndexError:
            if not n_frames:
                raise UnusableImageError("is truncated: the GIF file ends too early") from None
            break
        control = data[start : start + 2] == b"!\xf9"
        if n_frames == 0 and (kind == b"," or control):
            kept.append(data[start:position])
        n_frames += kind == b","
    return Prepared(BytesIO(b"".join(kept) + b";"))


def _gif_palette_size(flags: int) -> int:
    return 3 << (flags & 7) + 1 if flags & 128 else 0


def _end_of_blocks(data: bytes, position: int) -> int:
    """Return the position behind a sequence of blocks, which an empty one ends."""
    while data[position]:
        position += data[position] + 1
    return position + 1


_PPM_SPACE = rb"(?:\s|#[^\r\n]*[\r\n])+"
_MAX_PPM_HEADER, _MAX_PPM_VALUES = 1 << 16, 1 << 25
_PPM_HEADER = re.compile(rb"P(?:1(?:%b\d+){2}|[2356](?:%b\d+){3})\s" % (2 * (_PPM_SPACE,)))
_PPM_COMMENT = re.compile(rb"#[^\r\n]*")
_NO_NUMBER = re.compile(rb"[^\d\s]")


def prepare_ppm(stream: BinaryIO, whole: bool) -> Prepared:
    """Scale the values of a PGM or PPM file to 16 bits (grey) or 8 bits (colour) in one go.

    Pillow does it in Python, value by value, for whatever ends at neither 255 nor 65535.
    """
    stream.seek(0)
    head = stream.read(_MAX_PPM_HEADER)
    found = _PPM_HEADER.match(head)
    if found is None:
        # Pillow reads byte by byte, and would do so through any length of comments.
        if len(_PPM_COMMENT.sub(b" ", head).split()) < 3:
            raise UnusableImageError("is damaged: the PPM file has no header where it begins")
        return Prepared()
    width, height, *rest = map(int, _PPM_COMMENT.sub(b" ", found[0][2:]).split())
    largest = rest[0] if rest else 1
    bitmap, plain, colour = (head[1] in kinds for kinds in (b"1", b"123", b"36"))
    read_by_pillow = not plain and (largest == 255 or (largest == 65535 and not colour))
    if read_by_pillow or not 0 < largest < 65536:
        return Prepared()
    top = 255 if colour or largest == 255 else 65535
    opening = b"P%d %d %d %d\n" % (6 if colour else 5, width, height, top)
    if bitmap:
        opening = b"P4 %d %d\n" % (width, height)
    if not whole:
        return Prepared(BytesIO(opening))
    n_values = width * height * (3 if colour else 1)
    if n_values > _MAX_PPM_VALUES:
        raise UnusableImageError(
            f"holds more than {_MAX_PPM_VALUES} values as text, or with another largest value "
            "than 255 and 65535, which are read in small files only; save it as PNG"
        )
    stream.seek(found.end())
    if bitmap:
        return Prepared(BytesIO(opening + _packed_bits(stream, width, height)))
    values = _ppm_values(stream, plain, largest, n_values)
    table = np.rint(np.arange(largest + 1) * (top / largest)).astype(">u2" if top > 255 else "u1")
    return Prepared(BytesIO(opening + table[values].tobytes()))


def _packed_bits(stream: BinaryIO, width: int, height: int) -> bytes:
    """Pack the bits of a bitmap that is written as text."""
    bits = b"".join(_PPM_COMMENT.sub(b" ", stream.read()).split())[: width * height]
    if len(bits) < width * height or bits.strip(b"01"):
        raise UnusableImageError("is truncated: the PBM file has fewer bits than pixels")
    table = np.frombuffer(bits, np.uint8).reshape(height, width) - ord("0")
    return np.packbits(table, axis=1).tobytes()


def _ppm_values(stream: BinaryIO, plain: bool, largest: int, n_values: int) -> NDArray[np.integer]:
    """Return the values of a PGM or PPM file, written as text (plain) or as numbers."""
    values: NDArray[np.integer]
    if plain:
        text = _PPM_COMMENT.sub(b" ", stream.read())
        end = _NO_NUMBER.search(text)
        values = np.fromstring(text[: end.start() if end else None], np.int64, sep=" ")[:n_values]
    else:
        kind = np.dtype("u1" if largest < 256 else ">u2")
        data = stream.read(n_values * kind.itemsize)
        values = np.frombuffer(data[: len(data) // kind.itemsize * kind.itemsize], kind)
    if len(values) < n_values:
        raise UnusableImageError("is truncated: the PPM file has fewer values than pixels")
    if values.max(initial=0) > largest:
        raise UnusableImageError(f"is damaged: it holds values above its largest, {largest}")
    return values
