"""One JUnit file for a run: a suite for each file, a case for each test.

Cases have the properties ``card``, ``attempt`` and ``batch`` of the try that stands for the
verdict, and ``result.retried`` once for each reason they were tried again: ``signal`` (a process
died), ``stall``, ``pod`` (card, host or worker) and ``flaky``. A flaky test has passed, and tells
the failure in a ``flakyFailure`` as Surefire does. A test without a result is an error. A file
that could not be collected is a suite with one error.

Suites are put in by ``append``: the ``add_`` methods of junitparser look at all that is there.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from junitparser import Error, Failure, Properties, Property, Skipped
from junitparser.xunit2 import FlakyFailure, JUnitXml, TestCase, TestSuite

from noxden.devices.outcome import render_utc

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from junitparser.junitparser import Result

    from noxden.devices.outcome import Outcome, TestRecord
    from noxden.devices.values import Broken

__all__ = ["clean_xml", "make_junit", "split_id"]

_ILLEGAL = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


def make_junit(outcome: Outcome) -> JUnitXml:
    """The whole run as JUnit."""
    files: dict[str, list[TestRecord]] = {}
    for record in outcome.records:
        files.setdefault(record.file, []).append(record)
    xml = JUnitXml(f"noxden device {outcome.title}")
    for file, records in files.items():
        xml.append(_make_suite(outcome, file, (_make_case(record) for record in records)))
    for broken in outcome.broken:
        xml.append(_make_suite(outcome, broken.file, [_make_broken(broken)]))
    xml.update_statistics()
    return xml


def _make_suite(outcome: Outcome, file: str, cases: Iterable[TestCase]) -> TestSuite:
    suite = TestSuite(clean_xml(file))
    suite.file = clean_xml(file)
    suite.hostname = clean_xml(outcome.host)
    suite.timestamp = render_utc(outcome.started)
    suite.extend(cases)
    return suite


def _make_case(record: TestRecord) -> TestCase:
    name, classname = split_id(record.id)
    last = record.last
    case = TestCase(clean_xml(name), clean_xml(classname), last.seconds if last else 0.0)
    properties = Properties()
    properties.extend(Property(*pair) for pair in _describe(record))
    case.append(properties)
    case.extend(_make_results(record))
    return case


def _describe(record: TestRecord) -> Iterator[tuple[str, str]]:
    if record.last is not None:
        yield "card", clean_xml(record.last.card)
        yield "attempt", str(record.last.attempt)
        yield "batch", str(record.last.batch)
    for reason in record.retried:
        yield "result.retried", reason


def _make_results(record: TestRecord) -> Iterator[Result]:
    last = record.last
    message = clean_xml(last.message) if last else ""
    match record.verdict:
        case "failed":
            kind = Failure if last and last.outcome else Error
            yield _fill(kind(message, last.status if last else ""), last.stack if last else "")
        case "skipped":
            yield Skipped(message, "pytest.skip")
        case "xfailed":
            yield Skipped(message, "pytest.xfail")
        case "flaky":
            bad = record.first_failure
            if bad is not None:
                yield _fill(FlakyFailure(clean_xml(bad.message), bad.reason), bad.stack)
        case "infra" | "not-run":
            yield Error(message or "it was never begun", record.verdict)
        case _:
            return


def _fill(result: Result, stack: str) -> Result:
    result.text = clean_xml(stack)
    return result


def _make_broken(broken: Broken) -> TestCase:
    case = TestCase("collection", clean_xml(broken.file), 0.0)
    first, _, _ = broken.message.strip().partition("\n")
    case.append(_fill(Error(clean_xml(first), "collection"), broken.message))
    return case


def split_id(test: str) -> tuple[str, str]:
    """Name and class name of a test as JUnit has them; parameters may hold anything.

    >>> split_id("tests/test_ops.py::TestAdd::test_it[a::b]")
    ('test_it[a::b]', 'tests.test_ops.TestAdd')
    """
    plain, bracket, parameters = test.partition("[")
    file, *inner = plain.split("::")
    name = inner.pop() if inner else ""
    module = file.removesuffix(".py").replace("/", ".")
    return f"{name}{bracket}{parameters}", ".".join([module, *inner])


def clean_xml(text: str) -> str:
    r"""``text`` with what XML cannot hold written as Python escapes it.

    >>> clean_xml("a\x1b[31m")
    'a\\x1b[31m'
    """
    return _ILLEGAL.sub(lambda found: ascii(found[0])[1:-1], text)
