"""Speed, accuracy and memory of this installation, beside plain code on the same machine.

Usage: python benchmarks/performance.py [--quick] [--rows NAME ...] [--markdown] [--out FILE]

What is compared takes turns within one run, so that a busy machine slows both alike. A figure is
the median, with quartiles, of the ratios of neighbouring runs. One process with one BLAS thread,
unless a row says otherwise. Packages that are only compared with are in the extra ``benchmark``; a
row whose package is not installed is skipped. ``prnu`` is not in that extra, since it brings
PyTorch along.
"""

import argparse
import json
import os
import platform
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass, replace
from functools import partial
from importlib.metadata import distributions
from pathlib import Path
from typing import Any

import numpy as np
import references as ref
from scipy.spatial.distance import cdist, pdist
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import Pipeline, make_pipeline
from threadpoolctl import threadpool_info, threadpool_limits

import sklearn_ganprint
from sklearn_ganprint import FileBatchClassifier, FingerprintClassifier, ResidualTransformer
from sklearn_ganprint.correlation import correlation_index, pairwise_correlation
from sklearn_ganprint.datasets import ImageReader, load_samples
from sklearn_ganprint.denoisers import GaussianDenoiser, WaveletDenoiser
from sklearn_ganprint.residuals import set_cache_size
from sklearn_ganprint.residuals._cache import CACHE_SIZE

PHOTO = (3072, 4608)
PACKAGES = {"numpy", "scipy", "PyWavelets", "scikit-learn", "pillow", "joblib"}
PACKAGES |= {"scikit-image", "opencv-python", "opencv-python-headless", "prnu"}
HEADER = ("work", "measured is", "measured", "quartiles", "must", "aim", "verdict", "ms each")
#: Widths of the columns on a terminal.
WIDTHS = (44, 50, 8, 17, 9, 9, 15, 7)
PLAIN = "times as fast as plain pywt and ndimage"
SCORES = f"scores of {ref.RESIDUAL_VALUES} values, {ref.N_CLASSES} classes"
SAME = "time per unit (linear: 1)"


@dataclass(frozen=True)
class Row:
    """One line of the table: what was found, and what it should be."""

    work: str
    against: str
    must: float | None = None
    aim: float | None = None
    more_is_better: bool = True
    values: Sequence[float] = ()
    ms: float | None = None

    def verdict(self) -> str:
        """Say what the median reaches."""
        if not len(self.values):
            return "skipped"
        reached = {name: self._reaches(name) for name in ("must", "aim")}
        if reached["aim"]:
            return "aim reached"
        if reached["must"] is None:
            return "for information" if reached["aim"] is None else "aim missed"
        return "reached" if reached["must"] else "not reached"

    def _reaches(self, name: str) -> bool | None:
        bound, median = getattr(self, name), np.median(self.values)
        if bound is None:
            return None
        return bool(median >= bound if self.more_is_better else median <= bound)

    def cells(self) -> list[str]:
        """Columns of the table."""
        sign = "≥" if self.more_is_better else "≤"
        low, median, high = (
            np.percentile(self.values, [25, 50, 75]) if len(self.values) else [0] * 3
        )
        return [
            self.work,
            self.against,
            f"{median:.3g}" if len(self.values) else "",
            f"{low:.3g} to {high:.3g}" if len(self.values) > 1 else "",
            *("" if bound is None else f"{sign} {bound:g}" for bound in (self.must, self.aim)),
            self.verdict(),
            "" if self.ms is None else f"{self.ms:.3g}",
        ]


