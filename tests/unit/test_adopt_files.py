"""What ``noxden init`` writes: additions that leave the rest alone, whole or not at all."""

from __future__ import annotations

import difflib
import os
import shutil
import tomllib
from typing import TYPE_CHECKING, Any

import pytest

from noxden.adopt.after import list_sessions, lock
from noxden.adopt.apply import written
from noxden.adopt.changes import plan_changes
from noxden.adopt.facts import collect_facts
from noxden.adopt.manifest import extend_manifest
from noxden.adopt.propose import Wishes, plan_proposal
from noxden.adopt.values import Change, Proposal
from noxden.errors import InfrastructureError, SafetyError, UsageError, WorkError

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

HEAD = '[project]\nname = "demo"\nversion = "1"\nrequires-python = ">=3.11"\n'
ADDED = Proposal(
    ("lint",),
    {"dev": ("noxden",), "lint": ("ruff", "codespell")},
    {"unit": {"groups": ["dev"], "python": ["3.11"]}},
    {"noxden": {"path": "../noxden", "editable": True}},
    (),
)
TABLES = """
[tool.uv.sources]
noxden = {path = "../noxden", editable = true}

[tool.noxden.unit]
groups = ["dev"]
python = ["3.11"]
"""


def changed_lines(before: str, after: str) -> list[str]:
    """Lines that are not in both, with their signs; line ends are part of them."""
    diff = difflib.ndiff(before.splitlines(keepends=True), after.splitlines(keepends=True))
    return [line for line in diff if line[0] in "+-"]


def test_tables_that_are_not_there_come_to_the_end() -> None:
    groups = '\n[dependency-groups]\ndev = ["noxden"]\nlint = ["ruff", "codespell"]\n'
    before = "# first\n[project]\nname   =  'demo' # odd\n"
    assert extend_manifest(before, ADDED, "here") == before + groups + TABLES
    assert extend_manifest(before.rstrip(), ADDED, "here") == before + groups + TABLES
    assert extend_manifest("", ADDED, "here") == (groups + TABLES).removeprefix("\n")


@pytest.mark.parametrize(
    ("before", "after"),
    [
        (
            'dev = ["a"]\n\n# about what follows\n[tool.x]\ny = 1\n',
            'dev = ["a", "noxden"]\nlint = ["ruff", "codespell"]\n\n# about what follows\n[tool.x]\ny = 1\n',
        ),
        (
            'dev = [\n    "a", # why\n    # not: "c",\n    "b",\n]\n[tool.x]\n',
            'dev = [\n    "a", # why\n    # not: "c",\n    "b",\n    "noxden",\n]\nlint = ["ruff", "codespell"]\n[tool.x]\n',
        ),
        (
            'lint = []\ndev = [ "a", { include-group = "lint" } ]',
            'lint = ["ruff", "codespell"]\ndev = [ "a", { include-group = "lint" }, "noxden" ]',
        ),
    ],
)
def test_lists_grow_in_the_manner_of_their_entries(before: str, after: str) -> None:
    head, proposal = "[dependency-groups]\n", ADDED._replace(settings={}, sources={})
    assert extend_manifest(head + before, proposal, "here") == head + after


def test_a_table_of_noxden_that_is_there_gets_keys_and_keeps_its_comments() -> None:
    before = '[tool.noxden.unit] # ours\nworkers = 2 # few\n\n# end\n[tool.uv]\nsources.x = {path = "x"}\n'
    proposal = ADDED._replace(groups={}, sources={})
    assert extend_manifest(before, proposal, "here") == before.replace(
        "# few\n", '# few\ngroups = ["dev"]\npython = ["3.11"]\n'
    )


def test_tables_out_of_order_are_no_obstacle() -> None:
    before = '[tool.uv]\npackage = true\n\n[project]\nname = "x"\n\n[tool.uv.sources]\nx = { path = "x" }\n\n[tool.noxden.unit]\nworkers = 1\n'
    made = extend_manifest(before, ADDED, "here")
    assert [line for line in changed_lines(before, made) if line[0] == "-"] == []
    assert tomllib.loads(made)["tool"]["uv"]["sources"].keys() == {"x", "noxden"}


def test_line_ends_of_windows_stay() -> None:
    before = '[dependency-groups]\r\ndev = ["a"]\r\n\r\n[tool.x]\r\n'
    made = extend_manifest(before, ADDED, "here")
    assert made.count("\n") == made.count("\r\n")
    assert changed_lines(before, made)[:3] == [
        '- dev = ["a"]\r\n', '+ dev = ["a", "noxden"]\r\n', '+ lint = ["ruff", "codespell"]\r\n',
    ]  # fmt: skip


def test_a_long_list_has_a_line_for_each_entry() -> None:
    proposal = Proposal((), {"test": tuple(f"a-long-name-{n}" for n in range(8))}, {}, {}, ())
    entries = "".join(f'    "a-long-name-{n}",\n' for n in range(8))
    assert extend_manifest("", proposal, "here") == f"[dependency-groups]\ntest = [\n{entries}]\n"


