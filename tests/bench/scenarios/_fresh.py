"""A run in a checkout that did not exist a moment ago, everything else being warm."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from tests.bench.rounds import Contestant

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from tests.bench.peers import Peer
    from tests.bench.process import Done
    from tests.bench.workload import Workload
    from tests.bench.workshop import Workshop

__all__ = ["fresh_contestants"]


def fresh_contestants(
    shop: Workshop,
    peers: Sequence[Peer],
    template: Path,
    workload: Workload,
    *,
    parent: Path | None = None,
    mark: str = "",
) -> list[Contestant]:
    """Return contestants that get a new checkout each round; ``mark`` is added to their names."""
    return [
        Contestant(
            name=peer.name + mark, attempt=partial(_attempt, shop, peer, template, workload, parent)
        )
        for peer in peers
    ]


def _attempt(
    shop: Workshop, peer: Peer, template: Path, workload: Workload, parent: Path | None
) -> Mapping[str, Done]:
    with shop.checked_out(template, peer, workload, parent=parent) as folder:
        return {"": shop.run(peer, folder, workload)}
