"""What has to be so before the distributions of a project leave it."""

from __future__ import annotations

import hashlib
import json
import os
import subprocess
from typing import TYPE_CHECKING

import pytest

from noxden.errors import SafetyError
from noxden.sessions.publish_checks import Release, check_release

if TYPE_CHECKING:
    from pathlib import Path

STEPS = ("sdist", "wheel", "description", "contents", "install", "sums")
NAMES = ("demo-1.0-py3-none-any.whl", "demo-1.0.tar.gz")
AGAIN = "run: nox -s packaging"


def git(folder: Path, *words: str) -> None:
    command = ["git", "-c", "user.name=a", "-c", "user.email=a@example.com", *words]
    subprocess.run(command, cwd=folder, check=True, capture_output=True)


def describe(project: Path, names: tuple[str, ...] = NAMES, **status: str) -> None:
    """Write what a packaging session would leave."""
    output = project / ".noxden" / "packaging"
    (output / "dist").mkdir(parents=True, exist_ok=True)
    lines = []
    for name in names:
        (output / "dist" / name).write_text(name)
        lines.append(f"{hashlib.sha256(name.encode()).hexdigest()}  {name}\n")
    (output / "dist" / "SHA256SUMS").write_text("".join(lines))
    steps = [{"name": name, "status": status.get(name, "passed")} for name in STEPS]
    good = all(step["status"] == "passed" for step in steps)
    (output / "summary.json").write_text(
        json.dumps({"status": "passed" if good else "failed", "steps": steps})
    )


@pytest.fixture
def project(tmp_path: Path) -> Path:
    git(tmp_path, "init", "--quiet")
    (tmp_path / ".gitignore").write_text(".noxden/\n")
    git(tmp_path, "add", ".")
    git(tmp_path, "commit", "--quiet", "--message=first")
    git(tmp_path, "tag", "v1.0")
    describe(tmp_path)
    return tmp_path


def check(project: Path) -> Release:
    return check_release(project, project / ".noxden" / "packaging", os.environ)


def refused(project: Path) -> str:
    with pytest.raises(SafetyError) as raised:
        check(project)
    return str(raised.value).replace(f"{project}/", "")


def test_what_was_checked_for_the_tag_of_this_commit_may_be_published(project: Path) -> None:
    files = tuple(project / ".noxden" / "packaging" / "dist" / name for name in NAMES)
    assert check(project) == Release(files, "1.0", "v1.0")
    git(project, "tag", "--delete", "v1.0")
    git(project, "tag", "1.0")
    assert check(project).tag == "1.0"


def test_a_tree_that_is_not_clean_is_refused(project: Path) -> None:
    (project / "b.txt").write_text("")
    said = "the checkout is not clean (b.txt{}); commit or remove that first"
    assert refused(project) == said.format("")
    (project / ".gitignore").write_text(".noxden/\n*.x\n")
    assert refused(project) == said.replace("b.txt", ".gitignore").format(" and 1 more")


def test_outside_of_git_nothing_says_what_would_be_published(project: Path) -> None:
    (project / ".git").rename(project / "git")
    assert refused(project) == (
        f"{project} is not a git checkout, so nothing says what would be published"
    )


@pytest.mark.parametrize(
    ("tags", "said"),
    [
        ((), "it has no tag"),
        (("v1.1", "latest"), "its tags are latest, v1.1"),
    ],
)
def test_a_commit_without_the_tag_of_the_version_is_refused(
    project: Path, tags: tuple[str, ...], said: str
) -> None:
    git(project, "tag", "--delete", "v1.0")
    for tag in tags:
        git(project, "tag", tag)
    assert refused(project) == f"HEAD is not tagged as 1.0 ({said}); run: git tag v1.0"


def test_checks_that_did_not_pass_are_refused(project: Path) -> None:
    describe(project, contents="failed", install="skipped")
    assert refused(project) == f"packaging did not pass (contents, install); {AGAIN}"
    describe(project, sdist="failed")
    assert refused(project) == f"packaging did not pass; {AGAIN}"


@pytest.mark.parametrize("text", ["", "[]", '{"status": "passed"}', '{"steps": [1]}'])
def test_a_summary_that_says_nothing_of_packaging_is_refused(project: Path, text: str) -> None:
    (project / ".noxden/packaging/summary.json").write_text(text)
    said = f".noxden/packaging/summary.json does not say that packaging ran; {AGAIN}"
    assert refused(project) == said
    (project / ".noxden/packaging/summary.json").unlink()
    assert refused(project) == said


def test_checks_of_an_older_commit_are_refused(project: Path) -> None:
    os.utime(project / ".noxden/packaging/summary.json", (0, 0))
    assert (
        refused(project)
        == f"packaging ran before the last commit; {AGAIN.replace('run', 'run it again')}"
    )


def test_files_that_were_not_checked_are_refused(project: Path) -> None:
    dist = project / ".noxden/packaging/dist"
    (dist / NAMES[0]).write_text("other")
    not_checked = ".noxden/packaging/dist/{} is not what packaging checked; empty "
    assert refused(project).startswith(not_checked.format(NAMES[0]))
    describe(project)
    (dist / "more.whl").write_text("")
    assert refused(project).startswith(not_checked.format("more.whl"))
    (dist / "more.whl").unlink()
    (dist / NAMES[1]).unlink()
    assert refused(project) == (
        f".noxden/packaging/dist has not all files of its SHA256SUMS; {AGAIN}"
    )
    (dist / "SHA256SUMS").unlink()
    assert refused(project) == (
        f"cannot read .noxden/packaging/dist/SHA256SUMS: No such file or directory; {AGAIN}"
    )


def test_several_versions_and_strange_files_are_refused(project: Path) -> None:
    describe(project, (*NAMES, "demo-1.1.tar.gz"))
    assert refused(project) == (
        f".noxden/packaging/dist has several versions (1.0, 1.1); empty it and {AGAIN}"
    )
    describe(project, (*NAMES, "demo-1.1.tar.gz", "readme.txt"))
    assert refused(project) == (
        f".noxden/packaging/dist/readme.txt is neither an sdist nor a wheel; remove it and {AGAIN}"
    )
