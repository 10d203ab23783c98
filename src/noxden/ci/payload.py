"""The JSON payload of an event: read with a bound, and asked key by key."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, NoReturn

from noxden.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["LIMIT", "PATH", "find", "read_inputs", "read_labels", "read_payload"]

LIMIT = 25 * 1024 * 1024
"""Bytes; GitHub sends no event that is larger."""

PATH = "GITHUB_EVENT_PATH"


def read_payload(env: Mapping[str, str]) -> dict[str, object]:
    """The payload in the file that ``GITHUB_EVENT_PATH`` names.

    Raises:
        UsageError: there is none, or it is not a JSON object of at most :data:`LIMIT` bytes.
    """
    named = env.get(PATH)
    if not named:
        message = f"{PATH} is not set, so nothing says what started this run; start it on CI"
        raise UsageError(message)
    try:
        payload: object = json.loads(_read_text(Path(named)))
    except (ValueError, RecursionError) as error:
        message = f"{PATH}: {named} is not JSON: {error}"
        raise UsageError(message) from error
    if not isinstance(payload, dict):
        message = f"{PATH}: {named} is to hold an object, got {_name_type(payload)}"
        raise UsageError(message)
    return payload


def _read_text(file: Path) -> bytes:
    try:
        if not file.is_file():
            message = f"{PATH}: {file} is not a file"
            raise UsageError(message)
        with file.open("rb") as stream:
            text = stream.read(LIMIT + 1)
    except OSError as error:
        message = f"{PATH}: {file} cannot be read: {error.strerror or error}"
        raise UsageError(message) from error
    if len(text) > LIMIT:
        message = f"{PATH}: {file} is larger than {LIMIT // 1024**2} MB, no event is"
        raise UsageError(message)
    return text


def find(payload: Mapping[str, object], path: str) -> object:
    """What is at ``path`` (``repository.default_branch``); ``None`` where nothing is."""
    value: object = payload
    for key in path.split("."):
        value = value.get(key) if isinstance(value, dict) else None
    return value


def read_labels(payload: Mapping[str, object], file: str) -> tuple[str, ...]:
    """The names of the labels of the pull request.

    Raises:
        UsageError: the payload has none, or not in the form of a list of named objects.
    """
    pull_request = find(payload, "pull_request")
    if not isinstance(pull_request, dict) or "labels" not in pull_request:
        _refuse(file, "pull_request.labels", "is not there")
    labels = pull_request["labels"]
    # Gitea and Forgejo write an empty list of Go, which is null.
    if not isinstance(labels or [], list):
        _refuse(file, "pull_request.labels", f"is to be a list, got {_name_type(labels)}")
    return tuple(_read_name(label, number, file) for number, label in enumerate(labels or ()))


def _read_name(label: object, number: int, file: str) -> str:
    name = label.get("name") if isinstance(label, dict) else None
    if not isinstance(name, str):
        where = f"pull_request.labels[{number}]"
        _refuse(file, where, f"is to be an object with a name, got {_name_type(label)}")
    return name


def read_inputs(payload: Mapping[str, object], file: str) -> dict[str, str]:
    """The inputs of a run that was started by hand; those without a value are left out.

    Raises:
        UsageError: they are not an object of texts.
    """
    inputs = find(payload, "inputs")
    if inputs is None:
        return {}
    if not isinstance(inputs, dict):
        _refuse(file, "inputs", f"is to be an object, got {_name_type(inputs)}")
    given = {str(name): value for name, value in inputs.items() if value is not None}
    return {name: _read_input(value, name, file) for name, value in given.items()}


def _read_input(value: object, name: str, file: str) -> str:
    if not isinstance(value, str | bool | int | float):
        _refuse(file, f"inputs.{name}", f"is to be text, got {_name_type(value)}")
    return str(value).lower() if isinstance(value, bool) else str(value)


def _refuse(file: str, where: str, problem: str) -> NoReturn:
    message = f"{PATH}: {file}: {where} {problem}"
    raise UsageError(message)


_TYPES = {dict: "an object", list: "a list", str: "text", bool: "true or false", type(None): "null"}


def _name_type(value: object) -> str:
    return _TYPES.get(type(value), "a number")
