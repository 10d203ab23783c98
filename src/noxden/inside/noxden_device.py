"""What a device session brings into pytest: collection to a file, and a batch out of it.

pytest loads it by ``-p noxden_device`` from a folder on PYTHONPATH, under any Python and without
anything else installed: it imports the standard library and pytest only.

A canonical id is pytest's node id with another path in front: of a test in an installed package
the path below its ``site-packages``, which is the same on every machine; of any other what pytest
says, relative to its root. PyTorch's wrapper files for devices out of its tree add
``__oot_wrapper``, which is left out.
"""

from __future__ import annotations

import json
import os
import signal
import threading
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from collections.abc import Generator

# Read once, before a conftest.py can change the environment.
_collect = os.environ.get("NOXDEN_ATTEMPT_COLLECT")
"""The file that gets what was collected; nothing is run then."""
_tests = os.environ.get("NOXDEN_ATTEMPT_TESTS")
"""The file with the canonical ids to run, a JSON list."""
_starts = os.environ.get("NOXDEN_ATTEMPT_STARTS")
"""The file that gets a line when a test begins: its canonical id as JSON."""
_lifeline = os.environ.get("NOXDEN_ATTEMPT_LIFELINE")
"""A descriptor that ends when noxden does; the whole process group ends with it."""

_MOST_PRINTED = 65_536
"""Characters of each stream of a test that go into its results."""
_WRAPPER = "__oot_wrapper"
_INSTALLED = ("site-packages", "dist-packages")

_broken: list[dict[str, str]] = []


def find_canonical(nodeid: str, path: Path) -> str:
    """The canonical id of the test or file ``nodeid`` that is at ``path``."""
    head, separator, rest = nodeid.partition("::")
    parts = path.parts
    at = max((parts.index(name) for name in _INSTALLED if name in parts), default=None)
    if at is not None:
        head = "/".join(parts[at + 1 :])
    elif not head:
        head = path.as_posix()
    return f"{head}{separator}{rest}".replace(_WRAPPER, "")


def _hold_lifeline(descriptor: int) -> None:
    """Wait for the end of noxden, and end this process and all of its group then."""
    os.read(descriptor, 1)
    os.killpg(os.getpgid(0), signal.SIGKILL)


def pytest_configure() -> None:
    """Follow noxden's own end."""
    if _lifeline is not None:
        threading.Thread(target=_hold_lifeline, args=(int(_lifeline),), daemon=True).start()


@pytest.hookimpl(wrapper=True)
def pytest_make_collect_report(
    collector: pytest.Collector,
) -> Generator[None, pytest.CollectReport, pytest.CollectReport]:
    """Note what cannot be collected."""
    report = yield
    if report.failed:
        file = find_canonical(collector.nodeid.partition("::")[0], collector.path)
        _broken.append({"file": file, "message": str(report.longrepr)})
    return report


def name_item(item: pytest.Item) -> str:
    """The canonical id of a test.

    pytest's own will not do: of files outside of its root that it is given by name it leaves out
    the path, so that tests of several files have one node id.
    """
    return find_canonical(item.nodeid, item.path)


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Keep the tests of the batch."""
    if _tests is None:
        return
    wanted = set(json.loads(Path(_tests).read_text("utf-8")))
    chosen = [(item, name_item(item) in wanted) for item in items]
    if left_out := [item for item, is_wanted in chosen if not is_wanted]:
        config.hook.pytest_deselected(items=left_out)
        items[:] = [item for item, is_wanted in chosen if is_wanted]


def pytest_collection_finish(session: pytest.Session) -> None:
    """Write down what was collected."""
    if _collect is not None:
        config = session.config
        named = [(name_item(item), item) for item in session.items]
        counts = Counter(name for name, _ in named)
        found = {
            "root": str(config.rootpath),
            "config": str(config.inipath or ""),
            "tests": [_describe(name, item) for name, item in dict(named).items()],
            "paths": {name.partition("::")[0]: str(item.path) for name, item in named},
            "broken": _broken,
            "repeated": sorted(name for name, count in counts.items() if count > 1),
        }
        Path(_collect).write_text(json.dumps(found), "utf-8")


@pytest.hookimpl(tryfirst=True)
def pytest_runtestloop() -> bool | None:
    """Run nothing where only the collection is wanted."""
    return None if _collect is None else True


@pytest.hookimpl(tryfirst=True)
def pytest_runtest_protocol(item: pytest.Item) -> None:
    """Say which test begins, so that it is known though the process dies in it."""
    if _starts is not None:
        line = json.dumps(name_item(item)) + "\n"
        descriptor = os.open(_starts, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
        os.write(descriptor, line.encode())
        os.close(descriptor)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item,
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Let reports name the test by its canonical id."""
    report = yield
    if _starts is not None:
        report.nodeid = name_item(item)
    return report


@pytest.hookimpl(tryfirst=True)
def pytest_runtest_logreport(report: pytest.TestReport) -> None:
    """Keep the end of what a test printed: with a gigabyte of it nobody can read the results."""
    if _starts is not None:
        report.sections = [
            (name, text if len(text) <= _MOST_PRINTED else f"[...]\n{text[-_MOST_PRINTED:]}")
            for name, text in report.sections
        ]


def _describe(name: str, item: pytest.Item) -> dict[str, Any]:
    """A test in the form of :class:`noxden.devices.values.Test`."""
    described: dict[str, Any] = {"id": name, "file": name.partition("::")[0]}
    if markers := sorted({marker.name for marker in item.iter_markers()}):
        described["markers"] = markers
    if (group := item.get_closest_marker("xdist_group")) is not None:
        described["group"] = str(group.kwargs.get("name") or (group.args or ("default",))[0])
    if (device := item.get_closest_marker("device")) is not None:
        cards = device.kwargs.get("cards", *device.args[:1] or (1,))
        if not isinstance(cards, int) or cards < 1:
            said = f"{name}: @pytest.mark.device(cards=n) takes a number from 1 on, got {cards!r}"
            _broken.append({"file": described["file"], "message": said})
            cards = 1
        described["cards"] = cards
    # An enumeration that PyTorch's test classes have since its pull request 186918.
    if (hw := getattr(getattr(item, "cls", None), "hw_classification", None)) is not None:
        described["hw"] = str(getattr(hw, "name", hw)).upper()
    return described
