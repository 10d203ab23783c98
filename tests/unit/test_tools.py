"""The doors to other programs: what is passed on, what is kept out, how failures are told."""

from __future__ import annotations

import logging
import os
import re
import shlex
import shutil
import sys
from pathlib import Path

import pytest

from noxden.errors import InfrastructureError, SafetyError, UsageError
from noxden.tools.complaints import explain_export_failure, explained, first_cause
from noxden.tools.process import Completed, ProgramError, hide_users
from noxden.tools.process import run as run_program
from noxden.tools.uv import LEAKS, Uv, compute_uv_environment, find_uv


def python(code: str, **options: object) -> Completed:
    return run_program([sys.executable, "-c", code], env=os.environ, **options)  # type: ignore[arg-type]


def test_a_program_gets_exactly_the_environment_it_is_given() -> None:
    said = run_program(
        [sys.executable, "-c", "import os; print(os.environ.get('ONLY'), 'HOME' in os.environ)"],
        env={"ONLY": "this"},
    )
    assert said.stdout == "this False\n"


def test_a_program_reads_what_it_is_given_and_nothing_else() -> None:
    code = "import sys; print(repr(sys.stdin.read()))"
    assert python(code, stdin="hello").stdout == "'hello'\n"
    assert python(code).stdout == "''\n"


def test_what_a_program_prints_may_be_any_bytes() -> None:
    assert python(r"import sys; sys.stdout.buffer.write(b'\xff')").stdout == "\ufffd"


def test_an_unexpected_code_shows_command_code_and_both_streams() -> None:
    code = "import sys; print('out'); print('err', file=sys.stderr); sys.exit(3)"
    with pytest.raises(ProgramError) as caught:
        python(code)
    command = shlex.join([sys.executable, "-c", code])
    assert str(caught.value) == f"`{command}` ended with code 3:\nout\nerr"
    assert caught.value.exit_code == 3
    assert python(code, expect=(0, 3)).returncode == 3


def test_a_silent_failure_says_that_it_was_silent() -> None:
    with pytest.raises(ProgramError, match="ended with code 1 and said nothing$"):
        python("raise SystemExit(1)")


def test_a_program_that_cannot_be_started_says_so() -> None:
    with pytest.raises(InfrastructureError) as caught:
        run_program(["/nowhere/program"], env={})
    assert str(caught.value) == (
        "cannot start /nowhere/program: No such file or directory; is it installed and executable?"
    )


def test_commands_are_logged_as_they_could_be_typed(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG, "noxden")
    python("pass # it's")
    assert caplog.messages == [f"""{sys.executable} -c 'pass # it'"'"'s'"""]


PRIVATE = "https://me:s3cret@packages.example/simple"


def test_users_of_urls_are_not_logged(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG, "noxden")
    run_program([sys.executable, "-c", "pass", f"--index={PRIVATE}"], env=os.environ)
    shown = "'--index=https://***@packages.example/simple'"
    assert caplog.messages == [f"{sys.executable} -c pass {shown}"]


def test_users_of_urls_are_in_no_error_of_a_program() -> None:
    code = "import sys; print(sys.argv[1]); sys.exit('no ' + sys.argv[1] + ', no t://tok@en')"
    with pytest.raises(ProgramError) as caught:
        run_program([sys.executable, "-c", code, PRIVATE], env=os.environ)
    url = "https://***@packages.example/simple"
    assert str(caught.value) == (
        f"`{shlex.join([sys.executable, '-c', code.replace('tok', '***'), url])}` "
        f"ended with code 1:\n{url}\nno {url}, no t://***@en"
    )
    assert "s3cret" not in repr(caught.value.completed)


def test_what_is_no_user_is_shown() -> None:
    for said in ("https://packages.example/@scope/x@1", "a@b.example", "https://a.example me@b"):
        assert hide_users(said) == said


# uv


def test_uv_runs_without_what_would_lead_it_elsewhere() -> None:
    env = dict.fromkeys(LEAKS, "x") | {"PATH": "/bin", "UV_INDEX_URL": "https://i"}
    assert compute_uv_environment(env, Path("/den/uv"), offline=False) == {
        "PATH": "/bin",
        "UV_INDEX_URL": "https://i",
        "UV_CACHE_DIR": "/den/uv",
        "UV_LINK_MODE": "clone",
        "UV_NO_PROGRESS": "1",
        "UV_PREVIEW_FEATURES": "pylock",
    }


