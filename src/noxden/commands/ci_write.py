"""``noxden ci write`` and ``noxden ci check``."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from noxden.commands._options import as_json, examples
from noxden.config import PROVIDERS
from noxden.errors import UsageError, WorkError
from noxden.render import print_json, print_lines

if TYPE_CHECKING:
    from collections.abc import Sequence

    from noxden.ci.files.apply import Difference
    from noxden.cli import Caller

__all__ = ["check", "write"]


@click.command(
    epilog=examples(
        "noxden ci write",
        "noxden ci write --provider github --provider gitlab",
        "noxden ci write --dry-run",
        "noxden ci write --update-pins pins.toml",
    )
)
@click.option(
    "--provider",
    "providers",
    multiple=True,
    type=click.Choice(PROVIDERS),
    help="Write for this system, not for those of [tool.noxden.ci] providers. Repeatable.",
)
@click.option(
    "--update-pins",
    "pins",
    metavar="FILE",
    type=click.Path(dir_okay=False, path_type=Path),
    help="Take commits of actions from FILE, and keep it as .noxden-pins.toml.",
)
@click.option("--dry-run", is_flag=True, help="Show what would change and write nothing.")
@click.option("--force", is_flag=True, help="Replace files that noxden did not make.")
@as_json
@click.pass_obj
def write(
    caller: Caller,
    *,
    providers: tuple[str, ...],
    pins: Path | None,
    dry_run: bool,
    force: bool,
    json: bool,
) -> None:
    """Write the CI files that the sessions of the noxfile and [tool.noxden.ci] make.

    Each file calls nox and nothing cleverer. Files that noxden made are made anew, and removed
    where they are not wanted any more; others are never touched without --force. JSON is a list of
    {"path", "change": "new", "changed" or "removed"}.
    """
    from noxden.ci.files.apply import apply_differences

    root = _find_root(caller)
    if pins is not None:
        _take_pins(caller.cwd / pins, root, dry_run=dry_run)
    differences = _compare(caller, root, providers)
    if not dry_run:
        apply_differences(root, differences, force=force)
    if json:
        print_json([{"path": one.path, "change": _name(one)} for one in differences])
        return
    if dry_run:
        _show(differences)
    done = "would be" if dry_run else "is"
    print_lines(f"{one.path} {done} {_WORDS[_name(one)]}" for one in differences)
    if not differences:
        print_lines(["all CI files are up to date"])


@click.command(epilog=examples("noxden ci check", "noxden ci check --json"))
@as_json
@click.pass_obj
def check(caller: Caller, *, json: bool) -> int:
    """Compare the CI files of the checkout with what noxden ci write would write.

    Shows the differences, and ends with 1 where there are some. JSON is as of noxden ci write.
    """
    differences = _compare(caller, _find_root(caller), ())
    if json:
        print_json([{"path": one.path, "change": _name(one)} for one in differences])
    elif differences:
        _show(differences)
    if not differences:
        if not json:
            print_lines(["all CI files are up to date"])
        return 0
    names = ", ".join(one.path for one in differences)
    message = f"{names} differ from what the configuration makes; run: noxden ci write"
    raise WorkError(message)


_WORDS = {"new": "new", "changed": "written anew", "removed": "removed"}


def _name(difference: Difference) -> str:
    if difference.before is None:
        return "new"
    return "removed" if difference.after is None else "changed"


def _show(differences: Sequence[Difference]) -> None:
    from noxden.ci.files.apply import render_diff

    for one in differences:
        print_lines(render_diff(one))


def _find_root(caller: Caller) -> Path:
    """The project's folder, which has to be that of the repository: CI looks for its files there.

    Raises:
        UsageError: it is not.
    """
    from noxden.config import find_project
    from noxden.tools.git import find_top

    project = find_project(caller.cwd)
    top = find_top(project, caller.env)
    if top is not None and top.resolve() != project.resolve():
        message = (
            f"{project} is not the root of its repository, {top}, where CI systems look for their "
            f"files; write them in a project there"
        )
        raise UsageError(message)
    return project


def _take_pins(file: Path, root: Path, *, dry_run: bool) -> None:
    """Keep the table of pins in ``file`` as the project's own.

    Raises:
        UsageError: it cannot be read, or is none.
    """
    from noxden.ci.files.pins import PINS_FILE, parse_pins

    try:
        text = file.read_text("utf-8")
    except (OSError, UnicodeDecodeError) as error:
        message = f"cannot read {file}: {error}"
        raise UsageError(message) from error
    parse_pins(text, str(file))
    if not dry_run:
        (root / PINS_FILE).write_text(text, "utf-8")


def _compare(caller: Caller, root: Path, providers: tuple[str, ...]) -> list[Difference]:
    from noxden.ci.files.apply import compare_files
    from noxden.ci.files.render import render_files
    from noxden.config import load_config
    from noxden.sessions.planned import describe_sessions
    from noxden.sessions.registered import collect_all_sessions

    config = load_config(root, caller.env)
    if providers:
        config = config._replace(ci=config.ci._replace(providers=providers))
    sessions = list(describe_sessions(collect_all_sessions(caller.cwd)))
    return compare_files(root, render_files(root, config, sessions))
