"""Lines of a log that a CI system takes for commands: how they are written, and how not by chance.

GitHub's runner takes a line for a command that starts with ``::``, blanks left out, and one that
has ``##[`` anywhere; those of Forgejo and Gitea do the same. Data and properties are escaped by
the rules of its toolkit (actions/toolkit, packages/core/src/command.ts). GitLab's sections are
in "Custom collapsible sections" of its documentation of job logs.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Literal, NamedTuple

from noxden._switches import CI_VARIABLES, parse_switch

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = [
    "Annotation",
    "Dialect",
    "Level",
    "defuse",
    "find_dialect",
    "render_annotation",
    "render_close",
    "render_open",
    "render_pause",
    "render_resume",
]

Dialect = Literal["github", "gitlab", ""]
"""Whose commands a log may hold; empty is nobody's."""
Level = Literal["error", "warning", "notice"]

_DIALECTS: dict[str, Dialect] = {
    "forgejo": "github",
    "gitea": "github",
    "github": "github",
    "gitlab": "gitlab",
}
_DATA = {"%": "%25", "\r": "%0D", "\n": "%0A"}
_PROPERTY = {**_DATA, ":": "%3A", ",": "%2C"}
_COMMAND = re.compile(r"(^|[\r\n])(\s*)::")
_OLD_COMMAND = "##["
_SECTION = re.compile(r"(section)_(start|end):")
_NOT_IN_NAMES = re.compile("[^A-Za-z0-9]+")
_CLEAR = "\r\x1b[0K"
_LONGEST = 4000
"""Characters of a message; the log has all of it."""


class Annotation(NamedTuple):
    """Something to be shown beside a line of the code."""

    level: Level
    message: str
    title: str = ""
    file: str = ""
    """Relative to the root of the repository; empty where no file is concerned."""
    line: int = 0
    """From 1 on; 0 is the whole file."""


def find_dialect(env: Mapping[str, str]) -> Dialect:
    """Whose commands the log of this run may hold."""
    for variable, system in CI_VARIABLES.items():
        if parse_switch(env.get(variable, "")) is not False:
            return _DIALECTS.get(system, "")
    return ""


def defuse(text: str, dialect: Dialect) -> str:
    r"""``text`` of others, so that no line of it is a command.

    >>> defuse("fine\n  ::stop-commands::x", "github")
    'fine\n  : :stop-commands::x'
    """
    if dialect == "github":
        return _COMMAND.sub(r"\1\2: :", text).replace(_OLD_COMMAND, "## [")
    if dialect == "gitlab":
        return _SECTION.sub(r"\1 \2:", text)
    return text


def render_open(dialect: Dialect, number: int, title: str, now: float) -> str:
    """The line that opens a group; empty where there are none.

    ``number`` tells groups of one job apart, whose titles may be the same.
    """
    if dialect == "github":
        return f"::group::{_escape(title, _DATA)}\n"
    if dialect == "gitlab":
        name = f"{_name_section(number, title)}[collapsed=true]"
        return f"{_CLEAR}section_start:{int(now)}:{name}{_CLEAR}{defuse(_join(title), dialect)}\n"
    return ""


def render_close(dialect: Dialect, number: int, title: str, now: float) -> str:
    """The line that closes the group of this number and title."""
    if dialect == "github":
        return "::endgroup::\n"
    if dialect == "gitlab":
        return f"{_CLEAR}section_end:{int(now)}:{_name_section(number, title)}{_CLEAR}\n"
    return ""


def render_pause(dialect: Dialect, token: str) -> str:
    """The line after which nothing is a command, until the one of :func:`render_resume`.

    Whoever does not know the ``token`` cannot end it.
    """
    return f"::stop-commands::{token}\n" if dialect == "github" else ""


def render_resume(dialect: Dialect, token: str) -> str:
    """The line after which commands are obeyed again."""
    return f"::{token}::\n" if dialect == "github" else ""


def render_annotation(dialect: Dialect, annotation: Annotation) -> str:
    """The line that makes the annotation; empty where logs cannot make any."""
    if dialect != "github":
        return ""
    values = {
        "file": annotation.file,
        "line": str(annotation.line) if annotation.file and annotation.line else "",
        "title": annotation.title,
    }
    said = ",".join(f"{name}={_escape(text, _PROPERTY)}" for name, text in values.items() if text)
    head = f"{annotation.level} {said}".rstrip()
    return f"::{head}::{_escape(_cut(annotation.message), _DATA)}\n"


def _escape(text: str, signs: Mapping[str, str]) -> str:
    return "".join(signs.get(sign, sign) for sign in text)


def _cut(text: str) -> str:
    return text if len(text) <= _LONGEST else f"{text[: _LONGEST - 1]}…"


def _join(text: str) -> str:
    return " ".join(text.split())


def _name_section(number: int, title: str) -> str:
    return f"noxden_{number}_{_NOT_IN_NAMES.sub('_', title).strip('_').lower()}"
