"""A run in Markdown, for the step summary of a CI system.

Ids and messages come from tests and may hold anything: they are set as code whose fence is longer
than any in them, without line breaks and controls, and with pipes escaped where they are in a
table, so that they stay text.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from noxden.devices.judge import judge, render_counts

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from noxden.devices.outcome import Outcome, TestRecord

__all__ = ["render_code", "render_report"]

_ROWS = 50
_MESSAGE = 300
"""Characters of a message."""
_PIPE = re.compile(r"(\\*)\|")
"""A pipe with the backslashes before it, which would take the one that keeps it in its cell."""
_CONTROL = re.compile("[\x00-\x1f\x7f-\x9f\u2028\u2029\u202a-\u202e\u2066-\u2069\ud800-\udfff]+")


def render_report(outcome: Outcome) -> str:
    """The whole report; sections that have nothing to say are left out."""
    judgement = judge(outcome)
    mark = "passed" if not judgement.exit_code else f"exit code {judgement.exit_code}"
    lines = [f"## Device tests, {outcome.title}: {mark}", "", render_code(judgement.message), ""]
    for section in (
        _tell_figures(outcome),
        _list("Warnings", (render_code(one) for one in outcome.warnings)),
        _tell_failures(outcome),
        _list("Flaky", (render_code(one.id) for one in _of(outcome, "flaky"))),
        _list(
            "Without a result",
            (
                render_code(one.id + (f": {one.last.message}" if one.last else ""))
                for one in _of(outcome, "infra", "not-run")
            ),
        ),
        _tell_cards(outcome),
    ):
        lines += section
    return "\n".join(lines).rstrip() + "\n"


def _of(outcome: Outcome, *verdicts: str) -> list[TestRecord]:
    return [one for one in outcome.records if one.verdict in verdicts]


def _tell_figures(outcome: Outcome) -> list[str]:
    expected = f"{outcome.expected_s:.0f} s, at least {outcome.lower_bound_s:.0f} s"
    rows = [
        ("tests", render_counts(outcome)),
        (
            "selected",
            f"{outcome.selected} of {outcome.in_scope} in scope, {outcome.collected} collected",
        ),
        (
            "time",
            f"{outcome.seconds:.0f} s, expected {expected}",
        ),
        ("flaky share", f"{outcome.flaky_share:.2%}"),
        ("blocking", "yes" if outcome.blocking else "no, failed tests are a warning"),
    ]
    return _table("", ("what", "figure"), rows)


def _tell_failures(outcome: Outcome) -> list[str]:
    failed = [(one.id, one.last.message if one.last else "") for one in _of(outcome, "failed")]
    found = [*((one.file, one.message) for one in outcome.broken), *failed]
    rows = ((render_code(name), render_code(message[:_MESSAGE])) for name, message in found)
    return _table(f"Failed ({len(found)})", ("test or file", "why"), rows, len(found))


def _tell_cards(outcome: Outcome) -> list[str]:
    # Drained cards first: of 2,048 only some are shown.
    cards = sorted(outcome.cards, key=lambda card: (not card.drained, -card.faults))
    rows = (
        (
            render_code(card.name), str(card.batches), f"{card.busy_s:.0f}", str(card.faults),
            render_code(card.drained),
        )
        for card in cards
    )  # fmt: skip
    return _table("Cards", ("card", "batches", "busy s", "faults", "drained"), rows, len(cards))


def _table(
    title: str, columns: Sequence[str], rows: Iterable[Sequence[str]], total: int = 1
) -> list[str]:
    """A section with a table of the first rows; none where there are none in total."""
    if not total:
        return []
    shown = [row for row, _ in zip(rows, range(_ROWS), strict=False)]
    head = ([f"### {title}", ""] if title else []) + [_row(columns), _row(["---"] * len(columns))]
    return [*head, *(_row(row) for row in shown), "", *_tell_rest(total)]


def _row(cells: Sequence[str]) -> str:
    escaped = (_PIPE.sub(r"\1\1\|", cell) for cell in cells)
    return f"| {' | '.join(escaped)} |"


def _list(title: str, items: Iterable[str]) -> list[str]:
    found = list(items)
    if not found:
        return []
    shown = [f"- {item}" for item in found[:_ROWS]]
    return [f"### {title} ({len(found)})", "", *shown, "", *_tell_rest(len(found))]


def _tell_rest(total: int) -> Iterator[str]:
    if total > _ROWS:
        yield f"and {total - _ROWS} more, see results.json"
        yield ""


def render_code(text: str) -> str:
    """``text`` as a span of code that nothing in it can end; empty stays empty.

    >>> render_code("a`|<b>")
    '``a`|<b>``'
    """
    plain = _CONTROL.sub(" ", text).strip()
    if not plain:
        return ""
    fence = "`" * (max(map(len, re.findall("`+", plain)), default=0) + 1)
    pad = " " if plain.startswith("`") or plain.endswith("`") else ""
    return f"{fence}{pad}{plain}{pad}{fence}"
