"""``ganprint info``: what a model was made of."""

import argparse
import os
from pathlib import Path
from typing import Any

import numpy as np

from sklearn_ganprint._output import write_file
from sklearn_ganprint.cli import _arguments, _images, _models, _pages
from sklearn_ganprint.cli._console import (
    ENERGY,
    MESSAGES,
    Column,
    Row,
    Table,
    columns,
    family_rows,
    print_results,
)
from sklearn_ganprint.cli._models import Model
from sklearn_ganprint.denoisers import check_denoiser
from sklearn_ganprint.evidence import cllr, cllr_min, misleading_rates
from sklearn_ganprint.persistence import read_metadata

REQUIRES = ("rich", "skops", "jinja2")
DESCRIPTION = (
    "Show a model's settings and sources. p-values of a source are calibrated on its own images, "
    "as in verify. Energies are mean squares in squared grey levels. CSV holds the sources only."
)

_VERSIONS = ("package_version", "sklearn_version", "format_version")
#: What is no setting: it has tables and lines of its own.
_APART = ("out_of_fold", "sources", "families", "hierarchy", "likelihood_ratios", "findings")
#: Findings of an audit that are told, and letters of each.
_MOST, _LONGEST = 20, 500
_SMALLEST = Column("smallest_p_value", "smallest p-value", 4)
_CALIBRATION = Column("calibration_images", "calibration images or copies")
_SOURCES = columns("source", "images", _CALIBRATION, _SMALLEST, ENERGY)
_FAMILIES = columns("family", Column("confused", "share confused", 3))
_FIGURES = columns(
    "images",
    Column("cllr", "Cllr", 3),
    Column("cllr_min", "least Cllr", 3),
    Column("own_below_1", "own LR < 1", 3),
    Column("wrong_above_1", "wrong LR > 1", 3),
    Column("wrong_above_100", "wrong LR > 100", 4),
)
_RATIOS = columns("history", "against", *_FIGURES)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the command's arguments."""
    _arguments.add(parser, "model", "--format")
    parser.add_argument(
        "--card",
        metavar="FILE",
        help="write a model card in Markdown: what the model is for, what it was fitted on, how "
        "good it is and what limits it; what only its makers know is left to fill in",
    )
    _arguments.add(parser, "--force", help="replace FILE")


def run(args: argparse.Namespace) -> int:
    """Print the settings and the sources of a model, and write its card."""
    if args.card is not None:
        _pages.check_file("--card", args.card, force=args.force, read=[args.model])
    tasks = _arguments.ATTRIBUTE, _arguments.DETECT, _arguments.LOCALIZE
    model = _models.open_model(args.model, tasks)
    document = describe(args.model, model)
    settings = _settings_in_words(document)
    rows = [{"setting": key, "value": value} for key, value in settings.items()]
    sources = Table(_SOURCES, document["sources"])
    tables = [Table(columns("setting", "value"), rows), sources.filled()]
    if document["families"]:
        tables.append(Table(_FAMILIES, document["families"]))
    notes = _models.notes_of_out_of_fold(document["out_of_fold"])
    if document["likelihood_ratios"]:
        tables.append(Table(_RATIOS, document["likelihood_ratios"]))
        notes.append("likelihood ratios (LR) are by calibrators that have not seen the image")
    if args.card is not None:
        write_file(Path(args.card), _card(document, model, settings, notes).encode())
        MESSAGES.say(f"model card: {args.card}")
    notes = [*notes, *(f"found before the fit: {text}" for text in document["findings"] or ())]
    print_results(args.format, document, sources, shown=tables, notes=notes)
    return 0


def describe(path: str, model: Model) -> Row:
    """Say what a model was made of, as JSON has it."""
    metadata = read_metadata(path)
    families, hierarchy = _families(model)
    return {
        "model": path,
        **{key: metadata[key] for key in _VERSIONS},
        **_settings(model),
        "out_of_fold": _models.out_of_fold(model),
        "sources": _sources(model),
        "families": families,
        "hierarchy": hierarchy,
        "likelihood_ratios": _likelihood_ratios(model),
        **_images.digest(path),
        "findings": _findings(metadata.get("findings")),
    }


def _findings(found: Any) -> list[str] | None:
    """Give what an audit found of the images of the fit; a header may hold anything."""
    if not isinstance(found, list):
        return None
    return [str(text)[:_LONGEST] for text in found[:_MOST]]


def _settings_in_words(document: Row) -> dict[str, str | None]:
    """Write all that is no table of its own in one cell each."""
    shown = {key: document[key] for key in document if key not in _APART}
    shown["covers"] = (shown["covers"] or "").removeprefix("covers ") or None
    return {key: _in_words(value) for key, value in shown.items()}


def _likelihood_ratios(model: Model) -> list[Row] | None:
    """Tell how good likelihood ratios of images of the fit are, by history and alternative."""
    ratios = model.likelihood_ratios
    if ratios is None or np.count_nonzero(ratios.versions == 0) < 2:  # one to judge, one to fit
        return None
    histories = {"clean": ratios.versions == 0, "processed": ratios.versions > 0}
    codes, rows = ratios.sets.codes, []
    for against in ["others"] + ["unknown"] * (ratios.lacking is not None):
        own, wrong = ratios.out_of_fold(against)
        # An image of an unknown source is held against the source that it is most like.
        named = wrong if against == "others" else np.fmax.reduce(wrong, axis=1)
        for history, where in histories.items():
            if not where.any():
                continue
            by_source = [
                {"source": label} | _strength(own[where & (codes == code)], wrong[where, code])
                for code, label in enumerate(model.labels)
            ]
            total = _strength(own[where], named[where])
            rows.append({"history": history, "against": against, **total, "sources": by_source})
    return rows


