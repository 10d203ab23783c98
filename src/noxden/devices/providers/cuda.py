"""NVIDIA cards: by CUDA_VISIBLE_DEVICES, else by the device files; the driver tells addresses.

The form of CUDA_VISIBLE_DEVICES is that of the CUDA C++ programming guide, "CUDA environment
variables"; Xid lines are those of the driver in the kernel's log.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, NamedTuple

from noxden.devices.cards import Found, find_cache, opens
from noxden.devices.values import Card

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from pathlib import Path

    from noxden.devices.cards import Look

__all__ = ["find_cards", "find_fault", "is_open", "plan_environment"]

_UUID = ("GPU-", "MIG-")
_FAULTS = (
    re.compile(r"NVRM: Xid \([^)]*\): \d+"),
    re.compile(r"CUDA-capable device\(s\) is/are busy or unavailable"),
    re.compile(r"uncorrectable ECC error", re.IGNORECASE),
)
"""What is the machine's fault. Most CUDA errors, device-side asserts too, are the test's."""


class _Gpu(NamedTuple):
    """A card as the driver knows it; CUDA counts in the order of addresses when told so."""

    number: int
    address: str
    node: str
    uuid: str = ""


def find_cards(look: Look, /) -> Found:
    """The cards that CUDA_VISIBLE_DEVICES lists, or all that have a device file."""
    gpus = [gpu._replace(number=number) for number, gpu in enumerate(_scan(look.root))]
    files, visible = len(gpus), look.env.get("CUDA_VISIBLE_DEVICES")
    if visible is None:
        said = "CUDA_VISIBLE_DEVICES is not set"
    else:
        said = f"CUDA_VISIBLE_DEVICES is {visible!r}"
        gpus = list(_select(gpus, visible))
    looked = said, f"{look.root / 'dev'} has of nvidia<n>: {files or 'none'}"
    return Found(tuple(_describe(gpu, look) for gpu in gpus), looked)


def _scan(root: Path) -> list[_Gpu]:
    """All cards with a device file, in the order of their addresses."""
    nodes = {
        file.name.removeprefix("nvidia"): str(file)
        for file in (root / "dev").glob("nvidia*")
        if file.name.removeprefix("nvidia").isdecimal()
    }
    known = [
        _Gpu(0, file.parent.name.lower(), nodes[fields["Device Minor"]], fields.get("GPU UUID", ""))
        for file in (root / "proc/driver/nvidia/gpus").glob("*/information")
        if (fields := _read_fields(file)).get("Device Minor") in nodes
    ]
    if known:
        return sorted(known, key=lambda gpu: gpu.address)
    return [_Gpu(0, f"cuda:{minor}", nodes[minor]) for minor in sorted(nodes, key=int)]


def _read_fields(file: Path) -> dict[str, str]:
    """``Name: value`` lines of a file of the driver."""
    try:
        lines = file.read_text("utf-8", "replace").splitlines()
    except OSError:
        return {}
    pairs = (line.partition(":") for line in lines)
    return {name.strip(): value.strip() for name, _, value in pairs}


def _select(gpus: Sequence[_Gpu], visible: str) -> Iterator[_Gpu]:
    """What ``visible`` takes; as for CUDA, everything from the first bad entry on is left out."""
    seen = set()
    for position, entry in enumerate(visible.split(",")):
        gpu = _find(gpus, entry.strip(), position)
        if gpu is None:
            return
        if gpu.address not in seen:
            seen.add(gpu.address)
            yield gpu


def _find(gpus: Sequence[_Gpu], entry: str, position: int) -> _Gpu | None:
    if entry.startswith(_UUID):
        # An abbreviation will do. In a container the driver may not tell which card it is.
        known = (gpu for gpu in gpus if gpu.uuid and gpu.uuid.startswith(entry))
        return next(known, _Gpu(position, entry, ""))
    if not entry.isdecimal():
        return None
    number = int(entry)
    # Without device files to see (WSL), the variable is all there is.
    return next((gpu for gpu in gpus if gpu.number == number), None) or (
        None if gpus else _Gpu(number, f"cuda:{number}", "")
    )


def _describe(gpu: _Gpu, look: Look) -> Card:
    return Card(index=gpu.number, address=gpu.address, kind="cuda", node=gpu.node, host=look.host)


def plan_environment(
    cards: Sequence[Card], env: Mapping[str, str], folder: Path, /
) -> dict[str, str | None]:
    """The cards by index, or by UUID where no more is known, and compiler caches of their own."""
    del env
    cache = find_cache(cards, folder)
    return {
        "CUDA_VISIBLE_DEVICES": ",".join(_name(card) for card in cards),
        # By default CUDA counts from the fastest card, and an index means another one.
        "CUDA_DEVICE_ORDER": "PCI_BUS_ID",
        "TORCHINDUCTOR_CACHE_DIR": str(cache),
        "TRITON_CACHE_DIR": str(cache / "triton"),
    }


def _name(card: Card) -> str:
    return card.address if card.address.startswith(_UUID) else str(card.index)


def is_open(card: Card, /) -> bool:
    """Whether the device file of ``card`` opens."""
    return opens(card.node)


def find_fault(line: str, /) -> str:
    """What the driver or CUDA says of a card that does not work.

    >>> find_fault("RuntimeError: CUDA error: uncorrectable ECC error encountered")
    'uncorrectable ECC error'
    """
    return next((found[0] for fault in _FAULTS if (found := fault.search(line))), "")
