"""The inputs of PyTorch's Cross-Repository CI Relay, by which a run reaches the HUD.

Specifications: pytorch/rfcs RFC-0050, RFC-0054 (test results and failed tests) and RFC-0056
(triage), and the inputs of pytorch/test-infra ``.github/actions/cross-repo-ci-relay-callback``.
A workflow step hands them over; this only prepares them, a file for each input, named as it is.

Caps: 1,000 failed tests, a message of 1 KB and a stack of 4 KB, counted in UTF-8 bytes and cut at
the border of a character. The action passes each input in one environment variable, and Linux
takes none of more than 128 KiB, so a list that is larger is thinned: shorter stacks first, then
fewer tests. ``test-results`` counts them all, and ``artifact-url`` leads to the rest.

Flaky tests count as passed; the triage tells of them. Expected failures count as skipped, as in
pytest's own JUnit. Files that could not be collected count as failed tests.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

import msgspec

from noxden.devices.junit import split_id
from noxden.devices.outcome import render_utc
from noxden.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from noxden.devices.outcome import Outcome, TestRecord

__all__ = ["INPUTS", "NO_UPSTREAM", "Upstream", "clip", "make_inputs", "read_upstream"]

INPUTS = (
    "status", "conclusion", "test-results", "failed-tests-detail", "triage-verdict",
    "artifact-url", "event-type", "delivery-id",
)  # fmt: skip
"""All inputs that a run may have."""
_ENTRIES = 1000
_MESSAGE, _STACK = 1024, 4096
_VARIABLE = 128 * 1024 - 512
"""Bytes of one input: what execve takes in one string, less the name of the variable."""
_THINNED = ((_MESSAGE, _STACK), (_MESSAGE, 1024), (512, 256), (256, 0))
"""Bytes of message and stack, tried one after the other."""
_SUMMARY = 1024
_OUTAGE = 0.8
"""Above this share of failures a run is an outage, not a judgement on the code."""
_OUTAGE_TESTS = 20
_EVENTS = ("nightly", "periodic")


class Upstream(NamedTuple):
    """What only the workflow knows."""

    artifact_url: str = ""
    event_type: str = ""
    """``nightly`` or ``periodic``; empty where upstream triggered the run."""
    delivery_id: str = ""
    """With an event type: the upstream commit that was tested."""


NO_UPSTREAM = Upstream()


def read_upstream(env: Mapping[str, str]) -> Upstream:
    """What the variables of a workflow say of a run.

    ``NOXDEN_ARTIFACT_URL``, ``NOXDEN_HUD_EVENT_TYPE``, ``NOXDEN_HUD_DELIVERY_ID``.

    Raises:
        UsageError: one of the last two is there alone, or the event is none that upstream knows.
    """
    names = ("NOXDEN_ARTIFACT_URL", "NOXDEN_HUD_EVENT_TYPE", "NOXDEN_HUD_DELIVERY_ID")
    found = Upstream(*(env.get(name, "").strip() for name in names))
    if bool(found.event_type) != bool(found.delivery_id):
        message = "NOXDEN_HUD_EVENT_TYPE and NOXDEN_HUD_DELIVERY_ID go together; set both or none"
        raise UsageError(message)
    if found.event_type and found.event_type not in _EVENTS:
        message = f"NOXDEN_HUD_EVENT_TYPE is {found.event_type!r}; known: {', '.join(_EVENTS)}"
        raise UsageError(message)
    return found


def make_inputs(outcome: Outcome, upstream: Upstream = NO_UPSTREAM) -> dict[str, str]:
    """The inputs of the relay's action by name; what has nothing to say is left out."""
    results = _count(outcome)
    triage = _triage(outcome, results)
    inputs = {
        "status": "completed",
        "conclusion": _conclude(outcome, results),
        "test-results": _to_json(results),
        "failed-tests-detail": _thin(list(_detail(outcome))[:_ENTRIES]),
        "triage-verdict": _to_json(triage) if triage else "",
        "artifact-url": upstream.artifact_url,
        "event-type": upstream.event_type,
        "delivery-id": upstream.delivery_id,
    }
    return {name: value for name, value in inputs.items() if value}


