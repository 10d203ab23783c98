"""What Hypothesis makes up: interpreters, packages as uv exports them, settings."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from hypothesis import strategies as st
from packaging.markers import default_environment

from noxden.lock.interpreter import Interpreter

if TYPE_CHECKING:
    from collections.abc import Mapping

TAGS = (
    "cp312-cp312-manylinux_2_17_x86_64",
    "cp312-abi3-manylinux_2_17_x86_64",
    "cp311-abi3-manylinux_2_17_x86_64",
    "py312-none-manylinux_2_17_x86_64",
    "py3-none-manylinux2014_x86_64",
    "py312-none-any",
    "py3-none-any",
)
"""What the interpreter of these tests can install, best first."""

FITTING = (*TAGS, "py2.py3-none-any", "py3-none-manylinux_2_17_x86_64.manylinux2014_x86_64")
FOREIGN = (
    "cp312-cp312-win_amd64",
    "cp312-cp312-macosx_11_0_arm64.macosx_12_0_universal2",
    "cp311-cp311-manylinux_2_17_x86_64",
    "cp313-cp313t-musllinux_1_2_aarch64",
    "py2-none-any",
)
FIELDS = {
    "implementation": "cpython",
    "version": "3.12.1",
    "build": "3.12.1 (main, May  9 2026) [GCC 12.2.0]",
    "executable": "/usr/bin/python3.12",
    "soabi": "cpython-312-x86_64-linux-gnu",
    "free-threaded": False,
    "debug": False,
    "platform": "linux-x86_64",
    "libc": "glibc 2.36",
}
TRUE_MARKERS = ("", "sys_platform == 'linux'", "python_full_version >= '3.12'")
FALSE_MARKERS = ("sys_platform == 'win32'", "python_full_version < '3.12'")


def interpreter(**fields: object) -> Interpreter:
    """A Python 3.12 on Linux; ``fields`` replace parts of its identity."""
    markers = {name: str(value) for name, value in default_environment().items()} | {
        "python_version": "3.12",
        "python_full_version": "3.12.1",
        "implementation_version": "3.12.1",
        "sys_platform": "linux",
        "platform_system": "Linux",
        "os_name": "posix",
    }
    identity: Mapping[str, str | bool] = {**FIELDS, **fields}  # type: ignore[dict-item]
    return Interpreter("/usr/bin/python3.12", identity, markers, TAGS, ())


def sha256(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()


@dataclass(frozen=True, kw_only=True)
class Row:
    """A package of an exported lock."""

    name: str
    version: str
    tags: tuple[str, ...]
    marker: str = ""
    sdist: bool = False
    content: str = ""
    """Stands for what is in its files: another text, other hashes."""
    host: str = "https://files.example.org/packages"
    size: int | None = 1000

    @property
    def is_selected(self) -> bool:
        return self.marker in TRUE_MARKERS

    def _file(self, name: str) -> str:
        size = f", size = {self.size}" if self.size is not None else ""
        digest = sha256(f"{name} {self.content}")
        return f'{{ url = "{self.host}/{name}"{size}, hashes = {{ sha256 = "{digest}" }} }}'

    @property
    def text(self) -> str:
        """Its entry as uv writes it."""
        snake = self.name.replace("-", "_")
        lines = ["[[packages]]", f'name = "{self.name}"', f'version = "{self.version}"']
        lines += [f'marker = "{self.marker}"'] * bool(self.marker)
        lines += ['index = "https://index.example/simple"']
        lines += [f"sdist = {self._file(f'{snake}-{self.version}.tar.gz')}"] * self.sdist
        if self.tags:
            wheels = [
                f"    {self._file(f'{snake}-{self.version}-{tag}.whl')}," for tag in self.tags
            ]
            lines += ["wheels = [", *wheels, "]"]
        return "\n".join(lines)

    def but(self, **changes: object) -> Row:
        return replace(self, **changes)  # type: ignore[arg-type]


def render(rows: list[Row], comment: str = "") -> str:
    """The pylock.toml with these packages."""
    head = f'# {comment}\nlock-version = "1.0"\ncreated-by = "uv"\nrequires-python = ">=3.11"\n'
    head += "packages = []\n" * (not rows)
    return head + "\n\n".join(["", *(row.text for row in rows)]) + "\n"


names = st.sampled_from(
    ["attrs", "numpy", "pywin32", "ruff", "torch", "typing-extensions", "zope-interface", "six"]
)
versions = st.sampled_from(["1.0", "2.4.6", "2026.1", "1!3.0.post1", "2.9.1+cpu", "4.0rc1"])


@st.composite
def rows(draw: st.DrawFn) -> list[Row]:
    """Packages of which every selected one can be installed on :func:`interpreter`."""
    made = []
    for name in draw(st.lists(names, unique=True, max_size=4)):
        marker = draw(st.sampled_from([*TRUE_MARKERS, *FALSE_MARKERS]))
        foreign = draw(st.lists(st.sampled_from(FOREIGN), unique=True, max_size=4))
        fitting = draw(st.lists(st.sampled_from(FITTING), unique=True, max_size=3))
        sdist = draw(st.booleans())
        # Only what markers leave out may be impossible to install here.
        if not (fitting or sdist) and (marker in TRUE_MARKERS or not foreign):
            fitting = ["py3-none-any"]
        made.append(
            Row(
                name=name,
                version=draw(versions),
                tags=tuple(draw(st.permutations([*foreign, *fitting]))),
                marker=marker,
                sdist=sdist,
            )
        )
    return made


json_values = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**53), 2**53) | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=12,
)
