"""Triggers of Jenkins: what a multibranch project and the plugins for causes put into variables."""

from __future__ import annotations

from typing import TYPE_CHECKING

from noxden.ci.values import Trigger, Trust, find_input

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from noxden.ci.values import Event

__all__ = ["read_trigger", "read_trust"]

_CAUSES: dict[str, Event] = {
    "TIMERTRIGGER": "schedule",
    "MANUALTRIGGER": "manual",
    "USERIDCAUSE": "manual",
    "SCMTRIGGER": "push",
    "BRANCHEVENTCAUSE": "push",
    "GITHUBPUSHCAUSE": "push",
}
_OTHER_PULL_REQUESTS = ("ghprbPullId", "gitlabMergeRequestIid")
"""Set by plugins that build pull requests without saying whether they come from a fork."""
_GERRIT_CHANGES = ("GERRIT_CHANGE_ID", "GERRIT_CHANGE_NUMBER", "GERRIT_PATCHSET_NUMBER")
_GERRIT_EVENT = "GERRIT_EVENT_TYPE"
_GERRIT_SUBMITTED = ("change-merged", "ref-updated")
"""Events after which the code is on a branch; all others of a change are before its review."""


def read_trigger(env: Mapping[str, str], inputs: Sequence[str], system: str) -> Trigger:
    """What started this build, as far as variables say: Jenkins alone tells no cause."""
    event, name, source = _find_event(env)
    ref, ref_source = _find_ref(env)
    primary = env.get("BRANCH_IS_PRIMARY")
    # GitHub's and Gitea's branch sources leave the variable out of all other branches.
    known = primary is not None or "BRANCH_NAME" in env
    labels = env.get("gitlabMergeRequestLabels", "") if event == "pull-request" else ""
    found = [find_input(env, one) for one in inputs]
    return Trigger(
        system=system,
        event=event,
        name=name,
        ref=ref,
        default_branch=primary == "true" if known else None,
        labels=tuple(label.strip() for label in labels.split(",") if label.strip()),
        inputs={given: value for one in found for given, value in one.items()},
        trust=read_trust(env),
        sources={
            "event": source,
            "ref": ref_source,
            "default_branch": "BRANCH_IS_PRIMARY",
            "labels": "gitlabMergeRequestLabels" if labels else "Jenkins tells none",
            "inputs": "parameters of the same names",
        },
    )


def read_trust(env: Mapping[str, str]) -> Trust:
    """Whose code runs: ``CHANGE_FORK`` is the name of the fork, if it is one.

    Only a multibranch project says that a build is for a branch; of any other it is not known.
    """
    if variable := _find_patchset(env):
        return Trust("untrusted", "patchset of Gerrit, which anybody may upload", variable)
    fork = env.get("CHANGE_FORK")
    if fork:
        return Trust("untrusted", f"pull request from the fork {fork}", "CHANGE_FORK")
    if env.get("CHANGE_ID"):
        return Trust("trusted", "pull request from the repository itself", "CHANGE_FORK")
    for variable in _OTHER_PULL_REQUESTS:
        if env.get(variable):
            why = "pull request that does not say whether it is from a fork"
            return Trust("untrusted", why, variable)
    if env.get("BRANCH_NAME"):
        return Trust("trusted", "build of the repository itself", "BRANCH_NAME")
    return Trust("unknown", "build that does not say what it is for", "BRANCH_NAME")


def _find_patchset(env: Mapping[str, str]) -> str:
    """The variable that tells of a patchset of Gerrit; empty where none does."""
    event = env.get(_GERRIT_EVENT, "")
    if event in _GERRIT_SUBMITTED:
        return ""
    return next((name for name in (_GERRIT_EVENT, *_GERRIT_CHANGES) if env.get(name)), "")


def _find_event(env: Mapping[str, str]) -> tuple[Event, str, str]:
    """The event, Jenkins' name for it, and the variable that says so."""
    if variable := _find_patchset(env):
        return "pull-request", env.get(_GERRIT_EVENT, ""), variable
    for variable in ("CHANGE_ID", *_OTHER_PULL_REQUESTS):
        if env.get(variable):
            return "pull-request", "", variable
    for cause, event in _CAUSES.items():
        if env.get(f"BUILD_CAUSE_{cause}") == "true":
            return event, cause, f"BUILD_CAUSE_{cause}"
    # Several causes share a build that waited; any of them counts.
    said = env.get("BUILD_CAUSE", "").upper().split(",")
    for cause, event in _CAUSES.items():
        if cause in said:
            return event, cause, "BUILD_CAUSE"
    if env.get("TAG_NAME"):
        return "tag", "", "TAG_NAME"
    return "other", env.get("BUILD_CAUSE", ""), "no variable says the cause"


def _find_ref(env: Mapping[str, str]) -> tuple[str, str]:
    for variable in ("CHANGE_BRANCH", "TAG_NAME", "BRANCH_NAME"):
        if env.get(variable):
            return env[variable], variable
    return env.get("GIT_BRANCH", ""), "GIT_BRANCH"
