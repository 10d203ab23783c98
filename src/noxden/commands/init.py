"""``noxden init``: adopt a uv project."""

from __future__ import annotations

import sys
from importlib.metadata import version
from typing import TYPE_CHECKING

import click

from noxden.commands._options import as_json, examples
from noxden.config import PROVIDERS
from noxden.errors import UsageError
from noxden.render import print_json, print_lines

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from noxden.adopt.propose import Wishes
    from noxden.adopt.values import Change, Facts, Proposal
    from noxden.cli import Caller


@click.command(
    epilog=examples(
        "noxden init --dry-run",
        "uvx noxden init",
        "noxden init --dry-run --json | jq .groups",
        "noxden init --yes --provider gitlab ../demo",
        "noxden init --no-ci --source git+https://git.example/noxden@main",
    )
)
@click.argument("path", required=False)
@click.option("--yes", is_flag=True, help="Write without asking.")
@click.option("--dry-run", is_flag=True, help="Show what would change and write nothing.")
@click.option(
    "--provider",
    "providers",
    multiple=True,
    type=click.Choice(PROVIDERS),
    help="Write CI files for this system, not for those that the project uses. Repeatable.",
)
@click.option("--no-ci", is_flag=True, help="Write no CI files.")
@click.option("--device", is_flag=True, help="Add the session for tests on accelerator cards.")
@click.option(
    "--source", metavar="PATH_OR_URL", help="Where noxden comes from, in place of an index."
)
@as_json
@click.pass_obj
def command(  # noqa: PLR0913 - click hands every option over by its name
    caller: Caller,
    *,
    path: str | None,
    yes: bool,
    dry_run: bool,
    providers: tuple[str, ...],
    no_ci: bool,
    device: bool,
    source: str | None,
    json: bool,
) -> None:
    """Give the uv project at PATH (default: here) sessions, dependency groups and CI files.

    Reads what the project has, proposes what is missing, shows it as a diff and asks. Then the
    files are written, all or none, the lock is brought up to date, and the sessions are listed.
    Files that are there are added to and never replaced; a second run finds nothing to do. JSON
    (with --dry-run) is {"sessions", "groups", "settings", "files": [{"path", "change", "diff"}],
    "notes"}.
    """
    from noxden.adopt.changes import plan_changes
    from noxden.adopt.facts import collect_facts
    from noxden.adopt.propose import Wishes, plan_proposal
    from noxden.adopt.source import parse_source
    from noxden.config import find_project, load_config

    _refuse_contradictions(json=json, dry_run=dry_run, no_ci=no_ci, providers=providers)
    root = (caller.cwd / path) if path else find_project(caller.cwd)
    facts = collect_facts(root, caller.env)
    load_config(root, caller.env)
    wishes = Wishes(
        version("noxden"),
        providers,
        ci=not no_ci,
        device=device,
        source=parse_source(source, caller.cwd, root) if source else None,
    )
    proposal = plan_proposal(facts, wishes)
    changes, notes = plan_changes(facts, proposal, caller.env)
    proposal = proposal._replace(notes=(*proposal.notes, *notes))
    if json:
        print_json(_describe(proposal, changes))
        return
    print_lines(_render(proposal, changes))
    if changes and not dry_run and _may_write(yes=yes):
        _write(caller, facts, changes, wishes)


def _refuse_contradictions(
    *, json: bool, dry_run: bool, no_ci: bool, providers: Sequence[str]
) -> None:
    if json and not dry_run:
        message = "--json shows the proposal as data and writes nothing; say --dry-run --json"
        raise UsageError(message)
    if no_ci and providers:
        message = "--no-ci and --provider contradict each other; leave one out"
        raise UsageError(message)


def _describe(proposal: Proposal, changes: Sequence[Change]) -> dict[str, object]:
    """The proposal as data."""
    from noxden.adopt.changes import render_diff

    files = [
        {
            "path": one.path,
            "change": "new" if one.before is None else "changed",
            "diff": "\n".join(render_diff(one)),
        }
        for one in changes
    ]
    return {
        "sessions": proposal.sessions,
        "groups": proposal.groups,
        "settings": proposal.settings,
        "files": files,
        "notes": proposal.notes,
    }


def _render(proposal: Proposal, changes: Sequence[Change]) -> Iterator[str]:
    """The diff, then what people should know."""
    from noxden.adopt.changes import render_diff

    if not changes and proposal.notes:
        yield "nothing to write"
    elif not changes:
        yield "nothing to do: the project has its sessions, groups and settings"
    for change in changes:
        yield from render_diff(change)
    if changes:
        yield ""
        yield f"sessions: {', '.join(proposal.sessions)}"
    for group, added in proposal.groups.items():
        yield f"group {group}: + {', '.join(added)}"
    for note in proposal.notes:
        yield f"note: {note}"


def _may_write(*, yes: bool) -> bool:
    """Whether somebody said so.

    Raises:
        UsageError: nobody can be asked.
    """
    if yes:
        return True
    if not sys.stdin.isatty():
        message = "nothing is written: there is no terminal to ask at; run: noxden init --yes"
        raise UsageError(message)
    if click.confirm("Write these files?"):
        return True
    print_lines(["nothing is written"])
    return False


def _write(caller: Caller, facts: Facts, changes: Sequence[Change], wishes: Wishes) -> None:
    from noxden._switches import is_on
    from noxden.adopt.after import list_sessions, lock
    from noxden.adopt.apply import written

    offline = is_on(caller.env, "NOXDEN_OFFLINE")
    paths = [change.path for change in changes]
    with written(facts.root, changes):
        if "pyproject.toml" in paths:
            lock(facts.root, caller.env, offline=offline)
            paths.append("uv.lock")
    print_lines(["", f"written: {', '.join(paths)}", ""])
    print_lines([list_sessions(facts.root, caller.env, offline=offline).rstrip()])
    print_lines(["", "next:", *(f"  {step}" for step in _list_steps(facts, wishes))])


def _list_steps(facts: Facts, wishes: Wishes) -> Iterator[str]:
    """What to do now, a line each."""
    yield "uv run nox              the sessions that need nothing special"
    if facts.noxfile is None and wishes.ci:
        yield "uv run noxden ci write  after each change of sessions; lint tells when it is due"
    if facts.checkout is not None:
        yield "git add --all           and commit, once you are content"
