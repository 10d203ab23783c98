"""Interpreters: what identifies one, and what it can install."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from noxden.errors import InfrastructureError
from noxden.tools.process import run

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

__all__ = ["Interpreter", "compute_signature", "probe_interpreter"]

Signature = tuple[tuple[str, int, int, int], ...]

_PROBE = """
import json, os, platform, sys, sysconfig
sys.path.insert(0, sys.argv[1])
from packaging.markers import default_environment
from packaging.tags import sys_tags
library = os.path.join(sysconfig.get_config_var("LIBDIR") or "",
                       sysconfig.get_config_var("INSTSONAME") or "")
files = [os.path.realpath(sys.executable), os.__file__]
print(json.dumps({
    "executable": sys.executable,
    "files": files + [library] * os.path.isfile(library),
    "identity": {
        "implementation": sys.implementation.name,
        "version": platform.python_version(),
        "build": sys.version,
        "executable": os.path.realpath(sys.executable),
        "soabi": sysconfig.get_config_var("SOABI") or "",
        "free-threaded": bool(sysconfig.get_config_var("Py_GIL_DISABLED")),
        "debug": bool(sysconfig.get_config_var("Py_DEBUG")),
        "platform": sysconfig.get_platform(),
        "libc": " ".join(platform.libc_ver()),
    },
    "markers": default_environment(),
    "tags": [str(tag) for tag in sys_tags()],
}))
"""


class Interpreter(NamedTuple):
    """An interpreter on this machine."""

    executable: str
    """Path of the interpreter, as uv found it."""
    identity: Mapping[str, str | bool]
    """What makes two interpreters different; part of every environment key."""
    markers: Mapping[str, str]
    """Values of the environment markers (PEP 508)."""
    tags: tuple[str, ...]
    """Compatible wheel tags, best first."""
    signature: Signature
    """Path, size, mtime in ns and inode of the files that change when it is replaced."""

    @property
    def version(self) -> str:
        """Version with patch level, ``3.12.1``."""
        return str(self.identity["version"])

    @property
    def label(self) -> str:
        """Short name as in session names: ``3.12``, ``3.13t``."""
        minor = ".".join(self.version.split(".")[:2])
        return minor + ("t" if self.identity["free-threaded"] else "")

    def stands(self) -> bool:
        """Whether the files of the interpreter are still the ones that were probed."""
        return compute_signature([entry[0] for entry in self.signature]) == self.signature

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Interpreter:
        """The value that :meth:`to_json` wrote."""
        return cls(
            data["executable"],
            data["identity"],
            data["markers"],
            tuple(data["tags"]),
            tuple(tuple(entry) for entry in data["signature"]),
        )

    def to_json(self) -> dict[str, object]:
        """A JSON object with all fields."""
        return self._asdict()


def compute_signature(files: Sequence[str]) -> Signature:
    """Path, size, mtime in ns and inode of each file; zeros for one that is gone."""
    entries = []
    for name in files:
        try:
            at = os.stat(name)  # noqa: PTH116
        except OSError:
            entries.append((name, 0, 0, 0))
        else:
            entries.append((name, at.st_size, at.st_mtime_ns, at.st_ino))
    return tuple(entries)


def probe_interpreter(executable: Path, env: Mapping[str, str]) -> Interpreter:
    """Ask an interpreter who it is and which wheels fit it.

    It runs isolated and without site-packages; `packaging`, which is pure Python, is lent to it.

    Raises:
        InfrastructureError: it does not start, or is too old to run the probe.
    """
    import packaging

    lent = Path(packaging.__path__[0]).parent
    said = run([executable, "-I", "-S", "-c", _PROBE, str(lent)], env=env)
    try:
        facts = json.loads(said.stdout)
    except ValueError as error:
        message = f"{executable} answered {said.stdout[:80]!r} when asked who it is; reinstall it"
        raise InfrastructureError(message) from error
    signature = compute_signature(facts.pop("files"))
    return Interpreter.from_json({**facts, "signature": signature})
