"""Sessions of a noxfile as a plan knows them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from noxden.ci.plan.values import PlannedSession
from noxden.config import DeviceConfig, HeavyConfig, LintConfig, PackagingConfig, UnitConfig
from noxden.sessions.plan import PlanSettings
from noxden.sessions.publish import PublishSettings
from noxden.sessions.wheelhouse import WheelhouseSettings

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from noxden.sessions.registered import RegisteredSession

__all__ = ["describe_sessions"]

_KINDS = {
    LintConfig: "lint",
    UnitConfig: "unit",
    HeavyConfig: "heavy",
    DeviceConfig: "device",
    PackagingConfig: "packaging",
    PlanSettings: "plan",
    PublishSettings: "publish",
    WheelhouseSettings: "wheelhouse",
}
"""What each factory keeps with its session, and what it makes."""


def describe_sessions(registered: Iterable[RegisteredSession]) -> Iterator[PlannedSession]:
    """What a plan needs to know of each of ``registered``."""
    for one in registered:
        stages = one.settings.stage if isinstance(one.settings, DeviceConfig) else ()
        yield PlannedSession(
            name=one.name,
            group=one.group,
            kind=_KINDS.get(type(one.settings), ""),
            python=one.python if isinstance(one.python, str) else None,
            default=one.default,
            rule=one.rule,
            request=one.request if one.in_den else None,
            stages=stages,
        )
