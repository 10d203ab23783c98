"""What a run may use and write, by what started it: settled once, before a den is looked for."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from noxden._switches import is_ci
from noxden.ci.trigger import read_trust
from noxden.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["Settled", "settle_trust"]

_VARIABLE = "NOXDEN_TRUST"


class Settled(NamedTuple):
    """What a trigger means for a run."""

    variables: Mapping[str, str]
    """To be set for this process and all it starts."""
    notice: str = ""
    """One line for people; empty where everything is as usual."""


def settle_trust(env: Mapping[str, str]) -> Settled:
    """Put the trust of a run on a CI system into ``NOXDEN_TRUST``, where that says nothing yet.

    A run for strangers gets a den of its own by it, and one about which nothing is known, whose
    trust is ``unknown``, writes to nothing outside of the den. ``NOXDEN_TRUST=unknown`` counts as
    not set. On a machine without a CI system there is nothing to set.

    Raises:
        UsageError: ``NOXDEN_TRUST`` is not set, and nothing can be learned about a pull request.
    """
    if not is_ci(env):
        return Settled({})
    said = None if env.get(_VARIABLE) == "unknown" else env.get(_VARIABLE)
    if said == "untrusted":
        return Settled({})
    try:
        trust = read_trust(env)
    except UsageError:
        if said is None:
            raise
        return Settled({})
    strange = trust.level == "untrusted"
    if said is None:
        notice = f"{trust.why}: uses the den of untrusted runs" if strange else ""
        return Settled({_VARIABLE: trust.level}, notice)
    why = f"{trust.why}: uses the trusted den all the same, {_VARIABLE} says so"
    return Settled({}, why if strange else "")
