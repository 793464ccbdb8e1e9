"""What files say of themselves is read as it was written, and hostile metadata does no harm."""

import datetime
import io
import json
import socket
import struct
import sys
import tarfile
import tracemalloc
import zlib

import numpy as np
import pytest
from image_bytes import png, png_chunk, png_chunks, tiff
from PIL import ExifTags, Image, PngImagePlugin

from sklearn_ganprint.datasets import ImageReadError, read_provenance

AI = "says that AI generated it"
IPTC = "http://cv.iptc.org/newscodes/digitalsourcetype/"
ALL = ("jpg", "png", "webp", "avif", "tif")


@pytest.fixture
def image():
    noise = np.random.default_rng(0).integers(0, 256, (64, 64, 3), dtype=np.uint8)
    return Image.fromarray(noise)


@pytest.fixture
def says(tmp_path):
    """Write a file and read what it says; what comes out is plain, short and inert."""

    def read(name, content):
        (tmp_path / name).write_bytes(content)
        rows = read_provenance(tmp_path / name)
        assert json.loads(json.dumps(rows)) == rows
        assert len(rows) <= 101
        for row in rows:
            assert list(row) == ["kind", "name", "value", "suggests"]
            assert (row["name"] + row["value"]).isprintable()
            assert len(row["value"]) <= 6000
        return rows

    return read


def saved(image, form, **options):
    stream = io.BytesIO()
    name = {"jpg": "JPEG", "tif": "TIFF"}.get(form, form)
    image.save(stream, name, **options)
    return stream.getvalue()


def texts(image, **values):
    info = PngImagePlugin.PngInfo()
    for name, value in values.items():
        info.add_text(name.replace("_", "-"), value)
    return saved(image, "png", pnginfo=info)


def told(rows):
    return [(row["kind"], row["name"], row["value"], row["suggests"]) for row in rows]


def unread(rows):
    return [row["value"] for row in rows if row["name"] == "not read"]


def camera():
    exif = Image.Exif()
    exif.update({271: "NIKON", 272: "D90", 305: "Ver.1.00", 306: "2026:01:02 03:04:05"})
    exif.get_ifd(ExifTags.IFD.Exif)[36867] = "2026:01:01 00:00:00"
    return exif


@pytest.mark.parametrize("form", ALL)
def test_camera_and_dates_are_those_that_pillow_reads(form, image, says):
    content = saved(image, form, exif=camera())
    own = Image.open(io.BytesIO(content)).getexif()
    taken = own.get_ifd(ExifTags.IFD.Exif).get(36867)
    assert told(says(f"x.{form}", content)) == [
        ("EXIF", "Make", own[271], "names a camera"),
        ("EXIF", "Model", own[272], "names a camera"),
        ("EXIF", "Software", own[305], "names software"),
        ("EXIF", "DateTime", own[306], "gives a date"),
        *([("EXIF", "DateTimeOriginal", taken, "gives a date")] if form != "tif" else []),
    ]


def xmp(inner, attributes=""):
    return (
        "<?xpacket begin='' id='W5M0MpCehiHzreSzNTczkc9d'?><x:xmpmeta xmlns:x='adobe:ns:meta/'>"
        "<rdf:RDF xmlns:rdf='http://www.w3.org/1999/02/22-rdf-syntax-ns#'>"
        "<rdf:Description xmlns:i='http://iptc.org/std/Iptc4xmpExt/2008-02-29/'"
        f" xmlns:xmp='http://ns.adobe.com/xap/1.0/' {attributes}>{inner}</rdf:Description>"
        "</rdf:RDF></x:xmpmeta><?xpacket end='w'?>"
    ).encode()


@pytest.mark.parametrize("form", ALL)
@pytest.mark.parametrize(
    ("inner", "attributes"),
    [
        (f"<i:DigitalSourceType>{IPTC}trainedAlgorithmicMedia</i:DigitalSourceType>", ""),
        (f"<i:DigitalSourceType rdf:resource='{IPTC}trainedAlgorithmicMedia'/>", ""),
        ("", f"i:DigitalSourceType='{IPTC}trainedAlgorithmicMedia'"),
    ],
    ids=["element", "resource", "attribute"],
)
def test_source_types_are_read_however_they_are_written(form, inner, attributes, image, says):
    data = xmp(inner, attributes)
    options = {"tiffinfo": {700: data}} if form == "tif" else {"xmp": data}
    if form == "png":
        options["pnginfo"] = PngImagePlugin.PngInfo()
        options["pnginfo"].add_itxt("XML:com.adobe.xmp", data.decode(), zip=True)
    value = f"{IPTC}trainedAlgorithmicMedia"
    expected = [("IPTC", "Iptc4xmpExt:DigitalSourceType", value, AI)]
    assert told(says(f"x.{form}", saved(image, form, **options))) == expected


