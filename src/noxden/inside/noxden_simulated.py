"""Acts out the faults of simulated cards inside pytest.

pytest loads it by PYTEST_PLUGINS from a folder on PYTHONPATH, and only where a card has faults; it
imports the standard library and pytest only. The words are told in the provider ``simulated``.
"""

from __future__ import annotations

import json
import os
import signal
import time
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from collections.abc import Generator

SIMULATED = "NOXDEN_ATTEMPT_SIMULATED"
"""Variable: a JSON list of cards with ``state``, a file, and ``faults``, words and numbers."""

_RAS = '{"name":"RAS::SIM::HardwareError","code":"0x7b1b","card":"%s"}'


class Faults:
    """The faults of one card."""

    def __init__(self, state: Path, faults: list[tuple[str, float]], stderr: int) -> None:
        self._state = state
        self._at = {(word, int(number)) for word, number in faults if word not in {"slow", "busy"}}
        self._factor = max((number for word, number in faults if word == "slow"), default=1.0)
        self._is_busy = any(word == "busy" for word, _ in faults)
        self._stderr = stderr
        self._count = 0

    def _mark_use(self) -> None:
        """Keep the time of the last use, often enough that it is known after a kill."""
        if self._is_busy:
            self._state.parent.mkdir(parents=True, exist_ok=True)
            self._state.touch()

    def pytest_sessionstart(self) -> None:
        """The card is in use."""
        self._mark_use()

    def pytest_unconfigure(self) -> None:
        """The card is in use no longer."""
        self._mark_use()

    @pytest.hookimpl(tryfirst=True)
    def pytest_runtest_setup(self) -> None:
        """Break where the time has come; it is known by now which test runs."""
        self._count += 1
        self._mark_use()
        if ("lost", self._count) in self._at:
            self._state.parent.mkdir(parents=True, exist_ok=True)
            self._state.write_text("lost", "utf-8")
            os.kill(os.getpid(), signal.SIGKILL)
        if ("crash", self._count) in self._at:
            _crash()
        while ("hang", self._count) in self._at:
            time.sleep(3600)
        if ("infra", self._count) in self._at:
            # As a runtime that writes to the descriptor itself, past what pytest captures.
            os.write(self._stderr, f"\n{_RAS % self._state.name}\n".encode())
            pytest.fail("the simulated card has a hardware error", pytrace=False)

    @pytest.hookimpl(wrapper=True, tryfirst=True)
    def pytest_runtest_call(self) -> Generator[None, None, None]:
        """Let the test take longer."""
        began = time.perf_counter()
        try:
            return (yield)
        finally:
            time.sleep((self._factor - 1) * (time.perf_counter() - began))


def _crash() -> None:
    """Die as after a wrong access, without leaving a file of the memory."""
    import resource

    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    os.kill(os.getpid(), signal.SIGSEGV)


def pytest_configure(config: pytest.Config) -> None:
    """Take the faults of each card."""
    # Nothing is captured yet.
    stderr = os.dup(2)
    config.add_cleanup(lambda: os.close(stderr))
    for card in json.loads(os.environ.get(SIMULATED, "[]")):
        state = Path(card["state"])
        config.pluginmanager.register(Faults(state, card["faults"], stderr), f"simulated {state}")
