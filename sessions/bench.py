"""Benchmark: noxden beside its peers in one run; `nox -s bench -- --help` lists the scenarios."""

from __future__ import annotations

from typing import TYPE_CHECKING

import noxden

if TYPE_CHECKING:
    import nox


@noxden.session(only_groups=["bench"], default=False)
def bench(session: nox.Session) -> None:
    """Measure noxden and its peers side by side and print medians and ratios."""
    session.run("python", "-m", "tests.bench", *session.posargs)
