"""The backend as nox sees it: the options of nox, and what nox and uv leave in the environment."""

from __future__ import annotations

import json
import sys
from typing import TYPE_CHECKING

import pytest

from noxden.tools.uv import find_uv
from tests.sandbox import run

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from tests.conftest import MakeProject, RunNox
    from tests.sandbox import Sample

NOXFILE = """
import noxden

SHOW = "import sys, os, attr; print(os.path.relpath(sys.prefix), os.path.basename(attr.__file__))"

@noxden.session
def show(session):
    session.run("python", "-c", SHOW)

@noxden.session(groups=["test"], requires=["show"], tags=["slow"], default=False)
def other(session):
    session.run("python", "-c", "import iniconfig; print('iniconfig')")
"""


@pytest.fixture
def sample(project: MakeProject) -> Sample:
    return project(["attrs"], groups={"test": ["iniconfig"]}, noxfile=NOXFILE)


def test_a_session_runs_in_its_own_environment_with_the_packages_of_the_lock(
    sample: Sample, nox: RunNox
) -> None:
    ran = nox(sample)
    assert (ran.code, ran.lines) == (0, [".nox/show __init__.py"])


def test_a_second_run_neither_builds_nor_says_that_it_did(sample: Sample, nox: RunNox) -> None:
    first, second = nox(sample), nox(sample)
    assert "show: new environment; built in " in first.stderr
    assert [line for line in second.stderr.splitlines() if "python -c" not in line] == [
        "nox > Running session show",
        "nox > Session show was successful.",
    ]


@pytest.mark.parametrize("option", ["-r", "-R", "--no-install", "--reuse-venv=yes"])
def test_options_that_reuse_an_environment_work_with_and_without_one(
    option: str, sample: Sample, nox: RunNox
) -> None:
    assert [nox(sample, option).code for _ in range(2)] == [0, 0]


@pytest.mark.parametrize("option", ["-r", "-R"])
def test_an_environment_that_is_out_of_date_is_rebuilt_although_reuse_is_asked_for(
    option: str, sample: Sample, nox: RunNox
) -> None:
    nox(sample)
    sample.edit("pyproject.toml", "dependencies = ['attrs']", "dependencies = ['attrs', 'six']")
    sample.lock()
    sample.edit("noxfile.py", "import sys, os, attr;", "import sys, os, attr, six;")
    ran = nox(sample, option)
    assert (ran.code, ran.lines) == (0, [".nox/show __init__.py"])
    assert "show: +six " in ran.stderr


INSTALLING = """
import noxden

@noxden.session
def show(session):
    if "install" in session.posargs:
        session.install("six")
    session.run("python", "-c", "import importlib.util as u; print(u.find_spec('six') is not None)")
"""


def test_what_a_session_installs_beside_stays_with_r_and_goes_without(
    project: MakeProject, nox: RunNox
) -> None:
    sample = project(["attrs"], noxfile=INSTALLING)
    seen = [
        nox(sample, *options).lines
        for options in (["--", "install"], ["-r"], ["--no-install"], ["-R"], [], ["-r"])
    ]
    assert seen == [["True"], ["True"], ["False"], ["False"], ["False"], ["False"]]


def test_no_install_skips_the_installs_of_a_session_whose_environment_is_reused(
    project: MakeProject, nox: RunNox
) -> None:
    sample = project(["attrs"], noxfile=INSTALLING)
    assert nox(sample).lines == ["False"]
    assert nox(sample, "-R", "--", "install").lines == ["False"]


def test_what_a_session_installs_does_not_reach_the_base(
    project: MakeProject, nox: RunNox, fresh_den: Path
) -> None:
    sample = project(["attrs"], noxfile=INSTALLING)
    nox(sample, "--", "install", den=fresh_den)
    assert list(fresh_den.glob("envs/*/lib/python*/site-packages/six.py")) == []


COLLIDING = """
import noxden

@noxden.session(name="my show")
def first(session):
    session.run("python", "-c", "print('first')")

@noxden.session(name="my-show", groups=["test"])
def second(session):
    session.run("python", "-c", "import iniconfig; print('second')")
"""


def test_two_sessions_that_nox_gives_one_folder_do_not_wait_for_each_other(
    project: MakeProject, nox: RunNox
) -> None:
    sample = project(["attrs"], groups={"test": ["iniconfig"]}, noxfile=COLLIDING)
    ran = nox(sample)
    assert (ran.code, ran.lines) == (0, ["first", "second"]), ran.text
    assert "waiting" not in ran.stderr


