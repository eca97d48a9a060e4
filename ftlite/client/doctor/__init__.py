"""Looks at a connection step by step, and says of each what was found and what to do about it."""

from __future__ import annotations

from ftlite.client.doctor.examine import STEPS, examine
from ftlite.client.doctor.findings import Finding, Verdict

__all__ = ["STEPS", "Finding", "Verdict", "examine"]
