"""Closures: the set of wheels of one selection, as a pylock.toml with paths into the store.

A manifest is written once every artifact that it names is in the store, or in the remote, so
whoever sees one sees all. It needs no trust: the name of a closure is the hash of what it
lists, and paths are not taken from it but made of hash and file name.
"""

from __future__ import annotations

import os
import re
from typing import TYPE_CHECKING, Any

import tomli
import tomli_w

from noxden.den.owners import sibling_name
from noxden.errors import SafetyError
from noxden.lock.selection import read_selection

if TYPE_CHECKING:
    from pathlib import Path

    from noxden.den.layout import Den
    from noxden.lock.selection import Artifact, Selection

__all__ = [
    "find_problem",
    "list_closures",
    "parse_closure",
    "read_closure",
    "render_closure",
    "write_closure",
]

_SHA256 = re.compile(r"[0-9a-f]{64}")


def render_closure(selection: Selection) -> str:
    """The manifest of ``selection``: a pylock.toml that stands beside the folder ``wheels``."""
    return tomli_w.dumps(
        {
            "lock-version": "1.0",
            "created-by": "noxden",
            "packages": [_localize(artifact) for artifact in selection.artifacts],
        }
    )


def _localize(artifact: Artifact) -> dict[str, Any]:
    """The entry of ``artifact`` with its path in the store in place of its URL."""
    entry = {key: value for key, value in artifact.entry.items() if key != "index"}
    if artifact.kind == "vcs":
        return entry
    sha256 = artifact.content
    path = f"../wheels/{sha256[:2]}/{sha256}/{artifact.file}"
    size = {} if artifact.size is None else {"size": artifact.size}
    source: dict[str, Any] = {"path": path, **size, "hashes": {"sha256": sha256}}
    if artifact.kind == "wheel":
        return {**entry, "wheels": [source]}
    if artifact.subdirectory:
        source["subdirectory"] = artifact.subdirectory
    return {**entry, artifact.kind: source}


def parse_closure(text: str, closure_id: str) -> Selection:
    """The closure that a manifest describes.

    Raises:
        SafetyError: it is not the manifest of ``closure_id``, or names a file oddly.
    """
    try:
        selection = read_selection(tomli.loads(text))
    except (tomli.TOMLDecodeError, ValueError) as error:
        message = f"the manifest of closure {closure_id[:12]} cannot be used: {error!s:.200}"
        raise SafetyError(message) from error
    if selection.closure_id != closure_id:
        message = f"the manifest of closure {closure_id} is that of {selection.closure_id}"
        raise SafetyError(message)
    return selection


def write_closure(den: Den, selection: Selection) -> Path:
    """Note that all artifacts of ``selection`` are in the store.

    A manifest that was damaged is replaced.
    """
    path = den.closures / f"{selection.closure_id}.toml"
    if path.exists() and not find_problem(den, selection.closure_id):
        os.utime(path)
        return path
    den.closures.mkdir(exist_ok=True)
    sibling = den.closures / sibling_name()
    with sibling.open("w", encoding="utf-8") as file:
        file.write(render_closure(selection))
        file.flush()
        os.fsync(file.fileno())
    sibling.rename(path)
    return path


def read_closure(den: Den, closure_id: str) -> Selection | None:
    """The closure ``closure_id``; ``None`` where the store does not have it.

    Raises:
        SafetyError: its manifest was changed.
    """
    try:
        text = (den.closures / f"{closure_id}.toml").read_text("utf-8")
    except (FileNotFoundError, NotADirectoryError):
        return None
    except UnicodeDecodeError as error:
        message = f"the manifest of closure {closure_id[:12]} cannot be used: {error}"
        raise SafetyError(message) from error
    return parse_closure(text, closure_id)


def find_problem(den: Den, closure_id: str) -> str:
    """Why the manifest of ``closure_id`` cannot be used; empty where it can, or is not there."""
    try:
        read_closure(den, closure_id)
    except SafetyError as error:
        return str(error)
    return ""


def list_closures(den: Den) -> list[str]:
    """The ids of all closures, sorted."""
    return sorted(path.stem for path in den.closures.glob("*.toml") if _SHA256.fullmatch(path.stem))
