"""The CI files of a project that is about to have its sessions."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

from noxden._rule import make_rule
from noxden.ci.files.apply import compare_files
from noxden.ci.files.pins import PINS_FILE
from noxden.ci.files.render import render_files
from noxden.ci.plan.values import PlannedSession
from noxden.config import load_config

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from noxden.ci.files.apply import Difference
    from noxden.config import Config

__all__ = ["plan_ci_files"]


def plan_ci_files(
    root: Path, manifest: str, sessions: Sequence[str], env: Mapping[str, str]
) -> list[Difference]:
    """The files that ``noxden ci write`` would make once ``manifest`` and noxfile are in place.

    Raises:
        UsageError: the table of pins is wrong.
        SafetyError: a file is a link to a place outside of the project.
    """
    with tempfile.TemporaryDirectory(prefix="noxden-init-") as folder:
        stage = Path(folder)
        (stage / "pyproject.toml").write_text(manifest, "utf-8", newline="")
        if (root / PINS_FILE).is_file():
            (stage / PINS_FILE).write_bytes((root / PINS_FILE).read_bytes())
        config = load_config(stage, env)
        return compare_files(root, render_files(stage, config, [*_describe(sessions, config)]))


def _describe(sessions: Sequence[str], config: Config) -> Iterator[PlannedSession]:
    """The sessions that the factories make without arguments, one for each Python."""
    heavy = config.heavy
    for name in sessions:
        pythons = {"unit": config.unit.python, "heavy": heavy.python}.get(name, ())
        for python in pythons or (None,):
            yield PlannedSession(
                name=f"{name}-{python}" if python else name,
                group=name,
                kind=name,
                python=python,
                default=name in {"lint", "unit", "packaging"},
                rule=make_rule(heavy.events, heavy.label, heavy.input, "tool.noxden.heavy.events")
                if name == "heavy"
                else None,
                stages=config.device.stage if name == "device" else (),
            )
