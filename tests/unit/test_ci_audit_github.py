"""Workflows of GitHub, Forgejo and Gitea: what jobs install, how it is cached, what is wrong."""

from __future__ import annotations

import textwrap
from typing import TYPE_CHECKING

import pytest

from noxden.ci.audit.audit import audit
from noxden.ci.audit.values import Place, Problem

if TYPE_CHECKING:
    from pathlib import Path

PIN = "0123456789abcdef0123456789abcdef01234567"
FILE = ".github/workflows/a.yml"


def put(root: Path, text: str, path: str = FILE) -> Path:
    """Write a file of a repository."""
    file = root / path
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(textwrap.dedent(text).lstrip("\n"), "utf-8")
    return root


def workflow(steps: str, job: str = "runs-on: ubuntu-latest", on: str = "push") -> str:
    """A workflow with one job that is right in all but its steps."""
    head = f"on: {on}\npermissions: {{}}\njobs:\n  tests:\n    timeout-minutes: 5\n"
    body = textwrap.indent(textwrap.dedent(job).strip("\n"), "    ")
    return f"{head}{body}\n    steps:\n{textwrap.indent(textwrap.dedent(steps).strip(chr(10)), '      ')}\n"


def messages(root: Path, rule: str = "") -> list[str]:
    """What the audit says, of one rule where it is named."""
    found = audit(root).problems
    return [
        f"{one.place.line} {one.rule}: {one.message}" for one in found if rule in {"", one.rule}
    ]


def hows(root: Path) -> list[str]:
    """How the only job is cached."""
    [job] = audit(root).jobs
    return [one.how for one in job.caches]


INSTALL = "- run: pip install numpy\n"


def test_a_job_that_installs_is_listed_with_lines_of_the_file(tmp_path: Path) -> None:
    put(tmp_path, workflow("- run: |\n    set -e\n    pip install numpy\n- run: nox -s x"))
    found = audit(tmp_path)
    [job] = found.jobs
    assert (job.system, job.name, job.place) == ("github", "tests", Place(FILE, 4))
    assert [(one.tool, one.place.line) for one in job.installs] == [("pip", 10), ("nox", 11)]
    assert found.problems == (
        Problem(
            "no-cache",
            "warning",
            Place(FILE, 4),
            "tests",
            "pip, nox: packages are installed and nothing is cached",
        ),
    )
    assert (found.root, found.files, found.skipped) == (tmp_path, 1, ())


@pytest.mark.parametrize(
    ("key", "said"),
    [
        ("pip-${{ runner.os }}-${{ hashFiles('uv.lock') }}", []),
        (
            "pip-v1",
            ["8 key-without-lock: the key pip-v1 does not say which versions are installed"],
        ),
        (
            "pip-${{ hashFiles('noxfile.py') }}",
            [
                (
                    "8 key-without-lock: the key pip-${{ hashFiles('noxfile.py') }} hashes "
                    "noxfile.py, which does not say which versions are installed"
                )
            ],
        ),
        (
            "pip-${{ hashFiles('**') }}",
            ["8 key-whole-tree: the key hashes **, which changes with any edit"],
        ),
        (
            "pip-${{ hashFiles('uv.lock', 'src/**') }}",
            ["8 key-whole-tree: the key hashes src/**, which changes with any edit"],
        ),
        (
            "pip-${{ hashFiles('pyproject.toml') }}",
            [
                (
                    "8 key-whole-tree: the key hashes pyproject.toml as a whole: it changes with "
                    "any edit, and not with new versions"
                )
            ],
        ),
        (
            "pip-${{ github.sha }}",
            [
                (
                    "8 key-whole-tree: the key pip-${{ github.sha }} is another one for every "
                    "commit or run"
                )
            ],
        ),
        ("pip-${{ steps.week.outputs.number }}", []),
    ],
)
def test_keys_are_judged(tmp_path: Path, key: str, said: list[str]) -> None:
    steps = f'- uses: actions/cache@{PIN}\n  with: {{path: ~/.cache/pip, key: "{key}"}}\n'
    put(tmp_path, workflow(steps + INSTALL))
    assert messages(tmp_path) == said


