"""What runs inside of other environments, or shows things, called directly."""

from __future__ import annotations

import sys
import zipfile
from typing import TYPE_CHECKING

import click
import pytest

from noxden import cli, render
from noxden.den.doctor import disks
from noxden.den.filesystem import Mount
from noxden.den.layout import open_den
from noxden.den.verify import check_documents
from noxden.errors import UsageError
from noxden.inside import noxden_inside
from noxden.sessions import _import_wheel

if TYPE_CHECKING:
    from pathlib import Path


def pack(path: Path, *names: str) -> Path:
    with zipfile.ZipFile(path, "w") as archive:
        for name in names:
            archive.writestr(name, "")
    return path


def test_modules_that_did_not_come_from_the_wheel_are_noted(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    wheel = pack(tmp_path / "a.whl", "noxden/__init__.py", "noxden/errors.py", "absent.py")
    target = tmp_path / "foreign.txt"
    monkeypatch.setattr(sys, "prefix", str(tmp_path))
    noxden_inside.pytest_sessionfinish()
    assert not target.exists()
    monkeypatch.setenv(noxden_inside.WHEEL, str(wheel))
    monkeypatch.setenv(noxden_inside.NOT_FROM_WHEEL, str(target))
    noxden_inside.pytest_sessionfinish()
    assert [line.split()[0] for line in target.read_text().splitlines()] == [
        "noxden",
        "noxden.errors",
    ]


def test_modules_of_the_environment_are_not_noted(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    wheel = pack(tmp_path / "a.whl", "here.py")
    (tmp_path / "here.py").touch()
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setattr(sys, "prefix", str(tmp_path))
    __import__("here")
    monkeypatch.setenv(noxden_inside.WHEEL, str(wheel))
    monkeypatch.setenv(noxden_inside.NOT_FROM_WHEEL, str(tmp_path / "foreign.txt"))
    noxden_inside.pytest_sessionfinish()
    assert not (tmp_path / "foreign.txt").exists()


def test_a_process_that_is_no_worker_or_is_measured_already_is_left_alone(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.delenv(noxden_inside.COVER_WORKERS, raising=False)
    assert noxden_inside._start_worker_coverage() is None
    noxden_inside.pytest_unconfigure()


def test_every_module_of_a_wheel_is_imported(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.syspath_prepend(tmp_path)
    (tmp_path / "works_here.py").touch()
    (tmp_path / "leaves_here.py").write_text("raise SystemExit(3)")
    good = pack(tmp_path / "good.whl", "works_here.py")
    bad = pack(tmp_path / "bad.whl", "works_here.py", "leaves_here.py")
    assert _import_wheel.main(str(good)) == 0
    assert capsys.readouterr().out == "imported works_here\n"
    assert _import_wheel.main(str(bad)) == 1
    assert capsys.readouterr().out == "cannot import leaves_here (SystemExit: 3)\n"
    assert _import_wheel.main(str(pack(tmp_path / "none.whl", "x-1.dist-info/RECORD"))) == 1
    assert capsys.readouterr().out == "no module in it\n"


@pytest.mark.parametrize(
    ("mount", "said"),
    [
        (Mount("/n", "nfs4", frozenset({"nolock"})), ("broken", "is mounted with nolock")),
        (Mount("/n", "nfs4", frozenset()), ("warning", "network file system (nfs4)")),
        (Mount("/n", "ext4", frozenset()), ("ok", "is on ext4, mounted at /n")),
    ],
)
def test_where_a_den_lies_is_told(
    mount: Mount, said: tuple[str, str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(disks, "find_mount", lambda _: mount)
    [found] = disks._check_mount("den", tmp_path)
    assert (found.severity.lower(), said[1] in found.message) == (said[0], True)


def test_a_den_that_cannot_link_and_a_checkout_elsewhere_are_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    den = open_den({"NOXDEN_DIR": str(tmp_path / "den")})
    monkeypatch.setattr(disks, "find_mount", lambda _: None)
    for mode, count in (("copy", 1), ("hardlink", 1), ("unknown", 0)):
        monkeypatch.setattr(disks, "find_link_mode", lambda *_, mode=mode: mode)
        assert len(list(disks._check_links(den))) == count
    monkeypatch.setattr(disks, "find_link_mode", lambda *_: "copy")
    [found] = disks.check_checkout(den, tmp_path)
    assert "different file systems" in found.message
    assert list(disks.check_checkout(None, tmp_path)) == []


def test_a_read_only_den_is_a_warning(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    den = open_den({"NOXDEN_DIR": str(tmp_path / "den")})
    monkeypatch.setattr(disks, "open_den", lambda _: den._replace(writable=False))
    _, said = disks.check_den({})
    assert "is read-only" in said[0].message


def test_what_ends_the_command_has_a_code_and_a_sentence(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    caller = cli.Caller({}, tmp_path)
    for error, code, said in (
        (UsageError("no"), 2, "noxden: no\n"),
        (KeyboardInterrupt(), 130, ""),
        (click.Abort(), 130, ""),
        (OSError(28, "No space left on device", "/x"), 3, "noxden: /x: No space left on device"),
        (ZeroDivisionError("0"), 70, "noxden: a bug in noxden: ZeroDivisionError: 0"),
    ):

        def fail(*_: object, error: BaseException = error) -> int:
            raise error

        monkeypatch.setattr(cli, "_run", fail)
        assert cli.main([], caller) == code
        assert capsys.readouterr().err.startswith(said)
    monkeypatch.setattr(cli, "_run", lambda *_: sys.exit(5))
    with pytest.raises(SystemExit):
        cli.main([], caller)


def test_sizes_times_and_ages_are_for_people() -> None:
    assert [render.render_size(size) for size in (5, 1_500, 2_000_000_000)] == [
        "5 B",
        "1.5 kB",
        "2.0 GB",
    ]
    assert [render.render_age(age) for age in (5.0, 120.0, 7200.0, 200000.0)] == [
        "now",
        "2 min ago",
        "2 h ago",
        "2 d ago",
    ]
    assert render.render_time(None) is None
    with pytest.raises(TypeError, match="object has no JSON form"):
        render._plain(object())


def test_documents_of_a_base_that_are_not_what_they_were_are_found(tmp_path: Path) -> None:
    assert [finding[0] for finding in check_documents(tmp_path)] == ["missing"]
    (tmp_path / "env.json").write_text("{}")
    assert [finding[0] for finding in check_documents(tmp_path)] == ["changed"]
    (tmp_path / "env.json").unlink()
    (tmp_path / "env.json").mkdir()
    assert [finding[0] for finding in check_documents(tmp_path)] == ["changed"]
