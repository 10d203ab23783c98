"""From what a session asks to the key of its base environment.

Warm, this reads the deciding files, hashes them and looks two memos up: no subprocess, no
parsing of uv.lock. Cold, uv exports the selection while the interpreter is looked for.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any, NamedTuple

from noxden.den.fingerprint import declared_state
from noxden.den.locks import in_turn
from noxden.den.memo import compute_digest, recall, remember
from noxden.errors import InterpreterMissingError, UsageError
from noxden.lock.interpreter import Interpreter
from noxden.lock.project import BUILD_VARIABLES, read_user_pins, read_user_settings

if TYPE_CHECKING:
    from collections.abc import Mapping

    from noxden.den.layout import Den
    from noxden.lock.project import Project
    from noxden.lock.request import Request
    from noxden.lock.selection import Artifact, Selection
    from noxden.tools.uv import Uv

__all__ = ["Resolution", "Workplace", "find_interpreter", "resolve", "resolve_target"]

_MEMO_FORMAT = 3
_CONFIG_VARIABLES = ("UV_CONFIG_FILE", "UV_NO_CONFIG")
"""Variables by which uv reads other settings than the project's, or none."""


class Workplace(NamedTuple):
    """What resolving and building work with: a project, a den, uv, the caller's variables."""

    project: Project
    den: Den
    uv: Uv
    env: Mapping[str, str]
    key_env: tuple[str, ...] = ()
    """Names of the variables that are part of every key."""
    download_python: bool = False
    """Whether uv may download an interpreter that is missing."""
    remote: str = ""
    """URI of the remote; empty where there is none."""
    trust: str = "locked"
    """What is taken from the remote: ``locked`` artifacts, or what others ``built`` too."""


class Resolution(NamedTuple):
    """The environment a session needs, by name."""

    key: str
    """Environment key."""
    closure_id: str
    interpreter: Interpreter
    local: tuple[tuple[str, str, bool, str], ...]
    """Name, path, editability and sha256 (of archives) of each package of the checkout."""
    document: Mapping[str, Any] | None
    """The canonical document, where this run computed it; ``None`` where it was remembered."""
    selection: Selection | None
    """What the lock selects, where this run computed it."""

    @property
    def artifacts(self) -> tuple[Artifact, ...]:
        """What the lock selects, where this run computed it."""
        return self.selection.artifacts if self.selection is not None else ()


def resolve(place: Workplace, request: Request, *, complete: bool = False) -> Resolution:
    """The key of the base environment for ``request``, remembered or computed.

    ``complete`` asks for the document and the selection too, which are not remembered.

    Raises:
        UsageError: uv.lock is missing, malformed, out of date or does not fit the request.
        InterpreterMissingError: there is no interpreter for it.
    """
    if complete:
        return _compute(place, request, _recall_interpreter(place, request.python))
    found = _recall_selection(place, request)
    if found is not None:
        return found
    # Sessions that start together on a cold key would all ask uv the same.
    turn = compute_digest(request, place.project.digest)
    with in_turn(place.den.locks / f"selection-{turn[:32]}.lock"):
        found = _recall_selection(place, request)
        return found or _compute(place, request, _recall_interpreter(place, request.python))


def _recall_selection(place: Workplace, request: Request) -> Resolution | None:
    """The resolution for ``request``, where its interpreter stands and it is remembered."""
    interpreter = _recall_interpreter(place, request.python)
    if interpreter is None:
        return None
    found = recall(place.den.memo, "selection", _digest_selection(place, request, interpreter))
    if found is None:
        return None
    local = tuple((name, path, editable, sha256) for name, path, editable, sha256 in found["local"])
    return Resolution(found["key"], found["closure"], interpreter, local, None, None)


def find_interpreter(place: Workplace, request: str | None) -> Interpreter:
    """The interpreter the project gets for ``request``, with what it can install.

    Raises:
        InterpreterMissingError: uv finds none, and may not or cannot download one.
    """
    remembered = _recall_interpreter(place, request)
    if remembered is not None:
        return remembered
    from noxden.lock.interpreter import probe_interpreter

    at = place.project.directory
    path = place.uv.find_python(request, cwd=at)
    if path is None and place.download_python and place.uv.install_python(request, cwd=at):
        path = place.uv.find_python(request, cwd=at)
    if path is None:
        raise InterpreterMissingError(request, at)
    interpreter = probe_interpreter(path, place.uv.env)
    digest = _digest_interpreter(place, request)
    remember(place.den.memo, "interpreter", digest, interpreter.to_json())
    return interpreter


def _compute(place: Workplace, request: Request, interpreter: Interpreter | None) -> Resolution:
    """Select, and remember the outcome.

    uv exports, and an interpreter is looked for, while the modules for the rest are imported.
    """
    from concurrent.futures import ThreadPoolExecutor

    with ThreadPoolExecutor(2) as pool:
        exporting = pool.submit(
            place.uv.export_pylock, request.selectors, request.lock, cwd=place.project.directory
        )
        finding = pool.submit(lambda: interpreter or find_interpreter(place, request.python))
        import noxden.lock.selection  # noqa: F401 - loaded while uv works
        from noxden.lock.settings import collect_build_settings

        user = read_user_settings(place.env)
        settings = collect_build_settings(place.project, user, place.env)
        try:
            interpreter = finding.result()
        except InterpreterMissingError:
            # uv finds none either when it cannot read the project; then that is the news.
            exporting.result()
            raise
        text = exporting.result()
    found = _select(place, text, interpreter, settings)
    remember(
        place.den.memo,
        "selection",
        _digest_selection(place, request, interpreter),
        {"key": found.key, "closure": found.closure_id, "local": found.local},
    )
    return found


