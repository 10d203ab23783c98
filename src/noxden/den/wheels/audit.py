"""Hash what the store has of some selections, or of all closures, and say what is wrong."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from noxden.den.wheels.check import check_artifacts
from noxden.den.wheels.closures import list_closures, read_closure
from noxden.den.wheels.store import artifact_path, using_store
from noxden.errors import SafetyError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from contextlib import AbstractContextManager

    from noxden.den.layout import Den
    from noxden.den.wheels.check import Damage
    from noxden.lock.selection import Artifact

    Meter = Callable[[str, int], AbstractContextManager[Callable[[int], None]]]
    """As :func:`noxden.render.progress`: a title, bytes in all, and what is told of each file."""

__all__ = ["Audit", "audit_artifacts", "collect_stored", "refuse_damaged"]


class Audit(NamedTuple):
    """What hashing found."""

    checked: int
    """How many files were hashed."""
    bytes: int
    absent: tuple[Artifact, ...]
    """Artifacts that are not in the store; a fetch brings them."""
    damages: tuple[Damage, ...]
    problems: tuple[str, ...]
    """Closures whose manifest is not what its name says, a line each."""

    @property
    def lines(self) -> list[str]:
        """What is wrong, a line each."""
        return [*self.problems, *(str(damage) for damage in self.damages)]


def collect_stored(den: Den) -> tuple[list[Artifact], list[str]]:
    """The artifacts of all closures of the store, and a line for each manifest that is wrong."""
    artifacts: list[Artifact] = []
    problems = []
    for closure_id in list_closures(den):
        try:
            selection = read_closure(den, closure_id)
        except SafetyError as error:
            problems.append(str(error))
        else:
            artifacts += selection.artifacts if selection is not None else ()
    return artifacts, problems


def audit_artifacts(
    den: Den, artifacts: Iterable[Artifact], meter: Meter, problems: Iterable[str] = ()
) -> Audit:
    """Hash what the store has of ``artifacts``, each once, showing the progress by ``meter``."""
    distinct = {(one.content, one.file): one for one in artifacts if one.kind != "vcs"}
    with using_store(den):
        sizes = {key: _size(den, artifact) for key, artifact in distinct.items()}
        there = [artifact for key, artifact in distinct.items() if sizes[key] is not None]
        total = sum(size or 0 for size in sizes.values())
        with meter("hashing", total) as advance:
            damages = check_artifacts(den, there, advance)
    absent = tuple(artifact for key, artifact in distinct.items() if sizes[key] is None)
    return Audit(len(there), total, absent, tuple(damages), tuple(problems))


def refuse_damaged(audit: Audit, advice: str) -> None:
    """Say what is wrong, each with package, file, expected and found hash.

    Raises:
        SafetyError: something is.
    """
    if audit.lines:
        message = f"{'; '.join(audit.lines)}; {advice}"
        raise SafetyError(message)


def _size(den: Den, artifact: Artifact) -> int | None:
    try:
        return artifact_path(den, artifact.content, artifact.file).stat().st_size
    except OSError:
        return None
