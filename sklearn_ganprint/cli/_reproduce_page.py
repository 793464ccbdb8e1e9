"""The page of ``ganprint reproduce``."""

import argparse
import shlex
import sys
from collections import Counter
from typing import Any

import numpy as np
from sklearn.utils import Bunch

from sklearn_ganprint.cli._pages import percent, render_page
from sklearn_ganprint.cli._reproduce_figures import (
    histogram_name,
    robustness_name,
    shown_numbers,
)
from sklearn_ganprint.cli._text import slugs
from sklearn_ganprint.denoisers import check_denoiser
from sklearn_ganprint.experiments import ConvergenceResult, ReproductionResult


def render_reproduction(
    result: ReproductionResult,
    bunch: Bunch,
    crop: tuple[int, int],
    tables: list[str],
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
        command_line=shlex.join(["ganprint", *args.words]),
        warnings=[*bunch.warnings, *result.warnings],
        sources=_sources(result),
        comparison=_comparison(result),
        histograms=_histograms(result),
        block_text=_block_text(result),
        recompressed_text=_recompressed_text(result),
        recompression=_recompression(result),
        robustness=_robustness(result),
        robustness_text=_robustness_text(result),
        tables=tables,
    )


def number(value: float | None, digits: int) -> str:
    """Write a number, or a dash where there is none."""
    return "–" if value is None or not np.isfinite(value) else f"{value:.{digits}f}"


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
            "energy_limit_text": number(row["energy_limit"], 4),
            "period_text": _period_text(convergence),
        }
        for row, convergence in zip(result.sources(), result.convergence, strict=True)
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
