"""pytest plugin of noxden: registers the markers by which sessions share out the tests."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import pytest

MARKERS = {
    "e2e": "end to end: drives the product from the outside",
    "playwright": "needs a browser",
    "heavy": "needs the heavy dependency groups",
    "device": "needs an accelerator card",
}


def pytest_configure(config: pytest.Config) -> None:
    """Register the markers, so that --strict-markers accepts them."""
    for name, meaning in MARKERS.items():
        config.addinivalue_line("markers", f"{name}: {meaning}")
