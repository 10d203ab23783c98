"""Checkouts of git repositories, by a server that wants a password."""

from __future__ import annotations

import base64
import functools
import http.server
import logging
import os
import threading
from typing import TYPE_CHECKING, NamedTuple

import pytest

from noxden.tools.checkout import checkout
from noxden.tools.process import ProgramError
from tests.sandbox import run
from tests.sdists import make_repository

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

USER, PASSWORD = "me", "p@ss word"
WRITTEN = "me:p%40ss%20word"


class Handler(http.server.SimpleHTTPRequestHandler):
    def do_GET(self) -> None:
        said = self.headers.get("Authorization", "").removeprefix("Basic ")
        if base64.b64decode(said).decode() == f"{USER}:{PASSWORD}":
            super().do_GET()
            return
        self.send_response(401)
        self.send_header("WWW-Authenticate", 'Basic realm="git"')
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, *_: object) -> None:
        return


class Served(NamedTuple):
    host: str
    commit: str


@pytest.fixture
def served(tmp_path: Path, env: dict[str, str]) -> Iterator[Served]:
    """A repository that only ``USER`` may read."""
    work = tmp_path / "work"
    commit = make_repository(work, {"f": "text"}, env)
    bare = tmp_path / "served" / "x.git"
    run(["git", "clone", "--quiet", "--bare", str(work), str(bare)], cwd=tmp_path, env=env)
    run(["git", "update-server-info"], cwd=bare, env=env)
    handler = functools.partial(Handler, directory=str(bare.parent))
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        thread = threading.Thread(target=server.serve_forever, daemon=True)
        thread.start()
        try:
            yield Served(f"127.0.0.1:{server.server_address[1]}", commit)
        finally:
            server.shutdown()
            thread.join()


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    made = tmp_path / "folder"
    made.mkdir()
    return made


def test_the_password_of_a_url_is_on_no_command_line(
    served: Served,
    folder: Path,
    tmp_path: Path,
    env: dict[str, str],
    caplog: pytest.LogCaptureFixture,
) -> None:
    trace = tmp_path / "trace"
    with caplog.at_level(logging.DEBUG, "noxden"):
        checkout(
            f"http://{WRITTEN}@{served.host}/x.git",
            served.commit,
            folder,
            {**env, "GIT_TRACE": str(trace)},
        )
    assert (folder / "f").read_text() == "text"
    assert f"git remote add -- origin http://{served.host}/x.git" in caplog.messages
    commands = trace.read_text()
    assert f"git remote-http origin http://{served.host}/x.git" in commands
    kept = (folder / ".git" / "config").read_text()
    for secret in (PASSWORD, "p%40ss", USER + "@", USER + ":"):
        assert secret not in commands + caplog.text + kept


def test_the_settings_that_the_caller_has_for_git_stay_and_its_helpers_are_not_asked(
    served: Served, folder: Path, tmp_path: Path, env: dict[str, str]
) -> None:
    asked = tmp_path / "asked"
    given = {
        **env,
        "GIT_CONFIG_COUNT": "2",
        "GIT_CONFIG_KEY_0": f"url.http://{served.host}/.insteadOf",
        "GIT_CONFIG_VALUE_0": f"http://{served.host}/other/",
        "GIT_CONFIG_KEY_1": "credential.helper",
        "GIT_CONFIG_VALUE_1": f"!touch '{asked}'; false",
    }
    checkout(f"http://{WRITTEN}@{served.host}/other/x.git", served.commit, folder, given)
    assert (folder / "f").read_text() == "text"
    assert not asked.exists()


def test_a_user_without_a_password_is_left_to_the_callers_helpers(
    served: Served, folder: Path, tmp_path: Path, env: dict[str, str]
) -> None:
    said = tmp_path / "said"
    helper = f"!f() {{ cat >> '{said}'; echo 'password={PASSWORD}'; }}; f"
    given = {
        **env,
        "GIT_CONFIG_COUNT": "1",
        "GIT_CONFIG_KEY_0": "credential.helper",
        "GIT_CONFIG_VALUE_0": helper,
    }
    checkout(f"http://{USER}@{served.host}/x.git", served.commit, folder, given)
    assert (folder / "f").read_text() == "text"
    assert f"username={USER}" in said.read_text().splitlines()


def test_a_wrong_password_is_told_without_it(
    served: Served, folder: Path, env: dict[str, str]
) -> None:
    with pytest.raises(ProgramError) as error:
        checkout(f"http://me:wrong@{served.host}/x.git", served.commit, folder, env)
    assert str(error.value) == (
        "`git fetch --quiet origin '+refs/heads/*:refs/remotes/origin/*' "
        "'+refs/tags/*:refs/tags/*'` ended with code 128:\n"
        f"fatal: Authentication failed for 'http://{served.host}/x.git/'"
    )


def test_a_path_is_no_url(tmp_path: Path, folder: Path, env: dict[str, str]) -> None:
    commit = make_repository(tmp_path / "a@b", {"f": "text"}, env)
    checkout(str(tmp_path / "a@b"), commit, folder, {**env, "GIT_TRACE": os.devnull})
    assert (folder / "f").read_text() == "text"
