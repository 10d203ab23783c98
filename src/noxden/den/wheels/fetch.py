"""Bring artifacts into the store: several at a time, from the first source that has them."""

from __future__ import annotations

import threading
import time
from concurrent.futures import FIRST_COMPLETED, ThreadPoolExecutor, wait
from typing import TYPE_CHECKING, NamedTuple

from noxden.den.wheels.patience import StoppedError, deserves_more, pause
from noxden.den.wheels.sources import Abortable, AbsentError, MismatchError, SourceError
from noxden.den.wheels.store import find_artifact, receive
from noxden.errors import SafetyError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from noxden.den.layout import Den
    from noxden.den.wheels.sources import Source, Stream
    from noxden.den.wheels.store import Partial
    from noxden.lock.selection import Artifact

__all__ = ["Fetched", "Missing", "Progress", "Transfer", "fetch"]

_AT_ONCE = 8
_TICK_S = 0.2


class Transfer(NamedTuple):
    """What one source gave."""

    source: str
    artifacts: int
    bytes: int
    seconds: float
    """From the first byte asked of it to the last one it gave, over all that ran at once."""


class Missing(NamedTuple):
    """An artifact that no source could give."""

    artifact: Artifact
    reason: str
    """What each source said."""


class Fetched(NamedTuple):
    """What a fetch did."""

    transfers: tuple[Transfer, ...]
    """In the order of the sources; those that gave nothing are left out."""
    missing: tuple[Missing, ...]
    warnings: tuple[str, ...]
    """A line for each source that failed."""

    @property
    def bytes(self) -> int:
        """What was moved."""
        return sum(transfer.bytes for transfer in self.transfers)


class Progress(NamedTuple):
    """How far a fetch is."""

    artifacts: int
    """How many there are to fetch."""
    done: int
    """How many are there."""
    total: int
    """Bytes to move, as far as sizes are known."""
    moved: int
    """Bytes that are there, those of an earlier run too."""
    seconds: float
    """Since the fetch began."""


class _Account:
    """What one source gave and how it failed; all threads write to it."""

    def __init__(self, source: Source) -> None:
        self.source = source
        self.dead = ""
        self.wrong: list[MismatchError] = []
        self.artifacts = 0
        self.bytes = 0
        self.began: float | None = None
        self.ended = 0.0

    def leave_out(self, reason: str) -> None:
        """Ask this source no more; of several reasons the first counts."""
        if not self.dead:
            self.dead = reason

    @property
    def transfer(self) -> Transfer:
        seconds = 0.0 if self.began is None else self.ended - self.began
        return Transfer(self.source.name, self.artifacts, self.bytes, seconds)

    @property
    def warning(self) -> str:
        if self.wrong:
            more = f" and {len(self.wrong) - 1} more" if len(self.wrong) > 1 else ""
            # Who may write to a remote can put it right; nobody can for an index.
            mends = ", push --replace mends it" if self.source.name.startswith("remote ") else ""
            return f"{self.source.name} gave wrong content ({self.wrong[0]}{more}); not used{mends}"
        return f"{self.source.name} is left out: {self.dead}" if self.dead else ""


