"""The store and what brings artifacts into it, with sources that do as they are told."""

from __future__ import annotations

import errno
import hashlib
import os
import threading
from typing import TYPE_CHECKING

import pytest

from noxden.den.layout import Den, open_den
from noxden.den.locks import exclusive
from noxden.den.wheels.check import check_artifacts, quarantine
from noxden.den.wheels.closures import (
    find_problem,
    list_closures,
    parse_closure,
    read_closure,
    render_closure,
    write_closure,
)
from noxden.den.wheels.fetch import Progress, fetch
from noxden.den.wheels.prune import apply_prune, plan_prune
from noxden.den.wheels.sources import AbsentError, MismatchError, SourceError, Stream
from noxden.den.wheels.store import (
    artifact_lock,
    artifact_path,
    find_artifact,
    receive,
    using_store,
)
from noxden.errors import InfrastructureError, SafetyError
from noxden.lock.selection import Artifact, Selection

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

CONTENT = b"0123456789" * 1000


@pytest.fixture
def den(tmp_path: Path) -> Den:
    return open_den({"NOXDEN_DIR": str(tmp_path / "den")})


@pytest.fixture(autouse=True)
def _no_waiting(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("noxden.den.wheels.fetch._Work._pause", lambda *_: None)


def make_artifact(name: str = "heavy", content: bytes = CONTENT, *, sized: bool = True) -> Artifact:
    sha256 = hashlib.sha256(content).hexdigest()
    file, size = f"{name}-1.0-py3-none-any.whl", len(content) if sized else None
    source = {"url": f"https://packages.example/{file}", "hashes": {"sha256": sha256}}
    entry = {"name": name, "version": "1.0", "wheels": [source]}
    return Artifact(name, "1.0", "wheel", file, sha256, "", size, entry)


class Told:
    """A source that does for each call what the next of its steps says."""

    def __init__(self, *steps: Callable[[int], Stream], name: str = "told") -> None:
        self.name = name
        self.steps = list(steps)
        self.offsets: list[int] = []

    def open(self, artifact: Artifact, offset: int) -> Stream:
        del artifact
        self.offsets.append(offset)
        step = self.steps.pop(0) if len(self.steps) > 1 else self.steps[0]
        return step(offset)


def whole(content: bytes = CONTENT, *, size: int | None = -1) -> Callable[[int], Stream]:
    """A source that gives ``content``, in blocks of 1000 bytes."""

    def give(offset: int) -> Stream:
        rest = content[offset:]
        blocks = iter([rest[at : at + 1000] for at in range(0, len(rest), 1000)])
        return Stream(offset, len(content) if size == -1 else size, blocks)

    return give


def cut(after: int) -> Callable[[int], Stream]:
    """A source whose connection ends with an error."""

    def blocks(offset: int) -> Iterator[bytes]:
        yield CONTENT[offset : offset + after]
        message = "the connection ended early"
        raise SourceError(message, again=True)

    return lambda offset: Stream(offset, len(CONTENT), blocks(offset))


def refuse(error: Exception) -> Callable[[int], Stream]:
    def give(_: int) -> Stream:
        raise error

    return give


def test_what_comes_is_kept_under_its_hash_and_cannot_be_written(den: Den) -> None:
    artifact = make_artifact()
    fetched = fetch(den, [artifact], [Told(whole())])
    path = artifact_path(den, artifact.content, artifact.file)
    assert find_artifact(den, artifact) == path
    assert path == den.wheels / artifact.content[:2] / artifact.content / artifact.file
    assert path.read_bytes() == CONTENT
    assert path.stat().st_mode & 0o777 == 0o444
    assert [(one.source, one.artifacts, one.bytes) for one in fetched.transfers] == [
        ("told", 1, 10_000)
    ]
    assert (fetched.missing, fetched.warnings, fetched.bytes) == ((), (), 10_000)
    assert [*(den.wheels / "partial").iterdir()] == []


def test_what_is_there_is_not_asked_for_again(den: Den) -> None:
    source = Told(whole())
    fetch(den, [make_artifact()], [source])
    assert fetch(den, [make_artifact()], [source]).transfers == ()
    assert source.offsets == [0]


def test_a_file_of_another_size_does_not_count_as_there(den: Den) -> None:
    artifact = make_artifact()
    path = artifact_path(den, artifact.content, artifact.file)
    path.parent.mkdir(parents=True)
    path.write_bytes(b"short")
    fetch(den, [artifact], [Told(whole())])
    assert path.read_bytes() == CONTENT


def test_a_cut_connection_is_gone_on_with_where_it_ended(den: Den) -> None:
    source = Told(cut(4000), cut(3000), whole())
    fetched = fetch(den, [make_artifact()], [source])
    assert source.offsets == [0, 4000, 7000]
    assert fetched.bytes == 10_000


def test_a_killed_fetch_is_gone_on_with_by_the_next_one(den: Den) -> None:
    artifact = make_artifact()
    (den.wheels / "partial").mkdir()
    (den.wheels / "partial" / artifact.content).write_bytes(CONTENT[:6000])
    source = Told(whole())
    assert fetch(den, [artifact], [source]).bytes == 4000
    assert source.offsets == [6000]


def test_what_was_left_wrong_is_thrown_away_and_fetched_whole(den: Den) -> None:
    artifact = make_artifact()
    (den.wheels / "partial").mkdir()
    (den.wheels / "partial" / artifact.content).write_bytes(b"x" * 6000)
    source = Told(whole())
    fetch(den, [artifact], [source])
    assert source.offsets == [6000, 0]
    path = find_artifact(den, artifact)
    assert path is not None
    assert path.read_bytes() == CONTENT


def test_a_server_that_ignores_ranges_is_read_from_its_beginning(den: Den) -> None:
    source = Told(cut(4000), lambda _: whole()(0))
    fetch(den, [make_artifact()], [source])
    assert find_artifact(den, make_artifact()) is not None


def test_a_content_that_ends_early_without_an_error_is_gone_on_with(den: Den) -> None:
    short = Stream(0, len(CONTENT), iter([CONTENT[:10]]))
    source = Told(lambda _: short, whole())
    fetch(den, [make_artifact()], [source])
    assert source.offsets == [0, 10]


def test_the_next_source_is_asked_for_what_the_first_does_not_have(den: Den) -> None:
    first, second = Told(refuse(AbsentError("not there")), name="first"), Told(whole())
    fetched = fetch(den, [make_artifact()], [first, second])
    assert [one.source for one in fetched.transfers] == ["told"]
    assert fetched.warnings == ()


def test_a_source_that_does_not_answer_costs_one_line_and_is_not_asked_again(den: Den) -> None:
    dead, second = Told(refuse(SourceError("refuses connections")), name="remote"), Told(whole())
    artifacts = [make_artifact(f"p{number}", b"%d" % number) for number in range(20)]
    contents = {artifact.content: b"%d" % number for number, artifact in enumerate(artifacts)}

    class Index(Told):
        def open(self, artifact: Artifact, offset: int) -> Stream:
            return whole(contents[artifact.content])(offset)

    fetched = fetch(den, artifacts, [dead, Index(whole())])
    assert fetched.warnings == ("remote is left out: refuses connections",)
    assert len(dead.offsets) <= 8, "no thread asks a second time"
    assert sum(one.artifacts for one in fetched.transfers) == 20
    assert second.offsets == []


def test_a_source_is_asked_four_times_when_that_may_help(den: Den) -> None:
    busy = Told(refuse(SourceError("answers 503", again=True)), name="busy")
    fetched = fetch(den, [make_artifact()], [busy])
    assert len(busy.offsets) == 4
    assert [(one.artifact.name, one.reason) for one in fetched.missing] == [
        ("heavy", "busy: answers 503")
    ]


def test_a_source_that_wants_minutes_of_rest_is_left_out(den: Den) -> None:
    busy = Told(refuse(SourceError("answers 429", again=True, after_s=600)), name="busy")
    assert fetch(den, [make_artifact()], [busy, Told(whole())]).warnings == (
        "busy is left out: answers 429",
    )
    assert len(busy.offsets) == 1


def test_a_source_that_lies_costs_one_line_and_the_next_one_is_asked(den: Den) -> None:
    artifact = make_artifact()
    wrong = b"x" * len(CONTENT)
    lying = Told(whole(wrong), name="remote")
    fetched = fetch(den, [artifact], [lying, Told(whole())])
    found = hashlib.sha256(wrong).hexdigest()
    assert fetched.warnings == (
        (
            f"remote gave wrong content (heavy 1.0: heavy-1.0-py3-none-any.whl is to have sha256 "
            f"{artifact.content}, found {found} (10000 bytes)); not used"
        ),
    )
    path = find_artifact(den, artifact)
    assert path is not None
    assert path.read_bytes() == CONTENT


@pytest.mark.parametrize("sized", [True, False])
def test_wrong_content_from_the_only_source_is_refused_and_nothing_is_kept(
    den: Den, *, sized: bool
) -> None:
    artifact = make_artifact(sized=sized)
    with pytest.raises(SafetyError, match=r"heavy 1\.0: heavy-1\.0-py3-none-any\.whl is to have"):
        fetch(den, [artifact], [Told(whole(b"wrong"))])
    assert find_artifact(den, artifact) is None
    assert (den.wheels / "partial" / artifact.content).stat().st_size == 0


def test_more_than_the_lock_says_is_stopped_at_once(den: Den) -> None:
    artifact = make_artifact()
    given: list[int] = []

    def endless() -> Iterator[bytes]:
        while True:
            given.append(1000)
            yield b"x" * 1000

    with pytest.raises(SafetyError, match="found more than 10000 bytes"):
        fetch(den, [artifact], [Told(lambda _: Stream(0, None, endless()))])
    assert sum(given) <= 2 * 11_000


def test_a_full_disk_is_said_and_leaves_no_part_that_fills_it(
    den: Den, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr("noxden.den.wheels.store.Partial.write", full)
    with pytest.raises(InfrastructureError, match="No space left on device; free space"):
        fetch(den, [make_artifact()], [Told(whole())])
    assert [*(den.wheels / "partial").iterdir()] == []


def test_ctrl_c_ends_all_threads_and_keeps_what_came(den: Den) -> None:
    artifact = make_artifact()

    come = threading.Event()

    def interrupt(_: Progress) -> None:
        assert come.wait(60)
        raise KeyboardInterrupt

    def slow() -> Iterator[bytes]:
        yield CONTENT[:5000]
        while True:
            come.set()
            yield b""

    with pytest.raises(KeyboardInterrupt):
        fetch(den, [artifact], [Told(lambda _: Stream(0, None, slow()))], show=interrupt)
    assert (den.wheels / "partial" / artifact.content).stat().st_size == 5000


def test_a_den_that_is_read_only_says_what_it_lacks(den: Den) -> None:
    with pytest.raises(InfrastructureError, match="is read-only and lacks heavy-1.0"):
        fetch(den._replace(writable=False), [make_artifact()], [Told(whole())])


def test_the_progress_counts_bytes_that_are_known_only_later(den: Den) -> None:
    shown: list[Progress] = []
    fetch(den, [make_artifact(sized=False)], [Told(whole())], show=shown.append)
    last = shown[-1]
    assert (last.artifacts, last.total, last.moved) == (1, 10_000, 10_000)


def test_a_closure_is_noted_once_and_read_back(den: Den) -> None:
    selection = Selection((make_artifact("a"), make_artifact("b", b"b", sized=False)), ())
    path = write_closure(den, selection)
    assert path == den.closures / f"{selection.closure_id}.toml"
    assert write_closure(den, selection) == path
    assert list_closures(den) == [selection.closure_id]
    found = read_closure(den, selection.closure_id)
    assert found is not None
    assert found.canonical == selection.canonical
    assert read_closure(den, "0" * 64) is None


@pytest.mark.parametrize("damage", [b"", b"garbage", b"\xff\xfe", b"other"])
def test_a_damaged_closure_is_told_and_written_anew(den: Den, damage: bytes) -> None:
    selection, other = Selection((make_artifact("a"),), ()), Selection((make_artifact("b"),), ())
    path = write_closure(den, selection)
    text = path.read_bytes()
    path.write_bytes(render_closure(other).encode() if damage == b"other" else damage)
    with pytest.raises(SafetyError) as error:
        read_closure(den, selection.closure_id)
    assert find_problem(den, selection.closure_id) == str(error.value)
    assert write_closure(den, selection) == path
    assert path.read_bytes() == text
    assert find_problem(den, selection.closure_id) == ""


def test_a_manifest_of_something_else_is_refused(den: Den) -> None:
    one, other = Selection((make_artifact(),), ()), Selection((make_artifact("b"),), ())
    with pytest.raises(SafetyError, match=f"manifest of closure {other.closure_id} is that of"):
        parse_closure(render_closure(one), other.closure_id)
    (den.closures / f"{other.closure_id}.toml").write_text("nonsense = [")
    with pytest.raises(SafetyError, match=f"closure {other.closure_id[:12]} cannot be used"):
        read_closure(den, other.closure_id)


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("/heavy-1.0-py3-none-any.whl", "/.."),
        ("heavy-1.0-py3-none-any.whl", "\\u0007.whl"),
        ('name = "heavy"', 'name = "../heavy"'),
        (hashlib.sha256(CONTENT).hexdigest() + '"', 'xyz"'),
        ("[[packages]]", "[[others]]"),
        ("wheels", "wheel"),
    ],
)
def test_a_manifest_with_odd_names_is_refused(old: str, new: str) -> None:
    selection = Selection((make_artifact(),), ())
    text = render_closure(selection)
    assert old in text
    with pytest.raises(SafetyError):
        parse_closure(text.replace(old, new), selection.closure_id)


