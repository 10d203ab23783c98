"""What the backend tells nox without starting a process."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

import nox.virtualenv

from noxden.sessions import backend
from noxden.sessions.backend import BACKEND, DenEnvironment, register_backend

if TYPE_CHECKING:
    from pathlib import Path

    import pytest


def test_registering_twice_changes_nothing() -> None:
    register_backend()
    first = nox.virtualenv.ALL_VENVS[BACKEND]
    register_backend()
    assert nox.virtualenv.ALL_VENVS[BACKEND] is first is DenEnvironment


def test_nox_learns_about_other_backends_when_it_asks() -> None:
    found = backend._OptionalBackends()
    assert BACKEND not in found
    assert set(found) >= {"uv", "conda"}
    assert len(found) == len(list(found))
    assert found["uv"] is True


def test_uv_beside_noxden_is_what_nox_runs_where_none_is_on_the_path(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    from uv import find_uv_bin

    monkeypatch.delenv("UV", raising=False)
    monkeypatch.setenv("PATH", "/nowhere")
    monkeypatch.delitem(vars(nox.virtualenv), "UV", raising=False)
    register_backend()
    assert vars(nox.virtualenv)["UV"] == find_uv_bin()
    monkeypatch.setitem(sys.modules, "uv", None)
    assert backend._packaged_uv() == "uv"


def test_uv_is_allowed_in_a_session_without_asking_it(tmp_path: Path) -> None:
    environment = DenEnvironment(str(tmp_path / ".nox" / "x"))
    assert environment.allowed_globals == ("uv", "uvx")
