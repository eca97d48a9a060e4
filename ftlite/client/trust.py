"""Whose certificate is good enough: a pin, a CA, or what was seen before (as ssh keeps known_hosts).

The order of authority for one server: a pin given by name, then a CA file given by name, then what known_servers
recorded, then the system's CAs. A server once verified by a CA must verify by a CA again; a recorded pin must match;
`accept_new` adds what is new and never changes what is there. All calls that touch the file block.

One line a server: ``HOST:PORT WORD...``; a word is ``ca`` or ``sha256//BASE64`` (RFC 7469 s.2.4's hash of the public
key), and ``native`` behind it when the server spoke that dialect; words of later versions are kept as they are. Who was
met in clear only has no line: nothing says that it was the same server.
"""

from __future__ import annotations

import base64
import binascii
import fcntl
import os
import ssl
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from attrs import frozen

from ftlite.client.errors import ClientError, Outcome, from_os_error

CA = "ca"
NATIVE = "native"
_PIN = "sha256//"


def parse_pin(text: str) -> str:
    """A pin in its one form, ``sha256//`` and 44 characters of base64; ClientError USAGE for anything else."""
    if text.startswith(_PIN):
        try:
            if len(base64.b64decode(text[len(_PIN) :], validate=True)) == 32:
                return text
        except (binascii.Error, ValueError):
            pass
    raise ClientError(Outcome.USAGE, f"{text!r} is no pin", remedy="a pin is sha256// and 44 characters of base64")


def server_name(host: str, port: int) -> str:
    """How known_servers names a server: lower case, IPv6 in brackets."""
    host = host.lower().rstrip(".")
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"


