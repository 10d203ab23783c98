"""What a stage runs: found, collected, judged and put into batches."""

from __future__ import annotations

import os
import sys
from typing import TYPE_CHECKING

import pytest

from noxden.config import DeviceConfig, ScopeConfig, StageConfig
from noxden.den.layout import open_den
from noxden.devices.staging import (
    Setting,
    Wanted,
    collect_stage,
    find_stage,
    load_scope,
    make_arguments,
    plan_stage,
)
from noxden.devices.values import Test as OneTest
from noxden.errors import UsageError

if TYPE_CHECKING:
    from pathlib import Path

BOTH = frozenset({"pytest", "pytest-reportlog"})
STAGES = (StageConfig(0), StageConfig(2, coverage=0.5, tests=("-q", "tests/test_it.py")))


@pytest.fixture
def setting(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Setting:
    """A project with ten tests, one of them for CUDA, and a file that is broken."""
    project = tmp_path / "project"
    (project / "tests").mkdir(parents=True)
    (project / "tests" / "test_it.py").write_text(
        "import pytest\n"
        "@pytest.mark.parametrize('at', range(9))\ndef test_a(at): pass\n"
        "def test_cuda_only(): pass\n"
    )
    (project / "pytest.ini").write_text("[pytest]\naddopts = -p no:randomly\n")
    env = {"PATH": os.environ["PATH"]}
    monkeypatch.chdir(project)
    return Setting(
        config=DeviceConfig(tests=("tests",), stage=STAGES),
        project=project,
        python=sys.executable,
        key="key",
        env=env,
        den=open_den({**os.environ, "NOXDEN_DIR": str(tmp_path / "den")}),
        installed=BOTH,
    )


def test_a_stage_is_found_by_its_number() -> None:
    config = DeviceConfig(stage=STAGES)
    assert find_stage(config, None) == STAGES[0]
    assert find_stage(config, 2) == STAGES[1]


def test_a_stage_that_is_not_there_is_an_error() -> None:
    with pytest.raises(UsageError) as caught:
        find_stage(DeviceConfig(stage=STAGES), 7)
    assert str(caught.value) == "there is no stage 7 in tool.noxden.device.stage; known: 0, 2"
    with pytest.raises(UsageError) as caught:
        find_stage(DeviceConfig(stage=()), None)
    assert str(caught.value) == (
        "there is no stage; add [[tool.noxden.device.stage]] with its number"
    )


def test_a_plan_has_the_share_of_what_is_in_scope(setting: Setting) -> None:
    staged = plan_stage(setting, STAGES[1], Wanted(2, "simulated"))
    assert (staged.plan.collected, staged.plan.in_scope, staged.plan.selected) == (10, 9, 5)
    assert (staged.broken, staged.warnings) == ((), ())
    assert staged.stage == STAGES[1]


def test_a_shard_has_its_part(setting: Setting, tmp_path: Path) -> None:
    found = [
        plan_stage(setting, STAGES[0], Wanted(1, "", f"{at}/2", tmp_path / "shards.json")).plan
        for at in (1, 2)
    ]
    assert sorted(test for plan in found for test in plan.tests) == [
        f"tests/test_it.py::test_a[{at}]" for at in range(9)
    ]
    assert [plan.shard for plan in found] == ["1/2", "2/2"]
    assert (tmp_path / "shards.json").exists()


def test_files_in_scope_that_cannot_be_collected_are_told(setting: Setting) -> None:
    for name in ("test_bad.py", "test_not_ours.py"):
        (setting.project / "tests" / name).write_text("import no_such_module\n")
    scope = ScopeConfig(deny_paths=("tests/test_not_ours.py",))
    staged = plan_stage(
        setting._replace(config=setting.config._replace(scope=scope)), STAGES[0], Wanted(1, "")
    )
    assert [one.file for one in staged.broken] == ["tests/test_bad.py"]


def test_ids_of_several_tests_are_a_warning(setting: Setting) -> None:
    (setting.project / "conftest.py").write_text(
        "def pytest_collection_modifyitems(items): items.append(items[0])\n"
    )
    assert plan_stage(setting, STAGES[0], Wanted(1, "")).warnings == (
        "1 ids are those of several tests, which run together and of which the worst counts: "
        "tests/test_it.py::test_a[0]",
    )


def test_words_of_the_caller_take_the_place_of_what_is_configured(setting: Setting) -> None:
    named = setting._replace(words=("tests/test_it.py::test_a[3]", "--tb=short"))
    assert [test.id for test in collect_stage(named, STAGES[0]).collection.tests] == [
        "tests/test_it.py::test_a[3]"
    ]
    marked = setting._replace(config=setting.config._replace(markers="no_such_marker"))
    assert collect_stage(marked, STAGES[0]).collection.tests == ()


def test_batches_run_with_root_and_configuration_of_the_collection(setting: Setting) -> None:
    collected = collect_stage(setting, STAGES[1])
    root = setting.project
    alone = setting._replace(words=("--tb=short", "tests"), installed=BOTH | {"pytest-xdist"})
    assert make_arguments(alone, STAGES[1], collected) == (
        "-n", "0", f"--rootdir={root}", "-c", f"{root}/pytest.ini", "-q", "--tb=short",
    )  # fmt: skip
    (root / "pytest.ini").unlink()
    bare = collect_stage(setting, STAGES[0])
    assert make_arguments(setting, STAGES[0], bare) == (f"--rootdir={bare.root}",)


@pytest.mark.parametrize(
    ("groups", "message"),
    [
        (
            ("dev", "test"),
            "pytest-reportlog, which keeps their results through a crash, is not in the groups "
            "of the device session (dev, test); run: uv add --group dev pytest-reportlog",
        ),
        (
            (),
            "pytest-reportlog, which keeps their results through a crash, is not in the groups "
            "of the device session (); run: uv add pytest-reportlog",
        ),
    ],
)
def test_what_is_missing_is_named(groups: tuple[str, ...], message: str, setting: Setting) -> None:
    config = setting.config._replace(groups=groups)
    bare = setting._replace(config=config, installed=frozenset({"pytest"}))
    with pytest.raises(UsageError) as caught:
        collect_stage(bare, STAGES[0])
    assert str(caught.value) == message


def test_the_disabled_tests_file_has_to_be_there(setting: Setting) -> None:
    scope = ScopeConfig(disabled_tests="gone.json")
    with pytest.raises(UsageError, match=r"gone\.json"):
        load_scope(setting._replace(config=setting.config._replace(scope=scope)))
    assert load_scope(setting).decide(OneTest(id="tests/a.py::b", file="tests/a.py")).in_scope


def test_results_are_kept_in_the_den(setting: Setting) -> None:
    assert setting.times == setting.den.root / "results" / "device" / "times"
