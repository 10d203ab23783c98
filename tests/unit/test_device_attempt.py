"""One attempt: how it ends, by real processes of pytest."""

from __future__ import annotations

import logging
import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

import pytest
from msgspec.structs import replace

from noxden.devices import attempt
from noxden.devices.attempt import run_attempt
from noxden.devices.lease import lease
from noxden.devices.providers import simulated
from noxden.devices.values import Card, Job, Limits

if TYPE_CHECKING:
    from noxden.devices.values import Attempt

CARD = Card(index=0, address="sim:0", kind="simulated", host="here")


class MakeJob(Protocol):
    """The factory that the fixture ``make_job`` is."""

    def __call__(self, text: str, *names: str) -> Job:
        """A job that runs the tests ``names`` of a file."""


@pytest.fixture
def make_job(tmp_path: Path) -> MakeJob:
    """Makes jobs for the one card."""

    def make(text: str, *names: str) -> Job:
        file = tmp_path / "test_it.py"
        file.write_text(text)
        return Job(
            batch=3,
            attempt=1,
            tests=tuple(f"test_it.py::{name}" for name in names),
            files=(str(file),),
            cards=(CARD,),
            python=sys.executable,
            arguments=(f"--rootdir={tmp_path}", "-p", "no:randomly"),
            env={"PATH": os.environ["PATH"], "NOXDEN_CARD_LOCKS": str(tmp_path / "locks")},
            cwd=str(tmp_path),
            folder=str(tmp_path / "attempts" / "00003-1"),
            limits=Limits(stall=60, test=60, lease=0.2),
            provider="simulated",
        )

    return make


def results(found: Attempt) -> dict[str, tuple[str, str]]:
    return {
        one.id.partition("::")[2]: (one.outcome, one.message.partition("\n")[0])
        for one in found.results
    }


def how(found: Attempt) -> tuple[str, str, str]:
    return found.status, found.running.partition("::")[2], found.fault


def test_an_attempt_runs_its_tests_and_no_others_and_leaves_nothing(make_job: MakeJob) -> None:
    job = make_job("def test_a(): pass\ndef test_b(): assert 0\n", "test_a")
    found = run_attempt(job)
    assert how(found) == ("done", "", "")
    assert results(found) == {"test_a": ("passed", "")}
    assert (found.batch, found.attempt, found.cards, found.folder) == (3, 1, (CARD,), job.folder)
    assert found.seconds > found.waited > 0
    assert found.started > 1e9
    assert not Path(job.folder).exists()


def test_the_files_of_an_attempt_in_which_a_test_failed_are_kept(make_job: MakeJob) -> None:
    job = make_job("def test_a(): print('so it was'); assert 1 == 2\n", "test_a")
    found = run_attempt(job)
    assert how(found) == ("done", "", "")
    assert results(found) == {"test_a": ("failed", "assert 1 == 2")}
    names = {path.name for path in Path(job.folder).iterdir()}
    assert {"output.log", "reportlog.jsonl", "starts.jsonl", "tests.json"} <= names
    assert "so it was" in (Path(job.folder) / "output.log").read_text()


TEMP = "import pathlib\ndef test_a(tmp_path): pathlib.Path('at').write_text(str(tmp_path))\n"


def test_the_temporary_folders_of_an_attempt_are_its_own_and_go_with_it(
    make_job: MakeJob, tmp_path: Path
) -> None:
    job = make_job(TEMP, "test_a")
    assert how(run_attempt(job)) == ("done", "", "")
    assert Path((tmp_path / "at").read_text()) == Path(job.folder, "tmp", "test_a0")
    assert not Path(job.folder).exists()


