"""Find out what started this run: which CI system, and what it says."""

from __future__ import annotations

from importlib import import_module
from types import MappingProxyType
from typing import TYPE_CHECKING, Protocol, cast

from noxden._switches import CI_VARIABLES, is_untrusted, parse_switch
from noxden.ci.values import Trigger, Trust

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

__all__ = ["LOCAL", "Trigger", "Trust", "read_trigger", "read_trust"]

LOCAL = Trigger(
    system="local",
    event="manual",
    name="",
    ref="",
    default_branch=None,
    labels=(),
    inputs=MappingProxyType({}),
    trust=Trust("trusted", "somebody's own machine", "no variable of a CI system is set"),
    sources=MappingProxyType({"system": "no variable of a CI system is set"}),
)
"""The trigger of a run on somebody's own machine."""

_UNKNOWN = LOCAL._replace(
    system="unknown",
    event="other",
    trust=Trust("unknown", "run on a CI system that noxden does not know", "CI"),
)
_MODULES = {
    "forgejo": "github",
    "gitea": "github",
    "github": "github",
    "gitlab": "gitlab",
    "jenkins": "jenkins",
}
"""The module of each system, below :mod:`noxden.ci`."""


class _System(Protocol):
    """What the module of a CI system offers."""

    def read_trigger(
        self, env: Mapping[str, str], inputs: Sequence[str], system: str, /
    ) -> Trigger:
        """What started this run."""

    def read_trust(self, env: Mapping[str, str], /) -> Trust:
        """Whose code this run executes, from as little as is needed to know."""


def read_trigger(env: Mapping[str, str], inputs: Sequence[str] = ()) -> Trigger:
    """What started this run, by the variables ``env`` and, on GitHub and alike, the payload.

    Args:
        env: the environment of the process.
        inputs: names of inputs to look for where inputs are variables, which cannot be told
            from other variables.

    Raises:
        UsageError: a fact that the system always gives is missing or has another form.
    """
    system, variable = _find_system(env)
    if system == "local":
        return LOCAL
    module = _load(system)
    found = _UNKNOWN if module is None else module.read_trigger(env, inputs, system)
    return found._replace(
        trust=_apply_variable(found.trust, env),
        sources={**found.sources, "system": variable},
    )


def read_trust(env: Mapping[str, str]) -> Trust:
    """Whose code this run executes, as facts say; ``NOXDEN_TRUST`` is not asked.

    Raises:
        UsageError: the facts have another form than the system gives them.
    """
    system, _ = _find_system(env)
    if system == "local":
        return LOCAL.trust
    module = _load(system)
    return _UNKNOWN.trust if module is None else module.read_trust(env)


def _find_system(env: Mapping[str, str]) -> tuple[str, str]:
    for variable, system in CI_VARIABLES.items():
        if parse_switch(env.get(variable, "")) is not False:
            return system, variable
    return "local", ""


def _load(system: str) -> _System | None:
    if system not in _MODULES:
        return None
    return cast("_System", import_module(f"noxden.ci.{_MODULES[system]}"))


def _apply_variable(trust: Trust, env: Mapping[str, str]) -> Trust:
    """``trust`` after ``NOXDEN_TRUST``, which fills a gap of the facts but makes no fork trusted.

    The entry points put into the variable what facts say; those stay the source then.

    Raises:
        UsageError: as :func:`~noxden._switches.is_untrusted`.
    """
    untrusted = is_untrusted(env)
    if trust.level == "untrusted":
        return trust
    if untrusted:
        return Trust("untrusted", "run that NOXDEN_TRUST calls untrusted", "NOXDEN_TRUST")
    if trust.level == "unknown" and env.get("NOXDEN_TRUST") == "trusted":
        return trust._replace(level="trusted", source="NOXDEN_TRUST")
    return trust
