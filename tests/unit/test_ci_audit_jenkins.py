"""Jenkinsfiles: stages, their agents, caches and limits."""

from __future__ import annotations

import textwrap
from typing import TYPE_CHECKING

import pytest

from noxden.ci.audit.audit import audit
from noxden.ci.audit.values import Place

if TYPE_CHECKING:
    from pathlib import Path

    from noxden.ci.audit.values import Job


def put(root: Path, text: str) -> None:
    (root / "Jenkinsfile").write_text(textwrap.dedent(text).lstrip("\n"), "utf-8")


def jobs(root: Path) -> dict[str, Job]:
    return {job.name: job for job in audit(root).jobs}


def messages(root: Path) -> list[str]:
    return [f"{one.place.line} {one.rule}: {one.message}" for one in audit(root).problems]


def test_steps_are_found_by_stage_in_every_spelling(tmp_path: Path) -> None:
    put(
        tmp_path,
        r'''
        // stage('no') { sh 'pip install no' }
        pipeline {
            agent any /* sh 'pip install no' */
            options { timeout(time: 1, unit: 'HOURS') }
            stages {
                stage('One') {
                    steps {
                        sh 'pip install numpy'
                        sh """
                            echo \
                              x
                            uv sync
                        """
                        echo "it's sh 'pip install no'"
                    }
                }
                stage("Two") {
                    steps {
                        script {
                            def version = sh(returnStdout: true, script: "nox -s a")
                            bat label: 'x', script: 'tox'
                            sh(command)
                        }
                    }
                }
            }
            post { always { sh('poetry install') } }
        }
        ''',
    )
    found = {
        name: [(one.tool, one.place.line) for one in job.installs]
        for name, job in jobs(tmp_path).items()
    }
    assert found == {
        "One": [("pip", 8), ("uv sync", 12)],
        "Two": [("nox", 20), ("tox", 21)],
        "pipeline": [("poetry", 27)],
    }
    assert jobs(tmp_path)["Two"].place == Place("Jenkinsfile", 17)
    assert messages(tmp_path) == []


def test_a_scripted_pipeline_has_stages_too(tmp_path: Path) -> None:
    put(
        tmp_path,
        """
        node('linux') {
            stage('A') { timeout(5) { sh 'nox' } }
            stage(name) { sh 'uv sync' }
            stage('B') { docker.image('python:3.13').inside('-u root') { sh 'tox' } }
        }
        """,
    )
    found = jobs(tmp_path)
    assert (found["A"].timeout, found["A"].kept) == (True, "the agent's own disk")
    assert list(found) == ["A", "stage", "B"]
    assert (found["B"].timeout, found["B"].kept) == (False, "")
    assert messages(tmp_path) == [
        "3 no-timeout: it has no timeout",
        "4 no-cache: tox: packages are installed and nothing is cached",
        "4 no-timeout: it has no timeout",
    ]


@pytest.mark.parametrize(
    ("agent", "kept"),
    [
        ("any", "the agent's own disk"),
        ("{ label 'docker' }", "the agent's own disk"),
        ("{ docker 'python:3.13' }", ""),
        ("{ docker { image 'python' } }", ""),
        ("{ dockerfile true }", ""),
        ("{ kubernetes { yaml 'x' } }", ""),
        ("{ docker { image 'python'; args '-v /var/run/docker.sock:/var/run/docker.sock' } }", ""),
        ("{ docker { image 'python'; args '-v pip-cache:/root/.cache/pip' } }", "a volume"),
        ("{ docker { image 'python'; args '--volume=/home/ci:/home/ci' } }", "a volume"),
    ],
)
def test_an_agent_that_goes_away_keeps_nothing(tmp_path: Path, agent: str, kept: str) -> None:
    stage = "stage('A') { options { timeout(5) } steps { sh 'nox' } }"
    put(tmp_path, f"pipeline {{ agent {agent}\nstages {{ {stage} }} }}")
    assert jobs(tmp_path)["A"].kept == kept
    assert [line.split()[1] for line in messages(tmp_path)] == ([] if kept else ["no-cache:"])


def test_the_agent_of_another_stage_does_not_count(tmp_path: Path) -> None:
    put(
        tmp_path,
        """
        pipeline {
            agent any
            stages {
                stage('A') { agent { docker 'x' } steps { sh 'nox' } }
                stage('B') { steps { sh 'nox'; script { docker.build('image') } } }
            }
        }
        """,
    )
    assert {name: job.kept for name, job in jobs(tmp_path).items()} == {
        "A": "",
        "B": "the agent's own disk",
    }


CACHED = """
    pipeline {
        agent { docker 'python' }
        options { timeout(5) }
        stages {
            stage('A') {
                steps {
                    cache(maxCacheSize: 250, caches: [
                        arbitraryFileCache(path: '.npm'),
                        arbitraryFileCache(CACHE)
                    ]) { sh 'pip install numpy' }
                }
            }
        }
    }
"""


@pytest.mark.parametrize(
    ("cache", "said"),
    [
        ("path: '.cache/pip', cacheValidityDecidingFile: 'uv.lock'", []),
        (
            "path: '.cache/pip', cacheName: 'pip'",
            ["9 fallback-snowballs: every run adds to the entry pip, and nothing is ever removed"],
        ),
        (
            "path: '.venv', cacheValidityDecidingFile: 'a.txt, pyproject.toml'",
            ["9 venv-cached: .venv is an environment, not what it is made of"],
        ),
        (
            "path: 'wheels', cacheValidityDecidingFile: '**/*.py'",
            [
                "9 key-whole-tree: the key hashes **/*.py, which changes with any edit",
                (
                    "9 key-without-lock: the key  hashes **/*.py, which does not say which "
                    "versions are installed"
                ),
            ],
        ),
    ],
)
def test_caches_of_job_cacher_are_judged(tmp_path: Path, cache: str, said: list[str]) -> None:
    put(tmp_path, CACHED.replace("CACHE", cache))
    assert messages(tmp_path) == said
    assert [one.how for one in jobs(tmp_path)["A"].caches] == ["Job Cacher"]


def test_wheels_that_an_earlier_stage_stashed_are_a_cache(tmp_path: Path) -> None:
    put(
        tmp_path,
        """
        pipeline {
            agent { docker 'python' }
            options { timeout(5) }
            stages {
                stage('A') { steps { unstash 'wheels'; unstash 'x'; sh 'uv sync' } }
            }
        }
        """,
    )
    assert [(one.how, one.saves) for one in jobs(tmp_path)["A"].caches] == [("stash", False)]
    assert messages(tmp_path) == []


def test_a_den_that_is_named_is_kept(tmp_path: Path) -> None:
    put(tmp_path, "node { environment { NOXDEN_DIR = '/den' }\nsh 'nox' }")
    assert jobs(tmp_path)["pipeline"].kept == "NOXDEN_DIR"


@pytest.mark.parametrize(
    "text", ["}}} {", "sh '", "sh", "stage(", "'''", "", ": : sh : 'nox'", "{"]
)
def test_what_is_no_groovy_says_nothing(tmp_path: Path, text: str) -> None:
    put(tmp_path, text)
    found = audit(tmp_path)
    assert (found.jobs, found.skipped) == ((), ())


@pytest.mark.parametrize("text", ["a {" * 200, "a\n" * 20_000 + "{"])
def test_what_is_beyond_bounds_is_told(tmp_path: Path, text: str) -> None:
    put(tmp_path, text)
    assert [one.reason for one in audit(tmp_path).skipped] == [
        "is too long, or has blocks that are nested too deep"
    ]
