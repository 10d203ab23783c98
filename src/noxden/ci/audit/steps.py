"""The steps of a job of GitHub, Forgejo or Gitea, those of its local actions in their place."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, NamedTuple, Protocol

from noxden.ci.audit.expressions import Scope, expand, read_texts
from noxden.ci.audit.values import Place

if TYPE_CHECKING:
    from collections.abc import Iterator

    from noxden.ci.audit.nodes import Node

__all__ = [
    "LOCAL",
    "LoadAction",
    "RawStep",
    "collect_steps",
    "is_guarded",
    "name_action",
    "read_defaults",
]

LOCAL = ("./", "../", "$/")
"""How the name of something in the same repository starts."""

_DEPTH = 5
_GUARD = re.compile(
    r"github\.(event_name|ref|repository|actor|event\.pull_request\.head)|head\.repo"
)
_SCRIPTS = ("run", "command", "script")
_NO_SHELL = re.compile(r"github-script|/script\b|setup-")


class LoadAction(Protocol):
    """Finds the steps of an action that lies in the repository."""

    def __call__(self, name: str) -> Node | None:
        """The action's file, or ``None`` where it is not there or no more can be read."""


class RawStep(NamedTuple):
    """A step as it is spelled, with what is known where it stands."""

    node: Node
    place: Place
    scope: Scope
    guarded: bool

    @property
    def uses(self) -> str:
        """The action; empty for a command."""
        return self.node.get("uses").word

    def scripts(self) -> Iterator[tuple[str, Place]]:
        """The shell scripts it runs, with where each starts."""
        run = self.node.get("run")
        if run.there and run.text:
            yield run.text, Place(run.path, run.start)
        if self.uses and not _NO_SHELL.search(self.uses):
            for name in _SCRIPTS:
                given = self.node.get("with", name)
                if given.text:
                    yield given.text, Place(given.path, given.start)

    def inputs(self) -> dict[str, str]:
        """What is given to the action."""
        given = self.node.get("with").entries
        return {name: expand("\n".join(node.words()), self.scope) for name, node in given.items()}


def is_guarded(condition: str) -> bool:
    """Whether an ``if`` looks at what started the run."""
    return bool(_GUARD.search(condition))


def name_action(uses: str) -> str:
    """The name of an action without its host and its version.

    >>> name_action("https://code.forgejo.org/actions/cache/save@v4")
    'actions/cache/save'
    """
    name = uses.partition("@")[0].strip("'\"")
    return re.sub(r"^https?://[^/]+/", "", name)


def read_defaults(action: Node) -> dict[str, str]:
    """What the inputs of an action are where nothing is given."""
    inputs = action.get("inputs").entries
    return {name: one.get("default").word for name, one in inputs.items()}


def collect_steps(
    steps: Node, scope: Scope, load: LoadAction, *, guarded: bool = False, depth: int = 0
) -> Iterator[RawStep]:
    """The steps of a job or an action, one after the other."""
    for node in steps.items:
        if not node.entries:
            continue
        env = {**scope.env, **read_texts(node.get("env"))}
        kept = guarded or is_guarded(node.get("if").word)
        step = RawStep(node, Place(node.path, node.line), scope._replace(env=env), kept)
        yield step
        action = load(step.uses) if step.uses.startswith(LOCAL) and depth < _DEPTH else None
        if action is not None:
            inner = Scope(env, {**read_defaults(action), **step.inputs()})
            yield from collect_steps(
                action.get("runs", "steps"), inner, load, guarded=kept, depth=depth + 1
            )
