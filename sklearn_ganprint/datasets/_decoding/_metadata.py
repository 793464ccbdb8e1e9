"""What a file says beside its pixels: kinds of metadata, and how JPEG samples colours."""

from typing import Any, BinaryIO

#: What each kind of metadata begins with in one of the formats.
_MARKS = {
    "C2PA": (b"c2pa", b"caBX"),
    "EXIF": (b"Exif\0\0", b"eXIf", b"EXIF"),
    "ICC": (b"ICC_PROFILE", b"iCCP", b"ICCP"),
    "Photoshop": (b"Photoshop 3.0",),
    "XMP": (b"http://ns.adobe.com/xap/1.0/", b"XML:com.adobe.xmp", b"XMP "),
    "text": (b"tEXt", b"iTXt", b"zTXt"),
}

#: Bytes at the beginning and at the end in which they are looked for: WebP has them at the end.
#: In as many bytes of coded pixels four given ones come up by chance once in 30 000 times.
_SEARCHED = 1 << 16

_SUBSAMPLING = {
    (1, 1): "4:4:4",
    (1, 2): "4:4:0",
    (2, 1): "4:2:2",
    (2, 2): "4:2:0",
    (4, 1): "4:1:1",
}


def find_metadata(stream: BinaryIO) -> str:
    """Return the kinds of metadata in an open file, such as "EXIF, ICC"; nothing is parsed."""
    position = stream.tell()  # whoever else reads the file goes on from there
    stream.seek(0)
    ends = stream.read(_SEARCHED)
    length = stream.seek(0, 2)
    stream.seek(max(len(ends), length - _SEARCHED))
    ends += stream.read(_SEARCHED)
    stream.seek(position)
    found = [kind for kind, marks in _MARKS.items() if any(mark in ends for mark in marks)]
    return ", ".join(found)


def chroma_subsampling(image: Any) -> str:
    """Return how a JPEG file samples its colours, such as "4:2:0"; empty for any other file."""
    layers: Any = getattr(image, "layer", ())  # (identity, across, down, table) of each component
    if len(layers) < 3:
        return ""
    luminance, colour = layers[:2]
    across, down = luminance[1] // colour[1], luminance[2] // colour[2]
    return _SUBSAMPLING.get((across, down), f"{across} x {down}")
