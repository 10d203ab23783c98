"""Read what pytest-reportlog wrote, whole or cut off by a kill in the middle of a line."""

from __future__ import annotations

import contextlib
import json
from collections import Counter
from typing import TYPE_CHECKING, Any

import msgspec

from noxden.devices.values import Result

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from pathlib import Path

    from noxden.devices.values import TestOutcome

__all__ = ["Log", "read_log"]

_WHOLE = (0, 1, 5)
"""pytest's exit codes of a run that came to its end."""
_LONGEST_MESSAGE = 1000
_LONGEST_STACK = 65_536
"""Characters of one failure that are kept; the whole of it is in the attempt's folder."""
_SEVERITY: Mapping[str, int] = {
    "failed": 4, "xpassed": 3, "passed": 2, "xfailed": 1, "skipped": 0,
}  # fmt: skip


class Log(msgspec.Struct, frozen=True, kw_only=True):
    """What is known of an attempt from its files."""

    results: tuple[Result, ...]
    """Of tests that came to the end of their teardown."""
    running: str
    """The test that began and did not come to its end; empty where there is none."""
    finished: bool
    """Whether pytest came to its own end."""
    exit_code: int | None
    """What pytest said of its end."""
    broken: Mapping[str, str] = {}
    """Node id of a file that could not be collected -> why."""


def read_log(reportlog: Path, starts: Path) -> Log:
    """What the files of an attempt say; files that are missing say nothing."""
    begun = list(_read_starts(starts))
    phases: dict[str, list[dict[str, Any]]] = {}
    results: dict[str, Result] = {}
    ended: Counter[str] = Counter()
    broken: dict[str, str] = {}
    exit_code: int | None = None
    for line in _read_lines(reportlog):
        kind = line.get("$report_type")
        if kind == "SessionFinish":
            exit_code = int(line.get("exitstatus", 0))
        elif kind == "CollectReport" and line.get("outcome") == "failed":
            broken[str(line.get("nodeid"))] = _render(line.get("longrepr"))[-_LONGEST_STACK:]
        elif "nodeid" in line and "when" in line:
            # A test, or a part of one (subtests), which has the id of the whole and no kind.
            nodeid = str(line["nodeid"])
            phases.setdefault(nodeid, []).append(line)
            if line.get("when") == "teardown":
                ended[nodeid] += 1
                found = _combine(nodeid, phases.pop(nodeid))
                if found is not None:
                    results[found.id] = _worst(results.get(found.id), found)
    # A test can begin several times: by one id for several tests, or because a plugin reruns it.
    last = begun[-1] if begun else ""
    running = last if begun.count(last) > ended[last] else ""
    return Log(
        results=tuple(results.values()),
        running="" if exit_code in _WHOLE else running,
        finished=exit_code is not None,
        exit_code=exit_code,
        broken=broken,
    )


def _read_starts(file: Path) -> Iterator[str]:
    for line in _read_raw(file):
        with contextlib.suppress(msgspec.MsgspecError):
            yield msgspec.json.decode(line, type=str)


def _read_lines(file: Path) -> Iterator[dict[str, Any]]:
    for line in _read_raw(file):
        try:
            # Not by msgspec: Python writes NaN and halves of surrogate pairs, which are no JSON.
            found = json.loads(line)
        except ValueError:
            continue
        if isinstance(found, dict):
            yield found


def _read_raw(file: Path) -> Iterator[bytes]:
    """The lines of a file, a last one that was cut off too."""
    try:
        with file.open("rb") as lines:
            yield from lines
    except OSError:
        return


def _combine(name: str, phases: Sequence[Mapping[str, Any]]) -> Result | None:
    """One result of setup, call and teardown; none of a try that a plugin repeats."""
    if any(phase.get("outcome") == "rerun" for phase in phases):
        return None
    called = any(phase.get("when") == "call" for phase in phases)
    outcome: TestOutcome = "passed"
    seconds, message, stack = 0.0, "", ""
    for phase in phases:
        seconds += float(phase.get("duration") or 0.0)
        said = _judge(phase)
        if said == "passed" or outcome == "failed":
            continue
        outcome = said
        message = str(phase.get("wasxfail") or _find_message(phase.get("longrepr")))
        stack = _render(phase.get("longrepr"))[-_LONGEST_STACK:] if said == "failed" else ""
    if outcome == "passed" and not called:
        # A line that cannot be read is no proof that the test is good.
        outcome, message = "failed", "what became of its call is not in the report log"
    return Result(
        id=name,
        outcome=outcome,
        seconds=seconds,
        message=_clean(message.strip().partition("\n")[0][:_LONGEST_MESSAGE]),
        stack=_clean(stack),
    )


def _clean(text: str) -> str:
    """``text`` without halves of surrogate pairs, which no file of ours could hold."""
    return text.encode("utf-8", "replace").decode()


def _judge(phase: Mapping[str, Any]) -> TestOutcome:
    outcome, xfail = phase.get("outcome"), "wasxfail" in phase
    if outcome == "skipped":
        return "xfailed" if xfail else "skipped"
    if outcome == "failed":
        return "failed"
    return "xpassed" if xfail and phase.get("when") == "call" else "passed"


def _worst(before: Result | None, now: Result) -> Result:
    """Of several tests with one id the worst counts."""
    if before is None or _SEVERITY[now.outcome] > _SEVERITY[before.outcome]:
        return now
    return before


def _find_message(longrepr: object) -> str:
    match longrepr:
        case {"reprcrash": {"message": str(message)}}:
            return message
        case [_, _, str(reason)]:
            return reason.removeprefix("Skipped: ")
        case str(text):
            lines = [line for line in text.splitlines() if line.strip()]
            return lines[-1] if lines else ""
        case _:
            return ""


def _render(longrepr: object) -> str:
    """What pytest would show, from the JSON that it makes of it."""
    match longrepr:
        case str(text):
            return text
        case {"reprtraceback": {"reprentries": list(entries)}}:
            return "\n".join(_render_entry(entry) for entry in entries)
        case None:
            return ""
        case _:
            return str(longrepr)


def _render_entry(entry: object) -> str:
    match entry:
        case {"data": {"lines": list(lines), **rest}}:
            shown = [str(line) for line in lines]
            match rest.get("reprfileloc"):
                case {"path": path, "lineno": number, "message": said}:
                    shown.append(f"{path}:{number}: {said}")
            return "\n".join(shown)
        case _:
            return ""
