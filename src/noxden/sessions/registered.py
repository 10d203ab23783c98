"""Learn from a noxfile which sessions have an environment from the den.

The noxfile is loaded in this process, the way nox does it, because only that shows what
decorators and factories registered. Like the backend, this knows parts of nox that
are not documented (its manifest); nothing else does.
"""

from __future__ import annotations

import contextlib
import difflib
import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from noxden._rule import RULE, SETTINGS
from noxden.errors import NoxdenError, UsageError
from noxden.sessions.options import SessionOptions

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from types import ModuleType

    from noxden._rule import Rule
    from noxden.lock.request import Request

__all__ = [
    "RegisteredSession",
    "choose_sessions",
    "collect_all_sessions",
    "collect_sessions",
    "describe_runner",
    "find_noxfile",
]

_BACKEND = "noxden"


class RegisteredSession(NamedTuple):
    """A session of a noxfile on an environment from the den."""

    name: str
    """Full name, as ``nox -l`` shows it: ``unit-3.12``, ``docs(builder='html')``."""
    group: str
    """Name without Python and parameters, ``unit``."""
    python: str | None
    """Interpreter request; ``None`` is the project's own choice."""
    options: SessionOptions
    location: Path
    """Where its worktree environment is, or will be."""
    rule: Rule | None = None
    """What opens its gate on CI; ``None`` is no gate."""
    settings: object = None
    """What its factory was told by table and keywords; ``None`` where no factory made it."""
    default: bool = True
    """Whether plain ``nox`` runs it."""
    in_den: bool = True
    """Whether its environment is the den's."""

    @property
    def request(self) -> Request:
        """What it asks of the den."""
        return self.options.request(self.python)


def find_noxfile(start: Path) -> Path:
    """The noxfile.py at ``start`` or above.

    Raises:
        UsageError: there is none.
    """
    found = next(
        (at / "noxfile.py" for at in (start, *start.parents) if (at / "noxfile.py").is_file()), None
    )
    if found is None:
        message = f"no noxfile.py in {start} or above; write one with: import noxden; noxden.unit()"
        raise UsageError(message)
    return found


def collect_sessions(start: Path) -> list[RegisteredSession]:
    """The sessions on the den's backend in the noxfile of ``start``, in the noxfile's order.

    What the noxfile prints while it is loaded goes to stderr.

    Raises:
        UsageError: there is no noxfile, or it raises.
    """
    return [one for one in collect_all_sessions(start) if one.in_den]


def collect_all_sessions(start: Path) -> list[RegisteredSession]:
    """As :func:`collect_sessions`, with the sessions on other backends.

    Raises:
        UsageError: there is no noxfile, or it raises.
    """
    noxfile = find_noxfile(start)
    with _stay_put():
        runners = _load(noxfile)
    return [describe_runner(runner, noxfile.parent) for runner in runners]


def describe_runner(runner: Any, folder: Path) -> RegisteredSession:  # noqa: ANN401 - nox's
    """The session that a session runner of nox stands for; ``folder`` has the noxfile."""
    import nox

    function = runner.func
    in_den = function.venv_backend == _BACKEND and function.python is not False
    named = nox.options.sessions
    return RegisteredSession(
        runner.friendly_name,
        runner.name,
        function.python or None,
        SessionOptions.from_venv_params((function.venv_params or ()) if in_den else ()),
        # nox changes to the real folder of the noxfile before it makes paths absolute.
        Path(os.path.realpath(folder), runner.envdir),
        getattr(function, RULE, None),
        getattr(function, SETTINGS, None),
        default=function.default
        if named is None
        else not {*named}.isdisjoint({runner.name, *runner.signatures}),
        in_den=in_den,
    )


def choose_sessions(
    sessions: Sequence[RegisteredSession], wanted: str, noxfile: Path
) -> list[RegisteredSession]:
    """The sessions that ``wanted`` names: one by its full name, or all of a group.

    Raises:
        UsageError: there is none, with the nearest and the known names.
    """
    chosen = [session for session in sessions if wanted == session.name]
    chosen = chosen or [session for session in sessions if wanted == session.group]
    if chosen:
        return chosen
    known = list(dict.fromkeys(name for one in sessions for name in (one.group, one.name)))
    near = difflib.get_close_matches(wanted, known, n=1, cutoff=0.5)
    advice = f"did you mean {near[0]}? " if near else ""
    message = (
        f"{noxfile} has no noxden session {wanted!r}; {advice}"
        f"known sessions: {', '.join(session.name for session in sessions) or 'none'}"
    )
    raise UsageError(message)


@contextlib.contextmanager
def _stay_put() -> Iterator[None]:
    """Keep stdout and the working directory, both of which loading a noxfile may change."""
    before = Path.cwd()
    try:
        with contextlib.redirect_stdout(sys.stderr):
            yield
    finally:
        os.chdir(before)


def _load(noxfile: Path) -> list[Any]:
    """Load ``noxfile`` as nox does and return nox's session runners."""
    from nox import registry, tasks
    from nox._options import options

    config = options.namespace(noxfile=str(noxfile))
    registry.reset()
    try:
        module = tasks.load_nox_module(config)
    except NoxdenError:
        raise
    except SystemExit as error:
        message = f"{noxfile} ended with {error.code!r} while it was loaded; try: nox -l"
        raise UsageError(message) from error
    except Exception as error:
        message = f"{noxfile} cannot be loaded: {type(error).__name__}: {error}; try: nox -l"
        raise UsageError(message) from error
    if isinstance(module, int):
        message = f"{noxfile} cannot be loaded by this nox; try: nox -l"
        raise UsageError(message)
    return _list_runners(module, config)


def _list_runners(module: ModuleType, config: Any) -> list[Any]:  # noqa: ANN401 - nox's
    from nox import tasks

    tasks.merge_noxfile_options(module, config)
    manifest = tasks.discover_manifest(module, config)
    return [runner for runner, _ in manifest.list_all_sessions()]
