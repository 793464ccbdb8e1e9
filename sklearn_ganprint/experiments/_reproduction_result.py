"""What a reproduction of the paper has found, by its figures."""

import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

import numpy as np

from sklearn_ganprint._output import write_csv
from sklearn_ganprint.experiments._attribution import AttributionResult
from sklearn_ganprint.experiments._dependence import DependenceResult
from sklearn_ganprint.experiments._fingerprints import ConvergenceResult, CorrelationResult
from sklearn_ganprint.experiments._results import Result, RobustnessResult, plain

__all__ = ["ReproductionResult"]

#: What the paper states: an item and its value, by what is found in its place.
PAPER = {
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


@dataclass(frozen=True, eq=False)
class ReproductionResult(Result):
    """What :func:`reproduce_paper` found, by figure of the paper.

    Attributes
    ----------
    convergence : tuple of ConvergenceResult
        Results of Fig. 2 to 4, in the order of the classes.
    correlation : CorrelationResult
        Results of Fig. 5 and 6.
    attribution : AttributionResult
        Results of Fig. 7 and 8.
    recompression : RobustnessResult
        Results of the JPEG experiment, in both readings of the paper.
    recompressed : tuple of str
        Sources whose images were compressed in the JPEG experiment.
    robustness : RobustnessResult or None
        The robustness study, which the paper leaves to future work; None if it was left out.
    warnings : tuple of str
        Reasons for which the figures may mislead.
    failures : tuple of (filename, reason)
        Files that could not be used.
    sizes : RobustnessResult or None
        Accuracy by the number of images that fingerprints are estimated from (families) and the
        side of the images in pixels (strengths); None without the study.
    dependence : DependenceResult or None
        Simulated generators of one and of two architectures compared; None without the study.
    controls : dict or None
        What else tells the sources apart, as :class:`AuditResult` puts it; None if not asked for.
    paper : dict of str to tuple of str
        What the paper states: an item and its value, by key.

    See Also
    --------
    reproduce_paper : Makes one.
    """

    paper: ClassVar[dict[str, tuple[str, str]]] = PAPER

    convergence: tuple[ConvergenceResult, ...]
    correlation: CorrelationResult
    attribution: AttributionResult
    recompression: RobustnessResult
    recompressed: tuple[str, ...]
    robustness: RobustnessResult | None
    warnings: tuple[str, ...]
    failures: tuple[tuple[str, str], ...]
    sizes: RobustnessResult | None = None
    dependence: DependenceResult | None = None
    controls: dict[str, Any] | None = None

    def rows(self) -> list[dict[str, Any]]:
        """Return one row for each source.

        Returns
        -------
        list of dict
            Rows with ``source``, ``architecture``, ``n_fit``, ``n_test``, ``recall``, ``auc``, the
            limit of the fingerprint's energy by the fit, as printed, unbiased and from halves,
            and the period of its autocorrelation.
        """
        classes = self.attribution.rows()
        architectures = self.correlation.architectures or [None] * len(classes)
        return [
            {
                "source": row["name"],
                "architecture": architecture,
                **{key: row[key] for key in ("n_fit", "n_test", "recall", "auc")},
                "energy_limit": plain(convergence.fit.limit),
                "printed_limit": plain(convergence.printed_fit.limit),
                "unbiased_limit": plain(convergence.unbiased_limit),
                "split_half_limit": plain(convergence.split_half_limit),
                "period_rows": convergence.period[0],
                "period_columns": convergence.period[1],
            }
            for row, architecture, convergence in zip(
                classes, architectures, self.convergence, strict=True
            )
        ]

    def architecture_rows(self) -> list[dict[str, Any]]:
        """Return one row for each architecture, or system, in the order of the sources.

        Returns
        -------
        list of dict
            Rows with ``architecture``, numbers of ``sources``, of images to fit on of each
            (``n_fit``) and of test images (``n_test``), ``accuracy``, the share of these whose very
            source was right, the mean correlation with the ``own`` fingerprint, with those of
            ``sibling`` sources (None if there are none) and of ``other`` ones, the least ``auc`` of
            a source, and the means of the limits of the energy, ``energy_limit`` and
            ``unbiased_limit``. Empty if the architectures are not known.
        """
        found: dict[str, list[int]] = {}
        for code, name in enumerate(self.correlation.architectures or ()):
            found.setdefault(name, []).append(code)
        rows, correlations = self.rows(), self.correlation.rows()
        table = []
        for name, codes in found.items():
            own = [rows[code] for code in codes]
            sources = {row["source"] for row in own}
            means: dict[str, list[float]] = {"own": [], "sibling": [], "other": []}
            for pair in correlations:
                if pair["source"] in sources:
                    means[pair["relation"]].append(pair["mean"])
            n_test = [row["n_test"] for row in own]
            table.append(
                {
                    "architecture": name,
                    "sources": len(own),
                    "n_fit": own[0]["n_fit"],
                    "n_test": sum(n_test),
                    "accuracy": float(np.average([row["recall"] for row in own], weights=n_test)),
                    **{key: float(np.mean(all_)) if all_ else None for key, all_ in means.items()},
                    "auc": min(row["auc"] for row in own),
                    **{
                        key: float(np.mean([row[key] for row in own]))
                        for key in ("energy_limit", "unbiased_limit")
                    },
                }
            )
        return table

    def to_dict(self) -> dict[str, Any]:
        """Return the figures as plain values that JSON can hold.

        Returns
        -------
        dict
            ``sources``, the rows, and one entry for each attribute.
        """
        return {
            "sources": self.rows(),
            "convergence": [source.to_dict() for source in self.convergence],
            "correlation": self.correlation.to_dict(),
            "attribution": self.attribution.to_dict(),
            "recompression": self.recompression.to_dict(),
            "recompressed": list(self.recompressed),
            "robustness": None if self.robustness is None else self.robustness.to_dict(),
            "warnings": list(self.warnings),
            "failures": [{"file": name, "reason": reason} for name, reason in self.failures],
            "architectures": self.architecture_rows(),
            "sizes": None if self.sizes is None else self._size_rows(),
            "dependence": None if self.dependence is None else self.dependence.to_dict(),
            "controls": self.controls,
        }

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write ``results.json`` and every table as CSV into a folder.

        Parameters
        ----------
        path : str or path-like
            The folder, which is made if there is none. Files of these names are replaced.

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
        """Return every table as rows, by name.

        Returns
        -------
        dict of str to list of dict
            The tables that :meth:`save` writes as CSV.
        """
        names = self.attribution.classes.astype(str).tolist()
        tables = {
            "sources": self.rows(),
            "energies": [row for source in self.convergence for row in source.rows()],
            "correlations": self.correlation.rows(),
            "confusion": [
                {"made by": name, **dict(zip(names, row, strict=True))}
                for name, row in zip(names, self.attribution.confusion.tolist(), strict=True)
            ],
            "recompression": self.recompression.rows(),
        }
        if self.robustness is not None:
            tables["robustness"] = self.robustness.rows()
        if self.sizes is not None:
            tables["sizes"] = self._size_rows()
        if self.dependence is not None:
            tables["dependence"] = self.dependence.rows()
        if self.controls is not None:
            tables["controls"] = self.controls["controls"]
        return tables | ({"architectures": rows} if (rows := self.architecture_rows()) else {})

    def _size_rows(self) -> list[dict[str, Any]]:
        """Return one row for each number and size of images."""
        rows = self.sizes.rows()[1:] if self.sizes else []
        return [
            {"images": int(row.pop("family")), "side": row.pop("strength"), **row} for row in rows
        ]
