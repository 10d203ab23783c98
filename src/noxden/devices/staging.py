"""What a stage runs here: its tests collected, judged by scope, sampled and put into batches.

Both the session and ``noxden device plan`` begin with it; nothing here needs a card.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from msgspec.structs import replace

from noxden.devices.collecting import Source, collect_tests, split_arguments
from noxden.devices.plan import make_plan
from noxden.devices.scope import make_scope
from noxden.devices.shards import parse_shard
from noxden.devices.times import Times, load_times
from noxden.devices.values import Test
from noxden.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from noxden.config import DeviceConfig, StageConfig
    from noxden.den.layout import Den
    from noxden.devices.collecting import Collected
    from noxden.devices.plan import Plan
    from noxden.devices.scope import Scope
    from noxden.devices.values import Broken

__all__ = [
    "Setting",
    "Staged",
    "Wanted",
    "collect_stage",
    "find_stage",
    "load_scope",
    "make_arguments",
    "plan_stage",
]

_RUNS_NOTHING = ("--collect-only", "--co", "--fixtures", "--markers", "--setup-plan", "--version")
_NEEDED = {"pytest": "runs the tests", "pytest-reportlog": "keeps their results through a crash"}


class Setting(NamedTuple):
    """A project and an environment in which its device tests can run."""

    config: DeviceConfig
    project: Path
    """Where pytest runs."""
    python: str
    """Python of the environment."""
    key: str
    """Environment key."""
    env: Mapping[str, str]
    """For pytest, before what cards add."""
    den: Den
    installed: frozenset[str]
    """Normalized names of the distributions in the environment."""
    words: tuple[str, ...] = ()
    """What the caller wants pytest to get."""

    @property
    def times(self) -> Path:
        """Where the den keeps how long tests took."""
        return self.results / "times"

    @property
    def results(self) -> Path:
        """Where the den keeps what device runs leave."""
        return self.den.root / "results" / "device"


class Wanted(NamedTuple):
    """What of a stage is wanted, and on what."""

    cards: int
    kind: str
    """Of the cards; by it the times of tests are looked up. Empty knows no times."""
    shard: str | None = None
    """``I/M``; ``None`` looks at Bazel's variables."""
    shards_file: Path | None = None
    """A file that the jobs of all shards share, where there is one."""


class Staged(NamedTuple):
    """A stage that is ready to run."""

    stage: StageConfig
    collected: Collected
    plan: Plan
    broken: tuple[Broken, ...]
    """Files in scope that could not be collected."""
    warnings: tuple[str, ...]


def find_stage(config: DeviceConfig, number: int | None) -> StageConfig:
    """The stage with ``number``; the first where none is named.

    Raises:
        UsageError: there is none.
    """
    if not config.stage:
        message = "there is no stage; add [[tool.noxden.device.stage]] with its number"
        raise UsageError(message)
    for stage in config.stage:
        if number in {None, stage.number}:
            return stage
    known = ", ".join(str(stage.number) for stage in config.stage)
    message = f"there is no stage {number} in tool.noxden.device.stage; known: {known}"
    raise UsageError(message)


def load_scope(setting: Setting) -> Scope:
    """The scope of the project.

    Raises:
        UsageError: the disabled-tests file is missing or not what it should be.
    """
    return make_scope(setting.config.scope, setting.project)


def collect_stage(setting: Setting, stage: StageConfig) -> Collected:
    """What pytest collects for ``stage``.

    Raises:
        UsageError: pytest or pytest-reportlog is not there, or pytest cannot collect.
    """
    _require(setting)
    _refuse_words(setting.words)
    config = setting.config
    options, named = split_arguments(setting.words, setting.project)
    own, tests = split_arguments(stage.tests or config.tests, setting.project)
    markers = ("-m", config.markers) if config.markers else ()
    arguments = (*_keep_alone(setting), *markers, *own, *options, *(named or tests))
    cache = setting.results / "collections" if setting.den.writable else None
    return collect_tests(
        Source(setting.python, setting.project, arguments, setting.env, setting.key, cache)
    )


def make_arguments(setting: Setting, stage: StageConfig, collected: Collected) -> tuple[str, ...]:
    """The arguments of pytest for a batch, without what it collects.

    Root and configuration are those of the collection: pytest would find others from the files of
    a batch, and give its tests other ids.
    """
    options, _ = split_arguments(setting.words, setting.project)
    own, _ = split_arguments(stage.tests or setting.config.tests, setting.project)
    config = ("-c", collected.config) if collected.config else ()
    return (*_keep_alone(setting), f"--rootdir={collected.root}", *config, *own, *options)


def _keep_alone(setting: Setting) -> tuple[str, ...]:
    """Keep pytest-xdist, where it is in addopts, from putting several processes on a card."""
    return ("-n", "0") if "pytest-xdist" in setting.installed else ()


def _refuse_words(words: Sequence[str]) -> None:
    """Refuse words for pytest by which it would run no test.

    Raises:
        UsageError: there is one.
    """
    for word in words:
        if word in _RUNS_NOTHING:
            message = f"with {word} pytest runs no test; --dry-run shows what would be run"
            raise UsageError(message)


def _require(setting: Setting) -> None:
    for name, why in _NEEDED.items():
        if name not in setting.installed:
            group = setting.config.groups[0] if setting.config.groups else ""
            add = f"uv add --group {group} {name}" if group else f"uv add {name}"
            place = f"the groups of the device session ({', '.join(setting.config.groups)})"
            message = f"{name}, which {why}, is not in {place}; run: {add}"
            raise UsageError(message)


def plan_stage(setting: Setting, stage: StageConfig, wanted: Wanted) -> Staged:
    """Collect, judge, sample and put into batches what ``stage`` runs.

    Raises:
        UsageError: pytest cannot collect, or what is configured or asked for is wrong.
        InfrastructureError: the file of the shards cannot be used.
    """
    shard = parse_shard(wanted.shard, setting.env)
    if shard is not None and wanted.shards_file is not None:
        shard = replace(shard, path=wanted.shards_file)
    scope = load_scope(setting)
    collected = collect_stage(setting, stage)
    found = collected.collection
    times = load_times(setting.times, setting.key, wanted.kind) if wanted.kind else Times()
    plan = make_plan(
        found,
        scope,
        stage,
        times,
        wanted.cards,
        shard=shard,
    )
    broken = tuple(
        one for one in found.broken if scope.decide(Test(id=one.file, file=one.file)).in_scope
    )
    return Staged(stage, collected, plan, broken, (*_warn(found.repeated), *plan.notes))


def _warn(repeated: tuple[str, ...]) -> tuple[str, ...]:
    if not repeated:
        return ()
    said = "are those of several tests, which run together and of which the worst counts"
    return (f"{len(repeated)} ids {said}: {', '.join(repeated[:3])}",)
