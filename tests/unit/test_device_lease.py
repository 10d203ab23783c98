"""A lease: who holds a card, how long is waited, and what is said meanwhile."""

from __future__ import annotations

import errno
import fcntl
import json
import os
import socket
import threading
import time
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from noxden.devices import holders, lock_files
from noxden.devices import lease as lease_module
from noxden.devices.lease import (
    Holder,
    Lease,
    LeaseError,
    find_holder,
    find_lock_folder,
    lease,
    render_holder,
)
from noxden.devices.values import Card
from noxden.errors import SafetyError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from contextlib import AbstractContextManager

A, B = (Card(index=at, address=f"sim:{at}", kind="simulated", host="here") for at in range(2))
HERE = socket.gethostname()


def yes(_: Card) -> bool:
    return True


def no(_: Card) -> bool:
    return False


@pytest.fixture
def locks(tmp_path: Path) -> Path:
    return tmp_path / "locks"


@pytest.fixture
def said() -> list[str]:
    return []


@pytest.fixture
def hold(locks: Path, said: list[str]) -> Callable[..., AbstractContextManager[Lease]]:
    def take(
        *cards: Card,
        limit_s: float = 0.0,
        is_open: Callable[[Card], bool] = yes,
        command: str = "it",
        is_over: Callable[[], bool] = lambda: False,
    ) -> AbstractContextManager[Lease]:
        return lease(
            cards, folder=locks, limit_s=limit_s, is_open=is_open, say=said.append,
            is_over=is_over, command=command,
        )  # fmt: skip

    return take


@pytest.fixture
def other(locks: Path) -> Iterator[Callable[..., None]]:
    """Lets somebody else hold a card, whatever the file says."""
    held: list[int] = []

    def take(card: Card, text: str = "") -> None:
        locks.mkdir(exist_ok=True)
        file = locks / f"{card.address.replace(':', '%3A')}.lock"
        file.write_text(text)
        held.append(os.open(file, os.O_RDWR))
        fcntl.flock(held[-1], fcntl.LOCK_EX)

    yield take
    for descriptor in held:
        os.close(descriptor)


def holder_text(pid: int, host: str = HERE, since: float = 86_400.0) -> str:
    return json.dumps({"command": "theirs", "pid": pid, "since": since, "host": host})


# The folder


def test_the_folder_is_what_the_variable_names(tmp_path: Path) -> None:
    assert find_lock_folder({"NOXDEN_CARD_LOCKS": "/x"}, tmp_path) == Path("/x")


def test_the_folder_is_the_same_for_all_users_of_a_host(tmp_path: Path) -> None:
    assert find_lock_folder({"TMPDIR": "/mine"}, tmp_path) == tmp_path / "tmp/noxden-cards"
    (tmp_path / "run/lock").mkdir(parents=True)
    # Root may write there, and others may not: they have to meet elsewhere.
    assert find_lock_folder({}, tmp_path) == tmp_path / "tmp/noxden-cards"
    (tmp_path / "run/lock").chmod(0o1777)
    assert (
        find_lock_folder({"NOXDEN_CARD_LOCKS": ""}, tmp_path) == tmp_path / "run/lock/noxden-cards"
    )


def test_everybody_may_use_folder_and_files(
    hold: Callable[..., AbstractContextManager[Lease]], locks: Path
) -> None:
    before = os.umask(0o077)
    try:
        with hold(A):
            pass
    finally:
        os.umask(before)
    assert locks.stat().st_mode & 0o7777 == 0o1777
    assert {file.name: file.stat().st_mode & 0o777 for file in locks.iterdir()} == {
        "sim%3A0.lock": 0o666
    }


def test_a_file_that_is_a_link_is_refused(
    hold: Callable[..., AbstractContextManager[Lease]], locks: Path, tmp_path: Path
) -> None:
    (tmp_path / "precious").write_text("mine")
    locks.mkdir()
    (locks / "sim%3A0.lock").symlink_to(tmp_path / "precious")
    with pytest.raises(SafetyError) as raised, hold(A):
        pass
    assert str(raised.value) == f"{locks}/sim%3A0.lock is a link and no lock file; remove it"
    assert (tmp_path / "precious").read_text() == "mine"


