"""The verdict on caches: what a remote, a bundle or the store itself gained against the index.

For every run that got wheels from a cache it is asked how long the index would have taken for the
same bytes, at the rate that was measured on the same kind of machine. The rate is the median by
bytes: half of all bytes came faster, half slower. So a few large fetches, which are what
a cache is for, count for more than many small ones, whose time is latency.
"""

from __future__ import annotations

from statistics import median
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from noxden.den.wheels.records import Run
    from noxden.den.wheels.variants import AcceleratorWheel

__all__ = ["ENOUGH", "Figure", "Gain", "Verdict", "compute_verdicts", "find_wasted"]

ENOUGH = 3
"""Runs of each side below which nothing is said."""
_CACHES = ("bundle", "remote", "store")


class Figure(NamedTuple):
    """How something went, over some runs."""

    runs: int
    bytes: float
    """Median of bytes a run."""
    seconds: float
    """Median of seconds a run."""
    rate: float
    """Bytes a second, the median by bytes; 0 where nothing can be said."""


class Gain(NamedTuple):
    """What one kind of cache gained."""

    cache: str
    """``bundle``, ``remote``, or ``store`` where all that a run needed was in the den."""
    figure: Figure
    seconds: float | None
    """Median of seconds that a run gained against the index, negative where it lost;
    ``None`` where there are not enough runs."""


class Verdict(NamedTuple):
    """What can be said of the caches on one kind of machine."""

    runner: str
    runs: int
    fetch: Figure
    """Fetching from the index."""
    gains: tuple[Gain, ...]
    install: Figure
    """Building bases of wheels that are in the store."""
    alone: Figure
    """Building bases where uv brings the wheels in itself, from its cache or an index."""
    verify_s: float
    """Median of seconds of hashing what was in the store."""


def compute_verdicts(runs: Iterable[Run], *, restore_s: float = 0.0) -> tuple[Verdict, ...]:
    """A verdict for each kind of machine, sorted by its name.

    ``restore_s`` is what the CI system takes to bring a bundle, which nothing here can measure.
    """
    by_runner: dict[str, list[Run]] = {}
    for run in runs:
        by_runner.setdefault(run.runner, []).append(run)
    return tuple(_judge(name, by_runner[name], restore_s) for name in sorted(by_runner))


def _judge(runner: str, runs: Sequence[Run], restore_s: float) -> Verdict:
    index = _measure(_collect(runs, "index"))
    samples = {cache: list(_collect(runs, cache)) for cache in _CACHES}
    extra = {"bundle": restore_s}
    return Verdict(
        runner=runner,
        runs=len(runs),
        fetch=index,
        gains=tuple(
            Gain(cache, _measure(found), _compare(found, index, extra.get(cache, 0.0)))
            for cache, found in samples.items()
            if found
        ),
        install=_measure(_collect_installs(runs, supplied=True)),
        alone=_measure(_collect_installs(runs, supplied=False)),
        verify_s=median([run.verify_s for run in runs if run.verify_s] or [0.0]),
    )


def _collect(runs: Iterable[Run], source: str) -> Iterator[tuple[int, float]]:
    """Bytes and seconds of each run that got something from ``source``."""
    for run in runs:
        if source == "store" and run.supplied and not run.given and run.install_bytes:
            yield run.install_bytes, run.verify_s
        for given in run.given:
            if given.source == source:
                yield given.bytes, given.seconds


def _collect_installs(runs: Iterable[Run], *, supplied: bool) -> Iterator[tuple[int, float]]:
    for run in runs:
        if run.install_s is not None and run.supplied is supplied:
            yield run.install_bytes, run.install_s


def _measure(samples: Iterable[tuple[int, float]]) -> Figure:
    found = list(samples)
    if not found:
        return Figure(0, 0, 0.0, 0.0)
    sizes, seconds = zip(*found, strict=True)
    return Figure(len(found), median(sizes), median(seconds), _compute_rate(found))


def _compute_rate(samples: Sequence[tuple[int, float]]) -> float:
    """The rate below which half of the bytes came."""
    rates = sorted((size / seconds, size) for size, seconds in samples if seconds > 0)
    half = sum(size for _, size in rates) / 2
    for rate, size in rates:
        half -= size
        if half <= 0:
            return rate
    return 0.0


def _compare(samples: Sequence[tuple[int, float]], index: Figure, extra_s: float) -> float | None:
    if min(len(samples), index.runs) < ENOUGH or not index.rate:
        return None
    return median(size / index.rate - seconds - extra_s for size, seconds in samples)


def find_wasted(runs: Iterable[Run]) -> tuple[AcceleratorWheel, ...]:
    """What the latest run of any project on a machine without a GPU had that only a GPU uses."""
    latest: dict[tuple[str, str], Run] = {}
    for run in sorted(runs, key=lambda run: run.time):
        if not run.gpu:
            latest[run.project, run.need] = run
    found = {wheel for run in latest.values() for wheel in run.accelerators}
    return tuple(sorted(found, key=lambda wheel: (-(wheel.size or 0), wheel.name)))