def test_several_systems_and_pythons_belong_in_a_key(tmp_path: Path) -> None:
    job = """
        runs-on: ${{ matrix.on }}
        strategy: {matrix: {on: [a, b], python: ["3.12", "3.13"]}}
    """
    steps = """
        - uses: actions/setup-python@{PIN}
          with: {python-version: "${{ matrix.python }}"}
        - uses: actions/cache@{PIN}
          with: {path: ~/.cache/pip, key: "pip-${{ hashFiles('uv.lock') }}{MORE}"}
        - run: pip install numpy
    """.replace("{PIN}", PIN)
    put(tmp_path, workflow(steps.replace("{MORE}", ""), job))
    key = "the key pip-${{ hashFiles('uv.lock') }} has no"
    assert messages(tmp_path) == [
        f"11 key-without-os: {key} operating system in it, and the job runs on several",
        f"11 key-without-python: {key} version of Python in it, and the job runs on several",
    ]
    more = "-${{ matrix.on }}-${{ matrix.python }}"
    put(tmp_path, workflow(steps.replace("{MORE}", more), job))
    assert messages(tmp_path) == []


@pytest.mark.parametrize(
    ("matrix", "several"),
    [
        ("{python: ['3.12']}", False),
        ("{python: ['3.12', '3.13']}", True),
        ("{include: [{python: '3.12'}, {python: '3.13'}]}", True),
        ("{include: [{python: '3.12'}, {other: 1}]}", False),
        ("'${{ fromJSON(needs.plan.outputs.matrix) }}'", True),
        ("{python: '${{ fromJSON(needs.plan.outputs.pythons) }}'}", True),
    ],
)
def test_a_matrix_tells_whether_pythons_differ(tmp_path: Path, matrix: str, several: bool) -> None:
    steps = f"""
        - uses: actions/setup-python@{PIN}
          with: {{python-version: "${{{{ matrix.python }}}}"}}
        - run: pip install numpy
    """
    put(tmp_path, workflow(steps, f"runs-on: x\nstrategy: {{matrix: {matrix}}}"))
    [job] = audit(tmp_path).jobs
    assert job.pythons is several


def test_an_environment_in_a_cache_is_a_problem_where_it_is_saved(tmp_path: Path) -> None:
    cache = """
        - uses: actions/cache{KIND}@{PIN}
          with:
            path: .venv
            key: ${{ hashFiles('uv.lock') }}
        - run: uv sync
    """.replace("{PIN}", PIN)
    put(tmp_path, workflow(cache.replace("{KIND}", "")))
    key = "the key ${{ hashFiles('uv.lock') }} has no version of Python in it"
    assert messages(tmp_path) == [
        f"8 key-without-python: {key}, and an environment is made for one",
        "8 venv-cached: .venv is an environment, not what it is made of",
    ]
    put(tmp_path, workflow(cache.replace("{KIND}", "/restore")))
    assert messages(tmp_path, "venv-cached") == []


def test_restore_and_save_are_one_cache(tmp_path: Path) -> None:
    steps = f"""
        - uses: actions/cache/restore@{PIN}
          with: {{path: ~/.cache/pip, key: "pip-${{{{ hashFiles('uv.lock') }}}}", restore-keys: pip-}}
        - run: pip install numpy
        - uses: actions/cache/save@{PIN}
          with: {{path: ~/.cache/pip, key: "pip-${{{{ hashFiles('uv.lock') }}}}"}}
        - uses: actions/cache/save@{PIN}
          with: {{path: wheels, key: "w-${{{{ hashFiles('uv.lock') }}}}"}}
    """
    put(tmp_path, workflow(steps))
    [job] = audit(tmp_path).jobs
    assert [(one.how, one.saves) for one in job.caches] == [
        ("actions/cache/restore", True),
        ("actions/cache/save", True),
    ]
    assert messages(tmp_path) == [
        "8 fallback-snowballs: it starts from pip- and saves all that under a new key"
    ]


