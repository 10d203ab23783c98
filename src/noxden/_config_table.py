"""Check a ``[tool.noxden]`` table and turn it into values; remember the outcome.

Imported only when a table or an override has not been seen before: msgspec costs as much as
everything else a warm session does.
"""

from __future__ import annotations

import difflib
import re
import tomllib
from typing import TYPE_CHECKING, Any, NamedTuple, get_type_hints

from noxden._frequency import is_cron, parse_frequency
from noxden._rule import make_rule
from noxden.config import MAPS, NESTED, PROVIDERS, TABLES, Config, DeviceConfig
from noxden.den.layout import find_memo
from noxden.den.limits import parse_age, parse_size
from noxden.den.memo import compute_digest, recall, remember
from noxden.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path

    from noxden.config import CiConfig, HeavyConfig

__all__ = ["Setting", "collect_settings", "load", "load_remembered"]

_MEMO_FORMAT = 5
_PREFIX = "tool.noxden"
_LEAST: Mapping[str, float] = {
    "cards": 0,
    "retries": 0,
    "card_faults": 1,
    "timeout": 0.1,
    "stall": 0.1,
    "lease": 0,
}
"""The least that numbers of ``[tool.noxden.device]`` may be."""
_SECRET = re.compile(r"[A-Z_][A-Z0-9_]*")
_TLS_FILES = 3
"""Authority, certificate, key."""


class Setting(NamedTuple):
    """One value of the configuration and where it came from."""

    name: str
    """Key path below ``tool.noxden``: ``unit.workers``."""
    value: object
    source: str
    """``default``, ``pyproject.toml`` or ``environment variable NOXDEN_UNIT_WORKERS``."""


def load_remembered(
    text: bytes, file: Path, overrides: Mapping[str, str], env: Mapping[str, str]
) -> Config:
    """As :func:`load`, remembered by the hash of what is checked, in a den that is ours."""
    folder = find_memo(env)
    if folder is None:
        return load(text, file, overrides)
    kinds = (*TABLES.values(), *NESTED.values())
    fields = [Config(), Config._fields, *(table._fields for table in kinds)]
    digest = compute_digest(_MEMO_FORMAT, text.hex(), overrides, fields)
    found = recall(folder, "config", digest)
    if found is not None:
        return _from_json(found)
    config = load(text, file, overrides)
    if folder.is_dir():
        remember(folder, "config", digest, config)
    return config


def load(text: bytes, file: Path, overrides: Mapping[str, str]) -> Config:
    """The configuration in ``text``, the content of ``file``, with ``NOXDEN_*`` overrides.

    The names in ``overrides`` are known, see :func:`noxden.config.check_variables`.

    Raises:
        UsageError: it is not TOML, or a key or a value is not known.
    """
    table = _read_table(text, file)
    _refuse_unknown(table, Config._fields, _PREFIX, file)
    values: dict[str, Any] = {}
    for name, kind in TABLES.items():
        rows = table.get(name, {})
        hints = get_type_hints(kind)
        checked = _read_rows(rows, kind, f"{_PREFIX}.{name}", file)
        own = _overrides_of(name, kind, overrides)
        variable = f"environment variable NOXDEN_{name.upper()}_{{variable}}"
        checked |= _convert(own, hints, variable, strict=False)
        values[name] = kind(**checked)
    _check_rule(values["heavy"], file, overrides)
    _check_device(values["device"], file)
    _check_ci(values["ci"], file)
    _check_values(values, file, overrides)
    return Config(**values, sessions=_read_sessions(table, file, overrides))


def _read_rows(rows: object, kind: type, path: str, file: Path) -> dict[str, Any]:
    """The fields of ``kind`` that the table at ``path`` sets, tables inside of it read too.

    Raises:
        UsageError: it is not a table, or a key or a value of it is not known.
    """
    if not isinstance(rows, dict):
        message = f"{file}: {path} is to be a table, got {rows!r}"
        raise UsageError(message)
    _refuse_unknown(rows, kind._fields, path, file)  # type: ignore[attr-defined]
    given = {key.replace("-", "_"): value for key, value in rows.items()}
    inner = {name: given.pop(name) for name in tuple(given) if name in NESTED}
    labels = given.get("runners")
    if isinstance(labels, dict):
        # One label is mostly all that there is to say.
        given["runners"] = {
            name: [label] if isinstance(label, str) else label for name, label in labels.items()
        }
    values = _convert(given, get_type_hints(kind), f"{file}: {path}.{{key}}", strict=True)
    return values | {
        name: _read_inner(value, NESTED[name], f"{path}.{name}", file)
        for name, value in inner.items()
    }


