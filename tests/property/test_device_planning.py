"""Laws of scope, sample, batches and shards."""

from __future__ import annotations

import math
from collections import Counter
from fractions import Fraction
from itertools import pairwise
from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st

from noxden.config import ScopeConfig
from noxden.devices import values
from noxden.devices.balance import compute_lower_bound, plan_batches
from noxden.devices.sample import select_sample
from noxden.devices.scope import make_scope
from noxden.devices.shards import Shard, share_out
from noxden.devices.simulate import simulate

SHARES = (0.05, 0.25, 0.5, 0.8, 1.0)
seconds = st.floats(0.001, 1000)
overheads = st.floats(0, 10)
shares = st.integers(1, 1000).map(lambda thousandths: thousandths / 1000)


@st.composite
def many_tests(draw: st.DrawFn, *, widest: int = 1) -> list[values.Test]:
    """Tests of a few files, some in groups."""
    parts = draw(
        st.lists(
            st.tuples(
                st.sampled_from("abc"),
                st.sampled_from(["", "", "", "g", "h"]),
                st.integers(1, widest),
            ),
            max_size=60,
        )
    )
    return [
        values.Test(id=f"{file}.py::test_{index}", file=f"{file}.py", group=group, cards=cards)
        for index, (file, group, cards) in enumerate(parts)
    ]


def ids(tests: tuple[values.Test, ...] | list[values.Test]) -> set[str]:
    return {test.id for test in tests}


@given(many_tests())
def test_each_stage_is_inside_the_next(tests: list[values.Test]) -> None:
    samples = [ids(select_sample(tests, share).tests) for share in SHARES]
    for smaller, larger in pairwise(samples):
        assert smaller <= larger
    assert samples[-1] == ids(tests)


@given(many_tests(), shares)
def test_each_file_gives_exactly_its_share_rounded_up(
    tests: list[values.Test], share: float
) -> None:
    sample = select_sample(tests, share)
    found = Counter(test.file for test in sample.tests)
    for file, size in Counter(test.file for test in tests).items():
        assert found[file] == math.ceil(Fraction(repr(share)) * size)
    assert {one.file: one.selected for one in sample.files} == dict(found)


@given(many_tests(), shares)
def test_a_test_that_goes_changes_one_place_in_its_file_at_most(
    tests: list[values.Test], share: float
) -> None:
    for index in range(0, len(tests), 7):
        fewer = tests[:index] + tests[index + 1 :]
        before, after = (ids(select_sample(some, share).tests) for some in (tests, fewer))
        assert len(before - after) <= 1
        assert len(after - before) <= 1


@given(many_tests(widest=3), st.integers(1, 5), overheads, st.data())
def test_every_test_is_in_one_batch_and_no_group_is_split(
    tests: list[values.Test], cards: int, overhead: float, data: st.DataObject
) -> None:
    times = data.draw(st.lists(seconds, min_size=len(tests), max_size=len(tests)))
    batches = plan_batches(tests, times, cards, overhead)
    assert Counter(name for batch in batches for name in batch.tests) == Counter(ids(tests))
    order = {test.id: place for place, test in enumerate(tests)}
    holders: dict[str, set[int]] = {}
    for batch in batches:
        assert batch.tests
        assert list(batch.tests) == sorted(batch.tests, key=order.__getitem__)
        for name in batch.tests:
            test = tests[order[name]]
            assert test.cards == batch.cards if not test.group else test.cards <= batch.cards
            if test.group:
                holders.setdefault(test.group, set()).add(batch.number)
    assert all(len(holder) == 1 for holder in holders.values())
    lengths = [batch.expected_s for batch in batches]
    assert lengths == sorted(lengths, reverse=True)


@given(many_tests(), st.integers(1, 5), st.data())
def test_a_pulled_run_ends_within_the_bound_of_list_scheduling(
    tests: list[values.Test], cards: int, data: st.DataObject
) -> None:
    times = data.draw(st.lists(seconds, min_size=len(tests), max_size=len(tests)))
    batches = plan_batches(tests, times, cards)
    done = simulate(batches, cards)
    bound = compute_lower_bound(tests, times, cards)
    longest = max((batch.expected_s for batch in batches), default=0.0)
    # Graham 1969: the last batch begins when no card has been idle.
    assert done.makespan_s <= sum(times) / cards + longest * (1 - 1 / cards) + 1e-6
    assert done.makespan_s <= 2 * bound + 1e-6
    assert done.makespan_s >= bound - 1e-6
    assert done.finished == len(batches)


@given(many_tests(widest=2), st.integers(2, 5), st.data())
def test_cards_that_fail_leave_everything_to_one_that_does_not(
    tests: list[values.Test], cards: int, data: st.DataObject
) -> None:
    batches = plan_batches(tests, [1.0] * len(tests), cards)
    moments = data.draw(st.dictionaries(st.integers(1, cards - 1), st.floats(0, 40)))
    done = simulate(batches, cards, failures=moments)
    assert done.finished == len(batches)
    assert done.repeated <= len(moments)


@given(many_tests(), st.integers(1, 5))
def test_shards_are_a_partition_that_splits_no_group(tests: list[values.Test], count: int) -> None:
    parts = [share_out(tests, Shard(index + 1, count), 1, []).tests for index in range(count)]
    assert Counter(test.id for part in parts for test in part) == Counter(ids(tests))
    for group in {test.group for test in tests} - {""}:
        assert [group in {test.group for test in part} for part in parts].count(True) == 1


names = st.from_regex(r"test_[a-z_]{0,12}(\[[a-z0-9:-]{0,6}\])?", fullmatch=True)
configs = st.builds(
    ScopeConfig,
    defaults=st.booleans(),
    allow_names=st.sampled_from([(), ("*::test_a*",)]),
    deny_names=st.sampled_from([(), ("*::test_?b*", "*_")]),
    deny_markers=st.sampled_from([(), ("slow",)]),
    disabled_tests=st.just(""),
)


@given(configs, names, st.sampled_from([(), ("slow",), ("cuda",)]))
def test_a_decision_does_not_depend_on_what_was_asked_before(
    config: ScopeConfig, name: str, markers: tuple[str, ...]
) -> None:
    test = values.Test(id=f"a.py::TestA::{name}", file="a.py", markers=markers)
    other = values.Test(id=f"a.py::TestA::other_{name}", file="a.py", markers=("mps",))
    scope = make_scope(config, Path())
    scope.decide(other)
    assert scope.decide(test) == make_scope(config, Path()).decide(test) == scope.decide(test)


@given(configs, names)
def test_one_more_denial_never_brings_a_test_into_scope(config: ScopeConfig, name: str) -> None:
    test = values.Test(id=f"a.py::{name}", file="a.py")
    more = config._replace(deny_names=(*config.deny_names, "*::test_c*"))
    before, after = (make_scope(one, Path()).decide(test) for one in (config, more))
    assert after.in_scope <= before.in_scope
