"""The images of all sources, and what they are made into: sums and scores, source by source.

Images are read batch by batch, so that memory is bounded. What is made of the images of one source
is kept in a folder when it is complete, and now and then before.
"""

import hashlib
import json
import os
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from numbers import Integral
from typing import Any, NamedTuple

import numpy as np
from sklearn.utils._param_validation import Interval, validate_parameter_constraints

from sklearn_ganprint.datasets import ImageReadError
from sklearn_ganprint.experiments._audit import audit_attribution
from sklearn_ganprint.experiments._dependence import SMALLEST, DependenceResult, DependenceStudy
from sklearn_ganprint.experiments._parts import Checkpoints, Part, View, score_images, sum_images
from sklearn_ganprint.experiments._selection import Selection
from sklearn_ganprint.files._batches import FileBatches
from sklearn_ganprint.files._checkpoint import stamp
from sklearn_ganprint.fingerprints import doubling_counts
from sklearn_ganprint.perturbations import GaussianBlur, GaussianNoise, JPEGCompression, Resize
from sklearn_ganprint.residuals import ResidualTransformer

__all__ = ["BatchOptions", "ReproductionSettings"]

#: Perturbations of the robustness study: family, strength, transformer.
PERTURBATIONS: tuple[tuple[str, float, Any], ...] = (
    *(("JPEG quality", q, JPEGCompression(q)) for q in (95, 85, 75, 50)),
    *(("resizing, there and back", s, Resize(s, restore=True)) for s in (0.9, 0.75, 0.5)),
    *(("blur, sigma in pixels", s, GaussianBlur(s)) for s in (0.5, 1.0, 2.0)),
    *(
        ("noise, sigma in grey levels", s, GaussianNoise(s, random_state=0))
        for s in (1.0, 2.0, 5.0)
    ),
)
#: Pixels cut off on every side, and shares of a side that are kept, of residuals scored in part.
TRIMS, SHARES = (8, 16, 32), (0.25, 0.5, 0.75)
#: Images of a source on each side of the split that the controls look at, at the most.
N_CONTROLS = 50
#: The point of the robustness study at which nothing was done.
UNCHANGED = ("border pixels trimmed", 0.0)
#: Settings by which parts are added, and none is changed.
_ADDED = ("study", "controls")

#: What numbers of settings and options may be.
_AT_LEAST_ONE = Interval(Integral, 1, None, closed="left")
_SETTINGS = {
    "n_fit": [_AT_LEAST_ONE, None],
    "n_test": [_AT_LEAST_ONE, None],
    "jpeg_quality": [Interval(Integral, 1, 100, closed="both")],
    "n_robustness": [Interval(Integral, 0, None, closed="left")],
    "random_state": ["random_state"],
    "study": ["boolean"],
    "controls": ["boolean"],
}
_OPTIONS = {
    "batch_size": [_AT_LEAST_ONE],
    "n_jobs": [_AT_LEAST_ONE, Interval(Integral, None, -1, closed="right"), None],
}

_NO_FAILURES = np.empty((0, 2), dtype=str)


def _check(settings: Any, constraints: dict[str, list[Any]]) -> None:
    """Check those of some settings that have constraints."""
    own = {name: value for name, value in vars(settings).items() if name in constraints}
    validate_parameter_constraints(constraints, own, type(settings).__name__)


@dataclass(frozen=True)
class ReproductionSettings:
    """What :func:`reproduce_paper` does, and on how many images.

    Parameters
    ----------
    n_fit, n_test : int, default=None
        Images a source to estimate its fingerprint from and to test it on. None takes 512 as the
        paper does, or 51.2 % of the images of the smallest source if it has fewer than 1000, and
        tests on all others.
    denoiser, channels : str or BaseDenoiser, str
        As in :class:`ResidualTransformer`.
    jpeg_quality : int, default=95
        Quality of the JPEG experiment.
    n_robustness : int, default=100
        Test images a source of the robustness study, at the most; 0 leaves it out.
    random_state : int, default=0
        Seed of the split.
    study : bool, default=False
        Whether to measure how accuracy depends on the number and the size of images, and, by
        :func:`study_dependence`, how simulated fingerprints depend on architecture and weights, of
        as many and as large images as here, but at most 64 and 64 of 128 pixels.
    controls : bool, default=False
        Whether to measure by :func:`audit_attribution`, on at most 100 images of each source, what
        else tells the sources apart.
    """

    n_fit: int | None = None
    n_test: int | None = None
    denoiser: Any = "wavelet"
    channels: str = "rgb"
    jpeg_quality: int = 95
    n_robustness: int = 100
    random_state: int = 0
    study: bool = False
    controls: bool = False

    def __post_init__(self) -> None:
        """Check what no estimator checks."""
        _check(self, _SETTINGS)


