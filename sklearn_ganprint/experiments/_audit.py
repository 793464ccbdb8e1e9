"""Controls for a set of labelled images, before a figure on it is believed; equal histories."""

import hashlib
from collections.abc import Callable
from typing import Any

import numpy as np
from sklearn.base import clone
from sklearn.model_selection import cross_val_predict
from sklearn.tree import DecisionTreeClassifier
from sklearn.utils import Bunch, check_random_state

from sklearn_ganprint._batches import thread_map
from sklearn_ganprint._images import stack_images
from sklearn_ganprint.classification import SubclassDiscriminantAnalysis
from sklearn_ganprint.datasets import ImageReader, ImageReadError, estimate_history, inspect_images
from sklearn_ganprint.ensemble._versions import join_groups
from sklearn_ganprint.experiments._attribution import split_classes
from sklearn_ganprint.experiments._audit_result import AuditResult, Control, Duplicate
from sklearn_ganprint.experiments._results import wilson_interval
from sklearn_ganprint.experiments._selection import (
    as_images,
    check_sources,
    check_white,
    find_duplicates,
    find_shared_names,
    signatures,
)
from sklearn_ganprint.features import CorrelationTransformer
from sklearn_ganprint.files._batches import FileBatches, as_paths, is_paths
from sklearn_ganprint.files._fitted import some_of_each
from sklearn_ganprint.perturbations import RandomHistory, Resize
from sklearn_ganprint.perturbations._histories import NOTHING
from sklearn_ganprint.residuals import ResidualTransformer

__all__ = ["audit_attribution", "audit_files", "equalize_histories"]

#: Images of a class, at the least.
_FEWEST = 4
#: Images among which a quick audit looks for duplicates, and their pixels, at the most: about.
_LOOKED_AT, _PIXELS = 2000, 2e8

Folds = list[tuple[np.ndarray, np.ndarray]]

#: What images go through unless the caller says otherwise.
HISTORY = RandomHistory(
    **NOTHING
    | {"crop": (1.0, 0.95, 0.95), "resize": (1.0, 0.5, 0.75), "jpeg": (1.0, 70, 95)}
    | {"full_colour": 0.0, "rounds": (1,)}
)


