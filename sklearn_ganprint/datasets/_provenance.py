"""What an image file itself says of where it comes from, which anyone can write or take away."""

import json
import re
import zlib
from collections.abc import Callable, Generator, Iterable, Iterator
from io import BytesIO
from itertools import chain
from typing import Any, BinaryIO, TypeAlias, TypeVar
from xml.parsers import expat

from sklearn_ganprint._output import printable
from sklearn_ganprint.datasets._decoding import find_descriptions, find_metadata, open_image
from sklearn_ganprint.datasets._decoding._structure import (
    MAX_DESCRIPTION,
    MAX_PARTS,
    Description,
    Directory,
    read_directory,
)
from sklearn_ganprint.datasets._reader import ImageReader
from sklearn_ganprint.datasets._storage import FilePath

__all__ = ["read_provenance"]

Row: TypeAlias = dict[str, str | None]
_Item = TypeVar("_Item")

#: Pieces of metadata that are looked at, rows that are made of them, and letters of a value.
_MOST_PIECES, _MOST_ROWS, _LONGEST = 50, 100, 500

#: What the codes of IPTC's digital source types say, by their last part.
_SOURCE_TYPES = {
    "trainedAlgorithmicMedia": "says that AI generated it",
    "compositeWithTrainedAlgorithmicMedia": "says that AI generated parts of it",
    "compositeSynthetic": "says that parts of it are synthetic",
    "algorithmicMedia": "says that an algorithm generated it",
    "algorithmicallyEnhanced": "says that an algorithm changed it",
    "digitalCapture": "says that a camera took it",
    "computationalCapture": "says that a camera took it",
    "negativeFilm": "says that it was scanned",
    "positiveFilm": "says that it was scanned",
    "print": "says that it was scanned",
    "screenCapture": "says that a screen was captured",
    "digitalCreation": "says that a person made it with software",
    "digitalArt": "says that a person made it with software",
    "humanEdits": "says that a person changed it",
    "minorHumanEdits": "says that a person changed it",
    "composite": "says that it was put together",
    "compositeCapture": "says that it was put together",
}

_WEB_UI = "Stable Diffusion web UI"

#: Texts as programs write them into images that they generate.
_GENERATED = {
    _WEB_UI: re.compile(r"\bSteps: \d+, (?:Sampler|Seed|Size|CFG scale): "),
    "ComfyUI": re.compile(r'"class_type"\s*:|"last_node_id"\s*:'),
    "Fooocus": re.compile(r'"metadata_scheme"\s*:'),
    "SwarmUI": re.compile(r'"sui_image_params"\s*:'),
    "InvokeAI": re.compile(r'"(?:app_version|generation_mode|model_weights)"\s*:'),
    "NovelAI": re.compile(r'"request_type"\s*:|"signed_hash"\s*:'),
    "Midjourney": re.compile(r"\bJob ID: [0-9a-f]{8}-"),
}
#: The model that such a text names.
_GENERATED_WITH = re.compile(
    r'(?:\bModel: |"(?:ckpt_name|unet_name|base_model|model)"\s*:\s*")([^",\n]+)'
)

#: Names of programs and services that generate images.
_GENERATORS = re.compile(
    r"\b(?:Bing Image Creator|ChatGPT|ComfyUI|DALL.?E|DreamStudio|Firefly|FLUX\.?\d|Fooocus|"
    r"Google AI|GPT-4o|gpt-image|Ideogram|InvokeAI|Leonardo\.?Ai|Midjourney|NovelAI|OpenAI|"
    r"Recraft|Stability AI|Stable ?Diffusion|SwarmUI)\b",
    re.IGNORECASE,
)
_OF_GENERATORS = ("Software", "CreatorTool", "softwareAgent", "Credit", "Source", "comment")

#: What other statements say, by their names.
_SUGGESTIONS = {
    "AISystemUsed": "names the AI system that generated it",
    "CreatorTool": "names software",
    "Make": "names a camera",
    "Model": "names a camera",
    "Software": "names software",
    "provenance": "names a C2PA manifest kept elsewhere, which is not fetched",
    "softwareAgent": "names software",
}

