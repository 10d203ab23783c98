"""Columns of numbers from CSV files (header line first) and Parquet (extra `parquet`)."""

import csv
from collections.abc import Mapping
from pathlib import Path

import numpy as np

from ._rolling import Signal

Table = Mapping[str, Signal]


def read_table(path: Path) -> Table:
    """Return the numeric columns of a file by name, in the order of the file.

    An empty cell is NaN. A column with any other text is left out. Raises `OSError` for a file
    that cannot be read and `ModuleNotFoundError` for Parquet without pyarrow.
    """
    return _read_parquet(path) if path.suffix == ".parquet" else _read_csv(path)


def _read_csv(path: Path) -> Table:
    with path.open(newline="", encoding="utf-8") as lines:
        rows = csv.DictReader(lines)
        columns: dict[str, list[str]] = {name: [] for name in rows.fieldnames or ()}
        for row in rows:
            for name, cells in columns.items():
                cells.append(row[name] or "")
    numbers = {name: _parse_column(cells) for name, cells in columns.items()}
    return {name: column for name, column in numbers.items() if column is not None}


def _parse_column(cells: list[str]) -> Signal | None:
    try:
        return np.array([float(cell or "nan") for cell in cells], dtype=np.float64)
    except ValueError:
        return None


def _read_parquet(path: Path) -> Table:
    import pyarrow
    import pyarrow.parquet

    table = pyarrow.parquet.read_table(path)
    numeric = (pyarrow.types.is_floating, pyarrow.types.is_integer)
    return {
        field.name: table[field.name].cast(pyarrow.float64()).to_numpy()
        for field in table.schema
        if any(is_kind(field.type) for is_kind in numeric)
    }
