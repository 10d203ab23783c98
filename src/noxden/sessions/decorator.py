"""``noxden.session``: a drop-in for ``nox.session`` whose environment comes from the den."""

from __future__ import annotations

import contextlib
import functools
import os
import sys
from typing import (
    TYPE_CHECKING,
    Any,
    Concatenate,
    Literal,
    NoReturn,
    ParamSpec,
    TypedDict,
    Unpack,
    overload,
)

import nox
from nox.logger import logger

from noxden._switches import is_blocking
from noxden.errors import NoxdenError, UsageError
from noxden.sessions.backend import BACKEND, enter_den, register_backend
from noxden.sessions.blocking import tolerate_failed_work
from noxden.sessions.options import SessionOptions

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from noxden.sessions.backend import SessionFunction

__all__ = ["NoxArguments", "leave", "register_session", "session"]

P = ParamSpec("P")

_OWN = ("groups", "only_groups", "extras", "packages", "layered")
"""The arguments that are not nox's."""


class NoxArguments(TypedDict, total=False):
    """The arguments of ``nox.session`` that are passed through as they are."""

    python: str | Sequence[str] | None
    py: str | Sequence[str] | None
    reuse_venv: bool | None
    name: str | None
    tags: Sequence[str] | None
    default: bool
    requires: Sequence[str] | None
    download_python: Literal["auto", "never", "always"] | None
    allow_parallel: bool | None


class SessionArguments(NoxArguments, total=False):
    """The arguments of ``noxden.session``: those of nox, and what the environment holds."""

    groups: Sequence[str]
    only_groups: Sequence[str]
    extras: Sequence[str]
    packages: Sequence[str]
    layered: bool


@overload
def session(function: Callable[Concatenate[nox.Session, P], None], /) -> SessionFunction: ...


@overload
def session(
    **arguments: Unpack[SessionArguments],
) -> Callable[[Callable[Concatenate[nox.Session, P], None]], SessionFunction]: ...


def session(
    function: Callable[Concatenate[nox.Session, P], None] | None = None,
    /,
    **arguments: Unpack[SessionArguments],
) -> SessionFunction | Callable[[Callable[Concatenate[nox.Session, P], None]], SessionFunction]:
    """Register a nox session whose environment comes from the den.

    Args:
        function: the session; given when the decorator is used without parentheses.
        **arguments: ``groups``, ``only_groups``, ``extras`` and ``packages`` name what the
            environment holds, from uv.lock; ``layered=False`` gives a plain venv for tools
            that ignore layers. Everything else goes to ``nox.session`` as it is.

    Example::

        @noxden.session(groups=["docs"], python=["3.12", "3.13"])
        def docs(session: nox.Session) -> None:
            session.run("sphinx-build", "docs", "site")
    """
    if function is None:
        return functools.partial(_decorate, arguments)
    return _decorate(arguments, function)


def _decorate(
    arguments: SessionArguments, function: Callable[Concatenate[nox.Session, P], None]
) -> SessionFunction:
    rest: dict[str, Any] = dict(arguments)
    own = {name: rest.pop(name) for name in _OWN if name in rest}
    for name in rest:
        if name in {"venv_backend", "venv_params"}:
            message = (
                f"noxden.session ({function.__name__}): remove {name}=, its backend is the den"
            )
            leave(UsageError(message))
        if name not in NoxArguments.__annotations__:
            import difflib

            known = [*_OWN, *NoxArguments.__annotations__]
            near = difflib.get_close_matches(name, known, n=1) or [", ".join(known)]
            message = f"noxden.session takes no argument {name!r}; did you mean {near[0]}?"
            leave(UsageError(message))
    options = SessionOptions(layered=bool(own.pop("layered", True)))
    named: dict[str, Any] = {name: _as_names(name, value) for name, value in own.items()}
    try:
        return register_session(function, options._replace(**named), rest)
    except NoxdenError as error:
        leave(error)


def register_session(
    function: Callable[Concatenate[nox.Session, P], None],
    options: SessionOptions,
    nox_arguments: dict[str, Any],
) -> SessionFunction:
    """Register ``function`` with nox on an environment made of ``options``."""
    register_backend()

    @functools.wraps(function)
    def run(session: nox.Session, *args: P.args, **kwargs: P.kwargs) -> None:
        try:
            blocking = is_blocking(os.environ)
            with contextlib.nullcontext() if blocking else tolerate_failed_work(session):
                function(enter_den(session), *args, **kwargs)
        except NoxdenError as error:
            logger.error("%s (exit code %d)", error, error.exit_code)
            session.error(f"exit code {error.exit_code}")

    register: Callable[[Callable[..., None]], SessionFunction] = nox.session(
        **nox_arguments, venv_backend=BACKEND, venv_params=options.venv_params
    )
    return register(run)


def leave(error: NoxdenError) -> NoReturn:
    """End the process the way the ``noxden`` command would: a noxfile is an entry point too."""
    sys.stderr.write(f"noxden: {error}\n")
    sys.exit(error.exit_code)


def _as_names(field: str, value: object) -> tuple[str, ...]:
    if isinstance(value, str) or not all(isinstance(name, str) for name in value):  # type: ignore[attr-defined]
        leave(UsageError(f"{field}= takes a list of names, got {value!r}"))
    return tuple(value)  # type: ignore[arg-type]
