"""Time a workflow without a cache beside the generated one, both run by act.

    .nox/unit/bin/python -m tests.runners.proof [ROUNDS]

The example project's heavy tests, on this host, with the index that uv finds. Each run starts with
nothing but what its cache gives it. Rounds alternate, so that load concerns all alike.
"""

from __future__ import annotations

import os
import shutil
import statistics
import sys
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING

from tests.conftest import make_den
from tests.runners.act import Act, commit, make_payload
from tests.runners.npm import install
from tests.sandbox import Sample, clean_environment, run

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

_EXAMPLE = Path(__file__).parents[1] / "projects" / "heavyweight"
_LITTER = shutil.ignore_patterns(".nox", ".noxden", ".venv", ".*_cache", "__pycache__", "dist")
_BASELINE = """\
name: baseline
on: workflow_dispatch
permissions: {contents: read}
jobs:
  heavy:
    runs-on: ubuntu-latest
    timeout-minutes: 60
    steps:
      - uses: actions/checkout@0123456789abcdef0123456789abcdef01234567
      - run: uv sync --quiet --frozen --group heavy
      - run: uv run --no-sync pytest -q -m heavy
"""
_HEAVY = {"inputs": {"run-heavy-deps": "true"}}


def main(rounds: int) -> None:
    """Measure and print medians and ratios."""
    with tempfile.TemporaryDirectory(prefix="noxden-proof-") as folder:
        root = Path(folder)
        sample = _prepare(root)
        act = Act(root / "act", install("workflows", root) / "@actions/cache/lib/cache.js")
        act.folder.mkdir()
        contestants = dict(_plan(root, sample, act))
        times: dict[str, list[float]] = {name: [] for name in contestants}
        for number in range(rounds):
            for name, go in contestants.items():
                times[name].append(go(number))
    base = statistics.median(times["uv sync, no cache"])
    for name, found in times.items():
        median = statistics.median(found)
        shown = ", ".join(f"{one:.1f}" for one in found)
        sys.stdout.write(f"{name}: {median:.1f} s, {median / base:.2f} ({shown})\n")


def _prepare(root: Path) -> Sample:
    """The example project with both workflows."""
    home = root / "home"
    env = {**clean_environment(os.environ, home), "HOME": str(home)}
    folder = Path(shutil.copytree(_EXAMPLE, root / "heavyweight", ignore=_LITTER))
    sample = Sample(folder, env, root)
    with (folder / "pyproject.toml").open("a") as manifest:
        manifest.write('\n[tool.noxden.ci]\nlaunch = ""\n')
    (folder / ".gitignore").write_text(".nox/\n.noxden/\n.noxden-bundle/\n.venv/\n__pycache__/\n")
    run([sys.executable, "-m", "noxden", "ci", "write"], cwd=folder, env={**env, "NOXDEN_DIR": str(make_den(root / "first"))})  # fmt: skip
    sample.write(".github/workflows/baseline.yml", _BASELINE)
    commit(sample)
    return sample


def _plan(root: Path, sample: Sample, act: Act) -> Iterator[tuple[str, Callable[[int], float]]]:
    def go(name: str, number: int, workflow: str, *, keep: bool = True) -> float:
        if not keep:
            shutil.rmtree(act.folder / "cache", ignore_errors=True)
        den = make_den(root / f"{name}-{number}")
        begun = time.perf_counter()
        ended = act.run(
            sample, "workflow_dispatch", make_payload(**_HEAVY), den=den, workflow=workflow
        )
        seconds = time.perf_counter() - begun
        assert set(ended.jobs.values()) == {"succeeded"}, ended.ran.text
        shutil.rmtree(den)
        return seconds

    yield "uv sync, no cache", lambda number: go("base", number, "baseline.yml")
    yield "noxden, first run", lambda n: go("cold", n, "noxden-heavy.yml", keep=False)
    yield "noxden, wheels from the cache", lambda n: go("warm", n, "noxden-heavy.yml")


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 3)