@pytest.mark.parametrize(
    ("fallback", "more", "grows"),
    [
        ("pip-", "", True),
        ("pip-${{ steps.week.outputs.number }}-", "", False),
        ("pip-", "- run: pip cache purge\n", False),
        ("", "", False),
    ],
)
def test_a_fallback_grows_unless_something_prunes_or_starts_anew(
    tmp_path: Path, fallback: str, more: str, grows: bool
) -> None:
    steps = f"""
        - uses: actions/cache@{PIN}
          with:
            path: ~/.cache/pip
            key: pip-${{{{ hashFiles('uv.lock') }}}}
            restore-keys: "{fallback}"
    """
    put(tmp_path, workflow(textwrap.dedent(steps) + INSTALL + more))
    assert bool(messages(tmp_path)) is grows


def test_a_look_and_other_caches_are_no_cache_of_packages(tmp_path: Path) -> None:
    steps = f"""
        - uses: actions/cache@{PIN}
          with: {{path: ~/.cache/pip, key: a, lookup-only: true}}
        - uses: actions/cache@{PIN}
          with: {{path: ~/.cargo, key: a}}
        - uses: hendrikmuhs/ccache-action@{PIN}
        - run: pip install numpy
    """
    put(tmp_path, workflow(steps))
    assert hows(tmp_path) == []


@pytest.mark.parametrize(
    ("step", "how"),
    [
        ("actions/setup-python@{PIN}", []),
        ("actions/setup-python@{PIN}\n  with: {cache: pip}", ["setup-python"]),
        ("actions/setup-python@{PIN}\n  with: {cache: ''}", []),
        ("astral-sh/setup-uv@{PIN} # v8.1.0", ["setup-uv"]),
        ("astral-sh/setup-uv@{PIN}", ["setup-uv"]),
        ("astral-sh/setup-uv@{PIN} # v4", []),
        ("astral-sh/setup-uv@v3", []),
        ("astral-sh/setup-uv@v3\n  with: {enable-cache: true}", ["setup-uv"]),
        ("astral-sh/setup-uv@{PIN}\n  with: {enable-cache: false}", []),
        ("hynek/setup-cached-uv@{PIN}", ["setup-cached-uv"]),
        ("mamba-org/setup-micromamba@{PIN}", []),
        ("mamba-org/setup-micromamba@{PIN}\n  with: {cache-environment: true}", ["setup-micromamba"]),
        ("prefix-dev/setup-pixi@{PIN}", ["setup-pixi"]),
        ("prefix-dev/setup-pixi@{PIN}\n  with: {cache: false}", []),
        ("pdm-project/setup-pdm@{PIN}\n  with: {cache: true}", ["setup-pdm"]),
        ("https://code.forgejo.org/actions/cache@{PIN}\n  with: {path: .tox, key: x}", ["actions/cache"]),
    ],
)  # fmt: skip
def test_actions_that_cache_by_themselves_are_known(
    tmp_path: Path, step: str, how: list[str]
) -> None:
    put(tmp_path, workflow(f"- uses: {step.replace('{PIN}', PIN)}\n{INSTALL}"))
    assert hows(tmp_path) == how


def test_setup_uv_caches_by_itself_on_runners_of_github_alone(tmp_path: Path) -> None:
    steps = f"- uses: astral-sh/setup-uv@{PIN}\n{INSTALL}"
    put(tmp_path, workflow(steps, "runs-on: [self-hosted, linux]"))
    assert hows(tmp_path) == []
    assert messages(tmp_path) == []
    [job] = audit(tmp_path).jobs
    assert job.kept == "the runner's own disk"
    put(tmp_path, workflow(steps, "runs-on: self-hosted\ncontainer: python:3.13"))
    assert [one.split(":")[0] for one in messages(tmp_path)] == ["4 no-cache"]
    (tmp_path / FILE).unlink()
    put(tmp_path, workflow(steps), ".forgejo/workflows/a.yml")
    assert [one.split(":")[0] for one in messages(tmp_path)] == ["4 no-cache"]


