"""Exports, installed by plain pip and by uv on machines that know nothing of noxden."""

from __future__ import annotations

import contextlib
import functools
import http.server
import json
import os
import resource
import shutil
import threading
import zipfile
from typing import TYPE_CHECKING

import pytest

from noxden.den.prepare import prepare
from noxden.den.resolve import Resolution, Workplace, resolve
from noxden.den.supply import Supply
from noxden.den.wheels.bundle import write_bundle
from noxden.den.wheels.contents import Item
from noxden.den.wheels.export import export
from noxden.den.wheels.fill import fill_store
from noxden.den.wheels.pages import render_pages
from noxden.den.workplace import open_workplace
from noxden.errors import InfrastructureError, SafetyError, UsageError
from noxden.lock.request import Request
from noxden.tools.uv import find_uv
from tests.sandbox import make_wheel, run
from tests.sdists import make_backend, make_repository, make_sdist, make_sources

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.conftest import MakeProject
    from tests.sandbox import Index, Sample


@pytest.fixture
def sample(project: MakeProject, index: Index, tmp_path: Path, env: dict[str, str]) -> Sample:
    """A project that needs a wheel, an sdist and a commit."""
    make_backend(index.folder)
    make_wheel(index.folder, "Snow_Plough", "2023.1", {"plough.py": ""}, requires=["tiny"])
    make_sdist(index.folder, "tiny")
    make_repository(tmp_path / "repository", make_sources("gitty"), env)
    more = (
        index.setting + f'[tool.uv.sources]\ngitty = {{ git = "file://{tmp_path}/repository" }}\n'
    )
    return project(["snow-plough", "gitty"], more=more)


def enter(sample: Sample, den: Path, **variables: str) -> tuple[Workplace, Resolution]:
    place = open_workplace(sample.path, {**sample.env, "NOXDEN_DIR": str(den), **variables})
    resolution = resolve(place, Request(), complete=True)
    assert fill_store(place, resolution, Supply(from_index=True)).warnings == ()
    return place, resolution


@pytest.fixture
def venv(tmp_path: Path, env: dict[str, str]) -> Path:
    """A fresh environment with pip in it, on a machine without the index and without caches."""
    run(
        [find_uv(env), "venv", "--quiet", "--seed", "--no-project", tmp_path / "venv"],
        cwd=tmp_path, env=env,
    )  # fmt: skip
    return tmp_path / "venv"


def alone(env: dict[str, str], tmp_path: Path) -> dict[str, str]:
    """Variables of a machine with no index but the one that a command names."""
    kept = {name: value for name, value in env.items() if not name.startswith(("UV_", "PIP_"))}
    return kept | {
        "PIP_CONFIG_FILE": "/dev/null",
        "PIP_NO_CACHE_DIR": "1",
        "UV_CACHE_DIR": str(tmp_path / "empty-cache"),
        "HOME": str(tmp_path / "home"),
    }


SEEDS = {"pip", "setuptools", "wheel", "packaging"}
PACKAGES = ["Snow_Plough 2023.1", "gitty 1.0", "tiny 1.0"]


def installed(venv: Path, folder: Path, env: dict[str, str]) -> list[str]:
    """What is in the environment that was not there from the start."""
    code = "import importlib.metadata as m\nfor x in m.distributions(): print(x.name, x.version)"
    said = run([venv / "bin/python", "-c", code], cwd=folder, env=env).lines
    return sorted(line for line in said if line.split()[0] not in SEEDS)


def test_plain_pip_installs_from_the_folder(
    sample: Sample, fresh_den: Path, tmp_path: Path, venv: Path, env: dict[str, str]
) -> None:
    exported = export(*enter(sample, fresh_den), tmp_path / "out")
    assert exported.wheels == (
        "Snow_Plough-2023.1-py3-none-any.whl",
        "gitty-1.0-py3-none-any.whl",
        "tiny-1.0-py3-none-any.whl",
    )
    assert exported.requires == ("tinybackend-1.0-py3-none-any.whl",)
    assert (exported.files, exported.warnings) == (4, ())
    ours = alone(env, tmp_path)
    words = ["install", "--no-index", "--find-links", "out", "--require-hashes"]
    run([venv / "bin/pip", *words, "-r", "out/requirements.txt"], cwd=tmp_path, env=ours)
    assert installed(venv, tmp_path, ours) == PACKAGES
    run([venv / "bin/pip", *words, "-r", "out/build-requirements.txt"], cwd=tmp_path, env=ours)
    assert "tinybackend 1.0" in installed(venv, tmp_path, ours)


