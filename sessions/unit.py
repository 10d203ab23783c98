"""Tests: all of them but those that need a browser or a card."""

from __future__ import annotations

import noxden

unit = noxden.unit()
