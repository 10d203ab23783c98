"""The parts of the den: layout, file systems, owners, locks, the lifecycle, memos, fingerprints."""

from __future__ import annotations

import contextlib
import errno
import hashlib
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from noxden._switches import is_on, wants_traceback
from noxden.den import layout, owners
from noxden.den.filesystem import explain_unsafe_locks, find_mount, refuse_unsafe_locks
from noxden.den.layout import compute_den_directory, open_den
from noxden.den.lifecycle import publish
from noxden.den.locks import exclusive, hold_use, try_exclusive
from noxden.den.memo import compute_digest, recall, remember
from noxden.den.owners import find_leftovers, sibling_name
from noxden.errors import InfrastructureError, SafetyError, UsageError
from tests.sandbox import run

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

# Where the den is


@pytest.mark.parametrize(
    ("env", "directory"),
    [
        ({"NOXDEN_DIR": "/x/den"}, "/x/den"),
        ({"NOXDEN_DIR": "", "HOME": "/home/me"}, "/home/me/.cache/noxden"),
        ({"HOME": "/home/me", "XDG_CACHE_HOME": "/c"}, "/c/noxden"),
        ({"NOXDEN_DIR": "/x/den", "NOXDEN_TRUST": "untrusted"}, "/x/den-untrusted"),
        ({"NOXDEN_DIR": "/x/den", "NOXDEN_TRUST": "trusted"}, "/x/den"),
    ],
)
def test_the_den_is_where_the_variables_say(env: dict[str, str], directory: str) -> None:
    if sys.platform == "linux":
        assert compute_den_directory(env) == Path(directory)


@pytest.mark.parametrize("trust", ["trusted", "untrusted"])
def test_a_den_has_one_path_whatever_link_names_it(trust: str, tmp_path: Path) -> None:
    (tmp_path / "real" / "x").mkdir(parents=True)
    (tmp_path / "link").symlink_to(tmp_path / "real")
    ending = "-untrusted" if trust == "untrusted" else ""
    for name in ("real/den", "link/den", "link/x/../den", "real/x/../den/"):
        found = compute_den_directory({"NOXDEN_DIR": f"{tmp_path}/{name}", "NOXDEN_TRUST": trust})
        assert found == tmp_path / "real" / f"den{ending}"
    (tmp_path / "shortcut").symlink_to(tmp_path / "real" / "den")
    found = compute_den_directory({"NOXDEN_DIR": f"{tmp_path}/shortcut", "NOXDEN_TRUST": trust})
    assert found == tmp_path / "real" / f"den{ending}"


@pytest.mark.parametrize("trust", ["trusted", "untrusted"])
@pytest.mark.parametrize("named", ["den", "./den", ".", "~nouser/x", "/", "//", "/x/.."])
def test_a_den_that_is_not_an_absolute_directory_is_refused_with_the_way_out(
    named: str, trust: str
) -> None:
    with pytest.raises(UsageError) as caught:
        compute_den_directory({"NOXDEN_DIR": named, "NOXDEN_TRUST": trust})
    assert str(caught.value) == (
        f"NOXDEN_DIR={named} cannot be the den; set NOXDEN_DIR to the absolute path of a directory"
    )


@pytest.mark.skipif(sys.platform != "linux", reason="the variables of XDG")
def test_a_relative_cache_directory_is_ignored_and_a_relative_home_refused() -> None:
    env = {"HOME": "/home/me", "XDG_CACHE_HOME": "cache"}
    assert compute_den_directory(env) == Path("/home/me/.cache/noxden")
    with pytest.raises(UsageError) as caught:
        compute_den_directory({"HOME": "me"})
    assert str(caught.value) == (
        "the user's cache directory me/.cache/noxden cannot be the den; "
        "set NOXDEN_DIR to the absolute path of a directory"
    )