def test_a_damaged_artifact_is_found_and_taken_out_of_the_store(den: Den) -> None:
    good, bad = make_artifact("a", b"a"), make_artifact("b", b"b")
    for artifact, content in ((good, b"a"), (bad, b"b")):
        fetch(den, [artifact], [Told(whole(content))])
    path = artifact_path(den, bad.content, bad.file)
    path.chmod(0o644)
    path.write_bytes(b"x")
    (damage,) = check_artifacts(den, [good, bad, make_artifact("gone", b"gone")])
    found = hashlib.sha256(b"x").hexdigest()
    assert str(damage) == (f"b 1.0: {path} is to have sha256 {bad.content}, found {found}")
    target = quarantine(den, damage)
    assert target is not None
    assert target.read_bytes() == b"x"
    assert target.parent == den.wheels / "quarantine"
    assert find_artifact(den, bad) is None


def test_what_was_mended_meanwhile_stays_in_the_store(den: Den) -> None:
    artifact = make_artifact("b", b"b")
    fetch(den, [artifact], [Told(whole(b"b"))])
    path = artifact_path(den, artifact.content, artifact.file)
    path.chmod(0o644)
    path.write_bytes(b"x")
    (damage,) = check_artifacts(den, [artifact])
    path.write_bytes(b"b")
    assert quarantine(den, damage) is None
    assert path.read_bytes() == b"b"
    path.unlink()
    assert quarantine(den, damage) is None


