"""What is in the key of a cache, and what a path holds."""

from __future__ import annotations

import pytest

from noxden.ci.audit.keys import find_content, is_lock, is_manifest, is_whole_tree, read_key
from noxden.ci.audit.values import Key


@pytest.mark.parametrize(
    ("text", "key"),
    [
        ("v1", Key("v1")),
        (
            "${{ runner.os }}-pip-${{ hashFiles('**/requirements*.txt') }}",
            Key("", ("**/requirements*.txt",), system=True),
        ),
        ("${{ hashFiles('a.lock', 'b/**') }}", Key("", ("a.lock", "b/**"))),
        ("${{ hashFiles(inputs.file) }}", Key("", opaque=True)),
        ("${{ hashFiles() }}", Key("")),
        ("py-${{ matrix.python-version }}", Key("", python=True)),
        ("${{ matrix.toxenv }}", Key("", python=True)),
        ("${{ matrix.os }}", Key("", system=True)),
        ("ubuntu-py312", Key("", system=True, python=True)),
        ("x-3.12", Key("", python=True)),
        ("${{ steps.python.outputs.python-version }}", Key("", python=True)),
        ("${{ env.pythonLocation }}", Key("", python=True)),
        ("${{ hashFiles('.python-version') }}", Key("", (".python-version",), python=True)),
        ("${{ steps.date.outputs.week }}", Key("", opaque=True)),
        ("${{ env.CACHE_NUMBER }}", Key("", opaque=True)),
        ("$STAMP", Key("", opaque=True)),
        ("${{ github.sha }}", Key("", commit=True)),
        ("${{ github.run_id }}", Key("", commit=True)),
        ("$CI_COMMIT_SHORT_SHA", Key("", commit=True)),
        ("$CI_COMMIT_REF_SLUG", Key("")),
        ("$CI_JOB_NAME", Key("", python=True)),
        ("${PYTHON_VERSION}", Key("", python=True)),
        ("${{ github.ref }}", Key("")),
    ],
)
def test_what_is_in_a_key(text: str, key: Key) -> None:
    assert read_key(text) == key._replace(text=text)


def test_paths_and_where_a_job_runs_count_where_they_find_an_entry() -> None:
    assert read_key("x", ["${{ env.pythonLocation }}"]).python
    assert read_key("${{ matrix.runs }}", systems=["matrix.runs"]).system


@pytest.mark.parametrize(
    ("pattern", "lock", "manifest", "whole"),
    [
        ("uv.lock", True, False, False),
        ("**/poetry.lock", True, False, False),
        ("pylock.toml", True, False, False),
        ("requirements/**", True, False, False),
        ("ci/environment-py312.yml", True, False, False),
        ("ci/deps/*", True, False, False),
        ("tools/pins.json", True, False, False),
        ("pyproject.toml", False, True, False),
        ("**/setup.py", False, True, False),
        ("setup.cfg", False, True, False),
        ("noxfile.py", False, False, False),
        ("tox.ini", False, False, False),
        (".github/workflows/a.yml", False, False, False),
        ("**", False, False, True),
        ("./**/*", False, False, True),
        ("src/**", False, False, True),
        ("**/*.py", False, False, True),
        ("tests/**/*.toml", False, False, True),
    ],
)
def test_what_a_pattern_matches(pattern: str, lock: bool, manifest: bool, whole: bool) -> None:
    said = (is_lock(pattern), is_manifest(pattern), is_whole_tree(pattern))
    assert said == (lock, manifest, whole)


@pytest.mark.parametrize(
    ("path", "content"),
    [
        ("~/.cache/pip", "downloads"),
        (r"~\AppData\Local\pip\Cache", "downloads"),
        ("${{ env.UV_CACHE_DIR }}", "downloads"),
        ("/scratch/.uv-cache", "downloads"),
        ("~/.cache/pypoetry", "downloads"),
        ("~/conda_pkgs_dir", "downloads"),
        ("~/miniconda3/envs/x/pkgs", "downloads"),
        ("wheelhouse", "downloads"),
        (".venv", "environment"),
        (".dcvirtualenv", "environment"),
        ("~/.cache/pypoetry/virtualenvs", "environment"),
        ("${{ env.pythonLocation }}", "environment"),
        (".tox", "environment"),
        ("/usr/share/miniconda/envs/test", "environment"),
        ("~/micromamba", "environment"),
        ("lib/python3.12/site-packages", "environment"),
        ("node_modules", None),
        (".cache/ccache", None),
        ("~/.cargo", None),
        ("~/.cache/pre-commit", None),
        ("!.venv/x", None),
        ("env.sh", None),
    ],
)
def test_what_a_path_holds(path: str, content: str | None) -> None:
    assert find_content([path], "key") == content


def test_a_path_that_only_a_run_knows_is_judged_by_the_key() -> None:
    assert find_content(["${{ steps.where.outputs.dir }}"], "${{ runner.os }}-pip-1") == "downloads"
    assert find_content(["${{ steps.where.outputs.dir }}"], "npm-1") is None
    assert find_content(["data"], "pip-1") is None
    assert find_content(["~/.cache/pip", ".venv"], "x") == "environment"
