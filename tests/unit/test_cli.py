from __future__ import annotations

import json
import subprocess
import sys
from importlib import import_module
from typing import TYPE_CHECKING

import pytest

from noxden import cli
from noxden.cli import Caller, main
from noxden.errors import SafetyError

if TYPE_CHECKING:
    from pathlib import Path

    import click


@pytest.fixture
def caller(tmp_path: Path) -> Caller:
    return Caller({"NOXDEN_DIR": str(tmp_path / "den"), "HOME": str(tmp_path)}, tmp_path)


def fail(monkeypatch: pytest.MonkeyPatch, error: BaseException) -> None:
    """Make every command end with ``error``."""

    def run(*_args: object, **_options: object) -> None:
        raise error

    monkeypatch.setattr(cli.noxden, "main", run)


@pytest.mark.parametrize("name", sorted(cli._COMMANDS))
def test_every_command_says_what_it_does_with_examples(
    name: str, caller: Caller, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main([name, "--help"], caller) == 0

    said = capsys.readouterr().out
    assert f"Usage: noxden {name}" in said
    assert f"Examples:\n    noxden {name}" in said


def test_every_listing_has_json() -> None:
    commands = [import_module(f"noxden.commands.{name}").command for name in cli._COMMANDS]
    listings = [part for one in commands for part in getattr(one, "commands", {"": one}).values()]

    assert [one.name for one in listings if "--json" not in options_of(one)] == []


def options_of(command: click.Command) -> list[str]:
    return [option for parameter in command.params for option in parameter.opts]


def test_help_imports_no_command_and_neither_nox_nor_rich() -> None:
    code = (
        "import sys; from noxden.cli import main; main(['--help'])\n"
        "print([m for m in ('nox', 'rich', 'noxden.commands', 'msgspec') if m in sys.modules])"
    )

    said = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)

    assert said.stdout.splitlines()[-1] == "[]"


def test_an_error_of_noxden_is_one_sentence_and_its_exit_code(
    monkeypatch: pytest.MonkeyPatch, caller: Caller, capsys: pytest.CaptureFixture[str]
) -> None:
    fail(monkeypatch, SafetyError("the den is somebody else's"))

    assert main([], caller) == 4
    assert capsys.readouterr() == ("", "noxden: the den is somebody else's\n")


def test_ctrl_c_ends_with_130_and_says_nothing(
    monkeypatch: pytest.MonkeyPatch, caller: Caller, capsys: pytest.CaptureFixture[str]
) -> None:
    fail(monkeypatch, KeyboardInterrupt())

    assert main([], caller) == 130
    assert capsys.readouterr() == ("", "")


def test_a_full_disk_is_infrastructure(
    monkeypatch: pytest.MonkeyPatch, caller: Caller, capsys: pytest.CaptureFixture[str]
) -> None:
    fail(monkeypatch, OSError(28, "No space left on device", "/den/envs"))

    assert main([], caller) == 3
    said = "noxden: /den/envs: No space left on device; run: noxden doctor\n"
    assert capsys.readouterr().err == said


