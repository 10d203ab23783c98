"""Make gigabytes in a den, hash them, move one; run by the Python of a toolbox: ACTION ROOT."""

from __future__ import annotations

import hashlib
import json
import os
import resource
import subprocess
import sys
from pathlib import Path

from noxden.den.layout import Den, open_den
from noxden.den.resolve import Resolution, Workplace
from noxden.den.wheels.check import check_artifacts
from noxden.den.wheels.fetch import fetch
from noxden.den.wheels.push import push
from noxden.den.wheels.remote import open_remote
from noxden.den.wheels.store import artifact_path
from noxden.lock.interpreter import Interpreter
from noxden.lock.project import Project
from noxden.lock.selection import Artifact, Selection
from noxden.tools.uv import Uv

FILES = 3
BLOCKS = 1000
BLOCK = 1_000_000


def main() -> None:
    """Do as the usage says; the answer is JSON."""
    action, root = sys.argv[1], Path(sys.argv[2])
    den = open_den(os.environ)
    if action == "make":
        answer: object = make(den, root)
    elif action == "move":
        answer = {one: run_alone(one, root) for one in ("push", "pull")}
    elif action == "verify":
        answer = verify(den, root)
    else:
        answer = move(den, root, action)
    print(json.dumps(answer))  # noqa: T201 - the answer


def make(den: Den, root: Path) -> list[str]:
    """Files of 1 GB in the store, each of other bytes; their paths."""
    artifacts = []
    for number in range(FILES):
        part = root / f"{number}.part"
        digest = hashlib.sha256()
        with part.open("wb") as file:
            for _ in range(BLOCKS):
                block = os.urandom(BLOCK)
                digest.update(block)
                file.write(block)
        artifact = _make_artifact(number, digest.hexdigest())
        path = artifact_path(den, artifact.content, artifact.file)
        path.parent.mkdir(parents=True)
        part.rename(path)
        artifacts.append(artifact)
    (root / "artifacts.json").write_text(json.dumps([one.content for one in artifacts]), "utf-8")
    return [str(artifact_path(den, one.content, one.file)) for one in artifacts]


def verify(den: Den, root: Path) -> int:
    """Hash them all; how many are damaged."""
    damaged = len(check_artifacts(den, _read(root)))
    if damaged:
        sys.exit(f"{damaged} files are damaged")
    return damaged


def run_alone(action: str, root: Path) -> float:
    """Do ``action`` in a process of its own, for its memory."""
    command = [sys.executable, __file__, action, str(root)]
    said = subprocess.run(command, check=True, capture_output=True, text=True)
    return float(json.loads(said.stdout))


def move(den: Den, root: Path, action: str) -> float:
    """Push the first file to a remote of files, or pull it; the most memory that took, in MB."""
    artifact = _read(root)[0]
    (root / "remote").mkdir(exist_ok=True)
    remote = open_remote(f"file://{root}/remote", os.environ)
    if action == "push":
        selection = Selection((artifact,), ())
        interpreter = Interpreter("", {"version": "3.11.0"}, {}, (), ())
        place = Workplace(Project(root, root, (), ""), den, Uv(os.environ, None), os.environ)
        push(place, Resolution("", "", interpreter, (), None, selection), remote)
    else:
        fetched = fetch(open_den({"NOXDEN_DIR": str(root / "other")}), [artifact], [remote])
        if fetched.bytes != BLOCKS * BLOCK:
            sys.exit(f"{fetched.bytes} bytes came")
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e3


def _read(root: Path) -> list[Artifact]:
    hashes = json.loads((root / "artifacts.json").read_text("utf-8"))
    return [_make_artifact(number, sha256) for number, sha256 in enumerate(hashes)]


def _make_artifact(number: int, sha256: str) -> Artifact:
    file = f"weight{number}-1.0-py3-none-any.whl"
    entry = {"name": f"weight{number}", "version": "1.0"}
    return Artifact(f"weight{number}", "1.0", "wheel", file, sha256, "", BLOCKS * BLOCK, entry)


if __name__ == "__main__":
    main()
