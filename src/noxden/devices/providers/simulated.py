"""Simulated cards: for tests, and for trying noxden without an accelerator.

They break when told to, by ``CARD:FAULT``, where ``CARD`` counts from 0:

- ``lost@N``: the process dies of SIGKILL at its N-th test, and the card never opens again;
- ``crash@N``: the process dies of SIGSEGV at its N-th test;
- ``hang@N``: the N-th test never ends and says nothing;
- ``infra@N``: the N-th test fails, and the output names a fault of the card;
- ``slow=FACTOR``: tests take that many times as long;
- ``busy=SECONDS``: the card does not open for so long after each use.

``@N`` may be left out and is the first test of a process then. What has to outlive a process is
in a file for each card and its faults, which is its node; remove it to repair the card.
"""

from __future__ import annotations

import difflib
import json
import os
import re
import time
from pathlib import Path
from typing import TYPE_CHECKING

from noxden.devices.cards import Found
from noxden.devices.lease import find_lock_folder
from noxden.devices.providers import spyre
from noxden.devices.values import Card
from noxden.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from noxden.devices.cards import Look

__all__ = ["find_cards", "find_fault", "is_open", "plan_environment"]

_FORM = re.compile(r"(?:sim:)?(\d+):([a-z]+)(?:([@=])(\d+(?:\.\d+)?))?")
_WORDS = {"lost": "@", "crash": "@", "hang": "@", "infra": "@", "slow": "=", "busy": "="}
_COUNT = 2
"""How many cards there are where nobody says."""
_VARIABLE = "SIMULATED_DEVICES"


def find_cards(look: Look, /) -> Found:
    """As many cards as asked for, less what the variable SIMULATED_DEVICES leaves out.

    Raises:
        UsageError: a fault is not understood, or is of a card that is not there.
    """
    count = look.count or _COUNT
    faults: dict[int, list[str]] = {}
    for text in look.simulate:
        index, fault = _parse(text, count)
        faults.setdefault(index, []).append(fault)
    visible = look.env.get(_VARIABLE, ",".join(map(str, range(count)))).split(",")
    cards = tuple(
        _make_card(index, faults.get(index, []), look)
        for index in range(count)
        if str(index) in visible
    )
    return Found(cards, (f"{len(cards)} of {count} that are made up",))


def _parse(text: str, count: int) -> tuple[int, str]:
    """Card and fault of ``CARD:FAULT``, the fault as it is spelled in the name of a node."""
    form = _FORM.fullmatch(text)
    word = form[2] if form else text.rpartition(":")[2]
    if form and (sign := _WORDS.get(word)):
        index, value = int(form[1]), form[4] or ("1" if sign == "@" else "")
        if index >= count:
            message = f"simulate has {text!r}, and there are {count} cards, counted from 0"
            raise UsageError(message)
        if value and form[3] in {None, sign} and (sign == "=" or value.isdecimal()):
            return index, f"{word}{sign}{value}"
    raise UsageError(_explain(text, re.split("[@=]", word)[0]))


def _explain(text: str, word: str) -> str:
    if word in _WORDS:
        form = f"{word}[@N]" if _WORDS[word] == "@" else f"{word}=NUMBER"
        return f"simulate has {text!r}; it is to be CARD:{form}, as 0:{form}"
    near = difflib.get_close_matches(word, _WORDS, n=1)
    hint = f"did you mean {near[0]}?" if near else f"known: {', '.join(_WORDS)}"
    return f"simulate has {text!r}; {hint}"


def _make_card(index: int, faults: Sequence[str], look: Look) -> Card:
    node = ""
    if faults:
        name = ",".join([f"sim-{index}", *faults])
        node = str(find_lock_folder(look.env) / f"simulated-{os.geteuid()}" / name)
    return Card(
        index=index,
        address=f"sim:{index}",
        kind="simulated",
        node=node,
        health=f"lost; to repair it, remove {node}" if _is_lost(node) else "ok",
        host=look.host,
    )


def _is_lost(node: str) -> bool:
    """Whether the state file says so; with no text it only tells by its time of the last use."""
    try:
        return Path(node).read_text("utf-8") == "lost"
    except OSError:
        return False


def _read_faults(node: str) -> list[tuple[str, float]]:
    """Words and numbers of the faults that the name of a node has."""
    parts = (re.split("[@=]", fault) for fault in Path(node).name.split(",")[1:])
    return [(word, float(number)) for word, number in parts]


def plan_environment(
    cards: Sequence[Card], env: Mapping[str, str], folder: Path, /
) -> dict[str, str | None]:
    """The indices of ``cards``, and where some have faults the pytest plugin that acts them out."""
    del folder
    planned: dict[str, str | None] = {_VARIABLE: ",".join(str(card.index) for card in cards)}
    broken = [
        {"state": card.node, "faults": _read_faults(card.node)} for card in cards if card.node
    ]
    if not broken:
        return planned
    plugins = [name for name in env.get("PYTEST_PLUGINS", "").split(",") if name]
    return planned | {
        "NOXDEN_ATTEMPT_SIMULATED": json.dumps(broken),
        "PYTEST_PLUGINS": ",".join(dict.fromkeys([*plugins, "noxden_simulated"])),
    }


def is_open(card: Card, /) -> bool:
    """Whether ``card`` is not lost, and its last use was long enough ago."""
    if not card.node:
        return True
    if _is_lost(card.node):
        return False
    try:
        used = Path(card.node).stat().st_mtime
    except OSError:
        return True
    rest_s = max((number for word, number in _read_faults(card.node) if word == "busy"), default=0)
    return time.time() >= used + rest_s


def find_fault(line: str, /) -> str:
    """As of a Spyre card."""
    return spyre.find_fault(line)
