"""How a run is shown while it lasts."""

from __future__ import annotations

import io
from typing import TYPE_CHECKING

from noxden.devices.live import State, render_state, show_live

if TYPE_CHECKING:
    import pytest

CARDS = {"here/1": "batch 12, 34 tests, 5 s", "here/2": "batch 13, 2 tests, 1 s"}
HALF = State(
    done=1200, left=3800, failed=3, flaky=0, retried=0, seconds=30.0, expected_left_s=95.2,
    cards=CARDS,
)  # fmt: skip


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def show(monkeypatch: pytest.MonkeyPatch, state: State) -> str:
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setenv("COLUMNS", "120")
    monkeypatch.setenv("LINES", "60")
    monkeypatch.delenv("NO_COLOR", raising=False)
    screen, lines = Terminal(), list[str]()
    with show_live(5000, list(CARDS), lines.append, stream=screen) as view:
        view.update(state)
    assert lines == []
    return screen.getvalue()


def test_a_line_tells_what_there_is_to_tell() -> None:
    said = "1200 of 5000 tests, 3 failed, 40/s, 95 s left, 2 cards busy"
    assert render_state(5000, HALF) == said
    more = HALF._replace(
        failed=0, flaky=1, retried=2, done=2, cards={"a": "batch 1", "b": "drained: x", "c": ""}
    )
    said = "2 of 5000 tests, 1 flaky, 2 tried again, 4/min, 95 s left, 1 card busy, 1 drained"
    assert render_state(5000, more) == said


def test_what_is_not_known_is_left_out() -> None:
    begun = State(0, 0, 0, 0, 0, 0.0, 0.0, {})
    assert render_state(0, begun) == "0 of 0 tests, 0 cards busy"


def test_without_a_terminal_there_is_a_line_now_and_then() -> None:
    lines, now = list[str](), 100.0
    with show_live(5000, ["here/1"], lines.append, stream=io.StringIO(), clock=lambda: now) as view:
        for after in (0.0, 1.9, 2.0, 3.0, 16.9, 17.0, 31.9, 32.1):
            now = 100.0 + after
            view.update(HALF._replace(done=int(after * 10)))
    assert [line.split(" of ")[0] for line in lines] == ["device: 20", "device: 170", "device: 321"]


def test_in_a_terminal_there_is_a_row_for_each_card(monkeypatch: pytest.MonkeyPatch) -> None:
    cards = {**CARDS, "here/[red]3": "drained: [bold]x", "here/4": ""}
    said = show(monkeypatch, HALF._replace(cards=cards))
    assert "1200 of 5000 tests" in said
    assert "batch 12, 34 tests, 5 s" in said
    assert "drained: [bold]x" in said
    assert "idle" in said


def test_of_many_cards_those_that_do_not_simply_run_are_shown(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    cards = {f"here/{at}": f"batch {at}" for at in range(2000)} | {"here/bad": "drained: x"}
    said = show(monkeypatch, HALF._replace(cards=cards))
    assert "drained: x" in said
    assert "and 1978 more" in said
    assert "here/1999" not in said


def test_stderr_is_where_a_run_is_shown(monkeypatch: pytest.MonkeyPatch) -> None:
    screen = Terminal()
    monkeypatch.setattr("sys.stderr", screen)
    monkeypatch.setenv("TERM", "xterm")
    with show_live(5000, list(CARDS), lambda _: None) as view:
        view.update(HALF)
    assert "1200 of 5000 tests" in screen.getvalue()
