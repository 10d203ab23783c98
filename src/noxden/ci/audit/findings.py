"""Judge jobs, caches and what pipelines use by the rules."""

from __future__ import annotations

from typing import TYPE_CHECKING

from noxden.ci.audit.keys import is_lock, is_manifest, is_whole_tree
from noxden.ci.audit.rules import RULES
from noxden.ci.audit.values import Place, Problem

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from noxden.ci.audit.values import Cache, Job, Key, Pipeline, Use

__all__ = ["find_problems"]

_UNTRUSTED = ("pull_request_target", "issue_comment", "workflow_run", "issues", "discussion")
_OF_FORKS = ("pull_request", *_UNTRUSTED)
_SHOWN = 5


def find_problems(pipelines: Iterable[Pipeline]) -> list[Problem]:
    """All findings, by file and line, each once."""
    found: dict[Problem, None] = {}
    for pipeline in pipelines:
        for job in pipeline.jobs:
            found |= dict.fromkeys(_judge_job(job))
            for cache in job.caches:
                found |= dict.fromkeys(_judge_cache(cache, job))
        found |= dict.fromkeys(_judge_permissions(pipeline.unlimited))
    uses = [use for pipeline in pipelines for use in pipeline.uses]
    found |= dict.fromkeys(_judge_uses(uses))
    order = list(RULES)
    return sorted(found, key=lambda one: (one.place, order.index(one.rule), one.job))


def _make(rule: str, place: Place, job: str, message: str) -> Problem:
    return Problem(rule, RULES[rule].severity, place, job, message)


def _judge_job(job: Job) -> Iterator[Problem]:
    if not job.installs:
        return
    if job.heavy and not job.caches and not job.kept and not job.release:
        tools = ", ".join(dict.fromkeys(one.tool for one in job.installs if not one.light))
        message = f"{tools}: packages are installed and nothing is cached"
        yield _make("no-cache", job.place, job.name, message)
    if not job.timeout:
        yield _make("no-timeout", job.place, job.name, "it has no timeout")
    if job.drops_wheels is not None and job.caches:
        message = "uv cache prune --ci drops all downloaded wheels from what is cached"
        yield _make("prune-drops-wheels", job.drops_wheels, job.name, message)
    events = [one for one in _OF_FORKS if one in job.triggers]
    if job.pushes is not None and events:
        message = f"it pushes wheels to the remote on {', '.join(events)}, which strangers start"
        yield _make("untrusted-write", job.pushes, job.name, message)


def _judge_cache(cache: Cache, job: Job) -> Iterator[Problem]:
    events = [one for one in _UNTRUSTED if one in job.triggers]
    if cache.saves and events and not cache.guarded:
        message = f"{cache.how} saves on {', '.join(events)}, in the scope of the default branch"
        yield _make("untrusted-write", cache.place, job.name, message)
    if cache.saves and cache.shared:
        message = "unprotect: true lets branches of anybody write what protected branches read"
        yield _make("untrusted-write", cache.place, job.name, message)
    if not job.installs:
        return
    if cache.key is not None:
        yield from _judge_key(cache, cache.key, job)
    if cache.content == "environment" and cache.saves:
        message = f"{', '.join(cache.paths)} is an environment, not what it is made of"
        yield _make("venv-cached", cache.place, job.name, message)
    if cache.prunes and job.heavy:
        message = f"{cache.how} prunes downloaded wheels before it saves"
        yield _make("prune-drops-wheels", cache.place, job.name, message)
    yield from _judge_growth(cache, job)


def _judge_key(cache: Cache, key: Key, job: Job) -> Iterator[Problem]:
    wide = [one for one in key.files if is_whole_tree(one)]
    manifests = bool(key.files) and all(is_manifest(one) for one in key.files)
    if key.commit:
        message = f"the key {key.text} is another one for every commit or run"
        yield _make("key-whole-tree", cache.place, job.name, message)
    elif wide:
        message = f"the key hashes {', '.join(wide)}, which changes with any edit"
        yield _make("key-whole-tree", cache.place, job.name, message)
    elif manifests and not key.opaque:
        message = (
            f"the key hashes {', '.join(key.files)} as a whole: it changes with any edit, and not "
            f"with new versions"
        )
        yield _make("key-whole-tree", cache.place, job.name, message)
    # Where an entry is written anew by every run, what is downloaded cannot become stale.
    fresh = cache.rewritten and cache.content == "downloads"
    unsaid = not (key.opaque or key.commit or manifests or fresh)
    if unsaid and not any(is_lock(one) or one in {"**", "**/*"} for one in key.files):
        hashed = f" hashes {', '.join(key.files)}, which" if key.files else ""
        message = f"the key {key.text}{hashed} does not say which versions are installed"
        yield _make("key-without-lock", cache.place, job.name, message)
    if job.systems and not (key.system or key.opaque):
        message = f"the key {key.text} has no operating system in it, and the job runs on several"
        yield _make("key-without-os", cache.place, job.name, message)
    environment = cache.content == "environment"
    if (job.pythons or environment) and not (key.python or key.opaque):
        why = "the job runs on several" if job.pythons else "an environment is made for one"
        message = f"the key {key.text} has no version of Python in it, and {why}"
        yield _make("key-without-python", cache.place, job.name, message)


def _judge_growth(cache: Cache, job: Job) -> Iterator[Problem]:
    """Whether what is saved is what was restored and more, for ever."""
    if not cache.saves or cache.key is None or cache.prunes or job.prunes:
        return
    # One with an output in it, a date, starts anew when that changes.
    if cache.fallbacks and not all("steps." in one for one in cache.fallbacks):
        message = f"it starts from {', '.join(cache.fallbacks)} and saves all that under a new key"
        yield _make("fallback-snowballs", cache.place, job.name, message)
    elif cache.rewritten and cache.content == "downloads" and not cache.key.files:
        message = f"every run adds to the entry {cache.key.text}, and nothing is ever removed"
        yield _make("fallback-snowballs", cache.place, job.name, message)


def _judge_permissions(jobs: tuple[Job, ...]) -> Iterator[Problem]:
    """One finding for a file."""
    if jobs:
        names = ", ".join(job.name for job in jobs[:_SHOWN])
        more = f" and {len(jobs) - _SHOWN} more" if len(jobs) > _SHOWN else ""
        message = f"no permissions are set for {names}{more}"
        yield _make("missing-permissions", jobs[0].place, "", message)


def _judge_uses(uses: Iterable[Use]) -> Iterator[Problem]:
    """A finding for each thing that a file uses unpinned, with all its lines."""
    lines: dict[tuple[str, str, str], list[int]] = {}
    for use in uses:
        if not use.pinned:
            lines.setdefault((use.place.path, use.name, use.remedy), []).append(use.place.line)
    for (path, name, remedy), found in lines.items():
        first, *others = sorted(set(found))
        also = f", also on line {', '.join(str(one) for one in others)}" if others else ""
        yield _make(
            "unpinned-action", Place(path, first), "", f"{name} is not pinned by {remedy}{also}"
        )
