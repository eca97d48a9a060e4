"""Chapter 2, ends before the end: ABOR, QUIT and lost connections while a transfer runs (RFC 959 s.4.1.1, s.4.1.3).

What ABOR does is a SHOULD here: RFC 1123 s.4.1.5 leaves a server free to have it, and one that has it only for an idle
session breaks no rule.
"""

from __future__ import annotations

import contextlib
import socket
import time
from collections.abc import Callable, Iterator

from conformance.chapters.checks import want, want_alive, want_class
from conformance.data import Moving, download, transfer, upload
from conformance.place import Place, place, want_done
from conformance.registry import Failed, Level, Skipped, case
from conformance.wire import Closed, Reply, Target, Wire

_BIG = 16 * 1024 * 1024  #: bytes, more than the kernels of both ends hold back
_NOTICING = 3.0  #: seconds
_IAC, _IP, _DM = b"\xff", b"\xf4", b"\xf2"
_STUCK = "Transfers cannot be stopped, or stopping one loses the session."


def _plain(wire: Wire) -> None:
    wire.send(b"ABOR\r\n")


def _signalled(wire: Wire) -> None:
    """As s.4.1.3 has it: IP, then Synch, whose mark is urgent data where there is such a thing, then ABOR."""
    wire.send(_IAC + _IP)
    if wire.context is None:
        wire.socket.send(_IAC + _DM, socket.MSG_OOB)
    else:
        wire.send(_IAC + _DM)
    wire.send(b"ABOR\r\n")


@contextlib.contextmanager
def _downloading(target: Target) -> Iterator[tuple[Place, Moving]]:
    """A place where a big download has begun that nobody reads on."""
    with place(target) as here:
        if here.command("ABOR").code not in (225, 226):
            raise Skipped("ABOR is not known here")
        here.make("big", bytes(_BIG))
        with transfer(here.wire, "RETR big") as moving:
            moving.data.receive(1)
            yield here, moving


def _after_abort(here: Place, moving: Moving) -> list[Reply]:
    """The replies up to ABOR's own. The data connection is read meanwhile, as clients do; its end may be a reset."""
    here.wire.silent(_NOTICING)
    size = _rest(moving)
    replies = [here.wire.reply()]
    if replies[0].code not in (225, 226) or here.wire.silent(0.3):
        replies.append(here.wire.reply())
    if size >= _BIG - 1:
        raise Failed(f"the transfer went on to its end: {replies[0].shown}")
    return replies


def _rest(moving: Moving) -> int:
    """How much still comes, read so slowly that a busy server has three seconds to notice that it is to stop."""
    size = 0
    with contextlib.suppress(Closed):
        while piece := moving.data.receive():
            size += len(piece)
            time.sleep(_NOTICING * len(piece) / _BIG)
    return size


def _abort(name: str, level: Level, says: str, how: Callable[[Wire], None]) -> None:
    @case(f"abort-download-{name}", "RFC 959 s.4.1.3", level, says, _STUCK)
    def check(target: Target) -> str:
        with _downloading(target) as (here, moving):
            how(here.wire)
            replies = _after_abort(here, moving)
            want(replies[-1], (225, 226), "ABOR while a download runs")
            want_alive(here.wire, "ABOR")
            return " / ".join(str(reply.code) for reply in replies)


_abort("signalled", Level.SHOULD, "ABOR after IP and Synch ends a download, and the session goes on.", _signalled)
_abort("plain", Level.SHOULD, "ABOR without Telnet signals ends a download, and the session goes on.", _plain)


@case(
    "abort-two-replies",
    "RFC 959 s.4.1.3 ABOR",
    Level.SHOULD,
    "ABOR of a running transfer gets 426 for the transfer and 226 for itself.",
    "Clients wait for the second reply for ever, or take it for that of their next command.",
)
def two_replies(target: Target) -> None:
    with _downloading(target) as (here, moving):
        _signalled(here.wire)
        codes = [reply.code for reply in _after_abort(here, moving)]
        if len(codes) != 2 or codes[0] not in (426, 451) or codes[1] not in (225, 226):
            raise Failed(f"the replies are {codes}")


