"""Audit the CI files of a repository."""

from __future__ import annotations

from typing import TYPE_CHECKING

from noxden.ci.audit.files import ACTIONS, Reader, find_files, find_root
from noxden.ci.audit.findings import find_problems
from noxden.ci.audit.github import read_action, read_workflow
from noxden.ci.audit.github_job import Source
from noxden.ci.audit.gitlab import read_gitlab
from noxden.ci.audit.jenkins import read_jenkinsfile
from noxden.ci.audit.nodes import BadYamlError, Node
from noxden.ci.audit.values import Audit
from noxden.ci.files.apply import is_ours
from noxden.errors import UsageError

if TYPE_CHECKING:
    from pathlib import Path

    from noxden.ci.audit.files import FoundFile
    from noxden.ci.audit.values import Pipeline

__all__ = ["audit"]

_ACTION_SIZE = 200_000
"""Nodes of local actions that one workflow may pull in."""


def audit(place: Path) -> Audit:
    """What the CI files at ``place`` (a repository, a folder of workflows, or a file) say.

    Raises:
        UsageError: there is nothing at ``place``.
    """
    if not place.exists():
        message = f"{place} is not there; name a repository, a folder of workflows or a file"
        raise UsageError(message)
    place = place.absolute()
    root = find_root(place)
    reader = Reader(root)
    pipelines: list[Pipeline] = []
    actions = []
    used: set[str] = set()
    for file in find_files(place, root):
        if file.action:
            actions.append(file)
        else:
            pipelines += _read_file(file, reader, used)
    for file in actions:
        pipelines += _read_action(file, reader, unused=file.path not in used)
    found = tuple(job for one in pipelines for job in one.jobs if job.installs)
    return Audit(
        root, len(reader.texts), found, tuple(find_problems(pipelines)), tuple(reader.skipped)
    )


def _read_file(file: FoundFile, reader: Reader, used: set[str]) -> list[Pipeline]:
    """The pipeline in ``file``; none, with a note, where it cannot be read."""
    text = reader.read(file.path)
    if text is None:
        return []
    made = is_ours(text)
    try:
        if file.system == "jenkins":
            return [read_jenkinsfile(file.path, text, made=made)]
        documents = reader.documents(file.path)
        if not documents:
            return []
        if file.system == "gitlab":
            return [read_gitlab(documents[-1], _Includes(reader), made=made)]
        return [read_workflow(documents[0], _make_source(file, reader, used))]
    except BadYamlError as error:
        reader.skip(file.path, str(error))
        return []


def _read_action(file: FoundFile, reader: Reader, *, unused: bool) -> list[Pipeline]:
    """What a composite action says; its jobs only where no workflow showed them already."""
    documents = reader.documents(file.path)
    if not documents:
        return []
    name = file.path.rpartition("/")[0]
    found = read_action(documents[0], _make_source(file, reader, set()), name)
    return [found if unused else found._replace(jobs=())]


def _make_source(file: FoundFile, reader: Reader, used: set[str]) -> Source:
    made = is_ours(reader.texts[file.path])
    return Source(file.system, reader.lines, _Actions(reader, used, file.path), made)


class _Actions:
    """Finds local actions for one workflow."""

    def __init__(self, reader: Reader, used: set[str], user: str) -> None:
        self.reader, self.used, self.user = reader, used, user
        self.left = _ACTION_SIZE

    def __call__(self, name: str) -> Node | None:
        parts = [part for part in name.split("/") if part not in {"", ".", "$"}]
        for path in ("/".join([*parts, file]) for file in ACTIONS):
            if self.reader.exists(path) and (documents := self.reader.documents(path)):
                self.used.add(path)
                self.left -= documents[0].size
                if self.left < 0:
                    self.reader.skip(self.user, "uses local actions that are too large together")
                    return None
                return documents[0]
        return None


class _Includes:
    """Finds the files that a configuration of GitLab includes."""

    def __init__(self, reader: Reader) -> None:
        self.reader = reader

    def __call__(self, pattern: str) -> list[Node]:
        found = [self.reader.documents(path)[-1:] for path in self.reader.glob(pattern)]
        return [document for documents in found for document in documents]
