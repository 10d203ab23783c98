"""Shards: the part of a stage that one of several jobs runs, the same again when it is re-run.

Jobs on different machines must agree without talking: else a test runs twice or never. So a
split depends on nothing but the tests, unless the jobs share a file, by which recorded times
may count. That file is replayed for as long as it is there, whatever the times are by then.
"""

from __future__ import annotations

import contextlib
import hashlib
import heapq
import re
from typing import TYPE_CHECKING, NamedTuple

import msgspec

from noxden.den.locks import exclusive
from noxden.den.owners import sibling_name
from noxden.devices.balance import plan_batches
from noxden.errors import InfrastructureError, UsageError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from noxden.devices.values import Batch, Test

__all__ = ["Part", "Shard", "assign_shards", "parse_shard", "share_out"]

_SALT = "noxden shard 1\0"
_SPELLING = re.compile(r"([0-9]+)/([0-9]+)")
_TOTAL, _INDEX = "TEST_TOTAL_SHARDS", "TEST_SHARD_INDEX"


class Shard(msgspec.Struct, frozen=True):
    """One of several jobs."""

    index: int
    """From 1."""
    count: int
    path: Path | None = None
    """A file that all the jobs share: the first of them records the split by the times that it
    has, the others and later runs replay it. Without one, all tests count as equally long."""

    def __str__(self) -> str:
        return f"{self.index}/{self.count}"


class Part(NamedTuple):
    """What falls to one job."""

    tests: tuple[Test, ...]
    notes: tuple[str, ...] = ()
    """Sentences about a recorded plan that the tests have left behind."""


class _Recorded(msgspec.Struct, frozen=True, kw_only=True):
    """The file."""

    stage: int
    shards: tuple[tuple[str, ...], ...]


def parse_shard(text: str | None, env: Mapping[str, str]) -> Shard | None:
    """The shard that ``--shard I/M`` names, else the one of Bazel's variables.

    Bazel counts from 0: https://bazel.build/reference/test-encyclopedia.

    Raises:
        UsageError: it is spelled otherwise, or there is no such shard.
    """
    if text is not None:
        match = _SPELLING.fullmatch(text)
        if match is None or not 1 <= int(match[1]) <= int(match[2]):
            message = f"--shard is {text!r}; write I/M, with I from 1 to M: --shard 1/8"
            raise UsageError(message)
        return Shard(int(match[1]), int(match[2]))
    total, index = env.get(_TOTAL, ""), env.get(_INDEX, "")
    if not total and not index:
        return None
    if not (_is_number(total) and _is_number(index) and int(index) < int(total)):
        message = (
            f"{_TOTAL} is {total!r} and {_INDEX} is {index!r}; set both, the index from 0 to one "
            "less than the total, or neither"
        )
        raise UsageError(message)
    return Shard(int(index) + 1, int(total))


def assign_shards(batches: Sequence[Batch], count: int) -> tuple[tuple[str, ...], ...]:
    """The tests of each of ``count`` shards: batches, longest first, to the least loaded."""
    loads = [(0.0, shard) for shard in range(count)]
    shards: list[list[str]] = [[] for _ in range(count)]
    for batch in sorted(batches, key=lambda batch: -batch.expected_s * batch.cards):
        load, shard = loads[0]
        heapq.heapreplace(loads, (load + batch.expected_s * batch.cards, shard))
        shards[shard].extend(batch.tests)
    return tuple(map(tuple, shards))


def share_out(tests: Sequence[Test], shard: Shard, stage: int, seconds: Sequence[float]) -> Part:
    """The part of ``tests``, which take ``seconds``, that ``shard`` runs in ``stage``.

    Raises:
        UsageError: its file holds something else.
        InfrastructureError: it cannot be locked, read or written.
    """
    path = shard.path
    if path is None:
        # Plugins shuffle: the order of the collection is another one in every job.
        tests = sorted(tests, key=lambda test: test.id)
        equal = plan_batches(tests, [1.0] * len(tests), shard.count)
        wanted = set(assign_shards(equal, shard.count)[shard.index - 1])
        return Part(tuple(test for test in tests if test.id in wanted))
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with exclusive(path.with_suffix(".lock")):
            shards = _read(path, stage, shard.count)
            if shards is None:
                shards = assign_shards(plan_batches(tests, seconds, shard.count), shard.count)
                _write(path, _Recorded(stage=stage, shards=shards))
    except OSError as error:
        message = f"cannot keep the plan of the shards in {path}: {error.strerror}"
        raise InfrastructureError(message) from error
    return _replay(tests, shard, shards)


def _is_number(text: str) -> bool:
    return text.isascii() and text.isdigit()


def _read(path: Path, stage: int, count: int) -> tuple[tuple[str, ...], ...] | None:
    try:
        recorded = msgspec.json.decode(path.read_bytes(), type=_Recorded)
    except FileNotFoundError:
        return None
    except msgspec.MsgspecError as error:
        message = f"{path} is no plan of shards: {error}; remove it, and re-run all shards"
        raise UsageError(message) from error
    if (recorded.stage, len(recorded.shards)) != (stage, count):
        message = (
            f"{path} is of stage {recorded.stage} in {len(recorded.shards)} shards, and this is "
            f"stage {stage} in {count}; name another file"
        )
        raise UsageError(message)
    return recorded.shards


def _write(path: Path, recorded: _Recorded) -> None:
    sibling = path.with_name(sibling_name())
    try:
        sibling.write_bytes(msgspec.json.encode(recorded))
        sibling.replace(path)
    except BaseException:
        with contextlib.suppress(OSError):
            sibling.unlink(missing_ok=True)
        raise


def _replay(tests: Sequence[Test], shard: Shard, shards: Sequence[Sequence[str]]) -> Part:
    """The recorded tests that are still there; what is new goes by its hash, or to its group."""
    places = {test: place for place, tests in enumerate(shards) for test in tests}
    groups: dict[str, int] = {}
    for test in tests:
        if test.group and test.id in places:
            groups.setdefault(test.group, places[test.id])
    own = shard.index - 1
    mine = tuple(test for test in tests if _place(test, places, groups, shard.count) == own)
    new = sum(test.id not in places for test in tests)
    gone = len(places) - (len(tests) - new)
    if not new and not gone:
        return Part(mine)
    note = (
        f"since the shards were recorded in {shard.path}, {new} tests came, which go by their "
        f"hash, and {gone} went"
    )
    return Part(mine, (note,))


def _place(test: Test, places: Mapping[str, int], groups: Mapping[str, int], count: int) -> int:
    place = groups.get(test.group) if test.group else places.get(test.id)
    if place is not None:
        return place
    hashed = hashlib.sha256(f"{_SALT}{test.group or test.id}".encode()).digest()
    return int.from_bytes(hashed, "big") % count
