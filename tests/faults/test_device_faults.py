"""Bad days of a device session: each costs what it must, and no card, no result and no process more."""

from __future__ import annotations

import contextlib
import json
import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

import msgspec
import pytest

from noxden.devices.lease import find_holder
from noxden.devices.outcome import Outcome
from noxden.devices.values import Card

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from noxden.devices.outcome import TestRecord
    from tests.conftest import MakeProject, RunNox
    from tests.sandbox import Sample

LIMIT_S = 60.0
NOXFILE = "import noxden\n\nnoxden.device()\n"
DEVICE = """
[tool.noxden.device]
provider = "simulated"
cards = {cards}
tests = ["tests"]
{more}

[[tool.noxden.device.stage]]
number = 0
cards = {cards}
"""
SIX = """
import pytest


@pytest.mark.parametrize("number", range(6))
def test_it(number):
    pass
"""
WAITS = """
import os, time
from pathlib import Path

import pytest

HERE = Path(__file__).parent


def test_first():
    pass


def test_waits():
    (HERE / "pid.log").write_text(str(os.getpid()))
    limit = time.monotonic() + 60
    while not (HERE / "go.log").exists() and time.monotonic() < limit:
        time.sleep(0.02)


def test_last():
    pass
"""


class Make(Protocol):
    """The factory that the fixture ``make`` is."""

    def __call__(
        self, text: str, *, cards: int = 1, more: str = "", name: str = "sample"
    ) -> Sample:
        """A project with one file of tests."""


@pytest.fixture
def env(env: dict[str, str], quick_den: Path) -> dict[str, str]:
    """With a den of each test's own: times of tests would put them into another order."""
    return {**env, "NOXDEN_DIR": str(quick_den)}


@pytest.fixture
def make(project: MakeProject) -> Make:
    """Makes projects with a device session on simulated cards."""

    def call(text: str, *, cards: int = 1, more: str = "", name: str = "sample") -> Sample:
        sample = project(
            groups={"test": ["pytest", "pytest-reportlog", "pytest-xdist"]},
            more=DEVICE.format(cards=cards, more=more),
            noxfile=NOXFILE,
            name=name,
        )
        sample.write("tests/test_it.py", text)
        return sample

    return call


@contextlib.contextmanager
def running(sample: Sample, env: Mapping[str, str]) -> Iterator[subprocess.Popen[str]]:
    """``nox -s device`` while the block runs; afterwards it is gone."""
    with subprocess.Popen(
        [sys.executable, "-m", "nox", "-s", "device"],
        cwd=sample.path, env=dict(env), text=True, start_new_session=True,
        stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
    ) as process:  # fmt: skip
        try:
            yield process
        finally:
            process.kill()


def wait_for(state: Callable[[], bool]) -> None:
    limit = time.monotonic() + LIMIT_S
    while not state():
        assert time.monotonic() < limit, "it never came to that"
        time.sleep(0.02)


def wait_for_pid(sample: Sample) -> int:
    """The process of the attempt, once ``test_waits`` runs in it."""
    file = sample.path / "tests/pid.log"
    wait_for(lambda: file.exists() and bool(file.read_text()))
    return int(file.read_text())


def is_alive(pid: int) -> bool:
    """Whether a process runs; a zombie does not."""
    try:
        stat = Path(f"/proc/{pid}/stat").read_text()
    except (FileNotFoundError, ProcessLookupError):
        return False
    return stat.rpartition(")")[2].split()[0] != "Z"


def is_held(env: Mapping[str, str], index: int = 0) -> bool:
    card = Card(index=index, address=f"sim:{index}", kind="simulated")
    return find_holder(Path(env["NOXDEN_CARD_LOCKS"]), card) is not None


def read(sample: Sample) -> Outcome:
    """What the last run left in results.json."""
    text = (sample.path / ".noxden/device/results.json").read_bytes()
    return msgspec.json.decode(text, type=Outcome)


