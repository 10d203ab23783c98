"""What the URI of a remote may say, and what is never shown of it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from noxden.den.wheels.remote import RemoteError, open_remote
from noxden.den.wheels.remote_errors import explain_opendal
from noxden.den.wheels.remote_uri import parse_uri
from noxden.den.wheels.services import compute_service
from noxden.den.wheels.sources import AbsentError, SourceError
from noxden.errors import UsageError

if TYPE_CHECKING:
    from pathlib import Path

KNOWN = "file:, s3:, gcs:, gs:, azblob:, az:, http:, https:, webdav:, webdav+http:, webdav+https:, ghac:"


@pytest.mark.parametrize(
    ("uri", "message"),
    [
        ("S4://b", f"the remote begins with s4:, known are {KNOWN}; did you mean s3:"),
        ("nonsense", f"the remote begins with 'nonsense', known are {KNOWN}"),
        ("ftp://user:secret@host/x", f"the remote begins with ftp:, known are {KNOWN}; did you mean http:"),
        ("/mnt/wheels", "the remote /mnt/wheels is a path; write file: and an absolute path"),
        ("file:wheels", "the remote file:wheels is not absolute; write file:/absolute/path"),
        ("file://mnt/x", "the remote file:mnt/x is not absolute; write file:/absolute/path"),
        ("s3:///x", "the remote s3:///x names no bucket; write s3://BUCKET/PREFIX"),
        ("gs:?endpoint=x", "the remote gs: names no bucket; write gs://BUCKET/PREFIX"),
        (
            "s3://me:secret@b/x",
            "the remote s3://b/x is not to have credentials in its URI; set AWS_ACCESS_KEY_ID and "
            "AWS_SECRET_ACCESS_KEY",
        ),
        (
            "s3://b/x?regions=secret",
            "the remote s3://b/x has the option 'regions', known are anonymous, endpoint, region; "
            "did you mean region",
        ),
        ("http://h:99999999/", "the remote is no URI (Port out of range 0-65535); write it as "),
    ],
)  # fmt: skip
def test_what_is_wrong_with_a_uri_is_said_without_its_secrets(uri: str, message: str) -> None:
    with pytest.raises(UsageError) as caught:
        open_remote(uri, {})
    assert str(caught.value).startswith(message)
    assert "secret" not in str(caught.value)


@pytest.mark.parametrize(
    ("uri", "shown", "url"),
    [
        ("https://me:secret@h:8443/a/b/?x", "https://h:8443/a/b", "https://h:8443/a/b"),
        ("webdav://me:secret@dav.example/a", "webdav://dav.example/a", "https://dav.example/a"),
        ("webdav://127.0.0.1:80/a", "webdav://127.0.0.1:80/a", "http://127.0.0.1:80/a"),
        ("webdav+http://dav/a", "webdav+http://dav/a", "http://dav/a"),
        ("webdav+https://localhost", "webdav+https://localhost", "https://localhost"),
    ],
)
def test_what_is_shown_of_a_uri_and_where_it_leads(uri: str, shown: str, url: str) -> None:
    if "?" in uri:
        with pytest.raises(UsageError, match="has the option 'x', known are none$"):
            parse_uri(uri, {})
        uri = uri.partition("?")[0]
    address = parse_uri(uri, {})
    assert (address.uri, address.url) == (shown, url)
    assert address.user == (("me", "secret") if "secret" in uri else None)


def test_a_user_comes_from_the_uri_then_from_variables_then_from_netrc(tmp_path: Path) -> None:
    netrc = tmp_path / "netrc"
    netrc.write_text("machine h login net password rc\n")
    env = {"NETRC": str(netrc), "HOME": str(tmp_path)}
    ours = {**env, "NOXDEN_REMOTE_USERNAME": "our", "NOXDEN_REMOTE_PASSWORD": "s"}
    assert parse_uri("webdav://a%40b:c%2Fd@h/x", ours).user == ("a@b", "c/d")
    assert parse_uri("webdav://h:1/x", ours).user == ("our", "s")
    assert parse_uri("webdav://h:1/x", env).user == ("net", "rc")
    assert parse_uri("webdav://other/x", env).user is None
    netrc.write_text("nonsense")
    assert parse_uri("webdav://h/x", env).user is None


@pytest.mark.parametrize(
    ("uri", "env", "expected"),
    [
        ("file:/a/b/", {}, {"root": "/a/b", "atomic_write_dir": "/a/b/.uploads"}),
        (
            "s3://b/p/q/",
            {"AWS_ENDPOINT_URL": "http://e", "AWS_EC2_METADATA_DISABLED": "TRUE"},
            {
                "bucket": "b", "root": "/p/q", "endpoint": "http://e", "region": "us-east-1",
                "disable_ec2_metadata": "true",
            },
        ),
        (
            "s3://b?endpoint=http://q&region=r&anonymous=1",
            {"AWS_ENDPOINT_URL": "http://e", "AWS_REGION": "x", "AWS_SESSION_TOKEN": "t"},
            {
                "bucket": "b", "root": "/", "endpoint": "http://q", "region": "r",
                "session_token": "t", "skip_signature": "true",
            },
        ),
        (
            "gs://b/p",
            {"GOOGLE_APPLICATION_CREDENTIALS": "/key"},
            {"bucket": "b", "root": "/p", "credential_path": "/key"},
        ),
        (
            "az://c/p?account=n",
            {"AZURE_STORAGE_SAS_TOKEN": "?sig=1"},
            {
                "container": "c", "root": "/p", "account_name": "n", "sas_token": "sig=1",
                "endpoint": "https://n.blob.core.windows.net",
            },
        ),
        (
            "ghac:Some/Prefix",
            {
                "ACTIONS_CACHE_URL": "http://1", "ACTIONS_RESULTS_URL": "http://2",
                "ACTIONS_RUNTIME_TOKEN": "t", "GITHUB_REPOSITORY": "Me/It",
            },
            {"endpoint": "http://1", "runtime_token": "t", "root": "/me/it/some/prefix"},
        ),
        (
            "ghac:",
            {
                "ACTIONS_CACHE_URL": "http://1", "ACTIONS_RESULTS_URL": "http://2",
                "ACTIONS_RUNTIME_TOKEN": "t", "ACTIONS_CACHE_SERVICE_V2": "true",
            },
            {"runtime_token": "t", "root": "/"},
        ),
    ],
)  # fmt: skip
def test_opendal_is_told_what_uri_and_variables_say(
    uri: str, env: dict[str, str], expected: dict[str, str]
) -> None:
    assert compute_service(parse_uri(uri, env), env, writing=True)[1] == expected


@pytest.mark.parametrize(
    ("uri", "message"),
    [
        (
            "az://c/p",
            "remote az://c/p: no storage account is named: append ?account=NAME or set "
            "AZURE_STORAGE_ACCOUNT",
        ),
        (
            "ghac:",
            "remote ghac: this is no CI job with a cache, or no step exported "
            "ACTIONS_RESULTS_URL, ACTIONS_CACHE_URL and ACTIONS_RUNTIME_TOKEN",
        ),
    ],
)
def test_what_is_missing_to_find_a_remote_is_said(uri: str, message: str) -> None:
    with pytest.raises(RemoteError) as caught:
        open_remote(uri, {}).has("x")
    assert str(caught.value) == message


ANSWER = (
    "{kind} ({state}) at read, context: {{ uri: https://h/x?sig=secret, response: Parts {{ status: "
    '{status}, version: HTTP/1.1, headers: {{"date": "Sun, 22 Nov 1998 11:36:04 GMT", '
    '"retry-after": "{after}"}} }}, path: x }} => {said}'
)


@pytest.mark.parametrize(
    ("kind", "state", "status", "after", "said", "expected"),
    [
        ("RateLimited", "temporary", 429, "2", "", ("asks for fewer requests (429)", True, 2.0)),
        ("Unexpected", "temporary", 503, "", "SlowDown", ("asks for fewer requests", True, None)),
        ("Unexpected", "permanent", 507, "", "", ("its disk is full (507)", False, None)),
        ("Unexpected", "permanent", 418, "", "tea", ("answers 418", False, None)),
    ],
)
def test_what_opendal_says_is_read(
    kind: str, state: str, status: int, after: str, said: str,
    expected: tuple[str, bool, float | None],
) -> None:  # fmt: skip
    text = ANSWER.format(kind=kind, state=state, status=status, after=after, said=said)
    found = explain_opendal(OSError(text))
    assert (found.reason, found.again, found.after_s) == expected


def test_what_opendal_says_of_a_wrong_clock_and_of_nothing_known() -> None:
    said = ANSWER.format(kind="PermissionDenied", state="permanent", status=403, after="", said="")
    assert explain_opendal(OSError(said)).reason.startswith(
        "refuses access (403): the clock of this machine is "
    )
    assert explain_opendal(OSError(said)).reason.endswith(" min ahead, set it")
    unknown = explain_opendal(OSError("Weird (temporary) at read => https://h/x?sig=secret"))
    assert (type(unknown), unknown.reason, unknown.again) == (SourceError, "fails with Weird", True)
    gone = explain_opendal(OSError(ANSWER.format(
        kind="NotFound", state="permanent", status=404, after="", said="NoSuchKey"
    )))  # fmt: skip
    assert isinstance(gone, AbsentError)


def test_what_is_not_of_the_store_is_a_bug_and_not_taken_for_a_dead_remote() -> None:
    with pytest.raises(ZeroDivisionError):
        explain_opendal(ZeroDivisionError())
    assert isinstance(explain_opendal(OSError("gone")), SourceError)
