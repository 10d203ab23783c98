"""``nox -s wheelhouse`` by the real nox and uv, on an index and a remote of this machine."""

from __future__ import annotations

import json
import re
import shutil
from typing import TYPE_CHECKING, Any

import pytest

from noxden.den.layout import Den
from noxden.den.wheels.store import using_store
from tests.sandbox import make_wheel, run
from tests.sdists import make_backend, make_sdist

if TYPE_CHECKING:
    from pathlib import Path

    from tests.conftest import MakeProject, RunNox
    from tests.sandbox import Index, Ran, Sample

NOXFILE = """
from noxden.sessions.wheelhouse import wheelhouse

wheelhouse()
"""
BULKY = "bulky-1.0-py3-none-any.whl"
TINY = "tiny-1.0-py3-none-any.whl"
APPLE = "apple-1.0-py3-none-any.whl"
NATIVE = [
    "native-1.0-cp312-cp312-manylinux_2_17_aarch64.whl",
    "native-1.0-cp312-cp312-manylinux_2_34_aarch64.whl",
    "native-1.0-cp312-cp312-macosx_11_0_arm64.whl",
    "native-1.0-cp313-cp313t-musllinux_1_1_x86_64.whl",
]


@pytest.fixture
def sample(project: MakeProject, index: Index) -> Sample:
    """A project whose session ``heavy`` needs bulky, docs tiny, and ports what machines differ in."""
    for name in ("bulky", "tiny", "apple"):
        make_wheel(index.folder, name, files={f"{name}.py": f"NAME = {name!r}\n"})
    make_backend(index.folder)
    make_sdist(index.folder, "gravel")
    for wheel in NATIVE:
        tag = wheel.removeprefix("native-1.0-").removesuffix(".whl")
        make_wheel(index.folder, "native", files={"native.py": f"TAG = {tag!r}\n"}, tag=tag)
    groups = {
        "heavy": ["bulky"],
        "docs": ["tiny"],
        "source": ["gravel"],
        "ports": ["native", "apple; sys_platform == 'darwin'"],
    }
    more = f'{index.setting}\n[tool.noxden.heavy]\ngroups = ["heavy"]\n'
    made = project(groups=groups, more=more, noxfile=NOXFILE)
    index.seen.clear()
    return made


@pytest.fixture
def remote(tmp_path: Path) -> str:
    (tmp_path / "remote").mkdir()
    return f"file://{tmp_path / 'remote'}"


def stored(den: Path) -> list[str]:
    """Names of the files in the store, sorted."""
    return sorted(path.name for path in den.glob("wheels/??/*/*"))


def find(den: Path, name: str) -> Path:
    return next(den.glob(f"wheels/??/*/{name}"))


def damage(path: Path) -> None:
    """Turn one byte over."""
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 0xFF
    path.chmod(0o644)
    path.write_bytes(content)


def steps(ran: Ran) -> list[str]:
    """The rows of the table of steps, without their seconds."""
    rows = ran.lines[ran.lines.index(next(one for one in ran.lines if one.startswith("step "))) :]
    return [re.sub(r" +\d+\.\d +", " | ", row, count=1).strip() for row in rows[1:]]


def data(ran: Ran) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = json.loads(ran.stdout)
    return found


def test_fetch_brings_the_wheels_of_the_heavy_session_once_and_makes_no_environment(
    sample: Sample, nox: RunNox, fresh_den: Path, index: Index
) -> None:
    ran = nox(sample, "-s", "wheelhouse", "--", "fetch", den=fresh_den)
    assert ran.code == 0, ran.text
    assert stored(fresh_den) == [BULKY]
    (row,) = steps(ran)
    assert re.fullmatch(r"fetch +passed \| 1 of 1 wheels fetched, \d+ B; closure [0-9a-f]{12}", row)
    assert not (sample.path / ".nox" / "wheelhouse").exists()
    again = nox(sample, "-s", "wheelhouse", "--", "fetch", "--json", den=fresh_den)
    assert index.files == [BULKY]
    (one,) = data(again)
    assert (one["fetched"], one["packages"], one["missing"], one["sources"]) == (0, 1, [], [])


