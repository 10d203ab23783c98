"""What ``noxden init`` learns of a project, and what it proposes for it."""

from __future__ import annotations

import os
import subprocess
import textwrap
from typing import TYPE_CHECKING

import pytest

from noxden.adopt.facts import collect_facts
from noxden.adopt.noxfile import read_noxfile
from noxden.adopt.propose import Wishes, plan_proposal
from noxden.adopt.source import parse_source
from noxden.adopt.values import Facts, Noxfile, Proposal
from noxden.errors import InfrastructureError, SafetyError, UsageError

if TYPE_CHECKING:
    from pathlib import Path

WISHES = Wishes("1.2", ci=False)
HEAD = '[project]\nname = "demo"\nversion = "1"\nrequires-python = ">=3.11"\n'
BUILD = '[build-system]\nrequires = ["hatchling"]\nbuild-backend = "hatchling.build"\n'
NOXDEN = ("noxden>=1.2",)
PACKAGING = ("check-wheel-contents", "twine", "validate-pyproject[all]")


def facts_of(folder: Path, more: str = "", **files: str) -> Facts:
    """The facts of a locked project; ``files`` by name with ``__`` for a slash and ``_`` for a dot."""
    (folder / "pyproject.toml").write_text(HEAD + textwrap.dedent(more))
    (folder / "uv.lock").write_text("version = 1\n")
    for name, text in files.items():
        file = folder / name.replace("__", "/").replace("_", ".")
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(textwrap.dedent(text))
    return collect_facts(folder, os.environ)


def propose(folder: Path, more: str = "", wishes: Wishes = WISHES, **files: str) -> Proposal:
    return plan_proposal(facts_of(folder, more, **files), wishes)


def test_a_project_with_nothing_gets_a_lint_session_with_its_tools(tmp_path: Path) -> None:
    assert propose(tmp_path) == Proposal(
        ("lint",), {"lint": ("ruff", "codespell"), "dev": NOXDEN}, {}, {}, ()
    )


def test_a_project_with_everything_in_dev_uses_that_group_for_all(tmp_path: Path) -> None:
    more = """
        [dependency-groups]
        dev = ["pytest", "ruff", "codespell"]
    """
    assert propose(tmp_path, more) == Proposal(
        ("lint", "unit"), {"dev": NOXDEN}, {"unit": {"groups": ["dev"]}, "lint": {"groups": ["dev"]}}, {}, (),
    )  # fmt: skip


def test_groups_are_found_by_what_they_hold_and_the_smallest_is_taken(tmp_path: Path) -> None:
    more = """
        [tool.mypy]
        [tool.importlinter]
        [dependency-groups]
        all = [{ include-group = "checks" }, { include-group = "suite" }, "typos"]
        checks = ["ruff"]
        suite = ["PyTest>=8 ; python_version > '3'", { include-group = "suite" }]
        typing = ["mypy"]
    """
    found = propose(tmp_path, more)
    assert found.groups == {"checks": ("import-linter",), "dev": NOXDEN}
    assert found.settings == {
        "lint": {"groups": ["checks", "typing", "all"], "spelling": "typos"},
        "unit": {"groups": ["suite"]},
    }


def test_extras_with_test_tools_become_a_group_that_names_the_extra(tmp_path: Path) -> None:
    more = """
        optional-dependencies.tests = ["pytest"]
        optional-dependencies.gpu = ["torch", "demo[fast]"]
        optional-dependencies.fast = ["numba"]
        optional-dependencies.qa = ["ruff>=0.9", "demo["]
    """
    found = propose(tmp_path, more + BUILD)
    assert found.sessions == ("lint", "unit", "heavy", "packaging")
    assert found.groups == {
        "lint": ("ruff>=0.9", "codespell"),
        "test": ("demo[tests]",),
        "heavy": ("demo[gpu]",),
        "packaging": PACKAGING,
        "dev": NOXDEN,
    }
    assert found.settings == {}
    assert found.notes == (
        "mark tests that need gpu with @pytest.mark.heavy: nox -s heavy runs those",
    )