def test_uv_syncs_the_pylock_of_the_folder_offline(
    sample: Sample, fresh_den: Path, tmp_path: Path, venv: Path, env: dict[str, str]
) -> None:
    export(*enter(sample, fresh_den), tmp_path / "out")
    shutil.move(tmp_path / "out", tmp_path / "elsewhere")
    ours = alone(env, tmp_path)
    words = ["pip", "sync", "--offline", "--preview-features", "pylock"]
    run([find_uv(env), *words, "--python", venv, "elsewhere/pylock.toml"], cwd=tmp_path, env=ours)
    assert installed(venv, tmp_path, ours) == PACKAGES


@contextlib.contextmanager
def serving_files(folder: Path) -> Iterator[str]:
    """A plain web server over ``folder``."""

    class Quiet(http.server.SimpleHTTPRequestHandler):
        def log_message(self, *_: object) -> None:
            return

    handler = functools.partial(Quiet, directory=str(folder))
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        thread = threading.Thread(target=server.serve_forever, daemon=True)
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_address[1]}"
        finally:
            server.shutdown()
            thread.join()


def test_any_web_server_over_the_folder_is_an_index(
    sample: Sample, fresh_den: Path, tmp_path: Path, venv: Path, env: dict[str, str]
) -> None:
    export(*enter(sample, fresh_den), tmp_path / "out")
    ours = alone(env, tmp_path)
    with serving_files(tmp_path / "out") as url:
        words = ["install", "--index-url", f"{url}/simple/", "snow-plough", "gitty"]
        run([venv / "bin/pip", *words], cwd=tmp_path, env=ours)
    assert installed(venv, tmp_path, ours) == PACKAGES
    page = json.loads((tmp_path / "out/simple/snow-plough/index.json").read_text())
    assert (page["name"], page["versions"]) == ("snow-plough", ["2023.1"])
    assert page["files"][0]["url"] == "../../Snow_Plough-2023.1-py3-none-any.whl"


def test_a_page_says_which_python_a_wheel_needs(tmp_path: Path) -> None:
    path = make_wheel(tmp_path, "tiny")
    with zipfile.ZipFile(path, "a") as wheel, pytest.warns(UserWarning, match="Duplicate name"):
        wheel.writestr("tiny-1.0.dist-info/METADATA", "Name: tiny\nRequires-Python: >=3.9,<4\n")
    item = Item("tiny", "1.0+cpu", "tiny-1.0+cpu-py3-none-any.whl", "ab", 1, path, installed=True)
    pages = render_pages([item])
    assert (
        '<a href="../../tiny-1.0%2Bcpu-py3-none-any.whl#sha256=ab" '
        'data-requires-python="&gt;=3.9,&lt;4">tiny-1.0+cpu-py3-none-any.whl</a>'
    ) in pages["simple/tiny/index.html"]
    assert '<a href="tiny/">tiny</a>' in pages["simple/index.html"]


def test_sha256sum_accepts_the_sums_of_every_file(
    sample: Sample, fresh_den: Path, tmp_path: Path, env: dict[str, str]
) -> None:
    out = tmp_path / "out"
    export(*enter(sample, fresh_den), out)
    run(["sha256sum", "--strict", "-c", "SHA256SUMS"], cwd=out, env=env)
    names = [line.split("  ")[1] for line in (out / "SHA256SUMS").read_text().splitlines()]
    there = (path.relative_to(out).as_posix() for path in out.rglob("*") if path.is_file())
    assert names == sorted({*there} - {"SHA256SUMS"})
    manifest = json.loads((out / "wheelhouse.json").read_text())
    assert sorted(manifest["files"]) == sorted({*names} - {"wheelhouse.json"})


def test_what_is_done_to_an_export_does_not_reach_the_den(
    sample: Sample, fresh_den: Path, tmp_path: Path
) -> None:
    export(*enter(sample, fresh_den), tmp_path / "out")
    for path in (tmp_path / "out").glob("*.whl"):
        assert path.stat().st_nlink == 1
        path.write_bytes(b"")


