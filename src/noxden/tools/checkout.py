"""A commit of a git repository in a folder of its own."""

from __future__ import annotations

from typing import TYPE_CHECKING
from urllib.parse import unquote, urlsplit, urlunsplit

from noxden.tools.process import run

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

__all__ = ["checkout"]

_ALL = ("+refs/heads/*:refs/remotes/origin/*", "+refs/tags/*:refs/tags/*")
_ELSEWHERE = {
    "GIT_COMMON_DIR",
    "GIT_DIR",
    "GIT_INDEX_FILE",
    "GIT_OBJECT_DIRECTORY",
    "GIT_WORK_TREE",
}
"""What git sets for its hooks; it would work on the repository of the caller."""

_USER = "NOXDEN_GIT_USERNAME"
_PASSWORD = "NOXDEN_GIT_PASSWORD"  # noqa: S105 - the name of a variable
_HELPER = (
    f'!f() {{ test "$1" != get || printf "username=%s\\npassword=%s\\n" '
    f'"${_USER}" "${_PASSWORD}"; }}; f'
)
"""A credential helper of git (gitcredentials(7)) that answers from the environment."""


def checkout(url: str, commit: str, folder: Path, env: Mapping[str, str]) -> None:
    """Check ``commit`` of the repository at ``url`` out into ``folder``, submodules too.

    Branches and tags are there as well, for projects that take their version from them. The
    user and the password of ``url`` are on no command line, where all users of the machine could
    read them, and not in the checkout.

    Raises:
        InfrastructureError: there is no git.
        ProgramError: the repository cannot be reached, or lacks the commit.
    """
    # Credentials that are missing are an error, not a question.
    ours = {name: value for name, value in env.items() if name not in _ELSEWHERE}
    ours["GIT_TERMINAL_PROMPT"] = "0"
    url, credentials = _split_credentials(url, ours)
    ours |= credentials

    def git(*words: str, expect: tuple[int, ...] = (0,)) -> int:
        return run(["git", *words], cwd=folder, env=ours, expect=expect).returncode

    git("init", "--quiet")
    git("remote", "add", "--", "origin", url)
    git("fetch", "--quiet", "origin", *_ALL)
    if git("cat-file", "-e", f"{commit}^{{commit}}", expect=(0, 1, 128)):
        # It is on no branch any more; servers give it all the same, for as long as they have it.
        git("fetch", "--quiet", "origin", commit)
    git("checkout", "--quiet", "--detach", commit)
    git("submodule", "--quiet", "update", "--init", "--recursive")


def _split_credentials(url: str, env: Mapping[str, str]) -> tuple[str, dict[str, str]]:
    """``url`` without its user, and the variables by which git knows that user all the same.

    They come after the settings that ``env`` has for git already. The user of an SSH URL stays:
    it is no secret.
    """
    parts = urlsplit(url)
    user, _, host = parts.netloc.rpartition("@")
    if parts.scheme not in {"http", "https"} or not user:
        return url, {}
    name, colon, password = user.partition(":")
    where = f"credential.{parts.scheme}://{host}"
    if colon:
        # An empty helper takes those of the user's settings away.
        settings = [(f"{where}.helper", ""), (f"{where}.helper", _HELPER)]
    else:
        settings = [(f"{where}.username", unquote(name))]
    known = env.get("GIT_CONFIG_COUNT", "")
    first = int(known) if known.isdecimal() else 0
    variables = {
        f"GIT_CONFIG_{part}_{number}": text
        for number, setting in enumerate(settings, first)
        for part, text in zip(("KEY", "VALUE"), setting, strict=True)
    }
    variables["GIT_CONFIG_COUNT"] = str(first + len(settings))
    if colon:
        variables |= {_USER: unquote(name), _PASSWORD: unquote(password)}
    return urlunsplit(parts._replace(netloc=host)), variables
