from __future__ import annotations

import json
import tomllib
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any, NoReturn, cast

import pytest
from click.testing import CliRunner

from noxden.cli import Caller
from noxden.commands.wheels_verdict import verdict
from noxden.den.layout import Den, open_den
from noxden.den.wheels import records
from noxden.den.wheels.records import (
    Given,
    Run,
    _write,
    collect_runs,
    name_project,
    name_runner,
    record_run,
)
from noxden.den.wheels.store import artifact_path
from noxden.den.wheels.variants import (
    AcceleratorWheel,
    find_accelerator_wheels,
    has_gpu,
    render_cpu_variant,
)
from noxden.den.wheels.verdict import Figure, compute_verdicts, find_wasted
from noxden.lock.project import read_project
from noxden.lock.selection import Artifact, Selection
from noxden.render_verdict import render_verdict_markdown, render_waste

if TYPE_CHECKING:
    from pathlib import Path

    from click.testing import Result

    from noxden.den.resolve import Resolution, Workplace

MB = 10**6
CUDA = (AcceleratorWheel("torch", "2.9.1", 900 * MB),)


def make_run(*given: Given, **fields: Any) -> Run:
    base = Run(
        time=0.0, project="demo", closure="a" * 64, need="heavy-3.12", runner="local",
        supplied=True, given=given, install_s=2.0, install_bytes=100 * MB, verify_s=0.0,
        gpu=True, accelerators=(),
    )  # fmt: skip
    return base._replace(**fields)


def from_index(size: int, seconds: float, **fields: Any) -> Run:
    return make_run(Given("index", 3, size, seconds), **fields)


def from_cache(cache: str, size: int, seconds: float, **fields: Any) -> Run:
    return make_run(Given(cache, 3, size, seconds), **fields)


INDEX = [from_index(100 * MB, 10.0), from_index(100 * MB, 9.0), from_index(100 * MB, 12.5)]


@pytest.fixture
def den(tmp_path: Path) -> Den:
    return open_den({"NOXDEN_DIR": str(tmp_path / "den")})


def test_a_cache_is_compared_with_the_same_bytes_at_the_rate_of_the_index() -> None:
    cached = [from_cache("remote", 200 * MB, seconds) for seconds in (2.0, 5.0, 30.0)]

    [verdict] = compute_verdicts([*INDEX, *cached])

    assert verdict.runs == 6
    assert verdict.fetch == Figure(3, 100 * MB, 10.0, 10 * MB)
    [gain] = verdict.gains
    assert (gain.cache, gain.figure.runs, gain.seconds) == ("remote", 3, 15.0)
    assert verdict.install == Figure(6, 100 * MB, 2.0, 50 * MB)
    assert verdict.alone == Figure(0, 0, 0.0, 0.0)


def test_a_cache_that_is_slower_than_the_index_costs() -> None:
    cached = [from_cache("bundle", 100 * MB, 1.0)] * 3

    [quick] = compute_verdicts([*INDEX, *cached])
    [slow] = compute_verdicts([*INDEX, *cached], restore_s=96.0)

    assert [gain.seconds for gain in (*quick.gains, *slow.gains)] == [9.0, -87.0]