def test_fetch_of_named_groups_takes_these_and_nothing_else(
    sample: Sample, nox: RunNox, fresh_den: Path
) -> None:
    assert (
        nox(sample, "-s", "wheelhouse", "--", "fetch", "--only-group", "docs", den=fresh_den).code
        == 0
    )
    assert stored(fresh_den) == [TINY]


@pytest.mark.parametrize(
    ("version", "platform", "expected"),
    [
        ("3.12", "manylinux_2_28_aarch64", [NATIVE[0]]),
        ("3.12", "manylinux_2_34_aarch64", [NATIVE[1]]),
        ("3.12.4", "macosx_14_0_arm64", [APPLE, NATIVE[2]]),
        ("3.13t", "musllinux_1_2_x86_64", [NATIVE[3]]),
    ],
)
def test_fetch_for_another_machine_takes_what_that_one_would(
    sample: Sample, nox: RunNox, quick_den: Path, version: str, platform: str, expected: list[str]
) -> None:
    words = ("--only-group", "ports", "--python", version, "--platform", platform)
    ran = nox(sample, "-s", "wheelhouse", "--", "fetch", *words, den=quick_den)
    assert ran.code == 0, ran.text
    assert stored(quick_den) == expected
    assert steps(ran)[0].startswith(f"fetch {version} {platform}")


def test_a_machine_that_no_wheel_is_for_is_said_so(
    sample: Sample, nox: RunNox, quick_den: Path
) -> None:
    words = ("--only-group", "ports", "--python", "3.11", "--platform", "manylinux_2_28_aarch64")
    ran = nox(sample, "-s", "wheelhouse", "--", "fetch", *words, den=quick_den)
    assert ran.code == 1
    assert "uv.lock does not fit Python 3.11.0: " in ran.stderr
    assert "(exit code 2)" in ran.stderr


def test_what_was_pushed_another_machine_pulls(
    sample: Sample, nox: RunNox, quick_den: Path, fresh_den: Path, index: Index, remote: str
) -> None:
    ran = nox(sample, "-s", "wheelhouse", "--", "push", "--remote", remote, den=quick_den)
    assert ran.code == 0, ran.text
    assert re.fullmatch(r"push +passed \| 1 files pushed, \d+ B; 0 were there", steps(ran)[0])
    again = nox(sample, "-s", "wheelhouse", "--", "push", "--remote", remote, den=quick_den)
    assert steps(again) == ["push  passed | 0 files pushed, 0 B; 1 were there"]
    index.seen.clear()
    pulled = nox(sample, "-s", "wheelhouse", "--", "pull", "--remote", remote, den=fresh_den)
    assert pulled.code == 0, pulled.text
    assert stored(fresh_den) == [BULKY]
    assert index.files == []


def test_a_push_that_replaces_sends_everything_and_one_that_makes_the_folder_says_so(
    sample: Sample, nox: RunNox, quick_den: Path, tmp_path: Path
) -> None:
    folder = tmp_path / "new"
    words = ("-s", "wheelhouse", "--", "push", "--remote", f"file://{folder}")
    first = nox(sample, *words, den=quick_den)
    assert first.code == 0, first.text
    assert "is left out" not in first.text
    assert steps(first)[0].endswith("; 0 were there; made its folder")
    again = nox(sample, *words, "--replace", den=quick_den)
    assert re.fullmatch(r"push +passed \| 1 files pushed, \d+ B; 0 were there", steps(again)[0])


