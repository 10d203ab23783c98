"""``noxden doctor``."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from noxden.commands._options import as_json, examples
from noxden.errors import InfrastructureError, NoxdenError, UsageError
from noxden.render import print_json, print_table

if TYPE_CHECKING:
    from noxden.cli import Caller
    from noxden.den.doctor import Diagnosis

_SIGNS = {"ok": "ok", "warning": "warning", "broken": "BROKEN"}


@click.command(epilog=examples("noxden doctor", "noxden doctor --json"))
@as_json
@click.pass_obj
def command(caller: Caller, *, json: bool) -> int:
    """Look for what is wrong with the den, the checkout, uv, interpreters and variables.

    Each finding comes with a remedy. Links and copies are really tried. Exit code 3: something
    is broken; warnings alone are 0.
    """
    found = _examine(caller)
    if json:
        print_json([diagnosis._asdict() for diagnosis in found])
    else:
        rows = ((one.check, _SIGNS[one.severity], one.message, one.remedy) for one in found)
        print_table(("check", "", "finding", "remedy"), rows)
    broken = any(diagnosis.severity == "broken" for diagnosis in found)
    return InfrastructureError.exit_code if broken else 0


def _examine(caller: Caller) -> list[Diagnosis]:
    from noxden.config import Config
    from noxden.den.doctor import Diagnosis, examine
    from noxden.den.limits import parse_size

    extra: list[Diagnosis] = []
    pythons: list[str | None] = [None]
    max_size = parse_size(Config().den.max_size)
    try:
        max_size = _read_max_size(caller)
    except NoxdenError as error:
        extra.append(Diagnosis("configuration", "broken", str(error), "see the message"))
    try:
        pythons += _collect_pythons(caller)
    except UsageError as error:
        extra.append(Diagnosis("noxfile", "warning", str(error), "nox -l"))
    return [*extra, *examine(caller.cwd, caller.env, pythons, max_size)]


def _read_max_size(caller: Caller) -> int:
    from noxden.commands.gc import read_limits

    return read_limits(caller, None, None).max_size


def _collect_pythons(caller: Caller) -> list[str | None]:
    from noxden.sessions.registered import collect_sessions

    return [session.python for session in collect_sessions(caller.cwd)]
