"""Labelled image files, from a folder or from a CSV file, to one Bunch; the bundled samples."""

import os
from collections import Counter, defaultdict
from collections.abc import Callable, Hashable, Iterable, Mapping, Sequence
from numbers import Integral
from pathlib import Path
from typing import Any, Literal, TypeAlias, TypeVar

import numpy as np
from numpy.typing import NDArray
from sklearn.base import BaseEstimator, clone
from sklearn.metrics.cluster import contingency_matrix
from sklearn.utils import Bunch, check_random_state, check_scalar

from sklearn_ganprint._output import as_label, as_name, printable
from sklearn_ganprint.datasets import _reader
from sklearn_ganprint.datasets._decoding import ImageReadError
from sklearn_ganprint.datasets._items import Dataset, describe, list_dataset
from sklearn_ganprint.datasets._layouts import list_container
from sklearn_ganprint.datasets._listing import (
    Entry,
    Listing,
    list_all,
    table_rows,
    with_one_spelling,
    without_slash,
)
from sklearn_ganprint.datasets._reader import ImageReader
from sklearn_ganprint.datasets._storage import FilePath

__all__ = [
    "ImageBunch",
    "SamplePhotos",
    "confounds",
    "list_images",
    "load_image_folder",
    "load_samples",
]

Groups: TypeAlias = Literal["name"] | Callable[[str], Hashable] | None
Architectures: TypeAlias = FilePath | Mapping[str, str] | None
_Value = TypeVar("_Value", str, str | None)

_SAMPLES = Path(__file__).parent / "samples"

# Balanced accuracy in telling one class from the others that is worth a warning. 0.5 is
# chance; if half of many classes have one format and half another, each reaches 0.75.
_TELLING = 0.7


class ImageBunch(Bunch):
    """Labelled images and what is known of them, sorted by label and path, or as a CSV file lists.

    None stands for what is not known of every image, or of every label.

    Attributes
    ----------
    data : ndarray of shape (n_images, height, width, n_channels), or list of ndarray
        The pixels, if they were read. A list where the reader's ``min_side`` lets sizes differ.
    target : ndarray of int64, shape (n_images,)
        Numbers of the labels: ``target_names[target]`` are the labels.
    target_names : ndarray of str
        The labels, sorted.
    architectures : ndarray of str or None
        One for each of `target_names`.
    filenames : ndarray of object (str), shape (n_images,)
        The files.
    groups : ndarray of shape (n_images,) or None
        Images that must not be separated by a split.
    splits : ndarray of str, shape (n_images,), or None
        "train", "val" or "test" for each image.
    is_real : ndarray of bool, shape (n_images,), or None
        False for generated images.
    formats, modes, widths, heights : ndarray of shape (n_images,)
        What the headers say.
    jpeg_quality : ndarray of float, shape (n_images,)
        The quality of JPEG files, else nan.
    subsampling, metadata : ndarray of str, shape (n_images,)
        As :func:`inspect_images` returns them.
    failures : list of ImageReadError
        What was left out and why, sorted by file name.
    duplicates : list of (filename, first filename)
        Copies within one label.
    DESCR : str
        A summary.

    See Also
    --------
    load_image_folder, load_samples : Return it.

    Examples
    --------
    >>> from sklearn_ganprint.datasets import load_samples
    >>> samples = load_samples(load_content=False)
    >>> samples.target_names[samples.target[:2]].tolist()
    ['cyclegan_vintagify', 'cyclegan_vintagify']
    """

    data: np.ndarray | list[np.ndarray]
    target: NDArray[np.int64]
    target_names: NDArray[np.str_]
    architectures: np.ndarray | None
    filenames: NDArray[np.object_]
    groups: np.ndarray | None
    splits: np.ndarray | None
    is_real: np.ndarray | None
    formats: NDArray[np.str_]
    modes: NDArray[np.str_]
    widths: NDArray[np.int_]
    heights: NDArray[np.int_]
    jpeg_quality: NDArray[np.float64]
    subsampling: NDArray[np.str_]
    metadata: NDArray[np.str_]
    failures: list[ImageReadError]
    duplicates: list[tuple[str, str]]
    DESCR: str