@pytest.mark.parametrize("by_variable", [True, False])
def test_temporary_folders_that_the_user_names_are_theirs(
    by_variable: bool, make_job: MakeJob, tmp_path: Path
) -> None:
    theirs = tmp_path / "theirs"
    theirs.mkdir()
    job = make_job(TEMP, "test_a")
    if by_variable:
        job = replace(job, env={**job.env, "PYTEST_DEBUG_TEMPROOT": str(theirs)})
    else:
        job = replace(job, arguments=(*job.arguments, f"--basetemp={theirs}"))
    assert how(run_attempt(job)) == ("done", "", "")
    assert Path((tmp_path / "at").read_text()).is_relative_to(theirs)


def test_a_pytest_that_fails_after_tests_that_all_passed_is_told_and_kept(
    make_job: MakeJob, tmp_path: Path
) -> None:
    (tmp_path / "conftest.py").write_text(
        "import os\ndef pytest_unconfigure(): print('no good end', flush=True); os._exit(1)\n"
    )
    job = make_job("def test_a(): pass\n", "test_a")
    found = run_attempt(job)
    assert how(found) == ("done", "", "pytest ended with code 1: no good end")
    assert results(found) == {"test_a": ("passed", "")}
    assert "no good end" in (Path(job.folder) / "output.log").read_text()


def test_a_failure_ends_no_attempt_before_its_time(make_job: MakeJob) -> None:
    job = make_job("def test_a(): assert False\ndef test_b(): pass\n", "test_a", "test_b")
    found = run_attempt(replace(job, arguments=(*job.arguments, "-x")))
    assert results(found) == {"test_a": ("failed", "assert False"), "test_b": ("passed", "")}


def test_tests_that_pytest_does_not_find_again_have_failed(make_job: MakeJob) -> None:
    found = run_attempt(make_job("def test_a(): pass\n", "test_a", "test_gone"))
    assert how(found) == ("done", "", "")
    assert results(found) == {
        "test_a": ("passed", ""),
        "test_gone": ("failed", "pytest did not find it again"),
    }


def test_a_batch_of_which_nothing_is_found_again_is_no_fault_of_the_card(
    make_job: MakeJob,
) -> None:
    found = run_attempt(make_job("def test_a(): pass\n", "test_gone"))
    assert how(found) == ("done", "", "")
    assert results(found) == {"test_gone": ("failed", "pytest did not find it again")}


def test_a_file_that_breaks_after_the_collection_fails_its_tests(make_job: MakeJob) -> None:
    found = run_attempt(make_job("raise OSError('no disk')\n", "test_a"))
    assert how(found) == ("done", "", "")
    assert results(found) == {
        "test_a": ("failed", "its file could not be collected: OSError: no disk")
    }
    assert "no disk" in found.results[0].stack


@pytest.mark.parametrize(
    ("death", "fault"),
    [
        ("os.kill(os.getpid(), 9)", "ended by SIGKILL (signal 9)"),
        ("os.kill(os.getpid(), 40)", "ended by signal 40"),
        ("print('\\ngood bye', flush=True); os._exit(7)", "pytest ended with code 7: good bye"),
        ("os.dup2(os.open(os.devnull, 1), 1); os._exit(0)", "pytest ended with code 0: "),
    ],
)
def test_a_death_is_told_with_the_test_that_ran(death: str, fault: str, make_job: MakeJob) -> None:
    text = f"import os\ndef test_a(): pass\ndef test_b(): {death}\ndef test_c(): pass\n"
    job = make_job(text, "test_a", "test_b", "test_c")
    found = run_attempt(replace(job, arguments=(*job.arguments, "-s")))
    assert (found.status, found.running) == ("crashed", "test_it.py::test_b")
    assert found.fault.startswith(fault)
    assert results(found) == {"test_a": ("passed", "")}


def test_a_death_without_a_word_is_told_by_its_code(make_job: MakeJob, tmp_path: Path) -> None:
    silent = tmp_path / "python"
    silent.write_text("#!/bin/sh\nexit 3\n")
    silent.chmod(0o755)
    found = run_attempt(replace(make_job("", "test_a"), python=str(silent)))
    assert how(found) == ("done", "", "")
    assert [(one.outcome, one.message) for one in found.results] == [
        ("failed", "pytest ended with code 3")
    ]