def tell(records: tuple[TestRecord, ...]) -> dict[str, list[str]]:
    """By the name of each test its verdict, and how each attempt on it ended."""
    return {
        record.id.partition("::")[2]: [record.verdict, *(one.status for one in record.attempts)]
        for record in records
    }


def find_exit_code(sample: Sample) -> int:
    found: int = json.loads((sample.path / ".noxden/device/summary.json").read_text())["exit_code"]
    return found


def find_output(sample: Sample) -> list[Path]:
    return sorted(sample.path.glob(".noxden/device/attempts/*/output.log"))


def test_a_killed_noxden_takes_its_tests_with_it_and_frees_the_card(
    make: Make, nox: RunNox, env: dict[str, str]
) -> None:
    sample = make(WAITS)
    with running(sample, env) as process:
        pid = wait_for_pid(sample)
        assert is_held(env)
        os.kill(process.pid, signal.SIGKILL)
        process.wait()
        wait_for(lambda: not is_alive(pid))
        wait_for(lambda: not is_held(env))
    (sample.path / "tests/go.log").touch()
    ran = nox(sample, "-s", "device")
    assert ran.code == 0, ran.text


def test_a_killed_process_of_tests_is_pinned_on_its_test_and_the_rest_goes_on(
    make: Make, env: dict[str, str]
) -> None:
    sample = make(WAITS)
    with running(sample, env) as process:
        pid = wait_for_pid(sample)
        (sample.path / "tests/go.log").touch()
        os.kill(pid, signal.SIGSTOP)
        os.kill(pid, signal.SIGKILL)
        said = process.communicate(timeout=LIMIT_S)[0]
    assert process.returncode == 0, said
    records = read(sample).records
    assert tell(records) == {
        "test_first": ["passed", "done"],
        "test_last": ["passed", "done"],
        "test_waits": ["flaky", "crashed", "done"],
    } or tell(records) == {
        "test_first": ["passed", "crashed"],
        "test_last": ["passed", "done"],
        "test_waits": ["flaky", "crashed", "done"],
    }, said


def test_a_second_checkout_waits_for_the_card(make: Make, env: dict[str, str]) -> None:
    first = make(WAITS, name="first")
    second = make(SIX, name="second")
    with running(first, env) as one:
        wait_for_pid(first)
        with running(second, env) as two:
            assert two.stdout is not None
            line = next((line for line in two.stdout if "is held by" in line), "")
            assert re.search(
                rf"card \S+sim:0 is held by noxden device, batch 0 in {first.path} \(pid {one.pid} "
                r"on \S+, since .*\); waits until \d\d:\d\d:\d\d",
                line,
            )
            (first.path / "tests/go.log").touch()
            assert two.wait(LIMIT_S) == 0
        assert one.wait(LIMIT_S) == 0
    assert {record.verdict for record in read(second).records} == {"passed"}


def test_a_card_that_is_held_too_long_is_no_fault_of_the_tests(
    make: Make, nox: RunNox, env: dict[str, str]
) -> None:
    first = make(WAITS, name="first")
    second = make(SIX, name="second", more="lease = 0.3")
    with running(first, env) as one:
        wait_for_pid(first)
        ran = nox(second, "-s", "device")
        (first.path / "tests/go.log").touch()
        assert one.wait(LIMIT_S) == 0
    assert ran.code == 1
    assert find_exit_code(second) == 3
    outcome = read(second)
    assert {record.verdict for record in outcome.records} == {"infra"}
    assert "is still held after 0.3 s by noxden device, batch 0 in " in outcome.cards[0].drained


def test_a_card_that_is_busy_after_each_use_is_waited_for(make: Make, nox: RunNox) -> None:
    sample = make("def test_fails(): assert False\n", more='simulate = ["0:busy=1.5"]')
    begun = time.monotonic()
    ran = nox(sample, "-s", "device")
    assert ran.code == 1, ran.text
    assert time.monotonic() - begun > 1.5
    assert tell(read(sample).records) == {"test_fails": ["failed", "done", "done"]}