def list_images(
    container_path: FilePath | Dataset,
    *,
    layout: str | None = "folders",
    limit_per_source: int | None = None,
    random_state: int | np.random.RandomState | None = 0,
) -> Bunch:
    """List image files and their labels, without opening the files.

    Parameters
    ----------
    container_path : str, bytes, path-like or dataset
        A folder or a CSV file, as in `load_image_folder`, or a dataset.
    layout : str or None, default="folders"
        How the folder is laid out, as in `load_image_folder`. None lists all files in a folder
        and in the folders below, or a file, without labels.
    limit_per_source : int, default=None
        Number of files of each label, at the most, which are drawn at random. None takes all.
    random_state : int, RandomState instance or None, default=0
        Draws them.

    Returns
    -------
    Bunch
        Sorted by label and path, or in the order of the CSV file:

        filenames : ndarray of object (str)
        labels : ndarray of str, or None without a layout
        failures : list of ImageReadError, files without a label and folders that cannot be read

    Raises
    ------
    FileNotFoundError
        If there is nothing at `container_path`.
    ValueError
        If the layout is unknown or the folder is laid out otherwise, or a cell is empty.

    See Also
    --------
    inspect_images : Reads the headers of files.
    load_image_folder : Lists, inspects and reads labelled files.

    Notes
    -----
    All files are listed, whether they are images or not, except hidden ones and those that systems
    leave among images. Links to folders are followed, but not back up and not twice.

    Examples
    --------
    >>> import os, tempfile
    >>> from sklearn_ganprint.datasets import list_images
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     for label in ("camera", "gan"):
    ...         os.mkdir(os.path.join(folder, label))
    ...         open(os.path.join(folder, label, "1.png"), "w").close()
    ...     labelled, unlabelled = list_images(folder), list_images(folder, layout=None)
    >>> labelled.labels.tolist(), unlabelled.labels
    (['camera', 'gan'], None)
    >>> [os.path.basename(path) for path in unlabelled.filenames]
    ['1.png', '1.png']
    """
    listing, _ = _list(container_path, layout)
    listing = _draw(listing, limit_per_source, random_state)
    labels = np.array([entry.label for entry in listing.entries], dtype=str)
    return Bunch(
        filenames=np.array([entry.filename for entry in listing.entries], dtype=object),
        labels=None if layout is None or not any(labels) else labels,
        failures=listing.failures,
    )


