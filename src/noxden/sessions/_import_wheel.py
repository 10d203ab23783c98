"""Import every top-level module of a wheel: ``python -I _import_wheel.py WHEEL``.

Run by the Python of a clean environment in which the wheel is installed, so it uses nothing
but the standard library.
"""

from __future__ import annotations

import importlib
import sys
import traceback
import zipfile

__all__ = ["collect_modules", "main"]

_DATA = (".data/purelib/", ".data/platlib/")


def collect_modules(names: list[str]) -> list[str]:
    """The modules at the top of a wheel that holds files of these ``names``.

    A folder without an ``__init__`` is a namespace: what counts is one level further down.
    """
    modules: set[str] = set()
    files = {_inside(name) for name in names}
    for name in files:
        *folders, last = name.split("/")
        stem, dot, _ = last.partition(".")
        if not dot or not last.endswith((".py", ".so", ".pyd")):
            continue
        parts = [*folders, *([stem] if stem != "__init__" else [])]
        if not parts or not all(part.isidentifier() for part in parts):
            continue
        modules.add(".".join(_top(parts, files)))
    return sorted(modules)


def _inside(name: str) -> str:
    """Where the file ``name`` of a wheel comes to lie in site-packages."""
    for data in _DATA:
        before, found, after = name.partition(data)
        if found and "/" not in before:
            return after
    return name


def _top(parts: list[str], files: set[str]) -> list[str]:
    for depth in range(1, len(parts)):
        folder = "/".join(parts[:depth])
        if any(file.startswith(f"{folder}/__init__.") for file in files):
            return parts[:depth]
    return parts


def main(wheel: str) -> int:
    """Import the modules of ``wheel``; 1 when one of them fails, or there is none."""
    with zipfile.ZipFile(wheel) as archive:
        modules = collect_modules(archive.namelist())
    failed = []
    for module in modules:
        try:
            importlib.import_module(module)
        except BaseException as error:  # noqa: BLE001 - a module that exits has failed too
            traceback.print_exc()
            failed.append(f"{module} ({type(error).__name__}: {error})")
    if failed or not modules:
        sys.stdout.write(f"cannot import {', '.join(failed)}\n" if failed else "no module in it\n")
        return 1
    sys.stdout.write(f"imported {', '.join(modules)}\n")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