@dataclass(frozen=True)
class Effort:
    """How often something is repeated, and whether to make do with less of it."""

    repeats: int
    quick: bool

    @property
    def few(self) -> int:
        """Repeats of what takes seconds."""
        return max(2, self.repeats // 4)


def speedup(row: Row, slow: Any, fast: Any, *, n: int, repeats: int, needs: str = "sys") -> Row:
    """Fill a row with how many times as fast as `slow` is `fast`; both do `n` items."""
    if ref.optional(needs) is None:
        return replace(row, against=f"{row.against} (not installed)")
    times = ref.alternate(slow, fast, repeats=repeats)
    return replace(row, values=times[:, 0] / times[:, 1], ms=median_ms(times[:, 1], n))


def median_ms(seconds: np.ndarray, n: int) -> float:
    """Milliseconds an item."""
    return float(np.median(seconds)) / n * 1e3


def each(function: Callable[..., Any], images: Any) -> Callable[[], Any]:
    """Call `function` image by image, and keep what it returns."""
    return lambda: [function(image) for image in images]


def wavelet_grey(effort: Effort) -> Iterator[Row]:
    """Grey images of 256 px, in a batch."""
    images = ref.grey_mosaics(32, 256, 256)
    floats, n, repeats = images.astype(np.float32), len(images), effort.repeats
    plain, transform = each(ref.wavelet_residual, floats), ResidualTransformer().fit_transform
    residual = partial(WaveletDenoiser().residual, floats)
    row = Row("wavelet residual, grey 256 px", PLAIN, 4, 5)
    yield speedup(row, plain, residual, n=n, repeats=repeats)
    row = Row("... by ResidualTransformer, from uint8", PLAIN)
    yield speedup(row, plain, partial(transform, images), n=n, repeats=repeats)
    with threadpool_limits(os.cpu_count()):
        row = Row("... with BLAS threads on all cores", PLAIN)
        row = speedup(row, plain, residual, n=n, repeats=effort.few)
    yield row
    row = Row("... beside another wavelet filter", "times as fast as skimage denoise_wavelet")
    slow = each(ref.skimage_residual, floats)
    yield speedup(row, slow, residual, n=n, repeats=effort.few, needs="skimage")
    row = Row("... beside a 3 px Wiener filter", "times as fast as prnu NoiseExtractor")
    slow = each(ref.prnu_residual, images)
    yield speedup(row, slow, residual, n=n, repeats=effort.few, needs="prnu")


def wavelet_rgb(effort: Effort) -> Iterator[Row]:
    """RGB images of 256 px, to luminance and to the mean of each class."""
    images = ref.mosaics(48, 256, 256)
    y, n, repeats = np.arange(len(images)) % 3, len(images), effort.few * 2
    transform = ResidualTransformer(channels="luminance").fit_transform
    plain = each(ref.luminance_residual, images)
    row = Row("wavelet residual, RGB to luminance 256 px", PLAIN, 5, 6)
    yield speedup(row, plain, partial(transform, images), n=n, repeats=repeats)
    weights, planes = np.array(ref.LUMINANCE_WEIGHTS), np.moveaxis(images, -1, 1)
    row = Row("... by WaveletDenoiser.weighted_residual", PLAIN)
    merged = partial(WaveletDenoiser().weighted_residual, planes, weights)
    yield speedup(row, plain, merged, n=n, repeats=repeats)
    pipeline = make_pipeline(ResidualTransformer(), FingerprintClassifier())
    fit = partial(FileBatchClassifier(pipeline).fit, images, y)
    row = Row("class fingerprints, RGB 256 px", PLAIN, 6, 7.5)
    yield speedup(row, partial(ref.class_means, images, y), fit, n=n, repeats=repeats)


def wavelet_photo(effort: Effort) -> Iterator[Row]:
    """Take a grey image of 14 megapixels."""
    image = ref.grey_mosaics(1, *PHOTO).astype(np.float32)
    row = Row("wavelet residual, grey 14 MP", PLAIN, 8, 10)
    residual = partial(WaveletDenoiser().residual, image)
    plain = each(ref.wavelet_residual, image)
    yield speedup(row, plain, residual, n=1, repeats=effort.few)


def gaussian(effort: Effort) -> Iterator[Row]:
    """Subtract the Gaussian from grey images of 256 px."""
    floats = ref.grey_mosaics(64, 256, 256).astype(np.float32)
    doubles, n, repeats = floats.astype(np.float64), len(floats), effort.repeats
    work = "Gaussian residual, grey 256 px"
    residual = partial(GaussianDenoiser().residual, floats)
    row = Row(work, "times as fast as ndimage, float64", 8, 13)
    yield speedup(row, each(ref.gaussian_residual, doubles), residual, n=n, repeats=repeats)
    row = Row(work, "times as fast as OpenCV GaussianBlur", 1)
    slow = each(ref.opencv_residual, floats)
    yield speedup(row, slow, residual, n=n, repeats=2 * repeats, needs="cv2")


def scoring(effort: Effort) -> Iterator[Row]:
    """Score residuals against 22 fingerprints, by a fitted classifier and by the function."""
    residuals, fingerprints = ref.noise(64), ref.noise(ref.N_CLASSES)
    values, names = residuals.reshape(-1), np.arange(ref.N_CLASSES)
    fitted = FingerprintClassifier().partial_fit_sums(fingerprints, np.ones(len(names)), names)
    slow, floor, ours, anew = ref.alternate(
        lambda: cdist(residuals, fingerprints, metric="correlation"),
        lambda: values @ values,
        lambda: fitted.correlate(residuals),
        lambda: correlation_index(residuals, fingerprints),
        repeats=effort.repeats,
    ).T
    ms = median_ms(ours, len(residuals)), median_ms(anew, len(residuals))
    yield Row(SCORES, "times as fast as cdist", 15, 20, values=slow / ours, ms=ms[0])
    against = "times as long as one dot product (read floor)"
    yield Row(SCORES, against, 7, 5, more_is_better=False, values=ours / floor)
    row = Row("... by correlation_index, of new fingerprints", "times as fast as cdist")
    yield replace(row, values=slow / anew, ms=ms[1])


def pairs(effort: Effort) -> Iterator[Row]:
    """All pairs of residuals."""
    n = 300 if effort.quick else 800
    residuals = ref.noise(n)
    slow, product, ours = ref.alternate(
        lambda: pdist(residuals, metric="correlation"),
        lambda: residuals @ residuals.T,
        lambda: pairwise_correlation(residuals),
        repeats=2,
        warm_up=False,
    ).T
    work = f"{n} x {n} correlations"
    yield Row(work, "times as fast as pdist", 40, values=slow / ours, ms=median_ms(ours, 1))
    against = "of the speed of the bare product Z @ Z.T"
    yield Row(work, against, aim=0.85, values=product / ours)


def files(effort: Effort) -> Iterator[Row]:
    """PNG files of 256 px to scores."""
    work = "PNG files of 256 px to scores"
    with tempfile.TemporaryDirectory() as folder:
        # More than a few batches, or a second process has nothing to do.
        paths = ref.write_files(folder, 192 if effort.quick else 512)
        one, two = ref.fitted(paths), ref.fitted(paths, n_jobs=2)
        read, score, parallel = ref.alternate(
            lambda: ImageReader().read(paths),
            lambda: one.decision_function(paths),
            lambda: two.decision_function(paths),
            repeats=effort.few,
        ).T
    ms = median_ms(score, len(paths)), median_ms(parallel, len(paths))
    yield Row(work, "of the time is decoding", 0.4, values=read / score, ms=ms[0])
    against = "times as fast with two processes"
    yield Row(work, against, aim=1.6, values=score / parallel, ms=ms[1])


def accuracy(effort: Effort) -> Iterator[Row]:
    """Compare residuals in float32, image by image, with plain code in float64."""
    doubles = ref.grey_mosaics(4 if effort.quick else 16, 256, 256).astype(np.float64)
    kinds = {
        "wavelet": (WaveletDenoiser(), ref.wavelet_residual),
        "Gaussian": (GaussianDenoiser(), ref.gaussian_residual),
    }
    for name, (denoiser, plain) in kinds.items():
        exact = np.stack([plain(image) for image in doubles])
        error = denoiser.residual(doubles.astype(np.float32)) - exact
        relative = np.sqrt((error**2).mean(axis=(1, 2)) / (exact**2).mean(axis=(1, 2)))
        against = "relative RMS against plain float64"
        yield Row(f"{name} residual in float32", against, 1e-5, 4e-6, False, relative)


def memory(effort: Effort) -> Iterator[Row]:
    """Peaks of numpy's buffers, and of whole processes for files."""
    n, plane = 64, 4 * 256 * 256
    kinds = {"grey": (8, 6)} if effort.quick else {"grey": (8, 6), "rgb": (None, None)}
    for kind in kinds:
        extra = ref.memory(kind, n, 256, 256) - n * plane
        work = f"memory, {n} {kind} images of 256 px"
        yield Row(work, "MB beside input and output", 10, None, False, [extra / 1e6])
    for kind, bounds in kinds.items():
        planes = ref.memory(kind, 1, *PHOTO) / (4 * PHOTO[0] * PHOTO[1])
        work, against = f"memory, {kind} image of 14 MP", "float32 planes, the output among them"
        yield Row(work, against, *bounds, False, [planes])
    if Path("/proc/self/status").exists():
        # The peak is reached with the third batch of 64.
        few, many = 200, 400 if effort.quick else 1000
        with tempfile.TemporaryDirectory() as folder:
            ref.write_files(folder, 50)
            sizes = [ref.memory("files", folder, count) / 1e6 for count in (few, many)]
        work = f"memory, fit and scores of {many} files"
        against = f"MB more than with {few} files ({sizes[0]:.0f} MB)"
        yield Row(work, against, 10, None, False, [sizes[1] - sizes[0]])


def growth(what: str, units: Sequence[int], tasks: Sequence[Any], **settings: Any) -> Iterator[Row]:
    """Time per unit as something grows, in terms of that of the least."""
    must, names = settings.pop("must", None), settings.pop("names", [f"{n:,}" for n in units])
    per_unit = ref.alternate(*tasks, **settings) / units
    for name, column in zip(names[1:], (per_unit[:, 1:] / per_unit[:, :1]).T, strict=True):
        yield Row(f"{what}: {name} instead of {names[0]}", SAME, must, None, False, column)


def scaling_files(effort: Effort) -> Iterator[Row]:
    """Fit on the bundled samples, repeated, and with two processes."""
    names = list(load_samples(load_content=False).filenames) * 30
    sizes = [100, 500] if effort.quick else [100, 1000, 10_000]
    fit = partial(ref.fitted, reader=ImageReader(channels="luminance"))
    fit(names[:100])
    tasks = [partial(fit, names[:size]) for size in sizes]
    yield from growth("files fitted", sizes, tasks, must=1.25, repeats=2, warm_up=False)
    tasks = [partial(fit, names[: sizes[1]], n_jobs) for n_jobs in (1, 2)]
    one, two = ref.alternate(*tasks, repeats=effort.few).T
    yield Row("processes: 2 instead of 1", SAME, None, 1.25, False, 2 * two / one)


def scaling_pixels(effort: Effort) -> Iterator[Row]:
    """Residuals of larger and larger images, of about as many pixels together."""
    shapes = [(64, 128, 128), (16, 256, 256), (4, 512, 512), (1, 1024, 1024), (1, *PHOTO)]
    images = [ref.grey_mosaics(*shape).astype(np.float32) for shape in shapes]
    tasks = [partial(WaveletDenoiser().residual, each) for each in images]
    names = [f"{height} x {width}" for _, height, width in shapes]
    sizes = [each.size for each in images]
    yield from growth("pixels", sizes, tasks, names=names, must=1.25, repeats=effort.few)


def scaling_classes(effort: Effort) -> Iterator[Row]:
    """Score a batch against more and more fingerprints."""
    residuals, fingerprints, sizes = ref.noise(64), ref.noise(200), [2, 20, 200]
    tasks = [partial(correlation_index, residuals, fingerprints[:size]) for size in sizes]
    yield from growth("classes scored", sizes, tasks, repeats=effort.repeats)


def search(effort: Effort) -> Iterator[Row]:
    """Cross-validate six denoisers, in processor time of one process, as a new process would."""
    images = ref.mosaics(160 if effort.quick else 640, 256, 256)
    # Mosaics recur: with noise in the last bit, no image is there twice.
    images ^= np.random.default_rng(0).integers(0, 2, images.shape, dtype=np.uint8)
    y = np.arange(len(images)) % 8
    wavelets = [WaveletDenoiser(sigma=sigma) for sigma in (2, 5, 10)]
    denoisers = [*wavelets, WaveletDenoiser(level=3), GaussianDenoiser(), GaussianDenoiser(2.0)]
    pipeline = Pipeline(
        [("residual", ResidualTransformer()), ("classify", FingerprintClassifier())]
    )
    grid = {"residual__denoiser": denoisers}
    values, seconds = [], []
    for _ in range(3):
        set_cache_size(0)
        # One after the other: memory for all of them at once would count as time.
        transformers = [ResidualTransformer(each) for each in denoisers]
        once = sum(processor_seconds(each.fit_transform, images) for each in transformers)
        set_cache_size(CACHE_SIZE)
        seconds.append(processor_seconds(GridSearchCV(pipeline, grid, cv=5).fit, images, y))
        values.append(seconds[-1] / once)
    set_cache_size(0)
    work = f"GridSearchCV: 6 denoisers, 5 folds, {len(images)} RGB images"
    row = Row(work, "times as long as all residuals once", 2, None, False, values)
    yield replace(row, ms=median_ms(np.array(seconds), len(images)))


def processor_seconds(function: Callable[..., Any], *args: Any) -> float:
    """Time of the processor that a call takes, which other programs do not lengthen."""
    start = time.process_time()
    function(*args)
    return time.process_time() - start


ROWS: dict[str, Callable[[Effort], Iterator[Row]]] = {
    function.__name__: function
    for function in (
        *(wavelet_grey, wavelet_rgb, wavelet_photo, gaussian, scoring, pairs, files),
        *(search, accuracy, memory, scaling_files, scaling_pixels, scaling_classes),
    )
}


def machine() -> dict[str, Any]:
    """Say where this runs: figures of another kernel or processor are other figures."""
    blas = [library for library in threadpool_info() if library["user_api"] == "blas"]
    return {
        "processor": f"{processor()}, {os.cpu_count()} cores",
        "load before": round(os.getloadavg()[0], 1) if hasattr(os, "getloadavg") else None,
        "BLAS": [f"{each['prefix']} {each['version']} {each['architecture']}" for each in blas],
        "OPENBLAS_CORETYPE": os.environ.get("OPENBLAS_CORETYPE", "not set"),
        "Python": f"{platform.python_version()}, {platform.system()} {platform.machine()}",
        "sklearn_ganprint": sklearn_ganprint.__version__,
        **{each.name: each.version for each in distributions() if each.name in PACKAGES},
    }


def processor() -> str:
    """Give the name of the processor, which Linux keeps in a file."""
    path = Path("/proc/cpuinfo")
    if not path.exists():
        return platform.processor()
    names = [line for line in path.read_text("utf-8").splitlines() if "model name" in line]
    return names[0].partition(": ")[2] if names else platform.processor()


def show(cells: Sequence[str], markdown: bool) -> None:
    """Print a line of the table."""
    if markdown:
        print("|", " | ".join(cells), "|", flush=True)
    else:
        print("  ".join(map(str.ljust, cells, WIDTHS)).rstrip(), flush=True)


def measure(names: Sequence[str], effort: Effort, markdown: bool) -> Iterator[Row]:
    """Print rows as they are measured, and give them."""
    show(HEADER, markdown)
    show(["---" if markdown else "-" * width for width in WIDTHS], markdown)
    for name in names:
        for row in ROWS[name](effort):
            show(row.cells(), markdown)
            yield row


def arguments() -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rows", nargs="+", choices=ROWS, default=list(ROWS), metavar="NAME")
    parser.add_argument("--quick", action="store_true", help="fewer repetitions, smaller sizes")
    parser.add_argument("--repeats", type=int, help="pairs of runs a row, a fourth of slow ones")
    parser.add_argument("--markdown", action="store_true", help="print tables to paste")
    parser.add_argument("--out", type=Path, help="write everything to this JSON file")
    return parser.parse_args()


def main() -> None:
    """Measure, print, and write."""
    options = arguments()
    effort = Effort(options.repeats or (5 if options.quick else 15), options.quick)
    about = machine()
    for name, value in about.items():
        print(f"{'- ' if options.markdown else ''}{name}: {value}")
    print()
    set_cache_size(0)  # rows repeat what they measure
    with threadpool_limits(1):
        start = time.perf_counter()
        rows = list(measure(options.rows, effort, options.markdown))
    print(f"\nTook {time.perf_counter() - start:.0f} s.")
    if options.out:
        records = [{**asdict(row), "verdict": row.verdict()} for row in rows]
        options.out.write_text(
            json.dumps({"machine": about, "rows": records}, default=list), "utf-8"
        )


if __name__ == "__main__":
    main()
