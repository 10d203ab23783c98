"""Triggers of GitLab CI; everything is in variables."""

from __future__ import annotations

from typing import TYPE_CHECKING

from noxden.ci.values import Trigger, Trust, find_input
from noxden.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from noxden.ci.values import Event

__all__ = ["read_trigger", "read_trust"]

_SOURCE = "CI_PIPELINE_SOURCE"
_EVENTS: dict[str, Event] = {
    "push": "push",
    "schedule": "schedule",
    "web": "manual",
    "api": "manual",
    "chat": "manual",
    "trigger": "manual",
    "merge_request_event": "pull-request",
    "external_pull_request_event": "pull-request",
}
_PATHS = (
    ("CI_MERGE_REQUEST_SOURCE_PROJECT_PATH", ("CI_MERGE_REQUEST_PROJECT_PATH", "CI_PROJECT_PATH")),
    (
        "CI_EXTERNAL_PULL_REQUEST_SOURCE_REPOSITORY",
        ("CI_EXTERNAL_PULL_REQUEST_TARGET_REPOSITORY",),
    ),
)
"""Where a merge request comes from, and where it goes to."""


def read_trigger(env: Mapping[str, str], inputs: Sequence[str], system: str) -> Trigger:
    """What started this pipeline.

    Raises:
        UsageError: ``CI_PIPELINE_SOURCE`` is not there.
    """
    name = env.get(_SOURCE, "")
    if not name:
        message = f"{_SOURCE} is not set, so nothing says what started this run; start it on CI"
        raise UsageError(message)
    event = _find_event(name, env)
    ref, ref_source = _find_ref(env)
    found = [find_input(env, one) for one in inputs] if event == "manual" else []
    labels = env.get("CI_MERGE_REQUEST_LABELS", "") if event == "pull-request" else ""
    default = env.get("CI_DEFAULT_BRANCH")
    return Trigger(
        system=system,
        event=event,
        name=name,
        ref=ref,
        default_branch=None if default is None else env.get("CI_COMMIT_BRANCH") == default,
        labels=tuple(label.strip() for label in labels.split(",") if label.strip()),
        inputs={given: value for one in found for given, value in one.items()},
        trust=read_trust(env),
        sources={
            "event": _SOURCE,
            "ref": ref_source,
            "default_branch": "CI_DEFAULT_BRANCH",
            "labels": "CI_MERGE_REQUEST_LABELS",
            "inputs": "variables of the same names" if event == "manual" else "not started by hand",
        },
    )


def read_trust(env: Mapping[str, str]) -> Trust:
    """Whose code runs: a merge request from another project is a fork's."""
    for source, targets in _PATHS:
        origin = env.get(source)
        others = [env[target] for target in targets if env.get(target)]
        if origin and others and set(others) != {origin}:
            return Trust("untrusted", f"merge request from the fork {origin}", source)
        if origin and others:
            return Trust("trusted", "merge request from the project itself", source)
    name = env.get(_SOURCE, "")
    if _find_event(name, env) == "pull-request" or not name:
        return Trust("unknown", "merge request that does not say where it is from", _SOURCE)
    return Trust("trusted", f"pipeline of the project itself ({name})", _SOURCE)


def _find_event(name: str, env: Mapping[str, str]) -> Event:
    # A child pipeline of a merge request has another source and the same merge request.
    if env.get("CI_MERGE_REQUEST_IID") or env.get("CI_EXTERNAL_PULL_REQUEST_IID"):
        return "pull-request"
    if env.get("CI_COMMIT_TAG") and name == "push":
        return "tag"
    return _EVENTS.get(name, "other")


def _find_ref(env: Mapping[str, str]) -> tuple[str, str]:
    for variable in (
        "CI_MERGE_REQUEST_SOURCE_BRANCH_NAME",
        "CI_EXTERNAL_PULL_REQUEST_SOURCE_BRANCH_NAME",
        "CI_COMMIT_BRANCH",
        "CI_COMMIT_TAG",
    ):
        if env.get(variable):
            return env[variable], variable
    return env.get("CI_COMMIT_REF_NAME", ""), "CI_COMMIT_REF_NAME"
