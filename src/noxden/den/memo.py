"""Remembered results: the digest of all inputs of a pure function -> its result.

A memo may vanish or be unwritable at any time; then the result is computed again. It is
written whole and renamed, so a reader sees a whole one or none.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from pathlib import Path

__all__ = ["compute_digest", "recall", "remember"]


def compute_digest(*inputs: object) -> str:
    """sha256 over the JSON spelling of ``inputs``; add a format number as the first."""
    return hashlib.sha256(json.dumps(inputs, sort_keys=True, default=str).encode()).hexdigest()


def recall(folder: Path, kind: str, digest: str) -> Any | None:  # noqa: ANN401 - it is JSON
    """The remembered result of ``kind`` for ``digest``, or ``None``."""
    try:
        with open(folder / f"{kind}-{digest}.json", "rb") as file:  # noqa: PTH123 - warm path
            return json.load(file)
    except (OSError, ValueError):
        return None


def remember(folder: Path, kind: str, digest: str, result: object) -> None:
    """Keep ``result``, which must be JSON; where the den cannot be written, do nothing."""
    target = folder / f"{kind}-{digest}.json"
    sibling = folder / f".{kind}-{digest}.{os.getpid()}"
    try:
        folder.mkdir(exist_ok=True)
        sibling.write_text(json.dumps(result), "utf-8")
        sibling.replace(target)
    except OSError:
        # Where nothing can be written, nothing can be unlinked either.
        with contextlib.suppress(OSError):
            sibling.unlink(missing_ok=True)
