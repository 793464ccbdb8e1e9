"""Base of all results, which become plain values and files, and what the paper states."""

import math
from abc import ABC, abstractmethod
from os import PathLike
from pathlib import Path
from typing import Any

import numpy as np

from sklearn_ganprint._output import write_csv, write_json

#: What the paper states: an item and its value, by what is found in its place.
PAPER = {
    "sources": ("sources", "22: 9 Cycle-GAN, 6 Pro-GAN, 5 Star-GAN, 2 cameras"),
    "images": ("images of each to fit on and to test on", "512 and 488"),
    "limit": ("Fig. 3: limit of the energy", "0.0377 and 0.0088 (two sources, unit not stated)"),
    "auc": ("Fig. 5: AUC, same against cross", "0.990 and 0.998"),
    "d_prime": ("Fig. 5: d′ of these", "3.29 and 4.07 (from the AUC, if normal)"),
    "correlation": (
        "Fig. 6: mean correlation",
        "large with the own fingerprint, weaker with siblings, none with others",
    ),
    "accuracy": ("Fig. 8: accuracy", "90.3 %"),
    "recompressed": ("accuracy after JPEG compression (QF 95 in the paper)", "90.1 %"),
}


class Result(ABC):
    """Base of the results of experiments."""

    @abstractmethod
    def to_dict(self) -> dict[str, Any]:
        """Return the figures as plain values that JSON can hold.

        Returns
        -------
        dict
            The figures. Values that are missing or infinite are None.
        """

    @abstractmethod
    def rows(self) -> list[dict[str, Any]]:
        """Return the figures as the rows of one table.

        Returns
        -------
        list of dict
            Rows of plain values, all with the same keys. Missing values are None.
        """

    def save(self, path: str | PathLike[str]) -> None:
        """Write :meth:`to_dict` to a JSON file.

        Parameters
        ----------
        path : str or path-like
            The file. One that exists is replaced once the new one is complete.

        Raises
        ------
        OSError
            If the file cannot be written.
        """
        write_json(Path(path), self.to_dict())

    def to_csv(self, path: str | PathLike[str]) -> None:
        """Write :meth:`rows` to a CSV file, with a header.

        Parameters
        ----------
        path : str or path-like
            The file. One that exists is replaced once the new one is complete.

        Raises
        ------
        OSError
            If the file cannot be written.
        """
        write_csv(Path(path), self.rows())


def plain(value: Any) -> Any:
    """Turn arrays, numpy's numbers, tuples and numbers that are not finite into what JSON has."""
    if isinstance(value, dict):
        return {str(key): plain(item) for key, item in value.items()}
    if isinstance(value, np.ndarray | np.generic):
        return plain(value.tolist())
    if isinstance(value, list | tuple):
        return [plain(item) for item in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value
