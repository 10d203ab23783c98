"""The progress of a fetch: a bar in a terminal, a line now and then elsewhere."""

from __future__ import annotations

import contextlib
import sys
from typing import TYPE_CHECKING

from noxden.render import render_size

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from noxden.den.wheels.fetch import Progress

__all__ = ["render_progress", "show_progress"]

_FIRST_S = 2.0
_EVERY_S = 15.0


@contextlib.contextmanager
def show_progress(log: Callable[[str], None]) -> Iterator[Callable[[Progress], None]]:
    """What shows the progress of a fetch, as long as the block runs.

    Where stderr is no terminal, ``log`` gets a line after 2 s and then every 15 s.
    """
    if sys.stderr.isatty():
        with _show_bar() as show:
            yield show
        return
    shown = _FIRST_S - _EVERY_S

    def show_line(progress: Progress) -> None:
        nonlocal shown
        if progress.seconds - shown >= _EVERY_S:
            shown = progress.seconds
            log(f"wheels: {render_progress(progress)}")

    yield show_line


def render_progress(progress: Progress) -> str:
    """``3 of 25 wheels, 1.2 GB of 2.9 GB, 85.0 MB/s, 20 s left``, as far as it is known.

    Sizes are, once a source or the lock has told one; rate and time, once something moves.
    """
    moved, total = _bound(progress)
    parts = [f"{progress.done} of {progress.artifacts} wheels"]
    if total:
        parts.append(f"{render_size(moved)} of {render_size(total)}")
    if moved and progress.seconds > 0:
        rate = moved / progress.seconds
        parts += [f"{render_size(int(rate))}/s", f"{(total - moved) / rate:.0f} s left"]
    return ", ".join(parts)


def _bound(progress: Progress) -> tuple[int, int]:
    """Bytes moved and in all: not negative, and where more came than was known of, that is all."""
    moved = max(progress.moved, 0)
    return moved, max(progress.total, moved)


@contextlib.contextmanager
def _show_bar() -> Iterator[Callable[[Progress], None]]:
    from rich.console import Console
    from rich.progress import (
        BarColumn,
        DownloadColumn,
        TextColumn,
        TimeRemainingColumn,
        TransferSpeedColumn,
    )
    from rich.progress import Progress as Bar

    columns = (
        TextColumn("wheels {task.fields[done]}/{task.fields[artifacts]}"),
        BarColumn(),
        DownloadColumn(),
        TransferSpeedColumn(),
        TimeRemainingColumn(),
    )
    with Bar(*columns, console=Console(stderr=True), transient=True) as bar:
        task = bar.add_task("wheels", total=None, done=0, artifacts=0)

        def show(progress: Progress) -> None:
            moved, total = _bound(progress)
            bar.update(
                task, completed=moved, total=total or None,
                done=progress.done, artifacts=progress.artifacts,
            )  # fmt: skip

        yield show
