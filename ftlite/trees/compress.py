"""zstd around a stream, both ways bounded; imported where it is used, and absent where it is not installed."""

from __future__ import annotations

import importlib
import importlib.util
import sys
from collections.abc import Iterator
from typing import Any, Protocol

from ftlite.trees.errors import Kind, TreeError

_LEVEL = 3
_MOST_WINDOW_LOG = 23  # 8 MiB, which RFC 8878 s.3.1.1.1.2 wants every decoder to support
_PIECE = 1 << 18


class Compressor(Protocol):
    """Makes one frame."""

    def compress(self, data: bytes | memoryview, /) -> bytes: ...

    def flush(self) -> bytes: ...


def _module() -> str | None:
    if sys.version_info >= (3, 14) and importlib.util.find_spec("compression.zstd") is not None:
        return "compression.zstd"
    try:
        return "backports.zstd" if importlib.util.find_spec("backports.zstd") is not None else None
    except ModuleNotFoundError:
        return None


_ZSTD = _module()

#: What is here, as facts are named.
COMPRESSIONS: tuple[str, ...] = ("zstd",) if _ZSTD is not None else ()


def _zstd(name: str) -> Any:
    if name not in COMPRESSIONS or _ZSTD is None:
        raise KeyError(name)
    return importlib.import_module(_ZSTD)


def compressor(name: str) -> Compressor:
    """KeyError unless `name` is one of `COMPRESSIONS`."""
    made: Compressor = _zstd(name).ZstdCompressor(level=_LEVEL)
    return made


def decompressor(name: str) -> Decompressor:
    """KeyError unless `name` is one of `COMPRESSIONS`."""
    module = _zstd(name)
    options = {module.DecompressionParameter.window_log_max: _MOST_WINDOW_LOG}
    return Decompressor(module.ZstdDecompressor(options=options), module.ZstdError)


class Decompressor:
    """Reads one frame, in pieces of at most 256 KiB: the taker may say no before the rest of a bomb is made."""

    def __init__(self, machine: Any, error: type[Exception]) -> None:
        self._machine = machine
        self._error = error

    @property
    def ended(self) -> bool:
        """The frame is complete."""
        return bool(self._machine.eof)

    def feed(self, data: bytes | bytearray | memoryview) -> Iterator[bytes]:
        """What `data` unpacks to. Raises TreeError (MALFORMED)."""
        if self.ended and data:
            raise TreeError(Kind.MALFORMED, "", "octets after the end of the compressed frame")
        more: bytes | bytearray | memoryview = data
        while not self.ended and (more or not self._machine.needs_input):
            try:
                piece = self._machine.decompress(more, _PIECE)
            except (self._error, MemoryError) as error:
                raise TreeError(Kind.MALFORMED, "", f"the compression cannot be read: {error}") from error
            more = b""
            if piece:
                yield piece
        if self.ended and self._machine.unused_data:
            raise TreeError(Kind.MALFORMED, "", "octets after the end of the compressed frame")
