"""The server: sessions that turn commands into replies, and what they share."""

from __future__ import annotations

from ftlite.server.log import EventLog
from ftlite.server.server import Server

__all__ = ["EventLog", "Server"]
