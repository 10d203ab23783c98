"""Base environments: third-party packages only, sealed, named by environment key."""

from __future__ import annotations

import contextlib
import csv
import json
import os
import shutil
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from noxden._switches import is_on
from noxden.den.owners import boot_id
from noxden.den.supply import FROM_UV, Supply
from noxden.errors import InfrastructureError, SafetyError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from noxden.den.resolve import Resolution, Workplace
    from noxden.den.wheels.fetch import Fetched

__all__ = [
    "Base",
    "build_base",
    "ensure_base",
    "find_missing",
    "is_whole",
    "iterate_records",
    "read_document",
    "site_packages",
]


class Base(NamedTuple):
    """A base environment that is there."""

    path: Path
    built: bool
    """Whether this call built it."""
    warnings: tuple[str, ...] = ()
    """What the health check found that does not stop the environment from being used."""


def site_packages(environment: Path, label: str) -> Path:
    """The site-packages of a venv; ``label`` is the Python's short name, ``3.12``."""
    return environment / "lib" / f"python{label}" / "site-packages"


def ensure_base(
    place: Workplace,
    resolution: Resolution,
    complete: Callable[[], Resolution],
    *,
    on_build: Callable[[], None] | None = None,
    supply: Supply = FROM_UV,
    on_wait: Callable[[], None] | None = None,
) -> Base:
    """Make sure the base environment of ``resolution`` is in the den.

    ``complete`` gives the resolution with its document and selection; it is called only when the
    environment has to be built.

    Raises:
        InfrastructureError: uv cannot build it, or what it built is not what was selected.
    """
    path = place.den.base(resolution.key)
    if is_whole(path):
        _note_need(place, resolution, supply)
        return Base(path, built=False)
    from noxden.den.lifecycle import publish

    warnings: list[str] = []

    def build(sibling: Path) -> None:
        if on_build is not None:
            on_build()
        whole = resolution if resolution.selection is not None else complete()
        warnings.extend(_build_supplied(place, whole, sibling, supply))

    if not place.den.writable:
        message = f"the den is read-only and lacks {path}; fill it first, or set NOXDEN_DIR"
        raise InfrastructureError(message)
    lock = place.den.locks / f"env-{resolution.key}.lock"
    built = publish(path, lock=lock, is_whole=is_whole, build=build, on_wait=on_wait)
    if not built:
        _note_need(place, resolution, supply)
    return Base(path, built, tuple(warnings))


def _note_need(place: Workplace, resolution: Resolution, supply: Supply) -> None:
    """Keep the wheels of a base that was there already, where the store has them."""
    if supply.need and (place.den.closures / f"{resolution.closure_id}.toml").exists():
        from noxden.den.wheels.needs import note_need

        with contextlib.suppress(OSError):
            note_need(place.den, place.project.root, supply.need, resolution.closure_id)


def _build_supplied(
    place: Workplace, resolution: Resolution, sibling: Path, supply: Supply
) -> Iterator[str]:
    """Bring the wheels in and build; where the store is damaged, mend it and build again."""
    from noxden.den.wheels.records import record_run
    from noxden.den.wheels.store import using_store

    with using_store(place.den):
        fetched = _supply(place, resolution, supply)
        yield from fetched.warnings if fetched is not None else ()
        begun = time.perf_counter()
        try:
            built = build_base(place, resolution, sibling)
        except (InfrastructureError, SafetyError):
            mended = _mend(place, resolution, supply)
            if not mended:
                _explain_missing(place, fetched)
                raise
            yield from mended
            for path in sibling.iterdir():
                shutil.rmtree(path) if path.is_dir() and not path.is_symlink() else path.unlink()
            begun = time.perf_counter()
            built = build_base(place, resolution, sibling)
        record_run(place, resolution, fetched, time.perf_counter() - begun, need=supply.need)
        yield from built


def _explain_missing(place: Workplace, fetched: Fetched | None) -> None:
    """Say what no source had, and why, where that made uv ask an index in vain.

    Raises:
        InfrastructureError: something was missing.
    """
    if fetched is not None and is_on(place.env, "NOXDEN_OFFLINE"):
        from noxden.den.wheels.fill import refuse_missing

        refuse_missing(place, fetched)


def _supply(place: Workplace, resolution: Resolution, supply: Supply) -> Fetched | None:
    """Bring the wheels of ``resolution`` into the store, where that is wanted."""
    from noxden.den.wheels.bundle import open_bundle
    from noxden.den.wheels.fill import fill_store, refuse_missing

    if not (supply.from_index or place.remote or open_bundle(place)):
        return None

    fetched = fill_store(place, resolution, supply)
    if supply.from_index and not is_on(place.env, "NOXDEN_OFFLINE"):
        refuse_missing(place, fetched)
    return fetched


def _mend(place: Workplace, resolution: Resolution, supply: Supply) -> list[str]:
    """Fetch again what is damaged in the store; a line for each that was."""
    from noxden.den.wheels.fill import mend_store

    return mend_store(place, resolution, supply)


def is_whole(base: Path) -> bool:
    """Whether ``base`` can be used: published, its interpreter there, its files written out.

    The last is looked at once after each boot. uv does not sync what it installs, so a power
    loss can leave files short under names that survived, or lose names; the packages that
    env.json selects, each with a RECORD, and the sizes in RECORD tell. A file that several
    packages ship is right when it is as one of them says: the one installed last won.
    """
    if not (os.path.exists(base / "env.json") and os.path.exists(base / "bin" / "python")):  # noqa: PTH110
        return False
    boot = boot_id()
    if boot == "unknown" or _read(base / ".boot") == boot:
        return True
    try:
        document = read_document(base)
        if not document or find_missing(base, document) or _has_short_files(base):
            return False
    except (OSError, ValueError, LookupError, TypeError, csv.Error):
        # The document and the lists of the files are themselves files that can be lost.
        return False
    _write_boot(base)
    return True


