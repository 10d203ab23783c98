"""Remotes of every kind that can be run here: what one machine pushes, another takes."""

from __future__ import annotations

import sys
import textwrap
from typing import TYPE_CHECKING, NamedTuple

import pytest

from noxden.den.resolve import Resolution, Workplace, resolve
from noxden.den.supply import FROM_UV, Supply
from noxden.den.wheels.closures import parse_closure, render_closure
from noxden.den.wheels.fill import fill_store
from noxden.den.wheels.push import push
from noxden.den.wheels.remote import (
    Remote,
    RemoteError,
    artifact_key,
    closure_key,
    open_remote,
)
from noxden.den.wheels.sources import AbsentError, SourceError
from noxden.den.wheels.store import find_artifact, hash_file
from noxden.den.workplace import open_workplace
from noxden.errors import SafetyError, UsageError
from noxden.lock.request import Request
from tests.sandbox import make_wheel, run
from tests.servers import Store, ci_cache, s3, unruly, webdav

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

    from noxden.den.wheels.fetch import Progress
    from noxden.den.wheels.sources import Stream
    from tests.conftest import MakeProject
    from tests.sandbox import Index, Sample

KINDS = ["file", "s3", "webdav", "ghac"]
NAMES = ("big", "small")


@pytest.fixture(scope="module")
def bucket(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Store]:
    with s3(tmp_path_factory.mktemp("s3")) as store:
        yield store


@pytest.fixture(params=KINDS)
def store(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Store]:
    folder = tmp_path / "store"
    folder.mkdir()
    match request.param:
        case "file":
            (folder / "some/prefix").mkdir(parents=True)
            yield Store(f"file:{folder}/some/prefix", {})
        case "s3":
            found: Store = request.getfixturevalue("bucket")
            yield found._replace(uri=f"{found.uri}/{request.node.name}")
        case "webdav":
            with webdav(folder) as made:
                yield made
        case _:
            with ci_cache(folder) as made:
                yield made


@pytest.fixture
def sample(project: MakeProject, index: Index) -> Sample:
    make_wheel(index.folder, "small", files={"small.py": "x = 1\n"})
    make_wheel(index.folder, "big", files={"big.py": "x = 1\n" * 500_000})
    return project([*NAMES], more=index.setting)


class Machine(NamedTuple):
    """A den of its own, and what is needed there."""

    place: Workplace
    resolution: Resolution

    def fill(self, supply: Supply = FROM_UV) -> list[str]:
        """Names of the sources that gave something, with the names of what is missing."""
        fetched = fill_store(self.place, self.resolution, supply)
        assert fetched.warnings == ()
        return [one.source for one in fetched.transfers] + [
            one.artifact.name for one in fetched.missing
        ]

    @property
    def paths(self) -> list[Path]:
        found = [find_artifact(self.place.den, one) for one in self.resolution.artifacts]
        return [path for path in found if path is not None]


def set_up(sample: Sample, env: Mapping[str, str], den: Path, store: Store) -> Machine:
    """A machine with an empty den that knows the remote."""
    ours = {**env, **store.env, "NOXDEN_DIR": str(den), "NOXDEN_REMOTE": store.uri}
    place = open_workplace(sample.path, ours)
    return Machine(place, resolve(place, Request(), complete=True))


def open_store(store: Store) -> Remote:
    return open_remote(store.uri, store.env)


@pytest.fixture
def machine(sample: Sample, env: dict[str, str], tmp_path: Path, store: Store) -> Machine:
    """A machine with everything in its store."""
    made = set_up(sample, env, tmp_path / "first-den", store)
    # The index is asked before there is anything in the remote.
    empty = made.place._replace(remote="")
    assert made._replace(place=empty).fill(Supply(from_index=True)) == ["index"]
    return made


def test_what_one_machine_pushes_another_has_without_the_index(
    machine: Machine, sample: Sample, env: dict[str, str], tmp_path: Path, store: Store
) -> None:
    shown: list[Progress] = []
    remote = open_store(store)
    pushed = push(machine.place, machine.resolution, remote, show=shown.append)
    sizes = sum(path.stat().st_size for path in machine.paths)
    assert pushed._replace(seconds=0) == (2, sizes, 0, (), 0)
    assert pushed.is_whole
    assert (shown[-1].artifacts, shown[-1].done, shown[-1].total) == (2, 2, sizes)

    other = set_up(sample, env, tmp_path / "other-den", store)
    assert other.fill() == [f"remote {remote.uri}"]
    assert [hash_file(path) for path in other.paths] == [
        one.content for one in other.resolution.artifacts
    ]


