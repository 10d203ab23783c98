"""``noxden envs``."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from noxden.commands._options import as_json, examples
from noxden.render import print_json, print_lines, print_table, render_age, render_size, render_time

if TYPE_CHECKING:
    from noxden.cli import Caller
    from noxden.den.inventory import BaseEntry


@click.command(epilog=examples("noxden envs", "noxden envs --json"))
@as_json
@click.pass_obj
def command(caller: Caller, *, json: bool) -> None:
    """List the base environments of the den.

    The size is what the tree takes on disk in bytes, a file with several hard links counted
    once in each environment: files that uv links from its cache count in full, so sizes add up
    to more than the den takes (noxden gc --dry-run shows that). Roots are the worktree
    environments that stand on it.
    """
    from noxden.den.inventory import collect_bases
    from noxden.den.layout import open_den

    den = open_den(caller.env)
    entries = collect_bases(den)
    if json:
        print_json([_to_json(entry) for entry in entries])
    elif not entries:
        print_lines([f"the den {den.root} has no base environments yet"])
    else:
        now = caller.clock()
        columns = ("key", "python", "packages>", "size>", "created", "last used", "in use", "roots")
        print_table(columns, (_to_row(entry, now) for entry in entries))


def _to_json(entry: BaseEntry) -> dict[str, object]:
    return {
        "key": entry.key,
        "python": entry.python,
        "packages": entry.packages,
        "size": entry.size,
        "created": render_time(entry.created),
        "last_used": render_time(entry.last_used),
        "in_use": entry.in_use,
        "roots": list(entry.roots),
    }


def _to_row(entry: BaseEntry, now: float) -> tuple[str, ...]:
    return (
        entry.key[:12],
        entry.python,
        str(entry.packages),
        render_size(entry.size),
        render_age(now - entry.created),
        render_age(now - entry.last_used),
        "yes" if entry.in_use else "no",
        "\n".join(entry.roots) or "-",
    )
