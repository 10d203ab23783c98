"""Blocks, steps and their arguments of a Jenkinsfile, without running Groovy."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["Block", "Call", "TooLargeError", "read_calls"]

_DEPTH = 100
_CALLS = 10_000
_TOKEN = re.compile(
    r"""
    (?P<comment>//[^\n]*|/\*.*?(?:\*/|\Z))
    |(?P<string>'''.*?(?:'''|\Z)|\"\"\".*?(?:\"\"\"|\Z)
        |'(?:\\.|[^'\\\n])*'?|"(?:\\.|[^"\\\n])*"?)
    |(?P<name>[A-Za-z_]\w*)
    |(?P<sign>[{}():,])
    |(?P<newline>\n)
    |(?P<other>.)
    """,
    re.VERBOSE | re.DOTALL,
)


class TooLargeError(Exception):
    """There is more, or it is nested deeper, than an audit follows."""


class Block:
    """What stands between braces, and the name before them."""

    def __init__(self, name: str, title: str, line: int, parent: Block | None) -> None:
        self.name, self.title, self.line, self.parent = name, title, line, parent

    def around(self) -> Iterator[Block]:
        """The block itself and those around it, from inside out."""
        block: Block | None = self
        while block is not None:
            yield block
            block = block.parent


class Call(NamedTuple):
    """A step or a setting: a name with what is given to it."""

    name: str
    line: int
    block: Block
    texts: list[tuple[str, str, int]]
    """Each text with the name it is given by, empty where it has none, and its line."""

    def text(self, *names: str) -> str:
        """The first text that is given by one of ``names``."""
        return next((value for name, value, _ in self.texts if name in names), "")


class _Reader:
    """Where the reading of a Jenkinsfile stands."""

    def __init__(self) -> None:
        self.block = Block("", "", 1, None)
        self.depth = 0
        self.line = 1
        self.calls: list[Call] = []
        self.last: Call | None = None
        """The call that stands directly before: its name, or the end of what is given to it."""
        self.opened: list[Call | None] = []
        """The calls whose parentheses are open."""
        self.named = ""
        """The name before a colon, for the text that follows."""

    def take(self, kind: str, part: str) -> None:
        match kind, part:
            case "name", _:
                self.last = Call(part, self.line, self.block, [])
                self.calls.append(self.last)
            case "string", _:
                self._give(part)
            case "sign", "(":
                self.opened.append(self.last)
            case "sign", ")":
                self.last = self.opened.pop() if self.opened else None
            case "sign", "{":
                self._enter()
            case "sign", "}":
                self.block, self.depth = self.block.parent or self.block, self.depth - 1
                self.last = None
            case "sign", ":" if self.last is not None and self.last is self.calls[-1]:
                # It was the name of an argument, not a call.
                self.named = self.calls.pop().name
                self.last = self.calls[-1] if self.calls else None
            case "sign", ",":
                self.named = ""
            case _:
                pass

    def _enter(self) -> None:
        self.depth += 1
        if self.depth > _DEPTH or len(self.calls) > _CALLS:
            raise TooLargeError
        if self.last is None:
            self.block = Block("", "", self.line, self.block)
        else:
            title = self.last.text("", "name")
            self.block = Block(self.last.name, title, self.last.line, self.block)
        self.last = None

    def _give(self, part: str) -> None:
        quote = part[:3] if part[:3] in {"'''", '"""'} else part[:1]
        text = part.removeprefix(quote).removesuffix(quote)
        given = self.opened[-1] if self.opened and self.named else self.last
        if given is not None:
            given.texts.append((self.named, text, self.line))
        self.named = ""


def read_calls(text: str) -> list[Call]:
    """The calls of a Jenkinsfile, in their order.

    Raises:
        TooLargeError: there are too many, or their blocks are nested too deep.
    """
    reader = _Reader()
    for found in _TOKEN.finditer(text):
        part = found.group()
        reader.take(found.lastgroup or "", part)
        reader.line += part.count("\n")
    return reader.calls