def equalize_histories(
    images: Any,
    y: Any,
    *,
    history: RandomHistory | None = None,
    like: Any = None,
    reader: ImageReader | None = None,
    random_state: int = 0,
    n_jobs: int | None = None,
) -> Bunch:
    """Give images of all classes histories of one distribution.

    Parameters
    ----------
    images : sequence of paths, array-like of shape (n, H, W, C), or list of ndarray
        Image files, or images, which may differ in size.
    y : array-like of shape (n,)
        Class of each image.
    history : RandomHistory, default=None
        What is done to each image. None cuts 95 % of the sides from anywhere in the image, reduces
        that by 0.5 to 0.75, and compresses it as JPEG of quality 70 to 95 with 4:2:0 colours.
    like : object, default=None
        One of the classes, such as that of photos. JPEG qualities are then drawn from those of its
        images, in place of those of `history`: what their files state, or else what their pixels
        show. None leaves `history` as it is.
    reader : ImageReader, default=None
        How files are cut. None, or a reader without a crop, takes at the top left what the smallest
        of the images has, as is done with images that are no files.
    random_state : int, default=0
        Seed of the histories and of the qualities that are drawn.
    n_jobs : int or None, default=None
        Number of threads over images. None means one.

    Returns
    -------
    Bunch
        data : ndarray of shape (m, H', W', C)
            The images, cut at the top left to what the smallest has after its history.
        target : ndarray of shape (m,)
            Their classes.
        kept : ndarray of int, shape (m,)
            Their positions in `images`.
        histories : list of list of Operation
            What was done to each, as :meth:`RandomHistory.histories` tells it.
        failures : list of ImageReadError
            The files that could not be used.

    Raises
    ------
    ValueError
        If no image can be used, `like` is none of the classes, `y` has another length, or only some
        of the images are grey.

    See Also
    --------
    audit_attribution : Tells whether it is needed.
    sklearn_ganprint.perturbations.RandomHistory : The histories.

    Notes
    -----
    Format, size, quality and chroma subsampling then differ by chance only. What pixels keep of an
    *earlier* history cannot be undone, but covered. A part that begins anywhere takes the grid of
    8 x 8 pixels of an earlier JPEG compression to any place, but its quantization remains visible:
    of images off that grid even better than on it. Reducing an image removes the frequencies that
    it is visible in, and most traces of generators with them; how much of each is left was measured
    in the documentation of ``ganprint audit``. The traces of one factor would stand at one
    frequency, so that it is random.

    Stronger reductions than that, low qualities (less than about 60), blur, lost colours and all
    that depends on what an image shows remain. An accuracy that is high before and low afterwards
    is thus no proof that it was due to the histories: the trace may have gone with them. One that
    stays high was not.

    Examples
    --------
    >>> from sklearn_ganprint.datasets import load_samples
    >>> from sklearn_ganprint.experiments import equalize_histories
    >>> samples = load_samples()
    >>> names = samples.target_names[samples.target]
    >>> equal = equalize_histories(samples.data[:8], names[:8])
    >>> equal.data.shape[0], [operation.name for operation in equal.histories[0]]
    (8, ['crop', 'resize', 'jpeg'])
    """
    y = check_sources(images, y)
    history = clone(history or HISTORY).set_params(random_state=random_state)
    if like is not None and not (y == like).any():
        raise ValueError(f"like: expected one of {np.unique(y).tolist()}, got {like!r}.")
    pixels, kept, failures = _cut_alike(images, reader, n_jobs)
    if not len(kept):
        raise ValueError(f"None of the {len(y)} images can be used; the first: {failures[0]}")
    if history.data_range == HISTORY.data_range:
        check_white(pixels)
    qualities: np.ndarray | list[None] = [None] * len(kept)
    if like is not None:
        known = _qualities(images, pixels, kept, np.flatnonzero(y[kept] == like))
        qualities = check_random_state(random_state).choice(known, len(kept))

    def change(position: int) -> tuple[np.ndarray, Any]:
        own, quality = history, qualities[position]
        if quality is not None:
            own = clone(history).set_params(jpeg=(1, quality, quality) if quality else None)
        image = pixels[position][np.newaxis]
        (changed,), (operations,) = own.transform_whole(image, return_histories=True)
        return changed, operations

    changed, histories = zip(*thread_map(change, range(len(kept)), n_jobs), strict=True)
    height, width = np.min([image.shape[:2] for image in changed], axis=0)
    data = np.stack([image[:height, :width] for image in changed])
    return Bunch(data=data, target=y[kept], kept=kept, histories=list(histories), failures=failures)


def _cut_alike(images: Any, reader: ImageReader | None, n_jobs: int | None) -> tuple[Any, ...]:
    """Return images of one size, positions of those that can be used, and failures."""
    if not is_paths(images):
        height, width = np.min([np.shape(image)[:2] for image in images], axis=0)
        cut = [np.atleast_3d(image)[:height, :width] for image in images]
        return stack_images(cut), np.arange(len(cut)), []
    paths = as_paths(images)
    reader = clone(reader or ImageReader()).set_params(n_jobs=n_jobs)
    if reader.crop is None:
        bunch = inspect_images(paths, reader=reader)
        if len(bunch.filenames):
            reader.set_params(crop=(int(bunch.heights.min()), int(bunch.widths.min())))
    return reader.try_read(paths)


def _qualities(images: Any, pixels: Any, kept: np.ndarray, own: np.ndarray) -> np.ndarray:
    """Return the JPEG quality of some of the images that were read; 0 is none."""
    stated = np.full(len(own), np.nan)
    if is_paths(images):
        stated = inspect_images(as_paths(images)[kept[own]]).jpeg_quality
    shown = (estimate_history(pixels[position]).jpeg_quality for position in own)
    pairs = zip(stated, shown, strict=True)
    return np.array([int(a) if a > 0 else b or 0 for a, b in pairs])


