"""Bytes from a source to a sink: the only code that touches payload."""

from __future__ import annotations

from ftlite.movers.cached import read_cached
from ftlite.movers.errors import DiskFault, Kind, MoverError
from ftlite.movers.flow import Flow
from ftlite.movers.hashed import receive_hashed, send_hashed
from ftlite.movers.memory import receive_bytes, receive_some, send_bytes
from ftlite.movers.pace import Pace
from ftlite.movers.receiving import receive_file, widen
from ftlite.movers.sending import send_file
from ftlite.movers.streams import receive_into, send_from
from ftlite.movers.trail import Trail

__all__ = [
    "DiskFault",
    "Flow",
    "Kind",
    "MoverError",
    "Pace",
    "Trail",
    "read_cached",
    "receive_bytes",
    "receive_file",
    "receive_hashed",
    "receive_into",
    "receive_some",
    "send_bytes",
    "send_file",
    "send_from",
    "send_hashed",
    "widen",
]
