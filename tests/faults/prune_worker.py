"""One of the processes of test_prune_interleaved: fills, uses and prunes a wheel store at random.

Usage: prune_worker.py DEN PROJECT SEED RUNS. The store, the locks, the needs and the pruning are
the real ones, in the order of ``noxden.den.wheels.fill``; only the source is a fake. Prints
{"filled", "pruned", "refused"} as JSON.
"""

from __future__ import annotations

import hashlib
import json
import random
import sys
import time
from pathlib import Path

from noxden.den.layout import Den
from noxden.den.wheels.closures import read_closure, write_closure
from noxden.den.wheels.fetch import fetch
from noxden.den.wheels.needs import note_need
from noxden.den.wheels.prune import apply_prune, plan_prune
from noxden.den.wheels.sources import Stream
from noxden.den.wheels.store import find_artifact, hash_file, using_store
from noxden.lock.selection import Artifact, Selection

DAY = 86400.0
CONTENTS = [f"wheel {number} ".encode() * 500 for number in range(30)]


def make_artifact(number: int) -> Artifact:
    """The artifact whose content is ``CONTENTS[number]``."""
    content, file = CONTENTS[number], f"nx{number:02}-1.0-py3-none-any.whl"
    sha256 = hashlib.sha256(content).hexdigest()
    wheels = [{"url": f"https://i.example/{file}", "hashes": {"sha256": sha256}}]
    entry = {"name": f"nx{number:02}", "version": "1.0", "wheels": wheels}
    return Artifact(f"nx{number:02}", "1.0", "wheel", file, sha256, "", None, entry)


class FakeSource:
    """A source that has everything, and gives it slowly enough to be seen half done."""

    name = "fake"

    def open(self, artifact: Artifact, offset: int) -> Stream:
        """Begin to read ``artifact`` at ``offset``."""
        content = CONTENTS[int(artifact.name.removeprefix("nx"))]

        def blocks() -> list[bytes]:
            time.sleep(0.001)
            return [content[offset:]]

        return Stream(offset, len(content), iter(blocks()))


class Worker:
    """A process that does what sessions and prunings do."""

    def __init__(self, root: Path, project: Path, seed: int) -> None:
        self.den = Den(root, writable=True)
        self.project = project
        self.random = random.Random(seed)  # noqa: S311 - not for secrets
        self.counts = {"filled": 0, "pruned": 0, "refused": 0}

    def run(self) -> None:
        """Do one of the things."""
        self.random.choice([self.fill, self.prune])()
        time.sleep(self.random.random() * 0.02)

    def fill(self) -> None:
        """What a session does: from then on, what it needs is there."""
        chosen = sorted(self.random.sample(range(len(CONTENTS)), 3))
        selection = Selection(tuple(make_artifact(number) for number in chosen), ())
        with using_store(self.den):
            fetched = fetch(self.den, selection.artifacts, [FakeSource()])
            assert not fetched.missing
            write_closure(self.den, selection)
            note_need(self.den, self.project, "heavy", selection.closure_id)
        for _ in range(self.random.randrange(1, 6)):
            assert read_closure(self.den, selection.closure_id) is not None
            for artifact in selection.artifacts:
                path = find_artifact(self.den, artifact)
                assert path is not None
                assert hash_file(path) == artifact.content
            time.sleep(self.random.random() * 0.004)
        self.counts["filled"] += 1

    def prune(self) -> None:
        """What ``prune`` does, with the strictest of clocks: nothing is too young to go."""
        pruned = apply_prune(self.den, plan_prune(self.den, now=time.time() + 2 * DAY))
        self.counts["pruned"] += len(pruned.removed)
        self.counts["refused"] += bool(pruned.notes)


def main() -> None:
    """Run as the usage says."""
    root, project, seed, runs = sys.argv[1:]
    worker = Worker(Path(root), Path(project), int(seed))
    for _ in range(int(runs)):
        worker.run()
    print(json.dumps(worker.counts))  # noqa: T201 - the answer


if __name__ == "__main__":
    main()
