"""A rollout that is only planned: a million made-up tests, 2,048 cards; prints JSON.

Run as a program of its own, with nothing but noxden, so that its memory is that of the plan.
"""

from __future__ import annotations

import hashlib
import heapq
import json
import math
import random
import resource
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING

from noxden.config import ScopeConfig
from noxden.devices.balance import compute_lower_bound, plan_batches
from noxden.devices.sample import select_sample
from noxden.devices.scope import make_scope
from noxden.devices.simulate import simulate
from noxden.devices.values import Test

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from noxden.devices.sample import Sample

FILES = 5_000
CARDS = 2_048
SHARE = 0.8
FAILING = 0.02
WRONG = 3.0
"""Recorded times are off by a factor between 1/3 and 3, log-uniform, each test by its own."""
MEAN_S = 0.5
OVERHEAD_S = 5.0
"""Of a batch beyond its tests, where it is counted at all: an import of torch."""
KINDS = ("cpu", "add", "mul", "cuda", "out", "view", "sum", "backward", "cat", "dtype")
"""Parts of the names; two of ten are out of scope."""


def make_tests(count: int) -> list[Test]:
    """Tests with ids as PyTorch's, of about 200 in each file."""
    each = max(1, count // FILES)
    tests = []
    for index in range(count):
        file = f"test/part{index // each % 40}/test_file{index // each}.py"
        kind = KINDS[index % len(KINDS)]
        name = f"TestCase{index // 25 % 8}PRIVATEUSE1::test_{kind}_{index % each}[float32]"
        tests.append(Test(id=f"{file}::{name}", file=file, markers=("device",)))
    return tests


def make_seconds(tests: Sequence[Test], chance: random.Random) -> list[float]:
    """Lognormal seconds: files differ, and the tests within each of them."""
    scale = {test.file: chance.gauss(0, 0.8) for test in tests}
    middle = math.log(MEAN_S) - (0.8**2 + 1) / 2
    return [math.exp(middle + scale[test.file] + chance.gauss(0, 1)) for test in tests]


def plan(tests: Sequence[Test], seconds: Mapping[str, float]) -> tuple[Sample, float]:
    """Scope, sample and batches: what has to be quick; the sample, and its seconds."""
    begin = time.perf_counter()
    scope = make_scope(ScopeConfig(), Path())
    sample = select_sample([test for test in tests if scope.decide(test).in_scope], SHARE)
    batches = plan_batches(sample.tests, [seconds[test.id] for test in sample.tests], CARDS)
    took = time.perf_counter() - begin
    assert sum(len(batch.tests) for batch in batches) == len(sample.tests)
    return sample, took


def deal_round_robin(tests: Sequence[Test], _: Sequence[float]) -> list[int]:
    """The tests by id, one after the other."""
    order = sorted(range(len(tests)), key=lambda index: tests[index].id)
    cards = [0] * len(tests)
    for place, index in enumerate(order):
        cards[index] = place % CARDS
    return cards


def deal_least_duration(tests: Sequence[Test], seconds: Sequence[float]) -> list[int]:
    """As pytest-split does it: the longest first, each to the group with the least so far."""
    loads = [(0.0, card) for card in range(CARDS)]
    cards = [0] * len(tests)
    for index in sorted(range(len(tests)), key=lambda index: -seconds[index]):
        load, card = loads[0]
        heapq.heapreplace(loads, (load + seconds[index], card))
        cards[index] = card
    return cards


def deal_by_hash(tests: Sequence[Test], _: Sequence[float]) -> list[int]:
    """By sha256 of the id."""
    return [
        int.from_bytes(hashlib.sha256(test.id.encode()).digest(), "big") % CARDS for test in tests
    ]


PEERS: dict[str, Callable[[Sequence[Test], Sequence[float]], list[int]]] = {
    "round robin": deal_round_robin,
    "pytest-split least_duration": deal_least_duration,
    "sha256 % n": deal_by_hash,
}


class Contest:
    """The selected tests, what they take in truth, and makespans over the bound."""

    def __init__(self, tests: Sequence[Test], seconds: Sequence[float]) -> None:
        self.tests = tests
        self.seconds = seconds
        self.truth = dict(zip((test.id for test in tests), seconds, strict=True))
        self.bound = compute_lower_bound(tests, seconds, CARDS)

    def deal(self, peer: str, recorded: Sequence[float]) -> float:
        """A static plan of a peer."""
        loads = [0.0] * CARDS
        dealt = PEERS[peer](self.tests, recorded)
        for card, seconds in zip(dealt, self.seconds, strict=True):
            loads[card] += seconds
        return max(loads) / self.bound

    def pull(self, recorded: Sequence[float]) -> tuple[float, int]:
        """Batches of noxden's, pulled, and how many they are."""
        batches = plan_batches(self.tests, recorded, CARDS)
        return simulate(batches, CARDS, seconds=self.truth).makespan_s / self.bound, len(batches)

    def pull_with_starts(self, recorded: Sequence[float]) -> tuple[float, int]:
        """The same where each batch has a price; the bound then has one start for each card."""
        batches = plan_batches(self.tests, recorded, CARDS, OVERHEAD_S)
        done = simulate(batches, CARDS, seconds=self.truth, overhead_s=OVERHEAD_S)
        return done.makespan_s / (self.bound + OVERHEAD_S), len(batches)

    def fail(self, recorded: Sequence[float], chance: random.Random) -> tuple[float, int]:
        """The same with failing cards over the bound of the others, and batches never finished."""
        failing = chance.sample(range(CARDS), round(CARDS * FAILING))
        failures = {card: chance.uniform(0, self.bound) for card in failing}
        batches = plan_batches(self.tests, recorded, CARDS)
        done = simulate(batches, CARDS, seconds=self.truth, failures=failures)
        bound = compute_lower_bound(self.tests, self.seconds, CARDS - len(failing))
        return done.makespan_s / bound, len(batches) - done.finished


def main(count: int) -> None:
    """Plan, then simulate."""
    chance = random.Random(20260701)  # noqa: S311 - made-up tests
    tests = make_tests(count)
    truth = dict(zip((test.id for test in tests), make_seconds(tests, chance), strict=True))
    sample, took = plan(tests, truth)
    memory_mb = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e3
    known = [truth[test.id] for test in sample.tests]
    contest = Contest(sample.tests, known)
    wrong = [one * WRONG ** chance.uniform(-1, 1) for one in known]
    ratios = {name: [contest.deal(name, known), contest.deal(name, wrong)] for name in PEERS}
    pulled, batches = contest.pull(known)
    ratios["noxden"] = [pulled, contest.pull(wrong)[0]]
    with_starts, fewer = contest.pull_with_starts(known)
    failing, unfinished = contest.fail(known, chance)
    sys.stdout.write(json.dumps({
        "plan_s": took, "memory_mb": memory_mb, "selected": len(known), "bound_s": contest.bound,
        "longest_s": max(known), "ratios": ratios, "batches": batches, "with_starts": with_starts,
        "with_starts_wrong": contest.pull_with_starts(wrong)[0], "batches_with_starts": fewer,
        "failing": failing, "unfinished": unfinished,
    }))  # fmt: skip


if __name__ == "__main__":
    main(int(sys.argv[1]))
