"""The environment variables of everything measured: the same few for every contestant."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

__all__ = ["clean_environment", "with_tool"]

KEPT = (
    "HOME",
    "USER",
    "LOGNAME",
    "LANG",
    "LC_ALL",
    "TMPDIR",
    "SSL_CERT_FILE",
    "SSL_CERT_DIR",
    "NETRC",
)
KEPT_PREFIXES = (
    "UV_INDEX",
    "UV_DEFAULT_INDEX",
    "UV_EXTRA_INDEX_URL",
    "UV_SYSTEM_CERTS",
    "UV_NATIVE_TLS",
)


def clean_environment(given: Mapping[str, str], *, cache: Path) -> dict[str, str]:
    """Return what the measured programs may know of ``given``: who they are, the way to the index.

    Everything that changes what is measured stays out: PYTHONDONTWRITEBYTECODE, VIRTUAL_ENV, CI,
    settings of nox, tox, pip and uv. ``cache`` is the uv cache that all peers share.
    """
    kept = {
        name: value
        for name, value in given.items()
        if name in KEPT or name.startswith(KEPT_PREFIXES) or name.lower().endswith("_proxy")
    }
    return kept | {
        "UV_CACHE_DIR": str(cache),
        "UV_NO_PROGRESS": "1",
        "UV_PYTHON_DOWNLOADS": "never",
    }


def with_tool(environment: Mapping[str, str], *folders: Path) -> dict[str, str]:
    """Return the environment with a PATH of ``folders`` and the system's own, without shims."""
    places = [str(folder) for folder in folders]
    return {**environment, "PATH": os.pathsep.join([*places, os.defpath.lstrip(":")])}
