"""The wheels of the heavy session: fetch, push, pull, export, verify, list, prune; publish."""

from __future__ import annotations

import noxden

wheelhouse = noxden.wheelhouse()
publish = noxden.publish()
