from __future__ import annotations

import errno
import os
import subprocess
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from noxden.den.layout import Den, open_den
from noxden.den.wheels.check import Damage, quarantine
from noxden.den.wheels.closures import list_closures, read_closure, write_closure
from noxden.den.wheels.holdings import (
    BuiltEntry,
    ClosureEntry,
    Holdings,
    StoredEntry,
    collect_holdings,
)
from noxden.den.wheels.needs import collect_needs, note_need
from noxden.den.wheels.prune import Pruned, PrunePlan, apply_prune, compute_prune, plan_prune
from noxden.den.wheels.store import artifact_path, using_store
from noxden.errors import InfrastructureError
from noxden.lock.selection import Artifact, Selection

if TYPE_CHECKING:
    from collections.abc import Sequence

DAY = 86400.0
NOW = 1000 * DAY


@pytest.fixture
def den(tmp_path: Path) -> Den:
    return open_den({"NOXDEN_DIR": str(tmp_path / "den")})


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    folder = tmp_path / "checkout"
    folder.mkdir()
    (folder / "uv.lock").touch()
    return folder


def make_artifact(name: str, letter: str) -> Artifact:
    sha256, file = letter * 64, f"{name}-1.0-py3-none-any.whl"
    entry = {
        "name": name,
        "version": "1.0",
        "wheels": [{"url": f"https://i.example/{file}", "hashes": {"sha256": sha256}}],
    }
    return Artifact(name, "1.0", "wheel", file, sha256, "", None, entry)


SIX, ATTRS, TORCH = (make_artifact(*of) for of in (("six", "a"), ("attrs", "b"), ("torch", "c")))


def put(den: Den, artifacts: Sequence[Artifact], project: Path | None = None) -> str:
    """Artifacts in the store with their closure, and a need of ``project``."""
    for artifact in artifacts:
        path = artifact_path(den, artifact.content, artifact.file)
        if not path.exists():
            path.parent.mkdir(parents=True)
            path.write_bytes(b"x" * 5000)
    selection = Selection(tuple(artifacts), ())
    write_closure(den, selection)
    if project is not None:
        note_need(den, project, "heavy-3.12", selection.closure_id)
    return selection.closure_id


def there(den: Den) -> set[str]:
    return {path.name.split("-")[0] for path in den.wheels.glob("??/*/*.whl")}


def test_a_need_holds_what_it_was_noted_for_last(den: Den, checkout: Path) -> None:
    note_need(den, checkout, "heavy-3.12", "a" * 64)
    note_need(den, checkout, "heavy-3.13", "b" * 64)
    note_need(den, checkout, "heavy-3.12", "c" * 64)

    assert sorted(need[1:] for need in collect_needs(den)) == [
        ("b" * 64, True, str(checkout), "heavy-3.13"),
        ("c" * 64, True, str(checkout), "heavy-3.12"),
    ]


def test_a_need_that_says_the_same_again_is_not_written_again(den: Den, checkout: Path) -> None:
    note_need(den, checkout, "heavy", "a" * 64)
    [need] = collect_needs(den)
    before = need.file.stat()

    note_need(den, checkout, "heavy", "a" * 64)

    assert need.file.stat().st_ino == before.st_ino


def test_a_need_marks_its_closure_used(den: Den, checkout: Path) -> None:
    manifest = den.closures / f"{put(den, [SIX])}.toml"
    os.utime(manifest, (0, 0))

    note_need(den, checkout, "heavy", manifest.stem)

    assert manifest.stat().st_mtime > time.time() - 60


@pytest.mark.parametrize(
    "content",
    [
        "",
        "[]",
        '{"closure": 1}',
        '{"closure": "a", "project": 7}',
        '{"closure": "a", "project": "/"}',
    ],
)
def test_a_need_that_cannot_be_read_is_dead(den: Den, content: str) -> None:
    (den.closures / "needs").mkdir()
    (den.closures / "needs" / "broken.json").write_text(content)

    assert [need.live for need in collect_needs(den)] == [False]


