"""A diagnosis."""

from __future__ import annotations

from typing import NamedTuple

__all__ = ["BROKEN", "OK", "WARNING", "Diagnosis"]

OK = "ok"
WARNING = "warning"
"""It works, but costs time or disk, or is soon going to be in the way."""
BROKEN = "broken"
"""Sessions cannot run, or run on something wrong."""


class Diagnosis(NamedTuple):
    """What one check found."""

    check: str
    """What was looked at: ``den``, ``links``, ``uv``, ``python``, ``variables``, ..."""
    severity: str
    """``ok``, ``warning`` or ``broken``."""
    message: str
    remedy: str = ""
    """What to do; empty where there is nothing to do."""