def test_the_rate_of_the_index_is_that_of_large_fetches_not_of_many_small_ones() -> None:
    large = [from_index(3000 * MB, 30.0)] * 3
    small = [from_index(MB // 10, 1.0)] * 20

    [verdict] = compute_verdicts([*large, *small])

    assert verdict.fetch.rate == 100 * MB


@pytest.mark.parametrize(("index", "cached"), [(2, 3), (3, 2), (0, 9)])
def test_below_three_runs_of_each_nothing_is_said(index: int, cached: int) -> None:
    runs = [*INDEX[:index], *[from_cache("remote", MB, 1.0)] * cached]

    [verdict] = compute_verdicts(runs)

    assert [gain.seconds for gain in verdict.gains] == [None]
    assert (
        f"- local: not enough runs yet to judge the remote: {cached} with it and {index} from the "
        f"index, of 3 each\n"
    ) in render_verdict_markdown([verdict])


def test_runs_that_found_everything_in_the_den_are_a_cache_too() -> None:
    kept = [make_run(), make_run(), make_run(verify_s=1.0)]

    [verdict] = compute_verdicts([*INDEX, *kept])

    [gain] = verdict.gains
    assert (gain.cache, gain.seconds) == ("store", 10.0)
    assert verdict.verify_s == 1.0


def test_each_kind_of_machine_has_a_verdict_of_its_own() -> None:
    runs = [*INDEX, from_index(MB, 1.0, runner="github ubuntu24-X64")]

    assert [one.runner for one in compute_verdicts(runs)] == ["github ubuntu24-X64", "local"]


def test_bases_that_uv_built_alone_are_counted_apart() -> None:
    [verdict] = compute_verdicts([make_run(supplied=False, install_s=20.0, install_bytes=0)])

    assert (verdict.alone, verdict.gains) == (Figure(1, 0, 20.0, 0.0), ())


def test_the_verdict_is_told_with_the_runs_it_stands_on() -> None:
    cached = [from_cache("remote", 200 * MB, 5.0)] * 3
    slow = [from_cache("bundle", 100 * MB, 15.0)] * 3

    said = render_verdict_markdown(compute_verdicts([*INDEX, *cached, *slow]))

    assert said == (
        "### Does the cache help?\n"
        "\n"
        "| machine | what | runs | a run | seconds | rate |\n"
        "|---|---|--:|--:|--:|--:|\n"
        "| local | index | 3 | 100.0 MB | 10.0 | 10.0 MB/s |\n"
        "| local | bundle | 3 | 100.0 MB | 15.0 | 6.7 MB/s |\n"
        "| local | remote | 3 | 200.0 MB | 5.0 | 40.0 MB/s |\n"
        "| local | install from the store | 9 | 100.0 MB | 2.0 | 50.0 MB/s |\n"
        "\n"
        "- local: the bundle cost 5.0 s a run against the index (median of 3 runs; the rate of the "
        "index from 3); without it runs are quicker; what the CI system takes to restore it counts "
        "only as far as --restore says\n"
        "- local: the remote gained 15.0 s a run against the index (median of 3 runs; the rate of "
        "the index from 3)\n"
    )


def test_without_records_and_without_caches_that_is_what_is_said() -> None:
    assert render_verdict_markdown([]) == (
        "### Does the cache help?\n"
        "\n"
        "- no run has been recorded yet; sessions that fetch wheels or build a base are\n"
    )
    assert "- local: no run got its wheels from a cache yet\n" in render_verdict_markdown(
        compute_verdicts(INDEX)
    )


def test_records_are_read_as_they_were_written_oldest_first(den: Den) -> None:
    runs = [
        from_index(MB, 1.5, time=2000.0, accelerators=CUDA, install_s=None),
        from_cache("remote", MB, 0.5, time=1000.0, gpu=False),
    ]
    for run in runs:
        _write(den, run)

    assert collect_runs(den) == runs[::-1]


def write_records(den: Den, count: int) -> Path:
    """``count`` files that are no records, a millisecond apart, and their folder."""
    folder = den.root / "results" / "wheels"
    folder.mkdir(parents=True)
    for number in range(count):
        (folder / f"{1_700_000_000_000 + number}-a.json").write_text("")
    return folder


def test_only_the_newest_records_are_read(den: Den, monkeypatch: pytest.MonkeyPatch) -> None:
    write_records(den, 600)
    read: list[str] = []
    monkeypatch.setattr(records, "_read", lambda file: read.append(file.name))

    collect_runs(den)
    by_default = [*read]
    read.clear()
    collect_runs(den, 2)

    assert by_default == [f"{1_700_000_000_100 + number}-a.json" for number in range(500)]
    assert read == ["1700000000598-a.json", "1700000000599-a.json"]


def test_the_newest_runs_are_told_oldest_first(den: Den) -> None:
    for time in (3000.0, 1000.0, 2000.0):
        _write(den, make_run(time=time))

    assert [run.time for run in collect_runs(den, 2)] == [2000.0, 3000.0]


def record(den: Den, at: Path) -> Run | None:
    (at / "pyproject.toml").write_text('[project]\nname = "demo"\nversion = "1"\n')
    (at / "uv.lock").write_text("version = 1\n")
    place = SimpleNamespace(den=den, project=read_project(at), env={})
    resolution = SimpleNamespace(artifacts=(), selection=None, closure_id="a" * 64)
    return record_run(cast("Workplace", place), cast("Resolution", resolution), None)


def test_a_new_record_takes_the_place_of_the_oldest(den: Den, tmp_path: Path) -> None:
    folder = write_records(den, 2002)

    assert record(den, tmp_path) is not None

    names = sorted(path.name for path in folder.iterdir())
    assert (len(names), names[0]) == (2000, "1700000000003-a.json")
    assert [run.project for run in collect_runs(den)] == ["demo"]


def test_old_records_that_cannot_be_removed_cost_no_new_one(
    den: Den, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = write_records(den, 2000)
    (folder / "1-directory.json").mkdir()

    assert record(den, tmp_path) is not None
    assert sorted(path.name for path in folder.iterdir())[:2] == [
        "1-directory.json",
        "1700000000001-a.json",
    ]
    assert [run.project for run in collect_runs(den)] == ["demo"]

    monkeypatch.setattr(records, "_write", refuse)
    assert record(den, tmp_path) is None


def refuse(*_: object) -> NoReturn:
    raise OSError


@pytest.mark.parametrize("text", ["", "[]", '{"schema": 2}', '{"schema": 1, "given": [7]}'])
def test_what_is_no_record_of_this_version_is_left_out(den: Den, text: str) -> None:
    folder = den.root / "results" / "wheels"
    folder.mkdir(parents=True)
    (folder / "1-a.json").write_text(text)

    assert collect_runs(den) == []


@pytest.mark.parametrize(
    ("env", "name"),
    [
        ({}, "local"),
        ({"CI": "false"}, "local"),
        ({"CI": "true"}, "unknown"),
        ({"CI": "1", "GITHUB_ACTIONS": "true", "RUNNER_OS": "Linux", "RUNNER_ARCH": "ARM64"},
         "github Linux-ARM64"),
        ({"GITHUB_ACTIONS": "true", "FORGEJO_ACTIONS": "true", "RUNNER_OS": "Linux"}, "forgejo Linux"),
        ({"GITLAB_CI": "true", "CI_RUNNER_DESCRIPTION": "large"}, "gitlab large"),
        ({"JENKINS_URL": "https://ci.example", "NODE_NAME": "node 7"}, "jenkins node 7"),
    ],
)  # fmt: skip
def test_a_machine_is_named_by_its_ci_system_and_runner(env: dict[str, str], name: str) -> None:
    assert name_runner(env) == name


def make_artifact(name: str, version: str | None = "1.0", size: int | None = MB) -> Artifact:
    return Artifact(name, version, "wheel", f"{name}.whl", name[0] * 64, "", size, {})


@pytest.mark.parametrize(
    "artifact",
    [
        make_artifact("nvidia-cublas-cu12"), make_artifact("cupy-cuda12x"),
        make_artifact("jax-cuda12-plugin"), make_artifact("triton"),
        make_artifact("pytorch-triton-rocm"), make_artifact("jax-rocm60-plugin"),
        make_artifact("torch", "2.9.1+cu128"), make_artifact("torchvision", "0.24.0+rocm6.4"),
        make_artifact("cuda-bindings"),
    ],
)  # fmt: skip
def test_what_is_named_for_an_accelerator_is_for_one(artifact: Artifact) -> None:
    selection = Selection((make_artifact("numpy"), artifact), ())

    [found] = find_accelerator_wheels(selection)

    assert found == AcceleratorWheel(artifact.name, artifact.version or "", MB)


def test_torch_is_for_a_gpu_where_its_runtime_comes_along_and_not_as_a_cpu_wheel() -> None:
    runtime = make_artifact("nvidia-nccl-cu12", size=5 * MB)
    plain, cpu = make_artifact("torch", "2.9.1"), make_artifact("torch", "2.9.1+cpu")

    def names(*artifacts: Artifact) -> list[str]:
        return [one.name for one in find_accelerator_wheels(Selection(artifacts, ()))]

    assert names(plain, runtime) == ["nvidia-nccl-cu12", "torch"]
    assert names(plain) == names(cpu) == []
    assert names(cpu, runtime) == ["nvidia-nccl-cu12"]


def test_a_size_that_the_lock_does_not_know_is_that_of_the_store(den: Den) -> None:
    known, unknown = make_artifact("triton", size=None), make_artifact("nvidia-x", None, None)
    path = artifact_path(den, known.content, known.file)
    path.parent.mkdir(parents=True)
    path.write_bytes(b"x" * 77)

    assert find_accelerator_wheels(Selection((unknown, known), ()), den) == (
        AcceleratorWheel("triton", "1.0", 77),
        AcceleratorWheel("nvidia-x", "", None),
    )


@pytest.mark.parametrize("sign", ["dev/nvidiactl", "proc/driver/nvidia", "dev/kfd", "dev/dxg"])
def test_a_gpu_is_known_by_its_driver(tmp_path: Path, sign: str) -> None:
    assert not has_gpu(tmp_path / "dev", tmp_path / "proc")

    (tmp_path / sign).mkdir(parents=True)

    assert has_gpu(tmp_path / "dev", tmp_path / "proc")


def test_the_remedy_is_toml_for_the_torch_packages_that_there_are() -> None:
    assert render_cpu_variant(["nvidia-x", "torchvision", "torch"]) == (
        "[dependency-groups]\n"
        'cpu = ["torch", "torchvision"]\n'
        'cu = ["torch", "torchvision"]\n'
        "\n"
        "[tool.uv]\n"
        'conflicts = [[{ group = "cpu" }, { group = "cu" }]]\n'
        "\n"
        "[tool.uv.sources]\n"
        'torch = [{ index = "pytorch-cpu", group = "cpu" }]\n'
        'torchvision = [{ index = "pytorch-cpu", group = "cpu" }]\n'
        "\n"
        "[[tool.uv.index]]\n"
        'name = "pytorch-cpu"\n'
        'url = "https://download.pytorch.org/whl/cpu"\n'
        "explicit = true\n"
    )
    assert render_cpu_variant(["cupy-cuda12x"]) == ""


def test_waste_is_told_with_its_bytes_and_the_remedy() -> None:
    wheels = (*CUDA, AcceleratorWheel("nvidia-x", "", None))

    told, _, snippet = render_waste(wheels).partition("\n\n")

    assert told == (
        "without a GPU, at least 900.0 MB of wheels (1 of unknown size) are of no use: torch "
        "2.9.1, nvidia-x; to lock PyTorch for CPUs too, add this to pyproject.toml, run uv lock, "
        "and give sessions the group cpu beside theirs where no GPU is, cu where one is:"
    )
    assert tomllib.loads(snippet)["tool"]["uv"]["index"][0]["explicit"] is True
    assert render_waste((AcceleratorWheel("cupy-cuda12x", "13.6", 100 * MB),)) == (
        "without a GPU, 100.0 MB of wheels are of no use: cupy-cuda12x 13.6"
    )
    assert render_waste((AcceleratorWheel("nvidia-x", "13.6", None),)) == (
        "without a GPU, 1 wheels of unknown size are of no use: nvidia-x 13.6"
    )
    assert "```toml\n[dependency-groups]\n" in render_verdict_markdown([], CUDA)


def test_only_the_latest_run_without_a_gpu_tells_what_is_wasted() -> None:
    before = make_run(time=1.0, gpu=False, accelerators=CUDA)
    mended = make_run(time=2.0, gpu=False)
    with_gpu = make_run(time=3.0, gpu=True, accelerators=CUDA)

    assert find_wasted([before, with_gpu]) == CUDA
    assert find_wasted([mended, before, with_gpu]) == ()


def ask(den: Den, at: Path, *args: str) -> Result:
    caller = Caller({"NOXDEN_DIR": str(den.root)}, at)
    return CliRunner().invoke(verdict, args, obj=caller, catch_exceptions=False)


def test_the_command_tells_it_to_people_and_to_scripts(den: Den, tmp_path: Path) -> None:
    for number, run in enumerate([*INDEX, *[from_cache("bundle", 100 * MB, 1.0)] * 3]):
        _write(den, run._replace(time=float(number), gpu=False, accelerators=CUDA))

    people = ask(den, tmp_path, "--restore", "20").output
    scripts = json.loads(ask(den, tmp_path, "--restore", "20", "--json").output)

    assert "the bundle cost 11.0 s a run against the index" in people
    assert "without a GPU, 900.0 MB of wheels are of no use: torch 2.9.1" in people
    assert 'url = "https://download.pytorch.org/whl/cpu"\n' in people
    [machine] = scripts["machines"]
    assert machine["index"] == {"runs": 3, "bytes": 100 * MB, "seconds": 10.0, "rate": 10 * MB}
    assert [(one["cache"], one["gained_s"], one["verdict"]) for one in machine["caches"]] == [
        ("bundle", -11.0, "costs")
    ]
    assert scripts["wasted_bytes"] == 900 * MB


def test_scripts_are_told_too_that_there_are_not_enough_runs(den: Den, tmp_path: Path) -> None:
    _write(den, from_cache("remote", MB, 0.0))

    [machine] = json.loads(ask(den, tmp_path, "--json").output)["machines"]

    [cache] = machine["caches"]
    assert (cache["gained_s"], cache["verdict"], cache["rate"]) == (None, "not enough runs yet", 0)


def test_only_runs_of_the_named_project_count(den: Den, tmp_path: Path) -> None:
    for number, project in enumerate(["demo", "demo", "other"]):
        _write(den, from_index(MB, 1.0, project=project, time=float(number)))
    (tmp_path / "pyproject.toml").write_text('[project]\nname = "other"\nversion = "1"\n')
    (tmp_path / "uv.lock").write_text("version = 1\n")

    def count(*args: str) -> list[int]:
        said = json.loads(ask(den, tmp_path, *args, "--json").output)
        return [machine["runs"] for machine in said["machines"]]

    assert (count(), count("--project", "demo"), count("--project")) == ([3], [2], [1])
    assert ask(den, tmp_path, "--project", "nothing").output == (
        "no run has been recorded yet; sessions that fetch wheels or build a base are\n"
    )


def test_a_project_without_a_name_is_named_by_its_folder(tmp_path: Path) -> None:
    member = tmp_path / "packages" / "member"
    member.mkdir(parents=True)
    (tmp_path / "pyproject.toml").write_text('[tool.uv.workspace]\nmembers = ["packages/*"]\n')
    (member / "pyproject.toml").write_text('[project]\nname = "a-member"\nversion = "1"\n')
    (tmp_path / "uv.lock").write_text("version = 1\n")

    assert name_project(read_project(member)) == "a-member"
    assert name_project(read_project(tmp_path)) == tmp_path.name
