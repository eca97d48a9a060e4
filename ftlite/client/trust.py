"""Whose certificate is good enough: a pin, a CA, or what was seen before.

The order of authority for one server: a pin given by name, then a CA file given by name, then what known_servers
recorded, then the system's CAs. A server once verified by a CA must verify by a CA again; a recorded pin must match;
`accept_new`, or a person who was asked, adds what is new and never changes what is there. All calls that touch the file
block.
"""

from __future__ import annotations

import base64
import binascii
import ssl
from collections.abc import Awaitable, Callable
from pathlib import Path

from attrs import frozen

from ftlite.client.errors import ClientError, Outcome, from_os_error
from ftlite.client.known import CA, PIN, KnownServers


def parse_pin(text: str) -> str:
    """A pin in its one form, ``sha256//`` and 44 characters of base64; ClientError USAGE for anything else."""
    if text.startswith(PIN):
        try:
            if len(base64.b64decode(text[len(PIN) :], validate=True)) == 32:
                return text
        except (binascii.Error, ValueError):
            pass
    raise ClientError(Outcome.USAGE, f"{text!r} is no pin", remedy="a pin is sha256// and 44 characters of base64")


class UnknownServer(ClientError):
    """No CA vouches for a server that was never met. A person may know its key, and say so.

    Attributes:
        name: the server, as known_servers names it.
        pin: the key that it showed.
        cause: why no CA vouches, in OpenSSL's words.
    """

    def __init__(self, name: str, pin: str, cause: str) -> None:
        self.name = name
        self.pin = pin
        self.cause = cause
        super().__init__(
            Outcome.TLS,
            f"{name}: the certificate cannot be verified ({cause}); its key is {pin}",
            remedy=f"if that is the server's key, use --pin {pin}, or --accept-new to trust it from now on",
        )


#: Whether a person says that this is the server's key. Asked with no clock running; the answer is remembered.
Ask = Callable[[UnknownServer], Awaitable[bool]]


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

    def accept(self, unknown: UnknownServer) -> str:
        """A person vouches for the key of `unknown`: remember it. Returns the sentence that says so.

        Raises:
            UnknownServer: something given by name decides, or nothing is remembered here.
            ClientError: the file cannot be written.
        """
        if self.known is None or self.pin is not None or self.cacert is not None:
            raise unknown
        self.known.record(self.name, unknown.pin)
        return self.remembered(unknown.pin)

    def remembered(self, pin: str) -> str:
        """What to tell of a key that was just recorded."""
        where = self.known.path if self.known is not None else ""
        return f"the key of {self.name} is {pin}; it is remembered in {where}, and from now on it must be this one"

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
            ClientError: PIN when a CA vouched before.
            UnknownServer: nobody said whether that is the server's key.
        """
        if self.known is not None and self.recorded() == CA:
            raise self.known.changed(self.name, CA, f"{pin} ({cause})")
        if self.known is not None and self.known.accept_new and self.cacert is None:
            self.known.record(self.name, pin)
            return pin
        raise UnknownServer(self.name, pin, cause)


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
