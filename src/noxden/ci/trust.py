"""Which den a run may use, by what started it: settled once, before a den is looked for."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from noxden.ci.trigger import read_trust
from noxden.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["Settled", "settle_trust"]

_VARIABLE = "NOXDEN_TRUST"


class Settled(NamedTuple):
    """What a trigger means for the den of a run."""

    variables: Mapping[str, str]
    """To be set for this process and all it starts."""
    notice: str = ""
    """One line for people; empty where everything is as usual."""


def settle_trust(env: Mapping[str, str]) -> Settled:
    """Send a run for strangers to a den of its own, unless ``NOXDEN_TRUST`` says something.

    Raises:
        UsageError: ``NOXDEN_TRUST`` is not set, and nothing can be learned about a pull request.
    """
    said = env.get(_VARIABLE)
    if said == "untrusted":
        return Settled({})
    try:
        trust = read_trust(env)
    except UsageError:
        if said is None:
            raise
        return Settled({})
    if trust.level != "untrusted":
        return Settled({})
    if said is None:
        return Settled({_VARIABLE: "untrusted"}, f"{trust.why}: uses the den of untrusted runs")
    return Settled({}, f"{trust.why}: uses the trusted den all the same, {_VARIABLE} says so")
