"""``noxden verify``."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import click

from noxden.commands._options import as_json, choose, examples
from noxden.errors import SafetyError, UsageError
from noxden.render import print_json, print_lines, progress

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from noxden.cli import Caller
    from noxden.den.layout import Den
    from noxden.den.verify import Verdict


@click.command(
    epilog=examples("noxden verify", "noxden verify unit --repair", "noxden verify 3f2a91 --json")
)
@click.argument("names", nargs=-1, metavar="[KEY|SESSION]...")
@click.option("--repair", is_flag=True, help="Rebuild the base environments that are damaged.")
@as_json
@click.pass_obj
def command(caller: Caller, *, names: tuple[str, ...], repair: bool, json: bool) -> int:
    """Compare the files of base environments with the hashes that were installed.

    Without arguments it looks at every base environment. A KEY may be shortened to its
    first digits. It finds files that changed, are missing, or that no package brought, packages
    that are missing, and an env.json or pylock.toml that is not what the key stands for; it
    cannot judge bytecode, and the RECORD files themselves. --repair rebuilds a
    damaged base from its own pylock.toml, after uv has forgotten the packages concerned; a base
    whose env.json or pylock.toml changed is removed, and the next session builds it.
    Exit code 4: something was found and not repaired.
    """
    from noxden.den.layout import open_den

    den = open_den(caller.env)
    keys = _collect_keys(caller, den, names)
    verdicts = _verify(den, keys)
    if repair:
        verdicts = [_repair(caller, den, verdict) for verdict in verdicts]
    if json:
        print_json([_to_json(verdict) for verdict in verdicts])
    else:
        print_lines(line for verdict in verdicts for line in _render(verdict))
    damaged = any(verdict.findings and not verdict.repaired for verdict in verdicts)
    return SafetyError.exit_code if damaged else 0


def _collect_keys(caller: Caller, den: Den, names: Sequence[str]) -> list[str]:
    """The keys of the bases that are there and named, or all."""
    from noxden.den.inventory import list_keys

    there = list_keys(den)
    if not names:
        return there
    keys = [key for name in names for key in _find_keys(caller, den, there, name)]
    return list(dict.fromkeys(keys))


def _find_keys(caller: Caller, den: Den, there: Sequence[str], name: str) -> list[str]:
    matching = [key for key in there if key.startswith(name)]
    if re.fullmatch("[0-9a-f]{4,64}", name) and matching:
        return matching
    if re.fullmatch("[0-9a-f]{16,64}", name):
        message = f"{den.root} has no base environment {name}; noxden envs lists them"
        raise UsageError(message)
    return _keys_of_session(caller, there, name)


def _keys_of_session(caller: Caller, there: Sequence[str], name: str) -> list[str]:
    from noxden.config import find_config
    from noxden.den.resolve import resolve
    from noxden.den.workplace import open_workplace

    chosen = choose(caller, [name])
    place = open_workplace(caller.cwd, caller.env, find_config(caller.cwd, caller.env).den)
    keys = [resolve(place, one.request).key for one in chosen]
    found = [key for key in keys if key in there]
    if not found:
        message = f"session {name!r} has no base environment yet; run: nox -s {name}"
        raise UsageError(message)
    return found


def _verify(den: Den, keys: Sequence[str]) -> list[Verdict]:
    from noxden.den.verify import count_files, verify_base

    total = sum(count_files(den.base(key)) for key in keys)
    with progress("verifying", total) as advance:
        return [verify_base(den.base(key), advance) for key in keys]


def _repair(caller: Caller, den: Den, verdict: Verdict) -> Verdict:
    """Repair one base and verify it again; a base without findings stays as it is."""
    from noxden.den.repair import repair_base
    from noxden.den.verify import verify_base

    if not verdict.findings:
        return verdict
    done = repair_base(den, verdict, caller.env)
    base = den.base(verdict.key)
    again = verify_base(base).findings if base.is_dir() else ()
    if again:
        return verdict._replace(findings=again)
    return verdict._replace(repaired=done)


def _to_json(verdict: Verdict) -> dict[str, object]:
    findings = [finding._asdict() for finding in verdict.findings]
    return {**verdict._asdict(), "findings": findings}


def _render(verdict: Verdict) -> Iterator[str]:
    key = verdict.key[:12]
    if not verdict.findings:
        yield f"{key}: {verdict.files} files as installed"
        return
    for finding in verdict.findings:
        of = f" ({finding.package})" if finding.package else ""
        yield f"{key}: {finding.problem}: {finding.file}{of}"
    yield f"{key}: {verdict.repaired or 'damaged; repair it: noxden verify --repair ' + key}"
