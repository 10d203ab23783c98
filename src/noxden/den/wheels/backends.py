"""The build backends of the checkout's own packages, kept so that it installs offline.

uv builds these packages in isolation whenever they are installed, and takes what that needs from
the index. What it took is pinned here, by files in the wheel store: ``built/requires/<id>.toml``
names them, and the folder ``built/requires/<id>/`` holds links to them, for uv to find.
"""

from __future__ import annotations

import contextlib
import hashlib
from typing import TYPE_CHECKING, NamedTuple

import tomli
import tomli_w

from noxden.den.wheels.build import read_backend
from noxden.den.wheels.manifests import find_wheels, write_note
from noxden.den.wheels.recipe import collect_conditions, plan_build
from noxden.den.wheels.store import artifact_path, find_artifact
from noxden.errors import NoxdenError
from noxden.lock.selection import Artifact, read_selection

if TYPE_CHECKING:
    from pathlib import Path

    from noxden.den.layout import Den
    from noxden.den.resolve import Resolution, Workplace
    from noxden.den.wheels.recipe import Conditions, Recipe
    from noxden.lock.selection import Selection

__all__ = [
    "CheckoutBuild",
    "find_checkout_requires",
    "find_links",
    "find_requires",
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


def find_links(place: Workplace, resolution: Resolution) -> dict[str, str]:
    """Variables by which uv finds offline what builds the packages of the checkout."""
    folders = [place.env["UV_FIND_LINKS"]] if place.env.get("UV_FIND_LINKS") else []
    for build in plan_checkout(place, resolution):
        requires = find_requires(place.den, build)
        if requires is not None:
            folders.append(str(_link(place.den, build, requires)))
    return {"UV_FIND_LINKS": ",".join(folders)} if folders else {}


def _find_wheels(den: Den, build: CheckoutBuild, requires: Selection) -> list[Artifact] | None:
    """The wheels of ``requires``, built ones among them; ``None`` where one is missing."""
    wheels = find_wheels(den, build.conditions, requires.artifacts)
    whole = all(not one.is_built and find_artifact(den, one) for one in wheels)
    return wheels if whole else None


def _link(den: Den, build: CheckoutBuild, requires: Selection) -> Path:
    """A folder with links to the wheels of ``requires``."""
    folder = (den.root / build.path).with_suffix("")
    with contextlib.suppress(OSError):  # in a den that cannot be written, they are there or not
        folder.mkdir(exist_ok=True)
        for one in _find_wheels(den, build, requires) or ():
            link = folder / one.file
            link.unlink(missing_ok=True)
            link.symlink_to(artifact_path(den, one.content, one.file))
    return folder
