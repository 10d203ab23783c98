"""What an audit reads out of CI files, the same for every CI system."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal, NamedTuple

if TYPE_CHECKING:
    from pathlib import Path

__all__ = [
    "Audit",
    "Cache",
    "Content",
    "Install",
    "Job",
    "Key",
    "Pipeline",
    "Place",
    "Problem",
    "Severity",
    "Skipped",
    "System",
    "Use",
]

System = Literal["github", "forgejo", "gitea", "gitlab", "jenkins"]
Severity = Literal["error", "warning", "note"]
Content = Literal["downloads", "environment"]


class Place(NamedTuple):
    """A line of a file."""

    path: str
    """From the root of what is audited, with ``/``."""
    line: int

    def __str__(self) -> str:
        return f"{self.path}:{self.line}"


class Install(NamedTuple):
    """A command or an action that installs Python packages."""

    tool: str
    place: Place
    command: str
    light: bool
    """Whether it brings only a tool of a few MB, or nothing from an index: no cache is missed."""


class Key(NamedTuple):
    """What decides which entry of a cache is taken."""

    text: str
    """As it is spelled; empty where an action makes it."""
    files: tuple[str, ...] = ()
    """Patterns of the files whose content is in it."""
    opaque: bool = False
    """Whether parts are known only when the job runs: then nothing is said to be missing."""
    system: bool = False
    """Whether the operating system is in it."""
    python: bool = False
    """Whether the Python is in it."""
    commit: bool = False
    """Whether it is another one for every commit or run."""


class Cache(NamedTuple):
    """A cache of Python packages."""

    how: str
    """The action or the keyword that makes it: ``actions/cache``, ``setup-uv``."""
    place: Place
    content: Content
    """What the package manager downloaded, or an installed environment."""
    paths: tuple[str, ...] = ()
    key: Key | None = None
    """``None`` where it is known to be made well: of system, Python and lock."""
    fallbacks: tuple[str, ...] = ()
    saves: bool = True
    guarded: bool = False
    """Whether a condition on event, branch or repository stands before it."""
    prunes: bool = False
    """Whether downloaded wheels are dropped before it is saved."""
    rewritten: bool = False
    """Whether every run writes the same entry anew, as on GitLab."""
    shared: bool = False
    """Whether runs of unprotected branches and of protected ones write the same entry."""


class Job(NamedTuple):
    """A job, or on Jenkins a stage."""

    system: System
    name: str
    place: Place
    installs: tuple[Install, ...] = ()
    caches: tuple[Cache, ...] = ()
    kept: str = ""
    """Where packages stay from run to run without a cache of the CI system; empty: nowhere."""
    triggers: frozenset[str] = frozenset()
    """What starts it, in the words of GitHub; empty where nothing says."""
    release: bool = False
    """Whether only releases start it."""
    timeout: bool = True
    """Whether it has a limit of time, of its own or by default."""
    systems: bool = False
    """Whether it runs on several operating systems."""
    pythons: bool = False
    """Whether it runs on several Pythons."""
    drops_wheels: Place | None = None
    """Where it runs ``uv cache prune --ci``."""
    prunes: bool = False
    """Whether it prunes the cache in any way."""
    pushes: Place | None = None
    """Where it writes wheels to a remote, with no condition before it."""

    @property
    def heavy(self) -> bool:
        """Whether it downloads more than tools."""
        return any(not one.light for one in self.installs)


class Use(NamedTuple):
    """Code of somebody else that a pipeline runs: an action, an image, an included file."""

    name: str
    place: Place
    pinned: bool
    remedy: str
    """What to add to it."""


class Pipeline(NamedTuple):
    """What one CI file says, with what it includes."""

    jobs: tuple[Job, ...] = ()
    uses: tuple[Use, ...] = ()
    unlimited: tuple[Job, ...] = ()
    """Jobs whose token has the permissions that the repository gives by default."""


class Problem(NamedTuple):
    """A finding."""

    rule: str
    severity: Severity
    place: Place
    job: str
    """Empty where it is of the whole file."""
    message: str


class Skipped(NamedTuple):
    """Something that was not read as it is, and why."""

    path: str
    reason: str


class Audit(NamedTuple):
    """The outcome of an audit."""

    root: Path
    files: int
    """How many were read."""
    jobs: tuple[Job, ...]
    """Those that install Python packages."""
    problems: tuple[Problem, ...]
    skipped: tuple[Skipped, ...]
