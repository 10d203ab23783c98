"""What is made of what servers say."""

from __future__ import annotations

import pytest
import requests

from noxden.errors import UsageError
from noxden.tools.http import explain, explain_failure, make_session, read_retry_after, read_timeout


@pytest.mark.parametrize(
    ("value", "seconds"),
    [
        ("120", 120.0),
        (" 0 ", 0.0),
        ("Thu, 01 Jan 1970 00:02:00 GMT", 60.0),
        ("Thu, 01 Jan 1970 00:00:00 GMT", 0.0),
        ("soon", None),
        ("", None),
    ],
)
def test_retry_after_is_a_number_or_a_date(value: str, seconds: float | None) -> None:
    assert read_retry_after(value, now=60.0) == seconds


@pytest.mark.parametrize(
    ("error", "words"),
    [
        (requests.ConnectionError("[Errno 111] Connection refused"), "h: refuses connections"),
        (requests.ReadTimeout("Read timed out."), "h: does not answer in time"),
        (
            requests.exceptions.SSLError("CERTIFICATE_VERIFY_FAILED"),
            "h: its certificate is not trusted (SSL_CERT_FILE names others)",
        ),
        (ValueError("odd"), "h: ValueError: odd"),
    ],
)
def test_a_failure_of_the_network_is_said_in_a_few_words(error: Exception, words: str) -> None:
    assert explain(error, "h") == words


@pytest.mark.parametrize(
    ("said", "words", "unreachable"),
    [
        ("[Errno 111] Connection refused", "refuses connections", True),
        ("Failed to resolve 'h' ([Errno -2] Name or service not known)", "no such host", True),
        ("Failed to resolve 'h' ([Errno 8] nodename)", "its name cannot be resolved", True),
        ("Network is unreachable", "the network is unreachable", True),
        ("Connection reset by peer", "the connection was reset", False),
        ("Read timed out.", "does not answer in time", False),
    ],
)
def test_a_server_that_nobody_reaches_is_told_from_one_that_fails(
    said: str, words: str, *, unreachable: bool
) -> None:
    found = explain_failure(requests.ConnectionError(said), "h")
    assert (found.reason, found.again, found.unreachable) == (f"h: {words}", True, unreachable)


def test_certificates_are_those_that_uv_takes(monkeypatch: pytest.MonkeyPatch) -> None:
    assert make_session({}, connections=1).verify is True
    assert make_session({"SSL_CERT_FILE": "/ca.pem"}, connections=1).verify == "/ca.pem"
    assert make_session({"SSL_CLIENT_CERT": "/me.pem"}, connections=1).cert == "/me.pem"
    monkeypatch.setenv("SSL_CERT_FILE", "/system.pem")
    monkeypatch.setattr("ssl.get_default_verify_paths", _FakePaths)
    assert make_session({"UV_SYSTEM_CERTS": "1"}, connections=1).verify == "/system.pem"


class _FakePaths:
    cafile = "/system.pem"
    capath = None


def test_certificates_go_unlooked_at_only_where_uv_is_told_so() -> None:
    env = {"UV_INSECURE_HOST": "Inside.example https://other.example:8443"}
    session = make_session(env, connections=1)

    def is_checked(url: str) -> bool:
        return type(session.get_adapter(url)) is requests.adapters.HTTPAdapter

    assert not is_checked("https://inside.example/simple")
    assert not is_checked("https://inside.example:444/simple")
    assert not is_checked("https://other.example:8443/x")
    assert is_checked("https://other.example/x")
    assert is_checked("https://inside.example.evil.example/x")


def test_a_time_limit_that_is_no_number_is_refused() -> None:
    assert read_timeout({"UV_HTTP_TIMEOUT": "7"}) == 7.0
    assert read_timeout({}) == 30.0
    with pytest.raises(UsageError) as caught:
        read_timeout({"UV_HTTP_TIMEOUT": "abc"})
    assert str(caught.value) == ("environment variable UV_HTTP_TIMEOUT is to be seconds, got 'abc'")
