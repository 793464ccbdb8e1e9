"""What the paper's experiments found on one set of images."""

import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

import numpy as np

from sklearn_ganprint.classification import FingerprintClassifier
from sklearn_ganprint.experiments._attribution import AttributionResult, attribution_result
from sklearn_ganprint.experiments._comparisons import (
    RecompressionResult,
    RobustnessResult,
    compare_predictions,
    measure_robustness,
)
from sklearn_ganprint.experiments._convergence import ConvergenceResult, convergence_from_sums
from sklearn_ganprint.experiments._correlations import CorrelationResult, measure_correlations
from sklearn_ganprint.experiments._duplicates import near_duplicates
from sklearn_ganprint.experiments._results import Result, plain, write_csv
from sklearn_ganprint.experiments._run import UNCHANGED, Part, Run, Scored
from sklearn_ganprint.experiments._selection import PAPER_FIT

#: What the paper states: an item and its value, by what is found in its place.
_PAPER = {
    "sources": ("sources", "22: 9 Cycle-GAN, 6 Pro-GAN, 5 Star-GAN, 2 cameras"),
    "images": ("images of each to fit on and to test on", "512 and 488"),
    "limit": ("Fig. 3: limit of the energy", "0.0377 and 0.0088 (two sources, unit not stated)"),
    "auc": ("Fig. 5: AUC, same against cross", "0.990 and 0.998"),
    "d_prime": ("Fig. 5: d′ of these", "3.29 and 4.07 (from the AUC, if normal)"),
    "correlation": (
        "Fig. 6: mean correlation",
        "large with the own fingerprint, weaker with siblings, none with others",
    ),
    "accuracy": ("Fig. 8: accuracy", "90.3 %"),
    "recompressed": ("accuracy after JPEG compression (QF 95 in the paper)", "90.1 %"),
}
#: Fewer test images a source than this give confidence intervals of tens of points.
_FEW_TESTS = 50
#: Energy, in squared grey levels, of what rounding leaves of a blank image.
_BLANK = 1e-6


