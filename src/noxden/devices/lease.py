"""Leases: a card belongs to one attempt at a time, whoever started it and from which checkout.

A lease is an exclusive flock on a file named by the card's address, in a folder that everybody on
this host uses. The lock belongs to the open file, not to a process: children that inherit the
descriptor hold it too, and the card is free when the last of them is gone, however the first one
died. Several cards are taken in the order of their addresses by everybody, so that no two runs
wait for each other.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import threading
import time
from typing import TYPE_CHECKING, NamedTuple

from noxden.devices.holders import Holder, find_holder, read_holder, render_holder, write_holder
from noxden.devices.lock_files import LeaseError, find_lock_folder, is_current, open_lock, try_lock

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from pathlib import Path

    from noxden.devices.values import Card

__all__ = [
    "Holder",
    "Lease",
    "LeaseError",
    "find_holder",
    "find_lock_folder",
    "lease",
    "render_holder",
]

_FIRST_PAUSE_S, _LONGEST_PAUSE_S = 0.01, 0.5


class Lease(NamedTuple):
    """What holds cards."""

    descriptors: tuple[int, ...]
    """For ``pass_fds`` of the process that uses the cards."""
    waited_s: float


_RESET_S = 90.0
"""A card may stay busy for a minute after its last holder has died (torch-spyre 3836, 4481)."""


def _never() -> bool:
    return False


@contextlib.contextmanager
def lease(  # noqa: PLR0913 - by name, and all but the cards are of the run
    cards: Sequence[Card],
    *,
    folder: Path,
    limit_s: float,
    reset_s: float = _RESET_S,
    is_open: Callable[[Card], bool],
    say: Callable[[str], None],
    is_over: Callable[[], bool] = _never,
    command: str,
) -> Iterator[Lease]:
    """Hold ``cards`` alone, from when each of them also opens; all that within ``limit_s``.

    Nobody uses a card that is held and does not open: it gets ``reset_s`` for its reset.

    While it waits, ``say`` gets a line for each holder, and ``is_over`` is asked whether nobody
    wants the cards any longer. ``command`` is what others are told. At the end only the own
    descriptors are closed: what inherited them goes on holding the cards.

    Raises:
        LeaseError: a card is held or does not open until then, its node is missing or forbidden,
            its lock cannot be used, or ``is_over`` ended the waiting.
        SafetyError: the folder or a file in it is a link that somebody else may turn.
    """
    wait = _Wait(limit_s, say, is_over)
    wanted = {card.address: card for card in cards}
    with contextlib.ExitStack() as stack:
        descriptors = []
        for address in sorted(wanted):
            descriptor = _hold(folder, wanted[address], wait)
            stack.callback(os.close, descriptor)
            write_holder(descriptor, command)
            descriptors.append(descriptor)
        opening = _Wait(min(max(round(wait.left_s, 2), 0.0), reset_s), say, is_over)
        for address in sorted(wanted):
            _wait_open(wanted[address], is_open, opening)
        yield Lease(tuple(descriptors), time.monotonic() - wait.began)


class _Wait:
    """The patience of one lease."""

    def __init__(
        self, limit_s: float, say: Callable[[str], None], is_over: Callable[[], bool]
    ) -> None:
        self.began = time.monotonic()
        self.limit_s = limit_s
        self._until = time.time() + limit_s
        self._say = say
        self._is_over = is_over
        self._said: set[tuple[str, int, float]] = set()

    @property
    def left_s(self) -> float:
        return self.began + self.limit_s - time.monotonic()

    def tell(self, card: Card, holder: Holder) -> None:
        """Say who holds ``card``, once."""
        if (key := (card.address, holder.pid, holder.since)) not in self._said:
            self._said.add(key)
            until = time.strftime("%H:%M:%S", time.localtime(self._until))
            self._say(f"card {card.name} is held by {render_holder(holder)}; waits until {until}")

    def check(self, card: Card) -> None:
        """Raise where the run is over."""
        if self._is_over():
            message = f"card {card.name} is not needed any more, the run is being ended"
            raise LeaseError(message, card)

    def tries(self, card: Card) -> Iterator[int]:
        """Numbers of tries with pauses between them; at least one, and the last at the limit."""
        number, pause_s = 0, _FIRST_PAUSE_S
        while True:
            self.check(card)
            is_last = self.left_s <= 0
            yield number
            if is_last:
                return
            number += 1
            time.sleep(max(0.0, min(pause_s, self.left_s)))
            pause_s = min(2 * pause_s, _LONGEST_PAUSE_S)


def _hold(folder: Path, card: Card, wait: _Wait) -> int:
    """The lock file of ``card``, locked."""
    while True:
        descriptor = open_lock(folder, card)
        try:
            _lock(descriptor, card, wait)
        except BaseException:
            os.close(descriptor)
            raise
        if is_current(folder, card, descriptor):
            return descriptor
        os.close(descriptor)


def _lock(descriptor: int, card: Card, wait: _Wait) -> None:
    """Lock; say who has it meanwhile."""
    for number in wait.tries(card):
        if try_lock(descriptor, fcntl.LOCK_EX, card):
            return
        # The first time it may be held by somebody who only looks, or who has not written yet.
        if number:
            wait.tell(card, read_holder(descriptor))
    message = (
        f"card {card.name} is still held after {wait.limit_s:g} s by "
        f"{render_holder(read_holder(descriptor))}; end that, or wait longer by lease in "
        f"[tool.noxden.device]"
    )
    raise LeaseError(message, card)


def _wait_open(card: Card, is_open: Callable[[Card], bool], wait: _Wait) -> None:
    """Wait until ``card`` opens: a card that was in use is reset in its own time."""
    if any(_ask(card, is_open, wait) for _ in wait.tries(card)):
        return
    place = f" ({card.node})" if card.node else ""
    message = (
        f"card {card.name}{place} is leased and does not open after {wait.limit_s:g} s; look who "
        f"uses it without noxden, or reset it"
    )
    raise LeaseError(message, card)


def _ask(card: Card, is_open: Callable[[Card], bool], wait: _Wait) -> bool:
    """Whether ``card`` opens, asked in a thread: a driver can hang where no signal reaches it."""
    if not card.node:
        return is_open(card)
    said: list[bool | OSError] = []

    def ask() -> None:
        try:
            said.append(is_open(card))
        except OSError as error:
            said.append(error)

    thread = threading.Thread(target=ask, daemon=True)
    thread.start()
    thread.join(_LONGEST_PAUSE_S)
    while thread.is_alive() and wait.left_s > 0:
        wait.check(card)
        thread.join(min(_LONGEST_PAUSE_S, max(wait.left_s, 0.0)))
    answer = said[0] if said else False
    if isinstance(answer, OSError):
        raise LeaseError(_explain_refusal(card, answer), card) from answer
    return answer


def _explain_refusal(card: Card, error: OSError) -> str:
    remedy = (
        "let this user open it, by its group or a udev rule"
        if isinstance(error, PermissionError)
        else "load its driver, or pass the device into this container"
    )
    return f"card {card.name} cannot be opened, {card.node}: {error.strerror}; {remedy}"
