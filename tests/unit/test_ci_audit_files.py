"""Which files an audit finds, and what it says of those it cannot read."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import pytest

from noxden.ci.audit.audit import audit
from noxden.ci.audit.files import LIMIT, FoundFile, Reader, find_files, find_root
from noxden.ci.audit.values import Skipped
from noxden.errors import UsageError

if TYPE_CHECKING:
    from pathlib import Path

WORKFLOW = "on: push\njobs: {a: {steps: [{run: nox}]}}\n"


def put(root: Path, *paths: str, text: str = WORKFLOW) -> Path:
    for path in paths:
        file = root / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text, "utf-8")
    return root


def names(place: Path) -> list[str]:
    return [one.path for one in find_files(place, find_root(place))]


def test_all_places_of_a_repository_are_known(tmp_path: Path) -> None:
    paths = (
        ".forgejo/workflows/a.yaml",
        ".gitea/workflows/a.yml",
        ".github/actions/deep/er/action.yaml",
        ".github/actions/one/action.yml",
        ".github/workflows/a.yml",
        ".gitlab-ci.yml",
        "Jenkinsfile",
        "Jenkinsfile.nightly",
        "linux.jenkinsfile",
    )
    put(tmp_path, *paths)
    put(tmp_path, ".github/workflows/README.md", ".github/actions/one/index.js", "a.yml")
    (tmp_path / "jenkinsfiles").mkdir()
    assert sorted(names(tmp_path)) == sorted(paths)


def test_a_folder_of_workflows_is_known_by_its_name_or_by_what_it_holds(tmp_path: Path) -> None:
    put(tmp_path, ".github/workflows/a.yml", "flows/a.yml", "other/a.yml")
    assert names(tmp_path / ".github" / "workflows") == [".github/workflows/a.yml"]
    assert names(tmp_path / ".github") == [".github/workflows/a.yml"]
    assert names(tmp_path / "flows") == ["a.yml"]
    put(tmp_path, "other/a.yml", text="x: 1\n")
    put(tmp_path, "other/b.yml", text="x: [\n")
    assert names(tmp_path / "other") == []


def test_local_actions_are_found_from_a_folder_or_a_file(tmp_path: Path) -> None:
    put(tmp_path, ".gitea/actions/x/action.yml", text="runs: {steps: [{run: nox}]}\n")
    text = "on: push\njobs: {a: {steps: [{uses: ./.gitea/actions/x}]}}\n"
    put(tmp_path, ".gitea/workflows/a.yml", text=text)
    for place in (".gitea/workflows", ".gitea/workflows/a.yml"):
        found = audit(tmp_path / place)
        assert [(job.system, job.name) for job in found.jobs] == [("gitea", "a")]
        assert found.root == tmp_path


@pytest.mark.parametrize(
    ("path", "text", "found"),
    [
        ("x.yml", WORKFLOW, FoundFile("x.yml", "github")),
        ("x.yml", "a: {script: nox}\n", FoundFile("x.yml", "gitlab")),
        ("x.yml", "a: [", FoundFile("x.yml", "github")),
        ("action.yml", "runs: {}", FoundFile("action.yml", "github", action=True)),
        ("demo.gitlab-ci.yml", WORKFLOW, FoundFile("demo.gitlab-ci.yml", "gitlab")),
        ("Jenkinsfile", "", FoundFile("Jenkinsfile", "jenkins")),
        (".forgejo/workflows/x.yml", "a: 1", FoundFile(".forgejo/workflows/x.yml", "forgejo")),
    ],
)
def test_a_single_file_is_judged_by_name_and_content(
    tmp_path: Path, path: str, text: str, found: FoundFile
) -> None:
    put(tmp_path, path, text=text)
    place = tmp_path / path
    assert find_files(place, find_root(place)) == [found]


def skipped(root: Path) -> list[tuple[str, str]]:
    """What is said of the files in the folder of workflows, by name."""
    return [(one.path.rpartition("/")[2], one.reason) for one in audit(root).skipped]


def test_each_file_that_cannot_be_read_costs_a_sentence(tmp_path: Path) -> None:
    folder = tmp_path / "root" / ".github" / "workflows"
    put(tmp_path / "root", ".github/workflows/good.yml")
    put(tmp_path, "outside.yml")
    (folder / "a.yml").write_bytes(b"a: \xff")
    (folder / "b.yml").write_bytes(b"#" * (LIMIT + 1))
    (folder / "c.yml").symlink_to(tmp_path / "outside.yml")
    (folder / "d.yml").symlink_to(folder / "gone")
    (folder / "e.yml").symlink_to(folder / "e.yml")
    (folder / "f.yml").mkdir()
    os.mkfifo(folder / "g.yml")
    (folder / "h.yml").write_text("# nothing\n")
    (folder / "i.yml").write_text("jobs: {}\njobs: {}\n")
    (folder / "j.yml").symlink_to(folder / "good.yml")
    said = dict(skipped(tmp_path / "root"))
    # Its words are the system's or Python's, which differ by version.
    assert said.pop("e.yml").startswith("cannot be read: ")
    assert said == {
        "a.yml": "is not UTF-8 (byte 3)",
        "b.yml": "is larger than 2 MB; no CI system takes such a file",
        "c.yml": "is a link that leads out of the repository; it is not followed",
        "d.yml": "cannot be read: No such file or directory",
        "f.yml": "is not a file",
        "g.yml": "is not a file",
        "h.yml": "has no keys, so it says nothing to a CI system",
        "i.yml": "has jobs twice (line 2); the later one counts here",
    }
    found = audit(tmp_path / "root")
    assert [job.place.path.rpartition("/")[2] for job in found.jobs] == ["good.yml", "j.yml"]


def test_a_file_with_a_mark_of_its_encoding_is_read(tmp_path: Path) -> None:
    put(tmp_path, ".github/workflows/a.yml", text="\ufeff" + WORKFLOW)
    assert [job.place.line for job in audit(tmp_path).jobs] == [2]


def test_a_folder_of_workflows_that_leads_out_is_not_followed(tmp_path: Path) -> None:
    put(tmp_path / "other", "a.yml")
    (tmp_path / "root" / ".github").mkdir(parents=True)
    (tmp_path / "root" / ".github" / "workflows").symlink_to(tmp_path / "other")
    assert skipped(tmp_path / "root") == [
        ("a.yml", "is a link that leads out of the repository; it is not followed")
    ]


def test_a_file_is_read_once(tmp_path: Path) -> None:
    put(tmp_path, "a.yml")
    reader = Reader(tmp_path)
    assert reader.documents("a.yml") is reader.documents("a.yml")
    assert reader.documents("gone.yml") == reader.documents("gone.yml") == ()
    assert list(reader.skipped) == [
        Skipped("gone.yml", "cannot be read: No such file or directory")
    ]


def test_patterns_of_includes_stay_below_the_root(tmp_path: Path) -> None:
    put(tmp_path, "ci/a.yml", "ci/b.yml")
    (tmp_path / "ci" / "c.yml").mkdir()
    reader = Reader(tmp_path)
    assert reader.glob("/ci/*.yml") == ["ci/a.yml", "ci/b.yml"]
    assert reader.glob("x.yml") == ["x.yml"]
    assert reader.glob("**x") == []


def test_a_place_without_ci_files_is_no_error_and_none_is_one(tmp_path: Path) -> None:
    found = audit(tmp_path)
    assert (found.files, found.jobs, found.problems, found.skipped) == (0, (), (), ())
    with pytest.raises(UsageError) as caught:
        audit(tmp_path / "gone")
    assert str(caught.value) == (
        f"{tmp_path / 'gone'} is not there; name a repository, a folder of workflows or a file"
    )
