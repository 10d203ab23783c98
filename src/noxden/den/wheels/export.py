"""Exports: a plain folder that pip and uv install a selection from, without noxden or an index.

Its files are copies, so that nothing done to them reaches the den. ``wheelhouse.json`` marks the
folder as ours and lists what is in it; it is written first, so that an export that was cut can
be gone on with. ``SHA256SUMS`` is written last: with it, the folder is whole.
"""

from __future__ import annotations

import hashlib
import json
from importlib.metadata import version
from typing import TYPE_CHECKING, Any, NamedTuple

from noxden.den.owners import sibling_name
from noxden.den.wheels.contents import Contents, collect_contents
from noxden.den.wheels.copies import copy_checked
from noxden.den.wheels.pages import render_pages
from noxden.den.wheels.store import hash_file, using_store
from noxden.errors import InfrastructureError, UsageError

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from noxden.den.resolve import Resolution, Workplace
    from noxden.den.wheels.contents import Item

__all__ = ["MANIFEST", "Exported", "export"]

MANIFEST = "wheelhouse.json"
_SUMS = "SHA256SUMS"
_FORMAT = 1


class Exported(NamedTuple):
    """What an export did."""

    folder: str
    wheels: tuple[str, ...]
    """Names of the files that are installed, sorted."""
    requires: tuple[str, ...]
    """Names of the files that only builds need, sorted."""
    removed: tuple[str, ...]
    """Paths of an earlier export that the selection has no more."""
    bytes: int
    """Of all files."""
    warnings: tuple[str, ...]
    """A line for each package that needs more than this folder."""
    local: tuple[str, ...]
    """Names of the packages of the checkout that the selection needs too; the folder lacks them."""

    @property
    def files(self) -> int:
        """How many packages the folder holds."""
        return len(self.wheels) + len(self.requires)


def export(
    place: Workplace, resolution: Resolution, folder: Path, *, flat: bool = False
) -> Exported:
    """Write what ``resolution`` selects into ``folder``, new, empty or an earlier export.

    With ``flat`` there are no folders in it, so no static index: what a release can hold.

    Raises:
        UsageError: the folder holds something else.
        InfrastructureError: the store lacks a wheel, no wheel was built of a package, or the
            folder cannot be written.
        SafetyError: a file in the store is not what its name says.
    """
    try:
        with using_store(place.den):
            return _export(collect_contents(place, resolution), resolution, folder, flat=flat)
    except OSError as error:
        message = f"cannot write {error.filename or folder}: {error.strerror}; name another folder"
        raise InfrastructureError(message) from error


def _export(contents: Contents, resolution: Resolution, folder: Path, *, flat: bool) -> Exported:
    texts = {**contents.texts, **({} if flat else render_pages(contents.items))}
    manifest = _describe(contents, resolution, texts)
    earlier = _read_earlier(folder)
    folder.mkdir(parents=True, exist_ok=True)
    (folder / _SUMS).unlink(missing_ok=True)
    removed = [path for path in earlier if path not in manifest["files"]]
    _write(folder / MANIFEST, json.dumps(manifest, indent=2) + "\n")
    _remove(folder, removed)
    for path, text in texts.items():
        _write(folder / path, text)
    for item in contents.items:
        _copy(item, folder / item.file)
    sums = {path: facts["sha256"] for path, facts in manifest["files"].items()}
    sums[MANIFEST] = hash_file(folder / MANIFEST)
    _write(folder / _SUMS, "".join(f"{sums[path]}  {path}\n" for path in sorted(sums)))
    return Exported(
        str(folder),
        tuple(sorted(item.file for item in contents.items if item.installed)),
        tuple(sorted(item.file for item in contents.items if not item.installed)),
        tuple(sorted(removed)),
        sum(facts["size"] for facts in manifest["files"].values()),
        contents.warnings,
        contents.local,
    )


def _describe(
    contents: Contents, resolution: Resolution, texts: Mapping[str, str]
) -> dict[str, Any]:
    """What ``wheelhouse.json`` says: what the files are for, and each with hash and size."""
    files = {item.file: {"sha256": item.sha256, "size": item.size} for item in contents.items}
    for path, text in texts.items():
        content = text.encode()
        files[path] = {"sha256": hashlib.sha256(content).hexdigest(), "size": len(content)}
    interpreter = resolution.interpreter
    return {
        "format": _FORMAT,
        "created-by": f"noxden {version('noxden')}",
        "closure": resolution.closure_id,
        "python": interpreter.version,
        "implementation": interpreter.identity.get("implementation", ""),
        "platform": interpreter.identity.get("platform", ""),
        "libc": interpreter.identity.get("libc", ""),
        "local": list(contents.local),
        "files": {path: files[path] for path in sorted(files)},
    }


def _read_earlier(folder: Path) -> list[str]:
    """Paths of the files of the export that is in ``folder``; none where it is empty or new.

    Raises:
        UsageError: something else is there.
    """
    if not folder.is_symlink() and not folder.exists():
        return []
    message = f"{folder} holds files that are no export of noxden; empty it or name another folder"
    if not folder.is_dir():
        raise UsageError(message)
    if not any(folder.iterdir()):
        return []
    try:
        found = json.loads((folder / MANIFEST).read_bytes())
        paths = [str(path) for path in found["files"]]
        if not str(found["created-by"]).startswith("noxden "):
            raise UsageError(message)
    except (OSError, ValueError, LookupError, TypeError) as error:
        raise UsageError(message) from error
    return [path for path in paths if _is_inside(path)]


def _is_inside(path: str) -> bool:
    return not path.startswith("/") and ".." not in path.split("/")


def _remove(folder: Path, paths: list[str]) -> None:
    for path in paths:
        (folder / path).unlink(missing_ok=True)
        parent = (folder / path).parent
        if parent != folder and parent.is_dir() and not any(parent.iterdir()):
            parent.rmdir()


def _write(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    sibling = path.parent / sibling_name()
    try:
        sibling.write_text(text, "utf-8")
        sibling.replace(path)
    finally:
        sibling.unlink(missing_ok=True)


def _copy(item: Item, target: Path) -> None:
    """Copy a file out of the store, and make sure of its hash.

    Raises:
        SafetyError: it is another.
    """
    if target.is_file() and target.stat().st_size == item.size and hash_file(target) == item.sha256:
        return
    copy_checked(item.path, target, item.sha256)
