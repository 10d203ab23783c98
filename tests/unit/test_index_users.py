"""Whose credentials a file gets, of all indexes that are set up."""

from __future__ import annotations

import pytest

from noxden.den.wheels.index import Credentials, find_credentials, normalize_url

LAB = "https://lab.example/api/v4/projects"
USERS = (
    Credentials(f"{LAB}/1/packages/pypi/simple", "a", "pa"),
    Credentials(f"{LAB}/11/packages/pypi/simple", "b", "pb"),
    Credentials(f"{LAB}/1/packages/pypi/inner/+simple", "c", "pc"),
    Credentials("http://lab.example/simple", "d", "pd"),
)


@pytest.mark.parametrize(
    ("index", "url", "user"),
    [
        # The index that the lock names, wherever on its host the file is.
        (f"{LAB}/11/packages/pypi/simple", "https://lab.example/files/x.whl", "b"),
        (f"{LAB}/11/packages/pypi/simple", f"{LAB}/1/packages/pypi/files/x.whl", "b"),
        ("https://LAB.example:443/api/v4/projects/11/packages/pypi/simple/", f"{LAB}/1/x", "b"),
        # The longest URL, and only whole parts of it.
        ("", f"{LAB}/11/packages/pypi/files/x.whl", "b"),
        ("https://lab.example/gone/simple", f"{LAB}/1/packages/pypi/files/x.whl", "a"),
        ("", f"{LAB}/1/packages/pypi/inner/x.whl", "c"),
        ("", "HTTPS://Lab.Example:443/api/v4/projects/11/packages/pypi/files/x.whl", "b"),
        # Anybody on the host.
        ("", f"{LAB}/7/packages/pypi/files/x.whl", "a"),
        ("", "http://lab.example:80/x.whl", "d"),
        # Nobody elsewhere, even if the lock names the index.
        (f"{LAB}/1/packages/pypi/simple", "https://thief.example/x.whl", None),
        (f"{LAB}/1/packages/pypi/simple", "https://lab.example:8443/x.whl", None),
        ("", "https://lab.example.thief.example/api/v4/projects/1/x.whl", None),
    ],
)
def test_a_file_gets_the_user_of_its_index(index: str, url: str, user: str | None) -> None:
    found = find_credentials(USERS, index, url)
    assert (found and found.username) == user


@pytest.mark.parametrize(
    ("url", "normal"),
    [
        ("https://Host.Example/Simple/", "https://host.example/Simple"),
        ("https://me:pw@host.example:443/simple", "https://host.example/simple"),
        ("http://host.example:80", "http://host.example"),
        ("http://host.example:443/", "http://host.example:443"),
        ("https://[2001:DB8::1]:443/simple", "https://[2001:db8::1]/simple"),
        ("https://host.example/simple#x", "https://host.example/simple"),
        ("", ""),
    ],
)
def test_urls_that_mean_the_same_are_the_same(url: str, normal: str) -> None:
    assert normalize_url(url) == normal
