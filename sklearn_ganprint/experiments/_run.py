"""Maps of the images of all sources, each of which is kept when it is done."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Any, NamedTuple, TypeAlias

import numpy as np

from sklearn_ganprint.datasets import ImageReadError
from sklearn_ganprint.experiments._checkpoints import Begun, Checkpoints
from sklearn_ganprint.experiments._passes import Passes, View, score_residuals, sum_residuals
from sklearn_ganprint.experiments._selection import Selection
from sklearn_ganprint.files._batches import FileBatches
from sklearn_ganprint.fingerprints import doubling_counts
from sklearn_ganprint.perturbations import GaussianBlur, GaussianNoise, JPEGCompression, Resize
from sklearn_ganprint.residuals import ResidualTransformer

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
#: The point of the robustness study at which nothing was done.
UNCHANGED = ("border pixels trimmed", 0.0)
#: Arrays that the images of one source are made into, by name.
Part: TypeAlias = dict[str, np.ndarray]


@dataclass(frozen=True)
class ReproductionSettings:
    """What :func:`reproduce_paper` does, and on how many images.

    Parameters
    ----------
    n_fit, n_test : int, default=None
        Images a source to estimate its fingerprint from and to test on, as in
        :func:`select_images`.

    denoiser, channels : str or BaseDenoiser, str
        As in :class:`ResidualTransformer`.

    jpeg_quality : int, default=95
        Quality of the JPEG experiment.

    n_robustness : int, default=100
        Test images a source of the robustness study, at the most; 0 leaves it out.

    random_state : int, default=0
        Seed of the split.
    """

    n_fit: int | None = None
    n_test: int | None = None
    denoiser: Any = "wavelet"
    channels: str = "rgb"
    jpeg_quality: int = 95
    n_robustness: int = 100
    random_state: int = 0


class Scored(NamedTuple):
    """Scores (n_views, n, K), NaN where a file has failed, and hashes of each source's others."""

    scores: np.ndarray
    hashes: list[np.ndarray]


class _Work(NamedTuple):
    """Images of one source, and the transformers that they pass through."""

    code: int
    positions: np.ndarray
    steps: list[Any]


_Function: TypeAlias = Callable[[FileBatches, list[Any], Begun], Part]
_NO_FAILURES = np.empty((0, 2), dtype=str)