@case(
    "abort-then-transfer",
    "RFC 959 s.4.1.3 ABOR",
    Level.SHOULD,
    "After ABOR the next transfer works.",
    "Stopping one transfer ends all work in the session.",
)
def then_transfer(target: Target) -> None:
    with _downloading(target) as (here, moving):
        _signalled(here.wire)
        _after_abort(here, moving)
        here.make("file")
        if here.fetch("file") != b"content\n":
            raise Failed("the next file did not come whole")


@case(
    "abort-upload",
    "RFC 959 s.4.1.3 ABOR",
    Level.SHOULD,
    "ABOR ends an upload with 426 and 226, and the session goes on.",
    _STUCK,
)
def abort_upload(target: Target) -> str:
    with place(target) as here:
        if here.command("ABOR").code not in (225, 226):
            raise Skipped("ABOR is not known here")
        with transfer(here.wire, "STOR part") as moving:
            moving.data.send(b"half")
            _signalled(here.wire)
            replies = [here.wire.reply()]
            if replies[0].code not in (225, 226):
                replies.append(here.wire.reply())
            want(replies[-1], (225, 226), "ABOR while an upload runs")
            want_alive(here.wire, "ABOR")
        return " / ".join(str(reply.code) for reply in replies)


@case(
    "abort-upload-not-confirmed",
    "RFC 959 s.4.1.3 ABOR",
    Level.SHOULD,
    "The upload that ABOR ended is not confirmed: 426 comes for it, and not 226 alone.",
    "A part of a file is taken for the file.",
)
def upload_not_confirmed(target: Target) -> None:
    with place(target) as here:
        if here.command("ABOR").code not in (225, 226):
            raise Skipped("ABOR is not known here")
        with transfer(here.wire, "STOR part") as moving:
            moving.data.send(b"half")
            _signalled(here.wire)
            want_class(here.wire.reply(), "45", "STOR after ABOR")


@case(
    "abort-after-end",
    "RFC 959 s.4.1.3 ABOR",
    Level.MUST,
    "ABOR after a transfer has ended gets one reply, 225 or 226.",
    "An ABOR that comes a moment too late puts client and server out of step.",
)
def after_end(target: Target) -> None:
    with place(target) as here:
        here.make("file")
        want_done(download(here.wire, "RETR file"), "RETR")
        want(here.known("ABOR"), (225, 226), "ABOR after the end")
        want_alive(here.wire, "it")


@case(
    "quit-while-transferring",
    "RFC 959 s.4.1.1 QUIT",
    Level.MUST,
    "QUIT while a download runs lets it come to its end, and then ends the session.",
    "Clients that say goodbye early lose the end of their last file.",
)
def quit_while_transferring(target: Target) -> None:
    with place(target) as here:
        here.make("big", bytes(_BIG))
        with transfer(here.wire, "RETR big") as moving:
            size = len(moving.data.receive())
            here.wire.send(b"QUIT\r\n")
            time.sleep(0.1)
            while piece := moving.data.receive():
                size += len(piece)
        if size != _BIG:
            raise Failed(f"only {size} of {_BIG} bytes came")
        want_class(here.wire.reply(), "2", "the download")
        if not here.wire.at_end():
            raise Failed("the session stays open")


@case(
    "quit-while-storing",
    "RFC 959 s.4.1.1 QUIT",
    Level.MUST,
    "QUIT while an upload runs lets it come to its end.",
    "Clients that say goodbye early lose their last file.",
)
def quit_while_storing(target: Target) -> None:
    with place(target) as here:
        with transfer(here.wire, "STOR last") as moving:
            moving.data.send(b"first half, ")
            here.wire.send(b"QUIT\r\n")
            time.sleep(0.1)
            moving.data.send(b"second half")
            moving.data.end()
        want_class(here.wire.reply(), "2", "the upload")
        with target.session() as later:
            later.command("TYPE I")
            outcome = download(later, f"RETR {here.path}/last")
            want_done(outcome, "RETR of what was stored")
            if outcome.content != b"first half, second half":
                raise Failed(f"it was stored as {outcome.content!r}")


@case(
    "lost-control-download",
    "RFC 959 s.4.1.1 QUIT",
    Level.MUST,
    "When the control connection is lost, a running download ends as after ABOR.",
    "Transfers of clients that are gone go on and take bandwidth and places.",
)
def lost_control_download(target: Target) -> None:
    with place(target) as here:
        here.make("big", bytes(_BIG))
        with transfer(here.wire, "RETR big") as moving:
            moving.data.receive(1)
            here.wire.socket.shutdown(socket.SHUT_RDWR)
            here.wire.close()
            if _rest(moving) >= _BIG - 1:
                raise Failed("the file came whole")


