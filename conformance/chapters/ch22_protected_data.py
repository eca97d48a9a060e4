"""Chapter 22: data connections under PROT P (RFC 4217 s.7, s.9): encrypted, ended and cut."""

from __future__ import annotations

import contextlib
import ssl

from conformance.chapters.checks import want, want_alive, want_class
from conformance.chapters.secured import NAME, SECRET, cut, gone, opened, protected
from conformance.data import Opening, Way, download, open_data, transfer, upload
from conformance.place import want_done
from conformance.registry import Failed, Level, Skipped, case
from conformance.wire import Closed, Reply, Target, Wire

_CONTENT = bytes(range(256)) * 600  # some TLS records


@case(
    "data-tls-there-and-back",
    "RFC 4217 s.9",
    Level.MUST,
    "Under PROT P a file goes up and comes back the same, over TLS.",
    "Files cannot be moved under protection.",
)
def there_and_back(target: Target) -> None:
    with protected(target) as wire, gone(wire):
        want_done(upload(wire, f"STOR {NAME}", _CONTENT), "STOR over TLS")
        got = download(wire, f"RETR {NAME}")
        want(got.last, (226, 250), "RETR over TLS")
        if got.content != _CONTENT:
            raise Failed(f"{len(_CONTENT)} bytes went up, and {len(got.content)} others came back")


@case(
    "data-tls-listing",
    "RFC 4217 s.9",
    Level.MUST,
    "Under PROT P listings travel over TLS too.",
    "Names of files can be read by everybody on the way.",
)
def listing(target: Target) -> None:
    with protected(target) as wire:
        for verb in ("LIST", "NLST"):
            want(download(wire, verb).last, (226, 250, 450, 550), verb)


@case(
    "data-tls-empty",
    "RFC 4217 s.9",
    Level.MUST,
    "An empty file goes up over TLS: a handshake, close_notify and nothing between.",
    "Empty files get lost or fail.",
)
def empty(target: Target) -> None:
    with protected(target) as wire, gone(wire):
        want_done(upload(wire, f"STOR {NAME}", b""), "STOR of nothing over TLS")
        want_done(download(wire, f"RETR {NAME}"), "RETR of nothing over TLS")


@case(
    "data-tls-many",
    "RFC 4217 s.9",
    Level.MUST,
    "Ten transfers after each other work over TLS in one session.",
    "A mirror stops after a few files.",
)
def many(target: Target) -> None:
    with protected(target) as wire, gone(wire):
        for number in range(5):
            want_done(upload(wire, f"STOR {NAME}", b"%d" % number), f"upload {number + 1}")
            got = download(wire, f"RETR {NAME}")
            want(got.last, (226, 250), f"download {number + 1}")
            if got.content != b"%d" % number:
                raise Failed(f"download {number + 1} brought {got.content[:40]!r}")


@case(
    "data-tls-active",
    "RFC 4217 s.7",
    Level.MUST,
    "In active mode too the server is the TLS server.",
    "Both sides wait for the other's ClientHello, and nothing moves.",
)
def active(target: Target) -> None:
    with protected(target) as wire:
        try:
            opening = open_data(wire, Way.PORT)
        except Failed as refused:
            raise Skipped(f"active mode is refused: {refused}") from refused
        try:
            first = wire.command("NLST")
            if first.code in (450, 550):
                return
            want_class(first, "1", "NLST after PORT")
            opening.data().receive_all()
        finally:
            opening.close()
        want(wire.reply(), (226, 250), "NLST over TLS after PORT")


@case(
    "data-tls-close-notify",
    "RFC 8446 s.6.1",
    Level.MUST,
    "The server ends a download with close_notify.",
    "A file that was cut on the way looks whole.",
)
def close_notify(target: Target) -> None:
    with protected(target) as wire, gone(wire):
        want_done(upload(wire, f"STOR {NAME}", _CONTENT), "STOR over TLS")
        if not download(wire, f"RETR {NAME}").clean:
            raise Failed("the download ended without close_notify")


@case(
    "data-tls-close-notify-listing",
    "RFC 8446 s.6.1",
    Level.MUST,
    "The server ends a listing with close_notify.",
    "A listing that was cut on the way looks whole, and a mirror removes what it misses.",
)
def close_notify_listing(target: Target) -> None:
    with protected(target) as wire, gone(wire):
        want_done(upload(wire, f"STOR {NAME}", b"x"), "STOR over TLS")
        if not download(wire, "LIST").clean:
            raise Failed("the listing ended without close_notify")


@case(
    "data-tls-close-notify-upload",
    "RFC 8446 s.6.1",
    Level.MUST,
    "At the end of an upload the server ends its own side with close_notify, too.",
    "A client that waits for it, as some libraries do, takes an upload that arrived for a broken one.",
)
def close_notify_upload(target: Target) -> None:
    with protected(target) as wire, gone(wire), transfer(wire, f"STOR {NAME}") as moving:
        moving.data.send(SECRET)
        assert isinstance(moving.data.socket, ssl.SSLSocket)
        moving.data.socket.settimeout(wire.seconds())
        try:
            moving.data.socket.unwrap().close()
        except OSError as error:
            raise Failed(f"no close_notify comes back: {error}") from error
        want(wire.reply(), (226, 250), "STOR over TLS")


