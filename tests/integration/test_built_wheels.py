"""Wheels that noxden builds of packages that come without one, by real backends and uv."""

from __future__ import annotations

import ast
import errno
import hashlib
import logging
import shutil
import stat
import time
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import pytest
import tomli

from noxden.den.bases import ensure_base, site_packages
from noxden.den.resolve import resolve
from noxden.den.supply import Supply
from noxden.den.wheels.backends import holding_tools
from noxden.den.wheels.builder import Builder
from noxden.den.wheels.built import collect_built, find_built
from noxden.den.wheels.fetch import fetch
from noxden.den.wheels.fill import collect_sources, fill_store, mend_store
from noxden.den.wheels.install import localize
from noxden.den.wheels.manifests import parse_manifest
from noxden.den.wheels.prune import apply_prune, plan_prune
from noxden.den.wheels.recipe import collect_conditions, plan_build
from noxden.den.wheels.store import artifact_path, hash_file
from noxden.den.workplace import open_workplace
from noxden.errors import InfrastructureError, SafetyError
from noxden.lock.request import Request
from noxden.lock.selection import canonical_json
from tests.conftest import make_den
from tests.sandbox import make_wheel, run
from tests.sdists import make_backend, make_repository, make_sdist, make_sources, write_tar

if TYPE_CHECKING:
    from collections.abc import Mapping

    from noxden.den.resolve import Resolution, Workplace
    from noxden.lock.selection import Artifact
    from tests.conftest import MakeProject
    from tests.sandbox import Index, Sample

INDEX = Supply(from_index=True)


class Den(NamedTuple):
    """Settings of ``[tool.noxden.den]``."""

    key_env: tuple[str, ...] = ()
    remote: str = ""
    trust: str = "locked"


PLAIN = Den()


class At(NamedTuple):
    """A project with its den, as a session sees it."""

    place: Workplace
    resolution: Resolution

    def fill(self, supply: Supply = INDEX) -> tuple[str, ...]:
        return fill_store(self.place, self.resolution, supply).warnings

    @property
    def wheel(self) -> Artifact:
        (found,) = find_built(self.place, self.resolution).values()
        return found

    @property
    def file(self) -> Path:
        return artifact_path(self.place.den, self.wheel.content, self.wheel.file)

    @property
    def manifest(self) -> Path:
        (found,) = self.place.den.built.glob("*/*.toml")
        return found

    def install(self) -> Path:
        """The site-packages of the base."""
        base = ensure_base(self.place, self.resolution, lambda: self.resolution)
        return site_packages(base.path, self.resolution.interpreter.label)

    def facts(self) -> Mapping[str, object]:
        """What the built module says about its build."""
        text = (self.install() / "tiny.py").read_text()
        facts: Mapping[str, object] = ast.literal_eval(text.removeprefix("FACTS = "))
        return facts


def enter(sample: Sample, den: Path, settings: Den = PLAIN, **variables: str) -> At:
    env = {**sample.env, "NOXDEN_DIR": str(den), **variables}
    place = open_workplace(sample.path, env, settings)
    return At(place, resolve(place, Request(), complete=True))


def clean(text: str) -> str:
    return "\n".join(line.strip() for line in text.splitlines()) + "\n"


@pytest.fixture
def sample(project: MakeProject, index: Index) -> Sample:
    """A project that needs ``tiny``, which is an sdist."""
    make_backend(index.folder)
    make_sdist(index.folder, "tiny")
    return project(["tiny"], more=index.setting)


def test_an_sdist_is_built_once_and_the_base_gets_its_wheel(
    sample: Sample, fresh_den: Path, index: Index
) -> None:
    at = enter(sample, fresh_den)
    assert at.fill() == ()
    manifest = tomli.loads(at.manifest.read_text())
    assert manifest["source"]["file"] == "tiny-1.0.tar.gz"
    assert manifest["wheel"]["sha256"] == at.wheel.content
    (backend,) = manifest["packages"]
    assert (backend["name"], backend["version"]) == ("tinybackend", "1.0")
    assert (
        at.manifest
        == fresh_den
        / plan_build(collect_conditions(at.place, at.resolution), at.resolution.artifacts[0]).path
    )

    before = at.manifest.stat().st_mtime_ns
    index.seen.clear()
    assert at.fill() == ()
    assert at.manifest.stat().st_mtime_ns == before
    assert index.seen == []
    assert at.facts()["tools"] == ["tinybackend 1.0"]
    assert at.facts()["epoch"] == "315532800"
    assert not list(fresh_den.glob("built/.building*"))


