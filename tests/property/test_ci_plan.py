"""Laws of plans: nothing is lost by folding, and no name of a session breaks out of a file."""

from __future__ import annotations

import json

import yaml
from hypothesis import given
from hypothesis import strategies as st

from noxden._frequency import is_cron, parse_frequency
from noxden.ci.plan.child import Jobs, render_child
from noxden.ci.plan.jobs import fold
from noxden.ci.plan.outputs import render_outputs
from noxden.ci.plan.values import Job, Plan

LABELS = st.sampled_from([("small",), ("big",), ("self-hosted", "card")])
# What a line may hold: names of sessions come from a noxfile, which could not spell others.
NAMES = st.sampled_from(["stages", "default", "required", ".hidden"]) | st.text(
    st.characters(exclude_categories=["Cs", "Cc", "Zl", "Zp"]), min_size=1, max_size=30
)


@st.composite
def jobs(draw: st.DrawFn) -> list[Job]:
    names = draw(st.lists(NAMES, unique=True, max_size=30))
    return [
        Job(name, (name,), (), draw(st.sampled_from(["", "3.12"])), draw(LABELS), 5, draw(st.booleans()))
        for name in names
    ]  # fmt: skip


@given(jobs(), st.integers(12, 40))
def test_folding_loses_no_session_and_runs_each_where_it_would_have_run(
    given_jobs: list[Job], most: int
) -> None:
    folded = fold(given_jobs, most)
    assert len(folded) <= most
    by_name = {job.name: job for job in given_jobs}
    assert sorted(name for job in folded for name in job.session) == sorted(by_name)
    for job in folded:
        for name in job.session:
            alone = by_name[name]
            assert (job.runner, job.blocking, job.python) == (
                alone.runner, alone.blocking, alone.python,
            )  # fmt: skip
    assert sum(job.timeout for job in folded) == sum(job.timeout for job in given_jobs)


@given(jobs())
def test_outputs_are_two_lines_that_say_the_jobs(given_jobs: list[Job]) -> None:
    text = render_outputs(Plan(tuple(given_jobs), ()))
    matrix, count, rest = text.split("\n")
    entries = json.loads(matrix.removeprefix("matrix="))["include"]
    assert [entry["session"] for entry in entries] == [job.name for job in given_jobs]
    assert (count, rest) == (f"count={len(given_jobs)}", "")


@given(jobs(), st.text(max_size=40))
def test_a_child_pipeline_is_yaml_whatever_labels_and_sessions_are_called(
    given_jobs: list[Job], label: str
) -> None:
    how = Jobs("python:3.13", "", "small")
    env = {"CI_MERGE_REQUEST_LABELS": label}
    made = yaml.safe_load(render_child(Plan(tuple(given_jobs), ()), how, env))
    for job in given_jobs:
        variables = made.get(f"session {job.name}", made.get(job.name))["variables"]
        # GitLab makes one dollar sign of two.
        assert variables["SESSION"].replace("$$", "$") == job.name
        assert variables["CI_MERGE_REQUEST_LABELS"].replace("$$", "$") == label


@given(st.integers(1, 24))
def test_so_many_times_a_day_is_at_least_that_often(times: int) -> None:
    [cron] = parse_frequency(f"{times} times a day").crons
    assert is_cron(cron)
    step = int(cron.split()[1].removeprefix("*/"))
    assert len(range(0, 24, step)) >= times
