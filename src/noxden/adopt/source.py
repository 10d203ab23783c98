"""Where noxden itself comes from, when that is not an index."""

from __future__ import annotations

import os
import re
from pathlib import Path
from typing import Any

from noxden.errors import UsageError

__all__ = ["parse_source"]

_REVISION = re.compile(r"@([^/@]+)$")
"""What follows the path of a repository; a user stands before the host, and so before a slash."""


def parse_source(said: str, cwd: Path, root: Path) -> dict[str, Any]:
    """An entry of ``tool.uv.sources`` for a path or a URL; paths become relative to ``root``.

    Raises:
        UsageError: a path is neither a distribution nor the folder of a project.
    """
    if said.startswith("git+"):
        url = said.removeprefix("git+")
        revision = _REVISION.search(url)
        if revision is None:
            return {"git": url}
        return {"git": url.removesuffix(revision[0]), "rev": revision[1]}
    if "://" in said:
        return {"git" if said.endswith(".git") else "url": said}
    place = (cwd / Path(said).expanduser()).resolve()
    path = os.path.relpath(place, root.resolve())
    if (place / "pyproject.toml").is_file():
        return {"path": path, "editable": True}
    if place.is_file() and place.name.endswith((".whl", ".tar.gz")):
        return {"path": path}
    message = (
        f"--source {said} is no wheel, no sdist, no URL and no folder with a pyproject.toml; "
        f"name one"
    )
    raise UsageError(message)
