"""The plan of a stage: its tests and batches, and how long they should take, before any card."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Any

import msgspec

from noxden.devices.balance import compute_lower_bound, plan_batches
from noxden.devices.sample import FileShare, select_sample
from noxden.devices.shards import Part, share_out
from noxden.devices.simulate import simulate
from noxden.devices.times import expect
from noxden.devices.values import Batch  # noqa: TC001 - msgspec reads the annotations

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from noxden.config import StageConfig
    from noxden.devices.scope import Scope
    from noxden.devices.shards import Shard
    from noxden.devices.times import Times
    from noxden.devices.values import Collection, Test

__all__ = ["Plan", "make_plan", "plan_data", "render_plan"]

_OVERHEAD_S = 1.0
"""Taken for what a batch costs beyond its tests until that is known."""


class Plan(msgspec.Struct, frozen=True, kw_only=True):
    """What a run is going to do."""

    stage: int
    cards: int
    in_scope: int
    selected: int
    """Of the sample, the tests of the shard."""
    tests: tuple[str, ...]
    """Their canonical ids, in the order of the collection."""
    batches: tuple[Batch, ...]
    """Longest first."""
    expected_s: float
    """Until the last batch has ended, by recorded times."""
    lower_bound_s: float
    """Below this no balance comes: the tests in equal parts, or the longest of them."""
    collected: int
    sampled: int
    """Tests of the stage, of all shards together."""
    share: float
    """``sampled`` of ``in_scope``, exactly."""
    files: tuple[FileShare, ...]
    """What the sample has of each file in scope."""
    shard: str = ""
    """``I/M``, or nothing."""
    excluded: dict[str, int] = {}
    """Rule -> how many tests it puts out of scope."""
    notes: tuple[str, ...] = ()
    """Sentences that a user should see."""


def make_plan(
    collection: Collection,
    scope: Scope,
    stage: StageConfig,
    times: Times,
    cards: int,
    *,
    shard: Shard | None = None,
) -> Plan:
    """The plan of ``stage`` on ``cards`` cards.

    Raises:
        UsageError: the file of ``shard`` holds something else.
        InfrastructureError: it cannot be locked, read or written.
    """
    in_scope, excluded = _judge(collection.tests, scope)
    sample = select_sample(in_scope, stage.coverage)
    part = _share_out(sample.tests, shard, stage.number, times)
    seconds = expect(times, part.tests)
    overhead = _OVERHEAD_S if times.overhead_s is None else times.overhead_s
    batches = plan_batches(part.tests, seconds, max(1, cards), overhead)
    return Plan(
        stage=stage.number,
        cards=cards,
        in_scope=len(in_scope),
        selected=len(part.tests),
        tests=tuple(test.id for test in part.tests),
        batches=batches,
        expected_s=simulate(batches, max(1, cards), overhead_s=overhead).makespan_s,
        lower_bound_s=compute_lower_bound(part.tests, seconds, cards),
        collected=len(collection.tests),
        sampled=len(sample.tests),
        share=sample.share,
        files=sample.files,
        shard=str(shard) if shard else "",
        excluded=excluded,
        notes=part.notes,
    )


def plan_data(plan: Plan) -> dict[str, Any]:
    """The plan as data: what ``noxden device plan --json`` prints."""
    data: dict[str, Any] = msgspec.to_builtins(plan)
    for batch in data["batches"]:
        # It is the place in the list.
        del batch["number"]
    return data


def render_plan(plan: Plan, most: int = 50) -> Iterator[str]:
    """The lines of ``--dry-run``; of batches and files the first ``most``."""
    part = f", shard {plan.shard}: {plan.selected}" if plan.shard else ""
    yield (
        f"stage {plan.stage} on {plan.cards} cards: {plan.collected} tests collected, "
        f"{plan.in_scope} in scope, {plan.sampled} sampled ({plan.share:.2%}){part}"
    )
    yield (
        f"{len(plan.batches)} batches, expected {_render_s(plan.expected_s)}, lower bound "
        f"{_render_s(plan.lower_bound_s)}"
    )
    yield from plan.notes
    yield from _render_excluded(plan.excluded, most)
    lines = [
        f"  {batch.number}: {len(batch.tests)} tests, {_render_s(batch.expected_s)}"
        + (f", {batch.cards} cards" if batch.cards > 1 else "")
        for batch in plan.batches[:most]
    ]
    yield from _render_list("batches:", lines, len(plan.batches))
    lines = [
        f"  {file.file}: {file.selected} of {file.in_scope} ({file.selected / file.in_scope:.0%})"
        for file in plan.files[:most]
    ]
    yield from _render_list("share per file:", lines, len(plan.files))


def _judge(tests: Sequence[Test], scope: Scope) -> tuple[list[Test], dict[str, int]]:
    in_scope: list[Test] = []
    excluded: Counter[str] = Counter()
    for test in tests:
        decision = scope.decide(test)
        if decision.in_scope:
            in_scope.append(test)
        else:
            excluded[decision.rule] += 1
    return in_scope, dict(excluded.most_common())


def _share_out(
    tests: Sequence[Test],
    shard: Shard | None,
    stage: int,
    times: Times,
) -> Part:
    if shard is None:
        return Part(tuple(tests))
    return share_out(tests, shard, stage, expect(times, tests))


def _render_excluded(excluded: Mapping[str, int], most: int) -> Iterator[str]:
    lines = [f"  {count}: {rule}" for rule, count in list(excluded.items())[:most]]
    yield from _render_list("out of scope:", lines, len(excluded))


def _render_list(title: str, lines: Sequence[str], count: int) -> Iterator[str]:
    if lines:
        yield title
        yield from lines
    if count > len(lines):
        yield f"  and {count - len(lines)} more, all of them with: noxden device plan --json"


def _render_s(seconds: float) -> str:
    if seconds < 60:  # noqa: PLR2004 - a minute
        return f"{seconds:.1f} s"
    minutes, rest = divmod(round(seconds), 60)
    return f"{minutes} min {rest} s"
