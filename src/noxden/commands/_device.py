"""What the commands about device tests begin with: a device session and its environment."""

from __future__ import annotations

import contextlib
import os
from typing import TYPE_CHECKING

import click

from noxden.config import DeviceConfig
from noxden.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from noxden.cli import Caller
    from noxden.devices.staging import Setting

__all__ = ["open_setting"]


@contextlib.contextmanager
def open_setting(caller: Caller, session: str) -> Iterator[Setting]:
    """The device session ``session``, with its environment made and in use in the block.

    Raises:
        UsageError: there is no device session of that name.
        NoxdenError: its environment cannot be made.
    """
    from noxden.commands._options import choose
    from noxden.config import find_config, find_project
    from noxden.den.bases import site_packages
    from noxden.den.prepare import prepare
    from noxden.den.workplace import open_workplace
    from noxden.sessions.unit_facts import collect_distributions

    chosen = choose(caller, [session])[0]
    if not isinstance(chosen.settings, DeviceConfig):
        message = f"{session} is no device session; name the one that noxden.device() made"
        raise UsageError(message)
    from noxden.devices.jobs import plan_variables
    from noxden.devices.staging import Setting

    place = open_workplace(caller.cwd, caller.env, find_config(caller.cwd, caller.env).den)
    prepared = prepare(
        place, chosen.request, chosen.location, say=lambda line: click.echo(line, err=True)
    )
    at = prepared.environment
    scripts = chosen.location / "bin"
    env = {
        **caller.env,
        "PATH": os.pathsep.join([str(scripts), caller.env.get("PATH", "")]),
        "VIRTUAL_ENV": str(chosen.location),
    }
    try:
        yield Setting(
            config=chosen.settings,
            project=find_project(caller.cwd),
            python=str(scripts / "python"),
            key=prepared.resolution.key,
            env=plan_variables(env, chosen.settings),
            den=place.den,
            installed=collect_distributions(at.site, site_packages(at.base, at.label)),
        )
    finally:
        for descriptor in prepared.held:
            os.close(descriptor)
