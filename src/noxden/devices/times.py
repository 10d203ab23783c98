"""Recorded times: how long each test takes, by environment key and kind of card.

``<folder>/<kind>/<key>.json`` is written whole and renamed, so a reader sees a whole one or
none, and two runs that end at once merge under a lock.
"""

from __future__ import annotations

import contextlib
import statistics
from typing import TYPE_CHECKING

import msgspec

from noxden.den.locks import exclusive
from noxden.den.owners import find_leftovers, sibling_name
from noxden.errors import InfrastructureError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from noxden.devices.values import Test

__all__ = ["Times", "expect", "load_times", "record_times"]

_WEIGHT = 0.3
"""Of a new time in the mean: after two runs what was there before counts half."""
_UNKNOWN_S = 0.1
_LEAST_S = 0.001
"""What pytest itself needs for a test that does nothing."""


class Times(msgspec.Struct, frozen=True, kw_only=True):
    """What is known of an environment on a kind of card."""

    seconds: dict[str, float] = {}
    """Canonical id -> decayed mean of the seconds of its test."""
    overhead_s: float | None = None
    """Of a batch, beyond its tests: start of pytest, imports, collection."""


def load_times(folder: Path, key: str, kind: str) -> Times:
    """The times for ``key``; the newest of another key of the same kind where it has none yet.

    A file that cannot be read or is damaged counts as none.
    """
    own = folder / kind / f"{key}.json"
    for file in (own, *_list_newest(own.parent)):
        with contextlib.suppress(OSError, msgspec.MsgspecError):
            return msgspec.json.decode(file.read_bytes(), type=Times)
    return Times()


def record_times(
    folder: Path, key: str, kind: str, results: Mapping[str, float], overheads: Sequence[float]
) -> bool:
    """Merge the seconds of tests that ended, and of batches beyond their tests, into the times.

    Returns whether they are kept: where the den cannot be written, a later run is balanced
    worse, and nothing else is lost.
    """
    target = folder / kind / f"{key}.json"
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        with exclusive(target.with_suffix(".lock")):
            _replace(target, _merge(load_times(folder, key, kind), results, overheads))
    except (InfrastructureError, OSError):
        return False
    return True


def expect(times: Times, tests: Sequence[Test]) -> list[float]:
    """Seconds of each of ``tests``.

    One that is not known is taken for the mean of those of its file that are, else of all,
    else for 0.1 s.
    """
    known = times.seconds
    found = [known.get(test.id) for test in tests]
    if None not in found:
        return [max(_LEAST_S, seconds) for seconds in found if seconds is not None]
    means = _compute_means(known)
    mean = statistics.fmean(known.values()) if known else _UNKNOWN_S
    return [
        max(_LEAST_S, means.get(test.file, mean) if seconds is None else seconds)
        for test, seconds in zip(tests, found, strict=True)
    ]


def _compute_means(seconds: Mapping[str, float]) -> dict[str, float]:
    files: dict[str, list[float]] = {}
    for test, value in seconds.items():
        files.setdefault(test.partition("::")[0], []).append(value)
    return {file: statistics.fmean(values) for file, values in files.items()}


def _merge(times: Times, results: Mapping[str, float], overheads: Sequence[float]) -> Times:
    seconds = dict(times.seconds)
    for test, value in results.items():
        seconds[test] = _decay(seconds.get(test), value)
    overhead = times.overhead_s
    if overheads:
        # A median: the first batch of a run compiles and fills caches for the others.
        overhead = _decay(overhead, statistics.median(overheads))
    return Times(seconds=seconds, overhead_s=overhead)


def _decay(old: float | None, new: float) -> float:
    return round(new if old is None else old + _WEIGHT * (new - old), 6)


def _list_newest(folder: Path) -> list[Path]:
    try:
        return sorted(folder.glob("*.json"), key=lambda file: file.stat().st_mtime_ns, reverse=True)
    except OSError:
        return []


def _replace(target: Path, times: Times) -> None:
    """Write under the lock, so what another writer left is of one that was killed."""
    for leftover in find_leftovers(target.parent):
        leftover.unlink(missing_ok=True)
    sibling = target.with_name(sibling_name())
    try:
        sibling.write_bytes(msgspec.json.encode(times))
        sibling.replace(target)
    except BaseException:
        sibling.unlink(missing_ok=True)
        raise
