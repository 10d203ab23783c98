"""A project whose lock has as many packages as asked, made up without any index.

The mix follows real locks: two packages of five are native, with a wheel for each Python and
platform; every package needs a few others, some of them on one platform only; what the project
asks for is spread over its own dependencies, ``test`` and ``heavy``.
"""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

__all__ = ["write_synthetic_project"]

INDEX = "https://index.invalid/simple"
FILES = "https://files.invalid"
PYTHONS = ("cp311", "cp312", "cp313", "cp314")
PLATFORMS = (
    "macosx_10_12_x86_64",
    "macosx_11_0_arm64",
    "manylinux_2_17_aarch64.manylinux2014_aarch64",
    "manylinux_2_17_x86_64.manylinux2014_x86_64",
    "musllinux_1_2_aarch64",
    "musllinux_1_2_x86_64",
    "win32",
    "win_amd64",
    "win_arm64",
)
STRIDES = (3, 7, 19)
"""A package needs those this far behind it; so all are reached from the first few."""

ROOTS = 9
"""Packages the project asks for itself, a third in each of its three lists."""


def write_synthetic_project(folder: Path, packages: int) -> None:
    """Write pyproject.toml, an empty module, and a uv.lock that uv accepts without any network."""
    module = folder / "src" / "synthetic"
    module.mkdir(parents=True)
    (module / "__init__.py").write_text('"""Nothing."""\n', encoding="utf-8")
    (folder / "pyproject.toml").write_text(_render_manifest(), encoding="utf-8")
    blocks = [
        _render_head(),
        *(_render_package(number, packages) for number in range(packages)),
        _render_root(),
    ]
    (folder / "uv.lock").write_text("\n".join(blocks), encoding="utf-8")


def _name(number: int) -> str:
    return f"package-{number:04d}"


def _asked() -> tuple[list[str], list[str], list[str]]:
    """Return what the project needs itself, in ``test``, and in ``heavy``."""
    names = [_name(number) for number in range(ROOTS)]
    return names[0::3], names[1::3], names[2::3]


def _render_manifest() -> str:
    own, test, heavy = _asked()
    return f"""\
[build-system]
requires = ["uv_build>=0.9"]
build-backend = "uv_build"

[project]
name = "synthetic"
version = "0.1.0"
requires-python = ">=3.11"
dependencies = {own}

[dependency-groups]
test = {test}
heavy = {heavy}

[[tool.uv.index]]
url = "{INDEX}"
default = true
""".replace("'", '"')


def _render_head() -> str:
    return 'version = 1\nrevision = 3\nrequires-python = ">=3.11"\n'


def _render_package(number: int, packages: int) -> str:
    name, version = _name(number), f"{1 + number % 7}.{number % 31}.{number % 5}"
    lines = [
        "[[package]]",
        f'name = "{name}"',
        f'version = "{version}"',
        f'source = {{ registry = "{INDEX}" }}',
    ]
    needed = list(_needed(number, packages))
    if needed:
        lines += ["dependencies = [", *needed, "]"]
    stem = name.replace("-", "_")
    lines.append(f"sdist = {_render_file(f'{stem}-{version}.tar.gz')}")
    lines += [
        "wheels = [",
        *(f"    {_render_file(wheel)}," for wheel in _wheels(f"{stem}-{version}", number)),
        "]",
    ]
    return "\n".join(lines) + "\n"


def _needed(number: int, packages: int) -> Iterator[str]:
    """Yield the entries of ``dependencies``; the last of three is for one platform only."""
    for place, stride in enumerate(STRIDES):
        other = number + stride
        if other < packages:
            marker = ", marker = \"sys_platform == 'win32'\"" if place == len(STRIDES) - 1 else ""
            yield f'    {{ name = "{_name(other)}"{marker} }},'


def _wheels(stem: str, number: int) -> Iterator[str]:
    if number % 5 < 3:
        yield f"{stem}-py3-none-any.whl"
        return
    for python in PYTHONS:
        for platform in PLATFORMS:
            yield f"{stem}-{python}-{python}-{platform}.whl"


def _render_file(file: str) -> str:
    digest = hashlib.sha256(file.encode()).hexdigest()
    size = 10_000 + int(digest[:5], 16)
    url = f"{FILES}/packages/{digest[:2]}/{digest[2:4]}/{digest[4:]}/{file}"
    upload = "2026-01-02T03:04:05.678Z"
    return f'{{ url = "{url}", hash = "sha256:{digest}", size = {size}, upload-time = "{upload}" }}'


def _render_root() -> str:
    own, test, heavy = _asked()
    return f"""\
[[package]]
name = "synthetic"
version = "0.1.0"
source = {{ editable = "." }}
dependencies = {_names(own)}

[package.dev-dependencies]
heavy = {_names(heavy)}
test = {_names(test)}

[package.metadata]
requires-dist = {_names(own)}

[package.metadata.requires-dev]
heavy = {_names(heavy)}
test = {_names(test)}
"""


def _names(names: list[str]) -> str:
    return "[" + ", ".join(f'{{ name = "{name}" }}' for name in names) + "]"