@frozen
class KnownServers:
    """The file of servers met before.

    Attributes:
        path: the file; made with mode 0600 when first needed.
        accept_new: record a server that no CA vouches for, when it was never met before.
    """

    path: Path
    accept_new: bool = False

    def look_up(self, name: str) -> str | None:
        """``ca``, a pin, or None for a server never met. ClientError OTHER when the file cannot be read."""
        return self._find(self._read(), name)

    def record(self, name: str, word: str) -> None:
        """Add a server. Recording what stands there already does nothing.

        Raises:
            ClientError: PIN when something else stands there (another process met the server at the same time).
        """
        try:
            self.path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            with self._locked():
                lines = self._read()
                there = self._find(lines, name)
                if there is None:
                    self._write([*lines, f"{name} {word}"])
                elif there != word:
                    raise self.changed(name, there, word)
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
            with self._locked():
                lines = self._read()
                for number, line in enumerate(lines):
                    if self._find([line], name) is not None and NATIVE not in _words(line):
                        lines[number] = f"{line.rstrip()} {NATIVE}"
                self._write(lines)
        except OSError as error:
            raise from_os_error(str(self.path), error) from error

    def changed(self, name: str, old: str, new: str) -> ClientError:
        """The refusal of a server that is not what it was."""
        was = "verified by a certificate authority" if old == CA else f"{old}"
        return ClientError(
            Outcome.PIN,
            f"{name} is not the server it was: recorded as {was}, now {new}; somebody may be listening in",
            remedy=f"if the change is known to be right, remove the line for {name} from {self.path}",
        )

    def _read(self) -> list[str]:
        try:
            return self.path.read_text("utf-8", "surrogateescape").splitlines()
        except FileNotFoundError:
            return []
        except OSError as error:
            raise from_os_error(str(self.path), error) from error

    @staticmethod
    def _find(lines: list[str], name: str) -> str | None:
        for words in map(_words, lines):
            if _is_about(words, name):
                for word in words[1:]:
                    if word == CA or word.startswith(_PIN):
                        return word
        return None

    def _write(self, lines: list[str]) -> None:
        handle, temporary = tempfile.mkstemp(prefix=".known_servers.", dir=self.path.parent)
        try:
            with os.fdopen(handle, "w", encoding="utf-8", errors="surrogateescape") as file:
                file.write("".join(f"{line}\n" for line in lines))
                file.flush()
                os.fsync(file.fileno())
            Path(temporary).replace(self.path)
        except BaseException:
            Path(temporary).unlink(missing_ok=True)
            raise

    @contextmanager
    def _locked(self) -> Iterator[None]:
        """The file itself is replaced by rename, so the lock has a file of its own."""
        lock = os.open(self.path.with_name(self.path.name + ".lock"), os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(lock, fcntl.LOCK_EX)
            yield
        finally:
            os.close(lock)


def _words(line: str) -> list[str]:
    return [] if line.startswith("#") else line.split()


def _is_about(words: list[str], name: str) -> bool:
    return bool(words) and words[0].lower() == name


@frozen
class Plan:
    """How to verify one server.

    Attributes:
        context: for the control connection and every data connection (a TLS session belongs to its context).
        pin: what the peer's public key must be; None: the CA verdict of `context` decides.
        learn: a pin is wanted for recording or for a message; the CA did not vouch, and no login may follow unless
            the caller recorded it.
    """

    context: ssl.SSLContext
    pin: str | None = None
    learn: bool = False


@frozen
class Trust:
    """What was given by name, for one server. `plan` first, then `verified` or `unverified` with what was seen."""

    name: str
    cacert: Path | None = None
    pin: str | None = None
    known: KnownServers | None = None

    def recorded(self) -> str | None:
        """What known_servers says, unless something given by name stands above it."""
        if self.pin is not None or self.cacert is not None or self.known is None:
            return None
        return self.known.look_up(self.name)

    def plan(self) -> Plan:
        """How to verify at the first handshake."""
        pin = self.pin
        recorded = self.recorded()
        if pin is None and recorded is not None and recorded != CA:
            pin = recorded
        if pin is not None:
            return Plan(_context(verify=False, cacert=None), pin=pin)
        return Plan(_context(verify=True, cacert=self.cacert))

    @staticmethod
    def second_plan() -> Plan:
        """How to look at a certificate that no CA vouches for."""
        return Plan(_context(verify=False, cacert=None), learn=True)

    def verified(self, plan: Plan, pin: str) -> None:
        """After a handshake: compare the pin, and record a server that a CA vouches for.

        Raises:
            ClientError: PIN when the key is another one.
        """
        if plan.pin is None:
            if self.known is not None and self.cacert is None:
                self.known.record(self.name, CA)
        elif pin != plan.pin:
            if self.pin is None and self.known is not None:
                raise self.known.changed(self.name, plan.pin, pin)
            raise ClientError(
                Outcome.PIN,
                f"{self.name} has the key {pin}, not the pinned {plan.pin}",
                remedy="ask the server's owner which key is right; do not log in before",
            )

    def unverified(self, pin: str, cause: str) -> str:
        """No CA vouches for the server. Returns the pin it is trusted by from now on, when that is allowed.

        Raises:
            ClientError: PIN when a CA vouched before, else TLS.
        """
        if self.known is not None and self.recorded() == CA:
            raise self.known.changed(self.name, CA, f"{pin} ({cause})")
        if self.known is not None and self.known.accept_new and self.cacert is None:
            self.known.record(self.name, pin)
            return pin
        raise ClientError(
            Outcome.TLS,
            f"{self.name}: the certificate cannot be verified ({cause}); its key is {pin}",
            remedy=f"if that is the server's key, use --pin {pin}, or --accept-new to trust it from now on",
        )


def _context(*, verify: bool, cacert: Path | None) -> ssl.SSLContext:
    try:
        context = ssl.create_default_context(cafile=str(cacert) if cacert else None)
    except FileNotFoundError as error:
        raise ClientError(Outcome.USAGE, f"{cacert}: no such file", remedy="--cacert wants PEM") from error
    except ssl.SSLError as error:
        raise ClientError(Outcome.USAGE, f"{cacert}: no certificate in it", remedy="--cacert wants PEM") from error
    except OSError as error:
        raise from_os_error(str(cacert), error) from error
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    if not verify:
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    return context
