"""Base of all results, which become plain values and files."""

import math
from abc import ABC, abstractmethod
from os import PathLike
from pathlib import Path
from typing import Any

import numpy as np

from sklearn_ganprint._atomic import write_csv, write_json


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
