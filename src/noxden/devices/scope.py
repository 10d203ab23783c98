"""Scope: which of the collected tests count at all.

The rules in their order; the first that says something decides: the project's disabled-tests
JSON, what ``[tool.noxden.device.scope]`` denies, what it allows (that exempts from all that
follows), PyTorch's hardware class where a test has one, noxden's defaults.
"""

from __future__ import annotations

import re
import sys
from typing import TYPE_CHECKING

import msgspec

from noxden.devices.scope_rules import (
    Decision,
    by_class,
    by_disabled,
    by_files,
    by_ids,
    by_markers,
    by_words,
)
from noxden.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    from noxden.config import ScopeConfig
    from noxden.devices.scope_rules import Rule
    from noxden.devices.values import Test

__all__ = ["Decision", "Scope", "make_scope", "read_disabled"]

_NOTHING_AGAINST = Decision(in_scope=True, rule="no rule speaks against it")
_DISABLED_KEY = re.compile(r"(?P<name>\S+(?: \S+)*?) \((?:.*\.)?(?P<owner>[^.()]+)\)")
_PLATFORMS = {"linux": {"linux"}, "darwin": {"mac", "macos"}}
"""How PyTorch's JSON calls a platform; a test that it disables on others only is not disabled."""


class Scope:
    """Rules, asked one after the other."""

    def __init__(self, rules: Sequence[Rule]) -> None:
        self._rules = tuple(rules)

    def decide(self, test: Test) -> Decision:
        """Whether ``test`` counts, and by which rule."""
        for rule in self._rules:
            if (decision := rule(test)) is not None:
                return decision
        return _NOTHING_AGAINST


def make_scope(config: ScopeConfig, project: Path) -> Scope:
    """The scope that ``[tool.noxden.device.scope]`` of ``project`` describes.

    Raises:
        UsageError: the disabled-tests JSON cannot be read, or is something else.
    """
    return Scope(tuple(_make_rules(config, project)))


def read_disabled(path: Path, platform: str = sys.platform) -> dict[tuple[str, str], str]:
    """(class, test) -> issue, out of a disabled-tests JSON as PyTorch publishes it.

    Its form is ``{"test_name (__main__.TestClass)": [issue, url, [platforms]]}``, where no
    platforms are all of them (``check_if_enable`` in torch/testing/_internal/common_utils.py).

    Raises:
        UsageError: it cannot be read, or is something else.
    """
    try:
        found = msgspec.json.decode(path.read_bytes(), type=dict[str, list[str | int | list[str]]])
    except OSError as error:
        message = f"disabled-tests of tool.noxden.device.scope: {path}: {error.strerror}"
        raise UsageError(message) from error
    except msgspec.MsgspecError as error:
        message = f"{path} is no disabled-tests JSON as PyTorch has it: {error}"
        raise UsageError(message) from error
    return dict(_read_entries(path, found, _PLATFORMS.get(platform, {platform})))


def _read_entries(
    path: Path, found: dict[str, list[str | int | list[str]]], here: set[str]
) -> Iterator[tuple[tuple[str, str], str]]:
    for key, values in found.items():
        match = _DISABLED_KEY.fullmatch(key)
        if match is None:
            message = (
                f"{path} is no disabled-tests JSON as PyTorch has it: {key!r} is not like "
                "'test_name (__main__.TestClass)'"
            )
            raise UsageError(message)
        platforms = {name for value in values if isinstance(value, list) for name in value}
        if not platforms or platforms & here:
            issue = " ".join(str(value) for value in values if not isinstance(value, list))
            yield (match["owner"], match["name"]), issue or "without an issue"


def _make_rules(config: ScopeConfig, project: Path) -> Iterator[Rule]:
    if config.disabled_tests:
        disabled = read_disabled(project / config.disabled_tests)
        yield by_disabled(config.disabled_tests, disabled)
    if config.deny_paths:
        yield by_files("deny-paths", config.deny_paths, in_scope=False)
    if config.deny_names:
        yield by_ids("deny-names", config.deny_names, in_scope=False)
    if config.deny_markers:
        yield by_markers("deny-markers", config.deny_markers, in_scope=False)
    if config.allow_paths:
        yield by_files("allow-paths", config.allow_paths, in_scope=True)
    if config.allow_names:
        yield by_ids("allow-names", config.allow_names, in_scope=True)
    if config.allow_markers:
        yield by_markers("allow-markers", config.allow_markers, in_scope=True)
    yield by_class(config.hw)
    if config.defaults:
        yield by_words()
