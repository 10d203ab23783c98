"""``noxden device``: the cards of this host, what a stage runs, and why a test is in scope."""

from __future__ import annotations

import socket
from typing import TYPE_CHECKING

import click
import msgspec

from noxden.commands._device import open_setting
from noxden.commands._options import as_json, examples
from noxden.errors import UsageError
from noxden.render import print_json, print_lines, print_table

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from noxden.cli import Caller
    from noxden.devices.cards import Found
    from noxden.devices.values import Test

a_session = click.option(
    "--session", default="device", show_default=True, metavar="NAME", help="The device session."
)
a_stage = click.option("--stage", type=int, metavar="N", help="The stage; the first by default.")


@click.group(
    epilog=examples(
        "noxden device cards",
        "noxden device plan --stage 1 --cards 128 --json",
        "noxden device scope --explain 'test/test_ops.py::TestCommon::test_out'",
    )
)
def command() -> None:
    """List cards; plan stages; tell why a test is in scope."""


@command.command(
    epilog=examples("noxden device cards", "noxden device cards --provider simulated --json")
)
@click.option("--provider", metavar="NAME", help="spyre, cuda, env, simulated or auto.")
@as_json
@click.pass_obj
def cards(caller: Caller, *, provider: str | None, json: bool) -> None:
    """List the cards of this host: index, address, device file, health and who holds them.

    What is looked at goes to stderr where there are none, and the exit code is 3. JSON is a list
    of {"index", "address", "kind", "node", "health", "host", "holder"}; holder is null or
    {"command", "pid", "since", "host"}.
    """
    from noxden.config import find_config
    from noxden.devices.cards import Look, find_cards
    from noxden.devices.lease import find_holder, find_lock_folder

    config = find_config(caller.cwd, caller.env).device
    look = Look(
        env=caller.env,
        host=socket.gethostname(),
        variable=config.variable,
        count=config.cards,
        simulate=config.simulate,
    )
    _, found = find_cards(provider or config.provider, look)
    folder = find_lock_folder(caller.env)
    holders = [find_holder(folder, card) for card in found.cards]
    if json:
        print_json(
            [
                {**msgspec.to_builtins(card), "holder": holder and holder._asdict()}
                for card, holder in zip(found.cards, holders, strict=True)
            ]
        )
        return
    from noxden.devices.lease import render_holder

    said = [render_holder(holder) if holder else "-" for holder in holders]
    print_table(("index>", "address", "kind", "node", "health", "holder"), _rows(found, said))


def _rows(found: Found, holders: Sequence[str]) -> Iterator[tuple[str, ...]]:
    for card, holder in zip(found.cards, holders, strict=True):
        yield (
            str(card.index),
            card.address,
            card.kind,
            card.node or "-",
            card.health,
            holder,
        )


@command.command(
    epilog=examples(
        "noxden device plan --stage 1 --cards 128",
        "noxden device plan --stage 4 --cards 8 --shard 3/256 --json",
    )
)
@a_session
@a_stage
@click.option("--cards", type=click.IntRange(1), metavar="K", help="The stage's own by default.")
@click.option("--shard", metavar="I/M", help="The part of one of several jobs.")
@as_json
@click.pass_obj
def plan(
    caller: Caller,
    *,
    session: str,
    stage: int | None,
    cards: int | None,
    shard: str | None,
    json: bool,
) -> None:
    """Show what a stage runs: batches, expected time, lower bound, share per file; no card.

    The environment of the session is made where it is not there, and the tests are collected.
    JSON is {"stage", "cards", "in_scope", "selected", "tests", "batches": [{"tests",
    "expected_s", "cards"}], "expected_s", "lower_bound_s", ...}.
    """
    with open_setting(caller, session) as setting:
        from noxden.devices.plan import plan_data, render_plan
        from noxden.devices.staging import Wanted, find_stage, plan_stage

        chosen = find_stage(setting.config, stage)
        kind = "" if setting.config.provider == "auto" else setting.config.provider
        wanted = Wanted(cards or setting.config.cards or chosen.cards, kind, shard)
        staged = plan_stage(setting, chosen, wanted)
    for warning in staged.warnings:
        click.echo(f"noxden: {warning}", err=True)
    if json:
        print_json(plan_data(staged.plan))
    else:
        print_lines(render_plan(staged.plan))


@command.command(
    epilog=examples(
        "noxden device scope",
        "noxden device scope --explain 'tests/test_add.py::test_add'",
        "noxden device scope --json | jq '.[] | select(.in_scope | not)'",
    )
)
@a_session
@a_stage
@click.option("--explain", metavar="TEST", help="Tell which rule decides about this id.")
@as_json
@click.pass_obj
def scope(
    caller: Caller, *, session: str, stage: int | None, explain: str | None, json: bool
) -> None:
    """Tell which tests count at all, and the rule that decides.

    Without --explain, every test that is out of scope is listed with its rule. JSON is a list of
    {"id", "in_scope", "rule"}, of all tests or of the one.
    """
    with open_setting(caller, session) as setting:
        from noxden.devices.staging import collect_stage, find_stage, load_scope

        rules = load_scope(setting)
        chosen = find_stage(setting.config, stage)
        tests = collect_stage(setting, chosen).collection.tests
    if explain is not None:
        tests = (_find_test(tests, explain),)
    decided = [(test.id, rules.decide(test)) for test in tests]
    if json:
        print_json([{"id": name, **decision._asdict()} for name, decision in decided])
        return
    if explain is not None:
        name, decision = decided[0]
        where = "in scope" if decision.in_scope else "out of scope"
        print_lines([f"{name} is {where}: {decision.rule}"])
        return
    out = [(name, decision.rule) for name, decision in decided if not decision.in_scope]
    print_lines([f"{len(decided) - len(out)} of {len(decided)} tests are in scope"])
    if out:
        print_table(("out of scope", "rule"), out)


def _find_test(tests: Sequence[Test], wanted: str) -> Test:
    """The test with the id ``wanted``.

    Raises:
        UsageError: pytest collects none, with the nearest id.
    """
    import difflib

    found = next((test for test in tests if test.id == wanted), None)
    if found is not None:
        return found
    same = [test.id for test in tests if wanted in test.id][:1]
    near = same or difflib.get_close_matches(wanted, [test.id for test in tests], n=1)
    advice = f"did you mean {near[0]}?" if near else "noxden device scope --json lists all"
    message = f"pytest collects no test {wanted!r}; {advice}"
    raise UsageError(message)