def test_a_project_that_is_no_package_gets_copies_of_what_its_extras_name(tmp_path: Path) -> None:
    more = 'optional-dependencies.test = ["pytest>=8", "six"]\n'
    found = propose(tmp_path, more)
    assert found.sessions == ("lint", "unit")
    assert found.groups["test"] == ("pytest>=8", "six")


def test_an_extra_that_a_group_names_counts_as_its_content(tmp_path: Path) -> None:
    more = """
        optional-dependencies.one = ["demo[two, one]"]
        optional-dependencies.two = ["pytest"]
        [dependency-groups]
        test = ["demo[one,none]", "other[two]", 'not a requirement!', 7]
    """
    facts = facts_of(tmp_path, more)
    assert facts.extras["one"].packages == {"pytest"}
    assert facts.groups["test"].packages == {"demo", "pytest", "other", "not", "7"}


@pytest.mark.parametrize(
    ("package", "heavy"),
    [("torch", True), ("nvidia-cublas", True), ("cupy-cuda12x", True), ("numpy", False), ("torchmetrics", False)],
)  # fmt: skip
def test_a_group_with_gigabytes_is_for_a_heavy_session(
    tmp_path: Path, package: str, heavy: bool
) -> None:
    more = f'[dependency-groups]\ntest = ["pytest"]\nmodels = ["{package}"]\n'
    found = propose(tmp_path, more)
    assert ("heavy" in found.sessions) is heavy
    assert found.settings.get("heavy") == ({"groups": ["test", "models"]} if heavy else None)


def test_a_group_called_heavy_is_one_whatever_it_holds(tmp_path: Path) -> None:
    more = """
        [tool.pytest.ini_options]
        markers = ["heavy: needs pandas", "device(kind): on a card"]
        [dependency-groups]
        test = ["pytest"]
        heavy = ["pandas"]
        more = ["pandas", "torch"]
    """
    found = propose(tmp_path, more, WISHES._replace(device=True))
    assert found.sessions == ("lint", "unit", "heavy", "device")
    assert found.settings == {
        "heavy": {"groups": ["test", "heavy", "more"]},
        "device": {"groups": ["test", "device"], "markers": "device"},
    }
    assert found.groups["device"] == ("pytest-reportlog",)
    assert found.notes == ()


def test_heavy_packages_among_the_test_group_need_only_the_marker(tmp_path: Path) -> None:
    group = '[dependency-groups]\ntest = ["pytest", "pytest-reportlog", "torch"]\n'
    assert propose(tmp_path, group).sessions == ("lint", "unit")
    found = propose(tmp_path, group, WISHES._replace(device=True), pytest_ini=MARKED)
    assert found.sessions == ("lint", "unit", "heavy", "device")
    assert found.settings == {"heavy": {"groups": ["test"]}}


MARKED = "[pytest]\nmarkers =\n    heavy: large\n    e2e\n"


@pytest.mark.parametrize(
    ("more", "files", "markers"),
    [
        ('[tool.pytest]\nmarkers = ["heavy: x"]\n', {}, {"heavy"}),
        ('[tool.pytest.ini_options]\nmarkers = """\n heavy: x\n device"""\n', {}, {"heavy", "device"}),
        ("", {"pytest_ini": MARKED}, {"heavy", "e2e"}),
        ("", {"setup_cfg": "[tool:pytest]\nmarkers = heavy\n"}, {"heavy"}),
        ("", {"pytest_ini": "no section", "setup_cfg": "neither"}, set()),
    ],
)  # fmt: skip
def test_markers_are_read_wherever_pytest_reads_them(
    tmp_path: Path, more: str, files: dict[str, str], markers: set[str]
) -> None:
    assert facts_of(tmp_path, more, **files).markers == markers


