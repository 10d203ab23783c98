from __future__ import annotations

import os
import time
from typing import TYPE_CHECKING

from noxden.den import owners
from noxden.den.lifecycle import find_replaced, publish
from noxden.den.owners import find_leftovers, sibling_name

if TYPE_CHECKING:
    from pathlib import Path

    import pytest

HOUR = 3600.0


def test_a_sibling_of_another_host_or_container_is_left_alone_for_a_day(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    recent, old = tmp_path / sibling_name(), tmp_path / sibling_name()
    for folder, age in ((recent, 23 * HOUR), (old, 25 * HOUR)):
        folder.mkdir()
        os.utime(folder, (time.time() - age, time.time() - age))
    assert list(find_leftovers(tmp_path)) == []

    monkeypatch.setattr(owners, "_place", lambda: "elsewhere")

    assert list(find_leftovers(tmp_path)) == [old]


def test_a_sibling_whose_process_id_went_to_another_process_is_a_left_over(tmp_path: Path) -> None:
    prefix, place, pid, start, token = sibling_name().split("-", 4)
    stale = tmp_path / "-".join([prefix, place, pid, str(int(start) - 1), token])
    stale.mkdir()

    assert list(find_leftovers(tmp_path)) == [stale]


def test_what_was_replaced_is_nobody_s_left_over_for_a_day(tmp_path: Path) -> None:
    entry = tmp_path / "entry"
    entry.mkdir()
    os.utime(entry, (0, 0))
    publish(
        entry,
        lock=tmp_path / "locks" / "entry.lock",
        is_whole=lambda path: (path / "whole").exists(),
        build=lambda sibling: (sibling / "whole").touch(),
    )
    [(replaced, name)] = find_replaced(tmp_path)

    assert name == "entry"
    assert list(find_leftovers(tmp_path)) == []
    os.utime(replaced, (time.time() - 25 * HOUR, time.time() - 25 * HOUR))
    assert list(find_leftovers(tmp_path)) == [replaced]
