"""The workflows generated for Forgejo, run by act as Forgejo's runner would name itself."""

from __future__ import annotations

import re
import sys
from typing import TYPE_CHECKING

import pytest

from tests.conftest import make_den
from tests.runners.act import Act, commit, make_payload, make_pull_request
from tests.runners.npm import install
from tests.sandbox import make_wheel, run

if TYPE_CHECKING:
    from pathlib import Path

    from tests.conftest import MakeProject
    from tests.sandbox import Index, Sample

pytestmark = pytest.mark.e2e
NOXFILE = """
import noxden

noxden.plan()
noxden.heavy(name="gated", groups=["small", "pytest"])


@noxden.session(groups=["small"])
def only(session):
    session.run("python", "-c", "import small; print('weight', small.WEIGHT)")
"""
FORGEJO = {"FORGEJO_ACTIONS": "true"}
INSTANCE = re.compile(r"uses: https://[^/]+/")


@pytest.fixture
def act(common: Path, tmp_path: Path) -> Act:
    folder = tmp_path / "act"
    folder.mkdir()
    return Act(folder, install("workflows", common) / "@actions" / "cache" / "lib" / "cache.js")


@pytest.fixture
def sample(project: MakeProject, index: Index) -> Sample:
    make_wheel(index.folder, "small", files={"small.py": "WEIGHT = 1\n"})
    more = (
        '[tool.noxden.ci]\nproviders = ["forgejo"]\nlaunch = ""\ncache-min-size = "0B"\n'
        f"{index.setting}\n[tool.uv.sources]\nsmall = {{ index = 'local' }}\n"
    )
    groups = {"small": ["small"], "pytest": ["pytest"]}
    made = project(groups=groups, more=more, noxfile=NOXFILE)
    made.write(".gitignore", ".nox/\n.noxden/\n.noxden-bundle/\n__pycache__/\n")
    run([sys.executable, "-m", "noxden", "ci", "write"], cwd=made.path, env=made.env)
    # act knows actions by owner and name only, as they are on the instance a file says.
    for file in (made.path / ".forgejo" / "workflows").iterdir():
        made.write(f".github/workflows/{file.name}", INSTANCE.sub("uses: ", file.read_text()))
    commit(made)
    index.seen.clear()
    return made


def test_a_run_saves_its_wheels_under_a_key_in_small_letters_and_the_next_one_fetches_none(
    act: Act, sample: Sample, index: Index, tmp_path: Path
) -> None:
    ended = act.run(sample, "push", make_payload(), den=make_den(tmp_path / "one"), env=FORGEJO)
    assert ended.jobs == dict.fromkeys(("plan", "only", "required"), "succeeded"), ended.ran.text
    assert index.files == ["small-1.0-py3-none-any.whl"]
    [key] = re.findall(r"\| saved (\S+)$", ended.ran.stdout, re.MULTILINE)
    assert key == key.lower()
    index.seen.clear()
    again = act.run(sample, "push", make_payload(), den=make_den(tmp_path / "two"), env=FORGEJO)
    assert again.jobs == ended.jobs, again.ran.text
    assert f"| restored {key}\n" in again.ran.stdout
    assert index.files == []


def test_a_label_opens_the_gate_and_a_fork_saves_nothing(
    act: Act, sample: Sample, den: Path
) -> None:
    sample.write("tests/test_it.py", "import pytest\n\n@pytest.mark.heavy\ndef test_it(): pass\n")
    commit(sample)
    fork = make_pull_request("run-heavy-deps", head="stranger/demo", action="labeled")
    ended = act.run(sample, "pull_request", fork, den=den, workflow="noxden-heavy.yml", env=FORGEJO)
    assert ended.jobs == dict.fromkeys(("plan", "gated", "required"), "succeeded"), ended.ran.text
    assert "uses the den of untrusted runs" in ended.ran.stdout
    assert "| saved " not in ended.ran.stdout
    # Go writes an empty list of labels as null.
    without = make_pull_request()
    without["pull_request"]["labels"] = None
    ended = act.run(
        sample, "pull_request", without, den=den, workflow="noxden-heavy.yml", env=FORGEJO
    )
    assert ended.jobs == {"plan": "succeeded", "required": "succeeded"}, ended.ran.text
