"""Which repository a checkout is of, asked of git."""

from __future__ import annotations

import re
import shutil
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from noxden.tools.process import run

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

__all__ = ["find_repository_name", "parse_repository_name"]


def find_repository_name(folder: Path, env: Mapping[str, str]) -> str:
    """The last two parts of the path of the remote ``origin``; without one the folder's name."""
    if shutil.which("git", path=env.get("PATH")) is None:
        return folder.name
    said = run(["git", "remote", "get-url", "origin"], cwd=folder, env=env, expect=None)
    return parse_repository_name(said.stdout.strip()) or folder.name


def parse_repository_name(url: str) -> str:
    """The last two parts of the path in the URL of a repository; never its user.

    >>> parse_repository_name("git@host.example:group/tool.git")
    'group/tool'
    """
    path = urlsplit(url).path if "://" in url else url.rpartition(":")[2]
    parts = re.split("/+", path.strip("/").removesuffix(".git"))
    return "/".join(parts[-2:])