def test_an_export_is_brought_up_to_date_in_its_place(
    sample: Sample, fresh_den: Path, tmp_path: Path
) -> None:
    out = tmp_path / "out"
    export(*enter(sample, fresh_den), out)
    kept = out / "tiny-1.0-py3-none-any.whl"
    before = kept.stat().st_ino
    (out / "notes.txt").write_text("mine")
    sample.edit("pyproject.toml", "['snow-plough', 'gitty']", "['tiny']")
    sample.lock()
    exported = export(*enter(sample, fresh_den), out)
    assert exported.removed == (
        "Snow_Plough-2023.1-py3-none-any.whl",
        "gitty-1.0-py3-none-any.whl",
        "simple/gitty/index.html",
        "simple/gitty/index.json",
        "simple/snow-plough/index.html",
        "simple/snow-plough/index.json",
    )
    assert kept.stat().st_ino == before
    assert sorted(path.name for path in out.iterdir()) == [
        "SHA256SUMS",
        "build-requirements.txt",
        "notes.txt",
        "pylock.toml",
        "requirements.txt",
        "simple",
        "tiny-1.0-py3-none-any.whl",
        "tinybackend-1.0-py3-none-any.whl",
        "wheelhouse.json",
    ]
    assert sorted(path.name for path in (out / "simple").iterdir()) == [
        "index.html", "index.json", "tiny", "tinybackend",
    ]  # fmt: skip


@pytest.mark.parametrize("manifest", ["", "{}", '{"files": {}, "created-by": "somebody"}'])
def test_a_folder_of_somebody_else_is_not_touched(
    manifest: str, sample: Sample, fresh_den: Path, tmp_path: Path
) -> None:
    out = tmp_path / "out"
    out.mkdir()
    (out / "wheelhouse.json").write_text(manifest)
    with pytest.raises(UsageError) as error:
        export(*enter(sample, fresh_den), out)
    assert str(error.value) == (
        f"{out} holds files that are no export of noxden; empty it or name another folder"
    )
    assert [path.name for path in out.iterdir()] == ["wheelhouse.json"]


def test_a_damaged_wheel_is_not_exported(sample: Sample, fresh_den: Path, tmp_path: Path) -> None:
    place, resolution = enter(sample, fresh_den)
    (path,) = fresh_den.glob("wheels/??/*/Snow*.whl")
    path.chmod(0o644)
    content = path.read_bytes()
    path.write_bytes(b"!" + content[1:])
    with pytest.raises((SafetyError, InfrastructureError)) as error:
        export(place, resolution, tmp_path / "out", flat=True)
    assert str(error.value).startswith(f"{path} is to have sha256 {path.parent.name}, found ")
    assert not (tmp_path / "out" / path.name).exists()
    assert not (tmp_path / "out" / "SHA256SUMS").exists()


def test_a_store_that_lacks_a_wheel_is_to_be_filled_first(
    sample: Sample, fresh_den: Path, tmp_path: Path
) -> None:
    place = open_workplace(sample.path, {**sample.env, "NOXDEN_DIR": str(fresh_den)})
    with pytest.raises(InfrastructureError) as error:
        export(place, resolve(place, Request(), complete=True), tmp_path / "out")
    assert str(error.value) == (
        "the wheel store lacks Snow_Plough-2023.1-py3-none-any.whl; "
        "run: nox -s wheelhouse -- fetch, for the same groups"
    )
    assert not (tmp_path / "out").exists()


def test_packages_that_uv_builds_are_exported_as_they_are(
    sample: Sample, fresh_den: Path, tmp_path: Path
) -> None:
    sample.edit("pyproject.toml", ", 'gitty']", "]")
    with (sample.path / "pyproject.toml").open("a") as file:
        file.write("[tool.uv]\nno-build-isolation = true\n")
    sample.lock()
    place = open_workplace(sample.path, {**sample.env, "NOXDEN_DIR": str(fresh_den)})
    resolution = resolve(place, Request(), complete=True)
    assert len(fill_store(place, resolution, Supply(from_index=True)).warnings) == 1
    exported = export(place, resolution, tmp_path / "out")
    assert exported.wheels == ("Snow_Plough-2023.1-py3-none-any.whl", "tiny-1.0.tar.gz")
    assert exported.warnings == (
        "tiny 1.0 is in the folder as tiny-1.0.tar.gz, and built where it is installed",
    )
    assert "sdist]" in (tmp_path / "out/pylock.toml").read_text()