def test_parallel_sessions_share_one_base(
    project: MakeProject, nox: RunNox, fresh_den: Path
) -> None:
    noxfile = """
    import noxden

    @noxden.session
    def one(session):
        session.run("python", "-c", "import attr")

    @noxden.session
    def two(session):
        session.run("python", "-c", "import attr")
    """
    ran = nox(project(["attrs"], noxfile=noxfile), "-j2", den=fresh_den)
    assert ran.code == 0, ran.text
    assert ran.text.count("building base environment") == 1
    assert len(list((fresh_den / "envs").iterdir())) == 1


def test_a_report_names_the_sessions(sample: Sample, nox: RunNox) -> None:
    nox(sample, "-s", "other", "--report", "report.json")
    report = json.loads((sample.path / "report.json").read_text())
    assert [(row["name"], row["result"]) for row in report["sessions"]] == [
        ("show", "success"),
        ("other", "success"),
    ]


def test_the_list_of_sessions_is_the_one_of_nox(sample: Sample, nox: RunNox) -> None:
    listed = json.loads(nox(sample, "-l", "--json").stdout)
    assert [(row["session"], row["tags"]) for row in listed] == [("show", [])]


def test_listing_builds_nothing(sample: Sample, nox: RunNox) -> None:
    nox(sample, "-l")
    assert not (sample.path / ".nox" / "show").exists()


def test_envdir_moves_the_environments(sample: Sample, nox: RunNox, tmp_path: Path) -> None:
    ran = nox(sample, "--envdir", str(tmp_path / "else where"))
    # nox shortens the name of an environment whose path gets too long.
    assert ran.lines[0].startswith("../else where/"), ran.text
    assert not (sample.path / ".nox").exists()


def test_sessions_are_selected_by_tag(sample: Sample, nox: RunNox) -> None:
    assert nox(sample, "-t", "slow").lines[-1] == "iniconfig"


PARAMETRIZED = """
import nox, noxden

@noxden.session
@nox.parametrize("number", [1, 2])
def inner(session, number):
    session.run("python", "-c", f"print({number})")

@nox.parametrize("number", [3])
@noxden.session
def outer(session, number):
    session.run("python", "-c", f"print({number})")

@nox.session(venv_backend="noxden", venv_params=["--group", "test"])
def plain(session):
    session.run("python", "-c", "import iniconfig; print('plain')")
"""


def test_parametrized_sessions_and_plain_nox_sessions_with_the_backend_work(
    project: MakeProject, nox: RunNox
) -> None:
    sample = project(["attrs"], groups={"test": ["iniconfig"]}, noxfile=PARAMETRIZED)
    ran = nox(sample)
    assert (ran.code, ran.lines) == (0, ["1", "2", "3", "plain"]), ran.text


def test_a_session_for_each_python_runs_on_that_python(
    project: MakeProject, nox: RunNox, python: str
) -> None:
    noxfile = f"""
    import noxden

    @noxden.session(python=["{python}"])
    def show(session):
        session.run("python", "-c", "import attr, sys; print('%d.%d' % sys.version_info[:2])")
        print(session.virtualenv.interpreter)
    """
    ran = nox(project(["attrs"], noxfile=noxfile), "-s", f"show-{python}")
    assert (ran.code, ran.lines[0]) == (0, python), ran.text


LEAKS = """
import os
import noxden

VARIABLES = ["UV_PROJECT_ENVIRONMENT", "VIRTUAL_ENV", "UV_PYTHON", "UV_CACHE_DIR", "UV_FROZEN"]
SHOW = f"import os; print(*(os.path.basename(os.environ.get(name, '-')) for name in {VARIABLES!r}))"

@noxden.session
def show(session):
    session.run("python", "-c", SHOW)
    session.run("uv", "sync", "--quiet", "--inexact")
    session.run("uv", "pip", "list", "--format", "freeze", "--quiet")
"""


def leaking(env: Mapping[str, str], sample: Sample) -> dict[str, str]:
    """What script mode of nox, an activated environment and a careless shell leave."""
    victim = sample.path / "victim"
    run([find_uv(env), "venv", "--quiet", victim], cwd=sample.path, env=env)
    return {
        **env,
        "UV_PROJECT_ENVIRONMENT": str(victim),
        "VIRTUAL_ENV": str(victim),
        "UV_PYTHON": "3.99",
        "UV_FROZEN": "1",
        "UV_NO_CACHE": "1",
        "CONDA_PREFIX": "/nowhere",
    }


