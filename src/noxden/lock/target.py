"""Targets: interpreters of other machines, described instead of asked.

What a machine can install follows from its Python and its platform: PEP 600 says it for glibc,
PEP 656 for musl, and packaging knows it for macOS. Markers follow too, but for the version of
the kernel, by which no package selects its dependencies.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, NamedTuple

from packaging.tags import compatible_tags, cpython_tags, mac_platforms, platform_tags

from noxden.errors import UsageError
from noxden.lock.interpreter import Interpreter

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["describe_target", "find_native_platform"]

_PYTHON = re.compile(r"3\.(?P<minor>\d{1,2})(?:\.(?P<patch>\d{1,2}))?(?P<threads>t?)")
_LINUX = re.compile(r"(?P<libc>many|musl)linux_(?P<major>\d+)_(?P<minor>\d+)_(?P<machine>\w+)")
_MAC = re.compile(r"macosx_(?P<major>\d+)_(?P<minor>\d+)_(?P<machine>arm64|x86_64)")

_MANYLINUX = {(2, 17): "manylinux2014", (2, 12): "manylinux2010", (2, 5): "manylinux1"}
"""Names from before PEP 600, by the glibc that they stand for."""
_OLDEST_GLIBC = {"x86_64": 5, "i686": 5}
"""Where not 2.17: manylinux1 and manylinux2010 were for these alone."""
_MACHINES = (
    "x86_64", "aarch64", "armv7l", "i686", "loongarch64", "ppc64", "ppc64le", "riscv64", "s390x",
)  # fmt: skip
_EXAMPLES = "manylinux_2_28_x86_64, manylinux2014_aarch64, musllinux_1_2_x86_64, macosx_14_0_arm64"


class _Platform(NamedTuple):
    """A platform: what it can install, and what markers say there."""

    tags: tuple[str, ...]
    """Platform tags, best first."""
    machine: str
    system: str
    sys_platform: str
    name: str
    """As ``sysconfig.get_platform()`` says there."""
    libc: str


def describe_target(python: str, platform: str) -> Interpreter:
    """The interpreter ``python`` on ``platform``; there is no executable of it here.

    ``python`` is a version of CPython: ``3.12``, ``3.12.4``, ``3.13t``. Without patch level it is
    the first of its minor version, as uv takes it: that one needs every backport. ``platform``
    is a platform tag of wheels: ``manylinux_2_28_aarch64`` is a machine with glibc 2.28.

    Raises:
        UsageError: there is no such version or platform, with examples.
    """
    minor, patch, threads = _parse_python(python)
    where = _parse_platform(platform)
    full = f"3.{minor}.{patch}"
    tag = f"cp3{minor}"
    tags = (
        *cpython_tags((3, minor), [tag + threads], where.tags),
        *compatible_tags((3, minor), tag, where.tags),
    )
    identity: dict[str, str | bool] = {
        "implementation": "cpython",
        "version": full,
        "build": "",
        "executable": "",
        "soabi": f"cpython-3{minor}{threads}",
        "free-threaded": bool(threads),
        "debug": False,
        "platform": where.name,
        "libc": where.libc,
    }
    markers = _describe_markers(full, where)
    return Interpreter("", identity, markers, tuple(map(str, tags)), ())


def find_native_platform() -> str:
    """The platform of this machine, as :func:`describe_target` takes it."""
    found = list(platform_tags())
    return next((tag for tag in found if not tag.startswith("linux_")), found[0])


def _describe_markers(full: str, where: _Platform) -> dict[str, str]:
    return {
        "implementation_name": "cpython",
        "implementation_version": full,
        "os_name": "posix",
        "platform_machine": where.machine,
        "platform_python_implementation": "CPython",
        "platform_release": "",
        "platform_system": where.system,
        "platform_version": "",
        "python_full_version": full,
        "python_version": full.rpartition(".")[0],
        "sys_platform": where.sys_platform,
    }


def _parse_python(python: str) -> tuple[int, int, str]:
    """Minor version, patch level and ``t`` or nothing."""
    found = _PYTHON.fullmatch(python.strip())
    if found is None:
        message = f"Python {python!r} is no version of a target; examples: 3.12, 3.12.4, 3.13t"
        raise UsageError(message)
    if found["threads"] and int(found["minor"]) < 13:  # noqa: PLR2004 - PEP 703
        message = f"Python {python!r} is no version of a target: 3.13t is the first without a GIL"
        raise UsageError(message)
    return int(found["minor"]), int(found["patch"] or 0), found["threads"]


def _parse_platform(platform: str) -> _Platform:
    name = platform.strip().lower()
    for version, legacy in _MANYLINUX.items():
        if name.startswith(f"{legacy}_"):
            name = "manylinux_{}_{}_".format(*version) + name.removeprefix(f"{legacy}_")
    if (linux := _LINUX.fullmatch(name)) and linux["machine"] in _MACHINES:
        version = int(linux["major"]), int(linux["minor"])
        described = _describe_linux(linux["libc"], version, linux["machine"])
        if described.tags:
            return described
    if mac := _MAC.fullmatch(name):
        version = int(mac["major"]), int(mac["minor"])
        tags = tuple(mac_platforms(version, mac["machine"]))
        label = f"macosx-{mac['major']}.{mac['minor']}-{mac['machine']}"
        if tags:
            return _Platform(tags, mac["machine"], "Darwin", "darwin", label, "")
    message = f"platform {platform!r} is none that wheels are for; examples: {_EXAMPLES}"
    raise UsageError(message)


def _describe_linux(libc: str, version: tuple[int, int], machine: str) -> _Platform:
    expand = _expand_manylinux if libc == "many" else _expand_musllinux
    tags = tuple(expand(version, machine))
    kind = "glibc" if libc == "many" else "musl"
    return _Platform(
        # What was built on such a machine for itself comes first, as it does there.
        (f"linux_{machine}", *tags) if tags else (),
        machine,
        "Linux",
        "linux",
        f"linux-{machine}",
        f"{kind} {version[0]}.{version[1]}",
    )


def _expand_manylinux(version: tuple[int, int], machine: str) -> Iterator[str]:
    """From this glibc down to the oldest that there are wheels for (PEP 600)."""
    if version[0] != 2:  # noqa: PLR2004 - there is no other glibc
        return
    for minor in range(version[1], _OLDEST_GLIBC.get(machine, 17) - 1, -1):
        yield f"manylinux_2_{minor}_{machine}"
        if legacy := _MANYLINUX.get((2, minor)):
            yield f"{legacy}_{machine}"


def _expand_musllinux(version: tuple[int, int], machine: str) -> Iterator[str]:
    """From this musl down to the first of its series (PEP 656)."""
    for minor in range(version[1], -1, -1):
        yield f"musllinux_{version[0]}_{minor}_{machine}"
