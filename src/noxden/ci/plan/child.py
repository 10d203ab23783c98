"""The child pipeline of GitLab: a job for each of a plan, and one that is always there."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

from noxden.ci.launch import find_launch

if TYPE_CHECKING:
    from collections.abc import Mapping

    from noxden.ci.plan.values import Job, Plan
    from noxden.config import CiConfig

__all__ = ["Jobs", "render_child"]

_PASSED_ON = (
    "CI_PIPELINE_SOURCE",
    "CI_MERGE_REQUEST_IID",
    "CI_MERGE_REQUEST_LABELS",
    "CI_MERGE_REQUEST_PROJECT_PATH",
    "CI_MERGE_REQUEST_SOURCE_PROJECT_PATH",
    "CI_MERGE_REQUEST_SOURCE_BRANCH_NAME",
)
"""What tells a trigger: a child pipeline would say that its parent started it."""

_RESERVED = {
    "after_script", "before_script", "cache", "default", "image", "include", "pages", "required",
    "services", "spec", "stages", "types", "variables", "workflow",
}  # fmt: skip
"""Keys of a pipeline that are no jobs, and the job that is always there."""


class Jobs(NamedTuple):
    """How the jobs of a child pipeline start nox."""

    image: str
    launch: str
    """What stands before ``nox``, with a blank at its end."""
    runner: str
    """The label that means any runner."""

    @classmethod
    def plan(cls, config: CiConfig, manifest: bytes) -> Jobs:
        """By the configuration and pyproject.toml.

        Raises:
            UsageError: ``manifest`` is not TOML.
        """
        return cls(config.image, find_launch(config.launch, manifest), config.runner)


def render_child(plan: Plan, how: Jobs, env: Mapping[str, str]) -> str:
    """The child pipeline of ``plan``; ``env`` is that of the parent's job.

    A pipeline without a job is an error on GitLab, hence ``required``, which runs after all others.
    """
    import yaml

    passed = {name: _quote(env[name]) for name in _PASSED_ON if name in env}
    pipeline: dict[str, Any] = {
        "stages": ["run", "required"],
        "default": {"image": how.image, "before_script": ["pip install --quiet uv"]},
    }
    for job in plan.jobs:
        pipeline[_name(job)] = _render_job(job, how, passed)
    pipeline["required"] = {
        "stage": "required",
        "variables": {"GIT_STRATEGY": "none"},
        "before_script": [],
        "script": [f"echo {len(plan.jobs)} jobs passed"],
    }
    return yaml.safe_dump(pipeline, sort_keys=False)


def _name(job: Job) -> str:
    """The name of a job, which must not be a word of GitLab's or that of a hidden job."""
    return f"session {job.name}" if job.name in _RESERVED or job.name.startswith(".") else job.name


def _render_job(job: Job, how: Jobs, passed: Mapping[str, str]) -> dict[str, Any]:
    # SESSION and ARGUMENTS have a word a line, so no word can break out of them.
    run = f"set -f; IFS='\n'; {how.launch}nox -s $SESSION -- $ARGUMENTS"
    made: dict[str, Any] = {
        "stage": "run",
        "timeout": f"{job.timeout} minutes",
        "script": [run],
        "variables": {
            **passed,
            "SESSION": _quote("\n".join(job.session)),
            "ARGUMENTS": _quote("\n".join(job.arguments)),
            **job.environment,
        },
        "artifacts": {
            "when": "always",
            "paths": [".noxden"],
            "reports": {"junit": ".noxden/*/junit.xml"},
        },
    }
    if job.runner != (how.runner,):
        made["tags"] = list(job.runner)
    if job.cache.key:
        # What is stored is replaced, and has the wheels of one lock: a key of the closure
        # would find nothing after a change, for keys that come after cannot be the beginning
        # of others here.
        policy = "pull-push" if job.cache.save else "pull"
        key = job.cache.prefix.rstrip("-")
        made["cache"] = {"key": key, "paths": [job.cache.path], "policy": policy}
        if job.cache.save:
            bundle = f'{how.launch}noxden wheels bundle --session "$SESSION"'
            made["script"].append(bundle)
    return made


def _quote(value: str) -> str:
    """``value`` as a variable that GitLab expands to itself."""
    return value.replace("$", "$$")
