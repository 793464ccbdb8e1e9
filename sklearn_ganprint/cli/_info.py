"""``ganprint info``: what a model was made of."""

import argparse
from typing import Any

from sklearn_ganprint.cli import _arguments
from sklearn_ganprint.cli._console import Column, print_csv, print_json, print_table
from sklearn_ganprint.cli._models import Model, open_model

REQUIRES = ("rich", "skops")

_SETTINGS = (Column("setting", "setting"), Column("value", "value"))
_SOURCES = (
    Column("source", "source"),
    Column("images", "images"),
    Column("fingerprint_energy", "fingerprint energy", 4),
)


def add_parser(commands: Any) -> argparse.ArgumentParser:
    """Add the command's arguments."""
    parser: argparse.ArgumentParser = commands.add_parser(
        "info",
        help="show what a model was made of",
        description="Show a model's settings and sources. Energies are mean squares in squared "
        "grey levels. CSV holds the sources only.",
    )
    parser.add_argument("model", metavar="MODEL", help="a file from `ganprint fit`")
    _arguments.add_format(parser)
    return parser


def run(args: argparse.Namespace) -> int:
    """Print the settings and the sources of a model."""
    from sklearn_ganprint.persistence import read_metadata

    metadata = read_metadata(args.model)
    model = open_model(args.model)
    settings = {"model": args.model, **_versions(metadata), **_settings(model)}
    sources = _sources(model)
    if args.format == "json":
        print_json({**settings, "sources": sources})
    elif args.format == "csv":
        print_csv(_SOURCES, sources)
    else:
        rows = [{"setting": key, "value": _in_words(value)} for key, value in settings.items()]
        print_table(_SETTINGS, rows)
        print()
        print_table(_SOURCES, sources)
    return 0


def _versions(metadata: dict[str, Any]) -> dict[str, Any]:
    return {key: metadata[key] for key in ("package_version", "sklearn_version", "format_version")}


def _settings(model: Model) -> dict[str, Any]:
    reader, residual = model.whole.reader_, model.residual
    return {
        "image_size": model.whole.image_size_,
        "crop": reader.crop,
        "anchor": reader.anchor,
        "reader_channels": reader.channels,
        "channels": None if residual is None else residual.channels,
        "denoiser": _denoiser(residual),
        "metric": model.classifier.metric,
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
        params = ", ".join(f"{key}={each}" for key, each in value.items() if key != "name")
        return f"{value['name']}({params})"
    if isinstance(value, tuple | list):
        return " x ".join(map(str, value))
    return None if value is None else str(value)


def _sources(model: Model) -> list[dict[str, Any]]:
    last = model.classifier
    columns = (last.classes_, last.class_count_, last.energy_)
    return [
        {
            "source": str(label),
            "images": int(count),
            "fingerprint_energy": float(energy),
        }
        for label, count, energy in zip(*columns, strict=True)
    ]