_EXIF_DIRECTORY, _XMP_TAG, _USER_COMMENT = 34665, 700, 37510
_EXIF_NAMES = {
    270: "ImageDescription",
    271: "Make",
    272: "Model",
    305: "Software",
    306: "DateTime",
    36867: "DateTimeOriginal",
    36868: "DateTimeDigitized",
    _USER_COMMENT: "UserComment",
}
_EXIF_TAGS = frozenset({*_EXIF_NAMES, _EXIF_DIRECTORY, _XMP_TAG})

_NAMESPACES = {
    "Iptc4xmpExt": "http://iptc.org/std/Iptc4xmpExt/2008-02-29/",
    "dcterms": "http://purl.org/dc/terms/",
    "photoshop": "http://ns.adobe.com/photoshop/1.0/",
    "stEvt": "http://ns.adobe.com/xap/1.0/sType/ResourceEvent#",
    "tiff": "http://ns.adobe.com/tiff/1.0/",
    "xmp": "http://ns.adobe.com/xap/1.0/",
}
_XMP_NAMES = (
    *("Iptc4xmpExt:DigitalSourceType", "Iptc4xmpExt:AISystemUsed", "dcterms:provenance"),
    *("photoshop:Credit", "photoshop:DateCreated", "stEvt:softwareAgent", "tiff:Make"),
    *("tiff:Model", "tiff:Software", "xmp:CreateDate", "xmp:CreatorTool", "xmp:ModifyDate"),
)
_XMP_PROPERTIES = {
    f"{_NAMESPACES[prefix]} {name}": f"{prefix}:{name}"
    for prefix, name in (full.split(":") for full in _XMP_NAMES)
}
_XMP_RESOURCE = "http://www.w3.org/1999/02/22-rdf-syntax-ns# resource"

#: Nothing is fetched: no manifest that is kept elsewhere, no certificate status, no identity.
_OFFLINE = {
    "verify": {"remote_manifest_fetch": False, "ocsp_fetch": False},
    "core": {"decode_identity_assertions": False, "allowed_network_hosts": []},
}
_OF_ACTIONS = ("description", "when")
_UNTRUSTED = "signingCredential.untrusted"
_SIGNER = "names a signer, whom no list here vouches for"
_STATES = {
    "Invalid": "the file or the manifest was changed, or the signature is not right",
    "Valid": "the file is as it was signed; anyone can sign",
}


def read_provenance(path: FilePath) -> list[Row]:
    """Read what an image file itself says of its origin: C2PA, IPTC, EXIF, XMP and texts.

    Parameters
    ----------
    path : str, bytes or path-like
        The file.

    Returns
    -------
    list of dict
        A row for each statement, which JSON can hold as it is:

        kind : str, "C2PA", "IPTC", "EXIF", "XMP", "PNG text" or "JPEG comment"
        name : str, of the statement; "not read" where `value` says what could not be read and why
        value : str, on one line, cut after 500 letters, without control characters
        suggests : str or None, what the statement says if it is true, such as "says that AI
        generated it", "names software" or "names a camera"

    Raises
    ------
    ImageReadError
        If the file is no image in a format that is read here; the error names it and says why.

    See Also
    --------
    inspect_images : Reads formats, sizes and JPEG qualities.
    estimate_history : Estimates from pixels what an image has been through.

    Notes
    -----
    **No row proves anything.** Metadata can be forged, and most services strip it; nothing here is
    mixed with what pixels show. C2PA manifests are read and validated if the package c2pa is there
    (``pip install 'sklearn_ganprint[provenance]'``), else it is said that there is one. A signature
    shows whether the file has been changed since it was signed. Who signed is the name in the
    certificate, which is not compared with a list of trusted ones. Nothing is ever fetched from
    the network: manifests that are kept elsewhere are not read.

    At most 50 pieces of metadata of a file are looked at, and of each 1 MiB. Read are JPEG, PNG,
    WebP, AVIF and TIFF files; of others C2PA manifests alone. Digital source types are those of
    IPTC [1]_, manifests those of C2PA [2]_.

    References
    ----------
    .. [1] IPTC, "Digital Source Type" NewsCodes, http://cv.iptc.org/newscodes/digitalsourcetype/.
    .. [2] Coalition for Content Provenance and Authenticity, "C2PA Technical Specification",
       https://spec.c2pa.org.

    Examples
    --------
    >>> import os, tempfile
    >>> from PIL import Image, PngImagePlugin
    >>> from sklearn_ganprint.datasets import read_provenance
    >>> text = PngImagePlugin.PngInfo()
    >>> text.add_text("Software", "NovelAI")
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     path = os.path.join(folder, "image.png")
    ...     Image.new("RGB", (8, 8)).save(path, pnginfo=text)
    ...     rows = read_provenance(path)
    >>> for row in rows:
    ...     print(row["kind"], row["name"], row["value"], row["suggests"], sep=" | ")
    PNG text | Software | NovelAI | names software that generates images
    """
    with open_image(path, ImageReader().max_pixels, whole=False) as (stream, image, _):
        described = _described(find_descriptions(stream, image))
        rows = chain(_attempt("C2PA", _c2pa_rows(stream)), _attempt("metadata", described))
        return list(_attempt("metadata", _first(rows, _MOST_ROWS, "statements")))