@pytest.mark.parametrize("trust", ["Untrusted", "untrusted ", "no", "", "1"])
def test_a_trust_that_is_misspelled_never_gives_the_trusted_den(trust: str, tmp_path: Path) -> None:
    with pytest.raises(UsageError) as caught:
        open_den({"NOXDEN_DIR": str(tmp_path / "den"), "NOXDEN_TRUST": trust})
    assert str(caught.value) == (
        f"environment variable NOXDEN_TRUST is to be trusted or untrusted, got {trust!r}"
    )
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("value", "on"),
    [
        *((value, True) for value in ("1", "true", "yes", "on", "TRUE", " Yes ")),
        *((value, False) for value in ("0", "false", "no", "off", "OFF", "")),
    ],
)
def test_a_switch_is_on_or_off(value: str, *, on: bool) -> None:
    assert is_on({"NOXDEN_OFFLINE": value}, "NOXDEN_OFFLINE") is on
    assert wants_traceback({"NOXDEN_DEBUG": value}) is on


def test_a_switch_that_is_neither_on_nor_off_is_refused() -> None:
    with pytest.raises(UsageError) as caught:
        is_on({"NOXDEN_OFFLINE": "maybe"}, "NOXDEN_OFFLINE")
    said = "environment variable NOXDEN_OFFLINE is to be 1 or 0, got 'maybe'"
    assert str(caught.value) == said
    assert not wants_traceback({"NOXDEN_DEBUG": "maybe"})


def test_other_systems_keep_the_den_where_they_keep_caches(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "platform", "darwin")
    assert compute_den_directory({}).name == "noxden"


def test_a_new_den_is_private_and_tagged_as_a_cache(tmp_path: Path) -> None:
    den = open_den({"NOXDEN_DIR": str(tmp_path / "a" / "den")})
    assert den.root.stat().st_mode & 0o777 == 0o700
    tag = (den.root / "CACHEDIR.TAG").read_text()
    assert tag.startswith("Signature: 8a477f597d28d172789f06886806bc55\n")
    assert sorted(path.name for path in den.root.iterdir()) == [
        "CACHEDIR.TAG", "closures", "envs", "format", "locks", "memo", "uses", "uv", "wheels",
    ]  # fmt: skip
    assert (den.uv_cache, den.envs, den.memo, den.locks, den.uses) == tuple(
        den.root / name for name in ("uv", "envs", "memo", "locks", "uses")
    )
    assert den.base("k") == den.root / "envs" / "k"


