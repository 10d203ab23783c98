"""What can be wrong with a den, a checkout and the tools around them, each with its remedy."""

from __future__ import annotations

from typing import TYPE_CHECKING

from noxden.den.doctor.disks import check_checkout, check_den
from noxden.den.doctor.programs import check_pythons, check_uv
from noxden.den.doctor.remains import check_remains
from noxden.den.doctor.values import Diagnosis
from noxden.den.doctor.variables import check_variables

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from pathlib import Path

__all__ = ["Diagnosis", "examine"]


def examine(
    checkout: Path, env: Mapping[str, str], pythons: Sequence[str | None], max_size: int
) -> Iterator[Diagnosis]:
    """Look at everything; ``pythons`` are the interpreter requests of the sessions.

    Never raises for what it finds: a den that cannot be opened is a diagnosis too.
    ``max_size`` is what the den may take, in bytes.
    """
    den, said = check_den(env)
    yield from said
    yield from check_checkout(den, checkout)
    yield from check_uv(env, checkout)
    if den is not None:
        yield from check_pythons(den, env, checkout, pythons)
        yield from check_remains(den, max_size)
    yield from check_variables(env)
