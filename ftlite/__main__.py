"""``python -m ftlite`` is ``ftlite``."""

from __future__ import annotations

from ftlite.cli import entry

entry()
