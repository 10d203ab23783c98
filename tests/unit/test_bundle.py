"""Bundles and the keys of the caches that save them."""

from __future__ import annotations

import errno
import hashlib
import io
import os
from typing import TYPE_CHECKING

import pytest

from noxden.den.layout import Den, open_den
from noxden.den.wheels.bundle import FolderSource, _read, write_bundle
from noxden.den.wheels.cache_key import compute_cache_key, describe_system
from noxden.den.wheels.closures import parse_closure
from noxden.den.wheels.fetch import fetch
from noxden.den.wheels.sources import AbsentError, SourceError
from noxden.den.wheels.store import artifact_path
from noxden.errors import InfrastructureError, SafetyError
from noxden.lock.selection import Artifact, Selection
from noxden.lock.target import describe_target
from noxden.tools.repository import find_repository_name, parse_repository_name

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture
def den(tmp_path: Path) -> Den:
    return open_den({"NOXDEN_DIR": str(tmp_path / "den")})


def make_artifact(name: str, version: str = "1.0") -> Artifact:
    content = content_of(name, version)
    sha256 = hashlib.sha256(content).hexdigest()
    file = f"{name}-{version}-py3-none-any.whl"
    source = {"url": f"https://packages.example/{file}", "hashes": {"sha256": sha256}}
    entry = {"name": name, "version": version, "wheels": [source]}
    return Artifact(name, version, "wheel", file, sha256, "", len(content), entry)


def content_of(name: str, version: str = "1.0") -> bytes:
    return f"{name} {version} ".encode() * 500


def store(den: Den, *artifacts: Artifact) -> Selection:
    """Put ``artifacts`` into the store."""
    for one in artifacts:
        path = artifact_path(den, one.content, one.file)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content_of(one.name, one.version or ""))
    return Selection(artifacts, ())


def files(folder: Path) -> set[str]:
    """Names of all files below ``folder``."""
    return {path.name for path in folder.rglob("*") if path.is_file()}


def inside(folder: Path, artifact: Artifact) -> Path:
    return folder / "wheels" / artifact.content[:2] / artifact.content / artifact.file


def test_a_bundle_holds_exactly_the_wheels_of_its_closure(den: Den, tmp_path: Path) -> None:
    one, two, other = make_artifact("one"), make_artifact("two"), make_artifact("other")
    store(den, other)
    selection = store(den, one, two)
    done = write_bundle(den, [selection], tmp_path / "bundle")
    manifest = f"{selection.closure_id}.toml"
    assert files(tmp_path / "bundle") == {
        ".gitignore",
        "bundle.json",
        manifest,
        one.file,
        two.file,
    }
    assert (done.artifacts, done.added, done.removed) == (2, (one.file, two.file), ())
    assert done.size == (one.size or 0) + (two.size or 0)
    text = (tmp_path / "bundle" / "closures" / manifest).read_text("utf-8")
    assert parse_closure(text, selection.closure_id).closure_id == selection.closure_id


def test_what_the_new_closure_does_not_need_leaves_the_bundle(den: Den, tmp_path: Path) -> None:
    old, new, same = make_artifact("tool"), make_artifact("tool", "2.0"), make_artifact("same")
    folder = tmp_path / "bundle"
    first = write_bundle(den, [store(den, old, same)], folder)
    before = inside(folder, same).stat()
    second = write_bundle(den, [store(den, new, same)], folder)
    assert second.added == (new.file,)
    assert set(second.removed) == {
        inside(folder, old).relative_to(folder).as_posix(),
        f"closures/{first.closures[0]}.toml",
    }
    assert not inside(folder, old).parent.parent.exists()
    assert inside(folder, same).stat() == before


def test_a_bundle_of_two_closures_holds_what_they_share_once(den: Den, tmp_path: Path) -> None:
    one, two, same = make_artifact("one"), make_artifact("two"), make_artifact("same")
    done = write_bundle(den, [store(den, one, same), store(den, two, same)], tmp_path / "bundle")
    assert (len(done.closures), done.artifacts) == (2, 3)


def test_what_was_damaged_in_a_bundle_is_written_anew(den: Den, tmp_path: Path) -> None:
    one = make_artifact("one")
    selection, folder = store(den, one), tmp_path / "bundle"
    write_bundle(den, [selection], folder)
    inside(folder, one).write_bytes(b"flipped")
    assert write_bundle(den, [selection], folder).added == (one.file,)
    assert inside(folder, one).read_bytes() == content_of("one")


