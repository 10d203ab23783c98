"""Recorded times: what is kept, what is taken where nothing is known."""

from __future__ import annotations

import json
import multiprocessing
import os
from typing import TYPE_CHECKING

from noxden.devices import values
from noxden.devices.times import Times, expect, load_times, record_times

if TYPE_CHECKING:
    from pathlib import Path


def make_test(name: str) -> values.Test:
    return values.Test(id=name, file=name.partition("::")[0])


def test_the_first_times_are_kept_as_they_are_and_later_ones_move_them(tmp_path: Path) -> None:
    assert record_times(tmp_path, "key", "spyre", {"a.py::x": 1.0, "a.py::y": 2.0}, [3.0, 9.0, 5.0])
    assert load_times(tmp_path, "key", "spyre") == Times(
        seconds={"a.py::x": 1.0, "a.py::y": 2.0}, overhead_s=5.0
    )
    assert record_times(tmp_path, "key", "spyre", {"a.py::x": 2.0, "b.py::z": 4.0}, [15.0])
    assert load_times(tmp_path, "key", "spyre") == Times(
        seconds={"a.py::x": 1.3, "a.py::y": 2.0, "b.py::z": 4.0}, overhead_s=8.0
    )


def test_a_run_without_a_whole_batch_leaves_the_overhead(tmp_path: Path) -> None:
    record_times(tmp_path, "key", "spyre", {"a.py::x": 1.0}, [])
    assert load_times(tmp_path, "key", "spyre").overhead_s is None
    record_times(tmp_path, "key", "spyre", {}, [2.0])
    record_times(tmp_path, "key", "spyre", {}, [])
    assert load_times(tmp_path, "key", "spyre") == Times(seconds={"a.py::x": 1.0}, overhead_s=2.0)


def test_nothing_is_known_of_another_kind_of_card(tmp_path: Path) -> None:
    record_times(tmp_path, "key", "spyre", {"a.py::x": 1.0}, [])
    assert load_times(tmp_path, "key", "cuda") == Times()


def test_a_new_environment_begins_with_the_newest_times_of_its_kind(tmp_path: Path) -> None:
    for key in ("new", "old"):
        (tmp_path / "spyre").mkdir(exist_ok=True)
        known = json.dumps({"seconds": {f"a.py::{key}": 1.0}})
        (tmp_path / "spyre" / f"{key}.json").write_text(known, "utf-8")
    os.utime(tmp_path / "spyre" / "new.json", (2000, 2000))
    os.utime(tmp_path / "spyre" / "old.json", (1000, 1000))
    assert load_times(tmp_path, "key", "spyre") == Times(seconds={"a.py::new": 1.0})
    record_times(tmp_path, "key", "spyre", {"a.py::x": 2.0}, [])
    assert load_times(tmp_path, "key", "spyre").seconds == {"a.py::new": 1.0, "a.py::x": 2.0}
    assert load_times(tmp_path, "old", "spyre").seconds == {"a.py::old": 1.0}


def test_other_times_that_cannot_be_listed_count_as_none(tmp_path: Path) -> None:
    (tmp_path / "spyre").mkdir()
    (tmp_path / "spyre" / "other.json").symlink_to(tmp_path / "gone")
    assert load_times(tmp_path, "key", "spyre") == Times()


def test_a_damaged_file_counts_as_none_and_is_replaced(tmp_path: Path) -> None:
    record_times(tmp_path, "key", "spyre", {"a.py::x": 1.0}, [])
    (tmp_path / "spyre" / "key.json").write_text('{"seconds": {"a.py::x": "lo', "utf-8")
    assert load_times(tmp_path, "key", "spyre") == Times()
    assert record_times(tmp_path, "key", "spyre", {"a.py::x": 3.0}, [])
    assert load_times(tmp_path, "key", "spyre").seconds == {"a.py::x": 3.0}


def test_what_a_killed_writer_left_is_removed(tmp_path: Path) -> None:
    record_times(tmp_path, "key", "spyre", {"a.py::x": 1.0}, [])
    left = tmp_path / "spyre" / ".building-somewhere-1-1-00"
    left.write_text("{", "utf-8")
    os.utime(left, (1000, 1000))
    record_times(tmp_path, "key", "spyre", {"a.py::x": 1.0}, [])
    assert sorted(file.name for file in (tmp_path / "spyre").iterdir()) == ["key.json", "key.lock"]


def test_where_nothing_can_be_written_times_are_not_kept_and_nothing_fails(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("", "utf-8")
    assert not record_times(tmp_path / "file", "key", "spyre", {"a.py::x": 1.0}, [])
    (tmp_path / "spyre" / "key.lock").mkdir(parents=True)
    assert not record_times(tmp_path, "key", "spyre", {"a.py::x": 1.0}, [])
    (tmp_path / "cuda" / "key.json").mkdir(parents=True)
    assert not record_times(tmp_path, "key", "cuda", {"a.py::x": 1.0}, [])
    assert load_times(tmp_path, "key", "cuda") == Times()
    names = sorted(file.name for file in (tmp_path / "cuda").iterdir())
    assert [name for name in names if name.startswith(".building-")] == []


def record_many(folder: Path, writer: int) -> None:
    for index in range(20):
        assert record_times(folder, "key", "spyre", {f"a.py::{writer}_{index}": 1.0}, [])


def test_two_runs_that_record_at_once_lose_nothing(tmp_path: Path) -> None:
    context = multiprocessing.get_context("spawn")
    writers = [context.Process(target=record_many, args=(tmp_path, one)) for one in range(2)]
    for writer in writers:
        writer.start()
    for writer in writers:
        writer.join(60)
    assert [writer.exitcode for writer in writers] == [0, 0]
    assert len(load_times(tmp_path, "key", "spyre").seconds) == 40


def test_the_file_is_plain_json(tmp_path: Path) -> None:
    record_times(tmp_path, "key", "spyre", {"a.py::x": 1.25}, [2.0])
    found = json.loads((tmp_path / "spyre" / "key.json").read_text("utf-8"))
    assert found == {"seconds": {"a.py::x": 1.25}, "overhead_s": 2.0}


def test_an_unknown_test_takes_what_its_file_takes_else_what_all_take() -> None:
    times = Times(seconds={"a.py::x": 1.0, "a.py::gone": 3.0, "b.py::y": 8.0})
    tests = [make_test(name) for name in ("a.py::x", "a.py::new", "b.py::new", "c.py::new")]
    assert expect(times, tests) == [1.0, 2.0, 8.0, 4.0]


def test_where_nothing_is_known_a_test_takes_a_tenth_of_a_second() -> None:
    assert expect(Times(), [make_test("a.py::x")]) == [0.1]


def test_no_test_takes_no_time_at_all() -> None:
    times = Times(seconds={"a.py::x": 0.0})
    assert expect(times, [make_test("a.py::x")]) == [0.001]
    assert expect(times, [make_test("a.py::x"), make_test("a.py::y")]) == [0.001, 0.001]
