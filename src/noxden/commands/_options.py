"""Options and look-ups that several commands share."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple, TypeVar

import click

from noxden.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from noxden.cli import Caller
    from noxden.lock.request import Request
    from noxden.sessions.registered import RegisteredSession

__all__ = ["NamedRequest", "as_json", "choose", "examples", "make_request", "selectors"]

F = TypeVar("F", bound="Callable[..., object]")

as_json = click.option("--json", "json", is_flag=True, help="Print JSON for scripts.")


class NamedRequest(NamedTuple):
    """A request to the den, and the session that makes it."""

    session: str
    """Empty where the request was spelled on the command line."""
    request: Request


def selectors(function: F) -> F:
    """Add the options that say what an environment holds."""
    for option, target, text in (
        ("--package", "packages", "A workspace member in place of the project; * is all."),
        ("--extra", "extras", "An extra of the project."),
        ("--only-group", "only_groups", "A dependency group without the project."),
        ("--group", "groups", "A dependency group beside the project."),
    ):
        add = click.option(
            option, target, multiple=True, metavar="NAME", help=f"{text} Repeatable."
        )
        function = add(function)
    add = click.option(
        "--python", metavar="REQUEST", help="The Python to use, as uv takes it: 3.12."
    )
    return add(function)


def make_request(
    groups: Sequence[str],
    only_groups: Sequence[str],
    extras: Sequence[str],
    packages: Sequence[str],
    python: str | None,
) -> Request:
    """The request that the options of :func:`selectors` spell."""
    from noxden.lock.request import Request

    return Request(tuple(groups), tuple(only_groups), tuple(extras), tuple(packages), python)


def examples(*lines: str) -> str:
    """The end of a command's help: a line each, not wrapped."""
    return "\b\nExamples:\n" + "\n".join(f"  {line}" for line in lines)


def choose(caller: Caller, wanted: Sequence[str]) -> list[RegisteredSession]:
    """The sessions named in ``wanted``; all of them when it is empty.

    Raises:
        UsageError: a name is not known, or the noxfile cannot be loaded.
    """
    from noxden.sessions.registered import choose_sessions, collect_sessions, find_noxfile

    noxfile, sessions = find_noxfile(caller.cwd), collect_sessions(caller.cwd)
    if not wanted and not sessions:
        message = f"{noxfile} has no session on the den; use noxden.session in place of nox.session"
        raise UsageError(message)
    if not wanted:
        return sessions
    chosen = [one for name in wanted for one in choose_sessions(sessions, name, noxfile)]
    return list(dict.fromkeys(chosen))
