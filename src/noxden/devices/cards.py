"""Cards: which there are, by providers that know one kind each. No framework is imported for it.

Where a provider looks is given to it, so that a made tree serves as well as this machine.
"""

from __future__ import annotations

import difflib
import hashlib
import os
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple, Protocol, cast
from urllib.parse import quote

from msgspec import Struct

from noxden.errors import InfrastructureError, UsageError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from noxden.devices.values import Card

__all__ = [
    "AUTO",
    "PROVIDERS",
    "Found",
    "Look",
    "Provider",
    "find_cache",
    "find_cards",
    "load_provider",
    "name_file",
    "opens",
]

PROVIDERS: Mapping[str, str] = {
    name: f"noxden.devices.providers.{name}" for name in ("spyre", "cuda", "env", "simulated")
}
"""Name of a provider -> its module."""

AUTO = ("spyre", "cuda", "env")
"""What ``auto`` asks, in this order; simulated cards are only there for who asks for them."""

_LONGEST_NAME = 200
"""Bytes of a file name before a suffix; file systems take 255."""


class Look(Struct, frozen=True, kw_only=True):
    """Where and for what to look."""

    env: Mapping[str, str]
    root: Path = Path("/")
    """Holds ``sys``, ``dev`` and ``proc``."""
    host: str = ""
    """Name of this machine, for the cards."""
    variable: str = ""
    """For the provider ``env``: the variable that lists the devices."""
    count: int = 0
    """At most so many cards that can be used; 0 is all. Of ``simulated``, how many there are."""
    simulate: tuple[str, ...] = ()
    """Faults of simulated cards, ``CARD:FAULT``."""


class Found(NamedTuple):
    """What a provider found."""

    cards: tuple[Card, ...]
    """In the order in which the provider counts, those that cannot be used included."""
    looked: tuple[str, ...]
    """A line each: what was looked at, and what it said."""

    @property
    def usable(self) -> tuple[Card, ...]:
        """The cards of which nothing bad is known."""
        return tuple(card for card in self.cards if card.health == "ok")


class Provider(Protocol):
    """What knows one kind of card; a module of :mod:`noxden.devices.providers` each."""

    def find_cards(self, look: Look, /) -> Found:
        """The cards of this host that may be used here.

        Raises:
            UsageError: a variable or an option that lists cards cannot be read.
        """

    def plan_environment(
        self, cards: Sequence[Card], env: Mapping[str, str], folder: Path, /
    ) -> dict[str, str | None]:
        """Variables for a process that may use just ``cards``; ``None`` unsets one.

        ``env`` is what the process has otherwise, ``folder`` is the attempt's own.
        """

    def is_open(self, card: Card, /) -> bool:
        """Whether ``card`` can be opened now; it is closed again at once.

        Raises:
            OSError: it cannot be, and waiting will not help.
        """

    def find_fault(self, line: str, /) -> str:
        """Why ``line`` of an output tells of a fault of the card; empty where it does not."""


def load_provider(name: str) -> Provider:
    """The provider ``name``.

    Raises:
        UsageError: there is none of this name.
    """
    if name not in PROVIDERS:
        near = difflib.get_close_matches(name, PROVIDERS, n=1)
        hint = f"did you mean {near[0]}?" if near else f"known: auto, {', '.join(PROVIDERS)}"
        message = f"there is no provider of cards {name!r}; {hint}"
        raise UsageError(message)
    return cast("Provider", import_module(PROVIDERS[name]))


def find_cards(provider: str, look: Look) -> tuple[str, Found]:
    """The name of the provider and what it found; ``auto`` takes the first that finds cards.

    With ``look.count``, as many usable cards are left, and all that cannot be used.

    Raises:
        InfrastructureError: there is no card; it says what was looked at.
        UsageError: there is no such provider, or what lists cards cannot be read.
    """
    looked: list[str] = []
    for name in AUTO if provider == "auto" else (provider,):
        found = load_provider(name).find_cards(look)
        looked += (f"{name}: {line}" for line in found.looked)
        if found.cards:
            return name, Found(_limit(found, look.count), tuple(looked))
    message = (
        f"no cards: {'; '.join(looked)}; run where there are some, or try it with simulated "
        f"ones: --provider simulated"
    )
    raise InfrastructureError(message)


def _limit(found: Found, count: int) -> tuple[Card, ...]:
    if count <= 0:
        return found.cards
    kept = {card.name for card in found.usable[:count]}
    return tuple(card for card in found.cards if card.name in kept or card.health != "ok")


def opens(node: str) -> bool:
    """Whether the device ``node`` opens for reading and writing; none at all always does.

    After a holder of a VFIO device died, its reset goes on: until then it is EBUSY. The call
    itself can hang in the driver, where no signal reaches it.

    Raises:
        FileNotFoundError: it is not there.
        PermissionError: this user may not open it.
    """
    if not node:
        return True
    try:
        descriptor = os.open(node, os.O_RDWR | os.O_CLOEXEC)
    except (FileNotFoundError, PermissionError):
        # No reset ends in another answer.
        raise
    except OSError:
        return False
    os.close(descriptor)
    return True


def name_file(address: str) -> str:
    """A file name for ``address``, a different one for every address.

    >>> name_file("0000:1a:00.0")
    '0000%3A1a%3A00.0'
    """
    name = quote(address, safe="")
    if len(name) <= _LONGEST_NAME and name.strip("."):
        return name
    return f"{name[:80]}~{hashlib.sha256(address.encode()).hexdigest()}"


def find_cache(cards: Sequence[Card], folder: Path) -> Path:
    """Where compilers keep what they make for ``cards``, beside the attempt's ``folder``.

    It stays from one attempt on these cards to the next; no two processes ever share it, which
    is what breaks compiled code (torch-spyre #2786).
    """
    return folder.parent / "caches" / name_file("+".join(card.address for card in cards))
