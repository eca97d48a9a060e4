"""Intentions -> commands, outcomes. One function decides what success is."""

from __future__ import annotations

from ftlite.client.address import Address, Scheme, parse_address
from ftlite.client.client import Client
from ftlite.client.connecting import connect
from ftlite.client.errors import ClientError, Outcome, Unsupported
from ftlite.client.known import KnownServers
from ftlite.client.streams import Download, Upload
from ftlite.client.success import Verified
from ftlite.client.terms import Transferred
from ftlite.client.tree import TreeFile, TreeReport

__all__ = [
    "Address",
    "Client",
    "ClientError",
    "Download",
    "KnownServers",
    "Outcome",
    "Scheme",
    "Transferred",
    "TreeFile",
    "TreeReport",
    "Unsupported",
    "Upload",
    "Verified",
    "connect",
    "parse_address",
]
