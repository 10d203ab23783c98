"""``nox -s publish`` by the real nox and uv, to a real index and into a folder."""

from __future__ import annotations

import contextlib
import json
import os
import shlex
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from noxden.sessions.publish_run import collect_uploaded, compute_check_url, hide_users
from noxden.tools.uv import find_uv
from tests.sandbox import make_wheel, run
from tests.sdists import make_backend, make_sdist

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.conftest import MakeProject, RunNox
    from tests.sandbox import Index, Sample

NOXFILE = """
from noxden.sessions.publish import publish

publish()
"""


@pytest.fixture
def sample(project: MakeProject, index: Index) -> Sample:
    make_backend(index.folder)
    make_sdist(index.folder, "tiny")
    make_wheel(index.folder, "bulky")
    make_wheel(index.folder, "light")
    return project(
        groups={"test": [], "heavy": ["tiny", "bulky"], "docs": ["light"]},
        more=index.setting,
        noxfile=NOXFILE,
    )


SERVER = """
import sys
from wsgiref.simple_server import make_server
from pypiserver import app

folder, user, password = sys.argv[1:]
made = app(
    roots=[folder],
    authenticate=["update"] if user else [],
    auther=(lambda *given: given == (user, password)) if user else None,
    password_file=None if user else ".",
    disable_fallback=True,
)
server = make_server("127.0.0.1", 0, made)
print(server.server_port, flush=True)
server.serve_forever()
"""


@contextlib.contextmanager
def serving_uploads(folder: Path, user: str = "", password: str = "") -> Iterator[str]:
    """A pypiserver over ``folder`` that takes uploads, of ``user`` where one is named."""
    folder.mkdir()
    command = [sys.executable, "-c", SERVER, str(folder), user, password]
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
    ) as server:
        assert server.stdout is not None
        try:
            yield f"http://127.0.0.1:{int(server.stdout.readline())}/"
        finally:
            server.terminate()


WHEELS = [
    "bulky-1.0-py3-none-any.whl",
    "tiny-1.0-py3-none-any.whl",
    "tinybackend-1.0-py3-none-any.whl",
]


def test_an_index_gets_what_it_lacks(
    sample: Sample, nox: RunNox, fresh_den: Path, tmp_path: Path, env: dict[str, str]
) -> None:
    packages = tmp_path / "packages"
    ours = {**env, "UV_PUBLISH_USERNAME": "any", "UV_PUBLISH_PASSWORD": "any"}
    with serving_uploads(packages) as url:
        words = ("-s", "publish", "--", "index", url)
        ran = nox(sample, *words, den=fresh_den, env=ours)
        assert ran.code == 0, ran.text
        assert f"3 of them uploaded to {url}" in ran.text
        assert sorted(path.name for path in packages.iterdir()) == WHEELS

        again = nox(sample, *words, den=fresh_den, env=ours)
        assert f"0 of them uploaded to {url}" in again.text

        more = nox(sample, *words, "--group", "docs", den=fresh_den, env=ours)
        assert f"1 of them uploaded to {url}" in more.text
        run(
            [sys.executable, "-m", "pip", "download", "--no-deps", "--isolated", "--index-url",
             f"{url}simple/", "light"],
            cwd=tmp_path, env=env,
        )  # fmt: skip


def test_an_index_that_wants_a_password_gets_it(
    sample: Sample, nox: RunNox, fresh_den: Path, tmp_path: Path, env: dict[str, str]
) -> None:
    with serving_uploads(tmp_path / "packages", "me", "secret") as url:
        words = ("-s", "publish", "--", "index", url)
        wrong = {**env, "UV_PUBLISH_USERNAME": "me", "UV_PUBLISH_PASSWORD": "wrong"}
        refused = nox(sample, *words, den=fresh_den, env=wrong)
        assert refused.code == 1
        assert f"uv cannot publish to {url}: " in refused.text
        assert "403" in refused.text
        assert "wrong" not in refused.text
        right = {**env, "UV_PUBLISH_USERNAME": "me", "UV_PUBLISH_PASSWORD": "secret"}
        ran = nox(sample, *words, den=fresh_den, env=right)
        assert f"3 of them uploaded to {url}" in ran.text


def test_a_user_in_the_url_is_in_no_command_line_and_no_log(
    sample: Sample, nox: RunNox, fresh_den: Path, tmp_path: Path, env: dict[str, str]
) -> None:
    words = tmp_path / "words"
    program = tmp_path / "uv"
    program.write_text(
        f'#!/bin/sh\necho "$@" >> {words}\nexec {shlex.quote(str(find_uv(os.environ)))} "$@"\n'
    )
    program.chmod(0o755)
    with serving_uploads(tmp_path / "packages", "me", "s3cret:@") as url:
        named = url.replace("//", "//me:s3cret%3A%40@")
        ran = nox(
            sample, "-s", "publish", "--", "index", named, "--check-url", f"{named}simple/",
            den=fresh_den, env={**env, "UV": str(program), "NOXDEN_DEBUG": "1"},
        )  # fmt: skip
    assert ran.code == 0, ran.text
    assert f"3 of them uploaded to {url}" in ran.text
    assert f"publish --publish-url {url} --trusted-publishing never" in words.read_text()
    assert "s3cret" not in words.read_text() + ran.text


