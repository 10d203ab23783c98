"""Make jobs: what an engine needs to know of a deal, all of it data."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from noxden.devices.values import Job, Limits

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from noxden.config import DeviceConfig
    from noxden.devices.dealer import Deal
    from noxden.devices.values import Card

__all__ = ["JobMaker", "make_limits", "plan_variables"]


_SECRET = ("NOXDEN_REMOTE_",)
"""Beginnings of the names of variables that tests have no use for, on whatever host they run."""


class JobMaker(NamedTuple):
    """What all jobs of a run have in common."""

    python: str
    arguments: tuple[str, ...]
    env: Mapping[str, str]
    cwd: Path
    folder: Path
    """For the folders of attempts."""
    limits: Limits
    paths: Mapping[str, str]
    """Canonical file -> absolute path."""

    def make(self, deal: Deal, cards: tuple[Card, ...], provider: str) -> Job:
        """The job that runs ``deal`` on ``cards``."""
        files = dict.fromkeys(test.partition("::")[0] for test in deal.tests)
        return Job(
            batch=deal.number,
            attempt=deal.attempt,
            tests=deal.tests,
            files=tuple(self.paths.get(file, file) for file in files),
            cards=cards,
            python=self.python,
            arguments=self.arguments,
            env=dict(self.env),
            cwd=str(self.cwd),
            folder=str(self.folder / f"{deal.number:05}-{deal.attempt}"),
            limits=self.limits,
            provider=provider,
        )


def make_limits(config: DeviceConfig) -> Limits:
    """The limits that a configuration names."""
    return Limits(stall=config.stall, test=config.timeout, lease=config.lease)


def plan_variables(env: Mapping[str, str | None], config: DeviceConfig) -> dict[str, str]:
    """The environment of the tests: ``env`` without what is unset, and what the project adds.

    >>> plan_variables({"A": "1", "B": None}, DeviceConfig(env=("A=", "C=2")))
    {'C': '2'}
    """
    found = {
        name: value
        for name, value in env.items()
        if value is not None and not name.startswith(_SECRET)
    }
    for pair in config.env:
        name, _, value = pair.partition("=")
        found.pop(name, None)
        if value:
            found[name] = value
    return found
