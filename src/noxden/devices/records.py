"""Records of device runs in the den: what each try of each test came to, to be judged later.

A record is one file ``results/device/runs/<utc>-<random>.jsonl.gz``, written whole by a rename and
never changed. Its lines are JSON:

1. ``{"schema": 1, "outcome": {...}}``: the run, with the fields of
   :class:`~noxden.devices.outcome.Outcome`, without ``records``.
2. then, for each try of each test, a line with ``id``, ``file`` and ``verdict`` of the test and
   ``try``: the fields of :class:`~noxden.devices.outcome.Try` without its stack. The tries of a
   test follow each other. A test that was never begun has one line without ``try``.

Fields that have their default are left out. To write a record is never worth a failure: a disk
that is full loses the record and nothing else. The oldest of more than 500 are removed.
"""

from __future__ import annotations

import contextlib
import gzip
import secrets
import time
import zlib
from datetime import UTC, datetime
from itertools import groupby
from typing import TYPE_CHECKING

import msgspec
from msgspec import Struct, structs

from noxden.den.owners import find_leftovers, sibling_name
from noxden.devices.outcome import Outcome, TestRecord, Try
from noxden.devices.values import Verdict  # noqa: TC001 - msgspec reads it

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from noxden.den.layout import Den

__all__ = ["collect_runs", "find_runs", "read_run", "record_run"]

_SCHEMA = 1
_KEPT = 500
_MESSAGE = 500
"""Characters of a message that a record keeps."""


class _Head(Struct, frozen=True, kw_only=True):
    schema: int
    outcome: Outcome


class _Line(Struct, frozen=True, kw_only=True, omit_defaults=True, gc=False):
    id: str
    file: str
    verdict: Verdict
    tried: Try | None = msgspec.field(default=None, name="try")


def record_run(den: Den, outcome: Outcome, clock: Callable[[], float] = time.time) -> Path | None:
    """Record a run; ``None`` where that cannot be written."""
    folder = _find_folder(den)
    try:
        folder.mkdir(parents=True, exist_ok=True)
        file = _write(folder, outcome, clock())
    except OSError:
        return None
    _tidy(den)
    return file


def _find_folder(den: Den) -> Path:
    return den.root / "results" / "device" / "runs"


def _write(folder: Path, outcome: Outcome, now: float) -> Path:
    utc = datetime.fromtimestamp(now, UTC).strftime("%Y%m%dT%H%M%S.%f")
    sibling = folder / sibling_name()
    try:
        with gzip.open(sibling, "wb", compresslevel=3) as stream:
            for line in _render(outcome):
                stream.write(line + b"\n")
        return sibling.rename(folder / f"{utc}-{secrets.token_hex(4)}.jsonl.gz")
    except BaseException:
        with contextlib.suppress(OSError):
            sibling.unlink()
        raise


def _render(outcome: Outcome) -> Iterator[bytes]:
    encode = msgspec.json.Encoder().encode
    yield encode(_Head(schema=_SCHEMA, outcome=structs.replace(outcome, records=())))
    for record in outcome.records:
        for one in record.attempts or (None,):
            kept = one and structs.replace(one, stack="", message=one.message[:_MESSAGE])
            yield encode(
                _Line(id=record.id, file=record.file, verdict=record.verdict, tried=kept)
            )  # fmt: skip


def _tidy(den: Den) -> None:
    """Leave the newest records; of two runs that do this at once neither minds the other."""
    for file in [*find_runs(den)[:-_KEPT], *find_leftovers(_find_folder(den))]:
        with contextlib.suppress(OSError):
            file.unlink()


def find_runs(den: Den) -> list[Path]:
    """All records, oldest first: their names begin with the time."""
    return sorted(_find_folder(den).glob("[!.]*.jsonl.gz"))


def collect_runs(den: Den, limit: int = _KEPT) -> Iterator[Outcome]:
    """The newest ``limit`` runs, oldest first; what cannot be read is left out, but counts."""
    found = (read_run(file) for file in find_runs(den)[-limit:])
    return (run for run in found if run is not None)


def read_run(file: Path) -> Outcome | None:
    """A run as it was recorded, without stacks; ``None`` where the file is not a whole record."""
    try:
        with gzip.open(file) as stream:
            head = msgspec.json.decode(next(stream), type=_Head)
            lines = [_DECODER.decode(line) for line in stream]
    except (OSError, EOFError, StopIteration, zlib.error, msgspec.MsgspecError):
        return None
    if head.schema != _SCHEMA:
        return None
    grouped = (list(group) for _, group in groupby(lines, key=lambda line: line.id))
    return structs.replace(head.outcome, records=tuple(map(_join, grouped)))


_DECODER = msgspec.json.Decoder(_Line)


def _join(lines: list[_Line]) -> TestRecord:
    tries = tuple(line.tried for line in lines if line.tried is not None)
    first = lines[0]
    return TestRecord(id=first.id, file=first.file, verdict=first.verdict, attempts=tries)
