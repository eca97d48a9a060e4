"""The choice that servers and clients share, alone: a client has no use for the rest of a configuration."""

from __future__ import annotations

import enum


class TlsMode(enum.Enum):
    """Whether sessions must, may or cannot be encrypted."""

    OFF = "off"
    OPTIONAL = "optional"
    REQUIRED = "required"
