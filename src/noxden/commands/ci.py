"""``noxden ci``: what started this run, and what may run for it."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import click

from noxden.commands._options import as_json, choose, examples
from noxden.commands.ci_audit import audit
from noxden.commands.ci_write import check, write
from noxden.render import print_json, print_lines, print_table

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from noxden.ci.trigger import Trigger
    from noxden.cli import Caller
    from noxden.sessions.registered import RegisteredSession


class _Verdict(NamedTuple):
    """What the gate says of one session."""

    session: str
    gated: bool
    open: bool
    reason: str


@click.group(
    epilog=examples("noxden ci explain heavy", "noxden ci write", "noxden ci check"),
)
def command() -> None:
    """Make CI files and look after them; tell what started a run, and what may run for it."""


command.add_command(audit)
command.add_command(write)
command.add_command(check)


@command.command(
    epilog=examples(
        "noxden ci explain", "noxden ci explain heavy", "noxden ci explain --json | jq .trigger"
    )
)
@click.argument("session", required=False)
@as_json
@click.pass_obj
def explain(caller: Caller, *, session: str | None, json: bool) -> None:
    """Show what started this run, and whether the gate of SESSION is open for it.

    Every fact is shown with the variable or the key of the payload it comes from. Without
    SESSION all sessions that have a gate are shown. Nothing is run and nothing is fetched. JSON
    is {"trigger": {fact: {"value", "source"}}, "sessions": [{"session", "gated", "open",
    "reason"}]}.
    """
    from noxden.ci.trigger import read_trigger

    chosen = choose(caller, [session] if session else [])
    trigger = read_trigger(caller.env, [one.rule.input for one in chosen if one.rule])
    verdicts = [_judge(one, trigger) for one in chosen if session or one.rule]
    facts = list(_collect_facts(trigger))
    if json:
        shown = {name: {"value": value, "source": source} for name, value, source in facts}
        print_json({"trigger": shown, "sessions": [verdict._asdict() for verdict in verdicts]})
        return
    rows = [(name, _render_value(value), source) for name, value, source in facts]
    print_table(("fact", "value", "from"), rows)
    print_lines(["", *_render(verdicts)])


def _judge(session: RegisteredSession, trigger: Trigger) -> _Verdict:
    from noxden.ci.gate import decide

    if session.rule is None:
        return _Verdict(session.name, gated=False, open=True, reason="it has no gate")
    decision = decide(trigger, session.rule)
    return _Verdict(session.name, gated=True, open=decision.open, reason=decision.reason)


def _collect_facts(trigger: Trigger) -> Iterator[tuple[str, object, str]]:
    """Name, value and source of each fact."""
    values = {
        "system": trigger.system,
        "event": trigger.event,
        "name": trigger.name,
        "ref": trigger.ref,
        "default_branch": trigger.default_branch,
        "labels": list(trigger.labels),
        "inputs": dict(trigger.inputs),
    }
    sources = {"name": trigger.sources.get("event"), **trigger.sources}
    for name, value in values.items():
        yield name, value, sources.get(name) or trigger.sources["system"]
    yield "trust", trigger.trust.level, trigger.trust.source
    yield "run", trigger.trust.why, trigger.trust.source


def _render_value(value: object) -> str:
    match value:
        case bool():
            return "yes" if value else "no"
        case list():
            return ", ".join(value) or "none"
        case dict():
            return ", ".join(f"{name}={given}" for name, given in value.items()) or "none"
        case None | "":
            return "not known"
        case _:
            return str(value)


def _render(verdicts: Sequence[_Verdict]) -> Iterator[str]:
    if not verdicts:
        yield "no session has a gate"
    for verdict in verdicts:
        done = "runs" if verdict.open else "is skipped"
        yield f"{verdict.session} {done}: {verdict.reason}"
