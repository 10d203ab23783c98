"""Verification and repair of real bases. Each test has a uv cache of its own: it damages it."""

from __future__ import annotations

import json
import os
import shutil
from hashlib import sha256
from typing import TYPE_CHECKING, Any, NamedTuple

import pytest

from noxden.cli import Caller, main
from noxden.den.locks import hold_use
from noxden.den.prepare import prepare
from noxden.den.verify import Finding, Verdict, verify_base
from noxden.den.workplace import open_workplace
from noxden.lock.request import Request
from noxden.lock.selection import canonical_json

if TYPE_CHECKING:
    from pathlib import Path

    from tests.conftest import MakeProject


class Built(NamedTuple):
    """A base, and how to verify it by the command."""

    base: Path
    caller: Caller

    @property
    def module(self) -> Path:
        """A file that a package brought."""
        return next(self.base.glob("lib/python*/site-packages/six.py"))

    @property
    def relative(self) -> str:
        """Its name in findings."""
        return str(self.module.relative_to(self.base))


@pytest.fixture
def built(project: MakeProject, env: dict[str, str], tmp_path: Path) -> Built:
    sample = project(groups={"test": ["six", "pytest"]})
    env["NOXDEN_DIR"] = str(tmp_path / "own-den")
    prepared = prepare(
        open_workplace(sample.path, env),
        Request(only_groups=("test",)),
        sample.path / ".nox" / "unit",
    )
    for descriptor in prepared.held:
        os.close(descriptor)
    return Built(prepared.environment.base, Caller(env, tmp_path))


def verify(built: Built, capsys: pytest.CaptureFixture[str], *words: str) -> tuple[int, Any]:
    capsys.readouterr()
    code = main(["verify", "--json", *words], built.caller)
    said = capsys.readouterr()
    assert "Traceback" not in said.err
    return code, json.loads(said.out) if said.out else said.err


def tamper(path: Path) -> None:
    """Change a file in place, as an editor does: its hard links change with it."""
    with path.open("r+b") as file:
        file.write(b"import os # tampered")


def test_a_fresh_base_has_no_findings_and_neither_has_one_with_bytecode(built: Built) -> None:
    clean = verify_base(built.base)
    cache = built.module.parent / "__pycache__"
    cache.mkdir(exist_ok=True)
    (cache / "six.cpython-311.pyc").write_bytes(b"bytecode")

    assert clean.findings == ()
    assert clean.files > 100
    assert verify_base(built.base) == clean


def test_changed_missing_and_foreign_files_are_found(built: Built) -> None:
    tamper(built.module)
    site = built.module.parent
    (site / "iniconfig" / "__init__.py").unlink()
    (site / "evil.pth").write_text("import evil")
    (built.base / "bin" / "tool").write_text("#!/bin/sh")

    found = verify_base(built.base)

    at = str(site.relative_to(built.base))
    assert found.findings == (
        Finding("changed", f"{at}/six.py", "six"),
        Finding("foreign", "bin/tool", ""),
        Finding("foreign", f"{at}/evil.pth", ""),
        Finding("missing", f"{at}/iniconfig/__init__.py", "iniconfig"),
    )


def test_the_command_ends_with_4_and_says_how_to_repair(
    built: Built, capsys: pytest.CaptureFixture[str]
) -> None:
    tamper(built.module)
    key = built.base.name

    assert main(["verify", key[:8]], built.caller) == 4
    assert capsys.readouterr().out == (
        f"{key[:12]}: changed: {built.relative} (six)\n"
        f"{key[:12]}: damaged; repair it: noxden verify --repair {key[:12]}\n"
    )


def test_repair_brings_the_installed_content_back_though_the_cache_was_damaged_too(
    built: Built, capsys: pytest.CaptureFixture[str]
) -> None:
    text = built.module.read_bytes()
    document = (built.base / "env.json").read_bytes()
    tamper(built.module)

    code, [verdict] = verify(built, capsys, "--repair")

    assert (code, verdict["repaired"]) == (0, "rebuilt")
    assert built.module.read_bytes() == text
    assert (built.base / "env.json").read_bytes() == document
    assert verify(built, capsys) == (
        0,
        [Verdict(built.base.name, verdict["files"], ())._asdict() | {"findings": []}],
    )
    assert [at.name for at in built.base.parent.iterdir()] == [built.base.name]