def test_pull_tells_what_the_remote_lacks_and_keeps_the_rest(
    sample: Sample, nox: RunNox, quick_den: Path, fresh_den: Path, index: Index, remote: str
) -> None:
    nox(sample, "-s", "wheelhouse", "--", "push", "--remote", remote, den=quick_den)
    index.seen.clear()
    words = ("--only-group", "heavy", "--only-group", "docs", "--remote", remote)
    ran = nox(sample, "-s", "wheelhouse", "--", "pull", *words, den=fresh_den)
    assert ran.code == 1
    assert (
        f"remote {remote} cannot give tiny 1.0 (remote {remote}: not there); what they gave is in "
        f"the store, the index may give the rest: nox -s wheelhouse -- fetch (exit code 3)"
    ) in ran.stderr
    assert stored(fresh_den) == [BULKY]
    assert index.files == []
    assert steps(ran)[0].startswith("pull  failed | 1 of 2 wheels fetched, ")
    told = json.loads((sample.path / ".noxden" / "wheelhouse" / "summary.json").read_text())
    assert [(step["name"], step["status"]) for step in told["steps"]] == [("pull", "failed")]


@pytest.mark.parametrize("action", ["pull", "push"])
def test_without_a_remote_there_is_nothing_to_pull_from_or_push_to(
    sample: Sample, nox: RunNox, quick_den: Path, action: str
) -> None:
    ran = nox(sample, "-s", "wheelhouse", "--", action, den=quick_den)
    assert (
        "there is no remote; name one by remote in [tool.noxden.den], NOXDEN_REMOTE or "
        "--remote URI (exit code 2)"
    ) in ran.stderr


def test_verify_finds_a_flipped_byte_and_repairs_it(
    sample: Sample, nox: RunNox, quick_den: Path
) -> None:
    nox(sample, "-s", "wheelhouse", "--", "fetch", den=quick_den)
    good = nox(sample, "-s", "wheelhouse", "--", "verify", den=quick_den)
    assert good.code == 0
    assert re.fullmatch(
        r"verify +passed \| 1 files hashed, \d+ B; as their names say", steps(good)[0]
    )
    wheel = find(quick_den, BULKY)
    damage(wheel)
    for words in ([], ["--all"]):
        ran = nox(sample, "-s", "wheelhouse", "--", "verify", *words, den=quick_den)
        assert ran.code == 1
        assert re.search(
            rf"bulky 1\.0: {wheel} is to have sha256 {wheel.parent.name}, found [0-9a-f]{{64}}; "
            r"nox -s wheelhouse -- verify --repair fetches it again \(exit code 4\)",
            ran.stderr,
        ), ran.stderr
        assert steps(ran)[0].endswith("; 1 wrong")
    repaired = nox(sample, "-s", "wheelhouse", "--", "verify", "--repair", den=quick_den)
    assert repaired.code == 0, repaired.text
    assert steps(repaired) == ["verify  passed | 1 of 1 wheels were wrong and fetched again"]
    assert nox(sample, "-s", "wheelhouse", "--", "verify", "--all", den=quick_den).code == 0


def test_verify_tells_in_json_package_file_expected_and_found(
    sample: Sample, nox: RunNox, quick_den: Path
) -> None:
    nox(sample, "-s", "wheelhouse", "--", "fetch", den=quick_den)
    wheel = find(quick_den, BULKY)
    damage(wheel)
    ran = nox(sample, "-s", "wheelhouse", "--", "verify", "--json", den=quick_den)
    (one,) = data(ran)
    (found,) = one["damaged"]
    assert re.fullmatch("[0-9a-f]{64}", found.pop("found"))
    assert found == {
        "package": "bulky",
        "version": "1.0",
        "file": str(wheel),
        "expected": wheel.parent.name,
    }


