"""Base of all results, which become plain values and files."""

import json
import math
from abc import ABC, abstractmethod
from collections.abc import Sequence
from os import PathLike
from pathlib import Path
from typing import Any

import numpy as np

from sklearn_ganprint._atomic import atomic
from sklearn_ganprint.datasets._csv import csv_bytes


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
        text = json.dumps(self.to_dict(), indent=2, ensure_ascii=False, allow_nan=False)
        with atomic(Path(path)) as part:
            # File names that are not valid text keep their escapes, which JSON has too.
            part.write_text(text + "\n", encoding="utf-8", errors="backslashreplace")

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


def write_csv(path: Path, rows: Sequence[dict[str, Any]]) -> None:
    """Write rows to a CSV file, with a header; the file is replaced once it is complete."""
    content = csv_bytes(
        list(rows[0]), [[row[key] for key in rows[0]] for row in rows], spreadsheet=True
    )
    with atomic(path) as part:
        part.write_bytes(content)


def plain(value: Any) -> Any:
    """Turn arrays, numpy's numbers, tuples and numbers that are not finite into what JSON has."""
    if isinstance(value, dict):
        return {str(key): plain(item) for key, item in value.items()}
    if isinstance(value, np.ndarray | np.generic):
        return plain(value.tolist())
    if isinstance(value, list | tuple):
        return [plain(item) for item in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value
