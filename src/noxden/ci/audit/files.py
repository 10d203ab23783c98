"""Find the CI files of a repository and read them, within bounds."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from noxden.ci.audit.nodes import BadYamlError, parse_yaml
from noxden.ci.audit.values import Skipped

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from noxden.ci.audit.nodes import Node
    from noxden.ci.audit.values import System

__all__ = ["ACTIONS", "LIMIT", "FoundFile", "Reader", "find_files", "find_root"]

LIMIT = 2_000_000
"""Bytes of a file; no CI system takes as much."""

_FOLDERS: dict[str, System] = {".github": "github", ".forgejo": "forgejo", ".gitea": "gitea"}
ACTIONS = ("action.yml", "action.yaml")
"""Names of the file of an action."""

_YAML = (".yml", ".yaml")
_GITLAB = (".gitlab-ci.yml", ".gitlab-ci.yaml")


class FoundFile(NamedTuple):
    """A CI file, and how it is to be read."""

    path: str
    """From the root, with ``/``."""
    system: System
    action: bool = False
    """Whether it is a composite action, not a workflow."""


def find_root(place: Path) -> Path:
    """The repository's folder for ``place``: what local actions are looked up in."""
    folder = place if place.is_dir() else place.parent
    for one in (folder, *folder.parents):
        if one.name in _FOLDERS:
            return one.parent
    return folder


def find_files(place: Path, root: Path) -> list[FoundFile]:
    """The CI files at ``place``: of a repository, of a folder of workflows, or the file itself."""
    if not place.is_dir():
        return [_judge_file(place, root)]
    found = [*_find_workflows(place, root), *_find_single(place, root)]
    if not found and (place.name in {*_FOLDERS, "workflows"} or _holds_workflows(place)):
        system = _find_system(place)
        found = [
            FoundFile(_name(file, root), system)
            for folder in (place, place / "workflows")
            for file in _list(folder)
            if file.suffix in _YAML
        ]
    return found


def _find_workflows(place: Path, root: Path) -> Iterator[FoundFile]:
    for name, system in _FOLDERS.items():
        for file in _list(place / name / "workflows"):
            if file.suffix in _YAML:
                yield FoundFile(_name(file, root), system)
        for folder, _, names in os.walk(place / name / "actions"):
            for one in sorted(names):
                if one in ACTIONS:
                    yield FoundFile(_name(Path(folder, one), root), system, action=True)


def _find_single(place: Path, root: Path) -> Iterator[FoundFile]:
    for file in _list(place):
        if file.name in _GITLAB:
            yield FoundFile(_name(file, root), "gitlab")
        elif _is_jenkinsfile(file):
            yield FoundFile(_name(file, root), "jenkins")


def _is_jenkinsfile(file: Path) -> bool:
    name = file.name.lower()
    return file.is_file() and (name.startswith("jenkinsfile") or name.endswith(".jenkinsfile"))


def _list(folder: Path) -> list[Path]:
    try:
        return sorted(folder.iterdir())
    except OSError:
        return []


def _name(file: Path, root: Path) -> str:
    return file.relative_to(root).as_posix()


def _find_system(place: Path) -> System:
    return next((_FOLDERS[one] for one in place.parts[::-1] if one in _FOLDERS), "github")


def _holds_workflows(place: Path) -> bool:
    """Whether a folder of another name holds workflows."""
    reader = Reader(place)
    return any(
        document.get("jobs").entries and document.get("on").there
        for file in _list(place)
        if file.suffix in _YAML
        for document in reader.documents(file.name)[:1]
    )


def _judge_file(place: Path, root: Path) -> FoundFile:
    """How a single file is to be read, by its name and else by what is in it."""
    path, system = _name(place, root), _find_system(place)
    if place.suffix not in _YAML:
        return FoundFile(path, "jenkins")
    if place.name.endswith(_GITLAB):
        return FoundFile(path, "gitlab")
    if place.name in ACTIONS:
        return FoundFile(path, system, action=True)
    documents = Reader(root).documents(path)
    workflow = place.parent.name == "workflows" or not documents or documents[0].get("jobs").there
    return FoundFile(path, system if workflow else "gitlab")


class Reader:
    """Reads files below ``root``, and keeps what could not be read."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.skipped: dict[Skipped, None] = {}
        self.texts: dict[str, str] = {}
        """Of each file that was read, by path."""
        self.lines: dict[str, list[str]] = {}
        self._documents: dict[str, tuple[Node, ...]] = {}

    def exists(self, path: str) -> bool:
        """Whether something is at ``path``."""
        return (self.root / path).exists()

    def skip(self, path: str, reason: str) -> None:
        """Note that something was not read as it is."""
        self.skipped[Skipped(path, reason)] = None

    def read(self, path: str) -> str | None:
        """The text of a file; ``None``, with a note, where it cannot be had."""
        if path not in self.texts:
            try:
                reason, text = self._read(self.root / path)
            except (OSError, RuntimeError, ValueError) as error:
                said = getattr(error, "strerror", None) or str(error)
                reason, text = f"cannot be read: {said}", ""
            if reason:
                self.skip(path, reason)
                return None
            self.texts[path], self.lines[path] = text, text.splitlines()
        return self.texts[path]

    def _read(self, file: Path) -> tuple[str, str]:
        """Why it is not read, and its text."""
        real = file.resolve(strict=True)
        if not real.is_relative_to(self.root.resolve()):
            return "is a link that leads out of the repository; it is not followed", ""
        if not real.is_file():
            return "is not a file", ""
        with real.open("rb") as stream:
            content = stream.read(LIMIT + 1)
        if len(content) > LIMIT:
            return f"is larger than {LIMIT // 1_000_000} MB; no CI system takes such a file", ""
        try:
            return "", content.decode("utf-8-sig")
        except UnicodeDecodeError as error:
            return f"is not UTF-8 (byte {error.start})", ""

    def documents(self, path: str) -> tuple[Node, ...]:
        """The mappings in a YAML file; none, with a note, where it cannot be read."""
        if path not in self._documents:
            self._documents[path] = ()
            text = self.read(path)
            try:
                parsed = parse_yaml(text, path) if text is not None else None
            except BadYamlError as error:
                self.skip(path, str(error))
                return ()
            if parsed is None:
                return ()
            for key, line in parsed.twice:
                self.skip(path, f"has {key} twice (line {line}); the later one counts here")
            self._documents[path] = tuple(one for one in parsed.documents if one.entries)
            if not self._documents[path]:
                self.skip(path, "has no keys, so it says nothing to a CI system")
        return self._documents[path]

    def glob(self, pattern: str) -> Iterable[str]:
        """Paths of the files that a pattern of GitLab's includes matches."""
        plain = pattern.strip().lstrip("/")
        if "*" not in plain:
            return [plain]
        try:
            found = sorted(self.root.glob(plain))
        except (OSError, ValueError, NotImplementedError):
            return []
        return [_name(one, self.root) for one in found if one.is_file()]