@pytest.mark.parametrize(
    ("code", "suggests"),
    [
        ("compositeWithTrainedAlgorithmicMedia", "says that AI generated parts of it"),
        ("digitalCapture", "says that a camera took it"),
        ("positiveFilm", "says that it was scanned"),
        ("somethingNew", None),
    ],
)
def test_what_source_types_suggest(code, suggests, image, says):
    data = xmp("<xmp:CreatorTool>DALL-E 3</xmp:CreatorTool>", f"i:DigitalSourceType='{IPTC}{code}'")
    first, second = told(says("x.jpg", saved(image, "jpg", xmp=data)))
    assert first[-1] == suggests
    assert second[1:] == ("xmp:CreatorTool", "DALL-E 3", "names software that generates images")


A1111 = (
    "a fashion Model: Anna\nNegative prompt: blurry\nSteps: 20, Sampler: Euler a, CFG scale: 7, "
    "Seed: 1, Size: 512x512, Model hash: 6ce0161689, Model: v1-5-pruned, Version: v1.6.0"
)
COMFY = '{"4": {"class_type": "CheckpointLoaderSimple", "inputs": {"ckpt_name": "xl.safetensors"}}}'


@pytest.mark.parametrize(
    ("values", "writer", "model"),
    [
        ({"parameters": A1111}, "Stable Diffusion web UI", "v1-5-pruned"),
        ({"prompt": COMFY}, "ComfyUI", "xl.safetensors"),
        ({"workflow": '{"last_node_id": 9, "nodes": []}'}, "ComfyUI", None),
        ({"Comment": '{"steps": 28, "signed_hash": "x"}'}, "NovelAI", None),
        ({"sd_metadata": '{"model_weights": "sd-1.5"}'}, "InvokeAI", None),
        ({"Description": "a cat --v 5 Job ID: 0a1b2c3d-0000"}, "Midjourney", None),
        ({"parameters": '{"metadata_scheme": "fooocus", "base_model": "jug"}'}, "Fooocus", "jug"),
    ],
)
def test_texts_of_generators_are_known(values, writer, model, image, says):
    first, *rest = says("x.png", texts(image, **values))
    (name, text), *_ = values.items()
    assert (first["kind"], first["name"]) == ("PNG text", name.replace("_", "-"))
    assert first["value"] == " ".join(text.split())
    assert first["suggests"] == f"is written as by {writer}: {AI}"
    assert [row["value"] for row in rest] == ([model] if model else [])


@pytest.mark.parametrize(
    "comment",
    [
        b"UNICODE\0" + A1111.encode("utf-16-be"),
        b"UNICODE\0" + A1111.encode("utf-16-le"),
        b"ASCII\0\0\0" + A1111.encode(),
        A1111.encode(),
    ],
    ids=["big", "little", "ASCII", "not as the standard has it"],
)
def test_texts_of_generators_are_known_in_exif_data(comment, image, says):
    exif = Image.Exif()
    exif.get_ifd(ExifTags.IFD.Exif)[37510] = comment
    rows = says("x.webp", saved(image, "webp", exif=exif))
    assert [row["name"] for row in rows] == ["UserComment", "UserComment: model"]
    assert rows[0]["value"] == " ".join(A1111.split())


def test_texts_behind_the_pixels_and_comments_are_read(image, says):
    *chunks, end = png_chunks(texts(image))
    behind = png([*chunks, (b"tEXt", b"Software\0GIMP"), end])
    assert told(says("x.png", behind)) == [("PNG text", "Software", "GIMP", "names software")]
    comment = saved(image, "jpg", comment="made with Stable Diffusion")
    assert [row["kind"] for row in says("x.jpg", comment)] == ["JPEG comment"]


def test_files_that_say_nothing_have_no_rows_and_others_are_refused(image, says):
    for form in (*ALL, "bmp", "gif", "ppm", "jpeg2000"):
        assert says(f"x.{form}", saved(image, form)) == []
    with pytest.raises(ImageReadError, match="is not an image"):
        says("x.png", b"Software: c2pa")


