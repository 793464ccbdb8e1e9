"""Image files byte by byte, of kinds that Pillow does not write."""

import struct
import zlib

PNG_SIGNATURE = b"\x89PNG\r\n\x1a\n"


def png_chunk(kind, body, *, checksum=None):
    checksum = zlib.crc32(kind + body) if checksum is None else checksum
    return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", checksum)


def png_chunks(data):
    """Split a PNG file into (kind, body) pairs."""
    position, chunks = len(PNG_SIGNATURE), []
    while position < len(data):
        (size,) = struct.unpack(">I", data[position : position + 4])
        chunks.append((data[position + 4 : position + 8], data[position + 8 :][:size]))
        position += 12 + size
    return chunks


def png(chunks):
    return PNG_SIGNATURE + b"".join(png_chunk(kind, body) for kind, body in chunks)


def tiff(width, height, data, tags, *, order="<", big=False, more=b"", following=0):
    """Return a TIFF file with one strip and one directory.

    `tags` are {number: (type letter, values)}; those of size and strips are added. What does
    not fit into an entry stands behind the directory.
    """
    kinds = {"B": 1, "s": 2, "H": 3, "L": 4, "b": 6, "h": 8}
    offset, width_of_offset = ("Q", 8) if big else ("L", 4)
    start = 16 if big else 8
    everything = {
        256: ("L", [width]),
        257: ("L", [height]),
        259: ("H", [1]),
        273: ("L", [start]),
        278: ("L", [height]),
        279: ("L", [len(data)]),
        **tags,
    }
    directory_at = start + len(data)
    entries, outside = b"", b""
    size = (8 if big else 2) + len(everything) * (4 + 2 * width_of_offset) + width_of_offset
    for tag, (letter, values) in sorted(everything.items()):
        packed = values if letter == "s" else struct.pack(f"{order}{len(values)}{letter}", *values)
        count = len(values)
        place = packed.ljust(width_of_offset, b"\0")
        if len(packed) > width_of_offset:
            place = struct.pack(order + offset, directory_at + size + len(outside))
            outside += packed
        entries += struct.pack(f"{order}HH{offset}", tag, kinds[letter], count) + place
    head = b"II" if order == "<" else b"MM"
    head += (
        struct.pack(order + "HHHQ", 43, 8, 0, directory_at)
        if big
        else struct.pack(order + "HL", 42, directory_at)
    )
    n_tags = struct.pack(order + ("Q" if big else "H"), len(everything))
    return head + data + n_tags + entries + struct.pack(order + offset, following) + outside + more
