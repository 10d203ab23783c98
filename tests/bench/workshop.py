"""Where everything happens: toolboxes, caches, den, templates, checkouts made and removed."""

from __future__ import annotations

import os
import shutil
import tempfile
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING

from .environ import clean_environment
from .process import Done, run, run_together
from .projects import add_dependency, prepare_heavyweight, prepare_tiny
from .toolboxes import Toolboxes

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from .peers import Peer
    from .toolboxes import Toolbox
    from .workload import Workload

__all__ = ["Workshop"]


@dataclass(frozen=True, kw_only=True)
class Workshop:
    """Folders below one root, all on one filesystem, so that uv links instead of copying."""

    root: Path
    given: Mapping[str, str]
    """The caller's environment variables."""
    runs: int
    heavy: bool
    """Whether the example project also carries torch."""

    @property
    def cache(self) -> Path:
        """The uv cache of all peers."""
        return self.root / "uv-cache"

    @property
    def den(self) -> Path:
        """noxden's den, with a uv cache of its own in ``uv/``."""
        return self.root / "den"

    @property
    def timeout(self) -> float:
        """Seconds a measured program may take; the first run of each also downloads."""
        return 3600.0 if self.heavy else 600.0

    @cached_property
    def toolboxes(self) -> Toolboxes:
        """Every tool, installed when it is first used."""
        return Toolboxes(self.root / "toolboxes", clean_environment(self.given, cache=self.cache))

    @property
    def uv(self) -> Toolbox:
        """The toolbox with uv alone, for preparations."""
        return self.toolboxes["uv"]

    @cached_property
    def heavyweight(self) -> Path:
        """Template of the example project."""
        folder = prepare_heavyweight(self.new_folder("templates"), self.uv)
        if self.heavy:
            add_dependency(folder, "torch", self.uv)
        return folder

    @cached_property
    def tiny(self) -> Path:
        """Template of a project that weighs nothing."""
        return prepare_tiny(self.new_folder("templates"), self.uv)

    def environment(self, peer: Peer) -> dict[str, str]:
        """Return the variables that a peer's command is run with."""
        return {**self.toolboxes[peer.toolbox].environment, "NOXDEN_DIR": str(self.den)}

    def command(self, peer: Peer, workload: Workload) -> tuple[str, ...]:
        """Return a peer's command with its program's absolute path."""
        program, *options = peer.build_command(workload)
        return (self.toolboxes[peer.toolbox].program(program), *options)

    def check_out(
        self, template: Path, peer: Peer, workload: Workload, *, parent: Path | None = None
    ) -> Path:
        """Return a new copy of a template, ready for a peer, under ``parent`` or the root."""
        folder = self.new_folder("checkouts", parent=parent).with_name(peer.slug)
        shutil.copytree(template, folder)
        for name, text in peer.render_files(workload).items():
            (folder / name).write_text(text, encoding="utf-8")
        # What was copied and removed until now is written out, so that nobody waits for it.
        os.sync()
        return folder

    @contextmanager
    def checked_out(
        self, template: Path, peer: Peer, workload: Workload, *, parent: Path | None = None
    ) -> Iterator[Path]:
        """Have a checkout for as long as the block lasts."""
        folder = self.check_out(template, peer, workload, parent=parent)
        try:
            yield folder
        finally:
            shutil.rmtree(folder.parent, ignore_errors=True)

    def run(
        self,
        peer: Peer,
        folder: Path,
        workload: Workload,
        variables: Mapping[str, str] = MappingProxyType({}),
    ) -> Done:
        """Run a peer's command in a checkout, with ``variables`` beside its own; measure it."""
        return run(
            self.command(peer, workload),
            cwd=folder,
            env={**self.environment(peer), **variables},
            timeout=self.timeout,
        )

    def run_together(self, peer: Peer, folders: Sequence[Path], workload: Workload) -> Done:
        """Run a peer's command in several checkouts at once."""
        command, environment = self.command(peer, workload), self.environment(peer)
        return run_together(command, folders=folders, env=environment, timeout=self.timeout)

    def forget_environments(self) -> None:
        """Empty the den but for uv's cache: every key is cold, nothing has to be downloaded."""
        for folder in self.den.glob("*/"):
            if folder.name == "uv":
                continue
            for entry in folder.iterdir():
                if entry.is_dir() and not entry.is_symlink():
                    shutil.rmtree(entry)
                else:
                    entry.unlink()

    def empty_den(self) -> None:
        """Remove the den with all that was downloaded into it."""
        shutil.rmtree(self.den, ignore_errors=True)
        os.sync()

    def new_folder(self, kind: str, *, parent: Path | None = None) -> Path:
        """Return a path below a new folder; nothing is there yet."""
        above = (parent or self.root) / kind
        above.mkdir(parents=True, exist_ok=True)
        return Path(tempfile.mkdtemp(prefix="", dir=above)) / "project"

    def tidy(self) -> None:
        """Remove what only this run could use; toolboxes, cache and den stay."""
        for kind in ("templates", "checkouts"):
            shutil.rmtree(self.root / kind, ignore_errors=True)
