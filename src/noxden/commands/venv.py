"""``noxden venv``."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

import click

from noxden.commands._options import as_json, examples, make_request, selectors
from noxden.errors import UsageError
from noxden.render import print_json, print_lines, render_size

if TYPE_CHECKING:
    from collections.abc import Iterator

    from noxden.cli import Caller
    from noxden.den.prepare import Prepared
    from noxden.den.resolve import Workplace


@click.command(
    epilog=examples(
        "noxden venv --group test --group lint", "noxden venv .venv-3.13 --python 3.13 --group test"
    )
)
@click.argument("directory", required=False, metavar="[DIR]", type=click.Path(path_type=Path))
@selectors
@click.option("--no-layer", is_flag=True, help="A plain venv with everything in it, by uv sync.")
@click.option("--replace", is_flag=True, help="Replace an environment that noxden did not make.")
@as_json
@click.pass_obj
def command(  # noqa: PLR0913 - an option each
    caller: Caller,
    *,
    directory: Path | None,
    groups: tuple[str, ...],
    only_groups: tuple[str, ...],
    extras: tuple[str, ...],
    packages: tuple[str, ...],
    python: str | None,
    no_layer: bool,
    replace: bool,
    json: bool,
) -> None:
    """Make a worktree environment at DIR for editors and shells.

    DIR is .venv beside uv.lock by default. It stands on a base environment in the den and
    holds only the project, so it costs next to nothing in every checkout. Run it again
    after uv.lock has changed. JSON is {"path", "key", "python", "size", "reused", "reason",
    "warnings"}.
    """
    from noxden.config import find_config
    from noxden.den.disk import measure
    from noxden.den.prepare import prepare
    from noxden.den.workplace import open_workplace

    config = find_config(caller.cwd, caller.env)
    place = open_workplace(caller.cwd, caller.env, config.den)
    location = _locate(caller, place, directory)
    _refuse_foreign(location, replace=replace)
    prepared = prepare(
        place,
        make_request(groups, only_groups, extras, packages, python),
        location,
        layered=not no_layer,
        say=lambda line: click.echo(line, err=True),
    )
    for descriptor in prepared.held:
        os.close(descriptor)
    if json:
        print_json(_to_json(prepared, location, measure(location)))
    else:
        print_lines(_render(prepared, location, measure(location), layered=not no_layer))


def _locate(caller: Caller, place: Workplace, directory: Path | None) -> Path:
    if directory is None:
        return place.project.root / ".venv"
    return Path(os.path.normpath(caller.cwd / directory.expanduser()))


def _refuse_foreign(location: Path, *, replace: bool) -> None:
    """Refuse to write over what noxden did not make.

    Raises:
        UsageError: with the way to go on.
    """
    from noxden.den.worktrees import RECORD

    if location.is_file() or location.is_symlink():
        message = f"{location} is not a directory; name another one, or remove it first"
        raise UsageError(message)
    if not location.is_dir() or (location / RECORD).is_file() or not any(location.iterdir()):
        return
    if not (location / "pyvenv.cfg").is_file():
        message = f"{location} is not an environment; name another directory, or empty it first"
        raise UsageError(message)
    if not replace:
        message = (
            f"{location} is an environment that noxden did not make; add --replace to replace it, "
            f"or name another directory"
        )
        raise UsageError(message)


def _to_json(prepared: Prepared, location: Path, size: int) -> dict[str, object]:
    return {
        "path": str(location),
        "key": prepared.resolution.key,
        "python": prepared.resolution.interpreter.version,
        "size": size,
        "reused": prepared.reused,
        "reason": prepared.reason,
        "warnings": list(prepared.warnings),
    }


def _render(prepared: Prepared, location: Path, size: int, *, layered: bool) -> Iterator[str]:
    shown = os.path.relpath(location)
    done = "is up to date" if prepared.reused else f"is ready ({prepared.reason})"
    version = prepared.resolution.interpreter.version
    yield f"{location} {done}: Python {version}, {render_size(size)} ({size} bytes)"
    yield from (f"warning: {warning}" for warning in prepared.warnings)
    yield f"activate it:  source {shown}/bin/activate"
    if layered:
        yield (
            "`uv run` and `uv sync` see only what lies in the directory itself: they would install "
            "the project's packages into it once more; use `uv run --no-sync`, or set UV_NO_SYNC=1"
        )
