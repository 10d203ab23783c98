"""The values that the device floor passes around; all frozen, all with a JSON form by msgspec."""

from __future__ import annotations

from typing import Literal

from msgspec import Struct

__all__ = [
    "Attempt",
    "Batch",
    "Broken",
    "Card",
    "Collection",
    "Job",
    "Limits",
    "Result",
    "Status",
    "Test",
    "TestOutcome",
    "Verdict",
]

Status = Literal["done", "crashed", "stalled", "timeout", "infra", "busy", "lost", "stopped"]
"""How an attempt ended.

``done``: pytest came to its end. ``crashed``: the process died of a signal or left. ``stalled``:
it said nothing for too long. ``timeout``: one test took too long. ``infra``: its output names a
fault of the card. ``busy``: the card could not be leased or opened, nothing ran. ``lost``: the
worker that ran it is gone. ``stopped``: we ended it, by Ctrl-C or at the end of a run.
"""

TestOutcome = Literal["passed", "failed", "skipped", "xfailed", "xpassed"]
"""What pytest says of one test in one attempt; an error in setup or teardown is ``failed``."""

Verdict = Literal["passed", "failed", "flaky", "skipped", "xfailed", "xpassed", "infra", "not-run"]
"""What a whole run says of one test: ``flaky`` failed and then passed in a new process, on
another card where there is one; ``infra`` never got a card that works; ``not-run`` was selected
and never began."""


class Card(Struct, frozen=True, kw_only=True):
    """An accelerator."""

    index: int
    """As the provider counts on this host; what SPYRE_DEVICES or CUDA_VISIBLE_DEVICES takes."""
    address: str
    """PCI address, or another name that no other card of the host has; the lease goes by it."""
    kind: str
    """``spyre``, ``cuda``, ``simulated``, ...: times of tests are kept for each kind."""
    node: str = ""
    """The file of the device, ``/dev/vfio/12``, that has to open; empty where there is none."""
    health: str = "ok"
    """``ok``, or what is wrong in a few words; such a card is not used."""
    host: str = ""
    """Name of the machine it is in; a batch on several cards needs them in one."""

    @property
    def name(self) -> str:
        """What no other card of any host has."""
        return f"{self.host}/{self.address}" if self.host else self.address


class Test(Struct, frozen=True, kw_only=True, gc=False):
    """One collected test."""

    id: str
    """Canonical id: the same on every machine, from a wheel or a checkout."""
    file: str
    """Canonical path of its file, the part of the id before ``::``."""
    markers: tuple[str, ...] = ()
    """Names of its markers, without repetition, sorted."""
    group: str = ""
    """Tests of one group (``xdist_group``) stay in one batch; empty is none."""
    cards: int = 1
    """How many cards it needs at once, by ``@pytest.mark.device(cards=n)``."""
    hw: str = ""
    """PyTorch's hardware classification, in capitals, where the checkout has it."""


class Broken(Struct, frozen=True, kw_only=True):
    """A file whose collection failed."""

    file: str
    message: str


class Collection(Struct, frozen=True, kw_only=True):
    """What pytest collected."""

    tests: tuple[Test, ...]
    """In pytest's order, each id once."""
    paths: dict[str, str]
    """Canonical file -> the absolute path by which pytest takes it."""
    broken: tuple[Broken, ...] = ()
    repeated: tuple[str, ...] = ()
    """Ids that several tests have; they run together, and the worst counts."""


class Batch(Struct, frozen=True, kw_only=True):
    """One pytest process's worth of tests."""

    number: int
    tests: tuple[str, ...]
    """Canonical ids, in the order of the collection."""
    expected_s: float
    """Seconds of its tests by recorded times, one after the other."""
    cards: int = 1


class Limits(Struct, frozen=True, kw_only=True):
    """How long things may take, in seconds."""

    stall: float = 300.0
    """No output and no result for this long is a stall."""
    test: float = 1800.0
    """One test."""
    lease: float = 600.0
    """Waiting for a card that somebody else holds, or that does not open yet."""


class Job(Struct, frozen=True, kw_only=True):
    """What an engine runs: one attempt of a batch on cards."""

    batch: int
    attempt: int
    """From 1; the number of the attempt of this batch."""
    tests: tuple[str, ...]
    files: tuple[str, ...]
    """What pytest collects: absolute paths of the files that hold the tests."""
    cards: tuple[Card, ...]
    python: str
    """Python of the session's environment."""
    arguments: tuple[str, ...]
    """For pytest, before the files."""
    env: dict[str, str]
    """The whole environment, before what the provider adds for the cards."""
    cwd: str
    folder: str
    """Where the attempt keeps its files; made anew by the attempt."""
    limits: Limits
    provider: str
    """Module of the cards, below :mod:`noxden.devices.providers`."""


class Result(Struct, frozen=True, kw_only=True):
    """What one attempt says of one test."""

    id: str
    outcome: TestOutcome
    seconds: float = 0.0
    message: str = ""
    """One line: why it failed or was skipped."""
    stack: str = ""
    """What pytest shows of a failure."""


class Attempt(Struct, frozen=True, kw_only=True):
    """One run of a batch, ended."""

    batch: int
    attempt: int
    cards: tuple[Card, ...]
    status: Status
    results: tuple[Result, ...] = ()
    """Of tests that came to their end, in the order in which they did."""
    running: str = ""
    """The test that ran when the process ended before its time."""
    fault: str = ""
    """Why it is not ``done``, or how pytest failed though no test did: one line."""
    culprit: str = ""
    """Name of the one card to blame, where it is known; empty blames all."""
    signal: int = 0
    """The signal of which the process died by itself; 0 where it did not."""
    started: float = 0.0
    """Seconds since the epoch."""
    seconds: float = 0.0
    waited: float = 0.0
    """Seconds until its cards were leased."""
    folder: str = ""
    """Its files: reportlog.jsonl, output.log."""
