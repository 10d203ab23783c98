"""Environment keys: the hash of the document that says what a base environment contains."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING, Any, NamedTuple

from noxden.lock.selection import canonical_json

if TYPE_CHECKING:
    from collections.abc import Mapping

    from noxden.lock.interpreter import Interpreter
    from noxden.lock.selection import Selection

__all__ = ["KEY_FORMAT", "EnvironmentDocument", "compute_document"]

KEY_FORMAT = 1
"""Raised whenever the same inputs are to give another environment."""


class EnvironmentDocument(NamedTuple):
    """The canonical document of a base environment, as env.json holds it."""

    selection: list[dict[str, str]]
    interpreter: Mapping[str, str | bool]
    settings: Mapping[str, Any]

    @property
    def fields(self) -> dict[str, Any]:
        """The document as a JSON object."""
        return {"format": KEY_FORMAT, **self._asdict()}

    @property
    def canonical(self) -> bytes:
        """The bytes that the key is the hash of."""
        return canonical_json(self.fields)

    @property
    def key(self) -> str:
        """The environment key: sha256 of :attr:`canonical`, 64 hexadecimal digits."""
        return hashlib.sha256(self.canonical).hexdigest()


def compute_document(
    selection: Selection,
    interpreter: Interpreter,
    build_settings: Mapping[str, Any],
    variables: Mapping[str, str],
) -> EnvironmentDocument:
    """The document of the base environment for ``selection``.

    ``build_settings`` count only where something is built; ``variables`` are the declared
    ``key-env`` variables and always count.
    """
    settings: dict[str, Any] = {}
    if selection.is_built and build_settings:
        settings["build"] = dict(build_settings)
    if variables:
        settings["env"] = dict(variables)
    return EnvironmentDocument(selection.canonical, interpreter.identity, settings)
