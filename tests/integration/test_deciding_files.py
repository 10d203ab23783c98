"""Everything that makes uv.lock out of date, or changes what it selects, is noticed when warm."""

from __future__ import annotations

import shutil
import subprocess
from typing import TYPE_CHECKING

import pytest

from noxden.den.resolve import resolve
from noxden.den.workplace import open_workplace
from noxden.errors import UsageError
from noxden.lock.project import read_project
from noxden.lock.request import Request
from noxden.tools.uv import find_uv

if TYPE_CHECKING:
    from pathlib import Path

    from noxden.den.resolve import Resolution

HEAD = '[project]\nname = "{name}"\nversion = "1"\nrequires-python = ">=3.11"\n'
BUILD = '[build-system]\nrequires = ["{backend}"]\nbuild-backend = "{module}"\n'


def write(folder: Path, text: str) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "pyproject.toml").write_text(text, "utf-8")
    return folder


def lock(folder: Path, env: dict[str, str]) -> None:
    words = [str(find_uv(env)), "lock", "--quiet"]
    subprocess.run(words, cwd=folder, env=env, check=True)


def key(folder: Path, env: dict[str, str]) -> Resolution:
    return resolve(open_workplace(folder, env), Request())


def test_a_new_member_of_a_workspace_makes_the_lock_stale(
    tmp_path: Path, env: dict[str, str]
) -> None:
    root = write(
        tmp_path / "w",
        HEAD.format(name="w") + '[tool.uv.workspace]\nmembers = ["packages/*"]\n',
    )
    write(root / "packages" / "one", HEAD.format(name="one") + 'dependencies = ["six"]\n')
    lock(root, env)
    key(root, env)
    write(root / "packages" / "two", HEAD.format(name="two") + 'dependencies = ["idna"]\n')

    with pytest.raises(UsageError, match="does not fit pyproject.toml; run: uv lock"):
        key(root, env)


def test_a_member_of_a_workspace_follows_the_lock_of_its_root_not_an_old_one_of_its_own(
    tmp_path: Path, env: dict[str, str]
) -> None:
    root = tmp_path / "w"
    one = write(root / "one", HEAD.format(name="one") + 'dependencies = ["six"]\n')
    lock(one, env)
    write(root, HEAD.format(name="w") + '[tool.uv.workspace]\nmembers = ["one"]\n')
    lock(root, env)

    assert read_project(one).root == root


def test_a_project_that_the_workspace_above_excludes_has_its_own_lock(
    tmp_path: Path, env: dict[str, str]
) -> None:
    root = write(
        tmp_path / "w",
        HEAD.format(name="w") + '[tool.uv.workspace]\nmembers = ["*"]\nexclude = ["alone"]\n',
    )
    alone = write(root / "alone", HEAD.format(name="alone"))
    lock(alone, env)

    assert read_project(alone).root == alone


def test_a_project_without_a_lock_does_not_take_one_from_a_folder_above(
    tmp_path: Path, env: dict[str, str]
) -> None:
    root = write(tmp_path / "w", HEAD.format(name="w"))
    lock(root, env)
    inner = write(root / "inner", HEAD.format(name="inner"))

    with pytest.raises(UsageError, match=f"{inner} has no uv.lock; run: uv lock"):
        read_project(inner)


def test_a_workspace_that_is_no_toml_is_named(tmp_path: Path) -> None:
    root = write(tmp_path / "w", "workspace = [")

    with pytest.raises(UsageError, match=f"{root}/pyproject.toml is not a valid pyproject.toml"):
        read_project(root)


def test_dependencies_in_a_file_that_cache_keys_name_are_noticed(
    tmp_path: Path, env: dict[str, str]
) -> None:
    root = write(
        tmp_path / "dyn",
        '[project]\nname = "dyn"\nversion = "1"\nrequires-python = ">=3.11"\n'
        'dynamic = ["dependencies"]\n'
        "[tool.setuptools]\npackages = []\n"
        '[tool.setuptools.dynamic]\ndependencies = { file = ["requirements.txt"] }\n'
        '[tool.uv]\ncache-keys = [{ file = "pyproject.toml" }, { file = "requirements.txt" }]\n'
        + BUILD.format(backend="setuptools", module="setuptools.build_meta"),
    )
    (root / "requirements.txt").write_text("six\n", "utf-8")
    lock(root, env)
    key(root, env)
    (root / "requirements.txt").write_text("six\nidna\n", "utf-8")

    with pytest.raises(UsageError, match="does not fit pyproject.toml; run: uv lock"):
        key(root, env)


def test_settings_of_uv_in_a_folder_above_are_in_the_key(
    tmp_path: Path, env: dict[str, str]
) -> None:
    root = write(tmp_path / "up" / "p", HEAD.format(name="p") + 'dependencies = ["six"]\n')
    lock(root, env)
    before = key(root, env)
    (tmp_path / "up" / "uv.toml").write_text('no-binary-package = ["six"]\n', "utf-8")
    after = key(root, env)

    assert before.key != after.key
    assert after.document is not None
    assert [package["file"][-7:] for package in after.document["selection"]] == [".tar.gz"]
    shutil.move(tmp_path / "up" / "uv.toml", tmp_path / "uv.toml")
    assert key(root, env).key == after.key
    assert key(root, {**env, "UV_NO_CONFIG": "1"}).key == before.key


def test_another_choice_of_a_version_manager_asks_uv_again(
    tmp_path: Path, env: dict[str, str]
) -> None:
    root = write(tmp_path / "p", HEAD.format(name="p"))
    lock(root, env)
    key(root, env)
    memos = len(list(open_workplace(root, env).den.memo.glob("interpreter-*")))
    key(root, {**env, "PYENV_VERSION": "3.11"})
    (root / ".tool-versions").write_text("python 3.11.7\n", "utf-8")
    key(root, env)

    assert len(list(open_workplace(root, env).den.memo.glob("interpreter-*"))) == memos + 2


def test_a_git_source_with_large_files_is_refused(tmp_path: Path, env: dict[str, str]) -> None:
    origin = write(tmp_path / "origin", HEAD.format(name="origin"))
    git = ["git", "-c", "user.name=t", "-c", "user.email=t@localhost"]
    for words in (["init", "--quiet"], ["add", "--all"], ["commit", "--quiet", "--message", "a"]):
        subprocess.run([*git, *words], cwd=origin, env=env, check=True)
    root = write(
        tmp_path / "p",
        HEAD.format(name="p")
        + f'dependencies = ["origin"]\n[tool.uv.sources]\norigin = {{ git = "{origin.as_uri()}" }}\n',
    )
    lock(root, env)
    key(root, env)
    plain = (root / "uv.lock").read_text("utf-8")
    (root / "uv.lock").write_text(plain.replace("origin#", "origin?lfs=true#"), "utf-8")

    with pytest.raises(UsageError):
        key(root, env)
