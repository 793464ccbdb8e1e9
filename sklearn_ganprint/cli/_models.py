"""Models as the commands need them."""

from typing import Any, NamedTuple

from sklearn_ganprint.cli._errors import CommandError


class Model(NamedTuple):
    """A loaded model and its parts."""

    whole: Any  # FileBatchClassifier
    residual: Any  # ResidualTransformer, or None
    classifier: Any  # FingerprintClassifier


def open_model(path: str) -> Model:
    """Load a model that was made by ``ganprint fit``, or in the same way."""
    from sklearn.pipeline import Pipeline

    from sklearn_ganprint import FileBatchClassifier, FingerprintClassifier, ResidualTransformer
    from sklearn_ganprint.persistence import load_model

    whole = load_model(path)
    inner = getattr(whole, "estimator_", None)
    steps = [step for _, step in inner.steps] if isinstance(inner, Pipeline) else [inner]
    if not isinstance(whole, FileBatchClassifier) or not isinstance(
        steps[-1], FingerprintClassifier
    ):
        raise CommandError(
            f"{path}: expected a model from `ganprint fit` (a FileBatchClassifier over a "
            f"FingerprintClassifier), this is {type(inner or whole).__name__}; use it from Python"
        )
    residual = next((step for step in steps if isinstance(step, ResidualTransformer)), None)
    return Model(whole, residual, steps[-1])
