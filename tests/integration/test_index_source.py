"""The index as a source, by the real uv.lock of a project on an index on this machine."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING

import pytest

from noxden.den.resolve import Resolution, Workplace, resolve
from noxden.den.supply import Supply
from noxden.den.wheels.fill import fill_store, refuse_missing
from noxden.den.wheels.index import Credentials, collect_credentials
from noxden.den.wheels.store import find_artifact
from noxden.den.workplace import open_workplace
from noxden.errors import InfrastructureError, UsageError
from noxden.lock.project import read_project
from noxden.lock.request import Request
from tests.sandbox import Index, make_wheel, serving

if TYPE_CHECKING:
    from collections.abc import Mapping
    from http.server import BaseHTTPRequestHandler
    from pathlib import Path

    from noxden.den.wheels.fetch import Fetched
    from tests.conftest import MakeProject
    from tests.sandbox import Sample

SUPPLY = Supply(from_index=True)
WHEEL = "small-1.0-py3-none-any.whl"


@pytest.fixture
def sample(project: MakeProject, index: Index) -> Sample:
    make_wheel(index.folder, "small", files={"small.py": "x = 1\n" * 50_000})
    made = project(["small"], more=index.setting)
    index.seen.clear()
    return made


def fill(
    sample: Sample, env: Mapping[str, str], den: Path
) -> tuple[Workplace, Resolution, Fetched]:
    place = open_workplace(sample.path, {**env, "NOXDEN_DIR": str(den)})
    resolution = resolve(place, Request(), complete=True)
    return place, resolution, fill_store(place, resolution, SUPPLY)


def test_what_the_lock_names_is_fetched_from_where_the_lock_says(
    sample: Sample, env: dict[str, str], fresh_den: Path, index: Index
) -> None:
    place, resolution, fetched = fill(sample, env, fresh_den)
    (artifact,) = resolution.artifacts
    assert index.files == [WHEEL]
    path = find_artifact(place.den, artifact)
    assert path is not None
    assert path.read_bytes() == (index.folder / WHEEL).read_bytes()
    assert [one.source for one in fetched.transfers] == ["index"]
    assert fill_store(place, resolution, SUPPLY).transfers == ()
    assert index.files == [WHEEL]


def test_a_cut_download_is_gone_on_with_by_a_range(
    sample: Sample, env: dict[str, str], fresh_den: Path, index: Index
) -> None:
    content = (index.folder / WHEEL).read_bytes()

    def cut(handler: BaseHTTPRequestHandler) -> bool:
        if handler.headers.get("Range"):
            return False
        handler.send_response(200)
        handler.send_header("Content-Length", str(len(content)))
        handler.end_headers()
        handler.wfile.write(content[:1000])
        handler.close_connection = True
        return True

    index.answers[WHEEL] = cut
    fill(sample, env, fresh_den)
    assert index.ranges == ["bytes=1000-"]


def test_a_server_that_asks_for_a_pause_gets_it(
    sample: Sample,
    env: dict[str, str],
    fresh_den: Path,
    index: Index,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    waited: list[float | None] = []
    monkeypatch.setattr(
        "noxden.den.wheels.fetch._Work._pause", lambda _, __, after_s: waited.append(after_s)
    )

    def busy(handler: BaseHTTPRequestHandler) -> bool:
        if waited:
            return False
        handler.send_response(429)
        handler.send_header("Retry-After", "7")
        handler.send_header("Content-Length", "0")
        handler.end_headers()
        return True

    index.answers[WHEEL] = busy
    fill(sample, env, fresh_den)
    assert waited == [7.0]


def test_what_was_yanked_is_named_with_where_it_was_looked_for(
    sample: Sample, env: dict[str, str], fresh_den: Path, index: Index
) -> None:
    (index.folder / WHEEL).unlink()
    place, _, fetched = fill(sample, env, fresh_den)
    with pytest.raises(InfrastructureError) as caught:
        refuse_missing(place, fetched)
    assert str(caught.value) == (
        "no source has small 1.0 (index: 127.0.0.1 answers 404 Not Found); "
        "see that one of them is there again"
    )


@pytest.mark.parametrize("by", ["variables", "url", "netrc"])
def test_credentials_are_found_where_uv_finds_them(
    by: str,
    sample: Sample,
    env: dict[str, str],
    fresh_den: Path,
    index: Index,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    index.user = "me:secret word"
    if by == "variables":
        env |= {"UV_INDEX_LOCAL_USERNAME": "me", "UV_INDEX_LOCAL_PASSWORD": "secret word"}
    elif by == "url":
        env["UV_INDEX"] = f"other={index.url.replace('//', '//me:secret%20word@')}/simple"
    else:
        netrc = tmp_path / "netrc"
        netrc.write_text('machine 127.0.0.1 login me password "secret word"\n')
        netrc.chmod(0o600)
        monkeypatch.setenv("NETRC", str(netrc))
    _, _, fetched = fill(sample, env, fresh_den)
    assert (fetched.missing, fetched.warnings) == ((), ())


def test_of_two_indexes_on_a_host_the_one_that_the_lock_names_has_the_user(
    sample: Sample, env: dict[str, str], fresh_den: Path, index: Index
) -> None:
    index.user = "me:mine"
    env |= {
        "UV_INDEX": f"other={index.url}/files/simple",
        "UV_INDEX_OTHER_USERNAME": "you",
        "UV_INDEX_OTHER_PASSWORD": "yours",
        "UV_INDEX_LOCAL_USERNAME": "me",
        "UV_INDEX_LOCAL_PASSWORD": "mine",
    }
    _, _, fetched = fill(sample, env, fresh_den)
    assert (fetched.missing, fetched.warnings) == ((), ())


def test_without_credentials_the_error_says_where_they_may_stand(
    sample: Sample, env: dict[str, str], fresh_den: Path, index: Index
) -> None:
    index.user = "me:secret"
    _, _, fetched = fill(sample, env, fresh_den)
    assert fetched.warnings == (
        (
            "index is left out: 127.0.0.1 answers 401 Unauthorized (credentials: netrc, or "
            "UV_INDEX_<NAME>_USERNAME and _PASSWORD)"
        ),
    )
    assert "secret" not in str(fetched)


def test_indexes_are_found_in_all_settings_that_uv_reads(
    project: MakeProject, env: dict[str, str], tmp_path: Path
) -> None:
    more = """
        [[tool.uv.index]]
        name = "in-house"
        url = "https://u:p@a.example/simple"

        [[tool.uv.index]]
        name = "token"
        url = "https://b.example/simple"
    """
    sample = project(more=more, lock=False)
    sample.write("uv.lock", "version = 1\n")
    home = tmp_path / "config" / "uv"
    home.mkdir(parents=True)
    (home / "uv.toml").write_text('index-url = "https://x:y@c.example/simple"\n')
    variables = {
        **env,
        "XDG_CONFIG_HOME": str(tmp_path / "config"),
        "UV_INDEX_TOKEN_PASSWORD": "t",
        "UV_DEFAULT_INDEX": "https://d.example/simple",
    }
    assert collect_credentials(read_project(sample.path), variables) == (
        Credentials("https://c.example/simple", "x", "y"),
        Credentials("https://a.example/simple", "u", "p"),
        Credentials("https://b.example/simple", "", "t"),
    )


def test_a_proxy_is_used_that_the_variables_name(
    sample: Sample,
    env: dict[str, str],
    fresh_den: Path,
    index: Index,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    with serving(tmp_path / "proxy") as proxy:

        def forward(handler: BaseHTTPRequestHandler) -> bool:
            body = (index.folder / WHEEL).read_bytes()
            handler.send_response(200)
            handler.send_header("Content-Length", str(len(body)))
            handler.end_headers()
            handler.wfile.write(body)
            return True

        name = f"/127.0.0.1:{index.url.rpartition(':')[2]}/files/{WHEEL}"
        proxy.answers[name] = forward
        monkeypatch.setenv("http_proxy", proxy.url)
        monkeypatch.setenv("no_proxy", "")
        _, _, fetched = fill(sample, env, fresh_den)
        assert fetched.missing == ()
        assert [path for path in proxy.seen if path.endswith(WHEEL)]
    assert index.files == []


def test_a_certificate_counts_that_ssl_cert_file_names(
    project: MakeProject, env: dict[str, str], fresh_den: Path, tmp_path: Path
) -> None:
    bundle = make_certificate(tmp_path)
    with serving(tmp_path / "index") as index:
        make_wheel(index.folder, "small")
        sample = project(["small"], more=index.setting)
    lock = sample.path / "uv.lock"
    with serving(tmp_path / "index", certificate=bundle) as index:
        old = lock.read_text().partition('registry = "')[2].partition("/simple")[0]
        for name in ("uv.lock", "pyproject.toml"):
            file = sample.path / name
            file.write_text(file.read_text().replace(old, index.url))
        _, _, fetched = fill(sample, {**env, "SSL_CERT_FILE": str(bundle)}, fresh_den)
        assert (fetched.missing, fetched.warnings) == ((), ())
        _, _, fetched = fill(sample, without(env, "SSL_CERT_FILE"), tmp_path / "other")
    assert fetched.warnings == (
        (
            "index is left out: 127.0.0.1: its certificate is not trusted "
            "(SSL_CERT_FILE names others)"
        ),
    )


def without(env: Mapping[str, str], *names: str) -> dict[str, str]:
    return {name: value for name, value in env.items() if name not in names}


def make_certificate(folder: Path) -> Path:
    """A file with the key and the certificate of 127.0.0.1, signed by itself."""
    import trustme

    authority = trustme.CA()
    file = folder / "certificate.pem"
    authority.issue_cert("127.0.0.1").private_key_and_cert_chain_pem.write_to_path(str(file))
    authority.cert_pem.write_to_path(str(file), append=True)
    return file


def test_a_lock_without_a_hash_is_refused_and_none_is_taken_from_the_network(
    sample: Sample, env: dict[str, str], fresh_den: Path
) -> None:
    lock = sample.path / "uv.lock"
    text = lock.read_text()
    digest = hashlib.sha256((sample.path.parent / "index" / WHEEL).read_bytes()).hexdigest()
    lock.write_text(text.replace(f', hash = "sha256:{digest}"', ""))
    assert text != lock.read_text()
    with pytest.raises(UsageError) as caught:
        fill(sample, env, fresh_den)
    assert str(caught.value) in {
        (
            f"{lock} has no hash for {WHEEL}, so nothing says which file is the right one; "
            f"run: uv lock --refresh-package small"
        ),
        (
            "uv.lock has no sha256 for small 1.0: noxden installs only what a hash names; use an "
            "index that publishes sha256"
        ),
    }
