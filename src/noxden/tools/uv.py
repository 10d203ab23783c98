"""The door to uv.

Everything noxden asks of uv goes through :class:`Uv`: with the den's cache, and without the
variables by which a caller's shell could redirect or change what uv does (script mode of nox
leaks ``UV_PROJECT_ENVIRONMENT``, an activated environment leaks ``VIRTUAL_ENV``).
"""

from __future__ import annotations

import functools
import re
import shutil
from pathlib import Path
from typing import TYPE_CHECKING

from noxden.errors import InfrastructureError
from noxden.tools.complaints import explain_export_failure
from noxden.tools.process import check, run

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from noxden.tools.process import Completed

__all__ = ["LEAKS", "MINIMUM_UV", "Uv", "compute_uv_environment", "find_uv"]

MINIMUM_UV = (0, 13)
"""The oldest uv whose pylock.toml export and sync this library is tested with."""

LEAKS = frozenset(
    {
        "CONDA_PREFIX",
        "UV_ACTIVE",
        "UV_BUILD_CONSTRAINT",
        "UV_CONSTRAINT",
        "UV_DEV",
        "UV_EXCLUDE",
        "UV_FROZEN",
        "UV_ISOLATED",
        "UV_LOCKED",
        "UV_NO_CACHE",
        "UV_NO_DEFAULT_GROUPS",
        "UV_NO_DEV",
        "UV_NO_EDITABLE",
        "UV_NO_GROUP",
        "UV_NO_INSTALLER_METADATA",
        "UV_NO_INSTALL_LOCAL",
        "UV_NO_INSTALL_PROJECT",
        "UV_NO_INSTALL_WORKSPACE",
        "UV_NO_PROJECT",
        "UV_NO_SYNC",
        "UV_NO_VERIFY_HASHES",
        "UV_OVERRIDE",
        "UV_PROJECT",
        "UV_PROJECT_ENVIRONMENT",
        "UV_PYTHON",
        "UV_REQUIRE_HASHES",
        "UV_SYSTEM_PYTHON",
        "UV_VENV_CLEAR",
        "UV_VENV_RELOCATABLE",
        "UV_VENV_SEED",
        "UV_WORKING_DIR",
        "UV_WORKING_DIRECTORY",
        "VIRTUAL_ENV",
    }
)
"""Variables of the caller that would change which environment uv works on, or what it selects."""


def compute_uv_environment(
    env: Mapping[str, str], cache: Path | None, *, offline: bool
) -> dict[str, str]:
    """The environment uv runs with: ``env`` without :data:`LEAKS`, with the den's cache.

    Without a ``cache`` uv uses the caller's own.
    """
    ours = {name: value for name, value in env.items() if name not in LEAKS}
    ours.update(UV_NO_PROGRESS="1", UV_PREVIEW_FEATURES="pylock")
    if cache is not None:
        ours["UV_CACHE_DIR"] = str(cache)
        if ours.get("UV_LINK_MODE") not in {"copy", "hardlink"}:
            # What uv does by default, whatever its settings say: a base of symbolic links would
            # break when the cache is pruned.
            ours["UV_LINK_MODE"] = "clone"
    if offline:
        ours["UV_OFFLINE"] = "1"
    return ours


def find_uv(env: Mapping[str, str]) -> Path:
    """The uv to use: ``$UV``, else the one installed beside noxden, else the one on PATH.

    Raises:
        InfrastructureError: there is none.
    """
    if named := env.get("UV"):
        if found := shutil.which(named, path=env.get("PATH")):
            return Path(found)
        message = f"UV={named} names no program; unset it or name a uv binary"
        raise InfrastructureError(message)
    try:
        from uv import find_uv_bin

        return Path(find_uv_bin())
    except (ImportError, FileNotFoundError):
        if found := shutil.which("uv", path=env.get("PATH")):
            return Path(found)
    message = "uv is not installed: no uv beside noxden and none on PATH; run: pip install uv"
    raise InfrastructureError(message)


class Uv:
    """uv, as noxden calls it.

    The binary is looked for when it is first needed (a warm session never gets there), and its
    version when it first fails: a uv that is too old fails by not knowing what we ask for, and
    asking every new enough uv for its version would cost each new checkout 10 ms.
    """

    def __init__(
        self, env: Mapping[str, str], cache: Path | None, *, offline: bool = False
    ) -> None:
        """Remember the caller's ``env`` and the den's ``cache``; start nothing."""
        self.env = compute_uv_environment(env, cache, offline=offline)
        self._caller = env

    @functools.cached_property
    def binary(self) -> Path:
        """The uv binary.

        Raises:
            InfrastructureError: none is installed.
        """
        return find_uv(self._caller)

    @functools.cached_property
    def version(self) -> tuple[int, ...]:
        """Its version, ``(0, 13, 9)``."""
        said = run([self.binary, "--version"], env=self.env).stdout
        return tuple(map(int, re.findall(r"\d+", said)[:3]))

    def __call__(
        self,
        *args: str | Path,
        cwd: Path,
        expect: Sequence[int] = (0,),
        extra_env: Mapping[str, str] | None = None,
    ) -> Completed:
        """Run ``uv ARGS`` in ``cwd`` (uv reads the project's settings there).

        Raises:
            InfrastructureError: there is no uv, or it is too old.
            ProgramError: its exit code is not in ``expect``.
        """
        env = {**self.env, **(extra_env or {})}
        completed = run([self.binary, *args], env=env, cwd=cwd, expect=None)
        if completed.returncode:
            self.refuse_old()
        return check(completed, expect)

    def refuse_old(self) -> None:
        """Make sure that uv is new enough.

        Raises:
            InfrastructureError: it is older than :data:`MINIMUM_UV`.
        """
        if self.version < MINIMUM_UV:
            found, wanted = (".".join(map(str, parts)) for parts in (self.version, MINIMUM_UV))
            message = (
                f"{self.binary} is uv {found}, noxden needs {wanted} or newer; "
                f"run: pip install 'uv>={wanted}'"
            )
            raise InfrastructureError(message)

    def find_python(self, request: str | None, *, cwd: Path) -> Path | None:
        """The interpreter that uv chooses for ``request`` in a project, or ``None``.

        ``None`` as request means the project's own choice (.python-version, requires-python).
        Virtual environments are looked through: an environment is built from an interpreter.
        """
        words = [
            "python",
            "find",
            "--system",
            "--no-python-downloads",
            *([request] if request else []),
        ]
        found = self(*words, cwd=cwd, expect=(0, 2))
        if found.returncode:
            return None
        return Path(found.stdout.strip())

    def install_python(self, request: str | None, *, cwd: Path) -> bool:
        """Let uv download an interpreter; ``False`` when it cannot or may not."""
        words = ["python", "install", "--no-bin", *([request] if request else [])]
        said = self(*words, cwd=cwd, expect=(0, 1, 2))
        return said.returncode == 0

    def export_pylock(self, selectors: Sequence[str], lock: str = "--locked", *, cwd: Path) -> str:
        """The pylock.toml of a selection, after making sure that uv.lock is up to date.

        Paths in it are relative to ``cwd``; with ``--frozen`` uv.lock is taken as it is.

        Raises:
            UsageError: uv.lock does not fit pyproject.toml or cannot be read, or uv knows no
                such group, extra or package.
            InfrastructureError: the disk is full, or uv needs a network that is not there.
        """
        words = ["export", lock, "--quiet", "--no-header", "--format", "pylock.toml"]
        said = self(*words, *selectors, cwd=cwd, expect=(0, 1, 2))
        if said.returncode:
            raise explain_export_failure(said.stderr, cwd)
        return said.stdout