@case(
    "data-tls-truncated",
    "RFC 8446 s.6.1",
    Level.SHOULD,
    "An upload that ends without close_notify is not confirmed.",
    "Whoever is in the middle cuts a file short, and everybody takes it for whole.",
)
def truncated(target: Target) -> None:
    # In stream mode the end of the connection is the end of the file (RFC 959 s.3.4.1), and under TLS only close_notify
    # tells an end from a cut: the clause says so, and leaves to the application what to make of it.
    with protected(target) as wire, gone(wire):
        reply = _cut_upload(wire, SECRET)
        if reply.code < 400:
            raise Failed(f"an upload without close_notify is answered {reply.shown}")


@case(
    "data-tls-truncated-unpublished",
    "RFC 8446 s.6.1",
    Level.SHOULD,
    "What came of an upload without close_notify does not stand under its name.",
    "Others read half a file as if it were whole.",
)
def truncated_unpublished(target: Target) -> None:
    with protected(target) as wire, gone(wire):
        _cut_upload(wire, SECRET)
        got = download(wire, f"RETR {NAME}")
        if not got.refused:
            raise Failed(f"{len(got.content)} bytes of it can be read")


@case(
    "data-tls-reset",
    "RFC 959 s.5.4",
    Level.MUST,
    "An upload over TLS that ends in a reset is not confirmed.",
    "The file of a client that died looks whole.",
)
def reset(target: Target) -> None:
    with protected(target) as wire, gone(wire):
        with transfer(wire, f"STOR {NAME}") as moving:
            moving.data.send(SECRET)
            moving.data.reset()
        reply = wire.reply()
        if reply.code < 400:
            raise Failed(f"an upload that was reset is answered {reply.shown}")


def _cut_upload(wire: Wire, content: bytes) -> Reply:
    """STOR of `content` with a FIN where close_notify is due; the final reply, if need be after a close."""
    with transfer(wire, f"STOR {NAME}") as moving:
        moving.data.send(content)
        cut(moving.data.socket)
        wire.silent(2.0)
    return wire.reply()


@case(
    "data-tls-no-handshake",
    "RFC 4217 s.9",
    Level.MUST,
    "Under PROT P an upload whose connection ends before a handshake is not confirmed.",
    "An empty file takes the place of the right one.",
)
def no_handshake(target: Target) -> str | None:
    with protected(target) as wire, gone(wire), opened(wire, f"STOR {NAME}") as opening:
        opening.close()
        return _unconfirmed(wire, "an upload without a handshake")


def _unconfirmed(wire: Wire, what: str) -> str | None:
    """Reads the final reply; Failed when it confirms. A session that ends confirms nothing either."""
    wire.patience = 4.0
    try:
        reply = wire.reply()
    except Closed:
        return "the session ends"
    if reply.code < 400:
        raise Failed(f"{what} is answered {reply.shown}")
    return None


@case(
    "data-tls-clear-upload",
    "RFC 4217 s.9",
    Level.MUST,
    "Under PROT P content that comes in clear is not taken.",
    "Whoever reaches the port first puts content into a protected upload.",
)
def clear_upload(target: Target) -> str | None:
    with protected(target) as wire, gone(wire), opened(wire, f"STOR {NAME}") as opening:
        opening.socket.sendall(SECRET)
        cut(opening.socket)
        remark = _unconfirmed(wire, "an upload in clear")
    with protected(target) as wire, gone(wire):
        if SECRET[:16] in download(wire, f"RETR {NAME}").content:
            raise Failed("what came in clear stands under the name")
    return remark


@case(
    "data-tls-clear-download",
    "RFC 4217 s.9",
    Level.MUST,
    "Under PROT P nothing of a file is sent before a handshake.",
    "Whoever reaches the port first reads protected files in clear.",
)
def clear_download(target: Target) -> str | None:
    with protected(target) as keeper, gone(keeper):
        want_done(upload(keeper, f"STOR {NAME}", SECRET), "STOR over TLS")
        with protected(target) as wire, opened(wire, f"RETR {NAME}") as opening:
            opening.socket.settimeout(wire.seconds(0.5))
            with contextlib.suppress(OSError):
                if said := opening.socket.recv(4096):
                    raise Failed(f"without a handshake came {said[:40]!r}")
            opening.close()
            return _unconfirmed(wire, "RETR without a handshake")


@case(
    "data-tls-garbage",
    "RFC 4217 s.10.2",
    Level.SHOULD,
    "A handshake on the data connection that fails ends the transfer with an error and keeps the session.",
    "One broken connection throws the user out.",
)
def garbage(target: Target) -> None:
    with protected(target) as wire, opened(wire, "NLST") as opening:
        want_class(_reply_to_garbage(wire, opening), "45", "a data connection without TLS")
        want_alive(wire, "a handshake that failed")


@case(
    "data-tls-garbage-522",
    "RFC 4217 s.10.2",
    Level.SHOULD,
    "A handshake on the data connection that fails is a 522.",
    "A client cannot tell bad TLS from a port that nobody reached, and tries again in vain.",
)
def garbage_522(target: Target) -> None:
    with protected(target) as wire, opened(wire, "NLST") as opening:
        want(_reply_to_garbage(wire, opening), (522,), "a data connection without TLS")


def _reply_to_garbage(wire: Wire, opening: Opening) -> Reply:
    """What is said of a data connection that begins with no handshake."""
    wire.patience = 4.0
    opening.socket.sendall(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")
    return wire.reply()