def test_a_need_of_a_project_that_may_not_be_looked_at_is_live(
    den: Den, checkout: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    note_need(den, checkout, "heavy", "a" * 64)

    stat = Path.stat

    def refuse(path: Path) -> os.stat_result:
        if path.name == "uv.lock":
            raise PermissionError(errno.EACCES, "Permission denied")
        return stat(path)

    with monkeypatch.context() as patched:
        patched.setattr(Path, "stat", refuse)
        assert [need.live for need in collect_needs(den)] == [True]


def test_wheels_of_a_live_closure_stay_and_those_only_a_dead_one_names_go(
    den: Den, checkout: Path
) -> None:
    old = put(den, [ATTRS, SIX], checkout)
    new = put(den, [ATTRS, TORCH], checkout)

    plan = plan_prune(den)
    assert (plan.closures, plan.artifacts) == (
        (old,),
        (artifact_path(den, SIX.content, "x").parent,),
    )
    assert apply_prune(den, plan) == Pruned(plan.artifacts, plan.freed)

    assert list_closures(den) == [new]
    assert there(den) == {"attrs", "torch"}
    assert list((den.wheels / "aa").iterdir()) == []
    assert plan.freed >= 5000
    assert plan_prune(den) == PrunePlan()


def test_when_the_lock_of_a_project_is_gone_so_are_its_wheels_and_its_need(
    den: Den, checkout: Path, tmp_path: Path
) -> None:
    (tmp_path / "other").mkdir()
    (tmp_path / "other" / "uv.lock").touch()
    put(den, [ATTRS, SIX], checkout)
    put(den, [ATTRS, TORCH], tmp_path / "other")
    (checkout / "uv.lock").unlink()

    apply_prune(den, plan_prune(den))

    assert there(den) == {"attrs", "torch"}
    assert len(collect_needs(den)) == 1


def test_a_dead_closure_stays_until_it_is_too_old_where_an_age_is_given(den: Den) -> None:
    closure_id = put(den, [SIX])
    used = (den.closures / f"{closure_id}.toml").stat().st_mtime

    assert plan_prune(den, now=used + 29 * DAY, max_age=30 * DAY) == PrunePlan()
    assert plan_prune(den, now=used + 31 * DAY, max_age=30 * DAY).closures == (closure_id,)


def test_what_no_closure_names_stays_for_a_day(den: Den) -> None:
    put(den, [SIX])
    [manifest] = den.closures.glob("*.toml")
    manifest.unlink()
    [artifact] = collect_holdings(den).artifacts

    assert plan_prune(den, now=artifact.written + 0.9 * DAY) == PrunePlan()
    assert plan_prune(den, now=artifact.written + 1.1 * DAY).artifacts == (artifact.path,)


def test_a_manifest_that_was_damaged_still_keeps_what_it_names(den: Den, checkout: Path) -> None:
    closure_id = put(den, [SIX], checkout)
    path = den.closures / f"{closure_id}.toml"
    path.write_text(path.read_text() + "= not TOML")

    assert plan_prune(den, now=time.time() + 9 * DAY) == PrunePlan()


def test_old_downloads_damaged_wheels_and_what_killed_processes_left_go(den: Den) -> None:
    put(den, [SIX])
    damage = Damage(SIX, artifact_path(den, SIX.content, SIX.file), "d" * 64)
    damaged = quarantine(den, damage)
    partial = den.wheels / "partial" / ("e" * 64)
    partial.parent.mkdir()
    partial.write_bytes(b"half")
    dead = subprocess.run(
        [sys.executable, "-c", "from noxden.den.owners import sibling_name; print(sibling_name())"],
        capture_output=True, text=True, check=True,
    ).stdout.strip()  # fmt: skip
    (den.wheels / "aa" / dead).mkdir()
    (den.closures / dead).write_text("")

    fresh, later = plan_prune(den), plan_prune(den, now=time.time() + 2 * DAY)
    assert (fresh.partials, fresh.quarantine) == ((), ())
    assert (later.partials, later.quarantine) == ((partial,), (damaged,))
    assert set(fresh.leftovers) == {den.wheels / "aa" / dead, den.closures / dead}
    assert plan_prune(den, now=time.time() + 2 * DAY, max_age=9 * DAY).quarantine == ()

    apply_prune(den, later)

    assert [path for path in den.wheels.rglob("*") if not path.is_dir()] == []
    assert list(den.closures.glob(".*")) == []


def test_what_living_builders_make_stays(den: Den) -> None:
    from noxden.den.owners import sibling_name

    (den.wheels / "aa" / sibling_name()).mkdir(parents=True)

    assert plan_prune(den) == PrunePlan()


def test_nothing_goes_while_somebody_uses_the_store(den: Den) -> None:
    closure_id = put(den, [SIX])

    with using_store(den):
        said = apply_prune(den, plan_prune(den))

    assert said == Pruned(notes=("the store is in use; nothing was removed",))
    assert list_closures(den) == [closure_id]
    assert there(den) == {"six"}


def test_a_plan_that_is_out_of_date_removes_nothing_that_is_needed_now(
    den: Den, checkout: Path
) -> None:
    closure_id = put(den, [SIX, TORCH])
    plan = plan_prune(den)
    put(den, [ATTRS, SIX], checkout)

    apply_prune(den, plan)

    assert closure_id not in list_closures(den)
    assert there(den) == {"attrs", "six"}


def test_a_den_that_is_read_only_is_not_pruned(den: Den) -> None:
    with pytest.raises(InfrastructureError) as caught:
        apply_prune(den._replace(writable=False), PrunePlan())
    assert str(caught.value) == (
        f"the den {den.root} is read-only here; prune it where it can be written"
    )


def test_where_a_manifest_cannot_be_removed_its_wheels_stay(
    den: Den, monkeypatch: pytest.MonkeyPatch
) -> None:
    closure_id = put(den, [SIX])
    manifest = den.closures / f"{closure_id}.toml"

    def refuse(path: Path, *, missing_ok: bool = False) -> None:
        del missing_ok
        raise PermissionError(errno.EACCES, "Permission denied", str(path))

    with monkeypatch.context() as patched:
        patched.setattr(Path, "unlink", refuse)
        with pytest.raises(InfrastructureError) as caught:
            apply_prune(den, plan_prune(den))

    assert str(caught.value) == (
        f"cannot remove {manifest}: Permission denied; make it writable, run again"
    )
    assert read_closure(den, closure_id) is not None
    assert there(den) == {"six"}


def test_where_a_wheel_cannot_be_removed_the_others_go_and_it_is_told(
    den: Den, monkeypatch: pytest.MonkeyPatch
) -> None:
    put(den, [SIX, TORCH])
    rename, stuck = Path.rename, den.wheels / "aa" / SIX.content

    def refuse(path: Path, target: Path) -> Path:
        if path == stuck:
            raise PermissionError(errno.EACCES, "Permission denied", str(path))
        return rename(path, target)

    with monkeypatch.context() as patched:
        patched.setattr(Path, "rename", refuse)
        pruned = apply_prune(den, plan_prune(den))

    assert pruned.notes == (f"{stuck} stays: Permission denied",)
    assert there(den) == {"six"}


def entry(letter: str, written: float = 0.0) -> StoredEntry:
    return StoredEntry(Path(letter * 64), 10, written)


def closure(letter: str, names: str, *, live: bool) -> ClosureEntry:
    return ClosureEntry(letter * 64, NOW, live, frozenset(name * 64 for name in names))


def built(letter: str, source: str, names: str, written: float) -> BuiltEntry:
    wheels = frozenset(name * 64 for name in names)
    return BuiltEntry(Path(letter), frozenset([source * 64]), wheels, written)


def test_a_built_wheel_and_what_building_it_required_stay_with_their_source() -> None:
    holdings = Holdings(
        closures=(closure("1", "a", live=True),),
        artifacts=tuple(entry(letter) for letter in "abcd"),
        built=(built("manifest", "a", "bc", 0.0),),
    )

    assert compute_prune(holdings, NOW).artifacts == (Path("d" * 64),)


def test_what_was_built_to_build_another_stays_with_it_and_goes_with_it() -> None:
    nested = built("outer", "a", "bc", 0.0), built("inner", "c", "de", 0.0)
    artifacts = tuple(entry(letter, NOW) for letter in "abcde")
    live = Holdings((closure("1", "a", live=True),), artifacts, nested)
    dead = live._replace(closures=(closure("1", "a", live=False),))

    assert compute_prune(live, NOW) == PrunePlan()
    assert compute_prune(dead, NOW).built == (Path("outer"), Path("inner"))
    assert compute_prune(dead, NOW).artifacts == tuple(one.path for one in artifacts)


def test_a_built_manifest_that_cannot_be_read_is_known_by_its_folder(den: Den) -> None:
    folder = den.root / "built" / ("a" * 64)
    folder.mkdir(parents=True)
    for number, text in enumerate(["= no TOML", "", "source = 1"]):
        (folder / f"{number}.toml").write_text(text)

    assert [one.source for one in collect_holdings(den).built] == [{"a" * 64}] * 3


def test_a_built_wheel_goes_with_the_closure_that_named_its_source() -> None:
    holdings = Holdings(
        closures=(closure("1", "a", live=False), closure("2", "c", live=True)),
        artifacts=tuple(entry(letter, NOW) for letter in "abcd"),
        built=(built("manifest", "a", "bc", NOW), built("new", "e", "d", NOW)),
    )

    plan = compute_prune(holdings, NOW)

    assert plan.built == (Path("manifest"),)
    assert plan.artifacts == (Path("a" * 64), Path("b" * 64))


def test_a_built_wheel_that_no_closure_knows_goes_after_a_day(den: Den) -> None:
    folder = den.root / "built" / ("a" * 64)
    folder.mkdir(parents=True)
    text = f'[source]\nsha256 = "{"a" * 64}"\n[wheel]\nsha256 = "{"b" * 64}"\n'
    (folder / f"{'f' * 64}.toml").write_text(text)

    assert plan_prune(den) == PrunePlan()
    [entry] = collect_holdings(den).built
    assert sorted(entry.source) == ["a" * 64]
    assert sorted(entry.names) == ["a" * 64, "b" * 64]
    plan = plan_prune(den, now=time.time() + 2 * DAY)
    assert plan.built == (folder / f"{'f' * 64}.toml",)
    apply_prune(den, plan)
    assert not folder.exists()