@pytest.mark.parametrize(
    ("more", "files", "pythons"),
    [
        (
            'classifiers = ["Programming Language :: Python :: 3.13", "Programming Language :: '
            'Python :: 3.9", "Programming Language :: Python :: 3.11", "Typing :: Typed"]\n',
            {},
            ("3.11", "3.13"),
        ),
        ("", {"tox_ini": "[tox]\nenvlist =\n    py3{11,12}-x\n    lint, py310\n"}, ("3.11", "3.12")),
        ('[tool.tox]\nenv_list = ["3.9", "py311", "py3.12"]\n', {}, ("3.11", "3.12")),
        ('[tool.tox]\nlegacy_tox_ini = "envlist = py313"\n', {}, ("3.13",)),
        ("", {"_python-versions": "3.13.1\n3.12\n"}, ("3.12", "3.13")),
        ("", {"_python-versions": "3.13\n"}, ()),
        ("", {"_python-version": "3.13\n"}, ()),
    ],
)  # fmt: skip
def test_pythons_are_those_that_the_project_says_it_works_with(
    tmp_path: Path, more: str, files: dict[str, str], pythons: tuple[str, ...]
) -> None:
    assert facts_of(tmp_path, more, **files).pythons == pythons


def test_several_pythons_give_the_unit_session_one_each_and_one_is_the_projects_own_choice(
    tmp_path: Path,
) -> None:
    several = propose(tmp_path, tox_ini="[tox]\nenv_list = py311, py312\n", tests__a_py="")
    assert several.settings == {"unit": {"python": ["3.11", "3.12"]}}
    assert several.groups["test"] == ("pytest",)
    assert several.notes == ("tox stays as it is; what only it does can become a session",)
    assert propose(tmp_path, tox_ini="[tox]\nenv_list = py311\n").settings == {}


@pytest.mark.parametrize(
    ("said", "requirement"),
    [
        (">=3.9", "noxden>=1.2; python_version >= '3.11'"),
        (">=3.11", "noxden>=1.2"),
        ("nonsense", "noxden>=1.2"),
    ],
)
def test_a_project_for_older_pythons_has_noxden_on_newer_ones(
    tmp_path: Path, said: str, requirement: str
) -> None:
    facts = facts_of(tmp_path)
    table = {"project": {"name": "demo", "requires-python": said}}
    assert plan_proposal(facts._replace(table=table), WISHES).groups["dev"] == (requirement,)


def test_requires_python_that_nobody_understands_leaves_the_pythons_out(tmp_path: Path) -> None:
    (tmp_path / "uv.lock").write_text("")
    text = '[project]\nname = "demo"\nrequires-python = "?"\nclassifiers = ["Programming Language :: Python :: 3.12"]\n'
    (tmp_path / "pyproject.toml").write_text(text)
    assert collect_facts(tmp_path, os.environ).pythons == ("3.12",)


def test_noxden_stands_where_nox_stands(tmp_path: Path) -> None:
    more = '[dependency-groups]\ntask = ["nox"]\n'
    assert propose(tmp_path, more).groups["task"] == NOXDEN


def test_a_group_keeps_its_spelling(tmp_path: Path) -> None:
    assert propose(tmp_path, '[dependency-groups]\nDev = ["six"]\n').groups["Dev"] == NOXDEN


def test_noxden_is_added_once_and_not_to_itself(tmp_path: Path) -> None:
    more = '[tool.uv]\ndev-dependencies = ["noxden", "ruff", "codespell"]\n'
    assert propose(tmp_path, more).groups == {}
    facts = facts_of(tmp_path)._replace(name="noxden")
    assert "dev" not in plan_proposal(facts, WISHES).groups


def test_a_project_that_never_had_its_spelling_checked_is_not_surprised_by_it(
    tmp_path: Path,
) -> None:
    found = propose(tmp_path, '[dependency-groups]\nstyle = ["ruff"]\n')
    assert found.groups == {"dev": NOXDEN}
    assert found.settings == {"lint": {"groups": ["style"], "spelling": "none"}}
    assert found.notes == (
        "lint does not check the spelling yet; to have it: uv add --group style codespell, and "
        "remove spelling from [tool.noxden.lint]",
    )


