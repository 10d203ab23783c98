"""Publish the project's own sdist and wheels, as packaging built and checked them."""

from __future__ import annotations

import os
import time
from typing import TYPE_CHECKING

from noxden._switches import refuse_untrusted_write
from noxden.config import find_config
from noxden.den.workplace import open_workplace
from noxden.render import print_table, render_size
from noxden.sessions.output import StepResult
from noxden.sessions.publish_checks import check_release
from noxden.sessions.publish_run import (
    check_url,
    collect_uploaded,
    compute_check_url,
    hide_users,
)
from noxden.tools.complaints import explained

if TYPE_CHECKING:
    from pathlib import Path

    from noxden.sessions.factory import Run
    from noxden.sessions.publish_checks import Release

__all__ = ["publish_project"]


def publish_project(run: Run) -> tuple[StepResult, ...]:
    """Check the release and upload it; with ``--dry-run`` only check it.

    Raises:
        SafetyError: it is not fit to be published, or this run may not publish.
        UsageError: the URL is none.
        NoxdenError: it could not be uploaded.
    """
    start = time.perf_counter()
    refuse_untrusted_write(os.environ, "publish")
    target = run.options.target
    if target:
        check_url(target, f"{run.session.name} -- project")
    release = check_release(run.project, run.project / run.options.packaging, os.environ)
    rows = [(file.name, render_size(file.stat().st_size)) for file in release.files]
    print_table(("file", "size"), rows)
    where = hide_users(target, "")[0] if target else "PyPI"
    done = f"would be uploaded to {where}" if run.options.dry_run else _upload(run, release, where)
    detail = f"{release.version}, tag {release.tag}: {len(release.files)} files, {done}"
    run.session.log(detail)
    return (StepResult("project", "passed", time.perf_counter() - start, detail),)


def _upload(run: Run, release: Release, where: str) -> str:
    """Upload what the index lacks; a file that it has with another content is an error of uv's."""
    words: list[str | Path] = ["publish", *release.files]
    variables: dict[str, str] = {}
    if target := run.options.target:
        shown, variables = hide_users(target, run.options.check_url or compute_check_url(target))
        words += ["--publish-url", shown]
    place = open_workplace(run.project, os.environ, find_config(run.project, os.environ).den)
    with explained(f"publish to {where}"):
        said = place.uv(*words, cwd=run.project, extra_env=variables)
    return f"{len(collect_uploaded(said.stderr))} of them uploaded to {where}"