class _Work:
    """One fetch, as its threads see it."""

    def __init__(self, den: Den, sources: Sequence[Source]) -> None:
        self.den = den
        self.accounts = [_Account(source) for source in sources]
        self.stop = threading.Event()
        self.lock = threading.Lock()
        self.done = 0
        self.sizes: dict[str, int] = {}
        """Bytes of each artifact that is under way or there, by its sha256, as far as known."""
        self.offsets: dict[str, int] = {}
        """How much of each there is."""

    def fetch_one(self, artifact: Artifact) -> str:
        """Receive ``artifact``; the reason why nobody could give it, else empty."""
        reasons: list[str] = []

        def download(partial: Partial) -> None:
            self._note(artifact, partial, artifact.size)
            for account in self.accounts:
                if account.dead:
                    continue
                try:
                    self._download(account, artifact, partial)
                except AbsentError as error:
                    reasons.append(f"{account.source.name}: {error.reason}")
                except SourceError as error:
                    account.leave_out(error.reason)
                    reasons.append(f"{account.source.name}: {error.reason}")
                except MismatchError as error:
                    account.wrong.append(error)
                    reasons.append(f"{account.source.name}: {error}")
                else:
                    return
            raise _NobodyError

        try:
            receive(self.den, artifact, download, is_over=self.stop.is_set)
        except _NobodyError:
            return "; ".join(reasons) or "every source is left out"
        with self.lock:
            self.done += 1
        return ""

    def end(self) -> None:
        """Let all threads end, those too that wait for a server that says nothing."""
        self.stop.set()
        for account in self.accounts:
            if isinstance(account.source, Abortable):
                account.source.abort()

    def _download(self, account: _Account, artifact: Artifact, partial: Partial) -> None:
        """Receive from one source, with as many attempts as it deserves.

        What is wrong is tried once more from its beginning: it may have been left by an earlier
        run, or have come from another source in part.
        """
        attempt, again = 0, True
        while True:
            begun = partial.offset
            try:
                self._take(account, artifact, partial)
                partial.check()
            except MismatchError:
                self._note(artifact, partial)
                if not again:
                    raise
                again = False
            except SourceError as error:
                # Who gave something before the cut deserves more patience than who gave nothing.
                attempt = 1 if partial.offset > begun else attempt + 1
                if not deserves_more(error, attempt):
                    raise
                self._pause(attempt, error.after_s)
            else:
                account.artifacts += 1
                return

    def _take(self, account: _Account, artifact: Artifact, partial: Partial) -> None:
        begun = time.perf_counter()
        if account.began is None:
            account.began = begun
        stream = account.source.open(artifact, partial.offset)
        self._note(artifact, partial, stream.size if artifact.size is None else None)

        def advance(number: int) -> None:
            if self.stop.is_set():
                raise StoppedError
            self._note(artifact, partial)
            with self.lock:
                if number > 0:
                    account.bytes += number

        partial.take(stream, advance)
        account.ended = max(account.ended, time.perf_counter())
        _refuse_short(stream, partial)

    def _pause(self, attempt: int, after_s: float | None) -> None:
        pause(self.stop, attempt, after_s)

    def _note(self, artifact: Artifact, partial: Partial, size: int | None = None) -> None:
        """How far an artifact is, and how large where that is told."""
        with self.lock:
            self.offsets[artifact.content] = partial.offset
            if size is not None:
                self.sizes[artifact.content] = size


class _NobodyError(Exception):
    """No source could give an artifact."""


def fetch(
    den: Den,
    artifacts: Iterable[Artifact],
    sources: Sequence[Source],
    *,
    show: Callable[[Progress], None] = lambda _: None,
) -> Fetched:
    """Bring what the store lacks of ``artifacts`` in, from the first of ``sources`` that has it.

    ``show`` is called in the calling thread some times a second. Artifacts from version control
    have no file and are left out.

    Raises:
        SafetyError: the last source that there is gave something that is not what the hash names.
        InfrastructureError: the den cannot be written.
    """
    wanted = [
        artifact
        for artifact in artifacts
        if artifact.kind != "vcs" and find_artifact(den, artifact) is None
    ]
    # The largest first, so that no thread is left with it at the end.
    wanted.sort(key=lambda artifact: -(artifact.size or 0))
    work = _Work(den, sources)
    reasons = _run(work, wanted, show) if wanted else {}
    missing = tuple(
        Missing(artifact, reason) for artifact in wanted if (reason := reasons[artifact.content])
    )
    lost = {artifact.content for artifact, _ in missing}
    for account in work.accounts:
        for error in account.wrong:
            if error.artifact.content in lost:
                message = f"{error} from {account.source.name}; find out who changed it"
                raise SafetyError(message)
    return Fetched(
        tuple(account.transfer for account in work.accounts if account.artifacts),
        missing,
        tuple(account.warning for account in work.accounts if account.warning),
    )


def _run(
    work: _Work, wanted: Sequence[Artifact], show: Callable[[Progress], None]
) -> dict[str, str]:
    """Why each artifact, by its sha256, could not be had; empty for those that could."""
    start = time.perf_counter()
    with ThreadPoolExecutor(_AT_ONCE, "noxden-fetch") as pool:
        futures = {pool.submit(work.fetch_one, artifact): artifact for artifact in wanted}
        waiting = set(futures)
        try:
            while waiting:
                done, waiting = wait(waiting, _TICK_S, FIRST_COMPLETED)
                show(_progress(work, len(wanted), start))
                for future in done:
                    future.result()
        except BaseException:
            # Ctrl-C, a full disk: what came so far is kept, and nobody is waited for.
            work.end()
            pool.shutdown(wait=True, cancel_futures=True)
            raise
    return {futures[future].content: future.result() for future in futures}


def _progress(work: _Work, artifacts: int, start: float) -> Progress:
    with work.lock:
        seconds = time.perf_counter() - start
        total, moved = sum(work.sizes.values()), sum(work.offsets.values())
        return Progress(artifacts, work.done, total, moved, seconds)


def _refuse_short(stream: Stream, partial: Partial) -> None:
    """Notice a content that ended early and without an error.

    Raises:
        SourceError: it did.
    """
    if stream.size is not None and partial.offset < stream.size:
        message = f"the connection ended after {partial.offset} of {stream.size} bytes"
        raise SourceError(message, again=True)
