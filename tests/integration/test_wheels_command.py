"""``noxden wheels``: bundles for CI caches, their keys, and the store, on real projects."""

from __future__ import annotations

import json
import re
import subprocess
from typing import TYPE_CHECKING, Any, Protocol

import pytest

from noxden.cli import Caller, main
from noxden.den.layout import Den
from noxden.den.wheels.listing import StoredClosure, collect_closures
from tests.sandbox import make_wheel
from tests.sdists import make_backend, make_sdist

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from tests.conftest import MakeProject
    from tests.sandbox import Index, Sample

NOXFILE = """
import noxden

noxden.heavy()
noxden.heavy("both", python=["3.11", "3.11.2"])
"""
BULKY = "bulky-1.0-py3-none-any.whl"
SMALL = "small-1.0-py3-none-any.whl"
NEWER = "small-2.0-py3-none-any.whl"


class Call(Protocol):
    """What the fixture ``noxden`` is."""

    def __call__(self, *words: str, code: int = 0, env: Mapping[str, str] = ...) -> str:
        """Run the command in the project and return its stdout; its stderr where it fails."""


@pytest.fixture
def sample(project: MakeProject, index: Index) -> Sample:
    for name in ("bulky", "small", "other"):
        make_wheel(index.folder, name, files={f"{name}.py": f"NAME = {name!r}\n"})
    groups = {"heavy": ["bulky", "small"], "docs": ["other"]}
    more = f'{index.setting}\n[tool.noxden.heavy]\ngroups = ["heavy"]\n'
    made = project(groups=groups, more=more, noxfile=NOXFILE)
    index.seen.clear()
    return made