def load_image_folder(
    container_path: FilePath | Dataset,
    *,
    layout: str = "folders",
    reader: ImageReader | None = None,
    load_content: bool = True,
    groups: Groups = None,
    architectures: Architectures = None,
    limit_per_source: int | None = None,
    random_state: int | np.random.RandomState | None = 0,
    n_jobs: int | None = None,
) -> ImageBunch:
    """Load labelled images from a folder, or as a CSV file lists them.

    Parameters
    ----------
    container_path : str, bytes, path-like or dataset
        A folder laid out as `layout` says, on disk, in a zip or tar file, or at a URL, for which
        see Notes; or a dataset, which has a length, and items by number that are an image and a
        label, see Notes. Names that begin with a dot are skipped; names that
        systems use among images, ``Thumbs.db`` or ``@eaDir``, are skipped with a warning.
        With the layouts "folders" and "auto" also a comma-separated file in UTF-8 with the
        columns ``path``, ``label`` and optionally ``group`` and ``architecture``; relative
        paths start from the folder of that file, other columns are ignored.
    layout : str, default="folders"
        "folders" for one folder per label, "nested" for ``ARCH/SOURCE/``, "auto" for whichever of
        the two it is, or the name of a known collection, see Notes.
    reader : ImageReader, default=None
        How images are cut and which channels are kept; None means ``ImageReader()``.
    load_content : bool, default=True
        Whether pixels are read. Otherwise only headers are read: there is no ``data``, and damaged
        pixels or, without a crop, different sizes show only when the files are read later.
    groups : {"name"}, callable or None, default=None
        Images that must not be separated by a split. "name" groups by file name without
        extension, for copies of one scene under several labels; a callable gets a path and
        returns its group. None takes the CSV file's group column if there is one.
    architectures : str, bytes, path-like, mapping or None, default=None
        The architecture of each label: a mapping, or a CSV file with the columns ``source``
        and ``architecture``. None takes what the layout or the CSV file says, if anything.
    limit_per_source : int, default=None
        Number of files of each label, at the most, which are drawn at random before any is opened;
        others are not even inspected. None takes all.
    random_state : int, RandomState instance or None, default=0
        Draws them.
    n_jobs : int or None, default=None
        Number of threads over files; None leaves it to the reader.

    Returns
    -------
    ImageBunch
        The images, if `load_content`, their labels, and what their headers and the layout say.

    Raises
    ------
    FileNotFoundError
        If there is nothing at `container_path`.
    ValueError
        If the layout is unknown or the folder is laid out otherwise, a cell is empty, a
        label has two architectures or none, or fewer than two labels have usable images.
    TypeError
        If `groups` is of another kind, or returns what cannot be hashed.

    Notes
    -----
    A file that cannot be used never stops the others: ``failures`` lists it. So it does labels
    without any usable image, files without a place in the layout, **all** copies of a content that
    has different labels and, without a crop, images of another than the most common size. Copies
    under one label are kept; unless they are put into one group, a split can leak them into the
    test set. Links to folders are followed, but not back up and not twice. Labels and groups by
    name are in composed letters (NFC); labels that differ in that only are one, with a warning.

    The known collections; ``[ ]`` may be missing, and files lie at any depth below:

    ================  ==================================================  ===============
    layout            what is expected                                    label
    ================  ==================================================  ===============
    "forensynths"     ``<gan>/[<class>/]{0_real,1_fake}/``                gan
    "gangen"          the same                                            gan
    "genimage"        ``<generator>/[<batch>/]{train,val}/{ai,nature}/``  generator
    "140k-faces"      ``{train,valid,test}/{real,fake}/``                 "fake"
    "open-world-gan"  ``{train,eval}/<gan>_<dataset>/``                   gan_dataset
    "frank"           ``A_<real>/``, ``B_<gan>/``, ...                    gan
    "artifact"        ``<source>/``, each with ``metadata.csv``           source
    "dresden"         ``<brand>_<model>_<unit>_<number>.JPG`` anywhere    up to the unit
    "vision"          ``D<number>_<brand>_<model>/images/{flat,nat}/``    the folder D...
    "raise"           TIF files, and a CSV file with File and Device      Device
    "webdataset"      tar files with ``KEY.model.txt`` or ``KEY.cls``     text of that file
    ================  ==================================================  ===============

    Where a collection has real images beside generated ones, **all** real ones have the
    label "real". "nested" labels are ``ARCH/SOURCE``. Of the cameras, the architecture is the
    model. Images in zip and tar files are read in place, and named as if these were folders.

    URLs are opened by fsspec, as ``s3://bucket/images`` with ``pip install
    'sklearn_ganprint[remote]'``. They are named without user, password and query.

    Items of a dataset are pairs of an image and a label, or dicts with "image" and "label"; those
    of Hugging Face have a column of images and one of labels. Images are PIL images, bytes of a
    file, or arrays of uint8. They are asked for when they are read, and named by their number.

    Examples
    --------
    >>> import os, tempfile
    >>> from PIL import Image
    >>> from sklearn_ganprint.datasets import load_image_folder
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     for label, grey in [("camera", 10), ("gan", 200)]:
    ...         os.mkdir(os.path.join(folder, label))
    ...         Image.new("L", (8, 8), grey).save(os.path.join(folder, label, "1.png"))
    ...     bunch = load_image_folder(folder, groups="name")
    >>> bunch.data.shape, bunch.target_names[bunch.target].tolist(), bunch.groups.tolist()
    ((2, 8, 8, 3), ['camera', 'gan'], ['1', '1'])

    A collection in a layout of its own:

    >>> with tempfile.TemporaryDirectory() as folder:
    ...     for grey, name in enumerate(["biggan/0_real", "biggan/1_fake", "gaugan/1_fake"]):
    ...         os.makedirs(os.path.join(folder, name))
    ...         Image.new("L", (8, 8), grey).save(os.path.join(folder, name, "1.png"))
    ...     bunch = load_image_folder(folder, layout="forensynths")
    >>> bunch.target_names[bunch.target].tolist(), bunch.is_real.tolist()
    (['biggan', 'gaugan', 'real'], [False, False, True])
    """
    if not (groups is None or groups == "name" or callable(groups)):
        raise TypeError(f'groups: expected "name", a callable or None, got {groups!r}')
    reader = ImageReader() if reader is None else clone(reader)
    if n_jobs is not None:
        reader.set_params(n_jobs=n_jobs)
    listing, container = _list(container_path, layout)
    listing = _draw(listing, limit_per_source, random_state)
    failures = listing.failures
    entries = _inspect(listing.entries, reader, failures)
    entries, duplicates = _resolve_copies(entries, reader.n_jobs, failures)
    content = {}
    if load_content:
        # The headers are known: files are opened for their pixels alone.
        size = _reader.most_common_size(entry.info for entry in entries if entry.info)
        names = [entry.filename for entry in entries]
        found = _reader.read_usable(reader, names, size, whose="the most common size")
        content["data"] = found.images
        entries = [entries[index] for index in found.kept]
        failures += found.failures
    _require_two_labels(container, listing, entries)
    failures.sort(key=lambda failure: failure.filename)
    usable = {entry.filename for entry in entries}
    duplicates = [pair for pair in duplicates if pair[0] in usable]
    bunch = _bunch(entries, groups, **content, failures=failures, duplicates=duplicates)
    bunch.architectures = (
        _own_architectures(container, entries)
        if architectures is None
        else _given_architectures(architectures, bunch.target_names.tolist())
    )
    bunch.DESCR = (
        f"Images from {printable(container)}: {_counted(entries)}. "
        f"Left out: {len(failures)}. Repeated: {len(duplicates)}."
    )
    return bunch


