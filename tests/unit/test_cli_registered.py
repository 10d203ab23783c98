from __future__ import annotations

from pathlib import Path

import pytest

from noxden.errors import UsageError
from noxden.sessions.options import SessionOptions
from noxden.sessions.registered import RegisteredSession, choose_sessions, collect_sessions

NOXFILE = """
import nox
import noxden

print("loading")

@noxden.session(groups=["test"], python=["3.11", "3.12"])
def unit(session): ...

@noxden.session(only_groups=["docs"], layered=False)
@nox.parametrize("builder", ["html", "man"])
def docs(session, builder): ...

@noxden.session(python=False)
def nowhere(session): ...

@nox.session
def plain(session): ...
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "noxfile.py").write_text(NOXFILE)
    return tmp_path.resolve()


def test_the_sessions_on_the_den_are_found_with_pythons_and_parameters(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    inside = folder / "src"
    inside.mkdir()
    before = Path.cwd()

    found = collect_sessions(inside)

    unit, docs = SessionOptions(("test",)), SessionOptions(only_groups=("docs",), layered=False)
    assert found == [
        RegisteredSession("unit-3.11", "unit", "3.11", unit, folder / ".nox" / "unit-3-11"),
        RegisteredSession("unit-3.12", "unit", "3.12", unit, folder / ".nox" / "unit-3-12"),
        RegisteredSession(
            "docs(builder='html')", "docs", None, docs, folder / ".nox" / "docs-builder-html"
        ),
        RegisteredSession(
            "docs(builder='man')", "docs", None, docs, folder / ".nox" / "docs-builder-man"
        ),
    ]
    assert Path.cwd() == before
    assert capsys.readouterr() == ("", "loading\n")


def test_the_noxfile_says_where_environments_are(folder: Path) -> None:
    (folder / "noxfile.py").write_text(f"{NOXFILE}\nnox.options.envdir = 'elsewhere'\n")

    assert collect_sessions(folder)[0].location == folder / "elsewhere" / "unit-3-11"


def test_a_name_chooses_one_session_or_all_of_its_pythons(folder: Path) -> None:
    sessions = collect_sessions(folder)
    noxfile = folder / "noxfile.py"

    assert [one.name for one in choose_sessions(sessions, "unit", noxfile)] == [
        "unit-3.11",
        "unit-3.12",
    ]
    assert [one.name for one in choose_sessions(sessions, "unit-3.12", noxfile)] == ["unit-3.12"]


def test_an_unknown_session_is_told_with_the_nearest_and_the_known_names(folder: Path) -> None:
    with pytest.raises(UsageError) as error:
        choose_sessions(collect_sessions(folder), "unti", folder / "noxfile.py")

    assert str(error.value) == (
        f"{folder / 'noxfile.py'} has no noxden session 'unti'; did you mean unit? known sessions: "
        f"unit-3.11, unit-3.12, docs(builder='html'), docs(builder='man')"
    )


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("1 / 0", "cannot be loaded: ZeroDivisionError: division by zero; try: nox -l"),
        ("def (", "cannot be loaded: SyntaxError: "),
        ("import sys; sys.exit(2)", "ended with 2 while it was loaded; try: nox -l"),
        ("import noxden\nnoxden.session(groups='test')(print)", "ended with 2 while it was loaded"),
    ],
)
def test_a_noxfile_that_cannot_be_loaded_is_told(text: str, said: str, tmp_path: Path) -> None:
    (tmp_path / "noxfile.py").write_text(text)
    before = Path.cwd()

    with pytest.raises(UsageError) as error:
        collect_sessions(tmp_path)

    assert said in str(error.value)
    assert Path.cwd() == before


def test_without_a_noxfile_it_says_how_to_write_one(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"no noxfile.py in .* or above; write one with"):
        collect_sessions(tmp_path)
