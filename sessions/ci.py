"""The jobs of a run on CI, as data: `nox -s plan -- --help`."""

from __future__ import annotations

import noxden

plan = noxden.plan()
