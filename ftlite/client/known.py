"""known_servers: what was seen of servers before, as ssh keeps known_hosts. All calls block.

One line a server: ``HOST:PORT WORD...``; a word is ``ca`` or ``sha256//BASE64`` (RFC 7469 s.2.4's hash of the public
key), ``native`` when the server spoke that dialect, and ``since=DATE`` (UTC), the day that the line was written; words
of later versions are kept as they are. Who was met in clear only has no line: nothing says that it was the same server.
"""

from __future__ import annotations

import time
from pathlib import Path

from attrs import frozen

from ftlite.client.errors import ClientError, Outcome, from_os_error
from ftlite.config.files import locked, write_whole

CA = "ca"
NATIVE = "native"
PIN = "sha256//"
_SINCE = "since="


def server_name(host: str, port: int) -> str:
    """How known_servers names a server: lower case, IPv6 in brackets."""
    host = host.lower().rstrip(".")
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"


@frozen
class Known:
    """One server that was met.

    Attributes:
        name: as `server_name` gives it.
        word: ``ca``, or its pin.
        native: it spoke the native dialect.
        since: the day that it was recorded, ``YYYY-MM-DD``; None in lines that do not say.
    """

    name: str
    word: str
    native: bool = False
    since: str | None = None


@frozen
class KnownServers:
    """The file of servers met before.

    Attributes:
        path: the file; made with mode 0600 when first needed.
        accept_new: record a server that no CA vouches for, when it was never met before.
    """

    path: Path
    accept_new: bool = False

    def servers(self) -> list[Known]:
        """Every server, in the order of the file. ClientError OTHER when it cannot be read."""
        return [known for line in self._read() if (known := _parsed(line)) is not None]

    def look_up(self, name: str) -> str | None:
        """``ca``, a pin, or None for a server never met. ClientError OTHER when the file cannot be read."""
        known = _find(self._read(), name)
        return known.word if known is not None else None

    def record(self, name: str, word: str) -> None:
        """Add a server. Recording what stands there already does nothing.

        Raises:
            ClientError: PIN when something else stands there (another process met the server at the same time).
        """
        try:
            with locked(self.path):
                lines = self._read()
                there = _find(lines, name)
                if there is None:
                    today = time.strftime("%Y-%m-%d", time.gmtime())
                    self._write([*lines, f"{name} {word} {_SINCE}{today}"])
                elif there.word != word:
                    raise self.changed(name, there.word, word)
        except OSError as error:
            raise from_os_error(str(self.path), error) from error

    def forget(self, name: str) -> int:
        """Remove the lines about a server: how many there were.

        Raises:
            ClientError: the file cannot be read or written.
        """
        try:
            with locked(self.path):
                lines = self._read()
                kept = [line for line in lines if not _is_about(_words(line), name)]
                if len(kept) < len(lines):
                    self._write(kept)
                return len(lines) - len(kept)
        except OSError as error:
            raise from_os_error(str(self.path), error) from error

    def was_native(self, name: str) -> bool:
        """Whether the server ever spoke the native dialect. ClientError OTHER when the file cannot be read."""
        return any(NATIVE in words for words in map(_words, self._read()) if _is_about(words, name))

    def record_native(self, name: str) -> None:
        """Note that a recorded server spoke the native dialect. One without a line gets none.

        Raises:
            ClientError: the file cannot be written.
        """
        if self.was_native(name) or self.look_up(name) is None:
            return
        try:
            with locked(self.path):
                lines = self._read()
                for number, line in enumerate(lines):
                    if _find([line], name) is not None and NATIVE not in _words(line):
                        lines[number] = f"{line.rstrip()} {NATIVE}"
                self._write(lines)
        except OSError as error:
            raise from_os_error(str(self.path), error) from error

    def changed(self, name: str, old: str, new: str) -> ClientError:
        """The refusal of a server that is not what it was; `new` is its key now."""
        there = _find(self._read(), name)
        since = f"since {there.since}, " if there is not None and there.since else ""
        was = "a certificate authority vouched for it" if old == CA else f"its key was {old}"
        return ClientError(
            Outcome.PIN,
            f"THE KEY OF {name} HAS CHANGED: {was} ({since}recorded in {self.path}), now it is {new}. Either its owner "
            "made a new key, or somebody stands in between and could read and change everything. Nothing was sent",
            remedy=f"ask the owner; if the new key is theirs, forget the old one: ftlite trust rm {name}",
        )

    def _read(self) -> list[str]:
        try:
            return self.path.read_text("utf-8", "surrogateescape").splitlines()
        except FileNotFoundError:
            return []
        except OSError as error:
            raise from_os_error(str(self.path), error) from error

    def _write(self, lines: list[str]) -> None:
        write_whole(self.path, "".join(f"{line}\n" for line in lines))


def _find(lines: list[str], name: str) -> Known | None:
    found = (known for line in lines if (known := _parsed(line)) is not None and known.name == name)
    return next(found, None)


def _parsed(line: str) -> Known | None:
    words = _words(line)
    for word in words[1:]:
        if word == CA or word.startswith(PIN):
            since = next((other.removeprefix(_SINCE) for other in words if other.startswith(_SINCE)), None)
            return Known(words[0].lower(), word, NATIVE in words, since)
    return None


def _words(line: str) -> list[str]:
    return [] if line.startswith("#") else line.split()


def _is_about(words: list[str], name: str) -> bool:
    return bool(words) and words[0].lower() == name
