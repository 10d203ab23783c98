"""``noxden explain``."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from noxden.commands._options import as_json, choose, examples
from noxden.render import print_json, print_lines, render_size, render_time

if TYPE_CHECKING:
    from collections.abc import Iterator

    from noxden.cli import Caller
    from noxden.den.explain import Explanation


@click.command(epilog=examples("noxden explain unit", "noxden explain unit-3.12 --json"))
@click.argument("session")
@as_json
@click.pass_obj
def command(caller: Caller, *, session: str, json: bool) -> None:
    """Tell whether the environment of SESSION is up to date and, if not, what changed.

    Compares what the worktree environment stands on with what uv.lock, pyproject.toml, the
    interpreter and the settings give now. Builds nothing.
    """
    from noxden.config import find_config
    from noxden.den.explain import explain
    from noxden.den.workplace import open_workplace

    chosen = choose(caller, [session])
    config = find_config(caller.cwd, caller.env)
    place = open_workplace(caller.cwd, caller.env, config.den)
    found = [
        (one.name, explain(place, one.request, one.location, layered=one.options.layered))
        for one in chosen
    ]
    if json:
        print_json([_to_json(name, explanation) for name, explanation in found])
        return
    for name, explanation in found:
        print_lines(_render(name, explanation))


def _to_json(name: str, explanation: Explanation) -> dict[str, object]:
    fields = explanation._asdict()
    return {"session": name, **fields, "last_used": render_time(explanation.last_used)}


def _render(name: str, found: Explanation) -> Iterator[str]:
    yield f"{name}: {found.state}"
    yield from (f"  {change}" for change in found.changes)
    yield f"  environment key   {found.key}"
    if found.stands_on not in {"", found.key}:
        yield f"  stands on         {found.stands_on}"
    yield f"  Python            {found.python} ({found.interpreter})"
    base = render_size(found.base_size) if found.base_there else "not built"
    yield f"  base environment  {found.base} ({base})"
    worktree = render_size(found.size) if found.stands_on else "not built"
    yield f"  worktree          {found.location} ({worktree})"
    yield f"  last used         {render_time(found.last_used) or 'never'}"
    yield "  decided by        " + "\n                    ".join(found.inputs)
