"""Which package of the checkout a built wheel stands in for."""

from __future__ import annotations

from typing import TYPE_CHECKING

from noxden.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

__all__ = ["check_wheel", "refuse_foreign"]


def check_wheel(wheel: Path, local: Sequence[str]) -> str:
    """The one of ``local``, the checkout's packages, that ``wheel`` is.

    Raises:
        UsageError: it is missing, is no wheel, or is of another project.
    """
    from zipfile import is_zipfile

    from packaging.utils import InvalidWheelFilename, canonicalize_name, parse_wheel_filename

    if not wheel.is_file():
        message = f"--installpkg: there is no {wheel}; build it with: nox -s packaging"
        raise UsageError(message)
    try:
        name = parse_wheel_filename(wheel.name)[0]
    except InvalidWheelFilename as error:
        message = f"--installpkg takes a wheel (*.whl), got {wheel}"
        raise UsageError(message) from error
    if not is_zipfile(wheel):
        message = f"--installpkg: {wheel} is not a ZIP file, as wheels are; build it again"
        raise UsageError(message)
    for package in local:
        if canonicalize_name(package) == name:
            return package
    mine = " and ".join(local) or "nothing that can be installed"
    message = f"--installpkg: {wheel.name} is a wheel of {name}, this checkout is {mine}"
    raise UsageError(message)


def refuse_foreign(noted: Path) -> None:
    """Fail if the tests imported modules of the wheel from elsewhere.

    ``noted`` is the file that :mod:`noxden.inside.noxden_inside` writes in that case.

    Raises:
        UsageError: they did; the first such module and how to keep it out.
    """
    if not noted.is_file():
        return
    name, _, origin = noted.read_text("utf-8").splitlines()[0].partition(" ")
    message = (
        f"the tests imported {name} from {origin}, not from the wheel; keep the checkout out of "
        f"sys.path by -- --import-mode=importlib, or -- -o pythonpath= where pytest is told to "
        f"look there"
    )
    raise UsageError(message)
