"""Leases between real processes: never two on a card, and none lost with its holder."""

from __future__ import annotations

import contextlib
import subprocess
import sys
import threading
import time
from typing import TYPE_CHECKING

import pytest

from noxden.devices.lease import LeaseError, find_holder, lease
from noxden.devices.values import Card

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

LIMIT_S = 60.0
CARDS = tuple(Card(index=at, address=f"sim:{at}", kind="simulated") for at in range(4))

RACE = """
import os, random, sys, time
from pathlib import Path
from noxden.devices.lease import lease
from noxden.devices.values import Card

folder, marks, seed = Path(sys.argv[1]), Path(sys.argv[2]), int(sys.argv[3])
cards = [Card(index=at, address=f"sim:{at}", kind="simulated") for at in range(4)]
draw = random.Random(seed)
print("ready", flush=True)
sys.stdin.readline()
for _ in range(50):
    wanted = draw.sample(cards, draw.randint(1, 3))
    with lease(wanted, folder=folder, limit_s=60, is_open=lambda card: True,
               say=lambda line: None, command=f"racer {seed}"):
        for card in wanted:
            os.close(os.open(marks / str(card.index), os.O_CREAT | os.O_EXCL))
        time.sleep(draw.random() / 200)
        for card in wanted:
            (marks / str(card.index)).unlink()
print("done")
"""

PARENT = """
import subprocess, sys
from pathlib import Path
from noxden.devices.lease import lease
from noxden.devices.values import Card

with lease([Card(index=0, address="sim:0", kind="simulated")], folder=Path(sys.argv[1]), limit_s=0,
           is_open=lambda card: True, say=print, command="the parent") as held:
    child = subprocess.Popen(
        [sys.executable, "-c", "import sys; print('held', flush=True); sys.stdin.read()"],
        pass_fds=held.descriptors,
    )
    child.wait()
"""


@contextlib.contextmanager
def parent_and_child(folder: Path) -> Iterator[subprocess.Popen[str]]:
    """A process that leases card 0 and starts a child that lives until stdin is closed."""
    with subprocess.Popen(
        [sys.executable, "-c", PARENT, str(folder)],
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
    ) as process:  # fmt: skip
        assert process.stdin is not None
        assert process.stdout is not None
        try:
            assert process.stdout.readline() == "held\n"
            yield process
        finally:
            process.kill()
            process.stdin.close()


def wait_for(state: Callable[[], bool]) -> None:
    limit = time.monotonic() + LIMIT_S
    while not state():
        assert time.monotonic() < limit
        time.sleep(0.01)


def test_processes_that_want_several_cards_never_share_one_and_never_block_each_other(
    tmp_path: Path,
) -> None:
    marks = tmp_path / "marks"
    marks.mkdir()
    racers = [
        subprocess.Popen(
            [sys.executable, "-c", RACE, str(tmp_path / "locks"), str(marks), str(seed)],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
        )
        for seed in range(8)
    ]  # fmt: skip
    for racer in racers:
        assert racer.stdout is not None
        assert racer.stdout.readline() == "ready\n"
    for racer in racers:
        assert racer.stdin is not None
        racer.stdin.write("go\n")
        racer.stdin.flush()
    said = [racer.communicate(timeout=120)[0] for racer in racers]
    assert said == ["done\n"] * 8
    assert sorted(file.name for file in (tmp_path / "locks").iterdir()) == [
        f"sim%3A{at}.lock" for at in range(4)
    ]


def test_a_card_is_held_until_the_last_child_of_a_killed_holder_is_gone(tmp_path: Path) -> None:
    said: list[str] = []

    def take(limit_s: float) -> contextlib.AbstractContextManager[object]:
        return lease(
            CARDS[:1], folder=tmp_path, limit_s=limit_s, is_open=lambda _: True, say=said.append,
            command="this",
        )  # fmt: skip

    with parent_and_child(tmp_path) as process:
        holder = find_holder(tmp_path, CARDS[0])
        assert holder is not None
        assert (holder.command, holder.pid, holder.is_gone) == ("the parent", process.pid, False)
        process.kill()
        process.wait()
        assert find_holder(tmp_path, CARDS[0]) == holder._replace(is_gone=True)
        with pytest.raises(LeaseError, match="which is gone; what it started still holds it"):
            take(0.1).__enter__()
        assert process.stdin is not None
        process.stdin.close()
        with take(LIMIT_S):
            assert len(said) in {1, 2}
    assert find_holder(tmp_path, CARDS[0]) is None


def test_two_runs_that_want_two_cards_in_other_orders_both_get_them(tmp_path: Path) -> None:
    with parent_and_child(tmp_path) as process:
        said: list[str] = []

        def take(*cards: Card) -> float:
            with lease(
                cards, folder=tmp_path, limit_s=LIMIT_S, is_open=lambda _: True, say=said.append,
                command="this",
            ) as held:  # fmt: skip
                return held.waited_s

        threads = [threading.Thread(target=take, args=cards) for cards in (CARDS[:2], CARDS[1::-1])]
        for thread in threads:
            thread.start()
        wait_for(lambda: len(said) >= 2)
        assert process.stdin is not None
        process.stdin.close()
        for thread in threads:
            thread.join(LIMIT_S)
            assert not thread.is_alive()