def test_a_lost_card_is_drained_and_its_tests_run_elsewhere(make: Make, nox: RunNox) -> None:
    sample = make(SIX, cards=2, more='simulate = ["0:lost"]\nlease = 0.3\ncard-faults = 1')
    ran = nox(sample, "-s", "device")
    assert ran.code == 0, ran.text
    outcome = read(sample)
    assert not outcome.left
    assert [bool(card.drained) for card in outcome.cards] == [True, False]
    # By its death, since the test passed elsewhere, or because it did not open any more.
    assert outcome.cards[0].drained.startswith(("ended by SIGKILL", "card "))


def test_a_card_that_reports_faults_is_drained_and_no_test_fails(make: Make, nox: RunNox) -> None:
    sample = make(SIX, cards=2, more='simulate = ["0:infra@2"]\ncard-faults = 1')
    ran = nox(sample, "-s", "device")
    assert ran.code == 0, ran.text
    outcome = read(sample)
    assert {record.verdict for record in outcome.records} == {"passed"}
    assert [bool(card.drained) for card in outcome.cards] == [True, False]
    assert "RAS::SIM::HardwareError" in outcome.cards[0].drained


def test_where_every_card_is_lost_no_test_has_a_result(make: Make, nox: RunNox) -> None:
    sample = make(SIX, more='simulate = ["0:lost"]\nlease = 0.3')
    ran = nox(sample, "-s", "device")
    assert ran.code == 1
    # The card was lost in the first of them: nothing says any more whose fault that was.
    assert [ended[0] for ended in tell(read(sample).records).values()] == ["failed", *["infra"] * 5]
    assert (
        "stage 0: 1 of 1 tests failed (tests/test_it.py::test_it[0]), see junit.xml; 5 of 6 tests "
        "have no result, 1 of 1 cards were drained (" in ran.text
    )


def test_a_test_that_hangs_is_ended_and_shows_where(make: Make, nox: RunNox) -> None:
    text = (
        "import time\ndef test_a(): pass\ndef test_hangs(): time.sleep(600)\ndef test_b(): pass\n"
    )
    sample = make(text, more="stall = 3.0")
    ran = nox(sample, "-s", "device")
    assert ran.code == 1
    assert find_exit_code(sample) == 1
    assert tell(read(sample).records) == {
        "test_a": ["passed", "stalled"],
        "test_b": ["passed", "done"],
        "test_hangs": ["failed", "stalled", "stalled"],
    }
    said = [file.read_text() for file in find_output(sample)]
    assert any("Fatal Python error: Aborted" in text and "test_hangs" in text for text in said)


def test_a_test_that_talks_and_never_ends_is_over_its_time(make: Make, nox: RunNox) -> None:
    text = """
    import sys, time

    def test_talks(capfd):
        with capfd.disabled():
            while True:
                print("still here", flush=True)
                time.sleep(0.05)
    """
    sample = make(text, more="timeout = 3.0\nretries = 0")
    ran = nox(sample, "-s", "device")
    assert ran.code == 1
    record = read(sample).records[0]
    assert [(one.status, one.message) for one in record.attempts] == [
        ("timeout", "one test took longer than 3 s"),
    ]


def test_a_test_that_blocks_signals_is_ended_all_the_same(make: Make, nox: RunNox) -> None:
    text = """
    import signal, time

    def test_deaf():
        signal.pthread_sigmask(signal.SIG_BLOCK, set(signal.Signals))
        time.sleep(600)
    """
    sample = make(text, more="stall = 3.0\nretries = 0")
    ran = nox(sample, "-s", "device")
    assert ran.code == 1
    assert tell(read(sample).records) == {"test_deaf": ["failed", "stalled"]}


