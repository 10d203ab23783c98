"""From sessions and trigger to jobs: what runs, what is skipped and why, and how much at most."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest
import yaml

from noxden._rule import make_rule
from noxden.ci.plan.child import Jobs, render_child
from noxden.ci.plan.jobs import fold, plan_jobs, with_caches
from noxden.ci.plan.outputs import publish_plan, render_outputs
from noxden.ci.plan.values import (
    NO_CACHE,
    Cache,
    Job,
    Plan,
    PlannedSession,
    Skipped,
    job_to_json,
    plan_to_json,
)
from noxden.ci.trigger import LOCAL
from noxden.ci.values import Trigger, Trust
from noxden.config import CiConfig, DeviceConfig
from noxden.errors import InfrastructureError, UsageError
from noxden.lock.request import Request

if TYPE_CHECKING:
    from pathlib import Path

RULE = make_rule(("label", "input", "schedule"), "run-heavy-deps", "run-heavy-deps", "here")
ANY = Request()
LINT = PlannedSession("lint", "lint", "lint", None, default=True, request=ANY)
UNIT = PlannedSession("unit-3.12", "unit", "unit", "3.12", default=True, request=ANY)
HEAVY = PlannedSession("heavy", "heavy", "heavy", None, default=False, rule=RULE)
DEVICE = PlannedSession(
    "device", "device", "device", None, default=False, stages=DeviceConfig().stage
)
PLAN = PlannedSession("plan", "plan", "plan", None, default=False)
NO_CONFIG = CiConfig()
DOCS = PlannedSession("docs", "docs", "", None, default=False)
ALL = (LINT, UNIT, HEAVY, DEVICE, PLAN, DOCS)
OURS = Trust("trusted", "pull request from the repository itself", "here")
FORK = Trust("untrusted", "pull request from the fork stranger/demo", "here")
PULL_REQUEST = LOCAL._replace(
    system="github", event="pull-request", name="pull_request", ref="fix", trust=OURS
)
PUSH = LOCAL._replace(system="github", event="push", name="push", ref="main")
BY_HAND = LOCAL._replace(system="github", event="manual", name="workflow_dispatch", ref="main")
NIGHT = LOCAL._replace(system="github", event="schedule", name="schedule", ref="main")
HOW = Jobs("python:3.13", "uv run ", "ubuntu-latest")


def names(plan: Plan) -> list[str]:
    return [job.name for job in plan.jobs]


def plan(trigger: Trigger, pipeline: Any = "all", config: CiConfig = NO_CONFIG) -> Plan:
    return plan_jobs(ALL, trigger, config, pipeline)


def make(name: str, **fields: Any) -> Job:
    job = Job(name, (name,), (), "", ("ubuntu-latest",), 60, blocking=True)
    return job._replace(**fields)


def test_on_your_own_machine_everything_that_ci_may_run_is_planned() -> None:
    stages = [f"device stage {number}" for number in range(5)]
    assert names(plan(LOCAL)) == ["lint", "unit-3.12", "heavy", *stages]
    assert plan(LOCAL).skipped == ()


@pytest.mark.parametrize(
    ("pipeline", "wanted"),
    [
        ("checks", ["lint", "unit-3.12"]),
        ("heavy", ["heavy"]),
        ("device", [f"device stage {number}" for number in range(5)]),
    ],
)
def test_a_pipeline_has_its_own_sessions(pipeline: str, wanted: list[str]) -> None:
    assert names(plan(LOCAL, pipeline)) == wanted


def test_a_session_with_a_closed_gate_is_skipped_with_the_reason_of_the_gate() -> None:
    found = plan(PUSH, "heavy")
    assert found.jobs == ()
    assert found.skipped == (
        Skipped(
            "heavy",
            "push to main; add the label run-heavy-deps to a pull request, or start the run by hand "
            "with the input run-heavy-deps, or wait for the scheduled run",
        ),
    )


def test_the_label_opens_it() -> None:
    labelled = PULL_REQUEST._replace(labels=("run-heavy-deps",))
    [job] = plan(labelled, "heavy").jobs
    assert (job.session, job.arguments) == (("heavy",), ())


def test_the_nightly_run_looks_at_the_wheel_store() -> None:
    [job] = plan(NIGHT, "heavy").jobs
    assert job.arguments == ("--refresh",)


@pytest.mark.parametrize(
    ("trigger", "due"),
    [
        (PULL_REQUEST, [0, 4]),
        (PUSH, []),
        (NIGHT, [1, 2, 3]),
        (NIGHT._replace(schedule="0 3 * * *"), [1, 2]),
        (NIGHT._replace(schedule="30 */6 * * *"), [3]),
        (NIGHT._replace(schedule="1 1 1 1 1"), []),
        (BY_HAND, [0]),
        (BY_HAND._replace(inputs={"stage": " 3 "}), [3]),
        (BY_HAND._replace(inputs={"stage": "all"}), [0, 1, 2, 3, 4]),
        (BY_HAND._replace(inputs={"stage": "x; rm -rf ~"}), []),
        (LOCAL._replace(system="github", event="other", name="fork"), []),
    ],
)
def test_a_stage_runs_when_its_frequency_says(trigger: Trigger, due: list[int]) -> None:
    found = plan(trigger, "device")
    assert [job.stage for job in found.jobs] == due
    assert [job.arguments for job in found.jobs] == [("--stage", str(one)) for one in due]
    assert len(found.jobs) + len(found.skipped) == 5


@pytest.mark.parametrize(
    ("trigger", "number", "reason"),
    [
        (PUSH, 0, "it runs on pull request, and this is a push"),
        (NIGHT, 0, "it runs on pull request, and this is a scheduled run"),
        (
            NIGHT._replace(schedule="30 */6 * * *"),
            1,
            "it runs nightly, and this is the schedule 30 */6 * * *",
        ),
        (BY_HAND._replace(inputs={"stage": "2"}), 0, "started by hand for stage 2"),
        (
            LOCAL._replace(system="github", event="other", name="fork"),
            0,
            "it runs on pull request, and this is a run for fork",
        ),
        (PULL_REQUEST, 1, "it runs nightly, and this is a pull request"),
    ],
)
def test_why_a_stage_is_not_due_is_told(trigger: Trigger, number: int, reason: str) -> None:
    assert Skipped(f"device stage {number}", reason) in plan(trigger, "device").skipped


def test_code_of_strangers_gets_no_card() -> None:
    found = plan(PULL_REQUEST._replace(trust=FORK), "device")
    assert found.jobs == ()
    assert found.skipped[0] == Skipped(
        "device stage 0",
        "pull request from the fork stranger/demo, and cards are for trusted runs only",
    )


def test_the_last_stage_blocks_nothing_and_neither_does_an_advisory_session() -> None:
    found = plan(LOCAL, config=CiConfig(advisory=("unit",)))
    assert [job.name for job in found.jobs if not job.blocking] == ["unit-3.12", "device stage 4"]
    assert found.jobs[1].environment == {"NOXDEN_BLOCKING": "0"}


def test_runner_and_timeout_are_looked_up_by_job_session_and_group() -> None:
    config = CiConfig(
        runner="small",
        runners={"unit": ("big",), "device": ("self-hosted", "card"), "device stage 0": ("lab",)},
        timeouts={"unit-3.12": 5, "unit": 7, "device stage 4": 600},
        timeout=30,
    )
    found = {job.name: (job.runner, job.timeout) for job in plan(LOCAL, config=config).jobs}
    assert found["lint"] == (("small",), 30)
    assert found["unit-3.12"] == (("big",), 5)
    assert found["device stage 0"] == (("lab",), 30)
    assert found["device stage 4"] == (("self-hosted", "card"), 600)


@pytest.mark.parametrize(
    ("config", "said"),
    [
        (
            CiConfig(runners={"unti": ("x",)}),
            "[tool.noxden.ci] runners names the session 'unti'; did you mean unit?",
        ),
        (
            CiConfig(advisory=("elsewhere!",)),
            "[tool.noxden.ci] advisory names the session 'elsewhere!'; known: lint, unit, "
            "unit-3.12, heavy, device, plan, docs, device stage 0, device stage 1, device stage 2, "
            "device stage 3, device stage 4",
        ),
    ],
)
def test_a_session_that_there_is_not_is_refused(config: CiConfig, said: str) -> None:
    with pytest.raises(UsageError) as raised:
        plan(LOCAL, config=config)
    assert str(raised.value) == said


def test_a_session_that_cannot_fail_well_cannot_be_advisory() -> None:
    with pytest.raises(UsageError) as raised:
        plan(LOCAL, config=CiConfig(advisory=("docs",)))
    assert str(raised.value) == (
        "[tool.noxden.ci] advisory names docs, which is not a session of noxden and cannot end well "
        "when it fails; decorate it with noxden.session"
    )


def test_few_jobs_are_not_folded() -> None:
    jobs = [make("a"), make("b")]
    assert fold(jobs, 2) == tuple(jobs)


def test_jobs_of_a_kind_share_a_job_where_there_are_too_many() -> None:
    cache = Cache("key", "prefix", "path", save=True)
    docs = [make(f"docs({number})", cache=cache) for number in range(300)]
    cards = [make(f"card {number}", runner=("card",)) for number in range(2)]
    folded = fold([*docs, *cards])
    assert len(folded) <= 256
    assert [name for job in folded for name in job.session] == [
        *(one.name for one in docs),
        *(one.name for one in cards),
    ]
    shared = next(job for job in folded if len(job.session) > 1)
    assert shared.name == f"{shared.session[0]} and {len(shared.session) - 1} more"
    assert shared.timeout == 60 * len(shared.session)
    assert shared.cache == NO_CACHE
    # Each runs where it would have run.
    assert {job.runner for job in folded if "card 0" in job.session} == {("card",)}


def test_jobs_that_are_all_different_cannot_be_folded() -> None:
    jobs = [make(f"job {number}", runner=(f"runner-{number}",)) for number in range(3)]
    with pytest.raises(UsageError) as raised:
        fold(jobs, 2)
    assert str(raised.value) == (
        "3 jobs of 3 kinds are more than the 2 that a matrix holds; use fewer runners and Pythons, "
        "or several noxfiles"
    )


def test_a_job_has_the_cache_of_its_session() -> None:
    cache = Cache("key", "prefix", ".noxden-bundle", save=True)
    first, second = with_caches([make("a"), make("b")], {"b": cache})
    assert (first.cache, second.cache) == (NO_CACHE, cache)
    assert second.environment == {"NOXDEN_BLOCKING": "1", "NOXDEN_BUNDLE": ".noxden-bundle"}


def test_a_job_is_an_entry_of_a_matrix() -> None:
    job = make(
        "docs(builder='html')",
        session=("docs(builder='html')", "docs(builder='man')"),
        arguments=("--stage", "1"),
        runner=("self-hosted", "card"),
    )
    assert job_to_json(job) == {
        "name": "docs(builder='html')",
        "slug": "docs-builder-html",
        "session": "docs(builder='html')\ndocs(builder='man')",
        "arguments": "--stage\n1",
        "python": "",
        "runner": ["self-hosted", "card"],
        "timeout": 60,
        "blocking": True,
        "cache": {"key": "", "prefix": "", "path": "", "save": False},
        "stage": None,
        "environment": {"NOXDEN_BLOCKING": "1"},
    }


def test_a_plan_is_json() -> None:
    made = Plan((make("a"),), (Skipped("b", "why"),), ("a note",))
    shown = plan_to_json(made, {"system": "local"})
    assert (shown["trigger"], shown["skipped"], shown["notes"]) == (
        {"system": "local"},
        [{"session": "b", "reason": "why"}],
        ["a note"],
    )
    assert [job["name"] for job in json.loads(json.dumps(shown))["jobs"]] == ["a"]


def test_the_outputs_of_a_step_are_a_line_each_whatever_sessions_are_called() -> None:
    lines = render_outputs(Plan((make("a\ncount=9"),), ())).splitlines()
    assert len(lines) == 2
    assert json.loads(lines[0].removeprefix("matrix="))["include"][0]["name"] == "a\ncount=9"
    assert lines[1] == "count=1"


def test_outputs_are_appended_to_the_file_that_the_system_names(tmp_path: Path) -> None:
    file = tmp_path / "output"
    file.write_text("before=1\n")
    publish_plan(Plan((), ()), PUSH, tmp_path, HOW, {"GITHUB_OUTPUT": str(file)})
    assert file.read_text() == 'before=1\nmatrix={"include": []}\ncount=0\n'


def test_nothing_is_told_on_your_own_machine(tmp_path: Path) -> None:
    publish_plan(Plan((), ()), LOCAL, tmp_path, HOW, {})
    assert list(tmp_path.iterdir()) == []


def test_a_file_of_outputs_that_is_not_named_or_not_there_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(InfrastructureError) as raised:
        publish_plan(Plan((), ()), PUSH, tmp_path, HOW, {})
    assert str(raised.value) == (
        "GITHUB_OUTPUT is not set, so the matrix goes nowhere; run this in a step of a job"
    )
    gone = tmp_path / "gone" / "output"
    with pytest.raises(InfrastructureError) as raised:
        publish_plan(Plan((), ()), PUSH, tmp_path, HOW, {"GITHUB_OUTPUT": str(gone)})
    assert str(raised.value) == (
        f"cannot write GITHUB_OUTPUT, {gone}: No such file or directory; the jobs would not be "
        f"started"
    )


def test_a_plan_that_is_larger_than_outputs_may_be_is_refused(tmp_path: Path) -> None:
    jobs = tuple(make("x" * 10_000) for _ in range(60))
    with pytest.raises(UsageError, match="larger than the outputs of a job"):
        publish_plan(Plan(jobs, ()), PUSH, tmp_path, HOW, {"GITHUB_OUTPUT": str(tmp_path / "o")})


def test_gitlab_gets_a_child_pipeline_that_is_never_empty(tmp_path: Path) -> None:
    publish_plan(Plan((), ()), LOCAL._replace(system="gitlab"), tmp_path, HOW, {})
    child = yaml.safe_load((tmp_path / "gitlab.yml").read_text())
    assert child == {
        "stages": ["run", "required"],
        "default": {"image": "python:3.13", "before_script": ["pip install --quiet uv"]},
        "required": {
            "stage": "required",
            "variables": {"GIT_STRATEGY": "none"},
            "before_script": [],
            "script": ["echo 0 jobs passed"],
        },
    }


def test_a_job_of_the_child_pipeline_knows_what_started_its_parent() -> None:
    cache = Cache("prefix-closure", "prefix-", ".noxden-bundle", save=True)
    job = make("heavy", runner=("big",), cache=cache, arguments=("--refresh",))
    env = {
        "CI_PIPELINE_SOURCE": "merge_request_event",
        "CI_MERGE_REQUEST_LABELS": "run-heavy-deps,$SECRET",
    }
    made = yaml.safe_load(render_child(Plan((job,), ()), HOW, env))["heavy"]
    assert made == {
        "stage": "run",
        "timeout": "60 minutes",
        "tags": ["big"],
        "script": [
            "set -f; IFS='\n'; uv run nox -s $SESSION -- $ARGUMENTS",
            'uv run noxden wheels bundle --session "$SESSION"',
        ],
        "variables": {
            "CI_PIPELINE_SOURCE": "merge_request_event",
            "CI_MERGE_REQUEST_LABELS": "run-heavy-deps,$$SECRET",
            "SESSION": "heavy",
            "ARGUMENTS": "--refresh",
            "NOXDEN_BLOCKING": "1",
            "NOXDEN_BUNDLE": ".noxden-bundle",
        },
        "cache": {"key": "prefix", "paths": [".noxden-bundle"], "policy": "pull-push"},
        "artifacts": {
            "when": "always",
            "paths": [".noxden"],
            "reports": {"junit": ".noxden/*/junit.xml"},
        },
    }


def test_a_job_that_may_not_save_only_pulls() -> None:
    cache = Cache("prefix-closure", "prefix-", ".noxden-bundle", save=False)
    made = yaml.safe_load(render_child(Plan((make("lint", cache=cache),), ()), HOW, {}))["lint"]
    assert (made["cache"]["policy"], len(made["script"])) == ("pull", 1)
