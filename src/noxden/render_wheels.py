"""What is told of the wheel store, by the session ``wheelhouse`` and by ``noxden wheels``."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from noxden.render import print_lines, print_table, render_age, render_size, render_time

if TYPE_CHECKING:
    from collections.abc import Sequence

    from noxden.den.wheels.audit import Audit
    from noxden.den.wheels.listing import StoredClosure

__all__ = ["audit_to_json", "closure_to_json", "print_closures", "render_audit"]


def print_closures(closures: Sequence[StoredClosure], now: float) -> None:
    """Print a table of closures, and what is wrong with them; ``now`` is in seconds since 1970."""
    columns = ("closure", "packages>", "size>", "last used", "needed by")
    print_table(columns, (_to_row(one, now) for one in closures))
    print_lines(one.problem for one in closures if one.problem)


def closure_to_json(closure: StoredClosure) -> dict[str, Any]:
    """A closure for scripts."""
    return {
        **closure._asdict(),
        "needs": list(closure.needs),
        "last_used": render_time(closure.last_used),
    }


def render_audit(audit: Audit) -> str:
    """One line: what was hashed, and how much of it is wrong."""
    parts = [f"{audit.checked} files hashed, {render_size(audit.bytes)}"]
    if audit.absent:
        parts.append(f"{len(audit.absent)} not in the store")
    parts.append(f"{len(audit.lines)} wrong" if audit.lines else "as their names say")
    return "; ".join(parts)


def audit_to_json(audit: Audit) -> dict[str, Any]:
    """The outcome of hashing for scripts."""
    return {
        "checked": audit.checked,
        "bytes": audit.bytes,
        "absent": [f"{one.name} {one.version or ''}".strip() for one in audit.absent],
        "damaged": [
            {
                "package": damage.artifact.name,
                "version": damage.artifact.version,
                "file": damage.path,
                "expected": damage.artifact.content,
                "found": damage.found,
            }
            for damage in audit.damages
        ],
        "problems": list(audit.problems),
    }


def _to_row(closure: StoredClosure, now: float) -> tuple[str, ...]:
    return (
        closure.closure[:12],
        "?" if closure.problem else str(closure.packages),
        "?" if closure.problem else render_size(closure.size),
        render_age(now - closure.last_used),
        "\n".join(closure.needs) or "-",
    )
