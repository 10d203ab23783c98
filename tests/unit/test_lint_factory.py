"""What a factory makes of its keywords, and of the options after ``--``."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from noxden.config import LintConfig, UnitConfig
from noxden.errors import UsageError
from noxden.sessions.factory import Kind, _make_parser, _parse, override

if TYPE_CHECKING:
    import argparse


def test_keywords_stand_over_the_table_and_none_leaves_it() -> None:
    table = LintConfig(groups=("a",), spelling="typos")
    given = {"groups": ["b", "c"], "spelling": None, "tags": ["fast"], "default": False}
    assert override(table, "lint", given) == (
        LintConfig(groups=("b", "c"), spelling="typos"),
        {"tags": ["fast"], "default": False},
    )


def test_one_python_is_a_list_of_one_where_several_are_possible() -> None:
    assert override(UnitConfig(), "unit", {"python": "3.12"})[0].python == ("3.12",)


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"group": ["a"]}, "noxden.lint() takes no argument 'group'; did you mean groups?"),
        ({"groups": "a"}, "noxden.lint(groups=) takes a list of names, got 'a'"),
        ({"groups": [1]}, "noxden.lint(groups=) takes a list of names, got [1]"),
        ({"spelling": ["codespell"]}, "noxden.lint(spelling=) takes str, got ['codespell']"),
        ({"python": 3.12}, "noxden.lint(python=) takes str, got 3.12"),
    ],
)
def test_a_wrong_keyword_is_named_with_what_was_expected(
    given: dict[str, object], message: str
) -> None:
    with pytest.raises(UsageError) as caught:
        override(LintConfig(), "lint", given)
    assert str(caught.value) == message


def add_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--coverage", action="store_true")


PASSING = Kind("", lambda _, __: (), add_options, "pytest")
REFUSING = Kind("", lambda _, __: (), add_options)


@pytest.mark.parametrize(
    ("words", "coverage", "rest"),
    [
        ("--coverage -k foo tests/a.py -n 4 --lf", True, "-k foo tests/a.py -n 4 --lf"),
        ("-x -- --coverage -h", False, "-x --coverage -h"),
        ("--cov src", False, "--cov src"),
        ("", False, ""),
    ],
)
def test_other_words_are_passed_on_in_their_order(words: str, coverage: bool, rest: str) -> None:
    options, others = _parse(PASSING, _make_parser(PASSING, "unit"), words.split())
    assert (options.coverage, others) == (coverage, tuple(rest.split()))


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ("--coverge", "nox -s lint -- takes no '--coverge'; did you mean --coverage?"),
        (
            "--output",
            "nox -s lint -- argument --output: expected one argument; see nox -s lint -- --help",
        ),
        ("x", "nox -s lint -- takes no 'x'; known: --coverage, --output, -h, --help"),
    ],
)
def test_a_wrong_option_is_named_with_the_nearest_one(words: str, message: str) -> None:
    with pytest.raises(UsageError) as caught:
        _parse(REFUSING, _make_parser(REFUSING, "lint"), words.split())
    assert str(caught.value) == message