@pytest.mark.parametrize(
    ("more", "files", "tools"),
    [
        ("[tool.codespell]\n", {}, ("ruff", "codespell")),
        ("", {"typos_toml": ""}, ("ruff", "typos")),
        ("", {"_pre-commit-config_yaml": ""}, ("ruff", "prek", "codespell")),
        ("", {"mypy_ini": ""}, ("ruff", "mypy", "codespell")),
        ("", {"setup_cfg": "[mypy]\n[importlinter]\n"}, ("ruff", "mypy", "import-linter", "codespell")),
    ],
)  # fmt: skip
def test_a_new_lint_group_has_the_tools_that_the_project_configured(
    tmp_path: Path, more: str, files: dict[str, str], tools: tuple[str, ...]
) -> None:
    assert propose(tmp_path, more, WISHES, **files).groups["lint"] == tools


def test_what_the_table_of_noxden_says_already_is_not_touched(tmp_path: Path) -> None:
    more = """
        [dependency-groups]
        dev = ["pytest", "ruff", "twine"]
        [tool.noxden.lint]
        groups = ["mine"]
        spelling = "none"
        [tool.noxden.unit]
        groups = ["dev"]
        [tool.noxden.packaging]
        groups = ["mine"]
    """
    found = propose(tmp_path, more + BUILD)
    assert found.settings == {}
    assert found.groups == {"mine": ("ruff", *PACKAGING), "dev": NOXDEN}


def test_packaging_uses_a_group_of_that_purpose(tmp_path: Path) -> None:
    build = "[dependency-groups]\nrelease = ['twine']\n" + BUILD
    found = propose(tmp_path, build)
    assert found.groups["release"] == ("check-wheel-contents", "validate-pyproject[all]")
    assert found.settings["packaging"] == {"groups": ["release"]}


def test_a_build_system_that_uv_is_told_to_ignore_is_no_package(tmp_path: Path) -> None:
    assert not facts_of(tmp_path, BUILD + "[tool.uv]\npackage = false\n").packaged
    assert facts_of(tmp_path, BUILD + "[tool.uv]\npackage = true\n").packaged


def test_ci_settings_follow_the_traces_of_ci_systems_and_what_is_asked_for(tmp_path: Path) -> None:
    asked = Wishes("1.2")
    facts = facts_of(tmp_path)
    assert (facts.providers, facts.branch, facts.checkout) == (("github",), "main", None)
    assert plan_proposal(facts, asked).settings == {}
    assert plan_proposal(facts, asked).sessions == ("lint", "plan")
    found = plan_proposal(facts._replace(branch="trunk"), asked._replace(providers=("jenkins",)))
    assert found.settings == {"ci": {"providers": ["jenkins"], "branch": "trunk"}}
    (tmp_path / "Jenkinsfile").write_text("")
    assert facts_of(tmp_path).providers == ()
    (tmp_path / ".forgejo").mkdir()
    assert facts_of(tmp_path).providers == ("forgejo",)


def test_the_branch_is_the_one_that_others_start_from(tmp_path: Path) -> None:
    (tmp_path / "pyproject.toml").write_text(HEAD)

    def git(*words: str) -> None:
        user = ["-c", "user.name=me", "-c", "user.email=me@localhost"]
        subprocess.run(["git", *user, *words], cwd=tmp_path, check=True, capture_output=True)

    git("init", "--initial-branch", "trunk")
    assert facts_of(tmp_path).branch == "main"
    git("add", ".")
    git("commit", "--message", "one")
    found = facts_of(tmp_path)
    assert (found.branch, found.checkout) == ("trunk", tmp_path)
    git("branch", "master")
    assert facts_of(tmp_path).branch == "master"
    git("update-ref", "refs/remotes/origin/next", "HEAD")
    git("symbolic-ref", "refs/remotes/origin/HEAD", "refs/remotes/origin/next")
    assert facts_of(tmp_path).branch == "next"


