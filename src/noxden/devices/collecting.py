"""Collect tests once: in a process without a card, remembered by all that decides what it finds."""

from __future__ import annotations

import contextlib
import hashlib
import os
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import msgspec

from noxden.devices.values import Broken, Collection, Test
from noxden.errors import UsageError
from noxden.tools.process import run

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

__all__ = ["Collected", "Source", "collect_tests", "split_arguments"]

_FORMAT = 1
_INSIDE = Path(__file__).parent.parent / "inside"
_WITHOUT_CARDS = {
    "AIU_WORLD_SIZE": "1",
    "CI": "",
    "CUDA_VISIBLE_DEVICES": "",
    "FLEX_DEVICE": "MOCK",
}
"""So that an import at collection holds no card; Spyre's runtime then has one that is none."""
_DECIDING = (".py", ".toml", ".ini", ".cfg", ".json", ".yaml", ".yml", ".txt", ".csv")
"""Ends of the names of files that may change what is collected."""
_DECIDING_VARIABLES = ("PYTEST_", "PYTORCH_", "TORCH_", "PYTHONHASHSEED")
"""Beginnings of the names of variables that may, too."""
_SKIPPED = {"build", "dist", "node_modules", "site-packages", "venv"}
_TAKES_VALUE = (
    *("-k", "-m", "-p", "-o", "-c", "-W", "-r", "--tb", "--rootdir", "--color", "--ignore"),
    *("--ignore-glob", "--deselect", "--confcutdir", "--basetemp", "--junit-xml", "--log-file"),
    *(
        "--maxfail",
        "--durations",
        "--import-mode",
        "--log-level",
        "--log-cli-level",
        "--override-ini",
    ),
    *("--config-file", "--verbosity", "--capture", "--show-capture", "--pythonwarnings"),
)
"""Options of pytest whose next word is a value and no path."""
_WHOLE = ("--maxfail=0", "--continue-on-collection-errors")
"""Without them a ``-x`` in addopts ends the collection at the first broken file."""
_COLLECTED = (0, 1, 2, 5)
"""pytest's exit codes of a collection: good, with broken files (1 and 2), and without tests."""
_KEPT = 20
_FAILED_LINES = 15


class Source(NamedTuple):
    """What to collect and with what."""

    python: str
    """Python of the session's environment."""
    cwd: Path
    """Where pytest runs."""
    arguments: tuple[str, ...]
    """For pytest: options and what to collect."""
    env: Mapping[str, str]
    key: str
    """Environment key."""
    cache: Path | None
    """Folder for what is remembered; ``None`` remembers nothing."""


class Collected(msgspec.Struct, frozen=True, kw_only=True):
    """A collection, and what later runs of pytest need to see the same tests."""

    collection: Collection
    root: str
    """pytest's rootdir."""
    config: str
    """Its configuration file; empty where there is none."""
    digest: str
    """Of all that decided it."""


class _Raw(msgspec.Struct):
    """The file that the plugin writes."""

    root: str
    config: str
    tests: list[Test]
    paths: dict[str, str]
    broken: list[Broken]
    repeated: list[str]


def collect_tests(source: Source) -> Collected:
    """What pytest collects, from an earlier time where nothing has changed since.

    Raises:
        UsageError: pytest does not accept its arguments or configuration, or an installed
            part is missing; its output is in the message.
        InfrastructureError: Python cannot be started.
    """
    digest = _digest(source)
    file = source.cache / f"{digest}.json" if source.cache else None
    if file is not None and (found := _recall(file)) is not None:
        return found
    raw = _run(source)
    collected = Collected(
        collection=Collection(
            tests=tuple(raw.tests),
            paths=raw.paths,
            broken=tuple(raw.broken),
            repeated=tuple(raw.repeated),
        ),
        root=raw.root,
        config=raw.config,
        digest=digest,
    )
    # A broken file may be mended by something that is not looked at.
    if file is not None and not raw.broken:
        _remember(file, collected)
    return collected