def test_files_in_tar_files_are_read(image, tmp_path):
    content = texts(image, Software="GIMP")
    with tarfile.open(tmp_path / "x.tar", "w") as archive:
        member = tarfile.TarInfo("a.png")
        member.size = len(content)
        archive.addfile(member, io.BytesIO(content))
    assert read_provenance(tmp_path / "x.tar" / "a.png")[0]["value"] == "GIMP"


def peak_of(function, *args):
    """Return the greatest number of bytes that Python holds during a call."""
    tracemalloc.start()
    try:
        function(*args)
        return tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()


def with_chunk(image, kind, body, n_times=1):
    header, *rest = png_chunks(saved(image, "png"))
    return png([header]) + png_chunk(kind, body) * n_times + png(rest)[8:]


@pytest.mark.parametrize(
    ("kind", "body"),
    [
        (b"tEXt", b"Comment\0" + b"x" * 10_000_000),
        (b"zTXt", b"Comment\0\0" + zlib.compress(b"x" * 50_000_000, 1)),
        (b"iTXt", b"Comment\0\1\0\0\0" + zlib.compress(b"x" * 50_000_000, 1)),
    ],
    ids=["long", "bomb", "international bomb"],
)
def test_long_texts_and_bombs_are_cut(kind, body, image, says):
    content = with_chunk(image, kind, body)
    assert peak_of(says, "x.png", content) < 8 << 20
    (row,) = says("x.png", content)
    assert row["value"] == "x" * 500 + " ..."


def bomb():
    entities = "".join(f"<!ENTITY a{n} '{f'&a{n - 1};' * 10}'>" for n in range(1, 9))
    doctype = f"<!DOCTYPE x [<!ENTITY a0 'ha'>{entities}]>"
    return f"{doctype}<x xmlns='http://ns.adobe.com/xap/1.0/'><CreatorTool>&a8;</CreatorTool></x>"


@pytest.mark.parametrize(
    ("data", "problem"),
    [
        (bomb().encode(), "declares a document type"),
        (b"<!DOCTYPE x SYSTEM 'file:///etc/passwd'><x/>", "declares a document type"),
        (xmp("<xmp:CreatorTool>\xff</xmp:CreatorTool>").decode().encode("latin-1"), "not well-"),
        (b"<x>" * 60_000, "no element found"),
        (b"", "no element found"),
    ],
    ids=["entities", "external", "no UTF-8", "deep", "empty"],
)
def test_xmp_that_is_damaged_or_hostile_is_said_to_be_unread(data, problem, image, says):
    (reason,) = unread(says("x.webp", saved(image, "webp", xmp=data or b"\0")))
    assert problem in reason


def test_what_stands_before_damage_is_told(image, says):
    tool = "<xmp:CreatorTool>GIMP</xmp:CreatorTool>"
    rows = says("x.jpg", saved(image, "jpg", xmp=xmp(tool).replace(b"</rdf:Description>", b"<")))
    assert [(row["name"], row["value"] == "GIMP") for row in rows] == [
        ("xmp:CreatorTool", True),
        ("not read", False),
    ]
    rows = says("x.png", with_chunk(image, b"zTXt", b"Comment\0\0no stream"))
    assert unread(rows) == ["Error -3 while decompressing data: incorrect header check"]


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("a\x1b[31mb\x07", "a\\x1b[31mb\\x07"),
        ("evil\u202egnp.exe", "evil\\u202egnp.exe"),
        ("two\r\nlines\t\u2028on one", "two lines on one"),
        ("<script>alert(1)</script>", "<script>alert(1)</script>"),
        ("[" * 100_000, "[" * 500 + " ..."),
    ],
)
def test_values_are_inert(text, shown, image, says):
    info = PngImagePlugin.PngInfo()
    info.add_itxt("Comment", text)
    (row,) = says("x.png", saved(image, "png", pnginfo=info))
    assert row["value"] == shown


def test_bytes_that_are_no_utf8_are_letters(image, says):
    (row,) = says("x.png", with_chunk(image, b"iTXt", b"Comment\0\0\0\0\0caf\xe9"))
    assert row["value"] == "café"


