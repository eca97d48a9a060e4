"""Digests as people write and read them; making them is the client's."""

from __future__ import annotations

from pathlib import Path

from ftlite.cli.exits import CliError

ALGORITHMS = ("sha256", "sha512", "blake3", "crc32", "md5")


def hash_file(path: Path, algorithm: str) -> str:
    """The hex digest of a local file. Blocks; OSError when it cannot be opened, ClientError when it cannot be read."""
    from ftlite.client.digests import local_digest

    with path.open("rb") as stream:
        return local_digest(stream.fileno(), algorithm, str(path))


def parse_expected(text: str) -> tuple[str, str]:
    """``sha256:<hex>`` -> (algorithm, hex in lower case); CliError USAGE for anything else."""
    algorithm, _, digest = text.lower().partition(":")
    lengths = {"sha256": 64, "sha512": 128, "blake3": 64}
    if len(digest) != lengths.get(algorithm) or not all(char in "0123456789abcdef" for char in digest):
        raise CliError("USAGE", f"--expect {text}: write sha256: and 64 hex digits, as sha256sum prints them")
    return algorithm, digest


def checksum_line(digest: str, name: str) -> str:
    """The line that ``sha256sum`` prints for a file and reads with -c, without its end.

    A name with a backslash or a line end is escaped, and the line says so with a backslash of its own.
    """
    escaped = name.replace("\\", "\\\\").replace("\n", "\\n").replace("\r", "\\r")
    return f"{'' if escaped == name else chr(92)}{digest}  {escaped}"