def test_what_is_damaged_in_the_store_gets_into_no_bundle(den: Den, tmp_path: Path) -> None:
    one = make_artifact("one")
    selection, folder = store(den, one), tmp_path / "bundle"
    path = artifact_path(den, one.content, one.file)
    content = b"X" + content_of("one")[1:]
    path.write_bytes(content)
    with pytest.raises(SafetyError) as raised:
        write_bundle(den, [selection], folder)
    assert str(raised.value) == (
        f"{path} is to have sha256 {one.content}, found {hashlib.sha256(content).hexdigest()}; "
        f"run: nox -s wheelhouse -- verify --repair"
    )
    assert files(folder) == {".gitignore", "bundle.json"}


def test_a_folder_of_somebody_is_refused_and_left_alone(den: Den, tmp_path: Path) -> None:
    folder = tmp_path / "home"
    folder.mkdir()
    (folder / "letter.txt").write_text("dear")
    with pytest.raises(SafetyError) as raised:
        write_bundle(den, [store(den, make_artifact("one"))], folder)
    assert str(raised.value) == (
        f"{folder} holds files that are not a bundle's; empty it or name another folder"
    )
    assert files(folder) == {"letter.txt"}


def test_an_empty_folder_becomes_a_bundle(den: Den, tmp_path: Path) -> None:
    (tmp_path / "bundle").mkdir()
    assert write_bundle(den, [store(den, make_artifact("one"))], tmp_path / "bundle").artifacts == 1


def test_an_interrupted_bundle_is_gone_on_with(den: Den, tmp_path: Path) -> None:
    one, lost = make_artifact("one"), make_artifact("lost")
    folder = tmp_path / "bundle"
    with pytest.raises(InfrastructureError, match="cannot write the bundle: .*No such file"):
        write_bundle(den, [Selection((one, lost), ())], folder)
    assert files(folder) == {".gitignore", "bundle.json"}
    assert write_bundle(den, [store(den, one, lost)], folder).artifacts == 2
    assert not list(folder.glob(".building-*"))


def test_a_bundle_gives_what_it_has_and_the_next_source_the_rest(den: Den, tmp_path: Path) -> None:
    one, two = make_artifact("one"), make_artifact("two")
    folder = tmp_path / "bundle"
    write_bundle(den, [store(den, one)], folder)
    fresh = open_den({"NOXDEN_DIR": str(tmp_path / "fresh")})
    fetched = fetch(fresh, [one, two], [FolderSource(folder)])
    assert [(one.source, one.artifacts) for one in fetched.transfers] == [(f"bundle {folder}", 1)]
    assert [str(missing.reason) for missing in fetched.missing] == [f"bundle {folder}: not there"]
    assert fetched.warnings == ()
    assert artifact_path(fresh, one.content, one.file).read_bytes() == content_of("one")


@pytest.mark.parametrize("damage", ["cut", "flipped", "renamed"])
def test_what_is_damaged_in_a_bundle_costs_a_line_and_comes_from_elsewhere(
    den: Den, tmp_path: Path, damage: str
) -> None:
    one, two = make_artifact("one"), make_artifact("two")
    bad, good = tmp_path / "bad", tmp_path / "good"
    selection = store(den, one, two)
    write_bundle(den, [selection], bad)
    write_bundle(den, [selection], good)
    file, content = inside(bad, one), content_of("one")
    match damage:
        case "cut":
            file.write_bytes(content[:100])
        case "flipped":
            file.write_bytes(b"X" + content[1:])
        case _:
            file.rename(file.with_name("one (1).whl"))
    found = {
        "cut": f"{hashlib.sha256(content[:100]).hexdigest()} (100 bytes)",
        "flipped": f"{hashlib.sha256(b'X' + content[1:]).hexdigest()} ({len(content)} bytes)",
        "renamed": "one (1).whl in its place",
    }[damage]
    fresh = open_den({"NOXDEN_DIR": str(tmp_path / "fresh")})
    fetched = fetch(fresh, [one, two], [FolderSource(bad), FolderSource(good)])
    assert fetched.missing == ()
    assert [(one.source, one.artifacts) for one in fetched.transfers] == [
        (f"bundle {bad}", 1),
        (f"bundle {good}", 1),
    ]
    assert fetched.warnings == (
        f"bundle {bad} gave wrong content (one 1.0: {one.file} is to have sha256 {one.content}, "
        f"found {found}); not used",
    )


def test_a_bundle_is_gone_on_with_where_a_download_was_cut(den: Den, tmp_path: Path) -> None:
    one = make_artifact("one")
    write_bundle(den, [store(den, one)], tmp_path / "bundle")
    stream = FolderSource(tmp_path / "bundle").open(one, 100)
    assert (stream.offset, stream.size) == (100, one.size)
    assert b"".join(stream.blocks) == content_of("one")[100:]