def test_a_directory_that_leads_back_is_read_once_more_and_no_further(image, says):
    # The directory stands behind 8 bytes of header and the pixels.
    tags = {258: ("H", [8]), 262: ("H", [1]), 271: ("s", b"abc\0"), 34665: ("L", [8 + 4])}
    rows = says("x.tif", tiff(2, 2, b"\x10\x20\x30\x40", tags))
    assert [row["value"] for row in rows] == ["abc", "abc"]


def test_values_of_tags_outside_of_the_data_are_said_to_be_unread(image, says):
    exif = struct.pack("<2sHLHHHLLL", b"II", 42, 8, 1, 271, 2, 100, 5000, 0)
    (reason,) = unread(says("x.jpg", saved(image, "jpg", exif=b"Exif\0\0" + exif)))
    assert "lie outside the file" in reason


def test_large_tags_take_no_memory(image, says):
    # Tags without end, each of which is all of the pixels: 36 GB if they were read.
    size, tags = 1 << 22, {258: ("H", [8]), 262: ("H", [1])}
    content = tiff(2048, 2048, bytes(size), tags)
    (start,) = struct.unpack("<L", content[4:8])
    (n_tags,) = struct.unpack("<H", content[start : start + 2])
    more = b"".join(struct.pack("<HHLL", 1000 + n, 2, size, 8) for n in range(9_000))
    head = struct.pack("<H", n_tags + 9_000)
    content = content[:start] + head + content[start + 2 : -4] + more + bytes(4)
    assert peak_of(says, "x.tif", content) < 8 << 20


def test_of_many_pieces_some_are_read(image, says):
    pytest.importorskip("c2pa")
    content = with_chunk(image, b"tEXt", b"Comment\0a", 70_000)
    first, *rows, last = says("x.png", content)
    assert (first["kind"], first["name"]) == ("C2PA", "not read")
    assert [row["value"] for row in rows] == ["a"] * 50
    assert told([last]) == [("metadata", "not read", "what follows on the first 50 pieces", None)]


@pytest.mark.parametrize("form", ALL)
def test_files_that_end_early_are_read_as_far_as_they_go_or_refused(form, image, says):
    content = saved(image, form, exif=camera())
    makes = []
    for end in range(0, len(content), len(content) // 23):
        try:
            makes += [row["value"] for row in says(f"x.{form}", content[:end])]
        except ImageReadError:
            continue
    # WebP, AVIF and TIFF files that end early are refused.
    assert ("NIKON" in makes) == (form in ("jpg", "png"))


def certificate(subject, key, issuer, issuer_key):
    """Return an X.509 certificate as C2PA has them, of an authority if it is its own issuer."""
    from cryptography import x509
    from cryptography.hazmat.primitives import hashes
    from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

    def name(common):
        parts = {NameOID.ORGANIZATION_NAME: "Test Lab", NameOID.COMMON_NAME: common}
        return x509.Name([x509.NameAttribute(oid, value) for oid, value in parts.items()])

    root, day = subject == issuer, datetime.timedelta(days=1)
    now = datetime.datetime.now(datetime.UTC)
    usage = dict.fromkeys(
        ("content_commitment", "key_encipherment", "data_encipherment", "key_agreement"), False
    )
    usage |= {"digital_signature": True, "encipher_only": False, "decipher_only": False}
    usage |= {"key_cert_sign": root, "crl_sign": root}
    key_id = x509.SubjectKeyIdentifier.from_public_key(key.public_key())
    issuer_id = x509.AuthorityKeyIdentifier.from_issuer_public_key(issuer_key.public_key())
    builder = (
        x509.CertificateBuilder(name(issuer), name(subject), key.public_key(), 7)
        .not_valid_before(now - day)
        .not_valid_after(now + day)
        .add_extension(x509.BasicConstraints(root, None), critical=True)
        .add_extension(x509.KeyUsage(**usage), critical=True)
        .add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.EMAIL_PROTECTION]), False)
        .add_extension(key_id, critical=False)
        .add_extension(issuer_id, critical=False)
    )
    return builder.sign(issuer_key, hashes.SHA256())


