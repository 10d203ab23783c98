"""The contestants: what each needs in a checkout, and the command a person would type."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from .workload import Workload

__all__ = [
    "FLOOR",
    "FLOOR_WITH_COMMAND",
    "NOX",
    "NOXDEN",
    "NOXDEN_IDLE",
    "NOX_BLIND",
    "NOX_UV",
    "NOX_UV_BLIND",
    "STRICT_FLOOR",
    "TOX_UV",
    "UV_RUN",
    "Peer",
]

Files = dict[str, str]


@dataclass(frozen=True, kw_only=True, slots=True)
class Peer:
    """One way to run sessions."""

    name: str
    toolbox: str
    """The environment its program stands in (toolboxes.py)."""
    render_files: Callable[[Workload], Mapping[str, str]]
    """Files of a checkout by name."""
    build_command: Callable[[Workload], tuple[str, ...]]

    @property
    def slug(self) -> str:
        """The name as a folder's name."""
        return "".join(letter if letter.isalnum() else "-" for letter in self.name)


def _noxfile(imports: str, decorator: str, *body: str) -> Callable[[Workload], Files]:
    """Return a renderer of noxfiles, a function a session; {groups} and {command} are filled in."""

    def render(workload: Workload) -> Files:
        words = {
            "groups": repr(list(workload.groups)),
            "command": ", ".join(map(repr, workload.command)),
        }
        lines = [line.format(**words) for line in body]
        parts = [f"{imports}\n"]
        for name in workload.sessions:
            head = f"@{decorator.format(**words)}\ndef {name}(session):\n"
            parts.append(head + "".join(f"    {line}\n" for line in lines))
        return {"noxfile.py": "\n\n".join(parts)}

    return render


def _nox(*options: str) -> Callable[[Workload], tuple[str, ...]]:
    return lambda workload: ("nox", *options, "-s", *workload.sessions)


def _tox_file(workload: Workload) -> Files:
    return {
        "tox.toml": "[env_run_base]\n"
        'runner = "uv-venv-lock-runner"\n'
        f"dependency_groups = {json.dumps(workload.groups)}\n"
        f"commands = [{json.dumps(workload.command)}]\n"
        + "".join(f"[env.{name}]\n" for name in workload.sessions)
    }


RUN = "session.run({command})"
INSTALL = (
    'session.install("-r", "requirements.txt")',
    'session.install("--no-deps", "-e", ".")',
    RUN,
)

_plain = _noxfile("import nox", 'nox.session(venv_backend="uv")', *INSTALL)
_nox_uv = _noxfile(
    "from nox_uv import session as uv_session",
    'uv_session(venv_backend="uv", uv_groups={groups})',
    RUN,
)

FLOOR = Peer(
    name="nox no-op",
    toolbox="nox",
    render_files=_noxfile("import nox", "nox.session(python=False)", "pass"),
    build_command=_nox(),
)
"""What nox costs when a session does nothing at all; nobody who starts nox can be faster."""

STRICT_FLOOR = Peer(
    name="nox no-op, no uv asked",
    toolbox="nox",
    render_files=_noxfile(
        "import nox\nimport nox.virtualenv\n\nnox.virtualenv.OPTIONAL_VENVS = {}",
        "nox.session(python=False)",
        "pass",
    ),
    build_command=_nox(),
)
"""nox asks uv for its version before the first session; this floor does without, as noxden does."""

FLOOR_WITH_COMMAND = Peer(
    name="nox no-op + command",
    toolbox="nox",
    render_files=_noxfile("import nox", "nox.session(python=False)", RUN),
    build_command=_nox(),
)
NOX = Peer(name="nox -r", toolbox="nox", render_files=_plain, build_command=_nox("-r"))
NOX_BLIND = Peer(name="nox -R", toolbox="nox", render_files=_plain, build_command=_nox("-R"))
"""``-R`` installs nothing into an environment that exists: fast, and blind to a changed lock."""

NOX_UV = Peer(name="nox-uv -r", toolbox="nox-uv", render_files=_nox_uv, build_command=_nox("-r"))
NOX_UV_BLIND = Peer(
    name="nox-uv -R", toolbox="nox-uv", render_files=_nox_uv, build_command=_nox("-R")
)
TOX_UV = Peer(
    name="tox-uv",
    toolbox="tox",
    render_files=_tox_file,
    build_command=lambda workload: ("tox", "run", "-e", ",".join(workload.sessions)),
)
UV_RUN = Peer(
    name="uv run",
    toolbox="uv",
    render_files=lambda _: {},
    build_command=lambda workload: (
        "uv",
        "run",
        "--frozen",
        *workload.group_options,
        *workload.command,
    ),
)
NOXDEN = Peer(
    name="noxden",
    toolbox="noxden",
    render_files=_noxfile("import noxden", "noxden.session(groups={groups})", RUN),
    build_command=_nox(),
)
NOXDEN_IDLE = Peer(
    name="noxden no-op",
    toolbox="noxden",
    render_files=_noxfile("import noxden", "noxden.session(groups={groups})", "pass"),
    build_command=_nox(),
)
"""noxden makes sure of the environment, and no command is run in it: comparable to the floor."""
