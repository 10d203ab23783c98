"""IBM Spyre cards: by what a device plugin or Podman tells, else by sysfs.

Variables and the PCI id are those of torch-spyre, spyre-inference and the AIU device plugin, 2026.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, NamedTuple

from noxden.devices.cards import Found, find_cache, opens
from noxden.devices.values import Card
from noxden.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from noxden.devices.cards import Look

__all__ = ["find_cards", "find_fault", "is_open", "plan_environment"]

_IDS = ("0x1014", "0x06a7")
"""Vendor and device, as sysfs spells them."""
_LISTS = ("PCIDEVICE_IBM_COM_AIU_PF", "AIU_PCIE_IDS")
"""Lists of PCI addresses: of the Kubernetes device plugin, and under Podman."""
_RANK = re.compile(r"AIU_WORLD_RANK_(\d+)")
_MOCK = "mock:"
_NAME = re.compile(r"RAS::[\w:]*\w")
_CODE = re.compile(r'"\s*:\s*\\*"?(0x[0-9a-fA-F]+)')
_DEAD = b"\xff\xff\xff\xff"
"""What reading from a device gives that does not answer on the bus."""


class _Named(NamedTuple):
    """A card before anything is known of its state."""

    number: int
    address: str


def find_cards(look: Look, /) -> Found:
    """The cards by the first source that names some, less what SPYRE_DEVICES leaves out.

    Raises:
        UsageError: SPYRE_DEVICES or AIU_WORLD_SIZE cannot be read.
    """
    addresses, looked = _find_addresses(look)
    named = [_Named(number, address) for number, address in enumerate(addresses)]
    if addresses and (text := look.env.get("SPYRE_DEVICES")) is not None:
        looked.append(f"SPYRE_DEVICES is {text!r}")
        named = _select(addresses, text)
    return Found(tuple(_describe(one, look) for one in named), tuple(looked))


def _find_addresses(look: Look) -> tuple[list[str], list[str]]:
    """All addresses in original order, and what was looked at until they were found."""
    env, looked = look.env, list[str]()
    if env.get("FLEX_DEVICE", "").upper() == "MOCK":
        size = _read_size(env)
        return [f"{_MOCK}{at}" for at in range(size)], [
            f"FLEX_DEVICE is MOCK, number of cards by AIU_WORLD_SIZE: {size}"
        ]
    ranks = sorted((int(m[1]), env[m[0]]) for m in map(_RANK.fullmatch, env) if m and env[m[0]])
    sources = {"AIU_WORLD_RANK_<n>": [address for _, address in ranks]}
    sources |= {name: re.split(r"[,;\s]+", env.get(name, "")) for name in _LISTS}
    for name, found in sources.items():
        addresses = list(dict.fromkeys(_spell(one) for one in found if one))
        looked.append(f"{name} names {', '.join(addresses) or 'none'}")
        if addresses:
            return addresses, looked
    bus = look.root / "sys/bus/pci/devices"
    addresses = _scan(bus)
    looked.append(f"{bus} has of 1014:06a7: {', '.join(addresses) or 'none'}")
    return addresses, looked


def _read_size(env: Mapping[str, str]) -> int:
    text = env.get("AIU_WORLD_SIZE", "") or "1"
    if not text.isdecimal():
        message = f"environment variable AIU_WORLD_SIZE is to be a number, got {text!r}"
        raise UsageError(message)
    return int(text)


def _spell(address: str) -> str:
    """A PCI address as sysfs spells it: small letters, with its domain."""
    address = address.strip().lower()
    return f"0000:{address}" if re.fullmatch(r"[\da-f]{2}:[\da-f]{2}\.\d", address) else address


def _scan(bus: Path) -> list[str]:
    found = bus.iterdir() if bus.is_dir() else ()
    return sorted(
        folder.name
        for folder in found
        if (_read(folder / "vendor"), _read(folder / "device")) == _IDS
    )


def _read(file: Path) -> str:
    try:
        return file.read_text("ascii", "replace").strip()
    except OSError:
        return ""


def _select(addresses: Sequence[str], text: str) -> list[_Named]:
    """The cards that SPYRE_DEVICES takes: original indices, in their order."""
    entries = [entry.strip() for entry in text.split(",") if entry.strip()]
    if not all(entry.isdecimal() for entry in entries):
        message = f"environment variable SPYRE_DEVICES is to list numbers, got {text!r}"
        raise UsageError(message)
    indices = sorted({int(entry) for entry in entries})
    if all(index < len(addresses) for index in indices):
        return [_Named(index, addresses[index]) for index in indices]
    if len(indices) == len(addresses):
        # plan_environment() of a process around this one: the ranks are of the selected only.
        return [_Named(index, address) for index, address in zip(indices, addresses, strict=True)]
    message = (
        f"environment variable SPYRE_DEVICES names card {indices[-1]}, and there are "
        f"{len(addresses)}, counted from 0"
    )
    raise UsageError(message)


def _describe(named: _Named, look: Look) -> Card:
    node, health = ("", "ok") if named.address.startswith(_MOCK) else _examine(named.address, look)
    return Card(
        index=named.number,
        address=named.address,
        kind="spyre",
        node=node,
        health=health,
        host=look.host,
    )


def _examine(address: str, look: Look) -> tuple[str, str]:
    """Node and health of a card, by sysfs; where there is no sysfs nothing can be said."""
    bus = look.root / "sys/bus/pci/devices"
    device = bus / address
    if not bus.is_dir():
        return "", "ok"
    if not device.is_dir():
        return "", f"not in {bus}"
    group = device / "iommu_group"
    if not group.is_symlink():
        return "", "has no IOMMU group; is VFIO on?"
    node = look.root / "dev/vfio" / group.readlink().name
    if not node.exists():
        return str(node), f"{node} is missing"
    return str(node), _find_defect(device) or "ok"


def _find_defect(device: Path) -> str:
    for name in ("power_state", "power/runtime_status"):
        if _read(device / name) == "error":
            return f"{name} says error"
    try:
        with (device / "config").open("rb") as file:
            dead = file.read(len(_DEAD)) == _DEAD
    except OSError:
        return ""
    return "does not answer on the bus" if dead else ""


def plan_environment(
    cards: Sequence[Card], env: Mapping[str, str], folder: Path, /
) -> dict[str, str | None]:
    """Original indices, as many ranks as cards, a compiler cache of their own, and no CI.

    AIU_WORLD_SIZE is the number of selected cards (torch-spyre #3952); PyTorch's compiler tests
    behave otherwise where CI is on.
    """
    ordered = sorted(cards, key=lambda card: card.index)
    planned: dict[str, str | None] = {name: None for name in env if _RANK.fullmatch(name)}
    planned |= {
        f"AIU_WORLD_RANK_{rank}": card.address
        for rank, card in enumerate(ordered)
        if not card.address.startswith(_MOCK)
    }
    return planned | {
        "SPYRE_DEVICES": ",".join(str(card.index) for card in ordered),
        "AIU_WORLD_SIZE": str(len(ordered)),
        "TORCHINDUCTOR_CACHE_DIR": str(find_cache(ordered, folder)),
        "CI": "",
    }


def is_open(card: Card, /) -> bool:
    """Whether the VFIO group of ``card`` opens."""
    return opens(card.node)


def find_fault(line: str, /) -> str:
    r"""Name and code of an event of the runtime's RAS log.

    >>> find_fault('{"name":"RAS::VFIO::DeviceOpenFail","code":"0x332b"}')
    'RAS::VFIO::DeviceOpenFail (0x332b)'
    """
    if "RAS::" not in line or "name" not in line:
        return ""
    name, code = _NAME.search(line), _CODE.search(line)
    if '"name' not in line or name is None:
        return ""
    return f"{name[0]} ({code[1]})" if code else name[0]
