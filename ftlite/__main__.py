"""``python -m ftlite`` is ``ftlite``."""

from __future__ import annotations

import sys

from ftlite.cli import main

sys.exit(main())
