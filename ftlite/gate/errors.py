"""Why nobody was let in. Storage's own errors (`ftlite.storage.errors`) say why a path was not granted."""

from __future__ import annotations


class LoginRefused(Exception):
    """Name or password is wrong; the words never say which."""

    def __init__(self) -> None:
        super().__init__("login incorrect")


class TooMany(Exception):
    """The login was not even looked at: too many failed from this address, or too many are waiting."""