def test_a_den_of_an_older_format_loses_its_environments_and_keeps_the_cache_of_uv(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    env = {"NOXDEN_DIR": str(tmp_path / "den")}
    den = open_den(env)
    for name in ("envs/old", "memo/old", "uses/old", "uv/kept"):
        (den.root / name).mkdir()
    monkeypatch.setattr(layout, "DEN_FORMAT", 2)
    den = open_den(env)
    assert sorted(str(path.relative_to(den.root)) for path in den.root.glob("*/*")) == [
        "locks/format.lock", "uv/kept",
    ]  # fmt: skip
    assert (den.root / "format").read_text() == "2\n"


def test_a_den_whose_format_cannot_be_read_gets_one(tmp_path: Path) -> None:
    env = {"NOXDEN_DIR": str(tmp_path / "den")}
    den = open_den(env)
    (den.envs / "kept").mkdir()
    (den.root / "format").write_text("one")
    open_den(env)
    assert (den.root / "format").read_text() == "1\n"
    assert (den.envs / "kept").is_dir()


def test_a_den_that_cannot_be_made_is_an_error_with_the_next_step(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(_root: Path) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(layout, "_discard_older", fail)
    with pytest.raises(InfrastructureError) as caught:
        open_den({"NOXDEN_DIR": str(tmp_path / "den")})
    assert str(caught.value) == (
        f"cannot create the den {tmp_path}/den: No space left on device; set NOXDEN_DIR elsewhere"
    )


# File systems


MOUNTS = r"""
22 1 252:1 / / rw,relatime shared:1 - ext4 /dev/root rw,discard
30 22 0:26 / /home rw,relatime shared:2 - nfs4 server:/home rw,vers=4.2,local_lock=none,addr=1.2.3.4
31 30 0:27 / /home/me/local\040disk rw - xfs /dev/sdb rw
32 22 0:28 / /mnt/old rw - nfs server:/old rw,vers=3,nolock,local_lock=all
33 22 0:29 / /mnt/share rw - fuse.sshfs me@server: rw,user_id=0
34 22 0:30 / /mnt/win rw - cifs //server/win rw,nobrl
35 22 0:31 / /scratch rw - lustre mgs:/scratch rw,localflock
36 22 0:32 / /mnt/tab\011and\134slash rw - tmpfs tmpfs rw,size=1m
37 22 0:33 / /homes rw - btrfs /dev/sdc rw
""".lstrip()


@pytest.mark.parametrize(
    ("path", "point", "kind"),
    [
        ("/var/den", "/", "ext4"),
        ("/home/me/den", "/home", "nfs4"),
        ("/home", "/home", "nfs4"),
        ("/homes/me", "/homes", "btrfs"),
        ("/homeless", "/", "ext4"),
        ("/home/me/local disk/den", "/home/me/local disk", "xfs"),
        ("/mnt/tab\tand\\slash/den", "/mnt/tab\tand\\slash", "tmpfs"),
    ],
)
def test_a_path_lies_on_the_mount_that_is_nearest_above_it(
    path: str, point: str, kind: str
) -> None:
    mount = find_mount(Path(path), MOUNTS)
    assert mount is not None
    assert (mount.point, mount.kind) == (point, kind)


def test_of_two_mounts_at_one_point_the_later_counts() -> None:
    mount = find_mount(Path("/x/y"), "1 0 0:1 / /x rw - ext4 a rw\n2 1 0:2 / /x rw - tmpfs b rw\n")
    assert mount is not None
    assert (mount.kind, mount.is_network) == ("tmpfs", False)


@pytest.mark.parametrize(
    ("path", "reason"),
    [
        ("/var/den", None),
        ("/home/me/den", None),
        ("/mnt/old/den", "nfs is mounted with local_lock=all, nolock, so locks stay on this host"),
        ("/mnt/share/den", "fuse.sshfs does not tell other hosts about locks"),
        ("/mnt/win/den", "cifs is mounted with nobrl, so locks stay on this host"),
        ("/scratch/den", "lustre is mounted with localflock, so locks stay on this host"),
    ],
)
def test_a_den_where_locks_do_not_exclude_is_refused_with_the_reason(
    path: str, reason: str | None
) -> None:
    mount = find_mount(Path(path), MOUNTS)
    assert mount is not None
    assert explain_unsafe_locks(mount) == reason
    if reason is None:
        refuse_unsafe_locks(Path(path), {}, MOUNTS)
        return
    with pytest.raises(SafetyError) as caught:
        refuse_unsafe_locks(Path(path), {}, MOUNTS)
    assert str(caught.value) == (
        f"the den {path} is on {reason}; set NOXDEN_DIR to a local disk, or "
        f"NOXDEN_ALLOW_UNSAFE_LOCKS=1 if only this host uses it"
    )
    refuse_unsafe_locks(Path(path), {"NOXDEN_ALLOW_UNSAFE_LOCKS": "1"}, MOUNTS)


def test_the_mounts_of_this_machine_are_read(tmp_path: Path) -> None:
    if sys.platform != "linux":
        assert find_mount(tmp_path) is None
        return
    mount = find_mount(tmp_path)
    assert mount is not None
    assert str(tmp_path).startswith(mount.point)


def test_other_systems_do_not_tell(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "platform", "darwin")
    assert find_mount(Path("/x")) is None
    refuse_unsafe_locks(Path("/x"), {})


# Owners


def test_what_this_process_builds_is_no_left_over(tmp_path: Path) -> None:
    (tmp_path / sibling_name()).mkdir()
    assert list(find_leftovers(tmp_path)) == []


def test_names_of_siblings_differ() -> None:
    assert len({sibling_name() for _ in range(100)}) == 100


def name_of(pid: int, *, place: str | None = None, start: str | None = None) -> str:
    return f".building-{place or owners._place()}-{pid}-{start or owners._start_time(pid)}-abcd"


def test_what_a_process_that_ended_was_building_is_a_left_over(tmp_path: Path) -> None:
    with subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE) as child:
        name = name_of(child.pid)
        (tmp_path / name).mkdir()
        assert list(find_leftovers(tmp_path)) == []
        child.communicate(b"\n")
    assert [path.name for path in find_leftovers(tmp_path)] == [name]


LEFT_OVERS: dict[str, Callable[[], str]] = {
    "another process of that number": lambda: name_of(os.getpid(), start="1"),
    "nonsense": lambda: ".building-nonsense",
    "no number": lambda: ".building-a-b-c-d",
}


@pytest.mark.parametrize("kind", LEFT_OVERS)
def test_left_overs_are_told_by_process_and_start(kind: str, tmp_path: Path) -> None:
    name = LEFT_OVERS[kind]()
    (tmp_path / name).mkdir()
    (tmp_path / "something-else").mkdir()
    assert [path.name for path in find_leftovers(tmp_path)] == [name]


def test_what_was_begun_elsewhere_is_a_left_over_after_a_day(tmp_path: Path) -> None:
    entry = tmp_path / name_of(os.getpid(), place="0" * 16)
    entry.mkdir()
    assert list(find_leftovers(tmp_path)) == []
    yesterday = entry.stat().st_mtime - owners._LONGEST_BUILD_S
    os.utime(entry, (yesterday, yesterday))
    assert list(find_leftovers(tmp_path)) == [entry]


def test_a_process_of_another_user_lives(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(_pid: int, _signal: int) -> None:
        raise PermissionError

    name = name_of(1)
    (tmp_path / name).mkdir()
    monkeypatch.setattr(os, "kill", refuse)
    assert list(find_leftovers(tmp_path)) == []


def test_systems_without_proc_are_all_one_boot(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(path: Path, *_: object) -> str:
        raise FileNotFoundError(str(path))

    monkeypatch.setattr(Path, "read_text", refuse)
    monkeypatch.setattr(Path, "readlink", refuse)
    assert owners.boot_id() == "unknown"
    place = hashlib.sha256(b"unknown ").hexdigest()[:16]
    assert sibling_name().startswith(f".building-{place}-{os.getpid()}-0-")


# Locks


HOLD = """
import sys, time
from pathlib import Path
from noxden.den.locks import exclusive
with exclusive(Path(sys.argv[1])):
    print("held", flush=True)
    time.sleep(float(sys.argv[2]))
"""


@contextlib.contextmanager
def held_elsewhere(path: Path, seconds: float) -> Iterator[subprocess.Popen[str]]:
    """Another process holds ``path``, for some seconds or until the block ends."""
    words = [sys.executable, "-c", HOLD, str(path), str(seconds)]
    with subprocess.Popen(words, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "held\n"
        try:
            yield process
        finally:
            process.kill()


def test_a_lock_that_is_free_is_taken_without_a_word(tmp_path: Path) -> None:
    said: list[str] = []
    with exclusive(tmp_path / "x.lock", on_wait=lambda: said.append("waiting")):
        assert said == []


def test_a_lock_that_another_process_holds_is_waited_for_and_said_once(tmp_path: Path) -> None:
    said: list[str] = []
    path = tmp_path / "x.lock"
    with (
        held_elsewhere(path, 0.3) as process,
        exclusive(path, on_wait=lambda: said.append("waiting")),
    ):
        assert said == ["waiting"]
        assert process.wait() == 0


def test_a_lock_of_a_process_that_is_killed_is_free(tmp_path: Path) -> None:
    with held_elsewhere(tmp_path / "x.lock", 60) as process:
        process.kill()
        with exclusive(tmp_path / "x.lock"):
            assert process.wait() < 0


def test_trying_a_lock_tells_whether_it_is_held(tmp_path: Path) -> None:
    with try_exclusive(tmp_path / "x.lock") as held:
        assert held
    with held_elsewhere(tmp_path / "x.lock", 60), try_exclusive(tmp_path / "x.lock") as held:
        assert not held


def test_a_lock_that_cannot_be_opened_is_an_error_with_the_next_step(tmp_path: Path) -> None:
    (tmp_path / "x.lock").mkdir()
    told = re.escape(f"cannot lock {tmp_path}/x.lock: ")
    with pytest.raises(InfrastructureError, match=told), exclusive(tmp_path / "x.lock"):
        pytest.fail("it was locked")


def test_many_use_a_base_and_nobody_deletes_it_meanwhile(tmp_path: Path) -> None:
    path = tmp_path / "uses" / "key.lock"
    one, two = hold_use(path), hold_use(path)
    assert one is not None
    assert two is not None
    for descriptor in (one, two):
        with try_exclusive(path) as held:
            assert not held
        os.close(descriptor)
    with try_exclusive(path) as held:
        assert held


def test_using_a_base_marks_when(tmp_path: Path) -> None:
    path = tmp_path / "key.lock"
    path.touch()
    os.utime(path, (1, 1))
    descriptor = hold_use(path)
    assert descriptor is not None
    os.close(descriptor)
    assert path.stat().st_mtime > 1


def test_waiting_for_a_base_that_is_collected_is_said(tmp_path: Path) -> None:
    said: list[str] = []
    with held_elsewhere(tmp_path / "key.lock", 0.3):
        descriptor = hold_use(tmp_path / "key.lock", on_wait=lambda: said.append("waiting"))
    assert descriptor is not None
    os.close(descriptor)
    assert said == ["waiting"]


def test_a_lock_file_that_cannot_be_made_holds_nothing(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    assert hold_use(tmp_path / "file" / "key.lock") is None


# The lifecycle


def build_in(text: str) -> object:
    def build(sibling: Path) -> None:
        (sibling / "content").write_text(text)

    return build


def is_whole(entry: Path) -> bool:
    return (entry / "content").exists()


def published(folder: Path, build: object) -> bool:
    return publish(
        folder / "entries" / "one",
        lock=folder / "locks" / "one.lock",
        is_whole=is_whole,
        build=build,  # type: ignore[arg-type]
    )


def test_an_entry_is_built_once(tmp_path: Path) -> None:
    assert published(tmp_path, build_in("first"))
    assert not published(tmp_path, build_in("second"))
    assert (tmp_path / "entries" / "one" / "content").read_text() == "first"


def test_an_entry_that_is_not_whole_is_replaced(tmp_path: Path) -> None:
    (tmp_path / "entries" / "one" / "half").mkdir(parents=True)
    assert published(tmp_path, build_in("whole"))
    assert [path.name for path in (tmp_path / "entries" / "one").iterdir()] == ["content"]


@pytest.mark.parametrize("error", [ValueError, KeyboardInterrupt, SystemExit])
def test_whatever_goes_wrong_leaves_nothing(error: type[BaseException], tmp_path: Path) -> None:
    def build(sibling: Path) -> None:
        (sibling / "half").write_text("")
        raise error

    with pytest.raises(error):
        published(tmp_path, build)
    assert list((tmp_path / "entries").iterdir()) == []
    assert published(tmp_path, build_in("whole"))


def test_an_entry_that_cannot_be_written_says_so(tmp_path: Path) -> None:
    def build(_sibling: Path) -> None:
        raise OSError(28, "No space left on device")

    with pytest.raises(InfrastructureError) as caught:
        published(tmp_path, build)
    assert str(caught.value) == (
        f"cannot write {tmp_path}/entries/one: No space left on device; free space or make it "
        f"writable, then run again (noxden doctor shows the den)"
    )


def test_left_overs_are_cleared_away_before_a_build(tmp_path: Path) -> None:
    (tmp_path / "entries" / ".building-dead").mkdir(parents=True)
    published(tmp_path, build_in("x"))
    assert [path.name for path in (tmp_path / "entries").iterdir()] == ["one"]


def test_an_entry_that_appears_while_waiting_for_the_lock_is_taken(tmp_path: Path) -> None:
    calls: list[Path] = []

    def look(entry: Path) -> bool:
        calls.append(entry)
        return len(calls) > 1

    def build(_sibling: Path) -> None:
        pytest.fail("it was built")

    lock = tmp_path / "locks" / "one.lock"
    assert not publish(tmp_path / "e" / "one", lock=lock, is_whole=look, build=build)


# Memos


def test_what_is_remembered_is_recalled(tmp_path: Path) -> None:
    digest = compute_digest(1, "x", ("y",), {"z": None})
    assert digest == compute_digest(1, "x", ["y"], {"z": None})
    assert recall(tmp_path, "kind", digest) is None
    remember(tmp_path, "kind", digest, {"a": [1]})
    assert recall(tmp_path, "kind", digest) == {"a": [1]}
    assert recall(tmp_path, "other", digest) is None
    assert [path.name for path in tmp_path.iterdir()] == [f"kind-{digest}.json"]


def test_a_memo_that_is_broken_is_as_none(tmp_path: Path) -> None:
    (tmp_path / "kind-x.json").write_text("{")
    assert recall(tmp_path, "kind", "x") is None


def test_where_nothing_can_be_remembered_nothing_happens(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    remember(tmp_path / "file", "kind", "x", 1)
    remember(tmp_path / "missing" / "deep", "kind", "x", 1)
    assert [path.name for path in tmp_path.iterdir()] == ["file"]


def test_processes_that_remember_the_same_do_not_meet(tmp_path: Path) -> None:
    code = (
        "import sys; from pathlib import Path; from noxden.den.memo import *\n"
        "at = Path(sys.argv[1])\n"
        "for n in range(300):\n"
        "    remember(at, 'k', 'd', ['x' * 5000]); assert recall(at, 'k', 'd') == ['x' * 5000]\n"
    )
    processes = [subprocess.Popen([sys.executable, "-c", code, tmp_path]) for _ in range(3)]
    assert [process.wait() for process in processes] == [0, 0, 0]


# git


def test_a_folder_outside_of_a_repository_has_no_head(tmp_path: Path) -> None:
    from noxden.tools.git import describe_head

    git = ["git", "-c", "user.name=x", "-c", "user.email=x@example.org"]
    env = {
        **os.environ,
        "GIT_CONFIG_GLOBAL": os.devnull,
        "GIT_CEILING_DIRECTORIES": str(tmp_path.parent),
    }
    if shutil.which("git") is None:
        pytest.skip("git is not installed")
    assert describe_head(tmp_path, env) == ""
    run([*git, "init", "-q"], cwd=tmp_path, env=env)
    assert describe_head(tmp_path, env) == ""
    run([*git, "commit", "-qm", "x", "--allow-empty"], cwd=tmp_path, env=env)
    commit = run([*git, "rev-parse", "HEAD"], cwd=tmp_path, env=env).stdout.strip()
    assert describe_head(tmp_path, env) == f"{commit} []"
    run([*git, "tag", "v1"], cwd=tmp_path, env=env)
    assert describe_head(tmp_path, env) == f"{commit} ['v1']"


# Where uv keeps interpreters


@pytest.mark.parametrize(
    ("env", "folder"),
    [
        ({"UV_PYTHON_INSTALL_DIR": "/p"}, "/p"),
        ({"XDG_DATA_HOME": "/d"}, "/d/uv/python"),
        ({"HOME": "/h"}, "/h/.local/share/uv/python"),
    ],
)
def test_the_interpreters_that_uv_downloads_are_watched(env: dict[str, str], folder: str) -> None:
    from noxden.den.resolve import _managed_pythons

    assert _managed_pythons(env) == folder