def test_verify_says_what_is_not_there_and_refuses_to_repair_all(
    sample: Sample, nox: RunNox, quick_den: Path
) -> None:
    ran = nox(sample, "-s", "wheelhouse", "--", "verify", den=quick_den)
    assert steps(ran) == [
        "verify  failed | 0 files hashed, 0 B; 1 not in the store; as their names say"
    ]
    assert (
        "not in the store: bulky 1.0; nox -s wheelhouse -- fetch brings it, for the same groups "
        "(exit code 3)"
    ) in ran.stderr
    refused = nox(sample, "-s", "wheelhouse", "--", "verify", "--all", "--repair", den=quick_den)
    assert (
        "--repair needs the URLs of uv.lock, which closures do not keep; leave out --all "
        "(exit code 2)"
    ) in refused.stderr


def test_repair_fetches_what_the_store_has_lost(
    sample: Sample, nox: RunNox, quick_den: Path
) -> None:
    nox(sample, "-s", "wheelhouse", "--", "fetch", den=quick_den)
    find(quick_den, BULKY).unlink()
    ran = nox(sample, "-s", "wheelhouse", "--", "verify", "--all", den=quick_den)
    assert "not in the store: bulky 1.0; " in ran.stderr
    ran = nox(sample, "-s", "wheelhouse", "--", "verify", "--repair", den=quick_den)
    assert ran.code == 0, ran.text
    assert steps(ran) == [
        "verify  passed | 0 of 1 wheels were wrong and fetched again; 1 were missing and fetched"
    ]
    assert stored(quick_den) == [BULKY]
    find(quick_den, BULKY).unlink()
    ran = nox(sample, "-s", "wheelhouse", "--", "verify", "--repair", "--offline", den=quick_den)
    assert "no source has bulky 1.0 " in ran.stderr
    assert "(exit code 3)" in ran.stderr
    assert steps(ran)[0].startswith("verify  failed | ")


def test_a_manifest_of_a_closure_that_was_overwritten_is_told_and_mended(
    sample: Sample, nox: RunNox, quick_den: Path
) -> None:
    nox(sample, "-s", "wheelhouse", "--", "fetch", den=quick_den)
    (manifest,) = quick_den.glob("closures/*.toml")
    good = manifest.read_bytes()
    told = f"the manifest of closure {manifest.stem[:12]} cannot be used: "
    for mend in (["verify", "--repair"], ["fetch"]):
        manifest.write_text("garbage\n")
        for words in ([], ["--all"]):
            ran = nox(sample, "-s", "wheelhouse", "--", "verify", *words, den=quick_den)
            assert told in ran.stderr
            assert "(exit code 4)" in ran.stderr
        ran = nox(sample, "-s", "wheelhouse", "--", *mend, den=quick_den)
        assert ran.code == 0, ran.text
        assert manifest.read_bytes() == good
        if mend != ["fetch"]:
            assert steps(ran)[0].endswith("; the closure was written anew")


def test_list_shows_closures_and_prune_removes_those_that_nobody_needs(
    sample: Sample, nox: RunNox, quick_den: Path
) -> None:
    nox(sample, "-s", "wheelhouse", "--", "fetch", den=quick_den)
    nox(sample, "-s", "wheelhouse", "--", "fetch", "--only-group", "docs", den=quick_den)
    (listed,) = data(nox(sample, "-s", "wheelhouse", "--", "list", "--json", den=quick_den))
    assert [one["needs"] for one in listed["closures"]] == [
        [f"{sample.path} wheelhouse docs"],
        [f"{sample.path} wheelhouse heavy"],
    ]
    table = nox(sample, "-s", "wheelhouse", "--", "list", den=quick_den)
    assert table.lines[0].split() == ["closure", "packages", "size", "last", "used", "needed", "by"]
    dry = nox(sample, "-s", "wheelhouse", "--", "prune", "--dry-run", den=quick_den)
    assert steps(dry)[0].endswith(
        "would remove 0 closures and 0 artifacts, 0 B (--dry-run: nothing was removed)"
    )

    # The project no longer has what docs needed: its next selection takes the place of the old.
    sample.edit("pyproject.toml", "docs = ['tiny']", "docs = ['bulky']")
    sample.lock()
    nox(sample, "-s", "wheelhouse", "--", "fetch", "--only-group", "docs", den=quick_den)
    dry = nox(sample, "-s", "wheelhouse", "--", "prune", "--dry-run", den=quick_den)
    assert "would remove 1 closures and 1 artifacts, " in steps(dry)[0]
    assert stored(quick_den) == [BULKY, TINY]
    ran = nox(sample, "-s", "wheelhouse", "--", "prune", den=quick_den)
    assert "removed 1 closures and 1 artifacts, freed " in steps(ran)[0]
    assert stored(quick_den) == [BULKY]


