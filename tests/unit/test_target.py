"""Targets: what another machine can install, by the rules of PEP 600 and PEP 656."""

from __future__ import annotations

import platform
from pathlib import Path
from typing import TYPE_CHECKING, NoReturn, cast

import pytest
from packaging.markers import Marker, default_environment
from packaging.tags import sys_tags

from noxden.den.wheels.targets import resolve_wheels
from noxden.errors import InterpreterMissingError, UsageError
from noxden.lock.interpreter import Interpreter
from noxden.lock.request import Request
from noxden.lock.target import describe_target, find_native_platform

if TYPE_CHECKING:
    from noxden.den.resolve import Workplace

EXAMPLES = "examples: manylinux_2_28_x86_64, manylinux2014_aarch64, musllinux_1_2_x86_64, macosx_14_0_arm64"


def platforms(target: Interpreter) -> list[str]:
    """The platforms of the wheels for exactly this Python, best first."""
    first = target.tags[0].rsplit("-", 1)[0]
    return [tag.removeprefix(f"{first}-") for tag in target.tags if tag.startswith(f"{first}-")]


def test_this_machine_described_is_this_machine_asked() -> None:
    target = describe_target(platform.python_version(), find_native_platform())
    assert list(target.tags) == [str(tag) for tag in sys_tags()]
    asked = dict(default_environment())
    # Versions of the kernel, which nobody can know of another machine.
    assert target.markers == asked | {"platform_release": "", "platform_version": ""}


def test_a_glibc_takes_wheels_for_all_older_ones_and_the_old_names() -> None:
    found = platforms(describe_target("3.12", "manylinux_2_28_x86_64"))
    assert found[:2] == ["linux_x86_64", "manylinux_2_28_x86_64"]
    assert "manylinux_2_29_x86_64" not in found
    at = found.index("manylinux_2_17_x86_64")
    assert found[at + 1] == "manylinux2014_x86_64"
    assert found[-3:] == ["manylinux_2_6_x86_64", "manylinux_2_5_x86_64", "manylinux1_x86_64"]
    assert found.index("manylinux2010_x86_64") == found.index("manylinux_2_12_x86_64") + 1


@pytest.mark.parametrize("machine", ["aarch64", "ppc64le", "s390x", "riscv64", "armv7l"])
def test_other_machines_begin_with_glibc_2_17(machine: str) -> None:
    found = platforms(describe_target("3.12", f"manylinux_2_18_{machine}"))
    assert found == [
        f"linux_{machine}",
        f"manylinux_2_18_{machine}",
        f"manylinux_2_17_{machine}",
        f"manylinux2014_{machine}",
    ]


def test_musl_takes_its_own_series_and_nothing_of_glibc() -> None:
    found = platforms(describe_target("3.12", "musllinux_1_2_aarch64"))
    assert found == [
        "linux_aarch64",
        "musllinux_1_2_aarch64",
        "musllinux_1_1_aarch64",
        "musllinux_1_0_aarch64",
    ]


def test_macos_takes_universal_wheels_and_older_systems() -> None:
    found = platforms(describe_target("3.12", "macosx_14_0_arm64"))
    assert found[:3] == ["macosx_14_0_arm64", "macosx_14_0_universal2", "macosx_13_0_arm64"]
    assert "macosx_10_12_universal2" in found
    assert "macosx_10_12_arm64" not in found


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("manylinux2014_aarch64", "manylinux_2_17_aarch64"),
        ("manylinux2010_x86_64", "manylinux_2_12_x86_64"),
        ("manylinux1_i686", "manylinux_2_5_i686"),
        (" ManyLinux_2_28_x86_64 ", "manylinux_2_28_x86_64"),
    ],
)
def test_old_names_and_other_spellings_are_the_same_platform(old: str, new: str) -> None:
    assert describe_target("3.12", old) == describe_target("3.12", new)


def test_a_target_has_the_facts_of_its_python_and_no_files() -> None:
    target = describe_target("3.12.4", "manylinux_2_28_aarch64")
    assert (target.executable, target.version, target.label) == ("", "3.12.4", "3.12")
    assert target.stands()
    assert target.identity["libc"] == "glibc 2.28"
    assert target.identity["platform"] == "linux-aarch64"
    assert Interpreter.from_json(target.to_json()) == target


def test_without_a_patch_level_it_is_the_first_of_its_minor_version() -> None:
    assert describe_target("3.12", "macosx_14_0_arm64").version == "3.12.0"


def test_a_free_threaded_target_takes_no_wheels_of_the_stable_abi() -> None:
    target = describe_target("3.13t", "musllinux_1_2_x86_64")
    assert target.label == "3.13t"
    assert target.tags[1] == "cp313-cp313t-musllinux_1_2_x86_64"
    assert not [tag for tag in target.tags if "-abi3-" in tag]
    assert "cp313-abi3-musllinux_1_2_x86_64" in describe_target("3.13", "musllinux_1_2_x86_64").tags


@pytest.mark.parametrize(
    ("platform", "marker"),
    [
        ("manylinux_2_28_aarch64", "platform_machine == 'aarch64' and sys_platform == 'linux'"),
        ("musllinux_1_2_x86_64", "platform_system == 'Linux' and os_name == 'posix'"),
        ("macosx_14_0_arm64", "platform_machine == 'arm64' and sys_platform == 'darwin'"),
        ("macosx_10_13_x86_64", "platform_system == 'Darwin' and python_version == '3.12'"),
    ],
)
def test_markers_are_those_of_the_platform(platform: str, marker: str) -> None:
    assert Marker(marker).evaluate(describe_target("3.12", platform).markers)


@pytest.mark.parametrize(
    "name",
    [
        "linux", "aarch64", "linux_x86_64", "win_amd64", "manylinux_2_28", "manylinux_2_28_vax",
        "manylinux_2_12_aarch64", "manylinux_3_0_x86_64", "macosx_14_0_ppc", "macosx_9_0_arm64",
        "manylinux_2_28_x86_64 x", "",
    ],
)  # fmt: skip
def test_a_platform_that_is_none_is_refused_with_examples(name: str) -> None:
    with pytest.raises(UsageError) as raised:
        describe_target("3.12", name)
    assert str(raised.value) == f"platform {name!r} is none that wheels are for; {EXAMPLES}"


@pytest.mark.parametrize("name", ["3", "2.7", "3.x", ">=3.12", "cp312", "pypy3.10", "3.12.4.1", ""])
def test_a_python_that_is_none_is_refused_with_examples(name: str) -> None:
    with pytest.raises(UsageError) as raised:
        describe_target(name, "macosx_14_0_arm64")
    said = str(raised.value)
    assert said == f"Python {name!r} is no version of a target; examples: 3.12, 3.12.4, 3.13t"


def test_a_python_before_3_13_has_no_free_threaded_form() -> None:
    with pytest.raises(UsageError, match="'3.12t' is no version of a target: 3.13t is the first"):
        describe_target("3.12t", "macosx_14_0_arm64")


def test_a_project_without_a_python_here_is_no_target(monkeypatch: pytest.MonkeyPatch) -> None:
    def missing(*_: object, **__: object) -> NoReturn:
        raise InterpreterMissingError(None, Path("/work"))

    monkeypatch.setattr("noxden.den.wheels.targets.resolve", missing)
    with pytest.raises(InterpreterMissingError, match="^uv finds no interpreter for a Python that"):
        resolve_wheels(cast("Workplace", None), Request())