def _described(pieces: Iterable[Description]) -> Iterator[Row]:
    """Make the rows of all metadata but C2PA manifests."""
    for kind, stream in _first(pieces, _MOST_PIECES, "pieces"):
        title, read = _READERS[kind]
        yield from _attempt(title, read(stream))


def _first(items: Iterable[_Item], most: int, what: str) -> Iterator[_Item]:
    """Yield the first items, and raise if there are more."""
    for number, item in enumerate(items):
        if number == most:
            raise ValueError(f"what follows on the first {most} {what}")
        yield item


def _attempt(kind: str, rows: Iterator[Row]) -> Iterator[Row]:
    """Yield rows; whatever goes wrong with damaged or hostile metadata becomes the last one."""
    try:
        yield from rows
    except Exception as error:
        yield _row(kind, "not read", str(error) or type(error).__name__)


def _row(kind: str, name: str, value: str, suggests: str | None = None) -> Row:
    return {"kind": kind, "name": _inert(name), "value": _inert(value), "suggests": suggests}


def _inert(text: str) -> str:
    """Write a text as one line of limited length, in which nothing steers a terminal."""
    line = " ".join(text.strip("\0").split())
    return printable(line if len(line) <= _LONGEST else f"{line[:_LONGEST]} ...")


def _as_text(data: bytes) -> str:
    """Decode UTF-8, or else Latin-1, in which any bytes are letters."""
    try:
        return data.decode()
    except UnicodeDecodeError:
        return data.decode("latin-1")


def _text_rows(kind: str, name: str, text: str) -> Iterator[Row]:
    """Make the row of a text, and one of the model that it names, if it is a generator's."""
    if not text.strip("\0 "):
        return
    marks = ((writer, mark.search(text)) for writer, mark in _GENERATED.items())
    writer, mark = next(((writer, found) for writer, found in marks if found), ("", None))
    if mark is None:
        yield _row(kind, name, text, _suggestion(name.rpartition(":")[2], text))
        return
    yield _row(kind, name, text, f"is written as by {writer}: says that AI generated it")
    # The web UI has the settings behind the prompt, in which any word may stand.
    if model := _GENERATED_WITH.search(text, mark.end() if writer == _WEB_UI else 0):
        yield _row(kind, f"{name}: model", model[1], "names a model that generates images")


def _suggestion(name: str, text: str) -> str | None:
    """Tell what a text of a known name says, if it is true."""
    if name == "DigitalSourceType":
        return _SOURCE_TYPES.get(re.split("[/:]", text.strip())[-1])
    if name in _OF_GENERATORS and _GENERATORS.search(text):
        return "names software that generates images"
    return "gives a date" if "Date" in name else _SUGGESTIONS.get(name)