@pytest.mark.parametrize(
    ("uses", "inputs", "prunes"),
    [
        ("v8", "", True),
        ("v9", "", False),
        ("v9", "  with: {prune-cache: true}", True),
        ("v8", "  with: {prune-cache: false}", False),
        (f"{PIN} # v8.2.0", "", True),
        (f"{PIN} # v10.0.0", "", False),
        (PIN, "", False),
    ],
)
def test_older_versions_of_setup_uv_drop_wheels(
    tmp_path: Path, uses: str, inputs: str, prunes: bool
) -> None:
    put(tmp_path, workflow(f"- uses: astral-sh/setup-uv@{uses}\n{inputs}\n{INSTALL}"))
    said = messages(tmp_path, "prune-drops-wheels")
    expected = "8 prune-drops-wheels: setup-uv prunes downloaded wheels before it saves"
    assert said == ([expected] if prunes else [])


def test_files_that_an_action_is_told_to_hash_are_judged(tmp_path: Path) -> None:
    step = (
        "- uses: actions/setup-python@{PIN}\n  with: {cache: pip, cache-dependency-path: {FILES}}\n"
    )
    for files, rules in (
        ("setup.py", ["key-whole-tree"]),
        ("requirements.txt", []),
        ('"${{ inputs.file }}"', []),
    ):
        text = step.replace("{PIN}", PIN).replace("{FILES}", files)
        put(tmp_path, workflow(text + INSTALL))
        assert [one.rule for one in audit(tmp_path).problems] == rules


def test_uv_cache_prune_ci_drops_wheels_of_what_is_cached(tmp_path: Path) -> None:
    step = f"- uses: astral-sh/setup-uv@{PIN} # v9\n- run: uv sync\n- run: uv cache prune --ci\n"
    put(tmp_path, workflow(step))
    assert messages(tmp_path) == [
        "10 prune-drops-wheels: uv cache prune --ci drops all downloaded wheels from what is cached"
    ]


@pytest.mark.parametrize(
    ("step", "tool"),
    [
        ("mamba-org/setup-micromamba@{PIN}\n  with: {environment-file: e.yml}", "setup-micromamba"),
        ("conda-incubator/setup-miniconda@{PIN}\n  with: {environment-file: e.yml}", "setup-miniconda"),
        ("actions/setup-python@{PIN}\n  with: {pip-install: .}", "setup-python"),
        ("prefix-dev/setup-pixi@{PIN}", "setup-pixi"),
        ("nick-fields/retry@{PIN}\n  with: {command: pip install numpy}", "pip"),
        ("vmactions/freebsd-vm@{PIN}\n  with:\n    run: |\n      pip install numpy", "pip"),
    ],
)  # fmt: skip
def test_actions_that_install_are_known(tmp_path: Path, step: str, tool: str) -> None:
    put(tmp_path, workflow(f"- uses: {step.replace('{PIN}', PIN)}"))
    [job] = audit(tmp_path).jobs
    assert [one.tool for one in job.installs] == [tool]


@pytest.mark.parametrize(
    "step",
    [
        "conda-incubator/setup-miniconda@{PIN}",
        "prefix-dev/setup-pixi@{PIN}\n  with: {run-install: false}",
        "actions/github-script@{PIN}\n  with: {script: pip install numpy}",
        "./.github/actions/gone",
        "./../outside",
    ],
)
def test_other_actions_install_nothing(tmp_path: Path, step: str) -> None:
    put(tmp_path, workflow(f"- uses: {step.replace('{PIN}', PIN)}"))
    assert audit(tmp_path).jobs == ()


ACTION = """
    inputs:
      path: {default: ~/.cache/pip}
      lock: {default: uv.lock}
    runs:
      using: composite
      steps:
        - uses: actions/cache@v5
          with:
            path: ${{ inputs.path }}
            key: pip-${{ inputs.suffix }}-${{ hashFiles('uv.lock') }}
        - run: pip install numpy
          shell: bash
"""


def test_steps_of_a_local_action_stand_where_it_is_used(tmp_path: Path) -> None:
    path = ".github/actions/setup/action.yml"
    put(tmp_path, ACTION, path)
    put(tmp_path, workflow("- uses: ./.github/actions/setup\n  with: {suffix: x}"))
    found = audit(tmp_path)
    [job] = found.jobs
    assert (job.name, job.installs[0].place) == ("tests", Place(path, 11))
    [cache] = job.caches
    assert (cache.paths, cache.place) == (("~/.cache/pip",), Place(path, 7))
    assert cache.key is not None
    assert cache.key.text == "pip-x-${{ hashFiles('uv.lock') }}"
    assert [one.rule for one in found.problems] == ["unpinned-action"]