def _draw(
    listing: Listing, limit: int | None, random_state: int | np.random.RandomState | None
) -> Listing:
    """Keep at most so many files of each label, drawn at random, in their order."""
    if limit is None:
        return listing
    check_scalar(limit, "limit_per_source", Integral, min_val=1)
    random, by_label = check_random_state(random_state), defaultdict(list)
    for position, entry in enumerate(listing.entries):
        by_label[entry.label].append(position)
    # By name, or the draw would depend on the order that folders are listed in.
    drawn = [random.permutation(by_label[label])[:limit] for label in sorted(by_label)]
    kept = np.sort(np.concatenate(drawn)).tolist() if drawn else []
    return listing._replace(entries=[listing.entries[position] for position in kept])


def _list(given: Any, layout: str | None) -> tuple[Listing, str]:
    """List a container or a dataset, and say what that is."""
    if not isinstance(given, str | bytes | os.PathLike):
        listing = list_dataset(given, labelled=layout is not None)
        return with_one_spelling(listing), describe(given)
    container = without_slash(as_name(given))
    return list_all(container) if layout is None else list_container(container, layout), container


def _inspect(
    entries: Sequence[Entry], reader: ImageReader, failures: list[ImageReadError]
) -> list[Entry]:
    """Add what the headers say, and leave out files whose header is refused."""
    results = list(_reader.inspect_files(reader, [entry.filename for entry in entries]))
    failures += [result for result in results if isinstance(result, ImageReadError)]
    pairs = zip(entries, results, strict=True)
    return [e._replace(info=info) for e, info in pairs if not isinstance(info, ImageReadError)]


