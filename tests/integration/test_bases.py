"""What makes a base whole when it is first used after a boot, and how another takes its place."""

from __future__ import annotations

import os
import shutil
from typing import TYPE_CHECKING

import pytest

from noxden.den.bases import is_whole
from noxden.den.lifecycle import find_replaced
from noxden.den.prepare import prepare
from noxden.den.verify import verify_base
from noxden.den.workplace import open_workplace
from noxden.lock.request import Request
from tests.sandbox import make_wheel

if TYPE_CHECKING:
    from pathlib import Path

    from noxden.den.prepare import Prepared
    from tests.conftest import MakeProject
    from tests.sandbox import Index, Sample

TESTS = "tests/__init__.py"


def make(sample: Sample, env: dict[str, str]) -> Prepared:
    return prepare(open_workplace(sample.path, env), Request(), sample.path / ".nox" / "unit")


def boot(base: Path) -> None:
    """What a boot of the machine is to a base."""
    (base / ".boot").write_text("an earlier boot")


@pytest.fixture
def sample(project: MakeProject, env: dict[str, str], index: Index, quick_den: Path) -> Sample:
    """A project with two packages that ship the same file, of different content."""
    env["NOXDEN_DIR"] = str(quick_den)
    for name, text in (("noxdenone", "one = 1"), ("noxdentwo", "the_second = 2")):
        make_wheel(index.folder, name, files={f"{name}.py": "", TESTS: text})
    return project(["noxdenone", "noxdentwo"], more=index.setting)


def test_a_file_that_two_packages_ship_is_right_when_it_is_as_one_of_them_says(
    sample: Sample, env: dict[str, str]
) -> None:
    base = make(sample, env).environment.base
    [shared] = base.glob(f"lib/python*/site-packages/{TESTS}")
    for text in ("one = 1", "the_second = 2"):
        shared.unlink()
        shared.write_text(text)
        boot(base)

        assert is_whole(base)
        assert verify_base(base).findings == ()

    shared.unlink()
    shared.write_text("one")
    boot(base)
    assert not is_whole(base)
    assert [(one.problem, one.package) for one in verify_base(base).findings] == [
        ("changed", "noxdenone"),
        ("changed", "noxdentwo"),
    ]


@pytest.mark.parametrize("lost", ["RECORD", ""])
def test_a_base_that_lost_a_whole_package_is_built_again(
    lost: str, sample: Sample, env: dict[str, str]
) -> None:
    base = make(sample, env).environment.base
    [info] = base.glob("lib/python*/site-packages/noxdenone-*.dist-info")
    if lost:
        (info / lost).unlink()
    else:
        shutil.rmtree(info)
        (info.parent / "noxdenone.py").unlink()
    boot(base)

    assert not is_whole(base)

    again = make(sample, env)
    assert again.built_base
    assert is_whole(base)
    assert verify_base(base).findings == ()


def test_a_base_whose_document_is_damaged_is_not_whole_after_a_boot(
    sample: Sample, env: dict[str, str]
) -> None:
    base = make(sample, env).environment.base
    (base / "env.json").write_text("{")
    boot(base)

    assert not is_whole(base)


def test_a_base_that_is_replaced_stays_where_its_users_find_it_until_the_new_one_is_built(
    sample: Sample, env: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    from noxden.den import bases

    first = make(sample, env)
    base = first.environment.base
    [module] = base.glob("lib/python*/site-packages/noxdenone.py")
    next(base.glob("lib/python*/site-packages/noxdentwo-*.dist-info/RECORD")).unlink()
    boot(base)
    seen: list[bool] = []
    build = bases.build_base

    def look_after(*args: object) -> list[str]:
        warnings = build(*args)  # type: ignore[arg-type]
        seen.append(module.exists())
        return warnings

    monkeypatch.setattr(bases, "build_base", look_after)
    opened = os.open(base, os.O_RDONLY)

    assert make(sample, env).built_base

    [(replaced, key)] = find_replaced(base.parent)
    assert seen == [True]
    assert key == base.name
    assert os.path.samestat(os.fstat(opened), replaced.stat())
    assert (replaced / module.relative_to(base)).exists()
    assert is_whole(base)
    for descriptor in (opened, *first.held):
        os.close(descriptor)


def test_a_replacement_that_fails_leaves_the_old_base_where_it_was(
    sample: Sample, env: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    from pathlib import Path

    base = make(sample, env).environment.base
    (base / "env.json").unlink()
    rename = Path.rename

    def fail(self: Path, target: Path) -> Path:
        if target == base and "replaced" not in self.name:
            raise KeyboardInterrupt
        return rename(self, target)

    monkeypatch.setattr(Path, "rename", fail)
    with pytest.raises(KeyboardInterrupt):
        make(sample, env)

    assert [at.name for at in base.parent.iterdir()] == [base.name]
