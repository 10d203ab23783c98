"""Simulated cards break as they are told, in real runs of pytest."""

from __future__ import annotations

import json
import os
import resource
import signal
import subprocess
import sys
import time
from pathlib import Path
from types import SimpleNamespace
from typing import TYPE_CHECKING, cast

import pytest

import noxden
from noxden.devices.cards import Found, Look, find_cards
from noxden.devices.providers import simulated
from noxden.devices.values import Card
from noxden.errors import UsageError
from noxden.inside import noxden_simulated
from noxden.inside.noxden_simulated import Faults

if TYPE_CHECKING:
    from collections.abc import Callable

INSIDE = Path(noxden.__file__).parent / "inside"
TESTS = """
import time
def test_a(): pass
def test_b(): time.sleep(0.05)
def test_c(): pass
"""


@pytest.fixture
def cards(tmp_path: Path) -> Callable[..., tuple[Card, ...]]:
    def find(*faults: str, **variables: str) -> tuple[Card, ...]:
        env = {"NOXDEN_CARD_LOCKS": str(tmp_path / "locks"), **variables}
        return find_cards("simulated", Look(env=env, simulate=faults))[1].cards

    return find


@pytest.fixture
def start(tmp_path: Path) -> Callable[..., subprocess.Popen[str]]:
    """Starts pytest on three tests, as an attempt does."""

    def run(*cards: Card) -> subprocess.Popen[str]:
        (tmp_path / "test_it.py").write_text(TESTS)
        env = {name: value for name, value in os.environ.items() if not name.startswith("PYTEST_")}
        planned = simulated.plan_environment(cards, env, tmp_path / "1-1")
        added = {name: value for name, value in planned.items() if value is not None}
        return subprocess.Popen(
            [
                *(sys.executable, "-m", "pytest", "-v", "--durations=0", "-p", "no:cacheprovider"),
                *("--show-capture=no", f"--rootdir={tmp_path}", "test_it.py"),
            ],
            cwd=tmp_path, env={**env, **added, "PYTHONPATH": str(INSIDE)}, text=True,
            stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
        )  # fmt: skip

    return run


def finish(process: subprocess.Popen[str]) -> str:
    said, _ = process.communicate(timeout=60)
    return said


def test_there_are_two_cards_or_as_many_as_asked_for() -> None:
    def card(index: int) -> Card:
        return Card(index=index, address=f"sim:{index}", kind="simulated", host="here")

    there = Look(env={}, host="here")
    found = Found((card(0), card(1)), ("2 of 2 that are made up",))
    assert simulated.find_cards(there) == found
    assert len(simulated.find_cards(Look(env={}, count=5)).cards) == 5
    some = Look(env={"SIMULATED_DEVICES": "1"}, host="here")
    assert simulated.find_cards(some) == Found((card(1),), ("1 of 2 that are made up",))


def test_cards_without_faults_cost_nothing(tmp_path: Path) -> None:
    cards = simulated.find_cards(Look(env={})).cards
    assert simulated.plan_environment(cards, {}, tmp_path) == {"SIMULATED_DEVICES": "0,1"}
    assert all(map(simulated.is_open, cards))


def test_faults_go_to_the_process_with_the_plugins_that_are_there(
    tmp_path: Path, cards: Callable[..., tuple[Card, ...]]
) -> None:
    there = cards("sim:1:crash@3", "1:slow=1.5")
    folder = tmp_path / "locks" / f"simulated-{os.geteuid()}"
    assert [card.node for card in there] == ["", f"{folder}/sim-1,crash@3,slow=1.5"]
    planned = simulated.plan_environment(there, {"PYTEST_PLUGINS": "a,b"}, tmp_path)
    faults = [{"state": there[1].node, "faults": [["crash", 3.0], ["slow", 1.5]]}]
    assert planned == {
        "SIMULATED_DEVICES": "0,1",
        "NOXDEN_ATTEMPT_SIMULATED": json.dumps(faults),
        "PYTEST_PLUGINS": "a,b,noxden_simulated",
    }


