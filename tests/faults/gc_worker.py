"""One of the processes of test_gc_interleaved: uses, roots and collects bases at random.

Usage: gc_worker.py DEN WORKTREES SEED RUNS. The lifecycle, the locks, the roots and the
collection are the real ones; only the build step is a fake, which writes an environment-like
tree of small files instead of calling uv. Prints {"used", "built", "collected"} as JSON.
"""

from __future__ import annotations

import json
import math
import os
import random
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING

from noxden.den.bases import is_whole
from noxden.den.collect import apply_plan, compute_plan, remove_base
from noxden.den.inventory import collect_inventory
from noxden.den.layout import Den
from noxden.den.lifecycle import publish
from noxden.den.limits import Limits
from noxden.den.locks import hold_use
from noxden.den.prepare import _add_root
from noxden.den.worktrees import RECORD, WorktreeEnvironment

if TYPE_CHECKING:
    from noxden.tools.uv import Uv

KEYS = tuple(letter * 64 for letter in "abcdef")
FILES = 20
EVERYTHING = Limits(max_size=0, max_age=0.0)


class FakeUv:
    """Stands where uv is; the fake environments are not in its cache."""

    def __call__(self, *_args: str, **_options: object) -> None:
        """Do nothing."""


class Worker:
    """A process that does what sessions and collections do."""

    def __init__(self, root: Path, worktrees: Path, seed: int) -> None:
        self.den = Den(root, writable=True)
        self.location = worktrees / f"worktree-{seed}"
        self.random = random.Random(seed)  # noqa: S311 - not for secrets
        self.counts = {"used": 0, "built": 0, "collected": 0}

    def run(self) -> None:
        """Do one of the things."""
        self.random.choice([self.use, self.stand, self.collect, self.collect_blindly])()

    def use(self) -> None:
        """What a session does."""
        key = self.random.choice(KEYS)
        held = self.prepare(key)
        self.work(key)
        os.close(held)

    def stand(self) -> None:
        """What ``noxden venv`` does: the base has to outlive the use lock."""
        key = self.random.choice(KEYS)
        held = self.prepare(key)
        environment = WorktreeEnvironment(
            self.location, self.den.base(key), key, "3.12", "", "", layered=True
        )
        self.location.mkdir(exist_ok=True)
        _add_root(self.den, environment)
        environment.write_record()
        os.close(held)
        self.work(key)
        (self.location / RECORD).unlink()

    def collect(self) -> None:
        """What ``noxden gc`` does when everything that is free has to go."""
        plan = compute_plan(collect_inventory(self.den), EVERYTHING, time.time() + 1)
        uv: Uv = FakeUv()  # type: ignore[assignment]
        self.counts["collected"] += len(apply_plan(self.den, plan, uv).removed)

    def collect_blindly(self) -> None:
        """Apply the worst of plans: everything is to go, however lately it was used.

        What protects a base then is only what :func:`remove_base` itself looks at.
        """
        for key in self.random.sample(KEYS, len(KEYS)):
            self.counts["collected"] += remove_base(self.den, key, math.inf) is None

    def prepare(self, key: str) -> int:
        """Hold ``key`` and have its base, in the order of ``noxden.den.prepare``."""
        held = hold_use(self.den.uses / f"{key}.lock")
        assert held is not None
        self.counts["built"] += publish(
            self.den.base(key),
            lock=self.den.locks / f"env-{key}.lock",
            is_whole=is_whole,
            build=lambda sibling: build_fake(sibling, key),
        )
        return held

    def work(self, key: str) -> None:
        """Look again and again whether every file is there and says what it should."""
        for _ in range(self.random.randrange(1, 6)):
            base = self.den.base(key)
            assert (base / "env.json").read_text() == render_document(key)
            for number in range(FILES):
                assert (base / "lib" / f"{number}.py").read_text() == key * 5
            time.sleep(self.random.random() * 0.004)
        self.counts["used"] += 1


def build_fake(sibling: Path, key: str) -> None:
    """Write a tree like an environment, slowly enough to be seen half done."""
    for folder in ("bin", "lib"):
        (sibling / folder).mkdir()
    for number in range(FILES):
        (sibling / "lib" / f"{number}.py").write_text(key * 5)
        time.sleep(0.0002)
    (sibling / "bin" / "python").write_text("")
    (sibling / "env.json").write_text(render_document(key))


def render_document(key: str) -> str:
    """What env.json holds."""
    return json.dumps({"key": key})


def main() -> None:
    """Run as the usage says."""
    root, worktrees, seed, runs = sys.argv[1:]
    worker = Worker(Path(root), Path(worktrees), int(seed))
    for _ in range(int(runs)):
        worker.run()
    print(json.dumps(worker.counts))  # noqa: T201 - the answer


if __name__ == "__main__":
    main()
