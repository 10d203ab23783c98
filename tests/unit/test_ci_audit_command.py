"""What ``noxden ci audit`` prints: a table, JSON, SARIF, and with which exit code."""

from __future__ import annotations

import json
from importlib.metadata import version
from typing import TYPE_CHECKING, Any

import pytest

from noxden.ci.audit.rules import RULES
from noxden.cli import Caller, main

if TYPE_CHECKING:
    from pathlib import Path

WORKFLOW = """\
on: push
permissions: {}
jobs:
  tests:
    steps:
      - uses: actions/checkout@v6
      - run: pip install torch
  tools:
    timeout-minutes: 5
    steps:
      - run: pip install nox
"""
SUMMARY = (
    "2 files; 3 jobs install Python packages (1 without a cache); 3 problems, 2 warnings, 1 note"
)
TABLE = f"""\
.github/workflows/a b.yml
line  job    installs  cached
   4  tests  pip       no
   8  tools  pip       no, and no need: only tools
  .github/workflows/a b.yml:4: warning: no-cache (tests): pip: packages are installed and nothing is cached
  .github/workflows/a b.yml:4: note: no-timeout (tests): it has no timeout
  .github/workflows/a b.yml:6: warning: unpinned-action: actions/checkout@v6 is not pinned by a commit, 40 hexadecimal digits

.gitlab-ci.yml
line  job   installs  cached
   1  lint  uv sync   GitLab cache, NOXDEN_DIR

What to do
  no-cache: {RULES["no-cache"].advice}
  unpinned-action: {RULES["unpinned-action"].advice}
  no-timeout: {RULES["no-timeout"].advice}

{SUMMARY}
"""
GITLAB = """\
lint:
  script: uv sync
  variables: {NOXDEN_DIR: /den}
  cache: {key: {files: [uv.lock]}, paths: [wheels]}
"""


@pytest.fixture
def root(tmp_path: Path) -> Path:
    folder = tmp_path / "root"
    (folder / ".github" / "workflows").mkdir(parents=True)
    (folder / ".github" / "workflows" / "a b.yml").write_text(WORKFLOW)
    (folder / ".gitlab-ci.yml").write_text(GITLAB)
    return folder


def call(cwd: Path, *words: str) -> int:
    return main(["ci", "audit", *words], Caller({}, cwd))


def read(capsys: pytest.CaptureFixture[str]) -> Any:
    return json.loads(capsys.readouterr().out)


def test_people_get_a_table_for_each_file(root: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert call(root) == 0
    assert capsys.readouterr() == (TABLE, "")


def test_strict_ends_with_1_where_there_is_a_problem(
    root: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert call(root, "--strict") == 1
    said = capsys.readouterr()
    assert said.out == TABLE
    assert said.err == f"noxden: the audit is not clean ({SUMMARY}); do as it says for each\n"
    assert call(root, ".gitlab-ci.yml", "--strict") == 0


def test_strict_does_not_pass_over_what_could_not_be_read(
    root: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (root / ".gitlab-ci.yml").write_text("a: [b]\na: [b]\n")
    assert call(root, ".gitlab-ci.yml", "--strict") == 1
    said = capsys.readouterr().out
    assert said.splitlines() == [
        ".gitlab-ci.yml has a twice (line 2); the later one counts here",
        (
            "1 file; 0 jobs install Python packages (0 without a cache); 0 problems; 1 note on "
            "what could not be read as it is"
        ),
    ]


def test_scripts_get_json(root: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert call(root, "--json") == 0
    found = read(capsys)
    assert list(found) == ["files", "jobs", "problems", "skipped"]
    path = ".github/workflows/a b.yml"
    assert found["files"] == 2
    assert found["jobs"][0] == {
        "path": path,
        "line": 4,
        "system": "github",
        "name": "tests",
        "installs": [
            {
                "tool": "pip",
                "path": path,
                "line": 7,
                "command": "pip install torch",
                "light": False,
            }
        ],
        "caches": [],
        "kept": None,
        "problems": ["no-cache", "no-timeout"],
    }
    assert found["jobs"][2]["caches"] == [
        {
            "how": "GitLab cache",
            "path": ".gitlab-ci.yml",
            "line": 4,
            "paths": ["wheels"],
            "key": "default",
            "saves": True,
        }
    ]
    assert found["problems"][2] == {
        "rule": "unpinned-action",
        "severity": "warning",
        "path": path,
        "line": 6,
        "job": None,
        "message": "actions/checkout@v6 is not pinned by a commit, 40 hexadecimal digits",
        "advice": RULES["unpinned-action"].advice,
    }
    assert found["skipped"] == []


def test_code_scanning_gets_sarif(root: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (root / ".github" / "workflows" / "b.yml").write_text("a: [")
    assert call(root, "--sarif") == 0
    found = read(capsys)
    assert (found["version"], len(found["runs"])) == ("2.1.0", 1)
    run = found["runs"][0]
    driver = run["tool"]["driver"]
    assert (driver["name"], driver["version"]) == ("noxden", version("noxden"))
    assert [rule["id"] for rule in driver["rules"]] == list(RULES)
    for rule in driver["rules"]:
        assert set(rule) == {"id", "shortDescription", "help", "defaultConfiguration"}
        assert rule["defaultConfiguration"]["level"] in {"error", "warning", "note"}
        assert rule["shortDescription"]["text"]
        assert rule["help"]["text"].endswith(".")
    for result in run["results"]:
        assert driver["rules"][result["ruleIndex"]]["id"] == result["ruleId"]
        assert result["message"]["text"]
    assert run["results"][0] == {
        "ruleId": "no-cache",
        "ruleIndex": 1,
        "level": "warning",
        "message": {"text": "tests: pip: packages are installed and nothing is cached."},
        "locations": [
            {
                "physicalLocation": {
                    "artifactLocation": {
                        "uri": ".github/workflows/a%20b.yml",
                        "uriBaseId": "%SRCROOT%",
                    },
                    "region": {"startLine": 4},
                }
            }
        ],
    }
    [invocation] = run["invocations"]
    assert invocation["executionSuccessful"] is True
    [notice] = invocation["toolExecutionNotifications"]
    assert notice["level"] == "warning"
    assert notice["message"]["text"].startswith(".github/workflows/b.yml is not YAML: ")


def test_two_forms_of_output_are_refused(root: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert call(root, "--json", "--sarif") == 2
    assert capsys.readouterr().err == (
        "noxden: --json and --sarif are two forms of one output; leave out one\n"
    )


def test_a_place_is_taken_from_where_the_caller_is(
    root: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (root / "empty").mkdir()
    assert call(root, "empty") == 0
    assert capsys.readouterr().out == (
        f"{root / 'empty'} has no CI files that noxden knows; nothing was audited\n"
    )
    assert call(root / "empty", "..") == 0
    assert capsys.readouterr().out == TABLE
    assert call(root, "gone") == 2


@pytest.mark.parametrize("rule", RULES.values())
def test_each_rule_has_advice_of_one_sentence(rule: Any) -> None:
    assert rule.advice.endswith(".")
    assert ". " not in rule.advice
    assert not rule.title.endswith(".")


def test_a_release_is_said_to_need_no_cache(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / ".gitlab-ci.yml").write_text("a: {script: uv sync, only: [tags]}\n")
    assert call(tmp_path) == 0
    assert capsys.readouterr().out.splitlines()[2].endswith("uv sync   no, as a release should")
