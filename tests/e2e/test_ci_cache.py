"""What invalidates the cache of a generated workflow, run by act with GitHub's own cache package."""

from __future__ import annotations

import re
import sys
from typing import TYPE_CHECKING, NamedTuple

import pytest

from tests.conftest import make_den
from tests.runners.act import Act, commit, make_payload
from tests.runners.npm import install
from tests.sandbox import make_wheel, run

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from tests.conftest import MakeProject
    from tests.sandbox import Index, Sample

pytestmark = pytest.mark.e2e
NOXFILE = """
import noxden

noxden.plan()


@noxden.session(groups=["used"])
def only(session):
    session.run("python", "-c", "import kept, moved; print('moved', moved.VERSION)")
"""


class Seen(NamedTuple):
    """What a run did to the cache, and what it downloaded."""

    restored: str
    """The closure id of the entry; ``nothing``."""
    saved: str
    """The closure id of the new entry; empty where none was saved."""
    fetched: list[str]


@pytest.fixture
def sample(project: MakeProject, index: Index) -> Sample:
    for name in ("kept", "moved"):
        make_wheel(index.folder, name, files={f"{name}.py": "VERSION = 1\n"})
    sources = "".join(f"{name} = {{ index = 'local' }}\n" for name in ("kept", "moved"))
    more = (
        '[tool.noxden.ci]\nlaunch = ""\ncache-min-size = "0B"\n'
        f"{index.setting}\n[tool.uv.sources]\n{sources}"
    )
    groups = {"used": ["kept", "moved"], "other": ["kept"]}
    made = project(groups=groups, more=more, noxfile=NOXFILE)
    made.write(".gitignore", ".nox/\n.noxden/\n.noxden-bundle/\n")
    run([sys.executable, "-m", "noxden", "ci", "write"], cwd=made.path, env=made.env)
    return made


@pytest.fixture
def go(sample: Sample, index: Index, common: Path, tmp_path: Path) -> Callable[[str], Seen]:
    """Commits, and runs the workflow on a runner that has nothing yet."""
    modules = install("workflows", common)
    folder = tmp_path / "act"
    folder.mkdir()
    act = Act(folder, modules / "@actions" / "cache" / "lib" / "cache.js")

    def run_once(name: str) -> Seen:
        commit(sample)
        index.seen.clear()
        ended = act.run(sample, "push", make_payload(), den=make_den(tmp_path / name))
        assert set(ended.jobs.values()) == {"succeeded"}, ended.ran.text
        restored = re.findall(r"\| restored (?:\S*-)?(\w+)$", ended.ran.stdout, re.MULTILINE)
        saved = re.findall(r"\| saved \S*-(\w+)$", ended.ran.stdout, re.MULTILINE)
        assert len(restored) == 1, ended.ran.text
        return Seen(restored[0], "".join(saved), sorted(set(index.files)))

    return run_once


def test_only_what_a_session_selects_decides_whether_its_cache_fits(
    sample: Sample, go: Callable[[str], Seen], index: Index
) -> None:
    kept, moved = "kept-1.0-py3-none-any.whl", "moved-1.0-py3-none-any.whl"
    first = go("first")
    assert first == Seen("nothing", first.saved, [kept, moved])
    assert re.fullmatch("[0-9a-f]{64}", first.saved)

    # A comment, and a package of a group that the session does not have: a hit, nothing fetched.
    sample.edit("pyproject.toml", "[project]", "# A comment.\n[project]")
    sample.edit("pyproject.toml", "other = ['kept']", "other = ['kept', 'iniconfig']")
    sample.lock()
    assert go("same") == Seen(first.saved, "", [])

    # Another version in uv.lock: a miss. What the older entry has is used, the rest is fetched.
    make_wheel(index.folder, "moved", "2.0", files={"moved.py": "VERSION = 2\n"})
    sample.uv("lock", "--quiet", "--upgrade-package", "moved")
    changed = go("changed")
    assert changed == Seen(first.saved, changed.saved, ["moved-2.0-py3-none-any.whl"])
    assert changed.saved not in {"", first.saved}

    assert go("again") == Seen(changed.saved, "", [])