@pytest.mark.parametrize(
    ("fault", "said"),
    [
        ("0:losst", "simulate has '0:losst'; did you mean lost?"),
        ("0:xyz@3", "simulate has '0:xyz@3'; known: lost, crash, hang, infra, slow, busy"),
        ("lost", "simulate has 'lost'; it is to be CARD:lost[@N], as 0:lost[@N]"),
        ("0:slow", "simulate has '0:slow'; it is to be CARD:slow=NUMBER, as 0:slow=NUMBER"),
        ("0:crash@1.5", "simulate has '0:crash@1.5'; it is to be CARD:crash[@N], as 0:crash[@N]"),
        ("0:crash=2", "simulate has '0:crash=2'; it is to be CARD:crash[@N], as 0:crash[@N]"),
        ("0:busy@2", "simulate has '0:busy@2'; it is to be CARD:busy=NUMBER, as 0:busy=NUMBER"),
        ("2:lost", "simulate has '2:lost', and there are 2 cards, counted from 0"),
    ],
)
def test_a_fault_that_is_not_understood_is_told(fault: str, said: str) -> None:
    with pytest.raises(UsageError) as raised:
        simulated.find_cards(Look(env={}, simulate=(fault,)))
    assert str(raised.value) == said


def test_a_lost_card_kills_the_process_and_never_opens_again(
    cards: Callable[..., tuple[Card, ...]], start: Callable[..., subprocess.Popen[str]]
) -> None:
    card = cards("0:lost@2")[0]
    assert (card.health, simulated.is_open(card)) == ("ok", True)
    process = start(card)
    assert "test_a PASSED" in finish(process)
    assert process.returncode == -signal.SIGKILL
    assert not simulated.is_open(card)
    assert cards("0:lost@2")[0].health == f"lost; to repair it, remove {card.node}"
    Path(card.node).unlink()
    assert cards("0:lost@2")[0] == card


def test_a_crash_is_a_wrong_access_at_its_test(
    cards: Callable[..., tuple[Card, ...]], start: Callable[..., subprocess.Popen[str]]
) -> None:
    process = start(cards("0:crash@3")[0])
    said = finish(process)
    assert process.returncode == -signal.SIGSEGV
    assert "test_b PASSED" in said
    assert "test_c PASSED" not in said


def test_a_hang_says_nothing_any_more(
    cards: Callable[..., tuple[Card, ...]], start: Callable[..., subprocess.Popen[str]]
) -> None:
    process = start(cards("0:hang")[0])
    assert process.stdout is not None
    said = ""
    while "test_a" not in said:
        piece = process.stdout.read(1)
        assert piece, said
        said += piece
    with pytest.raises(subprocess.TimeoutExpired):
        process.wait(0.5)
    process.kill()
    assert "PASSED" not in finish(process)


def test_an_infrastructure_fault_is_in_the_output_though_pytest_captures_it(
    cards: Callable[..., tuple[Card, ...]], start: Callable[..., subprocess.Popen[str]]
) -> None:
    process = start(cards("0:infra@2")[0])
    said = finish(process)
    assert process.returncode == 1
    assert "2 passed, 1 error" in said
    faults = [fault for line in said.splitlines() if (fault := simulated.find_fault(line))]
    assert faults == ["RAS::SIM::HardwareError (0x7b1b)"]


def test_a_slow_card_makes_tests_take_longer(
    cards: Callable[..., tuple[Card, ...]], start: Callable[..., subprocess.Popen[str]]
) -> None:
    process = start(*cards("0:slow=6", "1:busy=0"))
    said = finish(process)
    assert process.returncode == 0, said
    took = next(line for line in said.splitlines() if "call" in line and "test_b" in line)
    assert float(took.split("s")[0]) >= 0.3


def test_a_busy_card_does_not_open_until_some_time_after_its_last_use(
    cards: Callable[..., tuple[Card, ...]], start: Callable[..., subprocess.Popen[str]]
) -> None:
    card = cards("0:busy=60", "0:crash@3")[0]
    assert simulated.is_open(card)
    finish(start(card))
    assert not simulated.is_open(card)
    long_ago = time.time() - 60
    os.utime(card.node, (long_ago, long_ago))
    assert simulated.is_open(card)


# The plugin itself, where a process that ends cannot tell what it did


class Ended(Exception):  # noqa: N818 - stands for the end of the process
    """The process would be gone."""