def test_a_segfault_is_pinned_on_its_test(make: Make, nox: RunNox) -> None:
    text = """
    import os, resource, signal

    def test_a(): pass

    def test_dies():
        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
        os.kill(os.getpid(), signal.SIGSEGV)

    def test_b(): pass
    """
    sample = make(text, cards=2)
    ran = nox(sample, "-s", "device")
    assert ran.code == 1
    records = {record.id.partition("::")[2]: record for record in read(sample).records}
    assert {name: record.verdict for name, record in records.items()} == {
        "test_a": "passed",
        "test_b": "passed",
        "test_dies": "failed",
    }
    assert [(one.status, one.message) for one in records["test_dies"].attempts] == [
        ("crashed", "ended by SIGSEGV (signal 11)")
    ] * 2
    properties = (sample.path / ".noxden/device/junit.xml").read_text()
    assert '"signal"' in properties


def test_a_test_that_leaves_by_itself_is_no_end_of_the_run(make: Make, nox: RunNox) -> None:
    sample = make("import os\ndef test_a(): pass\ndef test_leaves(): os._exit(0)\n")
    ran = nox(sample, "-s", "device")
    assert ran.code == 1
    assert tell(read(sample).records) == {
        "test_a": ["passed", "crashed"],
        "test_leaves": ["failed", "crashed", "crashed"],
    }


DAEMON = """
import os, time
from pathlib import Path


def test_leaves_a_daemon():
    if os.fork() == 0:
        os.setsid()
        if os.fork() == 0:
            Path(__file__).with_name("daemon.log").write_text(str(os.getpid()))
            time.sleep(600)
        os._exit(0)
    limit = time.monotonic() + 30
    while not Path(__file__).with_name("daemon.log").exists() and time.monotonic() < limit:
        time.sleep(0.02)
"""


def test_a_daemon_that_a_test_left_is_gone_and_the_card_is_free(
    make: Make, nox: RunNox, env: dict[str, str]
) -> None:
    sample = make(DAEMON)
    ran = nox(sample, "-s", "device")
    assert ran.code == 0, ran.text
    assert not is_alive(int((sample.path / "tests/daemon.log").read_text()))
    assert not is_held(env)


def test_a_flood_of_output_is_kept_within_bounds(make: Make, nox: RunNox) -> None:
    text = """
    import os

    def test_floods(capfd):
        with capfd.disabled():
            for _ in range(300):
                os.write(1, b"x" * 1_048_575 + b"\\n")
        assert False
    """
    sample = make(text, more="retries = 0")
    ran = nox(sample, "-s", "device")
    assert ran.code == 1
    assert tell(read(sample).records) == {"test_floods": ["failed", "done"]}
    [output] = find_output(sample)
    assert output.stat().st_size < 4e6
    assert b" bytes left out ...]\n" in output.read_bytes()


def test_a_test_that_removes_its_working_directory_harms_no_other(make: Make, nox: RunNox) -> None:
    text = """
    import os

    def test_a_removes(tmp_path, monkeypatch):
        os.chdir(tmp_path)
        tmp_path.rmdir()

    def test_b():
        pass
    """
    sample = make(text)
    ran = nox(sample, "-s", "device")
    assert ran.code == 0, ran.text
    assert tell(read(sample).records) == {
        "test_a_removes": ["passed", "done"],
        "test_b": ["passed", "done"],
    }


def test_a_test_that_removes_what_the_run_writes_is_never_a_success(
    make: Make, nox: RunNox
) -> None:
    text = """
    import shutil
    from pathlib import Path

    def test_cleans():
        shutil.rmtree(Path(__file__).parents[1] / ".noxden")

    def test_b():
        pass
    """
    sample = make(text)
    ran = nox(sample, "-s", "device")
    assert ran.code == 1
    assert find_exit_code(sample) in {1, 3}
    assert {record.verdict for record in read(sample).records} <= {"failed", "infra"}