def test_a_python_that_is_not_here_is_described_and_one_that_never_was_refused(
    sample: Sample, nox: RunNox, quick_den: Path
) -> None:
    words = ("fetch", "--only-group", "docs", "--python")
    # No machine has the first release of a minor version that is years from now.
    ran = nox(sample, "-s", "wheelhouse", "--", *words, "3.99", den=quick_den)
    assert ran.code == 0, ran.text
    assert stored(quick_den) == [TINY]
    ran = nox(sample, "-s", "wheelhouse", "--", *words, "pypy3.99", den=quick_den)
    assert (
        "Python 'pypy3.99' is no version of a target; examples: 3.12, 3.12.4, 3.13t (exit code 2)"
    ) in ran.stderr


def test_a_python_that_is_not_here_and_has_no_wheels_is_refused_and_needs_nothing(
    sample: Sample, nox: RunNox, quick_den: Path
) -> None:
    words = ("--only-group", "source", "--python", "3.99")
    for action in ("fetch", "export"):
        folder = ["out"] if action == "export" else []
        ran = nox(sample, "-s", "wheelhouse", "--", action, *words, *folder, den=quick_den)
        assert (
            "uv.lock has no wheel for Python 3.99.0 of gravel 1.0, and that Python is not here to "
            "build one; install it, or name another by --python (exit code 3)"
        ) in ran.stderr
    assert stored(quick_den) == []
    assert not list(quick_den.glob("closures/needs/*"))
    # Whoever names a platform knows that wheels are missing there.
    there = [*words, "--platform", "manylinux_2_28_aarch64"]
    ran = nox(sample, "-s", "wheelhouse", "--", "fetch", *there, den=quick_den)
    assert ran.code == 0, ran.text
    assert "gravel 1.0 is not built here: " in ran.stderr
    assert "; 1 of them come as source; " in steps(ran)[0]
    ran = nox(sample, "-s", "wheelhouse", "--", "export", *there, "out", den=quick_den)
    assert (
        "no wheel was built of gravel 1.0 (this is another platform), so the folder would not "
        "install; export where noxden can build what has no wheel (exit code 3)"
    ) in ran.stderr
    assert not (sample.path / "out").exists()


