"""The page of the demo, and how files get into its folder."""

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from sklearn.utils import Bunch

import sklearn_ganprint
from sklearn_ganprint.cli._figures import Figures
from sklearn_ganprint.denoisers import WaveletDenoiser
from sklearn_ganprint.experiments import AttributionResult

_TEMPLATE = Path(__file__).with_name("report.html.jinja")


def render_page(
    result: AttributionResult, samples: Bunch, figures: Figures, *, channels: str, seed: int
) -> str:
    """Fill the template with the figures of one run."""
    import jinja2

    environment = jinja2.Environment(
        autoescape=True, undefined=jinja2.StrictUndefined, trim_blocks=True, lstrip_blocks=True
    )
    environment.filters["percent"] = _percent
    template = environment.from_string(_TEMPLATE.read_text(encoding="utf-8"))
    height, width = samples.data.shape[1:3]
    page: str = template.render(
        **result.to_dict(),
        fingerprints=figures.fingerprints,
        worst=_greatest_confusion(result),
        n_right=int((result.y_pred == result.y_test).sum()),
        n_photos=_shared_photos(samples),
        size=f"{width} × {height}",
        formats=", ".join(np.unique(samples.formats)),
        channels=channels,
        denoiser=WaveletDenoiser().get_params(),
        seed=seed,
        version=sklearn_ganprint.__version__,
    )
    return page


def _percent(share: float, digits: int = 0) -> str:
    return f"{100 * share:.{digits}f}\N{NO-BREAK SPACE}%"


def _greatest_confusion(result: AttributionResult) -> dict[str, Any] | None:
    """Find the source of which the greatest share went to one other, and that other."""
    shares = result.confusion / result.n_test[:, np.newaxis]
    np.fill_diagonal(shares, 0)
    if not shares.any():
        return None
    made_by, given_to = np.unravel_index(shares.argmax(), shares.shape)
    return {
        "made_by": str(result.classes[made_by]),
        "given_to": str(result.classes[given_to]),
        "share": float(shares.max()),
    }


def _shared_photos(samples: Bunch) -> int | None:
    """Count the photos behind the images; None unless every source has images of all of them."""
    if samples.groups is None:
        return None
    pairs = set(zip(samples.groups.tolist(), samples.target.tolist(), strict=True))
    n_photos = len(np.unique(samples.groups))
    return n_photos if len(pairs) == n_photos * len(samples.target_names) else None


def write_files(folder: str, files: Mapping[str, bytes]) -> str:
    """Write files in their order, each at once or not at all; return the path of the last.

    Of what is in the folder already, only files of these names are replaced.
    """
    os.makedirs(folder, exist_ok=True)
    path = folder
    for name, content in files.items():
        path = os.path.join(folder, name)
        part = os.path.join(folder, f".{name}.{os.getpid()}.part")
        try:
            with open(part, "wb") as stream:
                stream.write(content)
            os.replace(part, path)
        finally:
            if os.path.lexists(part):
                os.unlink(part)
    return path
