"""nox's side of the den: the venv backend ``noxden``.

This is the only module that changes nox's internals or relies on them while a session runs
(``nox.virtualenv.ALL_VENVS``, the private ``_reused``, the lazy ``UV``). When nox gets a public
hook for backends, it replaces this one. Beside it only :mod:`noxden.sessions.registered` looks into
nox, to list the sessions of a noxfile.
"""

from __future__ import annotations

import contextlib
import logging
import os
import shutil
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Literal, cast

import nox.command
import nox.virtualenv
from nox.logger import logger

from noxden._switches import is_ci, is_on, wants_traceback
from noxden.den.supply import FROM_UV, Supply
from noxden.errors import InterpreterMissingError, explain_error
from noxden.sessions.options import DEFERRED

if TYPE_CHECKING:
    from collections.abc import Sequence

    from nox._decorators import Func

    from noxden.den.prepare import Prepared

    SessionFunction = Func
    """What ``nox.session`` makes of a function."""

__all__ = [
    "BACKEND",
    "DenEnvironment",
    "DenSession",
    "InstallFailed",
    "enter_den",
    "note_output_option",
    "register_backend",
    "settle_trust",
]

BACKEND = "noxden"

_HELD: dict[str, tuple[int, ...]] = {}
"""The use locks that this process holds, by location of the environment."""

_SAID: set[str] = set()
"""Notices that were given: every factory settles the trust, people read of it once."""

_TAKES_OUTPUT: set[str] = set()
"""Names of the sessions that take ``--output DIR`` after ``--``."""


