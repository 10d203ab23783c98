"""Open what work on a project needs: its files, the den, uv."""

from __future__ import annotations

from typing import TYPE_CHECKING

from noxden._switches import is_on
from noxden.den.layout import open_den
from noxden.den.resolve import Workplace
from noxden.lock.project import read_project
from noxden.tools.uv import Uv

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

__all__ = ["open_workplace"]


def open_workplace(
    start: Path,
    env: Mapping[str, str],
    *,
    key_env: tuple[str, ...] = (),
    download: bool = False,
) -> Workplace:
    """What work on the project at ``start`` needs: its files, the den, uv.

    ``key_env`` is what ``[tool.noxden.den]`` says (:func:`noxden.config.find_config`);
    ``download`` lets uv download an interpreter that is missing.

    Raises:
        NoxdenError: one of them is not usable, and why.
    """
    project = read_project(start)
    den = open_den(env)
    # uv cannot work on a cache that it cannot write; a den that is read-only leaves uv its own.
    uv = Uv(env, den.uv_cache if den.writable else None, offline=is_on(env, "NOXDEN_OFFLINE"))
    return Workplace(project, den, uv, env, key_env, download_python=download)
