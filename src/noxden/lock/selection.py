"""Selections: which artifacts one session needs on one platform and interpreter."""

from __future__ import annotations

import hashlib
import json
import re
from typing import TYPE_CHECKING, Any, NamedTuple, cast
from urllib.parse import unquote, urlsplit

from packaging.pylock import (
    PackageArchive,
    PackageDirectory,
    PackageSdist,
    PackageVcs,
    PackageWheel,
    PylockSelectError,
    PylockValidationError,
)
from packaging.tags import Tag
from packaging.utils import canonicalize_name

from noxden.errors import UsageError
from noxden.lock.pylock import read_pylock

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping

    from packaging.markers import Environment
    from packaging.pylock import Package

    from noxden.lock.interpreter import Interpreter

    Source = PackageVcs | PackageDirectory | PackageArchive | PackageWheel | PackageSdist

__all__ = [
    "Artifact",
    "LocalSource",
    "Selection",
    "canonical_json",
    "read_artifact",
    "read_selection",
    "select",
]

_SHA256 = re.compile(r"[0-9a-f]{64}")
_FILE = re.compile(r"[^./\\][^/\\]{0,254}")
"""A name for one file: no path, not hidden, as long as file systems allow."""


class Artifact(NamedTuple):
    """A third-party package and the one artifact it comes from."""

    name: str
    """Normalized name (PEP 503)."""
    version: str | None
    """Version; ``None`` where the lock has none (direct references)."""
    kind: str
    """``wheel``, ``sdist``, ``archive`` (direct URL) or ``vcs``."""
    file: str
    """File name, or the URL of the repository."""
    content: str
    """sha256 of the file, or the commit id."""
    subdirectory: str
    """Where in an archive or repository the project is; mostly empty."""
    size: int | None
    """Size in bytes, where the lock knows it."""
    entry: Mapping[str, Any]
    """The ``[[packages]]`` entry of a pylock.toml that installs exactly this artifact."""

    @property
    def is_built(self) -> bool:
        """Whether installing it runs a build backend."""
        return not self.file.endswith(".whl")

    @property
    def url(self) -> str:
        """Where it is downloaded from; empty for a file of this machine, and for ``vcs``."""
        for key in ("archive", "sdist", "wheels"):
            if source := self.entry.get(key):
                return str((source[0] if key == "wheels" else source).get("url", ""))
        return ""

    @property
    def canonical(self) -> dict[str, str]:
        """What identifies the content, and nothing else: no URL of a mirror, no size."""
        fields = {
            "name": self.name,
            "version": self.version or "",
            "file": self.file,
            ("commit" if self.kind == "vcs" else "sha256"): self.content,
        }
        if self.subdirectory:
            fields["subdirectory"] = self.subdirectory
        return fields


class LocalSource(NamedTuple):
    """A package of the checkout: it belongs to the worktree environment."""

    name: str
    path: str
    """Relative to the folder of uv.lock, or absolute where the lock says so."""
    editable: bool
    sha256: str = ""
    """Hash of an archive; empty for a folder, and for an archive whose hash uv.lock lacks."""


class Selection(NamedTuple):
    """What a session needs: artifacts for the base, local sources for the worktree."""

    artifacts: tuple[Artifact, ...]
    """Sorted by name."""
    local: tuple[LocalSource, ...]
    """Sorted by name."""

    @property
    def canonical(self) -> list[dict[str, str]]:
        """The content of the selection, machine-independent, in a fixed order."""
        return [artifact.canonical for artifact in self.artifacts]

    @property
    def closure_id(self) -> str:
        """sha256 of the canonical selection; names a set of wheels on any machine."""
        return hashlib.sha256(canonical_json(self.canonical)).hexdigest()

    @property
    def is_built(self) -> bool:
        """Whether any artifact needs a build backend."""
        return any(artifact.is_built for artifact in self.artifacts)

    @property
    def pylock(self) -> dict[str, Any]:
        """A pylock.toml that installs the artifacts and nothing else."""
        return {
            "lock-version": "1.0",
            "created-by": "noxden",
            "packages": [dict(artifact.entry) for artifact in self.artifacts],
        }


def canonical_json(document: object) -> bytes:
    """The one spelling of a JSON document that gets hashed."""
    return json.dumps(document, sort_keys=True, separators=(",", ":"), ensure_ascii=False).encode()


def select(text: str, interpreter: Interpreter, *, from_source: Collection[str] = ()) -> Selection:
    """Choose from an exported pylock.toml what ``interpreter`` is to install.

    ``from_source`` names packages that the project wants built from their sdist
    (``no-binary-package``); ``:all:`` means every one.

    Raises:
        UsageError: the interpreter does not fit the lock, a package has no artifact for it,
            or an artifact has no sha256.
    """
    try:
        chosen = _choose(text, interpreter, from_source, sdists=bool(from_source))
    except (PylockValidationError, PylockSelectError):
        try:
            chosen = _choose(text, interpreter, from_source, sdists=True)
        except (PylockValidationError, PylockSelectError) as error:
            message = f"uv.lock does not fit Python {interpreter.version}: {error}"
            raise UsageError(message) from error
    artifacts, local = [], []
    for package, source in chosen:
        if isinstance(source, PackageDirectory):
            local.append(LocalSource(package.name, source.path, bool(source.editable)))
        elif isinstance(source, PackageArchive) and source.path is not None:
            sha256 = source.hashes.get("sha256", "")
            local.append(LocalSource(package.name, source.path, editable=False, sha256=sha256))
        else:
            artifacts.append(_accept(_describe(package, source)))
    return Selection(tuple(sorted(artifacts)), tuple(sorted(local)))


