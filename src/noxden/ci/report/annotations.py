"""From what programs say to annotations: failed tests, and the lines of ruff and mypy."""

from __future__ import annotations

import os
import re
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from noxden.ci.report.marks import Annotation

if TYPE_CHECKING:
    from collections.abc import Iterator

    from noxden.ci.report.cases import Failure, Results

__all__ = ["Place", "annotate_lint", "annotate_tests", "relate", "says_problems"]

_FRAME = re.compile(r"^(?P<file>[^\s:][^:\n]*):(?P<line>\d+):", re.MULTILINE)
"""A frame as pytest shows it: ``tests/test_it.py:7: AssertionError``, ``a.py:4: in bad``."""
_NATIVE = re.compile(r'^ *File "(?P<file>[^"\n]+)", line (?P<line>\d+)', re.MULTILINE)
"""A frame as Python shows it."""
_INSTALLED = ("site-packages", "dist-packages", ".nox", ".venv", ".tox")
_RUFF = re.compile(r"^::(?P<level>error|warning) (?P<values>[^\n]*?)::(?P<message>[^\n]*)$")
_MYPY = re.compile(r"^(?P<file>[^:\n]+):(?P<line>\d+):(?:\d+:)? error: (?P<message>[^\n]+)$")
_ANSI = re.compile(r"\x1b\[[0-9;]*[A-Za-z]")
_ESCAPES = (("%0D", "\r"), ("%0A", "\n"), ("%3A", ":"), ("%2C", ","), ("%25", "%"))


class Place(NamedTuple):
    """Where files are looked for, and what their names are relative to."""

    project: Path
    """Where the programs ran."""
    root: Path
    """The root of the repository."""


def annotate_tests(tests: Results, place: Place) -> tuple[Annotation, ...]:
    """An error for each failure that is kept, at the last line within the project."""
    return tuple(
        Annotation("error", _tell(failure), failure.title, file, line)
        for failure in tests.failures
        for file, line in [_locate(failure, place)]
    )


def _tell(failure: Failure) -> str:
    return f"{failure.message}\n\n{failure.text}".strip()


def _locate(failure: Failure, place: Place) -> tuple[str, int]:
    """File and line of a failure; no file where nothing in the project is named."""
    for file, line in _collect_places(failure):
        if name := relate(file, place):
            return name, line
    return "", 0


def _collect_places(failure: Failure) -> Iterator[tuple[str, int]]:
    """Where a failure may be, best first."""
    frames = [*_FRAME.finditer(failure.text)] or [*_NATIVE.finditer(failure.text)]
    for frame in reversed(frames):
        yield frame["file"], int(frame["line"])
    if failure.file:
        yield failure.file, failure.line
    module = failure.classname.split(".")
    for length in range(len(module), 0, -1):
        yield "/".join(module[:length]) + ".py", 0


def relate(file: str, place: Place) -> str:
    """The name of ``file`` relative to the root; empty where it is no file of the project."""
    # Not resolved link by link: what counts is where the project has it.
    path = Path(os.path.normpath(place.project / file))
    try:
        is_ours = path.is_relative_to(place.project) and path.is_file()
    except (OSError, ValueError):
        return ""
    if not is_ours or set(path.relative_to(place.project).parts) & {*_INSTALLED}:
        return ""
    return os.path.relpath(path, place.root)


def says_problems(words: tuple[str, ...]) -> bool:
    """Whether a command is one whose output :func:`annotate_lint` reads."""
    return words[:2] == ("ruff", "check") or words[:1] == ("mypy",)


def annotate_lint(said: str, place: Place) -> tuple[str, tuple[Annotation, ...]]:
    """What ruff, told to speak GitHub's language, or mypy said: for people, and as annotations."""
    lines: list[str] = []
    found: list[Annotation] = []
    by_ruff = 0
    for line in _ANSI.sub("", said).splitlines():
        if ruff := _RUFF.match(line):
            by_ruff += 1
            found.append(_read_ruff(ruff, place))
            lines.append(found[-1].message)
            continue
        lines.append(line)
        if mypy := _MYPY.match(line):
            name = relate(mypy["file"], place)
            found.append(Annotation("error", mypy["message"], "mypy", name, int(mypy["line"])))
    if by_ruff:
        lines.append(f"Found {by_ruff} error{'' if by_ruff == 1 else 's'}.")
    return "\n".join(lines) + "\n" if lines else "", tuple(found)


def _read_ruff(line: re.Match[str], place: Place) -> Annotation:
    pairs = dict(pair.partition("=")[::2] for pair in line["values"].split(","))
    values = {name: _unescape(value) for name, value in pairs.items()}
    number = values.get("line", "")
    return Annotation(
        "error" if line["level"] == "error" else "warning",
        _unescape(line["message"]),
        values.get("title", ""),
        relate(values.get("file", ""), place),
        int(number) if number.isdecimal() else 0,
    )


def _unescape(text: str) -> str:
    for escape, sign in _ESCAPES:
        text = text.replace(escape, sign)
    return text