def _read_inner(value: object, kind: type, path: str, file: Path) -> object:
    """A table, or each of an array of tables, as ``kind``.

    Raises:
        UsageError: as :func:`_read_rows`, or a field that has no default is missing.
    """
    if isinstance(value, list):
        return tuple(_read_inner(one, kind, f"{path}[{at}]", file) for at, one in enumerate(value))
    rows = _read_rows(value, kind, path, file)
    try:
        return kind(**rows)
    except TypeError as error:
        missing = [name for name in kind._fields if name not in {*rows, *kind._field_defaults}]  # type: ignore[attr-defined]
        message = f"{file}: {path} needs {', '.join(missing)}"
        raise UsageError(message) from error


def _check_rule(heavy: HeavyConfig, file: Path, overrides: Mapping[str, str]) -> None:
    """Refuse words about the gate that are not known or contradict each other.

    Raises:
        UsageError: with the place of the words.
    """
    variable = "NOXDEN_HEAVY_EVENTS"
    place = f"{file}: {_PREFIX}.heavy.events"
    place = f"environment variable {variable}" if variable in overrides else place
    make_rule(heavy.events, heavy.label, heavy.input, place)


def _check_device(device: DeviceConfig, file: Path) -> None:
    """Refuse stages that cannot be, and a cluster of a kind that is not known.

    Raises:
        UsageError: with the place of the value, and what it may be.
    """
    place = f"{file}: {_PREFIX}.device"
    numbers = [stage.number for stage in device.stage]
    for at, stage in enumerate(device.stage):
        said = ""
        if not 0 < stage.coverage <= 1:
            said = f"coverage is a share, more than 0 and at most 1, got {stage.coverage}"
        elif stage.cards < 1 or stage.number < 0:
            said = "number is 0 or more, and cards 1 or more"
        elif numbers.count(stage.number) > 1:
            said = f"there are several stages {stage.number}; give each a number of its own"
        else:
            said = _find_wrong(parse_frequency, stage.frequency)
        if said:
            message = f"{place}.stage[{at}]: {said}"
            raise UsageError(message)
    _check_numbers(device, place)
    for pair in device.env:
        if "=" not in pair:
            message = f"{place}.env takes NAME=value, got {pair!r}"
            raise UsageError(message)
    cluster = device.cluster
    if cluster.tls and len(cluster.tls) != _TLS_FILES:
        message = f"{place}.cluster.tls takes three files: authority, certificate, key"
        raise UsageError(message)
    try:
        _one_of("", "slurm", "lsf")(cluster.kind)
    except UsageError as error:
        message = f"{place}.cluster.kind: {error}"
        raise UsageError(message) from error


def _find_wrong(check: Callable[[str], object], value: str) -> str:
    """What ``check`` says against ``value``; empty where it takes it."""
    try:
        check(value)
    except UsageError as error:
        return str(error)
    return ""


def _check_ci(ci: CiConfig, file: Path) -> None:
    """Refuse a provider that is not known, a schedule that is none, and numbers below 1.

    Raises:
        UsageError: with the place of the value, and what it may be.
    """
    known = _one_of(*PROVIDERS)
    said = {f"providers[{at}]": _find_wrong(known, one) for at, one in enumerate(ci.providers)}
    for at, name in enumerate(ci.secrets):
        if not _SECRET.fullmatch(name):
            said[f"secrets[{at}]"] = f"it is the name of a variable, got {name!r}"
    if not is_cron(ci.nightly):
        said["nightly"] = f"it is a cron schedule of five fields, got {ci.nightly!r}"
    for name, minutes in {"timeout": ci.timeout, **ci.timeouts}.items():
        if minutes < 1:
            path = name if name == "timeout" else f"timeouts.{name}"
            said[path] = f"it is a number of minutes from 1 on, got {minutes}"
    for path, problem in said.items():
        if problem:
            message = f"{file}: {_PREFIX}.ci.{path}: {problem}"
            raise UsageError(message)


