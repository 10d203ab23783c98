"""Turn values into what people and scripts read; the commands return, this renders.

rich is imported only where a table is drawn.
"""

from __future__ import annotations

import contextlib
import json
import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence

__all__ = [
    "ReaderLeftError",
    "print_json",
    "print_lines",
    "print_table",
    "progress",
    "render_age",
    "render_json",
    "render_size",
    "render_time",
]

_UNITS = ("B", "kB", "MB", "GB", "TB")
_THOUSAND = 1000
_UNLIMITED = 10_000


class ReaderLeftError(Exception):
    """Whoever read our output has seen enough; no failure.

    It stands in for BrokenPipeError, on which click would end the process with 1.
    """


def render_json(value: object) -> str:
    """``value`` as JSON, fields in the order of the value."""
    return json.dumps(value, indent=2, default=_plain, ensure_ascii=False)


def print_json(value: object) -> None:
    """Print ``value`` as JSON to stdout."""
    print_lines([render_json(value)])


def print_lines(lines: Iterable[str]) -> None:
    """Print ``lines`` to stdout.

    Raises:
        ReaderLeftError: nobody reads any more.
    """
    try:
        sys.stdout.writelines(f"{line}\n" for line in lines)
    except BrokenPipeError as error:
        raise ReaderLeftError from error


def print_table(columns: Sequence[str], rows: Iterable[Sequence[str]]) -> None:
    """Print a table; a column whose name ends in ``>`` is set flush right.

    The first column is never broken; where stdout is no terminal, none is.
    """
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    table = Table(box=None, pad_edge=False, header_style="bold")
    for number, column in enumerate(columns):
        justify: Literal["left", "right"] = "right" if column.endswith(">") else "left"
        name = column.removesuffix(">")
        table.add_column(name, justify=justify, overflow="fold", no_wrap=number == 0)
    for row in rows:
        table.add_row(*(Text(cell) for cell in row))
    console = Console(highlight=False)
    if not console.is_terminal:
        console = Console(highlight=False, width=_UNLIMITED)
        console.width = console.measure(table).maximum
    with console.capture() as captured:
        console.print(table)
    # Written by us: rich ends the process when nobody reads.
    print_lines(line.rstrip() for line in captured.get().splitlines())


@contextlib.contextmanager
def progress(title: str, total: int) -> Iterator[Callable[[int], None]]:
    """A progress bar on stderr, advanced by calling the value; none where stderr is no terminal."""
    if not sys.stderr.isatty():
        yield lambda _: None
        return
    from rich.console import Console
    from rich.progress import Progress

    with Progress(console=Console(stderr=True), transient=True) as bar:
        task = bar.add_task(title, total=total)
        yield lambda done: bar.advance(task, done)


def render_size(size: int) -> str:
    """Bytes for people, powers of ten.

    >>> render_size(1_234_567)
    '1.2 MB'
    """
    amount, unit = float(size), 0
    while amount >= _THOUSAND and unit < len(_UNITS) - 1:
        amount, unit = amount / _THOUSAND, unit + 1
    return f"{amount:.1f} {_UNITS[unit]}" if unit else f"{size} B"


def render_time(seconds: float | None) -> str | None:
    """ISO 8601 in UTC, to the second; ``None`` stays.

    >>> render_time(0)
    '1970-01-01T00:00:00Z'
    """
    if seconds is None:
        return None
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def render_age(seconds: float) -> str:
    """How long ago, in the largest unit that fits.

    >>> render_age(7200)
    '2 h ago'
    """
    for unit, length in (("d", 86400), ("h", 3600), ("min", 60)):
        if seconds >= length:
            return f"{seconds / length:.0f} {unit} ago"
    return "now"


def _plain(value: object) -> object:
    if isinstance(value, Path):
        return str(value)
    message = f"{type(value).__name__} has no JSON form"
    raise TypeError(message)
