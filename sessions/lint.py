"""Lint: lock freshness, ruff, codespell, mypy, import-linter."""

from __future__ import annotations

import noxden

lint = noxden.lint()
