"""Pruning of a wheel store that projects filled."""

from __future__ import annotations

import json
import os
import shutil
from typing import TYPE_CHECKING

import pytest

from noxden.cli import Caller, main
from noxden.den.inventory import collect_inventory, measure_den
from noxden.den.layout import Den, open_den
from noxden.den.resolve import resolve
from noxden.den.supply import Supply
from noxden.den.wheels.closures import list_closures
from noxden.den.wheels.fill import fill_store
from noxden.den.wheels.prune import PrunePlan, apply_prune, plan_prune
from noxden.den.workplace import open_workplace
from noxden.lock.request import Request
from tests.sandbox import make_wheel

if TYPE_CHECKING:
    from pathlib import Path

    from noxden.den.wheels.fetch import Fetched
    from tests.conftest import MakeProject, RunNox
    from tests.sandbox import Index, Sample

HEAVY = """
import noxden

noxden.heavy(groups=["heavy"])
"""
PACKAGES = ("nxlarge", "nxsmall", "nxother")


@pytest.fixture
def own(quick_den: Path, env: dict[str, str]) -> Den:
    env["NOXDEN_DIR"] = str(quick_den)
    return open_den(env)


@pytest.fixture
def two(project: MakeProject, index: Index) -> tuple[Sample, Sample]:
    """Two projects that share a package."""
    for name in PACKAGES:
        make_wheel(index.folder, name, files={f"{name}.py": f"NAME = {name * 500!r}"})
    groups = [["nxlarge", "nxsmall"], ["nxlarge", "nxother"]]
    first, second = (
        project(groups={"heavy": wanted}, more=index.setting, name=f"demo{number}")
        for number, wanted in enumerate(groups)
    )
    return first, second


def fill(sample: Sample, env: dict[str, str]) -> Fetched:
    place = open_workplace(sample.path, env)
    resolution = resolve(place, Request(only_groups=("heavy",)), complete=True)
    return fill_store(place, resolution, Supply(from_index=True, need="heavy-3.12"))


def bump(sample: Sample, index: Index) -> None:
    make_wheel(index.folder, "nxsmall", "2.0", {"nxsmall.py": "NEW = 1"})
    sample.uv("lock", "--quiet", "--upgrade-package", "nxsmall")


def moved(index: Index) -> list[str]:
    """The wheels that were read from the index."""
    return sorted({path.rpartition("/")[2] for path in index.seen if path.endswith(".whl")})


def stored(own: Den) -> list[str]:
    return sorted(path.name.rpartition("-py3")[0] for path in own.wheels.glob("??/*/*.whl"))


def test_after_a_bump_of_one_small_package_one_wheel_moves_in_and_one_goes(
    two: tuple[Sample, Sample], own: Den, env: dict[str, str], index: Index
) -> None:
    for sample in two:
        fill(sample, env)
    assert stored(own) == ["nxlarge-1.0", "nxother-1.0", "nxsmall-1.0"]
    bump(two[0], index)
    index.seen.clear()

    fetched = fill(two[0], env)

    assert [transfer.artifacts for transfer in fetched.transfers] == [1]
    assert moved(index) == ["nxsmall-2.0-py3-none-any.whl"]
    plan = plan_prune(own)
    assert (len(plan.closures), len(plan.artifacts)) == (1, 1)
    assert len(apply_prune(own, plan).removed) == 1
    assert stored(own) == ["nxlarge-1.0", "nxother-1.0", "nxsmall-2.0"]

    index.seen.clear()
    assert [fill(sample, env).transfers for sample in two] == [(), ()]
    assert index.seen == []


def test_a_heavy_session_is_a_root_of_its_wheels(
    two: tuple[Sample, Sample], own: Den, nox: RunNox, env: dict[str, str], index: Index
) -> None:
    sample = two[0]
    sample.write("noxfile.py", HEAVY)
    ran = nox(sample, "-s", "heavy", "--", "--prepare", env=env)
    assert ran.code == 0, ran.text
    assert plan_prune(own) == PrunePlan()
    bump(sample, index)
    ran = nox(sample, "-s", "heavy", "--", "--prepare", env=env)
    assert ran.code == 0, ran.text

    apply_prune(own, plan_prune(own))

    assert stored(own) == ["nxlarge-1.0", "nxsmall-2.0"]


def test_when_a_checkout_is_gone_its_wheels_go(
    two: tuple[Sample, Sample], own: Den, env: dict[str, str]
) -> None:
    for sample in two:
        fill(sample, env)
    shutil.rmtree(two[0].path)

    apply_prune(own, plan_prune(own))

    assert stored(own) == ["nxlarge-1.0", "nxother-1.0"]


def test_gc_counts_wheels_and_removes_dead_closures_by_age(
    two: tuple[Sample, Sample],
    own: Den,
    env: dict[str, str],
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    (own.uv_cache).unlink()
    own.uv_cache.mkdir()
    for sample in two:
        fill(sample, env)
    inventory = collect_inventory(own)
    assert inventory.total - inventory.uv_cache == inventory.wheels > 3000
    assert inventory.only_cache == inventory.uv_cache
    shutil.rmtree(two[0].path)
    caller = Caller(env, tmp_path)

    assert main(["gc", "--json"], caller) == 0
    young = json.loads(capsys.readouterr().out)
    assert (young["wheels"]["closures"], young["outcome"]["wheels"]["removed"]) == ([], [])

    for manifest in own.closures.glob("*.toml"):
        os.utime(manifest, (0, 0))
    assert main(["gc", "--dry-run"], caller) == 0
    said = capsys.readouterr().out
    assert (
        "1 closures that no session stands on any more\n1 wheels that nothing kept names\n" in said
    )
    assert "would remove 0 base environments (--dry-run: none was removed)\n" in said
    assert stored(own) == ["nxlarge-1.0", "nxother-1.0", "nxsmall-1.0"]

    before = measure_den(own)
    assert main(["gc"], caller) == 0
    freed = before - measure_den(own)
    assert f"removed 0 base environments and 1 wheels, freed {freed / 1000:.1f} kB\n" in (
        capsys.readouterr().out
    )
    assert stored(own) == ["nxlarge-1.0", "nxother-1.0"]
    assert len(list_closures(own)) == 1


def test_gc_says_that_the_store_is_in_use(
    two: tuple[Sample, Sample],
    own: Den,
    env: dict[str, str],
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    from noxden.den.wheels.store import using_store

    own.uv_cache.unlink()
    own.uv_cache.mkdir()
    fill(two[0], env)
    shutil.rmtree(two[0].path)

    with using_store(own):
        assert main(["gc", "--max-size", "1kB"], Caller(env, tmp_path)) == 0

    assert "wheels: the store is in use; nothing was removed\n" in capsys.readouterr().out
    assert stored(own) == ["nxlarge-1.0", "nxsmall-1.0"]