def test_a_local_action_that_nothing_uses_is_a_job_of_its_own(tmp_path: Path) -> None:
    put(tmp_path, ACTION, ".github/actions/setup/action.yaml")
    put(tmp_path, "- no\n", ".github/actions/broken/action.yml")
    found = audit(tmp_path)
    assert [job.name for job in found.jobs] == ["action .github/actions/setup"]
    assert [one.path for one in found.skipped] == [".github/actions/broken/action.yml"]


def test_actions_that_use_each_other_end(tmp_path: Path) -> None:
    action = "runs:\n  using: composite\n  steps:\n    - uses: ./\n    - run: pip install numpy\n"
    put(tmp_path, action, "action.yml")
    put(tmp_path, workflow("- uses: $/\n"))
    [job] = audit(tmp_path).jobs
    assert len(job.installs) == 5


def test_local_actions_that_are_too_large_together_are_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("noxden.ci.audit.audit._ACTION_SIZE", 100)
    many = "".join(f"    - {{name: n{number}}}\n" for number in range(20))
    put(tmp_path, f"runs:\n  steps:\n{many}", ".github/actions/big/action.yml")
    put(tmp_path, workflow("- uses: ./.github/actions/big\n" * 6))
    assert [tuple(one) for one in audit(tmp_path).skipped] == [
        (FILE, "uses local actions that are too large together")
    ]


def test_variables_of_workflow_job_and_step_are_put_in(tmp_path: Path) -> None:
    steps = f"""
        - uses: actions/cache@{PIN}
          env: {{WHERE: .venv}}
          with: {{path: "${{{{ env.WHERE }}}}", key: "${{{{ env.KEY }}}}-$BIG-${{{{ env.NONE }}}}"}}
        - run: pip install numpy
    """
    text = workflow(steps, f"runs-on: x\nenv: {{KEY: py3, BIG: {'x' * 500}}}")
    put(tmp_path, text)
    [job] = audit(tmp_path).jobs
    [cache] = job.caches
    assert cache.paths == (".venv",)
    assert cache.key is not None
    assert cache.key.text == "py3-$BIG-${{ env.NONE }}"


@pytest.mark.parametrize("name", ["NOXDEN_DIR", "NOXDEN_REMOTE"])
def test_a_den_that_is_kept_needs_no_cache(tmp_path: Path, name: str) -> None:
    put(tmp_path, workflow("- run: nox -s unit", f"runs-on: x\nenv: {{{name}: /den}}"))
    found = audit(tmp_path)
    assert (found.jobs[0].kept, found.problems) == (name, ())


def test_a_bundle_of_noxden_is_a_good_cache(tmp_path: Path) -> None:
    steps = f"""
        - id: wheels
          run: noxden wheels key >> "$GITHUB_OUTPUT"
        - uses: actions/cache@{PIN}
          with:
            path: ${{{{ steps.wheels.outputs.path }}}}
            key: ${{{{ steps.wheels.outputs.key }}}}
            restore-keys: ${{{{ steps.wheels.outputs.prefix }}}}
        - run: nox -s heavy
    """
    put(tmp_path, workflow(steps))
    assert hows(tmp_path) == ["noxden wheels"]
    assert messages(tmp_path) == []


@pytest.mark.parametrize(
    ("on", "condition", "events"),
    [
        ("pull_request_target", "", "pull_request_target"),
        ("[push, issue_comment, workflow_run]", "", "issue_comment, workflow_run"),
        ("{pull_request_target: {types: [opened]}}", "", "pull_request_target"),
        ("pull_request", "", ""),
        ("[push, workflow_run]", "github.event_name == 'push'", ""),
    ],
)
def test_a_cache_that_strangers_write_is_an_error(
    tmp_path: Path, on: str, condition: str, events: str
) -> None:
    step = f'- uses: astral-sh/setup-uv@{PIN}\n  if: "{condition}"\n'
    put(tmp_path, workflow(step, on=on))
    said = f"8 untrusted-write: setup-uv saves on {events}, in the scope of the default branch"
    assert messages(tmp_path) == ([said] if events else [])