def test_a_log_that_is_cut_in_the_middle_loses_only_its_last_test(make: Make, nox: RunNox) -> None:
    text = """
    import os, signal
    from pathlib import Path

    def test_a(): pass

    def test_cuts():
        [log] = [Path(f"/proc/self/fd/{fd}").resolve() for fd in os.listdir("/proc/self/fd")
                 if os.path.realpath(f"/proc/self/fd/{fd}").endswith("reportlog.jsonl")]
        os.truncate(log, log.stat().st_size - 20)
        os.kill(os.getpid(), signal.SIGKILL)
    """
    sample = make(text)
    ran = nox(sample, "-s", "device")
    assert ran.code == 1
    found = {record.id.partition("::")[2]: record.verdict for record in read(sample).records}
    assert found == {"test_a": "passed", "test_cuts": "failed"}


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of 2 MB."""
    folder = tmp_path / "small"
    folder.mkdir()
    words = ["mount", "-t", "tmpfs", "-o", "size=2m,mode=700", "tmpfs", str(folder)]
    if subprocess.run(words, check=False, capture_output=True).returncode:
        pytest.skip("mounting is not allowed here")
    yield folder
    subprocess.run(["umount", "--lazy", folder], check=True)


def test_a_disk_that_is_nearly_full_gets_the_small_files_and_says_what_is_missing(
    make: Make, nox: RunNox, small_disk: Path
) -> None:
    text = f"""
    import os

    import pytest

    DISK = {str(small_disk)!r}

    @pytest.mark.parametrize("number", range(400))
    def test_it(number):
        pass

    def test_fills():
        with open(f"{{DISK}}/filler", "wb", buffering=0) as file:
            while os.statvfs(DISK).f_bavail > 24:
                file.write(b"x" * 4096)
        assert False
    """
    sample = make(text, more="retries = 0")
    ran = nox(sample, "-s", "device", "--", "--output", str(small_disk))
    assert ran.code == 1, ran.text
    assert (
        f"2 files of this run could not be written, all others are there: "
        f"{small_disk}/junit.xml: No space left on device; make room and run it again "
        f"(exit code 3)" in ran.stderr
    )
    names = {path.name for path in small_disk.iterdir()}
    assert names == {
        "attempts", "attempts.jsonl", "device.json", "device.md", "filler", "hud", "summary.json", "summary.md",
    }  # fmt: skip
    assert json.loads((small_disk / "summary.json").read_text())["exit_code"] == 3
    assert "1 of 401 tests failed" in (small_disk / "summary.md").read_text()


def test_after_ctrl_c_what_is_known_is_written_and_nothing_runs_on(
    make: Make, env: dict[str, str]
) -> None:
    sample = make(WAITS)
    with running(sample, env) as process:
        pid = wait_for_pid(sample)
        os.killpg(process.pid, signal.SIGINT)
        said = process.communicate(timeout=LIMIT_S)[0]
    assert process.returncode != 0, said
    assert "Traceback" not in said
    assert "stage 0: stopped after 1 of 3 tests; run it again for the rest" in said
    assert not is_alive(pid)
    assert not is_held(env)
    outcome = read(sample)
    assert outcome.interrupted
    found = {record.id.partition("::")[2]: record.verdict for record in outcome.records}
    assert found == {"test_first": "passed", "test_last": "not-run", "test_waits": "not-run"}


def test_ctrl_c_ends_a_run_that_waits_for_a_card(make: Make, env: dict[str, str]) -> None:
    first = make(WAITS, name="first")
    second = make(SIX, name="second")
    with running(first, env) as one:
        wait_for_pid(first)
        with running(second, env) as two:
            assert two.stdout is not None
            assert next((line for line in two.stdout if "is held by" in line), "")
            os.killpg(two.pid, signal.SIGINT)
            said = two.communicate(timeout=LIMIT_S)[0]
        assert "stage 0: stopped after 0 of 6 tests; run it again for the rest" in said
        (first.path / "tests/go.log").touch()
        assert one.wait(LIMIT_S) == 0
