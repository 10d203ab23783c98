"""uv, and the interpreters that sessions ask for."""

from __future__ import annotations

from typing import TYPE_CHECKING

from noxden.den.doctor.values import BROKEN, OK, WARNING, Diagnosis
from noxden.den.resolve import Workplace, find_interpreter
from noxden.errors import InterpreterMissingError, NoxdenError
from noxden.lock.project import read_project
from noxden.tools.process import run
from noxden.tools.uv import Uv

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from pathlib import Path

    from noxden.den.layout import Den

__all__ = ["check_pythons", "check_uv"]


def check_uv(env: Mapping[str, str], checkout: Path) -> Iterator[Diagnosis]:
    """Whether uv is there and new enough."""
    uv = Uv(env, None)  # asked for its version only, it needs no cache
    try:
        version = run([uv.binary, "--version"], env=uv.env, cwd=checkout).stdout.strip()
        uv.refuse_old()
    except NoxdenError as error:
        yield Diagnosis("uv", BROKEN, str(error), "pip install --upgrade uv")
    else:
        yield Diagnosis("uv", OK, f"{version} ({uv.binary})")


def check_pythons(
    den: Den, env: Mapping[str, str], checkout: Path, pythons: Sequence[str | None]
) -> Iterator[Diagnosis]:
    """Whether there is an interpreter for each request in ``pythons``."""
    try:
        project = read_project(checkout)
    except NoxdenError as error:
        yield Diagnosis("project", BROKEN, str(error), "see the message")
        return
    place = Workplace(project, den, Uv(env, den.uv_cache), env)
    for request in dict.fromkeys(pythons):
        wanted = f"Python {request}" if request else "the project's Python"
        try:
            found = find_interpreter(place, request)
        except InterpreterMissingError as error:
            # nox skips a session whose interpreter is missing; without the project's own
            # nothing runs.
            severity = WARNING if request else BROKEN
            remedy = f"uv python install {request or ''}".strip()
            yield Diagnosis("python", severity, str(error), remedy)
        except NoxdenError as error:
            yield Diagnosis("python", BROKEN, f"{wanted}: {error}", "see the message")
        else:
            yield Diagnosis("python", OK, f"{wanted} is {found.version} ({found.executable})")
