"""``python -m noxden``: the command, where no script of it is on PATH."""

from __future__ import annotations

import sys

from noxden.cli import main

sys.exit(main())