def split_arguments(words: Sequence[str], cwd: Path) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Options, and what is to be collected, out of words for pytest.

    >>> split_arguments(["-k", "add", "tests", "-x"], Path("."))[0]
    ('-k', 'add', '-x')
    """
    options: list[str] = []
    named: list[str] = []
    rest = iter(words)
    for word in rest:
        if word in _TAKES_VALUE:
            options += [word, *([value] if (value := next(rest, None)) is not None else [])]
        elif word == "--pyargs" or _names_tests(word, cwd, installed="--pyargs" in named):
            named.append(word)
        else:
            options.append(word)
    return tuple(options), tuple(named)


def _names_tests(word: str, cwd: Path, *, installed: bool) -> bool:
    """Whether a word is what to collect; after ``--pyargs`` every name is, of a package."""
    if word.startswith("-"):
        return False
    return installed or "::" in word or (cwd / word).exists()


def _run(source: Source) -> _Raw:
    with tempfile.TemporaryDirectory(prefix="noxden-collect-") as folder:
        target = Path(folder, "collected.json")
        pythonpath = [str(_INSIDE), *filter(None, [source.env.get("PYTHONPATH")])]
        env = {
            **source.env,
            **_WITHOUT_CARDS,
            "PYTHONPATH": os.pathsep.join(pythonpath),
            "NOXDEN_ATTEMPT_COLLECT": str(target),
        }
        words = ("-m", "pytest", "-p", "noxden_device", "-p", "no:cacheprovider", "-q", *_WHOLE)
        done = run([source.python, *words, *source.arguments], env=env, cwd=source.cwd, expect=None)
        said = "\n".join((done.stdout + done.stderr).strip().splitlines()[-_FAILED_LINES:])
        if done.returncode not in _COLLECTED or not target.exists():
            message = (
                f"pytest cannot collect (code {done.returncode}): {said}; try it alone: "
                f"python -m pytest --collect-only {' '.join(source.arguments)}"
            )
            raise UsageError(message)
        return msgspec.json.decode(target.read_bytes(), type=_Raw)


def _digest(source: Source) -> str:
    """sha256 of all that decides what is collected.

    Installed packages are in the environment key; the checkout is taken by size and time of each
    file that may matter.
    """
    total = hashlib.sha256()
    plugin = (_INSIDE / "noxden_device.py").read_bytes()
    wanted = (_FORMAT, source.python, source.key, str(source.cwd), *source.arguments)
    for part in (*map(str, wanted), plugin.hex()):
        total.update(part.encode() + b"\0")
    for name in sorted(source.env):
        if name.startswith(_DECIDING_VARIABLES):
            total.update(f"{name}={source.env[name]}\0".encode("utf-8", "surrogateescape"))
    _, named = split_arguments(source.arguments, source.cwd)
    outside = [
        at for word in named if not (at := _locate(word, source.cwd)).is_relative_to(source.cwd)
    ]
    found = (entry for folder in (source.cwd, *outside) for entry in _list_deciding(folder))
    for path, size, changed in sorted(found):
        total.update(f"{path}\0{size}\0{changed}\0".encode("utf-8", "surrogateescape"))
    return total.hexdigest()


def _locate(word: str, cwd: Path) -> Path:
    """The folder or file of a word that says what to collect."""
    return Path(os.path.normpath(cwd / word.partition("::")[0]))


def _list_deciding(folder: Path) -> Iterator[tuple[str, int, int]]:
    for at, folders, names in os.walk(folder):
        folders[:] = [
            name for name in folders if not name.startswith((".", "__")) and name not in _SKIPPED
        ]
        for name in names:
            if name.endswith(_DECIDING):
                path = os.path.join(at, name)  # noqa: PTH118 - there are many
                with contextlib.suppress(OSError):
                    found = os.stat(path)  # noqa: PTH116
                    yield path, found.st_size, found.st_mtime_ns


def _recall(file: Path) -> Collected | None:
    try:
        found = msgspec.json.decode(file.read_bytes(), type=Collected)
        os.utime(file)
    except (OSError, msgspec.MsgspecError):
        return None
    # A path of an environment that was collected meanwhile is gone.
    paths = found.collection.paths.values()
    return found if all(os.path.exists(path) for path in paths) else None  # noqa: PTH110


def _remember(file: Path, collected: Collected) -> None:
    """Keep a collection; where that cannot be done, nothing is lost but time."""
    sibling = file.with_name(f".{file.name}.{os.getpid()}")
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        sibling.write_bytes(msgspec.json.encode(collected))
        sibling.replace(file)
        kept = sorted(file.parent.glob("*.json"), key=lambda path: path.stat().st_mtime)
        for old in kept[:-_KEPT]:
            old.unlink(missing_ok=True)
    except OSError:
        with contextlib.suppress(OSError):
            sibling.unlink(missing_ok=True)