def test_what_a_bundle_cannot_read_is_no_reason_to_fail(tmp_path: Path) -> None:
    one = make_artifact("one")
    with pytest.raises(AbsentError, match="^not there$"):
        FolderSource(tmp_path).open(one, 0)
    inside(tmp_path, one).parent.parent.mkdir(parents=True)
    inside(tmp_path, one).parent.write_text("a file where a folder is to be")
    with pytest.raises(SourceError, match="Not a directory$"):
        FolderSource(tmp_path).open(one, 0)
    inside(tmp_path, one).parent.unlink()
    inside(tmp_path, one).mkdir(parents=True)
    with pytest.raises(SourceError, match="Is a directory$"):
        FolderSource(tmp_path).open(one, 0)


def test_a_disk_that_fails_while_a_bundle_is_read_is_the_bundles_fault() -> None:
    class Failing(io.RawIOBase):
        def seek(self, _offset: int, _whence: int = 0, /) -> int:
            raise OSError(errno.EIO, "Input/output error")

    with pytest.raises(SourceError, match="^Input/output error$"):
        next(_read(Failing(), 0))


CLOSURE = "c0ffee" + "0" * 58


@pytest.mark.parametrize(
    ("version", "platform", "expected"),
    [
        ("3.12", "manylinux_2_28_x86_64", "ibm.noxden-debian12-glibc2.28-x86_64-cp312-test.heavy-"),
        ("3.13t", "musllinux_1_2_aarch64", "ibm.noxden-debian12-musl1.2-aarch64-cp313.cp313t-test.heavy-"),
        ("3.12", "macosx_14_0_arm64", "ibm.noxden-debian12-libc-arm64-cp312-test.heavy-"),
    ],
)  # fmt: skip
def test_a_cache_key_says_what_the_wheels_are_for(
    version: str, platform: str, expected: str
) -> None:
    target = describe_target(version, platform)
    found = compute_cache_key("IBM/noxden", "debian12", target, "Test Heavy", CLOSURE)
    assert found == (expected + CLOSURE, expected)


def test_a_cache_key_is_short_and_plain_whatever_the_names_are() -> None:
    target = describe_target("3.12", "manylinux_2_28_x86_64")
    first = compute_cache_key("ä/ü" * 300, "Ärger Linux/7", target, "g" * 900, CLOSURE)
    second = compute_cache_key("ä/ü" * 300, "Ärger Linux/7", target, "g" * 901, CLOSURE)
    assert len(first.key) <= 512
    assert set(first.key) <= set("abcdefghijklmnopqrstuvwxyz0123456789._-")
    assert first.key == first.prefix + CLOSURE
    assert first.prefix != second.prefix
    assert first.prefix.split("-")[1:5] == ["rger.linux.7", "glibc2.28", "x86_64", "cp312"]


def test_the_system_of_another_machine_is_what_its_platform_says() -> None:
    assert describe_system(describe_target("3.12", "manylinux_2_28_x86_64")) == "linux"
    assert describe_system(describe_target("3.12", "macosx_14_0_arm64")) == "macosx14.0"


def test_the_system_of_this_machine_is_its_release(monkeypatch: pytest.MonkeyPatch) -> None:
    here = describe_target("3.12", "manylinux_2_28_x86_64")._replace(executable="/usr/bin/python3")
    monkeypatch.setattr("sys.platform", "linux")
    monkeypatch.setattr(
        "platform.freedesktop_os_release", lambda: {"ID": "ubuntu", "VERSION_ID": "24.04"}
    )
    assert describe_system(here) == "ubuntu24.04"
    monkeypatch.setattr("platform.freedesktop_os_release", lambda: {"ID": "arch"})
    assert describe_system(here) == "arch"

    def absent() -> dict[str, str]:
        raise FileNotFoundError

    monkeypatch.setattr("platform.freedesktop_os_release", absent)
    assert describe_system(here) == "linux"
    monkeypatch.setattr("sys.platform", "darwin")
    monkeypatch.setattr("platform.mac_ver", lambda: ("14.5", ("", "", ""), "arm64"))
    assert describe_system(here) == "macosx14.5"


@pytest.mark.parametrize(
    ("url", "name"),
    [
        ("https://github.example/IBM/noxden.git", "IBM/noxden"),
        ("https://user:secret@host.example/noxden", "noxden"),
        ("git@host.example:group/sub/noxden.git", "sub/noxden"),
        ("ssh://git@host.example:22/group/noxden/", "group/noxden"),
        ("/srv/git/noxden.git", "git/noxden"),
        ("", ""),
    ],
)
def test_a_repository_is_named_by_the_end_of_its_path(url: str, name: str) -> None:
    assert parse_repository_name(url) == name


def test_a_folder_outside_of_git_is_named_by_itself(tmp_path: Path) -> None:
    folder = tmp_path / "tool"
    folder.mkdir()
    assert find_repository_name(folder, os.environ) == "tool"
    assert find_repository_name(folder, {"PATH": "/nowhere"}) == "tool"