@dataclass(frozen=True)
class BatchOptions:
    """How :func:`reproduce_paper` reads images.

    Parameters
    ----------
    batch_size : int
        Number of images in a batch, at the most.
    n_jobs : int or None
        Number of worker processes, as in :class:`FileBatchClassifier`.
    on_error : callable or None
        Given the :class:`~sklearn_ganprint.datasets.ImageReadError` of each file that cannot be
        used, once. All of them are in ``failures`` of the result.
    """

    batch_size: int = 64
    n_jobs: int | None = None
    on_error: Callable[[ImageReadError], Any] | None = None

    def __post_init__(self) -> None:
        """Check the numbers."""
        _check(self, _OPTIONS)


#: The former name.
Passes = BatchOptions


class Scored(NamedTuple):
    """Scores (n_views, n, K), NaN where a file has failed, and hashes of each source's others."""

    scores: np.ndarray
    hashes: list[np.ndarray]


@dataclass
class Run:
    """The images of one reproduction, and how far they have been worked through.

    `recompressed` are the sources whose images are compressed in the JPEG experiment. Images count
    in `progress` as often as they are read. `failures` are the reasons by file.
    """

    images: FileBatches
    selection: Selection
    settings: ReproductionSettings
    checkpoints: Checkpoints
    recompressed: Sequence[int]
    progress: Callable[[int, int], Any] | None = None
    on_error: Callable[[ImageReadError], Any] | None = None
    failures: dict[str, str] = field(default_factory=dict)
    n_done: int = 0

    @property
    def n_images(self) -> int:
        """Number of images to read in all, each as often as it is read."""
        n_fit = self.selection.n_fit * (len(self.selection.fit) + len(self.recompressed))
        n_test = 2 * sum(map(len, self.selection.test))
        n_robustness = sum(map(len, self.robustness_positions())) * (len(PERTURBATIONS) + 2)
        n_study = n_test // 2 + self.dependence.n_images if self.settings.study else 0
        n_controls = len(self.control_positions()) if self.settings.controls else 0
        return n_fit + n_test + n_robustness + n_study + n_controls

    @property
    def dependence(self) -> DependenceStudy:
        """The study of simulated generators, with numbers, size and residuals as in this run."""
        most, settings = DependenceStudy(), self.settings
        size = self.images.reading.size or self.images.items.shape[1:3]
        return DependenceStudy(
            n_fit=min(most.n_fit, self.selection.n_fit),
            n_test=min(most.n_test, *map(len, self.selection.test)),
            image_size=max(SMALLEST, min(most.image_size, *size)),
            denoiser=settings.denoiser,
            channels=settings.channels,
        )

    def controls(self, y: np.ndarray, groups: Any) -> dict[str, Any]:
        """Measure what else tells some images of each source apart, as plain values."""
        chosen, n_done = self.control_positions(), self.n_done

        def audit() -> Part:
            found = audit_attribution(
                self.images.items[chosen],
                y[chosen],
                groups=None if groups is None else np.asarray(groups)[chosen],
                reader=self.images.reading.reader,
                random_state=self.settings.random_state,
                batch_size=self.images.batch_size,
                n_jobs=self.images.n_jobs,
                on_error=lambda error: None,  # told when the file is read again
                progress=lambda n_read, _: self._advance(n_done + n_read),
            )
            return {"found": np.array(json.dumps(found.to_dict()))}

        try:
            part = self.checkpoints.get("controls", audit)
        except ValueError as error:
            raise ValueError(f"The controls cannot be measured: {error}") from error
        self._advance(n_done + len(chosen))
        return json.loads(str(part["found"]))

    def control_positions(self) -> np.ndarray:
        """Return the images of the controls, of both sides and all sources."""
        sides = (*self.selection.fit, *self.selection.test)
        return np.concatenate([own[:N_CONTROLS] for own in sides])

    def fit(self, stage: str, codes: Iterable[int], perturbation: Any = None) -> dict[int, Part]:
        """Sum the residuals of sources up to growing numbers of images."""
        ends = doubling_counts(self.selection.n_fit).tolist()
        compute, own = partial(sum_images, ends=ends), self.selection.fit
        return {
            code: self._part(f"fit-{stage}-{code:03d}", own[code], perturbation, compute)
            for code in codes
        }

    def score(
        self,
        stage: str,
        positions: Sequence[np.ndarray],
        fingerprints: np.ndarray,
        *,
        views: Sequence[View] = (View(),),
        perturbations: Mapping[int, Any] | None = None,
    ) -> Scored:
        """Score images with fingerprints; `perturbations` are those of sources that have one."""
        compute = partial(score_images, fingerprints=fingerprints, views=views)
        changes = perturbations or {}
        parts = [
            self._part(f"score-{stage}-{code:03d}", own, changes.get(code), compute)
            for code, own in enumerate(positions)
        ]
        starts = np.cumsum([0, *map(len, positions)])
        scores = np.full((len(views), starts[-1], len(fingerprints)), np.nan)
        for start, part in zip(starts, parts, strict=False):
            if "kept" in part:
                scores[:, start + part["kept"]] = part["scores"]
        no_hash = np.empty(0, dtype=np.uint64)
        return Scored(scores, [part.get("hashes", no_hash) for part in parts])

    def recompress(self, fitted: dict[int, Part]) -> np.ndarray:
        """Score recompressed test images with fingerprints of clean and of such images."""
        perturbation = JPEGCompression(self.settings.jpeg_quality)
        stage = f"jpeg{self.settings.jpeg_quality}"
        refitted = {**fitted, **self.fit(stage, self.recompressed, perturbation)}
        both = np.concatenate([last_fingerprints(fitted), last_fingerprints(refitted)])
        perturbations = dict.fromkeys(self.recompressed, perturbation)
        scored = self.score(stage, self.selection.test, both, perturbations=perturbations)
        return scored.scores[0].reshape(-1, 2, len(fitted)).swapaxes(0, 1)

    def robustness(self, fitted: dict[int, Part]) -> dict[tuple[str, float], np.ndarray]:
        """Score some test images under perturbations, in part, and with fewer images to fit on."""
        positions = self.robustness_positions()
        fingerprints = last_fingerprints(fitted)
        views = partial_views(fingerprints.shape[1:3])
        parts = self.score("parts", positions, fingerprints, views=list(views.values()))
        result = dict(zip(views, parts.scores, strict=True))
        grown, numbers = growing_fingerprints(fitted)
        scores = self.score("numbers", positions, grown).scores[0]
        for column, number in enumerate(numbers):
            result["images to fit", number] = scores[:, column :: len(numbers)]
        for index, (family, strength, perturbation) in enumerate(PERTURBATIONS):
            stage = f"perturbed{index:02d}"
            perturbations = dict.fromkeys(range(len(positions)), perturbation)
            scored = self.score(stage, positions, fingerprints, perturbations=perturbations)
            result[family, strength] = scored.scores[0]
        return result

    def sizes(self, fitted: dict[int, Part]) -> dict[tuple[str, float], np.ndarray]:
        """Score test images, by the number of images to fit on and the side that is used."""
        grown, numbers = growing_fingerprints(fitted)
        views = side_views(grown.shape[1:3])
        scored = self.score("sizes", self.selection.test, grown, views=list(views.values()))
        return {
            (str(number), float(side)): scores[:, column :: len(numbers)]
            for side, scores in zip(views, scored.scores, strict=True)
            for column, number in enumerate(numbers)
        }

    def study_dependence(self) -> DependenceResult:
        """Compare simulated generators."""
        n_done = self.n_done
        return self.dependence.result(
            self.checkpoints, lambda n_compared, _: self._advance(n_done + n_compared)
        )

    def robustness_positions(self) -> list[np.ndarray]:
        """Return the test images of the robustness study, source by source."""
        return [own[: self.settings.n_robustness] for own in self.selection.test]

    def _part(
        self, name: str, positions: np.ndarray, perturbation: Any, compute: Callable[..., Part]
    ) -> Part:
        """Load what was made of images of one source, or compute what is missing of it."""
        n_done = self.n_done
        part = self.checkpoints.get(
            name, partial(self._compute, name, positions, perturbation, compute)
        )
        self.failures.update(part["failures"].tolist())
        self._advance(n_done + len(positions))
        return part

    def _compute(
        self, name: str, positions: np.ndarray, perturbation: Any, compute: Callable[..., Part]
    ) -> Part:
        n_done, settings = self.n_done, self.settings
        residual = ResidualTransformer(settings.denoiser, channels=settings.channels, flatten=False)
        steps = [residual] if perturbation is None else [perturbation, residual]
        with self.checkpoints.begun(name) as begun:

            def fail(error: ImageReadError) -> None:
                known = begun.arrays.get("failures", _NO_FAILURES)
                failures = np.concatenate([known, [(error.filename, error.reason)]])
                begun.arrays = {**begun.arrays, "failures": failures}
                # A file is reported once, however often it is read.
                if self.on_error is not None and error.filename not in self.failures:
                    self.on_error(error)

            images = replace(
                self.images,
                items=self.images.items[positions],
                on_error=fail,
                progress=lambda n_read, _: self._advance(n_done + n_read),
            )
            part = compute(images, steps, begun)
            return {**part, "failures": begun.arrays.get("failures", _NO_FAILURES)}

    def _advance(self, n_done: int) -> None:
        if self.progress is not None and n_done > self.n_done:
            self.progress(n_done, self.n_images)
        self.n_done = n_done


