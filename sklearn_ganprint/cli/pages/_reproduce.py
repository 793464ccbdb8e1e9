"""The page of ``ganprint reproduce``."""

import argparse
from collections import Counter
from collections.abc import Sequence
from typing import Any

import numpy as np
from sklearn.utils import Bunch

from sklearn_ganprint.cli._console import slugs
from sklearn_ganprint.cli.pages._folder import command_line, number, percent, render_page
from sklearn_ganprint.cli.pages._reproduce_figures import shown_numbers, shown_pairs
from sklearn_ganprint.denoisers import check_denoiser
from sklearn_ganprint.experiments import ConvergenceResult, ReproductionResult


def render_reproduction(
    result: ReproductionResult,
    bunch: Bunch,
    crop: tuple[int, int],
    args: argparse.Namespace,
) -> str:
    """Fill the template with the figures of one run."""
    attribution = result.attribution
    document = attribution.to_dict()
    return render_page(
        "reproduce",
        **{name: document[name] for name in ("accuracy", "accuracy_interval", "chance", "n_test")},
        folder=args.source,
        n_images=int(attribution.n_fit.sum() + attribution.n_test.sum()),
        n_fit=int(attribution.n_fit.max()),
        test_numbers=_range(attribution.n_test),
        seed=args.seed,
        grouped=bunch.groups is not None,
        size=f"{crop[1]} × {crop[0]}",
        crop_note=_crop_note(bunch, crop, args.anchor),
        denoiser=_denoiser(args.denoiser),
        channels="red, green and blue, each with a fingerprint of its own"
        if args.channels == "rgb"
        else "one fingerprint, of the luminance",
        command_line=command_line(args),
        warnings=[*bunch.warnings, *result.warnings],
        sources=_sources(result),
        comparison=_comparison(result),
        histograms=_histograms(result),
        blocks=result.correlation.blocks,
        jpeg=args.jpeg,
        recompressed=_listed(result.recompressed, len(attribution.classes)),
        recompression=result.recompression.rows(),
        robustness=_robustness(result),
        n_robustness=None if result.robustness is None else result.robustness.clean.n_test,
        tables=[f"{name}.csv" for name in result.tables()],
    )


def _listed(names: Sequence[str], n_all: int) -> str:
    if len(names) == n_all:
        return "all sources"
    return ", ".join(names) if names else "no source, since none was made by a network,"


def _range(values: np.ndarray) -> str:
    low, high = values.min(), values.max()
    return str(low) if low == high else f"{low} to {high}"


def _crop_note(bunch: Bunch, crop: tuple[int, int], anchor: str) -> str:
    sizes = Counter(zip(bunch.heights.tolist(), bunch.widths.tolist(), strict=True))
    if set(sizes) == {crop}:
        return ""
    whole = ", ".join(f"{w} × {h} ({n})" for (h, w), n in sizes.most_common(3))
    more = f" and {len(sizes) - 3} other sizes" if len(sizes) > 3 else ""
    where = "at the top left" if anchor == "top-left" else "from the middle"
    return f"cut {where} from images of {whole}{more}"


def _denoiser(name: str) -> str:
    params = check_denoiser(name).get_params()
    return f"{name} ({', '.join(f'{key} {value}' for key, value in params.items())})"


def _sources(result: ReproductionResult) -> list[dict[str, Any]]:
    """Give each source's row of the table, and the words beside its pictures."""
    names = slugs(result.attribution.classes)
    shown = _first_of_each(result)
    return [
        {
            **row,
            "name": row["source"],
            "slug": names[row["source"]],
            "shown": row["source"] in shown,
            "shown_numbers": ", ".join(map(str, shown_numbers(convergence))),
            "limit_text": f"{number(row['energy_limit'], 4)} by the fit, "
            f"{number(row['unbiased_limit'], 4)} unbiased",
            "period_text": _period_text(convergence),
        }
        for row, convergence in zip(result.rows(), result.convergence, strict=True)
    ]