def resolve_target(place: Workplace, request: Request, interpreter: Interpreter) -> Resolution:
    """What ``request`` selects for ``interpreter``, which may be one of another machine.

    Nothing of it is remembered, and its key names no base environment here.

    Raises:
        UsageError: uv.lock is missing, malformed, out of date or does not fit the interpreter.
    """
    from noxden.lock.settings import collect_build_settings

    settings = collect_build_settings(place.project, read_user_settings(place.env), place.env)
    text = place.uv.export_pylock(request.selectors, request.lock, cwd=place.project.directory)
    return _select(place, text, interpreter, settings)


def _select(
    place: Workplace, text: str, interpreter: Interpreter, settings: Mapping[str, Any]
) -> Resolution:
    """The resolution by what uv exported and by the settings that change what is built."""
    from noxden.lock.keys import compute_document
    from noxden.lock.selection import select
    from noxden.lock.settings import collect_from_source

    selection = select(text, interpreter, from_source=collect_from_source(settings))
    _refuse_large_files(place.project, selection)
    _refuse_unlocked(place.project, selection)
    document = compute_document(selection, interpreter, settings, _key_variables(place))
    local = tuple(
        (source.name, _from_root(place.project, source.path), source.editable, source.sha256)
        for source in selection.local
    )
    return Resolution(
        document.key, selection.closure_id, interpreter, local, document.fields, selection
    )


def _refuse_large_files(project: Project, selection: Selection) -> None:
    """Refuse git sources with LFS: uv's export forgets that they have it.

    Raises:
        UsageError: there is one.
    """
    from_git = [artifact.name for artifact in selection.artifacts if artifact.kind == "vcs"]
    if from_git and b"lfs=true" in project.read("uv.lock"):
        message = (
            f"{project.root / 'uv.lock'} has a git source with lfs = true (one of "
            f"{', '.join(from_git)}), which uv cannot export; take it from an index or a URL"
        )
        raise UsageError(message)


def _refuse_unlocked(project: Project, selection: Selection) -> None:
    """Refuse artifacts whose hash uv.lock does not have.

    Where a hash is missing, uv's export takes one from the network: of whatever is there now. For
    wheels in a folder of this machine uv.lock has none, and what is there is what is meant.

    Raises:
        UsageError: there is one.
    """
    lock = project.read("uv.lock")
    for artifact in selection.artifacts:
        if artifact.url.startswith("http") and artifact.content.encode() not in lock:
            message = (
                f"{project.root / 'uv.lock'} has no hash for {artifact.file}, so nothing says "
                f"which file is the right one; run: uv lock --refresh-package {artifact.name}"
            )
            raise UsageError(message)


def _from_root(project: Project, path: str) -> str:
    """A path that uv gave relative to the project, relative to the folder of uv.lock."""
    if os.path.isabs(path):  # noqa: PTH117
        return path
    return os.path.relpath(project.directory / path, project.root)


def _recall_interpreter(place: Workplace, request: str | None) -> Interpreter | None:
    found = recall(place.den.memo, "interpreter", _digest_interpreter(place, request))
    if found is None:
        return None
    interpreter = Interpreter.from_json(found)
    return interpreter if interpreter.stands() else None


def _digest_interpreter(place: Workplace, request: str | None) -> str:
    """Everything that can make uv find another interpreter for the same request."""
    env = place.env
    folders = [*env.get("PATH", "").split(os.pathsep), _managed_pythons(env)]
    return compute_digest(
        _MEMO_FORMAT,
        request,
        place.project.digest,
        os.path.relpath(place.project.directory, place.project.root),
        [(folder, _mtime(folder)) for folder in folders],
        sorted((name, env[name]) for name in env if name.startswith("UV_PYTHON")),
        [(name, content.hex()) for name, content in read_user_settings(env)],
        read_user_pins(env),
        env.get("UV_MANAGED_PYTHON"),
        env.get("UV_NO_MANAGED_PYTHON"),
    )


def _digest_selection(place: Workplace, request: Request, interpreter: Interpreter) -> str:
    """Everything that can change what is selected, or its key."""
    return compute_digest(
        _MEMO_FORMAT,
        request,
        place.project.digest,
        os.path.relpath(place.project.directory, place.project.root),
        interpreter.identity,
        _dynamic_state(place),
        [(name, content.hex()) for name, content in read_user_settings(place.env)],
        [(name, place.env.get(name)) for name in (*BUILD_VARIABLES, *_CONFIG_VARIABLES)],
        _key_variables(place),
    )


def _dynamic_state(place: Workplace) -> list[object]:
    """State of what dynamic metadata is read from, where a package of the checkout declares it.

    Dependencies may stand in a requirements.txt that ``cache-keys`` names.
    """
    return [
        state
        for name, content in place.project.files
        if name.endswith("pyproject.toml") and b"cache-keys" in content and b"dynamic" in content
        for state in declared_state(place, (place.project.root / name).parent, content)
    ]


def _key_variables(place: Workplace) -> dict[str, str]:
    return {name: place.env[name] for name in place.key_env if name in place.env}


def _managed_pythons(env: Mapping[str, str]) -> str:
    """Where uv keeps the interpreters it downloads."""
    if named := env.get("UV_PYTHON_INSTALL_DIR"):
        return named
    data = env.get("XDG_DATA_HOME") or f"{env.get('HOME', '')}/.local/share"
    return f"{data}/uv/python"


def _mtime(folder: str) -> int:
    try:
        return os.stat(folder).st_mtime_ns  # noqa: PTH116 - warm path
    except OSError:
        return 0
