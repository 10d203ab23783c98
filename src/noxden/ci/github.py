"""Triggers of GitHub Actions, and of Forgejo and Gitea, which speak the same language."""

from __future__ import annotations

from typing import TYPE_CHECKING

from noxden.ci.payload import PATH, find, read_inputs, read_labels, read_payload
from noxden.ci.values import Trigger, Trust
from noxden.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from noxden.ci.values import Event

__all__ = ["read_trigger", "read_trust"]

_NAME = "GITHUB_EVENT_NAME"
_EVENTS: dict[str, Event] = {
    "push": "push",
    "schedule": "schedule",
    "workflow_dispatch": "manual",
}
_NEEDS_WRITE = (
    "create", "delete", "deployment", "merge_group", "push", "release", "repository_dispatch",
    "schedule", "workflow_dispatch",
)  # fmt: skip
"""Events that only somebody with write access causes, and that run what is in the repository."""
_AFTER_A_RUN = "workflow_run"
"""A run of another workflow has ended: one that a fork may have started."""


def read_trigger(env: Mapping[str, str], _inputs: Sequence[str], system: str) -> Trigger:
    """What started this run, by the variables and the payload.

    Raises:
        UsageError: the name of the event is not there, or the payload is wrong.
    """
    name = env.get(_NAME, "")
    if not name:
        message = f"{_NAME} is not set, so nothing says what started this run; start it on CI"
        raise UsageError(message)
    payload, file = read_payload(env), env[PATH]
    event = _find_event(name, env)
    ref, source = _find_ref(env)
    default = find(payload, "repository.default_branch")
    pull_request = event == "pull-request"
    schedule = find(payload, "schedule") if event == "schedule" else ""
    return Trigger(
        system=system,
        event=event,
        name=name,
        ref=ref,
        default_branch=None if default is None else _is_on(f"refs/heads/{default}", event, env),
        labels=read_labels(payload, file) if pull_request else (),
        inputs=read_inputs(payload, file) if event == "manual" else {},
        trust=_judge(name, payload),
        sources={
            "event": _NAME,
            "ref": source,
            "default_branch": f"{PATH}: repository.default_branch",
            "labels": f"{PATH}: pull_request.labels" if pull_request else "no pull request",
            "inputs": f"{PATH}: inputs" if event == "manual" else "not started by hand",
        },
        schedule=schedule if isinstance(schedule, str) else "",
    )


def read_trust(env: Mapping[str, str]) -> Trust:
    """Whose code runs; the payload is read only where the name of the event does not say.

    Raises:
        UsageError: the payload is needed and wrong.
    """
    name = env.get(_NAME, "")
    if not name:
        return Trust("unknown", "run of an event without a name", _NAME)
    return _judge(name, read_payload(env) if _runs_code_of_others(name) else {})


def _judge(name: str, payload: Mapping[str, object]) -> Trust:
    if _is_pull_request(name):
        return _compare(payload, "pull request", "pull_request.head.repo", "pull_request.base.repo")
    if name == _AFTER_A_RUN:
        return _compare(payload, "run", "workflow_run.head_repository", "repository")
    if name in _NEEDS_WRITE:
        return Trust("trusted", f"{name} by somebody who may write to the repository", _NAME)
    return Trust("untrusted", f"event {name}, which strangers can cause", _NAME)


def _compare(payload: Mapping[str, object], what: str, head: str, base: str) -> Trust:
    origin, source = find(payload, f"{head}.full_name"), f"{PATH}: {head}.full_name"
    # The head of a pull request is null when its fork was deleted.
    if not isinstance(origin, str):
        return Trust("untrusted", f"{what} that does not say where it is from", source)
    if origin != find(payload, f"{base}.full_name"):
        return Trust("untrusted", f"{what} from the fork {origin}", source)
    return Trust("trusted", f"{what} from the repository itself", source)


def _runs_code_of_others(name: str) -> bool:
    return _is_pull_request(name) or name == _AFTER_A_RUN


def _is_pull_request(name: str) -> bool:
    # Reviews too: their payload has the pull request, and they run its code.
    return name.startswith("pull_request")


def _find_event(name: str, env: Mapping[str, str]) -> Event:
    if _is_pull_request(name):
        return "pull-request"
    tag = env.get("GITHUB_REF_TYPE") == "tag" or env.get("GITHUB_REF", "").startswith("refs/tags/")
    if name == "push" and tag:
        return "tag"
    return _EVENTS.get(name, "other")


def _is_on(branch: str, event: Event, env: Mapping[str, str]) -> bool:
    # Under pull_request_target the ref is the branch that the pull request goes to.
    return event != "pull-request" and env.get("GITHUB_REF") == branch


def _find_ref(env: Mapping[str, str]) -> tuple[str, str]:
    if env.get("GITHUB_HEAD_REF"):
        return env["GITHUB_HEAD_REF"], "GITHUB_HEAD_REF"
    return env.get("GITHUB_REF_NAME", ""), "GITHUB_REF_NAME"