def test_variables_of_the_caller_do_not_reach_uv_in_a_session(
    project: MakeProject, nox: RunNox, env: dict[str, str]
) -> None:
    sample = project(["attrs"], noxfile=LEAKS)
    ran = nox(sample, env=leaking(env, sample))
    assert ran.lines[0] == "show show show uv -", ran.text
    assert list(sample.path.glob("victim/lib/python*/site-packages/attr*")) == []


SCRIPT = """
# /// script
# requires-python = ">=3.11"
# dependencies = ["nox", "noxden"]
# [tool.uv.sources]
# noxden = {{ path = "{source}", editable = true }}
# ///
{body}

if __name__ == "__main__":
    import nox
    nox.main()
"""


def test_a_noxfile_run_as_a_script_keeps_its_own_environment_to_itself(
    project: MakeProject, env: dict[str, str], request: pytest.FixtureRequest
) -> None:
    source = request.config.rootpath
    sample = project(["attrs"], noxfile="")
    sample.write("noxfile.py", SCRIPT.format(source=source, body=LEAKS))
    ran = run(
        [find_uv(env), "run", "--quiet", "--script", "noxfile.py"],
        cwd=sample.path, env=leaking(env, sample) | {"UV_PYTHON": sys.executable}, check=False,
    )  # fmt: skip
    assert (ran.code, ran.lines[0]) == (0, "show show show uv -"), ran.text
    assert list(sample.path.glob("victim/lib/python*/site-packages/attr*")) == []


WRONG = """
import noxden

@noxden.session({arguments})
def show(session):
    pass
"""


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ('groups="test"', "groups= takes a list of names, got 'test'"),
        ("extras=[1]", "extras= takes a list of names, got [1]"),
        (
            'venv_backend="uv"',
            "noxden.session (show): remove venv_backend=, its backend is the den",
        ),
        (
            'venv_params=["--seed"]',
            "noxden.session (show): remove venv_params=, its backend is the den",
        ),
        (
            'group=["test"]',
            "noxden.session takes no argument 'group'; did you mean groups?",
        ),
    ],
)
def test_wrong_arguments_of_a_session_end_nox_with_one_sentence(
    arguments: str, message: str, project: MakeProject, nox: RunNox
) -> None:
    sample = project(["attrs"], noxfile=WRONG.format(arguments=arguments), lock=False)
    ran = nox(sample, "-l")
    assert (ran.code, ran.stderr) == (2, f"noxden: {message}\n")


def test_wrong_parameters_of_the_backend_fail_the_session_with_one_sentence(
    project: MakeProject, nox: RunNox
) -> None:
    noxfile = """
    import nox, noxden

    @noxden.session
    def other(session):
        pass

    @nox.session(venv_backend="noxden", venv_params=["--seed"])
    def show(session):
        pass
    """
    ran = nox(project(["attrs"], noxfile=noxfile), "-s", "show")
    assert ran.code == 1
    assert (
        "venv_params of the noxden backend take --group, --only-group, --extra, --package, "
        "--no-layer, --any-lock, --deferred; got '--seed' (exit code 2)" in ran.stderr
    )


def test_an_error_of_the_library_inside_a_session_fails_it_with_its_code(
    project: MakeProject, nox: RunNox
) -> None:
    noxfile = """
    import noxden
    from noxden.errors import SafetyError

    @noxden.session
    def show(session):
        raise SafetyError("the wheel is not the one of the lock; run: noxden verify")
    """
    ran = nox(project(["attrs"], noxfile=noxfile))
    assert ran.code == 1
    assert "the wheel is not the one of the lock; run: noxden verify (exit code 4)" in ran.stderr


def test_a_failing_command_fails_the_session(project: MakeProject, nox: RunNox) -> None:
    noxfile = """
    import noxden

    @noxden.session
    def show(session):
        session.run("python", "-c", "raise SystemExit(3)")
    """
    ran = nox(project(["attrs"], noxfile=noxfile))
    assert ran.code == 1
    assert "Session show failed" in ran.stderr


def test_programs_of_the_environment_are_found_without_external(
    project: MakeProject, nox: RunNox
) -> None:
    noxfile = """
    import noxden

    @noxden.session(groups=["lint"])
    def show(session):
        session.run("ruff", "--version", silent=True)
        session.run("python", "-m", "ruff", "--version", silent=True)
        session.run("uv", "--version", silent=True)
    """
    ran = nox(project(groups={"lint": ["ruff"]}, noxfile=noxfile), "--error-on-external-run")
    assert ran.code == 0, ran.text