@dataclass
class Run:
    """One run: which images, how they are gone through, and what is kept of it.

    Parameters
    ----------
    images : FileBatches
        All images.

    y : ndarray of shape (n,)
        Source of each image.

    selection : Selection
        Which of them are used for what.

    settings : ReproductionSettings
        What is done with them.

    passes : Passes
        How they are gone through.

    checkpoints : Checkpoints
        Where parts of the results are kept.

    generated : sequence of int
        Sources that are recompressed in the JPEG experiment.

    progress : callable or None
        Called as ``progress(n_done, n_images)``, an image counting as often as it is read.

    failures : dict of str to str
        Files that could not be used, and why.
    """

    images: FileBatches
    y: np.ndarray
    selection: Selection
    settings: ReproductionSettings
    passes: Passes
    checkpoints: Checkpoints
    generated: Sequence[int]
    progress: Callable[[int, int], Any] | None = None
    failures: dict[str, str] = field(default_factory=dict)
    done: int = 0

    @property
    def n_images(self) -> int:
        """Images to read in all, each as often as it is read."""
        n_fit = self.selection.n_fit * (len(self.selection.fit) + len(self.generated))
        n_test = 2 * sum(map(len, self.selection.test))
        n_robustness = sum(map(len, self.robustness_positions())) * (len(PERTURBATIONS) + 2)
        return n_fit + n_test + n_robustness

    def fit(self, stage: str, codes: Iterable[int], perturbation: Any = None) -> dict[int, Part]:
        """Fingerprints of sources at growing numbers of images, and their energies."""
        ends = doubling_counts(self.selection.n_fit).tolist()
        work = [_Work(code, self.selection.fit[code], self._steps(perturbation)) for code in codes]
        return self._each(
            f"fit-{stage}",
            work,
            lambda images, steps, begun: sum_residuals(images, steps, ends, begun),
        )

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
        perturbations = perturbations or {}
        work = [
            _Work(code, own, self._steps(perturbations.get(code)))
            for code, own in enumerate(positions)
        ]
        parts = self._each(
            f"score-{stage}",
            work,
            lambda images, steps, begun: score_residuals(images, steps, fingerprints, views, begun),
        )
        return _gather(parts, positions, (len(views), len(fingerprints)))

    def recompress(self, fitted: dict[int, Part]) -> np.ndarray:
        """Scores of recompressed test images, with fingerprints of clean and of such images."""
        perturbation = JPEGCompression(self.settings.jpeg_quality)
        stage = f"jpeg{self.settings.jpeg_quality}"
        refitted = {**fitted, **self.fit(stage, self.generated, perturbation)}
        both = np.concatenate([last_fingerprints(fitted), last_fingerprints(refitted)])
        perturbations = dict.fromkeys(self.generated, perturbation)
        scored = self.score(stage, self.selection.test, both, perturbations=perturbations)
        return scored.scores[0].reshape(-1, 2, len(fitted)).swapaxes(0, 1)

    def robustness(self, fitted: dict[int, Part]) -> dict[tuple[str, float], np.ndarray]:
        """Scores of some test images under perturbations, in part, and with fewer images."""
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

    def robustness_positions(self) -> list[np.ndarray]:
        """Test images of the robustness study, source by source."""
        return [own[: self.settings.n_robustness] for own in self.selection.test]

    def _steps(self, perturbation: Any) -> list[Any]:
        residual = ResidualTransformer(
            self.settings.denoiser, channels=self.settings.channels, flatten=False
        )
        return [residual] if perturbation is None else [perturbation, residual]

    def _each(self, stage: str, work: Sequence[_Work], function: _Function) -> dict[int, Part]:
        """Do the work of a stage source by source, but what has been kept."""
        parts = {}
        for each in work:
            done = self.done + len(each.positions)
            name = f"{stage}-{each.code:03d}"
            parts[each.code] = self.checkpoints.get(name, partial(self._do, name, each, function))
            self.failures.update(parts[each.code]["failures"].tolist())
            self._advance(done)
        return parts

    def _do(self, name: str, work: _Work, function: _Function) -> Part:
        """Do the work on one source, or the rest of it, and note which of its files have failed."""
        with self.checkpoints.begun(name) as begun:

            def fail(error: ImageReadError) -> None:
                known = begun.arrays.get("failures", _NO_FAILURES)
                failures = np.concatenate([known, [(error.filename, error.reason)]])
                begun.arrays = {**begun.arrays, "failures": failures}
                if error.filename not in self.failures:  # said once, however often it is read
                    self.passes.on_error(error)

            done = self.done
            images = replace(
                self.images,
                items=self.images.items[work.positions],
                batch_size=self.passes.batch_size,
                n_jobs=self.passes.n_jobs,
                on_error=fail,
                progress=lambda n_done, _: self._advance(done + n_done),
            )
            part = function(images, work.steps, begun)
            return {**part, "failures": begun.arrays.get("failures", _NO_FAILURES)}

    def _advance(self, done: int) -> None:
        if self.progress is not None and done > self.done:
            self.progress(done, self.n_images)
        self.done = done


def last_fingerprints(fitted: Mapping[int, Part]) -> np.ndarray:
    """Fingerprints from all images to fit on, (K, H, W, C)."""
    parts = [fitted[code] for code in sorted(fitted)]
    return np.stack([part["sums"].sum(axis=0) / part["counts"].sum() for part in parts])


def growing_fingerprints(fitted: Mapping[int, Part]) -> tuple[np.ndarray, list[int]]:
    """Fingerprints from growing numbers of images, those of a source together, and the numbers.

    Where files have failed, a number is that of the source with the most.
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
    """Parts of residuals to score alone: without the borders, and as if images were smaller."""
    views = {}
    for trim in (0, *TRIMS):
        if 4 * trim < min(size):
            inner = View(*(slice(trim, length - trim) for length in size))
            views[UNCHANGED[0], float(trim)] = inner
    for share in SHARES:
        corner = View(*(slice(round(share * length)) for length in size))
        views["side of the image used", float(round(share * min(size)))] = corner
    return views


def _gather(
    parts: Mapping[int, Part], positions: Sequence[np.ndarray], shape: tuple[int, int]
) -> Scored:
    """Put the scores of all sources one below the other."""
    starts = np.cumsum([0, *map(len, positions)])
    n_views, n_columns = shape
    scores = np.full((n_views, starts[-1], n_columns), np.nan)
    for code, part in parts.items():
        if "kept" in part:
            scores[:, starts[code] + part["kept"]] = part["scores"]
    no_hash = np.empty(0, dtype=np.uint64)
    return Scored(scores, [parts[code].get("hashes", no_hash) for code in sorted(parts)])
