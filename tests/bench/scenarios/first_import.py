"""A fresh checkout whose first command imports the heavy packages, compiled already or not."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tests.bench.peers import NOX, NOX_UV, NOXDEN, TOX_UV, UV_RUN
from tests.bench.rounds import measure_rounds
from tests.bench.values import Outcome
from tests.bench.workload import Workload

from ._fresh import fresh_contestants

if TYPE_CHECKING:
    from tests.bench.workshop import Workshop

__all__ = ["measure"]

IMPORTS = "scipy.stats, pandas, sklearn.covariance, pyarrow.parquet, matplotlib.pyplot"


def measure(shop: Workshop) -> Outcome:
    """Measure until the imports are done; few runs are enough for a difference of seconds."""
    imports = f"{IMPORTS}, torch" if shop.heavy else IMPORTS
    workload = Workload(command=("python", "-c", f"import {imports}"))
    contestants = fresh_contestants(
        shop, (NOXDEN, NOX, NOX_UV, TOX_UV, UV_RUN), shop.heavyweight, workload
    )
    return Outcome(
        scenario="first-import",
        title=f"Fresh checkout, warm caches, until `import {imports}` is done",
        rows=measure_rounds(contestants, runs=shop.runs),
    )
