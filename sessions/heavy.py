"""Heavy tests: those that install the example project's real wheels."""

from __future__ import annotations

import noxden

heavy = noxden.heavy()
