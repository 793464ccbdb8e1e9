"""Models as the commands need them."""

import math
from typing import TYPE_CHECKING, Any, NamedTuple

from sklearn_ganprint._text import as_label
from sklearn_ganprint.cli._arguments import DEFAULT_RATE, LOCALIZATION, LOCALIZATION_RATE
from sklearn_ganprint.cli._errors import CommandError

if TYPE_CHECKING:
    import numpy as np


class Model(NamedTuple):
    """A loaded model and its parts."""

    whole: Any  # FileBatchClassifier
    open_set: Any  # OpenSetClassifier; None in models that have no p-values
    pipeline: Any  # Pipeline, or a classifier alone
    residual: Any  # ResidualTransformer, or None
    classifier: Any  # the pipeline's last step


def open_model(path: str, *, localizers: bool = False) -> Model:
    """Load a model that was made by ``ganprint fit``, or in the same way.

    Models that localize, and attribute nothing, are taken only if `localizers`.
    """
    from sklearn_ganprint import FileBatchClassifier, FingerprintClassifier
    from sklearn_ganprint.persistence import load_model

    whole, found = load_model(path), ""
    if isinstance(whole, FileBatchClassifier):
        model = model_parts(whole)
        if is_localizer(model):
            if localizers:
                return model
            raise CommandError(
                f"{path} is for `ganprint localize`: it says where in an image a trace is "
                f"missing, and not who made the image. Fit a model of another --kind"
            )
        if model.open_set is not None or isinstance(model.classifier, FingerprintClassifier):
            return model
        found = f" over {type(model.classifier).__name__}"
    raise CommandError(
        f"{path}: expected a model from `ganprint fit` (a FileBatchClassifier over an "
        f"OpenSetClassifier, or over a FingerprintClassifier), this is a "
        f"{type(whole).__name__}{found}; use it from Python"
    )


def open_localizer(path: str) -> Model:
    """Load a model that was made by ``ganprint fit --kind localization``."""
    from sklearn_ganprint import FileBatchClassifier
    from sklearn_ganprint.persistence import load_model

    whole = load_model(path)
    if isinstance(whole, FileBatchClassifier):
        model = model_parts(whole)
        if is_localizer(model):
            return model
    raise CommandError(
        f"{path}: expected a model from `ganprint fit --kind {LOCALIZATION}`, this is another; "
        f"its images can be fitted on again with that kind"
    )


def find_source(model: Model, given: str, option: str, path: str) -> Any:
    """Return the label that a source is named by, however its letters are stored (NFC, NFD)."""
    labels = model.whole.classes_.tolist()
    for label in labels:
        if as_label(str(label)) == as_label(given):
            return label
    raise CommandError(
        f"{option}: expected one of the sources of {path}, {', '.join(map(str, labels))}; got "
        f"{given!r}"
    )


def is_localizer(model: Model) -> bool:
    """Whether a model localizes."""
    from sklearn_ganprint import FingerprintLocalizer

    return isinstance(model.classifier, FingerprintLocalizer)


def model_parts(whole: Any) -> Model:
    """Take a fitted FileBatchClassifier apart."""
    from sklearn.pipeline import Pipeline

    from sklearn_ganprint import OpenSetClassifier, ResidualTransformer

    inner = whole.estimator_
    open_set = inner if isinstance(inner, OpenSetClassifier) else None
    pipeline = inner if open_set is None else open_set.estimator_
    steps = [step for _, step in pipeline.steps] if isinstance(pipeline, Pipeline) else [pipeline]
    residual = next((step for step in steps if isinstance(step, ResidualTransformer)), None)
    return Model(whole, open_set, pipeline, residual, steps[-1])


def model_kind(model: Model) -> str | None:
    """Tell the kind of pipeline by its steps; None is none that `ganprint fit` makes."""
    from sklearn_ganprint.pipelines import KINDS, make_attribution_pipeline

    if is_localizer(model):
        return LOCALIZATION
    for kind in KINDS:
        for tile_size in ("auto", None):
            pipeline = make_attribution_pipeline(kind, tile_size=tile_size)
            if _step_types(pipeline) == _step_types(model.pipeline):
                return kind
    return None


