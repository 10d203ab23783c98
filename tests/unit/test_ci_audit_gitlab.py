"""``.gitlab-ci.yml``: pieces put together, caches judged."""

from __future__ import annotations

import textwrap
from typing import TYPE_CHECKING

import pytest

from noxden.ci.audit import gitlab_merge
from noxden.ci.audit.audit import audit
from noxden.ci.audit.values import Place, Skipped

if TYPE_CHECKING:
    from pathlib import Path

    from noxden.ci.audit.values import Job

COMMIT = "0123456789abcdef0123456789abcdef01234567"


def put(root: Path, text: str, path: str = ".gitlab-ci.yml") -> None:
    file = root / path
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(textwrap.dedent(text).lstrip("\n"), "utf-8")


def jobs(root: Path) -> dict[str, Job]:
    return {job.name: job for job in audit(root).jobs}


def messages(root: Path) -> list[str]:
    return [f"{one.place} {one.rule}: {one.message}" for one in audit(root).problems]


def test_a_job_is_put_together_of_its_pieces(tmp_path: Path) -> None:
    put(
        tmp_path,
        """
        include:
          - local: /ci/base.yml
        default:
          before_script:
            - pip install uv
        .shared:
          script:
            - uv sync
            - |
              echo x
              nox -s lint
        lint:
          extends: .shared
        tests:
          extends: [.base, .more]
          before_script: []
          script:
            - !reference [.shared, script]
            - [tox]
        deep:
          extends: tests
          inherit: {default: false}
          before_script: !reference [.none, script]
        pages: {inherit: {default: [image]}, script: nox}
        workflow: {name: pip install no}
        """,
    )
    put(tmp_path, ".base:\n  after_script:\n    - poetry install\n", "ci/base.yml")
    found = {
        name: [(one.tool, str(one.place)) for one in job.installs]
        for name, job in jobs(tmp_path).items()
    }
    file = ".gitlab-ci.yml"
    shared = [("uv sync", f"{file}:8"), ("nox", f"{file}:11")]
    own = [("tox", f"{file}:19"), ("poetry", "ci/base.yml:3")]
    assert found == {
        "lint": [("pip", f"{file}:5"), *shared],
        "tests": [*shared, *own],
        "deep": [*shared, *own],
        "pages": [("nox", f"{file}:24")],
    }
    assert jobs(tmp_path)["tests"].place == Place(file, 14)
    assert audit(tmp_path).files == 2


def test_included_files_are_found_in_every_spelling(tmp_path: Path) -> None:
    put(
        tmp_path,
        """
        include:
          - ci/a.yml
          - {local: "ci/more/*.yml"}
          - {local: gone.yml}
          - {local: ../outside.yml}
          - {template: Python.gitlab-ci.yml}
        """,
    )
    put(tmp_path, "include: .gitlab-ci.yml\na: {script: nox}\n", "ci/a.yml")
    put(tmp_path, "b: {script: nox}\n", "ci/more/b.yml")
    put(tmp_path, "c: [\n", "ci/more/c.yml")
    found = audit(tmp_path)
    assert sorted(job.name for job in found.jobs) == ["a", "b"]
    assert [one.path for one in found.skipped] == ["ci/more/c.yml", "gone.yml", "../outside.yml"]
    assert found.skipped[1] == Skipped("gone.yml", "cannot be read: No such file or directory")


def test_what_is_included_from_elsewhere_is_to_be_pinned(tmp_path: Path) -> None:
    put(
        tmp_path,
        f"""
        include:
          - {{project: demo/ci, ref: main, file: a.yml}}
          - {{project: demo/ci, ref: {COMMIT}, file: a.yml}}
          - {{remote: "https://demo.example/a.yml"}}
          - {{remote: "https://demo.example/b.yml", integrity: sha256-x}}
          - https://demo.example/c.yml
          - {{component: demo.example/one@1.0}}
          - {{component: demo.example/one@{COMMIT}}}
        """,
    )
    remote = "is not pinned by integrity: with its sha256"
    assert messages(tmp_path) == [
        ".gitlab-ci.yml:2 unpinned-action: demo/ci is not pinned by ref: with a commit",
        f".gitlab-ci.yml:4 unpinned-action: https://demo.example/a.yml {remote}",
        f".gitlab-ci.yml:6 unpinned-action: https://demo.example/c.yml {remote}",
        (
            ".gitlab-ci.yml:7 unpinned-action: demo.example/one@1.0 is not pinned by a commit "
            "after its @"
        ),
    ]


CACHED = """
    variables:
      PIP_CACHE_DIR: "$CI_PROJECT_DIR/.cache/pip"
      PLACE: {value: wheels, description: Where they are}
    tests:
      script: [pip install numpy]
      cache:
"""