def audit_attribution(
    X: Any,
    y: Any,
    *,
    groups: Any = None,
    reader: ImageReader | None = None,
    random_state: int = 0,
    batch_size: int = 64,
    n_jobs: int | None = None,
    on_error: Callable[[ImageReadError], Any] | None = None,
    progress: Callable[[int, int], Any] | None = None,
) -> AuditResult:
    """Measure what beside the traces of sources tells the classes of a set of images apart.

    Parameters
    ----------
    X : sequence of paths, or array-like of shape (n, H, W, C)
        Image files, or images, for which there is no control of file properties.
    y : array-like of shape (n,)
        Class of each image.
    groups : array-like of shape (n,), default=None
        Images of one group, such as one scene under several sources, are on one side of the split.
    reader : ImageReader, default=None
        How files are cut; None takes whole images, of the most common size.
    random_state : int, default=0
        Seed of the split, of the decision trees and of the permutation.
    batch_size : int, default=64
        Number of images in memory at a time, at the most, for each worker.
    n_jobs : int or None, default=None
        Number of worker processes, as in joblib. None means one.
    on_error : callable, default=None
        Given the :class:`~sklearn_ganprint.datasets.ImageReadError` of each file that cannot be
        used. All of them are in ``failures`` of the result.
    progress : callable, default=None
        Given the numbers of images done and in all, after each batch.

    Returns
    -------
    AuditResult
        Controls, duplicates, names that are shared, and a verdict.

    Raises
    ------
    ValueError
        If fewer than four images of a class, or two groups, can be used.

    See Also
    --------
    equalize_histories : Takes away what file properties and compression tell.
    evaluate_attribution : The accuracy of any estimator.
    find_shared_names : Files that belong together by their names.

    Notes
    -----
    One random split into halves serves all controls; each half is attributed by a model of the
    other. Attribution is :class:`SubclassDiscriminantAnalysis` of the features of
    :class:`CorrelationTransformer`, of the images as they are: the quick part of the pipeline
    "robust". So are its controls: images with equal histories, as :func:`equalize_histories` makes
    them by default, each at the size that it then has; images shrunk to a quarter and enlarged
    again, by which no trace of the pixel grid is left; images minus their wavelet residuals, which
    keep traces of low frequencies beside content; and permuted labels. Properties of files (format,
    mode, size, quality, chroma subsampling, kinds of metadata) and the compression that pixels show
    (:func:`~sklearn_ganprint.datasets.estimate_history`) go to a decision tree.

    Images are duplicates if all their pixels are the same, or if differences between neighbouring
    columns of their luminance, averaged over 32 x 32 areas (of 4 pixels a side at least), are
    correlated by 0.85 or more. Where duplicates or shared names are found, attribution is measured
    by a split that keeps them together as well.

    That a control is at chance proves nothing about what it does not measure: earlier resizing
    shows in none of them. Generators that paint in a style of their own differ in content as well,
    which is then no fault of the set.

    Examples
    --------
    >>> from sklearn_ganprint.datasets import load_samples
    >>> from sklearn_ganprint.experiments import audit_attribution
    >>> samples = load_samples()
    >>> audit = audit_attribution(samples.data[::3, :, :, 1:2], samples.target[::3])
    >>> audit["attribution"].accuracy > 0.9, audit["permuted labels"].above_chance
    (True, False)
    """
    y = check_sources(X, y, groups)
    failures: list[ImageReadError] = []

    def fail(error: ImageReadError) -> None:
        failures.append(error)
        if on_error is not None:
            on_error(error)

    how: dict[str, Any] = {"on_error": fail, "progress": progress, "n_jobs": n_jobs}
    of_files = is_paths(X)
    X = as_paths(X) if of_files else as_images(X)
    if of_files:
        reader = clone(reader or ImageReader())
        # As in a fit, files without a residual are none that can be used.
        batches = FileBatches.of_files(X, reader, data_range=255.0, batch_size=batch_size, **how)
    else:
        batches = FileBatches(X, batch_size=batch_size, **how)
    seen = _look_at_all(batches)
    files = X[seen.kept] if of_files else None
    groups = None if groups is None else np.asarray(groups)[seen.kept]
    return _audit(seen, y, files, groups, random_state, failures)


