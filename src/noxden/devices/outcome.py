"""What a run comes to: the verdict on each test from all its tries, and the exit code from those.

The rules are pure and do not depend on the order in which attempts ended:

- What a test did counts as pytest says it, whatever became of the rest of its attempt; but a
  failure on a card that then turned out to be faulty says nothing of the test.
- A process that died, hung or overran its time failed the test that ran then.
- A test that failed and also passed is flaky. One that failed and was skipped later has failed.
- What no try decides is ``infra`` where a card, its host or its worker was the reason, and
  ``not-run`` otherwise: never begun, or stopped by us.
- Of results of one test in one attempt (an id twice, a batch that an engine ran twice) the worst
  counts: the same process on the same card is no second try.
"""

from __future__ import annotations

from collections import Counter
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Literal, get_args

from msgspec import Struct

from noxden.devices.values import Broken, Status, TestOutcome, Verdict

if TYPE_CHECKING:
    from collections.abc import Iterable

__all__ = [
    "CardUse",
    "Outcome",
    "TestRecord",
    "Try",
    "combine",
    "make_record",
    "render_utc",
]

_FAULTS = ("infra", "busy", "lost")
"""How an attempt ends that says nothing of a failed test."""
_DEATHS = ("crashed", "stalled", "timeout")
"""How an attempt ends that fails the test which ran."""
_GOOD: tuple[Verdict, ...] = ("passed", "xpassed", "xfailed")
"""What makes a test flaky that also failed; where several are said, the first counts."""
_RETRIED = {
    "crashed": "signal", "stalled": "stall", "timeout": "stall",
    "infra": "pod", "busy": "pod", "lost": "pod",
}  # fmt: skip


class Try(Struct, frozen=True, kw_only=True, gc=False):
    """What one attempt says of one test."""

    attempt: int
    batch: int
    card: str
    """Name of the card; those of several cards are joined by ``+``."""
    status: Status
    """How the whole attempt ended."""
    outcome: TestOutcome | Literal[""] = ""
    """What pytest says; empty where the test did not come to its end."""
    seconds: float = 0.0
    message: str = ""
    stack: str = ""
    started: float = 0.0
    """When the attempt began, in seconds since the epoch."""

    @property
    def says(self) -> TestOutcome | Literal["fault", ""]:
        """What this try alone says of the test; empty is nothing."""
        if self.status in _FAULTS and self.outcome in {"failed", ""}:
            return "fault"
        if self.status in _DEATHS and not self.outcome:
            return "failed"
        return self.outcome

    @property
    def reason(self) -> str:
        """Why a test was tried again after this: ``signal``, ``stall``, ``pod`` or ``flaky``."""
        return "flaky" if self.outcome == "failed" else _RETRIED.get(self.status, "")


class TestRecord(Struct, frozen=True, kw_only=True):
    """All that a run says of one test."""

    __test__ = False

    id: str
    file: str
    verdict: Verdict
    attempts: tuple[Try, ...] = ()
    """In the order in which they began."""

    @property
    def last(self) -> Try | None:
        """The try that stands for the verdict: the last that says the same, else the last."""
        for one in reversed(self.attempts):
            if one.says == self._wanted:
                return one
        return self.attempts[-1] if self.attempts else None

    @property
    def _wanted(self) -> str:
        if self.verdict == "flaky":
            said = {one.says for one in self.attempts}
            return next((good for good in _GOOD if good in said), "")
        return "fault" if self.verdict == "infra" else self.verdict

    @property
    def first_failure(self) -> Try | None:
        """The first try that failed the test."""
        return next((one for one in self.attempts if one.says == "failed"), None)

    @property
    def retried(self) -> tuple[str, ...]:
        """Why it was tried again, each reason once, in order; empty where it was not."""
        reasons = (one.reason for one in self.attempts if one is not self.last)
        return tuple(dict.fromkeys(reason for reason in reasons if reason))


class CardUse(Struct, frozen=True, kw_only=True):
    """What one card did in a run."""

    name: str
    kind: str
    busy_s: float = 0.0
    batches: int = 0
    faults: int = 0
    drained: str = ""
    """Why it was used no more; empty where it was to the end."""


class Outcome(Struct, frozen=True, kw_only=True):
    """What a whole run comes to."""

    stage: int
    session: str = ""
    key: str = ""
    """Environment key."""
    kind: str = ""
    """Kind of the cards."""
    provider: str = ""
    host: str = ""
    started: float = 0.0
    """Seconds since the epoch."""
    seconds: float = 0.0
    cards: tuple[CardUse, ...] = ()
    collected: int = 0
    in_scope: int = 0
    selected: int = 0
    """What this run was to run: of the sample, the tests of its shard."""
    expected_s: float = 0.0
    lower_bound_s: float = 0.0
    shard: str = ""
    """``1/4``; empty where the stage runs in one."""
    records: tuple[TestRecord, ...] = ()
    broken: tuple[Broken, ...] = ()
    warnings: tuple[str, ...] = ()
    blocking: bool = True
    interrupted: bool = False

    @property
    def counts(self) -> dict[Verdict, int]:
        """How many tests have each verdict; all verdicts are there."""
        found = Counter(one.verdict for one in self.records)
        return {verdict: found[verdict] for verdict in get_args(Verdict)}

    @property
    def total(self) -> int:
        """Tests with a result that means something: neither ``infra`` nor ``not-run``."""
        return sum(one.verdict not in {"infra", "not-run"} for one in self.records)

    @property
    def left(self) -> int:
        """Selected tests that the run has no result of."""
        return max(self.selected, len(self.records)) - self.total

    @property
    def flaky_share(self) -> float:
        """Flaky tests of those that ran, from 0 to 1; skipped tests did not run."""
        counts = self.counts
        ran = self.total - counts["skipped"]
        return counts["flaky"] / ran if ran else 0.0

    @property
    def title(self) -> str:
        """``stage 1``, or ``stage 1, shard 2/4``."""
        return f"stage {self.stage}" + (f", shard {self.shard}" if self.shard else "")


def make_record(test: str, file: str, tries: Iterable[Try] = ()) -> TestRecord:
    """What a run says of one test, from all its tries."""
    ordered = tuple(sorted(tries, key=lambda one: (one.started, one.attempt, one.batch)))
    return TestRecord(id=test, file=file, verdict=combine(ordered), attempts=ordered)


def combine(tries: Iterable[Try]) -> Verdict:
    """The verdict from all tries of one test, by the rules of this module."""
    attempts: dict[tuple[int, int], set[str]] = {}
    for one in tries:
        attempts.setdefault((one.batch, one.attempt), set()).add(one.says)
    said = {what for together in attempts.values() for what in _take_worst(together)}
    good = next((verdict for verdict in _GOOD if verdict in said), None)
    if "failed" in said:
        return "flaky" if good else "failed"
    if good or "skipped" in said:
        return good or "skipped"
    return "infra" if "fault" in said else "not-run"


def _take_worst(said: set[str]) -> set[str]:
    return {"failed"} if "failed" in said else said


def render_utc(seconds: float) -> str:
    """Seconds since the epoch as ISO 8601 in UTC, to the second.

    >>> render_utc(0)
    '1970-01-01T00:00:00Z'
    """
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
