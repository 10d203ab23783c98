"""The command ``python -m tests.bench``."""

from __future__ import annotations

import argparse
import json
import os
import sys
import tempfile
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from rich.console import Console

from .process import BenchError
from .report import print_outcome, render_json
from .scenarios import HEAVY, SCENARIOS
from .values import Outcome
from .workshop import Workshop

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

__all__ = ["main"]


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure and print; 0 done, 1 with ``--strict`` and something failed or is over its limit."""
    options = _parse(arguments)
    console = Console(highlight=False, width=None if sys.stdout.isatty() else 120)
    names = options.scenario or (HEAVY if options.heavy else tuple(SCENARIOS))
    with _root(options.work) as root:
        shop = Workshop(root=root, given=os.environ, runs=options.runs, heavy=options.heavy)
        try:
            outcomes = [_measure(name, shop, console) for name in names]
            rendered = render_json(outcomes, shop)
        finally:
            shop.tidy()
    if options.json is not None:
        options.json.write_text(json.dumps(rendered, indent=1) + "\n", encoding="utf-8")
    return 1 if options.strict and not all(map(_is_good, outcomes)) else 0


def _measure(name: str, shop: Workshop, console: Console) -> Outcome:
    """Run a scenario and print it at once; one that could not be prepared is a skipped one."""
    try:
        outcome = SCENARIOS[name](shop)
    except BenchError as error:
        outcome = Outcome(scenario=name, title="preparation failed", skipped=str(error))
    print_outcome(outcome, console)
    return outcome


def _is_good(outcome: Outcome) -> bool:
    return not any(row.failure for row in outcome.rows) and all(
        fact.met is not False for fact in outcome.facts
    )


def _parse(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m tests.bench",
        description="Measure noxden and its peers side by side on this machine.",
    )
    parser.add_argument(
        "--scenario",
        action="append",
        choices=tuple(SCENARIOS),
        metavar="NAME",
        help=f"one of {', '.join(SCENARIOS)}; repeat for more (default: all)",
    )
    parser.add_argument(
        "--runs", type=int, default=5, metavar="N", help="measured rounds (default: %(default)s)"
    )
    parser.add_argument(
        "--heavy", action="store_true", help="with torch: gigabytes are downloaded, twice"
    )
    parser.add_argument(
        "--json", type=Path, metavar="FILE", help="also write every repetition to FILE"
    )
    parser.add_argument(
        "--strict", action="store_true", help="exit 1 when something failed or is over its limit"
    )
    parser.add_argument(
        "--work",
        type=Path,
        metavar="DIR",
        help="keep toolboxes and caches in DIR for the next run (default: temporary)",
    )
    return parser.parse_args(arguments)


@contextmanager
def _root(kept: Path | None) -> Iterator[Path]:
    """Have a folder for everything; one that the user named stays."""
    if kept is not None:
        kept.mkdir(parents=True, exist_ok=True)
        yield kept.resolve()
        return
    with tempfile.TemporaryDirectory(prefix="noxden-bench-", ignore_cleanup_errors=True) as folder:
        yield Path(folder).resolve()


if __name__ == "__main__":
    sys.exit(main())
