"""``noxden config``."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import click

from noxden._switches import SWITCHES
from noxden.commands._options import as_json, examples
from noxden.render import print_json, print_table

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from noxden._config_table import Setting
    from noxden.cli import Caller


@click.command(epilog=examples("noxden config", "NOXDEN_UNIT_WORKERS=4 noxden config --json"))
@as_json
@click.pass_obj
def command(caller: Caller, *, json: bool) -> None:
    """Show every setting of noxden, its value and where that came from."""
    settings = [*map(_hide_secret, [*_collect_table(caller), *_collect_variables(caller.env)])]
    if json:
        print_json([setting._asdict() for setting in settings])
        return
    rows = [(setting.name, _render(setting.value), setting.source) for setting in settings]
    print_table(("setting", "value", "source"), rows)


def _collect_table(caller: Caller) -> list[Setting]:
    from noxden._config_table import collect_settings
    from noxden.config import collect_overrides, find_project

    file = find_project(caller.cwd) / "pyproject.toml"
    text = file.read_bytes() if file.is_file() else b""
    return collect_settings(text, file, collect_overrides(caller.env))


def _collect_variables(env: Mapping[str, str]) -> Iterator[Setting]:
    from noxden._config_table import Setting
    from noxden.den.layout import compute_den_directory

    directory = str(compute_den_directory(env))
    named = next((name for name in ("NOXDEN_DIR", "XDG_CACHE_HOME") if env.get(name)), None)
    yield Setting("NOXDEN_DIR", directory, _source(named))
    for name, default in SWITCHES.items():
        yield Setting(name, env.get(name, default), _source(name if name in env else None))


def _hide_secret(setting: Setting) -> Setting:
    """``setting`` without the password that it is, or that its URI holds."""
    if not isinstance(setting.value, str):
        return setting
    if setting.name.endswith("PASSWORD") and setting.value:
        return setting._replace(value="***")
    return setting._replace(value=re.sub(r"(?<=://)[^/@]*@", "***@", setting.value))


def _source(variable: str | None) -> str:
    return f"environment variable {variable}" if variable else "default"


def _render(value: object) -> str:
    if isinstance(value, tuple):
        return ", ".join(map(str, value)) or "-"
    return "-" if value in (None, "") else str(value)