@pytest.fixture(scope="module")
def sign():
    """Sign a file with a key that is made here."""
    c2pa = pytest.importorskip("c2pa")
    from cryptography.hazmat.primitives import serialization
    from cryptography.hazmat.primitives.asymmetric import ec

    root_key, key = (ec.generate_private_key(ec.SECP256R1()) for _ in range(2))
    pem = serialization.Encoding.PEM
    chain = [certificate("signer", key, "root", root_key)]
    chain.append(certificate("root", root_key, "root", root_key))
    certificates = b"".join(each.public_bytes(pem) for each in chain)
    plain = serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    info = c2pa.C2paSignerInfo(b"es256", certificates, key.private_bytes(pem, *plain), None)
    signer = c2pa.Signer.from_info(info)
    created = {
        "action": "c2pa.created",
        "digitalSourceType": f"{IPTC}trainedAlgorithmicMedia",
        "softwareAgent": {"name": "Model X", "version": "2"},
    }

    def make(content, form, remote=None, parent=None):
        manifest = {"claim_generator_info": [{"name": "Lab\u202eTool", "version": "1.0"}]}
        if parent is None:
            actions = {"label": "c2pa.actions.v2", "data": {"actions": [created]}}
            manifest["assertions"] = [actions]
        builder = c2pa.Builder(manifest)
        if parent is not None:
            builder.set_intent(c2pa.C2paBuilderIntent.EDIT)
            ingredient = {"title": "parent", "relationship": "parentOf"}
            builder.add_ingredient(ingredient, f"image/{form}", io.BytesIO(parent))
        if remote is not None:
            builder.set_no_embed()
            builder.set_remote_url(remote)
        signed = io.BytesIO()
        builder.sign(signer, f"image/{form}", io.BytesIO(content), signed)
        return signed.getvalue()

    return make


@pytest.mark.parametrize("form", ["jpeg", "png", "webp", "avif", "tiff"])
def test_c2pa_manifests_are_validated(form, image, says, sign):
    assert told(says(f"x.{form}", sign(saved(image, form), form))) == [
        ("C2PA", "validation", "Valid", "the file is as it was signed; anyone can sign"),
        ("C2PA", "signed by", "Test Lab / signer", "names a signer, whom no list here vouches for"),
        ("C2PA", "claim generator", "Lab\\u202eTool 1.0", "names software"),
        ("C2PA", "action", "c2pa.created, trainedAlgorithmicMedia, Model X 2", AI),
    ]


def test_manifests_of_what_an_image_was_made_from_are_told_apart(image, says, sign):
    parent = sign(saved(image, "png"), "png")
    rows = says("x.png", sign(saved(image.rotate(90), "png"), "png", parent=parent))
    assert [(row["name"], row["suggests"]) for row in rows if "action" in row["name"]] == [
        ("action", None),
        ("of an ingredient: action", AI),
    ]


def test_files_changed_after_they_were_signed_are_invalid(image, says, sign):
    content = sign(saved(image, "png"), "png")
    *chunks, (kind, body), end = png_chunks(content)
    assert kind == b"IDAT"
    rows = says("x.png", png([*chunks, (kind, body[:-1] + bytes([body[-1] ^ 1])), end]))
    assert [row["value"] for row in rows if row["name"] == "validation"] == ["Invalid"]
    (problem,) = [row["value"] for row in rows if row["name"] == "problem"]
    assert problem.startswith("assertion.dataHash.mismatch: ")


def test_damaged_manifests_are_said_to_be_unread_and_other_metadata_is_read(image, says, sign):
    chunks = png_chunks(sign(texts(image, Software="GIMP"), "png"))
    cut = [(kind, body[:99] if kind == b"caBX" else body) for kind, body in chunks]
    first, second = told(says("x.png", png(cut)))
    assert first[:2] == ("C2PA", "not read")
    assert second == ("PNG text", "Software", "GIMP", "names software")


def test_manifests_that_are_kept_elsewhere_are_not_fetched(image, says, sign):
    with socket.create_server(("127.0.0.1", 0)) as server:
        server.settimeout(0.3)
        address = f"http://127.0.0.1:{server.getsockname()[1]}/manifest"
        rows = says("x.jpg", sign(saved(image, "jpg"), "jpeg", address))
        with pytest.raises(TimeoutError):
            server.accept()
    assert [(row["kind"], row["name"]) for row in rows] == [
        ("C2PA", "not read"),
        ("XMP", "dcterms:provenance"),
    ]
    assert all(address in row["value"] for row in rows)


def test_without_the_package_manifests_are_mentioned(image, says, sign, monkeypatch):
    content = sign(saved(image, "png"), "png")
    monkeypatch.setitem(sys.modules, "c2pa", None)  # what an import of it then fails at
    (row,) = says("x.png", content)
    assert row["value"].endswith("pip install 'sklearn_ganprint[provenance]'")
    assert says("x.png", saved(image, "png")) == []
