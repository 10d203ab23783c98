"""Rules of a scope: each looks at a test and decides, or leaves it to the next.

A rule is asked about a million tests: what depends on a file, a class or a set of markers only
is decided once for each of them, and a rule that nobody wrote is not made.
"""

from __future__ import annotations

import fnmatch
import re
from collections.abc import Callable
from typing import TYPE_CHECKING, NamedTuple

from noxden.devices.values import Test

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

__all__ = [
    "FOREIGN_WORDS",
    "TRAINING_WORDS",
    "Decision",
    "Rule",
    "by_class",
    "by_disabled",
    "by_files",
    "by_ids",
    "by_markers",
    "by_words",
]


class Decision(NamedTuple):
    """Whether a test counts."""

    in_scope: bool
    rule: str
    """A sentence: the rule that decided, and where it is from."""


Rule = Callable[[Test], Decision | None]

_OF_TRAINING = "training tests"
_OF_OTHERS = "tests of other accelerators"

TRAINING_WORDS = frozenset({
    "autograd", "backward", "bwgrad", "ddp", "fsdp", "fwgrad", "gradcheck", "gradgrad",
    "gradgradcheck", "optimizer", "optimizers", "train", "trainer", "training",
})  # fmt: skip
"""Words of PyTorch's training tests. ``grad`` is none: ``no_grad``."""

FOREIGN_WORDS = frozenset({
    "cublas", "cublaslt", "cuda", "cudagraph", "cudagraphs", "cudnn", "cufft", "curand",
    "cusolver", "cusparse", "cusparselt", "cutlass", "gpu", "gpus", "habana", "hccl", "hip",
    "hipblas", "hpu", "ipu", "metal", "miopen", "mps", "mtia", "multigpu", "nccl", "npu",
    "nvfuser", "nvidia", "nvml", "nvrtc", "nvshmem", "nvtx", "opencl", "rccl", "rocm", "sycl",
    "tensorrt", "tpu", "triton", "vulkan", "xccl", "xla", "xpu",
})  # fmt: skip
"""Words of accelerators that are not ours, and of their libraries."""

_TRAINING_FILES = (
    "test/distributed/*",
    "test/optim/*",
    "test/test_optim.py",
    "test/*gradients.py",
)
"""Files of PyTorch's that no single word names: numpy's histograms have an ``Optim`` too."""

_NEGATIONS = frozenset({"no", "non", "not", "skip", "without"})
_COMPATIBLE = frozenset({"compat", "compatibility", "compatible"})
_CAMEL = re.compile(r"[A-Z]+(?=[A-Z][a-z])|[A-Z]?[a-z]+|[A-Z]+")
_NO_LETTERS = {code: " " for code in range(128) if not chr(code).isalpha()}


def by_files(name: str, patterns: Sequence[str], *, in_scope: bool) -> Rule:
    """Globs over canonical files; one that names a folder means all below it."""
    wide = {pattern: (pattern, f"{pattern.rstrip('/')}/*") for pattern in patterns}
    matcher = _Globs(wide)
    known: dict[str, Decision | None] = {}

    def rule(test: Test) -> Decision | None:
        if test.file not in known:
            known[test.file] = _decide(name, matcher.find(test.file), in_scope=in_scope)
        return known[test.file]

    return rule


def by_ids(name: str, patterns: Sequence[str], *, in_scope: bool) -> Rule:
    """Globs over canonical ids; a pattern that is spelled like an id, brackets and all, is it."""
    matcher = _Globs({pattern: (pattern,) for pattern in patterns})

    def rule(test: Test) -> Decision | None:
        return _decide(name, matcher.find(test.id), in_scope=in_scope)

    return rule


def by_markers(name: str, markers: Sequence[str], *, in_scope: bool) -> Rule:
    """Names of markers."""
    wanted = frozenset(markers)

    def rule(test: Test) -> Decision | None:
        if wanted.isdisjoint(test.markers):
            return None
        return _decide(name, min(wanted.intersection(test.markers)), in_scope=in_scope)

    return rule


def by_disabled(file: str, disabled: Mapping[tuple[str, str], str]) -> Rule:
    """Tests that PyTorch's disabled-tests JSON ``file`` names: (class, test) -> its issue."""

    def rule(test: Test) -> Decision | None:
        name = test.id[_name_start(test.id) :]
        owner = test.id[: -len(name) - 2].rpartition("::")[2]
        bare = name.partition("[")[0]
        issue = disabled.get((owner, name)) or disabled.get((owner, bare))
        return Decision(in_scope=False, rule=f"disabled in {file}: {issue}") if issue else None

    return rule