@pytest.mark.parametrize(
    ("text", "table"),
    [
        ('dependency-groups = {dev = ["a"]}\n', "[dependency-groups]"),
        ('[tool.uv]\nsources.x = {path = "x"}\n', "[tool.uv.sources]"),
        ("[tool]\nnoxden = {unit = {workers = 1}}\n", "[tool.noxden.unit]"),
    ],
)
def test_a_spelling_without_room_for_additions_is_refused(text: str, table: str) -> None:
    with pytest.raises(UsageError) as caught:
        extend_manifest(text, ADDED._replace(sources={"noxden": {"path": "x"}}), "here")
    assert str(caught.value) == (
        f"here has no {table} that init could add to, it is spelled in another way; write it as a "
        "table with that header, then noxden init again"
    )


def make_changes(folder: Path, wishes: Wishes, more: str = "") -> dict[str, Change]:
    """The changes for a project, by path; and notes under the empty one."""
    (folder / "pyproject.toml").write_text(HEAD + more)
    (folder / "uv.lock").write_text("version = 1\n")
    env = {**os.environ, "NOXDEN_DIR": str(folder / "den")}
    facts = collect_facts(folder, env)
    changes, notes = plan_changes(facts, plan_proposal(facts, wishes), env)
    made = {change.path: change for change in changes}
    return made | ({"": Change("", None, "\n".join(notes))} if notes else {})


def test_a_noxfile_registers_what_is_proposed_and_ci_files_follow(tmp_path: Path) -> None:
    more = '[dependency-groups]\ntest = ["pytest"]\nheavy = ["torch"]\n[project.optional-dependencies]\n'
    wishes = Wishes("1.2", providers=("github", "forgejo", "gitlab", "jenkins"), device=True)
    made = make_changes(tmp_path, wishes, more)
    assert made["noxfile.py"].after.endswith(
        "import noxden\n\nnoxden.lint()\nnoxden.unit()\nnoxden.heavy()\nnoxden.device()\nnoxden.plan()\n"
    )
    names = ["noxden.yml", "noxden-heavy.yml", "noxden-device.yml"]
    assert made.keys() == {
        "pyproject.toml", "noxfile.py", ".gitlab-ci.yml", "Jenkinsfile",
        *(f".{system}/workflows/{name}" for system in ("github", "forgejo") for name in names),
    }  # fmt: skip


def test_ci_files_that_somebody_wrote_stay(tmp_path: Path) -> None:
    (tmp_path / ".gitlab-ci.yml").write_text("stages: []\n")
    (tmp_path / ".noxden-pins.toml").write_text("[actions]\n")
    made = make_changes(tmp_path, Wishes("1.2", providers=("gitlab",)))
    assert made.keys() == {"pyproject.toml", "noxfile.py", ""}
    assert made[""].after == (
        ".gitlab-ci.yml was not made by noxden and stays; to replace it run: noxden ci write --force"
    )


def test_ci_files_that_the_new_configuration_does_not_make_any_more_are_not_removed(
    tmp_path: Path,
) -> None:
    (tmp_path / "Jenkinsfile").write_text("// Made by `noxden ci write`\n")
    (tmp_path / ".github").mkdir()
    made = make_changes(tmp_path, Wishes("1.2"))
    assert made.keys() == {"pyproject.toml", "noxfile.py", ".github/workflows/noxden.yml"}


def test_a_project_that_is_not_the_root_of_its_repository_gets_no_ci_files(tmp_path: Path) -> None:
    (tmp_path / ".git").mkdir()
    (tmp_path / ".git" / "HEAD").write_text("ref: refs/heads/main\n")
    for name in ("objects", "refs"):
        (tmp_path / ".git" / name).mkdir()
    (tmp_path / ".gitignore").write_text("/.nox/\n")
    inside = tmp_path / "parts" / "demo"
    inside.mkdir(parents=True)
    made = make_changes(inside, Wishes("1.2"))
    assert made.keys() == {"pyproject.toml", "noxfile.py", ".gitignore", ""}
    assert made[".gitignore"].after == ".noxden/\n"
    assert made[""].after == (
        f"CI files belong into {tmp_path}, the root of the repository; none is written"
    )


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("dist", "dist\n.nox/\n.noxden/\n"),
        ("**/.nox\n.noxden/*\n", None),
        (".nox/\n", ".nox/\n.noxden/\n"),
    ],
)
def test_lines_that_are_missing_in_gitignore_are_added(
    tmp_path: Path, before: str, after: str | None
) -> None:
    (tmp_path / ".gitignore").write_text(before)
    made = make_changes(tmp_path, Wishes("1.2", ci=False))
    change = made.get(".gitignore")
    assert (change and change.after) == after


def snapshot(folder: Path) -> Mapping[str, Any]:
    return {
        str(file.relative_to(folder)): file.read_bytes() if file.is_file() else None
        for file in folder.rglob("*")
    }