def test_a_folder_that_is_a_link_of_somebody_else_is_refused(
    hold: Callable[..., AbstractContextManager[Lease]],
    locks: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    (tmp_path / "elsewhere").mkdir()
    locks.symlink_to(tmp_path / "elsewhere")
    with hold(A):
        pass
    real = Path.lstat

    def of_another(path: Path) -> os.stat_result:
        found = list(real(path))
        found[4] = 12_345
        return os.stat_result(found)

    monkeypatch.setattr(Path, "lstat", of_another)
    with pytest.raises(SafetyError) as raised, hold(A):
        pass
    assert str(raised.value) == (
        f"{locks} is a link of user 12345; name another folder for everybody on this host by "
        f"NOXDEN_CARD_LOCKS"
    )


def test_a_folder_that_cannot_be_used_is_told_with_another_way(
    hold: Callable[..., AbstractContextManager[Lease]], locks: Path
) -> None:
    locks.write_text("a file")
    with pytest.raises(LeaseError) as raised, hold(A):
        pass
    assert str(raised.value) == (
        f"card here/sim:0 cannot be locked by {locks}/sim%3A0.lock: Not a directory; name another "
        f"folder for everybody on this host by NOXDEN_CARD_LOCKS"
    )
    assert raised.value.card == A


def test_a_lock_file_that_is_taken_away_again_and_again_is_told(
    hold: Callable[..., AbstractContextManager[Lease]],
    locks: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(lock_files, "_make_file", lambda _: None)
    with pytest.raises(LeaseError, match="it comes and goes"), hold(A):
        pass
    assert list(locks.iterdir()) == []


def test_who_is_slower_to_make_a_lock_file_uses_the_other_s(locks: Path) -> None:
    locks.mkdir()
    lock_files._make_file(locks / "x.lock")
    first = (locks / "x.lock").stat().st_ino
    lock_files._make_file(locks / "x.lock")
    assert [file.stat().st_ino for file in locks.iterdir()] == [first]


def test_a_file_system_without_locks_is_told(
    hold: Callable[..., AbstractContextManager[Lease]],
    locks: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def refuse(*_: object) -> None:
        raise OSError(37, "No locks available")

    monkeypatch.setattr(fcntl, "flock", refuse)
    with pytest.raises(LeaseError) as raised, hold(A):
        pass
    assert str(raised.value) == (
        "card here/sim:0 cannot be locked: No locks available; name another folder for everybody "
        "on this host by NOXDEN_CARD_LOCKS"
    )
    assert find_holder(locks, A) is None


# Holding


def test_a_lease_tells_others_who_holds_the_card(
    hold: Callable[..., AbstractContextManager[Lease]], locks: Path
) -> None:
    assert find_holder(locks, A) is None
    began = time.time()
    with hold(B, A, A, command="noxden device") as held:
        assert len(held.descriptors) == 2
        assert not any(os.get_inheritable(descriptor) for descriptor in held.descriptors)
        for card in (A, B):
            holder = find_holder(locks, card)
            assert holder is not None
            assert holder._replace(since=0.0) == Holder("noxden device", os.getpid(), 0.0, HERE)
            assert began <= holder.since <= time.time()
    assert (find_holder(locks, A), find_holder(locks, B)) == (None, None)
    for descriptor in held.descriptors:
        with pytest.raises(OSError, match="Bad file descriptor"):
            os.fstat(descriptor)


def test_a_card_that_is_held_cannot_be_had(
    hold: Callable[..., AbstractContextManager[Lease]], said: list[str], locks: Path
) -> None:
    with hold(B, command="the first"):
        with pytest.raises(LeaseError) as raised, hold(A, B, limit_s=0.3):
            pass
        holder = find_holder(locks, B)
        assert holder is not None
        assert find_holder(locks, A) is None
    who = render_holder(holder)
    assert str(raised.value) == (
        f"card here/sim:1 is still held after 0.3 s by {who}; end that, or wait longer by lease "
        f"in [tool.noxden.device]"
    )
    assert raised.value.card == B
    assert len(said) == 1


def test_without_time_to_wait_it_is_tried_once(
    hold: Callable[..., AbstractContextManager[Lease]],
    other: Callable[..., None],
    said: list[str],
) -> None:
    other(A)
    with pytest.raises(LeaseError, match="somebody who did not say who it is"), hold(A):
        pass
    assert said == []


def test_each_holder_is_told_once_while_it_waits(
    hold: Callable[..., AbstractContextManager[Lease]],
    other: Callable[..., None],
    said: list[str],
    locks: Path,
) -> None:
    other(A, holder_text(1))
    texts = [holder_text(1), holder_text(1), holder_text(os.getpid(), since=90_000.0)]

    def change() -> bool:
        if texts:
            (locks / "sim%3A0.lock").write_text(texts.pop(0))
        return len(said) == 2

    with pytest.raises(LeaseError), hold(A, limit_s=60, is_over=change):
        pass
    first, second = (
        render_holder(Holder("theirs", pid, since, HERE))
        for pid, since in ((1, 86_400.0), (os.getpid(), 90_000.0))
    )
    assert [line.rpartition("; waits until ")[0] for line in said] == [
        f"card here/sim:0 is held by {first}",
        f"card here/sim:0 is held by {second}",
    ]


def test_nobody_waits_for_a_card_when_the_run_is_over(
    hold: Callable[..., AbstractContextManager[Lease]], other: Callable[..., None]
) -> None:
    other(A)
    answers = [False, False, True]
    with pytest.raises(LeaseError) as raised, hold(A, limit_s=60, is_over=lambda: answers.pop(0)):
        pass
    assert str(raised.value) == "card here/sim:0 is not needed any more, the run is being ended"


# Opening


def test_a_lease_begins_when_the_card_opens(
    hold: Callable[..., AbstractContextManager[Lease]], tmp_path: Path
) -> None:
    answers = [False, False, True]
    card = Card(index=0, address="x", kind="simulated", node=str(tmp_path))
    for one in (A, card):
        left = list(answers)
        with hold(one, limit_s=60, is_open=lambda _, left=left: left.pop(0)) as held:
            assert left == []
            assert held.waited_s >= 0.02


def test_a_card_that_does_not_open_is_told_and_free_again(
    hold: Callable[..., AbstractContextManager[Lease]], locks: Path, tmp_path: Path
) -> None:
    card = Card(index=0, address="x", kind="simulated", node=str(tmp_path))
    for one, place in ((A, "here/sim:0"), (card, f"x ({tmp_path})")):
        with pytest.raises(LeaseError) as raised, hold(one, limit_s=0.03, is_open=no):
            pass
        assert str(raised.value) == (
            f"card {place} is leased and does not open after 0.03 s; look who uses it without "
            f"noxden, or reset it"
        )
        assert find_holder(locks, one) is None


@pytest.mark.parametrize(
    ("error", "why"),
    [
        (
            FileNotFoundError(errno.ENOENT, "No such file or directory"),
            "No such file or directory; load its driver, or pass the device into this container",
        ),
        (
            PermissionError(errno.EACCES, "Permission denied"),
            "Permission denied; let this user open it, by its group or a udev rule",
        ),
    ],
)
def test_a_node_that_is_missing_or_forbidden_is_not_waited_for(
    error: OSError, why: str, hold: Callable[..., AbstractContextManager[Lease]], locks: Path
) -> None:
    asked = []

    def refuse(card: Card) -> bool:
        asked.append(card)
        raise error

    card = Card(index=0, address="x", kind="spyre", node="/dev/vfio/12")
    with pytest.raises(LeaseError) as raised, hold(card, limit_s=60, is_open=refuse):
        pass
    assert str(raised.value) == f"card x cannot be opened, /dev/vfio/12: {why}"
    assert asked == [card]
    assert find_holder(locks, card) is None


def test_a_driver_that_hangs_while_it_opens_holds_up_nobody(
    hold: Callable[..., AbstractContextManager[Lease]],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(lease_module, "_LONGEST_PAUSE_S", 0.02)
    release = threading.Event()
    card = Card(index=0, address="x", kind="simulated", node=str(tmp_path))
    try:
        with (
            pytest.raises(LeaseError, match="does not open after 0.1 s"),
            hold(card, limit_s=0.1, is_open=lambda _: release.wait(60)),
        ):
            pass
    finally:
        release.set()


# Holders


@pytest.mark.parametrize("text", ["", "{", "[]", '{"pid": 1}', "\x00" * 10])
def test_a_holder_that_cannot_be_read_is_somebody(
    text: str, other: Callable[..., None], locks: Path
) -> None:
    other(A, text)
    assert find_holder(locks, A) == Holder("", 0, 0.0, "")


@pytest.mark.parametrize(
    ("pid", "host", "gone"),
    [(2**22 + 5, HERE, True), (2**80, HERE, True), (2**22 + 5, "elsewhere", False), (1, HERE, False)],
)  # fmt: skip
def test_a_holder_whose_process_is_gone_is_told_where_that_can_be_known(
    pid: int, host: str, gone: bool, other: Callable[..., None], locks: Path
) -> None:
    other(A, holder_text(pid, host))
    assert find_holder(locks, A) == Holder("theirs", pid, 86_400.0, host, gone)


def test_a_process_of_another_user_is_there(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object) -> None:
        raise PermissionError

    monkeypatch.setattr(os, "kill", refuse)
    assert holders._is_alive(1)


def test_a_holder_is_told_with_command_pid_and_time(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(time, "localtime", time.gmtime)
    holder = Holder("noxden device", 12, 86_400.0, "here")
    assert render_holder(holder) == "noxden device (pid 12 on here, since 1970-01-02 00:00:00)"
    assert render_holder(holder._replace(is_gone=True)) == (
        "noxden device (pid 12 on here, since 1970-01-02 00:00:00, which is gone; what it started "
        "still holds it)"
    )
