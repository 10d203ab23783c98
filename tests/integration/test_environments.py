"""What a session finds in its environment, and when it is made anew."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import subprocess
import sys
import sysconfig
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from noxden.den.fingerprint import read_isolation
from noxden.den.prepare import Prepared, prepare
from noxden.den.workplace import open_workplace
from noxden.errors import InfrastructureError, NoxdenError, SafetyError, UsageError
from noxden.lock.request import Request
from tests.sandbox import Ran, installed_pythons, make_wheel, run

if TYPE_CHECKING:
    from collections.abc import Mapping

    from tests.conftest import MakeProject, RunNox
    from tests.sandbox import Index, Sample


class Session:
    """The environment of one session, prepared in this process as the backend does it."""

    def __init__(self, sample: Sample, env: Mapping[str, str], name: str = "session") -> None:
        self.sample, self.env, self.location = sample, env, sample.path / ".nox" / name
        self.said: list[str] = []

    def prepare(
        self,
        *,
        cwd: Path | None = None,
        layered: bool = True,
        allow_extra: bool = False,
        **request: Any,
    ) -> Prepared:
        self.said.clear()
        place = open_workplace(cwd or self.sample.path, self.env)
        self.location.parent.mkdir(parents=True, exist_ok=True)
        prepared = prepare(
            place,
            Request(**request),
            self.location,
            layered=layered,
            allow_extra=allow_extra,
            say=self.said.append,
        )
        for descriptor in prepared.held:
            os.close(descriptor)
        return prepared

    def python(self, code: str, check: bool = True) -> str:  # noqa: FBT002
        return run(
            [self.location / "bin" / "python", "-c", code],
            cwd=self.sample.path,
            env=self.env,
            check=check,
        ).stdout.strip()

    def run(self, *words: str | Path, check: bool = True) -> Ran:
        own = self.location / "bin"
        env = {**self.env, "PATH": f"{own}{os.pathsep}{self.env['PATH']}"}
        return run([own / words[0], *words[1:]], cwd=self.sample.path, env=env, check=check)


def bases(den: Path) -> list[str]:
    return sorted(path.name for path in (den / "envs").iterdir())


@pytest.fixture
def fresh(env: dict[str, str], fresh_den: Path) -> dict[str, str]:
    """The environment with a den of this test only."""
    return env | {"NOXDEN_DIR": str(fresh_den)}


# What is noticed, and what is not


def test_a_lock_that_does_not_fit_any_more_says_what_to_run(
    project: MakeProject, nox: RunNox
) -> None:
    noxfile = "import noxden\n\n@noxden.session\ndef show(session):\n    pass\n"
    sample = project(["attrs"], noxfile=noxfile)
    assert nox(sample).code == 0
    sample.edit("pyproject.toml", "['attrs']", "['attrs', 'six']")
    for _ in range(2):
        ran = nox(sample, "-R")
        assert ran.code == 1
        assert (
            f"nox > {sample.path}/uv.lock does not fit pyproject.toml; run: uv lock (exit code 2)"
            in ran.stderr.splitlines()
        )


def test_a_changed_lock_rebuilds_and_says_what_changed(
    project: MakeProject, env: dict[str, str]
) -> None:
    sample = project(["attrs==25.3.0"])
    session = Session(sample, env)
    assert session.prepare().reason == "new environment"
    sample.edit("pyproject.toml", "attrs==25.3.0", "attrs==25.4.0', 'six")
    sample.lock()
    again = session.prepare()
    six = session.python("import six; print(six.__version__)")
    assert (again.reused, again.reason) == (False, f"attrs 25.3.0 -> 25.4.0, +six {six}")


def test_going_back_to_an_earlier_lock_finds_its_base_again(
    project: MakeProject, fresh: dict[str, str], fresh_den: Path
) -> None:
    sample = project(["attrs==25.3.0"])
    session = Session(sample, fresh)
    files = {}
    for version in ("25.3.0", "25.4.0"):
        if version != "25.3.0":
            sample.edit("pyproject.toml", "25.3.0", version)
            sample.lock()
        files[version] = [
            (sample.path / name).read_text() for name in ("pyproject.toml", "uv.lock")
        ]
        assert session.prepare().built_base
    for version in ("25.3.0", "25.4.0", "25.3.0"):
        for name, text in zip(("pyproject.toml", "uv.lock"), files[version], strict=True):
            (sample.path / name).write_text(text)
        again = session.prepare()
        assert (again.built_base, again.reused) == (False, False)
        assert session.python("import attr; print(attr.__version__)") == version
    assert len(bases(fresh_den)) == 2


def test_two_checkouts_share_one_base_and_each_sees_its_own_code(
    project: MakeProject, fresh: dict[str, str], fresh_den: Path, tmp_path: Path
) -> None:
    shown = []
    for folder in ("one", "two"):
        sample = project(["attrs"], package=True, at=tmp_path / folder)
        sample.write("src/sample/__init__.py", f'WHO = "{folder}"\n')
        session = Session(sample, fresh)
        session.prepare()
        shown.append(
            session.python("import sample, attr; print(sample.WHO, attr.__file__)").split()
        )
    assert [row[0] for row in shown] == ["one", "two"]
    assert shown[0][1] == shown[1][1]
    assert len(bases(fresh_den)) == 1


def test_a_checkout_that_was_moved_is_set_up_anew_for_its_new_place(
    project: MakeProject, env: dict[str, str], tmp_path: Path
) -> None:
    sample = project(["attrs"], package=True)
    Session(sample, env).prepare()
    sample.path = sample.path.rename(tmp_path / "moved")
    session = Session(sample, env)
    again = session.prepare()
    assert (again.built_base, again.reason) == (False, "the checkout was moved")
    assert session.python("import sample; print(sample.__file__)").startswith(
        str(tmp_path / "moved")
    )


def test_a_den_that_was_moved_is_used_at_its_new_place(
    project: MakeProject, env: dict[str, str], fresh_den: Path, tmp_path: Path
) -> None:
    session = Session(project(["attrs"]), env | {"NOXDEN_DIR": str(fresh_den)})
    session.prepare()
    session.env = env | {"NOXDEN_DIR": str(fresh_den.rename(tmp_path / "elsewhere"))}
    again = session.prepare()
    assert (again.built_base, again.reason) == (False, "another den is used, or it was moved")
    assert session.python("import attr; print(attr.__file__)").startswith(
        str(tmp_path / "elsewhere")
    )


def test_a_change_of_pyproject_that_selects_the_same_keeps_the_base(
    project: MakeProject, env: dict[str, str]
) -> None:
    sample = project(["attrs"], package=True)
    session = Session(sample, env)
    key = session.prepare().resolution.key
    sample.write("pyproject.toml", (sample.path / "pyproject.toml").read_text() + "\n# a remark\n")
    again = session.prepare()
    assert (again.resolution.key, again.built_base) == (key, False)
    assert again.reason == "the project's metadata changed"
    assert session.prepare().reused


def test_a_new_script_of_the_project_appears(project: MakeProject, env: dict[str, str]) -> None:
    sample = project(package=True)
    session = Session(sample, env)
    session.prepare()
    sample.write("src/sample/__init__.py", "def main() -> None:\n    print('called')\n")
    sample.write(
        "pyproject.toml",
        (sample.path / "pyproject.toml").read_text()
        + '\n[project.scripts]\ncalled = "sample:main"\n',
    )
    sample.lock()
    session.prepare()
    assert session.run("called").stdout == "called\n"


def test_other_groups_of_the_project_do_not_touch_a_session(
    project: MakeProject, env: dict[str, str]
) -> None:
    sample = project(["attrs"], groups={"docs": ["six"], "test": ["iniconfig"]})
    session = Session(sample, env)
    key = session.prepare(groups=("test",)).resolution.key
    sample.edit("pyproject.toml", "docs = ['six']", "docs = ['six', 'idna']")
    sample.lock()
    again = session.prepare(groups=("test",))
    assert (again.resolution.key, again.reused) == (key, True)


def test_a_damaged_environment_is_made_anew(project: MakeProject, env: dict[str, str]) -> None:
    session = Session(project(["attrs"]), env)
    session.prepare()
    next(session.location.glob("lib/python*/site-packages/*.pth")).unlink()
    again = session.prepare(allow_extra=True)
    assert again.reason == "packages were installed beside the locked ones, or it was damaged"
    session.python("import attr")


def test_an_environment_whose_record_is_broken_is_made_anew(
    project: MakeProject, env: dict[str, str]
) -> None:
    session = Session(project(["attrs"]), env)
    session.prepare()
    (session.location / "noxden.json").write_text("[]")
    assert session.prepare().reason == "new environment"
    (session.location / "noxden.json").write_text("{")
    assert session.prepare().reason == "new environment"
    (session.location / "noxden.json").write_text('{"environment": 1, "entries": 2}')
    assert session.prepare().reason == "new environment"


def test_a_session_that_stops_being_layered_says_so(
    project: MakeProject, env: dict[str, str]
) -> None:
    session = Session(project(["attrs"]), env)
    session.prepare()
    assert session.prepare(layered=False).reason == "layers were switched on or off"
    assert Path(session.python("import attr; print(attr.__file__)")).is_relative_to(
        session.location
    )
    assert session.prepare().reason == "layers were switched on or off"
    assert not Path(session.python("import attr; print(attr.__file__)")).is_relative_to(
        session.location
    )


def make_interpreter(folder: Path) -> Path:
    """An interpreter of its own: a copied binary on the standard library of the real one."""
    real = Path(sys.base_prefix)
    binary = folder / "bin" / f"python{sysconfig.get_python_version()}"
    binary.parent.mkdir(parents=True)
    shutil.copy(Path(sys._base_executable).resolve(), binary)  # type: ignore[attr-defined]
    for name in ("lib", "include"):
        (folder / name).mkdir()
        for entry in (real / name).iterdir():
            (folder / name / entry.name).symlink_to(entry)
    return binary


def test_an_interpreter_that_is_replaced_in_place_is_noticed(
    project: MakeProject, fresh: dict[str, str], tmp_path: Path
) -> None:
    python = make_interpreter(tmp_path / "own python")
    started = run(
        [python, "-c", "import sys; print(sys.version)"], cwd=tmp_path, env=fresh, check=False
    )
    if started.code:
        pytest.skip(f"a copied interpreter does not start here: {started.stderr[:80]}")
    session = Session(project(["attrs"]), fresh)
    before = session.prepare(python=str(python))
    assert session.prepare(python=str(python)).reused
    # A patch release replaces the files; the name stays. Its version comes from the library.
    library = tmp_path / "own python" / "lib" / f"python{sysconfig.get_python_version()}"
    real = library.resolve()
    library.unlink()
    library.mkdir()
    for entry in real.iterdir():
        (library / entry.name).symlink_to(entry)
    for name in ("os.py", "platform.py"):
        (library / name).unlink()
    shutil.copy(real / "os.py", library / "os.py")
    text = (real / "platform.py").read_text()
    (library / "platform.py").write_text(
        text + "\ndef python_version():\n    return '%d.%d.99' % sys.version_info[:2]\n"
    )
    again = session.prepare(python=str(python))
    version = before.resolution.interpreter.version
    assert again.reason == f"Python {version} -> {version.rpartition('.')[0]}.99"
    assert again.built_base


def test_an_interpreter_that_is_gone_is_an_error_with_the_next_step(
    project: MakeProject, fresh: dict[str, str], tmp_path: Path
) -> None:
    python = make_interpreter(tmp_path / "own")
    session = Session(project(["attrs"]), fresh)
    session.prepare(python=str(python))
    shutil.rmtree(tmp_path / "own")
    with pytest.raises(NoxdenError) as caught:
        session.prepare(python=str(python))
    assert str(caught.value) == (
        f"uv finds no interpreter for Python {python}; install it, put it on PATH, or "
        f"run: uv python install {python}"
    )


def test_a_python_version_file_decides_the_interpreter(
    project: MakeProject, env: dict[str, str]
) -> None:
    found = installed_pythons()
    if len(found) < 2:
        pytest.skip("uv finds only one Python")
    sample = project(["attrs"])
    session = Session(sample, env)
    for minor in (found[0], found[-1]):
        sample.write(".python-version", f"{minor}\n")
        session.prepare()
        assert session.python("import sys; print('%d.%d' % sys.version_info[:2])") == minor


def test_a_python_version_file_above_the_project_is_noticed_too(
    project: MakeProject, env: dict[str, str], tmp_path: Path
) -> None:
    found = installed_pythons()
    if len(found) < 2:
        pytest.skip("uv finds only one Python")
    sample = project(["attrs"], at=tmp_path / "outer" / "inner")
    session = Session(sample, env)
    for minor in (found[0], found[-1]):
        (tmp_path / "outer" / ".python-version").write_text(f"{minor}\n")
        chosen = sample.uv("python", "find", "--system").stdout
        session.prepare()
        seen = session.python("import os, sys; print(os.path.realpath(sys.executable))")
        assert seen == os.path.realpath(chosen.strip())


def test_the_users_own_choice_of_python_is_noticed(
    project: MakeProject, env: dict[str, str], tmp_path: Path
) -> None:
    found = installed_pythons()
    if len(found) < 2:
        pytest.skip("uv finds only one Python")
    home = tmp_path / "config"
    (home / "uv").mkdir(parents=True)
    session = Session(project(["attrs"]), env | {"XDG_CONFIG_HOME": str(home)})
    for minor in (found[0], found[-1]):
        (home / "uv" / ".python-version").write_text(f"{minor}\n")
        session.prepare()
        assert session.python("import sys; print('%d.%d' % sys.version_info[:2])") == minor


# What lies in the checkout


def workspace(project: MakeProject, *, root: Path) -> Sample:
    """Two members; ``a`` needs ``b``, and each has a dependency of its own."""
    members = """
    [tool.uv.workspace]
    members = ["packages/*"]
    """
    sample = project(["attrs"], name="root", at=root, more=members, lock=False)
    sample.write("packages/a/src/a/__init__.py", "import b\n")
    sample.write("packages/b/src/b/__init__.py", "")
    for name, needs, more in (
        ("a", ["six", "b"], "[tool.uv.sources]\nb = { workspace = true }\n"),
        ("b", ["iniconfig"], ""),
    ):
        sample.write(
            f"packages/{name}/pyproject.toml",
            f'[project]\nname = "{name}"\nversion = "1.0"\nrequires-python = ">=3.11"\n'
            f"dependencies = {needs!r}\n{more}"
            f'[build-system]\nrequires = ["uv_build"]\nbuild-backend = "uv_build"\n',
        )
    sample.lock()
    return sample


FIND = (
    "import importlib.util as u; "
    "print(*(n for n in ('attr', 'six', 'iniconfig', 'a', 'b') if u.find_spec(n)))"
)


@pytest.mark.parametrize(
    ("packages", "found"),
    [
        ((), "attr"),
        (("b",), "iniconfig b"),
        (("a",), "six iniconfig a b"),
        (("a", "b"), "six iniconfig a b"),
        (("*",), "attr six iniconfig a b"),
    ],
)
def test_a_session_of_a_workspace_gets_the_members_it_names_and_what_they_need(
    packages: tuple[str, ...], found: str, project: MakeProject, env: dict[str, str], tmp_path: Path
) -> None:
    session = Session(workspace(project, root=tmp_path / "ws"), env)
    session.prepare(packages=packages)
    assert session.python(FIND) == found


def test_a_noxfile_in_a_member_works_on_the_member(
    project: MakeProject, env: dict[str, str], tmp_path: Path
) -> None:
    sample = workspace(project, root=tmp_path / "ws")
    session = Session(sample, env)
    session.prepare(cwd=sample.path / "packages" / "a")
    assert session.python(FIND) == "six iniconfig a b"
    assert session.prepare(cwd=sample.path / "packages" / "a").reused
    session.prepare(cwd=sample.path / "packages" / "b")
    assert session.python(FIND) == "iniconfig b"


def test_a_change_of_a_members_metadata_is_noticed(
    project: MakeProject, env: dict[str, str], tmp_path: Path
) -> None:
    sample = workspace(project, root=tmp_path / "ws")
    session = Session(sample, env)
    session.prepare(packages=("a",))
    sample.edit("packages/b/pyproject.toml", "['iniconfig']", "['iniconfig', 'idna']")
    with pytest.raises(NoxdenError, match="does not fit pyproject.toml; run: uv lock"):
        session.prepare(packages=("a",))
    sample.lock()
    assert "+idna " in session.prepare(packages=("a",)).reason


def local_package(folder: Path, name: str, *, backend: str = "uv_build") -> Path:
    """A package beside the project."""
    (folder / "src" / name).mkdir(parents=True)
    (folder / "src" / name / "__init__.py").write_text('WHO = "first"\n')
    api = {"uv_build": "uv_build", "setuptools": "setuptools.build_meta"}[backend]
    (folder / "pyproject.toml").write_text(
        f'[project]\nname = "{name}"\nversion = "1.0"\nrequires-python = ">=3.11"\n'
        f'[build-system]\nrequires = ["{backend}"]\nbuild-backend = "{api}"\n'
    )
    return folder


@pytest.mark.parametrize("editable", [True, False])
@pytest.mark.parametrize("backend", ["uv_build", "setuptools"])
@pytest.mark.parametrize("layered", [True, False])
def test_a_change_in_a_path_source_is_noticed(
    editable: bool,
    layered: bool,
    backend: str,
    project: MakeProject,
    env: dict[str, str],
    tmp_path: Path,
) -> None:
    other = local_package(tmp_path / "other place", "other", backend=backend)
    source = f'[tool.uv.sources]\nother = {{ path = "../other place", editable = {str(editable).lower()} }}\n'
    session = Session(project(["attrs", "other"], more=source), env)
    show = "import other; print(other.WHO)"
    session.prepare(layered=layered)
    assert session.python(show) == "first"
    assert session.prepare(layered=layered).reused, "building it counted as a change"
    (other / "src" / "other" / "__init__.py").write_text('WHO = "second"\n')
    again = session.prepare(layered=layered)
    assert session.python(show) == "second"
    assert again.reused == editable
    assert session.prepare(layered=layered).reused


def test_a_path_source_in_the_project_is_not_taken_for_a_package_of_the_index(
    project: MakeProject, env: dict[str, str], tmp_path: Path
) -> None:
    local_package(tmp_path / "sample" / "toml", "toml")
    source = '[tool.uv.sources]\ntoml = { path = "toml", editable = false }\n'
    session = Session(project(["toml"], more=source), env)
    session.prepare()
    assert session.python("import toml; print(toml.WHO)") == "first"


def test_a_wheel_in_the_checkout_is_a_source(
    project: MakeProject, env: dict[str, str], tmp_path: Path
) -> None:
    make_wheel(tmp_path / "wheels", "mine", files={"mine.py": "WHO = 1"})
    source = '[tool.uv.sources]\nmine = { path = "../wheels/mine-1.0-py3-none-any.whl" }\n'
    session = Session(project(["mine"], more=source), env)
    session.prepare()
    assert session.python("import mine; print(mine.WHO)") == "1"
    assert session.prepare().reused


@pytest.mark.parametrize("layered", [True, False])
@pytest.mark.parametrize("isolated", [True, False])
def test_an_archive_in_the_checkout_that_is_not_the_one_in_the_lock_is_refused(
    isolated: bool, layered: bool, project: MakeProject, env: dict[str, str], tmp_path: Path
) -> None:
    wheel = make_wheel(tmp_path / "sample" / "dist", "mine", files={"mine.py": "WHO = 1"})
    more = '[tool.uv.sources]\nmine = { path = "dist/mine-1.0-py3-none-any.whl" }\n'
    more += "" if isolated else "[tool.uv]\nno-build-isolation = true\n"
    sample = project(["mine"], more=more)
    expected = hashlib.sha256(wheel.read_bytes()).hexdigest()
    make_wheel(wheel.parent, "mine", files={"mine.py": "WHO = 2"})
    found = hashlib.sha256(wheel.read_bytes()).hexdigest()
    session = Session(sample, env)
    for _ in range(2):  # computed, then remembered
        with pytest.raises(SafetyError) as caught:
            session.prepare(layered=layered)
        assert str(caught.value) == (
            f"{wheel} is not the mine of uv.lock: expected sha256 {expected}, found {found}; "
            f"find out who changed the file, then run: uv lock --upgrade-package mine"
        )
    sample.uv("lock", "--quiet", "--upgrade-package", "mine")
    session.prepare(layered=layered)
    assert session.python("import mine; print(mine.WHO)") == "2"


def test_a_module_named_build_in_a_path_source_is_followed(
    project: MakeProject, env: dict[str, str], tmp_path: Path
) -> None:
    other = local_package(tmp_path / "other", "other")
    for folder in ("src/other/build", "src/other/dist", "build", "dist", "src/other/__pycache__"):
        (other / folder).mkdir()
        (other / folder / "__init__.py").write_text("WHO = 1")
    source = '[tool.uv.sources]\nother = { path = "../other", editable = false }\n'
    session = Session(project(["other"], more=source), env)
    session.prepare()
    for folder in ("build", "dist", "src/other/__pycache__"):
        (other / folder / "__init__.py").write_text("WHO = 'two'")
        assert session.prepare().reused, folder
    for folder in ("src/other/build", "src/other/dist"):
        (other / folder / "__init__.py").write_text("WHO = 'two'")
        assert not session.prepare().reused, folder
    assert session.python("import other.build; print(other.build.WHO)") == "two"


def test_a_git_source_belongs_to_the_base(
    project: MakeProject, fresh: dict[str, str], tmp_path: Path
) -> None:
    repository = local_package(tmp_path / "repository", "other")
    git = ["git", "-c", "user.name=x", "-c", "user.email=x@example.org"]

    def commit() -> None:
        run([*git, "add", "."], cwd=repository, env=fresh)
        run([*git, "commit", "-qm", "state"], cwd=repository, env=fresh)

    run([*git, "init", "-q"], cwd=repository, env=fresh)
    commit()
    source = f'[tool.uv.sources]\nother = {{ git = "file://{repository}" }}\n'
    sample = project(["other"], more=source)
    session = Session(sample, fresh)
    session.prepare()
    show = "import other; print(other.WHO, other.__file__)"
    assert session.python(show).startswith(f"first {fresh['NOXDEN_DIR']}/envs/")
    (repository / "src" / "other" / "__init__.py").write_text('WHO = "second"\n')
    commit()
    assert session.prepare().reused
    sample.uv("lock", "--quiet", "--upgrade")
    assert session.prepare().reason.startswith("other commit ")
    assert session.python(show).startswith("second ")


def test_a_url_source_belongs_to_the_base(
    project: MakeProject, env: dict[str, str], index: Index
) -> None:
    make_wheel(index.folder, "mine", files={"mine.py": "WHO = 1"})
    source = (
        f'[tool.uv.sources]\nmine = {{ url = "{index.url}/files/mine-1.0-py3-none-any.whl" }}\n'
    )
    session = Session(project(["mine"], more=source), env)
    session.prepare()
    assert session.python("import mine; print(mine.__file__)").startswith(
        f"{env['NOXDEN_DIR']}/envs/"
    )


def test_a_folder_of_wheels_is_an_index(
    project: MakeProject, env: dict[str, str], tmp_path: Path
) -> None:
    make_wheel(tmp_path / "wheels", "mine", files={"mine.py": "WHO = 1"})
    setting = '[[tool.uv.index]]\nname = "flat"\nurl = "../wheels"\nformat = "flat"\n'
    session = Session(project(["mine"], more=setting), env)
    session.prepare()
    assert session.python("import mine; print(mine.WHO)") == "1"


def test_a_project_that_is_no_package_gets_its_dependencies_only(
    project: MakeProject, env: dict[str, str]
) -> None:
    session = Session(project(["attrs"], groups={"test": ["iniconfig"]}), env)
    prepared = session.prepare(groups=("test",))
    assert session.python(FIND) == "attr iniconfig"
    assert prepared.resolution.local == ()


def test_a_project_without_dependencies_works(project: MakeProject, env: dict[str, str]) -> None:
    session = Session(project(package=True), env)
    assert session.prepare().packages == 0
    assert session.python("import sample; print(sample.WHO)") == "first"


def test_only_groups_leave_the_project_out(project: MakeProject, env: dict[str, str]) -> None:
    session = Session(project(["attrs"], groups={"lint": ["six"]}, package=True), env)
    session.prepare(only_groups=("lint",))
    assert session.python(FIND) == "six"
    assert session.python("import sample", check=False) == ""


def test_extras_of_the_project_are_installed(project: MakeProject, env: dict[str, str]) -> None:
    extras = '[project.optional-dependencies]\nfast = ["six"]\n'
    session = Session(project(["attrs"], more=extras), env)
    session.prepare(extras=("fast",))
    assert session.python(FIND) == "attr six"


@pytest.mark.parametrize(
    ("asked", "message"),
    [
        ({"groups": ("nope",)}, "{0}/pyproject.toml has no dependency group 'nope'; run: uv add --group nope PACKAGE"),
        ({"extras": ("nope",)}, "{0}/pyproject.toml has no extra 'nope'; run: uv add --optional nope PACKAGE"),
        ({"packages": ("nope",)}, "{0} has no package 'nope' in its workspace; name one of its members"),
    ],
)  # fmt: skip
def test_what_the_project_does_not_have_is_named_with_the_next_step(
    asked: dict[str, Any], message: str, project: MakeProject, env: dict[str, str]
) -> None:
    sample = project(["attrs"], package=True)
    with pytest.raises(NoxdenError) as caught:
        Session(sample, env).prepare(**asked)
    assert str(caught.value) == message.format(sample.path)
    assert caught.value.exit_code == 2


def test_packages_for_other_platforms_only_do_not_stand_in_the_way(
    project: MakeProject, env: dict[str, str]
) -> None:
    session = Session(project(["attrs", "pywin32 ; sys_platform == 'win32'"]), env)
    session.prepare()
    assert session.python(FIND) == "attr"


def test_a_package_without_an_artifact_for_this_platform_is_named(
    project: MakeProject, env: dict[str, str]
) -> None:
    sample = project(["pywin32"])
    with pytest.raises(NoxdenError) as caught:
        Session(sample, env).prepare()
    assert str(caught.value).startswith("uv.lock does not fit Python 3.")
    assert "pywin32" in str(caught.value)


# What tools find in an environment


def test_console_scripts_and_plugins_work_whichever_layer_they_are_in(
    project: MakeProject, env: dict[str, str], index: Index, python: str
) -> None:
    make_wheel(
        index.folder, "tool", requires=["attrs"],
        files={
            "tool.py": """
                import sys
                from importlib.metadata import entry_points
                def main():
                    print(sys.prefix, sorted(point.name for point in entry_points(group="tool.plugins")))
            """
        },
        entry_points="""
            [console_scripts]
            tool = tool:main
            [tool.plugins]
            from_base = tool
        """,
    )  # fmt: skip
    more = (
        '[project.entry-points."tool.plugins"]\nfrom_project = "sample"\n'
        '[project.scripts]\nmine = "tool:main"\n' + index.setting
    )
    session = Session(project(["tool"], package=True, more=more), env)
    session.prepare(python=python)
    expected = f"{session.location} ['from_base', 'from_project']\n"
    assert session.run("tool").stdout == expected
    assert session.run("mine").stdout == expected
    assert session.run("python", "-m", "ensurepip", "--version").code == 0


SUITE = """
import multiprocessing, os, sys
import attr
import sample

