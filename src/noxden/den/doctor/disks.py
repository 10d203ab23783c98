"""The den and the checkout on disk: rights, file systems, and whether files can be linked."""

from __future__ import annotations

import contextlib
import errno
import fcntl
import os
import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

from noxden.den.doctor.values import BROKEN, OK, WARNING, Diagnosis
from noxden.den.filesystem import explain_unsafe_locks, find_mount
from noxden.den.layout import open_den
from noxden.errors import NoxdenError

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from noxden.den.layout import Den

__all__ = ["check_checkout", "check_den", "find_link_mode"]

_FICLONE = 0x40049409
"""Linux ioctl that makes a file share the blocks of another (ioctl_ficlone(2))."""


def check_den(env: Mapping[str, str]) -> tuple[Den | None, list[Diagnosis]]:
    """The den, if it can be opened, and what there is to say about it."""
    try:
        den = open_den(env)
    except NoxdenError as error:
        return None, [Diagnosis("den", BROKEN, str(error), "see the message")]
    said = [Diagnosis("den", OK, f"{den.root}, private to you")]
    if not den.writable:
        said = [
            Diagnosis(
                "den", WARNING, f"{den.root} is read-only: nothing new can be built",
                "mount it writable, or set NOXDEN_DIR to fill another",
            )
        ]  # fmt: skip
    return den, [*said, *_check_mount("den", den.root), *_check_links(den)]


def check_checkout(den: Den | None, checkout: Path) -> Iterator[Diagnosis]:
    """What there is to say about where the checkout is."""
    yield from _check_mount("checkout", checkout)
    if den is None:
        return
    mode = find_link_mode(den.root, checkout)
    if mode == "copy":
        yield Diagnosis(
            "links", OK,
            "den and checkout are on different file systems; layered environments do not mind, "
            "a session with layered=False copies every package",
        )  # fmt: skip


def find_link_mode(source: Path, target: Path) -> str:
    """How uv can bring a file from ``source`` to ``target``: it is really tried.

    ``reflink``, ``hardlink``, ``copy``, or ``unknown`` where one of them cannot be written.
    """
    try:
        with (
            tempfile.NamedTemporaryFile(dir=source, prefix=".noxden-probe-") as file,
            tempfile.TemporaryDirectory(dir=target, prefix=".noxden-probe-") as folder,
        ):
            file.write(b"noxden" * 1000)
            file.flush()
            if _can_clone(file.fileno(), Path(folder, "clone")):
                return "reflink"
            with contextlib.suppress(OSError):
                os.link(file.name, Path(folder, "link"))
                return "hardlink"
            return "copy"
    except OSError:
        return "unknown"


def _can_clone(source: int, target: Path) -> bool:
    if sys.platform != "linux":
        return False
    with target.open("wb") as file:
        try:
            fcntl.ioctl(file.fileno(), _FICLONE, source)
        except OSError as error:
            if error.errno in {errno.EOPNOTSUPP, errno.EXDEV, errno.EINVAL, errno.ENOTTY}:
                return False
            raise
    return True


def _check_mount(name: str, path: Path) -> Iterator[Diagnosis]:
    mount = find_mount(path)
    if mount is None:
        return
    reason = explain_unsafe_locks(mount)
    if reason and name == "den":
        yield Diagnosis(
            name, BROKEN, f"{path} is on {reason}",
            "set NOXDEN_DIR to a local disk, or mount the share so that locks exclude",
        )  # fmt: skip
    elif mount.is_network:
        message = f"{path} is on a network file system ({mount.kind}): slow to import from"
        where = "set NOXDEN_DIR to a local disk" if name == "den" else "keep it on a local disk"
        yield Diagnosis(name, WARNING, message, where)
    else:
        yield Diagnosis(name, OK, f"{path} is on {mount.kind}, mounted at {mount.point}")


def _check_links(den: Den) -> Iterator[Diagnosis]:
    """Whether uv links from its cache in the den into base environments."""
    mode = find_link_mode(den.uv_cache, den.envs)
    if mode == "copy":
        message = f"{den.uv_cache} and {den.envs} cannot share files: uv copies each one"
        remedy = "keep the den in one file system that has hard links"
        yield Diagnosis("links", WARNING, message, remedy)
    elif mode != "unknown":
        yield Diagnosis("links", OK, f"uv can bring packages into the den's environments by {mode}")
