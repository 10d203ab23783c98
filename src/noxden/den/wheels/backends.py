"""The build backends of the checkout's own packages, kept so that it installs offline.

uv builds these packages in isolation whenever they are installed, and takes what that needs from
the index. What it took is pinned here, by files in the wheel store: ``built/requires/<id>.toml``
names them, and a folder ``built/requires/<id>/<hash of the pins>/`` holds them for uv to find. uv
checks no hashes there, so the folder is hashed whenever uv is to read it.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import shutil
from typing import TYPE_CHECKING, NamedTuple

import tomli
import tomli_w

from noxden.den.lifecycle import publish
from noxden.den.wheels.build import read_backend
from noxden.den.wheels.damage import refuse_damaged
from noxden.den.wheels.manifests import find_wheels, write_note
from noxden.den.wheels.recipe import collect_conditions, plan_build
from noxden.den.wheels.store import artifact_path, find_artifact, hash_file, using_store
from noxden.errors import NoxdenError
from noxden.lock.selection import Artifact, canonical_json, read_selection

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    from noxden.den.layout import Den
    from noxden.den.resolve import Resolution, Workplace
    from noxden.den.wheels.recipe import Conditions, Recipe
    from noxden.lock.selection import Selection

__all__ = [
    "CheckoutBuild",
    "find_checkout_requires",
    "find_requires",
    "holding_tools",
    "keep_requires",
    "parse_requires",
    "plan_checkout",
]

_OF_UV = "uv_build"
"""A backend that uv has in itself."""

_DECIDING = ("pyproject.toml", "setup.py", "setup.cfg")


class CheckoutBuild(NamedTuple):
    """How uv builds a package of the checkout."""

    recipe: Recipe
    conditions: Conditions
    project: Path
    editable: bool

    @property
    def path(self) -> str:
        """Where the list of what it needs is, in a den as in a remote."""
        name = hashlib.sha256(f"{self.recipe.path} {self.editable}".encode()).hexdigest()
        return f"built/requires/{name}.toml"


def plan_checkout(place: Workplace, resolution: Resolution) -> list[CheckoutBuild]:
    """How the packages of the checkout are built that need more than uv for it."""
    conditions = collect_conditions(place, resolution)
    builds = []
    for name, path, editable, _ in resolution.local:
        project = place.project.root / path
        if not project.is_dir() or conditions.find_obstacle(name):
            continue
        files = [_read(project / file) for file in _DECIDING]
        digest = hashlib.sha256(b"\0".join(files)).hexdigest()
        artifact = Artifact(name, None, "directory", path, digest, "", None, {})
        with contextlib.suppress(NoxdenError):
            if read_backend(project, name).name != _OF_UV:
                recipe = plan_build(conditions, artifact)
                builds.append(CheckoutBuild(recipe, conditions, project, editable))
    return builds


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError:
        return b""


def keep_requires(den: Den, build: CheckoutBuild, requires: Selection) -> None:
    """Note that ``build`` needs ``requires``, which are in the store."""
    document = {
        "source": {"name": build.recipe.artifact.name, "sha256": build.recipe.artifact.content},
        "build": build.recipe.document,
        "packages": [dict(one.entry) for one in requires.artifacts],
    }
    write_note(den.root / build.path, tomli_w.dumps(document))


def parse_requires(text: str, build: CheckoutBuild) -> Selection | None:
    """What ``build`` needs, by a list of it; ``None`` where that is damaged or another's."""
    try:
        table = tomli.loads(text)
        return read_selection(table) if table["build"] == build.recipe.document else None
    except (tomli.TOMLDecodeError, ValueError, LookupError):
        return None


def find_requires(den: Den, build: CheckoutBuild) -> Selection | None:
    """What ``build`` needs; ``None`` where that is not known, or not in the store."""
    try:
        text = (den.root / build.path).read_text("utf-8")
    except OSError:
        return None
    requires = parse_requires(text, build)
    there = requires is not None and _find_wheels(den, build, requires) is not None
    return requires if there else None


def find_checkout_requires(place: Workplace, resolution: Resolution) -> dict[str, Selection]:
    """What the packages of the checkout need to be built, by the path of the list in the den."""
    return {
        build.path: requires
        for build in plan_checkout(place, resolution)
        for requires in [find_requires(place.den, build)]
        if requires is not None
    }


@contextlib.contextmanager
def holding_tools(place: Workplace, resolution: Resolution) -> Iterator[dict[str, str]]:
    """Variables by which uv finds offline what builds the packages of the checkout.

    While the block runs, none of it is pruned.

    Raises:
        SafetyError: a file is another than its hash names; it left the store.
        InfrastructureError: the den cannot be written.
    """
    folders = [place.env["UV_FIND_LINKS"]] if place.env.get("UV_FIND_LINKS") else []
    with using_store(place.den):
        for build in plan_checkout(place, resolution):
            requires = find_requires(place.den, build)
            wheels = requires and _find_wheels(place.den, build, requires)
            if wheels and (folder := _lay_out_tools(place.den, build, wheels)) is not None:
                folders.append(str(folder))
        yield {"UV_FIND_LINKS": ",".join(folders)} if folders else {}


def _find_wheels(den: Den, build: CheckoutBuild, requires: Selection) -> list[Artifact] | None:
    """The wheels of ``requires``, built ones among them; ``None`` where one is missing."""
    wheels = find_wheels(den, build.conditions, requires.artifacts)
    whole = all(not one.is_built and find_artifact(den, one) for one in wheels)
    return wheels if whole else None


def _lay_out_tools(den: Den, build: CheckoutBuild, wheels: Sequence[Artifact]) -> Path | None:
    """A folder of ``wheels`` and nothing else; ``None`` where it cannot be made in this den.

    Its name is the hash of what it holds, and it is whole or not there, so that who reads it
    sees no other pins, whoever pins anew meanwhile.
    """
    pins = {one.file: one for one in wheels}
    hashes = {file: one.content for file, one in pins.items()}
    name = hashlib.sha256(canonical_json(hashes)).hexdigest()
    folder = (den.root / build.path).with_suffix("") / name

    def is_whole(entry: Path) -> bool:
        try:
            return {path.name: hash_file(path) for path in entry.iterdir()} == hashes
        except OSError:
            return False

    def fill(sibling: Path) -> None:
        for one in pins.values():
            source = artifact_path(den, one.content, one.file)
            found = _link(source, sibling / one.file)
            if found != one.content:
                refuse_damaged(den, one, source, found)

    if not den.writable:
        return folder if is_whole(folder) else None
    publish(folder, lock=den.locks / f"tools-{name[:32]}.lock", is_whole=is_whole, build=fill)
    return folder


def _link(source: Path, target: Path) -> str:
    """Make ``target`` the same file as ``source``, or a copy of it; the sha256 of ``target``."""
    try:
        target.hardlink_to(source)
    except OSError:
        # Another file system, or one without such links.
        shutil.copyfile(source, target)
        target.chmod(0o444)
        with target.open("rb") as file:
            os.fsync(file.fileno())
    return hash_file(target)
