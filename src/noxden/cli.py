"""The ``noxden`` command: find the subcommand, run it, turn errors into a sentence and a code.

Subcommands are loaded when they are called: ``noxden --help`` imports none of them.
"""

from __future__ import annotations

import os
import sys
import time
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import click

from noxden._switches import is_ci, wants_traceback
from noxden.errors import UsageError, explain_error, refuse_windows

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from typing import Any

__all__ = ["Caller", "main", "noxden"]

_COMMANDS = {
    "init": "Adopt a uv project: sessions, groups, CI files.",
    "config": "Show every setting and where it came from.",
    "key": "Print the environment key of a session.",
    "explain": "Tell why an environment is up to date or not.",
    "envs": "List the base environments of the den.",
    "gc": "Remove base environments that nothing needs.",
    "verify": "Compare base environments with what was installed.",
    "wheels": "Look after the wheel store, and make bundles for CI caches.",
    "venv": "Make an environment for editors and shells.",
    "ci": "Write CI files; tell what started this run and what may run.",
    "device": "List cards; plan stages; tell why a test is in scope.",
    "doctor": "Look for what is wrong, with remedies.",
}
"""The subcommands, in the order of the help, each in the module of its name."""

_INTERRUPTED = 130


class Caller(NamedTuple):
    """What a command knows about the world."""

    env: Mapping[str, str]
    cwd: Path
    clock: Callable[[], float] = time.time
    """Seconds since the epoch."""


class _LazyGroup(click.Group):
    """A group that knows its commands by name and imports one when it is called."""

    def list_commands(self, _context: click.Context) -> list[str]:
        return list(_COMMANDS)

    def get_command(self, _context: click.Context, name: str) -> click.Command | None:
        if name not in _COMMANDS:
            return None
        command: click.Command = import_module(f"noxden.commands.{name}").command
        return command

    def resolve_command(
        self, context: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """As click, with the nearest name for one that is not known."""
        import difflib

        name = args[0]
        if name not in _COMMANDS and not name.startswith("-"):
            near = difflib.get_close_matches(name, _COMMANDS, n=1)
            advice = f"did you mean {near[0]}?" if near else f"commands: {', '.join(_COMMANDS)}"
            message = f"noxden has no command {name!r}; {advice}"
            raise click.UsageError(message, context)
        return super().resolve_command(context, args)

    def format_commands(self, _context: click.Context, formatter: click.HelpFormatter) -> None:
        with formatter.section("Commands"):
            formatter.write_dl(list(_COMMANDS.items()))


@click.group(cls=_LazyGroup, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(package_name="noxden")
@click.pass_context
def noxden(context: click.Context) -> None:
    """Look after the den: environments named by content, shared by sessions and checkouts.

    Works from any folder of a project. Exit codes: 0 ok, 1 the work failed, 2 usage or
    configuration, 3 infrastructure, 4 refused for safety.
    """
    from noxden.config import check_variables

    caller: Caller = context.obj
    try:
        check_variables(caller.env)
        context.obj = _settle_trust(caller)
    except UsageError:
        # doctor finds out itself what is wrong, and goes on.
        if context.invoked_subcommand != "doctor":
            raise


def _settle_trust(caller: Caller) -> Caller:
    """``caller`` with the den of untrusted runs where this is one."""
    if not is_ci(caller.env):
        return caller
    from noxden.ci.trust import settle_trust

    settled = settle_trust(caller.env)
    if caller.env is os.environ:
        # A noxfile that this command loads must not settle it again.
        os.environ.update(settled.variables)
    if settled.notice:
        sys.stderr.write(f"noxden: {settled.notice}\n")
    return caller._replace(env={**caller.env, **settled.variables})


def main(args: Sequence[str] | None = None, caller: Caller | None = None) -> int:
    """Run the command line ``args`` and return its exit code; never raises for an error."""
    caller = caller or Caller(os.environ, Path.cwd())
    try:
        refuse_windows()
        code = _run(args, caller)
        sys.stdout.flush()
    except SystemExit:
        raise
    except BaseException as error:  # noqa: BLE001 - the last door
        if isinstance(error, click.ClickException):
            error.show()
        if wants_traceback(caller.env):
            import traceback

            traceback.print_exc()
        code, message = _explain(error)
        if message:
            sys.stderr.write(f"noxden: {message}\n")
    return code


def _explain(error: BaseException) -> tuple[int, str]:
    """The exit code for ``error`` and what to say about it; empty where nothing is left to say."""
    from noxden.render import ReaderLeftError

    match error:
        case click.ClickException():
            return error.exit_code, ""
        case KeyboardInterrupt() | click.Abort():
            return _INTERRUPTED, ""
        case BrokenPipeError() | ReaderLeftError():
            # Whoever read the output has seen enough; Python must not complain at exit either.
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
            return 0, ""
        case Exception():
            return explain_error(error)
        case _:
            raise error


def _run(args: Sequence[str] | None, caller: Caller) -> int:
    words = list(sys.argv[1:] if args is None else args)
    answer: Any = noxden.main(words, prog_name="noxden", standalone_mode=False, obj=caller)
    return answer if isinstance(answer, int) else 0
