"""What an export holds: the files of a selection, and the lists by which tools install them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

import tomli_w
from packaging.utils import parse_wheel_filename

from noxden.den.wheels.backends import find_checkout_requires
from noxden.den.wheels.built import find_built
from noxden.den.wheels.manifests import find_wheels, iterate_manifests
from noxden.den.wheels.recipe import collect_conditions
from noxden.den.wheels.store import find_artifact
from noxden.errors import InfrastructureError

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence
    from pathlib import Path

    from noxden.den.layout import Den
    from noxden.den.resolve import Resolution, Workplace
    from noxden.den.wheels.recipe import Conditions
    from noxden.lock.selection import Artifact

__all__ = ["Contents", "Item", "collect_contents"]


class Item(NamedTuple):
    """A package file of an export."""

    name: str
    version: str
    file: str
    sha256: str
    size: int
    path: Path
    """Where it is in the store."""
    installed: bool
    """Whether the selection has it, or only builds need it."""

    @property
    def line(self) -> str:
        """The line of a requirements file that installs exactly this file."""
        return f"{self.name}=={self.version} --hash=sha256:{self.sha256}\n"


class Contents(NamedTuple):
    """The files of an export and what is written about them."""

    items: tuple[Item, ...]
    """Sorted by file name."""
    warnings: tuple[str, ...]
    local: tuple[str, ...]
    """Names of the packages of the checkout that the selection needs beside the project."""

    @property
    def texts(self) -> dict[str, str]:
        """The lists of packages, by name of the file."""
        installed = sorted(item for item in self.items if item.installed)
        return {
            "requirements.txt": "".join(item.line for item in installed),
            "build-requirements.txt": "".join(
                item.line for item in sorted(self.items) if not item.installed
            ),
            "pylock.toml": _render_pylock(installed),
        }


def collect_contents(place: Workplace, resolution: Resolution) -> Contents:
    """The files of ``resolution`` in the store.

    Raises:
        InfrastructureError: the store lacks one, or no wheel was built of a package.
    """
    conditions = collect_conditions(place, resolution)
    built = find_built(place, resolution)
    wanted = [built.get(one.name, one) for one in resolution.artifacts]
    items = [_describe(place.den, one, installed=True) for one in wanted if not one.is_built]
    sources = [one for one in wanted if one.is_built]
    _refuse_sources(conditions, sources)
    items += [_describe(place.den, one, installed=True) for one in sources]
    own = find_checkout_requires(place, resolution).values()
    requires = [one for selection in own for one in selection.artifacts]
    manifests = iterate_manifests(place.den, conditions, [*resolution.artifacts, *requires])
    requires += [one for found in manifests for one in found.requires.artifacts]
    tools = find_wheels(place.den, conditions, requires)
    items += [_describe(place.den, one, installed=False) for one in tools]
    local = tuple(_find_local(place, resolution))
    warnings = [_complain(one) for one in sources]
    warnings += [
        f"{name} is of the checkout and not in the folder; build it and add its wheel"
        for name in local
    ]
    return Contents(_unite(items), tuple(warnings), local)


def _refuse_sources(conditions: Conditions, sources: Iterable[Artifact]) -> None:
    """Refuse what nothing could install from a folder: no wheel was built of it.

    An sdist that a setting keeps from an isolated build is built where it is installed, in an
    environment that has what it needs.

    Raises:
        InfrastructureError: there is such a package.
    """
    there = bool(conditions.interpreter.executable)
    lost = []
    for one in sources:
        setting = conditions.find_obstacle(one.name)
        if one.kind != "sdist" or not setting:
            left = f"{setting} leaves it to uv" if setting else ""
            reason = left or ("nobody did" if there else "this is another platform")
            lost.append(f"{one.name} {one.version or ''}".rstrip() + f" ({reason})")
    if lost:
        message = (
            f"no wheel was built of {', '.join(lost)}, so the folder would not install; "
            f"export where noxden can build what has no wheel"
        )
        raise InfrastructureError(message)


def _find_local(place: Workplace, resolution: Resolution) -> Iterator[str]:
    """The packages of the checkout, without the project itself."""
    project = place.project.directory.resolve()
    for name, path, _, _ in resolution.local:
        if (place.project.root / path).resolve() != project:
            yield name


def _describe(den: Den, artifact: Artifact, *, installed: bool) -> Item:
    """The item that ``artifact`` is.

    Raises:
        InfrastructureError: the store does not have it.
    """
    path = find_artifact(den, artifact)
    if path is None:
        message = (
            f"the wheel store lacks {artifact.file}; run: nox -s wheelhouse -- fetch, "
            f"for the same groups"
        )
        raise InfrastructureError(message)
    version = artifact.version or str(parse_wheel_filename(artifact.file)[1])
    return Item(
        artifact.name,
        version,
        artifact.file,
        artifact.content,
        path.stat().st_size,
        path,
        installed,
    )


def _unite(items: Iterable[Item]) -> tuple[Item, ...]:
    """``items`` without those that are there twice, sorted by file.

    Raises:
        InfrastructureError: two have one name and differ.
    """
    united: dict[str, Item] = {}
    for item in items:
        known = united.setdefault(item.file, item)
        if known.sha256 != item.sha256:
            message = (
                f"two files are called {item.file} (sha256 {known.sha256[:12]} and "
                f"{item.sha256[:12]}): one folder cannot hold both"
            )
            raise InfrastructureError(message)
    return tuple(united[file] for file in sorted(united))


def _complain(artifact: Artifact) -> str:
    """What is to be known of an sdist that no wheel was built of."""
    label = f"{artifact.name} {artifact.version or ''}".rstrip()
    return f"{label} is in the folder as {artifact.file}, and built where it is installed"


def _render_pylock(items: Sequence[Item]) -> str:
    """A pylock.toml whose files lie beside it."""
    return tomli_w.dumps(
        {
            "lock-version": "1.0",
            "created-by": "noxden",
            "packages": [_render_package(item) for item in items],
        }
    )


def _render_package(item: Item) -> dict[str, Any]:
    source = {"path": item.file, "size": item.size, "hashes": {"sha256": item.sha256}}
    is_wheel = item.file.endswith(".whl")
    kind: dict[str, Any] = {"wheels": [source]} if is_wheel else {"sdist": source}
    return {"name": item.name, "version": item.version, **kind}
