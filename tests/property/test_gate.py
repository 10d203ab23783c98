"""Laws of the gate."""

from __future__ import annotations

from typing import TYPE_CHECKING

from hypothesis import given
from hypothesis import strategies as st

from noxden._rule import Rule, make_rule
from noxden.ci.gate import decide
from noxden.ci.trigger import LOCAL
from noxden.ci.values import Trigger, Trust

if TYPE_CHECKING:
    from collections.abc import Sequence

OPENERS = ("always", "label", "input", "schedule")
names = st.sampled_from(["run-heavy-deps", "docs", "bug"])
openers = st.lists(st.sampled_from(OPENERS), min_size=1, max_size=6)
trusts = st.builds(
    Trust,
    level=st.sampled_from(["trusted", "untrusted", "unknown"]),
    why=st.just("some run"),
    source=st.just("somewhere"),
)
triggers = st.builds(
    Trigger,
    system=st.sampled_from(["github", "forgejo", "gitea", "gitlab", "jenkins", "unknown"]),
    event=st.sampled_from(["push", "pull-request", "schedule", "manual", "tag", "other"]),
    name=st.text(max_size=5),
    ref=st.text(max_size=5),
    default_branch=st.none() | st.booleans(),
    labels=st.lists(names, max_size=3).map(tuple),
    inputs=st.dictionaries(names, st.sampled_from(["true", "false", "1", "0", "on", ""])),
    trust=trusts,
    sources=st.just({}),
)


def rule(events: Sequence[str]) -> Rule:
    return make_rule(events, "run-heavy-deps", "run-heavy-deps", "here")


@given(triggers, openers)
def test_what_is_not_trusted_never_opens_a_trusted_rule(
    trigger: Trigger, events: list[str]
) -> None:
    decision = decide(trigger, rule([*events, "trusted"]))
    assert decision.open <= trigger.trusted


@given(triggers, openers, st.sampled_from(OPENERS))
def test_one_more_event_never_closes_the_gate(
    trigger: Trigger, events: list[str], more: str
) -> None:
    assert decide(trigger, rule(events)).open <= decide(trigger, rule([*events, more])).open


@given(triggers, openers)
def test_asking_for_trust_never_opens_the_gate(trigger: Trigger, events: list[str]) -> None:
    assert decide(trigger, rule([*events, "trusted"])).open <= decide(trigger, rule(events)).open


@given(triggers, openers)
def test_a_gate_is_open_if_one_of_its_events_alone_would_open_it(
    trigger: Trigger, events: list[str]
) -> None:
    alone = [decide(trigger, rule([event])).open for event in events]
    assert decide(trigger, rule(events)).open == any(alone)


@given(triggers, openers, st.booleans())
def test_the_order_of_the_words_does_not_matter_and_the_reason_is_one_line(
    trigger: Trigger, events: list[str], trusted: bool
) -> None:
    words = [*events, "trusted"] if trusted else events
    decision = decide(trigger, rule(words))
    assert decide(trigger, rule(words[::-1])) == decision
    assert decision.reason.strip()


@given(triggers)
def test_never_is_never_and_always_is_always(trigger: Trigger) -> None:
    assert not decide(trigger, rule(["never"])).open
    assert decide(trigger, rule(["always"])).open


@given(openers, st.booleans())
def test_a_run_on_ones_own_machine_is_never_gated(events: list[str], trusted: bool) -> None:
    assert decide(LOCAL, rule([*events, "trusted"] if trusted else events)).open
    assert decide(LOCAL, rule(["never"])).open