def test_a_filled_store_installs_without_index_and_uv_cache(
    sample: Sample, fresh_den: Path
) -> None:
    enter(sample, fresh_den).fill()
    shutil.rmtree(fresh_den / "uv")
    offline = enter(sample, fresh_den, NOXDEN_OFFLINE="1")
    assert offline.facts()["tools"] == ["tinybackend 1.0"]


def test_two_dens_build_the_same_bytes(sample: Sample, fresh_den: Path, tmp_path: Path) -> None:
    one, two = enter(sample, fresh_den), enter(sample, make_den(tmp_path / "other"))
    one.fill()
    two.fill()
    assert one.wheel.content == two.wheel.content


def test_settings_of_the_build_reach_the_backend_and_its_key(
    sample: Sample, fresh_den: Path
) -> None:
    plain = enter(sample, fresh_den)
    plain.fill()
    with (sample.path / "pyproject.toml").open("a") as file:
        file.write('[tool.uv.config-settings-package]\ntiny = { color = "red" }\n')
        file.write('[tool.uv.extra-build-variables]\ntiny = { CFLAGS = "-O3" }\n')
    sample.lock()
    at = enter(sample, fresh_den)
    at.fill()
    assert len([*fresh_den.glob("built/*/*.toml")]) == 2
    assert at.facts()["settings"] == {"color": "red"}
    assert at.facts()["flags"] == "-O3"


def test_key_env_variables_are_part_of_the_key(sample: Sample, fresh_den: Path) -> None:
    keys = set()
    for flags in ("-O1", "-O2"):
        at = enter(sample, fresh_den, Den(key_env=("CFLAGS",)), CFLAGS=flags)
        at.fill()
        keys.add(at.wheel.content)
        assert at.facts()["flags"] == flags
    assert len(keys) == 2


def test_what_the_hook_asks_for_is_pinned_too(
    project: MakeProject, index: Index, fresh_den: Path
) -> None:
    make_backend(index.folder)
    make_wheel(index.folder, "helper")
    make_sdist(index.folder, "tiny", requires=["helper"])
    at = enter(project(["tiny"], more=index.setting), fresh_den)
    at.fill()
    assert at.facts()["tools"] == ["helper 1.0", "tinybackend 1.0"]
    assert [one["name"] for one in tomli.loads(at.manifest.read_text())["packages"]] == [
        "helper",
        "tinybackend",
    ]


def test_build_constraints_and_extra_build_dependencies_hold(
    project: MakeProject, index: Index, fresh_den: Path
) -> None:
    for version in ("1.0", "2.0"):
        make_backend(index.folder, version)
        make_wheel(index.folder, "helper", version)
        make_wheel(index.folder, "engine", version)
    make_sdist(index.folder, "tiny")
    more = f"""
        {index.setting}
        [tool.uv]
        build-constraint-dependencies = ["tinybackend<2"]
        constraint-dependencies = ["helper<2"]
        preview = true
        [tool.uv.extra-build-dependencies]
        tiny = ["helper", {{ requirement = "engine", match-runtime = true }}]
    """
    at = enter(project(["tiny", "engine<2"], more=clean(more)), fresh_den)
    at.fill()
    assert at.facts()["tools"] == ["engine 1.0", "helper 2.0", "tinybackend 1.0"]


def test_a_build_requirement_without_a_wheel_is_built_first(
    project: MakeProject, index: Index, fresh_den: Path
) -> None:
    make_backend(index.folder)
    make_sdist(index.folder, "helper")
    make_sdist(index.folder, "tiny", build='["tinybackend", "helper"]')
    at = enter(project(["tiny"], more=index.setting), fresh_den)
    at.fill()
    assert at.facts()["tools"] == ["helper 1.0", "tinybackend 1.0"]
    assert [path for path, _ in collect_built(at.place, at.resolution)][-2:] == [
        path.relative_to(fresh_den).as_posix()
        for path in sorted(
            fresh_den.glob("built/*/*.toml"), key=lambda path: "tiny-" not in path.read_text()
        )
    ]


