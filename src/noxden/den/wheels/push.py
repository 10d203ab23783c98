"""Bring what the store has of one closure to a remote: what is missing there, the manifest last.

Whoever sees the manifest sees all that it names. A push that is killed leaves none; what it
brought is there for the next one, which goes on. Two pushes at once bring the same files, each
under a name that is its hash, so it does not matter whose is there in the end.
"""

from __future__ import annotations

import hashlib
import threading
import time
from concurrent.futures import FIRST_COMPLETED, ThreadPoolExecutor, wait
from typing import TYPE_CHECKING, NamedTuple

from noxden._switches import refuse_untrusted_write
from noxden.den.wheels.closures import render_closure
from noxden.den.wheels.fetch import Progress
from noxden.den.wheels.patience import StoppedError
from noxden.den.wheels.remote import artifact_key, closure_key
from noxden.den.wheels.store import artifact_path, using_store
from noxden.errors import SafetyError, UsageError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from pathlib import Path

    from noxden.den.resolve import Resolution, Workplace
    from noxden.den.wheels.remote import Remote
    from noxden.lock.selection import Artifact, Selection

__all__ = ["Pushed", "prepare_push", "push"]

_AT_ONCE = 4
_TICK_S = 0.2
_BLOCK = 1 << 20


class Pushed(NamedTuple):
    """What a push did."""

    files: int
    """How many were sent."""
    bytes: int
    there: int
    """How many files were in the remote before, and were left as they are."""
    lacking: tuple[Artifact, ...]
    """What neither the store nor the remote has; then there is no manifest."""
    seconds: float

    @property
    def is_whole(self) -> bool:
        """Whether the remote has the whole closure and its manifest."""
        return not self.lacking


class _Load(NamedTuple):
    """A file that the remote is to have."""

    key: str
    path: Path
    size: int
    sha256: str
    """What its content must be; empty for what is not named by it."""
    what: str
    """How people know it, ``torch 2.9.0``."""


def push(
    place: Workplace,
    resolution: Resolution,
    remote: Remote,
    *,
    extra: Sequence[tuple[str, Path]] = (),
    replace: bool = False,
    show: Callable[[Progress], None] = lambda _: None,
) -> Pushed:
    """Bring the closure of ``resolution`` to ``remote``, as far as the store has it.

    ``extra`` are further files, each with its path in the remote: wheels that were built, and
    their manifests, which are sent after all wheels. With ``replace`` everything is sent, whatever
    is there: what was damaged in the remote without changing its size is not seen otherwise.
    ``show`` is called in the calling thread some times a second.

    Raises:
        SafetyError: the run is for an untrusted trigger, or a file in the store was changed.
        UsageError: the remote can only be read.
        RemoteError: it does not answer, or refuses.
    """
    prepare_push(place, remote)
    selection = resolution.selection
    if selection is None:
        message = "a push needs the selection"
        raise ValueError(message)
    start = time.perf_counter()
    work = _Work(remote, replace=replace)
    with using_store(place.den):
        wheels = [*_collect_loads(place, selection), *_plan_extra(extra, "wheels/")]
        manifests = [load for load in _plan_extra(extra) if load not in wheels]
        work.run(wheels, show)
        work.run(manifests, show)
        lacking = tuple(_find_lacking(place, selection, remote))
        if not lacking:
            _write_manifest(remote, selection, replace=replace)
    seconds = time.perf_counter() - start
    return Pushed(work.sent, work.bytes, work.there, lacking, seconds)


def prepare_push(place: Workplace, remote: Remote) -> str:
    """Make what has to be there before anything is pushed; what was made, mostly nothing.

    Raises:
        SafetyError: the run is for an untrusted trigger.
        UsageError: the remote can only be read.
        RemoteError: what has to be there cannot be made.
    """
    refuse_untrusted_write(place.env, f"write {remote.name}")
    if not remote.is_writable:
        message = (
            f"{remote.name} can only be read: push to what serves it (file:, s3:, webdav: ...)"
        )
        raise UsageError(message)
    return remote.prepare()


