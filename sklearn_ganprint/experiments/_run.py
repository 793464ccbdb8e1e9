"""Passes over the images of all sources, stage by stage, each source's part kept when it is done."""

from collections.abc import Callable, Container, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, NamedTuple, TypeAlias

import numpy as np

from sklearn_ganprint._batches import ImageSource
from sklearn_ganprint.datasets import ImageReadError
from sklearn_ganprint.experiments._checkpoints import Checkpoints
from sklearn_ganprint.experiments._passes import Passes, View
from sklearn_ganprint.experiments._selection import Selection
from sklearn_ganprint.perturbations import GaussianBlur, GaussianNoise, JPEGCompression, Resize
from sklearn_ganprint.residuals import ResidualTransformer

#: Perturbations of the robustness study: family, strength, transformer.
PERTURBATIONS: tuple[tuple[str, float, Any], ...] = (
    *(("JPEG quality", q, JPEGCompression(q)) for q in (95, 85, 75, 50)),
    *(("resizing, there and back", s, Resize(s, restore=True)) for s in (0.9, 0.75, 0.5)),
    *(("blur, sigma in pixels", s, GaussianBlur(s)) for s in (0.5, 1.0, 2.0)),
    *(("noise, sigma in grey levels", s, GaussianNoise(s, random_state=0)) for s in (1.0, 2.0, 5.0)),
)
#: Pixels cut off on every side, and shares of a side that are kept, of residuals scored in part.
TRIMS, SHARES = (8, 16, 32), (0.25, 0.5, 0.75)
#: Arrays that a pass over the images of one source gives, by name.
Part: TypeAlias = dict[str, np.ndarray]


class _Work(NamedTuple):
    """Images of one source, and the transformers that they pass through."""

    code: int
    positions: np.ndarray
    steps: list[Any]


@dataclass
class Run:
    """One run: which images, how they are gone through, and what is kept of it."""

    source: ImageSource
    selection: Selection
    settings: ReproductionSettings
    passes: Passes
    checkpoints: Checkpoints
    progress: Callable[[str, int, int], Any] | None
    failures: dict[str, str] = field(default_factory=dict)

    def fit(self, stage: str, codes: Iterable[int], perturbation: Any = None) -> dict[int, Part]:
        """Fingerprints of sources at growing numbers of images, and their energies."""
        n_images = growing_numbers(self.selection.n_fit)
        work = [
            _Work(code, self.selection.fit[code], self._steps(perturbation)) for code in codes
        ]
        return self._each(f"fit-{stage}", work, lambda passes, images: passes.sums(images, n_images))

    def score(
        self,
        stage: str,
        positions: Sequence[np.ndarray],
        fingerprints: np.ndarray,
        *,
        views: Sequence[View] = (View(),),
        perturbation: Any = None,
        perturbed: Container[int] | None = None,
    ) -> np.ndarray:
        """Scores of images with fingerprints, (n_views, n, K), NaN where a file has failed.

        Only sources in `perturbed` are perturbed; None are all of them.
        """
        work = [
            _Work(
                code,
                own,
                self._steps(perturbation if perturbed is None or code in perturbed else None),
            )
            for code, own in enumerate(positions)
        ]
        parts = self._each(
            f"score-{stage}", work, lambda passes, images: passes.scores(images, fingerprints, views)
        )
        return _gather(parts, positions, (len(views), len(fingerprints)))

    def recompress(self, fitted: dict[int, Part], generated: Sequence[int]) -> np.ndarray:
        """Scores of recompressed test images, with fingerprints of clean and of such images."""
        perturbation = JPEGCompression(self.settings.jpeg_quality)
        stage = f"jpeg{self.settings.jpeg_quality}"
        refitted = {**fitted, **self.fit(stage, generated, perturbation)}
        both = np.concatenate([last_fingerprints(fitted), last_fingerprints(refitted)])
        scores = self.score(
            stage, self.selection.test, both, perturbation=perturbation, perturbed=generated
        )
        return scores[0].reshape(-1, 2, len(fitted)).swapaxes(0, 1)

    def robustness(self, fitted: dict[int, Part]) -> dict[tuple[str, float], np.ndarray]:
        """Scores of some test images under perturbations, in part, and with fewer images."""
        positions = [own[: self.settings.n_robustness] for own in self.selection.test]
        fingerprints = last_fingerprints(fitted)
        result = {}
        for index, (family, strength, perturbation) in enumerate(PERTURBATIONS):
            stage = f"perturbed{index:02d}"
            scores = self.score(stage, positions, fingerprints, perturbation=perturbation)
            result[family, strength] = scores[0]
        views = partial_views(fingerprints.shape[1:3])
        parts = self.score("parts", positions, fingerprints, views=list(views.values()))
        result.update(zip(views, parts, strict=True))
        grown, numbers = growing_fingerprints(fitted)
        scores = self.score("numbers", positions, grown)[0]
        for column, number in enumerate(numbers):
            result["images to fit", number] = scores[:, column :: len(numbers)]
        return result

    def _steps(self, perturbation: Any) -> list[Any]:
        residual = ResidualTransformer(
            self.settings.denoiser, channels=self.settings.channels, flatten=False
        )
        return [residual] if perturbation is None else [perturbation, residual]

    def _each(
        self, stage: str, work: Sequence[_Work], function: Callable[[Passes, ImageSource], Part]
    ) -> dict[int, Part]:
        """Do the work of a stage source by source, but what has been kept."""
        n_images, done = sum(len(each.positions) for each in work), 0
        parts = {}
        for each in work:
            parts[each.code] = self.checkpoints.get(
                f"{stage}-{each.code:03d}",
                lambda each=each, done=done: self._do(stage, each, function, done, n_images),
            )
            self.failures.update(parts[each.code]["failures"].tolist())
            done += len(each.positions)
            self._tell(stage, done, n_images)
        return parts

    def _do(
        self,
        stage: str,
        work: _Work,
        function: Callable[[Passes, ImageSource], Part],
        done: int,
        n_images: int,
    ) -> Part:
        """Do the work on one source, and note which of its files have failed."""
        failures: list[tuple[str, str]] = []

        def fail(error: ImageReadError) -> None:
            failures.append((error.filename, error.reason))
            self.passes.on_error(error)

        def advance(n_batch: int) -> None:
            nonlocal done
            done += n_batch
            self._tell(stage, done, n_images)

        passes = replace(self.passes, steps=work.steps, on_error=fail, on_batch=advance)
        images = replace(self.source, items=self.source.items[work.positions])
        part = function(passes, images)
        return {**part, "failures": np.array(failures, dtype=str).reshape(-1, 2)}

    def _tell(self, stage: str, done: int, n_images: int) -> None:
        if self.progress is not None:
            self.progress(stage, done, n_images)


