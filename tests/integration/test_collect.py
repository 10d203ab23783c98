"""Garbage collection on real environments."""

from __future__ import annotations

import fcntl
import json
import os
import shutil
import subprocess
import sys
import time
from typing import TYPE_CHECKING

import pytest

from noxden.cli import Caller, main
from noxden.den.collect import apply_plan, compute_plan, remove_base
from noxden.den.inventory import collect_bases, collect_inventory, is_in_use, measure_den
from noxden.den.layout import Den, open_den
from noxden.den.limits import Limits
from noxden.den.locks import hold_use
from noxden.den.prepare import prepare
from noxden.den.workplace import open_workplace
from noxden.lock.request import Request
from noxden.tools.uv import Uv

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from noxden.den.prepare import Prepared
    from tests.conftest import MakeProject
    from tests.sandbox import Sample

EVERYTHING = Limits(max_size=0, max_age=0.0)
SIX, ATTRS = Request(only_groups=("six",)), Request(only_groups=("attrs",))


@pytest.fixture
def sample(project: MakeProject) -> Sample:
    return project(groups={"six": ["six"], "attrs": ["attrs"]})


@pytest.fixture
def own(fresh_den: Path, env: dict[str, str]) -> Den:
    env["NOXDEN_DIR"] = str(fresh_den)
    return open_den(env)


def make(sample: Sample, env: dict[str, str], request: Request, name: str) -> Prepared:
    """An environment that no session uses any more."""
    prepared = prepare(open_workplace(sample.path, env), request, sample.path / name)
    for descriptor in prepared.held:
        os.close(descriptor)
    return prepared


def collect(own: Den, env: dict[str, str], limits: Limits = EVERYTHING) -> tuple[str, ...]:
    plan = compute_plan(collect_inventory(own), limits, time.time() + 1)
    return apply_plan(own, plan, Uv(env, own.uv_cache)).removed


def keys(own: Den) -> list[str]:
    return [entry.key for entry in collect_bases(own)]


def test_a_base_stays_while_an_environment_stands_on_it_and_goes_after(
    sample: Sample, own: Den, env: dict[str, str]
) -> None:
    key = make(sample, env, SIX, "a").resolution.key
    assert collect(own, env) == ()

    shutil.rmtree(sample.path / "a")

    assert collect(own, env) == (key,)
    assert keys(own) == []
    assert list(own.uses.glob("*.roots")) == []


def test_an_environment_that_moves_on_lets_its_old_base_go(
    sample: Sample, own: Den, env: dict[str, str]
) -> None:
    old = make(sample, env, SIX, "a").resolution.key
    new = make(sample, env, ATTRS, "a").resolution.key

    assert collect(own, env) == (old,)
    assert keys(own) == [new]


def test_a_base_in_use_stays_even_without_an_environment(
    sample: Sample, own: Den, env: dict[str, str]
) -> None:
    key = make(sample, env, SIX, "a").resolution.key
    shutil.rmtree(sample.path / "a")
    held = hold_use(own.uses / f"{key}.lock")
    assert held is not None

    assert collect(own, env) == ()
    assert remove_base(own, key, time.time() + 1) == "in use"

    os.close(held)
    assert collect(own, env) == (key,)


def test_a_plan_that_is_out_of_date_removes_nothing_that_is_needed_now(
    sample: Sample, own: Den, env: dict[str, str]
) -> None:
    make(sample, env, SIX, "a")
    shutil.rmtree(sample.path / "a")
    plan = compute_plan(collect_inventory(own), EVERYTHING, time.time() + 1)
    key = make(sample, env, SIX, "b").resolution.key

    outcome = apply_plan(own, plan, Uv(env, own.uv_cache))

    assert outcome.removed == ()
    assert outcome.kept == ((key, f"{sample.path / 'b'} stands on it"),)


