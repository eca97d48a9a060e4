"""Chapter 61: data connections of the native dialect: proven, forged, repeated, late, cut (docs/protocol.md s.3)."""

from __future__ import annotations

import contextlib
import re
import socket
import ssl
from collections.abc import Callable

from conformance.chapters.checks import want_alive
from conformance.chapters.native import TEXT, Native, ended, fetched, native, sha256
from conformance.chapters.secured import cut
from conformance.data import Data
from conformance.registry import Failed, Level, Skipped, case
from conformance.wire import Closed, Target, TlsMode

_MUST, _SHOULD = Level.MUST, Level.SHOULD


@case(
    "data-line-early",
    "docs/protocol.md s.3",
    _MUST,
    "A proven data connection that comes before its command waits for it.",
    "Whether a transfer works depends on which packet is faster.",
)
def early(target: Target) -> None:
    with native(target) as session:
        session.here.make("file", TEXT)
        tag = session.tag()
        data = session.dial(tag)
        session.here.command("NOOP")
        session.send(f"GET tag={tag}; file")
        if session.begun(tag).code != 150 or data.receive_all() != TEXT:
            raise Failed("the connection that came early brings another content")
        data.end()
        if (final := session.final(tag)).code != 226:
            raise Failed(final.shown)


def _refused_line(session: Native, dial: Callable[[], Data], tag: int, what: str) -> None:
    """Failed unless the connection that `dial` makes is closed, and the tag waits on for the right one."""
    with contextlib.suppress(OSError, Closed):  # a reset may overtake the greeting
        data = dial()
        if not ended(data):
            raise Failed(f"{what} is not closed")
        data.socket.close()
    right = session.dial(tag)
    if right.receive_all() != TEXT:
        raise Failed(f"after {what}, the right connection brings another content")
    right.end()
    if (final := session.final(tag)).code != 226:
        raise Failed(f"after {what}: {final.shown}")


@case(
    "data-line-forged",
    "docs/protocol.md s.3",
    _MUST,
    "A data connection with a wrong proof is closed without content, and the tag waits on for the right one.",
    "Whoever sees an id reads the files of its session.",
)
def forged(target: Target) -> None:
    with native(target) as session:
        session.here.make("file", TEXT)
        tag = session.tag()
        session.send(f"GET tag={tag}; file")
        _refused_line(session, lambda: session.dial(tag, proof="0" * 64), tag, "a wrong proof")


@case(
    "data-line-proof-of-other-tag",
    "docs/protocol.md s.3",
    _MUST,
    "The proof of one tag does not open another.",
    "Whoever saw one proof reads every later file.",
)
def proof_of_other(target: Target) -> None:
    with native(target) as session:
        session.here.make("file", TEXT)
        tag = session.tag()
        session.send(f"GET tag={tag}; file")
        other = session.proof(tag + 1)
        _refused_line(session, lambda: session.dial(tag, proof=other), tag, "another tag's proof")


@case(
    "data-line-no-proof",
    "docs/protocol.md s.3",
    _MUST,
    "A data connection without a proof is closed without content.",
    "Whoever sees an id reads the files of its session.",
)
def no_proof(target: Target) -> None:
    with native(target) as session:
        session.here.make("file", TEXT)
        tag = session.tag()
        session.send(f"GET tag={tag}; file")
        line = f"DATA {session.id}.{tag:010}\r\n".encode()

        def dial() -> Data:
            if not session.secured:
                return Data(session.plain(line + b"x" * 80), session.here.wire)
            data = Data(session.plain(line), session.here.wire)
            data.secure()
            data.send(b"NOOP no proof at all, and as long as one, so that nothing is waited for.\r\n")
            return data

        _refused_line(session, dial, tag, "a connection without a proof")


@case(
    "data-line-repeated",
    "docs/protocol.md s.3",
    _MUST,
    "A second data connection for a tag is closed without content.",
    "Whoever saw a data line reads the file once more.",
)
def repeated(target: Target) -> None:
    with native(target) as session:
        session.here.make("file", TEXT)
        tag = session.tag()
        session.send(f"GET tag={tag}; file")
        session.begun(tag)
        first = session.dial(tag)
        if first.receive_all() != TEXT:
            raise Failed("the first connection brings another content")
        _closed(session, tag, "a second connection")
        first.end()
        session.final(tag)


def _closed(session: Native, tag: int, what: str, known_as: str | None = None) -> None:
    try:
        data = session.dial(tag, known_as=known_as)
    except (Failed, OSError):
        return
    if not ended(data):
        raise Failed(f"{what} is not closed")
    data.socket.close()


@case(
    "data-line-late",
    "docs/protocol.md s.3",
    _MUST,
    "A data connection for a tag whose command has ended is closed at once.",
    "Connections pile up for transfers that are over.",
)
def late(target: Target) -> None:
    with native(target) as session:
        session.here.make("file", TEXT)
        fetched(session, "file")
        _closed(session, 1, "a connection for a tag that has ended")
        want_alive(session.here.wire, "a late connection")