def last_fingerprints(fitted: Mapping[int, Part]) -> np.ndarray:
    """Return the fingerprints from all images to fit on, (K, H, W, C)."""
    parts = [fitted[code] for code in sorted(fitted)]
    return np.stack([part["sums"].sum(axis=0) / part["counts"].sum() for part in parts])


def growing_fingerprints(fitted: Mapping[int, Part]) -> tuple[np.ndarray, list[int]]:
    """Return fingerprints from growing numbers of images, source by source, and the numbers.

    Where files have failed, a number is the greatest of all sources.
    """
    n_steps = min(len(part["counts"]) for part in fitted.values())
    fingerprints, numbers = [], []
    for code in sorted(fitted):
        counts = fitted[code]["counts"].cumsum()[-n_steps:]
        totals = fitted[code]["sums"].cumsum(axis=0)[-n_steps:]
        fingerprints.append(totals / counts[:, None, None, None].astype(np.float32))
        numbers.append(counts)
    return np.concatenate(fingerprints), np.max(numbers, axis=0).tolist()


def partial_views(size: tuple[int, int]) -> dict[tuple[str, float], View]:
    """Return views of residuals without the borders, and as if images were smaller."""
    views = {
        (UNCHANGED[0], float(trim)): View(*(slice(trim, length - trim) for length in size))
        for trim in (0, *TRIMS)
        if 4 * trim < min(size)
    }
    sides = side_views(size)
    del sides[min(size)]
    return views | {("side of the image used", float(side)): part for side, part in sides.items()}


def side_views(size: tuple[int, int]) -> dict[int, View]:
    """Return views of residuals as if images were smaller, and of whole ones, by their side."""
    return {
        round(share * min(size)): View(*(slice(round(share * length)) for length in size))
        for share in (*SHARES, 1.0)
    }


def identity(
    settings: ReproductionSettings, images: FileBatches, selection: Selection
) -> dict[str, Any]:
    """Return what the results depend on, as plain values."""
    digest = hashlib.sha256()
    for item in images.items:
        digest.update(item.tobytes() if images.reading.reader is None else _stamp(item))
    for positions in (*selection.fit, *selection.test):
        digest.update(positions.astype(np.int64).tobytes() + b"|")
    return {
        **{name: repr(value) for name, value in vars(settings).items() if name not in _ADDED},
        "reader": repr(images.reading.reader),
        "image_size": images.reading.size,
        "sources": selection.classes.astype(str).tolist(),
        "images": digest.hexdigest(),
    }


def _stamp(path: Any) -> bytes:
    """Return name and stamp of a file: another file in its place is another image."""
    found = stamp(path) or ()
    return os.fsencode(path) + "".join(f"|{part}" for part in found).encode() + b"|" * bool(found)
