"""``noxden wheels``."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from noxden.commands._options import as_json, examples, make_request, selectors
from noxden.commands._wheels import (
    bundle_to_json,
    choose_wheels,
    compute_keys,
    make_bundle,
    refuse_several,
    render_bundle,
    render_keys,
)
from noxden.commands.wheels_verdict import verdict
from noxden.errors import InfrastructureError, SafetyError
from noxden.render import print_json, print_lines, progress

if TYPE_CHECKING:
    from noxden.cli import Caller

a_session = click.option(
    "--session", metavar="NAME", help="What this session selects. Default: [tool.noxden.heavy]."
)


@click.group(
    context_settings={"help_option_names": ["-h", "--help"]},
    epilog=examples(
        "noxden wheels list", "noxden wheels key --session heavy", "noxden wheels bundle"
    ),
)
def command() -> None:
    """Look after the wheel store and the bundles that CI caches save.

    What fills the store, moves wheels to and from the remote and exports them is a session:
    nox -s wheelhouse -- --help
    """


@command.command("list", epilog=examples("noxden wheels list --json"))
@as_json
@click.pass_obj
def list_closures(caller: Caller, *, json: bool) -> None:
    """List the closures of the wheel store: sets of wheels that a session was made of.

    Closures may share wheels, so sizes add up to more than the store takes.
    """
    from noxden.den.layout import open_den
    from noxden.den.wheels.listing import collect_closures
    from noxden.render_wheels import closure_to_json, print_closures

    den = open_den(caller.env)
    closures = collect_closures(den)
    if json:
        print_json([closure_to_json(one) for one in closures])
    elif closures:
        print_closures(closures, caller.clock())
    else:
        print_lines([f"the den {den.root} has no closures yet"])


@command.command(epilog=examples("noxden wheels verify", "noxden wheels verify --json"))
@as_json
@click.pass_obj
def verify(caller: Caller, *, json: bool) -> int:
    """Hash every wheel that a closure of the store names, and what was built, and compare.

    Exit code 4: one is not what its name says. Exit code 3: a closure has one that the store
    lacks. nox -s wheelhouse -- verify --repair fetches both again, for the groups it names.
    """
    from noxden.den.layout import open_den
    from noxden.den.wheels.audit import audit_store
    from noxden.render_wheels import audit_to_json, render_audit

    den = open_den(caller.env)
    audit = audit_store(den, progress)
    if json:
        print_json(audit_to_json(audit))
    else:
        absent = [f"{one.file} is not in the store" for one in audit.absent]
        print_lines([*audit.lines, *absent, render_audit(audit)])
    if audit.lines:
        return SafetyError.exit_code
    return InfrastructureError.exit_code if audit.absent else 0


@command.command(
    epilog=examples("noxden wheels key --session heavy-3.12", "noxden wheels key --group test")
)
@a_session
@selectors
@as_json
@click.pass_obj
def key(  # noqa: PLR0913 - an option each
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
    """Print the key under which a CI cache saves a bundle, a prefix for older ones, and its path.

    The lines key=..., prefix=... and path=... are what $GITHUB_OUTPUT takes, so they are for
    one Python: a session that has several is refused (2). JSON takes them all: it is a list of
    {"session", "python", "key", "prefix", "closure", "path"}.
    """
    request = make_request(groups, only_groups, extras, packages, python)
    chosen = choose_wheels(caller, session, request)
    if json:
        print_json(compute_keys(caller, chosen))
    else:
        refuse_several(chosen)
        print_lines(render_keys(compute_keys(caller, chosen)))


@command.command(
    epilog=examples("noxden wheels bundle", "noxden wheels bundle out/wheels --group test")
)
@click.argument("folder", required=False, metavar="[DIR]")
@a_session
@selectors
@as_json
@click.pass_obj
def bundle(  # noqa: PLR0913 - an option each
    caller: Caller,
    *,
    folder: str | None,
    session: str | None,
    groups: tuple[str, ...],
    only_groups: tuple[str, ...],
    extras: tuple[str, ...],
    packages: tuple[str, ...],
    python: str | None,
    json: bool,
) -> None:
    """Make DIR hold the wheels of a selection and nothing else, for a CI cache to save.

    Only files of the lock are in it: no wheel that was built here of a package without one.
    Wheels that the store lacks are fetched before: from DIR itself where it is the project's
    bundle, from the remote, from the index. DIR is NOXDEN_BUNDLE or .noxden/bundle where none
    is named; that bundle is the first source of wheels for every session that fetches any.
    A folder that holds something else is refused (4), and so is a damaged wheel of the store.
    """
    request = make_request(groups, only_groups, extras, packages, python)
    done = make_bundle(caller, choose_wheels(caller, session, request), folder)
    if json:
        print_json(bundle_to_json(done))
    else:
        print_lines(render_bundle(done))


command.add_command(verdict)
