"""What reading makes of mutated image files: never a crash, a hang or a large process.

Usage: python benchmarks/reliability_files.py [--seed 0] [--count 10000] [--seconds S] [--show]

Small valid files of every format are made, and changed: bits flipped, ranges zeroed, removed or
inserted, chunks dropped, doubled or swapped, sizes changed, checksums kept or fixed up. They are
read in another process, as is what they say of themselves; it is killed when a file takes over five
seconds. Other pixels than
before are told apart: of a kind that a reader can recognise, or not (as a changed byte of an
uncompressed image is not). The exit status is 1 after a crash, a hang, more than 1 GB, or damage of
a recognisable kind that was not seen.
"""

import argparse
import io
import multiprocessing
import resource
import sys
import tempfile
import time
import zlib
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import suppress
from multiprocessing.connection import Connection
from pathlib import Path

import numpy as np
from PIL import Image

from sklearn_ganprint.datasets import ImageReader, ImageReadError, read_provenance

TIMEOUT, MAX_MEMORY = 5, 1 << 30
OUTCOMES = ["same", "refused", "other, recognisable", "other", "crash", "hang", "over 1 GB"]
FAULTS = OUTCOMES[2:3] + OUTCOMES[4:]
Generator = np.random.Generator
Span = tuple[int, int]


def make_files() -> dict[str, bytes]:
    """Return small valid files of all formats by their names."""
    rng = np.random.default_rng(0)
    coarse = rng.integers(0, 256, (6, 8, 3), dtype=np.uint8)
    smooth = np.asarray(Image.fromarray(coarse).resize((64, 48), Image.Resampling.BICUBIC))
    pixels = np.clip(smooth + rng.normal(0, 5, smooth.shape), 0, 255).astype(np.uint8)
    rgb = Image.fromarray(pixels)
    grey, wide = rgb.convert("L"), Image.fromarray(pixels[..., 0].astype(np.uint16) * 257)
    # A list of pictures that is made anew: saving leaves settings of the format in them.
    frames = [rgb.rotate(180) for _ in range(5)]
    files = {
        "rgb.png": _saved(rgb, "PNG"),
        "palette.png": _saved(rgb.quantize(40), "PNG"),
        "16 bits.png": _saved(wide, "PNG"),
        "animated.png": _saved(rgb, "PNG", save_all=True, append_images=[frames.pop()]),
        "baseline.jpg": _saved(rgb, "JPEG", quality=90),
        "grey.jpg": _saved(grey, "JPEG", quality=75),
        "restart.jpg": _saved(rgb, "JPEG", quality=90, restart_marker_rows=1),
        "progressive.jpg": _saved(rgb, "JPEG", quality=90, progressive=True),
        "cmyk.jpg": _saved(rgb.convert("CMYK"), "JPEG", quality=90),
        "several.mpo": _saved(rgb, "MPO", save_all=True, append_images=[frames.pop()]),
        "lossy.webp": _saved(rgb, "WEBP", quality=90),
        "lossless.webp": _saved(rgb, "WEBP", lossless=True),
        "animated.webp": _saved(rgb, "WEBP", save_all=True, append_images=[frames.pop()]),
        "raw.tif": _saved(rgb, "TIFF"),
        "16 bits.tif": _saved(wide, "TIFF"),
        "pages.tif": _saved(rgb, "TIFF", save_all=True, append_images=[frames.pop()]),
        "still.gif": _saved(rgb.quantize(60), "GIF"),
        "animated.gif": _saved(rgb, "GIF", save_all=True, append_images=[frames.pop()]),
        "rgb.bmp": _saved(rgb, "BMP"),
        "palette.bmp": _saved(rgb.quantize(40), "BMP"),
        "boxes.jp2": _saved(rgb, "JPEG2000"),
        "stream.j2k": _saved(grey, "JPEG2000", no_jp2=True),
        "still.avif": _saved(rgb, "AVIF"),
        "grey.avif": _saved(grey, "AVIF", quality=90),
        "raw.ppm": _saved(rgb, "PPM"),
        "10 bits.pgm": b"P5 64 48 1023\n" + (pixels[..., 0] * np.uint16(4)).astype(">u2").tobytes(),
        "plain.pgm": b"P2 64 48 255\n" + b" ".join(b"%d" % value for value in pixels[..., 0].flat),
    }
    for compression in ("tiff_lzw", "tiff_deflate", "packbits", "jpeg"):
        files[f"{compression}.tif"] = _saved(rgb, "TIFF", compression=compression)
    return files


