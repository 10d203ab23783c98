"""Open what work on a project needs: its files, the den, uv."""

from __future__ import annotations

from typing import TYPE_CHECKING

from noxden.config import load_config
from noxden.den.layout import open_den
from noxden.den.resolve import Workplace
from noxden.lock.project import read_project
from noxden.tools.uv import Uv

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

__all__ = ["open_workplace"]


def open_workplace(start: Path, env: Mapping[str, str], *, download: bool = False) -> Workplace:
    """What work on the project at ``start`` needs: its files, the den, uv.

    Raises:
        NoxdenError: one of them is not usable, and why.
    """
    project = read_project(start)
    config = load_config(project.directory, env)
    den = open_den(env)
    # uv cannot work on a cache that it cannot write; a den that is read-only leaves uv its own.
    uv = Uv(env, den.uv_cache if den.writable else None, offline=env.get("NOXDEN_OFFLINE") == "1")
    return Workplace(project, den, uv, env, config.den.key_env, download_python=download)