def growing_numbers(n: int) -> list[int]:
    """Powers of two up to a number, and the number itself."""
    return sorted({n, *(2**power for power in range(1, n.bit_length()))} - {0})


def last_fingerprints(fitted: Mapping[int, Part]) -> np.ndarray:
    """Fingerprints from all images to fit on, (K, H, W, C)."""
    return np.stack([fitted[code]["fingerprints"][-1] for code in sorted(fitted)])


def growing_fingerprints(fitted: Mapping[int, Part]) -> tuple[np.ndarray, list[int]]:
    """Fingerprints from growing numbers of images, those of a source together, and the numbers."""
    n_steps = min(len(part["n_images"]) for part in fitted.values())
    parts = [fitted[code]["fingerprints"][-n_steps:] for code in sorted(fitted)]
    return np.concatenate(parts), fitted[0]["n_images"][-n_steps:].tolist()


def partial_views(size: tuple[int, int]) -> dict[tuple[str, float], View]:
    """Parts of residuals to score alone: without the borders, and as if images were smaller."""
    views = {}
    for trim in (0, *TRIMS):
        if 4 * trim < min(size):
            inner = View(*(slice(trim, length - trim) for length in size))
            views["border pixels trimmed", float(trim)] = inner
    for share in SHARES:
        corner = View(*(slice(round(share * length)) for length in size))
        views["side of the image used", float(round(share * min(size)))] = corner
    return views


def _gather(
    parts: Mapping[int, Part], positions: Sequence[np.ndarray], shape: tuple[int, int]
) -> np.ndarray:
    """Scores of all sources one below the other, NaN for files that have failed."""
    starts = np.cumsum([0, *map(len, positions)])
    n_views, n_columns = shape
    scores = np.full((n_views, starts[-1], n_columns), np.nan)
    for code, part in parts.items():
        if "kept" in part:
            scores[:, starts[code] + part["kept"]] = part["scores"]
    return scores
