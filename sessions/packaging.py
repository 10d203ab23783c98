"""Packaging: sdist, wheel from the sdist, and every check a release needs."""

from __future__ import annotations

import noxden

packaging = noxden.packaging()
