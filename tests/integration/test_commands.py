"""The noxden command on real projects and real environments."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Any, Protocol

import pytest

from noxden.cli import Caller, main

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from tests.conftest import MakeProject, RunNox
    from tests.sandbox import Sample

NOXFILE = """
import nox
import noxden

@noxden.session(groups=["test"])
def unit(session):
    session.run("python", "-c", "import six, attr")

@noxden.session(only_groups=["test"])
@nox.parametrize("style", ["a", "b"])
def docs(session, style):
    session.run("python", "-c", "import six")
"""


class Call(Protocol):
    """What the fixture ``noxden`` is."""

    def __call__(
        self, *words: str, code: int = 0, at: Path | None = None, env: Mapping[str, str] = ...
    ) -> str:
        """Run the command in the project and return its stdout."""


@pytest.fixture
def sample(project: MakeProject) -> Sample:
    made = project(["attrs"], groups={"test": ["six"]}, noxfile=NOXFILE, package=True)
    (made.path / "src" / "deep").mkdir(parents=True)
    return made


@pytest.fixture
def noxden(
    sample: Sample,
    env: dict[str, str],
    fresh_den: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> Call:
    given = env

    def call(
        *words: str, code: int = 0, at: Path | None = None, env: Mapping[str, str] = {}
    ) -> str:
        folder = at or sample.path
        monkeypatch.chdir(folder)
        capsys.readouterr()
        caller = Caller({**given, "NOXDEN_DIR": str(fresh_den), **env}, folder)
        ended = main(list(words), caller)
        said = capsys.readouterr()
        assert ended == code, said
        assert "Traceback" not in said.err
        return said.out if code == 0 or said.out else said.err

    return call


def read(said: str) -> Any:
    return json.loads(said)


def test_config_shows_every_value_and_where_it_came_from(sample: Sample, noxden: Call) -> None:
    with (sample.path / "pyproject.toml").open("a") as file:
        file.write("[tool.noxden.unit]\nworkers = 2\n")

    rows = {row["name"]: (row["value"], row["source"]) for row in read(noxden("config", "--json"))}

    assert rows["unit.workers"] == (2, "pyproject.toml")
    assert rows["den.max-size"] == ("50GB", "default")
    assert rows["NOXDEN_DIR"][1] == "environment variable NOXDEN_DIR"


def test_key_is_the_same_by_session_by_groups_and_from_any_folder(
    sample: Sample, noxden: Call
) -> None:
    key = noxden("key", "unit")

    assert re.fullmatch("[0-9a-f]{64}\n", key)
    assert noxden("key", "--group", "test") == key
    assert noxden("key", "unit", at=sample.path / "src" / "deep") == key
    assert noxden("key", "docs") == noxden("key", "--only-group", "test")
    [row] = read(noxden("key", "unit", "--json"))
    assert (row["session"], row["key"]) == ("unit", key.strip())
    assert sorted(row) == ["closure", "key", "python", "session"]


def test_key_of_nothing_or_of_too_much_ends_with_2(noxden: Call) -> None:
    assert noxden("key", code=2) == (
        "noxden: name a session or a selection: noxden key unit, noxden key --group test\n"
    )
    assert noxden("key", "unit", "--group", "test", code=2) == (
        "noxden: session 'unit' says itself what it holds; leave out --group and the like\n"
    )
    assert "did you mean unit?" in noxden("key", "unti", code=2)


def test_explain_tells_what_changed_and_builds_nothing(
    sample: Sample, noxden: Call, nox: RunNox, fresh_den: Path
) -> None:
    assert read(noxden("explain", "unit", "--json"))[0]["state"] == "not built"
    nox(sample, "-s", "unit", den=fresh_den)
    assert noxden("explain", "unit").startswith("unit: up to date\n")

    sample.edit("pyproject.toml", "test = ['six']", "test = ['six==1.16.0']")
    sample.lock()

    [found] = read(noxden("explain", "unit", "--json"))
    assert found["state"] == "out of date"
    assert re.fullmatch(r"six 1\.\d+\.\d+ -> 1\.16\.0", found["changes"][0])
    assert found["base_there"] is False
    assert found["stands_on"] != found["key"]
    assert str(sample.path / "uv.lock") in found["inputs"]
    assert len(list((fresh_den / "envs").iterdir())) == 1


def test_envs_is_the_list_of_the_contract(
    sample: Sample, noxden: Call, nox: RunNox, fresh_den: Path
) -> None:
    assert read(noxden("envs", "--json")) == []
    nox(sample, "-s", "unit", "docs", den=fresh_den)

    entries = {entry["packages"]: entry for entry in read(noxden("envs", "--json"))}

    assert sorted(entries) == [1, 2]
    entry = entries[2]
    time = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ")
    assert list(entry) == [
        "key",
        "python",
        "packages",
        "size",
        "created",
        "last_used",
        "in_use",
        "roots",
    ]
    assert entry["key"] == noxden("key", "unit").strip()
    assert entry["roots"] == [str(sample.path / ".nox" / "unit")]
    assert entry["in_use"] is False
    assert entry["size"] > 100_000
    assert time.fullmatch(entry["created"])
    assert time.fullmatch(entry["last_used"])
    assert len(entries[1]["roots"]) == 2
    assert entry["key"][:12] in noxden("envs")


def test_looking_at_the_den_does_not_count_as_use(
    sample: Sample, noxden: Call, nox: RunNox, fresh_den: Path
) -> None:
    nox(sample, "-s", "unit", den=fresh_den)
    [lock] = (fresh_den / "uses").glob("*.lock")
    before = lock.stat().st_mtime_ns

    for words in (["envs"], ["gc", "--dry-run"], ["explain", "unit"], ["verify"], ["doctor"]):
        noxden(*words)

    assert lock.stat().st_mtime_ns == before


def test_venv_is_a_thin_environment_that_tells_how_to_go_on(
    sample: Sample, noxden: Call, fresh_den: Path
) -> None:
    said = noxden("venv", "--group", "test", at=sample.path / "src")

    venv = sample.path / ".venv"
    assert said.startswith(f"{venv} is ready (new environment): Python 3.")
    assert "activate it:  source ../.venv/bin/activate\n" in said
    assert "`uv run --no-sync`, or set UV_NO_SYNC=1" in said
    assert int(re.search(r"\((\d+) bytes\)", said)[1]) < 1_000_000  # type: ignore[index]
    assert noxden("venv", "--group", "test").startswith(f"{venv} is up to date: ")
    [entry] = read(noxden("envs", "--json"))
    assert entry["roots"] == [str(venv)]
    code = "import six, attr, sample; print(six.__file__)"
    assert str(fresh_den) in sample.uv("run", "--no-sync", "python", "-c", code).stdout


def test_venv_tells_scripts_where_it_is_and_what_it_stands_on(sample: Sample, noxden: Call) -> None:
    made = read(noxden("venv", "--group", "test", "--json"))

    assert made == {
        "path": str(sample.path / ".venv"),
        "key": noxden("key", "--group", "test").strip(),
        "python": made["python"],
        "size": made["size"],
        "reused": False,
        "reason": "new environment",
        "warnings": [],
    }
    again = read(noxden("venv", "--group", "test", "--json"))
    assert again["reused"] is True


def test_a_den_that_is_reached_by_a_link_has_the_roots_of_its_environments(
    sample: Sample, env: dict[str, str], noxden: Call, nox: RunNox, fresh_den: Path
) -> None:
    link = fresh_den.with_name("link-to-den")
    link.symlink_to(fresh_den)

    assert nox(sample, "-s", "unit", env=env | {"NOXDEN_DIR": str(link)}).code == 0

    for den in (link, fresh_den):
        [entry] = read(noxden("envs", "--json", env={"NOXDEN_DIR": str(den)}))
        assert entry["roots"] == [str(sample.path / ".nox" / "unit")]
    gone = noxden("gc", "--dry-run", "--max-size", "0", "--json", env={"NOXDEN_DIR": str(link)})
    assert read(gone)["removals"] == []


def test_key_takes_the_variables_that_the_configuration_names(sample: Sample, noxden: Call) -> None:
    plain = noxden("key", "unit")
    with (sample.path / "pyproject.toml").open("a") as file:
        file.write('[tool.noxden.den]\nkey-env = ["MINE"]\n')
    sample.lock()

    assert noxden("key", "unit") == plain
    deep = sample.path / "src" / "deep"
    with_variable = noxden("key", "unit", env={"MINE": "1"})
    assert with_variable != plain
    assert noxden("key", "unit", env={"MINE": "1"}, at=deep) == with_variable
    noxden("venv", "--group", "test", env={"MINE": "1"})
    assert read(noxden("verify", "unit", "--json", env={"MINE": "1"}))


def test_uv_run_installs_the_project_s_packages_beside_as_venv_says(
    sample: Sample, noxden: Call
) -> None:
    noxden("venv", "--group", "test")
    site = next((sample.path / ".venv").glob("lib/python*/site-packages"))
    assert not (site / "attr").exists()

    sample.uv("run", "python", "-c", "import attr")

    assert (site / "attr").exists()
    assert "packages were installed beside the locked ones" in noxden("venv", "--group", "test")
    assert not (site / "attr").exists()


def test_venv_does_not_replace_what_it_did_not_make(sample: Sample, noxden: Call) -> None:
    notes = sample.path / "notes"
    notes.mkdir()
    (notes / "idea.txt").write_text("keep me")
    sample.uv("venv", "--quiet", ".venv")

    assert noxden("venv", "notes", code=2) == (
        f"noxden: {notes} is not an environment; name another directory, or empty it first\n"
    )
    assert noxden("venv", "notes", "--replace", code=2)
    assert (notes / "idea.txt").read_text() == "keep me"
    assert noxden("venv", code=2) == (
        f"noxden: {sample.path / '.venv'} is an environment that noxden did not make; "
        f"add --replace to replace it, or name another directory\n"
    )
    assert " is ready " in noxden("venv", "--replace")


def test_doctor_is_content_with_a_good_den_and_looks_for_the_sessions_pythons(
    sample: Sample, noxden: Call
) -> None:
    sample.edit(
        "noxfile.py", 'groups=["test"])\ndef unit', 'groups=["test"], python="3.11")\ndef unit'
    )

    found = read(noxden("doctor", "--json"))

    assert {one["severity"] for one in found} <= {"ok", "warning"}
    assert [one["message"].split(" is ")[0] for one in found if one["check"] == "python"] == [
        "the project's Python", "Python 3.11",
    ]  # fmt: skip
    assert all(one["remedy"] for one in found if one["severity"] != "ok")


def test_doctor_reports_a_den_that_cannot_be_opened(noxden: Call, fresh_den: Path) -> None:
    fresh_den.chmod(0o755)

    found = read(noxden("doctor", "--json", code=3))

    [broken] = [one for one in found if one["severity"] == "broken"]
    assert broken["check"] == "den"
    assert broken["message"].endswith(f"run: chmod 700 {fresh_den}")


def test_a_noxfile_that_raises_is_told_by_key_and_only_noted_by_doctor(
    sample: Sample, noxden: Call
) -> None:
    sample.write("noxfile.py", "1 / 0")

    noxfile = sample.path / "noxfile.py"
    said = f"{noxfile} cannot be loaded: ZeroDivisionError: division by zero; try: nox -l"
    assert noxden("key", "unit", code=2) == f"noxden: {said}\n"
    noted = [one for one in read(noxden("doctor", "--json")) if one["check"] == "noxfile"]
    assert [(one["severity"], one["message"]) for one in noted] == [("warning", said)]
