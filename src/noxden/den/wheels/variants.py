"""Wheels that are of use only with an accelerator, and how to lock the others in their place."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from noxden.den.wheels.store import find_artifact

if TYPE_CHECKING:
    from collections.abc import Iterable

    from noxden.den.layout import Den
    from noxden.lock.selection import Artifact, Selection

__all__ = ["AcceleratorWheel", "find_accelerator_wheels", "has_gpu", "render_cpu_variant"]

_NAME = re.compile(
    r"nvidia-.+|cuda-.+|(pytorch-)?triton(-.+)?|rocm-.+|.+-rocm\d*(-.+)?|.+-cu1\d|.+-cuda1\d.*"
)
_LOCAL = re.compile(r"cu\d+|rocm.*", re.IGNORECASE)
"""The local version of a wheel for an accelerator: ``2.9.1+cu128``."""
_RUNTIME = re.compile(r"nvidia-.+|rocm-.+|.+-rocm\d*")
"""What a torch without a local version needs if it is one for an accelerator."""
_TORCH = ("torch", "torchaudio", "torchvision")
_CPU_VARIANT = """\
[dependency-groups]
cpu = {names}
cu = {names}

[tool.uv]
conflicts = [[{{ group = "cpu" }}, {{ group = "cu" }}]]

[tool.uv.sources]
{sources}

[[tool.uv.index]]
name = "pytorch-cpu"
url = "https://download.pytorch.org/whl/cpu"
explicit = true
"""


class AcceleratorWheel(NamedTuple):
    """A wheel that is of use only with an accelerator."""

    name: str
    version: str
    size: int | None
    """Bytes, where the lock or the store knows."""


def find_accelerator_wheels(
    selection: Selection, den: Den | None = None
) -> tuple[AcceleratorWheel, ...]:
    """What ``selection`` has that is of use only with an accelerator, the largest first.

    That is what is named for CUDA or ROCm, what has such a local version, and PyTorch where the
    runtime of CUDA or ROCm comes with it. ``den`` tells the sizes that the lock does not know.
    """
    runtime = any(_RUNTIME.fullmatch(one.name) for one in selection.artifacts)
    found = (
        AcceleratorWheel(one.name, one.version or "", one.size or _measure(den, one))
        for one in selection.artifacts
        if _is_for_accelerator(one, runtime=runtime)
    )
    return tuple(sorted(found, key=lambda one: (-(one.size or 0), one.name)))


def _is_for_accelerator(artifact: Artifact, *, runtime: bool) -> bool:
    local = (artifact.version or "").partition("+")[2]
    if _LOCAL.fullmatch(local) or _NAME.fullmatch(artifact.name):
        return True
    return artifact.name in _TORCH and runtime and not local


def _measure(den: Den | None, artifact: Artifact) -> int | None:
    path = find_artifact(den, artifact) if den is not None else None
    return path.stat().st_size if path is not None else None


def has_gpu(dev: Path = Path("/dev"), proc: Path = Path("/proc")) -> bool:
    """Whether this machine has the driver of a GPU: of NVIDIA, of WSL (dxg) or of AMD (kfd)."""
    signs = (dev / "nvidiactl", proc / "driver" / "nvidia", dev / "dxg", dev / "kfd")
    return any(sign.exists() for sign in signs)


def render_cpu_variant(names: Iterable[str]) -> str:
    """What a pyproject.toml says to lock PyTorch for CPUs beside that for GPUs, as TOML.

    Two dependency groups that conflict: ``cpu`` takes PyTorch from the index of its CPU wheels,
    ``cu`` from where it came before. Empty where ``names`` have no PyTorch.
    """
    wanted = sorted(set(names).intersection(_TORCH))
    if not wanted:
        return ""
    sources = "\n".join(f'{name} = [{{ index = "pytorch-cpu", group = "cpu" }}]' for name in wanted)
    return _CPU_VARIANT.format(names=json.dumps(wanted), sources=sources)
