"""The page of ``ganprint localize``."""

import argparse
from collections.abc import Sequence

from sklearn_ganprint.cli._console import Row
from sklearn_ganprint.cli._findings import Question
from sklearn_ganprint.cli.pages._folder import command_line, render_page

#: Images on the page, those with regions first; all are in the folder.
_SHOWN = 300


def render_localization(
    rows: Sequence[Row], question: Question, notes: Sequence[str], args: argparse.Namespace
) -> str:
    """Fill the template with what one run has found."""
    judged = [row for row in rows if row["error"] is None]
    judged.sort(key=lambda row: (row["false_region"] != "yes", -(row["score"] or 0)))
    height, width = question.size
    localizer = question.model.classifier
    return render_page(
        "localize",
        images=judged[:_SHOWN],
        n_more=max(0, len(judged) - _SHOWN),
        n_images=len(judged),
        n_found=sum(row["false_region"] == "yes" for row in judged),
        failures=[(row["file"], row["error"]) for row in rows if row["error"]],
        claimed=None if question.claimed is None else str(question.claimed),
        sources=[str(label) for label in question.model.whole.classes_],
        notes=notes,
        size=f"{width} × {height}",
        threshold=localizer.threshold_,
        min_region=localizer.min_region,
        window_size=localizer.window_size,
        model=args.model,
        command_line=command_line(args),
    )
