"""One image of ``ganprint localize``: its map, its regions, and their pictures."""

import io
import math
from typing import Any, NamedTuple

import numpy as np
from PIL import Image
from scipy import ndimage

from sklearn_ganprint._text import printable
from sklearn_ganprint.cli._images import attempt
from sklearn_ganprint.cli._scoring import reason_of
from sklearn_ganprint.cli.pages._figures import new_figure, png, small_copy
from sklearn_ganprint.datasets import ImageReader, ImageReadError
from sklearn_ganprint.localization import localize_images
from sklearn_ganprint.plotting import LocalizationDisplay
from sklearn_ganprint.residuals._blanks import without_residual
from sklearn_ganprint.residuals._cache import cache_unused

#: Longer side of a map that is drawn, and of the copy of the image beside it, in pixels.
_MAP_SIDE, _COPY_SIDE = 1200, 640

#: Inches that a map is wide, and its colour bar.
_WIDTH, _BAR = 6.0, 1.2

#: Colours end at so many times the threshold, so that all pictures of a model share a scale.
_SCALE = 2.0


class Wanted(NamedTuple):
    """What is to be made of each image."""

    model: Any  # a pipeline that ends with a localizer
    claimed: Any  # a source, or None for the most likely one
    pictures: bool
    masks: bool


class Located(NamedTuple):
    """What was found in one image; all of it is small, or the file that it becomes."""

    claimed: str | None  # None where nothing tells it
    size: tuple[int, int]
    regions: list[dict[str, int]]  # the largest first
    score: float
    p_value: float | None
    flat: float
    grey: bool
    files: dict[str, bytes]  # by kind: "map", "image" and "mask"
    reason: str | None  # why there is no answer


@cache_unused()
def locate_file(path: str, wanted: Wanted) -> Located | ImageReadError:
    """Localize in one file; what is wrong with it is returned."""
    found: Located | ImageReadError = attempt(
        lambda name: locate(ImageReader().read_one(name), wanted), path
    )
    return found


def locate(image: np.ndarray, wanted: Wanted) -> Located:
    """Localize in an image of shape (H, W, 3)."""
    localizer = wanted.model[-1]
    (values,), (mask,), (claimed,) = localize_images(
        wanted.model, image[np.newaxis], wanted.claimed
    )
    files = {}
    if wanted.pictures:
        files["map"] = _drawn(values, image, mask, str(claimed), localizer.threshold_)
        files["image"] = small_copy(image, _COPY_SIDE)
    if wanted.masks:
        files["mask"] = _mask_file(mask)
    peak = localizer.peak_of(values)
    blank = bool(without_residual(wanted.model[:-1], image[np.newaxis])[0])
    return Located(
        claimed=None if blank and wanted.claimed is None else str(claimed),
        size=mask.shape,
        regions=_regions(mask),
        score=peak,
        p_value=None if blank else _p_value(peak, mask.size, localizer),
        flat=float(np.isnan(values).mean()),
        grey=bool((image == image[..., :1]).all()),
        files=files,
        reason=reason_of(wanted.model, image) if blank else None,
    )


def _p_value(peak: float, n_pixels: int, localizer: Any) -> float | None:
    """Chance of such a score in a clean image; of larger ones than were fitted on none is known."""
    if n_pixels > math.prod(localizer.image_shape_[:2]):
        return None
    return float(localizer.p_value_of(peak))


def _regions(mask: np.ndarray) -> list[dict[str, int]]:
    """Give the size of each region and the box around it, in pixels."""
    labels, n_regions = ndimage.label(mask)
    counts = np.bincount(labels.ravel(), minlength=n_regions + 1)[1:]
    regions = [
        {
            "pixels": int(count),
            "left": int(columns.start),
            "top": int(rows.start),
            "width": int(columns.stop - columns.start),
            "height": int(rows.stop - rows.start),
        }
        for (rows, columns), count in zip(ndimage.find_objects(labels), counts, strict=True)
    ]
    return sorted(regions, key=lambda region: -region["pixels"])


def _drawn(
    values: np.ndarray, image: np.ndarray, mask: np.ndarray, claimed: str, threshold: float
) -> bytes:
    step = math.ceil(max(mask.shape) / _MAP_SIDE)
    figure, ax, bar = _frame(mask.shape)
    display = LocalizationDisplay.from_map(
        values[::step, ::step],
        image=image[::step, ::step],
        mask=mask[::step, ::step],
        ax=ax,
        scale=_SCALE * threshold if 0 < threshold < math.inf else None,
        colorbar=False,
    )
    figure.colorbar(display.im_, cax=bar, extend="both")
    bar.set_ylabel(printable(f"evidence against {claimed}"), parse_math=False)
    return png(figure)


def _frame(shape: tuple[int, ...]) -> tuple[Any, Any, Any]:
    """Make a figure that a picture of a shape fills but for a colour bar on the right."""
    wide = _WIDTH * min(1.0, 1.5 * shape[1] / shape[0])
    width, height = wide + _BAR, max(wide * shape[0] / shape[1], 1.6)
    figure = new_figure(width, height, constrained=False)
    picture = figure.add_axes((0, 0, wide / width, 1))
    bar = figure.add_axes(((wide + 0.15) / width, 0.08, 0.2 / width, 0.84))
    return figure, picture, bar


def _mask_file(mask: np.ndarray) -> bytes:
    buffer = io.BytesIO()
    Image.fromarray(mask.astype(np.uint8) * 255).save(buffer, "PNG")
    return buffer.getvalue()
