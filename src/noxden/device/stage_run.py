"""Run a stage that is planned, and put together what came of it."""

from __future__ import annotations

import socket
import time
from typing import TYPE_CHECKING, NamedTuple

from msgspec.structs import replace

from noxden.device.dealer import Dealer, Policy
from noxden.device.jobs import JobMaker, make_limits
from noxden.device.outcome import CardUse, Outcome, make_record
from noxden.device.run import run_batches
from noxden.device.staging import make_arguments
from noxden.device.times import expect, load_times, record_times

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator
    from pathlib import Path

    from noxden.device.hosts import Opened
    from noxden.device.live import State
    from noxden.device.run import Ran
    from noxden.device.staging import Setting, Staged
    from noxden.device.times import Times

__all__ = ["StageRun", "run_stage"]


class StageRun(NamedTuple):
    """All that decides a run."""

    setting: Setting
    staged: Staged
    opened: Opened
    session: str
    folder: Path
    """For the folders of attempts."""


def run_stage(run: StageRun, show: Callable[[State], None]) -> Outcome:
    """Run every batch of the plan and return what came of it; closes the engine."""
    started, clock = time.time(), time.perf_counter()
    setting, staged, opened = run.setting, run.staged, run.opened
    kind = opened.cards[0].kind
    policy = Policy(setting.config.retries, setting.config.card_faults)
    times = load_times(setting.times, setting.key, kind)
    dealer = Dealer(staged.plan.batches, policy, _make_expect(times, staged))
    maker = JobMaker(
        python=setting.python,
        arguments=make_arguments(setting, staged.stage, staged.collected),
        env=setting.env,
        cwd=setting.project,
        folder=run.folder,
        limits=make_limits(setting.config),
        paths=staged.collected.collection.paths,
    )
    ran = run_batches(
        dealer,
        opened.engine,
        lambda deal, cards: maker.make(deal, cards, opened.find_provider()),
        show,
        grace_s=opened.grace_s,
    )
    record_times(setting.times, setting.key, kind, _collect_seconds(dealer), ran.overheads)
    outcome = _summarize(run, dealer, ran, kind)
    return replace(outcome, started=started, seconds=time.perf_counter() - clock)


def _make_expect(times: Times, staged: Staged) -> Callable[[Iterable[str]], float]:
    """How long tests take that are put into a batch during the run."""
    known = {test.id: test for test in staged.collected.collection.tests}
    return lambda tests: sum(expect(times, [known[test] for test in tests if test in known]))


def _collect_seconds(dealer: Dealer) -> dict[str, float]:
    """Seconds of tests that came to their end; of several tries the last."""
    return {
        test: tries[-1].seconds
        for test, tries in dealer.tries.items()
        if tries[-1].status == "done" and tries[-1].outcome in {"passed", "xfailed", "xpassed"}
    }


def _summarize(run: StageRun, dealer: Dealer, ran: Ran, kind: str) -> Outcome:
    staged, plan = run.staged, run.staged.plan
    return Outcome(
        stage=plan.stage,
        session=run.session,
        key=run.setting.key,
        kind=kind,
        provider=run.opened.find_provider(),
        host=socket.gethostname(),
        cards=tuple(_list_uses(dealer, ran)),
        collected=plan.collected,
        in_scope=plan.in_scope,
        selected=plan.selected,
        expected_s=plan.expected_s,
        lower_bound_s=plan.lower_bound_s,
        shard=plan.shard,
        records=tuple(
            make_record(test, test.partition("::")[0], dealer.tries.get(test, ()))
            for test in plan.tests
        ),
        broken=staged.broken,
        warnings=staged.warnings,
        blocking=staged.stage.blocking,
        interrupted=ran.interrupted,
    )


def _list_uses(dealer: Dealer, ran: Ran) -> Iterator[CardUse]:
    for name, use in sorted(ran.uses.items()):
        yield CardUse(
            name=name,
            kind=use.card.kind,
            busy_s=use.busy_s,
            batches=use.batches,
            faults=dealer.faults.get(name, 0),
            drained=dealer.drained.get(name, ""),
        )