def test_a_noxfile_is_told_what_to_add_and_what_stays_needs_nothing(tmp_path: Path) -> None:
    noxfile = """
        import nox, noxden

        noxden.unit(python=["3.11"])

        @nox.session
        def lint(session): ...

        @nox.session(name="docs", python="3.12")
        def make_docs(session): ...

        @nox.session(tags=["slow"])
        def slow(session): ...

        @functools.cache
        def helper(): ...
    """
    found = propose(tmp_path, BUILD, noxfile_py=noxfile, tests__a_py="")
    assert found.groups == {"packaging": PACKAGING, "dev": NOXDEN}
    assert found.notes == (
        "noxfile.py stays as it is; add to it: import noxden; noxden.packaging()",
        "it has sessions lint of its own; to have noxden's instead: noxden.lint()",
    )
    assert read_noxfile(noxfile.replace("\n        ", "\n"), "here") == Noxfile(
        frozenset({"unit"}), ("lint", "docs", "slow")
    )


def test_a_noxfile_that_registers_everything_lacks_nothing(tmp_path: Path) -> None:
    found = propose(tmp_path, noxfile_py="import noxden\nnoxden.register()\n")
    assert (found.groups, found.settings, found.notes) == ({"dev": NOXDEN}, {}, ())


def test_a_noxfile_that_is_not_python_is_an_error_that_names_it(tmp_path: Path) -> None:
    with pytest.raises(UsageError) as caught:
        propose(tmp_path, noxfile_py="def :\n")
    assert str(caught.value).startswith(f"{tmp_path / 'noxfile.py'} is not Python: ")


INIT = "then noxden init again"


@pytest.mark.parametrize(
    ("files", "said"),
    [
        ({}, f"has no pyproject.toml; run: uv init --bare && uv lock, {INIT}"),
        (
            {"requirements.txt": "six"},
            f"has no pyproject.toml; run: uv init --bare && uv add -r requirements.txt, {INIT}",
        ),
        (
            {"requirements-dev.txt": "six"},
            f"has no pyproject.toml; run: uv init --bare && uv add -r requirements-dev.txt, {INIT}",
        ),
        ({"Pipfile": ""}, f"has no pyproject.toml; run: uvx migrate-to-uv, {INIT}"),
        (
            {"setup.py": "", "setup.cfg": ""},
            "has no pyproject.toml; run: uv init --bare, move what setup.py and setup.cfg says to "
            f"[project] and [build-system], run: uv lock, {INIT}",
        ),
    ],
)  # fmt: skip
def test_a_folder_without_a_manifest_is_told_what_makes_one(
    tmp_path: Path, files: dict[str, str], said: str
) -> None:
    for name, text in files.items():
        (tmp_path / name).write_text(text)
    with pytest.raises(UsageError) as caught:
        collect_facts(tmp_path, os.environ)
    assert str(caught.value) == f"{tmp_path} {said}"


@pytest.mark.parametrize(
    ("manifest", "files", "said"),
    [
        ('[project]\nname = "x"\n', [], f" has no uv.lock beside it; run: uv lock, {INIT}"),
        (
            '[project]\nname = "x"\n', ["requirements.txt"],
            " has no uv.lock beside it, but requirements.txt; run: uv add -r requirements.txt, "
            f"{INIT}",
        ),
        ("[tool.poetry]\n", [], f" is one of Poetry; run: uvx migrate-to-uv, {INIT}"),
        (
            '[project]\nname = "x"\n[tool.pdm]\n', [],
            " is one of PDM; move tool.pdm.dev-dependencies to [dependency-groups], remove "
            f"[tool.pdm], run: uv lock, {INIT}",
        ),
        (
            "[tool.ruff]\n", ["setup.py"],
            f" has no [project]; add it with what setup.py says, run: uv lock, {INIT}",
        ),
        (
            "[tool.ruff]\n", ["requirements.in", "uv.lock"],
            f" has no [project]; add it with name, version and requires-python, run: uv lock, {INIT}",
        ),
        ("[project\n", [], " is not TOML: "),
        ("project = 1\n", [], ": project.optional-dependencies is to be a table, got 1"),
        ("[[tool.uv]]\n", [], ": tool.uv.sources is to be a table, got [{}]"),
    ],
)  # fmt: skip
def test_a_project_that_is_not_ready_is_told_which_commands_make_it_so(
    tmp_path: Path, manifest: str, files: list[str], said: str
) -> None:
    (tmp_path / "pyproject.toml").write_text(manifest)
    for name in files:
        (tmp_path / name).write_text("")
    with pytest.raises(UsageError) as caught:
        collect_facts(tmp_path, os.environ)
    assert str(caught.value).startswith(f"{tmp_path / 'pyproject.toml'}{said}")