def audit_files(
    bunch: Bunch, *, reader: ImageReader | None = None, properties: bool = True
) -> list[str]:
    """Do the part of an audit that takes seconds: file properties, shared names, duplicates.

    Parameters
    ----------
    bunch : Bunch
        As :func:`~sklearn_ganprint.datasets.load_image_folder` returns it, with or without images.
    reader : ImageReader, default=None
        How files are cut to look for duplicates; None takes whole images of the most common size.
    properties : bool, default=True
        Whether to look at file properties. :func:`~sklearn_ganprint.datasets.confounds` names those
        that differ, after which the sentence says nothing new.

    Returns
    -------
    list of str
        A sentence for each of: file properties, if they tell the classes apart; names that several
        classes share, unless there are groups; images that are nearly like one of another class and
        group. Empty if none of these is found.

    See Also
    --------
    audit_attribution : The whole audit.
    sklearn_ganprint.datasets.confounds : Names the properties that differ.

    Notes
    -----
    Duplicates are looked for among at most 50 images of each class, and about 2000 images and 200
    megapixels in all, evenly spread over the files.

    Examples
    --------
    >>> from sklearn_ganprint.datasets import load_samples
    >>> from sklearn_ganprint.experiments import audit_files
    >>> audit_files(load_samples(load_content=False))
    []
    """
    codes, found = bunch.target, []
    try:
        folds = _halves(codes, bunch.groups, 0) if properties else []
    except ValueError:  # too few images for halves
        folds = []
    if folds:
        tree = DecisionTreeClassifier(random_state=0)
        control = _control("file properties", tree, _property_rows(bunch), codes, folds)
        if control.above_chance:
            found.append(
                f"file properties alone tell {control.accuracy:.2f} of the images right (chance "
                f"{control.chance:.2f})"
            )
    shared = None if bunch.groups is not None else find_shared_names(bunch.filenames, codes)
    if shared is not None:
        found.append(
            f"{shared.n_images} of {len(codes)} images share a {shared.part} with one of another "
            f"class, such as {shared.example!r}"
        )
    n_alike, n_looked_at = _count_alike(bunch, clone(reader or ImageReader()))
    if n_alike:
        found.append(
            f"{n_alike} of {n_looked_at} images that were looked at are nearly like one of another "
            f"class"
        )
    return found


