"""Bytes from a source to a sink: the only code that touches payload."""

from __future__ import annotations

from ftlite.movers.cached import read_cached
from ftlite.movers.errors import DiskFault, Kind, MoverError
from ftlite.movers.flow import Flow
from ftlite.movers.memory import receive_bytes, receive_some, send_bytes
from ftlite.movers.pace import Pace
from ftlite.movers.receiving import receive_file
from ftlite.movers.sending import send_file

__all__ = [
    "DiskFault",
    "Flow",
    "Kind",
    "MoverError",
    "Pace",
    "read_cached",
    "receive_bytes",
    "receive_file",
    "receive_some",
    "send_bytes",
    "send_file",
]
