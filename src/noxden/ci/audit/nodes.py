"""YAML as nodes that know their lines: no type is guessed, no alias is expanded twice.

PyYAML's events are composed here rather than by it, in a loop with a bound on depth and on the
size that aliases would expand to: a hostile file costs a sentence, not the memory. ``on`` stays
a text, and tags that nobody knows are kept beside their nodes.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from yaml.events import Event

__all__ = ["MISSING", "BadYamlError", "Node", "Parsed", "parse_yaml"]

_DEPTH = 100
_SIZE = 100_000
_CHARACTERS = 32
"""Of text that count as one more node."""


class BadYamlError(Exception):
    """A file is no YAML that can be audited; the message says why, in a few words."""


class Node(NamedTuple):
    """A scalar (``text``), a sequence (``items``) or a mapping (``entries``)."""

    path: str = ""
    line: int = 0
    text: str | None = None
    items: tuple[Node, ...] = ()
    entries: Mapping[str, Node] = {}
    lines: Mapping[str, int] = {}
    """The line of each key."""
    tag: str = ""
    block: bool = False
    """Whether the text starts on the next line."""
    size: int = 1
    """Of nodes, with aliases expanded."""

    def get(self, *names: str) -> Node:
        """What is under ``names``, one below the other; :data:`MISSING` where nothing is."""
        node = self
        for name in names:
            node = node.entries.get(name, MISSING)
        return node

    @property
    def there(self) -> bool:
        """Whether there is anything."""
        return self.line > 0

    @property
    def word(self) -> str:
        """The text of a scalar without blanks around it; empty for anything else."""
        return (self.text or "").strip()

    @property
    def start(self) -> int:
        """The line on which the text starts."""
        return self.line + self.block

    def scalars(self) -> Iterator[Node]:
        """The scalar itself, or those of the sequence and of sequences in it."""
        if self.text is not None:
            yield self
        for item in self.items:
            yield from item.scalars()

    def words(self) -> tuple[str, ...]:
        """Lines of the scalar, or of each of the sequence, without blanks and empty ones."""
        lines = (line.strip() for one in self.scalars() for line in (one.text or "").split("\n"))
        return tuple(line for line in lines if line)


MISSING = Node()


class Parsed(NamedTuple):
    """The documents of a file."""

    documents: tuple[Node, ...]
    twice: tuple[tuple[str, int], ...]
    """Keys that are there more than once, with the later line."""


class _Frame:
    """A sequence or a mapping that is not complete yet."""

    def __init__(self, path: str, line: int, tag: str, anchor: str | None) -> None:
        self.path, self.line, self.tag, self.anchor = path, line, tag, anchor
        self.children: list[Node] = []
        self.size = 1

    def add(self, node: Node) -> None:
        self.size += node.size
        if self.size > _SIZE:
            message = "is too large once its aliases are expanded"
            raise BadYamlError(message)
        self.children.append(node)

    def end_mapping(self, twice: list[tuple[str, int]]) -> Node:
        entries: dict[str, Node] = {}
        lines: dict[str, int] = {}
        merged: list[Node] = []
        for key, value in zip(self.children[::2], self.children[1::2], strict=True):
            if key.text == "<<":
                merged += [value, *value.items]
            elif key.text is not None:
                if key.text in entries:
                    twice.append((key.text, key.line))
                entries[key.text], lines[key.text] = value, key.line
        for other in merged:
            entries = {**other.entries, **entries}
            lines = {**other.lines, **lines}
        return Node(
            self.path, self.line, entries=entries, lines=lines, tag=self.tag, size=self.size
        )

    def end_sequence(self) -> Node:
        return Node(self.path, self.line, items=tuple(self.children), tag=self.tag, size=self.size)


class _Composer:
    """Makes nodes of events."""

    def __init__(self, path: str) -> None:
        self.path = path
        self.stack: list[_Frame] = [_Frame(path, 1, "", None)]
        self.anchors: dict[str, Node] = {}
        self.twice: list[tuple[str, int]] = []

    def take(self, event: Event) -> None:
        from yaml import events

        match event:
            case events.DocumentStartEvent():
                self.anchors = {}
            case events.ScalarEvent():
                text = event.value
                line = _find_line(event)
                size = 1 + len(text) // _CHARACTERS
                block = event.style in {"|", ">"}
                node = Node(self.path, line, text, tag=event.tag or "", block=block, size=size)
                self._end(node, event.anchor)
            case events.AliasEvent():
                if event.anchor not in self.anchors:
                    message = f"has an alias, *{event.anchor}, whose anchor is not complete"
                    raise BadYamlError(message)
                self._end(self.anchors[event.anchor], None)
            case events.CollectionStartEvent():
                if len(self.stack) > _DEPTH:
                    message = f"is nested more than {_DEPTH} deep"
                    raise BadYamlError(message)
                line = _find_line(event)
                self.stack.append(_Frame(self.path, line, event.tag or "", event.anchor))
            case events.MappingEndEvent():
                frame = self.stack.pop()
                self._end(frame.end_mapping(self.twice), frame.anchor)
            case events.SequenceEndEvent():
                frame = self.stack.pop()
                self._end(frame.end_sequence(), frame.anchor)
            case _:
                pass

    def _end(self, node: Node, anchor: str | None) -> None:
        if anchor is not None:
            self.anchors[anchor] = node
        self.stack[-1].add(node)


def _find_line(event: Event) -> int:
    return event.start_mark.line + 1 if event.start_mark else 1


def parse_yaml(text: str, path: str) -> Parsed:
    """The documents in ``text``, the content of the file ``path``.

    Raises:
        BadYamlError: it is no YAML, too deep, or too large once aliases are expanded.
    """
    import yaml

    composer = _Composer(path)
    try:
        # That of libyaml where there is one; both are state machines without recursion.
        for event in yaml.parse(text, Loader=getattr(yaml, "CSafeLoader", yaml.SafeLoader)):
            composer.take(event)
    except yaml.MarkedYAMLError as error:
        line = f" (line {error.problem_mark.line + 1})" if error.problem_mark else ""
        message = f"is not YAML: {error.problem or error.context}{line}"
        raise BadYamlError(message) from error
    except yaml.YAMLError as error:
        message = f"is not YAML: {' '.join(str(error).split())}"
        raise BadYamlError(message) from error
    return Parsed(tuple(composer.stack[0].children), tuple(composer.twice))