class DenEnvironment(nox.virtualenv.VirtualEnv):
    """A worktree environment, as nox sees it: a uv environment that is never stale."""

    def __init__(
        self,
        location: str,
        interpreter: str | None = None,
        *,
        download_python: Literal["auto", "never", "always"] = "auto",
        reuse_existing: bool = False,
        venv_params: Sequence[str] = (),
    ) -> None:
        """Take what nox gives a backend; nothing is done before :meth:`create`."""
        super().__init__(
            location,
            interpreter,
            download_python=download_python,
            reuse_existing=reuse_existing,
            venv_backend="uv",
            venv_params=venv_params,
        )
        self.prepared: Prepared | None = None

    @property
    def allowed_globals(self) -> tuple[str, ...]:
        """uv is welcome although it is not in the environment; asking nox would start it."""
        return ("uv", "uvx")

    def create(self) -> bool:
        """Make the environment current; ``True`` when it is new, as nox wants to know.

        ``-r`` keeps what the session installed beside the locked packages; without it such an
        environment is made anew. Nothing keeps an environment that is stale. A session that
        defers its environment gets it by :meth:`enter`.
        """
        if DEFERRED in self.venv_params:
            self._reused = True
            return False
        try:
            prepared = self._prepare()
        except Exception as error:
            if isinstance(error, InterpreterMissingError) and self.interpreter:
                # One of the Pythons that the session names: nox skips it, or fails on CI. A
                # project for which there is no Python at all is not skipped.
                raise nox.virtualenv.InterpreterNotFound(self.interpreter) from error
            # nox would show a traceback for whatever is not its own.
            code, message = explain_error(error)
            logger.error("%s (exit code %d)", message, code)
            if wants_traceback(os.environ):
                logger.exception("where it came from")
            _record_failure(Path(self.location).name, code, message)
            raise nox.command.CommandFailed(return_code=code) from error
        self.prepared = prepared
        self._reused = prepared.reused and self.reuse_existing
        return not prepared.reused

    def pin_others(self, args: Sequence[str]) -> dict[str, str]:
        """The variable by which uv keeps to the base's versions, except of packages in ``args``."""
        if self.prepared is None or not self.prepared.environment.layered:
            return {}
        all_pins = self.prepared.environment.constraints
        named = {name for arg in args if (name := _name_of(arg))}
        kept = [
            line
            for line in all_pins.read_text("utf-8").splitlines()
            if line.partition("==")[0] not in named
        ]
        pins = all_pins.with_name("constraints-install.txt")
        pins.write_text("\n".join(kept) + "\n", "utf-8")
        # The variable takes several files, with spaces between them.
        relative = os.path.relpath(pins)
        return {} if " " in relative else {"UV_CONSTRAINT": relative}

    def install_wheels(self, wheels: Mapping[str, Path]) -> None:
        """Go on in an environment beside this one, ``unit+wheel``, with ``wheels`` in it.

        They stand in for the checkout's packages of these names. The session's environment
        stays what it is; no session has a folder with a plus in its name.

        Raises:
            NoxdenError: it cannot be made.
        """
        self.location += "+wheel"
        self.prepared = self._prepare(wheels)

    def enter(self, supply: Supply, variables: Mapping[str, str]) -> None:
        """Make the environment that was deferred, with ``variables`` over those of the caller.

        Raises:
            NoxdenError: it cannot be made.
        """
        self.prepared = self._prepare(supply=supply, variables=variables)

    def _prepare(
        self,
        wheels: Mapping[str, Path] = MappingProxyType({}),
        *,
        supply: Supply = FROM_UV,
        variables: Mapping[str, str] = MappingProxyType({}),
    ) -> Prepared:
        # Imported here: `nox --list` registers this backend and makes no environment.
        from noxden.config import find_config
        from noxden.den.prepare import prepare
        from noxden.den.workplace import open_workplace
        from noxden.sessions.options import SessionOptions
        from noxden.tools.uv import LEAKS

        options = SessionOptions.from_venv_params(self.venv_params)
        env = {**os.environ, **variables}
        place = open_workplace(
            Path.cwd(),
            env,
            find_config(Path.cwd(), env).den,
            download=self.download_python != "never",
        )
        location = Path(self.location)
        if supply is FROM_UV and env.get("NOXDEN_BUNDLE"):
            # What this job fetches is to be saved, so it comes through the store, not uv's cache.
            supply = Supply(from_index=True, need=location.name)
        # nox gives one folder to "a b" and "a-b": the second must not wait for the first.
        for descriptor in _HELD.pop(self.location, ()):
            os.close(descriptor)
        nox.virtualenv._ensure_gitignore(location.parent)  # noqa: SLF001
        nox.virtualenv._ensure_cachedir_tag(location.parent)  # noqa: SLF001
        with _fold(f"{location.name}: prepare the environment"):
            prepared = prepare(
                place,
                options.request(self.interpreter),
                location,
                layered=options.layered,
                allow_extra=self.reuse_existing,
                wheels=wheels,
                supply=supply,
                say=logger.info,
            )
        _HELD[self.location] = prepared.held
        self._announce(prepared)
        self.env.update(dict.fromkeys(LEAKS))
        self.env.update(
            CONDA_PREFIX=None,
            UV_CACHE_DIR=place.uv.env.get("UV_CACHE_DIR"),
            UV_PROJECT_ENVIRONMENT=self.location,
            UV_PYTHON=self.location,
            VIRTUAL_ENV=self.location,
        )
        if options.layered:
            # `uv run` would take the thin environment for one that lacks everything.
            self.env["UV_NO_SYNC"] = "1"
        if is_on(place.env, "NOXDEN_OFFLINE"):
            self.env["UV_OFFLINE"] = "1"
        return prepared

    def _announce(self, prepared: Prepared) -> None:
        for warning in prepared.warnings:
            logger.warning(warning)
        if not prepared.reused:
            name = Path(self.location).name
            done = "built" if prepared.reason == "new environment" else "rebuilt"
            logger.info(
                f"{name}: {prepared.reason}; {done} in {prepared.seconds:.1f} s "
                f"({prepared.packages} packages)"
            )


def _fold(title: str) -> contextlib.AbstractContextManager[None]:
    """Fold what the log says in the block, where a CI system can; logs go to stderr."""
    if not is_ci(os.environ):
        return contextlib.nullcontext()
    from noxden.sessions.ci_output import open_voice

    return open_voice(os.environ, Path.cwd()).group(title, stream=sys.stderr)


def note_output_option(session: str) -> None:
    """Remember that the sessions of this name, one for each Python, take ``--output DIR``."""
    _TAKES_OUTPUT.add(session)


def _find_output(session: str, words: Sequence[str]) -> Path | None:
    """The folder that the command line ``words`` of nox names for what ``session`` writes.

    nox tells a backend nothing of the session, so this is the one place that looks there.
    """
    if not any(session == name or session.startswith(f"{name}-") for name in _TAKES_OUTPUT):
        return None
    import argparse

    ours = list(words[words.index("--") + 1 :]) if "--" in words else []
    if "--" in ours:
        ours = ours[: ours.index("--")]
    parser = argparse.ArgumentParser(add_help=False, allow_abbrev=False, exit_on_error=False)
    parser.add_argument("--output", type=Path)
    try:
        found: Path | None = parser.parse_known_args(ours)[0].output
    except argparse.ArgumentError:
        return None
    return found


class InstallFailed(nox.command.CommandFailed):
    """Something could not be installed, which is not what the session was to find out."""