@pytest.mark.parametrize(
    ("cache", "said"),
    [
        ("{key: {files: [uv.lock]}, paths: [.cache/pip]}", []),
        ("{key: {files: [uv.lock], prefix: $CI_JOB_NAME}, paths: [.cache/]}", []),
        (
            "{paths: [.cache/]}",
            [
                (
                    "fallback-snowballs: every run adds to the entry default, and nothing is "
                    "ever removed"
                )
            ],
        ),
        ("{paths: [.cache/], policy: pull}", []),
        (
            "{key: {files: [pyproject.toml]}, paths: [$PLACE]}",
            [
                (
                    "key-whole-tree: the key hashes pyproject.toml as a whole: it changes with "
                    "any edit, and not with new versions"
                )
            ],
        ),
        (
            "[{key: $CI_COMMIT_REF_SLUG, paths: [.venv]}]",
            [
                (
                    "key-without-lock: the key $CI_COMMIT_REF_SLUG does not say which versions "
                    "are installed"
                ),
                (
                    "key-without-python: the key $CI_COMMIT_REF_SLUG has no version of Python in "
                    "it, and an environment is made for one"
                ),
                "venv-cached: .venv is an environment, not what it is made of",
            ],
        ),
        (
            "{key: {files: [uv.lock]}, paths: [wheels], fallback_keys: [old], unprotect: true}",
            [
                (
                    "untrusted-write: unprotect: true lets branches of anybody write what "
                    "protected branches read"
                ),
                "fallback-snowballs: it starts from old and saves all that under a new key",
            ],
        ),
    ],
)
def test_caches_are_judged(tmp_path: Path, cache: str, said: list[str]) -> None:
    put(tmp_path, textwrap.dedent(CACHED).rstrip() + f" {cache}\n")
    assert [line.partition(" ")[2] for line in messages(tmp_path)] == said
    assert [one.how for one in jobs(tmp_path)["tests"].caches] == ["GitLab cache"]


@pytest.mark.parametrize("cache", ["{}", "[]", "{paths: [node_modules]}", "{key: pip}"])
def test_other_caches_are_no_cache_of_packages(tmp_path: Path, cache: str) -> None:
    put(tmp_path, textwrap.dedent(CACHED).rstrip() + f" {cache}\n")
    assert [line.split()[1] for line in messages(tmp_path)] == ["no-cache:"]


def test_the_default_cache_is_everybodys(tmp_path: Path) -> None:
    put(tmp_path, "cache: {key: {files: [uv.lock]}, paths: [wheels]}\na: {script: uv sync}\n")
    assert messages(tmp_path) == []
    put(
        tmp_path, "default:\n  cache: {key: {files: [a.lock]}, paths: [wheels]}\na: {script: tox}\n"
    )
    assert messages(tmp_path) == []


@pytest.mark.parametrize(
    ("job", "release"),
    [
        ("rules: [{if: $CI_COMMIT_TAG}]", True),
        ("rules: [{if: $CI_COMMIT_TAG}, {if: $CI_COMMIT_BRANCH}]", False),
        ("only: [tags]", True),
        ("only: {refs: [tags]}", True),
        ("only: [tags, main]", False),
        ("stage: test", False),
    ],
)
def test_a_release_needs_no_cache(tmp_path: Path, job: str, release: bool) -> None:
    put(tmp_path, f"a:\n  script: uv sync\n  {job}\n")
    assert jobs(tmp_path)["a"].release is release
    assert bool(messages(tmp_path)) is not release


def test_several_pythons_and_a_den_are_seen(tmp_path: Path) -> None:
    put(
        tmp_path,
        """
        a:
          image: {name: "python:$PY"}
          parallel: {matrix: [{PY: ["3.12", "3.13"]}]}
          script: nox
          variables: {NOXDEN_DIR: /den}
        """,
    )
    found = jobs(tmp_path)["a"]
    assert (found.pythons, found.kept) == (True, "NOXDEN_DIR")


def test_jobs_that_extend_in_circles_end(tmp_path: Path) -> None:
    put(
        tmp_path,
        "a: {extends: b, script: nox}\nb: {extends: a}\nc: {script: !reference [c, script]}",
    )
    assert set(jobs(tmp_path)) == {"a", "b"}


def test_pieces_that_grow_beyond_bounds_are_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(gitlab_merge, "_MERGES", 500)
    big = "".join(f"    - x{number}\n" for number in range(300))
    put(tmp_path, f".big:\n  needs:\n{big}a: {{extends: .big}}\nb: {{extends: .big}}\n")
    assert [one.reason for one in audit(tmp_path).skipped] == [
        "has jobs that extend others too often"
    ]
    job = "{script: !reference [.big, script]}"
    put(tmp_path, f".big:\n  script:\n{big}a: {job}\nb: {job}\n")
    assert [one.reason for one in audit(tmp_path).skipped] == [
        "has scripts that refer to others too often"
    ]


def test_the_document_after_a_specification_counts(tmp_path: Path) -> None:
    put(tmp_path, "spec: {inputs: {x: }}\n---\na: {script: nox}\n")
    assert set(jobs(tmp_path)) == {"a"}
