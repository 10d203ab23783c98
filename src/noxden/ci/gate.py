"""Whether a session may run for what started this run."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from noxden._switches import parse_switch
from noxden.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from noxden._rule import Rule
    from noxden.ci.values import Trigger

__all__ = ["Decision", "decide"]


class Decision(NamedTuple):
    """Whether the gate is open, and why."""

    open: bool
    reason: str
    """One line; of a closed gate it says what would open it."""


def decide(trigger: Trigger, rule: Rule) -> Decision:
    """Whether ``rule`` lets a session run for ``trigger``.

    Raises:
        UsageError: the input that the rule asks for says neither true nor false.
    """
    if trigger.system == "local":
        return Decision(open=True, reason="a run on your own machine is never skipped")
    opened = list(_find_opened(trigger, rule))
    if rule.trusted and not trigger.trusted:
        what = f"{trigger.trust.why}, and only trusted runs open it"
        return Decision(open=False, reason=_render(what, []))
    if opened:
        return Decision(open=True, reason=opened[0])
    if not rule.openers:
        return Decision(open=False, reason="its events say never; run it on your own machine")
    return Decision(open=False, reason=_render(_describe(trigger, rule), _advise(trigger, rule)))


def _find_opened(trigger: Trigger, rule: Rule) -> Iterator[str]:
    """What opens the gate, each with the words of the reason."""
    if "always" in rule.openers:
        yield "its events say always"
    if "label" in rule.openers and rule.label in trigger.labels:
        yield f"the pull request has the label {rule.label}"
    if "input" in rule.openers and _is_given(trigger, rule.input):
        yield f"the input {rule.input} is true"
    if "schedule" in rule.openers and trigger.event == "schedule":
        yield "a scheduled run"


def _is_given(trigger: Trigger, name: str) -> bool:
    value = trigger.inputs.get(name, "")
    found = parse_switch(value)
    if found is None:
        message = (
            f"the input {name} is to be true or false (or 1 or 0, yes or no, on or off), "
            f"got {value!r}, from {trigger.sources.get('inputs', 'the run')}"
        )
        raise UsageError(message)
    return found


def _describe(trigger: Trigger, rule: Rule) -> str:
    if trigger.system == "unknown":
        return trigger.trust.why
    if trigger.event == "pull-request" and "label" in rule.openers:
        labels = ", ".join(trigger.labels)
        listed = f"labels: {labels}" if labels else "it has no labels"
        return f"pull request without the label {rule.label} ({listed})"
    if trigger.event == "manual" and "input" in rule.openers:
        return f"started by hand, and the input {rule.input} is not true"
    words = {
        "pull-request": "pull request",
        "manual": "started by hand",
        "schedule": "scheduled run",
        "push": f"push to {trigger.ref}" if trigger.ref else "push",
        "tag": f"tag {trigger.ref}" if trigger.ref else "tag",
        "other": f"event {trigger.name or 'without a name'}",
    }
    return words[trigger.event]


def _advise(trigger: Trigger, rule: Rule) -> list[str]:
    """What would open the gate, a step each."""
    if trigger.system == "unknown":
        # Neither a label nor an input could be seen there.
        return ["set NOXDEN_HEAVY_EVENTS=always in the job that is to run it"]
    label = (
        "add it"
        if trigger.event == "pull-request"
        else f"add the label {rule.label} to a pull request"
    )
    given = (
        "set it to true"
        if trigger.event == "manual"
        else f"start the run by hand with the input {rule.input}"
    )
    steps = {"label": label, "input": given, "schedule": "wait for the scheduled run"}
    return [step for word, step in steps.items() if word in rule.openers]


def _render(what: str, steps: list[str]) -> str:
    return f"{what}; {', or '.join(steps)}" if steps else what
