"""A static index over the files of an export: PEP 503 for any web server, PEP 691 beside it."""

from __future__ import annotations

import json
import zipfile
from email.parser import HeaderParser
from html import escape
from itertools import groupby
from operator import attrgetter
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from noxden.den.wheels.contents import Item

__all__ = ["render_pages"]

_META = {"api-version": "1.1"}


def render_pages(items: Iterable[Item]) -> dict[str, str]:
    """The pages of ``items``, whose files are two folders above those of their project."""
    by_name = attrgetter("name")
    projects = [(name, [*group]) for name, group in groupby(sorted(items), key=by_name)]
    pages: dict[str, str] = {}
    for name, group in projects:
        files = [_describe(item) for item in group]
        links = [_render_link(file) for file in files]
        pages[f"simple/{name}/index.html"] = _render_html(name, links)
        pages[f"simple/{name}/index.json"] = _render_json(name, group, files)
    names = [name for name, _ in projects]
    links = [f'<a href="{name}/">{name}</a>' for name in names]
    pages["simple/index.html"] = _render_html("simple", links)
    listed = {"meta": _META, "projects": [{"name": name} for name in names]}
    pages["simple/index.json"] = json.dumps(listed, indent=1) + "\n"
    return pages


def _describe(item: Item) -> dict[str, Any]:
    """A file as PEP 691 has it."""
    python = _read_requires_python(item)
    return {
        "filename": item.file,
        "url": f"../../{quote(item.file)}",
        "hashes": {"sha256": item.sha256},
        "size": item.size,
        **({"requires-python": python} if python else {}),
    }


def _render_link(file: dict[str, Any]) -> str:
    python = file.get("requires-python")
    fits = f' data-requires-python="{escape(python)}"' if python else ""
    url = f"{file['url']}#sha256={file['hashes']['sha256']}"
    return f'<a href="{url}"{fits}>{escape(file["filename"])}</a>'


def _render_html(title: str, links: Sequence[str]) -> str:
    body = "\n".join(f"{link}<br>" for link in links)
    return (
        "<!DOCTYPE html>\n<html>\n<head>\n"
        '<meta name="pypi:repository-version" content="1.1">\n'
        f"<title>{title}</title>\n</head>\n<body>\n{body}\n</body>\n</html>\n"
    )


def _render_json(name: str, items: Sequence[Item], files: Sequence[dict[str, Any]]) -> str:
    versions = sorted({item.version for item in items})
    page = {"meta": _META, "name": name, "versions": versions, "files": files}
    return json.dumps(page, indent=1) + "\n"


def _read_requires_python(item: Item) -> str:
    """What the metadata of a wheel says; empty where it says nothing, and of an sdist."""
    if not item.file.endswith(".whl"):
        return ""
    with zipfile.ZipFile(item.path) as wheel:
        names = (name for name in wheel.namelist() if name.endswith(".dist-info/METADATA"))
        name = next((name for name in names if name.count("/") == 1), None)
        if name is None:
            return ""
        return HeaderParser().parsestr(wheel.read(name).decode())["Requires-Python"] or ""
