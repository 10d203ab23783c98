"""The rules of an audit."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from noxden.ci.audit.values import Severity

__all__ = ["RULES", "Rule"]


class Rule(NamedTuple):
    """What is looked for."""

    id: str
    severity: Severity
    title: str
    advice: str
    """One sentence."""


_ALL = (
    Rule(
        "untrusted-write",
        "error",
        "Untrusted runs write a cache or a remote that trusted runs read",
        "Save only on pushes to the default branch, on a schedule or by hand, and only restore "
        "elsewhere; GitHub itself refuses such saves since June 2026, other servers do not.",
    ),
    Rule(
        "no-cache",
        "warning",
        "The job installs Python packages and nothing is cached",
        "Cache wheels by what the lock selects (noxden wheels key and bundle), or measure first "
        "whether a cache helps at all (noxden wheels verdict).",
    ),
    Rule(
        "key-whole-tree",
        "warning",
        "The key changes with files or commits that do not decide what is installed",
        "Hash the lock alone, or better the packages it selects (noxden wheels key).",
    ),
    Rule(
        "key-without-lock",
        "warning",
        "The key does not say which versions are in the cache",
        "Put the hash of the lock or of pinned requirements into the key.",
    ),
    Rule(
        "key-without-os",
        "warning",
        "Jobs of several operating systems share a key",
        "Put runner.os and runner.arch into the key.",
    ),
    Rule(
        "key-without-python",
        "warning",
        "Jobs of several Pythons, or an environment made for one, share a key",
        "Put the full version of Python into the key.",
    ),
    Rule(
        "fallback-snowballs",
        "warning",
        "An older entry is restored, added to and saved again, so the cache only grows",
        "Prune before saving, save only what the lock selects (noxden wheels bundle), or leave "
        "out the fallback.",
    ),
    Rule(
        "prune-drops-wheels",
        "warning",
        "Downloaded wheels are dropped before the cache is saved, so they come again every run",
        "Leave the pruning out where wheels are heavy: setup-uv with prune-cache: false, no "
        "uv cache prune --ci.",
    ),
    Rule(
        "venv-cached",
        "warning",
        "An installed environment is cached, with absolute paths and one interpreter in it",
        "Cache wheels or the package manager's downloads, and install from them.",
    ),
    Rule(
        "unpinned-action",
        "warning",
        "Code of somebody else can change without a commit here",
        "Pin it by commit or digest, with the tag in a comment beside it.",
    ),
    Rule(
        "missing-permissions",
        "warning",
        "The token of the job has what the repository gives by default",
        "Set permissions: {contents: read} for the workflow, and more only for the job that needs "
        "it.",
    ),
    Rule(
        "no-timeout",
        "note",
        "A job that hangs holds its runner until the system's own limit",
        "Set a timeout of a few times what the job takes (timeout-minutes; on Jenkins timeout in "
        "options).",
    ),
)

RULES = {rule.id: rule for rule in _ALL}
"""By id, the gravest first."""