def by_class(classes: Sequence[str]) -> Rule:
    """PyTorch's hardware classification, where the test has one."""
    wanted = frozenset(classes)
    shown = ", ".join(classes) or "none"

    def rule(test: Test) -> Decision | None:
        if not test.hw or test.hw in wanted:
            return None
        said = (
            f"its hardware class {test.hw} is not in hw of tool.noxden.device.scope, which has "
            f"{shown}"
        )
        return Decision(in_scope=False, rule=said)

    return rule


def by_words() -> Rule:
    """The defaults: training tests and those of other accelerators are out of scope.

    What PyTorch classifies is judged by :func:`by_class`; training has no class.
    """
    every = _Words(TRAINING_WORDS | FOREIGN_WORDS)
    training = _Words(TRAINING_WORDS)

    def rule(test: Test) -> Decision | None:
        return training.decide(test) if test.hw else every.decide(test)

    return rule


class _Globs:
    """Many globs as one regular expression."""

    def __init__(self, globs: Mapping[str, Sequence[str]]) -> None:
        self._globs = globs
        every = [fnmatch.translate(one) for many in globs.values() for one in many]
        self._any = re.compile("|".join(every))

    def find(self, text: str) -> str | None:
        """The first of the patterns that matches, if any."""
        if not (self._any.match(text) or text in self._globs):
            return None
        return next(
            pattern
            for pattern, globs in self._globs.items()
            if pattern == text or any(fnmatch.fnmatchcase(text, one) for one in globs)
        )


def _decide(name: str, pattern: str | None, *, in_scope: bool) -> Decision | None:
    if pattern is None:
        return None
    return Decision(in_scope=in_scope, rule=f"{name} of tool.noxden.device.scope has {pattern!r}")


class _Words:
    """Whole words in file, class, name and markers: ``barracuda`` and ``restraining`` are none."""

    def __init__(self, words: frozenset[str]) -> None:
        self._all = words
        self._files = _Globs({pattern: (pattern,) for pattern in _TRAINING_FILES})
        self._by_prefix: dict[str, Decision | None] = {}
        self._by_markers: dict[tuple[str, ...], Decision | None] = {(): None}

    def decide(self, test: Test) -> Decision | None:
        start = _name_start(test.id)
        prefix = test.id[:start]
        if prefix not in self._by_prefix:
            self._by_prefix[prefix] = self._decide_prefix(test.file, prefix)
        if (found := self._by_prefix[prefix]) is not None:
            return found
        if test.markers not in self._by_markers:
            self._by_markers[test.markers] = self._decide_markers(test.markers)
        if (found := self._by_markers[test.markers]) is not None:
            return found
        words = test.id[start:].lower().translate(_NO_LETTERS).split()
        return None if self._all.isdisjoint(words) else self._look(words, "its name")

    def _decide_prefix(self, file: str, prefix: str) -> Decision | None:
        if (pattern := self._files.find(file)) is not None:
            return _leave_out(_OF_TRAINING, f"{pattern!r} matches its file")
        words = file.lower().translate(_NO_LETTERS).split()
        found = self._look(words, "its file")
        return found or self._look(_split_camel(prefix[len(file) :]), "its class")

    def _decide_markers(self, markers: tuple[str, ...]) -> Decision | None:
        found = (self._look(_split_camel(marker), f"its marker {marker}") for marker in markers)
        return next(filter(None, found), None)

    def _look(self, words: Sequence[str], place: str) -> Decision | None:
        """The same with care: ``without_cuda`` is not CUDA's, ``backward_compat`` no training."""
        padded = ["", *words, ""]
        for before, word, after in zip(padded, words, padded[2:], strict=False):
            if word not in self._all or before in _NEGATIONS:
                continue
            if word != "backward" or after not in _COMPATIBLE:
                what = _OF_TRAINING if word in TRAINING_WORDS else _OF_OTHERS
                return _leave_out(what, f"{place} has the word {word!r}")
        return None


def _leave_out(what: str, why: str) -> Decision:
    return Decision(in_scope=False, rule=f"the defaults of noxden leave out {what}: {why}")


def _split_camel(text: str) -> list[str]:
    return [word.lower() for word in _CAMEL.findall(text)]


def _name_start(test: str) -> int:
    """Where the name of the function begins; what is in brackets may hold colons too."""
    bracket = test.find("[")
    return (test.rfind("::") if bracket < 0 else test.rfind("::", 0, bracket)) + 2