def test_a_pull_says_what_it_leaves_uninstallable_and_what_would_not(
    sample: Sample, nox: RunNox, quick_den: Path, fresh_den: Path, tmp_path: Path, remote: str
) -> None:
    words = ("--only-group", "source", "--remote", remote)
    assert nox(sample, "-s", "wheelhouse", "--", "push", *words, den=quick_den).code == 0
    ran = nox(sample, "-s", "wheelhouse", "--", "pull", *words, den=fresh_den)
    assert (
        f"no wheel was built of gravel 1.0, so nothing installs them offline; remote {remote} has "
        f'wheels of gravel 1.0 that others built, which trust = "built" in [tool.noxden.den] takes; '
        f"to build them here, run with a network: nox -s wheelhouse -- fetch (exit code 3)"
    ) in ran.stderr
    assert steps(ran)[0].startswith("pull  failed | 1 of 1 wheels fetched, ")
    # Nor does uv's cache have what builds it.
    shutil.rmtree(fresh_den / "uv")
    offline = ("--only-group", "source", "--offline")
    ran = nox(sample, "-s", "wheelhouse", "--", "fetch", *offline, den=fresh_den)
    assert (
        "no wheel was built of gravel 1.0, so nothing installs them offline; to build them here, "
        "run with a network: nox -s wheelhouse -- fetch (exit code 3)"
    ) in ran.stderr
    for manifest in (tmp_path / "remote").glob("built/*/*.toml"):
        manifest.unlink()
    ran = nox(sample, "-s", "wheelhouse", "--", "pull", *words, "--json", den=fresh_den)
    assert (
        "no wheel was built of gravel 1.0, so nothing installs them offline; to build them here, "
        "run with a network: nox -s wheelhouse -- fetch (exit code 3)"
    ) in ran.stderr
    assert data(ran)[0]["unbuilt"] == ["gravel 1.0"]
    nox(sample, "-s", "wheelhouse", "--", "push", *words, den=quick_den)
    with (sample.path / "pyproject.toml").open("a") as file:
        file.write('[tool.noxden.den]\ntrust = "built"\n')
    ran = nox(sample, "-s", "wheelhouse", "--", "pull", *words, den=fresh_den)
    assert ran.code == 0, ran.text


def test_a_pull_asks_nobody_else_for_what_the_lock_has_by_its_url(
    sample: Sample, nox: RunNox, quick_den: Path, fresh_den: Path, index: Index, remote: str
) -> None:
    sample.edit("pyproject.toml", "['tiny']", f"['tiny @ {index.url}/files/{TINY}']")
    sample.lock()
    words = ("--only-group", "docs", "--remote", remote)
    assert nox(sample, "-s", "wheelhouse", "--", "push", *words, den=quick_den).code == 0
    index.seen.clear()
    shutil.rmtree(fresh_den / "uv")
    ran = nox(sample, "-s", "wheelhouse", "--", "pull", *words, den=fresh_den)
    assert index.seen == []
    assert ran.code == 0, ran.text
    assert stored(fresh_den) == [TINY]


def test_a_platform_alone_is_for_the_python_of_the_project(
    sample: Sample, nox: RunNox, quick_den: Path
) -> None:
    words = ("fetch", "--only-group", "docs", "--platform", "macosx_14_0_arm64", "--json")
    (one,) = data(nox(sample, "-s", "wheelhouse", "--", *words, den=quick_den))
    said = sample.uv("python", "find", "--system").stdout.strip()
    version = run(
        [said, "-c", "import platform; print(platform.python_version())"],
        cwd=sample.path,
        env=sample.env,
    )
    assert one["python"] == version.stdout.strip()


def test_an_export_installs_without_an_index(
    sample: Sample, nox: RunNox, quick_den: Path, index: Index
) -> None:
    words = ("export", "--group", "heavy", "--group", "docs", "out/wheels")
    ran = nox(sample, "-s", "wheelhouse", "--", *words, den=quick_den)
    assert ran.code == 0, ran.text
    assert re.fullmatch(r"export +passed \| 2 wheels, \d+\.\d kB in out/wheels", steps(ran)[0])
    folder = sample.path / "out" / "wheels"
    assert sorted(path.name for path in folder.glob("*.whl")) == [BULKY, TINY]
    index.seen.clear()
    sample.uv("venv", "--quiet", "apart")
    sample.uv(
        "pip", "install", "--quiet", "--python", "apart", "--offline", "--no-index",
        "--find-links", folder, "--require-hashes", "-r", folder / "requirements.txt",
    )  # fmt: skip
    run(["apart/bin/python", "-c", "import bulky, tiny"], cwd=sample.path, env=sample.env)
    assert index.seen == []