def test_packages_that_need_each_other_to_be_built_are_told(
    project: MakeProject, index: Index, fresh_den: Path
) -> None:
    make_backend(index.folder)
    make_sdist(index.folder, "helper", build='["tinybackend", "tiny"]')
    make_sdist(index.folder, "tiny", build='["tinybackend", "helper"]')
    at = enter(project(["tiny"], more=index.setting), fresh_den)
    with pytest.raises(InfrastructureError) as error:
        at.fill()
    assert str(error.value) == ("cannot build tiny 1.0: tiny needs helper needs tiny to be built")


def test_a_backend_that_fails_is_quoted(
    project: MakeProject, index: Index, fresh_den: Path
) -> None:
    make_backend(index.folder)
    make_sdist(index.folder, "tiny", fail="no compiler found")
    at = enter(project(["tiny"], more=index.setting), fresh_den)
    with pytest.raises(InfrastructureError) as error:
        at.fill()
    assert str(error.value) == (
        "cannot build tiny 1.0: build_wheel of tinybackend ended with code 1; it said last:\n"
        "looking for a compiler\n\nno compiler found"
    )
    assert not list(fresh_den.glob("built/.building*"))


def test_a_backend_that_is_not_there_is_named(
    project: MakeProject, index: Index, fresh_den: Path
) -> None:
    make_sdist(index.folder, "tiny", build="[]")
    at = enter(project(["tiny"], more=index.setting), fresh_den)
    with pytest.raises(InfrastructureError) as error:
        at.fill()
    assert str(error.value) == (
        "cannot build tiny 1.0: its backend tinybackend cannot be used: "
        "ModuleNotFoundError: No module named 'tinybackend'"
    )


def test_a_backend_that_makes_another_package_is_refused(
    project: MakeProject, index: Index, fresh_den: Path
) -> None:
    make_backend(index.folder)
    sources = make_sources("tiny")
    sources["pyproject.toml"] = sources["pyproject.toml"].replace(
        '[tool.tiny]\nname = "tiny"', '[tool.tiny]\nname = "other"'
    )
    write_tar(index.folder / "tiny-1.0.tar.gz", sources)
    at = enter(project(["tiny"], more=index.setting), fresh_den)
    with pytest.raises(InfrastructureError) as error:
        at.fill()
    assert str(error.value) == (
        "cannot build tiny 1.0: its backend made other-1.0-py3-none-any.whl of it"
    )


def test_a_git_package_is_built_at_its_commit(
    project: MakeProject, index: Index, fresh_den: Path, tmp_path: Path, env: dict[str, str]
) -> None:
    make_backend(index.folder)
    repository = tmp_path / "repository"
    commit = make_repository(repository, make_sources("tiny"), env, under="packages/tiny")
    more = f"""
        {index.setting}
        [tool.uv.sources]
        tiny = {{ git = "file://{repository}", subdirectory = "packages/tiny" }}
    """
    at = enter(project(["tiny"], more=clean(more)), fresh_den)
    assert at.fill() == ()
    assert at.manifest.parent.name.startswith(f"{commit}-")
    assert at.facts()["tools"] == ["tinybackend 1.0"]


def test_a_package_that_is_to_be_built_is_installed_from_the_built_wheel(
    project: MakeProject, index: Index, fresh_den: Path
) -> None:
    make_backend(index.folder)
    make_wheel(index.folder, "tiny", files={"tiny.py": "FACTS = 'wheel'"})
    make_sdist(index.folder, "tiny")
    more = f'{index.setting}\n[tool.uv]\nno-binary-package = ["tiny", "tinybackend"]\n'
    at = enter(project(["tiny"], more=clean(more)), fresh_den)
    at.fill()
    assert at.facts()["tools"] == ["tinybackend 1.0"]