def _resolve_copies(
    entries: Sequence[Entry], n_jobs: int | None, failures: list[ImageReadError]
) -> tuple[list[Entry], list[tuple[str, str]]]:
    """Leave out contents that have several labels; list those repeated under one label."""
    copies = defaultdict(list)
    keys = _reader.content_keys([entry.filename for entry in entries], n_jobs=n_jobs)
    for entry, key in zip(entries, keys, strict=True):
        copies[key].append(entry)
    contradictory, duplicates = set(), []
    for same in copies.values():
        duplicates += [(entry.filename, same[0].filename) for entry in same[1:]]
        for entry in same:
            twin = next((other for other in same if other.label != entry.label), None)
            if twin is not None:
                contradictory.add(entry.filename)
                reason = (
                    f"is labelled {entry.label!r}, but its copy {printable(twin.filename)} "
                    f"{twin.label!r}; keep those under the right label only"
                )
                failures.append(ImageReadError(entry.filename, reason))
    kept = [entry for entry in entries if entry.filename not in contradictory]
    return kept, duplicates


def _require_two_labels(container: str, listing: Listing, entries: Sequence[Entry]) -> None:
    """Name the labels that have no usable image; two others must be left."""
    usable = {entry.label for entry in entries}
    for label, source in listing.sources.items():
        if label not in usable:
            listing.failures.append(ImageReadError(source, f"label {label!r} has no usable image"))
    if len(usable) < 2:
        problems = "; ".join(str(failure) for failure in listing.failures[:3])
        raise ValueError(
            f"{printable(container)}: expected usable images of at least two labels, found "
            f"{_counted(entries)}{problems and f'; first problems: {problems}'}"
        )


def _bunch(entries: Sequence[Entry], groups: Groups, **content: object) -> ImageBunch:
    names, target = np.unique([entry.label for entry in entries], return_inverse=True)
    infos = [entry.info for entry in entries if entry.info is not None]
    return ImageBunch(
        **content,
        target=target.astype(np.int64),
        target_names=names,
        filenames=np.array([entry.filename for entry in entries], dtype=object),
        groups=_group_array(entries, groups),
        splits=_known([entry.split for entry in entries]),
        is_real=_known([entry.is_real for entry in entries]),
        **_reader.property_arrays(infos),
    )


def _known(values: Sequence[str | bool | None]) -> NDArray[np.generic] | None:
    """Return the values as an array, None unless all of them are known."""
    return None if None in values else np.array(values)


def _own_architectures(container: str, entries: Sequence[Entry]) -> NDArray[np.generic] | None:
    """Return the architecture of each label, in sorted order, as the container says it."""
    pairs = ((entry.label, entry.architecture) for entry in entries)
    found = _unique_pairs(pairs, printable(container))
    return _known([found[label] for label in sorted(found)])


def _given_architectures(
    given: FilePath | Mapping[str, str], names: Sequence[str]
) -> NDArray[np.generic]:
    """Return the architecture of each label, as a mapping or a CSV file says it."""
    if not isinstance(given, Mapping):
        path = as_name(given)
        rows = table_rows(path, ("source", "architecture"))
        pairs = ((as_label(cells["source"]), cells["architecture"]) for _, cells in rows)
        given = _unique_pairs(pairs, printable(path))
    given = {as_label(str(name)): architecture for name, architecture in given.items()}
    missing = [name for name in names if name not in given]
    if missing:
        raise ValueError(
            f"architectures: expected one for every label, found none for {missing[0]!r} "
            f"({len(missing)} of {len(names)} labels are missing)"
        )
    return np.array([given[name] for name in names])


