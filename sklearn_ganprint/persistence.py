"""L4: models in files, with skops and never with pickle, which runs whatever code it is given."""

import copy
import json
import os
import warnings
import zipfile
from collections.abc import Sequence
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import sklearn
from sklearn.base import BaseEstimator
from sklearn.pipeline import Pipeline
from sklearn.utils.fixes import parse_version
from sklearn.utils.validation import check_is_fitted

import sklearn_ganprint
from sklearn_ganprint import denoisers, features, perturbations
from sklearn_ganprint._files import atomic
from sklearn_ganprint.augmentation import AugmentedClassifier
from sklearn_ganprint.cameras import PRNUClassifier
from sklearn_ganprint.classification import FingerprintClassifier
from sklearn_ganprint.clustering import FingerprintClustering
from sklearn_ganprint.datasets import ImageReader
from sklearn_ganprint.discriminant import PooledDiscriminantAnalysis
from sklearn_ganprint.files import FileBatchClassifier, FileBatchClustering
from sklearn_ganprint.fusion import FusionClassifier
from sklearn_ganprint.localization import FingerprintLocalizer
from sklearn_ganprint.normalization import LocalVarianceNormalizer
from sklearn_ganprint.open_set import FingerprintDetector, OpenSetClassifier
from sklearn_ganprint.residuals import ResidualTransformer
from sklearn_ganprint.tiling import TiledClassifier

#: Raised when a file written now could be misread by the code of before.
FORMAT_VERSION = 1
_METADATA = "ganprint.json"
_FORMAT = "sklearn_ganprint model"


class ModelFileError(ValueError):
    """A model file that cannot be loaded, and why."""


def save_model(estimator: BaseEstimator, path: str | os.PathLike[str]) -> None:
    """Save a fitted estimator to one file.

    Parameters
    ----------
    estimator : estimator
        A fitted :class:`~sklearn_ganprint.FileBatchClassifier`, pipeline or classifier.
        Callables in the parameters `progress` and `on_error` belong to the running program and
        are not saved.

    path : str or path-like
        The file to write. One that exists is replaced once the new one is complete, so that a
        reader never sees half a model.

    Raises
    ------
    sklearn.exceptions.NotFittedError
        If the estimator is not fitted.
    ImportError
        If skops is not installed.
    ModelFileError
        If the estimator holds something that could not be loaded again, such as a function as
        denoiser.

    See Also
    --------
    load_model : Reads the file.
    read_metadata : Reads what the file says of itself, without loading the model.

    Examples
    --------
    >>> import os, tempfile
    >>> import numpy as np
    >>> from sklearn_ganprint import FingerprintClassifier, load_model, save_model
    >>> clf = FingerprintClassifier().fit(np.eye(4), ["a", "a", "b", "b"])
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     path = os.path.join(folder, "model.skops")
    ...     save_model(clf, path)
    ...     loaded = load_model(path)
    >>> bool((loaded.fingerprints_ == clf.fingerprints_).all())
    True
    """
    sio = _import_skops()
    check_is_fitted(estimator)
    estimator = _without_callbacks(estimator)
    with atomic(Path(path)) as part:
        sio.dump(estimator, part)
        with zipfile.ZipFile(part, "a") as archive:
            archive.writestr(_METADATA, json.dumps(_metadata(estimator), indent=2))
        foreign = _foreign_types(sio, part)
        if foreign:
            raise ModelFileError(
                f"Not saved: the model holds {', '.join(foreign)}, which no one could load again "
                f"without trusting it. Use a denoiser class instead of a function, or pass plain "
                f"scikit-learn estimators."
            )


def load_model(path: str | os.PathLike[str], *, trusted: Sequence[str] = ()) -> Any:
    """Load an estimator that :func:`save_model` has written.

    Parameters
    ----------
    path : str or path-like
        The file.

    trusted : sequence of str, default=()
        Names of further types to trust, beside those of this package, scikit-learn and numpy.

    Returns
    -------
    estimator
        The fitted estimator.

    Raises
    ------
    ModelFileError
        If the file is truncated or no model, was written by a newer version, or holds types that
        are not trusted. Nothing of such a file is run.
    ImportError
        If skops is not installed.

    See Also
    --------
    save_model : Writes the file, and has an example.
    """
    sio = _import_skops()
    metadata = read_metadata(path)
    foreign = _foreign_types(sio, path, trusted)
    if foreign:
        raise ModelFileError(
            f"{os.fspath(path)}: the model holds types that are not trusted: {', '.join(foreign)}. "
            f"Load it only if you know who made it, with trusted={foreign}."
        )
    if parse_version(metadata["package_version"]) > parse_version(sklearn_ganprint.__version__):
        warnings.warn(
            f"{os.fspath(path)} was written by sklearn_ganprint {metadata['package_version']}, "
            f"which is newer than this, {sklearn_ganprint.__version__}.",
            UserWarning,
            stacklevel=2,
        )
    try:
        return sio.load(path, trusted=[*_own_types(), *trusted])
    except Exception as error:  # damage that the checksums of the archive do not show
        raise ModelFileError(f"{os.fspath(path)}: the model is damaged: {error}") from error