RAS = '{"name":"RAS::VFIO::DeviceOpenFail","code":"0x332b"}'


def test_a_failure_beside_a_fault_of_the_card_is_the_cards(make_job: MakeJob) -> None:
    job = make_job(f"def test_a(): print('{RAS}', flush=True); assert False\n", "test_a")
    found = run_attempt(replace(job, arguments=(*job.arguments, "-s")))
    assert found.status == "infra"
    assert "RAS::VFIO::DeviceOpenFail" in found.fault
    assert Path(job.folder).exists()


def test_a_fault_that_no_test_minds_is_none(make_job: MakeJob) -> None:
    job = make_job(f"def test_a(): print('{RAS}', flush=True)\n", "test_a")
    found = run_attempt(replace(job, arguments=(*job.arguments, "-s")))
    assert how(found) == ("done", "", "")


def test_a_run_that_is_over_stops_what_runs(make_job: MakeJob, tmp_path: Path) -> None:
    text = "import time, pathlib\ndef test_a(): pathlib.Path('runs').touch(); time.sleep(60)\n"
    found = run_attempt(make_job(text, "test_a"), (tmp_path / "runs").exists)
    assert how(found) == ("stopped", "test_a", "the run was ended")


def test_a_card_that_somebody_holds_is_busy_and_told(
    make_job: MakeJob, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO, "noxden")
    job = make_job("def test_a(): pass\n", "test_a")
    with lease([CARD], folder=tmp_path / "locks", limit_s=0, is_open=lambda _: True,
               say=print, command="another"):  # fmt: skip
        busy = run_attempt(job)
        stopped = run_attempt(job, lambda: True)
    assert busy.status == "busy"
    assert busy.fault.startswith("card here/sim:0 is still held after 0.2 s by another (pid ")
    assert stopped.status == "stopped"
    assert "card here/sim:0 is held by another (pid " in caplog.text
    assert run_attempt(job).status == "done"


def test_a_python_that_is_not_there_is_a_fault_of_the_machine(make_job: MakeJob) -> None:
    found = run_attempt(replace(make_job("", "test_a"), python="/nowhere/python"))
    assert how(found) == ("infra", "", "/nowhere/python: No such file or directory")


def test_a_folder_that_cannot_be_made_is_a_fault_of_the_machine(
    make_job: MakeJob, tmp_path: Path
) -> None:
    (tmp_path / "file").touch()
    found = run_attempt(replace(make_job("", "test_a"), folder=str(tmp_path / "file" / "at")))
    assert how(found) == ("infra", "", f"{tmp_path}/file/at: Not a directory")


def test_an_error_without_a_place_is_told_all_the_same(
    make_job: MakeJob, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object, **__: object) -> None:
        message = "out of pipes"
        raise OSError(message)

    monkeypatch.setattr(attempt, "watch", fail)
    found = run_attempt(make_job("def test_a(): pass\n", "test_a"))
    assert how(found) == ("infra", "", "out of pipes")


def test_a_provider_sets_and_unsets_variables(
    make_job: MakeJob, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    def plan(*_: object) -> dict[str, str | None]:
        return {"GONE": None, "COUNT": "1"}

    monkeypatch.setattr(simulated, "plan_environment", plan)
    (tmp_path / "more").mkdir()
    (tmp_path / "more" / "extra.py").write_text("")
    text = """
import os, extra
def test_a():
    assert "GONE" not in os.environ
    assert os.environ["COUNT"] == "1"
"""
    job = make_job(text, "test_a")
    env = {**job.env, "GONE": "here", "PYTHONPATH": str(tmp_path / "more")}
    assert results(run_attempt(replace(job, env=env))) == {"test_a": ("passed", "")}
