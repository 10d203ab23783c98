"""``noxden ci audit``."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from noxden.commands._options import as_json, examples
from noxden.errors import UsageError, WorkError
from noxden.render import print_json

if TYPE_CHECKING:
    from noxden.cli import Caller

__all__ = ["audit"]


@click.command(
    epilog=examples(
        "noxden ci audit",
        "noxden ci audit --strict",
        "noxden ci audit ../other/.github/workflows",
        "noxden ci audit --json | jq '.problems[] | .rule'",
        "noxden ci audit --sarif > audit.sarif",
    )
)
@click.argument("path", required=False, type=click.Path(path_type=Path))
@click.option("--strict", is_flag=True, help="End with 1 where there is a problem.")
@click.option("--sarif", is_flag=True, help="Print SARIF 2.1.0 for code scanning.")
@as_json
@click.pass_obj
def audit(caller: Caller, *, path: Path | None, strict: bool, sarif: bool, json: bool) -> None:
    """Look through CI files that people wrote for jobs that install, and how that is cached.

    PATH is a repository, a folder of workflows or a file; without it the checkout. Read are
    workflows and composite actions of GitHub, Forgejo and Gitea, .gitlab-ci.yml with the local
    files it includes, and Jenkinsfiles. Each job that installs Python packages is listed with
    what installs, how that is cached, and what is wrong with it. Nothing is run or fetched. What a
    script of the project installs is not seen.

    A file that cannot be read costs a sentence, and with --strict counts as a problem. JSON is
    {"files": n, "jobs": [{"path", "line", "system", "name", "installs", "caches", "kept",
    "problems"}], "problems": [{"rule", "severity", "path", "line", "job", "message", "advice"}],
    "skipped": [{"path", "reason"}]}.
    """
    from noxden.ci.audit.audit import audit as examine
    from noxden.commands._audit import audit_to_json, print_audit, render_summary

    if json and sarif:
        message = "--json and --sarif are two forms of one output; leave out one"
        raise UsageError(message)
    found = examine(caller.cwd / path if path else _find_checkout(caller))
    if json:
        print_json(audit_to_json(found))
    elif sarif:
        from importlib.metadata import version

        from noxden.ci.audit.sarif import make_sarif

        print_json(make_sarif(found, version("noxden")))
    else:
        print_audit(found)
    if strict and (found.problems or found.skipped):
        message = f"the audit is not clean ({render_summary(found)}); do as it says for each"
        raise WorkError(message)


def _find_checkout(caller: Caller) -> Path:
    from noxden.tools.git import find_top

    return find_top(caller.cwd, caller.env) or caller.cwd
