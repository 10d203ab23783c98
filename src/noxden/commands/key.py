"""``noxden key``."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from noxden.commands._options import (
    NamedRequest,
    as_json,
    choose,
    examples,
    make_request,
    selectors,
)
from noxden.errors import UsageError
from noxden.render import print_json, print_lines

if TYPE_CHECKING:
    from noxden.cli import Caller
    from noxden.lock.request import Request


@click.command(
    epilog=examples(
        "noxden key unit", "noxden key --group test --python 3.12", "noxden key unit --json"
    )
)
@click.argument("session", required=False)
@selectors
@as_json
@click.pass_obj
def command(  # noqa: PLR0913 - an option each
    caller: Caller,
    *,
    session: str | None,
    groups: tuple[str, ...],
    only_groups: tuple[str, ...],
    extras: tuple[str, ...],
    packages: tuple[str, ...],
    python: str | None,
    json: bool,
) -> None:
    """Print the environment key of SESSION, or of what the options select.

    SESSION is the name of a session (unit) or of one of its Pythons (unit-3.12). With
    several Pythons each line starts with the session's full name. JSON is a list of
    {"session", "python", "key", "closure"}.
    """
    request = make_request(groups, only_groups, extras, packages, python)
    rows = _compute_rows(caller, _collect_requests(caller, session, request))
    if json:
        print_json(rows)
    elif len(rows) == 1:
        print_lines([rows[0]["key"]])
    else:
        print_lines(f"{row['session']} {row['key']}" for row in rows)


def _collect_requests(caller: Caller, session: str | None, request: Request) -> list[NamedRequest]:
    from noxden.lock.request import Request

    spelled = request != Request(python=request.python)
    if session is None:
        if not spelled:
            message = "name a session or a selection: noxden key unit, noxden key --group test"
            raise UsageError(message)
        return [NamedRequest("", request)]
    if spelled:
        message = f"session {session!r} says itself what it holds; leave out --group and the like"
        raise UsageError(message)
    chosen = choose(caller, [session])
    if request.python is not None:
        return [NamedRequest(chosen[0].group, chosen[0].options.request(request.python))]
    # Sessions that differ only in their parameters have one environment key.
    by_request = {one.request: one.name for one in reversed(chosen)}
    return [NamedRequest(name, found) for found, name in reversed(by_request.items())]


def _compute_rows(caller: Caller, requests: list[NamedRequest]) -> list[dict[str, str]]:
    from noxden.config import find_config
    from noxden.den.resolve import resolve
    from noxden.den.workplace import open_workplace

    config = find_config(caller.cwd, caller.env)
    place = open_workplace(caller.cwd, caller.env, config.den)
    rows = []
    for name, request in requests:
        found = resolve(place, request)
        rows.append(
            {
                "session": name,
                "python": found.interpreter.version,
                "key": found.key,
                "closure": found.closure_id,
            }
        )
    return rows
