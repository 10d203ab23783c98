"""Shards: how they are spelled, and that a re-run gets the same tests."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from noxden.devices import values
from noxden.devices.shards import Shard, assign_shards, parse_shard, share_out
from noxden.errors import InfrastructureError, UsageError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path


def make_tests(count: int, *, start: int = 0, group: str = "") -> list[values.Test]:
    names = [f"a.py::test_{index}" for index in range(start, start + count)]
    return [values.Test(id=name, file="a.py", group=group) for name in names]


def names_of(tests: Sequence[values.Test]) -> list[str]:
    return [test.id for test in tests]


@pytest.mark.parametrize(
    ("text", "env", "shard"),
    [
        ("1/8", {}, Shard(1, 8)),
        ("8/8", {"TEST_TOTAL_SHARDS": "2", "TEST_SHARD_INDEX": "0"}, Shard(8, 8)),
        (None, {}, None),
        (None, {"TEST_TOTAL_SHARDS": "4", "TEST_SHARD_INDEX": "0"}, Shard(1, 4)),
        (None, {"TEST_TOTAL_SHARDS": "4", "TEST_SHARD_INDEX": "3"}, Shard(4, 4)),
        (None, {"TEST_TOTAL_SHARDS": "", "TEST_SHARD_INDEX": ""}, None),
    ],
)
def test_a_shard_is_named_by_option_or_by_bazel(
    text: str | None, env: Mapping[str, str], shard: Shard | None
) -> None:
    assert parse_shard(text, env) == shard


@pytest.mark.parametrize("text", ["", "1", "0/8", "9/8", "-1/8", "1/0", "a/b", "1/8/2", " 1/8"])
def test_a_shard_that_is_none_is_refused(text: str) -> None:
    with pytest.raises(UsageError) as error:
        parse_shard(text, {})
    assert str(error.value) == (f"--shard is {text!r}; write I/M, with I from 1 to M: --shard 1/8")


@pytest.mark.parametrize(
    ("total", "index"), [("4", ""), ("", "0"), ("4", "4"), ("x", "0"), ("4", "-1"), ("0", "0")]
)
def test_of_bazels_variables_both_are_needed(total: str, index: str) -> None:
    env = {"TEST_TOTAL_SHARDS": total, "TEST_SHARD_INDEX": index}
    with pytest.raises(UsageError) as error:
        parse_shard(None, env)
    assert str(error.value) == (
        f"TEST_TOTAL_SHARDS is {total!r} and TEST_SHARD_INDEX is {index!r}; set both, the index "
        "from 0 to one less than the total, or neither"
    )


def test_batches_go_longest_first_to_the_least_loaded() -> None:
    lengths = (("a", 1.0, 1), ("b", 5.0, 1), ("c", 4.0, 1), ("d", 1.0, 3))
    batches = [
        values.Batch(number=number, tests=(name,), expected_s=seconds, cards=cards)
        for number, (name, seconds, cards) in enumerate(lengths)
    ]
    assert assign_shards(batches, 2) == (("b", "a"), ("c", "d"))


def test_a_shard_without_a_file_depends_on_the_tests_alone() -> None:
    tests = make_tests(100)
    parts = [share_out(tests, Shard(index, 4), 1, []) for index in (1, 2, 3, 4)]
    assert [len(part.tests) for part in parts] == [25] * 4
    assert sorted(names_of([test for part in parts for test in part.tests])) == sorted(
        names_of(tests)
    )
    assert share_out(tests, Shard(2, 4), 1, [9.0] * 100) == parts[1]


def test_a_re_run_repeats_its_tests_though_the_times_have_changed(tmp_path: Path) -> None:
    tests, path = make_tests(20), tmp_path / "shards" / "plan.json"
    first = share_out(tests, Shard(1, 2, path), 1, [19.0] + [1.0] * 19)
    other = share_out(tests, Shard(2, 2, path), 1, [1.0] * 20)
    assert (len(first.tests), len(other.tests)) == (1, 19)
    assert share_out(tests, Shard(1, 2, path), 1, [0.5] * 20) == first
    assert first.notes == ()


def test_new_tests_go_by_their_hash_and_those_that_went_are_dropped(tmp_path: Path) -> None:
    path = tmp_path / "plan.json"
    share_out(make_tests(20), Shard(1, 2, path), 1, [1.0] * 20)
    recorded = [set(shard) for shard in json.loads(path.read_text("utf-8"))["shards"]]
    now = make_tests(25, start=5)
    parts = [share_out(now, Shard(index, 2, path), 1, [1.0] * 25) for index in (1, 2)]
    kept = set(names_of(now))
    for part, before in zip(parts, recorded, strict=True):
        assert before & kept <= set(names_of(part.tests))
        assert part.notes == (
            f"since the shards were recorded in {path}, 10 tests came, which go by their hash, "
            "and 5 went",
        )
    assert sorted(names_of(parts[0].tests) + names_of(parts[1].tests)) == sorted(kept)


def test_a_new_test_of_a_recorded_group_goes_to_its_group(tmp_path: Path) -> None:
    path = tmp_path / "plan.json"
    old = [*make_tests(3, group="g"), *make_tests(3, start=10)]
    share_out(old, Shard(1, 2, path), 1, [1.0] * 6)
    now = [*make_tests(9, group="g"), *make_tests(4, start=20, group="new")]
    parts = [share_out(now, Shard(index, 2, path), 1, []).tests for index in (1, 2)]
    for group in ("g", "new"):
        assert [group in {test.group for test in part} for part in parts].count(True) == 1
    assert sum(map(len, parts)) == len(now)


def test_a_file_of_another_split_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "plan.json"
    share_out(make_tests(4), Shard(1, 2, path), 1, [1.0] * 4)
    with pytest.raises(UsageError) as error:
        share_out(make_tests(4), Shard(1, 3, path), 2, [1.0] * 4)
    assert str(error.value) == (
        f"{path} is of stage 1 in 2 shards, and this is stage 2 in 3; name another file"
    )


def test_a_damaged_file_is_refused_since_others_may_have_read_it_whole(tmp_path: Path) -> None:
    path = tmp_path / "plan.json"
    path.write_text('{"stage": 1, "sha', "utf-8")
    with pytest.raises(UsageError) as error:
        share_out(make_tests(4), Shard(1, 2, path), 1, [1.0] * 4)
    assert str(error.value) == (
        f"{path} is no plan of shards: Input data was truncated; remove it, and re-run all shards"
    )


def test_a_file_that_cannot_be_written_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("", "utf-8")
    path = tmp_path / "file" / "plan.json"
    with pytest.raises(InfrastructureError) as error:
        share_out(make_tests(4), Shard(1, 2, path), 1, [1.0] * 4)
    assert str(error.value) == f"cannot keep the plan of the shards in {path}: File exists"


def test_an_unfinished_file_is_removed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: object) -> None:
        raise KeyboardInterrupt

    path = tmp_path / "plan.json"
    monkeypatch.setattr("pathlib.Path.replace", fail)
    with pytest.raises(KeyboardInterrupt):
        share_out(make_tests(4), Shard(1, 2, path), 1, [1.0] * 4)
    assert [file.name for file in tmp_path.iterdir()] == ["plan.lock"]