def _step_types(pipeline: Any) -> list[tuple[str, type]]:
    return [(name, type(step)) for name, step in getattr(pipeline, "steps", [])]


#: What is said below a table of cameras.
OF_ENERGIES = (
    "scores are peak-to-correlation energies; p-values, which hold for photos like those fitted on "
    "alone, decide nothing here"
)


def match_energy(model: Model) -> float | None:
    """Give the energy from which on a photo is matched to a camera; None in other models.

    Photos are hardly ever like the flat fields that cameras are fitted on, so that their p-values
    would say nothing.
    """
    from sklearn_ganprint import PRNUClassifier
    from sklearn_ganprint.classification import MATCH_ENERGY

    camera = isinstance(model.classifier, PRNUClassifier) and model.classifier.metric == "pce"
    return MATCH_ENERGY if camera else None


def too_low(score: float, least: float) -> str | None:
    """Say that an energy makes no match, if so."""
    if score >= least:
        return None
    return f"no match: an energy of {score:.1f} is below {least:g}"


def p_value_digits(smallest: float) -> int:
    """Count the digits that p-values have which are multiples of the smallest."""
    return min(4, max(1, math.ceil(-math.log10(smallest) - 1e-9)))


def calibration_counts(calibrated: Any) -> "np.ndarray":
    """Count the calibration images of each source."""
    import numpy as np

    return np.bincount(calibrated.calibration_codes_, minlength=len(calibrated.classes_))


def smallest_known_p_value(model: Model) -> float:
    """p-value of an image that looks less like each source than any calibration image."""
    import numpy as np

    if is_localizer(model):
        return 1 / (len(model.classifier.calibration_peaks_) + 1)
    lowest = np.full((1, len(model.open_set.classes_)), -np.inf)
    return float(model.open_set.known_p_values_from_scores(lowest)[0])


def calibration_way(model: Model) -> str:
    """Tell whether p-values are by each source's own images or by those of all."""
    return "pooled" if is_localizer(model) else str(model.open_set.calibration_)


def calibration_in_words(model: Model) -> str:
    """Say which images p-values, or regions, rest on."""
    open_set = model.open_set
    if is_localizer(model):
        return f"{len(model.classifier.calibration_peaks_)} images of all sources together"
    counts = calibration_counts(open_set)
    if open_set.calibration_ == "pooled":
        return f"{counts.sum()} images of all sources together"
    return f"each source's own images, {counts.min()} or more"


def warning_of_few(model: Model, rate: float | None = None) -> str | None:
    """Say that nothing can be called unknown at a rate, or no rate be kept, if so."""
    smallest, judges = smallest_known_p_value(model), calibration_in_words(model)
    if is_localizer(model):
        return _few_clean_images(rate or LOCALIZATION_RATE, smallest, judges)
    if match_energy(model) is not None:
        return None
    rate = rate or DEFAULT_RATE
    return few_images(rate, smallest, outcome="called unknown", judges=judges)


def _few_clean_images(rate: float, smallest: float, judges: str) -> str | None:
    if smallest <= rate:
        return None
    return (
        f"a false-alarm rate of {rate:g} cannot be kept: regions begin above what {judges} reach, "
        f"which is a rate of {as_fraction(smallest)}. Fit on more images, or choose --false-alarm "
        f"{round_up(smallest)} or more"
    )


def few_images(rate: float, smallest: float, *, outcome: str, judges: str) -> str | None:
    """Say that no image can have an outcome at a rate, with the smallest rate at which one can."""
    if smallest <= rate:
        return None
    advice = f", or choose --false-alarm {round_up(smallest)} or more" if smallest < 1 else ""
    return (
        f"no image can be {outcome} at a false-alarm rate of {rate:g}: p-values are by {judges}, "
        f"and none is below {as_fraction(smallest)}. Fit on more images{advice}"
    )


def as_fraction(smallest: float) -> str:
    """Write the smallest of all p-values exactly."""
    return f"1 / {round(1 / smallest)}"


def round_up(p_value: float) -> str:
    """Write a p-value in three digits, which are no less than it."""
    digits = 2 - math.floor(math.log10(p_value))
    # 0.04 * 10**4 and its like may come out just above the whole number.
    return f"{math.ceil(p_value * 10**digits - 1e-9) / 10**digits:.3g}"
