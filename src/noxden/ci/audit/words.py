"""Words of a command: what stands before the program, and what a program starts in turn."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = ["find_words", "split_runner", "split_wrapper"]

_KEYWORDS = frozenset(
    re.findall(
        r"\S+", "then do else if elif while until ! { } time exec command nohup builtin eval"
    )
)
_WRAPPERS = frozenset(
    re.findall(
        r"\S+", "sudo env timeout nice xvfb-run retry travis_retry stdbuf caffeinate arch setarch"
    )
)
_ASSIGNMENT = re.compile(r"(\$env:)?\w+\+?=.*", re.DOTALL)
_DURATION = re.compile(r"[\d.]+[smhd]?")
_VALUED = frozenset(
    re.findall(
        r"\S+",
        """
    -r -c -e -i -f -t -p -P -C -d -w -n -u -k -s --requirement --requirements --constraint
    --constraints --editable --index-url --extra-index-url --find-links --target --prefix --root
    --python --python-version --platform --group --only-group --extra --package --upgrade-package
    --config-settings --config-setting --resolution --torch-backend --index --default-index
    --prerelease --index-strategy --link-mode --directory --project --with --with-editable
    --with-requirements --from --name --file --channel --no-group --env-file --cache-dir --spec
    --manifest-path --environment --build-constraint --overrides --override --only-binary
    --no-binary --log --proxy --retries --timeout --trusted-host --dest --wheel-dir --dist
    --python-platform --abi --implementation --use-feature --color --cwd
    --no-build-isolation-package --reinstall-package --refresh-package
    --no-build-package --no-binary-package --python-preference
    """,
    )
)
"""Options of the tools that take the next word as their value."""
_RUNNERS = {
    "uv": ("run", "tool run"),
    "uvx": ("",),
    "pipx": ("run",),
    "poetry": ("run",),
    "pdm": ("run",),
    "pipenv": ("run",),
    "hatch": ("run",),
    "conda": ("run",),
    "mamba": ("run",),
    "micromamba": ("run",),
    "pixi": ("run",),
    "coverage": ("run",),
}


def split_wrapper(words: Sequence[str]) -> list[str]:
    """``words`` from the program on: without keywords, ``sudo``, ``env``, assignments.

    >>> split_wrapper(["sudo", "-E", "env", "CI=1", "pip", "install", "."])
    ['pip', 'install', '.']
    """
    rest = list(words)
    while rest:
        if rest[0] in _KEYWORDS or _ASSIGNMENT.fullmatch(rest[0]):
            del rest[0]
        elif rest[0] in _WRAPPERS:
            del rest[0]
            while rest and (rest[0].startswith("-") or _DURATION.fullmatch(rest[0])):
                gone = rest.pop(0)
                if gone in {"-u", "-g", "-k"}:
                    del rest[:1]
        else:
            break
    return rest


def find_words(words: Sequence[str]) -> list[str]:
    """``words`` without options and their values.

    >>> find_words(["--quiet", "install", "-r", "requirements.txt", "numpy"])
    ['install', 'numpy']
    """
    return [word for _, word in _number_words(words)]


def _number_words(words: Sequence[str]) -> list[tuple[int, str]]:
    found = []
    skip = False
    for at, word in enumerate(words):
        if skip:
            skip = False
        elif word.startswith("-") and len(word) > 1:
            skip = word in _VALUED
        else:
            found.append((at, word))
    return found


def split_runner(name: str, rest: Sequence[str]) -> list[str]:
    """The command that ``name`` starts in an environment; empty where it starts none.

    >>> split_runner("uv", ["run", "--group", "test", "nox", "-s", "unit"])
    ['nox', '-s', 'unit']
    """
    numbered = _number_words(rest)
    for spelled in _RUNNERS.get(name, ()):
        subcommand = spelled.split()
        if [word for _, word in numbered[: len(subcommand)]] != subcommand:
            continue
        after = numbered[len(subcommand) :]
        # python -m is split off where the name of a program is looked for.
        return list(rest[after[0][0] :]) if after else []
    return []
