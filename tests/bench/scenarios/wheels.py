"""A den with nothing in it: from a remote, against `uv sync` from the index; and into the store."""

from __future__ import annotations

import shutil
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

from tests.bench.peers import Peer
from tests.bench.process import run_checked
from tests.bench.projects import change_version
from tests.bench.rounds import Contestant, measure_rounds
from tests.bench.s3 import serving_s3
from tests.bench.values import Fact, Outcome, find_row
from tests.bench.workload import Workload

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from tests.bench.process import Done
    from tests.bench.values import Row
    from tests.bench.workshop import Workshop

__all__ = ["measure"]

WORKLOAD = Workload()
SMALL = ("tzdata", "2025.2")
"""The package that is bumped, and the version before."""
UV_SYNC = Peer(
    name="uv sync, no cache",
    toolbox="uv",
    render_files=lambda _: {},
    build_command=lambda workload: (
        "uv", "sync", "--quiet", "--frozen", *workload.group_options,
    ),
)  # fmt: skip


def _noxden(name: str, *words: str) -> Peer:
    return Peer(
        name=name,
        toolbox="noxden-remote",
        render_files=lambda _: {
            "noxfile.py": "import noxden\n\nnoxden.heavy()\nnoxden.wheelhouse()\n"
        },
        build_command=lambda _: ("nox", *words),
    )


STORE = _noxden("noxden, index into the store", "-s", "heavy", "--", "--prepare")
LIMITS = {False: 1.25, True: 1.6}
"""Limits of the issue by whether torch is there: then 2.9 GB are written twice."""


@dataclass(frozen=True)
class _Remote:
    """A remote that another den filled, and a den that starts empty each time."""

    shop: Workshop
    name: str
    uri: str
    variables: Mapping[str, str]

    @property
    def peer(self) -> Peer:
        words = ("--offline", "--remote", self.uri)
        return _noxden(f"noxden, from {self.name}", "-s", "heavy", "--install-only", "--", *words)

    def fill(self) -> None:
        """Bring the wheels there by a den of its own."""
        peer = _noxden("filler", "-s", "wheelhouse", "--", "push", "--remote", self.uri)
        self.shop.empty_den()
        with self.shop.checked_out(self.shop.heavyweight, peer, WORKLOAD) as folder:
            run_checked(
                self.shop.command(peer, WORKLOAD),
                cwd=folder,
                env={**self.shop.environment(peer), **self.variables},
            )

    def attempt(self) -> Mapping[str, Done]:
        return _attempt_cold(self.shop, self.peer, self.variables)


def measure(shop: Workshop) -> Outcome:
    """Measure cold starts from an index and from two remotes, and what a small change moves."""
    with serving_s3(shop) as (uri, variables):
        remotes = (
            _Remote(shop, "files", f"file://{shop.root}/remote", {}),
            _Remote(shop, "S3", uri, variables),
        )
        for remote in remotes:
            remote.fill()
        rows = measure_rounds(
            [
                Contestant(name=UV_SYNC.name, attempt=partial(_attempt_uv, shop)),
                *(Contestant(name=one.peer.name, attempt=one.attempt) for one in remotes),
                Contestant(name=STORE.name, attempt=partial(_attempt_cold, shop, STORE, {})),
            ],
            runs=max(2, shop.runs // 2),
        )
        bump = _measure_bump(shop, remotes[0])
    return Outcome(
        scenario="wheels",
        title="an empty den: a remote, the index, uv's own way",
        rows=rows,
        facts=(*_collect_facts(rows, remotes, LIMITS[shop.heavy]), *bump),
        notes=(
            "from a remote: --offline, so the index is asked for nothing at all",
            "noxden's rows hold nox's own start; uv's row holds none",
        ),
    )


def _attempt_cold(shop: Workshop, peer: Peer, variables: Mapping[str, str]) -> Mapping[str, Done]:
    shop.empty_den()
    with shop.checked_out(shop.heavyweight, peer, WORKLOAD) as folder:
        return {"": shop.run(peer, folder, WORKLOAD, variables)}


def _attempt_uv(shop: Workshop) -> Mapping[str, Done]:
    cache = shop.root / "cold-cache"
    shutil.rmtree(cache, ignore_errors=True)
    return _attempt_cold(shop, UV_SYNC, {"UV_CACHE_DIR": str(cache)})


def _collect_facts(
    rows: tuple[Row, ...], remotes: tuple[_Remote, ...], limit: float
) -> tuple[Fact, ...]:
    uv = find_row(rows, UV_SYNC.name).median
    against = [(one.peer.name, limit) for one in remotes] + [(STORE.name, 1.0)]
    return tuple(
        Fact(name=f"{name} / uv sync", value=find_row(rows, name).median / uv, unit="", limit=most)
        for name, most in against
    )


def _measure_bump(shop: Workshop, remote: _Remote) -> tuple[Fact, ...]:
    """What one small package of another version moves, against all of uv's cache as a tar."""
    shop.empty_den()
    peer = _noxden("bump", "-s", "heavy", "--", "--prepare")
    with shop.checked_out(shop.heavyweight, peer, WORKLOAD) as folder:
        shop.run(peer, folder, WORKLOAD, {"NOXDEN_REMOTE": remote.uri})
        before = _sizes(shop.den)
        change_version(folder, *SMALL, shop.uv)
        shop.run(peer, folder, WORKLOAD, {"NOXDEN_REMOTE": remote.uri})
    moved = {name: size for name, size in _sizes(shop.den).items() if name not in before}
    wheel = sum(moved.values()) if len(moved) == 1 else float("nan")
    received = _received(shop.den)
    tar = _tar_size(shop)
    return (
        Fact(name="one small wheel of another version", value=wheel / 1e3, unit="kB"),
        Fact(
            name="bytes moved for it", value=received / 1e3, unit="kB",
            limit=(1.05 * wheel + 65536) / 1e3,
        ),
        Fact(name="one tar of uv's cache / that", value=tar / received, unit=""),
    )  # fmt: skip


def _sizes(den: Path) -> dict[str, int]:
    return {path.name: path.stat().st_size for path in den.glob("wheels/??/*/*")}


def _received(den: Path) -> float:
    """Bytes that the last run says it received, from the records in the den."""
    import json

    records = sorted(den.glob("results/wheels/**/*.json"), key=lambda path: path.stat().st_mtime)
    last = json.loads(records[-1].read_text("utf-8"))
    return float(sum(one["bytes"] for one in last["given"]))


def _tar_size(shop: Workshop) -> float:
    """Bytes of uv's cache of the heavy groups in one tar, as a CI cache would move it."""
    cache = shop.root / "tar-cache"
    shutil.rmtree(cache, ignore_errors=True)
    with shop.checked_out(shop.heavyweight, UV_SYNC, WORKLOAD) as folder:
        command = [shop.uv.program("uv"), "sync", "--quiet", "--frozen", *WORKLOAD.group_options]
        env = {**shop.environment(UV_SYNC), "UV_CACHE_DIR": str(cache)}
        run_checked(command, cwd=folder, env=env)
    tar = shop.root / "cache.tar.gz"
    run_checked(["tar", "-C", str(cache), "-czf", str(tar), "."], cwd=shop.root, env=shop.given)
    size = tar.stat().st_size
    tar.unlink()
    shutil.rmtree(cache)
    return float(size)
