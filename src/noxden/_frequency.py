"""How often a stage runs, from the words of a configuration to events and schedules."""

from __future__ import annotations

import re
from typing import NamedTuple

from noxden.errors import UsageError

__all__ = ["NIGHTLY", "Frequency", "is_cron", "parse_frequency"]

NIGHTLY = "0 3 * * *"
"""When nightly is where nothing else is said: at three, UTC."""

_CRON = re.compile(r"[\d*,/-]+(?: [\d*,/a-z-]+){4}", re.IGNORECASE)
_TIMES = re.compile(r"(?:(\d+)\s*-\s*)?(\d+) times a day")
_FIXED = {"hourly": "30 * * * *", "weekly": "30 4 * * 0"}
_DAILY = ("nightly", "daily", "once a day")
_EVENTS = {
    "on pull request": "pull-request",
    "on pull requests": "pull-request",
    "on push": "push",
}
_BY_HAND = "by hand"
_HOURS = 24
_KNOWN = (
    "on pull request, on push, nightly, 3 times a day, hourly, weekly, by hand, or the five fields "
    "of a cron schedule"
)


class Frequency(NamedTuple):
    """What starts something again and again."""

    events: tuple[str, ...] = ()
    """``pull-request`` and ``push``, those of them that do."""
    crons: tuple[str, ...] = ()
    """Schedules of five fields, in UTC."""


def parse_frequency(words: str, nightly: str = NIGHTLY) -> Frequency:
    """The frequency that ``words`` say; several are parted by commas.

    >>> parse_frequency("on pull request, 3-4 times a day")
    Frequency(events=('pull-request',), crons=('30 */6 * * *',))

    Raises:
        UsageError: they say none, with those that do.
    """
    text = " ".join(words.lower().split())
    # The fields of a cron schedule have commas too.
    parts = [text] if is_cron(text) else [part.strip() for part in text.split(",")]
    events: dict[str, None] = {}
    crons: dict[str, None] = {}
    for part in parts:
        if part in _EVENTS:
            events[_EVENTS[part]] = None
        elif part != _BY_HAND:
            crons[_find_cron(part, words, nightly)] = None
    return Frequency(tuple(events), tuple(crons))


def is_cron(words: str) -> bool:
    """Whether ``words`` have the form of a cron schedule of five fields."""
    return _CRON.fullmatch(words) is not None


def _find_cron(part: str, words: str, nightly: str) -> str:
    if part in _DAILY:
        return nightly
    if part in _FIXED:
        return _FIXED[part]
    if is_cron(part):
        return part
    if found := _TIMES.fullmatch(part):
        times = int(found[2])
        if 0 < times <= _HOURS:
            # Apart from the nightly one, and from the full hour, when everybody's schedules start.
            return f"30 */{max(1, _HOURS // times)} * * *"
    message = f"{words!r} is no frequency; say {_KNOWN}"
    raise UsageError(message)
