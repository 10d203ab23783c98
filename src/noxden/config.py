"""Configuration: what ``[tool.noxden]`` says, what overrides it, and where each value came from.

The values are named tuples of the standard library because every warm session builds
them; msgspec, which checks a table before it becomes such a value, is imported only when a
table has not been seen before (see :mod:`noxden._config_table`).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from noxden._frequency import NIGHTLY
from noxden._switches import SWITCHES, is_on, is_untrusted
from noxden.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

__all__ = [
    "PROVIDERS",
    "CiConfig",
    "ClusterConfig",
    "Config",
    "DenConfig",
    "DeviceConfig",
    "HeavyConfig",
    "JenkinsConfig",
    "LintConfig",
    "PackagingConfig",
    "ScopeConfig",
    "StageConfig",
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


class ScopeConfig(NamedTuple):
    """``[tool.noxden.device.scope]``: which tests count at all, see :mod:`noxden.devices.scope`."""

    defaults: bool = True
    """Leave out training tests and those of other accelerators, by the patterns of noxden."""
    allow_paths: tuple[str, ...] = ()
    """Globs over canonical files; what they match is in scope whatever the defaults say."""
    allow_names: tuple[str, ...] = ()
    """Globs over canonical ids, likewise."""
    allow_markers: tuple[str, ...] = ()
    """Names of markers, likewise."""
    deny_paths: tuple[str, ...] = ()
    """Globs over canonical files that are out of scope, whatever else is said."""
    deny_names: tuple[str, ...] = ()
    """Globs over canonical ids, likewise."""
    deny_markers: tuple[str, ...] = ()
    """Names of markers, likewise."""
    disabled_tests: str = ""
    """A disabled-tests JSON as PyTorch keeps it, by its path in the project."""
    hw: tuple[str, ...] = ("GENERIC", "ACCELERATOR")
    """PyTorch's hardware classes that are in scope, where the checkout has classes."""


class StageConfig(NamedTuple):
    """``[[tool.noxden.device.stage]]``: a step of a rollout."""

    number: int
    """What ``--stage`` takes."""
    cards: int = 1
    """How many cards it is meant for."""
    coverage: float = 1.0
    """Share of the tests in scope that it runs, more than 0 and at most 1."""
    frequency: str = "nightly"
    """When CI runs it, in words: ``on pull request``, ``nightly``, ``3-4 times a day``; see
    :func:`noxden._frequency.parse_frequency`."""
    blocking: bool = True
    """Whether failed tests fail the session."""
    tests: tuple[str, ...] = ()
    """What is collected, as pytest takes it; empty is what ``device.tests`` says."""


class ClusterConfig(NamedTuple):
    """``[tool.noxden.device.cluster]``: the jobs that dask-jobqueue starts, one for each card."""

    kind: str = ""
    """``slurm`` or ``lsf``; empty is no cluster."""
    queue: str = ""
    """Partition or queue; empty is the cluster's default."""
    cores: int = 1
    """Processors for each job."""
    memory: str = "4GB"
    """Memory for each job."""
    walltime: str = "02:00:00"
    """Longest time of a job, as the cluster takes it."""
    directives: tuple[str, ...] = ()
    """Further lines of the job's header, without their prefix: ``--gres=card:1``."""
    prologue: tuple[str, ...] = ()
    """Shell lines that run before the worker."""
    interface: str = ""
    """Network interface of scheduler and workers; empty is loopback. Others need ``tls``."""
    tls: tuple[str, ...] = ()
    """Three files: authority, certificate, key."""


class DeviceConfig(NamedTuple):
    """``[tool.noxden.device]``."""

    groups: tuple[str, ...] = ("test",)
    """Dependency groups that hold pytest, pytest-reportlog and what the tests import."""
    python: str | None = None
    """Interpreter request; ``None`` is the project's own choice."""
    tests: tuple[str, ...] = ()
    """What is collected, as pytest takes it: ``tests``, ``--pyargs numpy``; empty leaves it to
    pytest's own configuration."""
    markers: str = ""
    """A ``-m`` expression over what is collected; empty takes all."""
    provider: str = "auto"
    """``spyre``, ``cuda``, ``env``, ``simulated``, or ``auto``: the first that finds cards."""
    variable: str = ""
    """For the provider ``env``: the variable that lists the devices."""
    cards: int = 0
    """At most this many cards; 0 is all there are. Of ``simulated``, how many there are."""
    simulate: tuple[str, ...] = ()
    """Faults of simulated cards, ``CARD:FAULT``, see :mod:`noxden.devices.providers.simulated`."""
    retries: int = 1
    """How often a failed test is tried again, each time on another card in a new process."""
    card_faults: int = 2
    """After so many faults one after the other a card is used no more in this run."""
    timeout: float = 1800.0
    """Seconds that one test may take."""
    stall: float = 300.0
    """Seconds without output or a result after which an attempt is ended."""
    lease: float = 600.0
    """Seconds to wait for a card that somebody else holds or that does not open."""
    engine: str = "local"
    """``local`` or ``dask``."""
    scheduler: str = ""
    """For ``dask``: address of a scheduler that runs already, ``tls://host:8786``."""
    env: tuple[str, ...] = ()
    """Variables for the tests, ``NAME=value``; an empty value unsets."""
    scope: ScopeConfig = ScopeConfig()
    stage: tuple[StageConfig, ...] = (
        StageConfig(0, 24, 1.0, "on pull request"),
        StageConfig(1, 128, 0.05),
        StageConfig(2, 512, 0.25),
        StageConfig(3, 1024, 0.50, "3-4 times a day"),
        StageConfig(4, 2048, 0.80, "on pull request", blocking=False),
    )
    """The steps of the rollout; by default the five by which PyTorch comes to Spyre cards."""
    cluster: ClusterConfig = ClusterConfig()


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


