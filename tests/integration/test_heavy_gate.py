"""The gate of ``nox -s heavy`` under the real nox, with the variables of CI systems."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

from tests.sandbox import make_wheel

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from tests.conftest import MakeProject, RunNox
    from tests.sandbox import Index, Sample

LABEL = "run-heavy-deps"
NOXFILE = """
import noxden

noxden.heavy()
"""
SKIPPED = (
    f"pull request without the label {LABEL} (labels: docs, bug); add it, or start the run by "
    f"hand with the input {LABEL}, or wait for the scheduled run"
)


@pytest.fixture
def sample(project: MakeProject, index: Index) -> Sample:
    make_wheel(index.folder, "bulky", files={"bulky.py": "WEIGHT = 1\n"})
    more = f"{index.setting}\n[tool.uv.sources]\nbulky = {{ index = 'local' }}\n"
    made = project(groups={"test": ["pytest"], "heavy": ["bulky"]}, more=more, noxfile=NOXFILE)
    made.write(
        "tests/test_it.py",
        """
        import bulky
        import pytest


        @pytest.mark.heavy
        def test_bulky():
            assert bulky.WEIGHT == 1
        """,
    )
    index.seen.clear()
    return made


@pytest.fixture
def on_ci(sample: Sample, env: dict[str, str]) -> Callable[..., dict[str, str]]:
    """Variables of a job on GitHub with ``content`` as payload."""

    def make(name: str, content: Any, **more: str) -> dict[str, str]:
        file = sample.path.parent / "event.json"
        file.write_text(content if isinstance(content, str) else json.dumps(content))
        github = {
            "CI": "true",
            "GITHUB_ACTIONS": "true",
            "GITHUB_EVENT_NAME": name,
            "GITHUB_EVENT_PATH": str(file),
            "GITHUB_REF": "refs/heads/main",
            "GITHUB_REF_NAME": "main",
        }
        return {**env, **github, **more}

    return make


def pull_request(*labels: str, origin: str = "example/demo") -> dict[str, Any]:
    return {
        "action": "opened",
        "pull_request": {
            "labels": [{"name": name} for name in labels],
            "head": {"repo": {"full_name": origin}},
            "base": {"repo": {"full_name": "example/demo"}},
        },
        "repository": {"full_name": "example/demo", "default_branch": "main"},
    }


def read_summary(sample: Sample) -> dict[str, Any]:
    file = sample.path / ".noxden" / "heavy" / "summary.json"
    found: dict[str, Any] = json.loads(file.read_text("utf-8"))
    return found


def tell(sample: Sample) -> tuple[str, int, str]:
    """Status, exit code and message of the summary."""
    summary = read_summary(sample)
    return summary["status"], summary["exit_code"], summary["message"]


def entries(den: Path) -> list[str]:
    """The base environments and wheels of a den."""
    return [path.name for path in (*den.glob("envs/*"), *den.glob("wheels/??/*"))]


def test_a_pull_request_without_the_label_skips_the_session_and_makes_nothing(
    sample: Sample,
    nox: RunNox,
    on_ci: Callable[..., dict[str, str]],
    fresh_den: Path,
    index: Index,
) -> None:
    env = on_ci("pull_request", pull_request("docs", "bug"))
    ran = nox(sample, "-s", "heavy", "--report", "report.json", env=env, den=fresh_den)
    assert ran.code == 0, ran.text
    assert f"Session heavy skipped: {SKIPPED}" in ran.text
    assert tell(sample) == ("skipped", 0, SKIPPED)
    text = (sample.path / ".noxden" / "heavy" / "summary.md").read_text("utf-8")
    assert text == f"### heavy: skipped\n\n{SKIPPED}\n"
    report = json.loads((sample.path / "report.json").read_text())
    assert [(one["result"], one["reason"]) for one in report["sessions"]] == [("skipped", SKIPPED)]
    assert not (sample.path / ".nox" / "heavy").exists()
    assert entries(fresh_den) == []
    assert index.seen == []


def test_a_pull_request_with_the_label_runs_the_tests(
    sample: Sample, nox: RunNox, on_ci: Callable[..., dict[str, str]]
) -> None:
    env = on_ci("pull_request", pull_request("docs", LABEL))
    ran = nox(sample, "-s", "heavy", env=env)
    assert ran.code == 0, ran.text
    assert f"the gate is open: the pull request has the label {LABEL}" in ran.text
    assert tell(sample) == ("passed", 0, "")
    assert "1 passed" in ran.stdout


@pytest.mark.parametrize(
    ("event", "content", "open_gate"),
    [
        ("schedule", {}, True),
        ("workflow_dispatch", {"inputs": {LABEL: "true"}}, True),
        ("workflow_dispatch", {"inputs": {LABEL: "false"}}, False),
        ("push", {}, False),
    ],
)
def test_other_events_open_the_gate_or_do_not(
    sample: Sample,
    nox: RunNox,
    on_ci: Callable[..., dict[str, str]],
    event: str,
    content: Any,
    open_gate: bool,
) -> None:
    ran = nox(sample, "-s", "heavy", "--", "--prepare", env=on_ci(event, content))
    assert ran.code == 0, ran.text
    assert read_summary(sample)["status"] == ("passed" if open_gate else "skipped")


def test_on_ones_own_machine_nothing_is_skipped(sample: Sample, nox: RunNox) -> None:
    sample.write("noxfile.py", NOXFILE.replace("()", "(events=['never'])"))
    ran = nox(sample, "-s", "heavy", "--", "--prepare")
    assert (ran.code, tell(sample)[0]) == (0, "passed"), ran.text


def test_another_ci_system_skips_and_a_variable_opens(
    sample: Sample, nox: RunNox, env: dict[str, str]
) -> None:
    ran = nox(sample, "-s", "heavy", env={**env, "CI": "true"})
    assert ran.code == 0
    assert tell(sample)[2].startswith("run on a CI system that noxden does not know; ")
    always = {**env, "CI": "true", "NOXDEN_HEAVY_EVENTS": "always"}
    ran = nox(sample, "-s", "heavy", "--", "--prepare", env=always)
    assert (ran.code, tell(sample)[0]) == (0, "passed"), ran.text


@pytest.mark.parametrize(
    ("event", "content", "said"),
    [
        ("push", "{", "event.json is not JSON: "),
        ("push", "[]", "event.json is to hold an object, got a list"),
        ("workflow_dispatch", {"inputs": {LABEL: "perhaps"}}, "is to be true or false"),
    ],
)
def test_a_trigger_that_cannot_be_told_is_neither_run_nor_skipped(
    sample: Sample,
    nox: RunNox,
    on_ci: Callable[..., dict[str, str]],
    event: str,
    content: Any,
    said: str,
) -> None:
    ran = nox(sample, "-s", "heavy", env=on_ci(event, content))
    assert ran.code == 1
    assert "(exit code 2)" in ran.text
    assert said in ran.text
    assert tell(sample)[:2] == ("failed", 2)
    assert said in tell(sample)[2]
    assert not (sample.path / ".nox" / "heavy").exists()


def test_a_payload_of_a_pull_request_that_is_missing_ends_with_2(
    sample: Sample, nox: RunNox, on_ci: Callable[..., dict[str, str]]
) -> None:
    env = on_ci("pull_request", {})
    env["GITHUB_EVENT_PATH"] = "/nowhere/event.json"
    ran = nox(sample, "-s", "heavy", env=env)
    assert ran.code == 2
    assert ran.stderr.splitlines()[-1] == (
        "noxden: GITHUB_EVENT_PATH: /nowhere/event.json is not a file"
    )


def test_a_fork_with_the_label_runs_in_a_den_of_its_own(
    sample: Sample, nox: RunNox, on_ci: Callable[..., dict[str, str]], fresh_den: Path
) -> None:
    env = on_ci("pull_request", pull_request(LABEL, origin="stranger/demo"))
    ran = nox(sample, "-s", "heavy", "--", "--prepare", env=env, den=fresh_den)
    assert ran.code == 0, ran.text
    said = "pull request from the fork stranger/demo: uses the den of untrusted runs"
    assert ran.text.count(said) == 1
    assert entries(fresh_den) == []
    assert len(entries(fresh_den.with_name("fresh-den-untrusted"))) > 0


def test_a_fork_with_the_label_opens_no_gate_that_asks_for_trust(
    sample: Sample, nox: RunNox, on_ci: Callable[..., dict[str, str]]
) -> None:
    sample.write("noxfile.py", NOXFILE.replace("()", "(events=['label', 'trusted'])"))
    env = on_ci("pull_request", pull_request(LABEL, origin="stranger/demo"))
    # Somebody who trusts the fork with the den does not open the gate by it.
    ran = nox(sample, "-s", "heavy", env={**env, "NOXDEN_TRUST": "trusted"})
    assert ran.code == 0, ran.text
    assert "uses the trusted den all the same, NOXDEN_TRUST says so" in ran.text
    why = "pull request from the fork stranger/demo, and only trusted runs open it"
    assert tell(sample) == ("skipped", 0, why)


def test_help_and_wrong_options_come_before_the_gate(
    sample: Sample, nox: RunNox, on_ci: Callable[..., dict[str, str]]
) -> None:
    env = on_ci("push", {})
    ran = nox(sample, "-s", "heavy", "--", "--help", env=env)
    assert ran.code == 0
    assert "--prepare" in ran.stdout
    assert "skipped" not in ran.text


def test_words_that_contradict_each_other_end_the_noxfile_with_2(
    sample: Sample, nox: RunNox
) -> None:
    sample.write("noxfile.py", NOXFILE.replace("()", "(events=['never', 'label'])"))
    ran = nox(sample, "-l")
    assert ran.code == 2
    assert ran.stderr.splitlines()[-1] == (
        "noxden: noxden.heavy(events=) says never, and also label"
    )