def _collect_loads(place: Workplace, selection: Selection) -> Iterator[_Load]:
    """What the store has of ``selection``, the largest first."""
    found = []
    for one in selection.artifacts:
        path = artifact_path(place.den, one.content, one.file)
        if one.kind != "vcs" and path.exists():
            what = f"{one.name} {one.version or ''}".strip()
            # By the lock's size, where it knows one: a file of the store can be cut short.
            size = one.size if one.size is not None else path.stat().st_size
            found.append(_Load(artifact_key(one), path, size, one.content, what))
    return iter(sorted(found, key=lambda load: -load.size))


def _plan_extra(extra: Sequence[tuple[str, Path]], prefix: str = "") -> Iterator[_Load]:
    for key, path in extra:
        if key.startswith(prefix):
            sha256 = key.split("/")[2] if key.startswith("wheels/") else ""
            yield _Load(key, path, path.stat().st_size, sha256, path.name)


def _find_lacking(place: Workplace, selection: Selection, remote: Remote) -> Iterator[Artifact]:
    """What the store has not and the remote neither."""
    for one in selection.artifacts:
        path = artifact_path(place.den, one.content, one.file)
        if one.kind != "vcs" and not path.exists() and not remote.has(artifact_key(one), one.size):
            yield one


def _write_manifest(remote: Remote, selection: Selection, *, replace: bool) -> None:
    """Say that the closure is there; a manifest that says so already stays as it is."""
    key, text = closure_key(selection.closure_id), render_closure(selection)
    if replace or remote.read_text(key) != text:
        remote.write_text(key, text)


class _Work:
    """One push, as its threads see it."""

    def __init__(self, remote: Remote, *, replace: bool) -> None:
        self._remote = remote
        self._replace = replace
        self._lock = threading.Lock()
        self._start = time.perf_counter()
        self._loads = self._total = 0
        self._moved: dict[str, int] = {}
        """Bytes of each file that its latest attempt has moved."""
        self.sent = self.there = self.bytes = 0

    def run(self, loads: Sequence[_Load], show: Callable[[Progress], None]) -> None:
        """Send ``loads``, several at a time."""
        self._loads += len(loads)
        self._total += sum(load.size for load in loads)
        with ThreadPoolExecutor(_AT_ONCE, "noxden-push") as pool:
            waiting = {pool.submit(self._send, load) for load in loads}
            try:
                while waiting:
                    done, waiting = wait(waiting, _TICK_S, FIRST_COMPLETED)
                    show(self._progress)
                    for future in done:
                        future.result()
            except BaseException:
                # Ctrl-C, a damaged file: what was sent whole stays, the rest is never seen.
                self._remote.stop.set()
                pool.shutdown(wait=True, cancel_futures=True)
                raise

    @property
    def _progress(self) -> Progress:
        with self._lock:
            seconds = time.perf_counter() - self._start
            done = self.sent + self.there
            return Progress(self._loads, done, self._total, sum(self._moved.values()), seconds)

    def _send(self, load: _Load) -> None:
        if not self._replace and self._is_there(load):
            with self._lock:
                self.there += 1
                self._total -= load.size
            return
        self._remote.write(load.key, lambda: self._read(load), load.size)
        with self._lock:
            self.sent += 1
            self.bytes += load.size

    def _is_there(self, load: _Load) -> bool:
        """Whether the remote has it: by its size, and by its text where no hash names it."""
        if not self._remote.has(load.key, load.size):
            return False
        return bool(load.sha256) or self._remote.read_text(load.key) == load.path.read_text("utf-8")

    def _read(self, load: _Load) -> Iterator[bytes]:
        """The blocks of ``load``; the last one only once the content is known to be right.

        A server that was told the size takes a file for whole when it has as many bytes.
        """
        digest, block = hashlib.sha256(), b""
        with self._lock:
            # What an attempt before has moved does not count any more.
            self._moved[load.key] = 0
        with load.path.open("rb", buffering=0) as file:
            while following := file.read(_BLOCK):
                digest.update(following)
                if block:
                    yield block
                block = following
                self._count(load, len(block))
        if load.sha256 and digest.hexdigest() != load.sha256:
            message = (
                f"{load.what}: {load.path} is to have sha256 {load.sha256}, found "
                f"{digest.hexdigest()}; it is not pushed, run: nox -s wheelhouse -- verify"
            )
            raise SafetyError(message)
        yield block

    def _count(self, load: _Load, number: int) -> None:
        if self._remote.stop.is_set():
            raise StoppedError
        with self._lock:
            self._moved[load.key] += number