def test_layered_false_gives_a_plain_environment_that_follows_the_same_rules(
    project: MakeProject, nox: RunNox
) -> None:
    noxfile = """
    import noxden

    @noxden.session(layered=False)
    def show(session):
        session.run("python", "-c", "import attr, os; print(os.path.relpath(attr.__file__).split(os.sep)[:2])")
        if session.posargs:
            session.install("six")
    """
    sample = project(["attrs"], noxfile=noxfile)
    first, second = nox(sample), nox(sample, "--", "install")
    assert first.lines == second.lines == ["['.nox', 'show']"]
    assert "built" in first.stderr
    assert "built" not in second.stderr
    assert "packages were installed beside the locked ones" in nox(sample).stderr
    sample.edit("pyproject.toml", "['attrs']", "['attrs', 'iniconfig']")
    sample.lock()
    ran = nox(sample, "-r")
    assert (ran.code, ran.lines) == (0, ["['.nox', 'show']"])
    assert "rebuilt" in ran.stderr


@pytest.mark.parametrize(("value", "shown"), [("true", "1"), ("0", "None"), ("off", "None")])
def test_offline_is_a_switch_for_uv_in_sessions_too(
    value: str, shown: str, project: MakeProject, nox: RunNox, env: Mapping[str, str]
) -> None:
    noxfile = """
    import noxden

    @noxden.session
    def show(session):
        session.run("python", "-c", "import os; print(os.environ.get('UV_OFFLINE'))")
    """
    ran = nox(project(noxfile=noxfile), env={**env, "NOXDEN_OFFLINE": value})
    assert (ran.code, ran.lines) == (0, [shown]), ran.text


@pytest.mark.parametrize("words", [("-l",), ("-s", "show")])
def test_a_switch_that_says_nothing_ends_nox_in_one_sentence(
    words: tuple[str, ...], sample: Sample, nox: RunNox, env: Mapping[str, str]
) -> None:
    ran = nox(sample, *words, env={**env, "NOXDEN_DEBUG": "maybe"})
    said = "noxden: environment variable NOXDEN_DEBUG is to be 1 or 0, got 'maybe'\n"
    assert (ran.code, ran.stderr) == (2, said)


BESIDE = """
import noxden

@noxden.session
def show(session):
    session.install("build")
    session.run("python", "-c", "import build, packaging; print(packaging.__version__)")
"""


def test_what_a_session_installs_beside_keeps_to_the_locked_versions(
    project: MakeProject, nox: RunNox
) -> None:
    ran = nox(project(["packaging==24.1"], noxfile=BESIDE))
    assert (ran.code, ran.lines) == (0, ["24.1"]), ran.text


def test_a_command_that_somebody_removed_comes_back(project: MakeProject, nox: RunNox) -> None:
    noxfile = """
    import noxden

    @noxden.session
    def show(session):
        session.run("pyproject-build", "--version", silent=True)
    """
    sample = project(["build"], noxfile=noxfile)
    assert nox(sample).code == 0
    (sample.path / ".nox" / "show" / "bin" / "pyproject-build").unlink()
    assert nox(sample).code == 0


def test_a_project_that_no_python_fits_fails_and_is_not_skipped(
    project: MakeProject, nox: RunNox, env: dict[str, str]
) -> None:
    sample = project(["attrs"], noxfile=WRONG.format(arguments=""))
    assert nox(sample).code == 0
    (sample.path / ".python-version").write_text("3.99\n")
    ran = nox(sample, env={**env, "CI": ""})
    assert ran.code == 1
    assert "exit code 3" in ran.text


FOREIGN_FOLDER = """
import noxden

noxden.lint(steps=["format"])
"""


def test_a_noxfile_in_another_folder_works_on_the_project(
    project: MakeProject, nox: RunNox
) -> None:
    sample = project(groups={"lint": ["ruff"]}, noxfile=FOREIGN_FOLDER)
    (sample.path / "ci").mkdir()
    (sample.path / "noxfile.py").rename(sample.path / "ci" / "noxfile.py")
    (sample.path / "bad.py").write_text("x  =  1\n")
    ran = nox(sample, "-f", "ci/noxfile.py")
    assert ran.code == 1
    assert "bad.py" in ran.text
