"""Records: what each run that brought wheels in or built a base took, to be judged later.

A record is one file in ``results/wheels/``, written whole by a rename and never changed. To write
one is never worth a failure: a disk that is full loses the record and nothing else. The oldest are
removed: of long ago nobody asks.
"""

from __future__ import annotations

import contextlib
import json
import os
import secrets
import time
import tomllib
from typing import TYPE_CHECKING, Any, NamedTuple

from noxden._switches import CI_VARIABLES, is_ci
from noxden.den.owners import sibling_name
from noxden.den.wheels.store import find_artifact
from noxden.den.wheels.variants import AcceleratorWheel, find_accelerator_wheels, has_gpu

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from noxden.den.layout import Den
    from noxden.den.resolve import Resolution, Workplace
    from noxden.den.wheels.fetch import Fetched
    from noxden.lock.project import Project

__all__ = ["Given", "Run", "collect_runs", "name_project", "name_runner", "record_run"]

_SCHEMA = 1
_KEPT = 2000
"""Records that stay in a den."""
_READ = 500
"""Records that are read where nobody says how many: each is a file to open and to parse."""


class Given(NamedTuple):
    """What one kind of source gave in a run."""

    source: str
    """``index``, ``remote`` or ``bundle``."""
    artifacts: int
    bytes: int
    seconds: float


class Run(NamedTuple):
    """What one run took."""

    time: float
    """When it was recorded, in seconds since the epoch."""
    project: str
    closure: str
    """Closure id of what it needed."""
    need: str
    """Name of the session with its Python; empty where none was named."""
    runner: str
    """What kind of machine it was: ``local``, ``github ubuntu24-X64``."""
    supplied: bool
    """Whether noxden brought all wheels in; otherwise uv did, while it installed."""
    given: tuple[Given, ...]
    install_s: float | None
    """Seconds of building the base; ``None`` where none was built."""
    install_bytes: int
    """Bytes of the artifacts that the store has of the selection."""
    verify_s: float
    """Seconds of hashing what was in the store before."""
    gpu: bool
    """Whether the machine has one."""
    accelerators: tuple[AcceleratorWheel, ...]
    """What is of use only with a GPU, of what it needed."""


def record_run(
    place: Workplace,
    resolution: Resolution,
    fetched: Fetched | None,
    install_s: float | None = None,
    *,
    need: str = "",
    verify_s: float = 0.0,
) -> Run | None:
    """Record what a run took; ``None`` where that cannot be written.

    ``fetched`` is ``None`` where noxden left it to uv to bring the wheels in.
    """
    try:
        run = _describe(place, resolution, fetched)
        run = run._replace(need=need, install_s=install_s, verify_s=verify_s)
        _write(place.den, run)
    except OSError:
        return None
    _remove_oldest(place.den)
    return run


def _remove_oldest(den: Den) -> None:
    """Leave the newest records; of two runs that do this at once neither minds the other."""
    for file in _find_records(den)[:-_KEPT]:
        with contextlib.suppress(OSError):
            file.unlink()


def _describe(place: Workplace, resolution: Resolution, fetched: Fetched | None) -> Run:
    transfers = fetched.transfers if fetched is not None else ()
    paths = [find_artifact(place.den, one) for one in resolution.artifacts if one.kind != "vcs"]
    selection = resolution.selection
    return Run(
        time=time.time(),
        project=name_project(place.project),
        closure=resolution.closure_id,
        need="",
        runner=name_runner(place.env),
        supplied=fetched is not None and not fetched.missing,
        # Of a remote or a bundle its kind is enough; where it is stays on this machine.
        given=tuple(Given(one.source.partition(" ")[0], *one[1:]) for one in transfers),
        install_s=None,
        install_bytes=sum(path.stat().st_size for path in paths if path is not None),
        verify_s=0.0,
        gpu=has_gpu(),
        accelerators=find_accelerator_wheels(selection, place.den) if selection else (),
    )


def _write(den: Den, run: Run) -> None:
    folder = den.root / "results" / "wheels"
    folder.mkdir(parents=True, exist_ok=True)
    content = {
        "schema": _SCHEMA,
        **run._asdict(),
        "given": [one._asdict() for one in run.given],
        "accelerators": [one._asdict() for one in run.accelerators],
    }
    sibling = folder / sibling_name()
    sibling.write_text(json.dumps(content, indent=1), "utf-8")
    sibling.rename(folder / f"{int(run.time * 1000)}-{secrets.token_hex(4)}.json")


def collect_runs(den: Den, limit: int = _READ) -> list[Run]:
    """The newest ``limit`` runs that the den has records of, oldest first.

    What another version wrote is left out, but counts.
    """
    found = (_read(file) for file in _find_records(den)[-limit:])
    return [run for run in found if run is not None]


def _find_records(den: Den) -> list[Path]:
    """All records, oldest first: their names begin with the time."""
    return sorted((den.root / "results" / "wheels").glob("[!.]*.json"))


def _read(file: Path) -> Run | None:
    try:
        content: dict[str, Any] = json.loads(file.read_bytes())
        if content.pop("schema") != _SCHEMA:
            return None
        given = tuple(Given(**one) for one in content.pop("given"))
        accelerators = tuple(AcceleratorWheel(**one) for one in content.pop("accelerators"))
        return Run(given=given, accelerators=accelerators, **content)
    except (OSError, ValueError, LookupError, TypeError, AttributeError):
        return None


def name_project(project: Project) -> str:
    """The name that a project has in its pyproject.toml; that of its folder where it has none."""
    manifest = os.path.relpath(project.directory / "pyproject.toml", project.root)
    table = tomllib.loads(project.read(manifest).decode())
    return str(table.get("project", {}).get("name", project.directory.name))


def name_runner(env: Mapping[str, str]) -> str:
    """What kind of machine this is: the CI system, and what that says of its runner.

    >>> name_runner({"GITHUB_ACTIONS": "true", "ImageOS": "ubuntu24", "RUNNER_ARCH": "X64"})
    'github ubuntu24-X64'
    """
    if not is_ci(env):
        return "local"
    system = next((name for variable, name in CI_VARIABLES.items() if env.get(variable)), "unknown")
    labels = {
        "gitlab": (env.get("CI_RUNNER_DESCRIPTION"),),
        "jenkins": (env.get("NODE_NAME"),),
    }.get(system, (env.get("ImageOS") or env.get("RUNNER_OS"), env.get("RUNNER_ARCH")))
    return f"{system} {'-'.join(label for label in labels if label)}".strip()