def test_a_base_in_use_is_not_repaired(built: Built, capsys: pytest.CaptureFixture[str]) -> None:
    tamper(built.module)
    held = hold_use(built.base.parent.parent / "uses" / f"{built.base.name}.lock")
    assert held is not None

    code, said = verify(built, capsys, "--repair")
    os.close(held)

    assert code == 3
    assert said == (
        f"noxden: the base environment {built.base.name[:12]} is in use by a running session; "
        f"wait for it to end, then repeat\n"
    )


def test_a_repair_that_cannot_install_leaves_the_base_where_it_was(
    built: Built, capsys: pytest.CaptureFixture[str]
) -> None:
    tamper(built.module)
    env = {**built.caller.env, "NOXDEN_OFFLINE": "1"}

    code, _ = verify(Built(built.base, Caller(env, built.caller.cwd)), capsys, "--repair")

    assert code == 3
    assert b"tampered" in built.module.read_bytes()
    assert [at.name for at in built.base.parent.iterdir()] == [built.base.name]


def test_a_base_whose_interpreter_became_another_is_removed(
    built: Built, capsys: pytest.CaptureFixture[str]
) -> None:
    document = json.loads((built.base / "env.json").read_bytes())
    document["interpreter"]["build"] = "another build"
    text = canonical_json(document)
    (built.base / "env.json").write_bytes(text)
    built = built._replace(base=built.base.rename(built.base.with_name(sha256(text).hexdigest())))
    tamper(built.module)

    code, [verdict] = verify(built, capsys, "--repair")

    assert (code, verdict["repaired"]) == (
        0, "removed, for its interpreter is gone or another; nothing can use it",
    )  # fmt: skip
    assert list(built.base.parent.iterdir()) == []


def test_a_package_that_is_missing_as_a_whole_is_found_and_brought_back(
    built: Built, capsys: pytest.CaptureFixture[str]
) -> None:
    [info] = built.module.parent.glob("six-*.dist-info")
    shutil.rmtree(info)
    built.module.unlink()
    relative = str((info / "RECORD").relative_to(built.base))

    assert verify_base(built.base).findings == (Finding("missing package", relative, "six"),)

    code, [verdict] = verify(built, capsys, "--repair")
    assert (code, verdict["repaired"]) == (0, "rebuilt")
    assert info.is_dir()
    assert built.module.exists()


def test_a_record_that_cannot_be_read_is_a_finding(
    built: Built, capsys: pytest.CaptureFixture[str]
) -> None:
    record = next(built.module.parent.glob("six-*.dist-info")) / "RECORD"
    record.unlink()
    record.write_bytes(b"six.py,sha256=\n")

    code, [verdict] = verify(built, capsys)

    relative = str(record.relative_to(built.base))
    assert code == 4
    assert {"problem": "changed", "file": relative, "package": "six"} in verdict["findings"]


def test_an_env_json_that_is_not_what_the_key_stands_for_is_found_and_the_base_goes(
    built: Built, capsys: pytest.CaptureFixture[str]
) -> None:
    document = json.loads((built.base / "env.json").read_bytes())
    document["selection"].pop()
    (built.base / "env.json").write_bytes(canonical_json(document))

    assert verify_base(built.base).findings == (Finding("changed", "env.json", ""),)

    code, [verdict] = verify(built, capsys, "--repair")
    assert (code, verdict["repaired"]) == (
        0, "removed, for its env.json is changed; the next session builds it",
    )  # fmt: skip
    assert list(built.base.parent.iterdir()) == []


@pytest.mark.parametrize("other", ["f" * 64, ""])
def test_nothing_is_installed_from_a_pylock_that_is_not_the_selection(
    other: str, built: Built, capsys: pytest.CaptureFixture[str]
) -> None:
    document = json.loads((built.base / "env.json").read_bytes())
    pylock = built.base / "pylock.toml"
    pylock.write_text(pylock.read_text().replace(document["selection"][0]["sha256"], other))

    assert verify_base(built.base).findings == (Finding("changed", "pylock.toml", ""),)

    tamper(built.module)
    code, [verdict] = verify(built, capsys, "--repair")
    assert (code, verdict["repaired"]) == (
        0, "removed, for its pylock.toml is changed; the next session builds it",
    )  # fmt: skip
    assert list(built.base.parent.iterdir()) == []


def test_a_key_that_is_not_there_ends_with_2(
    built: Built, capsys: pytest.CaptureFixture[str]
) -> None:
    code, said = verify(built, capsys, "f" * 64)

    assert code == 2
    assert said.endswith(f"has no base environment {'f' * 64}; noxden envs lists them\n")