@pytest.mark.parametrize(
    ("url", "user"),
    [
        ("https://i.example/up", {}),
        ("https://tok%40en@i.example/up", {"UV_PUBLISH_USERNAME": "tok@en"}),
        (
            "https://me:pw@i.example/up",
            {"UV_PUBLISH_USERNAME": "me", "UV_PUBLISH_PASSWORD": "pw"},
        ),
    ],
)
def test_uv_is_told_users_by_variables(url: str, user: dict[str, str]) -> None:
    check = "https://you:yours@i.example/simple/"
    assert hide_users(url, check) == (
        "https://i.example/up", {"UV_PUBLISH_CHECK_URL": check, **user},
    )  # fmt: skip


def test_a_release_is_a_flat_folder_with_a_manifest(
    sample: Sample, nox: RunNox, fresh_den: Path
) -> None:
    ran = nox(sample, "-s", "publish", "--", "release", "dist/wheels", den=fresh_den)
    assert ran.code == 0, ran.text
    assert "3 files, " in ran.text
    folder = sample.path / "dist" / "wheels"
    names = sorted(path.name for path in folder.iterdir() if path.is_file())
    assert len(names) == len([*folder.iterdir()])
    assert names == sorted(
        [*WHEELS, "SHA256SUMS", "build-requirements.txt", "pylock.toml", "requirements.txt",
         "wheelhouse.json"]
    )  # fmt: skip
    manifest = json.loads((folder / "wheelhouse.json").read_text())
    assert len(manifest["closure"]) == 64
    assert {*manifest["files"]} == {*names} - {"SHA256SUMS", "wheelhouse.json"}


def test_untrusted_runs_publish_nothing(
    sample: Sample, nox: RunNox, tmp_path: Path, env: dict[str, str]
) -> None:
    ran = nox(
        sample, "-s", "publish", "--", "release", str(tmp_path / "out"),
        env={**env, "NOXDEN_TRUST": "untrusted", "NOXDEN_DIR": str(tmp_path / "den")},
    )  # fmt: skip
    assert ran.code == 1
    assert (
        "a run for an untrusted trigger may not publish; do that in a run for a push or a "
        "schedule on a branch of your own (exit code 4)"
    ) in ran.text
    assert not (tmp_path / "out").exists()


def test_a_run_about_which_nothing_is_known_publishes_nothing(
    sample: Sample, nox: RunNox, tmp_path: Path, env: dict[str, str]
) -> None:
    ran = nox(
        sample, "-s", "publish", "--", "release", str(tmp_path / "out"),
        env={**env, "CI": "true", "NOXDEN_DIR": str(tmp_path / "den")},
    )  # fmt: skip
    assert ran.code == 1
    assert (
        "nothing says whose code this run executes, so it may not publish; where only trusted "
        "code runs, set NOXDEN_TRUST=trusted for the job (exit code 4)"
    ) in ran.text
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("words", [[], ["index"], ["release"]])
def test_what_is_to_be_published_where_has_to_be_said(
    words: list[str], sample: Sample, nox: RunNox
) -> None:
    ran = nox(sample, "-s", "publish", "--", *words)
    assert (
        "publish takes project, or index with a URL or release with a folder; "
        "see nox -s publish -- --help (exit code 2)"
    ) in ran.text


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["relase", "x"], "publish cannot publish to 'relase'; did you mean release?"),
        (
            ["elsewhere", "x"],
            "publish cannot publish to 'elsewhere'; known: project, index, release",
        ),
        (
            ["index", "notaurl"],
            "publish -- index takes the URL of an index, https://HOST/PATH, not 'notaurl'",
        ),
        (
            ["index", "ftp://h/x"],
            "publish -- index takes the URL of an index, https://HOST/PATH, not 'ftp://h/x'",
        ),
        (
            ["index", "me:secret@h/x"],
            "publish -- index takes the URL of an index, https://HOST/PATH; this is none",
        ),
        (
            ["index", "http://[h/x"],
            "publish -- index takes the URL of an index, https://HOST/PATH, not 'http://[h/x'",
        ),
        (
            ["index", "http://h/x", "--check-url", "h/simple"],
            "--check-url takes the URL of an index, https://HOST/PATH, not 'h/simple'",
        ),
    ],
)
def test_what_is_no_place_to_publish_to_is_refused_before_anything_is_fetched(
    words: list[str], message: str, sample: Sample, nox: RunNox, fresh_den: Path
) -> None:
    ran = nox(sample, "-s", "publish", "--", *words, den=fresh_den)
    assert f"{message} (exit code 2)" in ran.text
    assert list(fresh_den.glob("wheels/??/*/*")) == []


