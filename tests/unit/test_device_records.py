"""Records of device runs in the den."""

from __future__ import annotations

import errno
import gzip
from pathlib import Path

import pytest
from msgspec import structs

from noxden.den.layout import Den
from noxden.devices import records
from noxden.devices.outcome import CardUse, Outcome, Try, make_record
from noxden.devices.records import collect_runs, find_runs, read_run, record_run
from noxden.devices.values import Broken, TestOutcome


def tried(outcome: TestOutcome, attempt: int = 1, stack: str = "", message: str = "no") -> Try:
    return Try(
        attempt=attempt, batch=3, card="here/1", status="done", outcome=outcome, seconds=1.5,
        message=message, stack=stack, started=float(attempt),
    )  # fmt: skip


RUN = Outcome(
    stage=1, key="k", cards=(CardUse(name="here/1", kind="simulated"),), selected=3,
    broken=(Broken(file="b.py", message="SyntaxError"),), shard="1/2",
    records=(
        make_record("a.py::t1", "a.py", [tried("failed"), tried("passed", 2)]),
        make_record("a.py::t2", "a.py", [tried("passed")]),
        make_record("a.py::t3", "a.py"),
    ),
)  # fmt: skip


@pytest.fixture
def den(tmp_path: Path) -> Den:
    return Den(tmp_path, writable=True)


def test_a_run_is_read_as_it_was_recorded(den: Den) -> None:
    file = record_run(den, RUN, lambda: 0.25)
    assert file is not None
    assert file.name.startswith("19700101T000000.250000-")
    assert find_runs(den) == [file]
    assert list(collect_runs(den)) == [RUN]
    assert [entry.name for entry in file.parent.iterdir()] == [file.name]


def test_a_record_has_a_schema_and_a_line_for_each_try(den: Den) -> None:
    file = record_run(den, RUN)
    assert file is not None
    head, *lines = gzip.decompress(file.read_bytes()).decode().splitlines()
    assert head.startswith('{"schema":1,"outcome":{"stage":1,')
    assert lines[2:] == [
        '{"id":"a.py::t2","file":"a.py","verdict":"passed","try":{"attempt":1,"batch":3,"card":"here/1","status":"done","outcome":"passed","seconds":1.5,"message":"no","stack":"","started":1.0}}',
        '{"id":"a.py::t3","file":"a.py","verdict":"not-run"}',
    ]


def test_a_record_has_no_stacks_and_short_messages(den: Den) -> None:
    record = make_record("a.py::t", "a.py", [tried("failed", stack="deep", message="m" * 900)])
    file = record_run(den, structs.replace(RUN, records=(record,)))
    assert file is not None
    read = read_run(file)
    assert read is not None
    assert read.records[0].attempts == (tried("failed", message="m" * 500),)


def test_the_oldest_records_are_removed(den: Den, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(records, "_KEPT", 2)
    files = [record_run(den, RUN, lambda at=at: float(at)) for at in (3, 1, 2)]  # type: ignore[misc]
    assert find_runs(den) == [files[2], files[0]]
    assert len(list(collect_runs(den, 1))) == 1


def test_what_a_killed_run_left_behind_is_removed(den: Den) -> None:
    folder = den.root / "results" / "device" / "runs"
    folder.mkdir(parents=True)
    (folder / ".building-nonsense").touch()
    file = record_run(den, RUN)
    assert list(folder.iterdir()) == [file]


def test_a_full_disk_loses_the_record_and_nothing_else(
    den: Den, monkeypatch: pytest.MonkeyPatch
) -> None:
    kept = record_run(den, RUN)

    def fail(*_: object, **__: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(Path, "rename", fail)
    assert record_run(den, RUN) is None
    assert list((den.root / "results" / "device" / "runs").iterdir()) == [kept]


def test_a_den_that_cannot_be_written_loses_the_record(den: Den) -> None:
    (den.root / "results").touch()
    assert record_run(den, RUN) is None


@pytest.mark.parametrize(
    "content",
    [
        b"no gzip",
        gzip.compress(b""),
        gzip.compress(b"[]\n"),
        gzip.compress(b'{"schema": 2, "outcome": {"stage": 1}}\n'),
        gzip.compress(b'{"schema": 1, "outcome": {"stage": 1}}\n{"id": 3}\n'),
        gzip.compress(b'{"schema": 1, "outcome": {"stage": 1}}\n' * 99)[:-20],
    ],
    # gzip writes the time: without names of our own the ids would be others in every process.
    ids=["no-gzip", "empty", "no-object", "newer", "no-test", "cut"],
)
def test_a_record_that_is_none_is_left_out(den: Den, content: bytes) -> None:
    file = record_run(den, RUN)
    assert file is not None
    file.write_bytes(content)
    assert list(collect_runs(den)) == []
