"""Chapter 22: data connections under PROT P and C (RFC 4217 s.7, s.9): encrypted, resumed, ended and cut."""

from __future__ import annotations

import contextlib
import ssl
import time
from collections.abc import Iterator

from conformance.chapters.checks import want, want_alive, want_class
from conformance.chapters.secured import context, cut, protected, shaken, tls_socket
from conformance.data import Data, Opening, Way, download, open_data, transfer, upload
from conformance.place import want_done
from conformance.registry import Failed, Level, Skipped, case
from conformance.wire import Closed, Reply, Target, TlsMode, Wire

_NAME = "conformance-tls"
_CONTENT = bytes(range(256)) * 600  # some TLS records
_SECRET = b"nobody may read this\n" * 8


@contextlib.contextmanager
def _gone(wire: Wire, name: str = _NAME) -> Iterator[None]:
    """Removes `name` behind the block, whatever became of it."""
    try:
        yield
    finally:
        with contextlib.suppress(Failed):
            wire.command(f"DELE {name}")


@case(
    "data-tls-there-and-back",
    "RFC 4217 s.9",
    Level.MUST,
    "Under PROT P a file goes up and comes back the same, over TLS.",
    "Files cannot be moved under protection.",
)
def there_and_back(target: Target) -> None:
    with protected(target) as wire, _gone(wire):
        want_done(upload(wire, f"STOR {_NAME}", _CONTENT), "STOR over TLS")
        got = download(wire, f"RETR {_NAME}")
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
    with protected(target) as wire, _gone(wire):
        want_done(upload(wire, f"STOR {_NAME}", b""), "STOR of nothing over TLS")
        want_done(download(wire, f"RETR {_NAME}"), "RETR of nothing over TLS")


@case(
    "data-tls-many",
    "RFC 4217 s.7",
    Level.MUST,
    "Ten transfers after each other work over TLS in one session.",
    "A mirror stops after a few files.",
)
def many(target: Target) -> None:
    with protected(target) as wire, _gone(wire):
        for number in range(5):
            want_done(upload(wire, f"STOR {_NAME}", b"%d" % number), f"upload {number + 1}")
            got = download(wire, f"RETR {_NAME}")
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
    with protected(target) as wire, _gone(wire):
        want_done(upload(wire, f"STOR {_NAME}", _CONTENT), "STOR over TLS")
        if not download(wire, f"RETR {_NAME}").clean:
            raise Failed("the download ended without close_notify")


@case(
    "data-tls-close-notify-listing",
    "RFC 8446 s.6.1",
    Level.MUST,
    "The server ends a listing with close_notify.",
    "A listing that was cut on the way looks whole, and a mirror removes what it misses.",
)
def close_notify_listing(target: Target) -> None:
    with protected(target) as wire, _gone(wire):
        want_done(upload(wire, f"STOR {_NAME}", b"x"), "STOR over TLS")
        if not download(wire, "LIST").clean:
            raise Failed("the listing ended without close_notify")


@case(
    "data-tls-truncated",
    "RFC 8446 s.6.1",
    Level.MUST,
    "An upload that ends without close_notify is not confirmed.",
    "Whoever is in the middle cuts a file short, and everybody takes it for whole.",
)
def truncated(target: Target) -> None:
    # In stream mode the end of the connection is the end of the file (RFC 959 s.3.4.1), and under TLS only close_notify
    # tells an end from a cut. Some servers take the cut: that is what this is about.
    with protected(target) as wire, _gone(wire):
        reply = _cut_upload(wire, _SECRET)
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
    with protected(target) as wire, _gone(wire):
        _cut_upload(wire, _SECRET)
        got = download(wire, f"RETR {_NAME}")
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
    with protected(target) as wire, _gone(wire):
        with transfer(wire, f"STOR {_NAME}") as moving:
            moving.data.send(_SECRET)
            moving.data.reset()
        reply = wire.reply()
        if reply.code < 400:
            raise Failed(f"an upload that was reset is answered {reply.shown}")


