"""The page of the demo and its pictures."""

from dataclasses import dataclass
from typing import Any

import numpy as np
from sklearn.utils import Bunch

from sklearn_ganprint.cli._console import slugs
from sklearn_ganprint.cli.pages._figures import confusion, framed, png, roc_curves
from sklearn_ganprint.cli.pages._folder import render_page
from sklearn_ganprint.denoisers import WaveletDenoiser
from sklearn_ganprint.experiments import AttributionResult


@dataclass(frozen=True)
class Figures:
    """PNG files by name, and which of them shows the fingerprint of which source."""

    files: dict[str, bytes]
    fingerprints: dict[str, str]


def draw_figures(result: AttributionResult) -> Figures:
    """Draw the fingerprint of each source, the ROC curves and the confusion matrix."""
    parts = slugs(result.classes)
    fingerprints = {label: f"fingerprint-{part}.png" for label, part in parts.items()}
    files = {fingerprints[str(each)]: png(_fingerprint(result, each)) for each in result.classes}
    files["roc.png"] = png(roc_curves(result))
    files["confusion.png"] = png(confusion(result))
    return Figures(files, fingerprints)


def _fingerprint(result: AttributionResult, label: Any) -> Any:
    from sklearn_ganprint.plotting import FingerprintDisplay

    figure, ax = framed((1, 1))
    FingerprintDisplay.from_estimator(result.estimator, label, ax=ax)
    return figure


def render_demo(
    result: AttributionResult, samples: Bunch, figures: Figures, *, channels: str, seed: int
) -> str:
    """Fill the template with the figures of one run."""
    height, width = samples.data.shape[1:3]
    return render_page(
        "demo",
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
    )


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
