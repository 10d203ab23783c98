"""How many workers a suite gets."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from noxden.errors import UsageError
from noxden.sessions.workers import (
    Measured,
    Suite,
    choose_workers,
    collect_test_files,
    count_cores,
    parse_workers,
    recall_measured,
    remember_measured,
)

if TYPE_CHECKING:
    from pathlib import Path

SUITE = Suite("sample", "unit", ("-m", "not heavy"))


@pytest.mark.parametrize(
    ("tests", "start", "cores", "workers"),
    [
        (0.0, 0.7, 8, 0),
        (2.0, 0.7, 8, 0),
        (2.8, 0.7, 8, 2),
        (4.0, 0.7, 2, 2),
        (8.0, 0.5, 16, 8),
        (600.0, 0.5, 16, 16),
        (600.0, 0.5, 1, 0),
        (10.0, 3.0, 16, 0),
        (2.8, None, 8, 2),
    ],
)
def test_workers_are_as_many_as_have_twice_the_cost_of_their_start_to_do(
    tests: float, start: float | None, cores: int, workers: int
) -> None:
    assert choose_workers(Measured(tests, start), 0, cores) == workers


@given(
    st.floats(0, 1e5),
    st.floats(0.05, 60),
    st.integers(1, 256),
)
def test_a_suite_is_never_slower_with_its_workers_even_if_their_starts_do_not_overlap(
    tests: float, start: float, cores: int
) -> None:
    workers = choose_workers(Measured(tests, start), 0, cores)
    assert workers != 1
    assert workers <= cores
    if workers:
        assert start * workers + tests / workers <= tests * (1 + 1e-9)


def test_a_suite_that_was_never_measured_is_judged_by_its_files() -> None:
    assert [choose_workers(Measured(), files, 4) for files in (0, 13, 14, 100)] == [0, 0, 2, 4]


def test_a_project_without_files_and_times_gets_no_workers() -> None:
    assert choose_workers(Measured(None, 0.0), 0, 4) == 0


@pytest.mark.parametrize(
    ("limits", "cores"),
    [
        ({}, 4),
        ({"a/cpu.max": "max 100000"}, 4),
        ({"a/cpu.max": "200000 100000"}, 2),
        ({"a/b/cpu.max": "max 100000", "a/cpu.max": "150000 100000"}, 1),
        ({"cpu.max": "300000 100000"}, 3),
        ({"a/b/cpu.max": "50000 100000"}, 1),
        ({"a/cpu.max": "nonsense"}, 4),
    ],
)
def test_cores_are_limited_by_the_quota_of_every_cgroup_above(
    limits: dict[str, str], cores: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    use_cores(monkeypatch, 4)
    write_files(tmp_path, {"proc/cgroup": "0::/a/b\n"} | {f"fs/{n}": t for n, t in limits.items()})
    assert count_cores(tmp_path / "fs", tmp_path / "proc") == cores


@pytest.mark.parametrize(("quota", "cores"), [("-1", 4), ("250000", 2)])
def test_cores_are_limited_by_the_first_version_of_cgroups_too(
    quota: str, cores: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    use_cores(monkeypatch, 4)
    write_files(
        tmp_path,
        {
            "proc/cgroup": "5:memory:/a\n4:cpu,cpuacct:/a\n",
            "fs/cpu,cpuacct/a/cpu.cfs_quota_us": f"{quota}\n",
            "fs/cpu,cpuacct/a/cpu.cfs_period_us": "100000\n",
        },
    )
    assert count_cores(tmp_path / "fs", tmp_path / "proc") == cores


def test_cores_are_counted_where_there_are_no_cgroups(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    use_cores(monkeypatch, 3)
    assert count_cores(tmp_path / "fs", tmp_path / "proc") == 3


@pytest.mark.parametrize(
    ("arguments", "files"),
    [
        ((), 3),
        (("-x", "-v"), 3),
        (("tests/deep",), 1),
        (("tests/test_a.py", "tests/deep"), 2),
        (("-k", "loads"), 0),
        (("--lf",), 0),
        (("tests/test_a.py::test_one",), 0),
        (("no/such/place",), 3),
    ],
)
def test_test_files_are_counted_where_pytest_is_told_to_look(
    arguments: tuple[str, ...], files: int, tmp_path: Path
) -> None:
    write_files(
        tmp_path,
        dict.fromkeys(
            [
                "tests/test_a.py",
                "tests/b_test.py",
                "tests/helper.py",
                "tests/deep/test_c.py",
                "tests/.hidden/test_d.py",
                "test_elsewhere.py",
            ],
            "",
        ),
    )
    assert collect_test_files(tmp_path, arguments) == files


def test_test_files_are_counted_in_the_whole_project_where_there_is_no_tests_folder(
    tmp_path: Path,
) -> None:
    write_files(tmp_path, {"test_a.py": "", "src/b/test_b.py": "", ".nox/x/test_c.py": ""})
    assert collect_test_files(tmp_path, ()) == 2


def test_the_last_times_are_recalled_and_a_run_that_measured_no_start_keeps_the_old_one(
    tmp_path: Path,
) -> None:
    assert recall_measured(tmp_path, SUITE) == Measured(None, None)
    remember_measured(tmp_path, SUITE, Measured(10.0, 0.5))
    remember_measured(tmp_path, SUITE, Measured(12.0))
    assert recall_measured(tmp_path, SUITE) == Measured(12.0, 0.5)


def test_another_selection_has_its_own_length_and_another_session_its_own_start(
    tmp_path: Path,
) -> None:
    remember_measured(tmp_path, SUITE, Measured(10.0, 0.5))
    few = SUITE._replace(selection=("-k", "one"))
    assert recall_measured(tmp_path, few) == Measured(None, 0.5)
    assert recall_measured(tmp_path, SUITE._replace(session="unit-3.13")) == Measured()
    assert recall_measured(tmp_path, SUITE._replace(project="other")) == Measured()


def test_only_the_newest_selections_are_remembered(tmp_path: Path) -> None:
    for number in range(25):
        one = SUITE._replace(selection=(str(number),))
        remember_measured(tmp_path, one, Measured(float(number)))
    known = [
        recall_measured(tmp_path, SUITE._replace(selection=(str(number),))).tests
        for number in range(25)
    ]
    assert known == [*[None] * 5, *map(float, range(5, 25))]


def test_nothing_is_remembered_where_there_is_no_den(tmp_path: Path) -> None:
    remember_measured(tmp_path / "none", SUITE, Measured(1.0, 1.0))
    assert not (tmp_path / "none").exists()


@pytest.mark.parametrize(("value", "workers"), [("auto", None), (0, 0), (4, 4), ("8", 8)])
def test_workers_are_auto_or_a_number(value: int | str, workers: int | None) -> None:
    assert parse_workers(value) == workers


@pytest.mark.parametrize("value", ["many", "-2", -1, "1.5", ""])
def test_other_workers_are_refused(value: int | str) -> None:
    with pytest.raises(UsageError) as raised:
        parse_workers(value)
    assert str(raised.value) == (
        f"workers of a unit session is auto or a number from 0 on, got {value!r}"
    )


def use_cores(monkeypatch: pytest.MonkeyPatch, cores: int) -> None:
    monkeypatch.setattr(os, "process_cpu_count", lambda: cores, raising=False)


def write_files(folder: Path, files: dict[str, str]) -> None:
    for name, text in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text)
