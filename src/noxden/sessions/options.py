"""What a session declares, as one value that travels through nox as ``venv_params``."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from noxden.errors import UsageError
from noxden.lock.request import Request

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = ["DEFERRED", "SessionOptions"]

_MANY = {
    "--group": "groups",
    "--only-group": "only_groups",
    "--extra": "extras",
    "--package": "packages",
}
DEFERRED = "--deferred"
_FLAGS = ("--no-layer", "--any-lock", DEFERRED)


class SessionOptions(NamedTuple):
    """What the environment of a session is made of."""

    groups: tuple[str, ...] = ()
    """Dependency groups beside the project and its dependencies."""
    only_groups: tuple[str, ...] = ()
    """Dependency groups without the project."""
    extras: tuple[str, ...] = ()
    """Extras of the project."""
    packages: tuple[str, ...] = ()
    """Workspace members in place of the project; ``*`` means all."""
    layered: bool = True
    """``False`` gives a plain venv with everything in it, for tools that ignore layers."""
    any_lock: bool = False
    """Take uv.lock as it is, for a session that checks it itself."""
    deferred: bool = False
    """Make the environment only when the session asks for it, after its gate."""

    @property
    def venv_params(self) -> list[str]:
        """The options as nox's ``venv_params``, for ``nox.session(venv_backend="noxden")``."""
        words = [
            word
            for option, field in _MANY.items()
            for name in getattr(self, field)
            for word in (option, name)
        ]
        flags = zip(_FLAGS, (not self.layered, self.any_lock, self.deferred), strict=True)
        return [*words, *(word for word, on in flags if on)]

    @classmethod
    def from_venv_params(cls, words: Sequence[str]) -> SessionOptions:
        """The options that :attr:`venv_params` spelled.

        Raises:
            UsageError: a word is not one of ours.
        """
        fields: dict[str, list[str]] = {field: [] for field in _MANY.values()}
        flags = dict.fromkeys(_FLAGS, False)
        rest = iter(words)
        for word in rest:
            if word in flags:
                flags[word] = True
            elif word in _MANY and (name := next(rest, None)) is not None:
                fields[_MANY[word]].append(name)
            else:
                known = ", ".join([*_MANY, *flags])
                message = f"venv_params of the noxden backend take {known}; got {word!r}"
                raise UsageError(message)
        return cls(
            **{name: tuple(value) for name, value in fields.items()},
            layered=not flags["--no-layer"],
            any_lock=flags["--any-lock"],
            deferred=flags[DEFERRED],
        )

    def request(self, python: str | None) -> Request:
        """The request to the den for one interpreter."""
        return Request(
            self.groups, self.only_groups, self.extras, self.packages, python, self.any_lock
        )
