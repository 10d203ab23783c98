"""What a CI system reads of a plan: outputs of a step, or a child pipeline."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING

from noxden.ci.plan.child import render_child
from noxden.ci.plan.values import job_to_json
from noxden.errors import InfrastructureError, UsageError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from noxden.ci.plan.child import Jobs
    from noxden.ci.plan.values import Plan
    from noxden.ci.values import Trigger

__all__ = ["CHILD", "publish_plan", "render_outputs"]

CHILD = "gitlab.yml"
"""The child pipeline, in the output folder of the session."""

_FILE = "GITHUB_OUTPUT"
_LONGEST = 1024 * 1024
"""Characters; GitHub takes outputs of a job of one megabyte, measured in UTF-16."""


def publish_plan(
    plan: Plan, trigger: Trigger, folder: Path, how: Jobs, env: Mapping[str, str]
) -> None:
    """Tell the CI system that runs this; elsewhere do nothing.

    Raises:
        UsageError: the plan is larger than outputs may be.
        InfrastructureError: the file of outputs is not named, or cannot be written.
    """
    if trigger.system == "gitlab":
        (folder / CHILD).write_text(render_child(plan, how, env), "utf-8")
    if trigger.system not in {"github", "forgejo", "gitea"}:
        return
    file = env.get(_FILE)
    if not file:
        message = f"{_FILE} is not set, so the matrix goes nowhere; run this in a step of a job"
        raise InfrastructureError(message)
    text = render_outputs(plan)
    if len(text) > _LONGEST:
        message = "the plan is larger than the outputs of a job may be; plan fewer sessions"
        raise UsageError(message)
    try:
        with Path(file).open("a", encoding="utf-8") as outputs:
            outputs.write(text)
    except OSError as error:
        message = f"cannot write {_FILE}, {file}: {error.strerror}; the jobs would not be started"
        raise InfrastructureError(message) from error


def render_outputs(plan: Plan) -> str:
    """The outputs ``matrix`` and ``count``, a line each: JSON has no line breaks of its own."""
    matrix = json.dumps({"include": [job_to_json(job) for job in plan.jobs]})
    return f"matrix={matrix}\ncount={len(plan.jobs)}\n"