def test_nothing_gets_a_name_that_is_not_its_hash(den: Den) -> None:
    artifact = make_artifact()
    with pytest.raises(MismatchError):
        receive(den, artifact, lambda partial: partial.write(b"wrong"))
    assert find_artifact(den, artifact) is None


def test_one_content_under_two_names_is_kept_once_and_under_both(den: Den) -> None:
    one = make_artifact()
    other = one._replace(name="other", file="other-1.0.tar.gz")
    fetch(den, [one], [Told(whole())])
    assert fetch(den, [other], [Told(refuse(AbsentError("not asked")))]).missing == ()
    first, second = find_artifact(den, one), find_artifact(den, other)
    assert first is not None
    assert second is not None
    assert first.samefile(second)


def test_a_name_with_other_content_beside_it_is_not_taken_for_good(den: Den) -> None:
    one = make_artifact()
    other = one._replace(name="other", file="other-1.0.tar.gz")
    fetch(den, [one], [Told(whole())])
    path = artifact_path(den, one.content, one.file)
    path.chmod(0o644)
    path.write_bytes(b"x" * len(CONTENT))
    fetch(den, [other], [Told(whole())])
    found = find_artifact(den, other)
    assert found is not None
    assert found.read_bytes() == CONTENT


@pytest.mark.parametrize(
    ("sha256", "file"), [("0" * 64, "../x"), ("0" * 64, ".."), ("../" * 5, "x"), ("0" * 64, "")]
)
def test_no_name_leads_out_of_the_store(den: Den, sha256: str, file: str) -> None:
    with pytest.raises(SafetyError, match="is no name of a file in"):
        artifact_path(den, sha256, file)


