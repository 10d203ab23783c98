"""Device tests: this project's own unit tests, on simulated cards."""

from __future__ import annotations

import noxden

device = noxden.device()