def _accept(artifact: Artifact) -> Artifact:
    """``artifact``, whose hash and file name may become names in the den.

    Raises:
        UsageError: uv.lock names it so that it would lie elsewhere.
    """
    try:
        _refuse_odd(artifact)
    except ValueError as error:
        message = (
            f"uv.lock names {artifact.name} oddly ({error}), and a file of such a name is not "
            f"taken; use a URL that ends in a plain file name"
        )
        raise UsageError(message) from error
    return artifact


def _refuse_odd(artifact: Artifact) -> None:
    """Refuse a hash that is none, and a file name that is a path or cannot be shown.

    Raises:
        ValueError: with the name.
    """
    if artifact.kind == "vcs":
        return
    if not _SHA256.fullmatch(artifact.content):
        raise ValueError(artifact.content)
    file = artifact.file
    if not _FILE.fullmatch(file) or not file.isprintable():
        raise ValueError(file)


def _choose(
    text: str, interpreter: Interpreter, from_source: Collection[str], *, sdists: bool
) -> list[tuple[Package, Source]]:
    """The packages for ``interpreter``, each with the source to install it from."""
    every = ":all:" in from_source
    return list(
        read_pylock(text, interpreter.tags, sdists=sdists).select(
            environment=cast("Environment", interpreter.markers),
            tags=[Tag(*tag.split("-")) for tag in interpreter.tags],
            prefer_sdist_predicate=lambda name: every or name in from_source,
        )
    )


def _describe(
    package: Package, source: PackageVcs | PackageArchive | PackageWheel | PackageSdist
) -> Artifact:
    """The artifact value of what :meth:`Pylock.select` chose."""
    entry: dict[str, Any] = {"name": package.name}
    if package.version is not None:
        entry["version"] = str(package.version)
    if package.index is not None and isinstance(source, PackageWheel | PackageSdist):
        entry["index"] = package.index
    version = entry.get("version")
    if isinstance(source, PackageVcs):
        entry["vcs"] = _without_none(
            type=source.type,
            url=source.url,
            path=source.path,
            **{
                "requested-revision": source.requested_revision,
                "commit-id": source.commit_id,
                "subdirectory": source.subdirectory,
            },
        )
        return Artifact(
            package.name, version, "vcs", source.url or str(source.path), source.commit_id,
            source.subdirectory or "", None, entry,
        )  # fmt: skip
    sha256 = source.hashes.get("sha256")
    if sha256 is None:
        message = (
            f"uv.lock has no sha256 for {package.name} {version or ''}: noxden installs only what "
            f"a hash names; use an index that publishes sha256"
        )
        raise UsageError(message)
    fields = _without_none(
        url=source.url, path=source.path, size=source.size, hashes={"sha256": sha256}
    )
    file = _file_name(source.url or str(source.path))
    if isinstance(source, PackageArchive):
        entry["archive"] = {**fields, **_without_none(subdirectory=source.subdirectory)}
        return Artifact(
            package.name, version, "archive", file, sha256,
            source.subdirectory or "", source.size, entry,
        )  # fmt: skip
    if isinstance(source, PackageWheel):
        entry["wheels"] = [fields]
        return Artifact(package.name, version, "wheel", file, sha256, "", source.size, entry)
    entry["sdist"] = fields
    return Artifact(package.name, version, "sdist", file, sha256, "", source.size, entry)


def read_selection(pylock: Mapping[str, Any]) -> Selection:
    """The selection that a pylock.toml of ours describes.

    Raises:
        ValueError: an entry of it is not as ours are.
    """
    try:
        artifacts = tuple(read_artifact(entry) for entry in pylock["packages"])
    except (LookupError, TypeError, AttributeError) as error:
        raise ValueError(repr(error)) from error
    return Selection(tuple(sorted(artifacts, key=lambda one: one.name)), ())


def read_artifact(entry: Mapping[str, Any]) -> Artifact:
    """The artifact that an entry of a pylock.toml of ours describes: one source, one hash.

    Raises:
        ValueError: its name, its hash or its file name is none.
    """
    name, version = str(entry["name"]), entry.get("version")
    if canonicalize_name(name, validate=True) != name:
        raise ValueError(name)
    if vcs := entry.get("vcs"):
        location = str(vcs.get("url") or vcs["path"])
        commit, folder = str(vcs["commit-id"]), str(vcs.get("subdirectory", ""))
        return Artifact(name, version, "vcs", location, commit, folder, None, entry)
    key = next((key for key in ("wheels", "sdist") if key in entry), "archive")
    source = entry["wheels"][0] if key == "wheels" else entry[key]
    file = _file_name(str(source.get("url") or source["path"]))
    sha256 = str(source["hashes"]["sha256"])
    size, folder = source.get("size"), str(source.get("subdirectory", ""))
    kind = "wheel" if key == "wheels" else key
    artifact = Artifact(name, version, kind, file, sha256, folder, size, entry)
    _refuse_odd(artifact)
    return artifact


def _without_none(**fields: object) -> dict[str, Any]:
    return {name: value for name, value in fields.items() if value is not None}


def _file_name(location: str) -> str:
    """The last part of a URL or path, unquoted."""
    return unquote(urlsplit(location).path.rsplit("/", 1)[-1])
