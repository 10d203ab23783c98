"""What opens the gate of a session, as a configuration spells it, checked once."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from noxden.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

__all__ = ["RULE", "SETTINGS", "Rule", "make_rule"]

RULE = "noxden_rule"
"""The attribute of a session function that holds what opens its gate."""

SETTINGS = "noxden_settings"
"""The attribute of a session function that holds the settings of its factory."""

_OPENERS = ("always", "label", "input", "schedule")
_NEVER = "never"
_TRUSTED = "trusted"
_WORDS = (*_OPENERS, _NEVER, _TRUSTED)


class Rule(NamedTuple):
    """What opens the gate of one session on CI; on somebody's own machine it is open."""

    openers: tuple[str, ...]
    """Which of ``always``, ``label``, ``input`` and ``schedule`` open it; empty is never."""
    trusted: bool
    """Whether it stays closed for runs that are not known to be trusted, whatever opens it."""
    label: str
    """The label of a pull request that ``label`` means."""
    input: str
    """The input of a run started by hand that ``input`` means."""


def make_rule(events: Sequence[str], label: str, input_name: str, place: str) -> Rule:
    """The rule that ``events`` spell; ``place`` says where they stand.

    Raises:
        UsageError: a word is not known, the words contradict each other, or the label or
            the input that they need has no name.
    """
    for word in events:
        _refuse_unknown(word, place)
    openers = tuple(word for word in _OPENERS if word in events)
    if _NEVER in events and len(set(events)) > 1:
        _refuse(place, f"says never, and also {_join(word for word in events if word != _NEVER)}")
    if not openers and _NEVER not in events:
        said = f"says only {_TRUSTED}" if events else "is empty"
        _refuse(place, f"{said}; add what opens the gate ({_join(_OPENERS)}) or say never")
    for word, name in (("label", label), ("input", input_name)):
        if word in openers and not name.strip():
            _refuse(place, f"says {word}, but {word} has no name; set {word} beside it")
    return Rule(openers, _TRUSTED in events, label.strip(), input_name.strip())


def _refuse_unknown(word: str, place: str) -> None:
    if word not in _WORDS:
        import difflib

        near = difflib.get_close_matches(word, _WORDS, n=1, cutoff=0.5)
        advice = f"did you mean {near[0]}?" if near else f"known: {_join(_WORDS)}"
        _refuse(place, f"names {word!r}; {advice}")


def _refuse(place: str, problem: str) -> None:
    message = f"{place} {problem}"
    raise UsageError(message)


def _join(words: Iterable[str]) -> str:
    return ", ".join(words)