def test_the_manifest_tells_what_the_closure_is(machine: Machine, store: Store) -> None:
    remote = open_store(store)
    closure_id, selection = machine.resolution.closure_id, machine.resolution.selection
    assert remote.read_text(closure_key(closure_id)) is None
    push(machine.place, machine.resolution, remote)
    text = remote.read_text(closure_key(closure_id))
    assert selection is not None
    assert text == render_closure(selection)
    assert parse_closure(text, closure_id).canonical == selection.canonical


def test_what_is_there_is_not_sent_again(machine: Machine, store: Store) -> None:
    push(machine.place, machine.resolution, open_store(store))
    again = push(machine.place, machine.resolution, open_store(store))
    assert again._replace(seconds=0) == (0, 0, 2, (), 0)


def test_a_file_that_changed_in_the_store_is_not_sent(machine: Machine, store: Store) -> None:
    (big,) = (one for one in machine.resolution.artifacts if one.name == "big")
    path = find_artifact(machine.place.den, big)
    assert path is not None
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.chmod(0o600)
    path.write_bytes(content)
    remote = open_store(store)
    with pytest.raises(SafetyError) as caught:
        push(machine.place, machine.resolution, remote)
    assert str(caught.value) == (
        f"big 1.0: {path} is to have sha256 {big.content}, found {hash_file(path)}; "
        "it is not pushed, run: nox -s wheelhouse -- verify"
    )
    other = open_store(store)
    assert not other.has(f"wheels/{big.content[:2]}/{big.content}/{big.file}")
    assert other.read_text(closure_key(machine.resolution.closure_id)) is None


def test_files_that_were_built_go_along(machine: Machine, store: Store, tmp_path: Path) -> None:
    built = make_wheel(tmp_path / "built", "made")
    sha256 = hash_file(built)
    note = tmp_path / "key.toml"
    note.write_text("wheel = 'made'\n")
    extra = [("built/source/key.toml", note), (f"wheels/{sha256[:2]}/{sha256}/{built.name}", built)]
    remote = open_store(store)
    pushed = push(machine.place, machine.resolution, remote, extra=extra)
    assert (pushed.files, pushed.there) == (4, 0)
    assert remote.has(extra[1][0], built.stat().st_size)
    assert remote.read_text("built/source/key.toml") == "wheel = 'made'\n"
    assert remote.read_text("built/source/other.toml") is None


def test_there_is_no_manifest_of_a_closure_that_is_not_whole(
    machine: Machine, store: Store
) -> None:
    machine.paths[1].unlink()
    pushed = push(machine.place, machine.resolution, open_store(store))
    assert (pushed.files, pushed.is_whole) == (1, False)
    assert [one.name for one in pushed.lacking] == ["small"]
    remote = open_store(store)
    assert remote.read_text(closure_key(machine.resolution.closure_id)) is None


@pytest.mark.parametrize("store", ["file"], indirect=True)
def test_a_file_of_another_size_is_replaced(machine: Machine, store: Store, tmp_path: Path) -> None:
    push(machine.place, machine.resolution, open_store(store))
    (there,) = (tmp_path / "store").rglob("big-*.whl")
    content = there.read_bytes()
    there.write_bytes(content[:100])
    pushed = push(machine.place, machine.resolution, open_store(store))
    assert (pushed.files, pushed.there) == (1, 1)
    assert there.read_bytes() == content