def test_files_are_written_whole_with_their_permissions(tmp_path: Path) -> None:
    file = tmp_path / "pyproject.toml"
    file.write_text("old\n")
    file.chmod(0o600)
    changes = [Change("pyproject.toml", "old\n", "new\r\n"), Change("a/b/c.yml", None, "c")]
    with written(tmp_path, changes):
        (tmp_path / "uv.lock").write_text("made meanwhile")
    assert snapshot(tmp_path) == {
        "pyproject.toml": b"new\r\n", "uv.lock": b"made meanwhile", "a": None, "a/b": None, "a/b/c.yml": b"c",
    }  # fmt: skip
    assert file.stat().st_mode & 0o777 == 0o600


@pytest.mark.parametrize("error", [KeyboardInterrupt, UsageError, SystemExit])
def test_on_an_error_everything_is_put_back(tmp_path: Path, error: type[BaseException]) -> None:
    (tmp_path / "pyproject.toml").write_text("old\n")
    (tmp_path / "uv.lock").write_text("lock\n")
    before = snapshot(tmp_path)
    changes = [Change("pyproject.toml", "old\n", "new\n"), Change("a/b/c.yml", None, "c")]
    with pytest.raises(error):  # noqa: SIM117, PT012 - what happens inside is the test
        with written(tmp_path, changes):
            (tmp_path / "uv.lock").write_text("made meanwhile")
            raise error
    assert snapshot(tmp_path) == before


def test_a_file_that_cannot_be_written_puts_the_others_back(tmp_path: Path) -> None:
    (tmp_path / "pyproject.toml").write_text("old\n")
    (tmp_path / ".github").mkdir()
    (tmp_path / ".github" / "workflows").write_text("a file, no folder\n")
    before = snapshot(tmp_path)
    path = ".github/workflows/noxden.yml"
    changes = [Change("pyproject.toml", "old\n", "new\n"), Change("lib/x.py", None, ""), Change(path, None, "")]  # fmt: skip
    with pytest.raises(InfrastructureError) as caught, written(tmp_path, changes):
        pass
    assert str(caught.value) == f"cannot read {tmp_path / path}: Not a directory"
    assert snapshot(tmp_path) == before
    late = [Change("pyproject.toml", "old\n", "new\n"), Change("n" * 250, None, "")]
    with pytest.raises(InfrastructureError) as caught, written(tmp_path, late):
        pass
    assert str(caught.value) == (
        f"cannot write {tmp_path / ('n' * 250)}: File name too long; nothing is changed"
    )
    assert snapshot(tmp_path) == before


def test_a_folder_that_somebody_used_meanwhile_stays(tmp_path: Path) -> None:
    with pytest.raises(KeyboardInterrupt):  # noqa: SIM117, PT012 - what happens inside is the test
        with written(tmp_path, [Change("a/x", None, "x")]):
            (tmp_path / "a" / "theirs").write_text("")
            raise KeyboardInterrupt
    assert snapshot(tmp_path) == {"a": None, "a/theirs": b""}


def test_a_file_that_changed_while_somebody_was_asked_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "pyproject.toml").write_text("edited\n")
    changes = [Change("pyproject.toml", "old\n", "new\n")]
    with pytest.raises(UsageError) as caught, written(tmp_path, changes):
        pass
    assert str(caught.value) == "pyproject.toml changed meanwhile; run noxden init again"
    assert snapshot(tmp_path) == {"pyproject.toml": b"edited\n"}


def test_a_folder_that_leads_out_of_the_project_is_not_written_to(tmp_path: Path) -> None:
    project = tmp_path / "project"
    project.mkdir()
    (tmp_path / "out").mkdir()
    (project / ".github").symlink_to(tmp_path / "out")
    with pytest.raises(SafetyError, match="which is outside of the project; remove the link"):
        written(project, [Change(".github/x", None, "")]).__enter__()
    assert snapshot(tmp_path / "out") == {}


def test_a_lock_that_cannot_be_made_is_told_in_the_words_of_uv(tmp_path: Path) -> None:
    (tmp_path / "pyproject.toml").write_text(HEAD + 'dependencies = ["no-such-thing"]\n')
    with pytest.raises(UsageError) as caught:
        lock(tmp_path, os.environ, offline=True)
    assert str(caught.value).startswith("uv lock failed, so everything was put back as it was:\n")
    assert "no-such-thing" in str(caught.value)


def test_a_noxfile_that_cannot_be_loaded_is_told_in_the_words_of_nox(tmp_path: Path) -> None:
    (tmp_path / "pyproject.toml").write_text(HEAD)
    (tmp_path / "noxfile.py").write_text("import no_such_module\n")
    with pytest.raises(WorkError) as caught:
        list_sessions(tmp_path, os.environ, offline=True)
    assert str(caught.value).startswith("the files are written, but nox -l fails:\n")
    assert "no_such_module" in str(caught.value)
    (tmp_path / "noxfile.py").write_text("import noxden\n\nnoxden.plan()\n")
    shutil.rmtree(tmp_path / "__pycache__", ignore_errors=True)
    assert "- plan -> Plan the jobs" in list_sessions(tmp_path, os.environ, offline=True)
