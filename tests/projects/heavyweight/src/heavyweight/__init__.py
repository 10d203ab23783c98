"""Robust summaries and rolling statistics of measured signals."""

from ._robust import Summary, hampel, mad, summarise
from ._rolling import rolling_mad, rolling_mean, rolling_median
from ._table import Table, read_table

__all__ = [
    "Summary",
    "Table",
    "hampel",
    "mad",
    "read_table",
    "rolling_mad",
    "rolling_mean",
    "rolling_median",
    "summarise",
]
