"""How fingerprints depend on architecture and weights, on simulated generators."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from functools import cache, lru_cache, partial
from typing import Any, NamedTuple

import numpy as np

from sklearn_ganprint._batches import one_blas_thread
from sklearn_ganprint.correlation import correlation_index
from sklearn_ganprint.datasets._simulator._generators import FAMILIES, Generator
from sklearn_ganprint.datasets._simulator._sources import Scene, draw_scene, paint
from sklearn_ganprint.experiments._fingerprints import measure_correlations
from sklearn_ganprint.experiments._parts import Checkpoints, Part
from sklearn_ganprint.experiments._results import Result, plain
from sklearn_ganprint.residuals import ResidualTransformer

__all__ = ["DependenceResult", "study_dependence"]

#: Side of simulated images, at the least.
SMALLEST = 16
#: Correlation of the weights of a network that was trained on with those before.
_FINE_TUNED = (0.99, 0.95, 0.8)
#: Members of the simulated Star-GAN that are compared: two hair colours; male and smiling.
_CONDITIONS = {"another condition, hair colour": (0, 1), "another condition, slight": (3, 4)}
#: Figures of a pair that are averaged.
_FIGURES = ("own", "cross", "between_fingerprints", "auc", "d_prime", "accuracy")


class _Pair(NamedTuple):
    """Two generators, what the second is to the first, and the correlation of their weights."""

    architecture: str
    relation: str
    weights: float | None
    first: Generator
    second: Generator


@dataclass(frozen=True, eq=False)
class DependenceResult(Result):
    """What :func:`study_dependence` found.

    Attributes
    ----------
    n_fit, n_test : int
        Images of each generator that its fingerprint is the mean of, and that are tested.
    image_size : int
        Their side in pixels.
    pairs : tuple of dict
        Figures of each pair of generators: ``architecture`` of the first, ``relation`` of the
        second to it, correlation of their ``weights`` (None if they have different ones), mean
        correlation of residuals with the ``own`` and with the other fingerprint (``cross``), the
        correlation ``between_fingerprints``, ``auc`` and ``d_prime`` of own against cross
        correlations, and ``accuracy``, the share of the images of both that are attributed rightly.

    See Also
    --------
    study_dependence : Makes one.
    """

    n_fit: int
    n_test: int
    image_size: int
    pairs: tuple[dict[str, Any], ...]

    def rows(self) -> list[dict[str, Any]]:
        """Return one row for each architecture and relation, averaged over the repetitions.

        Returns
        -------
        list of dict
            Rows with ``architecture``, ``relation``, ``weights``, ``n_pairs``, the means of the
            figures of the pairs, and the standard deviations of two: ``auc_std``,
            ``accuracy_std``.
        """
        keys = ("architecture", "relation", "weights")
        same: dict[tuple[Any, ...], list[dict[str, Any]]] = {}
        for pair in self.pairs:
            same.setdefault(tuple(pair[key] for key in keys), []).append(pair)
        return [
            {
                **dict(zip(keys, names, strict=True)),
                "n_pairs": len(pairs),
                **{key: float(np.mean([pair[key] for pair in pairs])) for key in _FIGURES},
                **{
                    f"{key}_std": float(np.std([pair[key] for pair in pairs]))
                    for key in ("auc", "accuracy")
                },
            }
            for names, pairs in same.items()
        ]

    def to_dict(self) -> dict[str, Any]:
        """Return the figures as plain values that JSON can hold.

        Returns
        -------
        dict
            ``n_fit``, ``n_test``, ``image_size``, and ``relations``, the rows.
        """
        numbers = {key: getattr(self, key) for key in ("n_fit", "n_test", "image_size")}
        return {**numbers, "relations": plain(self.rows())}


def study_dependence(
    n_fit: int = 64,
    n_test: int = 64,
    *,
    image_size: int = 128,
    n_repeats: int = 3,
    denoiser: Any = "wavelet",
    channels: str = "rgb",
    folder: Any = None,
    progress: Callable[[int, int], Any] | None = None,
) -> DependenceResult:
    """Measure how the fingerprints of simulated generators depend on architecture and weights.

    Parameters
    ----------
    n_fit, n_test : int, default=64
        Images of each generator to estimate its fingerprint from, and to test it on.
    image_size : int, default=128
        Their side in pixels, at least 16.
    n_repeats : int, default=3
        Repetitions, each with other networks and other contents.
    denoiser, channels : str or BaseDenoiser, str
        As in :class:`~sklearn_ganprint.ResidualTransformer`.
    folder : path-like, default=None
        Folder for the pairs that are done, with which the same call continues after an
        interruption. None keeps nothing.
    progress : callable, default=None
        Called as ``progress(n_done, n_images)`` after each pair.

    Returns
    -------
    DependenceResult
        Figures of each pair of generators.

    Raises
    ------
    ValueError
        If a number is too small.

    See Also
    --------
    reproduce_paper : Runs it with ``ReproductionSettings(study=True)``.
    sklearn_ganprint.datasets.make_generator_images : The generators.

    Notes
    -----
    The paper [1]_ asks whether the fingerprint depends on the architecture or on the weights, and
    whether networks that were trained on other data or fine-tuned have distinct ones. Pairs of
    simulated generators answer it for the simulator, *not for real networks*:

    - "same network": the same weights, which no fingerprint can tell apart (AUC 0.5);
    - "fine-tuned": weights that correlate by 0.99, 0.95 or 0.8 with those before;
    - "another seed": the same architecture with unrelated weights. Training from the start on
      other data is the same here;
    - "another architecture": transposed convolutions against repeated pixels;
    - "another condition": the same weights and another condition (Star-GAN).

    No image of one generator has the content of any image of the other, nor have images to fit on
    and to test on.

    References
    ----------
    .. [1] F. Marra, D. Gragnaniello, L. Verdoliva, G. Poggi, "Do GANs leave artificial
       fingerprints?", MIPR 2019.

    Examples
    --------
    >>> from sklearn_ganprint.experiments import study_dependence
    >>> result = study_dependence(4, 4, image_size=32, n_repeats=1, denoiser="gaussian")
    >>> [row["relation"] for row in result.rows()][:2]
    ['same network', 'fine-tuned']
    """
    for name, number in {"n_fit": n_fit, "n_test": n_test, "n_repeats": n_repeats}.items():
        if number < 1:
            raise ValueError(f"{name}: expected a number of at least 1, got {number}.")
    if image_size < SMALLEST:
        raise ValueError(f"image_size: expected at least {SMALLEST} pixels, got {image_size}.")
    settings = {"numbers": [n_fit, n_test, image_size], "residual": repr((denoiser, channels))}
    study = DependenceStudy(n_fit, n_test, image_size, n_repeats, denoiser, channels)
    return study.result(Checkpoints(folder, settings), progress)


@dataclass(frozen=True)
class DependenceStudy:
    """The settings of one study."""

    n_fit: int = 64
    n_test: int = 64
    image_size: int = 128
    n_repeats: int = 3
    denoiser: Any = "wavelet"
    channels: str = "rgb"

    @property
    def n_images(self) -> int:
        """Number of images of all pairs."""
        return self.n_repeats * len(list(_pairs(0))) * self.n_of_pair

    @property
    def n_of_pair(self) -> int:
        """Number of images of a pair."""
        return 2 * (self.n_fit + self.n_test)

    def result(
        self, checkpoints: Checkpoints, progress: Callable[[int, int], Any] | None = None
    ) -> DependenceResult:
        """Measure all pairs, or load those that are done."""
        found: list[dict[str, Any]] = []
        for repeat in range(self.n_repeats):
            # The first generator of several pairs shows its images once.
            first = cache(partial(self._show, repeat, 0))
            for number, pair in enumerate(_pairs(repeat)):
                name = f"dependence-{repeat:02d}-{number:02d}"
                part = checkpoints.get(name, partial(self._compare, repeat, pair, first))
                found.append(_figures(pair, part))
                if progress is not None:
                    progress(len(found) * self.n_of_pair, self.n_images)
        return DependenceResult(self.n_fit, self.n_test, self.image_size, tuple(found))

    def _compare(self, repeat: int, pair: _Pair, show_first: Any) -> Part:
        """Correlate residuals of both generators with both fingerprints, and these."""
        shown = [show_first(pair.first), self._show(repeat, 1, pair.second)]
        fingerprints = np.stack([fingerprint for fingerprint, _ in shown])
        scores = [correlation_index(residuals, fingerprints) for _, residuals in shown]
        between = correlation_index(fingerprints[:1], fingerprints[1:])[0, 0]
        return {"scores": np.concatenate(scores), "between": np.asarray(between)}

    def _show(self, repeat: int, side: int, generator: Generator) -> tuple[np.ndarray, np.ndarray]:
        """Return the fingerprint of a generator, and residuals to test."""
        scenes = _scenes(repeat, side, self.n_fit + self.n_test, self.image_size)
        with one_blas_thread():
            images = np.stack([paint(generator, scene) for scene in scenes])
        residual = ResidualTransformer(self.denoiser, channels=self.channels, flatten=False)
        residuals = residual.fit(images[:1]).transform(images)
        return residuals[: self.n_fit].mean(axis=0), residuals[self.n_fit :]


@lru_cache(maxsize=2)  # those of one repetition
def _scenes(repeat: int, side: int, n_scenes: int, size: int) -> list[Scene]:
    return [draw_scene((repeat, side, index), size, size) for index in range(n_scenes)]


def _pairs(repeat: int) -> Iterator[_Pair]:
    """Yield the pairs of one repetition."""
    names = ("Cycle-GAN", "Pro-GAN")
    originals = {name: _network(name, repeat) for name in names}
    for name, other in (names, names[::-1]):
        first = originals[name]
        yield _Pair(name, "same network", 1.0, first, first)
        for weights in _FINE_TUNED:
            yield _Pair(name, "fine-tuned", weights, first, _network(name, repeat, weights))
        yield _Pair(name, "another seed", 0.0, first, _network(name, repeat, 0.0))
        yield _Pair(name, "another architecture", None, first, originals[other])
    for relation, members in _CONDITIONS.items():
        networks = (_network("Star-GAN", repeat, member=member) for member in members)
        yield _Pair("Star-GAN", relation, 1.0, *networks)


@cache
def _network(name: str, repeat: int, weights: float = 1.0, member: int = 0) -> Generator:
    """Make a network whose weights correlate to a degree with those of the repetition."""
    # Weights are mixed by shares of their variance, of those in common and of those of a member.
    family = replace(FAMILIES[name], shared=weights**2)
    return Generator(replace(family, index=1000 * (1 + repeat) + family.index), member)


def _figures(pair: _Pair, part: Part) -> dict[str, Any]:
    scores = part["scores"]
    y = np.repeat([0, 1], len(scores) // 2)
    found = measure_correlations(scores, y, [0, 1])
    own, other = np.eye(2, dtype=bool), ~np.eye(2, dtype=bool)
    return {
        "architecture": pair.architecture,
        "relation": pair.relation,
        "weights": pair.weights,
        "own": float(found.mean[own].mean()),
        "cross": float(found.mean[other].mean()),
        "between_fingerprints": float(part["between"]),
        "auc": float(found.auc[other].mean()),
        "d_prime": float(found.d_prime[other].mean()),
        "accuracy": float(np.mean(scores.argmax(axis=1) == y)),
    }
