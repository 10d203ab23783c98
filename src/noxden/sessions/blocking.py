"""Sessions that do not block: work that failed is a warning, everything else fails as ever.

CI systems differ in what ``continue-on-error`` of a job means for those after it, so it is nox's
exit code that says whether a session blocks.
"""

from __future__ import annotations

import contextlib
import os
from pathlib import Path
from typing import TYPE_CHECKING

from nox.command import CommandFailed
from nox.logger import logger
from nox.sessions import _SessionQuit

from noxden.errors import WorkError
from noxden.sessions.backend import InstallFailed

if TYPE_CHECKING:
    from collections.abc import Iterator

    import nox

__all__ = ["tolerate_failed_work"]


@contextlib.contextmanager
def tolerate_failed_work(session: nox.Session) -> Iterator[None]:
    """Let ``session`` end well for nox where only its work fails in the block.

    The work of a function of the noxfile is its commands and what it says by ``session.error``;
    what cannot be installed, and an error in the noxfile itself, are no work.
    """
    try:
        yield
    except InstallFailed:
        raise
    except WorkError as error:
        _warn(session, str(error))
    except CommandFailed as failed:
        _warn(session, f"a command failed: {failed.reason}")
    except _SessionQuit as ended:
        _warn(session, str(ended))


def _warn(session: nox.Session, why: str) -> None:
    from noxden.sessions.ci_output import open_voice

    said = f"{session.name} failed with exit code 1; it does not block here (NOXDEN_BLOCKING=0)"
    if why:
        logger.error(why)
    logger.warning(said)
    open_voice(os.environ, Path.cwd()).warn(session.name, said)