@case(
    "data-line-unknown-id",
    "docs/protocol.md s.3",
    _MUST,
    "A data connection for an id that nobody has is closed at once.",
    "Strangers hold connections open without an account.",
)
def unknown_id(target: Target) -> None:
    with native(target) as session:
        _closed(session, 1, "a connection for an unknown id", "0123456789abcdef")


@case(
    "data-line-of-ended-session",
    "docs/protocol.md s.2",
    _MUST,
    "After its session has ended an id opens nothing.",
    "Whoever learnt a key goes on after the user has left.",
)
def of_ended_session(target: Target) -> None:
    with native(target) as other:
        with native(target) as session:
            lost = Native(other.here, target, session.id, session.key, 1, 0)
        _closed(lost, 7, "a connection for a session that has ended")


@case(
    "data-line-in-pieces",
    "docs/protocol.md s.3",
    _MUST,
    "A data line that arrives in pieces is read whole.",
    "Over slow lines no transfer begins.",
)
def in_pieces(target: Target) -> None:
    with native(target) as session:
        session.here.make("file", TEXT)
        tag = session.tag()
        session.send(f"GET tag={tag}; file")
        line = f"DATA {session.id}.{tag:010}" + ("" if session.secured else f" {session.proof(tag)}") + "\r\n"
        connection = session.plain(line[:3].encode())
        for piece in (line[3:20], line[20:-1], line[-1:]):
            session.here.command("NOOP")
            connection.sendall(piece.encode())
        data = Data(connection, session.here.wire)
        if session.secured:
            data.secure()
            data.send(f"PROOF {session.proof(tag)}\r\n".encode())
        if data.receive_all() != TEXT:
            raise Failed("the connection brings another content")
        data.end()
        session.final(tag)


@case(
    "data-line-greeting",
    "docs/protocol.md s.3",
    _MUST,
    "On a port that begins in clear exactly one reply comes before the content, of at most 4,096 octets.",
    "Clients take the greeting for content, or the content for a greeting.",
)
def greeting(target: Target) -> None:
    if target.tls is TlsMode.IMPLICIT:
        raise Skipped("on this port nothing is greeted before data")
    with native(target) as session:
        connection = socket.create_connection((target.host, target.port), timeout=session.here.wire.seconds())
        with connection:
            connection.settimeout(session.here.wire.seconds())
            got = connection.recv(8192)
            connection.settimeout(0.2)
            with contextlib.suppress(TimeoutError):
                got += connection.recv(8192)
            if len(got) > 4096 or not re.match(rb"\d{3}[ -]", got) or not got.endswith(b"\r\n"):
                raise Failed(f"the greeting is {got[:80]!r}, {len(got)} bytes")


@case(
    "data-native-close-notify",
    "docs/protocol.md s.3",
    _MUST,
    "Under TLS the server ends its data with close_notify.",
    "A download that was cut cannot be told from one that ended.",
)
def close_notify(target: Target) -> None:
    with native(target) as session:
        if not session.secured:
            raise Skipped("it needs TLS")
        session.here.make("file", TEXT)
        tag = session.tag()
        session.send(f"GET tag={tag}; file")
        data = session.dial(tag)
        data.receive_all()
        if not data.clean:
            raise Failed("the data connection ended without close_notify")
        data.end()
        session.final(tag)


@case(
    "data-native-cut",
    "docs/protocol.md s.3",
    _MUST,
    "Under TLS an upload that ends without close_notify is cut: 426, and nothing is published.",
    "Whoever is in the middle cuts a file short.",
)
def data_cut(target: Target) -> None:
    with native(target) as session:
        if not session.secured:
            raise Skipped("it needs TLS")
        tag = session.tag()
        session.send(f"PUT tag={tag};size={len(TEXT)}; file")
        data = session.dial(tag)
        data.send(TEXT)
        cut(data.socket)
        session.send(f"DONE tag={tag};bytes={len(TEXT)};sha256={sha256(TEXT)};")
        final = session.final(tag)
        data.socket.close()
        if final.code != 426:
            raise Failed(f"an upload without close_notify is answered {final.shown}")
        if session.here.exists("file"):
            raise Failed("the file has its name")


@case(
    "data-native-no-tls",
    "docs/protocol.md s.3",
    _MUST,
    "Under PROT P a data connection in clear moves nothing.",
    "Files travel in clear although protection was asked for.",
)
def no_tls(target: Target) -> None:
    with native(target) as session:
        if not session.secured:
            raise Skipped("it needs TLS")
        session.here.make("file", TEXT)
        tag = session.tag()
        session.send(f"GET tag={tag}; file")
        plain = session.plain(f"DATA {session.id}.{tag:010}\r\nPROOF {session.proof(tag)}\r\n".encode())
        plain.settimeout(3.0)
        got = b""
        try:
            while piece := plain.recv(4096):
                got += piece
        except (OSError, ssl.SSLError):
            pass
        plain.close()
        if TEXT[:18] in got:
            raise Failed("the content came in clear")
