"""Variables of the caller that change what sessions do, or cost time."""

from __future__ import annotations

from typing import TYPE_CHECKING

from noxden.den.doctor.values import OK, WARNING, Diagnosis

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

__all__ = ["check_variables"]

_LEAKED = {
    "UV_PROJECT_ENVIRONMENT": "uv run and uv sync in this shell work on that environment",
    "VIRTUAL_ENV": "uv pip in this shell works on that environment",
    "CONDA_PREFIX": "uv pip in this shell works on that environment",
    "PYTHONPATH": "its packages come before those of every environment",
    "PYTHONHOME": "interpreters look for their library there",
}
"""Variables that point somewhere, and what that does."""

_COSTLY = {
    "PYTHONDONTWRITEBYTECODE": (
        "base environments get no shared bytecode, so every start compiles again",
        "unset it, at least where sessions run",
    ),
    "UV_NO_CACHE": ("uv in this shell downloads everything anew", "unset UV_NO_CACHE"),
}


def check_variables(env: Mapping[str, str]) -> Iterator[Diagnosis]:
    """What in ``env`` is going to surprise; sessions themselves are shielded from leaks."""
    found = [*_check_leaks(env), *_check_cost(env), *_check_uv(env)]
    yield from found
    if not found:
        yield Diagnosis("variables", OK, "none that change what sessions do")


def _check_leaks(env: Mapping[str, str]) -> Iterator[Diagnosis]:
    for name, effect in _LEAKED.items():
        if env.get(name):
            shielded = "" if name.startswith("PYTHON") else "; noxden's sessions are shielded"
            message = f"{name}={env[name]}: {effect}{shielded}"
            yield Diagnosis("variables", WARNING, message, f"unset {name}")


def _check_cost(env: Mapping[str, str]) -> Iterator[Diagnosis]:
    for name, (effect, remedy) in _COSTLY.items():
        if env.get(name):
            yield Diagnosis("variables", WARNING, f"{name}: {effect}", remedy)


def _check_uv(env: Mapping[str, str]) -> Iterator[Diagnosis]:
    if named := env.get("UV_CACHE_DIR"):
        message = (
            f"UV_CACHE_DIR={named}: noxden uses the den's own cache, uv in this shell that one"
        )
        yield Diagnosis("variables", WARNING, message, "unset it, or accept two caches")
    mode = env.get("UV_LINK_MODE")
    if mode == "copy":
        message = "UV_LINK_MODE=copy: every base environment is a full copy of uv's cache"
        yield Diagnosis("variables", WARNING, message, "unset UV_LINK_MODE")
    if mode == "symlink":
        message = "UV_LINK_MODE=symlink: environments of uv break when its cache is pruned"
        shielded = f"{message}; noxden's are shielded"
        yield Diagnosis("variables", WARNING, shielded, "unset UV_LINK_MODE")
