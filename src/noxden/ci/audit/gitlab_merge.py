"""GitLab's ways to spell a job in pieces: include, extends, !reference, default."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, NamedTuple, Protocol

from noxden.ci.audit.nodes import MISSING, BadYamlError, Node
from noxden.ci.audit.values import Place, Use

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

__all__ = ["Included", "Merged", "Read", "collect_included"]

_COMMIT = re.compile(r"[0-9a-f]{40}")
_INCLUDES = 150
"""Files that GitLab takes at most: docs, ci/yaml, include."""
_EXTENDS = 11
"""Levels that GitLab takes at most: docs, ci/yaml, extends."""
_MERGES = 300_000
"""Entries that all jobs together may inherit."""


class Read(Protocol):
    """Reads the files of a repository."""

    def __call__(self, pattern: str) -> Sequence[Node]:
        """The last document of each file that ``pattern`` matches; none where none can be read."""


class Included(NamedTuple):
    """A configuration with all that it includes."""

    document: Node
    uses: tuple[Use, ...]


def collect_included(document: Node, read: Read) -> Included:
    """``document`` on top of the local files that it includes, and what else it includes."""
    uses: list[Use] = []
    waiting, documents, seen = [document], [document], {document.path}
    while waiting:
        for use, local in _find_includes(waiting.pop(0)):
            if use is not None:
                uses.append(use)
            for found in read(local) if local else ():
                if found.path not in seen and len(seen) < _INCLUDES:
                    seen.add(found.path)
                    documents.append(found)
                    waiting.append(found)
    merged = MISSING
    for one in reversed(documents):
        merged = merge(merged, one)
    return Included(merged, tuple(uses))


def _find_includes(document: Node) -> Iterator[tuple[Use | None, str]]:
    """What a file includes: something of others, or the path of a local file."""
    include = document.get("include")
    for one in [include, *include.items]:
        if one.word:
            remote = re.match("https?://", one.word)
            yield (_judge_remote(one, one.word) if remote else None), "" if remote else one.word
        elif one.get("local").there:
            yield from ((None, path) for path in one.get("local").words())
        elif one.get("remote").word:
            pinned = one.get("integrity").there
            yield _judge_remote(one, one.get("remote").word, pinned=pinned), ""
        elif one.get("project").word:
            place = Place(one.path, one.line)
            pinned = bool(_COMMIT.fullmatch(one.get("ref").word))
            yield Use(one.get("project").word, place, pinned, "ref: with a commit"), ""
        elif one.get("component").word:
            name = one.get("component").word
            pinned = bool(_COMMIT.fullmatch(name.rpartition("@")[2]))
            yield Use(name, Place(one.path, one.line), pinned, "a commit after its @"), ""


def _judge_remote(node: Node, name: str, *, pinned: bool = False) -> Use:
    return Use(name, Place(node.path, node.line), pinned, "integrity: with its sha256")


def merge(under: Node, over: Node) -> Node:
    """``over``, and of ``under`` what it does not say; only mappings are merged."""
    if not under.entries or not over.entries:
        return over if over.there else under
    entries = dict(under.entries)
    for name, node in over.entries.items():
        entries[name] = merge(entries[name], node) if name in entries else node
    return over._replace(entries=entries, lines={**under.lines, **over.lines})


class Merged:
    """Jobs of a configuration, with what they inherit."""

    def __init__(self, document: Node) -> None:
        self.document = document
        self._left = _MERGES
        self._known: dict[str, Node] = {}

    def job(self, name: str, depth: int = 0) -> Node:
        """The job with all that it extends.

        Raises:
            BadYamlError: jobs inherit more than an audit follows.
        """
        if name in self._known:
            return self._known[name]
        own = self.document.get(name)
        found = MISSING
        for parent in own.get("extends").words() if depth < _EXTENDS else ():
            under = self.job(parent, depth + 1)
            self._left -= under.size
            if self._left < 0:
                message = "has jobs that extend others too often"
                raise BadYamlError(message)
            found = merge(found, under)
        merged = merge(found, own)
        self._known[name] = merged._replace(size=own.size + found.size)
        return self._known[name]

    def setting(self, job: Node, name: str) -> Node:
        """A keyword of ``job``, or its default."""
        inherit = job.get("inherit", "default")
        none = inherit.word == "false" or (inherit.items and name not in inherit.words())
        places = [job] if none else [job, self.document.get("default"), self.document]
        for place in places:
            if place.get(name).there:
                return self.resolve(place.get(name))
        return MISSING

    def resolve(self, node: Node, depth: int = 0) -> Node:
        """``node``, or what it refers to by ``!reference``."""
        if node.tag != "!reference" or depth > _EXTENDS:
            return node
        first, *rest = [*node.words(), ""]
        return self.resolve(self.job(first).get(*rest[:-1]), depth + 1)

    def texts(self, node: Node, depth: int = 0) -> Iterator[Node]:
        """The scalars of a script, those that it refers to in their place."""
        found = self.resolve(node)
        if found.text is not None:
            yield found
        if found.tag == "!reference" or depth > _EXTENDS:
            return
        for item in found.items:
            self._left -= 1
            if self._left < 0:
                message = "has scripts that refer to others too often"
                raise BadYamlError(message)
            yield from self.texts(item, depth + 1)
