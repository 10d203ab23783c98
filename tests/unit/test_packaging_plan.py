"""What the packaging session runs, and what it needs for that."""

from __future__ import annotations

from pathlib import Path

import pytest

from noxden.config import PackagingConfig
from noxden.errors import UsageError
from noxden.sessions.packaging import STEPS
from noxden.sessions.packaging_plan import (
    Layout,
    plan_packaging,
    refuse_unpackaged,
    write_sums,
)

LAYOUT = Layout(Path("/p"), Path("/w"), Path("/p/.noxden/packaging/dist"), "/env/bin/python")
EPOCH = {"SOURCE_DATE_EPOCH": "1700000000"}


def names(*steps: str) -> list[str]:
    return [step.name for step in plan_packaging(PackagingConfig(steps=steps), LAYOUT, EPOCH)]


def test_all_steps_are_planned_in_their_order() -> None:
    assert names() == list(STEPS)


def test_a_step_brings_the_steps_it_needs() -> None:
    assert names("imports") == ["sdist", "wheel", "install", "imports"]
    assert names("metadata") == ["metadata"]
    assert names("sums", "metadata") == ["metadata", "sdist", "wheel", "sums"]


def test_the_wheel_is_built_from_the_sdist() -> None:
    steps = {step.name: step for step in plan_packaging(PackagingConfig(), LAYOUT, EPOCH)}
    (sdist,), (wheel,) = steps["sdist"].commands, steps["wheel"].commands
    assert sdist.words == ("uv", "build", "--sdist", "--out-dir", Path("/w/first"), Path("/p"))
    first = (Path("/w/first"), "*.tar.gz")
    assert wheel.words == ("uv", "build", "--wheel", "--out-dir", Path("/w/first"), first)


def test_the_second_build_has_the_same_date_but_another_time_zone_and_hash_seed() -> None:
    steps = {step.name: step for step in plan_packaging(PackagingConfig(), LAYOUT, EPOCH)}
    assert steps["sdist"].commands[0].env == EPOCH
    for command in steps["reproducible"].commands:
        assert command.env == {**EPOCH, "PYTHONHASHSEED": "2", "TZ": "Asia/Kathmandu"}


def test_missing_tools_are_to_be_added_to_the_group_of_the_session() -> None:
    settings = PackagingConfig(groups=("release",))
    advice = {step.requires: step.advice for step in plan_packaging(settings, LAYOUT, EPOCH)}
    assert advice == {
        "": "",
        "twine": "not in group release; run: uv add --group release twine",
        "check-wheel-contents": (
            "not in group release; run: uv add --group release check-wheel-contents"
        ),
        "validate-pyproject": (
            "not in group release; run: uv add --group release 'validate-pyproject[all]'"
        ),
    }


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("[project]\n", "has no [build-system], so there is nothing to build; add one"),
        (
            "[build-system]\nrequires = []\n[tool.uv]\npackage = false\n",
            "says tool.uv.package = false, so there is nothing to build; remove one",
        ),
        ("[", "is not TOML: "),
    ],
)
def test_a_project_that_is_no_package_is_refused(tmp_path: Path, text: str, message: str) -> None:
    (tmp_path / "pyproject.toml").write_text(text)
    with pytest.raises(UsageError) as caught:
        refuse_unpackaged(tmp_path)
    assert str(caught.value).startswith(f"{tmp_path / 'pyproject.toml'} {message}")


@pytest.mark.parametrize("text", ["[build-system]\nrequires = []\n", "[tool.uv]\npackage = true\n"])
def test_a_package_is_not_refused(tmp_path: Path, text: str) -> None:
    (tmp_path / "pyproject.toml").write_text(text)
    refuse_unpackaged(tmp_path)


def test_sums_are_what_sha256sum_reads_and_other_files_stay(tmp_path: Path) -> None:
    build, dist = tmp_path / "build", tmp_path / "dist"
    build.mkdir()
    dist.mkdir()
    (build / "x-1.tar.gz").write_bytes(b"a")
    (build / "x-1-py3-none-any.whl").write_bytes(b"b")
    (build / ".gitignore").write_text("*")
    (dist / "mine.txt").write_text("mine")
    assert write_sums(build, dist) == "2 files in dist/"
    assert sorted(file.name for file in dist.iterdir()) == [
        "SHA256SUMS", "mine.txt", "x-1-py3-none-any.whl", "x-1.tar.gz",
    ]  # fmt: skip
    assert (dist / "SHA256SUMS").read_text() == (
        "ca978112ca1bbdcafac231b39a23dc4da786eff8147c4e72b9807785afee48bb  x-1.tar.gz\n"
        "3e23e8160039594a33894f6564e1b1348bbd7a0088d42c4acb73eeaed59c009d  x-1-py3-none-any.whl\n"
    )