def test_a_member_of_a_workspace_is_sent_to_its_root(tmp_path: Path) -> None:
    member = tmp_path / "packages" / "one"
    member.mkdir(parents=True)
    (member / "pyproject.toml").write_text(HEAD)
    (tmp_path / "pyproject.toml").write_text('[tool.uv.workspace]\nmembers = ["packages/*"]\n')
    (tmp_path / "uv.lock").write_text("")
    with pytest.raises(UsageError) as caught:
        collect_facts(member, os.environ)
    assert str(caught.value) == (
        f"{member} is a member of the workspace {tmp_path}; run: noxden init {tmp_path}"
    )
    assert collect_facts(tmp_path, os.environ).name == ""


def test_files_that_cannot_be_read_are_named(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="nowhere is not a folder; name that of a project"):
        collect_facts(tmp_path / "nowhere", os.environ)
    file = tmp_path / "pyproject.toml"
    file.write_bytes(b"x = '\xff'\n")
    with pytest.raises(UsageError) as caught:
        collect_facts(tmp_path, os.environ)
    assert (
        str(caught.value) == f"{file} is not UTF-8: invalid start byte at byte 5; save it as UTF-8"
    )
    file.unlink()
    file.mkdir()
    with pytest.raises(InfrastructureError) as broken:
        collect_facts(tmp_path, os.environ)
    assert str(broken.value) == f"cannot read {file}: Is a directory"


def test_a_manifest_that_is_a_link_out_of_the_project_is_refused(tmp_path: Path) -> None:
    (tmp_path / "elsewhere.toml").write_text(HEAD)
    project = tmp_path / "project"
    project.mkdir()
    file = project / "pyproject.toml"
    file.symlink_to(tmp_path / "elsewhere.toml")
    with pytest.raises(SafetyError) as caught:
        collect_facts(project, os.environ)
    assert str(caught.value) == (
        f"{file} leads to {tmp_path / 'elsewhere.toml'}, which is outside of the project; remove "
        "the link"
    )


def test_where_noxden_comes_from_is_told_by_a_path_or_a_url(tmp_path: Path) -> None:
    root = tmp_path / "demo"
    (tmp_path / "pyproject.toml").write_text("")
    (tmp_path / "noxden-1-py3-none-any.whl").write_text("")
    assert [parse_source(said, tmp_path, root) for said in (
        ".", "noxden-1-py3-none-any.whl", "https://files.example/noxden.whl",
        "https://git.example/noxden.git", "git+ssh://me@git.example/noxden", "git+https://git.example/noxden@v1",
    )] == [
        {"path": "..", "editable": True},
        {"path": "../noxden-1-py3-none-any.whl"},
        {"url": "https://files.example/noxden.whl"},
        {"git": "https://git.example/noxden.git"},
        {"git": "ssh://me@git.example/noxden"},
        {"git": "https://git.example/noxden", "rev": "v1"},
    ]  # fmt: skip
    with pytest.raises(UsageError) as caught:
        parse_source("nowhere", tmp_path, root)
    assert str(caught.value) == (
        "--source nowhere is no wheel, no sdist, no URL and no folder with a pyproject.toml; name "
        "one"
    )