def find_missing(base: Path, document: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    """The packages that ``document`` selects and that have no RECORD in ``base``."""
    from packaging.utils import canonicalize_name

    there = {
        canonicalize_name(record.parent.name.split("-", 1)[0])
        for record in base.glob("lib/python*/site-packages/*.dist-info/RECORD")
        if record.stat().st_size
    }
    return [package for package in document.get("selection", ()) if package["name"] not in there]


def iterate_records(base: Path, info: str = "*.dist-info") -> Iterator[tuple[Path, str, str]]:
    """File, hash (``sha256=...``) and size of each line of each RECORD in ``base``.

    Hash and size are empty for the RECORD itself; lines outside of ``base`` are left out.
    ``info`` limits it to one ``.dist-info`` folder.
    """
    for record in sorted(base.glob(f"lib/python*/site-packages/{info}/RECORD")):
        root = record.parent.parent
        if not record.stat().st_size:
            yield record, "", "1"
        with record.open(encoding="utf-8", newline="") as file:
            for name, digest, size in csv.reader(file):
                path = Path(os.path.normpath(root / name))
                if path.is_relative_to(base):
                    yield path, digest, size


def build_base(place: Workplace, resolution: Resolution, sibling: Path) -> list[str]:
    """Build the environment in ``sibling``, check it, and write its document last.

    ``resolution`` must have its document and selection. Returns the warnings of the check.

    Raises:
        InfrastructureError: uv cannot build it, or what it built is not what was selected.
    """
    import tomli_w

    from noxden.den.wheels.install import localize
    from noxden.lock.selection import Selection
    from noxden.tools.complaints import explained

    at, uv = place.project.root, place.uv
    python = resolution.interpreter.executable
    pylock = sibling / "pylock.toml"
    target = sibling / "bin" / "python"
    selection = resolution.selection or Selection((), ())
    local, words = localize(place, resolution)
    with explained(f"build {place.den.base(resolution.key)}"):
        uv("venv", "--quiet", "--relocatable", "--no-project", "--python", python, sibling, cwd=at)
        pylock.write_text(tomli_w.dumps(local), "utf-8")
        uv("pip", "sync", "--allow-empty-requirements", *words, "--python", target, pylock, cwd=at)
        pylock.write_text(tomli_w.dumps(selection.pylock), "utf-8")
    site = site_packages(sibling, resolution.interpreter.label)
    _check_metadata(site, resolution)
    complaints = uv("pip", "check", "--python", target, cwd=at, expect=(0, 1))
    _write_boot(sibling)
    _write_document(sibling, resolution.document or {})
    return [*_third_party(complaints.stderr, resolution)] if complaints.returncode else []


def _third_party(said: str, resolution: Resolution) -> Iterator[str]:
    """What ``uv pip check`` found, packages of the checkout left out: they are not in a base."""
    local = [f"`{name}`" for name, *_ in resolution.local]
    for line in said.splitlines():
        if line.startswith("The package") and not any(name in line for name in local):
            yield line


def _check_metadata(site: Path, resolution: Resolution) -> None:
    """Make sure that the metadata of every selected package is there and names its version."""
    from importlib.metadata import DistributionFinder, MetadataPathFinder

    from packaging.utils import canonicalize_name, canonicalize_version

    # Not by distributions(): the package importlib_metadata, where something has imported it,
    # answers that too, and raises for metadata that is empty.
    here = MetadataPathFinder.find_distributions(DistributionFinder.Context(path=[str(site)]))
    found_here = [found for found in here if found.metadata["Name"]]
    # Old metadata spells versions as it likes (2023.01), the lock only one way (2023.1).
    installed = {
        canonicalize_name(found.name): canonicalize_version(
            found.version, strip_trailing_zero=False
        )
        for found in found_here
    }
    for package in (resolution.document or {})["selection"]:
        found = installed.get(package["name"])
        if found is None or (package["version"] and found != package["version"]):
            message = (
                f"uv installed {package['name']} {found or 'without metadata'}, the lock "
                f"selects {package['version']}; run: noxden doctor"
            )
            raise InfrastructureError(message)


def _write_document(base: Path, document: Mapping[str, object]) -> None:
    from noxden.lock.selection import canonical_json

    with (base / "env.json").open("wb") as file:
        file.write(canonical_json(document))
        file.flush()
        os.fsync(file.fileno())


def read_document(base: Path) -> Mapping[str, Any]:
    """The canonical document of ``base``; empty where there is none."""
    try:
        found = json.loads((base / "env.json").read_bytes())
    except (OSError, ValueError):
        return {}
    return found if isinstance(found, dict) else {}


def _has_short_files(base: Path) -> bool:
    """Whether a file is shorter than every RECORD that names it says, or gone from ``lib``."""
    least: dict[Path, int] = {}
    for path, _, size in iterate_records(base):
        least[path] = min(int(size or 0), least.get(path, sys.maxsize))
    return any(_is_short(base, path, size) for path, size in least.items())


def _is_short(base: Path, path: Path, size: int) -> bool:
    try:
        return path.stat().st_size < size
    except FileNotFoundError:
        return path.is_relative_to(base / "lib")


def _read(path: Path) -> str:
    try:
        return path.read_text("ascii")
    except OSError:
        return ""


def _write_boot(base: Path) -> None:
    try:
        (base / ".boot").write_text(boot_id(), "ascii")
    except OSError:
        return
