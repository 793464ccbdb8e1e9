"""The paper's experiments on images of one's own, in bounded memory and with interruptions."""

import hashlib
import os
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
from sklearn.base import clone
from sklearn.utils.validation import check_consistent_length, column_or_1d

from sklearn_ganprint.datasets import ImageReader
from sklearn_ganprint.experiments._checkpoints import Checkpoints
from sklearn_ganprint.experiments._passes import Passes
from sklearn_ganprint.experiments._reproduction_result import ReproductionResult, assemble
from sklearn_ganprint.experiments._run import (
    Part,
    ReproductionSettings,
    Run,
    last_fingerprints,
)
from sklearn_ganprint.experiments._selection import Selection, select_images
from sklearn_ganprint.files._batches import (
    FileBatches,
    Reading,
    as_paths,
    common_size,
    is_paths,
)

#: Architectures and labels without a network: as in the paper, they are not recompressed.
NOT_GENERATED = frozenset({"camera", "real", "n/a"})


def reproduce_paper(
    X: Any,
    y: Any,
    settings: ReproductionSettings | None = None,
    *,
    architectures: Mapping[str, str] | None = None,
    groups: Any = None,
    reader: ImageReader | None = None,
    folder: Any = None,
    passes: Passes | None = None,
    progress: Callable[[int, int], Any] | None = None,
) -> ReproductionResult:
    """Run every experiment of the paper on images, or on files in bounded memory.

    Parameters
    ----------
    X : array-like of images (n, H, W, C), or sequence of paths of length n
        The images.

    y : array-like of shape (n,)
        Source of each image.

    settings : ReproductionSettings, default=None
        What to do; None takes the defaults.

    architectures : dict, default=None
        Architecture of each source, by its label as a str. Sources of one are siblings. Sources
        of the architecture, or with the label, "camera", "real" or "n/a" are not recompressed in
        the JPEG experiment, as in the paper.

    groups : array-like of shape (n,), default=None
        What must not be on both sides of the split, such as one scene under several sources.

    reader : ImageReader, default=None
        How files become images. None reads whole images, which must all have one size.

    folder : path-like, default=None
        Where parts of the results are kept, so that the same call goes on where it was
        interrupted. None keeps nothing.

    passes : Passes, default=None
        How the images are gone through: batch size, workers, what is told of bad files.

    progress : callable, default=None
        Called as ``progress(n_done, n_images)`` after each batch, an image counting as often as it
        is read.

    Returns
    -------
    ReproductionResult
        Results by figure of the paper.

    Raises
    ------
    ValueError
        If a source has too few images for the numbers asked for, none of its files can be used,
        or all of its images are the same.

    Notes
    -----
    One pass over the images to fit on gives fingerprints at growing N, and one over the test
    images their correlations with all fingerprints; everything else follows from these. The JPEG
    experiment repeats both with compressed images, and the robustness study scores some of the
    test images under each perturbation. Memory is that of a batch for each worker, and of the
    fingerprints at all N.

    Examples
    --------
    >>> from sklearn_ganprint.datasets import load_samples
    >>> from sklearn_ganprint.experiments import ReproductionSettings, reproduce_paper
    >>> samples = load_samples()
    >>> settings = ReproductionSettings(n_robustness=0, denoiser="gaussian")
    >>> sources = samples.target_names[samples.target]
    >>> result = reproduce_paper(samples.data, sources, settings, groups=samples.groups)
    >>> result.attribution.accuracy > result.attribution.chance
    True
    """
    y = column_or_1d(y)
    check_consistent_length(X, y, groups)
    settings = settings or ReproductionSettings()
    selection = select_images(
        y,
        n_fit=settings.n_fit,
        n_test=settings.n_test,
        groups=groups,
        random_state=settings.random_state,
    )
    if selection.n_fit < 2:
        raise ValueError(
            "Expected at least 2 images a source to fit on, to see a fingerprint converge; got 1. "
            "Add images, or leave out the source with the fewest."
        )
    labels = selection.classes.astype(str).tolist()
    families = _families(labels, architectures)
    generated = _generated(labels, families)
    images = _batches(X, reader)
    run = Run(
        images,
        y,
        selection,
        settings,
        passes or Passes(),
        Checkpoints(folder, {**_identity(settings, images, selection), "generated": generated}),
        generated,
        progress,
    )
    fitted = run.fit("clean", range(len(labels)))
    _check_fitted(selection.classes, fitted)
    scored = run.score("clean", selection.test, last_fingerprints(fitted))
    recompressed = run.recompress(fitted)
    robustness = run.robustness(fitted) if settings.n_robustness else {}
    return assemble(run, families, fitted, scored, recompressed, robustness)


def _families(
    labels: Sequence[str], architectures: Mapping[str, str] | None
) -> tuple[str, ...] | None:
    """Put the architectures into the order of the sources."""
    if architectures is None:
        return None
    missing = sorted(set(labels) - set(architectures))
    if missing:
        raise ValueError(f"architectures: expected one for each source; none for {missing}.")
    return tuple(str(architectures[label]) for label in labels)


def _generated(labels: Sequence[str], families: tuple[str, ...] | None) -> list[int]:
    """List the sources that a network made, as far as is known."""
    names = zip(labels, families or labels, strict=True)
    return [
        code
        for code, each in enumerate(names)
        if NOT_GENERATED.isdisjoint(name.lower() for name in each)
    ]


def _batches(X: Any, reader: ImageReader | None) -> FileBatches:
    if not is_paths(X):
        return FileBatches(np.asarray(X))
    reader = ImageReader() if reader is None else clone(reader)
    return FileBatches(as_paths(X), Reading(reader, common_size(X, reader)))


def _identity(
    settings: ReproductionSettings, images: FileBatches, selection: Selection
) -> dict[str, Any]:
    """Collect what results depend on, as plain values."""
    digest = hashlib.sha256()
    for item in images.items:
        digest.update(item.tobytes() if images.reading.reader is None else _stamp(item))
    for positions in (*selection.fit, *selection.test):
        digest.update(positions.astype(np.int64).tobytes() + b"|")
    return {
        **{name: repr(value) for name, value in vars(settings).items()},
        "reader": repr(images.reading.reader),
        "image_size": images.reading.size,
        "sources": selection.classes.astype(str).tolist(),
        "images": digest.hexdigest(),
    }


def _stamp(path: Any) -> bytes:
    """Name, size and time of a file: another one in its place is another image."""
    try:
        found = os.stat(path)
    except OSError:  # said when it is read
        return os.fsencode(path)
    return os.fsencode(path) + f"|{found.st_size}|{found.st_mtime_ns}|".encode()


def _check_fitted(classes: np.ndarray, fitted: Mapping[int, Part]) -> None:
    for label, part in zip(classes, fitted.values(), strict=True):
        if "sums" not in part:
            reasons = "; ".join(f"{file}: {why}" for file, why in part["failures"][:3])
            raise ValueError(f"No image of {str(label)!r} to fit on can be used: {reasons}")
        energies, hashes = part["residual_energies"], part["hashes"]
        # Copies in batches of different sizes differ by rounding.
        if len(energies) > 1 and not np.ptp(hashes) and np.allclose(energies, energies[0]):
            raise ValueError(
                f"All {len(energies)} images of {str(label)!r} to fit on are the same: what they "
                f"share is what they show, not a fingerprint. Expected different images."
            )