def who(_):
    import sample
    return sample.WHO, sys.prefix

def test_the_project_is_seen():
    assert sample.WHO == "first"

def test_spawned_processes_see_the_same():
    with multiprocessing.get_context("spawn").Pool(1) as pool:
        assert pool.map(who, [0]) == [("first", sys.prefix)]

def test_workers_run_in_the_environment():
    assert os.path.basename(sys.prefix) == "session"
"""


def test_pytest_with_workers_and_spawned_processes_sees_both_layers(
    project: MakeProject, env: dict[str, str], python: str
) -> None:
    sample = project(["attrs"], groups={"test": ["pytest", "pytest-xdist"]}, package=True)
    sample.write("tests/test_it.py", SUITE)
    session = Session(sample, env)
    session.prepare(groups=("test",), python=python)
    ran = session.run("pytest", "-q", "-n2", "tests")
    assert "3 passed" in ran.stdout


def test_a_namespace_package_may_be_spread_over_base_and_project(
    project: MakeProject, env: dict[str, str], index: Index
) -> None:
    make_wheel(index.folder, "base_part", files={"family/elder.py": "WHO = 'elder'"})
    more = '[tool.uv.build-backend]\nmodule-name = "family.younger"\n' + index.setting
    sample = project(["base-part"], package=True, more=more)
    sample.write("src/family/younger/__init__.py", 'WHO = "younger"\n')
    session = Session(sample, env)
    session.prepare()
    shown = session.python("from family import elder, younger; print(elder.WHO, younger.WHO)")
    assert shown == "elder younger"


def test_path_files_of_the_base_work(
    project: MakeProject, env: dict[str, str], index: Index
) -> None:
    files = {"nested.pth": "hidden\n", "hidden/inside.py": "WHO = 'inside'"}
    make_wheel(index.folder, "nested", files=files)
    session = Session(project(["nested"], more=index.setting), env)
    session.prepare()
    assert session.python("import inside; print(inside.WHO)") == "inside"


def test_tools_that_look_for_their_binary_find_it(
    project: MakeProject, env: dict[str, str]
) -> None:
    session = Session(project(groups={"lint": ["ruff"]}), env)
    session.prepare(groups=("lint",))
    version = session.run("ruff", "--version").stdout
    assert version.startswith("ruff ")
    assert session.run("python", "-m", "ruff", "--version").stdout == version


def test_a_binary_that_a_session_installs_over_one_of_the_base_leaves_the_base_alone(
    project: MakeProject, env: dict[str, str], fresh_den: Path, nox: RunNox
) -> None:
    noxfile = """
    import noxden

    @noxden.session(groups=["lint"])
    def show(session):
        session.install("ruff==0.12.0")
        session.run("ruff", "--version")
    """
    sample = project(groups={"lint": ["ruff==0.12.1"]}, noxfile=noxfile)
    ran = nox(sample, den=fresh_den)
    assert ran.lines == ["ruff 0.12.0"], ran.text
    base = next((fresh_den / "envs").iterdir())
    assert run([base / "bin" / "ruff", "--version"], cwd=base, env=env).stdout == "ruff 0.12.1\n"


def test_type_checkers_find_the_packages_of_the_base(
    project: MakeProject, env: dict[str, str]
) -> None:
    sample = project(["attrs"], groups={"lint": ["mypy"]}, package=True)
    sample.write(
        "src/sample/__init__.py", "import attrs\nreveal_type(attrs.fields)\nWHO: int = 'x'\n"
    )
    sample.write("src/sample/py.typed", "")
    session = Session(sample, env)
    session.prepare(groups=("lint",))
    said = session.run("mypy", "--strict", "src", check=False).stdout
    assert "import-not-found" not in said
    assert (
        'Incompatible types in assignment (expression has type "str", variable has type "int")'
        in said
    )
    assert "Found 1 error in 1 file" in said


KERNEL = {"kind/1.0": "", "kernel.json": '{"argv": ["python"]}'}


def test_files_under_share_are_found_below_the_environment(
    project: MakeProject, env: dict[str, str], index: Index
) -> None:
    make_wheel(
        index.folder, "kernel", files={
            "kernel.py": "",
            "kernel-1.0.data/data/share/jupyter/kernels/mine/kernel.json": "{}",
            "kernel-1.0.data/data/etc/kernel/settings.json": "{}",
        },
    )  # fmt: skip
    session = Session(project(["kernel"], more=index.setting), env)
    session.prepare()
    found = session.python(
        "import sys, pathlib as p; at = p.Path(sys.prefix);"
        "print(*((at / n).read_text() for n in"
        " ('share/jupyter/kernels/mine/kernel.json', 'etc/kernel/settings.json')))"
    )
    assert found == "{} {}"


def test_data_files_of_a_session_are_not_written_through_into_the_base(
    project: MakeProject, fresh: dict[str, str], index: Index, fresh_den: Path
) -> None:
    for version in ("1.0", "2.0"):
        at = f"kernel-{version}.data/data/share/jupyter/kernels/mine"
        files = {"kernel.py": "", f"{at}/kernel.json": version, f"{at}/deep/er/more.json": version}
        make_wheel(index.folder, "kernel", version, files)
    session = Session(project(["kernel==1.0"], more=index.setting), fresh)
    session.prepare()
    words = ["--python", str(session.location), "--index", f"{index.url}/simple", "kernel==2.0"]
    run(["uv", "pip", "install", *words], cwd=session.sample.path, env=fresh)
    base = next((fresh_den / "envs").iterdir()) / "share/jupyter/kernels/mine"
    own = session.location / "share/jupyter/kernels/mine"
    for name in ("kernel.json", "deep/er/more.json"):
        assert ((base / name).read_text(), (own / name).read_text()) == ("1.0", "2.0")


def test_data_files_of_the_project_stand_beside_those_of_the_base(
    project: MakeProject, fresh: dict[str, str], index: Index, fresh_den: Path
) -> None:
    at = "share/jupyter/kernels/mine"
    files = {"kernel.py": "", f"kernel-1.0.data/data/{at}/base.json": ""}
    make_wheel(index.folder, "kernel", files=files)
    data = '[tool.uv.build-backend]\ndata = { data = "data" }\n'
    sample = project(["kernel"], package=True, more=data + index.setting)
    sample.write(f"data/{at}/mine.json", "{}")
    session = Session(sample, fresh)
    session.prepare()
    found = sorted(path.name for path in (session.location / at).iterdir())
    assert found == ["base.json", "mine.json"]
    base = next((fresh_den / "envs").iterdir())
    assert [path.name for path in (base / at).iterdir()] == ["base.json"]


def test_an_extension_is_compiled_against_the_base(
    project: MakeProject, env: dict[str, str]
) -> None:
    if not (shutil.which("cc") and Path(sysconfig.get_path("include"), "Python.h").exists()):
        pytest.skip("no C compiler or no Python.h")
    more = """
    [build-system]
    requires = ["setuptools", "numpy"]
    build-backend = "setuptools.build_meta"

    [tool.uv]
    no-build-isolation-package = ["sample"]
    cache-keys = ["pyproject.toml", "setup.py", { file = "src/**/*.c" }]
    """
    sample = project(["numpy", "setuptools"], more=more, lock=False)
    sample.write(
        "setup.py",
        """
        import numpy
        from setuptools import Extension, setup
        setup(ext_modules=[Extension("fast", ["src/fast.c"], include_dirs=[numpy.get_include()])])
    """,
    )
    sample.write(
        "src/fast.c",
        """
        #include <Python.h>
        #include <numpy/arrayobject.h>
        static struct PyModuleDef module = {PyModuleDef_HEAD_INIT, "fast", NULL, -1, NULL};
        PyMODINIT_FUNC PyInit_fast(void) {
            import_array();
            PyObject *made = PyModule_Create(&module);
            PyModule_AddIntConstant(made, "ONE", 1);
            return made;
        }
    """,
    )
    sample.lock()
    session = Session(sample, env)
    python = f"{sys.version_info[0]}.{sys.version_info[1]}"
    session.prepare(python=python)
    show = "import fast, numpy; print(fast.ONE, numpy.zeros(1))"
    assert session.python(show) == "1 [0.]"
    assert session.prepare(python=python).reused
    sample.edit("src/fast.c", '"ONE", 1', '"ONE", 2')
    assert session.prepare(python=python).reason == "the project's metadata changed"
    assert session.python(show) == "2 [0.]"


def test_declared_cache_keys_of_every_kind_are_followed(
    project: MakeProject, env: dict[str, str]
) -> None:
    more = """
    [tool.uv]
    cache-keys = [
      { file = "pyproject.toml" }, { file = "notes.txt" }, { file = "data/*.txt" },
      { dir = "data" }, { env = "SAMPLE_FLAVOUR" }, { git = { commit = true, tags = true } },
    ]
    """
    sample = project(["attrs"], package=True, more=more)
    session = Session(sample, env)
    git = ["git", "-c", "user.name=x", "-c", "user.email=x@example.org"]

    def changes() -> bool:
        return not session.prepare().reused

    def commit() -> None:
        run([*git, "add", "src"], cwd=sample.path, env=env)
        run([*git, "commit", "-qm", "state", "--allow-empty"], cwd=sample.path, env=env)

    def steps() -> list[bool]:
        seen = [changes(), changes()]
        sample.write("notes.txt", "one")
        seen += [changes(), changes()]
        sample.write("data/one.txt", "one")
        seen += [changes(), changes()]
        session.env = {**env, "SAMPLE_FLAVOUR": "mild"}
        seen += [changes(), changes()]
        run([*git, "init", "-q"], cwd=sample.path, env=env)
        seen += [changes()]
        commit()
        seen += [changes(), changes()]
        run([*git, "tag", "v1"], cwd=sample.path, env=env)
        return [*seen, changes(), changes()]

    assert steps() == [
        True,
        False,
        True,
        False,
        True,
        False,
        True,
        False,
        False,
        True,
        False,
        True,
        False,
    ]


def test_a_version_that_its_metadata_spells_otherwise_is_the_same_version(
    project: MakeProject, env: dict[str, str], index: Index
) -> None:
    make_wheel(
        index.folder,
        "calendar_data",
        "2023.1",
        {"calendar_data.py": ""},
        metadata_version="2023.01",
    )
    session = Session(project(["calendar-data"], more=index.setting), env)
    session.prepare()
    session.python("import calendar_data")


def test_requirements_that_the_lock_leaves_unmet_are_a_warning(
    project: MakeProject, env: dict[str, str], index: Index
) -> None:
    make_wheel(index.folder, "picky", files={"picky.py": ""}, requires=["six<1"])
    more = '[tool.uv]\noverride-dependencies = ["six>=1"]\n' + index.setting
    prepared = Session(project(["picky"], more=more), env).prepare()
    assert len(prepared.warnings) == 1
    assert prepared.warnings[0].startswith("The package `picky` requires `six<1`, but `1.")


@pytest.mark.parametrize(
    "folder", ["with some spaces", "ümlaut-λ-目录", "x" * 200, "it's #1 [100%] & co;"]
)
def test_folders_may_have_any_name(
    folder: str, project: MakeProject, den: Path, tmp_path: Path, nox: RunNox
) -> None:
    from tests.conftest import make_den

    own = make_den(tmp_path / "dens" / folder, den / "uv")
    noxfile = """
    import noxden

    @noxden.session(groups=["test"])
    def show(session):
        session.run("mine")
        session.run("ruff", "--version", silent=True)
        session.run("pytest", "--version", silent=True)
    """
    scripts = '[project.scripts]\nmine = "sample:main"\n'
    sample = project(
        ["attrs"], groups={"test": ["ruff", "pytest"]}, package=True, more=scripts, noxfile=noxfile,
        at=tmp_path / folder,
    )  # fmt: skip
    sample.write(
        "src/sample/__init__.py", "def main() -> None:\n    import attr\n    print('here')\n"
    )
    for _ in range(2):
        ran = nox(sample, den=own)
        assert (ran.code, ran.lines) == (0, ["here"]), ran.text
    assert len(bases(own)) == 1


# What it costs when nothing changed, and where nothing may be written


UV_WRAPPER = """#!/bin/sh
echo "$@" >> "{log}"
exec "{uv}" "$@"
"""


@pytest.fixture
def logged_uv(tmp_path: Path, env: dict[str, str]) -> tuple[Path, Path]:
    """A uv that writes down each call, and what it writes to."""
    from noxden.tools.uv import find_uv

    wrapper, log = tmp_path / "logged-uv", tmp_path / "uv.log"
    wrapper.write_text(UV_WRAPPER.format(log=log, uv=find_uv(env)))
    wrapper.chmod(0o755)
    log.touch()
    return wrapper, log


def test_a_warm_session_starts_no_process_before_its_own_command(
    project: MakeProject, nox: RunNox, env: dict[str, str], logged_uv: tuple[Path, Path]
) -> None:
    wrapper, log = logged_uv
    noxfile = """
    import noxden

    @noxden.session
    def show(session):
        session.run("python", "-c", "import attr, sample")
    """
    sample = project(["attrs"], package=True, noxfile=noxfile)
    env = env | {"UV": str(wrapper)}
    assert nox(sample, env=env).code == 0
    assert log.read_text() != ""
    log.write_text("")
    assert nox(sample, env=env).code == 0
    assert log.read_text() == ""
    strace = shutil.which("strace")
    if strace is None:
        pytest.skip("strace is not installed: only uv was watched")
    trace = sample.path / "trace"
    quiet = {name: value for name, value in env.items() if not name.startswith("COVERAGE_")}
    run(
        [strace, "-f", "-qq", "-e", "trace=execve", "-e", "status=successful", "-o", trace,
         sys.executable, "-m", "nox"],
        cwd=sample.path, env=quiet,
    )  # fmt: skip
    started = [line.split('"')[1] for line in trace.read_text().splitlines() if "execve(" in line]
    assert started == [sys.executable, str(sample.path / ".nox" / "show" / "bin" / "python")]


def test_the_selection_is_remembered_across_checkouts(
    project: MakeProject, env: dict[str, str], logged_uv: tuple[Path, Path], tmp_path: Path
) -> None:
    wrapper, log = logged_uv
    Session(project(["attrs"], at=tmp_path / "one"), env).prepare()
    session = Session(project(["attrs"], at=tmp_path / "two"), env | {"UV": str(wrapper)})
    session.prepare()
    assert [line.split()[0] for line in log.read_text().splitlines()] == ["venv"]


def test_a_den_that_is_read_only_serves_the_bases_it_has(
    project: MakeProject, fresh: dict[str, str], fresh_den: Path, tmp_path: Path
) -> None:
    sample = project(["attrs"], package=True, at=tmp_path / "one")
    Session(sample, fresh).prepare()
    mounted = subprocess.run(
        ["mount", "--bind", fresh_den, fresh_den], check=False, capture_output=True
    )
    if mounted.returncode:
        pytest.skip("mounting is not allowed here")
    try:
        subprocess.run(
            ["mount", "-o", "remount,bind,ro", fresh_den], check=True, capture_output=True
        )
        with pytest.raises(OSError, match="Read-only"):
            (fresh_den / "probe").touch()
        assert Session(sample, fresh).prepare().reused
        again = Session(project(["attrs"], package=True, at=tmp_path / "two"), fresh)
        assert not again.prepare().built_base
        assert again.python("import attr, sample; print(sample.WHO)") == "first"
        changed = Session(project(["attrs"], at=tmp_path / "three", name="three"), fresh)
        changed.prepare()
        changed.python("import attr")
        with pytest.raises(NoxdenError, match="read-only") as caught:
            Session(project(["six"], at=tmp_path / "four"), fresh).prepare()
        key = str(caught.value).rpartition("/")[2][:64]
        assert str(caught.value) == (
            f"the den is read-only and lacks {fresh_den}/envs/{key}; fill it first, or set NOXDEN_DIR"
        )
    finally:
        subprocess.run(["umount", "--lazy", fresh_den], check=True)


@pytest.mark.parametrize("setting", ["target", "prefix"])
@pytest.mark.parametrize("file", ["pyproject.toml", "uv.toml", "../pyproject.toml", "user"])
def test_settings_that_lead_uv_out_of_the_den_are_refused(
    file: str,
    setting: str,
    project: MakeProject,
    fresh: dict[str, str],
    fresh_den: Path,
    tmp_path: Path,
) -> None:
    outside = tmp_path / "outside"
    sample = project(["attrs"])
    table = "tool.uv.pip" if file.endswith("pyproject.toml") else "pip"
    at = tmp_path / "config/uv/uv.toml" if file == "user" else (sample.path / file).resolve()
    at.parent.mkdir(parents=True, exist_ok=True)
    with at.open("a") as opened:
        opened.write(f'[{table}]\n{setting} = "{outside}"\n')
    session = Session(sample, fresh | {"XDG_CONFIG_HOME": str(tmp_path / "config")})
    with pytest.raises(UsageError) as caught:
        session.prepare()
    assert str(caught.value) == (
        f"{at} sets {setting} in [{table}]: uv would install outside of the den; "
        f"remove it, or give --{setting} where you call uv pip"
    )
    assert not outside.exists()
    assert bases(fresh_den) == []


def test_settings_of_uv_pip_that_no_key_knows_of_are_refused(
    project: MakeProject, fresh: dict[str, str]
) -> None:
    sample = project(["attrs"], more="[tool.uv.pip]\nno-build-isolation = true\n")
    with pytest.raises(UsageError) as caught:
        Session(sample, fresh).prepare()
    assert str(caught.value) == (
        f"{sample.path}/pyproject.toml sets no-build-isolation in [tool.uv.pip], which uv sync "
        f"does not read; move it to [tool.uv]"
    )


@pytest.mark.parametrize("isolated", [True, False])
def test_settings_of_uv_pip_for_other_commands_do_no_harm(
    isolated: bool, project: MakeProject, fresh: dict[str, str]
) -> None:
    more = f"""
    [tool.uv]
    no-build-isolation = {str(not isolated).lower()}

    [tool.uv.pip]
    system = true
    break-system-packages = true
    python = "3.99"
    python-version = "3.8"
    no-deps = true
    require-hashes = true
    only-binary = ["attrs"]
    """
    sample = project(["attrs", "uv_build"], package=True, more=more)
    session = Session(sample, fresh)
    session.prepare()
    assert session.python("import attr, sample; print(sample.WHO)") == "first"


def test_variables_that_leave_packages_out_are_not_heard(
    project: MakeProject, fresh: dict[str, str]
) -> None:
    names = ("UV_NO_INSTALL_PROJECT", "UV_NO_INSTALL_LOCAL", "UV_NO_INSTALL_WORKSPACE")
    env = fresh | dict.fromkeys(names, "1")
    for layered in (True, False):
        session = Session(project(["attrs"], package=True), env, f"layered-{layered}")
        session.prepare(layered=layered)
        assert session.python("import attr, sample; print(sample.WHO)") == "first"


def test_a_path_file_that_a_power_loss_left_empty_is_written_again(
    project: MakeProject, env: dict[str, str]
) -> None:
    session = Session(project(["attrs"]), env)
    session.prepare()
    (file,) = session.location.glob("lib/python*/site-packages/*.pth")
    for broken in (b"", b"\xff"):
        file.write_bytes(broken)
        assert not session.prepare().reused
        session.python("import attr")
    assert [path.name for path in session.location.glob(".noxden*")] == []


def test_a_build_that_fails_leaves_no_lock_behind(
    project: MakeProject, fresh: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    from noxden.den import worktrees

    sample = project(["attrs"])
    session = Session(sample, fresh)

    def locks() -> list[str]:
        held = Path("/proc/self/fd").iterdir()
        links = [str(name.readlink()) for name in held if os.path.lexists(name)]
        return [link for link in links if link.startswith(fresh["NOXDEN_DIR"])]

    for error in (InfrastructureError("broken"), KeyboardInterrupt()):

        def fail(*_: object, error: BaseException = error) -> None:
            raise error

        with monkeypatch.context() as patch:
            patch.setattr(worktrees.WorktreeEnvironment, "build", lambda *_, **__: fail())
            with pytest.raises(type(error)):
                session.prepare()
        assert locks() == []
    session.prepare()
    assert not any("waiting" in line for line in session.said)


COLLIDING = """
import noxden

