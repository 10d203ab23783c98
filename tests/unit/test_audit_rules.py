"""``noxden ci audit``: which jobs install, how that is cached, and what is wrong with it."""

from __future__ import annotations

import json
import textwrap
from typing import TYPE_CHECKING, Any

import pytest

from noxden.cli import Caller, main

if TYPE_CHECKING:
    from pathlib import Path

PIN = "0123456789abcdef0123456789abcdef01234567"
GOOD = f"""
    on: push
    permissions: {{contents: read}}
    jobs:
      tests:
        runs-on: ubuntu-latest
        timeout-minutes: 10
        steps:
          - uses: actions/cache@{PIN}
            with:
              path: ~/.cache/pip
              key: demo-${{{{ runner.os }}}}-${{{{ hashFiles('uv.lock') }}}}
          - run: pip install -r requirements.txt
"""


def audit(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], *words: str, **files: str
) -> tuple[int, Any]:
    """Exit code and JSON for a repository with ``files``, named with ``__`` for slashes."""
    for name, text in files.items():
        file = tmp_path / name.replace("__", "/")
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(textwrap.dedent(text))
    code = main(["ci", "audit", str(tmp_path), "--json", *words], Caller({}, tmp_path))
    return code, json.loads(capsys.readouterr().out)


def workflow(text: str) -> dict[str, str]:
    return {".github__workflows__a.yml": text}


def test_a_job_that_does_all_of_it_right_has_no_problem(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    code, found = audit(tmp_path, capsys, "--strict", **workflow(GOOD))
    assert (code, found["files"], found["problems"]) == (0, 1, [])
    [job] = found["jobs"]
    assert (job["name"], job["line"], job["problems"]) == ("tests", 5, [])
    assert [one["tool"] for one in job["installs"]] == ["pip"]
    assert [one["how"] for one in job["caches"]] == ["actions/cache"]


@pytest.mark.parametrize(
    ("old", "new", "rule"),
    [
        ("hashFiles('uv.lock')", "hashFiles('**')", "key-whole-tree"),
        ("-${{ hashFiles('uv.lock') }}", "-v1", "key-without-lock"),
        ("~/.cache/pip", ".venv", "venv-cached"),
        (f"cache@{PIN}", "cache@v5", "unpinned-action"),
        ("permissions: {contents: read}\n", "\n", "missing-permissions"),
        ("timeout-minutes: 10", "name: x", "no-timeout"),
        ("on: push", "on: pull_request_target", "untrusted-write"),
        (
            "- run: pip install -r requirements.txt",
            "- run: uv sync && uv cache prune --ci",
            "prune-drops-wheels",
        ),
    ],
)
def test_each_thing_that_is_wrong_has_a_rule(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], old: str, new: str, rule: str
) -> None:
    text = textwrap.dedent(GOOD)
    assert old in text
    code, found = audit(tmp_path, capsys, "--strict", **workflow(text.replace(old, new)))
    assert code == 1
    assert rule in {one["rule"] for one in found["problems"]}


def test_a_job_without_a_cache_is_told(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    text = f"""
        on: push
        permissions: {{contents: read}}
        jobs:
          tests:
            runs-on: ubuntu-latest
            timeout-minutes: 10
            steps:
              - uses: actions/checkout@{PIN}
              - run: |
                  set -e
                  sudo env A=1 python -m pip \\
                    install torch
    """
    code, found = audit(tmp_path, capsys, **workflow(text))
    assert code == 0
    assert [(one["rule"], one["line"]) for one in found["problems"]] == [("no-cache", 5)]
    assert found["jobs"][0]["installs"][0]["line"] == 12


@pytest.mark.parametrize(
    "command",
    [
        "uv sync", "uv pip install x", "uvx ruff", "pipx install x", "poetry install", "pdm sync",
        "conda env create -f e.yml", "tox", "nox -s unit", "python -m build", "hatch run test",
    ],
)  # fmt: skip
def test_every_tool_that_installs_is_known(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], command: str
) -> None:
    text = textwrap.dedent(GOOD).replace("pip install -r requirements.txt", command)
    _, found = audit(tmp_path, capsys, **workflow(text))
    assert [one["name"] for one in found["jobs"]] == ["tests"]


