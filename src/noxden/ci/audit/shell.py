"""Split shell scripts into commands, as far as an audit needs it.

Quotes, comments, continued lines, here-documents and GitHub's expressions are known; nothing is
expanded. The time is linear in the length of a script.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["Command", "split_commands"]

_TOKEN = re.compile(
    r"""
    (?P<word>\$\{\{[^{}]*\}\}|\$\{[^{}\n]*\})
    |(?P<blank>[\ \t\r]+|(?:\\|(?<=[\ \t])[`^])\r?\n)
    |(?P<end>\n|\|\||&&|;;?|\$\(|[()|])
    |(?P<here><<-?[\ \t]*(?P<quote>['"]?)(?P<mark>\w+)(?P=quote))
    |(?P<redirect>\d*(?:&>|<<<|[<>]+)&?\d*)
    |(?P<text>'[^']*'?|"(?:\\.|[^"\\])*"?)
    |(?P<escape>\\.)
    |(?P<back>[`&])
    |(?P<comment>\#)
    |(?P<plain>[^\s$\\`^|&;()<>'"\#]+|.)
    """,
    re.VERBOSE | re.DOTALL,
)


class Command(NamedTuple):
    """One simple command."""

    words: tuple[str, ...]
    line: int


class _Splitter:
    """Where the splitting of a script stands."""

    def __init__(self, text: str, line: int) -> None:
        self.text, self.line = text, line
        self.words: list[str] = []
        self.word: list[str] = []
        self.first = line
        self.marks: list[str] = []
        """Of here-documents that start after this line."""

    def put(self, part: str) -> None:
        if not self.words and not self.word:
            self.first = self.line
        self.word.append(part)

    def end_word(self) -> None:
        if self.word:
            self.words.append("".join(self.word))
            self.word = []

    def end_command(self) -> Iterator[Command]:
        self.end_word()
        if self.words:
            yield Command(tuple(self.words), self.first)
        self.words = []

    def skip_documents(self, position: int) -> int:
        """The position after the here-documents that start at ``position``."""
        for mark in self.marks:
            end = re.compile(rf"^[ \t]*{mark}[ \t\r]*$", re.MULTILINE).search(self.text, position)
            after = end.end() if end else len(self.text)
            self.line += self.text.count("\n", position, after)
            position = after
        self.marks = []
        return position


def split_commands(text: str, line: int) -> Iterator[Command]:
    """The simple commands of the script ``text``, which starts on ``line``."""
    state = _Splitter(text, line)
    position = 0
    while found := _TOKEN.match(text, position):
        position = found.end()
        kind, part = found.lastgroup or "", found.group()
        match kind:
            case "here":
                state.marks.append(found["mark"])
                state.end_word()
            case "comment" if not state.word:
                end = text.find("\n", position)
                position = end if end >= 0 else len(text)
            case "end" | "back":
                yield from state.end_command()
            case "blank" | "redirect":
                state.end_word()
            case "text":
                state.put(part.strip(part[0]))
            case "escape":
                # A separator of Windows stays, an escaped sign loses its backslash.
                state.put(part if part[1].isalnum() else part[1])
            case _:
                state.put(part)
        state.line += part.count("\n")
        if part == "\n" and state.marks:
            position = state.skip_documents(position)
    yield from state.end_command()
