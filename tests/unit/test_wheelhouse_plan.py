"""The words after ``nox -s wheelhouse --``, as what is to be done."""

from __future__ import annotations

import pytest

from noxden.errors import UsageError
from noxden.lock.request import Request
from noxden.sessions.factory import _make_parser, _parse
from noxden.sessions.wheelhouse import _KIND, WheelhouseSettings
from noxden.sessions.wheelhouse_plan import Order, Wanted, collect_groups, plan_order

SETTINGS = WheelhouseSettings(("test", "heavy"), ())
MANIFEST = b"""
[dependency-groups]
test = []
docs = []

[tool.uv]
dev-dependencies = []
"""


def plan(line: str, settings: WheelhouseSettings = SETTINGS) -> Order:
    options, _ = _parse(_KIND, _make_parser(_KIND, "wheelhouse"), line.split())
    return plan_order(settings, options, MANIFEST)


def test_without_names_it_is_what_the_heavy_session_selects() -> None:
    wanted = Wanted(Request(("test", "heavy")), "")
    assert plan("fetch") == Order("fetch", "", (wanted,))
    assert (wanted.label, wanted.need) == ("", "wheelhouse heavy test")


def test_each_python_of_the_settings_is_a_selection() -> None:
    found = plan("pull", WheelhouseSettings(("heavy",), ("3.12", "3.13")))
    assert [one.request.python for one in found.wanted] == ["3.12", "3.13"]
    assert plan("pull --python 3.11", WheelhouseSettings((), ("3.12", "3.13"))).wanted == (
        Wanted(Request(python="3.11"), ""),
    )


def test_names_replace_the_groups_of_the_settings() -> None:
    (wanted,) = plan(
        "fetch --group a --group b --extra x --python 3.12 --platform macosx_14_0_arm64"
    ).wanted
    assert wanted.request == Request(("a", "b"), extras=("x",), python="3.12")
    assert wanted.label == "3.12 macosx_14_0_arm64"
    assert wanted.need == "wheelhouse a b x 3.12 macosx_14_0_arm64"
    (alone,) = plan("fetch --only-group docs").wanted
    assert alone.request == Request(only_groups=("docs",))


def test_all_groups_are_those_of_pyproject() -> None:
    assert collect_groups(MANIFEST) == ("test", "docs", "dev")
    assert plan("fetch --all-groups").wanted[0].request.groups == ("test", "docs", "dev")


def test_a_pyproject_that_is_not_toml_is_said_so() -> None:
    with pytest.raises(UsageError, match=r"^pyproject\.toml is not TOML: "):
        collect_groups(b"= 1")


@pytest.mark.parametrize("line", ["export out --group a", "export --group a out"])
def test_the_folder_may_stand_anywhere_after_export(line: str) -> None:
    assert plan(line).folder == "out"


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("", "name an action after --: fetch, pull, push, export, verify, list, prune"),
        ("fech", "wheelhouse has no action 'fech'; did you mean fetch?"),
        ("fetch --grup a", "nox -s wheelhouse -- takes no '--grup'; did you mean --group?"),
        ("fetch out", "'out' is for export, not for fetch"),
        ("fetch --all", "--all is for verify, not for fetch"),
        ("pull --repair", "--repair is for verify, not for pull"),
        ("verify --dry-run", "--dry-run is for prune, not for verify"),
        ("pull --replace", "--replace is for push, not for pull"),
        ("export", "name the folder to write to: export DIR"),
        ("export one two", "nox -s wheelhouse -- takes no 'two'; known: "),
    ],
)
def test_what_makes_no_sense_is_refused_with_advice(line: str, message: str) -> None:
    with pytest.raises(UsageError) as raised:
        plan(line)
    assert str(raised.value).startswith(message)