def _exif_rows(stream: BinaryIO) -> Iterator[Row]:
    """Read the first directory of Exif data, or of a TIFF file, and the one with the dates."""
    first = yield from _tag_rows(stream)
    # Followed once only: further on it may lead back.
    if at := first.first(_EXIF_DIRECTORY, 0):
        yield from _tag_rows(stream, at)


def _tag_rows(stream: BinaryIO, at: int = 0) -> Generator[Row, None, Directory]:
    page = read_directory(stream, _EXIF_TAGS, at=at, longest=MAX_DESCRIPTION)
    for tag, name in _EXIF_NAMES.items():
        if tag in page.tags:
            yield from _text_rows("EXIF", name, _exif_text(tag, page.tags[tag].data))
    if _XMP_TAG in page.tags:
        yield from _xmp_rows(BytesIO(page.tags[_XMP_TAG].data))
    return page


def _exif_text(tag: int, data: bytes) -> str:
    if tag == _USER_COMMENT and b"\0" in data[:8]:  # the name of an encoding, filled up
        encoding, data = data[:8], data[8:]
        if encoding.startswith(b"UNICODE"):
            # The order of its bytes is not stated, and not always that of the directory.
            return data.decode("utf-16-be" if data[:1] == b"\0" else "utf-16-le", "replace")
    return _as_text(data.rstrip(b"\0"))


class _Properties:
    """The known properties of XMP data, whether these are elements or attributes."""

    def __init__(self, data: bytes) -> None:
        self.found: list[tuple[str, str]] = []
        self.problem: str | None = None
        self._inside: list[tuple[str, list[str]]] = []
        parser = expat.ParserCreate(namespace_separator=" ")
        parser.StartElementHandler, parser.EndElementHandler = self._start, self._end
        parser.CharacterDataHandler, parser.StartDoctypeDeclHandler = self._text, self._refuse
        try:
            parser.Parse(data.strip(b"\0"), True)
        except (expat.ExpatError, ValueError) as error:
            self.problem = str(error)

    def _start(self, name: str, attributes: dict[str, str]) -> None:
        if name in _XMP_PROPERTIES:
            self._inside.append((name, [attributes.get(_XMP_RESOURCE, "")]))
        self.found += [(key, attributes[key]) for key in attributes if key in _XMP_PROPERTIES]

    def _text(self, data: str) -> None:
        if self._inside:
            self._inside[-1][1].append(data)

    def _end(self, name: str) -> None:
        if self._inside and self._inside[-1][0] == name:
            self.found.append((name, "".join(self._inside.pop()[1])))

    def _refuse(self, *_: Any) -> None:
        raise ValueError("it declares a document type, and with it perhaps entities")


def _xmp_rows(stream: BinaryIO) -> Iterator[Row]:
    properties = _Properties(stream.read(MAX_DESCRIPTION))
    for key, value in dict.fromkeys(properties.found):
        name = _XMP_PROPERTIES[key]
        yield from _text_rows("IPTC" if name.startswith("Iptc") else "XMP", name, value)
    if properties.problem is not None:
        yield _row("XMP", "not read", properties.problem)


def _plain(stream: BinaryIO) -> Iterator[Row]:
    name, _, text = stream.read().partition(b"\0")
    yield from _png_text(name, text)


def _packed(stream: BinaryIO) -> Iterator[Row]:
    name, _, rest = stream.read().partition(b"\0")
    yield from _png_text(name, _unpack(rest[1:]))


def _international(stream: BinaryIO) -> Iterator[Row]:
    name, _, rest = stream.read().partition(b"\0")
    text = rest[2:].split(b"\0", 2)[-1]  # behind a language and a translated name
    yield from _png_text(name, _unpack(text) if rest[:1] == b"\1" else text)


def _unpack(data: bytes) -> bytes:
    """Decompress up to the largest size, however far the data would go on."""
    return zlib.decompressobj().decompress(data, MAX_DESCRIPTION)


def _png_text(name: bytes, text: bytes) -> Iterator[Row]:
    if name == b"XML:com.adobe.xmp":
        return _xmp_rows(BytesIO(text))
    return _text_rows("PNG text", _as_text(name), _as_text(text))


