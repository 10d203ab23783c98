"""What moving and hashing gigabytes costs: memory, and time beside `sha256sum`."""

from __future__ import annotations

import json
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from tests.bench.process import Done, run, run_checked
from tests.bench.rounds import Contestant, measure_rounds
from tests.bench.values import Fact, Outcome, find_row

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from tests.bench.workshop import Workshop

__all__ = ["measure"]

WORKER = Path(__file__).parents[1] / "gigabytes.py"
NOXDEN, SHA256SUM = "noxden", "sha256sum"
SLOWEST = 1 / 0.7
"""Limit of the issue: at least 70 % of what sha256sum does."""
MOST_MEMORY_MB = 200


def measure(shop: Workshop) -> Outcome:
    """Hash 3 GB in the store and by sha256sum; push and pull 1 GB and look at the memory."""
    box = shop.toolboxes["noxden-remote"]
    root = shop.new_folder("gigabytes")
    root.mkdir(parents=True)
    env = {**box.environment, "NOXDEN_DIR": str(root / "den")}

    def command(*words: str) -> Sequence[str]:
        return [box.program("python"), str(WORKER), *words, str(root)]

    files = json.loads(run_checked(command("make"), cwd=root, env=env).output)
    moved = json.loads(run_checked(command("move"), cwd=root, env=env).output)

    def attempt(words: Sequence[str]) -> Mapping[str, Done]:
        return {"": run(words, cwd=root, env=env)}

    rows = measure_rounds(
        [
            Contestant(name=NOXDEN, attempt=partial(attempt, command("verify"))),
            Contestant(name=SHA256SUM, attempt=partial(attempt, [SHA256SUM, *files])),
        ],
        runs=max(2, shop.runs // 2),
    )
    ratio = find_row(rows, NOXDEN).median / find_row(rows, SHA256SUM).median
    run_checked(["rm", "-rf", str(root.parent)], cwd=shop.root, env=env)
    return Outcome(
        scenario="bytes",
        title="gigabytes: hashing 3 of them, moving one",
        rows=rows,
        facts=(
            Fact(name="verify 3 GB / sha256sum", value=ratio, unit="", limit=SLOWEST),
            Fact(name="memory, push of 1 GB", value=moved["push"], unit="MB", limit=MOST_MEMORY_MB),
            Fact(name="memory, pull of 1 GB", value=moved["pull"], unit="MB", limit=MOST_MEMORY_MB),
        ),
    )