def _count(outcome: Outcome) -> dict[str, int]:
    counts = outcome.counts
    passed = counts["passed"] + counts["flaky"] + counts["xpassed"]
    failed = counts["failed"] + len(outcome.broken)
    skipped = counts["skipped"] + counts["xfailed"]
    total = passed + failed + skipped
    return {"passed": passed, "failed": failed, "skipped": skipped, "total": total}


def _conclude(outcome: Outcome, results: dict[str, int]) -> str:
    if outcome.interrupted:
        return "cancelled"
    good = results["total"] > 0 and not results["failed"] and not outcome.left
    return "success" if good else "failure"


def _detail(outcome: Outcome) -> Iterator[dict[str, Any]]:
    for broken in outcome.broken:
        first, _, _ = broken.message.strip().partition("\n")
        yield _make_entry("collection", broken.file, first, broken.message, 0.0)
    for record in outcome.records:
        if record.verdict == "failed":
            yield _detail_test(record)


def _detail_test(record: TestRecord) -> dict[str, Any]:
    name, classname = split_id(record.id)
    last = record.last
    if last is None:
        return _make_entry(name, classname, "", "", 0.0)
    message = last.message or last.status
    return _make_entry(name, classname, message, last.stack, last.seconds)


def _make_entry(
    name: str, classname: str, message: str, stack: str, duration: float
) -> dict[str, Any]:
    return {
        "name": clip(name, _MESSAGE),
        "classname": clip(classname, _MESSAGE),
        "message": clip(message, _MESSAGE),
        "stacktrace": clip(stack, _STACK),
        "duration": round(duration, 3),
    }


def _thin(entries: list[dict[str, Any]]) -> str:
    """The entries as JSON that one environment variable holds; empty where there are none."""
    if not entries:
        return ""
    for message, stack in _THINNED:
        for entry in entries:
            entry["message"] = clip(entry["message"], message)
            entry["stacktrace"] = clip(entry["stacktrace"], stack)
        if len(_to_json(entries).encode()) <= _VARIABLE:
            return _to_json(entries)
    kept, size = [], len("[]")
    for entry in entries:
        size += len(_to_json(entry).encode()) + len(",")
        if size > _VARIABLE:
            break
        kept.append(entry)
    return _to_json(kept)


def _triage(outcome: Outcome, results: dict[str, int]) -> dict[str, Any]:
    """Why it went as it did, as far as a run can tell; empty where all is well.

    Whether upstream or the backend is to blame for a failure it cannot tell.
    """
    found = _categorise(outcome, results)
    if found is None:
        return {}
    category, confidence, summary = found
    return {
        "schema_version": 1,
        "category": category,
        "confidence": confidence,
        "summary": clip(summary, _SUMMARY),
        "reproduced_on_retry": any(
            one.verdict == "failed" and "flaky" in one.retried for one in outcome.records
        ),
        "analyzer": {"name": "noxden"},
        "analyzed_at": render_utc(outcome.started + outcome.seconds),
    }


def _categorise(outcome: Outcome, results: dict[str, int]) -> tuple[str, str, str] | None:
    failed, total = results["failed"], results["total"]
    flaky = outcome.counts["flaky"]
    if failed and total >= _OUTAGE_TESTS and failed > _OUTAGE * total:
        return "infra", "low", f"{failed} of {total} tests failed: more an outage than the code"
    if failed:
        tried = f"{failed} of {total} tests failed"
        return "unknown", "low", f"{tried}; {flaky} more failed and then passed"
    if outcome.left and not outcome.interrupted:
        return "infra", "high", f"{outcome.left} tests have no result for want of cards that work"
    if flaky:
        return "flake", "high", f"{flaky} of {total} tests failed, then passed in a new process"
    return None


def clip(text: str, limit: int) -> str:
    """At most ``limit`` UTF-8 bytes of ``text``, whole characters.

    >>> clip("año", 2)
    'a'
    """
    return text.encode("utf-8", "replace")[:limit].decode("utf-8", "ignore")


def _to_json(value: object) -> str:
    return msgspec.json.encode(value).decode()
