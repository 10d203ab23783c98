"""One run of the publish session: fill the store, export, and hand over."""

from __future__ import annotations

import os
import re
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import unquote, urlsplit

from noxden._switches import refuse_untrusted_write
from noxden.config import find_config
from noxden.den.resolve import resolve
from noxden.den.supply import Supply
from noxden.den.wheels.export import Exported, export
from noxden.den.wheels.fill import fill_store, refuse_missing
from noxden.den.workplace import open_workplace
from noxden.errors import UsageError
from noxden.render import render_size
from noxden.sessions.factory import refuse_unknown
from noxden.sessions.meter import show_progress
from noxden.sessions.options import SessionOptions
from noxden.sessions.output import StepResult
from noxden.tools.complaints import explained

if TYPE_CHECKING:
    from noxden.den.resolve import Resolution, Workplace
    from noxden.sessions.factory import Run
    from noxden.sessions.publish import PublishSettings

__all__ = ["check_url", "collect_uploaded", "compute_check_url", "hide_users", "run_publish"]

_KINDS = {"index": "a URL", "release": "a folder"}
_ALL_KINDS = ("project", *_KINDS)
_UPLOADING = re.compile(r"^Uploading (\S+)", re.MULTILINE)


def run_publish(settings: PublishSettings, run: Run) -> tuple[StepResult, ...]:
    """Publish the wheelhouse of the groups.

    Raises:
        SafetyError: this run is for an untrusted trigger, or nothing says whether it is.
        UsageError: what follows ``--`` is not where to publish.
        NoxdenError: it could not be published.
    """
    refuse_untrusted_write(os.environ, "publish")
    kind = _check_words(run)
    start = time.perf_counter()
    place, resolution = _fill(settings, run)
    publish = _publish_index if kind == "index" else _publish_release
    exported, done = publish(run, place, resolution)
    for warning in exported.warnings:
        run.session.warn(warning)
    detail = f"{exported.files} files, {render_size(exported.bytes)}, {done}"
    run.session.log(detail)
    return (StepResult(kind, "passed", time.perf_counter() - start, detail),)


def _check_words(run: Run) -> str:
    """Where to publish to, ``index`` or ``release``.

    Raises:
        UsageError: something else is named, or no place there.
    """
    kind: str = run.options.kind
    target, name = run.options.target, run.session.name
    refuse_unknown([kind] if kind else [], _ALL_KINDS, f"{name} cannot publish to")
    if not target:
        wanted = " or ".join(f"{known} with {what}" for known, what in _KINDS.items())
        message = f"{name} takes project, or {wanted}; see nox -s {name} -- --help"
        raise UsageError(message)
    if kind == "index":
        check_url(target, f"{name} -- index")
        if run.options.check_url:
            check_url(run.options.check_url, "--check-url")
    return kind


def check_url(url: str, who: str) -> None:
    """Refuse what nobody can upload to, before anything is fetched.

    Raises:
        UsageError: it is no URL of a web server.
    """
    try:
        parts = urlsplit(url)
        right = parts.scheme in {"http", "https"} and bool(parts.hostname) and parts.port != 0
    except ValueError:
        right = False
    if not right:
        # Where a user may stand in it is not known of what is no URL.
        shown = "; this is none" if "@" in url else f", not {url!r}"
        message = f"{who} takes the URL of an index, https://HOST/PATH{shown}"
        raise UsageError(message)


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
    shown, variables = hide_users(url, run.options.check_url or compute_check_url(url))
    with tempfile.TemporaryDirectory(prefix="noxden-publish-") as folder:
        exported = export(place, resolution, Path(folder), flat=True)
        files = [Path(folder, name) for name in (*exported.wheels, *exported.requires)]
        with explained(f"publish to {shown}"):
            said = place.uv(
                "publish", "--publish-url", shown, "--trusted-publishing", "never", *files,
                cwd=place.project.directory, extra_env=variables,
            )  # fmt: skip
    uploaded = collect_uploaded(said.stderr)
    return exported, f"{len(uploaded)} of them uploaded to {shown}"


def collect_uploaded(said: str) -> frozenset[str]:
    """The files that a ``uv publish`` which succeeded has uploaded, by what it said.

    It may name a file several times, and names none that the index had before.
    """
    return frozenset(_UPLOADING.findall(said))


def compute_check_url(url: str) -> str:
    """Where an index that takes uploads at ``url`` most likely lists what it has.

    Warehouse has ``/legacy/`` and ``/simple/``, most others the root and ``/simple/``.
    """
    root = url.rstrip("/").removesuffix("/legacy").removesuffix("/simple")
    return f"{root}/simple/"


def hide_users(url: str, check_url: str) -> tuple[str, dict[str, str]]:
    """``url`` as it may be shown, and variables that tell uv the rest.

    Everybody on a machine sees its command lines. The user of the check URL stays in it, in a
    variable: uv finds that user nowhere else, not by ``UV_INDEX_<NAME>_USERNAME`` either.
    """
    parts = urlsplit(url)
    user, at, host = parts.netloc.rpartition("@")
    variables = {"UV_PUBLISH_CHECK_URL": check_url}
    if at:
        username, colon, password = user.partition(":")
        variables["UV_PUBLISH_USERNAME"] = unquote(username)
        if colon:
            variables["UV_PUBLISH_PASSWORD"] = unquote(password)
    return parts._replace(netloc=host).geturl(), variables
