"""Render the CI files of a project from its configuration and its sessions."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, NamedTuple

from noxden._frequency import parse_frequency
from noxden.ci.files.pins import name_pins, read_pins
from noxden.ci.launch import find_launch
from noxden.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from pathlib import Path

    from noxden.ci.plan.values import PlannedSession
    from noxden.config import CiConfig, Config

__all__ = ["MARK", "render_files"]

MARK = "Made by `noxden ci write`"
"""What the first line of a generated file says."""

_HEADER = (
    f"{MARK} from [tool.noxden] in pyproject.toml: change that and write again.",
    "`noxden ci check`, a step of lint, fails where this file is not what would be written.",
    "Caching: an entry a session, the wheels that uv.lock selects for it, from {least} on.",
    "  Key: repository, system, libc, machine, Python with its ABI, session, and the closure id,",
    "  which is the sha256 of the packages that the session selects.",
    "  Invalid by: another version, file or hash of one of these, another Python or runner image.",
    "  Not by: comments, other groups, the project's own code. What an older entry has is used;",
    "  the new one holds nothing else. Every file is compared with the hash that uv.lock has.",
    "  Never cached: environments, uv's cache, credentials, and what a pull request made.",
)
_FOLDERS = {"github": ".github/workflows", "forgejo": ".forgejo/workflows"}
_PINS = {"github": "actions", "forgejo": "forgejo"}
_HUD = (
    "conclusion",
    "test-results",
    "failed-tests-detail",
    "triage-verdict",
    "artifact-url",
    "event-type",
    "delivery-id",
)
"""Inputs of the relay's action that a device session writes, beside the status."""
_NAMES = {"checks": "noxden", "heavy": "noxden-heavy", "device": "noxden-device"}


class _Names(NamedTuple):
    """The names of the sessions that files call; empty where there is none."""

    plan: str
    packaging: str
    publish: str


def render_files(
    project: Path, config: Config, sessions: Sequence[PlannedSession]
) -> dict[str, str]:
    """The CI files of the project, by path from its root.

    Raises:
        UsageError: the noxfile has no plan session, or the table of pins is wrong.
    """
    names = _find_names(sessions)
    launch = find_launch(config.ci.launch, (project / "pyproject.toml").read_bytes())
    shared = {
        **names._asdict(),
        "launch": launch,
        "branch": config.ci.branch,
        "branches": json.dumps([config.ci.branch]),
        "nightly": config.ci.nightly,
        "runner": config.ci.runner,
        "compare": bool(config.ci.paths),
        "secrets": config.ci.secrets,
        "target": f" {config.ci.publish_url}" if config.ci.publish_url else "",
        "publish_url": config.ci.publish_url,
    }
    found: dict[str, str] = {}
    for provider in config.ci.providers:
        if provider in _FOLDERS:
            pins = name_pins(read_pins(project)[_PINS[provider]])
            found |= _render_workflows(provider, config.ci, sessions, {**shared, "pins": pins})
        elif provider == "gitlab":
            variables = {"image": config.ci.image, **shared}
            found[".gitlab-ci.yml"] = _render("gitlab.yml.j2", "#", config.ci, variables)
        else:
            found["Jenkinsfile"] = _render_jenkinsfile(config.ci, sessions, shared)
    return found


def _find_names(sessions: Sequence[PlannedSession]) -> _Names:
    by_kind = {one.kind: one.group for one in reversed(sessions)}
    names = _Names(*(by_kind.get(kind, "") for kind in _Names._fields))
    if not names.plan:
        message = "the noxfile has no session that plans; add to it: noxden.plan()"
        raise UsageError(message)
    return names


def _render_workflows(
    provider: str, config: CiConfig, sessions: Sequence[PlannedSession], shared: dict[str, Any]
) -> dict[str, str]:
    """The workflows of GitHub or Forgejo, those for which there are sessions."""
    stages = [stage for one in sessions for stage in one.stages]
    often = [parse_frequency(stage.frequency, config.nightly) for stage in stages]
    gated = [one.rule for one in sessions if one.rule and one.kind != "device"]
    variables: dict[str, dict[str, Any]] = {
        "checks": {},
        "heavy": {"inputs": _unique(rule.input for rule in gated if "input" in rule.openers)},
        "device": {
            "events": _unique(event for one in often for event in one.events),
            "crons": ", ".join(
                f'{{cron: "{cron}"}}'
                for cron in _unique(cron for one in often for cron in one.crons)
            ),
        },
    }
    wanted = {"checks": True, "heavy": bool(gated), "device": bool(stages)}
    found = {}
    for pipeline, name in _NAMES.items():
        if wanted[pipeline]:
            hud = _HUD if config.hud and pipeline == "device" and provider == "github" else ()
            known = shared | variables[pipeline] | {"pipeline": pipeline, "name": name, "hud": hud}
            made = _render("workflow.yml.j2", "#", config, known)
            found[f"{_FOLDERS[provider]}/{name}.yml"] = made
    if shared["packaging"] and shared["publish"]:
        known = shared | {
            "name": "noxden-release",
            "trusted": provider == "github",
            "environment": config.environment,
        }
        made = _render("release.yml.j2", "#", config, known)
        found[f"{_FOLDERS[provider]}/noxden-release.yml"] = made
    return found


def _render_jenkinsfile(
    config: CiConfig, sessions: Sequence[PlannedSession], shared: dict[str, Any]
) -> str:
    own = config.jenkins
    before = [("Build the runtime image", own.image), ("Component tests", own.component)]
    after = [("Integration tests", own.integration), ("Upstream subset", own.upstream)]
    known = {
        **shared,
        "jenkins": own,
        "before": [(title, _quote(command)) for title, command in before if command],
        "after": [(title, _quote(command)) for title, command in after if command],
        "quote": _quote,
        "hours": max(1, -(-config.timeout * len(sessions) // 60)),
    }
    return _render("Jenkinsfile.j2", "//", config, known)


def _quote(command: str) -> str:
    """``command`` as a string of Groovy that expands nothing."""
    signs = {"\\": "\\\\", "'": "\\'", "\n": "\\n"}
    return f"'{''.join(signs.get(sign, sign) for sign in command)}'"


def _render(template: str, comment: str, config: CiConfig, variables: dict[str, Any]) -> str:
    from jinja2 import Environment, PackageLoader, StrictUndefined

    # Workflows have braces of their own.
    environment = Environment(
        loader=PackageLoader("noxden.ci.files"),
        undefined=StrictUndefined,
        block_start_string="[%",
        block_end_string="%]",
        variable_start_string="[[",
        variable_end_string="]]",
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
        autoescape=False,  # noqa: S701 - no HTML
    )
    header = "\n".join(f"{comment} {line}".format(least=config.cache_min_size) for line in _HEADER)
    return environment.get_template(template).render(variables, header=header)


def _unique(words: Iterable[str]) -> list[str]:
    return list(dict.fromkeys(words))