def test_a_file_that_uv_tries_several_times_counts_once() -> None:
    said = (
        "Publishing 2 files to http://h/\n"
        "Hashing a-1.0-py3-none-any.whl (686B)\n"
        "Uploading a-1.0-py3-none-any.whl (686B)\n"
        "Uploading a-1.0-py3-none-any.whl (686B)\n"
        "File b-1.0-py3-none-any.whl already exists, skipping\n"
    )
    assert collect_uploaded(said) == {"a-1.0-py3-none-any.whl"}


def test_the_help_has_examples_and_it_is_no_default_session(sample: Sample, nox: RunNox) -> None:
    said = nox(sample, "-s", "publish", "--", "--help").text
    assert "nox -s publish -- release dist/wheels --group test --group torch" in said
    assert (
        "- publish -> Publish the project, or give a wheelhouse to an index"
        in nox(sample, "-l").text
    )


@pytest.mark.parametrize(
    ("url", "check"),
    [
        ("https://upload.example/legacy/", "https://upload.example/simple/"),
        ("http://localhost:8080", "http://localhost:8080/simple/"),
        ("http://localhost:8080/root/simple/", "http://localhost:8080/root/simple/"),
    ],
)
def test_where_an_index_lists_follows_from_where_it_takes(url: str, check: str) -> None:
    assert compute_check_url(url) == check


@pytest.fixture
def release(project: MakeProject) -> Sample:
    """A packaged project, built, checked and tagged."""
    groups = {"packaging": ["check-wheel-contents", "twine", "validate-pyproject[all]"]}
    noxfile = "import noxden\n\nnoxden.packaging()\nnoxden.publish()\n"
    made = project(groups=groups, package=True, noxfile=noxfile)
    made.write(".gitignore", ".nox/\n.noxden/\n__pycache__/\n")
    made.edit("pyproject.toml", 'version = "1.0"', 'version = "1.0"\nreadme = "README.md"')
    made.write("README.md", "# sample\n")
    made.lock()
    for words in ("init --quiet", "add .", "commit --quiet --message=all", "tag v1.0"):
        command = ["git", "-c", "user.name=a", "-c", "user.email=a@example.com", *words.split()]
        subprocess.run(command, cwd=made.path, check=True)
    return made


def test_the_project_itself_is_published_once_and_only_as_it_was_checked(
    release: Sample, nox: RunNox, tmp_path: Path, env: dict[str, str]
) -> None:
    ours = {**env, "UV_PUBLISH_USERNAME": "any", "UV_PUBLISH_PASSWORD": "any"}
    packages = tmp_path / "packages"
    early = nox(release, "-s", "publish", "--", "project", "--dry-run")
    assert early.code == 1
    assert "does not say that packaging ran; run: nox -s packaging (exit code 4)" in early.text
    packed = nox(release, "-s", "packaging")
    assert packed.code == 0, packed.text
    with serving_uploads(packages) as url:
        dry = nox(release, "-s", "publish", "--", "project", "--dry-run", url)
        assert f"1.0, tag v1.0: 2 files, would be uploaded to {url}" in dry.text
        assert list(packages.iterdir()) == []
        first = nox(release, "-s", "publish", "--", "project", url, env=ours)
        assert f"2 of them uploaded to {url}" in first.text, first.text
        again = nox(release, "-s", "publish", "--", "project", url, env=ours)
        assert f"0 of them uploaded to {url}" in again.text, again.text
        [wheel] = packages.glob("*.whl")
        wheel.write_bytes(b"something else")
        for words in ((), ("--dry-run",)):
            other = nox(release, "-s", "publish", "--", "project", url, *words, env=ours)
            assert (
                f"{url} has {wheel.name} with another content, and what was published stays; "
                f"give this release another version (exit code 4)"
            ) in other.text
        assert wheel.read_bytes() == b"something else"
    once = {**env, "UV_HTTP_RETRIES": "0"}
    gone = nox(release, "-s", "publish", "--", "project", url, "--dry-run", env=once)
    assert f"uv cannot ask {url} what it has: Failed to query check URL; " in gone.text
    assert "make sure that the index can be reached, then run again (exit code 3)" in gone.text
    default = nox(release, "-s", "publish", "--", "project", "--dry-run")
    assert "what PyPI has is compared when it is uploaded; --check-url does before" in default.text
    assert "1.0, tag v1.0: 2 files, would be uploaded to PyPI" in default.text
    pushed = {**env, "GITLAB_CI": "true", "CI_PIPELINE_SOURCE": "push", "NOXDEN_TRUST": "trusted"}
    branch = {**pushed, "CI_COMMIT_REF_NAME": "main"}
    refused = nox(release, "-s", "publish", "--", "project", "--dry-run", env=branch)
    assert (
        "this run is for main, not for the tag v1.0; start one for the tag (exit code 4)"
    ) in refused.text
    tag = {**pushed, "CI_COMMIT_REF_NAME": "v1.0", "CI_COMMIT_TAG": "v1.0"}
    assert nox(release, "-s", "publish", "--", "project", "--dry-run", env=tag).code == 0
    wrong = nox(release, "-s", "publish", "--", "project", "ftp://x", "--dry-run")
    assert "takes the URL of an index" in wrong.text