HARMLESS = {
    # Set by noxden itself, or they say how files are written and what is shown.
    "UV_CACHE_DIR", "UV_COMPILE_BYTECODE", "UV_LINK_MODE", "UV_NO_PROGRESS", "UV_OFFLINE",
    # Where files come from: what they are, uv.lock says, with a hash.
    "UV_DEFAULT_INDEX", "UV_EXTRA_INDEX_URL", "UV_FIND_LINKS", "UV_INDEX", "UV_INDEX_STRATEGY",
    "UV_INDEX_URL", "UV_INSECURE_HOST", "UV_KEYRING_PROVIDER", "UV_SYSTEM_CERTS",
    "UV_TORCH_BACKEND",
    # How a lock is made: uv export --locked refuses a lock that was made otherwise.
    "UV_FORK_STRATEGY", "UV_NO_SOURCES", "UV_NO_SOURCES_PACKAGE", "UV_PRERELEASE", "UV_RESOLUTION",
    # Part of the key: see BUILD_VARIABLES.
    "UV_EXCLUDE_NEWER", "UV_NO_BINARY", "UV_NO_BINARY_PACKAGE", "UV_NO_BUILD_ISOLATION",
    # With these uv fails instead of building.
    "UV_NO_BUILD", "UV_NO_BUILD_PACKAGE",
    # Which settings are read: noxden reads the same (read_user_settings).
    "UV_CONFIG_FILE", "UV_NO_CONFIG",
    # Which interpreter is found: the key has its path and build, the memo these variables.
    "UV_MANAGED_PYTHON", "UV_NO_MANAGED_PYTHON", "UV_PYTHON_DOWNLOADS", "UV_PYTHON_INSTALL_BIN",
    "UV_PYTHON_INSTALL_DIR", "UV_PYTHON_INSTALL_REGISTRY",
    # Only for a Python that is no virtual environment.
    "UV_BREAK_SYSTEM_PACKAGES",
}  # fmt: skip
"""Variables of uv that change neither what is selected nor where it is installed."""


@pytest.mark.parametrize(
    "command",
    [
        "export", "sync", "venv", "pip sync", "pip install", "pip check", "python find",
        "python install",
    ],
)  # fmt: skip
def test_every_variable_of_the_commands_that_are_used_is_kept_out_or_known_to_be_harmless(
    command: str,
) -> None:
    words: list[str | Path] = [find_uv(os.environ), *command.split(), "--help"]
    found = set(re.findall(r"\bUV_[A-Z_]+", run_program(words, env=os.environ).stdout))
    assert found > {"UV_CACHE_DIR"}
    assert found - HARMLESS - LEAKS == set()
    assert not HARMLESS & LEAKS


def test_uv_is_told_to_stay_offline() -> None:
    assert compute_uv_environment({}, Path("/x"), offline=True)["UV_OFFLINE"] == "1"


def test_uv_keeps_the_callers_cache_where_the_den_cannot_be_written() -> None:
    assert "UV_CACHE_DIR" not in compute_uv_environment({}, None, offline=False)
    env = {"UV_CACHE_DIR": "/mine"}
    assert compute_uv_environment(env, None, offline=False)["UV_CACHE_DIR"] == "/mine"


def test_the_uv_that_is_named_is_used(tmp_path: Path) -> None:
    program = tmp_path / "uv"
    program.write_text("")
    program.chmod(0o755)
    assert find_uv({"UV": str(program)}) == program
    assert find_uv({"UV": "uv", "PATH": str(tmp_path)}) == program