def read_metadata(path: str | os.PathLike[str]) -> dict[str, Any]:
    """Read what a model file says of itself, without loading the model.

    Parameters
    ----------
    path : str or path-like
        The file.

    Returns
    -------
    dict
        ``format``, ``format_version``, ``package_version``, ``sklearn_version``, ``estimator``,
        ``classes``, ``class_count`` (images of each class) and ``reader`` (its settings).

    Raises
    ------
    ModelFileError
        If the file is truncated, no model, or written by a newer version.
    """
    name = os.fspath(path)
    try:
        with zipfile.ZipFile(name) as archive:
            broken = archive.testzip()
            metadata = json.loads(archive.read(_METADATA))
    except OSError as error:
        raise ModelFileError(f"{name}: cannot be read: {error.strerror or error}.") from error
    except (zipfile.BadZipFile, KeyError, ValueError, EOFError, NotImplementedError) as error:
        raise ModelFileError(
            f"{name}: not a model file, or truncated. Expected a file written by save_model or "
            f"`ganprint fit`."
        ) from error
    if broken or not isinstance(metadata, dict) or metadata.get("format") != _FORMAT:
        raise ModelFileError(f"{name}: the model file is damaged ({broken or _METADATA}).")
    if metadata["format_version"] > FORMAT_VERSION:
        raise ModelFileError(
            f"{name}: written by sklearn_ganprint {metadata['package_version']} in model format "
            f"{metadata['format_version']}; this is {sklearn_ganprint.__version__}, which reads "
            f"format {FORMAT_VERSION}. Upgrade sklearn_ganprint to load it."
        )
    return metadata


def _import_skops() -> ModuleType:
    try:
        import skops.io as sio  # noqa: PLC0415  (an optional dependency)
    except ImportError as error:
        raise ImportError(
            "Models are saved and loaded with skops: pip install 'sklearn_ganprint[cli]'."
        ) from error
    return sio


def _own_types() -> list[str]:
    """List the types of this package that a model is made of: no pattern, no module."""
    classes = [
        AugmentedClassifier,
        FileBatchClassifier,
        FileBatchClustering,
        FingerprintClassifier,
        FingerprintClustering,
        FingerprintDetector,
        FingerprintLocalizer,
        FusionClassifier,
        ImageReader,
        LocalVarianceNormalizer,
        OpenSetClassifier,
        PRNUClassifier,
        PooledDiscriminantAnalysis,
        ResidualTransformer,
        TiledClassifier,
    ]
    for module in (denoisers, features, perturbations):
        public = (vars(module)[name] for name in module.__all__)
        classes += [each for each in public if isinstance(each, type)]
    return [f"{each.__module__}.{each.__qualname__}" for each in classes]


def _foreign_types(
    sio: ModuleType, path: str | os.PathLike[str], trusted: Sequence[str] = ()
) -> list[str]:
    """Types in a model file that neither skops, nor this package, nor the caller trusts."""
    try:
        untrusted = sio.get_untrusted_types(file=path)
    except Exception as error:  # a schema that skops cannot make sense of
        raise ModelFileError(f"{os.fspath(path)}: the model is damaged: {error}") from error
    return sorted(set(untrusted) - {*_own_types(), *trusted})


def _without_callbacks(estimator: BaseEstimator) -> BaseEstimator:
    """Copy the fitted estimator less the functions of the program that fitted it."""
    if not isinstance(estimator, (FileBatchClassifier, FileBatchClustering)):
        return estimator
    estimator = copy.copy(estimator)
    on_error = "warn" if callable(estimator.on_error) else estimator.on_error
    return estimator.set_params(progress=None, on_error=on_error)


def _metadata(estimator: BaseEstimator) -> dict[str, Any]:
    """Collect what `ganprint info` can say without loading the model."""
    reader = getattr(estimator, "reader_", None)
    last = getattr(estimator, "estimator_", estimator)
    last = last[-1] if isinstance(last, Pipeline) else last
    count = getattr(last, "class_count_", None)
    return {
        "format": _FORMAT,
        "format_version": FORMAT_VERSION,
        "package_version": sklearn_ganprint.__version__,
        "sklearn_version": sklearn.__version__,
        "estimator": repr(estimator),
        "classes": np.asarray(getattr(estimator, "classes_", [])).tolist(),
        "class_count": None if count is None else np.asarray(count).tolist(),
        "image_size": getattr(estimator, "image_size_", None),
        "reader": None if reader is None else reader.get_params(),
    }
