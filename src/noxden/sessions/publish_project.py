"""Publish the project's own sdist and wheels, as packaging built and checked them."""

from __future__ import annotations

import os
import re
import time
from typing import TYPE_CHECKING

from noxden._switches import is_ci, refuse_untrusted_write
from noxden.ci.trigger import read_trigger
from noxden.config import find_config
from noxden.den.workplace import open_workplace
from noxden.errors import SafetyError
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
from noxden.tools.process import ProgramError

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from noxden.sessions.factory import Run
    from noxden.sessions.publish_checks import Release

__all__ = ["publish_project"]

_DEFAULT = "PyPI"
_CHECK_URL = "UV_PUBLISH_CHECK_URL"
_OTHER = re.compile(r"Local file and index file do not match for `([^`]+)`")
"""How uv says that the index has a file with another content; it may break the line anywhere."""


def publish_project(run: Run) -> tuple[StepResult, ...]:
    """Check the release and upload it; with ``--dry-run`` only check it.

    Raises:
        SafetyError: it is not fit to be published, or this run may not publish.
        UsageError: the URL is none.
        NoxdenError: it could not be uploaded.
    """
    start = time.perf_counter()
    refuse_untrusted_write(os.environ, "publish")
    where, variables = _choose_index(run)
    release = check_release(run.project, run.project / run.options.packaging, os.environ)
    _refuse_other_ref(release, os.environ)
    rows = [(file.name, render_size(file.stat().st_size)) for file in release.files]
    print_table(("file", "size"), rows)
    _compare(run, release, where, variables)
    if run.options.dry_run:
        done = f"would be uploaded to {where}"
    else:
        with explained(f"publish to {where}"):
            uploaded = collect_uploaded(_call_uv(run, release, variables))
        done = f"{len(uploaded)} of them uploaded to {where}"
    detail = f"{release.version}, tag {release.tag}: {len(release.files)} files, {done}"
    run.session.log(detail)
    return (StepResult("project", "passed", time.perf_counter() - start, detail),)


def _refuse_other_ref(release: Release, env: Mapping[str, str]) -> None:
    """Make sure that on a CI system the run is for the tag, and not for a branch that has it too.

    Raises:
        SafetyError: it is for something else.
        UsageError: it cannot be told what started this run.
    """
    if not is_ci(env):
        return
    ref = read_trigger(env).ref
    if ref and ref not in {release.version, f"v{release.version}"}:
        message = f"this run is for {ref}, not for the tag {release.tag}; start one for the tag"
        raise SafetyError(message)


def _choose_index(run: Run) -> tuple[str, dict[str, str]]:
    """The index as it may be shown, and the variables that tell uv of it.

    Raises:
        UsageError: a URL is none.
    """
    check = run.options.check_url or os.environ.get(_CHECK_URL, "")
    if check:
        check_url(check, "--check-url")
    target = run.options.target or os.environ.get("UV_PUBLISH_URL", "")
    if not target:
        return _DEFAULT, {_CHECK_URL: check} if check else {}
    check_url(target, f"{run.session.name} -- project")
    shown, variables = hide_users(target, check or compute_check_url(target))
    return shown, {**variables, "UV_PUBLISH_URL": shown}


def _compare(run: Run, release: Release, where: str, variables: Mapping[str, str]) -> None:
    """Make sure that the index has none of the files with another content.

    Where it is not known what lists its files, the upload itself tells.

    Raises:
        SafetyError: it has one.
    """
    if _CHECK_URL not in variables:
        run.session.log(
            f"what {where} has is compared when it is uploaded; --check-url does before"
        )
        return
    try:
        _call_uv(run, release, variables, "--dry-run", "--trusted-publishing", "never")
    except ProgramError as error:
        other = _OTHER.search(" ".join(error.completed.stderr.split()))
        if other is None:
            with explained(f"ask {where} what it has"):
                raise
        message = (
            f"{where} has {other[1]} with another content, and what was published stays; "
            f"give this release another version"
        )
        raise SafetyError(message) from error


def _call_uv(run: Run, release: Release, variables: Mapping[str, str], *words: str) -> str:
    """What ``uv publish`` says.

    Raises:
        ProgramError: it failed.
    """
    place = open_workplace(run.project, os.environ, find_config(run.project, os.environ).den)
    given: list[str | Path] = ["publish", *words, *release.files]
    return place.uv(*given, cwd=run.project, extra_env=dict(variables)).stderr
