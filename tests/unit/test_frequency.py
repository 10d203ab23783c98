"""How often a stage runs: words, and the events and schedules that they are."""

from __future__ import annotations

import pytest

from noxden._frequency import Frequency, parse_frequency
from noxden.errors import UsageError


@pytest.mark.parametrize(
    ("words", "found"),
    [
        ("on pull request", Frequency(("pull-request",))),
        ("On  Pull Requests", Frequency(("pull-request",))),
        ("on push, nightly", Frequency(("push",), ("0 3 * * *",))),
        ("daily", Frequency((), ("0 3 * * *",))),
        ("3-4 times a day", Frequency((), ("30 */6 * * *",))),
        ("24 times a day", Frequency((), ("30 */1 * * *",))),
        ("hourly, weekly", Frequency((), ("30 * * * *", "30 4 * * 0"))),
        ("0 1,13 * * 1-5", Frequency((), ("0 1,13 * * 1-5",))),
        ("by hand", Frequency()),
        ("nightly, daily", Frequency((), ("0 3 * * *",))),
    ],
)
def test_words_say_events_and_schedules(words: str, found: Frequency) -> None:
    assert parse_frequency(words) == found


def test_nightly_is_when_the_project_says() -> None:
    assert parse_frequency("nightly", "0 1 * * *") == Frequency((), ("0 1 * * *",))


@pytest.mark.parametrize("words", ["", "often", "0 times a day", "25 times a day", "* * * *"])
def test_words_that_say_none_are_refused_with_those_that_do(words: str) -> None:
    with pytest.raises(UsageError) as raised:
        parse_frequency(words)
    assert str(raised.value) == (
        f"{words!r} is no frequency; say on pull request, on push, nightly, 3 times a day, hourly, "
        f"weekly, by hand, or the five fields of a cron schedule"
    )
