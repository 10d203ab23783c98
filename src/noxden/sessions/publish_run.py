"""One run of the publish session: fill the store, export, and hand over."""

from __future__ import annotations

import os
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from noxden._switches import is_untrusted
from noxden.config import find_config
from noxden.den.resolve import resolve
from noxden.den.supply import Supply
from noxden.den.wheels.export import Exported, export
from noxden.den.wheels.fill import fill_store, refuse_missing
from noxden.den.workplace import open_workplace
from noxden.errors import SafetyError, UsageError
from noxden.render import render_size
from noxden.sessions.meter import show_progress
from noxden.sessions.options import SessionOptions
from noxden.sessions.output import StepResult
from noxden.tools.complaints import explained

if TYPE_CHECKING:
    from noxden.den.resolve import Resolution, Workplace
    from noxden.sessions.factory import Run
    from noxden.sessions.publish import PublishSettings

__all__ = ["compute_check_url", "run_publish"]

_KINDS = {"index": "a URL", "release": "a folder"}


def run_publish(settings: PublishSettings, run: Run) -> tuple[StepResult, ...]:
    """Publish the wheelhouse of the groups.

    Raises:
        SafetyError: this run is for an untrusted trigger.
        NoxdenError: it could not be published.
    """
    if is_untrusted(os.environ):
        message = "a run with NOXDEN_TRUST=untrusted publishes nothing; publish from a trusted one"
        raise SafetyError(message)
    kind, target = run.options.kind, run.options.target
    if kind not in _KINDS or not target:
        wanted = " or ".join(f"{name} with {what}" for name, what in _KINDS.items())
        message = f"{run.session.name} takes {wanted}; see nox -s {run.session.name} -- --help"
        raise UsageError(message)
    start = time.perf_counter()
    place, resolution = _fill(settings, run)
    publish = _publish_index if kind == "index" else _publish_release
    exported, done = publish(run, place, resolution)
    for warning in exported.warnings:
        run.session.warn(warning)
    detail = f"{exported.files} files, {render_size(exported.bytes)}, {done}"
    run.session.log(detail)
    return (StepResult(kind, "passed", time.perf_counter() - start, detail),)


def _fill(settings: PublishSettings, run: Run) -> tuple[Workplace, Resolution]:
    """The store with all that is to be published in it."""
    remote = {"NOXDEN_REMOTE": run.options.remote} if run.options.remote else {}
    env = {**os.environ, **remote}
    place = open_workplace(Path.cwd(), env, find_config(Path.cwd(), env).den)
    groups = tuple(run.options.group or settings.groups)
    request = SessionOptions(groups=groups).request(settings.python)
    resolution = resolve(place, request, complete=True)
    with show_progress(run.session.log) as show:
        supply = Supply(from_index=True, need=run.session.name, show=show)
        fetched = fill_store(place, resolution, supply)
    for warning in fetched.warnings:
        run.session.warn(warning)
    refuse_missing(place, fetched)
    return place, resolution


def _publish_release(run: Run, place: Workplace, resolution: Resolution) -> tuple[Exported, str]:
    folder = Path(run.session.invoked_from, run.options.target)
    return export(place, resolution, folder, flat=True), f"in {run.options.target}"


def _publish_index(run: Run, place: Workplace, resolution: Resolution) -> tuple[Exported, str]:
    """Upload what the index lacks."""
    url = run.options.target
    shown = _without_user(url)
    check_url = run.options.check_url or compute_check_url(url)
    with tempfile.TemporaryDirectory(prefix="noxden-publish-") as folder:
        exported = export(place, resolution, Path(folder), flat=True)
        files = [Path(folder, name) for name in (*exported.wheels, *exported.requires)]
        with explained(f"publish to {shown}"):
            said = place.uv(
                "publish", "--publish-url", url, "--check-url", check_url,
                "--trusted-publishing", "never", *files, cwd=place.project.directory,
            )  # fmt: skip
    uploaded = said.stderr.count("Uploading ")
    return exported, f"{uploaded} of them uploaded to {shown}"


def compute_check_url(url: str) -> str:
    """Where an index that takes uploads at ``url`` most likely lists what it has.

    Warehouse has ``/legacy/`` and ``/simple/``, most others the root and ``/simple/``.
    """
    root = url.rstrip("/").removesuffix("/legacy").removesuffix("/simple")
    return f"{root}/simple/"


def _without_user(url: str) -> str:
    """``url`` as it may be shown."""
    parts = urlsplit(url)
    return parts._replace(netloc=parts.netloc.rpartition("@")[2]).geturl()
