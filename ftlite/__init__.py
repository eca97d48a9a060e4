"""ftlite: file transfer that is verified, atomic and resumable, and still speaks FTP to everyone."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from ftlite.client import connect as connect

__version__ = "0.1.0"
__all__ = ["__version__", "connect"]


def __getattr__(name: str) -> Any:
    """`connect` on first use (PEP 562), so that ``ftlite --help`` does not wait for trio."""
    if name == "connect":
        from ftlite.client import connect

        return connect
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
