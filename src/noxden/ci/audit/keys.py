"""What is in the key of a cache, and what a path holds."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from noxden.ci.audit.values import Content, Key

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

__all__ = ["find_content", "is_lock", "is_manifest", "is_whole_tree", "read_key"]

_HASHED = re.compile(r"hashFiles\(([^()]*)\)")
_EXPRESSION = re.compile(r"\$\{\{([^{}]*)\}\}|\$\{?(\w+)\}?")
_SYSTEM = re.compile(
    r"runner\.os|RUNNER_OS|ImageOS|\bos\b|platform|linux|ubuntu|debian|macos|osx|windows|\bwin",
    re.IGNORECASE,
)
_PYTHON = re.compile(
    r"\.python|py(thon)?[-_.]?ver|python[-_]?version|pythonLocation|\bpy-?3|\bcp3|\b3\.\d"
    r"|python-?[23]\b|\bpython\b[^|&]*outputs|(matrix|env|inputs)\.py",
    re.IGNORECASE,
)
_COMMIT = re.compile(
    r"github\.(sha|run_id|run_number|run_attempt)|CI_(COMMIT_(SHORT_)?SHA|PIPELINE_I?ID|JOB_ID)\b"
)
_OPAQUE = re.compile(r"\b(steps|needs|inputs|env|vars)\.|toJSON\(", re.IGNORECASE)
_JOB_NAME = re.compile(r"CI_JOB_NAME")
_LOCK = re.compile(
    r"\.lock\b|pylock[^/]*\.toml$|conda-lock|requirements|constraints|environment[^/]*\.ya?ml$"
    r"|(^|/)deps?/|\.txt$|\.in$|\.locked$",
    re.IGNORECASE,
)
_MANIFEST = re.compile(r"(^|/)(pyproject\.toml|setup\.(py|cfg)|setup\.\*)$")
_OTHER = re.compile(r"(^|/)(tox\.ini|noxfile\.py|Pipfile|Makefile|\.github/.*)$")
_WHOLE = re.compile(r"(\./)?\*{1,2}(/\*{1,2})*|.*\*[^/]*\.py\w?|(.*/)?(src|lib|tests?)/.*\*.*")

_ENVIRONMENT = re.compile(
    r"site-packages|pythonLocation|v(irtual)?env|\benvs?\b(?!\.)|\.tox\b|\.nox\b|\.pixi\b"
    r"|\bCONDA\b|CONDA_PREFIX|(mini|micro)(conda|mamba|forge)\d*[/\\]?$|anaconda\d*[/\\]?$",
)
_DOWNLOADS = re.compile(
    r"\bpip\b|PIP_CACHE|\buv\b|UV_CACHE|pypoetry|POETRY_CACHE|\bpdm\b|PDM_CACHE|rattler"
    r"|wheel|pipenv|PYTHON_PACKAGES|NOXDEN",
    re.IGNORECASE,
)
_NAMED = re.compile(r"\b(pip|uv|poetry|pdm|conda|mamba|venv|wheels?|pixi|pydeps)\b", re.IGNORECASE)


def read_key(text: str, paths: Sequence[str] = (), systems: Iterable[str] = ()) -> Key:
    """What is in the key ``text``.

    ``paths`` are those of the cache where they are part of what an entry is found by, as on
    GitHub; ``systems`` the expressions that say where the job runs.
    """
    files: list[str] = []
    opaque = False
    for arguments in _HASHED.findall(text):
        for one in arguments.split(","):
            name = one.strip()
            if name[:1] == name[-1:] == "'":
                files.append(name.strip("'"))
            elif name:
                opaque = True
    rest = " ".join([_HASHED.sub("", text), *paths])
    found = _EXPRESSION.findall(rest)
    expressions = [one or other for one, other in found]
    inside = _EXPRESSION.sub("", _HASHED.sub("", text)) + " ".join(expressions)
    for expression, variable in found:
        said = expression or variable
        known = _PYTHON.search(said) or _SYSTEM.search(said) or _COMMIT.search(said)
        # A variable of a shell that the file does not set; those of GitLab are known.
        foreign = bool(variable) and not variable.startswith("CI_")
        opaque |= not known and (bool(_OPAQUE.search(said)) or foreign)
    others = [one for one in expressions if "matrix." in one and not _SYSTEM.search(one)]
    python = bool(_PYTHON.search(inside)) or any("python-version" in file for file in files)
    return Key(
        text,
        tuple(files),
        opaque=opaque,
        system=bool(_SYSTEM.search(inside)) or any(one in rest for one in systems),
        # Another variable of the matrix tells its jobs apart, so their Pythons too.
        python=python or bool(others) or bool(_JOB_NAME.search(rest)),
        commit=bool(_COMMIT.search(rest)),
    )


def is_lock(pattern: str) -> bool:
    """Whether the files that ``pattern`` matches say which versions are installed."""
    return bool(_LOCK.search(pattern)) or not (
        _MANIFEST.search(pattern) or _OTHER.search(pattern) or is_whole_tree(pattern)
    )


def is_manifest(pattern: str) -> bool:
    """Whether it matches what a project says of itself: names and ranges, no versions."""
    return bool(_MANIFEST.search(pattern))


def is_whole_tree(pattern: str) -> bool:
    """Whether it matches source code.

    >>> is_whole_tree("**/*"), is_whole_tree("**/uv.lock")
    (True, False)
    """
    return bool(_WHOLE.fullmatch(pattern)) and not _LOCK.search(pattern)


def find_content(paths: Iterable[str], key: str) -> Content | None:
    """What of Python a cache of ``paths`` holds; ``None`` where it is of something else."""
    kept = [path for path in paths if not path.startswith("!")]
    found: Content | None = None
    for path in kept:
        if "pkgs" not in path and _ENVIRONMENT.search(path):
            return "environment"
        if "pkgs" in path or _DOWNLOADS.search(path):
            found = "downloads"
    if found is None and any("$" in path for path in kept) and _NAMED.search(key):
        return "downloads"
    return found