def test_a_job_that_installs_nothing_is_not_listed(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    text = textwrap.dedent(GOOD).replace("pip install -r requirements.txt", "make docs")
    assert audit(tmp_path, capsys, **workflow(text))[1]["jobs"] == []


def test_gitlab_and_jenkins_are_read_too(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    gitlab = """
        include: {local: ci/more.yml}
        default:
          before_script: [pip install uv]
        .base:
          script: [uv sync]
        tests:
          extends: .base
          cache:
            key: everything
            paths: [.venv]
        odd: !reference [.base, script]
    """
    jenkins = """
        pipeline {
            agent any
            stages {
                stage('Tests') {
                    steps { sh 'pip install -r requirements.txt' }
                }
            }
        }
    """
    more = "lint:\n  script: [pip install ruff]\n"
    files = {".gitlab-ci.yml": gitlab, "ci__more.yml": more, "Jenkinsfile": jenkins}
    _, found = audit(tmp_path, capsys, **files)
    assert {(one["system"], one["name"]) for one in found["jobs"]} >= {
        ("gitlab", "tests"),
        ("gitlab", "lint"),
        ("jenkins", "Tests"),
    }
    rules = {one["rule"] for one in found["problems"]}
    assert {"key-without-lock", "venv-cached"} <= rules


def test_what_cannot_be_read_costs_a_sentence_and_nothing_else(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = tmp_path / ".github" / "workflows"
    folder.mkdir(parents=True)
    (folder / "bytes.yml").write_bytes(b"a: \xff\xfe")
    (folder / "huge.yml").write_bytes(b"# " + b"x" * 3_000_000)
    (folder / "out.yml").symlink_to("/etc/passwd")
    bomb = "a: &a [x, x]\n" + "".join(
        f"{chr(98 + n)}: &{chr(98 + n)} [*{chr(97 + n)}, *{chr(97 + n)}, *{chr(97 + n)}]\n"
        for n in range(20)
    )
    files = {
        ".github__workflows__bad.yml": "a: [",
        ".github__workflows__bomb.yml": bomb,
        ".github__workflows__list.yml": "- a\n",
        **workflow(GOOD),
    }
    code, found = audit(tmp_path, capsys, "--strict", **files)
    assert code == 1
    assert [one["name"] for one in found["jobs"]] == ["tests"]
    told = {one["path"].rpartition("/")[2] for one in found["skipped"]}
    assert told >= {"bad.yml", "huge.yml", "out.yml"}


def test_sarif_is_for_code_scanning(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    audit(tmp_path, capsys, **workflow(textwrap.dedent(GOOD).replace(f"cache@{PIN}", "cache@v5")))
    assert main(["ci", "audit", str(tmp_path), "--sarif"], Caller({}, tmp_path)) == 0
    found = json.loads(capsys.readouterr().out)
    assert found["version"] == "2.1.0"
    [run] = found["runs"]
    assert run["tool"]["driver"]["name"] == "noxden"
    [result] = run["results"]
    assert result["ruleId"] == "unpinned-action"
    where = result["locations"][0]["physicalLocation"]
    assert where["artifactLocation"]["uri"] == ".github/workflows/a.yml"
    assert where["region"]["startLine"] == 9


def test_a_table_says_what_to_do(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    audit(tmp_path, capsys, **workflow(textwrap.dedent(GOOD).replace(f"cache@{PIN}", "cache@v5")))
    assert main(["ci", "audit"], Caller({}, tmp_path)) == 0
    shown = capsys.readouterr().out
    assert ".github/workflows/a.yml:9: warning: unpinned-action" in shown
    assert "unpinned-action: Pin it by commit or digest" in shown


def test_a_place_without_ci_files_is_said_and_a_place_that_is_none_is_refused(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["ci", "audit", str(tmp_path)], Caller({}, tmp_path)) == 0
    assert "has no CI files that noxden knows" in capsys.readouterr().out
    assert main(["ci", "audit", str(tmp_path / "gone")], Caller({}, tmp_path)) == 2
    assert str(tmp_path / "gone") in capsys.readouterr().err
    assert main(["ci", "audit", "--json", "--sarif"], Caller({}, tmp_path)) == 2