class JenkinsConfig(NamedTuple):
    """``[tool.noxden.ci.jenkins]``: the project's own commands; an empty one has no stage."""

    agent: str = "linux"
    """Label of the agents."""
    image: str = ""
    """Builds the runtime image: ``docker build -t demo .``."""
    component: str = ""
    """Runs the component tests."""
    integration: str = ""
    """Runs the integration tests."""
    upstream: str = ""
    """Runs the enabled subset of upstream's tests: ``nox -s device -- --stage 0``."""
    push: str = ""
    """Pushes the image; only on the branch of ``ci.branch``, after everything has passed."""


PROVIDERS = ("github", "forgejo", "gitlab", "jenkins")
"""The CI systems that files can be written for."""


class CiConfig(NamedTuple):
    """``[tool.noxden.ci]``: what ``nox -s plan`` and ``noxden ci write`` go by."""

    providers: tuple[str, ...] = ("github",)
    """Whose files are written: ``github``, ``forgejo``, ``gitlab``, ``jenkins``."""
    launch: str = "auto"
    """What stands before ``nox`` and ``noxden`` in a job; empty leaves both to PATH; ``auto`` is
    ``uv run`` with the dependency group that has noxden."""
    branch: str = "main"
    """The branch whose pushes are checked, and may save caches."""
    nightly: str = NIGHTLY
    """When nightly jobs start: a cron schedule of five fields, UTC."""
    runner: str = "ubuntu-latest"
    """Label of the runners of jobs about which ``runners`` says nothing."""
    timeout: int = 60
    """Minutes for jobs about which ``timeouts`` says nothing."""
    runners: dict[str, tuple[str, ...]] = {}  # noqa: RUF012 - never changed
    """Labels of runners by session: ``device = ["self-hosted", "spyre"]``."""
    timeouts: dict[str, int] = {}  # noqa: RUF012 - never changed
    """Minutes by session."""
    paths: dict[str, tuple[str, ...]] = {}  # noqa: RUF012 - never changed
    """Globs of the files that a session works on, for ``--changed-since``; none is all."""
    advisory: tuple[str, ...] = ()
    """Sessions whose failed tests do not fail the run."""
    secrets: tuple[str, ...] = ()
    """Names of secrets that jobs on GitHub and Forgejo get as variables, but for pull requests."""
    cache_min_size: str = "50MB"
    """Sessions whose wheels weigh less have no cache: the index is as quick."""
    image: str = "python:3.13"
    """Image of GitLab's jobs; it needs git and Python."""
    environment: str = "pypi"
    """Environment of the job that publishes a release on GitHub."""
    publish_url: str = ""
    """Where a release is uploaded; empty is PyPI."""
    hud: bool = False
    """Send the results of each device stage to PyTorch's HUD relay, on GitHub."""
    jenkins: JenkinsConfig = JenkinsConfig()


class Config(NamedTuple):
    """``[tool.noxden]`` as a whole, overrides applied."""

    sessions: tuple[str, ...] = (
        "lint",
        "unit",
        "heavy",
        "device",
        "packaging",
        "wheelhouse",
        "publish",
        "plan",
    )
    """The sessions that ``noxden.register()`` registers."""
    lint: LintConfig = LintConfig()
    unit: UnitConfig = UnitConfig()
    heavy: HeavyConfig = HeavyConfig()
    device: DeviceConfig = DeviceConfig()
    packaging: PackagingConfig = PackagingConfig()
    den: DenConfig = DenConfig()
    ci: CiConfig = CiConfig()


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
    for name in ("NOXDEN_BLOCKING", "NOXDEN_OFFLINE", "NOXDEN_DEBUG", "NOXDEN_ALLOW_UNSAFE_LOCKS"):
        is_on(env, name)


def collect_overrides(env: Mapping[str, str]) -> dict[str, str]:
    """The variables in ``env`` that override the table."""
    return {name: env[name] for name in env if name.startswith(_OVERRIDES)}


TABLES: dict[
    str,
    type[
        LintConfig
        | UnitConfig
        | HeavyConfig
        | DeviceConfig
        | PackagingConfig
        | DenConfig
        | CiConfig
    ],
] = {
    "lint": LintConfig,
    "unit": UnitConfig,
    "heavy": HeavyConfig,
    "device": DeviceConfig,
    "packaging": PackagingConfig,
    "den": DenConfig,
    "ci": CiConfig,
}
MAPS = ("runners", "timeouts", "paths")
"""Fields that are tables with a key for each session; no variable sets them."""
NESTED: dict[str, type[ScopeConfig | StageConfig | ClusterConfig | JenkinsConfig]] = {
    "scope": ScopeConfig,
    "stage": StageConfig,
    "cluster": ClusterConfig,
    "jenkins": JenkinsConfig,
}
"""Fields that are tables of their own, or (``stage``) arrays of tables; no variable sets them."""
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
            if field not in NESTED and field not in MAPS
        ),
    }
)
_OURS = frozenset(
    {
        "NOXDEN_ATTEMPT",
        "NOXDEN_ATTEMPT_COLLECT",
        "NOXDEN_ATTEMPT_LIFELINE",
        "NOXDEN_ATTEMPT_STARTS",
        "NOXDEN_ATTEMPT_TESTS",
        "NOXDEN_COVER_WORKERS",
        "NOXDEN_NOT_FROM_WHEEL",
        "NOXDEN_ATTEMPT_SIMULATED",
        "NOXDEN_WHEEL",
    }
)
"""What unit and device sessions set for their tests, which may run noxden themselves."""