def _saved(image: Image.Image, kind: str, **options: object) -> bytes:
    stream = io.BytesIO()
    image.copy().save(stream, kind, **options)
    return stream.getvalue()


def parts(name: str, data: bytes) -> list[Span]:
    """Return where the chunks, segments, boxes or blocks of a file lie."""
    suffix = name.rpartition(".")[2]
    spans, start = [], {"png": 8, "jpg": 2, "mpo": 2, "webp": 12}.get(suffix, 0)
    while start < len(data):
        size = _part_size(suffix, data, start)
        spans.append((start, min(start + max(size, 1), len(data))))
        start = spans[-1][1]
    return spans


def _part_size(suffix: str, data: bytes, start: int) -> int:
    size = int.from_bytes(data[start : start + 4])
    if suffix == "png":
        return size + 12
    if suffix in ("jpg", "mpo"):
        length = int.from_bytes(data[start + 2 : start + 4]) + 2
        # What follows a scan's header is its data, up to the end.
        return len(data) if data[start + 1 : start + 2] == b"\xda" else length
    if suffix == "webp":
        return int.from_bytes(data[start + 4 : start + 8], "little") + 8
    return size if suffix in ("avif", "jp2") else 64


def flip_bits(name: str, data: bytes, rng: Generator) -> bytes:
    """Flip one to eight bits."""
    changed = bytearray(data)
    for position in rng.integers(0, len(data), rng.integers(1, 9)):
        changed[position] ^= 1 << rng.integers(8)
    return bytes(changed)


def zero_range(name: str, data: bytes, rng: Generator) -> bytes:
    """Overwrite a range with zeros."""
    start, stop = _range(data, rng)
    return data[:start] + bytes(stop - start) + data[stop:]


def truncate(name: str, data: bytes, rng: Generator) -> bytes:
    """Cut off the end."""
    return data[: rng.integers(1, len(data))]


def cut_out(name: str, data: bytes, rng: Generator) -> bytes:
    """Take a range away."""
    start, stop = _range(data, rng)
    return data[:start] + data[stop:]


def insert(name: str, data: bytes, rng: Generator) -> bytes:
    """Insert random bytes."""
    start, stop = _range(data, rng)
    return data[:start] + rng.bytes(stop - start) + data[start:]


def drop_part(name: str, data: bytes, rng: Generator) -> bytes:
    """Drop a chunk."""
    spans = parts(name, data)
    start, stop = spans[rng.integers(len(spans))]
    return data[:start] + data[stop:]


def double_part(name: str, data: bytes, rng: Generator) -> bytes:
    """Write a chunk twice."""
    spans = parts(name, data)
    start, stop = spans[rng.integers(len(spans))]
    return data[:stop] + data[start:stop] + data[stop:]


def swap_parts(name: str, data: bytes, rng: Generator) -> bytes:
    """Exchange two chunks that follow one another."""
    spans = parts(name, data)
    if len(spans) < 2:
        return data
    first = rng.integers(len(spans) - 1)
    (start, middle), (_, stop) = spans[first : first + 2]
    return data[:start] + data[middle:stop] + data[start:middle] + data[stop:]


def change_size(name: str, data: bytes, rng: Generator) -> bytes:
    """Change a number of two or four bytes, mostly where headers are."""
    width = int(rng.choice([2, 4]))
    start = int(rng.integers(0, min(len(data), rng.choice([64, 512, len(data)])) - width))
    value = int(rng.choice([0, 1, 7, 63, 255, 4096, 65535, 2**31 - 1, 2**32 - 1]))
    return (
        data[:start]
        + (value % 256**width).to_bytes(width, rng.choice(["big", "little"]))
        + data[start + width :]
    )


def _range(data: bytes, rng: Generator) -> Span:
    start = int(rng.integers(0, len(data)))
    return start, min(start + int(rng.choice([1, 16, 300, 2000])), len(data))


MUTATIONS: list[Callable[[str, bytes, Generator], bytes]] = [
    *(flip_bits, zero_range, truncate, cut_out, insert),
    *(drop_part, double_part, swap_parts, change_size),
]


def fix_checksums(data: bytes) -> bytes:
    """Give the chunks of a PNG file the checksums of what they hold now."""
    fixed = bytearray(data)
    for start, stop in parts("a.png", data):
        if stop - start >= 12:
            fixed[stop - 4 : stop] = zlib.crc32(data[start + 4 : stop - 4]).to_bytes(4)
    return bytes(fixed)