@noxden.session(name="my show", groups=["broken"])
def first(session):
    pass

@noxden.session(name="my-show")
def second(session):
    session.run("python", "-c", "import attr; print('second')")
"""


def test_a_session_does_not_wait_for_one_of_the_same_folder_that_failed_to_build(
    project: MakeProject, nox: RunNox, tmp_path: Path
) -> None:
    broken = local_package(tmp_path / "broken", "broken")
    more = '[tool.uv.sources]\nbroken = { path = "../broken" }\n'
    sample = project(["attrs"], groups={"broken": ["broken"]}, more=more, noxfile=COLLIDING)
    shutil.rmtree(broken / "src")
    ran = nox(sample)
    assert (ran.code, ran.lines) == (1, ["second"]), ran.text
    assert "Session my show failed." in ran.stderr
    assert "waiting" not in ran.stderr


def test_the_document_of_a_base_is_what_its_key_is_the_hash_of(
    project: MakeProject, env: dict[str, str], den: Path
) -> None:
    prepared = Session(project(["attrs"]), env).prepare()
    document = (den / "envs" / prepared.resolution.key / "env.json").read_bytes()
    assert hashlib.sha256(document).hexdigest() == prepared.resolution.key
    assert [row["name"] for row in json.loads(document)["selection"]] == ["attrs"]


def test_a_base_whose_files_were_cut_short_by_a_power_loss_is_built_again(
    project: MakeProject, fresh: dict[str, str], fresh_den: Path
) -> None:
    session = Session(project(["attrs"], groups={"test": ["pytest", "ruff"]}), fresh)
    key = session.prepare(groups=("test",)).resolution.key
    base = fresh_den / "envs" / key
    (base / ".boot").write_text("another boot")
    assert not session.prepare(groups=("test",)).built_base
    assert (base / ".boot").read_text() != "another boot"
    attrs = next(base.glob("lib/python*/site-packages/attrs-*.dist-info"))
    for file, content in (
        (attrs.parent / "attr" / "__init__.py", b""),
        (attrs.parent / "attr" / "py.typed", None),
        (attrs / "RECORD", b""),
        (attrs / "RECORD", bytes(100)),
    ):
        (base / ".boot").write_text("another boot")
        file.unlink(missing_ok=True)
        if content is not None:
            file.write_bytes(content)
        again = session.prepare(groups=("test",))
        assert (again.built_base, again.reused) == (True, True), file
    assert session.python("import attr; print(attr.__name__)") == "attr"


def test_a_base_that_is_not_what_was_selected_is_never_published(
    project: MakeProject, fresh: dict[str, str], fresh_den: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Stands in for a uv cache in which metadata was cut short (uv does not sync it)."""
    from noxden.tools.uv import Uv

    real = Uv.__call__

    def losing(self: Uv, *args: str | Path, **options: Any) -> Any:
        done = real(self, *args, **options)
        if args[:2] == ("pip", "sync"):
            site = Path(args[-1]).parent
            metadata = next(site.glob("lib/python*/site-packages/attrs-*.dist-info/METADATA"))
            metadata.unlink()
            metadata.write_text("")
        return done

    monkeypatch.setattr(Uv, "__call__", losing)
    with pytest.raises(NoxdenError) as caught:
        Session(project(["attrs==25.4.0"]), fresh).prepare()
    assert str(caught.value) == (
        "uv installed attrs without metadata, the lock selects 25.4.0; run: noxden doctor"
    )
    assert bases(fresh_den) == []


