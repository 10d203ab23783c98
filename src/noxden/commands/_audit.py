"""What ``noxden ci audit`` shows."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from noxden.ci.audit.rules import RULES
from noxden.render import print_lines, print_table

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from noxden.ci.audit.values import Audit, Job, Problem

__all__ = ["audit_to_json", "print_audit", "render_summary"]


def audit_to_json(audit: Audit) -> dict[str, Any]:
    """The audit for scripts."""
    return {
        "files": audit.files,
        "jobs": [_job_to_json(job, audit.problems) for job in audit.jobs],
        "problems": [_problem_to_json(one) for one in audit.problems],
        "skipped": [one._asdict() for one in audit.skipped],
    }


def _job_to_json(job: Job, problems: Sequence[Problem]) -> dict[str, Any]:
    return {
        "path": job.place.path,
        "line": job.place.line,
        "system": job.system,
        "name": job.name,
        "installs": [
            {"tool": one.tool, **one.place._asdict(), "command": one.command, "light": one.light}
            for one in job.installs
        ],
        "caches": [
            {
                "how": one.how,
                **one.place._asdict(),
                "paths": list(one.paths),
                "key": one.key.text if one.key and one.key.text else None,
                "saves": one.saves,
            }
            for one in job.caches
        ],
        "kept": job.kept or None,
        "problems": _find_rules(job, problems),
    }


def _problem_to_json(problem: Problem) -> dict[str, Any]:
    return {
        "rule": problem.rule,
        "severity": problem.severity,
        **problem.place._asdict(),
        "job": problem.job or None,
        "message": problem.message,
        "advice": RULES[problem.rule].advice,
    }


def _find_rules(job: Job, problems: Sequence[Problem]) -> list[str]:
    """The rules that ``job`` breaks, each once."""
    places = {job.place.path, *(one.place.path for one in job.caches)}
    found = [one.rule for one in problems if one.job == job.name and one.place.path in places]
    return list(dict.fromkeys(found))


def print_audit(audit: Audit) -> None:
    """Print jobs and findings by file, what to do about them, and a summary."""
    paths = {one.place.path for one in audit.jobs} | {one.place.path for one in audit.problems}
    for path in sorted(paths):
        print_lines([path])
        rows = [
            (str(job.place.line), job.name, _render_installs(job), _render_cached(job))
            for job in audit.jobs
            if job.place.path == path
        ]
        if rows:
            print_table(("line>", "job", "installs", "cached"), rows)
        print_lines(_render_problem(one) for one in audit.problems if one.place.path == path)
        print_lines([""])
    broken = {one.rule for one in audit.problems}
    if broken:
        print_lines(["What to do"])
        print_lines(f"  {name}: {rule.advice}" for name, rule in RULES.items() if name in broken)
        print_lines([""])
    print_lines(f"{one.path} {one.reason}" for one in audit.skipped)
    print_lines([render_summary(audit)])


def _render_installs(job: Job) -> str:
    return ", ".join(dict.fromkeys(one.tool for one in job.installs))


def _render_cached(job: Job) -> str:
    """How the job is cached, or why that does not matter."""
    found = list(dict.fromkeys(one.how for one in job.caches))
    if job.kept:
        found.append(job.kept)
    if found:
        return ", ".join(found)
    if not job.heavy:
        return "no, and no need: only tools"
    return "no, as a release should" if job.release else "no"


def _render_problem(problem: Problem) -> str:
    job = f" ({problem.job})" if problem.job else ""
    return f"  {problem.place}: {problem.severity}: {problem.rule}{job}: {problem.message}"


def render_summary(audit: Audit) -> str:
    """One line about everything."""
    if not audit.files and not audit.skipped:
        return f"{audit.root} has no CI files that noxden knows; nothing was audited"
    bare = sum(one.rule == "no-cache" for one in audit.problems)
    verb = "installs" if len(audit.jobs) == 1 else "install"
    parts = [
        _count(audit.files, "file"),
        f"{_count(len(audit.jobs), 'job')} {verb} Python packages ({bare} without a cache)",
        ", ".join([_count(len(audit.problems), "problem"), *_count_severities(audit.problems)]),
    ]
    if audit.skipped:
        parts.append(f"{_count(len(audit.skipped), 'note')} on what could not be read as it is")
    return "; ".join(parts)


def _count_severities(problems: Sequence[Problem]) -> Iterator[str]:
    for severity in ("error", "warning", "note"):
        number = sum(one.severity == severity for one in problems)
        if number:
            yield _count(number, severity)


def _count(number: int, noun: str) -> str:
    return f"{number} {noun}{'' if number == 1 else 's'}"
