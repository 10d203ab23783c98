"""Records of real runs, and the advice for machines without a GPU tried with the real uv."""

from __future__ import annotations

import shutil
import tomllib
from typing import TYPE_CHECKING

import pytest

from noxden.den.layout import Den, open_den
from noxden.den.prepare import prepare
from noxden.den.resolve import resolve
from noxden.den.supply import FROM_UV, Supply
from noxden.den.wheels.needs import collect_needs
from noxden.den.wheels.records import collect_runs
from noxden.den.wheels.variants import find_accelerator_wheels, render_cpu_variant
from noxden.den.workplace import open_workplace
from noxden.lock.request import Request
from tests.sandbox import make_wheel, serving

if TYPE_CHECKING:
    from pathlib import Path

    from noxden.den.wheels.records import Run
    from tests.conftest import MakeProject
    from tests.sandbox import Index, Sample

HEAVY = Request(only_groups=("heavy",))


@pytest.fixture
def own(quick_den: Path, env: dict[str, str]) -> Den:
    env["NOXDEN_DIR"] = str(quick_den)
    return open_den(env)


@pytest.fixture
def sample(project: MakeProject, index: Index) -> Sample:
    make_wheel(index.folder, "nxlarge", files={"nxlarge.py": "NAME = 1"})
    make_wheel(index.folder, "triton", files={"triton.py": "NAME = 1"})
    return project(groups={"heavy": ["nxlarge", "triton"]}, more=index.setting)


def build(sample: Sample, env: dict[str, str], supply: Supply) -> None:
    prepare(open_workplace(sample.path, env), HEAVY, sample.path / ".nox" / "x", supply=supply)


def runs(own: Den) -> list[Run]:
    return collect_runs(own)


def test_a_build_from_the_store_is_recorded_with_what_each_source_gave(
    sample: Sample, own: Den, env: dict[str, str]
) -> None:
    build(sample, env, Supply(from_index=True, need="heavy-3.12"))

    [run] = runs(own)
    size = sum(path.stat().st_size for path in own.wheels.glob("??/*/*.whl"))
    [given] = run.given
    assert given[:3] == ("index", 2, size)
    assert given.seconds > 0
    assert run.install_s is not None
    assert (run.project, run.need, run.runner) == ("sample", "heavy-3.12", "local")
    assert (run.supplied, run.install_bytes, run.verify_s) == (True, size, 0.0)
    assert [one.name for one in run.accelerators] == ["triton"]
    assert [need.closure for need in collect_needs(own)] == [run.closure]


def test_a_build_that_finds_all_in_the_store_and_one_by_uv_alone_are_told_apart(
    sample: Sample, own: Den, env: dict[str, str]
) -> None:
    for supply in (Supply(from_index=True), Supply(from_index=True), FROM_UV):
        build(sample, env, supply)
        shutil.rmtree(own.envs)
        own.envs.mkdir()

    assert [(run.supplied, len(run.given)) for run in runs(own)] == [
        (True, 1),
        (True, 0),
        (False, 0),
    ]


def test_a_record_that_cannot_be_written_fails_nothing(
    sample: Sample, own: Den, env: dict[str, str]
) -> None:
    (own.root / "results").write_text("in the way")

    build(sample, env, Supply(from_index=True))

    assert runs(own) == []


def test_a_session_whose_base_was_there_already_keeps_its_wheels(
    sample: Sample, own: Den, env: dict[str, str]
) -> None:
    supply = Supply(from_index=True, need="heavy")
    build(sample, env, supply)
    [need] = collect_needs(own)
    need.file.unlink()

    build(sample, env, supply)

    assert collect_needs(own) == [need]


def test_the_advice_locks_the_cpu_variant_beside_the_other(
    project: MakeProject, own: Den, env: dict[str, str], index: Index, tmp_path: Path
) -> None:
    del own
    make_wheel(index.folder, "nvidia_nxblas_cu12", files={"nxblas.py": ""})
    make_wheel(index.folder, "torch", "2.9.1", {"torch.py": ""}, requires=["nvidia-nxblas-cu12"])
    with serving(tmp_path / "cpu") as cpu:
        make_wheel(cpu.folder, "torch", "2.9.1+cpu", {"torch.py": ""})
        advice = render_cpu_variant(["torch"])
        url = tomllib.loads(advice)["tool"]["uv"]["index"][0]["url"]
        sample = project(groups={"heavy": ["nxlarge"]}, lock=False)
        make_wheel(index.folder, "nxlarge", requires=["torch>=2"])
        sample.edit("pyproject.toml", "[dependency-groups]\n", "")
        sample.edit("pyproject.toml", "heavy = ['nxlarge']", "")
        text = advice.replace(url, f"{cpu.url}/simple").replace(
            "[dependency-groups]\n", '[dependency-groups]\nheavy = ["nxlarge", "torch"]\n'
        )
        with (sample.path / "pyproject.toml").open("a") as file:
            file.write(f"\n{text}\n{index.setting}")
        sample.lock()

        chosen = {
            group: resolve(
                open_workplace(sample.path, env),
                Request(only_groups=("heavy", group)),
                complete=True,
            ).selection
            for group in ("cpu", "cu")
        }

    assert all(chosen.values())
    found = {
        group: [(one.name, one.version) for one in selection.artifacts if one.name != "nxlarge"]
        for group, selection in chosen.items()
        if selection is not None
    }
    assert found == {
        "cpu": [("torch", "2.9.1+cpu")],
        "cu": [("nvidia-nxblas-cu12", "1.0"), ("torch", "2.9.1")],
    }
    wasted = {
        group: [one.name for one in find_accelerator_wheels(selection)]
        for group, selection in chosen.items()
        if selection is not None
    }
    assert wasted == {"cpu": [], "cu": ["nvidia-nxblas-cu12", "torch"]}