@pytest.mark.parametrize("store", ["file", "s3", "webdav"], indirect=True)
def test_what_was_damaged_in_the_remote_is_mended_by_sending_everything_again(
    machine: Machine, sample: Sample, env: dict[str, str], tmp_path: Path, store: Store
) -> None:
    note = tmp_path / "key.toml"
    note.write_text("wheel = 'made'\n")
    extra = [("built/source/key.toml", note)]
    remote = open_store(store)
    push(machine.place, machine.resolution, remote, extra=extra)
    (big,) = (one for one in machine.resolution.artifacts if one.name == "big")
    path = find_artifact(machine.place.den, big)
    assert path is not None
    content = path.read_bytes()
    remote.write(artifact_key(big), lambda: iter([content[:-1] + b"?"]), len(content))
    key = closure_key(machine.resolution.closure_id)
    selection = machine.resolution.selection
    assert selection is not None
    text = render_closure(selection)
    remote.write_text(key, text.replace("small", "smell"))
    remote.write_text("built/source/key.toml", "wheel = 'mode'\n")

    # Texts are compared; what a hash names has the right size.
    again = push(machine.place, machine.resolution, remote, extra=extra)
    assert (again.files, again.there) == (1, 2)
    assert remote.read_text(key) == text
    assert remote.read_text("built/source/key.toml") == "wheel = 'made'\n"
    other = set_up(sample, env, tmp_path / "other-den", store)
    (line,) = fill_store(other.place, other.resolution, Supply(from_index=True)).warnings
    assert line.startswith(f"{remote.name} gave wrong content (big 1.0: {big.file} is to have ")
    assert line.endswith("); not used, push --replace mends it")

    mended = push(machine.place, machine.resolution, remote, extra=extra, replace=True)
    assert (mended.files, mended.there) == (3, 0)
    another = set_up(sample, env, tmp_path / "another-den", store)
    assert another.fill() == [remote.name]


class Counting:
    """An object store in which nothing is, and which takes a file only when it comes again."""

    is_writable = True

    def __init__(self) -> None:
        self.tried: set[str] = set()

    def prepare(self) -> str:
        return ""

    def read(self, path: str, offset: int) -> Stream:
        raise AbsentError(path if offset else "not there")

    def find_size(self, path: str) -> int:
        raise AbsentError(path)

    def write(self, path: str, blocks: Iterator[bytes], size: int) -> None:
        assert sum(map(len, blocks)) == size
        if path not in self.tried:
            self.tried.add(path)
            raise SourceError("busy", again=True)  # noqa: EM101 - what a source says