def _comment(stream: BinaryIO) -> Iterator[Row]:
    return _text_rows("JPEG comment", "comment", _as_text(stream.read()))


_READERS: dict[str, tuple[str, Callable[[BinaryIO], Iterator[Row]]]] = {
    "EXIF": ("EXIF", _exif_rows),
    "XMP": ("XMP", _xmp_rows),
    "comment": ("JPEG comment", _comment),
    "tEXt": ("PNG text", _plain),
    "zTXt": ("PNG text", _packed),
    "iTXt": ("PNG text", _international),
}


class _Limited:
    """A stream that fails after many reads: c2pa makes several for each chunk of a file."""

    def __init__(self, stream: BinaryIO) -> None:
        self._stream, self._left = stream, MAX_PARTS

    def readinto(self, buffer: Any) -> int:
        self._left -= 1
        if self._left < 0:
            raise OSError("there are too many parts")
        return self._stream.readinto(buffer)  # type: ignore[attr-defined]

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stream, name)


def _c2pa_rows(stream: BinaryIO) -> Iterator[Row]:
    """Validate a C2PA manifest in an open file; without the package, say that there is one."""
    try:
        import c2pa  # optional, and slow
    except ImportError:
        if "C2PA" in find_metadata(stream):
            how = "pip install 'sklearn_ganprint[provenance]'"
            yield _row("C2PA", "not read", f"has a C2PA manifest; to read it: {how}")
        return
    stream.seek(0)
    try:
        with c2pa.Context.from_dict(_OFFLINE) as context:
            reader = c2pa.Reader(_Limited(stream), context=context)
    except (c2pa.C2paError.ManifestNotFound, c2pa.C2paError.NotSupported):
        return  # there is none, or none can be in a file of this format
    with reader:
        store = json.loads(reader.json())
    yield from _validation(store)
    manifests = dict(store["manifests"])
    yield from _manifest(manifests.pop(store["active_manifest"]), "")
    for manifest in manifests.values():
        yield from _manifest(manifest, "of an ingredient: ")


def _validation(store: dict[str, Any]) -> Iterator[Row]:
    state = str(store.get("validation_state"))
    yield _row("C2PA", "validation", state, _STATES.get(state))
    for status in store.get("validation_status", ()):
        if status["code"] != _UNTRUSTED:
            yield _row("C2PA", "problem", f"{status['code']}: {status.get('explanation')}")


def _manifest(manifest: dict[str, Any], whose: str) -> Iterator[Row]:
    """Tell who signed a manifest and when, what made it, and what it says was done."""
    signed = manifest.get("signature_info") or {}
    by = " / ".join(signed[key] for key in ("issuer", "common_name") if signed.get(key))
    if by:
        yield _row("C2PA", f"{whose}signed by", by, _SIGNER)
    if signed.get("time"):
        yield _row("C2PA", f"{whose}signed at", signed["time"], "gives a date")
    # Manifests of the first version have one text.
    for generator in manifest.get("claim_generator_info") or [manifest.get("claim_generator")]:
        named = _software(generator)
        yield _row("C2PA", f"{whose}claim generator", named, _suggestion("Software", named))
    for assertion in manifest.get("assertions", ()):
        if assertion["label"].startswith("c2pa.actions"):
            for action in assertion["data"]["actions"]:
                yield _action(action, whose)


def _action(action: dict[str, Any], whose: str) -> Row:
    kind, agent = action.get("digitalSourceType", ""), _software(action.get("softwareAgent"))
    parts = [action["action"], kind.rpartition("/")[2], agent, *map(action.get, _OF_ACTIONS)]
    suggests = _suggestion("DigitalSourceType", kind) or _suggestion("softwareAgent", agent)
    value = ", ".join(str(part) for part in parts if part)
    return _row("C2PA", f"{whose}action", value, suggests if kind or agent else None)


def _software(given: Any) -> str:
    """Write the name of a program, which may come with a version."""
    if not isinstance(given, dict):
        return str(given or "")
    return f"{given.get('name', '')} {given.get('version') or ''}".strip()
