"""The tests themselves cannot touch the den of the person who runs them."""

from __future__ import annotations

import os
import re
from typing import TYPE_CHECKING

import pytest

from noxden.den.layout import open_den
from noxden.errors import InfrastructureError

if TYPE_CHECKING:
    from tests.conftest import MakeProject, RunNox

NOXFILE = """
import noxden

@noxden.session
def hello(session):
    session.run("python", "-c", "import attrs; print('hello')")
"""


@pytest.mark.parametrize("trust", ["trusted", "untrusted"])
def test_the_default_den_cannot_be_opened_in_tests(trust: str) -> None:
    with pytest.raises(InfrastructureError, match=re.escape("is not a directory; move it away")):
        open_den({**os.environ, "NOXDEN_TRUST": trust})


def test_the_variables_of_the_person_who_runs_the_tests_are_gone() -> None:
    left = [name for name in os.environ if name.startswith(("NOX", "VIRTUAL_ENV", "UV_PROJECT"))]
    # The tests set it themselves: cards of this machine are not theirs to hold.
    assert [name for name in left if name != "NOXDEN_CARD_LOCKS"] == []


def test_the_fixtures_run_a_session(project: MakeProject, nox: RunNox) -> None:
    ran = nox(project(["attrs"], noxfile=NOXFILE))
    assert (ran.code, ran.lines) == (0, ["hello"]), ran.text
