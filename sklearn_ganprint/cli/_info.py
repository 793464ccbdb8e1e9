"""``ganprint info``: what a model was made of."""

import argparse
from typing import Any

from sklearn_ganprint.cli import _arguments
from sklearn_ganprint.cli._console import (
    CSV_FORMATS,
    Column,
    print_csv,
    print_json,
    print_table,
    shown_columns,
)
from sklearn_ganprint.cli._models import (
    Model,
    calibration_counts,
    calibration_in_words,
    calibration_way,
    is_localizer,
    model_kind,
    open_model,
    smallest_known_p_value,
)

REQUIRES = ("rich", "skops")

_SETTINGS = (Column("setting", "setting"), Column("value", "value"))
_SOURCES = (
    Column("source", "source"),
    Column("images", "images"),
    Column("calibration_images", "calibration images"),
    Column("smallest_p_value", "smallest p-value", 4),
    Column("fingerprint_energy", "fingerprint energy", 4),
)


def add_parser(commands: Any) -> argparse.ArgumentParser:
    """Add the command's arguments."""
    parser: argparse.ArgumentParser = commands.add_parser(
        "info",
        help="show what a model was made of",
        description="Show a model's settings and sources. p-values of a source are by its own "
        "calibration images, as in verify. Energies are mean squares in squared grey levels. CSV "
        "holds the sources only.",
    )
    parser.add_argument("model", metavar="MODEL", help="a file from `ganprint fit`")
    _arguments.add_format(parser)
    return parser


def run(args: argparse.Namespace) -> int:
    """Print the settings and the sources of a model."""
    from sklearn_ganprint.persistence import read_metadata

    metadata = read_metadata(args.model)
    model = open_model(args.model, localizers=True)
    settings = {"model": args.model, **_versions(metadata), **_settings(model)}
    sources = _sources(model)
    if args.format == "json":
        print_json({**settings, "sources": sources})
    elif args.format in CSV_FORMATS:
        print_csv(_SOURCES, sources, args.format)
    else:
        rows = [{"setting": key, "value": _in_words(value)} for key, value in settings.items()]
        print_table(_SETTINGS, rows)
        print()
        print_table(shown_columns(_SOURCES, sources), sources)
    return 0


def _versions(metadata: dict[str, Any]) -> dict[str, Any]:
    return {key: metadata[key] for key in ("package_version", "sklearn_version", "format_version")}


def _settings(model: Model) -> dict[str, Any]:
    reader, residual = model.whole.reader_, model.residual
    return {
        "kind": model_kind(model),
        "image_size": model.whole.image_size_,
        "crop": reader.crop,
        "anchor": reader.anchor,
        "reader_channels": reader.channels,
        "channels": None if residual is None else residual.channels,
        "denoiser": _denoiser(residual),
        "classifier": type(model.classifier).__name__,
        "metric": getattr(model.classifier, "metric", None),
        "weights": _weights(model.classifier),
        **_calibration(model),
    }


def _weights(classifier: Any) -> dict[str, float] | None:
    """Weight of each part of a fusion, by its name."""
    weights = getattr(classifier, "weights_", None)
    if weights is None:
        return None
    names = [name for name, _ in classifier.estimators]
    return dict(zip(names, map(float, weights), strict=True))


def _calibration(model: Model) -> dict[str, Any]:
    if model.open_set is None and not is_localizer(model):
        return {"calibration": None, "p_values_by": None, "smallest_p_value": None}
    return {
        "calibration": calibration_way(model),
        "p_values_by": calibration_in_words(model),
        "smallest_p_value": smallest_known_p_value(model),
    }


def _denoiser(residual: Any) -> dict[str, Any] | None:
    """Name and parameters, the default ones of a denoiser given by name too."""
    if residual is None:
        return None
    from sklearn_ganprint.denoisers import check_denoiser

    denoiser = check_denoiser(residual.denoiser)
    return {"name": type(denoiser).__name__, **denoiser.get_params(deep=False)}


def _in_words(value: Any) -> str | None:
    """Write a setting in one cell: sizes as height x width, a denoiser with its parameters."""
    if isinstance(value, dict):
        params = ", ".join(
            f"{key}={_in_words(each)}" for key, each in value.items() if key != "name"
        )
        return f"{value['name']}({params})" if "name" in value else params
    if isinstance(value, float):
        return f"{value:.4g}"
    if isinstance(value, tuple | list):
        whole = all(isinstance(each, int) for each in value)
        return (" x " if whole else ", ").join(str(_in_words(each)) for each in value)
    return None if value is None else str(value)


def _sources(model: Model) -> list[dict[str, Any]]:
    """Make one row a source; what a kind of model does not have is None."""
    labels = [str(label) for label in model.whole.classes_]
    nothing = [None] * len(labels)
    counts = nothing
    smallest = nothing
    if model.open_set is not None:
        counts = calibration_counts(model.open_set).tolist()
        smallest = [1 / (count + 1) for count in counts]
    elif is_localizer(model):  # whose regions are by the images of all sources together
        counts = calibration_counts(model.classifier).tolist()
    images = getattr(model.classifier, "class_count_", nothing)
    energies = getattr(model.classifier, "energy_", nothing)
    return [
        {
            "source": label,
            "images": None if n_images is None else int(n_images),
            "calibration_images": count,
            "smallest_p_value": p_value,
            "fingerprint_energy": None if energy is None else float(energy),
        }
        for label, n_images, count, p_value, energy in zip(
            labels, images, counts, smallest, energies, strict=True
        )
    ]
