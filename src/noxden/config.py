"""Configuration: what ``[tool.noxden]`` says, what overrides it, and where each value came from.

The values are named tuples of the standard library because every warm session builds
them; msgspec, which checks a table before it becomes such a value, is imported only when a
table has not been seen before (see :mod:`noxden._config_table`).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from noxden._switches import SWITCHES, is_on, is_untrusted
from noxden.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

__all__ = [
    "Config",
    "DenConfig",
    "HeavyConfig",
    "LintConfig",
    "PackagingConfig",
    "UnitConfig",
    "check_variables",
    "collect_overrides",
    "find_config",
    "find_project",
    "load_config",
]

NOT_UNIT = "not e2e and not playwright and not heavy and not device"
"""The marker expression of unit tests: everything that no other session claims."""


class LintConfig(NamedTuple):
    """``[tool.noxden.lint]``."""

    groups: tuple[str, ...] = ("lint",)
    """Dependency groups that hold the lint tools."""
    python: str | None = None
    """Interpreter request; ``None`` is the project's own choice."""
    spelling: str = "codespell"
    """``codespell``, ``typos`` or ``none``."""
    steps: tuple[str, ...] = ()
    """The steps to run, in order; empty runs all that the project has."""


class UnitConfig(NamedTuple):
    """``[tool.noxden.unit]``."""

    groups: tuple[str, ...] = ("test",)
    """Dependency groups that hold pytest and what the tests import."""
    python: tuple[str, ...] = ()
    """Interpreter requests, one session each; empty is the project's own choice."""
    markers: str = NOT_UNIT
    """The ``-m`` expression that selects the unit tests."""
    workers: int | str = "auto"
    """pytest-xdist workers: a number, or ``auto`` by cores and measured suite length."""
    coverage: bool = False
    """Measure coverage with branches and write coverage.xml."""


class HeavyConfig(NamedTuple):
    """``[tool.noxden.heavy]``."""

    groups: tuple[str, ...] = ("test", "heavy")
    """Dependency groups that hold pytest and the heavy packages."""
    python: tuple[str, ...] = ()
    """Interpreter requests, one session each; empty is the project's own choice."""
    markers: str = "heavy"
    """The ``-m`` expression that selects the heavy tests."""
    workers: int | str = 0
    """pytest-xdist workers: a number, or ``auto`` as for unit tests."""
    label: str = "run-heavy-deps"
    """The label of a pull request that opens the gate."""
    input: str = "run-heavy-deps"
    """The input of a run started by hand that opens the gate when it is true."""
    events: tuple[str, ...] = ("label", "input", "schedule")
    """What opens the gate: ``always``, ``label``, ``input``, ``schedule``, ``never``; with
    ``trusted`` beside one of them, not for a fork."""


class PackagingConfig(NamedTuple):
    """``[tool.noxden.packaging]``."""

    groups: tuple[str, ...] = ("packaging",)
    """Dependency groups that hold twine, check-wheel-contents and validate-pyproject."""
    python: str | None = None
    """Interpreter request; ``None`` is the project's own choice."""
    steps: tuple[str, ...] = ()
    """The steps to run, with those they need; empty runs all."""


class DenConfig(NamedTuple):
    """``[tool.noxden.den]``."""

    max_size: str = "50GB"
    """What garbage collection leaves at most: base environments, wheels and uv's cache."""
    max_age: str = "30d"
    """Unused for longer than this, a base environment goes at the next collection."""
    key_env: tuple[str, ...] = ()
    """Environment variables that are part of every environment key (say ``CFLAGS``)."""
    remote: str = ""
    """URI of the object store that holds wheels for other machines; ``NOXDEN_REMOTE`` too."""
    trust: str = "locked"
    """What is taken from the remote: ``locked`` artifacts, or what others ``built`` too."""


class Config(NamedTuple):
    """``[tool.noxden]`` as a whole, overrides applied."""

    sessions: tuple[str, ...] = (
        "lint",
        "unit",
        "heavy",
        "packaging",
        "wheelhouse",
        "publish",
    )
    """The sessions that ``noxden.register()`` registers."""
    lint: LintConfig = LintConfig()
    unit: UnitConfig = UnitConfig()
    heavy: HeavyConfig = HeavyConfig()
    packaging: PackagingConfig = PackagingConfig()
    den: DenConfig = DenConfig()


def find_project(start: Path) -> Path:
    """The folder of the nearest pyproject.toml from ``start`` upwards; else ``start``."""
    folders = (start, *start.parents)
    return next((at for at in folders if (at / "pyproject.toml").is_file()), start)


def find_config(start: Path, env: Mapping[str, str]) -> Config:
    """The configuration of the project that ``start`` is in.

    Raises:
        UsageError: as :func:`load_config`.
    """
    return load_config(find_project(start), env)


def load_config(project: Path, env: Mapping[str, str]) -> Config:
    """Read the configuration of the project in ``project``.

    A project without a ``[tool.noxden]`` table and an environment without an override
    costs one read of pyproject.toml. Anything else is checked once and remembered in the
    den by the hash of what was checked.

    Raises:
        UsageError: pyproject.toml is not TOML, or a key, a value or a variable is not known.
    """
    check_variables(env)
    try:
        text = (project / "pyproject.toml").read_bytes()
    except FileNotFoundError:
        text = b""
    overrides = collect_overrides(env)
    if b"noxden" not in text and not overrides:
        return Config()
    from noxden import _config_table

    return _config_table.load_remembered(text, project / "pyproject.toml", overrides, env)


def check_variables(env: Mapping[str, str]) -> None:
    """Refuse variables of noxden that are not known, and switches that say what none can.

    Raises:
        UsageError: with the nearest name that is known.
    """
    for name in env:
        if name.startswith("NOXDEN_") and name not in _KNOWN and name not in _OURS:
            import difflib

            near = difflib.get_close_matches(name, _KNOWN, n=1, cutoff=0.6)
            advice = f"did you mean {near[0]}?" if near else "noxden config shows those it knows"
            message = f"unknown environment variable {name}; {advice}"
            raise UsageError(message)
    is_untrusted(env)
    for name in ("NOXDEN_OFFLINE", "NOXDEN_DEBUG", "NOXDEN_ALLOW_UNSAFE_LOCKS"):
        is_on(env, name)


def collect_overrides(env: Mapping[str, str]) -> dict[str, str]:
    """The variables in ``env`` that override the table."""
    return {name: env[name] for name in env if name.startswith(_OVERRIDES)}


TABLES: dict[str, type[LintConfig | UnitConfig | HeavyConfig | PackagingConfig | DenConfig]] = {
    "lint": LintConfig,
    "unit": UnitConfig,
    "heavy": HeavyConfig,
    "packaging": PackagingConfig,
    "den": DenConfig,
}
_OVERRIDES = (*(f"NOXDEN_{table.upper()}_" for table in TABLES), "NOXDEN_SESSIONS")

_KNOWN = frozenset(
    {
        "NOXDEN_DIR",
        "NOXDEN_SESSIONS",
        *SWITCHES,
        *(
            f"NOXDEN_{table}_{field}".upper()
            for table, kind in TABLES.items()
            for field in kind._fields
        ),
    }
)
_OURS = frozenset({"NOXDEN_COVER_WORKERS", "NOXDEN_NOT_FROM_WHEEL", "NOXDEN_WHEEL"})
"""What a unit session sets for its tests, which may run noxden themselves."""
