"""What any configuration can make of the CI files, as the tools of their systems see it."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from noxden._rule import make_rule
from noxden.ci.files.render import render_files
from noxden.ci.plan.child import Jobs, render_child
from noxden.ci.plan.values import Cache, Job, Plan, PlannedSession
from noxden.config import CiConfig, Config, DeviceConfig, JenkinsConfig
from tests.runners.npm import find_node, install

if TYPE_CHECKING:
    from collections.abc import Mapping

pytestmark = pytest.mark.e2e
PROGRAMS = Path(sys.executable).parent
PARSE = Path(__file__).parents[1] / "runners" / "parse.mjs"
EVERY = ("github", "forgejo", "gitlab", "jenkins")
RULE = make_rule(("label", "input", "schedule"), "run-heavy-deps", "run-heavy-deps", "here")
SESSIONS = (
    PlannedSession("plan", "plan", "plan", None, default=False),
    PlannedSession("unit", "unit", "unit", None, default=True),
    PlannedSession("heavy", "heavy", "heavy", None, default=False, rule=RULE),
    PlannedSession(
        "device", "device", "device", None, default=False, stages=DeviceConfig().stage
    ),
    PlannedSession("packaging", "packaging", "packaging", None, default=True),
    PlannedSession("publish", "publish", "publish", None, default=False),
)  # fmt: skip
VARIANTS: Mapping[str, Mapping[str, Any]] = {
    "plain": {},
    "bare": {"launch": "", "runner": "own", "branch": "release/1.x", "nightly": "15 1 * * 1-5"},
    "paths": {"paths": {"unit": ("src/**",)}, "hud": True},
    "secrets": {"secrets": ("HF_TOKEN", "INDEX_PASSWORD"), "hud": True},
    "elsewhere": {"publish_url": "https://index.example/legacy/", "environment": "release"},
    "jenkins": {
        "jenkins": JenkinsConfig(
            "cards && linux",
            "docker build -t demo .",
            "./component.sh 'one two'",
            'nox -s integration -- --name "it\'s"',
            "nox -s device -- --stage 0",
            "docker push demo",
        )
    },
}


@pytest.fixture(scope="module")
def written(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder for each variant, with all files that it makes and a child pipeline."""
    root = tmp_path_factory.mktemp("variants")
    jobs = (
        Job("unit", ("unit",), (), "3.11", ("own",), 10, blocking=True),
        Job(
            "a: b", ("unit-3.12", "x(y='$z')"), ("--stage", "1"), "", ("own", "cards"), 600,
            blocking=False, cache=Cache("key-1", "key-", ".noxden-bundle", save=True),
        ),
    )  # fmt: skip
    for name, settings in VARIANTS.items():
        folder = root / name
        folder.mkdir()
        (folder / "pyproject.toml").write_text('[project]\nname = "demo"\n')
        config = CiConfig(**{"providers": EVERY, **settings})
        made = render_files(folder, Config(ci=config), SESSIONS)
        how = Jobs.plan(config, b"")
        env = {"CI_MERGE_REQUEST_LABELS": "a,$(b)"}
        for path, text in {**made, "child.yml": render_child(Plan(jobs, ()), how, env)}.items():
            (folder / path).parent.mkdir(parents=True, exist_ok=True)
            (folder / path).write_text(text)
    return root


def find_workflows(root: Path) -> list[str]:
    found = sorted(str(path) for path in root.glob("*/.*/workflows/*.yml"))
    assert len(found) == 8 * len(VARIANTS)
    return found


def check(*words: str, cwd: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        words, cwd=cwd, capture_output=True, text=True, check=False, timeout=170,
        env={**os.environ, "HOME": str(cwd)},
    )  # fmt: skip


def test_all_fit_the_schemas_of_github_and_gitlab(written: Path) -> None:
    pipelines = sorted(str(path) for path in written.glob("*/*.yml"))
    assert len(pipelines) == 2 * len(VARIANTS)
    for schema, files in (
        ("vendor.github-workflows", find_workflows(written)),
        ("vendor.gitlab-ci", pipelines),
    ):
        program = str(PROGRAMS / "check-jsonschema")
        ran = check(program, "--builtin-schema", schema, *files, cwd=written)
        assert ran.returncode == 0, ran.stdout


def test_zizmor_finds_nothing_in_any(written: Path) -> None:
    program = str(PROGRAMS / "zizmor")
    options = ("--offline", "--no-config", "--format=json")
    ran = check(program, *options, *find_workflows(written), cwd=written)
    assert (ran.returncode, json.loads(ran.stdout)) == (0, []), ran.stdout + ran.stderr


def test_githubs_parser_takes_all_and_refuses_broken_ones(written: Path, common: Path) -> None:
    modules = install("workflows", common)
    parser = str(modules / "@actions" / "workflow-parser" / "dist" / "index.js")

    def parse(*files: str) -> str:
        ran = check(str(find_node()), str(PARSE), parser, *files, cwd=written)
        assert ran.stderr == ""
        return ran.stdout

    files = find_workflows(written)
    assert parse(*files) == f"{len(files)} files, 0 errors\n"
    text = (written / "plain" / ".github" / "workflows" / "noxden-heavy.yml").read_text()
    for right, wrong, error in (
        ("needs: plan\n", "needs: plna\n", "depends on unknown job 'plna'"),
        ("if: needs.plan", "if: nedes.plan", "Unrecognized named-value: 'nedes'"),
        ("timeout-minutes", "timeout-minuts", "Unexpected value 'timeout-minuts'"),
        ("0 3 * * *", "0 33 * * *", "Invalid cron expression"),
        ("matrix.runner }}", "matrix.runner )}}", "Unexpected symbol: ')'"),
    ):
        assert right in text
        (written / "broken.yml").write_text(text.replace(right, wrong))
        assert error in parse("broken.yml")


def test_groovy_lint_has_no_error_in_a_jenkinsfile_without_and_with_all_stages(
    written: Path, common: Path
) -> None:
    if shutil.which("java") is None:
        pytest.skip("npm-groovy-lint needs Java")
    program = install("groovy", common) / ".bin" / "npm-groovy-lint"
    folder = written / "groovy"
    folder.mkdir()
    # Three seconds a file; the others differ from these in nothing that Groovy sees.
    for name in ("bare", "jenkins"):
        shutil.copy(written / name / "Jenkinsfile", folder / f"{name}.groovy")
    ran = check(
        str(program), "--noserver", "--failon", "error", "--path", str(folder),
        "--output", "json", "**/*.groovy", cwd=folder,
    )  # fmt: skip
    assert ran.returncode == 0, ran.stdout + ran.stderr
    found = json.loads(ran.stdout[ran.stdout.index("{") :])
    assert found["summary"]["totalFoundErrorNumber"] == 0
    assert len(found["files"]) == 2
