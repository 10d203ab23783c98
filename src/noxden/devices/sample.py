"""Sample: the share of the tests in scope that a stage runs.

Of each file the ``ceil(share * n)`` tests with the smallest hashes of their ids. So a file with
few tests stays in, a smaller share is always inside a larger one, and a test keeps its place
when others come and go.
"""

from __future__ import annotations

import hashlib
import math
from fractions import Fraction
from typing import TYPE_CHECKING

import msgspec

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from noxden.devices.values import Test

__all__ = ["FileShare", "Sample", "select_sample"]

_SALT = b"noxden sample 1\0"
"""Another than that of shards: else one shard would get what a larger stage adds."""


class FileShare(msgspec.Struct, frozen=True, kw_only=True):
    """What a sample takes of one file."""

    file: str
    in_scope: int
    selected: int


class Sample(msgspec.Struct, frozen=True, kw_only=True):
    """The tests of a stage."""

    tests: tuple[Test, ...]
    """In the order in which they were given."""
    share: float
    """Of all, exactly: at least what was asked for, since each file is rounded up."""
    files: tuple[FileShare, ...]
    """In the order of the first test of each."""


def select_sample(tests: Sequence[Test], share: float) -> Sample:
    """The ``share`` of ``tests``, more than 0 and at most 1, as its decimals say."""
    files: dict[str, list[str]] = {}
    for test in tests:
        files.setdefault(test.file, []).append(test.id)
    # 0.07 * 100 is more than 7 in floating point.
    exact = Fraction(repr(share))
    selected: set[str] = set()
    shares = []
    for file, ids in files.items():
        wanted = math.ceil(exact * len(ids))
        selected.update(_take_smallest(ids, wanted))
        shares.append(FileShare(file=file, in_scope=len(ids), selected=wanted))
    kept = tuple(tests) if share == 1 else tuple(test for test in tests if test.id in selected)
    return Sample(tests=kept, share=len(kept) / max(1, len(tests)), files=tuple(shares))


def _take_smallest(ids: Sequence[str], wanted: int) -> Iterable[str]:
    if wanted == len(ids):
        return ids
    blake2b = hashlib.blake2b
    hashed = [(blake2b(_SALT + one.encode(), digest_size=8).digest(), one) for one in ids]
    hashed.sort()
    return [one for _, one in hashed[:wanted]]
