"""The key under which a CI cache saves a bundle, and what to fall back to."""

from __future__ import annotations

import hashlib
import platform
import re
import sys
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from noxden.lock.interpreter import Interpreter

__all__ = ["CacheKey", "compute_cache_key", "describe_system"]

_LONGEST_PART = 80
"""Six parts and a closure id stay below the 512 characters that a cache takes."""


class CacheKey(NamedTuple):
    """A key, and the beginning that older keys of the same kind share."""

    key: str
    prefix: str
    """Everything before the closure id: what was saved under such a key is mostly the same."""


def compute_cache_key(
    repository: str, system: str, interpreter: Interpreter, group: str, closure_id: str
) -> CacheKey:
    """``<repository>-<system>-<libc>-<machine>-<python and abi>-<group>-<closure id>``.

    Small letters, digits and ``._-``, at most 512 characters: what every CI system takes. A dash
    stands between parts only.
    """
    libc = str(interpreter.identity["libc"]).replace(" ", "") or "libc"
    machine = interpreter.markers["platform_machine"]
    python, abi, _ = interpreter.tags[0].split("-")
    python = f"{python}.{abi}" if python != abi else python
    parts = [_spell(part) for part in (repository, system, libc, machine, python, group)]
    prefix = "".join(f"{part}-" for part in parts)
    return CacheKey(prefix + closure_id, prefix)


def describe_system(interpreter: Interpreter) -> str:
    """Name and version of the system that ``interpreter`` is on: ``debian12``, ``macosx14.5``.

    Of another machine only what its platform says is known.
    """
    if not interpreter.executable:
        system, _, rest = str(interpreter.identity["platform"]).partition("-")
        return system + (rest.partition("-")[0] if system == "macosx" else "")
    if sys.platform == "darwin":
        return f"macosx{platform.mac_ver()[0]}"
    try:
        release = platform.freedesktop_os_release()
    except OSError:
        return sys.platform
    return release["ID"] + release.get("VERSION_ID", "")


def _spell(part: str) -> str:
    """``part`` as a part of a key; what is cut off is told apart by its hash."""
    plain = re.sub(r"[^a-z0-9._]+", ".", part.lower()).strip(".") or "none"
    if len(plain) <= _LONGEST_PART:
        return plain
    digest = hashlib.sha256(part.encode()).hexdigest()
    return f"{plain[: _LONGEST_PART - 9]}.{digest[:8]}"
