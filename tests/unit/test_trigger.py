"""What started a run, read from variables and payloads of the shape that CI systems give."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from noxden._switches import is_untrusted, refuse_untrusted_write
from noxden.ci import payload
from noxden.ci.trigger import LOCAL, read_trigger, read_trust
from noxden.ci.trust import Settled, settle_trust
from noxden.ci.values import Trust
from noxden.den.layout import compute_den_directory
from noxden.errors import SafetyError, UsageError

if TYPE_CHECKING:
    from collections.abc import Callable

    Event = Callable[..., dict[str, str]]

OURS = {"full_name": "example/demo", "default_branch": "main", "fork": False}


def pull_request(head: Any, *labels: str) -> dict[str, Any]:
    """The payload of a pull request to example/demo from the repository ``head``."""
    return {
        "action": "synchronize",
        "number": 7,
        "pull_request": {
            "labels": [{"id": 1, "name": name, "color": "ededed"} for name in labels],
            "head": {"ref": "fix", "repo": head},
            "base": {"ref": "main", "repo": OURS},
        },
        "repository": OURS,
    }


@pytest.fixture
def github(tmp_path: Path) -> Event:
    """Variables of a job on GitHub, with ``content`` as payload."""

    def make(name: str, content: Any, **more: str) -> dict[str, str]:
        file = tmp_path / "event.json"
        file.write_text(content if isinstance(content, str) else json.dumps(content), "utf-8")
        return {
            "CI": "true",
            "GITHUB_ACTIONS": "true",
            "GITHUB_EVENT_NAME": name,
            "GITHUB_EVENT_PATH": str(file),
            "GITHUB_REF": "refs/heads/main",
            "GITHUB_REF_NAME": "main",
            **more,
        }

    return make


def test_a_run_without_ci_variables_is_local() -> None:
    for env in ({}, {"CI": ""}, {"CI": "false", "GITHUB_ACTIONS": "0"}, {"GITHUB_REF": "x"}):
        assert read_trigger(env) is LOCAL
        assert read_trust(env).level == "trusted"


def test_a_pull_request_on_github_tells_its_labels_and_its_repository(github: Event) -> None:
    env = github(
        "pull_request",
        pull_request(OURS, "docs", "run-heavy-deps"),
        GITHUB_REF="refs/pull/7/merge",
        GITHUB_REF_NAME="7/merge",
        GITHUB_HEAD_REF="fix",
    )
    found = read_trigger(env)
    assert found[:7] == (
        "github", "pull-request", "pull_request", "fix", False, ("docs", "run-heavy-deps"), {},
    )  # fmt: skip
    assert found.trusted
    assert found.trust == Trust(
        "trusted",
        "pull request from the repository itself",
        "GITHUB_EVENT_PATH: pull_request.head.repo.full_name",
    )
    assert found.sources == {
        "system": "GITHUB_ACTIONS",
        "event": "GITHUB_EVENT_NAME",
        "ref": "GITHUB_HEAD_REF",
        "default_branch": "GITHUB_EVENT_PATH: repository.default_branch",
        "labels": "GITHUB_EVENT_PATH: pull_request.labels",
        "inputs": "not started by hand",
    }


@pytest.mark.parametrize("name", ["pull_request", "pull_request_target", "pull_request_review"])
def test_a_pull_request_from_another_repository_is_untrusted(github: Event, name: str) -> None:
    env = github(name, pull_request({"full_name": "stranger/demo"}), GITHUB_HEAD_REF="main")
    found = read_trigger(env)
    assert (found.event, found.trusted, found.default_branch) == ("pull-request", False, False)
    assert found.trust.why == "pull request from the fork stranger/demo"
    assert read_trust(env) == found.trust


def test_a_pull_request_whose_fork_was_deleted_is_untrusted(github: Event) -> None:
    found = read_trigger(github("pull_request", pull_request(None)))
    assert found.trust[:2] == ("untrusted", "pull request that does not say where it is from")


@pytest.mark.parametrize(
    ("head", "level"), [("example/demo", "trusted"), ("stranger/demo", "untrusted")]
)
def test_a_run_after_a_run_is_as_trusted_as_what_that_ran(
    github: Event, head: str, level: str
) -> None:
    after = {"workflow_run": {"head_repository": {"full_name": head}}, "repository": OURS}
    assert read_trigger(github("workflow_run", after)).trust.level == level


@pytest.mark.parametrize(
    ("name", "more", "event", "ref", "default"),
    [
        ("push", {}, "push", "main", True),
        ("push", {"GITHUB_REF": "refs/heads/fix", "GITHUB_REF_NAME": "fix"}, "push", "fix", False),
        (
            "push",
            {"GITHUB_REF": "refs/tags/main", "GITHUB_REF_TYPE": "tag"}, "tag", "main", False,
        ),
        ("push", {"GITHUB_REF": "refs/tags/v1", "GITHUB_REF_NAME": "v1"}, "tag", "v1", False),
        ("schedule", {}, "schedule", "main", True),
        ("workflow_dispatch", {}, "manual", "main", True),
        ("merge_group", {}, "other", "main", True),
    ],
)  # fmt: skip
def test_events_that_need_write_access_are_trusted(
    github: Event, name: str, more: dict[str, str], event: str, ref: str, default: bool
) -> None:
    found = read_trigger(github(name, {"repository": OURS}, **more))
    assert (found.event, found.name, found.ref, found.default_branch) == (event, name, ref, default)
    assert found.trusted
    assert found.labels == ()


def test_an_event_that_strangers_can_cause_is_untrusted(github: Event) -> None:
    env = github("issue_comment", {"comment": {}})
    found = read_trigger(env)
    assert (found.event, found.default_branch) == ("other", None)
    assert found.trust[:2] == ("untrusted", "event issue_comment, which strangers can cause")
    del env["GITHUB_EVENT_PATH"]
    assert read_trust(env).level == "untrusted"


def test_inputs_of_a_run_by_hand_are_texts(github: Event) -> None:
    given = {"run-heavy-deps": True, "level": 3, "who": "me", "empty": None}
    found = read_trigger(github("workflow_dispatch", {"inputs": given, "repository": OURS}))
    assert found.inputs == {"run-heavy-deps": "true", "level": "3", "who": "me"}
    assert found.sources["inputs"] == "GITHUB_EVENT_PATH: inputs"
    assert read_trigger(github("workflow_dispatch", {"inputs": None})).inputs == {}
    assert read_trigger(github("push", {"inputs": given})).inputs == {}


@pytest.mark.parametrize(
    ("more", "system", "source"),
    [
        ({"GITEA_ACTIONS": "true"}, "gitea", "GITEA_ACTIONS"),
        ({"GITEA_ACTIONS": "true", "FORGEJO_ACTIONS": "true"}, "forgejo", "FORGEJO_ACTIONS"),
    ],
)
def test_forgejo_and_gitea_speak_the_language_of_github(
    github: Event, more: dict[str, str], system: str, source: str
) -> None:
    content = pull_request({"full_name": "stranger/demo"})
    content["pull_request"]["labels"] = None
    found = read_trigger(github("pull_request", content, **more))
    assert (found.system, found.sources["system"], found.labels) == (system, source, ())
    assert found.trust.level == "untrusted"


LARGE = "larger than 25 MB, no event is"


@pytest.mark.parametrize(
    ("name", "content", "said"),
    [
        ("push", "{", "is not JSON: "),
        ("push", "[" * 100_000, "is not JSON: "),
        ("push", "[]", "is to hold an object, got a list"),
        ("push", "7", "is to hold an object, got a number"),
        ("pull_request", {}, ": pull_request.labels is not there"),
        ("pull_request", {"pull_request": {}}, ": pull_request.labels is not there"),
        (
            "pull_request", {"pull_request": {"labels": "docs"}},
            ": pull_request.labels is to be a list, got text",
        ),
        (
            "pull_request", {"pull_request": {"labels": [{"name": "a"}, "docs"]}},
            ": pull_request.labels[1] is to be an object with a name, got text",
        ),
        (
            "pull_request", {"pull_request": {"labels": [{"name": 1}]}},
            ": pull_request.labels[0] is to be an object with a name, got an object",
        ),
        ("workflow_dispatch", {"inputs": []}, ": inputs is to be an object, got a list"),
        ("workflow_dispatch", {"inputs": {"x": {}}}, ": inputs.x is to be text, got an object"),
    ],
)  # fmt: skip
def test_a_payload_of_another_form_is_an_error_that_names_the_file(
    github: Event, name: str, content: Any, said: str
) -> None:
    env = github(name, content)
    with pytest.raises(UsageError) as caught:
        read_trigger(env)
    assert str(caught.value).startswith(f"GITHUB_EVENT_PATH: {env['GITHUB_EVENT_PATH']}")
    assert said in str(caught.value)


def test_a_payload_that_cannot_be_read_is_an_error(
    github: Event, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    env = github("push", b"\xff".decode("latin-1"))
    for file, said in (
        (tmp_path / "nowhere.json", "is not a file"),
        (tmp_path, "is not a file"),
        (tmp_path / ("x" * 300), "cannot be read: File name too long"),
    ):
        with pytest.raises(UsageError) as caught:
            read_trigger({**env, "GITHUB_EVENT_PATH": str(file)})
        assert str(caught.value) == f"GITHUB_EVENT_PATH: {file} {said}"
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(UsageError, match="is not a file"):
        read_trigger({**env, "GITHUB_EVENT_PATH": str(tmp_path / "pipe")})
    monkeypatch.setattr(payload, "LIMIT", 1024 * 1024)
    large = tmp_path / "large.json"
    large.write_bytes(b" " * (1024 * 1024 + 1))
    with pytest.raises(UsageError, match="is larger than 1 MB, no event is"):
        read_trigger({**env, "GITHUB_EVENT_PATH": str(large)})


@pytest.mark.parametrize("missing", ["GITHUB_EVENT_NAME", "GITHUB_EVENT_PATH"])
def test_github_without_the_variables_it_always_sets_is_an_error(
    github: Event, missing: str
) -> None:
    env = github("push", {})
    del env[missing]
    with pytest.raises(UsageError) as caught:
        read_trigger(env)
    said = f"{missing} is not set, so nothing says what started this run; start it on CI"
    assert str(caught.value) == said


def gitlab(source: str, **more: str) -> dict[str, str]:
    return {
        "CI": "true",
        "GITLAB_CI": "true",
        "CI_PIPELINE_SOURCE": source,
        "CI_PROJECT_PATH": "example/demo",
        "CI_DEFAULT_BRANCH": "main",
        **more,
    }


MERGE_REQUEST = {
    "CI_MERGE_REQUEST_IID": "7",
    "CI_MERGE_REQUEST_LABELS": "docs,run-heavy-deps",
    "CI_MERGE_REQUEST_PROJECT_PATH": "example/demo",
    "CI_MERGE_REQUEST_SOURCE_PROJECT_PATH": "example/demo",
    "CI_MERGE_REQUEST_SOURCE_BRANCH_NAME": "fix",
}


@pytest.mark.parametrize("source", ["merge_request_event", "parent_pipeline"])
def test_a_merge_request_on_gitlab(source: str) -> None:
    found = read_trigger(gitlab(source, **MERGE_REQUEST))
    assert found[:7] == (
        "gitlab", "pull-request", source, "fix", False, ("docs", "run-heavy-deps"), {},
    )  # fmt: skip
    assert found.trusted


@pytest.mark.parametrize("runs_in", ["example/demo", "stranger/demo"])
def test_a_merge_request_of_a_fork_is_untrusted_in_either_project(runs_in: str) -> None:
    fork = {**MERGE_REQUEST, "CI_MERGE_REQUEST_SOURCE_PROJECT_PATH": "stranger/demo"}
    found = read_trigger(gitlab("merge_request_event", **{**fork, "CI_PROJECT_PATH": runs_in}))
    assert found.trust == Trust(
        "untrusted",
        "merge request from the fork stranger/demo",
        "CI_MERGE_REQUEST_SOURCE_PROJECT_PATH",
    )


@pytest.mark.parametrize(
    ("target", "level"), [("example/demo", "untrusted"), ("stranger/demo", "trusted")]
)
def test_a_pull_request_of_another_host_on_gitlab(target: str, level: str) -> None:
    found = read_trigger(
        gitlab(
            "external_pull_request_event",
            CI_EXTERNAL_PULL_REQUEST_SOURCE_REPOSITORY="stranger/demo",
            CI_EXTERNAL_PULL_REQUEST_TARGET_REPOSITORY=target,
            CI_EXTERNAL_PULL_REQUEST_SOURCE_BRANCH_NAME="fix",
        )
    )
    assert (found.event, found.ref, found.trust.level) == ("pull-request", "fix", level)


@pytest.mark.parametrize(
    ("source", "more"),
    [
        ("merge_request_event", {}),
        ("external_pull_request_event", {}),
        # A child pipeline.
        ("parent_pipeline", {"CI_EXTERNAL_PULL_REQUEST_IID": "7"}),
    ],
)
def test_a_merge_request_that_does_not_say_where_it_is_from_is_not_trusted(
    source: str, more: dict[str, str]
) -> None:
    env = gitlab(source, **more)
    found = read_trigger(env)
    assert (found.event, found.trust.level, found.trusted) == ("pull-request", "unknown", False)
    assert settle_trust(env) == Settled({"NOXDEN_TRUST": "unknown"})


@pytest.mark.parametrize(
    ("source", "more", "event", "ref", "default"),
    [
        ("push", {"CI_COMMIT_BRANCH": "main"}, "push", "main", True),
        ("push", {"CI_COMMIT_BRANCH": "fix"}, "push", "fix", False),
        ("push", {"CI_COMMIT_TAG": "v1"}, "tag", "v1", False),
        ("schedule", {"CI_COMMIT_BRANCH": "main"}, "schedule", "main", True),
        ("web", {"CI_COMMIT_REF_NAME": "fix"}, "manual", "fix", False),
        ("webide", {}, "other", "", False),
    ],
)
def test_other_pipelines_on_gitlab_are_trusted(
    source: str, more: dict[str, str], event: str, ref: str, default: bool
) -> None:
    found = read_trigger(gitlab(source, **more))
    assert (found.event, found.name, found.ref, found.default_branch) == (
        event, source, ref, default,
    )  # fmt: skip
    assert found.trusted


def test_inputs_on_gitlab_are_the_variables_that_are_asked_for() -> None:
    env = gitlab("web", RUN_HEAVY_DEPS="yes", OTHER="mine", plain="1")
    asked = ["run-heavy-deps", "plain", "nowhere"]
    assert read_trigger(env, asked).inputs == {"run-heavy-deps": "yes", "plain": "1"}
    assert read_trigger({**env, "CI_PIPELINE_SOURCE": "push"}, asked).inputs == {}


def test_gitlab_without_a_source_is_an_error() -> None:
    with pytest.raises(UsageError, match="CI_PIPELINE_SOURCE is not set"):
        read_trigger({"GITLAB_CI": "true"})


def jenkins(**more: str) -> dict[str, str]:
    return {"JENKINS_URL": "https://jenkins.example.org/", "BUILD_NUMBER": "7", **more}


@pytest.mark.parametrize(
    ("more", "event", "ref", "level"),
    [
        (
            {"CHANGE_ID": "7", "CHANGE_BRANCH": "fix", "BRANCH_NAME": "PR-7"},
            "pull-request", "fix", "trusted",
        ),
        (
            {"CHANGE_ID": "7", "CHANGE_BRANCH": "fix", "CHANGE_FORK": "stranger"},
            "pull-request", "fix", "untrusted",
        ),
        ({"ghprbPullId": "7", "GIT_BRANCH": "x"}, "pull-request", "x", "untrusted"),
        ({"TAG_NAME": "v1", "BRANCH_NAME": "v1"}, "tag", "v1", "trusted"),
        ({"BUILD_CAUSE_TIMERTRIGGER": "true", "BRANCH_NAME": "main"}, "schedule", "main", "trusted"),
        ({"BUILD_CAUSE": "SCMTRIGGER,TIMERTRIGGER"}, "schedule", "", "unknown"),
        ({"BUILD_CAUSE": "MANUALTRIGGER"}, "manual", "", "unknown"),
        ({"BUILD_CAUSE": "UPSTREAMTRIGGER"}, "other", "", "unknown"),
        ({"GIT_BRANCH": "origin/main"}, "other", "origin/main", "unknown"),
        ({}, "other", "", "unknown"),
        ({"BRANCH_NAME": "main"}, "other", "main", "trusted"),
        # Gerrit: a change is anybody's until it is merged.
        ({"GERRIT_EVENT_TYPE": "patchset-created"}, "pull-request", "", "untrusted"),
        (
            {"GERRIT_CHANGE_ID": "I7", "CHANGE_ID": "7", "BRANCH_NAME": "07/7/1"},
            "pull-request", "07/7/1", "untrusted",
        ),
        ({"GERRIT_CHANGE_NUMBER": "7", "BRANCH_NAME": "x"}, "pull-request", "x", "untrusted"),
        ({"GERRIT_PATCHSET_NUMBER": "1"}, "pull-request", "", "untrusted"),
        (
            {"GERRIT_EVENT_TYPE": "change-merged", "GERRIT_CHANGE_ID": "I7", "BRANCH_NAME": "main"},
            "other", "main", "trusted",
        ),
        ({"GERRIT_EVENT_TYPE": "ref-updated"}, "other", "", "unknown"),
    ],
)  # fmt: skip
def test_builds_on_jenkins(more: dict[str, str], event: str, ref: str, level: str) -> None:
    found = read_trigger(jenkins(**more))
    assert (found.system, found.event, found.ref) == ("jenkins", event, ref)
    assert found.trust.level == level


def test_jenkins_tells_labels_and_parameters_where_it_has_them() -> None:
    env = jenkins(
        gitlabMergeRequestIid="7", gitlabMergeRequestLabels="docs, bug", RUN_HEAVY_DEPS="true"
    )
    found = read_trigger(env, ["run-heavy-deps"])
    assert (found.labels, found.inputs) == (("docs", "bug"), {"run-heavy-deps": "true"})
    assert read_trigger(jenkins(BRANCH_IS_PRIMARY="true")).default_branch is True
    assert read_trigger(jenkins(BRANCH_NAME="fix")).default_branch is False
    assert read_trigger(jenkins()).default_branch is None


def test_a_ci_system_that_is_not_known_is_neither_local_nor_trusted() -> None:
    for value in ("true", "1", "woodpecker"):
        found = read_trigger({"CI": value})
        assert (found.system, found.event, found.trust.level) == ("unknown", "other", "unknown")
        assert found.sources["system"] == "CI"
        assert settle_trust({"CI": value}) == Settled({"NOXDEN_TRUST": "unknown"})


def test_the_variable_fills_a_gap_but_makes_no_fork_trusted(github: Event) -> None:
    trusted, untrusted = {"NOXDEN_TRUST": "trusted"}, {"NOXDEN_TRUST": "untrusted"}
    fork = github("pull_request", pull_request({"full_name": "stranger/demo"}))
    assert read_trigger({"CI": "1", **trusted}).trust.level == "trusted"
    assert read_trigger({"CI": "1", **untrusted}).trust.level == "untrusted"
    assert read_trigger({**fork, **trusted}).trust == read_trust(fork)
    own = github("push", {"repository": OURS})
    assert read_trigger({**own, **untrusted}).trust[::2] == ("untrusted", "NOXDEN_TRUST")
    # The entry points set it to what facts say, and those stay the source.
    assert read_trigger({**own, **trusted}).trust == read_trust(own)
    with pytest.raises(UsageError, match="to be trusted or untrusted, got 'yes'"):
        read_trigger({**own, "NOXDEN_TRUST": "yes"})


def test_a_fork_gets_a_den_of_its_own_unless_somebody_says_otherwise(github: Event) -> None:
    fork = github("pull_request", pull_request({"full_name": "stranger/demo"}))
    why = "pull request from the fork stranger/demo"
    assert settle_trust(fork) == Settled(
        {"NOXDEN_TRUST": "untrusted"}, f"{why}: uses the den of untrusted runs"
    )
    assert settle_trust({**fork, "NOXDEN_TRUST": "untrusted"}) == Settled({})
    assert settle_trust({**fork, "NOXDEN_TRUST": "trusted"}) == Settled(
        {}, f"{why}: uses the trusted den all the same, NOXDEN_TRUST says so"
    )
    own = github("pull_request", pull_request(OURS))
    assert settle_trust(own) == Settled({"NOXDEN_TRUST": "trusted"})
    for env in ({}, {"CI": "false"}, {"NOXDEN_TRUST": "untrusted"}, {"NOXDEN_TRUST": "unknown"}):
        assert settle_trust(env) == Settled({})


def test_settling_twice_is_settling_once(github: Event) -> None:
    fork = github("issue_comment", {})
    for env in (github("push", {"repository": OURS}), {"CI": "1"}, jenkins(), fork):
        settled = {**env, **settle_trust(env).variables}
        assert settle_trust(settled).notice == ""
        assert {**settled, **settle_trust(settled).variables} == settled
        assert read_trigger(settled).trust.level == read_trust(env).level
    # What was not known for one job may be known for another that it starts.
    assert settle_trust({**fork, "NOXDEN_TRUST": "unknown"}).variables == {
        "NOXDEN_TRUST": "untrusted"
    }


def test_a_misspelled_trust_stays_to_be_refused(github: Event) -> None:
    env = {**github("push", {"repository": OURS}), "NOXDEN_TRUST": "Untrusted"}
    assert settle_trust(env) == Settled({})
    with pytest.raises(UsageError, match="is to be trusted or untrusted, got 'Untrusted'"):
        refuse_untrusted_write({**env, **settle_trust(env).variables}, "publish")


STRANGE = (
    "a run for an untrusted trigger may not publish; do that in a run for a push or a schedule "
    "on a branch of your own"
)
UNKNOWN = (
    "nothing says whose code this run executes, so it may not publish; where only trusted code "
    "runs, set NOXDEN_TRUST=trusted for the job"
)


@pytest.mark.parametrize(
    ("env", "said"),
    [
        ({}, ""),
        ({"CI": "false"}, ""),
        ({"NOXDEN_TRUST": "trusted"}, ""),
        ({"NOXDEN_TRUST": "untrusted"}, STRANGE),
        ({"NOXDEN_TRUST": "unknown"}, UNKNOWN),
        ({"CI": "true"}, UNKNOWN),
        ({"CI": "true", "NOXDEN_TRUST": "trusted"}, ""),
        ({"GITHUB_ACTIONS": "true"}, UNKNOWN),
        ({"GITHUB_ACTIONS": "true", "GITHUB_EVENT_NAME": "push"}, ""),
        ({"GITHUB_ACTIONS": "true", "GITHUB_EVENT_NAME": "issue_comment"}, STRANGE),
        (
            {"GITHUB_ACTIONS": "1", "GITHUB_EVENT_NAME": "issue_comment", "NOXDEN_TRUST": "trusted"},
            "",
        ),
        ({"GITLAB_CI": "true", "CI_PIPELINE_SOURCE": "external_pull_request_event"}, UNKNOWN),
        ({"JENKINS_URL": "x"}, UNKNOWN),
        ({"JENKINS_URL": "x", "BRANCH_NAME": "main"}, ""),
        ({"JENKINS_URL": "x", "GERRIT_EVENT_TYPE": "patchset-created"}, STRANGE),
    ],
)  # fmt: skip
def test_only_a_run_that_is_known_to_be_trusted_writes(env: dict[str, str], said: str) -> None:
    settled = {**env, **settle_trust(env).variables}
    if not said:
        refuse_untrusted_write(settled, "publish")
        return
    with pytest.raises(SafetyError) as caught:
        refuse_untrusted_write(settled, "publish")
    assert str(caught.value) == said


def test_on_a_ci_system_nothing_is_written_before_the_trust_is_settled() -> None:
    with pytest.raises(SafetyError) as caught:
        refuse_untrusted_write({"JENKINS_URL": "x", "BRANCH_NAME": "main"}, "publish")
    assert str(caught.value) == UNKNOWN


def test_a_run_about_which_nothing_is_known_keeps_its_den() -> None:
    assert not is_untrusted({"NOXDEN_TRUST": "unknown"})
    assert compute_den_directory({"NOXDEN_DIR": "/x/den", "NOXDEN_TRUST": "unknown"}) == Path(
        "/x/den"
    )


def test_a_pull_request_about_which_nothing_can_be_learned_is_no_trusted_one(
    github: Event,
) -> None:
    env = github("pull_request", "{")
    with pytest.raises(UsageError, match="is not JSON"):
        settle_trust(env)
    assert settle_trust({**env, "NOXDEN_TRUST": "trusted"}) == Settled({})
    # Where the name of the event says enough, the payload is not read.
    push = {**env, "GITHUB_EVENT_NAME": "push"}
    assert settle_trust(push) == Settled({"NOXDEN_TRUST": "trusted"})
    assert settle_trust({"GITHUB_ACTIONS": "true"}) == Settled({"NOXDEN_TRUST": "unknown"})