def test_a_den_that_was_emptied_learns_its_roots_again(
    sample: Sample, own: Den, env: dict[str, str]
) -> None:
    make(sample, env, SIX, "a")
    for folder in (own.envs, own.uses):
        shutil.rmtree(folder)
        folder.mkdir()

    assert make(sample, env, SIX, "a").reused

    assert collect(own, env) == ()


def test_a_root_is_there_before_the_environment_counts(
    sample: Sample, own: Den, env: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    from noxden.den import worktrees

    seen: list[int] = []
    write = worktrees.WorktreeEnvironment.write_record

    def look_first(self: worktrees.WorktreeEnvironment, scripts: Sequence[str] = ()) -> None:
        seen.append(len(list(own.uses.glob("*.roots/*"))))
        write(self, scripts)

    monkeypatch.setattr(worktrees.WorktreeEnvironment, "write_record", look_first)
    make(sample, env, SIX, "a")

    assert seen == [1]


def test_packages_that_nothing_selects_any_more_leave_uv_s_cache_too(
    project: MakeProject, env: dict[str, str], tmp_path: Path
) -> None:
    sample = project(groups={"six": ["six"], "attrs": ["attrs"]})
    env["NOXDEN_DIR"] = str(tmp_path / "own-den")
    own = open_den(env)
    make(sample, env, SIX, "a")
    make(sample, env, ATTRS, "b")
    shutil.rmtree(sample.path / "a")
    before = measure_den(own)

    plan = compute_plan(collect_inventory(own), Limits(10**12, 0.0), time.time() + 1)
    outcome = apply_plan(own, plan, Uv(env, own.uv_cache))

    assert plan.packages == ("six",)
    assert outcome.notes == ()
    assert outcome.freed == before - measure_den(own) > 30_000
    assert make(sample, env, ATTRS, "c").built_base is False
    assert list(own.uv_cache.rglob("six.py")) == []


def test_the_cache_stays_while_a_session_runs(
    sample: Sample, own: Den, env: dict[str, str]
) -> None:
    make(sample, env, SIX, "a")
    shutil.rmtree(sample.path / "a")
    held = hold_use(own.uses / f"{make(sample, env, ATTRS, 'b').resolution.key}.lock")
    assert held is not None

    plan = compute_plan(collect_inventory(own), EVERYTHING, time.time() + 1)
    outcome = apply_plan(own, plan, Uv(env, own.uv_cache))
    os.close(held)

    assert len(outcome.removed) == 1
    assert outcome.notes == (
        "uv's cache stays as it is while sessions run; run noxden gc again later",
    )


def test_what_killed_builders_left_goes_and_what_living_ones_build_stays(
    own: Den, env: dict[str, str]
) -> None:
    from noxden.den.owners import sibling_name

    dead = subprocess.run(
        [sys.executable, "-c", "from noxden.den.owners import sibling_name; print(sibling_name())"],
        capture_output=True, text=True, check=True, env=env,
    ).stdout.strip()  # fmt: skip
    for name in (dead, sibling_name()):
        (own.envs / name / "lib").mkdir(parents=True)

    collect(own, env)

    assert [at.name for at in own.envs.iterdir()] == [name]


def test_sizes_count_a_hard_linked_file_once_in_the_den(
    sample: Sample, own: Den, env: dict[str, str]
) -> None:
    make(sample, env, SIX, "a")

    inventory = collect_inventory(own)

    [entry] = inventory.bases
    [(artifact, shared)] = entry.shared.items()
    assert artifact.startswith("six@")
    assert frozenset([artifact]) == entry.artifacts
    assert shared > 30_000
    assert inventory.total < inventory.uv_cache + entry.size - 20_000


def test_two_versions_of_a_package_are_two_artifacts_and_the_idle_one_s_bytes_go(
    project: MakeProject, env: dict[str, str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    env["NOXDEN_DIR"] = str(tmp_path / "own-den")
    own = open_den(env)
    old = make(project(groups={"six": ["six==1.16.0"]}, name="old"), env, SIX, "a")
    new = make(project(groups={"six": ["six==1.17.0"]}, name="new"), env, SIX, "b")
    shutil.rmtree(old.environment.location)
    [removal] = compute_plan(collect_inventory(own), EVERYTHING, time.time() + 1).removals
    assert removal.frees > 30_000

    code = main(["gc", "--max-size", "1kB", "--json"], Caller(env, tmp_path))

    done = json.loads(capsys.readouterr().out)
    assert code == 0
    assert done["outcome"]["removed"] == [old.resolution.key]
    assert (done["packages"], done["drop_downloads"]) == ([], True)
    assert keys(own) == [new.resolution.key]
    assert list(own.uv_cache.rglob("six.py")) == []
    assert next(new.environment.base.rglob("six.py")).stat().st_size > 30_000


def test_the_cache_drops_its_downloads_before_a_base_goes(
    project: MakeProject, env: dict[str, str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    env["NOXDEN_DIR"] = str(tmp_path / "own-den")
    own = open_den(env)
    sample = project(groups={"six": ["six"], "attrs": ["attrs"]})
    key = make(sample, env, SIX, "a").resolution.key
    idle = make(sample, env, ATTRS, "b")
    shutil.rmtree(sample.path / "a")
    shutil.rmtree(sample.path / "b")
    remove_base(own, idle.resolution.key, time.time() + 1)
    inventory = collect_inventory(own)
    assert inventory.only_cache > 200_000
    size = inventory.total - 100_000

    code = main(["gc", "--max-size", str(size), "--json"], Caller(env, tmp_path))

    assert code == 0
    assert json.loads(capsys.readouterr().out)["outcome"]["removed"] == []
    assert keys(own) == [key]
    assert measure_den(own) < size


def test_what_was_replaced_goes_when_nobody_uses_its_base(own: Den, env: dict[str, str]) -> None:
    key = "a" * 64
    replaced = own.envs / f".building-replaced-0-0-{key}.1234abcd"
    (replaced / "lib").mkdir(parents=True)
    held = hold_use(own.uses / f"{key}.lock")
    assert held is not None

    collect(own, env)
    assert replaced.is_dir()

    os.close(held)
    collect(own, env)
    assert list(own.envs.iterdir()) == []


def test_what_a_killed_writer_of_a_root_left_goes_after_an_hour(
    own: Den, env: dict[str, str]
) -> None:
    folder = own.uses / f"{'a' * 64}.roots"
    folder.mkdir()
    part = folder / ".name.4711"
    part.write_text("/checkout")

    collect(own, env)
    assert part.exists()

    os.utime(part, (time.time() - 3700, time.time() - 3700))
    collect(own, env)
    assert not folder.exists()


def test_two_that_ask_at_the_same_time_who_uses_a_base_do_not_take_each_other_for_users(
    own: Den, monkeypatch: pytest.MonkeyPatch
) -> None:
    lock = own.uses / f"{'a' * 64}.lock"
    asking = os.open(lock, os.O_RDWR | os.O_CREAT)
    fcntl.flock(asking, fcntl.LOCK_EX)

    def end_before_the_second_look(seconds: float) -> None:
        if seconds:
            fcntl.flock(asking, fcntl.LOCK_UN)

    monkeypatch.setattr(time, "sleep", end_before_the_second_look)

    assert not is_in_use(own, "a" * 64)

    fcntl.flock(asking, fcntl.LOCK_SH)
    monkeypatch.setattr(time, "sleep", lambda _: None)
    assert is_in_use(own, "a" * 64)
    os.close(asking)


@pytest.mark.usefixtures("own")
def test_a_base_never_consists_of_links_into_the_cache_that_gc_empties(
    sample: Sample, env: dict[str, str]
) -> None:
    sample.write("uv.toml", 'link-mode = "symlink"')
    env["UV_LINK_MODE"] = "symlink"

    base = make(sample, env, SIX, "a").environment.base

    assert not next(base.glob("lib/python*/site-packages/six.py")).is_symlink()