def test_without_a_uv_beside_noxden_the_one_on_the_path_is_used(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    program = tmp_path / "uv"
    program.write_text("")
    program.chmod(0o755)
    monkeypatch.setitem(sys.modules, "uv", None)
    assert find_uv({"PATH": str(tmp_path)}) == program
    with pytest.raises(InfrastructureError) as caught:
        find_uv({"PATH": "/nowhere"})
    assert str(caught.value) == (
        "uv is not installed: no uv beside noxden and none on PATH; run: pip install uv"
    )


def test_an_interpreter_that_cannot_be_downloaded_is_none(tmp_path: Path) -> None:
    uv = Uv({**os.environ, "UV_PYTHON_DOWNLOADS": "never"}, tmp_path / "uv", offline=True)
    assert not uv.install_python("3.99", cwd=tmp_path)
    assert uv.find_python("3.99", cwd=tmp_path) is None
    assert uv.version >= (0, 13)


def test_a_cause_that_uv_wraps_becomes_one_line() -> None:
    said = (
        "Using Python 3.12.1\n"
        "error: Failed to install: x.whl\n"
        "  cause: Could not write:\n"
        "         /a/b\n"
        "  cause: broken\n"
        "hint: try something\n"
    )
    assert first_cause(said) == "Failed to install: x.whl; Could not write: /a/b; broken"


@pytest.mark.parametrize(
    ("said", "cause"),
    [("", "it said nothing"), (" \n", "it said nothing"), ("one\n  two\n", "one two")],
)
def test_what_has_no_cause_is_told_as_it_is(said: str, cause: str) -> None:
    assert first_cause(said) == cause


def test_what_a_build_backend_printed_is_shown_before_the_sentence(
    caplog: pytest.LogCaptureFixture,
) -> None:
    said = (
        "error: Failed to build `x @ file:///x`\n"
        "  cause: The build backend returned an error\n"
        "  cause: Call to `setuptools.build_meta.build_wheel` failed (exit status: 1)\n"
        "\n"
        "         [stderr]\n"
        "         src/x.c:1: error: expected ;\n"
        "         error: command cc failed\n"
    )
    with pytest.raises(InfrastructureError) as caught, explained("install x"):
        raise ProgramError(Completed(("uv",), 1, "", said))
    assert str(caught.value) == (
        "uv cannot install x: Failed to build `x @ file:///x`; The build backend returned an "
        "error; Call to `setuptools.build_meta.build_wheel` failed (exit status: 1); "
        "NOXDEN_DEBUG=1 shows the commands"
    )
    assert caplog.messages == [said.strip()]


def test_a_file_that_is_not_the_one_in_the_lock_is_refused_for_safety() -> None:
    said = (
        "error: Failed to read `x @ file:///x.whl`\n"
        "  cause: Hash mismatch for `x @ file:///x.whl`\n"
        "\n"
        "         Expected:\n"
        "           sha256:aa\n"
        "\n"
        "         Computed:\n"
        "           sha256:bb\n"
    )
    with pytest.raises(SafetyError) as caught, explained("install x"):
        raise ProgramError(Completed(("uv",), 1, "", said))
    assert str(caught.value) == (
        "uv cannot install x: Failed to read `x @ file:///x.whl`; Hash mismatch for `x @ "
        "file:///x.whl` Expected: sha256:aa Computed: sha256:bb; find out who changed the file, "
        "then run: uv lock --refresh"
    )


@pytest.mark.parametrize(
    ("said", "kind", "message"),
    [
        (
            "error: The lockfile at `uv.lock` needs to be updated",
            UsageError,
            "/p/uv.lock does not fit pyproject.toml; run: uv lock",
        ),
        (
            "error: Failed to write\n  cause: No space left on\n         device (os error 28)",
            InfrastructureError,
            "uv cannot read /p: Failed to write; No space left on device (os error 28); "
            "free space, then run again",
        ),
        (
            "error: Failed to fetch: `https://i/simple/x`",
            InfrastructureError,
            "uv cannot read /p: Failed to fetch: `https://i/simple/x`; "
            "make sure that the index can be reached, then run again",
        ),
        ("error: strange", UsageError, "uv cannot read the project in /p: strange"),
    ],
)
def test_a_failed_export_is_told_in_one_sentence(
    said: str, kind: type[Exception], message: str
) -> None:
    error = explain_export_failure(said, Path("/p"))
    assert (type(error), str(error)) == (kind, message)


def test_uv_is_there_for_these_tests() -> None:
    assert shutil.which(str(find_uv(os.environ)))
