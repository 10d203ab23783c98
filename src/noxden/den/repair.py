"""Rebuild a damaged base from its own documents, without its project.

A damaged file may be damaged in uv's cache as well (hard links), so uv forgets the packages
concerned before it installs them again, from the hashes in the base's pylock.toml. That is
done only where the documents are those that the key of the base stands for: nothing is
installed from an env.json or a pylock.toml that somebody changed.
"""

from __future__ import annotations

import shutil
import tomllib
from typing import TYPE_CHECKING, Any, NamedTuple

from noxden._switches import is_on
from noxden.den.bases import build_base, is_whole, read_document
from noxden.den.lifecycle import publish
from noxden.den.locks import try_exclusive
from noxden.den.owners import sibling_name
from noxden.den.resolve import Resolution, Workplace
from noxden.den.verify import check_documents
from noxden.errors import InfrastructureError, NoxdenError
from noxden.lock.interpreter import Interpreter, probe_interpreter
from noxden.lock.project import Project
from noxden.lock.selection import read_selection
from noxden.tools.uv import Uv

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from noxden.den.layout import Den
    from noxden.den.verify import Verdict

__all__ = ["repair_base"]


class _Material(NamedTuple):
    """What a base is built anew from."""

    place: Workplace
    resolution: Resolution


def repair_base(den: Den, verdict: Verdict, env: Mapping[str, str]) -> str:
    """Replace the base that ``verdict`` is about by a fresh one; return what was done.

    A base that cannot be built without its project (packages built by the project's
    settings, an interpreter that is no longer the same, documents that are damaged or changed)
    is removed: the next session that needs it builds it.

    Raises:
        InfrastructureError: it is in use, the den is read-only, or uv cannot build it; then
            the base stays as it is.
    """
    if not den.writable:
        message = f"the den {den.root} is read-only here; repair where it can be written"
        raise InfrastructureError(message)
    base = den.base(verdict.key)
    with try_exclusive(den.uses / f"{verdict.key}.lock") as held:
        if not held:
            message = (
                f"the base environment {verdict.key[:12]} is in use by a running session; "
                f"wait for it to end, then repeat"
            )
            raise InfrastructureError(message)
        # Read while it still has its name; renamed away only when there is material.
        material, reason = _read_material(den, base, env)
        _forget(den, verdict, env)
        doomed = den.envs / sibling_name()
        base.rename(doomed)
        try:
            if material is not None:
                _publish(den, material)
        except BaseException:
            if not base.exists():
                doomed.rename(base)
            raise
    shutil.rmtree(doomed, ignore_errors=True)
    return reason


def _publish(den: Den, material: _Material) -> None:
    key = material.resolution.key
    publish(
        den.base(key),
        lock=den.locks / f"env-{key}.lock",
        is_whole=is_whole,
        build=lambda sibling: _build(material, sibling),
    )


def _build(material: _Material, sibling: Path) -> None:
    build_base(material.place, material.resolution, sibling)


def _forget(den: Den, verdict: Verdict, env: Mapping[str, str]) -> None:
    """Let uv forget the packages with findings, whose files in its cache may be damaged too."""
    names = sorted({finding.package for finding in verdict.findings if finding.package})
    if names:
        uv = Uv(env, den.uv_cache)
        uv("cache", "clean", "--quiet", *names, cwd=den.root)


def _read_material(den: Den, base: Path, env: Mapping[str, str]) -> tuple[_Material | None, str]:
    """What ``base`` is to be built from, or ``None``; and what is going to be done."""
    for finding in check_documents(base):
        reason = f"removed, for its {finding.file} is {finding.problem}"
        return None, f"{reason}; the next session builds it"
    document: Mapping[str, Any] = read_document(base)
    settings = document.get("settings", {})
    pylock = tomllib.loads((base / "pylock.toml").read_text("utf-8"))
    if "build" in settings:
        return (
            None,
            "removed, for it was built by its project's settings; the next session builds it",
        )
    interpreter = _find_interpreter(document, env)
    if interpreter is None:
        return None, "removed, for its interpreter is gone or another; nothing can use it"
    full = {**env, **settings.get("env", {})}
    uv = Uv(full, den.uv_cache, offline=is_on(env, "NOXDEN_OFFLINE"))
    place = Workplace(Project(den.root, den.root, (), ""), den, uv, full)
    resolution = Resolution(base.name, "", interpreter, (), document, read_selection(pylock))
    return _Material(place, resolution), "rebuilt"


def _find_interpreter(document: Mapping[str, Any], env: Mapping[str, str]) -> Interpreter | None:
    """The interpreter that the document names, if it is still the same."""
    from pathlib import Path

    identity = document.get("interpreter", {})
    try:
        interpreter = probe_interpreter(Path(str(identity.get("executable", ""))), env)
    except NoxdenError:
        return None
    same = {**interpreter.identity} == {**identity}
    return interpreter if same else None
