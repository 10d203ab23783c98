"""What is done where a file of the store turns out to be damaged just as it is to be used."""

from __future__ import annotations

from typing import TYPE_CHECKING, NoReturn

from noxden.den.wheels.check import Damage, quarantine
from noxden.errors import SafetyError

if TYPE_CHECKING:
    from pathlib import Path

    from noxden.den.layout import Den
    from noxden.lock.selection import Artifact

__all__ = ["refuse_damaged"]


def refuse_damaged(den: Den, artifact: Artifact, path: Path, found: str) -> NoReturn:
    """Refuse ``path``, the file of ``artifact`` in the store, whose sha256 is ``found``.

    It leaves the store, so that the next run fetches or builds it anew.

    Raises:
        SafetyError: always.
    """
    damage = Damage(artifact, path, found)
    where = quarantine(den, damage)
    done = "another process mended it" if where is None else f"it is in {where}"
    message = f"{damage}; {done}, so run again"
    raise SafetyError(message)
