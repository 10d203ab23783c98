"""Cards of any kind that a variable lists: ``MY_DEVICES=0,1``, or by addresses."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from noxden.devices.cards import Found, find_cache
from noxden.devices.values import Card

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from noxden.devices.cards import Look

__all__ = ["find_cards", "find_fault", "is_open", "plan_environment"]

_PCI = re.compile(r"[\da-fA-F]{4}:[\da-fA-F]{2}:[\da-fA-F]{2}\.\d")


def find_cards(look: Look, /) -> Found:
    """The entries of the variable that ``device.variable`` names, which is their kind too."""
    name = look.variable
    if not name:
        return Found((), ("no variable is named by variable in [tool.noxden.device]",))
    if (text := look.env.get(name)) is None:
        return Found((), (f"{name} is not set",))
    entries = dict.fromkeys(entry.strip() for entry in text.split(",") if entry.strip())
    cards = tuple(
        Card(
            index=int(entry) if entry.isdecimal() else position,
            address=_make_address(name, entry),
            kind=name,
            host=look.host,
        )
        for position, entry in enumerate(entries)
    )
    return Found(cards, (f"{name} is {text!r}",))


def _make_address(name: str, entry: str) -> str:
    """A PCI address as it is, which is the card's for every provider; else with the variable."""
    return entry if _PCI.fullmatch(entry) else f"{name}={entry}"


def plan_environment(
    cards: Sequence[Card], env: Mapping[str, str], folder: Path, /
) -> dict[str, str | None]:
    """The variable with the entries of ``cards`` only, and a compiler cache of their own."""
    del env
    name = cards[0].kind
    return {
        name: ",".join(card.address.removeprefix(f"{name}=") for card in cards),
        "TORCHINDUCTOR_CACHE_DIR": str(find_cache(cards, folder)),
    }


def is_open(card: Card, /) -> bool:
    """Always: nothing is known of its device file."""
    del card
    return True


def find_fault(line: str, /) -> str:
    """Never: nothing is known of how it tells of faults."""
    del line
    return ""