def test_an_export_is_for_one_python(sample: Sample, nox: RunNox, quick_den: Path) -> None:
    sample.write("noxfile.py", NOXFILE.replace("()", "(python=['3.98', '3.99'])"))
    ran = nox(sample, "-s", "wheelhouse", "--", "export", "out", den=quick_den)
    assert (
        "a folder is for one Python; name it by --python, one of 3.98, 3.99 (exit code 2)"
    ) in ran.stderr
    fetched = nox(sample, "-s", "wheelhouse", "--", "fetch", den=quick_den)
    assert [row.split("|")[0].split() for row in steps(fetched)] == [
        ["fetch", "3.98", "passed"],
        ["fetch", "3.99", "passed"],
    ]


def test_a_bundle_is_asked_before_the_remote_and_pull_needs_no_other(
    sample: Sample, nox: RunNox, quick_den: Path, fresh_den: Path, env: dict[str, str], index: Index
) -> None:
    folder = sample.path / "cache"
    own = {**env, "NOXDEN_DIR": str(quick_den), "NOXDEN_BUNDLE": "cache"}
    run(["noxden", "wheels", "bundle"], cwd=sample.path, env=own)
    index.seen.clear()
    other = {**env, "NOXDEN_BUNDLE": "cache"}
    ran = nox(sample, "-s", "wheelhouse", "--", "pull", "--json", env=other, den=fresh_den)
    assert ran.code == 0, ran.text
    (one,) = data(ran)
    assert [source["source"] for source in one["sources"]] == [f"bundle {folder}"]
    assert stored(fresh_den) == [BULKY]
    assert index.files == []


def test_a_damaged_bundle_costs_a_warning_of_the_session(
    sample: Sample, nox: RunNox, quick_den: Path, fresh_den: Path, env: dict[str, str]
) -> None:
    own = {**env, "NOXDEN_DIR": str(quick_den)}
    run(["noxden", "wheels", "bundle"], cwd=sample.path, env=own)
    damage(next((sample.path / ".noxden" / "bundle").rglob(BULKY)))
    ran = nox(sample, "-s", "wheelhouse", "--", "fetch", den=fresh_den)
    assert ran.code == 0, ran.text
    assert (
        f"bundle {sample.path / '.noxden' / 'bundle'} gave wrong content (bulky 1.0: " in ran.stderr
    )
    assert stored(fresh_den) == [BULKY]


def test_prune_leaves_a_store_alone_that_is_in_use(
    sample: Sample, nox: RunNox, quick_den: Path
) -> None:
    nox(sample, "-s", "wheelhouse", "--", "fetch", den=quick_den)
    next(quick_den.glob("closures/needs/*.json")).unlink()
    with using_store(Den(quick_den, writable=True)):
        ran = nox(sample, "-s", "wheelhouse", "--", "prune", den=quick_den)
    assert "the store is in use; nothing was removed" in ran.stderr
    assert steps(ran) == ["prune  passed | removed 0 closures and 0 artifacts, freed 0 B"]
    assert stored(quick_den) == [BULKY]


def test_offline_fetches_what_is_in_the_store_and_nothing_else(
    sample: Sample, nox: RunNox, quick_den: Path, index: Index
) -> None:
    ran = nox(sample, "-s", "wheelhouse", "--", "fetch", "--offline", den=quick_den)
    assert "no source has bulky 1.0 " in ran.stderr
    assert "(exit code 3)" in ran.stderr
    assert index.files == []
    assert steps(ran)[0].startswith("fetch  failed | 0 of 1 wheels fetched, 0 B; closure ")
    nox(sample, "-s", "wheelhouse", "--", "fetch", den=quick_den)
    assert nox(sample, "-s", "wheelhouse", "--", "fetch", "--offline", den=quick_den).code == 0


def test_help_shows_the_actions_and_examples(sample: Sample, nox: RunNox, quick_den: Path) -> None:
    ran = nox(sample, "-s", "wheelhouse", "--", "--help", den=quick_den)
    assert ran.code == 0
    assert ran.lines[0] == "usage: nox -s wheelhouse -- ACTION [options]"
    assert "  nox -s wheelhouse -- pull --remote s3://bucket/wheels" in ran.lines