def _check_numbers(device: DeviceConfig, place: str) -> None:
    """Refuse numbers with which no test could come to its end.

    Raises:
        UsageError: with the place of the number, and the least that it may be.
    """
    for name, least in _LEAST.items():
        if (value := getattr(device, name)) < least:
            said = f"{place}.{name.replace('_', '-')} (or NOXDEN_DEVICE_{name.upper()})"
            message = f"{said} is a number from {least:g} on, got {value:g}"
            raise UsageError(message)


def _check_values(values: Mapping[str, Any], file: Path, overrides: Mapping[str, str]) -> None:
    """Refuse values that are of the right type and say nothing.

    Raises:
        UsageError: with the place of the value, and what it may be.
    """
    for path, check in _CHECKS.items():
        table, _, key = path.partition(".")
        variable = f"NOXDEN_{table}_{key}".upper()
        name = f"{_PREFIX}.{table}.{key.replace('_', '-')}"
        place = f"environment variable {variable}" if variable in overrides else f"{file}: {name}"
        try:
            check(getattr(values[table], key))
        except UsageError as error:
            message = f"{place}: {error}"
            raise UsageError(message) from error


def _one_of(*known: str) -> Callable[[str], None]:
    """A check for a value that is one of a few words."""

    def check(value: str) -> None:
        if value not in known:
            near = difflib.get_close_matches(value, known, n=1)
            advice = f"did you mean {near[0]}?" if near else f"known: {', '.join(known)}"
            message = f"it cannot be {value!r}; {advice}"
            raise UsageError(message)

    return check


_CHECKS: Mapping[str, Callable[[str], object]] = {
    "lint.spelling": _one_of("codespell", "typos", "none"),
    "den.max_size": parse_size,
    "den.max_age": parse_age,
    "den.trust": _one_of("locked", "built"),
    "ci.cache_min_size": parse_size,
    "device.provider": _one_of("auto", "spyre", "cuda", "env", "simulated"),
    "device.engine": _one_of("local", "dask"),
}


def _read_sessions(
    table: Mapping[str, Any], file: Path, overrides: Mapping[str, str]
) -> tuple[str, ...]:
    place, given = f"{file}: {_PREFIX}.sessions", table.get("sessions", Config().sessions)
    if "NOXDEN_SESSIONS" in overrides:
        place = "environment variable NOXDEN_SESSIONS"
        given = _split(overrides["NOXDEN_SESSIONS"])
    sessions = _convert({"sessions": given}, {"sessions": tuple[str, ...]}, place, strict=True)
    _refuse_sessions(sessions["sessions"], place)
    return tuple(sessions["sessions"])


def collect_settings(text: bytes, file: Path, overrides: Mapping[str, str]) -> list[Setting]:
    """Every value in effect, with its source, in a fixed order.

    Raises:
        UsageError: as :func:`load`.
    """
    config, table = load(text, file, overrides), _read_table(text, file)

    def source(name: str, variable: str, rows: Mapping[str, object]) -> str:
        if variable in overrides:
            return f"environment variable {variable}"
        return file.name if name.replace("_", "-") in rows or name in rows else "default"

    settings = [Setting("sessions", config.sessions, source("sessions", "NOXDEN_SESSIONS", table))]
    for name, kind in TABLES.items():
        for field in kind._fields:
            variable = f"NOXDEN_{name}_{field}".upper()
            value = getattr(getattr(config, name), field)
            path = f"{name}.{field.replace('_', '-')}"
            found = Setting(path, value, source(field, variable, table.get(name, {})))
            settings += _flatten(found, table.get(name, {}).get(field, {}), file)
    return settings