@case(
    "lost-control-upload",
    "RFC 959 s.4.1.1 QUIT",
    Level.MUST,
    "When the control connection is lost, a running upload ends as after ABOR.",
    "Transfers of clients that are gone go on and take bandwidth and places.",
)
def lost_control_upload(target: Target) -> None:
    with place(target) as here:
        with transfer(here.wire, "STOR part") as moving:
            moving.data.send(b"half")
            here.wire.socket.shutdown(socket.SHUT_RDWR)
            here.wire.close()
            try:
                if moving.data.receive():
                    raise Failed("the server sends data on an upload")
            except Closed:
                pass


@case(
    "lost-control-publishes-nothing",
    "RFC 959 s.4.1.1 QUIT",
    Level.MAY,
    "An upload whose control connection was lost leaves the old file under its name.",
    "A client that died half-way has damaged the file.",
)
def lost_control_publishes_nothing(target: Target) -> None:
    with place(target) as here:
        here.make("file", b"old\n")
        stored = here.on_disk("file")
        with transfer(here.wire, "STOR file") as moving:
            moving.data.send(b"half")
            here.wire.socket.shutdown(socket.SHUT_RDWR)
            here.wire.close()
            with contextlib.suppress(Closed):
                moving.data.receive()
            moving.data.reset()
        time.sleep(0.3)
        if (content := stored.read_bytes()) != b"old\n":
            raise Failed(f"the file is now {content!r}")


@case(
    "stat-while-transferring",
    "RFC 1123 s.4.1.3.3",
    Level.MAY,
    "STAT is answered while a download runs.",
    "Clients cannot ask how far a transfer is.",
)
def stat_while_transferring(target: Target) -> None:
    with place(target) as here:
        here.known("STAT")
        here.make("big", bytes(_BIG))
        with transfer(here.wire, "RETR big") as moving:
            moving.data.receive(1)
            here.wire.send(b"STAT\r\n")
            answered = bool(here.wire.silent(1.0))
            moving.data.reset()
        if not answered:
            raise Failed("nothing came within a second")


@case(
    "command-while-transferring",
    "RFC 959 s.5.4",
    Level.MUST,
    "A command sent while a transfer runs is answered, at once or after it, once.",
    "Clients that keep their session open with NOOP get out of step.",
)
def command_while_transferring(target: Target) -> None:
    with place(target) as here:
        with transfer(here.wire, "STOR file") as moving:
            moving.data.send(b"half ")
            here.wire.send(b"NOOP\r\n")
            time.sleep(0.1)
            moving.data.send(b"whole")
            moving.data.end()
        codes = sorted([here.wire.reply().code, here.wire.reply().code])
        if codes not in ([200, 226], [200, 250]):
            raise Failed(f"the replies are {codes}")
        want_alive(here.wire, "it")


@case(
    "upload-reset-leaves-nothing",
    "RFC 959 s.3.4.1",
    Level.MAY,
    "An upload that is reset leaves nothing under its name.",
    "Readers find half a file and take it for the whole.",
)
def reset_leaves_nothing(target: Target) -> None:
    with place(target) as here:
        with transfer(here.wire, "STOR part") as moving:
            moving.data.send(b"half")
            time.sleep(0.1)
            moving.data.reset()
        here.wire.reply()
        outcome = download(here.wire, "RETR part")
        if not outcome.refused:
            raise Failed(f"it holds {outcome.content!r}")


@case(
    "upload-after-broken-one",
    "RFC 959 s.3.4.1",
    Level.MUST,
    "After an upload that broke, the same name can be stored afresh.",
    "One bad line locks a name.",
)
def after_broken_one(target: Target) -> None:
    with place(target) as here:
        with transfer(here.wire, "STOR file") as moving:
            moving.data.send(b"half of a long content")
            time.sleep(0.1)
            moving.data.reset()
        here.wire.reply()
        want_done(upload(here.wire, "STOR file", b"whole\n"), "STOR after one that broke")
        if (content := here.fetch("file")) != b"whole\n":
            raise Failed(f"the file is now {content!r}")