def _first_of_each(result: ReproductionResult) -> set[str]:
    """Choose the sources shown first: one of each architecture, or two where none are known."""
    classes = result.attribution.classes.astype(str).tolist()
    architectures = result.correlation.architectures
    if architectures is None:
        return set(classes[:2])
    return {classes[list(architectures).index(each)] for each in dict.fromkeys(architectures)}


def _period_text(convergence: ConvergenceResult) -> str:
    rows, columns = convergence.period
    if rows is None and columns is None:
        return "no period stands out from the noise"
    parts = [
        f"every {period} pixels {way}"
        for period, way in ((rows, "down"), (columns, "across"))
        if period is not None
    ]
    return f"it repeats {' and '.join(parts)}"


def _comparison(result: ReproductionResult) -> list[tuple[str, str, str]]:
    """Put what the paper says beside what was found: item, the paper, here."""
    correlation, attribution = result.correlation, result.attribution
    limits = np.array([each.fit.limit for each in result.convergence])
    pairs = shown_pairs(correlation)
    aucs = " and ".join(number(correlation.auc[pair], 3) for pair in pairs)
    distances = " and ".join(number(correlation.d_prime[pair], 2) for pair in pairs)
    blocks = {name: number(value, 4) for name, value in correlation.blocks.items()}
    accuracies = [percent(row["accuracy"], 1) for row in result.recompression.rows()]
    return [
        (
            "sources",
            "22: 9 Cycle-GAN, 6 Pro-GAN, 5 Star-GAN, 2 cameras",
            f"{len(correlation.classes)}{_families(correlation.architectures)}",
        ),
        (
            "images of each to fit on and to test on",
            "512 and 488",
            f"{_range(attribution.n_fit)} and {_range(attribution.n_test)}",
        ),
        (
            "Fig. 3: limit of the energy",
            "0.0377 and 0.0088 (two sources, unit not stated)",
            f"{number(limits.min(), 4)} to {number(limits.max(), 4)} squared grey levels",
        ),
        ("Fig. 5: AUC, same against cross", "0.990 and 0.998", aucs),
        ("Fig. 5: d′ of these", "3.29 and 4.07 (from the AUC, if normal)", distances),
        (
            "Fig. 6: mean correlation",
            "large with the own fingerprint, weaker with siblings, none with others",
            f"own {blocks['own']}, siblings {blocks['sibling']}, others {blocks['other']}",
        ),
        ("Fig. 8: accuracy", "90.3 %", percent(attribution.accuracy, 1)),
        (
            "accuracy after JPEG compression (QF 95 in the paper)",
            "90.1 %",
            " or ".join(accuracies[1:]) + ", in two readings",
        ),
    ]


def _families(architectures: tuple[str, ...] | None) -> str:
    if architectures is None:
        return ""
    counts = Counter(architectures)
    return ": " + ", ".join(f"{n} {name}" for name, n in counts.items())


def _histograms(result: ReproductionResult) -> list[tuple[str, str]]:
    """Name each histogram, and say what it shows."""
    names = result.correlation.classes
    return [
        (
            f"histogram-{index}",
            f"Fig. 5: correlation of the residuals of {names[own]} with its own fingerprint and "
            f"with that of {names[other]}.",
        )
        for index, (own, other) in enumerate(shown_pairs(result.correlation), start=1)
    ]


def _robustness(result: ReproductionResult) -> list[tuple[str, str, str]]:
    """Name each robustness curve, and say what it shows: file, title, caption."""
    if result.robustness is None:
        return []
    rows = []
    for index, family in enumerate(result.robustness.families, start=1):
        strengths, accuracies, _ = result.robustness.curve(family)
        worst = int(accuracies.argmin())
        text = f"lowest {percent(accuracies[worst])} at {strengths[worst]:g}"
        rows.append((f"robustness-{index}", f"Accuracy against {family}", f"{family}: {text}."))
    return rows