def _cut_upload(wire: Wire, content: bytes) -> Reply:
    """STOR of `content` with a FIN where close_notify is due; the final reply, if need be after a close."""
    with transfer(wire, f"STOR {_NAME}") as moving:
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
    with protected(target) as wire, _gone(wire), _opened(wire, f"STOR {_NAME}") as opening:
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
    with protected(target) as wire, _gone(wire), _opened(wire, f"STOR {_NAME}") as opening:
        opening.socket.sendall(_SECRET)
        cut(opening.socket)
        remark = _unconfirmed(wire, "an upload in clear")
    with protected(target) as wire, _gone(wire):
        if _SECRET[:16] in download(wire, f"RETR {_NAME}").content:
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
    with protected(target) as keeper, _gone(keeper):
        want_done(upload(keeper, f"STOR {_NAME}", _SECRET), "STOR over TLS")
        with protected(target) as wire, _opened(wire, f"RETR {_NAME}") as opening:
            opening.socket.settimeout(wire.seconds(0.5))
            with contextlib.suppress(OSError):
                if said := opening.socket.recv(4096):
                    raise Failed(f"without a handshake came {said[:40]!r}")
            opening.close()
            return _unconfirmed(wire, "RETR without a handshake")


@case(
    "data-tls-garbage",
    "RFC 4217 s.7",
    Level.SHOULD,
    "A handshake on the data connection that fails ends the transfer with an error and keeps the session.",
    "One broken connection throws the user out.",
)
def garbage(target: Target) -> None:
    with protected(target) as wire, _opened(wire, "NLST") as opening:
        wire.patience = 4.0
        opening.socket.sendall(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")
        want_class(wire.reply(), "45", "a data connection without TLS")
        want_alive(wire, "a handshake that failed")


@contextlib.contextmanager
def _opened(wire: Wire, line: str) -> Iterator[Opening]:
    """A data connection after the 1xx to `line`, without its handshake."""
    opening = open_data(wire)
    try:
        first = wire.command(line)
        if first.code >= 200:
            raise Skipped(f"{line.split()[0]} is answered {first.shown}")
        yield opening
    finally:
        opening.close()


def _resumed(target: Target, own: ssl.SSLContext) -> bool:
    """Whether a data connection resumes the control connection's session; Failed when it does not work at all."""
    with protected(target, own) as wire, _gone(wire):
        want_done(upload(wire, f"STOR {_NAME}", b"x"), "STOR over TLS")
        with _opened(wire, f"RETR {_NAME}") as opening:
            data: Data = opening.data()
            assert isinstance(data.socket, ssl.SSLSocket)
            reused = bool(data.socket.session_reused)
            data.receive_all()
            data.end()
            want(wire.reply(), (226, 250), "RETR over a resumed session")
        return reused


@case(
    "data-tls-resumed-1-2",
    "RFC 4217 s.7",
    Level.SHOULD,
    "With TLS 1.2 a data connection can resume the control connection's session.",
    "Each file costs a whole handshake, and clients cannot know that both connections go to one server.",
)
def resumed_1_2(target: Target) -> None:
    if not _resumed(target, context(highest=ssl.TLSVersion.TLSv1_2)):
        raise Failed("the server does not resume the session")


@case(
    "data-tls-resumed-1-3",
    "RFC 4217 s.7",
    Level.SHOULD,
    "With TLS 1.3 a data connection can resume the control connection's session.",
    "Each file costs a whole handshake, and clients cannot know that both connections go to one server.",
)
def resumed_1_3(target: Target) -> None:
    if not _resumed(target, context(ssl.TLSVersion.TLSv1_3)):
        raise Failed("the server does not resume the session")


@case(
    "data-tls-fresh-session",
    "RFC 4217 s.10.2",
    Level.MAY,
    "A data connection with a TLS session of its own is taken.",
    "Clients whose library cannot resume sessions get no files.",
)
def fresh_session(target: Target) -> None:
    with protected(target) as wire, _gone(wire):
        want_done(upload(wire, f"STOR {_NAME}", _SECRET), "STOR over TLS")
        with _opened(wire, f"RETR {_NAME}") as opening:
            opening.socket.settimeout(wire.seconds())
            content = b""
            with contextlib.suppress(OSError), context().wrap_socket(opening.socket) as fresh:
                while piece := fresh.recv(65536):
                    content += piece
        reply = wire.reply()
        if content != _SECRET:
            raise Failed(f"without resumption: {reply.shown}")


@case(
    "data-tls-same-certificate",
    "RFC 4217 s.15.1.1",
    Level.SHOULD,
    "The data connection shows the certificate of the control connection.",
    "Clients cannot tell the server's data connection from somebody else's.",
)
def same_certificate(target: Target) -> None:
    # Python's client keeps the certificate of a resumed session, so the session must be a fresh one.
    with protected(target) as wire, _opened(wire, "NLST") as opening:
        own = tls_socket(wire).getpeercert(binary_form=True)
        opening.socket.settimeout(wire.seconds())
        try:
            with context().wrap_socket(opening.socket, server_hostname=target.host) as fresh:
                shown = fresh.getpeercert(binary_form=True)
        except OSError as error:
            raise Skipped(f"without resumption there is no handshake: {error}") from error
        if shown != own:
            raise Failed("the data connection shows another certificate")


@case(
    "data-prot-c",
    "RFC 4217 s.9",
    Level.MUST,
    "After PROT C is answered 200, data travel in clear.",
    "The client reads TLS where it expects a file.",
)
def prot_c(target: Target) -> None:
    with protected(target) as wire, _gone(wire):
        _store_in_clear(wire)
        if download(wire, f"RETR {_NAME}").content != _SECRET:
            raise Failed("another content came back")


@case(
    "data-prot-back",
    "RFC 2228 s.3 PROT",
    Level.MUST,
    "PROT P after PROT C protects the next transfer again.",
    "Files travel in clear although protection was asked for.",
)
def prot_back(target: Target) -> None:
    with protected(target) as wire, _gone(wire):
        _store_in_clear(wire)
        want(wire.command("PROT P"), (200,), "PROT P after PROT C")
        wire.protected = True
        if download(wire, f"RETR {_NAME}").content != _SECRET:
            raise Failed("another content came back")


def _store_in_clear(wire: Wire) -> None:
    """PROT C and an upload; Skipped where either is refused, as it may be at any step."""
    reply = wire.command("PROT C")
    if reply.code == 200:
        wire.protected = False
        try:
            outcome = upload(wire, f"STOR {_NAME}", _SECRET)
        except Failed as refused:
            raise Skipped(f"data in clear are refused: {refused}") from refused
        if not outcome.refused:
            want_done(outcome, "STOR under PROT C")
            return
        reply = outcome.last
    raise Skipped(f"data in clear are refused: {reply.shown}")


@case(
    "data-prot-default",
    "RFC 2228 s.3 PROT",
    Level.MUST,
    "Without PROT data travel in clear, or the transfer is refused.",
    "The client reads TLS where it expects a file, and hangs.",
)
def prot_default(target: Target) -> str:
    if target.tls is TlsMode.IMPLICIT:
        raise Skipped("implicit TLS may take PBSZ and PROT as said")
    with shaken(target, context()) as wire:
        want(target.login(wire), (230,), "the login")
        try:
            opening = open_data(wire)
        except Failed:
            return "refused"
        try:
            first = wire.command("NLST")
            if first.code >= 400:
                return f"refused: {first.shown}"
            data = opening.data()
            got = data.receive_all()
        finally:
            opening.close()
        last = wire.reply()
        if got[:1] == b"\x15":
            raise Failed("in clear came a TLS alert")
        return f"in clear: {last.shown}"


@case(
    "data-tls-abor",
    "RFC 4217 s.14",
    Level.MUST,
    "ABOR over TLS ends a running download, and the session goes on.",
    "A transfer that was begun by mistake cannot be stopped.",
)
def abor(target: Target) -> None:
    with protected(target) as wire, _gone(wire):
        want_done(upload(wire, f"STOR {_NAME}", bytes(8_000_000)), "STOR over TLS")
        with transfer(wire, f"RETR {_NAME}") as moving:
            moving.data.receive(1)
            wire.send(b"ABOR\r\n")
            time.sleep(0.1)
            with contextlib.suppress(Failed, Closed):
                moving.data.receive_all()
        want(wire.reply(), (426, 226, 250, 225), "ABOR of a transfer")
        want(wire.reply(), (226, 225), "ABOR itself")
        want_alive(wire, "ABOR")
