"""What is made of what servers say."""

from __future__ import annotations

import pytest
import requests

from noxden.tools.http import explain, make_session, read_retry_after


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
