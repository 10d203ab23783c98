"""The switches among the variables of noxden: what they may say, read the same everywhere.

A switch that is misspelled must not count as one that is not set: ``NOXDEN_TRUST=Untrusted``
would give strangers the trusted den.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from noxden.errors import SafetyError, UsageError

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = [
    "CI_VARIABLES",
    "SWITCHES",
    "is_blocking",
    "is_ci",
    "is_on",
    "is_untrusted",
    "parse_switch",
    "refuse_untrusted_write",
    "wants_traceback",
]

SWITCHES = {
    "NOXDEN_TRUST": "trusted",
    "NOXDEN_OFFLINE": "0",
    "NOXDEN_ARTIFACT_URL": "",
    "NOXDEN_HUD_DELIVERY_ID": "",
    "NOXDEN_HUD_EVENT_TYPE": "",
    "NOXDEN_REMOTE": "",
    "NOXDEN_REMOTE_USERNAME": "",
    "NOXDEN_REMOTE_PASSWORD": "",
    "NOXDEN_BLOCKING": "1",
    "NOXDEN_BUNDLE": "",
    "NOXDEN_ALLOW_UNSAFE_LOCKS": "0",
    "NOXDEN_CARD_LOCKS": "",
    "NOXDEN_DEBUG": "0",
}
"""Variables that are not in ``[tool.noxden]``, and what counts when they are not set."""

CI_VARIABLES = {
    "FORGEJO_ACTIONS": "forgejo",
    "GITEA_ACTIONS": "gitea",
    "GITHUB_ACTIONS": "github",
    "GITLAB_CI": "gitlab",
    "JENKINS_URL": "jenkins",
    "CI": "unknown",
}
"""Which variable tells of which CI system; the first that is there counts.

Forgejo sets those of Gitea too, both set those of GitHub, and all set ``CI``.
"""

_ON = ("1", "true", "yes", "on")
_OFF = ("0", "false", "no", "off", "")


def parse_switch(value: str) -> bool | None:
    """Whether ``value`` says on or off, the empty one off; ``None`` where it says neither."""
    word = value.strip().lower()
    return True if word in _ON else False if word in _OFF else None


def is_ci(env: Mapping[str, str]) -> bool:
    """Whether a CI system runs this, and not somebody on a machine of their own."""
    return any(parse_switch(env.get(name, "")) is not False for name in CI_VARIABLES)


def is_on(env: Mapping[str, str], name: str) -> bool:
    """Whether the switch ``name`` is on; one that is not set or empty is off.

    Raises:
        UsageError: it says neither on nor off.
    """
    value = parse_switch(env.get(name, ""))
    if value is not None:
        return value
    message = f"environment variable {name} is to be 1 or 0, got {env[name]!r}"
    raise UsageError(message)


def is_blocking(env: Mapping[str, str]) -> bool:
    """Whether failed work fails a session for nox; ``NOXDEN_BLOCKING=0`` says that it does not.

    Raises:
        UsageError: it says neither on nor off.
    """
    return not env.get("NOXDEN_BLOCKING") or is_on(env, "NOXDEN_BLOCKING")


def is_untrusted(env: Mapping[str, str]) -> bool:
    """Whether it is known that the run is for an untrusted trigger, so that it has its own den.

    Where the entry points could not tell, they have set ``NOXDEN_TRUST`` to ``unknown``; such
    a run is not untrusted, but see :func:`refuse_untrusted_write`.

    Raises:
        UsageError: ``NOXDEN_TRUST`` is neither ``trusted``, ``untrusted`` nor ``unknown``; empty
            is none of them.
    """
    value = env.get("NOXDEN_TRUST", "trusted")
    if value not in {"trusted", "untrusted", "unknown"}:
        message = f"environment variable NOXDEN_TRUST is to be trusted or untrusted, got {value!r}"
        raise UsageError(message)
    return value == "untrusted"


def refuse_untrusted_write(env: Mapping[str, str], what: str) -> None:
    """Make sure that the run may do what others will rely on.

    It may where ``NOXDEN_TRUST`` is ``trusted``, which the entry points set on a CI system when
    facts say so, and on a machine without one. ``what`` is what is to be done, as a verb:
    ``publish``.

    Raises:
        SafetyError: the run is for an untrusted trigger, or nothing says whether it is.
        UsageError: as :func:`is_untrusted`.
    """
    if is_untrusted(env):
        message = (
            f"a run for an untrusted trigger may not {what}; do that in a run for a push or "
            f"a schedule on a branch of your own"
        )
        raise SafetyError(message)
    if env.get("NOXDEN_TRUST", "unknown" if is_ci(env) else "trusted") == "unknown":
        message = (
            f"nothing says whose code this run executes, so it may not {what}; where only trusted "
            f"code runs, set NOXDEN_TRUST=trusted for the job"
        )
        raise SafetyError(message)


def wants_traceback(env: Mapping[str, str]) -> bool:
    """Whether an error is to be shown with its traceback; never raises, errors pass here."""
    return env.get("NOXDEN_DEBUG", "").strip().lower() in _ON