def test_build_isolation_may_be_switched_off_for_all(
    project: MakeProject, env: dict[str, str]
) -> None:
    sample = project(["setuptools"], package=True, more="[tool.uv]\nno-build-isolation = true\n")
    sample.edit("pyproject.toml", '["uv_build"]', '["setuptools"]')
    sample.edit("pyproject.toml", '"uv_build"', '"setuptools.build_meta"')
    session = Session(sample, env)
    session.prepare()
    assert session.python("import sample; print(sample.WHO)") == "first"
    assert read_isolation(open_workplace(sample.path, env)) == ["--no-build-isolation"]


WAITING = """
import noxden, pathlib, time

@noxden.session
def show(session):
    pathlib.Path("started").touch()
    while session.posargs and not pathlib.Path("go").exists():
        time.sleep(0.05)
    session.run("python", "-c", "import attr")
"""


def test_an_environment_in_which_a_session_runs_is_not_rebuilt_under_it(
    project: MakeProject, env: dict[str, str]
) -> None:
    sample = project(["attrs"], noxfile=WAITING)
    words = [sys.executable, "-m", "nox"]
    pipes: Any = {"stdout": subprocess.PIPE, "stderr": subprocess.STDOUT, "text": True}
    with subprocess.Popen([*words, "--", "wait"], cwd=sample.path, env=env, **pipes) as first:
        while not (sample.path / "started").exists():
            assert first.poll() is None
        sample.edit("pyproject.toml", "['attrs']", "['attrs', 'six']")
        sample.lock()
        with subprocess.Popen(words, cwd=sample.path, env=env, **pipes) as second:
            assert second.stdout is not None
            said = [second.stdout.readline() for _ in range(2)]
            while "waiting" not in said[-1] and len(said) < 5:
                said.append(second.stdout.readline())
            assert f"waiting for another session that runs in {sample.path}/.nox/show" in said[-1]
            (sample.path / "go").touch()
            assert first.wait() == 0
            assert second.wait() == 0
            assert "show: +six " in second.stdout.read()