def _unique_pairs(pairs: Iterable[tuple[str, _Value]], where: str) -> dict[str, _Value]:
    """Return the pairs of label and architecture as a dict, each label with one only."""
    known: dict[str, _Value] = {}
    for label, architecture in pairs:
        if known.setdefault(label, architecture) != architecture:
            raise ValueError(
                f"{where}: expected one architecture for each label, found {known[label]!r} "
                f"and {architecture!r} for {label!r}"
            )
    return known


def _group_array(entries: Sequence[Entry], groups: Groups) -> NDArray[np.generic] | None:
    values: list[Hashable] = [entry.group for entry in entries]
    if groups == "name":
        values = [as_label(Path(entry.filename).stem) for entry in entries]
    elif groups is not None:
        values = [groups(entry.filename) for entry in entries]
    elif None in values:
        return None
    for entry, value in zip(entries, values, strict=True):
        if not isinstance(value, Hashable):
            raise TypeError(f"groups: got {value!r} for {entry.filename!r}, it has no hash")
    if len({type(value) for value in values}) == 1 and isinstance(values[0], str | int):
        return np.array(values)
    # Filled afterwards: from a list of tuples, numpy would make a table.
    array = np.empty(len(values), dtype=object)
    array[:] = values
    return array


def _counted(entries: Sequence[Entry]) -> str:
    counts = Counter(entry.label for entry in entries)
    return ", ".join(f"{label!r} ({n} images)" for label, n in counts.items()) or "none"


def load_samples(*, load_content: bool = True) -> ImageBunch:
    """Load the bundled images: the output of several GANs, and untouched photos.

    Parameters
    ----------
    load_content : bool, default=True
        Whether to read the pixels; without them the bunch has the file names and labels only.

    Returns
    -------
    ImageBunch
        As :func:`load_image_folder` returns it; ``groups`` names the photo that an image was
        made from, ``DESCR`` tells how the images were made and under which licences they are.

    See Also
    --------
    load_image_folder : Loads images of your own.

    Examples
    --------
    >>> from sklearn_ganprint.datasets import load_samples
    >>> samples = load_samples()
    >>> samples.data.shape[1:]
    (128, 128, 3)
    >>> "real" in samples.target_names
    True
    """
    samples = load_image_folder(_SAMPLES / "samples.csv", load_content=load_content)
    samples["DESCR"] = (_SAMPLES / "SOURCES.md").read_text(encoding="utf-8")
    return samples


class SamplePhotos(BaseEstimator):
    """Some of the bundled photos, which are read when they are needed.

    A parameter object without a fit, for estimators that learn from photos of any content: it is
    saved with a model in place of the pixels.

    Parameters
    ----------
    step : int, default=2
        Distance from one photo that is taken to the next, among 56, which are crops of eight.

    See Also
    --------
    load_samples : All bundled images.
    sklearn_ganprint.features.WithinSourceWhitening : Learns from them.

    Examples
    --------
    >>> from sklearn_ganprint.datasets import SamplePhotos
    >>> SamplePhotos().load().shape
    (28, 128, 128, 3)
    """

    def __init__(self, step: int = 2) -> None:
        self.step = step

    def load(self) -> np.ndarray:
        """Read the photos.

        Returns
        -------
        ndarray of uint8, shape (n, 128, 128, 3)
            The photos.
        """
        listed = list_images(_SAMPLES / "samples.csv")
        photos = listed.filenames[listed.labels == "real"][:: self.step]
        return np.asarray(ImageReader().read(photos))


