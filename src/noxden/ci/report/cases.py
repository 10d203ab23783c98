"""What a JUnit file tells: how many tests came to what end, and which failed, and where.

The file is read piece by piece, because that of a device stage may have a hundred thousand cases,
and only the first failures are kept.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from pathlib import Path
    from xml.etree.ElementTree import Element

__all__ = ["MOST_KEPT", "Counts", "Failure", "Results", "read_results"]

MOST_KEPT = 20
"""Failures that are kept; the others are only counted."""
_LONGEST = 65_536
"""Characters of a traceback, from its end."""
_ENDS = {"failure": "failed", "error": "errors", "skipped": "skipped"}
"""What a case holds, worst first, and what the test counts as then."""


class Counts(NamedTuple):
    """How many tests came to what end."""

    passed: int = 0
    failed: int = 0
    skipped: int = 0
    """Those too that were expected to fail and did."""
    errors: int = 0
    """Failures outside of a test's own code, and tests without a result."""

    @property
    def bad(self) -> int:
        """Tests that did not do what they should."""
        return self.failed + self.errors


class Failure(NamedTuple):
    """A test that failed, or could not be run."""

    classname: str
    """``tests.test_ops.TestAdd``."""
    name: str
    message: str
    text: str = ""
    """The traceback."""
    file: str = ""
    line: int = 0
    """What the file says itself of where the test is; 0 is nothing."""

    @property
    def title(self) -> str:
        """``tests.test_ops.TestAdd::test_it[1]``."""
        return f"{self.classname}::{self.name}" if self.classname else self.name


class Results(NamedTuple):
    """The results of a run."""

    counts: Counts
    failures: tuple[Failure, ...] = ()
    """The first of them, at most :data:`MOST_KEPT`."""


def read_results(junit: Path) -> Results | None:
    """What the JUnit file tells; ``None`` where there is none that is whole."""
    from xml.etree import ElementTree as ET

    counts = dict.fromkeys(Counts._fields, 0)
    failures: list[Failure] = []
    suite_file = ""
    try:
        for event, element in ET.iterparse(junit, ("start", "end")):  # noqa: S314 - of this run
            if event == "start":
                suite_file = element.get("file", "") if element.tag == "testsuite" else suite_file
            elif element.tag == "testcase":
                end, result = _find_end(element)
                counts[end] += 1
                if end in {"failed", "errors"} and len(failures) < MOST_KEPT:
                    failures.append(_make_failure(element, result, suite_file))
                element.clear()
    except (OSError, ET.ParseError):
        return None
    return Results(Counts(**counts), tuple(failures))


def _find_end(case: Element) -> tuple[str, Element]:
    for tag, end in _ENDS.items():
        if (found := case.find(tag)) is not None:
            return end, found
    return "passed", case


def _make_failure(case: Element, result: Element, suite_file: str) -> Failure:
    line = case.get("line", "")
    return Failure(
        classname=case.get("classname", ""),
        name=case.get("name", ""),
        message=result.get("message", ""),
        text=(result.text or "")[-_LONGEST:],
        file=case.get("file", "") or suite_file,
        # pytest counts from 0 there (junit_family xunit1).
        line=int(line) + 1 if line.isdecimal() else 0,
    )
