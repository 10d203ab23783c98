"""Open what work on a project needs: its files, the den, uv."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple, Protocol

from noxden._switches import is_on
from noxden.den.layout import open_den
from noxden.den.resolve import Workplace
from noxden.lock.project import read_project
from noxden.tools.uv import Uv

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

__all__ = ["Settings", "open_workplace"]


class Settings(Protocol):
    """What a configuration says about the den."""

    @property
    def key_env(self) -> tuple[str, ...]:
        """Names of the variables that are part of every key."""

    @property
    def remote(self) -> str:
        """URI of the remote; empty where there is none."""

    @property
    def trust(self) -> str:
        """What is taken from the remote: ``locked`` artifacts, or ``built`` ones too."""


class _Defaults(NamedTuple):
    key_env: tuple[str, ...] = ()
    remote: str = ""
    trust: str = "locked"


_DEFAULTS = _Defaults()


def open_workplace(
    start: Path,
    env: Mapping[str, str],
    settings: Settings = _DEFAULTS,
    *,
    download: bool = False,
) -> Workplace:
    """What work on the project at ``start`` needs: its files, the den, uv.

    ``settings`` is what ``[tool.noxden.den]`` says (:func:`noxden.config.find_config`);
    ``NOXDEN_REMOTE`` replaces its remote. ``download`` lets uv download an interpreter
    that is missing.

    Raises:
        NoxdenError: one of them is not usable, and why.
    """
    project = read_project(start)
    den = open_den(env)
    # uv cannot work on a cache that it cannot write; a den that is read-only leaves uv its own.
    uv = Uv(env, den.uv_cache if den.writable else None, offline=is_on(env, "NOXDEN_OFFLINE"))
    remote = env.get("NOXDEN_REMOTE", settings.remote)
    return Workplace(project, den, uv, env, settings.key_env, download, remote, settings.trust)