def test_ctrl_c_does_not_wait_for_another_process_that_fetches_the_same(den: Den) -> None:
    artifact = make_artifact()

    def interrupt(_: Progress) -> None:
        raise KeyboardInterrupt

    with exclusive(artifact_lock(den, artifact.content)), pytest.raises(KeyboardInterrupt):
        fetch(den, [artifact], [Told(whole())], show=interrupt)
    assert find_artifact(den, artifact) is None


def test_nothing_is_pruned_while_the_store_is_used(den: Den) -> None:
    fetch(den, [make_artifact()], [Told(whole())])
    plan = plan_prune(den, now=4e9)
    assert plan.artifacts
    with using_store(den):
        assert apply_prune(den, plan).notes == ("the store is in use; nothing was removed",)
    assert find_artifact(den, make_artifact()) is not None
    assert len(apply_prune(den, plan).removed) == 1


def test_a_source_that_can_be_aborted_is_when_the_fetch_ends(den: Den) -> None:
    come, over = threading.Event(), threading.Event()

    class Silent(Told):
        def abort(self) -> None:
            over.set()

    def blocks() -> Iterator[bytes]:
        yield CONTENT[:10]
        come.set()
        assert over.wait(60)
        message = "aborted"
        raise SourceError(message, again=True)

    def interrupt(_: Progress) -> None:
        assert come.wait(60)
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        fetch(
            den,
            [make_artifact()],
            [Silent(lambda _: Stream(0, None, blocks()))],
            show=interrupt,
        )