def test_a_bug_is_told_as_one_without_a_traceback(
    monkeypatch: pytest.MonkeyPatch, caller: Caller, capsys: pytest.CaptureFixture[str]
) -> None:
    fail(monkeypatch, ZeroDivisionError("division by zero"))

    assert main([], caller) == 70
    assert capsys.readouterr().err == (
        "noxden: a bug in noxden: ZeroDivisionError: division by zero "
        "(NOXDEN_DEBUG=1 shows where)\n"
    )


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["explian"], "noxden has no command 'explian'; did you mean explain?"),
        (["gc", "--dryrun"], "No such option '--dryrun'"),
        (["explain"], "Missing argument 'SESSION'"),
    ],
)
def test_a_wrong_command_line_ends_with_2_and_the_nearest_name(
    words: list[str], said: str, caller: Caller, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(words, caller) == 2
    assert said in capsys.readouterr().err


@pytest.mark.parametrize(
    ("variable", "value", "message"),
    [
        ("NOXDEN_DRI", "/x", "unknown environment variable NOXDEN_DRI; did you mean NOXDEN_DIR?"),
        (
            "NOXDEN_TRUST", "Untrusted",
            "environment variable NOXDEN_TRUST is to be trusted or untrusted, got 'Untrusted'",
        ),
        (
            "NOXDEN_DEBUG", "maybe",
            "environment variable NOXDEN_DEBUG is to be 1 or 0, got 'maybe'",
        ),
        (
            "NOXDEN_DIR", "den",
            "NOXDEN_DIR=den cannot be the den; set NOXDEN_DIR to the absolute path of a directory",
        ),
    ],
)  # fmt: skip
def test_a_variable_that_is_wrong_ends_every_command_with_2(
    variable: str, value: str, message: str, caller: Caller, capsys: pytest.CaptureFixture[str]
) -> None:
    wrong = caller._replace(env={**caller.env, variable: value})

    assert main(["envs"], wrong) == 2
    assert capsys.readouterr() == ("", f"noxden: {message}\n")


def test_doctor_tells_of_a_wrong_variable_and_goes_on(
    caller: Caller, capsys: pytest.CaptureFixture[str]
) -> None:
    wrong = caller._replace(env={**caller.env, "NOXDEN_DRI": "/x"})

    assert main(["doctor", "--json"], wrong) == 3
    said = json.loads(capsys.readouterr().out)
    assert said[0]["message"].startswith("unknown environment variable NOXDEN_DRI; did you")
    assert "variables" in {one["check"] for one in said}


WINDOWS = "noxden: noxden needs a POSIX system and does not run on Windows; use WSL\n"


def test_windows_is_told_in_one_sentence(
    monkeypatch: pytest.MonkeyPatch, caller: Caller, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(sys, "platform", "win32")

    assert main(["envs"], caller) == 2
    assert capsys.readouterr() == ("", WINDOWS)


def test_a_noxfile_on_windows_ends_before_anything_of_posix_is_imported() -> None:
    code = (
        "import sys; sys.platform = 'win32'; sys.modules['fcntl'] = None\n"
        "import noxden\n"
        "noxden.unit()\n"
    )

    ran = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)

    assert (ran.returncode, ran.stdout, ran.stderr) == (2, "", WINDOWS)


def test_the_command_reaches_its_refusal_of_windows_without_posix() -> None:
    code = (
        "import sys; sys.modules['fcntl'] = None\n"
        "import click, noxden.cli as cli\n"
        "sys.platform = 'win32'\n"
        "sys.exit(cli.main(['envs']))\n"
    )

    ran = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)

    assert (ran.returncode, ran.stdout, ran.stderr) == (2, "", WINDOWS)


def test_a_reader_that_leaves_early_is_no_error(tmp_path: Path) -> None:
    code = "from noxden.cli import main; import sys; sys.exit(main(['config']))"
    env = {"NOXDEN_DIR": str(tmp_path / "den"), "HOME": str(tmp_path)}

    with subprocess.Popen(
        [sys.executable, "-c", code],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        env=env,
        cwd=tmp_path,
    ) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        process.stdout.close()
        said = process.stderr.read()

    assert (process.returncode, said) == (0, b"")


def test_config_shows_no_password(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "pyproject.toml").write_text(
        '[tool.noxden.den]\nremote = "webdav://me:word@files.example/x"\n'
    )
    env = {
        "NOXDEN_DIR": str(tmp_path / "den"),
        "NOXDEN_REMOTE": "webdav://you:word@files.example/y",
        "NOXDEN_REMOTE_PASSWORD": "word",
    }
    assert main(["config", "--json"], Caller(env, tmp_path)) == 0
    said = capsys.readouterr().out
    assert "word@" not in said
    assert '"value": "word"' not in said
    assert "webdav://***@files.example/x" in said
    assert "webdav://***@files.example/y" in said
