"""What the backend tells nox without starting a process."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import nox.virtualenv
import pytest
from nox.command import CommandFailed

from noxden.errors import SafetyError
from noxden.sessions import backend
from noxden.sessions.backend import BACKEND, DenEnvironment, register_backend


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


@pytest.mark.parametrize(
    ("raised", "code", "message"),
    [
        (SafetyError("the den is somebody else's"), 4, "the den is somebody else's"),
        (
            OSError(28, "No space left on device", "/den/envs"), 3,
            "/den/envs: No space left on device; run: noxden doctor",
        ),
        (
            ValueError("embedded null byte"), 70,
            "a bug in noxden: ValueError: embedded null byte (NOXDEN_DEBUG=1 shows where)",
        ),
        (
            RuntimeError("no home"), 70,
            "a bug in noxden: RuntimeError: no home (NOXDEN_DEBUG=1 shows where)",
        ),
    ],
)  # fmt: skip
def test_whatever_keeps_an_environment_from_being_made_is_one_sentence(
    raised: Exception,
    code: int,
    message: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    environment = fail(tmp_path, monkeypatch, raised)

    with pytest.raises(CommandFailed) as caught:
        environment.create()

    assert caught.value.return_code == code
    assert caplog.messages == [f"{message} (exit code {code})"]
    assert caplog.records[0].exc_info is None
    summary = json.loads((tmp_path / ".noxden" / "x" / "summary.json").read_text("utf-8"))
    assert (summary["exit_code"], summary["message"]) == (code, message)


def test_the_traceback_is_shown_when_it_is_asked_for(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    environment = fail(tmp_path, monkeypatch, ValueError("embedded null byte"))
    monkeypatch.setenv("NOXDEN_DEBUG", "1")

    with pytest.raises(CommandFailed):
        environment.create()

    assert "ValueError: embedded null byte\n" in caplog.text
    assert "Traceback (most recent call last):" in caplog.text


def fail(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, raised: Exception) -> DenEnvironment:
    """An environment in ``tmp_path``, the working directory, whose making raises."""

    def prepare(_self: DenEnvironment) -> None:
        raise raised

    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(DenEnvironment, "_prepare", prepare)
    return DenEnvironment(str(tmp_path / ".nox" / "x"))


@pytest.mark.parametrize(
    ("session", "words", "found"),
    [
        ("unit", "-s unit -- --output out", "out"),
        ("unit-3.12", "-s unit -- -x --output=/a/out -k y", "/a/out"),
        ("unit", "-s unit", None),
        ("unit", "-s unit -- -- --output out", None),
        ("unit", "-s unit -- --output", None),
        ("unit", "-s unit --output out", None),
        ("units", "-s units -- --output out", None),
    ],
)
def test_a_session_of_a_factory_without_environment_writes_where_it_was_told(
    session: str, words: str, found: str | None
) -> None:
    backend.note_output_option("unit")

    assert backend._find_output(session, words.split()) == (Path(found) if found else None)