class DenSession(nox.Session):
    """A session whose ``install`` keeps to the versions of the base.

    uv does not see the base from the worktree environment. Without pins, what a session installs
    beside could bring another version of a package that the lock selects, and hide it.
    """

    __slots__ = ()

    def install(self, *args: str, env: Mapping[str, str | None] | None = None, **rest: Any) -> None:  # noqa: ANN401 - nox's own
        """As nox's, with pins for all that the base holds, but for what ``args`` name."""
        given = dict(env or {})
        venv = self.virtualenv
        if isinstance(venv, DenEnvironment) and args and "UV_CONSTRAINT" not in given:
            given |= venv.pin_others(args)
        try:
            super().install(*args, env=given, **rest)
        except nox.command.CommandFailed as failed:
            raise InstallFailed(failed.reason, return_code=failed.return_code) from failed


def enter_den(session: nox.Session) -> nox.Session:
    """``session`` as a session function gets it."""
    return DenSession(session._runner)  # noqa: SLF001


def _record_failure(session: str, code: int, message: str) -> None:
    """Leave the summary of a session that got no environment, where it can be written."""
    from noxden.sessions.output import Summary, open_output, write_summary

    summary = Summary(
        session=session,
        status="failed",
        exit_code=code,
        key="",
        python="",
        rebuilt="",
        prepare_seconds=0.0,
        run_seconds=0.0,
        message=message,
    )
    with contextlib.suppress(OSError):
        output = open_output(Path.cwd(), session, _find_output(session, sys.argv))
        write_summary(output, summary)


def settle_trust() -> None:
    """Let a run of an untrusted trigger, and all it starts, use the den of untrusted runs.

    Raises:
        UsageError: it is for a pull request about which nothing can be learned.
    """
    if not is_ci(os.environ):
        return
    from noxden.ci.trust import settle_trust as settle

    settled = settle(os.environ)
    os.environ.update(settled.variables)
    if settled.notice and settled.notice not in _SAID:
        _SAID.add(settled.notice)
        logger.warning(settled.notice)


def register_backend() -> None:
    """Enter the backend ``noxden`` in nox; doing it again changes nothing.

    Raises:
        UsageError: ``NOXDEN_DEBUG`` says neither on nor off, or as :func:`settle_trust`.
    """
    settle_trust()
    if is_ci(os.environ):
        from noxden.sessions.ci_output import guard_logs

        guard_logs(os.environ)
    nox.virtualenv.ALL_VENVS.setdefault(BACKEND, DenEnvironment)
    # nox shows every record of every logger from level DEBUG on.
    level = logging.DEBUG if is_on(os.environ, "NOXDEN_DEBUG") else logging.INFO
    logging.getLogger("noxden").setLevel(level)
    # So it would show every request of what we download with.
    logging.getLogger("urllib3").setLevel(logging.WARNING)
    # `session.run` compares nox.virtualenv.UV for environments of uv, and reading it starts uv
    # to learn its version. The answer needs no process, so it is set to what nox would find.
    if "UV" not in vars(nox.virtualenv):
        nox.virtualenv.UV = os.environ.get("UV") or ("uv" if shutil.which("uv") else _packaged_uv())
    if "OPTIONAL_VENVS" not in vars(nox.virtualenv):
        nox.virtualenv.OPTIONAL_VENVS = _OptionalBackends()  # type: ignore[assignment]


class _OptionalBackends(Mapping[str, bool]):
    """nox's table of backends that may be missing, found out when it is asked.

    nox fills the table before every session, which starts uv; for a session of the den
    the answer is not needed, because our backend is not optional.
    """

    def _found(self) -> Mapping[str, bool]:
        return cast("Mapping[str, bool]", nox.virtualenv.__getattr__("OPTIONAL_VENVS"))

    def __getitem__(self, backend: str) -> bool:
        if backend == BACKEND:
            raise KeyError(backend)
        return self._found()[backend]

    def __iter__(self) -> Iterator[str]:
        return iter(self._found())

    def __len__(self) -> int:
        return len(self._found())


def _name_of(argument: str) -> str:
    """The package that an argument of ``session.install`` names; empty for options and paths."""
    from packaging.requirements import InvalidRequirement, Requirement
    from packaging.utils import canonicalize_name

    try:
        return canonicalize_name(Requirement(argument).name)
    except InvalidRequirement:
        return ""


def _packaged_uv() -> str:
    try:
        from uv import find_uv_bin

        return find_uv_bin()
    except (ImportError, FileNotFoundError):
        return "uv"
