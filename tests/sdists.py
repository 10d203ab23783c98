"""Packages without a wheel, and a build backend that is small enough to be read."""

from __future__ import annotations

import io
import tarfile
import textwrap
from typing import TYPE_CHECKING

from tests.sandbox import make_wheel, run

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

BACKEND = '''
"""Makes a wheel of pyproject.toml: [tool.tiny] name, version, requires, fail, calls-itself."""
import json
import os
import sys
import tomllib
import zipfile
from importlib.metadata import distributions

TABLE = tomllib.load(open("pyproject.toml", "rb"))["tool"]["tiny"]


def get_requires_for_build_wheel(config_settings=None):
    return TABLE.get("requires", [])


get_requires_for_build_editable = get_requires_for_build_wheel


def build_wheel(folder, config_settings=None, metadata_directory=None):
    if "fail" in TABLE:
        print("looking for a compiler")
        sys.exit(TABLE["fail"])
    facts = {
        "settings": config_settings or {},
        "tools": sorted(f"{found.name} {found.version}" for found in distributions()),
        "epoch": os.environ.get("SOURCE_DATE_EPOCH"),
        "flags": os.environ.get("CFLAGS"),
        "prefix": os.path.basename(sys.prefix),
    }
    return write(folder, f"FACTS = {json.dumps(facts)}".replace("null", "None"))


def build_editable(folder, config_settings=None, metadata_directory=None):
    return write(folder, "FACTS = 'editable'")


def write(folder, module):
    name, version = TABLE["name"], TABLE["version"]
    info, file = f"{name}-{version}.dist-info", f"{name}-{version}-py3-none-any.whl"
    members = {
        f"{name}.py": module,
        f"{info}/METADATA": f"Metadata-Version: 2.1\\nName: {name}\\nVersion: {version}\\n",
        f"{info}/WHEEL": "Wheel-Version: 1.0\\nRoot-Is-Purelib: true\\nTag: py3-none-any\\n",
    }
    record = "".join(f"{path},,\\n" for path in [*members, f"{info}/RECORD"])
    with zipfile.ZipFile(os.path.join(folder, file), "w") as wheel:
        for path, text in {**members, f"{info}/RECORD": record}.items():
            wheel.writestr(zipfile.ZipInfo(path, (2020, 1, 1, 0, 0, 0)), text)
    return file
'''


def make_backend(folder: Path, version: str = "1.0", requires: Sequence[str] = ()) -> Path:
    """A wheel of the backend ``tinybackend``."""
    return make_wheel(
        folder, "tinybackend", version, {"tinybackend.py": BACKEND}, requires=requires
    )


def make_sources(name: str, version: str = "1.0", **tiny: object) -> dict[str, str]:
    """The files of a project that ``tinybackend`` builds; ``tiny`` are more of its settings."""
    build = tiny.pop("build", '["tinybackend"]')
    more = "".join(f"{key} = {value!r}\n" for key, value in tiny.items())
    return {
        "pyproject.toml": textwrap.dedent(
            f"""\
            [project]
            name = "{name}"
            version = "{version}"

            [build-system]
            requires = {build}
            build-backend = "tinybackend"

            [tool.tiny]
            name = "{name}"
            version = "{version}"
            """
        )
        + more,
        "PKG-INFO": f"Metadata-Version: 2.2\nName: {name}\nVersion: {version}\n",
    }


def make_sdist(folder: Path, name: str, version: str = "1.0", **tiny: object) -> Path:
    """Write the sdist of a project as :func:`make_sources` makes them."""
    return write_tar(folder / f"{name}-{version}.tar.gz", make_sources(name, version, **tiny))


def write_tar(file: Path, members: Mapping[str, str], top: str = "") -> Path:
    """Write an archive of text files below ``top``, by default the name of the archive."""
    file.parent.mkdir(parents=True, exist_ok=True)
    folder = top or file.name.removesuffix(".tar.gz")
    with tarfile.open(file, "w:gz") as archive:
        for path, text in members.items():
            member = tarfile.TarInfo(f"{folder}/{path}")
            member.size = len(text.encode())
            archive.addfile(member, io.BytesIO(text.encode()))
    return file


def make_repository(
    folder: Path, files: Mapping[str, str], env: Mapping[str, str], under: str = ""
) -> str:
    """A git repository with one commit of ``files``, below ``under``; the id of the commit."""
    for path, text in files.items():
        file = folder / under / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text, "utf-8")
    who = ["-c", "user.name=A", "-c", "user.email=a@example.org"]
    for words in (["init", "--quiet"], ["add", "."], [*who, "commit", "--quiet", "-m", "one"]):
        run(["git", *words], cwd=folder, env=env)
    return run(["git", "rev-parse", "HEAD"], cwd=folder, env=env).stdout.strip()