@pytest.fixture
def kills(monkeypatch: pytest.MonkeyPatch) -> list[tuple[int, int]]:
    found: list[tuple[int, int]] = []

    def kill(pid: int, number: int) -> None:
        found.append((pid, number))
        raise Ended

    monkeypatch.setattr(os, "kill", kill)
    return found


def make_faults(state: Path, *faults: tuple[str, float], stderr: int = 2) -> Faults:
    return Faults(state, list(faults), stderr)


def test_a_lost_card_says_so_before_its_process_is_killed(
    tmp_path: Path, kills: list[tuple[int, int]]
) -> None:
    state = tmp_path / "new" / "sim-0,lost@2"
    faults = make_faults(state, ("lost", 2))
    faults.pytest_runtest_setup()
    assert not state.exists()
    with pytest.raises(Ended):
        faults.pytest_runtest_setup()
    assert state.read_text() == "lost"
    assert kills == [(os.getpid(), signal.SIGKILL)]


def test_a_crash_leaves_no_file_of_the_memory(
    tmp_path: Path, kills: list[tuple[int, int]], monkeypatch: pytest.MonkeyPatch
) -> None:
    limits: list[tuple[int, tuple[int, int]]] = []
    monkeypatch.setattr(resource, "setrlimit", lambda *one: limits.append(one))
    with pytest.raises(Ended):
        make_faults(tmp_path, ("crash", 1)).pytest_runtest_setup()
    assert limits == [(resource.RLIMIT_CORE, (0, 0))]
    assert kills == [(os.getpid(), signal.SIGSEGV)]


def test_a_hang_goes_on_for_ever(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    slept: list[float] = []

    def sleep(seconds: float) -> None:
        slept.append(seconds)
        if len(slept) == 3:
            raise Ended

    monkeypatch.setattr(time, "sleep", sleep)
    with pytest.raises(Ended):
        make_faults(tmp_path, ("hang", 1)).pytest_runtest_setup()
    assert slept == [3600] * 3


def test_an_infrastructure_fault_goes_past_what_is_captured(tmp_path: Path) -> None:
    with (tmp_path / "stderr").open("wb") as file:
        faults = make_faults(tmp_path / "sim-0,infra@1", ("infra", 1), stderr=file.fileno())
        with pytest.raises(pytest.fail.Exception, match="the simulated card has a hardware error"):
            faults.pytest_runtest_setup()
    assert (tmp_path / "stderr").read_text() == (
        '\n{"name":"RAS::SIM::HardwareError","code":"0x7b1b","card":"sim-0,infra@1"}\n'
    )


def test_a_slow_card_sleeps_in_proportion_even_when_the_test_fails(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    slept: list[float] = []
    times = iter([10.0, 12.0])
    monkeypatch.setattr(time, "sleep", slept.append)
    monkeypatch.setattr(time, "perf_counter", lambda: next(times))
    call = make_faults(tmp_path, ("slow", 1.5)).pytest_runtest_call()
    next(call)
    with pytest.raises(Ended):
        call.throw(Ended())
    assert slept == [1.0]


def test_the_time_of_the_last_use_is_kept_from_the_beginning_to_the_end(tmp_path: Path) -> None:
    state = tmp_path / "new" / "sim-0,busy=60"
    faults = make_faults(state, ("busy", 60))
    for mark in (
        faults.pytest_sessionstart,
        faults.pytest_runtest_setup,
        faults.pytest_unconfigure,
    ):
        mark()
        assert time.time() - state.stat().st_mtime < 900
        os.utime(state, (0, 0))


def test_each_card_with_faults_has_a_plugin_of_its_own(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    cleanups: list[Callable[[], None]] = []
    manager = pytest.PytestPluginManager()
    config = SimpleNamespace(pluginmanager=manager, add_cleanup=cleanups.append)
    cards = [{"state": str(tmp_path / name), "faults": []} for name in ("a", "b")]
    monkeypatch.setenv("NOXDEN_ATTEMPT_SIMULATED", json.dumps(cards))
    noxden_simulated.pytest_configure(cast("pytest.Config", config))
    for name in ("a", "b"):
        assert isinstance(manager.get_plugin(f"simulated {tmp_path / name}"), Faults)
    for cleanup in cleanups:
        cleanup()