@pytest.mark.parametrize(("condition", "told"), [("true", 1), ("github.ref == 'x'", 0)])
def test_wheels_that_strangers_push_are_an_error(tmp_path: Path, condition: str, told: int) -> None:
    job = f'runs-on: x\nif: "{condition}"\nenv: {{NOXDEN_REMOTE: "s3:x"}}'
    put(tmp_path, workflow("- run: nox -s wheelhouse -- push", job, "pull_request"))
    said = (
        "10 untrusted-write: it pushes wheels to the remote on pull_request, which strangers start"
    )
    assert messages(tmp_path) == [said] * told


@pytest.mark.parametrize(
    ("on", "release"),
    [
        ("release", True),
        ("{push: {tags: ['v*']}}", True),
        ("{push: {tags: ['v*']}, workflow_dispatch: }", True),
        ("workflow_dispatch", False),
        ("{push: {tags: ['v*'], branches: [main]}}", False),
        ("[push, release]", False),
    ],
)
def test_a_release_needs_no_cache(tmp_path: Path, on: str, release: bool) -> None:
    put(tmp_path, workflow(INSTALL, on=on))
    [job] = audit(tmp_path).jobs
    assert job.release is release
    assert bool(messages(tmp_path, "no-cache")) is not release


def test_tools_alone_need_no_cache(tmp_path: Path) -> None:
    put(tmp_path, workflow("- run: pip install build && python -m build"))
    found = audit(tmp_path)
    assert [job.heavy for job in found.jobs] == [False]
    assert found.problems == ()


def test_what_is_not_pinned_is_told_once_with_its_lines(tmp_path: Path) -> None:
    put(
        tmp_path,
        f"""
        on: push
        permissions: {{}}
        jobs:
          one:
            uses: demo/flows/.github/workflows/x.yml@main
          two:
            uses: ./.github/workflows/b.yml
          three:
            steps:
              - uses: actions/checkout@v6
              - uses: actions/setup-node@{PIN}
              - uses: docker://alpine:3
              - uses: docker://alpine@sha256:{"0" * 64}
              - uses: ./local
              - uses: ${{{{ matrix.action }}}}
          four:
            steps:
              - uses: actions/checkout@v6
        """,
    )
    how = "is not pinned by a commit, 40 hexadecimal digits"
    assert messages(tmp_path) == [
        f"5 unpinned-action: demo/flows/.github/workflows/x.yml@main {how}",
        f"10 unpinned-action: actions/checkout@v6 {how}, also on line 18",
        "12 unpinned-action: docker://alpine:3 is not pinned by its digest, @sha256:",
    ]


def test_permissions_are_asked_for_once_a_file_and_of_github_alone(tmp_path: Path) -> None:
    jobs = "".join(f"  j{number}: {{runs-on: x}}\n" for number in range(7))
    put(tmp_path, f"on: push\njobs:\n  own: {{permissions: {{}}}}\n{jobs}")
    assert messages(tmp_path) == [
        "4 missing-permissions: no permissions are set for j0, j1, j2, j3, j4 and 2 more"
    ]
    put(tmp_path, f"on: workflow_call\njobs:\n{jobs}")
    assert messages(tmp_path) == []
    (tmp_path / FILE).unlink()
    put(tmp_path, f"on: push\njobs:\n{jobs}", ".gitea/workflows/a.yml")
    assert messages(tmp_path) == []


def test_a_job_without_a_limit_of_time_is_noted(tmp_path: Path) -> None:
    put(tmp_path, workflow("- run: pipx install ruff").replace("timeout-minutes", "x"))
    assert [(one.rule, one.severity) for one in audit(tmp_path).problems] == [
        ("no-timeout", "note")
    ]


def test_steps_and_jobs_that_are_none_are_passed_over(tmp_path: Path) -> None:
    put(
        tmp_path,
        """
        on: {push: }
        permissions: {}
        env: nothing
        jobs:
          a: text
          b: [list]
          c: {steps: text}
          d:
            steps:
              - text
              - [list]
              - {run: [x]}
              - {uses: {x: y}, with: text}
        """,
    )
    found = audit(tmp_path)
    assert (found.jobs, found.problems, found.skipped) == ((), (), ())