@pytest.mark.parametrize(
    ("setting", "lost"),
    [
        ("", "gitty 1.0 (this is another platform), tiny 1.0 (this is another platform)"),
        ("no-build-isolation = true", "gitty 1.0 (no-build-isolation leaves it to uv)"),
    ],
)
def test_an_export_that_would_not_install_is_not_written(
    setting: str, lost: str, sample: Sample, fresh_den: Path, tmp_path: Path
) -> None:
    with (sample.path / "pyproject.toml").open("a") as file:
        file.write(f"[tool.uv]\n{setting}\n")
    sample.lock()
    place = open_workplace(sample.path, {**sample.env, "NOXDEN_DIR": str(fresh_den)})
    resolution = resolve(place, Request(), complete=True)
    interpreter = resolution.interpreter._replace(executable="")
    foreign = resolution if setting else resolution._replace(interpreter=interpreter)
    assert len(fill_store(place, foreign, Supply(from_index=True)).warnings) == 2
    with pytest.raises(InfrastructureError) as error:
        export(place, foreign, tmp_path / "out")
    assert str(error.value) == (
        f"no wheel was built of {lost}, so the folder would not install; "
        f"export where noxden can build what has no wheel"
    )
    assert not (tmp_path / "out").exists()


def test_packages_of_the_checkout_are_named_and_not_exported(
    project: MakeProject, index: Index, fresh_den: Path, tmp_path: Path
) -> None:
    make_wheel(index.folder, "tiny")
    project(name="libp", package=True, lock=False)
    more = f'{index.setting}\n[tool.uv.sources]\nlibp = {{ path = "../libp" }}\n'
    sample = project(["tiny", "libp"], package=True, more=more)
    exported = export(*enter(sample, fresh_den), tmp_path / "out")
    assert exported.wheels == ("tiny-1.0-py3-none-any.whl",)
    assert exported.local == ("libp",)
    assert exported.warnings == (
        "libp is of the checkout and not in the folder; build it and add its wheel",
    )
    assert json.loads((tmp_path / "out/wheelhouse.json").read_text())["local"] == ["libp"]


@contextlib.contextmanager
def full_disk(size: int) -> Iterator[None]:
    """No file that is written gets larger than ``size``: the nearest to a disk that is full."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


def test_a_disk_that_is_full_is_that_of_the_folder(
    project: MakeProject, index: Index, fresh_den: Path, tmp_path: Path
) -> None:
    make_wheel(index.folder, "large", files={"large.py": "#" * 200_000})
    place, resolution = enter(project(["large"], more=index.setting), fresh_den)
    out, bundle = tmp_path / "out", tmp_path / "bundle"
    with full_disk(100_000), pytest.raises(InfrastructureError) as error:
        export(place, resolution, out)
    file = "large-1.0-py3-none-any.whl"
    assert str(error.value) == f"cannot write {out / file}: File too large; name another folder"
    assert resolution.selection is not None
    with full_disk(100_000), pytest.raises(InfrastructureError) as error:
        write_bundle(place.den, [resolution.selection], bundle)
    (folder,) = bundle.glob("wheels/??/*")
    assert str(error.value) == f"cannot write the bundle: {folder / file}: File too large"
    assert not [path for path in (*out.rglob("*"), *bundle.rglob("*")) if path.name == file]


def test_the_checkouts_own_backend_is_in_the_export_and_builds_offline(
    project: MakeProject, index: Index, fresh_den: Path, tmp_path: Path
) -> None:
    make_backend(index.folder)
    make_wheel(index.folder, "helper")
    sample = project([], lock=False)
    sources = make_sources("sample", requires=["helper"])
    sample.write("pyproject.toml", sources["pyproject.toml"] + "\n" + index.setting)
    sample.lock()
    place, resolution = enter(sample, fresh_den)
    exported = export(place, resolution, tmp_path / "out")
    assert exported.requires == (
        "helper-1.0-py3-none-any.whl",
        "tinybackend-1.0-py3-none-any.whl",
    )
    index.seen.clear()
    enter(sample, fresh_den)
    assert index.seen == []
    shutil.rmtree(fresh_den / "uv")
    offline = {**sample.env, "NOXDEN_DIR": str(fresh_den), "NOXDEN_OFFLINE": "1"}
    installed = prepare_offline(sample, offline, tmp_path / "env")
    assert "editable" in installed
    assert index.seen == []


def prepare_offline(sample: Sample, env: dict[str, str], location: Path) -> str:
    """What the module of the project says that is installed in the environment of a session."""
    place = open_workplace(sample.path, env)
    prepared = prepare(place, Request(), location)
    for descriptor in prepared.held:
        os.close(descriptor)
    return (prepared.environment.site / "sample.py").read_text()
