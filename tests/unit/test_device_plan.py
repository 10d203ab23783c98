"""The plan of a stage, as values, as JSON and as lines."""

from __future__ import annotations

from pathlib import Path

from noxden.config import ScopeConfig, StageConfig
from noxden.devices import values
from noxden.devices.plan import Plan, make_plan, plan_data, render_plan
from noxden.devices.sample import FileShare
from noxden.devices.scope import make_scope
from noxden.devices.shards import Shard
from noxden.devices.times import Times

SCOPE = make_scope(ScopeConfig(), Path())
STAGE = StageConfig(2, 4, 0.5)
TRAINING = "the defaults of noxden leave out training tests: its name has the word 'train'"


def make_collection(*sizes: int, cards: int = 1) -> values.Collection:
    tests = [
        values.Test(id=f"{name}.py::test_{index}", file=f"{name}.py", cards=cards)
        for name, size in zip("abcdefgh", sizes, strict=False)
        for index in range(size)
    ]
    tests.append(values.Test(id="z.py::test_train", file="z.py"))
    return values.Collection(tests=tuple(tests), paths={})


def test_a_plan_has_what_is_in_scope_sampled_and_batched() -> None:
    plan = make_plan(make_collection(4, 3), SCOPE, STAGE, Times(overhead_s=0.0), 2)
    assert plan == Plan(
        stage=2,
        cards=2,
        in_scope=7,
        selected=4,
        tests=plan.tests,
        batches=plan.batches,
        expected_s=0.2,
        lower_bound_s=0.2,
        collected=8,
        sampled=4,
        share=4 / 7,
        files=(
            FileShare(file="a.py", in_scope=4, selected=2),
            FileShare(file="b.py", in_scope=3, selected=2),
        ),
        excluded={TRAINING: 1},
    )
    assert sorted(name for batch in plan.batches for name in batch.tests) == sorted(plan.tests)


def test_the_data_begin_as_the_design_says() -> None:
    plan = make_plan(make_collection(2), SCOPE, STAGE, Times(overhead_s=0.5), 1)
    data = plan_data(plan)
    assert list(data)[:8] == [
        "stage", "cards", "in_scope", "selected", "tests", "batches", "expected_s",
        "lower_bound_s",
    ]  # fmt: skip
    assert data["batches"] == ({"tests": plan.tests, "expected_s": 0.1, "cards": 1},)
    assert data["expected_s"] == 0.6
    assert data["lower_bound_s"] == 0.1
    assert data["files"] == ({"file": "a.py", "in_scope": 2, "selected": 1},)


def test_a_shard_plans_its_part_of_the_sample() -> None:
    collection = make_collection(40)
    plans = [
        make_plan(collection, SCOPE, STAGE, Times(), 2, shard=Shard(index, 2)) for index in (1, 2)
    ]
    assert [(plan.shard, plan.sampled, plan.selected) for plan in plans] == [
        ("1/2", 20, 10),
        ("2/2", 20, 10),
    ]
    assert not set(plans[0].tests) & set(plans[1].tests)


def test_a_recorded_shard_that_the_tests_left_behind_is_noted(tmp_path: Path) -> None:
    shard = Shard(1, 1, tmp_path / "plan.json")
    make_plan(make_collection(4), SCOPE, STAGE, Times(), 2, shard=shard)
    plan = make_plan(make_collection(4, 2), SCOPE, STAGE, Times(), 2, shard=shard)
    note = (
        f"since the shards were recorded in {shard.path}, 1 tests came, which go by their hash, "
        "and 0 went"
    )
    assert plan.notes == (note,)
    assert note in list(render_plan(plan))


def test_a_plan_of_nothing_is_a_plan() -> None:
    plan = make_plan(make_collection(), SCOPE, STAGE, Times(), 0)
    assert list(render_plan(plan)) == [
        "stage 2 on 0 cards: 1 tests collected, 0 in scope, 0 sampled (0.00%)",
        "0 batches, expected 0.0 s, lower bound 0.0 s",
        "out of scope:",
        f"  1: {TRAINING}",
    ]


def test_the_lines_of_a_dry_run_name_batches_times_bound_and_shares() -> None:
    times = Times(
        seconds={f"{name}.py::test_{index}": 60.0 for name in "ab" for index in range(4)},
        overhead_s=1.0,
    )
    plan = make_plan(make_collection(4, 2, cards=2), SCOPE, STAGE, times, 2, shard=Shard(1, 1))
    assert list(render_plan(plan)) == [
        "stage 2 on 2 cards: 7 tests collected, 6 in scope, 3 sampled (50.00%), shard 1/1: 3",
        "2 batches, expected 3 min 2 s, lower bound 3 min 0 s",
        "out of scope:",
        f"  1: {TRAINING}",
        "batches:",
        "  0: 2 tests, 2 min 0 s, 2 cards",
        "  1: 1 tests, 1 min 0 s, 2 cards",
        "share per file:",
        "  a.py: 2 of 4 (50%)",
        "  b.py: 1 of 2 (50%)",
    ]
    assert list(render_plan(plan, most=1))[4:] == [
        "batches:",
        "  0: 2 tests, 2 min 0 s, 2 cards",
        "  and 1 more, all of them with: noxden device plan --json",
        "share per file:",
        "  a.py: 2 of 4 (50%)",
        "  and 1 more, all of them with: noxden device plan --json",
    ]