def recognisable(name: str, kind: str, fixed: bool) -> bool:
    """Whether damage of a kind shows in the format, wherever it is."""
    if name.endswith(".png"):
        return not fixed
    # The end of a file that is missing, but for pixels that lie before it.
    return kind == "truncate"


def mutated(files: dict[str, bytes], seed: int, number: int) -> tuple[str, str, bytes, bool]:
    """Return name, kind, bytes of a mutated file, and whether its damage can be recognised."""
    rng = np.random.default_rng([seed, number])
    name = list(files)[number % len(files)]
    mutation = MUTATIONS[rng.integers(len(MUTATIONS))]
    data = mutation(name, files[name], rng)
    fixed = name.endswith(".png") and bool(rng.integers(2))
    data = fix_checksums(data) if fixed else data
    return name, mutation.__name__, data, recognisable(name, mutation.__name__, fixed)


def read_all(connection: Connection, folder: str) -> None:
    """Read the files that come in, and send back what they gave: in a process of its own."""
    reader = ImageReader()
    while (task := connection.recv()) is not None:
        name, content = task
        path = Path(folder) / f"file.{name.rpartition('.')[2]}"
        path.write_bytes(content)
        with suppress(ImageReadError):
            read_provenance(path)
        try:
            result: np.ndarray | str = reader.read_one(path)
        except ImageReadError as error:
            result = error.reason
        connection.send((result, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss << 10))


class Worker:
    """A process that reads files, and is made anew when one of them has ended it."""

    def __init__(self, folder: str) -> None:
        self.folder = folder
        self.start()

    def start(self) -> None:
        """Start the process."""
        context = multiprocessing.get_context("spawn")
        self.connection, other = context.Pipe()
        self.process = context.Process(target=read_all, args=(other, self.folder), daemon=True)
        self.process.start()
        other.close()

    def stop(self) -> None:
        """End the process."""
        self.connection.send(None)
        self.process.join()

    def read(self, name: str, content: bytes, timeout: float = TIMEOUT) -> np.ndarray | str:
        """Return the pixels, the reason of a refusal, or one of the worst outcomes."""
        self.connection.send((name, content))
        try:
            if self.connection.poll(timeout):
                result, memory = self.connection.recv()
                return result if memory < MAX_MEMORY else self._restarted("over 1 GB")
        except EOFError:
            return self._restarted("crash")
        return self._restarted("hang")

    def _restarted(self, outcome: str) -> str:
        self.process.kill()
        self.process.join()
        self.start()
        return outcome


def outcomes(options: argparse.Namespace, worker: Worker) -> Iterator[tuple[str, str]]:
    """Yield name and outcome of each mutated file."""
    files = make_files()
    # The first file waits for the process to start.
    whole = {name: worker.read(name, content, 60) for name, content in files.items()}
    refused = [f"{name}: {result}" for name, result in whole.items() if isinstance(result, str)]
    if refused:
        raise SystemExit(f"intact files are refused: {refused}")
    start = time.monotonic()
    for number in range(options.count):
        if options.seconds is not None and time.monotonic() - start > options.seconds:
            return
        name, kind, content, damage_shows = mutated(files, options.seed, number)
        result = worker.read(name, content)
        if isinstance(result, str):
            outcome = result if result in OUTCOMES else "refused"
        elif np.array_equal(result, whole[name]):
            outcome = "same"
        else:
            outcome = "other, recognisable" if damage_shows else "other"
        if options.show and outcome in FAULTS:
            print(f"{outcome}: {name}, {kind}, number {number}", file=sys.stderr)
        yield name, outcome


def main() -> int:
    """Print a table by format, and return 1 if a file did what none may do."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--count", type=int, default=10_000)
    parser.add_argument("--seconds", type=float, help="stop after so many seconds")
    parser.add_argument("--show", action="store_true", help="name each file that is at fault")
    options = parser.parse_args()
    counts: dict[str, Counter[str]] = {}
    with tempfile.TemporaryDirectory() as folder:
        worker = Worker(folder)
        for name, outcome in outcomes(options, worker):
            counts.setdefault(name.rpartition(".")[2], Counter())[outcome] += 1
        worker.stop()
    total = sum(counts.values(), Counter())
    print(f"| format | files | {' | '.join(OUTCOMES)} |\n|{'---|' * (2 + len(OUTCOMES))}")
    for name, row in [*sorted(counts.items()), ("all", total)]:
        cells = [row.total(), *(row[outcome] for outcome in OUTCOMES)]
        print(f"| {name} | {' | '.join(map(str, cells))} |")
    return int(any(total[fault] for fault in FAULTS))


if __name__ == "__main__":
    raise SystemExit(main())
