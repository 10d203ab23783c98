"""The files of a run: what a CI system keeps, shows and hands on.

``junit.xml``, ``results.json`` (the whole outcome), ``device.json`` (its figures),
``device.md`` and ``hud/`` (a file for each input of the relay, and all in ``inputs.json``).
Each is written whole beside its place and renamed. One that cannot be written keeps none of the
others from being written; it is told at the end.
"""

from __future__ import annotations

import contextlib
import io
import json
from typing import TYPE_CHECKING, NamedTuple

import msgspec

from noxden.den.owners import sibling_name
from noxden.devices.hud import INPUTS, NO_UPSTREAM, make_inputs
from noxden.devices.judge import judge
from noxden.devices.junit import make_junit
from noxden.devices.report_md import render_report
from noxden.errors import InfrastructureError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping
    from pathlib import Path

    from noxden.devices.hud import Upstream
    from noxden.devices.outcome import Outcome

__all__ = ["Written", "compute_summary", "write_outcome"]


class Written(NamedTuple):
    """Where the files of a run are."""

    junit: Path
    results: Path
    summary: Path
    report: Path
    hud: Path
    """The folder."""


def write_outcome(folder: Path, outcome: Outcome, upstream: Upstream = NO_UPSTREAM) -> Written:
    """Write all files of a run into ``folder``, which is made.

    Raises:
        InfrastructureError: some could not be written; all others are there.
    """
    written = Written(
        junit=folder / "junit.xml",
        results=folder / "results.json",
        summary=folder / "device.json",
        report=folder / "device.md",
        hud=folder / "hud",
    )
    failures = [_try_to_write(file, make) for file, make in _plan_files(written, outcome, upstream)]
    _refuse([one for one in failures if one is not None])
    return written


def _plan_files(
    written: Written, outcome: Outcome, upstream: Upstream
) -> Iterator[tuple[Path, Callable[[], bytes]]]:
    """The small files first: a disk that is nearly full has room for them."""
    yield written.summary, lambda: json.dumps(compute_summary(outcome), indent=1).encode()
    yield written.report, lambda: render_report(outcome).encode()
    inputs = make_inputs(outcome, upstream)
    _remove_others(written.hud, inputs)
    for name, value in inputs.items():
        yield written.hud / name, value.encode
    yield written.hud / "inputs.json", lambda: msgspec.json.encode(inputs)
    yield written.junit, lambda: _render_junit(outcome)
    yield written.results, lambda: _encode(outcome)


def _remove_others(folder: Path, inputs: Mapping[str, str]) -> None:
    """Remove what an earlier run in this place had to say and this one has not."""
    for name in INPUTS:
        if name not in inputs:
            with contextlib.suppress(OSError):
                (folder / name).unlink()


def _render_junit(outcome: Outcome) -> bytes:
    stream = io.BytesIO()
    make_junit(outcome).write(stream)
    return stream.getvalue()


def _encode(outcome: Outcome) -> bytes:
    try:
        return msgspec.json.encode(outcome)
    except UnicodeEncodeError:
        # Half a surrogate pair in a message has no UTF-8 form.
        plain = json.dumps(msgspec.to_builtins(outcome), ensure_ascii=False)
        return plain.encode("utf-8", "replace")


def compute_summary(outcome: Outcome) -> dict[str, object]:
    """The figures of a run, without its tests."""
    judgement = judge(outcome)
    fields = ("stage", "shard", "session", "key", "kind", "provider", "host", "started", "seconds",
              "collected", "in_scope", "selected", "expected_s", "lower_bound_s", "blocking",
              "interrupted", "total", "left", "flaky_share", "counts")  # fmt: skip
    return {
        "exit_code": judgement.exit_code,
        "message": judgement.message,
        **{field: getattr(outcome, field) for field in fields},
        "broken": len(outcome.broken),
        "cards": len(outcome.cards),
        "drained": sum(bool(card.drained) for card in outcome.cards),
        "warnings": list(outcome.warnings),
    }


def _try_to_write(file: Path, make: Callable[[], bytes]) -> OSError | None:
    sibling = file.parent / sibling_name()
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        sibling.write_bytes(make())
        sibling.rename(file)
    except OSError as error:
        error.filename = error.filename or str(file)
        with contextlib.suppress(OSError):
            sibling.unlink()
        return error
    return None


def _refuse(failures: list[OSError]) -> None:
    if not failures:
        return
    first = failures[0]
    count = f"{len(failures)} files of this run" if len(failures) > 1 else "a file of this run"
    message = (
        f"{count} could not be written, all others are there: {first.filename}: "
        f"{first.strerror or first}; make room and run it again"
    )
    raise InfrastructureError(message)
