"""How the progress of a fetch is shown."""

from __future__ import annotations

import io
from typing import TYPE_CHECKING

from noxden.den.wheels.fetch import Progress
from noxden.sessions.meter import render_progress, show_progress

if TYPE_CHECKING:
    import pytest

HALF = Progress(artifacts=25, done=3, total=2_900_000_000, moved=1_200_000_000, seconds=12.0)


def test_a_line_tells_wheels_bytes_rate_and_time_left() -> None:
    assert render_progress(HALF) == ("3 of 25 wheels, 1.2 GB of 2.9 GB, 100.0 MB/s, 17 s left")
    nothing = Progress(artifacts=2, done=0, total=0, moved=0, seconds=0.0)
    assert render_progress(nothing) == "0 of 2 wheels"


def test_what_a_line_cannot_know_it_leaves_out() -> None:
    waiting = Progress(artifacts=10, done=0, total=66_900_000, moved=0, seconds=4.0)
    assert render_progress(waiting) == "0 of 10 wheels, 0 B of 66.9 MB"
    at_once = waiting._replace(moved=1_000_000, seconds=0.0)
    assert render_progress(at_once) == "0 of 10 wheels, 1.0 MB of 66.9 MB"


def test_more_than_was_known_of_is_all_and_nothing_is_negative() -> None:
    more = Progress(artifacts=2, done=1, total=66_900_000, moved=134_700_000, seconds=10.0)
    assert render_progress(more) == "1 of 2 wheels, 134.7 MB of 134.7 MB, 13.5 MB/s, 0 s left"
    less = Progress(artifacts=2, done=1, total=66_900_000, moved=-5, seconds=10.0)
    assert render_progress(less) == "1 of 2 wheels, 0 B of 66.9 MB"


def test_without_a_terminal_there_is_a_line_now_and_then() -> None:
    lines: list[str] = []
    with show_progress(lines.append) as show:
        for seconds in (0.2, 1.9, 2.1, 3.0, 16.0, 17.2, 30.0):
            show(HALF._replace(seconds=seconds))
    assert len(lines) == 2
    assert lines[0].startswith("wheels: 3 of 25 wheels, ")


def test_in_a_terminal_there_is_a_bar(monkeypatch: pytest.MonkeyPatch) -> None:
    class Terminal(io.StringIO):
        def isatty(self) -> bool:
            return True

    screen = Terminal()
    monkeypatch.setattr("sys.stderr", screen)
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.delenv("NO_COLOR", raising=False)
    lines: list[str] = []
    with show_progress(lines.append) as show:
        show(HALF)
    assert lines == []
    assert "wheels 3/25" in screen.getvalue()