def test_without_build_isolation_uv_builds(sample: Sample, fresh_den: Path) -> None:
    with (sample.path / "pyproject.toml").open("a") as file:
        file.write('[tool.uv]\nno-build-isolation-package = ["tiny"]\n')
    sample.lock()
    assert enter(sample, fresh_den).fill() == (
        "tiny 1.0 is not built here: no-build-isolation-package leaves it to uv",
    )
    assert not (fresh_den / "built").exists()


def test_for_another_platform_nothing_is_built(sample: Sample, fresh_den: Path) -> None:
    at = enter(sample, fresh_den)
    interpreter = at.resolution.interpreter._replace(executable="")
    foreign = At(at.place, at.resolution._replace(interpreter=interpreter))
    assert foreign.fill() == (
        "tiny 1.0 is not built here: wheels for another platform cannot be built on this one",
    )


def test_a_session_that_leaves_the_index_to_uv_builds_nothing(
    sample: Sample, fresh_den: Path
) -> None:
    at = enter(sample, fresh_den)
    assert at.fill(Supply()) == ()
    assert find_built(at.place, at.resolution) == {}


def test_a_damaged_built_wheel_is_built_again(sample: Sample, fresh_den: Path) -> None:
    at = enter(sample, fresh_den)
    at.fill()
    good, path = at.wheel.content, at.file
    path.chmod(0o644)
    path.write_bytes(path.read_bytes().replace(b"tinybackend", b"tinybackeNd"))
    (line,) = mend_store(at.place, at.resolution, INDEX)
    assert line.startswith(f"tiny 1.0: {path} is to have sha256 {good}, found ")
    assert at.wheel.content == good
    assert at.facts()["tools"] == ["tinybackend 1.0"]


