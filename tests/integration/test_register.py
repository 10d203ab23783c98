"""``noxden.register()`` under the real nox."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from tests.conftest import MakeProject, RunNox

NOXFILE = """
import noxden

noxden.register()
"""


@pytest.mark.parametrize(
    ("more", "names"),
    [
        ("", ["lint", "unit", "heavy", "device", "packaging", "wheelhouse", "publish", "plan"]),
        ('[tool.noxden]\nsessions = ["unit"]\n', ["unit"]),
        (
            (
                '[tool.noxden]\nsessions = ["packaging", "unit"]\n'
                '[tool.noxden.unit]\npython = ["3.11", "3.13"]\n'
            ),
            ["packaging", "unit-3.11", "unit-3.13"],
        ),
    ],
    ids=["default", "one", "pythons"],
)
def test_the_table_says_which_sessions_there_are(
    more: str, names: list[str], project: MakeProject, nox: RunNox
) -> None:
    sample = project(noxfile=NOXFILE, more=more, lock=False)
    ran = nox(sample, "-l")
    assert ran.code == 0, ran.text
    listed = [line.split()[1] for line in ran.lines if line.startswith(("* ", "- "))]
    assert listed == names


def test_a_session_that_does_not_exist_ends_nox_in_one_sentence(
    project: MakeProject, nox: RunNox
) -> None:
    sample = project(noxfile=NOXFILE, more='[tool.noxden]\nsessions = ["units"]\n', lock=False)
    ran = nox(sample, "-l")
    assert ran.code == 2
    assert "tool.noxden.sessions names 'units'; known" in ran.stderr
    assert len(ran.stderr.splitlines()) == 1


def test_a_registered_session_runs(project: MakeProject, nox: RunNox) -> None:
    sample = project(groups={"test": ["pytest"]}, noxfile=NOXFILE)
    sample.write("tests/test_it.py", "def test_it(): pass\n")
    ran = nox(sample, "-s", "unit")
    assert ran.code == 0, ran.text
