"""The transformer to features of the tiles of residuals, beside those of whole residuals."""

from collections.abc import Sequence
from numbers import Integral
from typing import Any, ClassVar

import numpy as np
from sklearn.base import MetaEstimatorMixin, clone
from sklearn.utils import get_tags
from sklearn.utils._param_validation import HasMethods, Interval

from sklearn_ganprint._images import ImageShape
from sklearn_ganprint.features._base import ResidualFeatures, apply_anew

__all__ = ["TiledTransformer"]


class TiledTransformer(MetaEstimatorMixin, ResidualFeatures):
    """Features of the whole of each residual, and of the tiles that it is cut into.

    Parameters
    ----------
    transformer : transformer
        Makes features of residuals and learns nothing (``requires_fit=False`` in its tags), such
        as :class:`AutocorrelationTransformer`. It must make as many of a tile as of the whole.
    tile_size : int or sequence of int, default=64
        Side of the square tiles in pixels; with several sizes tiles of each. They are laid side by
        side from the top-left corner; what is left at the right and lower borders belongs to the
        whole only. Of a size that fits less than twice into the images there are no tiles.
    max_tiles : int, default=64
        Greatest number of tiles of each size. Where there is room for more, rows and columns of
        tiles at even distances are taken. A photo of 6 million pixels has 1457 tiles of 64 pixels,
        whose features take 8 MB.
    image_shape : tuple of int, default=None
        ``(H, W[, C])`` of residuals that come as rows; None takes a row as one line, and warns.
    flatten : bool, default=True
        Whether the features of the parts of one residual, the whole first, come out side by side
        in one row, or as ``(n, n_parts, n_features_out)``, as :class:`TiledClassifier` takes them.

    Attributes
    ----------
    image_shape_ : tuple of int
        ``(H, W, C)`` of the residuals.
    n_parts_ : int
        Number of parts of each residual: the whole, and its tiles.
    n_features_in_, feature_names_in_ : int, ndarray of str
        Number of values of a residual, and names of the columns of a data frame.

    See Also
    --------
    TiledClassifier : Learns from all parts, and predicts from the whole.

    Examples
    --------
    >>> import numpy as np
    >>> from sklearn_ganprint.features import AutocorrelationTransformer, TiledTransformer
    >>> residuals = np.random.default_rng(0).normal(size=(4, 64, 64, 3))
    >>> tiled = TiledTransformer(AutocorrelationTransformer(), tile_size=32, flatten=False)
    >>> tiled.fit_transform(residuals).shape
    (4, 5, 1302)
    """

    _parameter_constraints: ClassVar[dict[str, list[Any]]] = {
        "transformer": [HasMethods(["fit", "transform"])],
        "tile_size": ["array-like", int, np.integer],
        "max_tiles": [Interval(Integral, 1, None, closed="left")],
        "image_shape": ["array-like", None],
        "flatten": ["boolean"],
    }

    def __init__(
        self,
        transformer: Any,
        tile_size: int | Sequence[int] = 64,
        *,
        max_tiles: int = 64,
        image_shape: Sequence[int] | None = None,
        flatten: bool = True,
    ) -> None:
        self.transformer = transformer
        self.tile_size = tile_size
        self.max_tiles = max_tiles
        self.image_shape = image_shape
        self.flatten = flatten

    def _learn(self, images: np.ndarray, y: Any) -> None:
        self.n_parts_ = self._transform_images(images[:1]).shape[1]

    def _names(self, image_shape: ImageShape) -> list[str]:
        inner = clone(self.transformer).fit(np.zeros((1, *image_shape), np.float32))
        parts = ["whole"]
        for side, rows, columns in self._grids(image_shape):
            parts += [f"tile{side}[{i},{j}]" for i in rows for j in columns]
        names = inner.get_feature_names_out()
        return [f"{part}_{name}" for part in parts for name in names]

    def _transform_images(self, images: np.ndarray) -> np.ndarray:
        """Compute features ``(n, n_parts, n_features_out)``; the whole comes first."""
        if get_tags(self.transformer).requires_fit:
            raise ValueError(
                f"transformer: expected one that learns nothing (requires_fit=False in its tags), "
                f"got {self.transformer!r}. Put steps that learn behind the tiles."
            )
        parts = [apply_anew(self.transformer, images)[:, np.newaxis]]
        for side, rows, columns in self._grids(images.shape[1:]):
            tiles = apply_anew(self.transformer, _cut_tiles(images, side, rows, columns))
            tiles = tiles.reshape(len(images), -1, tiles.shape[1])
            if tiles.shape[2] != parts[0].shape[2]:
                raise ValueError(
                    f"tile_size: expected tiles that give as many features as whole images of "
                    f"shape {images.shape[1:]}, {parts[0].shape[2]}; those of {side} pixels give "
                    f"{tiles.shape[2]}. Take greater tiles, or fewer lags or frequencies."
                )
            parts.append(tiles)
        return np.concatenate(parts, axis=1)

    def whole_features(self, X: Any) -> np.ndarray:
        """Compute the features of whole images alone.

        Parameters
        ----------
        X : array-like of shape (n, H, W), (n, H, W, C) or (n, n_features)
            Residuals, or the same as rows.

        Returns
        -------
        ndarray of shape (n, n_features_out)
            What ``transform`` gives for the first part of each image.
        """
        return apply_anew(self.transformer, self._take(X, reset=False))

    def _grids(self, image_shape: ImageShape) -> list[tuple[int, np.ndarray, np.ndarray]]:
        """Return the side of tiles, and the rows and columns that are taken, for each size."""
        sides = [int(side) for side in np.atleast_1d(self.tile_size)]
        if any(side < 1 for side in sides):
            raise ValueError(f"tile_size: expected at least 1 pixel, got {self.tile_size!r}.")
        room = [(side, image_shape[0] // side, image_shape[1] // side) for side in sides]
        return [
            (side, *_spread_grid(n_rows, n_columns, self.max_tiles))
            for side, n_rows, n_columns in room
            if n_rows * n_columns > 1
        ]

    def __sklearn_tags__(self) -> Any:
        """Take over which dtypes are kept."""
        tags = super().__sklearn_tags__()
        inner = get_tags(self.transformer)
        tags.transformer_tags.preserves_dtype = inner.transformer_tags.preserves_dtype
        return tags


def _spread_grid(rows: int, columns: int, most: int) -> tuple[np.ndarray, np.ndarray]:
    """Rows and columns of a grid, at even distances, that cross `most` times at the most."""
    share = min(1.0, np.sqrt(most / (rows * columns)))
    n_rows = min(max(1, int(rows * share)), most)
    n_columns = min(max(1, int(columns * share)), most // n_rows)
    return _spread(n_rows, rows), _spread(n_columns, columns)


def _spread(n: int, length: int) -> np.ndarray:
    """Positions at even distances."""
    return ((np.arange(n) + 0.5) * length / n).astype(int)


def _cut_tiles(images: np.ndarray, side: int, rows: np.ndarray, columns: np.ndarray) -> np.ndarray:
    """Cut tiles (n * n_rows * n_columns, side, side, C), image by image and line by line."""
    n_rows, n_columns = images.shape[1] // side, images.shape[2] // side
    used = images[:, : n_rows * side, : n_columns * side]
    blocks = used.reshape(len(images), n_rows, side, n_columns, side, images.shape[3])
    chosen = blocks[:, rows][:, :, :, columns]
    return chosen.swapaxes(2, 3).reshape(-1, side, side, images.shape[3])