def _flatten(setting: Setting, rows: object, file: Path) -> list[Setting]:
    """A setting; of one that is a table, every value of it."""
    field = setting.name.rpartition(".")[2]
    if field == "stage":
        stages: Any = setting.value
        return [setting._replace(value=tuple(stage._asdict() for stage in stages))]
    if field not in NESTED:
        return [setting]
    inner: Any = setting.value
    given = rows if isinstance(rows, dict) else {}
    keys = {name: name.replace("_", "-") for name in inner._fields}
    return [
        Setting(
            f"{setting.name}.{key}",
            getattr(inner, name),
            file.name if key in given or name in given else "default",
        )
        for name, key in keys.items()
    ]


def _read_table(text: bytes, file: Path) -> dict[str, Any]:
    try:
        tool: object = tomllib.loads(text.decode()).get("tool", {})
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        message = f"{file} is not TOML: {error}"
        raise UsageError(message) from error
    table = tool.get("noxden", {}) if isinstance(tool, dict) else tool
    if not isinstance(table, dict):
        path = _PREFIX if isinstance(tool, dict) else "tool"
        message = f"{file}: {path} is to be a table, got {table!r}"
        raise UsageError(message)
    return table


def _refuse_unknown(
    rows: Mapping[str, object], fields: tuple[str, ...], path: str, file: Path
) -> None:
    known = [field.replace("_", "-") for field in fields]
    for key in rows:
        if key not in known:
            near = difflib.get_close_matches(key.replace("_", "-"), known, n=1, cutoff=0.4)
            advice = f"did you mean {near[0]}?" if near else f"known keys: {', '.join(known)}"
            message = f"{file}: unknown key {path}.{key}; {advice}"
            raise UsageError(message)


def _refuse_sessions(sessions: tuple[str, ...], place: str) -> None:
    known = Config().sessions
    for session in sessions:
        if session not in known:
            message = f"{place} names {session!r}; known: {', '.join(known)}"
            raise UsageError(message)


def _overrides_of(name: str, kind: type, overrides: Mapping[str, str]) -> dict[str, Any]:
    prefix = f"NOXDEN_{name}_".upper()
    fields = [field for field in kind._fields if field not in MAPS and field not in NESTED]  # type: ignore[attr-defined]
    known = {f"{prefix}{field.upper()}": field for field in fields}
    hints = get_type_hints(kind)
    return {
        field: _split(overrides[variable])
        if hints[field] == tuple[str, ...]
        else overrides[variable]
        for variable, field in known.items()
        if variable in overrides
    }


def _split(value: str) -> list[str]:
    return [part.strip() for part in value.split(",") if part.strip()]


def _convert(
    given: Mapping[str, object], hints: Mapping[str, Any], place: str, *, strict: bool
) -> dict[str, Any]:
    """``given`` with every value as its type says; ``place`` says where ``{key}`` is.

    Raises:
        UsageError: a value is of another type.
    """
    import msgspec

    values: dict[str, Any] = {}
    for name, value in given.items():
        try:
            values[name] = msgspec.convert(value, hints[name], strict=strict)
        except msgspec.ValidationError as error:
            key, variable = name.replace("_", "-"), name.upper()
            message = f"{place.format(key=key, variable=variable)}: {error}"
            raise UsageError(message) from error
    return values


def _from_json(found: list[Any]) -> Config:
    """The configuration from its JSON form: the values in the order of the fields."""
    sessions, *tables = found
    values: dict[str, Any] = {
        name: _rebuild(row, kind) for (name, kind), row in zip(TABLES.items(), tables, strict=True)
    }
    return Config(tuple(sessions), **values)


def _rebuild(row: list[Any], kind: type) -> object:
    """A table from its JSON form."""
    fields: dict[str, Any] = dict(zip(kind._fields, row, strict=True))  # type: ignore[attr-defined]
    for name, value in fields.items():
        if name in MAPS:
            fields[name] = {
                key: tuple(one) if isinstance(one, list) else one for key, one in value.items()
            }
        if not isinstance(value, list):
            continue
        if name not in NESTED:
            fields[name] = tuple(value)
        elif name == "stage":
            fields[name] = tuple(_rebuild(one, NESTED[name]) for one in value)
        else:
            fields[name] = _rebuild(value, NESTED[name])
    return kind(**fields)
