"""Steps are run to the last, and what they said is shown where it matters."""

from __future__ import annotations

import io
from typing import TYPE_CHECKING

import pytest

from noxden.sessions.output import StepResult
from noxden.sessions.steps import Command, Ended, Files, Step, StepError, run_steps

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path


class Fake:
    """A runner whose programs end as they are told to."""

    def __init__(self, ends: Mapping[str, Ended | None], missing: Sequence[str] = ()) -> None:
        self.ends = ends
        self.missing = missing
        self.ran: list[list[str]] = []

    def has(self, program: str) -> bool:
        return program not in self.missing

    def run(self, words: Sequence[str], env: Mapping[str, str]) -> Ended | None:
        assert dict(env) == {}
        self.ran.append(list(words))
        return self.ends[words[0]]


def step(name: str, **more: object) -> Step:
    return Step(name, (Command((name,)),), **more)  # type: ignore[arg-type]


def run(fake: Fake, *steps: Step) -> tuple[StepResult, ...]:
    return run_steps(steps, fake, log=lambda _: None, clock=lambda: 0.0)


def test_a_failed_step_does_not_stop_the_others() -> None:
    fake = Fake({"a": Ended(0, "fine\n"), "b": Ended(2, "x\nbad\n"), "c": Ended(0, "")})
    assert run(fake, step("a"), step("b"), step("c")) == (
        StepResult("a", "passed", 0.0, "fine"),
        StepResult("b", "failed", 0.0, "code 2: bad"),
        StepResult("c", "passed", 0.0, ""),
    )
    assert fake.ran == [["a"], ["b"], ["c"]]


def test_only_what_failed_steps_said_is_shown(capsys: pytest.CaptureFixture[str]) -> None:
    run(Fake({"a": Ended(0, "quiet: fine\n"), "b": Ended(1, "loud\nbad\n")}), step("a"), step("b"))
    shown = capsys.readouterr().out
    before, _, table = shown.partition("step  status")
    assert before == "loud\nbad\n"
    assert "quiet: fine" in table


def test_what_needs_a_failed_step_is_skipped_and_so_is_what_needs_that() -> None:
    fake = Fake({"sdist": Ended(1, "no\n"), "alone": Ended(0, "")})
    steps = (
        step("sdist"),
        step("wheel", needs=("sdist",)),
        step("install", needs=("wheel",)),
        step("alone"),
    )
    assert run(fake, *steps) == (
        StepResult("sdist", "failed", 0.0, "code 1: no"),
        StepResult("wheel", "skipped", 0.0, "needs sdist"),
        StepResult("install", "skipped", 0.0, "needs wheel"),
        StepResult("alone", "passed", 0.0, ""),
    )


def test_a_missing_program_fails_its_step_with_advice_and_is_not_started() -> None:
    fake = Fake({}, missing=["ruff"])
    missing = step("format", requires="ruff", advice="not in group lint; run: uv add ruff")
    assert run(fake, missing) == (
        StepResult("format", "failed", 0.0, "ruff is not in group lint; run: uv add ruff"),
    )
    assert fake.ran == []


def test_the_first_command_that_fails_ends_its_step() -> None:
    fake = Fake({"one": Ended(1, ""), "two": Ended(0, "")})
    assert run(fake, Step("both", (Command(("one",)), Command(("two",))))) == (
        StepResult("both", "failed", 0.0, "code 1: one said nothing"),
    )
    assert fake.ran == [["one"]]


def test_nothing_is_run_for_install_only() -> None:
    def never() -> str:
        raise AssertionError

    assert run(Fake({"a": None}), step("a", check=never)) == (
        StepResult("a", "skipped", 0.0, "--install-only"),
    )


def test_a_check_gives_the_detail_and_can_fail_the_step(capsys: pytest.CaptureFixture[str]) -> None:
    def fails() -> str:
        message = "differs"
        raise StepError(message, "all about it")

    steps = (Step("good", check=lambda: "3 files"), Step("bad", check=fails))
    assert run(Fake({}), *steps) == (
        StepResult("good", "passed", 0.0, "3 files"),
        StepResult("bad", "failed", 0.0, "differs"),
    )
    assert capsys.readouterr().out.startswith("all about it\n")


def test_a_full_disk_fails_the_step_and_not_the_session() -> None:
    def fails() -> str:
        raise OSError(28, "No space left on device", "dist/x.whl")

    assert run(Fake({}), Step("sums", check=fails)) == (
        StepResult("sums", "failed", 0.0, "dist/x.whl: No space left on device"),
    )


@pytest.mark.parametrize(
    ("said", "detail"),
    [
        ("Found 2 errors.\n[*] 1 fixable with the `--fix` option.\n", "Found 2 errors."),
        ("\x1b[1;32mSuccess\x1b[0m: no issues\n\n", "Success: no issues"),
        ("Successfully built /tmp/a b/x-1.whl", "Successfully built a b/x-1.whl"),
        ("Successfully built /tmp/work/first/x-1.whl", "Successfully built x-1.whl"),
        ("x (from file:///tmp/work/x-1.whl)", "x (from x-1.whl)"),
        ("see https://docs.example/rules/x", "see https://docs.example/rules/x"),
        ("y" * 200, "y" * 119 + "…"),
    ],
)
def test_the_detail_is_the_line_that_sums_up(said: str, detail: str) -> None:
    assert run(Fake({"a": Ended(0, said)}), step("a"))[0].detail == detail


def test_files_are_looked_for_when_the_step_starts(tmp_path: Path) -> None:
    command = Command(("twine", "check", Files(tmp_path, "*.whl"), tmp_path / "other"))
    assert command.expand() == ["twine", "check", f"{tmp_path}/other"]
    for name in ("b.whl", "a.whl", "c.txt"):
        (tmp_path / name).touch()
    found = [f"{tmp_path}/a.whl", f"{tmp_path}/b.whl"]
    assert command.expand() == ["twine", "check", *found, f"{tmp_path}/other"]


def test_the_table_is_wide_enough_where_the_output_is_no_terminal(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    out = io.StringIO()
    monkeypatch.setattr("sys.stdout", out)
    monkeypatch.setenv("COLUMNS", "40")
    run(Fake({"a": Ended(0, "z" * 80)}), step("a"))
    assert "z" * 80 in out.getvalue()
