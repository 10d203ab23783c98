"""File systems: what lies where, and whether locks on it exclude."""

from __future__ import annotations

import os
import re
import sys
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from noxden._switches import is_on
from noxden.errors import SafetyError

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["Mount", "explain_unsafe_locks", "find_mount", "refuse_unsafe_locks"]

_NETWORK = {
    "9p", "afs", "beegfs", "ceph", "cifs", "fuse.glusterfs", "fuse.s3fs", "fuse.sshfs", "gfs2",
    "glusterfs", "gpfs", "lustre", "nfs", "nfs4", "ocfs2", "orangefs", "smb3", "virtiofs",
}  # fmt: skip
_LOCKS_STAY_LOCAL = {
    "nfs": {"nolock", "local_lock=all", "local_lock=flock"},
    "nfs4": {"nolock", "local_lock=all", "local_lock=flock"},
    "cifs": {"nobrl"},
    "smb3": {"nobrl"},
    "lustre": {"localflock", "noflock"},
}
"""Mount options under which flock excludes only processes of the same host."""
_LOCKS_NEVER_SHARED = {"9p", "afs", "fuse.s3fs", "fuse.sshfs", "virtiofs"}


_ESCAPED = re.compile(r"\\([0-7]{3})")
"""How mountinfo writes blanks, tabs, newlines and backslashes in paths."""


class Mount(NamedTuple):
    """What is mounted where a path lies."""

    point: str
    kind: str
    """Type of the file system as in mountinfo: ``ext4``, ``nfs4``, ``tmpfs``."""
    options: frozenset[str]

    @property
    def is_network(self) -> bool:
        """Whether other hosts can change the files."""
        return self.kind in _NETWORK


def find_mount(path: Path, mountinfo: str | None = None) -> Mount | None:
    """The mount that ``path`` lies on; ``None`` where the system does not tell.

    ``mountinfo`` is the text of /proc/self/mountinfo (proc(5)), read when not given.
    """
    if mountinfo is None:
        if sys.platform != "linux":
            return None
        mountinfo = Path("/proc/self/mountinfo").read_text("utf-8", "replace")
    real = os.path.realpath(path)
    best: Mount | None = None
    for line in mountinfo.splitlines():
        fields, _, rest = line.partition(" - ")
        point = _ESCAPED.sub(lambda found: chr(int(found[1], 8)), fields.split(" ")[4])
        inside = f"{real}/".startswith(f"{point.rstrip('/')}/")
        if inside and (best is None or len(point) >= len(best.point)):
            kind, _, super_options = rest.split(" ", 2)
            options = {*fields.split(" ")[5].split(","), *super_options.split(",")}
            best = Mount(point, kind, frozenset(options))
    return best


def explain_unsafe_locks(mount: Mount) -> str | None:
    """Why locks on ``mount`` do not exclude everybody who can write there, or ``None``."""
    if mount.kind in _LOCKS_NEVER_SHARED:
        return f"{mount.kind} does not tell other hosts about locks"
    bad = sorted(_LOCKS_STAY_LOCAL.get(mount.kind, set()) & mount.options)
    if bad:
        return f"{mount.kind} is mounted with {', '.join(bad)}, so locks stay on this host"
    return None


def refuse_unsafe_locks(root: Path, env: Mapping[str, str], mountinfo: str | None = None) -> None:
    """Refuse a den on a network file system whose locks do not exclude.

    ``NOXDEN_ALLOW_UNSAFE_LOCKS=1`` overrides it, for a share that only one host uses.

    Raises:
        SafetyError: with the reason.
        UsageError: the variable is neither on nor off.
    """
    mount = find_mount(root, mountinfo)
    reason = explain_unsafe_locks(mount) if mount else None
    if reason and not is_on(env, "NOXDEN_ALLOW_UNSAFE_LOCKS"):
        message = (
            f"the den {root} is on {reason}; set NOXDEN_DIR to a local disk, or "
            f"NOXDEN_ALLOW_UNSAFE_LOCKS=1 if only this host uses it"
        )
        raise SafetyError(message)