@pytest.fixture
def noxden(
    sample: Sample,
    env: dict[str, str],
    quick_den: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> Call:
    given = env

    def call(*words: str, code: int = 0, env: Mapping[str, str] = {}) -> str:
        monkeypatch.chdir(sample.path)
        capsys.readouterr()
        caller = Caller({**given, "NOXDEN_DIR": str(quick_den), **env}, sample.path)
        ended = main(["wheels", *words], caller)
        said = capsys.readouterr()
        assert ended == code, said
        return said.out if code == 0 else said.err

    return call


def wheels(folder: Path) -> list[str]:
    """Names of the wheels below ``folder``, sorted."""
    return sorted(path.name for path in folder.glob("wheels/??/*/*.whl"))


def damage(path: Path) -> None:
    path.chmod(0o644)
    path.write_bytes(path.read_bytes()[:-1] + b"X")


def bump(sample: Sample, index: Index) -> None:
    """Let the lock select another version of one small package."""
    make_wheel(index.folder, "small", "2.0", files={"small.py": "NAME = 'small'\n"})
    sample.uv("lock", "--quiet", "--upgrade-package", "small", "--refresh")
    index.seen.clear()


def test_a_bundle_has_the_wheels_of_the_heavy_session(
    sample: Sample, noxden: Call, index: Index
) -> None:
    said = noxden("bundle")
    folder = sample.path / ".noxden" / "bundle"
    assert wheels(folder) == [BULKY, SMALL]
    lines = said.splitlines()
    assert lines[:2] == [f"+ {BULKY}", f"+ {SMALL}"]
    assert re.fullmatch(rf"{folder}: 2 wheels, 1.8 kB", lines[2])
    assert sorted(index.files) == [BULKY, SMALL]


def test_after_one_package_changed_only_that_comes_from_the_index(
    sample: Sample, noxden: Call, index: Index, fresh_den: Path
) -> None:
    noxden("bundle")
    bump(sample, index)
    # Another machine, whose CI system restored the bundle of an older run.
    said = noxden("bundle", "--json", env={"NOXDEN_DIR": str(fresh_den)})
    assert index.files == [NEWER]
    assert wheels(fresh_den) == [BULKY, NEWER]
    done = json.loads(said)
    assert done["added"] == [NEWER]
    assert [path.rpartition("/")[2] for path in done["removed"] if path.endswith(".whl")] == [SMALL]
    folder = sample.path / ".noxden" / "bundle"
    assert wheels(folder) == [BULKY, NEWER]
    assert [path.stem for path in folder.glob("closures/*")] == done["closures"]


def test_a_variable_names_the_bundle_that_is_written_and_read(
    noxden: Call, index: Index, tmp_path: Path, fresh_den: Path
) -> None:
    env = {"NOXDEN_BUNDLE": str(tmp_path / "cache")}
    noxden("bundle", env=env)
    assert wheels(tmp_path / "cache") == [BULKY, SMALL]
    index.seen.clear()
    noxden("bundle", env={**env, "NOXDEN_DIR": str(fresh_den)})
    assert index.files == []
    assert f"path={tmp_path / 'cache'}" in noxden("key", env=env).splitlines()


def test_a_damaged_bundle_costs_a_warning_and_is_made_good(
    sample: Sample,
    noxden: Call,
    index: Index,
    fresh_den: Path,
    env: dict[str, str],
    capsys: pytest.CaptureFixture[str],
) -> None:
    noxden("bundle")
    folder = sample.path / ".noxden" / "bundle"
    wheel = next(folder.rglob(BULKY))
    damage(wheel)
    index.seen.clear()
    caller = Caller({**env, "NOXDEN_DIR": str(fresh_den)}, sample.path)
    assert main(["wheels", "bundle", "--json"], caller) == 0
    said = capsys.readouterr()
    assert re.fullmatch(
        rf"noxden: bundle {folder} gave wrong content \(bulky 1\.0: {BULKY} is to have sha256 "
        rf"{wheel.parent.name}, found [0-9a-f]{{64}} \(\d+ bytes\)\); not used\n",
        said.err,
    )
    assert index.files == [BULKY]
    assert json.loads(said.out)["added"] == [BULKY]
    assert main(["wheels", "bundle", "--json"], caller) == 0
    assert json.loads(capsys.readouterr().out)["added"] == []


def test_a_bundle_of_a_named_selection_goes_where_it_is_said(sample: Sample, noxden: Call) -> None:
    noxden("bundle", "out/wheels", "--only-group", "docs")
    assert wheels(sample.path / "out" / "wheels") == ["other-1.0-py3-none-any.whl"]


def test_a_folder_with_something_else_is_refused_before_anything_is_fetched(
    sample: Sample, noxden: Call, index: Index
) -> None:
    said = noxden("bundle", ".", code=4)
    assert said == (
        f"noxden: {sample.path} holds files that are not a bundle's; empty it or name another "
        f"folder\n"
    )
    assert index.files == []


def test_a_wheel_that_nobody_has_is_said_so_and_nothing_is_written(
    sample: Sample, noxden: Call
) -> None:
    said = noxden("bundle", code=3, env={"NOXDEN_OFFLINE": "1"})
    assert "no source has bulky 1.0, small 1.0 " in said
    assert not (sample.path / ".noxden" / "bundle").exists()


def test_the_key_has_the_repository_the_system_the_group_and_the_closure(
    sample: Sample, noxden: Call
) -> None:
    subprocess.run(["git", "init", "-q"], cwd=sample.path, check=True)
    url = "https://user:secret@host.example/Group/Tool.git"
    subprocess.run(["git", "remote", "add", "origin", url], cwd=sample.path, check=True)
    lines = dict(line.split("=", 1) for line in noxden("key").splitlines())
    assert list(lines) == ["key", "prefix", "path"]
    assert re.fullmatch(r"group\.tool-[a-z0-9._]+-\w+[0-9.]*-\w+-cp\d+t?-heavy-", lines["prefix"])
    assert re.fullmatch(re.escape(lines["prefix"]) + "[0-9a-f]{64}", lines["key"])
    assert lines["path"] == ".noxden/bundle"
    assert noxden("key", "--session", "heavy") == noxden("key")


def test_the_key_changes_with_the_lock_and_its_prefix_does_not(
    sample: Sample, noxden: Call, index: Index
) -> None:
    (before,) = json.loads(noxden("key", "--json"))
    bump(sample, index)
    (after,) = json.loads(noxden("key", "--json"))
    assert before["prefix"] == after["prefix"]
    assert before["key"] != after["key"]
    assert before["key"] == before["prefix"] + before["closure"]


def test_a_spelled_selection_has_its_names_in_the_key(noxden: Call) -> None:
    assert "-docs.heavy-" in noxden("key", "--group", "heavy", "--group", "docs")
    assert "-only.docs-" in noxden("key", "--only-group", "docs")


def test_a_session_with_several_pythons_has_a_key_for_each(noxden: Call, sample: Sample) -> None:
    python = json.loads(noxden("key", "--json"))[0]["python"]
    sample.write("noxfile.py", NOXFILE.replace("3.11.2", python).replace("3.11", python[:4]))
    keys = json.loads(noxden("key", "--session", "both", "--json"))
    assert [one["session"] for one in keys] == [f"both-{python[:4]}", f"both-{python}"]
    # Lines of one name each replace the other in $GITHUB_OUTPUT.
    assert noxden("key", "--session", "both", code=2) == (
        f"noxden: both-{python[:4]}, both-{python} have a key each; name one of them by --session, "
        f"or take them all by --json\n"
    )
    lines = noxden("key", "--session", f"both-{python}").splitlines()
    assert [line.partition("=")[0] for line in lines] == ["key", "prefix", "path"]


def test_a_heavy_session_with_several_pythons_has_a_key_for_each(
    noxden: Call, sample: Sample
) -> None:
    sample.edit(
        "pyproject.toml", 'groups = ["heavy"]', 'groups = ["heavy"]\npython = ["3.98", "3.99"]'
    )
    assert noxden("key", code=2) == (
        "noxden: heavy-3.98, heavy-3.99 have a key each; name one of them by --session, or take "
        "them all by --json\n"
    )


def test_a_bundle_names_what_was_built_and_is_not_in_it(
    sample: Sample, noxden: Call, index: Index
) -> None:
    make_backend(index.folder)
    make_sdist(index.folder, "gravel")
    sample.edit("pyproject.toml", "docs = ['other']", "docs = ['other', 'gravel']")
    sample.lock()
    lines = noxden("bundle", "--only-group", "docs").splitlines()
    assert lines[:3] == [
        "+ gravel-1.0.tar.gz",
        "+ other-1.0-py3-none-any.whl",
        "not in it, as only the lock's files are: the wheels built here of gravel 1.0",
    ]
    assert json.loads(noxden("bundle", "--only-group", "docs", "--json"))["built"] == ["gravel 1.0"]


def test_a_named_python_stands_in_for_those_of_the_session(noxden: Call) -> None:
    python = json.loads(noxden("key", "--json"))[0]["python"]
    (one,) = json.loads(noxden("key", "--session", "both", "--python", python, "--json"))
    assert (one["session"], one["python"]) == ("both-3.11", python)
    assert "-both-" in one["key"]


def test_a_closure_that_has_just_gone_is_listed_as_empty(quick_den: Path) -> None:
    (quick_den / "closures" / f"{'a' * 64}.toml").symlink_to("gone")
    found = collect_closures(Den(quick_den, writable=True))
    assert found == [StoredClosure("a" * 64, 0, 0, (), 0.0)]


def test_a_session_and_a_selection_together_are_refused(noxden: Call) -> None:
    assert noxden("key", "--session", "heavy", "--group", "docs", code=2) == (
        "noxden: session 'heavy' says itself what it holds; leave out --group and the like\n"
    )


def test_list_shows_what_is_in_the_store_and_who_needs_it(
    sample: Sample, noxden: Call, quick_den: Path
) -> None:
    assert noxden("list") == f"the den {quick_den} has no closures yet\n"
    noxden("bundle", "--session", "heavy")
    (one,) = json.loads(noxden("list", "--json"))
    assert re.fullmatch("[0-9a-f]{64}", one["closure"])
    assert (one["packages"], one["needs"]) == (2, [f"{sample.path} heavy"])
    head, row = noxden("list").splitlines()
    assert head.split() == ["closure", "packages", "size", "last", "used", "needed", "by"]
    assert row.split()[:2] == [one["closure"][:12], "2"]


def test_verify_tells_scripts_and_people_the_same(
    sample: Sample,
    noxden: Call,
    quick_den: Path,
    env: dict[str, str],
    capsys: pytest.CaptureFixture[str],
) -> None:
    noxden("bundle")
    assert noxden("verify") == "2 files hashed, 1.8 kB; as their names say\n"
    wheel = next(quick_den.glob(f"wheels/??/*/{BULKY}"))
    damage(wheel)
    manifest = next(quick_den.glob("closures/*.toml"))
    caller = Caller({**env, "NOXDEN_DIR": str(quick_den)}, quick_den)
    assert main(["wheels", "verify", "--json"], caller) == 4
    found: dict[str, Any] = json.loads(capsys.readouterr().out)
    assert (found["checked"], found["absent"], found["problems"]) == (2, [], [])
    assert [one["package"] for one in found["damaged"]] == ["bulky"]
    assert main(["wheels", "verify"], caller) == 4
    first, last = capsys.readouterr().out.splitlines()
    expected = found["damaged"][0]
    assert first == (
        f"bulky 1.0: {wheel} is to have sha256 {expected['expected']}, found {expected['found']}"
    )
    assert last.endswith("; 1 wrong")

    manifest.write_text(manifest.read_text("utf-8").replace("bulky", "sulky"), "utf-8")
    assert main(["wheels", "verify"], caller) == 4
    assert f"the manifest of closure {manifest.stem} is that of " in capsys.readouterr().out
    assert main(["wheels", "list"], caller) == 0
    _, row, problem = capsys.readouterr().out.splitlines()
    assert row.split() == [manifest.stem[:12], "?", "?", "now", str(sample.path), "heavy"]
    assert problem.startswith(f"the manifest of closure {manifest.stem} is that of ")


def test_verify_says_what_a_closure_has_and_the_store_lacks(
    noxden: Call, quick_den: Path, env: dict[str, str], capsys: pytest.CaptureFixture[str]
) -> None:
    noxden("bundle")
    next(quick_den.glob(f"wheels/??/*/{BULKY}")).unlink()
    caller = Caller({**env, "NOXDEN_DIR": str(quick_den)}, quick_den)
    assert main(["wheels", "verify"], caller) == 3
    first, last = capsys.readouterr().out.splitlines()
    assert first == f"{BULKY} is not in the store"
    assert re.fullmatch(r"1 files hashed, \d+ B; 1 not in the store; as their names say", last)