def _strength(own: np.ndarray, wrong: np.ndarray) -> Row:
    """Judge log10 LRs for the own source of images, and for wrong ones, NaN where there is none."""
    own, wrong = own[np.isfinite(own)], wrong[np.isfinite(wrong)]
    if not len(own) or not len(wrong):
        return dict.fromkeys(column.key for column in _FIGURES) | {"images": len(own)}
    log10_lrs, y = np.concatenate([own, wrong]), np.repeat([True, False], [len(own), len(wrong)])
    own_below_1, wrong_above_1 = misleading_rates(log10_lrs, y)
    return {
        "images": len(own),
        "cllr": cllr(log10_lrs, y),
        "cllr_min": cllr_min(log10_lrs, y),
        "own_below_1": own_below_1,
        "wrong_above_1": wrong_above_1,
        "wrong_above_100": misleading_rates(log10_lrs, y, strength=2)[1],
    }


def _card(document: Row, model: Model, settings: Row, notes: list[str]) -> str:
    """Write what a model is, what it is for and what limits it, for people who get it."""
    fitted = getattr(model.whole, "fitted_files_", None)
    return _pages.render_markdown(
        "card.md.jinja",
        model=document,
        name=os.path.basename(document["model"]),
        settings=settings,
        notes=notes,
        limits=_models.LIMITS if model.localizes else _models.LIMITS_OF_ANSWERS + _models.LIMITS,
        n_fitted=None if fitted is None else len(fitted),
        figures=_FIGURES,
        by_energy=model.match_energy is not None,
    )


def _settings(model: Model) -> dict[str, Any]:
    reader, residual, classifier = model.whole.reader_, model.residual, model.classifier
    denoiser, weights = None, getattr(classifier, "weights_", None)
    if residual is not None:
        # By its parameters, the default ones too where it is given by name.
        found = check_denoiser(residual.denoiser)
        denoiser = {"name": type(found).__name__, **found.get_params(deep=False)}
    if weights is not None:
        weights = dict(zip(classifier.score_names_, map(float, weights), strict=True))
    calibrated = model.open_set is not None or model.localizes
    return {
        "task": model.task,
        "kind": _arguments.FORMER_KIND if model.localizes else _models.model_kind(model),
        "image_size": model.whole.image_size_,
        "crop": reader.crop,
        "anchor": reader.anchor,
        "reader_channels": reader.channels,
        "channels": None if residual is None else residual.channels,
        "denoiser": denoiser,
        "classifier": type(classifier).__name__,
        "metric": getattr(classifier, "metric", None),
        "weights": weights,
        "calibration": model.calibration_way if calibrated else None,
        "p_values_by": model.calibration_in_words if calibrated else None,
        "smallest_p_value": model.smallest_known_p_value if calibrated else None,
        "covers": _models.covered(model),
    }


def _in_words(value: Any) -> str | None:
    """Write a setting in one cell: sizes as height x width, a denoiser with its parameters."""
    if isinstance(value, dict):
        params = [f"{key}={_in_words(value[key])}" for key in value if key != "name"]
        # Names of scores have commas in them.
        return f"{value['name']}({', '.join(params)})" if "name" in value else "; ".join(params)
    if isinstance(value, float):
        return f"{value:.4g}"
    if isinstance(value, tuple | list):
        whole = all(isinstance(number, int) for number in value)
        return (" x " if whole else ", ").join(str(_in_words(number)) for number in value)
    return None if value is None else str(value)


def _sources(model: Model) -> list[Row]:
    """Make one row a source; what a kind of model does not have is None."""
    smallest, counts = {}, [None] * len(model.labels)
    if model.open_set is not None:
        smallest = model.smallest_p_values
        counts = _models.calibration_counts(model.open_set).tolist()
    elif model.localizes:  # whose regions are calibrated on the images of all sources
        counts = _models.calibration_counts(model.classifier).tolist()
    images = getattr(model.classifier, "class_count_", None)
    if (files := getattr(model.whole, "fitted_files_", None)) is not None and images is None:
        images = np.bincount(files["source"][files["source"] >= 0], minlength=len(model.labels))
    energies = model.energies
    return [
        {
            "source": label,
            "images": None if images is None else int(images[code]),
            "calibration_images": counts[code],
            "smallest_p_value": smallest.get(label),
            "fingerprint_energy": None if energies is None else float(energies[code]),
        }
        for code, label in enumerate(model.labels)
    ]


def _families(model: Model) -> tuple[list[Row] | None, list[Row] | None]:
    """Tell families of several sources, and in which order sources are joined at which shares."""
    if (found := model.families) is None:
        return None, None
    families = family_rows(found, model.labels, "sources")
    groups = [[label] for label in model.labels]
    for left, right in found.linkage_[:, :2].astype(int):
        groups.append([*groups[left], *groups[right]])
    joined = zip(groups[len(model.labels) :], found.linkage_[:, 2], strict=True)
    return families, [{"sources": own, "confused": 1 - float(far)} for own, far in joined]
