"""Which session may run for what: rules as they are spelled, and what they decide."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from noxden._rule import Rule, make_rule
from noxden.ci.gate import Decision, decide
from noxden.ci.trigger import LOCAL, read_trigger
from noxden.ci.values import Trigger, Trust
from noxden.cli import Caller, main
from noxden.config import load_config
from noxden.errors import UsageError

if TYPE_CHECKING:
    from pathlib import Path

LABEL = "run-heavy-deps"
TRUSTED = Trust("trusted", "pull request from the repository itself", "here")
FORK = Trust("untrusted", "pull request from the fork stranger/demo", "here")
PULL_REQUEST = LOCAL._replace(system="github", event="pull-request", name="pull_request", ref="fix")
BY_HAND = LOCAL._replace(system="github", event="manual", name="workflow_dispatch", ref="main")


def rule(*events: str) -> Rule:
    return make_rule(events or ("label", "input", "schedule"), LABEL, LABEL, "here")


@pytest.mark.parametrize(
    ("events", "made"),
    [
        (("schedule", "label", "label"), Rule(("label", "schedule"), False, LABEL, LABEL)),
        (("trusted", "always"), Rule(("always",), True, LABEL, LABEL)),
        (("never",), Rule((), False, LABEL, LABEL)),
        (("never", "never"), Rule((), False, LABEL, LABEL)),
    ],
)
def test_a_rule_is_made_of_words(events: tuple[str, ...], made: Rule) -> None:
    assert rule(*events) == made


@pytest.mark.parametrize(
    ("events", "said"),
    [
        (["labels"], "here names 'labels'; did you mean label?"),
        (
            ["push"],
            "here names 'push'; known: always, label, input, schedule, never, trusted",
        ),
        (["never", "label"], "here says never, and also label"),
        (["trusted", "never"], "here says never, and also trusted"),
        (
            ["trusted"],
            "here says only trusted; add what opens the gate (always, label, input, schedule) "
            "or say never",
        ),
        (
            [],
            "here is empty; add what opens the gate (always, label, input, schedule) or say never",
        ),
    ],
)  # fmt: skip
def test_words_that_are_unknown_or_contradict_each_other_are_refused(
    events: list[str], said: str
) -> None:
    with pytest.raises(UsageError) as caught:
        make_rule(events, LABEL, LABEL, "here")
    assert str(caught.value) == said


def test_a_word_that_needs_a_name_needs_one() -> None:
    with pytest.raises(UsageError, match="says label, but label has no name; set label beside it"):
        make_rule(["label"], " ", LABEL, "here")
    with pytest.raises(UsageError, match="says input, but input has no name; set input beside it"):
        make_rule(["input"], LABEL, "", "here")
    assert make_rule(["label"], f" {LABEL} ", "", "here").label == LABEL


def test_the_configuration_is_refused_when_it_is_loaded(tmp_path: Path) -> None:
    file = tmp_path / "pyproject.toml"
    file.write_text('[tool.noxden.heavy]\nevents = ["never", "label"]\n')
    with pytest.raises(UsageError) as caught:
        load_config(tmp_path, {})
    assert str(caught.value) == f"{file}: tool.noxden.heavy.events says never, and also label"
    with pytest.raises(UsageError) as caught:
        load_config(tmp_path, {"NOXDEN_HEAVY_EVENTS": "labl"})
    assert str(caught.value) == (
        "environment variable NOXDEN_HEAVY_EVENTS names 'labl'; did you mean label?"
    )
    assert load_config(tmp_path, {"NOXDEN_HEAVY_EVENTS": "always"}).heavy.events == ("always",)


@pytest.mark.parametrize(
    ("trigger", "events", "decision"),
    [
        (LOCAL, ("never",), Decision(True, "a run on your own machine is never skipped")),
        (LOCAL, (), Decision(True, "a run on your own machine is never skipped")),
        (
            PULL_REQUEST._replace(labels=("docs", LABEL)), (),
            Decision(True, f"the pull request has the label {LABEL}"),
        ),
        (
            PULL_REQUEST._replace(labels=("docs", "bug")), (),
            Decision(
                False,
                f"pull request without the label {LABEL} (labels: docs, bug); add it, or start "
                f"the run by hand with the input {LABEL}, or wait for the scheduled run",
            ),
        ),
        (
            PULL_REQUEST, ("label",),
            Decision(False, f"pull request without the label {LABEL} (it has no labels); add it"),
        ),
        (PULL_REQUEST, ("schedule",), Decision(False, "pull request; wait for the scheduled run")),
        (PULL_REQUEST, ("always",), Decision(True, "its events say always")),
        (
            PULL_REQUEST, ("never",),
            Decision(False, "its events say never; run it on your own machine"),
        ),
        (
            PULL_REQUEST._replace(labels=(LABEL,), trust=FORK), ("label", "trusted"),
            Decision(
                False,
                "pull request from the fork stranger/demo, and only trusted runs open it",
            ),
        ),
        (
            PULL_REQUEST._replace(labels=(LABEL,), trust=TRUSTED), ("label", "trusted"),
            Decision(True, f"the pull request has the label {LABEL}"),
        ),
        (
            BY_HAND._replace(inputs={LABEL: "true"}), (),
            Decision(True, f"the input {LABEL} is true"),
        ),
        (
            BY_HAND._replace(inputs={LABEL: "No"}), (),
            Decision(
                False,
                f"started by hand, and the input {LABEL} is not true; add the label {LABEL} to "
                "a pull request, or set it to true, or wait for the scheduled run",
            ),
        ),
        (
            BY_HAND, ("label",),
            Decision(False, f"started by hand; add the label {LABEL} to a pull request"),
        ),
        (BY_HAND._replace(event="schedule"), (), Decision(True, "a scheduled run")),
        (
            BY_HAND._replace(event="schedule"), ("label",),
            Decision(False, f"scheduled run; add the label {LABEL} to a pull request"),
        ),
        (
            BY_HAND._replace(event="push"), ("input",),
            Decision(False, f"push to main; start the run by hand with the input {LABEL}"),
        ),
        (
            BY_HAND._replace(event="tag", ref="v1"), ("schedule",),
            Decision(False, "tag v1; wait for the scheduled run"),
        ),
        (
            BY_HAND._replace(event="other", name="merge_group"), ("schedule",),
            Decision(False, "event merge_group; wait for the scheduled run"),
        ),
        (
            BY_HAND._replace(event="other", name=""), ("schedule",),
            Decision(False, "event without a name; wait for the scheduled run"),
        ),
        (
            read_trigger({"CI": "true"}), ("schedule",),
            Decision(
                False,
                "run on a CI system that noxden does not know; set NOXDEN_HEAVY_EVENTS=always in the "
                "job that is to run it",
            ),
        ),
        (read_trigger({"CI": "true"}), ("always",), Decision(True, "its events say always")),
    ],
)  # fmt: skip
def test_the_gate_tells_why(trigger: Trigger, events: tuple[str, ...], decision: Decision) -> None:
    assert decide(trigger, rule(*events)) == decision


@pytest.mark.parametrize("value", ["1", "true", "TRUE", " yes ", "on"])
def test_what_counts_as_true(value: str) -> None:
    assert decide(BY_HAND._replace(inputs={LABEL: value}), rule()).open


@pytest.mark.parametrize("value", ["", "0", "false", "no", "Off"])
def test_what_counts_as_false(value: str) -> None:
    assert not decide(BY_HAND._replace(inputs={LABEL: value}), rule()).open


@pytest.mark.parametrize("events", [("input",), ("always", "input")])
def test_an_input_that_is_neither_is_an_error(events: tuple[str, ...]) -> None:
    trigger = BY_HAND._replace(inputs={LABEL: "maybe"}, sources={"inputs": "payload: inputs"})
    with pytest.raises(UsageError) as caught:
        decide(trigger, rule(*events))
    assert str(caught.value) == (
        f"the input {LABEL} is to be true or false (or 1 or 0, yes or no, on or off), got "
        "'maybe', from payload: inputs"
    )
    assert not decide(trigger, rule("label")).open


NOXFILE = """
import noxden

