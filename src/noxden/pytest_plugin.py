"""pytest plugin of noxden: registers the markers by which sessions share out the tests.

It is there where noxden is in the environment of the tests. A unit session registers the same
markers in every environment, see :mod:`noxden.inside.noxden_inside`.
"""

from __future__ import annotations

from noxden.inside.noxden_inside import MARKERS, pytest_configure

__all__ = ["MARKERS", "pytest_configure"]
