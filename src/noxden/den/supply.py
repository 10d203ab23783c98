"""What a session says about where its wheels come from; a value that costs nothing to import."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Callable

    from noxden.den.wheels.fetch import Progress

__all__ = ["FROM_UV", "Supply"]


def _show_nothing(_: Progress) -> None:
    return


class Supply(NamedTuple):
    """How the wheels of a base come into the store before it is built."""

    from_index: bool = False
    """Whether to fetch from the index too what no other source has, or leave that to uv."""
    need: str = ""
    """What the wheels are for, the name of a session with its Python: a root of the closure."""
    show: Callable[[Progress], None] = _show_nothing
    """Called some times a second while something is fetched."""


FROM_UV = Supply()
"""uv fetches from the index itself; a remote, where there is one, is asked before."""
