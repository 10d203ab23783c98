"""Read the pylock.toml that uv exports, quickly."""

from __future__ import annotations

from typing import TYPE_CHECKING

import tomli
from packaging.pylock import Pylock

from noxden.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Collection

__all__ = ["drop_foreign_wheels", "drop_sdists", "read_pylock"]


def drop_foreign_wheels(text: str, tags: Collection[str]) -> str:
    """Leave out the lines of wheels that no tag in ``tags`` fits.

    A heavy package has fifty wheels of which one is wanted, and parsing TOML is most of what a
    key costs (about 4 MB/s by the standard library, 12 by tomli, which is the same compiled). uv
    writes a wheel per line; lines of any other form stay for the parser. A package of which no
    wheel fits keeps the last: it may be one that markers leave out (pywin32 has nothing else),
    and an entry with no source at all is invalid.
    """
    known: dict[str, bool] = {}
    kept: list[str] = []
    dropped = ""
    for line in text.split("\n"):
        end = line.find('.whl"') if line.startswith("    { ") and line.endswith("},") else -1
        if end >= 0:
            triple = "-".join(line[:end].rsplit("-", 3)[1:]).lower()
            if triple not in known:
                known[triple] = _fits(triple, tags)
            if not known[triple]:
                dropped = line
                continue
        elif line == "]" and kept[-1:] == ["wheels = ["]:
            kept.append(dropped)
        kept.append(line)
    return "\n".join(kept)


def _fits(triple: str, tags: Collection[str]) -> bool:
    """Whether a wheel with this (possibly compressed) tag triple can be installed."""
    parts = [part.split(".") for part in triple.split("-")]
    if len(parts) != 3:  # noqa: PLR2004 - interpreter, ABI, platform
        return True
    interpreters, abis, platforms = parts
    return any(
        f"{interpreter}-{abi}-{platform}" in tags
        for interpreter in interpreters
        for abi in abis
        for platform in platforms
    )


def drop_sdists(text: str) -> str:
    """Leave out the sdists, which matter only to packages without a wheel that fits."""
    return "\n".join(line for line in text.split("\n") if not line.startswith("sdist = {"))


def read_pylock(text: str, tags: Collection[str], *, sdists: bool) -> Pylock:
    """Parse and validate the part of a pylock.toml that matters for ``tags``.

    Without ``sdists`` only wheels are looked at, in half the time.

    Raises:
        PylockValidationError: a package is left with nothing to install it from.
        UsageError: it is no TOML.
    """
    fitting = drop_foreign_wheels(text, frozenset(tags))
    try:
        document = tomli.loads(fitting if sdists else drop_sdists(fitting))
    except tomli.TOMLDecodeError as error:
        message = f"uv exported a pylock.toml that cannot be read ({error}); run: uv lock"
        raise UsageError(message) from error
    return Pylock.from_dict(document)
