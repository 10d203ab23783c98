"""Whether a run is a success: its exit code, and one sentence that says why.

0: all is well, or the stage does not block and only tests failed. 1: tests failed, files could not
be collected, or there was nothing to run. 3: tests have no result, for want of cards that work.
130: stopped. A run without a result is never a success, whether its stage blocks or not.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from noxden.devices.outcome import Outcome

__all__ = ["Judgement", "judge", "render_counts"]

_NAMED = 3
"""So many failed tests are named in the sentence."""


class Judgement(NamedTuple):
    """What a run amounts to."""

    exit_code: int
    message: str


def judge(outcome: Outcome) -> Judgement:
    """The exit code of a run and a sentence about it; failed tests go before missing ones."""
    if outcome.interrupted:
        done = f"{outcome.total} of {outcome.selected} tests"
        return Judgement(130, f"{outcome.title}: stopped after {done}; run it again for the rest")
    if not outcome.selected and not outcome.records:
        return Judgement(1, f"{outcome.title}: {_explain_nothing(outcome)}")
    wrong = _name_failures(outcome)
    missing = _name_missing(outcome)
    said = f"{outcome.title}: {'; '.join([*wrong, *missing])}"
    if wrong and outcome.blocking:
        return Judgement(1, said)
    if missing:
        return Judgement(3, said)
    if wrong:
        return Judgement(0, f"{said}; the stage does not block, so this is a warning")
    told = f"{outcome.title}: {render_counts(outcome)} in {outcome.seconds:.0f} s"
    if outcome.counts["skipped"] == outcome.total:
        told += "; every test was skipped, look whether they find the card"
    return Judgement(0, told)


def render_counts(outcome: Outcome) -> str:
    """``1190 passed, 3 flaky, 7 skipped``: what there is, in the order of the verdicts."""
    counted = (f"{count} {verdict}" for verdict, count in outcome.counts.items() if count)
    return ", ".join(counted) or "no tests"


def _name_failures(outcome: Outcome) -> list[str]:
    failed = [one.id for one in outcome.records if one.verdict == "failed"]
    said = []
    if failed:
        named = _name(failed)
        said.append(f"{len(failed)} of {outcome.total} tests failed ({named}), see junit.xml")
    if outcome.broken:
        named = _name([one.file for one in outcome.broken])
        said.append(f"pytest could not collect {len(outcome.broken)} files ({named})")
    return said


def _name(found: list[str]) -> str:
    more = [f"and {len(found) - _NAMED} more"] if len(found) > _NAMED else []
    return ", ".join([*found[:_NAMED], *more])


def _name_missing(outcome: Outcome) -> list[str]:
    if not outcome.left:
        return []
    said = f"{outcome.left} of {outcome.selected} tests have no result"
    if not outcome.cards:
        return [f"{said}, no card could be used; run: noxden device cards"]
    drained = [card for card in outcome.cards if card.drained]
    if not drained:
        return [f"{said}; {_find_reason(outcome)}"]
    lost = f"{len(drained)} of {len(outcome.cards)} cards were drained"
    why = f"{drained[0].name}: {drained[0].drained}"
    return [f"{said}, {lost} ({why}); look at the cards and run it again"]


def _find_reason(outcome: Outcome) -> str:
    """Why a test has no result though no card was drained."""
    for record in outcome.records:
        if record.verdict == "infra" and record.attempts:
            return f"the first, {record.id}: {record.attempts[-1].message}"
    return "they never began: no host has as many cards at once as they need, or the run was ended"


def _explain_nothing(outcome: Outcome) -> str:
    if outcome.broken:
        broken = _name_failures(outcome)[0]
        return f"no tests to run, {broken}; run pytest --collect-only on them"
    if not outcome.collected:
        return "pytest collected no tests; check tests and markers in [tool.noxden.device]"
    if not outcome.in_scope:
        return (
            f"none of {outcome.collected} collected tests is in scope; noxden device scope "
            f"--explain TEST says which rule decides"
        )
    return (
        f"none of {outcome.in_scope} tests in scope falls to this run; take fewer shards or a "
        f"larger coverage"
    )
