"""Collection: once, without a card, and anew where anything has changed."""

from __future__ import annotations

import os
import sys
from typing import TYPE_CHECKING, Any

import pytest

from noxden.devices import collecting
from noxden.devices.collecting import Source, collect_tests, split_arguments
from noxden.devices.values import Broken
from noxden.devices.values import Test as OneTest
from noxden.errors import InfrastructureError, UsageError
from noxden.tools import process

if TYPE_CHECKING:
    from pathlib import Path

SUITE = """
import pytest

@pytest.mark.slow
def test_a(): pass

@pytest.mark.xdist_group("twins")
def test_b(): pass

@pytest.mark.xdist_group(name="others")
def test_c(): pass

@pytest.mark.device(cards=2)
def test_d(): pass
"""


@pytest.fixture
def source(tmp_path: Path) -> Source:
    """A project with a file of tests."""
    project = tmp_path / "project"
    (project / "tests").mkdir(parents=True)
    (project / "tests" / "test_it.py").write_text(SUITE)
    (project / "pytest.ini").write_text("[pytest]\nmarkers =\n  slow\n  device\n  xdist_group\n")
    env = {"PATH": os.environ["PATH"]}
    return Source(sys.executable, project, ("tests",), env, "key", tmp_path / "cache")


def names(source: Source) -> list[str]:
    return [test.id.partition("::")[2] for test in collect_tests(source).collection.tests]


def rewrite(source: Source, text: str) -> None:
    file = source.cwd / "tests" / "test_it.py"
    file.write_text(text)
    os.utime(file, ns=(1, 1))


def test_tests_are_told_with_all_that_decides_how_they_run(source: Source) -> None:
    found = collect_tests(source)
    file = "tests/test_it.py"
    assert found.collection.tests == (
        OneTest(id=f"{file}::test_a", file=file, markers=("slow",)),
        OneTest(id=f"{file}::test_b", file=file, markers=("xdist_group",), group="twins"),
        OneTest(id=f"{file}::test_c", file=file, markers=("xdist_group",), group="others"),
        OneTest(id=f"{file}::test_d", file=file, markers=("device",), cards=2),
    )
    assert found.collection.paths == {file: str(source.cwd / file)}
    assert (found.root, found.config) == (str(source.cwd), str(source.cwd / "pytest.ini"))


def test_a_collection_is_remembered_until_something_changes(
    source: Source, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = collect_tests(source)
    count: list[int] = []

    def run_and_count(*args: Any, **more: Any) -> Any:
        count.append(1)
        return process.run(*args, **more)

    monkeypatch.setattr(collecting, "run", run_and_count)
    assert collect_tests(source) == first
    (source.cwd / "README.rst").write_text("No test reads this.")
    (source.cwd / ".venv").mkdir()
    (source.cwd / ".venv" / "x.py").touch()
    assert collect_tests(source) == first
    assert not count
    rewrite(source, "def test_new(): pass\n")
    assert names(source) == ["test_new"]
    assert names(source._replace(arguments=("tests", "-k", "new"))) == ["test_new"]
    assert names(source._replace(key="other")) == ["test_new"]
    assert len(count) == 3


def test_what_is_remembered_is_collected_anew_where_it_is_damaged_or_gone(source: Source) -> None:
    first = collect_tests(source)
    assert source.cache is not None
    [file] = source.cache.iterdir()
    file.write_bytes(file.read_bytes()[:-9])
    assert collect_tests(source) == first
    text = file.read_text().replace(str(source.cwd / "tests"), "/nowhere")
    file.write_text(text)
    assert collect_tests(source) == first


def test_a_few_collections_are_kept(source: Source, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(collecting, "_KEPT", 1)
    for word in ("one", "two"):
        assert names(source._replace(key=word)) == ["test_a", "test_b", "test_c", "test_d"]
    assert source.cache is not None
    assert len(list(source.cache.iterdir())) == 1


def test_where_nothing_can_be_kept_it_is_collected_all_the_same(
    source: Source, tmp_path: Path
) -> None:
    (tmp_path / "file").touch()
    assert names(source._replace(cache=tmp_path / "file")) != []
    assert names(source._replace(cache=None)) != []


def test_a_file_that_cannot_be_collected_is_told_and_looked_at_again(source: Source) -> None:
    bad = source.cwd / "tests" / "test_bad.py"
    bad.write_text("import no_such_module\n")
    found = collect_tests(source).collection
    assert len(found.tests) == 4
    assert [one.file for one in found.broken] == ["tests/test_bad.py"]
    assert isinstance(found.broken[0], Broken)
    assert "No module named 'no_such_module'" in found.broken[0].message
    assert source.cache is not None
    assert not source.cache.exists()


def test_ids_that_several_tests_have_are_told(source: Source) -> None:
    (source.cwd / "conftest.py").write_text(
        "def pytest_collection_modifyitems(items): items.append(items[0])\n"
    )
    found = collect_tests(source).collection
    assert found.repeated == ("tests/test_it.py::test_a",)
    assert len(found.tests) == 4


def test_a_collection_holds_no_card(source: Source) -> None:
    rewrite(
        source,
        "import os\n"
        "assert (os.environ['CI'], os.environ['FLEX_DEVICE']) == ('', 'MOCK')\n"
        "import extra\n"
        "def test_a(): pass\n",
    )
    (source.cwd / "more").mkdir()
    (source.cwd / "more" / "extra.py").touch()
    env = {**source.env, "CI": "true", "PYTHONPATH": str(source.cwd / "more")}
    assert names(source._replace(env=env)) == ["test_a"]


def test_what_pytest_refuses_is_told_with_the_command_to_try(source: Source) -> None:
    with pytest.raises(UsageError) as caught:
        collect_tests(source._replace(arguments=("--no-such-option",)))
    said = str(caught.value)
    assert said.startswith("pytest cannot collect (code 4): ")
    assert "unrecognized arguments: --no-such-option" in said
    assert said.endswith("try it alone: python -m pytest --collect-only --no-such-option")


def test_a_python_that_is_not_there_is_told(source: Source) -> None:
    with pytest.raises(InfrastructureError, match="/nowhere/python"):
        collect_tests(source._replace(python="/nowhere/python"))


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        ([], ((), ())),
        (["-k", "tests", "-x", "tests"], (("-k", "tests", "-x"), ("tests",))),
        (["-k"], (("-k",), ())),
        (["--pyargs", "numpy", "-q"], (("-q",), ("--pyargs", "numpy"))),
        (["tests/test_it.py::test_a", "gone"], (("gone",), ("tests/test_it.py::test_a",))),
    ],
)
def test_options_are_told_from_what_is_collected(
    words: list[str], expected: tuple[tuple[str, ...], tuple[str, ...]], source: Source
) -> None:
    assert split_arguments(words, source.cwd) == expected
