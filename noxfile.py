"""The sessions of noxden itself: `nox -l` lists them; each is a small file in sessions/."""

from __future__ import annotations

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))

from sessions import bench, ci, device, heavy, lint, packaging, unit, wheelhouse

__all__ = ["bench", "ci", "device", "heavy", "lint", "packaging", "unit", "wheelhouse"]