@pytest.mark.parametrize("store", ["file"], indirect=True)
@pytest.mark.usefixtures("store")
def test_what_is_sent_again_counts_once(machine: Machine, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("noxden.den.wheels.patience.pause", lambda *_: None)
    shown: list[Progress] = []
    pushed = push(machine.place, machine.resolution, Remote("x:", Counting()), show=shown.append)
    assert (shown[-1].moved, shown[-1].total) == (pushed.bytes, pushed.bytes)


@pytest.mark.parametrize("store", ["file"], indirect=True)
def test_a_run_for_strangers_does_not_write(machine: Machine, store: Store, tmp_path: Path) -> None:
    place = machine.place._replace(env={**machine.place.env, "NOXDEN_TRUST": "untrusted"})
    remote = open_store(store)
    with pytest.raises(SafetyError) as caught:
        push(place, machine.resolution, remote)
    assert str(caught.value) == (
        f"a run for an untrusted trigger may not write remote file://{tmp_path}/store/some/prefix; "
        "do that in a run for a push or a schedule on a branch of your own"
    )


@pytest.mark.parametrize("store", ["file"], indirect=True)
def test_plain_http_serves_what_was_pushed_and_takes_nothing(
    machine: Machine, sample: Sample, env: dict[str, str], tmp_path: Path, store: Store
) -> None:
    push(machine.place, machine.resolution, open_store(store))
    with unruly(tmp_path / "store") as server:
        served = Store(f"{server.url}/some/prefix/", {})
        other = set_up(sample, env, tmp_path / "other-den", served)
        assert other.fill() == [f"remote {server.url}/some/prefix"]
        remote = open_store(served)
        assert remote.has(closure_key(machine.resolution.closure_id))
        with pytest.raises(UsageError) as caught:
            push(machine.place, machine.resolution, remote)
    assert str(caught.value) == (
        f"remote {server.url}/some/prefix can only be read: push to what serves it "
        "(file:, s3:, webdav: ...)"
    )


@pytest.mark.parametrize("store", ["file"], indirect=True)
def test_without_opendal_the_index_is_used_and_one_line_says_so(
    machine: Machine,
    sample: Sample,
    env: dict[str, str],
    tmp_path: Path,
    store: Store,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setitem(sys.modules, "opendal", None)
    other = set_up(sample, env, tmp_path / "other-den", store)
    fetched = fill_store(other.place, other.resolution, Supply(from_index=True))
    assert [one.source for one in fetched.transfers] == ["index"]
    uri = f"file://{tmp_path}/store/some/prefix"
    assert fetched.warnings == (
        f"remote {uri} is left out: the package opendal is missing, "
        "run: pip install 'noxden[remote]'",
    )
    with pytest.raises(RemoteError, match=r"the package opendal is missing, run: pip install"):
        push(machine.place, machine.resolution, open_store(store))


@pytest.mark.parametrize("store", ["webdav"], indirect=True)
def test_a_user_may_stand_in_the_uri_and_a_wrong_one_is_not_shown(
    machine: Machine, sample: Sample, env: dict[str, str], tmp_path: Path, store: Store
) -> None:
    uri = store.uri.replace("//", "//me:s3cret%40x@")
    assert push(machine.place, machine.resolution, open_remote(uri, {})).files == 2
    wrong = Store(uri.replace("s3cret", "secret"), {})
    other = set_up(sample, env, tmp_path / "other-den", wrong)
    fetched = fill_store(other.place, other.resolution, Supply(from_index=True))
    assert fetched.warnings == (
        f"remote {store.uri} is left out: refuses access (401): see that the credentials are right "
        "and not expired",
    )


MOVER = """
import os, resource, sys, time
from pathlib import Path
from noxden.den.layout import open_den
from noxden.den.wheels.fetch import fetch
from noxden.den.wheels.push import push
from noxden.den.wheels.remote import open_remote
from noxden.den.wheels.store import hash_file
from noxden.den.resolve import Resolution, Workplace
from noxden.lock.selection import Artifact, Selection

uri, size, folder = sys.argv[1], int(sys.argv[2]), Path(sys.argv[3])
file = folder / "huge-1.0-py3-none-any.whl"
with file.open("wb") as out:
    out.write(os.urandom(1 << 20))
    out.truncate(size)
sha256 = hash_file(file)
source = {"path": file.name, "hashes": {"sha256": sha256}}
entry = {"name": "huge", "version": "1.0", "wheels": [source]}
one = Artifact("huge", "1.0", "wheel", file.name, sha256, "", size, entry)
dens = [open_den({"NOXDEN_DIR": str(folder / name)}) for name in ("first", "other")]
target = dens[0].wheels / sha256[:2] / sha256 / file.name
target.parent.mkdir(parents=True)
file.rename(target)
selection = Selection((one,), ())
resolution = Resolution("", selection.closure_id, None, (), None, selection)
place = Workplace(None, dens[0], None, os.environ)
before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss >> 10
pushed = push(place, resolution, open_remote(uri, os.environ))
assert pushed.bytes == size
began = time.perf_counter()
fetched = fetch(dens[1], [one], [open_remote(uri, os.environ)])
seconds = time.perf_counter() - began
assert fetched.missing == fetched.warnings == ()
assert hash_file(dens[1].wheels / sha256[:2] / sha256 / file.name) == sha256
peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss >> 10
speeds = [round(size / 1e6 / one) for one in (pushed.seconds, seconds)]
print(before, peak, *speeds)
"""


@pytest.mark.parametrize(
    ("store", "mib"), [("file", 1024), ("s3", 256), ("webdav", 256)], indirect=["store"]
)
def test_a_wheel_of_any_size_moves_in_little_memory(
    store: Store, mib: int, env: dict[str, str], tmp_path: Path
) -> None:
    script = tmp_path / "mover.py"
    script.write_text(textwrap.dedent(MOVER))
    args = [sys.executable, str(script), store.uri, str(mib << 20), str(tmp_path)]
    ran = run(args, cwd=tmp_path, env={**env, **store.env})
    before, peak, *_ = map(int, ran.stdout.split())
    print(f"{store.uri}: {ran.stdout}")  # noqa: T201 - for people who want to know
    assert peak - before <= 200


def test_a_den_is_not_needed_to_look_into_a_remote(store: Store) -> None:
    remote = open_store(store)
    assert not remote.has("closures/none.toml")
    remote.write_text("closures/one.toml", "text with ü\n")
    assert remote.has("closures/one.toml", len("text with ü\n".encode()))
    assert not remote.has("closures/one.toml", 3)
    assert remote.read_text("closures/one.toml") == "text with ü\n"