def confounds(bunch: Bunch) -> list[str]:
    """Name the file properties by which classes can be told apart without their pixels.

    Parameters
    ----------
    bunch : Bunch
        As `load_image_folder` returns it.

    Returns
    -------
    list of str
        A sentence for each of format, size, colour mode and JPEG quality that differs
        between classes; empty if none does.

    Notes
    -----
    What a format or a compression did to the pixels can pass for the trace of a source. Each
    class is told from all others by whether a value is more frequent inside or outside of it,
    leaving the judged image out. A property is reported if for some class this is right in
    70 % or more, averaged over inside and outside. JPEG quality: among JPEG files only.

    Examples
    --------
    >>> import numpy as np
    >>> from sklearn.utils import Bunch
    >>> from sklearn_ganprint.datasets import confounds
    >>> bunch = Bunch(
    ...     target=np.repeat([0, 1, 2], 4), target_names=np.array(["gan", "real", "srgan"]),
    ...     formats=np.repeat(["PNG", "JPEG", "PNG"], 4), modes=np.full(12, "RGB"),
    ...     jpeg_quality=np.repeat([np.nan, 90.0, np.nan], 4),
    ...     widths=np.full(12, 256), heights=np.full(12, 256),
    ... )
    >>> confounds(bunch)
    ["format: 'real' is JPEG (4 of 4), all other classes are PNG (8 of 8)"]
    """
    sizes = [f"{w} x {h}" for w, h in zip(bunch.widths, bunch.heights, strict=True)]
    jpeg, everything = ~np.isnan(bunch.jpeg_quality), np.full(len(sizes), True)
    properties = [
        ("format", bunch.formats, everything),
        ("size", np.array(sizes, dtype=str), everything),
        ("colour mode", bunch.modes, everything),
        ("JPEG quality", bunch.jpeg_quality[jpeg].astype(int), jpeg),
    ]
    found = []
    for name, values, among in properties:
        labels, target = np.unique(bunch.target[among], return_inverse=True)
        if len(labels) < 2:
            continue
        counts = contingency_matrix(target, values)
        total = counts.sum(axis=0)
        if max(_balanced_accuracy(own, total - own) for own in counts) >= _TELLING:
            found.append(f"{name}: {_describe(counts, bunch.target_names[labels], values)}")
    return found


def _balanced_accuracy(inside: NDArray[np.int64], outside: NDArray[np.int64]) -> float:
    """Compute how often values tell `inside`, leaving one out, both sides weighing alike."""
    rates = []
    for own, other in ((inside, outside), (outside, inside)):
        # The judged image is taken out of its own side: a value seen once proves nothing.
        difference = (own - 1) / max(own.sum() - 1, 1) - other / other.sum()
        right = (np.sign(difference) + 1) / 2
        rates.append(float(right @ own / own.sum()))
    return sum(rates) / 2


def _describe(counts: NDArray[np.int64], names: Sequence[str], values: NDArray[np.generic]) -> str:
    """Return a sentence on the most frequent value of the classes, equal ones together.

    Where it is the same in all classes, on the value whose share tells one class best.
    """
    kinds, usual = np.unique(values), counts.argmax(axis=1)
    order = sorted(dict.fromkeys(usual.tolist()), key=lambda kind: np.sum(usual == kind))
    if len(order) == 1:
        return _describe_shares(counts, names, kinds)
    parts = []
    for kind in order:
        own = usual == kind
        is_rest = kind == order[-1] and own.sum() > 1
        quoted = " and ".join(f"'{name}'" for name in np.asarray(names)[own])
        who = f"{'all other classes' if is_rest else quoted} {'is' if own.sum() == 1 else 'are'}"
        parts.append(f"{who} {kinds[kind]} ({counts[own, kind].sum()} of {counts[own].sum()})")
    return ", ".join(parts)


def _describe_shares(
    counts: NDArray[np.int64], names: Sequence[str], kinds: NDArray[np.generic]
) -> str:
    """Return a sentence on the class and the value that differ most in share from all others."""
    others = counts.sum(axis=0) - counts
    shares, other_shares = (n / n.sum(axis=1, keepdims=True) for n in (counts, others))
    label, kind = np.unravel_index((shares - other_shares).argmax(), counts.shape)
    rest = f"'{names[1 - label]}'" if len(names) == 2 else "all other classes"
    return (
        f"{counts[label, kind]} of {counts[label].sum()} of '{names[label]}' are {kinds[kind]}, "
        f"{others[label, kind]} of {others[label].sum()} of {rest}"
    )