@dataclass(frozen=True, eq=False)
class ReproductionResult(Result):
    """What :func:`reproduce_paper` found, by figure of the paper.

    Attributes
    ----------
    convergence : tuple of ConvergenceResult
        Fig. 2 to 4, in the order of the classes.

    correlation : CorrelationResult
        Fig. 5 and 6.

    attribution : AttributionResult
        Fig. 7 and 8.

    recompression : RecompressionResult
        The JPEG experiment, in both readings.

    recompressed : tuple of str
        The sources whose images were compressed in it.

    robustness : RobustnessResult or None
        The robustness study, which the paper leaves to future work; None if it was left out.

    warnings : tuple of str
        What is to be known before the figures are believed.

    failures : tuple of (filename, reason)
        Files that could not be used.

    paper : dict of str to tuple of str
        What the paper states: an item and its value, by key.

    See Also
    --------
    reproduce_paper : Makes one.
    """

    paper: ClassVar[dict[str, tuple[str, str]]] = _PAPER

    convergence: tuple[ConvergenceResult, ...]
    correlation: CorrelationResult
    attribution: AttributionResult
    recompression: RecompressionResult
    recompressed: tuple[str, ...]
    robustness: RobustnessResult | None
    warnings: tuple[str, ...]
    failures: tuple[tuple[str, str], ...]

    def rows(self) -> list[dict[str, Any]]:
        """Give one row a source.

        Returns
        -------
        list of dict
            With ``source``, ``architecture``, ``n_fit``, ``n_test``, ``recall``, ``auc``, the
            limit of the fingerprint's energy by the fit, as printed, unbiased and from halves,
            and the period of its autocorrelation.
        """
        classes = self.attribution.to_dict()["classes"]
        architectures = self.correlation.architectures or [None] * len(classes)
        return [
            {
                "source": each["name"],
                "architecture": architecture,
                **{key: each[key] for key in ("n_fit", "n_test", "recall", "auc")},
                "energy_limit": plain(convergence.fit.limit),
                "printed_limit": plain(convergence.printed_fit.limit),
                "unbiased_limit": plain(convergence.unbiased_limit),
                "split_half_limit": plain(convergence.split_half_limit),
                "period_rows": convergence.period[0],
                "period_columns": convergence.period[1],
            }
            for each, architecture, convergence in zip(
                classes, architectures, self.convergence, strict=True
            )
        ]

    def to_dict(self) -> dict[str, Any]:
        """Give the figures as plain values that JSON can hold.

        Returns
        -------
        dict
            One entry an attribute.
        """
        return {
            "sources": self.rows(),
            "convergence": [each.to_dict() for each in self.convergence],
            "correlation": self.correlation.to_dict(),
            "attribution": self.attribution.to_dict(),
            "recompression": self.recompression.to_dict(),
            "recompressed": list(self.recompressed),
            "robustness": None if self.robustness is None else self.robustness.to_dict(),
            "warnings": list(self.warnings),
            "failures": [{"file": name, "reason": reason} for name, reason in self.failures],
        }

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write ``results.json`` and every table as CSV into a folder.

        Parameters
        ----------
        path : str or path-like
            The folder, made where there is none. Files of these names are replaced.

        Raises
        ------
        OSError
            If a file cannot be written.
        """
        folder = Path(path)
        (folder / "tables").mkdir(parents=True, exist_ok=True)
        for name, rows in self.tables().items():
            write_csv(folder / "tables" / f"{name}.csv", rows)
        super().save(folder / "results.json")

    def tables(self) -> dict[str, list[dict[str, Any]]]:
        """Give every table as rows, by name.

        Returns
        -------
        dict of str to list of dict
            What :meth:`save` writes as CSV.
        """
        tables = {
            "sources": self.rows(),
            "energies": [row for each in self.convergence for row in each.rows()],
            "correlations": self.correlation.rows(),
            "confusion": _confusion_rows(self.attribution),
            "recompression": self.recompression.rows(),
        }
        if self.robustness is not None:
            tables["robustness"] = self.robustness.rows()
        return tables


def _confusion_rows(attribution: AttributionResult) -> list[dict[str, Any]]:
    """One row a true source, one column a source attributed to."""
    names = attribution.classes.astype(str).tolist()
    return [
        {"made by": name, **dict(zip(names, row, strict=True))}
        for name, row in zip(names, attribution.confusion.tolist(), strict=True)
    ]


def assemble(
    run: Run,
    architectures: tuple[str, ...] | None,
    fitted: Mapping[int, Part],
    scored: Scored,
    recompressed: np.ndarray,
    robustness: Mapping[tuple[str, float], np.ndarray],
) -> ReproductionResult:
    """Make results of what the passes over the images gave.

    Parameters
    ----------
    run : Run
        The run: its selection of images, settings and failures.

    architectures : tuple of str, or None
        Architecture of each source.

    fitted : mapping of int to dict of ndarray
        Sums of residuals of each source.

    scored : Scored
        Scores of the test images, (1, n_test, K), and their hashes.

    recompressed : ndarray of shape (2, n_test, K)
        Scores of recompressed ones with fingerprints of clean and of recompressed images.

    robustness : mapping of (str, float) to ndarray of shape (n, K)
        Scores of some test images by family and strength of what was done to them.

    Returns
    -------
    ReproductionResult
        Results by figure of the paper.
    """
    selection = run.selection
    classes, scores = selection.classes, scored.scores[0]
    y_test = np.repeat(classes, [len(each) for each in selection.test])
    usable = np.isfinite(scores).all(axis=1)
    return ReproductionResult(
        convergence=tuple(
            convergence_from_sums(
                fitted[code]["sums"],
                fitted[code]["counts"],
                float(fitted[code]["residual_energies"].mean()),
                name=str(label),
            )
            for code, label in enumerate(classes)
        ),
        correlation=measure_correlations(scores[usable], y_test[usable], classes, architectures),
        attribution=_attribution(run, fitted, scores, usable),
        recompression=_recompression(run, y_test, scores, recompressed),
        recompressed=tuple(str(classes[code]) for code in run.generated),
        robustness=_robustness(run, robustness) if robustness else None,
        warnings=tuple(_warnings(run, architectures, fitted, scored.hashes)),
        failures=tuple(run.failures.items()),
    )


def _attribution(
    run: Run, fitted: Mapping[int, Part], scores: np.ndarray, usable: np.ndarray
) -> AttributionResult:
    selection = run.selection
    parts = [fitted[code] for code in sorted(fitted)]
    model = FingerprintClassifier().partial_fit_sums(
        np.stack([part["sums"].sum(axis=0, dtype=np.float64) for part in parts]),
        [part["counts"].sum() for part in parts],
        selection.classes,
    )
    train, test = np.concatenate(selection.fit), np.concatenate(selection.test)
    if run.failures:
        failed = [os.fsdecode(path) in run.failures for path in run.images.items[train]]
        train = train[~np.array(failed)]
    predicted = selection.classes[scores[usable].argmax(axis=1)]
    failures = tuple(run.failures.items())
    return attribution_result(
        model, run.y, (train, test[usable]), scores[usable], predicted, failures
    )


def _recompression(
    run: Run, y_test: np.ndarray, scores: np.ndarray, recompressed: np.ndarray
) -> RecompressionResult:
    """Compare both readings with the images as they are, on those that could be used in all."""
    usable = np.isfinite(scores).all(axis=1) & np.isfinite(recompressed).all(axis=(0, 2))
    predictions = [
        run.selection.classes[each[usable].argmax(axis=1)] for each in (scores, *recompressed)
    ]
    names = ("test images", "test images and those of the fingerprints")
    variants = dict(zip(names, predictions[1:], strict=True))
    return compare_predictions(y_test[usable], predictions[0], variants)


def _robustness(run: Run, robustness: Mapping[tuple[str, float], np.ndarray]) -> RobustnessResult:
    y = np.repeat(run.selection.classes, [len(each) for each in run.robustness_positions()])
    usable = np.all([np.isfinite(each).all(axis=1) for each in robustness.values()], axis=0)
    predictions = {
        key: run.selection.classes[each[usable].argmax(axis=1)] for key, each in robustness.items()
    }
    return measure_robustness(y[usable], predictions[UNCHANGED], predictions)


def _warnings(
    run: Run,
    architectures: tuple[str, ...] | None,
    fitted: Mapping[int, Part],
    hashes: list[np.ndarray],
) -> Iterator[str]:
    """Say what is to be known before the figures are believed."""
    selection = run.selection
    if selection.n_fit < PAPER_FIT:
        yield (
            f"Each fingerprint is the mean of {selection.n_fit} residuals, where the paper has "
            f"{PAPER_FIT}: it holds more noise, and fewer images are attributed rightly."
        )
    fewest = min(len(each) for each in selection.test)
    if fewest < _FEW_TESTS:
        yield (
            f"A source has as few as {fewest} test images: what is said of single sources is "
            f"uncertain by ten points and more."
        )
    if architectures is None:
        yield "The architectures of the sources are not known, so siblings cannot be shown as such."
    for code, label in enumerate(selection.classes):
        blank = int((fitted[code]["residual_energies"] < _BLANK).sum())
        if blank:
            yield f"{blank} images of {str(label)!r} to fit on are blank: nothing is left of them."
        alike = near_duplicates(hashes[code], fitted[code]["hashes"])
        n_alike = len(np.unique(alike[:, 0]))
        if n_alike:
            yield (
                f"{n_alike} of {len(hashes[code])} test images of {str(label)!r} look "
                f"nearly the same as one that its fingerprint was estimated from: near-duplicates "
                f"make it look better than it is. Give such images one group."
            )