def _count_alike(bunch: Bunch, reader: ImageReader) -> tuple[int, int]:
    """Count images that are nearly like one of another class and group, and those looked at."""
    chosen = np.flatnonzero(some_of_each(bunch.target))
    n_pixels = np.sum(bunch.widths[chosen] * bunch.heights[chosen])
    chosen = chosen[:: 1 + max(len(chosen) // _LOOKED_AT, int(n_pixels / _PIXELS))]
    # What fails here fails again where it matters, and is told there.
    how: dict[str, Any] = {"n_jobs": reader.n_jobs, "on_error": lambda error: None}
    batches = FileBatches.of_files(bunch.filenames[chosen], reader, **how)
    found = list(batches.map(_sign))
    if not found:
        return 0, 0
    kept, rows = (np.concatenate(parts) for parts in zip(*found, strict=True))
    chosen = chosen[kept]
    groups = chosen if bunch.groups is None else bunch.groups[chosen]
    first, second = find_duplicates(rows, np.arange(len(rows))).T
    codes = bunch.target[chosen]
    differ = (codes[first] != codes[second]) & (groups[first] != groups[second])
    return len(np.unique([first[differ], second[differ]])), len(chosen)


def _sign(images: Any) -> np.ndarray:
    """Compute signatures of images, which may differ in size."""
    return np.concatenate([signatures(image[np.newaxis]) for image in images])


def _look_at_all(batches: FileBatches) -> Bunch:
    """Compute all that is asked of pixels, in one pass; also the positions of usable images."""
    features = CorrelationTransformer().fit(batches.first)
    kept, found = zip(*batches.map(_look_at, features), strict=True)
    columns = {key: np.concatenate([part[key] for part in found]) for key in found[0]}
    return Bunch(kept=np.concatenate(kept), **columns)


def _look_at(images: np.ndarray, features: CorrelationTransformer) -> dict[str, np.ndarray]:
    # Deeper images in one batch make all of it floats, and what is not rounded is told by that.
    levels = _in_bytes(images)
    residual = ResidualTransformer(channels="rgb", flatten=False)
    denoised = _in_bytes(levels - residual.fit(levels[:1]).transform(levels))
    shrunk = _in_bytes(Resize(0.25, restore=True).transform(levels))
    histories = [estimate_history(image) for image in levels]
    digests = [hashlib.sha256(np.float64(image).tobytes()).hexdigest() for image in images]
    return {
        "traces": features.transform(images),
        "equal": features.transform(HISTORY.transform_whole(levels)),
        "shrunk": features.transform(shrunk),
        "denoised": features.transform(denoised),
        "compression": np.array([[h.jpeg_quality or 0, *(h.grid or (-1, -1))] for h in histories]),
        "signatures": signatures(images),
        "digests": np.array(digests),
    }


def _in_bytes(images: np.ndarray) -> np.ndarray:
    """Round images to the grey levels that files of 8 bits have."""
    return np.rint(images).clip(0, 255).astype(np.uint8)


def _audit(
    seen: Bunch, y: np.ndarray, files: Any, groups: Any, seed: int, failures: list[ImageReadError]
) -> AuditResult:
    """Measure all controls on what was seen of images, and of their files.

    `y` is of all images, so that a class is missed of which none can be used.
    """
    classes, codes = np.unique(y, return_inverse=True)
    y, codes = y[seen.kept], codes[seen.kept]
    counts = np.bincount(codes, minlength=len(classes))
    if counts.min() < _FEWEST:
        few = ", ".join(f"{n} of {k}" for n, k in zip(counts, classes, strict=True) if n < _FEWEST)
        raise ValueError(
            f"Expected at least {_FEWEST} images of each class that can be used, two for each "
            f"half; got {few}."
        )
    folds, tree = _halves(y, groups, seed), DecisionTreeClassifier(random_state=seed)
    traces = SubclassDiscriminantAnalysis()
    controls = [_control("attribution", traces, seen.traces, codes, folds)]
    duplicates = _duplicates(seen, codes, folds)
    named = files is not None and groups is None
    shared = find_shared_names(files, codes, seen.signatures) if named else None
    together = _together(groups, shared, duplicates, len(y))
    if together is not None:
        try:
            kept = _halves(codes, together, seed)
        except ValueError:  # all images of a class are duplicates of each other
            kept = []
        if kept:
            controls.append(_control("kept together", traces, seen.traces, codes, kept))
    if files is not None:
        rows = _property_rows(inspect_images(files))
        controls.append(_control("file properties", tree, rows, codes, folds))
    controls += [
        _control("equal histories", traces, seen.equal, codes, folds),
        _control("compression shown", tree, seen.compression, codes, folds),
        _control("shrunk", traces, seen.shrunk, codes, folds),
        _control("denoised", traces, seen.denoised, codes, folds),
        _control("permuted labels", traces, seen.traces, _permuted(codes, folds, seed), folds),
    ]
    return AuditResult(
        controls=tuple(controls),
        counts=dict(zip(map(str, classes), counts.tolist(), strict=True)),
        names=tuple(map(str, files if files is not None else (f"image {n}" for n in seen.kept))),
        duplicates=duplicates,
        shared_names=shared,
        groups=together,
        failures=tuple((error.filename, error.reason) for error in failures),
    )


def _halves(y: np.ndarray, groups: Any, seed: int) -> Folds:
    first, second = split_classes(y, groups, 0.5, seed)
    return [(first, second), (second, first)]


def _control(
    name: str, classifier: Any, rows: np.ndarray, codes: np.ndarray, folds: Folds
) -> Control:
    """Attribute each half by a model of the other."""
    n, right = len(codes), cross_val_predict(classifier, rows, codes, cv=folds) == codes
    n_right = int(right.sum())
    chance = float(np.bincount(codes).max() / n)
    return Control(name, n_right / n, wilson_interval(n_right, n), chance, n)


def _permuted(codes: np.ndarray, folds: Folds, seed: int) -> np.ndarray:
    """Permute labels within each half, so that both keep some of each class."""
    rng, permuted = np.random.default_rng(seed), codes.copy()
    for _, half in folds:
        permuted[half] = rng.permutation(codes[half])
    return permuted


def _duplicates(seen: Bunch, codes: np.ndarray, folds: Folds) -> tuple[Duplicate, ...]:
    side = np.zeros(len(codes), dtype=bool)
    side[folds[0][1]] = True
    return tuple(
        Duplicate(
            int(a),
            int(b),
            same_pixels=bool(seen.digests[a] == seen.digests[b]),
            same_class=bool(codes[a] == codes[b]),
            across=bool(side[a] != side[b]),
        )
        for a, b in find_duplicates(seen.signatures, seen.digests)
    )


def _together(
    groups: Any, shared: Any, duplicates: tuple[Duplicate, ...], n: int
) -> np.ndarray | None:
    """Join duplicates, and shared names, to groups; None if they join nothing that was apart."""
    if shared is not None:
        groups = shared.groups
    apart = np.arange(n) if groups is None else np.unique(groups, return_inverse=True)[1]
    pairs = np.array([pair[:2] for pair in duplicates], dtype=np.intp).reshape(-1, 2)
    joined = join_groups(apart, pairs)
    return joined if shared is not None or joined.max() < apart.max() else None


def _property_rows(files: Bunch) -> np.ndarray:
    """Make columns of what files say beside their pixels; values that are names become numbers."""
    codes = [
        np.unique(files[key], return_inverse=True)[1]
        for key in ("formats", "modes", "subsampling", "metadata")
    ]
    quality = np.nan_to_num(files.jpeg_quality, nan=-1.0)
    return np.column_stack([*codes, files.widths, files.heights, quality])