noxden.unit()
noxden.heavy(python=["3.11", "3.12"], events=["label", "trusted"])
"""


@pytest.fixture
def caller(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Caller:
    (tmp_path / "noxfile.py").write_text(NOXFILE)
    (tmp_path / "pyproject.toml").write_text('[project]\nname = "demo"\nversion = "1"\n')
    head = {"repo": {"full_name": "example/demo"}}
    event = {"pull_request": {"labels": [{"name": LABEL}], "head": head, "base": head}}
    (tmp_path / "event.json").write_text(json.dumps(event))
    env = {
        "NOXDEN_DIR": str(tmp_path / "den"),
        "GITHUB_ACTIONS": "true",
        "GITHUB_EVENT_NAME": "pull_request",
        "GITHUB_EVENT_PATH": str(tmp_path / "event.json"),
    }
    for name, value in env.items():
        monkeypatch.setenv(name, value)
    # A noxfile of a fork sets it for its process: here it is to be gone after the test.
    monkeypatch.setenv("NOXDEN_TRUST", "")
    monkeypatch.delenv("NOXDEN_TRUST")
    return Caller(env, tmp_path)


def test_explain_shows_every_fact_and_every_gated_session(
    caller: Caller, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["ci", "explain"], caller) == 0
    lines = [line.split() for line in capsys.readouterr().out.splitlines()]
    assert ["system", "github", "GITHUB_ACTIONS"] in lines
    assert ["event", "pull-request", "GITHUB_EVENT_NAME"] in lines
    assert ["labels", LABEL, "GITHUB_EVENT_PATH:", "pull_request.labels"] in lines
    assert [
        "default_branch",
        "not",
        "known",
        "GITHUB_EVENT_PATH:",
        "repository.default_branch",
    ] in lines
    said = f"runs: the pull request has the label {LABEL}"
    assert [" ".join(words) for words in lines[-2:]] == [f"heavy-3.11 {said}", f"heavy-3.12 {said}"]


def test_explain_is_data_for_scripts(caller: Caller, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["ci", "explain", "heavy-3.12", "--json"], caller) == 0
    said = json.loads(capsys.readouterr().out)
    assert said["trigger"]["trust"] == {
        "value": "trusted", "source": "GITHUB_EVENT_PATH: pull_request.head.repo.full_name",
    }  # fmt: skip
    assert said["trigger"]["labels"]["value"] == [LABEL]
    assert said["sessions"] == [
        {
            "session": "heavy-3.12", "gated": True, "open": True,
            "reason": f"the pull request has the label {LABEL}",
        }
    ]  # fmt: skip
    assert main(["ci", "explain", "unit", "--json"], caller) == 0
    assert json.loads(capsys.readouterr().out)["sessions"] == [
        {"session": "unit", "gated": False, "open": True, "reason": "it has no gate"}
    ]


def test_a_noxfile_on_ones_own_machine_loads_nothing_of_ci(tmp_path: Path) -> None:
    code = (
        "import sys, noxden; noxden.heavy(); noxden.unit()\n"
        "print([name for name in sys.modules if name.startswith('noxden.ci')])"
    )
    env = {"HOME": str(tmp_path), "PATH": os.defpath}
    said = subprocess.run(
        [sys.executable, "-c", code], cwd=tmp_path, env=env, capture_output=True, text=True, check=True
    )  # fmt: skip
    assert said.stdout == "[]\n"


def test_explain_on_ones_own_machine_and_without_gates(
    caller: Caller, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("GITHUB_ACTIONS")
    (caller.cwd / "noxfile.py").write_text("import noxden\n\nnoxden.unit()\n")
    local = {"NOXDEN_DIR": caller.env["NOXDEN_DIR"]}
    assert main(["ci", "explain"], caller._replace(env=local)) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[1].split()[:2] == ["system", "local"]
    assert lines[-1] == "no session has a gate"


def test_explain_tells_what_is_wrong_with_a_payload(
    caller: Caller, capsys: pytest.CaptureFixture[str]
) -> None:
    file = caller.cwd / "event.json"
    file.write_text("{}")
    # Without a repository in it, the pull request counts as a stranger's: the commands say so.
    assert main(["ci", "explain"], caller) == 2
    assert f"noxden: GITHUB_EVENT_PATH: {file}: pull_request.labels is not there\n" in (
        capsys.readouterr().err
    )


def test_a_command_for_a_fork_uses_the_den_of_untrusted_runs(
    caller: Caller, capsys: pytest.CaptureFixture[str]
) -> None:
    fork = {"pull_request": {"labels": [], "head": {"repo": {"full_name": "stranger/demo"}}}}
    (caller.cwd / "event.json").write_text(json.dumps(fork))
    assert main(["gc"], caller) == 0
    why = "pull request from the fork stranger/demo"
    assert capsys.readouterr().err == f"noxden: {why}: uses the den of untrusted runs\n"
    assert (caller.cwd / "den-untrusted" / "format").exists()
    assert not (caller.cwd / "den").exists()
    asked = caller._replace(env={**caller.env, "NOXDEN_TRUST": "trusted"})
    assert main(["gc"], asked) == 0
    assert "uses the trusted den all the same, NOXDEN_TRUST says so" in capsys.readouterr().err
    assert (caller.cwd / "den" / "format").exists()
