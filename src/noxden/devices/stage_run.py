"""Run a stage that is planned, and put together what came of it."""

from __future__ import annotations

import contextlib
import socket
import time
from typing import TYPE_CHECKING, NamedTuple

import msgspec
from msgspec.structs import replace

from noxden.devices.dealer import Dealer, Policy
from noxden.devices.jobs import JobMaker, make_limits
from noxden.devices.outcome import CardUse, Outcome, make_record
from noxden.devices.run import run_batches
from noxden.devices.staging import make_arguments
from noxden.devices.times import expect, load_times, record_times

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator
    from pathlib import Path

    from noxden.devices.hosts import Opened
    from noxden.devices.live import State
    from noxden.devices.run import Ran
    from noxden.devices.staging import Setting, Staged
    from noxden.devices.times import Times
    from noxden.devices.values import Attempt

__all__ = ["StageRun", "run_stage"]


class StageRun(NamedTuple):
    """All that decides a run."""

    setting: Setting
    staged: Staged
    opened: Opened
    session: str
    folder: Path
    """For the folders of attempts."""


def run_stage(run: StageRun, show: Callable[[State], None]) -> tuple[Outcome, Exception | None]:
    """Run every batch of the plan; return what came of it, and what ended it before its time.

    Closes the engine. Every attempt that ended is a line of ``attempts.jsonl`` at once, so that a
    run that is killed leaves what it learned.
    """
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
    run.folder.mkdir(parents=True, exist_ok=True)
    ran = run_batches(
        dealer,
        opened.engine,
        lambda deal, cards: maker.make(deal, cards, opened.find_provider()),
        show,
        grace_s=opened.grace_s,
        note=_Journal(run.folder.parent / "attempts.jsonl").note,
    )
    record_times(setting.times, setting.key, kind, _collect_seconds(dealer), ran.overheads)
    outcome = _summarize(run, dealer, ran, kind)
    outcome = replace(outcome, started=started, seconds=time.perf_counter() - clock)
    return outcome, ran.failure


class _Journal:
    """Attempts as they end, a line of JSON each."""

    def __init__(self, file: Path) -> None:
        self._file = file
        file.unlink(missing_ok=True)

    def note(self, attempt: Attempt) -> None:
        """Add an attempt; a disk that is full loses the line and nothing else."""
        with contextlib.suppress(OSError, UnicodeEncodeError), self._file.open("ab") as stream:
            stream.write(msgspec.json.encode(attempt) + b"\n")


def _make_expect(times: Times, staged: Staged) -> Callable[[Iterable[str]], float]:
    """How long tests take that are put into a batch during the run."""
    known = {test.id: test for test in staged.collected.collection.tests}
    return lambda tests: sum(expect(times, [known[test] for test in tests if test in known]))


def _collect_seconds(dealer: Dealer) -> dict[str, float]:
    """Seconds of tests that came to their end; of several tries the last."""
    return {
        test: tries[-1].seconds
        for test, tries in dealer.tries.items()
        if tries[-1].status == "done" and tries[-1].outcome
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
        warnings=(*staged.warnings, *ran.warnings),
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
