"""What ``verify`` hashes of builds: wheels that were built, what built them, their manifests."""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING, NamedTuple

import pytest

from noxden.den.resolve import resolve
from noxden.den.supply import Supply
from noxden.den.wheels.audit import audit_selection, audit_store
from noxden.den.wheels.built import find_built
from noxden.den.wheels.fill import fill_store, mend_store
from noxden.den.wheels.store import artifact_path
from noxden.den.workplace import open_workplace
from noxden.lock.request import Request
from tests.sdists import make_backend, make_sdist

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from noxden.den.resolve import Resolution, Workplace
    from tests.conftest import MakeProject
    from tests.sandbox import Index, Sample

INDEX = Supply(from_index=True)


class At(NamedTuple):
    """A project with its den, as a session sees it."""

    place: Workplace
    resolution: Resolution

    def fill(self) -> None:
        assert fill_store(self.place, self.resolution, INDEX).warnings == ()

    @property
    def file(self) -> Path:
        """The wheel that was built."""
        (wheel,) = find_built(self.place, self.resolution).values()
        return artifact_path(self.place.den, wheel.content, wheel.file)

    @property
    def manifest(self) -> Path:
        (found,) = self.place.den.built.glob("*/*.toml")
        return found


def enter(sample: Sample, den: Path) -> At:
    place = open_workplace(sample.path, {**sample.env, "NOXDEN_DIR": str(den)})
    return At(place, resolve(place, Request(), complete=True))


@pytest.fixture
def sample(project: MakeProject, index: Index) -> Sample:
    """A project that needs ``tiny``, which is an sdist."""
    make_backend(index.folder)
    make_sdist(index.folder, "tiny")
    return project(["tiny"], more=index.setting)


@contextlib.contextmanager
def silent(_title: str, _total: int) -> Iterator[Callable[[int], None]]:
    yield lambda _: None


def test_what_was_built_and_what_built_it_is_hashed_and_mended(
    sample: Sample, fresh_den: Path
) -> None:
    at = enter(sample, fresh_den)
    at.fill()
    (tool,) = fresh_den.glob("wheels/??/*/tinybackend-*.whl")
    for audit in (
        audit_selection(at.place, at.resolution, silent),
        audit_store(at.place.den, silent),
    ):
        assert (audit.checked, audit.absent, audit.lines) == (3, (), [])
    for path in (at.file, tool):
        path.chmod(0o644)
        path.write_bytes(path.read_bytes()[:-1] + b"X")
    for audit in (
        audit_selection(at.place, at.resolution, silent),
        audit_store(at.place.den, silent),
    ):
        assert {damage.path for damage in audit.damages} == {at.file, tool}
    assert len(mend_store(at.place, at.resolution, INDEX)) == 2
    assert audit_selection(at.place, at.resolution, silent).lines == []
    assert (at.file.exists(), tool.exists()) == (True, True)


def test_what_built_a_wheel_may_be_missing_and_the_wheel_may_not(
    sample: Sample, fresh_den: Path
) -> None:
    at = enter(sample, fresh_den)
    at.fill()
    wheel = at.file
    (tool,) = fresh_den.glob("wheels/??/*/tinybackend-*.whl")
    tool.unlink()
    assert audit_store(at.place.den, silent).absent == ()
    wheel.unlink()
    for audit in (
        audit_selection(at.place, at.resolution, silent),
        audit_store(at.place.den, silent),
    ):
        assert [one.file for one in audit.absent] == [wheel.name]


@pytest.mark.parametrize("damage", ["garbage", "", "other"])
def test_a_manifest_of_a_build_that_was_changed_is_told_and_written_anew(
    damage: str, sample: Sample, fresh_den: Path
) -> None:
    at = enter(sample, fresh_den)
    at.fill()
    path, text = at.manifest, at.manifest.read_text()
    name = path.relative_to(fresh_den).as_posix()
    path.write_text(text.replace("format = 1", "format = 2") if damage == "other" else damage)
    (one,) = audit_store(at.place.den, silent).lines
    (two,) = audit_selection(at.place, at.resolution, silent).lines
    if damage == "other":
        assert one == f"the manifest {name} is that of another build"
        assert two == f"the manifest of tiny 1.0, {name}, is that of another build"
    else:
        assert one.startswith(f"the manifest {name} cannot be used: ")
        assert two.startswith(f"the manifest of tiny 1.0, {name}, cannot be used: ")
    at.fill()
    assert path.read_text() == text