def push(at: At, remote: Path) -> None:
    for name, file in collect_built(at.place, at.resolution):
        (remote / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(file, remote / name)


@pytest.fixture
def remote(sample: Sample, fresh_den: Path, tmp_path: Path) -> Path:
    """A remote with what ``fresh_den`` built."""
    at = enter(sample, fresh_den)
    at.fill()
    push(at, tmp_path / "remote")
    return tmp_path / "remote"


def test_a_built_wheel_is_taken_from_a_remote_that_is_trusted(
    sample: Sample, remote: Path, tmp_path: Path, index: Index
) -> None:
    trusted = Den(remote=f"file://{remote}", trust="built")
    at = enter(sample, make_den(tmp_path / "other"), trusted)
    index.seen.clear()
    assert at.fill() == ()
    assert [path for path in index.seen if "tinybackend" in path] == []
    assert (
        at.manifest.read_text() == (remote / at.manifest.relative_to(at.place.den.root)).read_text()
    )


def test_without_trust_what_others_built_is_built_again(
    sample: Sample, remote: Path, tmp_path: Path, index: Index
) -> None:
    at = enter(sample, make_den(tmp_path / "other"), Den(remote=f"file://{remote}"))
    index.seen.clear()
    at.fill()
    assert [path for path in index.seen if "tinybackend" in path]


def test_a_manifest_that_was_changed_is_not_used(
    sample: Sample, remote: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    (manifest,) = remote.glob("built/*/*.toml")
    manifest.write_text(manifest.read_text().replace("tiny-1.0-py3", "../tiny-1.0-py3"))
    trusted = Den(remote=f"file://{remote}", trust="built")
    at = enter(sample, make_den(tmp_path / "other"), trusted)
    with caplog.at_level(logging.WARNING, "noxden"):
        at.fill()
    assert caplog.messages == [
        f"tiny 1.0 is not taken from remote file://{remote}: the manifest of tiny 1.0, "
        f"{manifest.relative_to(remote)}, cannot be used: ../tiny-1.0-py3-none-any.whl"
    ]
    assert at.wheel.file == "tiny-1.0-py3-none-any.whl"


def test_offline_a_package_that_cannot_be_built_is_left_to_uv(
    sample: Sample, fresh_den: Path
) -> None:
    at = enter(sample, fresh_den)
    at.fill(Supply())
    fetch(at.place.den, at.resolution.artifacts, collect_sources(at.place, index=True))
    shutil.rmtree(fresh_den / "uv")
    (line,) = enter(sample, fresh_den, NOXDEN_OFFLINE="1").fill()
    assert line.startswith(
        "tiny 1.0 is left to uv: uv cannot pin what tiny 1.0 needs to be built: "
    )


def test_a_package_of_setuptools_without_pyproject_is_built(
    project: MakeProject, index: Index, fresh_den: Path
) -> None:
    files = {
        "setup.py": "import setuptools; setuptools.setup(name='old', version='1.0', py_modules=['old'])\n",
        "old.py": "WHO = 'old'\n",
        "PKG-INFO": "Metadata-Version: 2.2\nName: old\nVersion: 1.0\n",
    }
    write_tar(index.folder / "old-1.0.tar.gz", files)
    at = enter(project(["old"], more=index.setting), fresh_den)
    at.fill()
    assert at.wheel.file == "old-1.0-py3-none-any.whl"
    assert (at.install() / "old.py").read_text() == "WHO = 'old'\n"


def test_a_commit_that_no_branch_has_any_more_is_built(
    project: MakeProject, index: Index, fresh_den: Path, tmp_path: Path, env: dict[str, str]
) -> None:
    make_backend(index.folder)
    repository = tmp_path / "repository"
    commit = make_repository(repository, make_sources("tiny"), env)
    more = f"""
        {index.setting}
        [tool.uv.sources]
        tiny = {{ git = "file://{repository}", rev = "{commit}" }}
    """
    sample = project(["tiny"], more=clean(more))
    who = ["-c", "user.name=A", "-c", "user.email=a@example.org"]
    run(["git", *who, "commit", "--quiet", "--amend", "-m", "two"], cwd=repository, env=env)
    # What git sets for its hooks must not lead the build elsewhere.
    at = enter(sample, fresh_den, GIT_DIR=str(tmp_path / "none"), GIT_INDEX_FILE="index")
    assert at.fill() == ()
    assert at.manifest.parent.name == commit


def test_a_repository_that_is_gone_is_told(
    project: MakeProject, index: Index, fresh_den: Path, tmp_path: Path, env: dict[str, str]
) -> None:
    repository = tmp_path / "repository"
    make_repository(repository, make_sources("tiny"), env)
    more = f'[tool.uv.sources]\ntiny = {{ git = "file://{repository}" }}\n{index.setting}'
    at = enter(project(["tiny"], more=more), fresh_den)
    shutil.rmtree(repository)
    with pytest.raises(InfrastructureError, match="^cannot build tiny 1.0: `git fetch "):
        at.fill()


def replace_sdist(at: At, file: Path) -> Artifact:
    """The artifact of a project, with the content of ``file``, in the store."""
    (artifact,) = at.resolution.artifacts
    other = artifact._replace(content=hash_file(file), size=None)
    path = artifact_path(at.place.den, other.content, other.file)
    path.parent.mkdir(parents=True)
    shutil.copy(file, path)
    return other


def test_a_damaged_sdist_is_not_built_and_fetched_anew_by_the_next_run(
    sample: Sample, fresh_den: Path
) -> None:
    at = enter(sample, fresh_den)
    den = at.place.den
    (artifact,) = at.resolution.artifacts
    fetch(den, [artifact], collect_sources(at.place, index=True))
    path = artifact_path(den, artifact.content, artifact.file)
    bad = write_tar(fresh_den.parent / "tiny-1.0.tar.gz", make_sources("tiny", fail="evil"))
    path.chmod(0o644)
    # Of the same size, so that only its hash tells.
    path.write_bytes(bad.read_bytes()[: path.stat().st_size].ljust(path.stat().st_size, b"\0"))
    found = hash_file(path)
    with pytest.raises(SafetyError) as error:
        at.fill()
    assert str(error.value) == (
        f"tiny 1.0: {path} is to have sha256 {artifact.content}, found {found}; it is in "
        f"{den.wheels}/quarantine/tiny-1.0.tar.gz.{found[:12]}, so run again"
    )
    assert not path.exists()
    assert at.fill() == ()
    assert hash_file(path) == artifact.content
    assert at.facts()["tools"] == ["tinybackend 1.0"]


def test_an_sdist_that_cannot_be_unpacked_is_told_with_its_package(
    sample: Sample, fresh_den: Path, tmp_path: Path
) -> None:
    at = enter(sample, fresh_den)
    (tmp_path / "bad").write_bytes(b"no archive")
    artifact = replace_sdist(at, tmp_path / "bad")
    builder = Builder(at.place, collect_conditions(at.place, at.resolution), ())
    with pytest.raises(InfrastructureError) as error:
        builder.ensure(plan_build(builder.conditions, artifact))
    assert str(error.value) == (
        "cannot build tiny 1.0: tiny-1.0.tar.gz cannot be unpacked: not a gzip file"
    )


@pytest.mark.parametrize(
    ("pyproject", "complaint"),
    [
        ("[build-system", "cannot build tiny 1.0: its pyproject.toml cannot be used: "),
        ("build-system = 1", "cannot build tiny 1.0: its pyproject.toml cannot be used: "),
        (
            '[build-system]\nrequires = []\nbuild-backend = "own"\nbackend-path = ["."]',
            "cannot build tiny 1.0: its backend made 'x.whl': Invalid wheel filename",
        ),
        (
            '[build-system]\nrequires = ["no-such-package-of-noxden"]\n',
            "uv cannot pin what tiny 1.0 needs to be built: No solution found",
        ),
        (
            '[build-system]\nrequires = ["helper @ file:///none/helper-1.0.tar.gz"]\n',
            "uv cannot pin what tiny 1.0 needs to be built: ",
        ),
    ],
)
def test_what_cannot_be_built_says_why(
    pyproject: str, complaint: str, project: MakeProject, index: Index, fresh_den: Path
) -> None:
    own = "def build_wheel(folder, *_):\n    open(folder + '/x.whl', 'w').close()\n    return 'x.whl'\n"
    sources = {**make_sources("tiny"), "pyproject.toml": pyproject, "own.py": own}
    good = make_sdist(index.folder, "tiny")
    at = enter(project(["tiny"], more=index.setting), fresh_den)
    # uv would not lock such a project.
    artifact = replace_sdist(at, write_tar(good.with_name("bad.tar.gz"), sources, "tiny-1.0"))
    builder = Builder(at.place, collect_conditions(at.place, at.resolution), ())
    with pytest.raises(InfrastructureError) as error:
        builder.ensure(plan_build(builder.conditions, artifact))
    assert str(error.value).startswith(complaint)


def test_a_build_requirement_that_no_source_has_is_told(sample: Sample, fresh_den: Path) -> None:
    at = enter(sample, fresh_den)
    fetch(at.place.den, at.resolution.artifacts, collect_sources(at.place, index=True))
    builder = Builder(at.place, collect_conditions(at.place, at.resolution), ())
    with pytest.raises(InfrastructureError) as error:
        builder.ensure(plan_build(builder.conditions, at.resolution.artifacts[0]))
    assert str(error.value) == (
        "no source has tinybackend 1.0, which tiny needs to be built (every source is left out)"
    )


def test_a_manifest_of_another_build_is_refused(sample: Sample, fresh_den: Path) -> None:
    at = enter(sample, fresh_den)
    at.fill()
    conditions = collect_conditions(at.place, at.resolution)
    other = plan_build(conditions._replace(variables={"CFLAGS": "-O3"}), at.resolution.artifacts[0])
    with pytest.raises(SafetyError) as error:
        parse_manifest(at.manifest.read_text(), other)
    assert str(error.value) == (f"the manifest of tiny 1.0, {other.path}, is that of another build")


@pytest.fixture
def own(project: MakeProject, index: Index) -> Sample:
    """A project with a backend of its own."""
    make_backend(index.folder)
    sample = project([], name="tiny", lock=False)
    sample.write("pyproject.toml", make_sources("tiny")["pyproject.toml"] + "\n" + index.setting)
    sample.lock()
    return sample


def test_what_builds_the_checkout_is_taken_from_a_remote_that_is_trusted(
    own: Sample, fresh_den: Path, tmp_path: Path, index: Index
) -> None:
    at = enter(own, fresh_den)
    assert at.fill() == ()
    push(at, tmp_path / "remote")
    trusted = Den(remote=f"file://{tmp_path}/remote", trust="built")
    index.seen.clear()
    other = enter(own, make_den(tmp_path / "other"), trusted, NOXDEN_OFFLINE="1")
    assert other.fill() == ()
    assert index.seen == []
    assert collect_built(other.place, other.resolution) == [
        (name, other.place.den.root / name) for name, _ in collect_built(at.place, at.resolution)
    ]


def test_what_cannot_be_kept_of_the_checkouts_backend_is_a_warning(
    own: Sample, fresh_den: Path, index: Index
) -> None:
    at = enter(own, fresh_den)
    for file in index.folder.iterdir():
        file.unlink()
    shutil.rmtree(fresh_den / "uv")
    (line,) = at.fill()
    assert line.startswith(
        "what builds tiny is not kept for offline use: uv cannot pin what tiny needs to be built: "
    )
    assert collect_built(at.place, at.resolution) == []


def test_build_requirements_come_from_where_the_settings_say(
    project: MakeProject, index: Index, fresh_den: Path, tmp_path: Path
) -> None:
    make_backend(tmp_path / "flat")
    make_sdist(index.folder, "tiny")
    more = f'[tool.uv]\nfind-links = ["../flat"]\n{index.setting}'
    at = enter(project(["tiny"], more=more), fresh_den)
    assert at.fill() == ()
    assert at.facts()["tools"] == ["tinybackend 1.0"]


def test_in_a_store_that_lacks_something_uv_builds_what_is_to_be_built(
    project: MakeProject, index: Index, fresh_den: Path
) -> None:
    make_backend(index.folder)
    make_wheel(index.folder, "other")
    make_sdist(index.folder, "tiny")
    more = f'{index.setting}\n[tool.uv]\nno-binary-package = ["tiny"]\n'
    at = enter(project(["tiny", "other"], more=clean(more)), fresh_den)
    at.fill()
    assert localize(at.place, at.resolution)[1] == ["--offline", "--no-config"]
    (wheel,) = fresh_den.glob("wheels/??/*/other-*.whl")
    shutil.rmtree(wheel.parent)
    pylock, words = localize(at.place, at.resolution)
    assert words == []
    assert [sorted({"sdist", "wheels"} & {*package}) for package in pylock["packages"]] == [
        ["wheels"],
        ["sdist"],
    ]


def test_when_everything_is_to_be_built_the_sdists_are(
    project: MakeProject, index: Index, fresh_den: Path
) -> None:
    make_backend(index.folder)
    make_sdist(index.folder, "tiny")
    at = enter(project(["tiny"], more=f"{index.setting}\n[tool.uv]\nno-binary = true\n"), fresh_den)
    at.fill()
    assert localize(at.place, at.resolution)[1] == ["--offline", "--no-config"]
    assert at.facts()["tools"] == ["tinybackend 1.0"]


def tools_of(at: At) -> Path:
    """The folder in which uv finds what builds the checkout."""
    with holding_tools(at.place, at.resolution) as variables:
        return Path(variables["UV_FIND_LINKS"])


def test_what_builds_the_checkout_is_a_folder_of_its_pins(
    own: Sample, fresh_den: Path, index: Index
) -> None:
    make_wheel(index.folder, "helper")
    own.edit("pyproject.toml", '["tinybackend"]', '["tinybackend", "helper"]')
    at = enter(own, fresh_den)
    at.fill()
    folder = tools_of(at)
    names = ["helper-1.0-py3-none-any.whl", "tinybackend-1.0-py3-none-any.whl"]
    pins = {name: hash_file(index.folder / name) for name in names}
    assert {path.name: hash_file(path) for path in folder.iterdir()} == pins
    (listed,) = fresh_den.glob("built/requires/*.toml")
    assert folder == listed.with_suffix("") / hashlib.sha256(canonical_json(pins)).hexdigest()
    made = folder.stat()
    assert tools_of(at) == folder
    assert (folder.stat().st_ino, folder.stat().st_mtime_ns) == (made.st_ino, made.st_mtime_ns)


def test_other_pins_are_another_folder_and_whoever_reads_the_first_still_can(
    own: Sample, fresh_den: Path, index: Index
) -> None:
    at = enter(own, fresh_den)
    at.fill()
    with holding_tools(at.place, at.resolution) as variables:
        first = Path(variables["UV_FIND_LINKS"])
        (listed,) = fresh_den.glob("built/requires/*.toml")
        listed.unlink()
        shutil.rmtree(fresh_den / "uv")
        make_backend(index.folder, "2.0")
        at.fill()
        second = tools_of(at)
        assert [path.name for path in first.iterdir()] == ["tinybackend-1.0-py3-none-any.whl"]
        assert [path.name for path in second.iterdir()] == ["tinybackend-2.0-py3-none-any.whl"]
        assert apply_prune(at.place.den, plan_prune(at.place.den)).notes == (
            "the store is in use; nothing was removed",
        )
    plan = plan_prune(at.place.den)
    assert plan.tools == (first,)
    apply_prune(at.place.den, plan)
    assert [*first.parent.iterdir()] == [second]


def test_the_folder_of_what_builds_a_checkout_goes_with_its_list(
    own: Sample, fresh_den: Path
) -> None:
    at = enter(own, fresh_den)
    at.fill()
    folder = tools_of(at)
    assert plan_prune(at.place.den).tools == ()
    plan = plan_prune(at.place.den, now=time.time() + 40 * 86400)
    assert plan.tools == (folder,)
    apply_prune(at.place.den, plan)
    assert not folder.parent.exists()


def damage(path: Path) -> str:
    """Change a file in its middle; its sha256 now."""
    path.chmod(0o644)
    path.write_bytes(path.read_bytes().replace(b"tinybackend", b"tinybackeNd"))
    return hash_file(path)


def test_a_damaged_tool_is_not_given_to_uv(own: Sample, fresh_den: Path) -> None:
    at = enter(own, fresh_den)
    at.fill()
    (path,) = fresh_den.glob("wheels/??/*/tinybackend-*.whl")
    sha256, found = path.parent.name, damage(path)
    with pytest.raises(SafetyError) as error:
        tools_of(at)
    assert str(error.value) == (
        f"tinybackend 1.0: {path} is to have sha256 {sha256}, found {found}; it is in "
        f"{fresh_den}/wheels/quarantine/{path.name}.{found[:12]}, so run again"
    )
    assert not [*fresh_den.glob("built/requires/*/*")]
    at.fill()
    assert [path.name for path in tools_of(at).iterdir()] == [path.name]


def test_a_folder_of_tools_that_was_changed_is_made_again(own: Sample, fresh_den: Path) -> None:
    at = enter(own, fresh_den)
    at.fill()
    folder = tools_of(at)
    (folder / "other-1.0-py3-none-any.whl").touch()
    assert tools_of(at) == folder
    (tool,) = folder.iterdir()
    good = hash_file(tool)
    # As after a damage of the disk, which a copy has for itself.
    copy = shutil.copy(tool, fresh_den / "copy")
    tool.unlink()
    shutil.move(copy, tool)
    damage(tool)
    tools_of(at)
    assert hash_file(tool) == good


def test_tools_are_copied_where_links_cannot_be_made(
    own: Sample, fresh_den: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object) -> None:
        raise OSError(errno.EXDEV, "Invalid cross-device link")

    at = enter(own, fresh_den)
    at.fill()
    monkeypatch.setattr(Path, "hardlink_to", refuse)
    (tool,) = tools_of(at).iterdir()
    (path,) = fresh_den.glob("wheels/??/*/tinybackend-*.whl")
    assert hash_file(tool) == path.parent.name
    assert stat.S_IMODE(tool.stat().st_mode) == 0o444
    assert tool.stat().st_nlink == 1


def test_in_a_den_that_cannot_be_written_tools_are_there_or_not(
    own: Sample, fresh_den: Path
) -> None:
    at = enter(own, fresh_den)
    at.fill()
    sealed = at._replace(place=at.place._replace(den=at.place.den._replace(writable=False)))
    with holding_tools(sealed.place, sealed.resolution) as variables:
        assert variables == {}
    folder = tools_of(at)
    assert tools_of(sealed) == folder
