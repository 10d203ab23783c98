"""Sizes and ages as people write them."""

from __future__ import annotations

import re
from typing import NamedTuple

from noxden.errors import UsageError

__all__ = ["Limits", "parse_age", "parse_size"]

_SIZES = {
    "B": 1,
    "KB": 10**3, "MB": 10**6, "GB": 10**9, "TB": 10**12,
    "KIB": 2**10, "MIB": 2**20, "GIB": 2**30, "TIB": 2**40,
}  # fmt: skip
_AGES = {"s": 1, "m": 60, "h": 3600, "d": 86400, "w": 7 * 86400}


class Limits(NamedTuple):
    """What garbage collection leaves at most."""

    max_size: int
    """Bytes: base environments, wheels and uv's cache together."""
    max_age: float
    """Seconds without use."""


def parse_size(text: str) -> int:
    """Bytes: ``20GB`` (powers of ten), ``20GiB`` (powers of two), ``500`` (bytes).

    >>> parse_size("1.5GB")
    1500000000

    Raises:
        UsageError: it is no size.
    """
    match = re.fullmatch(r"\s*(\d+(?:\.\d+)?)\s*([A-Za-z]*)\s*", text)
    unit = (match[2] or "B").upper() if match else ""
    if match is None or unit not in _SIZES:
        message = f"{text!r} is no size; write a number and B, KB, MB, GB, TB or KiB ... TiB: 20GB"
        raise UsageError(message)
    return int(float(match[1]) * _SIZES[unit])


def parse_age(text: str) -> float:
    """Seconds: ``30d``, ``12h``, ``2w``, ``45m``, ``10s``.

    >>> parse_age("2w")
    1209600.0

    Raises:
        UsageError: it is no age.
    """
    match = re.fullmatch(r"\s*(\d+(?:\.\d+)?)\s*([smhdw])\s*", text)
    if match is None:
        message = f"{text!r} is no age; write a number and s, m, h, d or w: 30d"
        raise UsageError(message)
    return float(match[1]) * _AGES[match[2]]
